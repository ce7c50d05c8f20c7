//! How a run ended, told to whoever waited for it.

use crate::console::Console;
use crate::error::CliError;
use crate::render::summary::{summary, told};
use resus_core::view::RunView;

/// Tells how `view` ended: a failure in three parts on standard error, everything else as a
/// summary on standard output.
///
/// # Errors
/// [`CliError::Output`].
pub(crate) fn tell(view: &RunView, console: &Console) -> Result<(), CliError> {
    if console.json {
        return console.out_json(view);
    }
    match told(view) {
        Some(told) => console.tell(&told.text(&console.err_page())),
        None => console.out(&summary(view, &console.out_page()))?,
    }
    Ok(())
}
