//! `resus`, the one binary: command line, daemon, shim and built-in workers.

#[cfg(not(target_os = "linux"))]
compile_error!("Resus needs Linux: pidfd, /proc and Unix sockets' credentials hold its promises");

mod args;
mod attach;
mod bundle;
mod client;
mod command;
mod completion;
mod confirm;
mod console;
mod contexts;
mod counting;
mod daemon;
mod doctor;
mod ending;
mod error;
#[cfg(test)]
mod fake_daemon;
mod follow;
#[cfg(test)]
mod golden;
mod help;
mod hints;
mod judgement;
mod keys;
mod named;
mod output;
mod passthrough;
mod place;
mod progress;
mod render;
mod screen;
mod secret_file;
mod settings;
mod submission;
mod target;
mod text;
mod until;
mod workloads;

use crate::command::Around;
use crate::command::run::instead::instead;
use crate::console::{ColourChoice, Console, print_usage};
use crate::error::CliError;
use clap::error::ErrorKind;
use resus_core::exit::ExitCode as Exit;
use std::env;
use std::ffi::OsString;
use std::io;
use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = env::args_os();
    let program = words.next().unwrap_or_default();
    // Shims and workers are neither clients nor daemons: no parser, no runtime, no threads.
    match words.next().as_ref().and_then(|word| word.to_str()) {
        Some("shim") => resus_shim::main(words),
        Some("worker") => worker(program, words),
        _ => ExitCode::from(cli()),
    }
}

/// A built-in worker: `resus worker NAME [FLAGS]`.
fn worker(program: OsString, mut words: impl Iterator<Item = OsString>) -> ExitCode {
    match words.next().as_ref().and_then(|name| name.to_str()) {
        Some("othello") => othello_trainer::main(words),
        Some("fake") => resus_fake_worker::main(words),
        Some("v1") => resus_v1_watcher::main(program, words),
        _ => {
            // 125 tells a supervisor that trying again would be in vain.
            eprintln!("usage: resus worker othello|fake|v1 [FLAGS]");
            ExitCode::from(125)
        }
    }
}

/// Carries out what the command line says: the exit code of this process.
fn cli() -> u8 {
    if completion::is_asked() {
        completion::answer(env::args_os());
        return Exit::Ok.code();
    }
    let cli = match help::parse(env::args_os()) {
        Ok(cli) => cli,
        Err(error) => return refuse_arguments(&error).code(),
    };
    let console = Console::of_process(cli.global.json, cli.global.color);
    let around = Around::new(&cli.global, cli.command.scope(), console);
    let done = around.and_then(|around| command::carry_out(cli.command, &cli.global, &around));
    match done {
        Ok(code) => code,
        // Whoever read our output has seen enough.
        Err(CliError::Output(error)) if error.kind() == io::ErrorKind::BrokenPipe => Exit::Ok.code(),
        Err(error) => {
            tell(&error, console);
            error.exit().code()
        }
    }
}

pub(crate) fn tell(error: &CliError, console: Console) {
    if console.json {
        console.tell_json(&error.problem());
    } else if matches!(error, CliError::Interrupted { .. }) {
        // Who pressed Ctrl-C knows why; that the run goes on is news.
        console.tell(&format!("{error}\n"));
    } else {
        console.tell(&error.told().text(&console.err_page()));
    }
}

/// Help, version, or arguments that make no sense.
fn refuse_arguments(error: &clap::Error) -> Exit {
    let is_help = matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion);
    let words: Option<Vec<String>> = env::args_os().map(|word| word.into_string().ok()).collect();
    let next = words.filter(|_| !is_help).and_then(|words| instead(&words));
    if !is_help && env::args_os().any(|word| word == "--json") {
        let what = error.render().to_string().trim_end().to_owned();
        let error = CliError::Usage { what, next: next.unwrap_or_else(|| "resus --help".to_owned()) };
        tell(&error, Console::of_process(true, ColourChoice::Never));
        return Exit::Usage;
    }
    print_usage(error, next.as_deref());
    if is_help { Exit::Ok } else { Exit::Usage }
}
