//! How a run ended, told to whoever waited for it.

use crate::console::Console;
use crate::error::CliError;
use crate::render::summary::{summary, told};
use resus_core::view::RunView;
use std::io;

/// Tells how `view` ended: a failure in three parts on standard error, everything else as a
/// summary on standard output.
///
/// # Errors
/// [`CliError::Output`].
pub(crate) fn tell(view: &RunView, console: &Console) -> Result<(), CliError> {
    if console.json {
        return unless_gone(console.out_json(view));
    }
    match told(view) {
        Some(told) => console.tell(&told.text(&console.err_page())),
        None => unless_gone(console.out(&summary(view, &console.out_page())))?,
    }
    Ok(())
}

/// That nobody reads any more does not change how the run ended, which the exit code tells.
fn unless_gone(written: Result<(), CliError>) -> Result<(), CliError> {
    match written {
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
