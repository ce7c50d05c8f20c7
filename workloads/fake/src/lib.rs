//! A scripted bad worker: it crashes, stalls, lies, leaves children behind and damages its checkpoints,
//! exactly when it is told to. Tests and demonstrations run it where they need a training that fails.
//!
//! It speaks through the same SDK and saves the same checkpoints as any honest worker.

mod asked;
mod flags;
mod foreign;
mod run;
mod script;
mod state;
mod strays;
mod values;

use std::ffi::OsString;
use std::io::{self, Write};
use std::process::ExitCode;

use resus_sdk::{Environment, Pulse};

use crate::flags::{Request, USAGE};
use crate::run::{EXIT_PERMANENT, Ending, Run};
use crate::script::{CrashHow, Script};

/// The worker `resus worker fake`; `args` are those after its name.
///
/// Ends with 125 (permanent, do not retry) on a bad flag, and otherwise as scripted, which may well be
/// by a signal or a panic.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    match flags::parse(args) {
        Ok(Request::Help) => {
            let _ = io::stdout().write_all(USAGE.as_bytes());
            ExitCode::SUCCESS
        }
        Ok(Request::Play(script)) => play(&script),
        Ok(Request::Sleep(sleeper)) => match strays::sleep(sleeper) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => refuse(&error.to_string()),
        },
        Err(bad_flag) => refuse(&format!("{bad_flag}\ntry: resus worker fake --help")),
    }
}

fn play(script: &Script) -> ExitCode {
    let mut environment = Environment::from_process();
    if script.silent {
        environment.events = None;
    }
    let pulse = Pulse::new(environment);
    if let Err(error) = pulse.handle_signals() {
        return refuse(&format!("cannot handle signals: {error}"));
    }
    match strays::plant(script.fork_tree, script.ignore_term) {
        Ok(pids) => pids.iter().for_each(|pid| drop(writeln!(io::stdout(), "stray {pid}"))),
        Err(error) => return refuse(&format!("cannot start the children: {error}")),
    }
    let ending = Run::new(script, &pulse, io::stdout()).play();
    // A crash runs no destructors, and what was reported before it shall be found.
    pulse.flush();
    match ending {
        Ending::Exit(code) | Ending::Crash(CrashHow::Exit(code)) => ExitCode::from(code),
        Ending::Crash(CrashHow::Panic) => panic!("the script says to panic here"),
        Ending::Crash(CrashHow::Signal(signal)) => {
            let refusal = signal_hook::low_level::emulate_default_handler(signal);
            refuse(&format!("signal {signal} did not end the process: {refusal:?}"))
        }
    }
}

fn refuse(message: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "fake worker: {message}");
    ExitCode::from(EXIT_PERMANENT)
}
