//! What the end of a worker means.

use crate::codes::Code;
use crate::input::{Exit, Reached};
use crate::moment::Moment;
use crate::pulse::word::{Outcome, WorkerError};
use crate::run::Run;
use crate::spec::Contract;

/// Exit code of a worker that wants to be tried again (`EX_TEMPFAIL` of sysexits.h).
pub const EXIT_RETRY: i32 = 75;
/// Exit code of a worker that has saved a checkpoint and left for a pause.
pub const EXIT_PAUSED: i32 = 3;
/// Exit code of a worker that must not be tried again (as s6 and others use it).
pub const EXIT_PERMANENT: i32 = 125;

/// What an exit means, before retries and the user's wishes are weighed.
#[derive(Debug, Clone, PartialEq)]
pub enum Meaning {
    /// The work is complete.
    Complete,
    /// The worker stopped because it was asked to.
    Stopped,
    /// It failed.
    Failed(Fault),
}

/// A failure before retries are weighed.
#[derive(Debug, Clone, PartialEq)]
pub struct Fault {
    /// Its class.
    pub code: Code,
    /// For people.
    pub message: String,
    /// The worker's own opinion on another attempt.
    pub retryable: Option<bool>,
    /// The class is the worker's own word, not our finding.
    pub by_worker: bool,
}

impl Fault {
    /// A failure that we found ourselves.
    #[must_use]
    pub fn ours(code: &str, message: String) -> Self {
        Self { code: Code::new(code), message, retryable: None, by_worker: false }
    }

    /// A failure that the worker named.
    fn by_worker(error: &WorkerError, message: String) -> Self {
        Self { code: error.error_code.clone(), message, retryable: error.is_retryable, by_worker: true }
    }
}

/// For people, when the worker gave no error with its word.
pub const SAID_FAILED: &str = "the worker said that the training failed";

/// Judges how a worker ended by its exit and by what it had said.
///
/// The worker's word and its exit have to agree for the work to be complete: success with
/// another code than 0 is a failure, and so is code 0 of a worker that speaks PULSE and
/// never said that it was complete. An exit that nobody saw is judged by the last word.
#[must_use]
pub fn judge(run: &Run, exit: &Exit, reached: Option<&Reached>, now: Moment) -> Meaning {
    let said = run.heard.complete.as_ref().map(|c| c.outcome);
    match (exit.code, exit.signal) {
        (Some(0), _) => match said {
            Some(Outcome::Success | Outcome::Skipped) => Meaning::Complete,
            Some(Outcome::Cancelled) => Meaning::Stopped,
            Some(Outcome::Failed) => Meaning::Failed(failed_by_word(run, SAID_FAILED)),
            None if run.spec.contract == Contract::Opaque && !run.heard.spoke => Meaning::Complete,
            None => failed("EXIT_WITHOUT_DONE", "exit code 0, but the worker never said run_complete"),
        },
        (Some(code), _) => by_code(run, exit, code, reached, now),
        (None, Some(signal)) => by_signal(run, exit, signal, now),
        (None, None) => match said {
            Some(Outcome::Success | Outcome::Skipped) => Meaning::Complete,
            Some(Outcome::Cancelled) => Meaning::Stopped,
            Some(Outcome::Failed) => Meaning::Failed(failed_by_word(run, SAID_FAILED)),
            None if run.lost_to_reboot => failed("NODE_LOST", "the machine was restarted under the worker"),
            None => failed("TRAINING_LOST", "the worker is gone and nobody saw how it ended"),
        },
    }
}

fn by_code(run: &Run, exit: &Exit, code: i32, reached: Option<&Reached>, now: Moment) -> Meaning {
    let said = run.heard.complete.as_ref().map(|c| c.outcome);
    if let (Some(class), None) = (mapped(run, code), last_error(run)) {
        return failed(class.as_str(), &format!("exit code {code}"));
    }
    match (code, last_error(run)) {
        (EXIT_PERMANENT, Some(error)) => {
            let fault = Fault::by_worker(error, error.message.clone());
            Meaning::Failed(Fault { retryable: Some(false), ..fault })
        }
        (EXIT_PERMANENT, None) => failed("EXIT_PERMANENT", "exit code 125: permanent, do not retry"),
        (EXIT_RETRY, _) => failed("EXIT_NONZERO", "exit code 75: the worker asks to be tried again"),
        (126, _) => failed("COMMAND_NOT_EXECUTABLE", "exit code 126: the command can't be executed"),
        (127, _) => failed("COMMAND_NOT_FOUND", "exit code 127: the command was not found"),
        (_, Some(error)) => Meaning::Failed(Fault::by_worker(error, error.message.clone())),
        (_, None) if said == Some(Outcome::Success) => {
            failed("EXIT_NONZERO", &format!("the worker said that it succeeded, but its exit code is {code}"))
        }
        (_, None) if never_got_going(run, exit, reached, now) => {
            let window_s = run.spec.policy.retry.startup_window_ms as f64 / 1000.0;
            let when = format!("within {window_s} s of its start and without any progress");
            failed("STARTUP_FAILED", &format!("exit code {code}, {when}"))
        }
        (_, None) => failed("EXIT_NONZERO", &format!("exit code {code}")),
    }
}

/// The class of a failure that the workload gives to an exit code of its own.
#[must_use]
pub fn mapped(run: &Run, code: i32) -> Option<&Code> {
    run.spec.exit_codes.get(&u8::try_from(code).ok()?)
}

fn by_signal(run: &Run, exit: &Exit, signal: i32, now: Moment) -> Meaning {
    let name = signal_name(signal);
    if let Some(error) = run.heard.error.as_ref().filter(|error| error.fatal) {
        return Meaning::Failed(Fault::by_worker(error, format!("{} ({name})", error.message)));
    }
    let lived_s = lived_ms(run, exit, now) as f64 / 1000.0;
    failed("WORKER_CRASHED", &format!("ended by {name} after {lived_s:.1}s"))
}

/// An error code soon after the start, before any sign of progress: a typing error rather
/// than an accident.
fn never_got_going(run: &Run, exit: &Exit, reached: Option<&Reached>, now: Moment) -> bool {
    let young = lived_ms(run, exit, now) < run.spec.policy.retry.startup_window_ms;
    young && reached.is_none() && run.checkpoint.is_none()
}

fn failed(code: &str, message: &str) -> Meaning {
    Meaning::Failed(Fault::ours(code, message.to_owned()))
}

/// How long the worker lived: until its recorded end, if somebody recorded it (a daemon that was
/// away hears of it late), else until now.
#[must_use]
pub fn lived_ms(run: &Run, exit: &Exit, now: Moment) -> u64 {
    let Some(started) = run.started_at else { return 0 };
    match exit.unix_ms {
        Some(ended_ms) => ended_ms.saturating_sub(started.unix_ms),
        None if run.lost_to_reboot => now.unix_ms.saturating_sub(started.unix_ms),
        None => now.ms_since(started),
    }
}

/// The error that ended the worker: a fatal one, or one after which it said nothing more. An
/// error that it survived by two days has nothing to do with its end.
fn last_error(run: &Run) -> Option<&WorkerError> {
    run.heard.error.as_ref().filter(|error| error.fatal || run.heard.error_was_last)
}

/// What the worker says is wrong: its last error names the class.
#[must_use]
pub fn failed_by_word(run: &Run, otherwise: &str) -> Fault {
    match last_error(run) {
        Some(error) => Fault::by_worker(error, error.message.clone()),
        None => Fault::ours("EXIT_NONZERO", otherwise.to_owned()),
    }
}

/// Name of a signal on Linux, e.g. `SIGKILL`; others by number.
#[must_use]
pub fn signal_name(signal: i32) -> String {
    let name = match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        other => return format!("signal {other}"),
    };
    name.to_owned()
}
