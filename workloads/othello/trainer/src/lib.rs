//! The Othello workload: trains the evaluation of `othello_engine` by self-play, says how it is by PULSE,
//! and survives being stopped, killed and resumed without a trace in its result.
//!
//! With the same settings the state in the final checkpoint is the same bit for bit, whatever the number of
//! threads and however often the training was interrupted. Outside Resus it works the same and talks to
//! standard output alone.

mod attempt;
mod evaluate;
mod failure;
mod fingerprint;
mod flags;
mod retention;
mod saver;
mod snapshot;
mod voice;

use std::env;
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use othello_engine::session::{Session, TrainConfig};
use resus_checkpoint::background::SaverOptions;
use resus_checkpoint::load_at_most;
use resus_sdk::{ErrorReport, Outcome, Pulse, RunComplete, Status};

use crate::attempt::{Attempt, Ending};
use crate::failure::{EXIT_DONE, EXIT_RELEASED, Failure, with_causes};
use crate::flags::{HELP, Options, Request, from_environment, parse};
use crate::saver::{Saver, prepare_folder};
use crate::snapshot::expected_bytes;

/// Where checkpoints go when neither the command line nor a supervisor says so.
const CHECKPOINT_FOLDER: &str = "checkpoints";

/// Most of the time that saving may keep the disk busy, in percent, where the command line does not say it.
const DISK_SHARE: &str = "PULSE_DISK_SHARE";

/// Runs the workload with `arguments`, those after the worker's name, as this process's environment and
/// signals have it.
pub fn main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let pulse = Pulse::from_env();
    let mut errors = io::stderr();
    if let Err(error) = pulse.handle_signals() {
        // Training without a graceful stop is better than no training.
        let _ = writeln!(errors, "warning: failed to listen to signals: {error}");
    }
    let arguments = from_environment(env::var_os(DISK_SHARE)).chain(arguments);
    ExitCode::from(run(arguments, &pulse, &mut io::stdout(), &mut errors))
}

/// Runs the workload for whoever is behind `pulse`; progress goes to `out`, a failure to `errors`.
/// Returns the exit code: 0 finished or stopped on request, 3 released at a checkpoint, 75 worth a retry,
/// 125 failed for good.
pub fn run(
    arguments: impl Iterator<Item = OsString>,
    pulse: &Pulse,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> u8 {
    match parse(arguments) {
        Ok(Request::Help) => {
            let _ = out.write_all(HELP.as_bytes());
            EXIT_DONE
        }
        Ok(Request::Train(options)) => match train(options, pulse, out, errors) {
            Ok(Ending::Done | Ending::Stopped) => EXIT_DONE,
            Ok(Ending::Released) => EXIT_RELEASED,
            Err(failure) => give_up(&failure, pulse, errors),
        },
        Err(error) => give_up(&error.into(), pulse, errors),
    }
}

fn train(
    options: Options,
    pulse: &Pulse,
    out: &mut dyn Write,
    errors: &mut dyn Write,
) -> Result<Ending, Failure> {
    pulse.status(Status::Preparing, "reading checkpoints");
    let folder = options
        .checkpoint_dir
        .or_else(|| pulse.checkpoint_dir().map(Path::to_owned))
        .unwrap_or_else(|| PathBuf::from(CHECKPOINT_FOLDER));
    let warnings =
        prepare_folder(&folder).map_err(|source| Failure::Folder { path: folder.clone(), source })?;
    for warning in warnings {
        // Nobody may be there to read it: that is not an error.
        let _ = writeln!(errors, "warning: {warning}");
    }
    let resume_from = options.resume_from.or_else(|| pulse.resume_from().map(Path::to_owned));
    let pool = rayon::ThreadPoolBuilder::new().num_threads(options.threads).build()?;
    let (session, safe_at) = match resume_from {
        Some(path) => {
            let session = resume(options.config, &path)?;
            let games = session.games_done();
            // Nobody may be there to read it: that is not an error.
            let _ = writeln!(out, "going on from {} after {games} games", path.display());
            (session, Some(games))
        }
        None => (Session::new(options.config), None),
    };
    let mut saving = SaverOptions::new(folder);
    saving.save.disk_share_percent = options.disk_share;
    saving.expected_bytes = expected_bytes(&session);
    let saver = Saver::start(saving, options.compression, pulse.clone()).map_err(Failure::SavingThread)?;
    Attempt::new(session, safe_at, pool, pulse, out, saver, options.checkpoint_every).run(options.eval_games)
}

/// The session saved in the checkpoint at `path`.
fn resume(config: TrainConfig, path: &Path) -> Result<Session, Failure> {
    let checkpoint = load_at_most(path, snapshot::bytes_max())
        .map_err(|reason| Failure::Unreadable { path: path.to_owned(), reason })?;
    snapshot::decode(config, &checkpoint).map_err(|reason| Failure::Unfit { path: path.to_owned(), reason })
}

/// Says what failed to everyone who may listen; returns the exit code.
fn give_up(failure: &Failure, pulse: &Pulse, errors: &mut dyn Write) -> u8 {
    let message = with_causes(failure);
    pulse.error(&ErrorReport {
        error_code: failure.code(),
        message: &message,
        is_retryable: failure.is_retryable(),
        fatal: true,
        ..ErrorReport::default()
    });
    pulse.run_complete(&RunComplete::with(Outcome::Failed));
    let _ = writeln!(errors, "error: {message}");
    failure.exit_code()
}
