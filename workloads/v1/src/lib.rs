//! Watches a training of somebody else by the PULSE v1 file that it writes, and says in PULSE v2
//! what it sees.
//!
//! The file is only ever read. One run watches one training; before it ends it hands in another
//! run, which waits for the next training in the same file.

mod file;
mod flags;
mod run;
mod successor;
mod watcher;

use resus_sdk::Pulse;
use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use crate::flags::{Request, USAGE, parse};
use crate::run::Run;

/// Exit code: permanent, do not retry.
const EXIT_PERMANENT: u8 = 125;

/// The worker `resus worker v1`; `program` is what it was started as, `args` are the arguments
/// after its name.
///
/// Ends with 125 (permanent, do not retry) on a bad flag and when the training ended in an error.
pub fn main(program: OsString, args: impl Iterator<Item = OsString>) -> ExitCode {
    let flags = match parse(args) {
        Ok(Request::Help) => {
            let _ = io::stdout().write_all(USAGE.as_bytes());
            return ExitCode::SUCCESS;
        }
        Ok(Request::Watch(flags)) => flags,
        Err(bad_flag) => return refuse(&format!("{bad_flag}\ntry: resus worker v1 --help")),
    };
    let pulse = Pulse::from_env();
    if let Err(error) = pulse.handle_signals() {
        return refuse(&format!("cannot handle signals: {error}"));
    }
    let code = Run::new(&pulse, &flags, program).watch();
    pulse.flush();
    ExitCode::from(code)
}

fn refuse(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "v1 watcher: {message}");
    ExitCode::from(EXIT_PERMANENT)
}
