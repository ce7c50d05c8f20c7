//! How a command fails: what, why, what to do next, and the exit code.

mod kinds;

use crate::client::ClientError;
use crate::daemon::service::{ServiceError, ToolError};
use crate::daemon::start::StartError;
use crate::judgement::{Judgement, judge};
use crate::place::PlaceError;
use crate::render::page::Page;
use crate::settings::SettingsError;
use crate::text::columns::hang;
use crate::text::paint::Colour;
use kinds::{kind, status};
use resus_checkpoint::{ConvertError, Refusal};
use resus_core::api::Problem;
use resus_core::exit::ExitCode;
use resus_core::text::visible;
use resus_store::{LockError, StateError};
use std::error::Error;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Column in which the parts of a failure begin.
const PART_COLUMN: usize = 7;
/// Bytes shown of a code that nobody knows.
const CODE_SHOWN_BYTES: usize = 80;

/// Why a command did not do what it was asked to.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CliError {
    /// The arguments are each fine, but not together or not here.
    #[error("{what}")]
    Usage {
        /// What does not fit.
        what: String,
        /// What to type instead.
        next: String,
    },
    /// The configuration is not valid.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// The state folder can't be used.
    #[error(transparent)]
    State(#[from] StateError),
    /// The runtime folder can't be used.
    #[error(transparent)]
    Place(#[from] PlaceError),
    /// This process can't be the daemon of that state folder.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The daemon can't be started by this process.
    #[error(transparent)]
    Start(#[from] StartError),
    /// The daemon was asked and there was no good answer.
    #[error(transparent)]
    Client(#[from] ClientError),
    /// This process is the daemon and can't go on.
    #[error(transparent)]
    System(#[from] resus_actors::system::StartError),
    /// The systemd unit can't be written or removed.
    #[error(transparent)]
    Service(#[from] ServiceError),
    /// systemd runs the daemon and did not restart it.
    #[error("the service was not restarted")]
    Systemd(#[from] ToolError),
    /// A wait ran out of time.
    #[error("run {run} {missing} within {}", crate::text::duration::show_s(waited.as_secs_f64()))]
    TimedOut {
        /// The run.
        run: String,
        /// What was waited for, e.g. `has not ended`.
        missing: &'static str,
        /// How long was waited.
        waited: Duration,
    },
    /// What was asked of a run has begun and will not come to its end.
    #[error("run {run} {what}")]
    NotReached {
        /// The run.
        run: String,
        /// What happened instead.
        what: String,
        /// What to type next.
        next: String,
    },
    /// Nothing is called so that `resus explain` could explain.
    #[error("{} is no code of resus", resus_core::text::one_line(code, CODE_SHOWN_BYTES))]
    UnknownCode {
        /// What was typed.
        code: String,
        /// What to type next.
        next: String,
    },
    /// Somebody who waited for a run pressed Ctrl-C.
    #[error("{}", interrupted(run, *is_stopping))]
    Interrupted {
        /// The run.
        run: String,
        /// It had been asked to stop.
        is_stopping: bool,
    },
    /// Somebody who started a run left before it was accepted.
    #[error("{}", left(*is_handed_in))]
    Left {
        /// The daemon may have heard of it.
        is_handed_in: bool,
    },
    /// The daemon was asked to stop and is still there.
    #[error("the daemon (pid {pid}) has not ended within {} s", waited.as_secs())]
    StillThere {
        /// Its process.
        pid: u32,
        /// How long was waited.
        waited: Duration,
    },
    /// A file is no checkpoint that may be restored.
    #[error("{} {}", path.display(), judge(path, refusal).words())]
    Checkpoint {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        refusal: Refusal,
    },
    /// A checkpoint of another framework, of which nothing is known but its bytes.
    #[error("{} is not our format{}", path.display(), guess(*looks_like))]
    Foreign {
        /// The file or folder.
        path: PathBuf,
        /// What it seems to be.
        looks_like: Option<&'static str>,
        /// What was to be done with it, e.g. `show`.
        wish: &'static str,
    },
    /// No run may begin from a checkpoint.
    #[error("{checkpoint} is nothing to begin from")]
    NoBeginning {
        /// The checkpoint.
        checkpoint: String,
        /// Why not.
        why: String,
        /// What to type instead.
        next: Option<String>,
        /// The exit code of that.
        exit: ExitCode,
    },
    /// A file was not written.
    #[error("failed to write {}", path.display())]
    Unwritten {
        /// The file.
        path: PathBuf,
        /// The reason.
        why: String,
        /// The exit code of that.
        exit: ExitCode,
    },
    /// A checkpoint can't be written in another form.
    #[error("nothing was converted")]
    Convert(#[from] ConvertError),
    /// Work beside the runtime was lost: it panicked.
    #[error("the work on a file was given up")]
    Lost(#[from] tokio::task::JoinError),
    /// What was to be written to standard output was not.
    #[error("failed to write to standard output")]
    Output(#[source] io::Error),
    /// The operating system refused something.
    #[error("failed to {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With what.
        path: PathBuf,
        /// The reason.
        source: io::Error,
    },
}

/// A failure as told to people: three parts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Told {
    /// What failed.
    pub what: String,
    /// Why, one line each.
    pub why: Vec<String>,
    /// A command to type next.
    pub next: Option<String>,
}

impl CliError {
    /// The exit code. This is the one place where errors become numbers.
    pub(crate) fn exit(&self) -> ExitCode {
        match self {
            Self::Usage { .. } => ExitCode::Usage,
            Self::UnknownCode { .. } => ExitCode::NotFound,
            Self::Settings(_) => ExitCode::ConfigInvalid,
            Self::Lock(LockError::Held { .. }) | Self::NotReached { .. } => ExitCode::Refused,
            Self::Client(ClientError::Refused(problem)) => problem.exit_code,
            Self::Client(ClientError::Far(error)) => error.exit(),
            Self::Service(ServiceError::NoHome | ServiceError::Unit(_) | ServiceError::NotOurs { .. }) => {
                ExitCode::Refused
            }
            Self::Systemd(_)
            | Self::State(_)
            | Self::Place(_)
            | Self::Lock(LockError::Io { .. })
            | Self::Start(StartError::Spawn { .. } | StartError::Ended { .. })
            | Self::System(_)
            | Self::Client(ClientError::Nobody { .. } | ClientError::Broken { .. }) => {
                ExitCode::DaemonUnreachable
            }
            Self::Start(StartError::Slow { .. })
            | Self::StillThere { .. }
            | Self::Client(ClientError::Silent { .. }) => ExitCode::DaemonSilent,
            Self::Client(ClientError::Foreign { .. }) => ExitCode::DaemonForeign,
            Self::TimedOut { .. } => ExitCode::TimedOut,
            Self::Checkpoint { path, refusal } | Self::Convert(ConvertError::Refused { path, refusal }) => {
                judge(path, refusal).exit()
            }
            Self::Foreign { .. } => Judgement::Foreign.exit(),
            Self::NoBeginning { exit, .. } | Self::Unwritten { exit, .. } => *exit,
            Self::Convert(ConvertError::Version(_) | ConvertError::Name { .. }) => ExitCode::Usage,
            Self::Convert(
                ConvertError::Sections { .. } | ConvertError::Exists { .. } | ConvertError::NotFinite,
            ) => ExitCode::Refused,
            Self::Interrupted { .. } | Self::Left { .. } => ExitCode::Interrupted,
            Self::Output(_)
            | Self::Io { .. }
            | Self::Lost(_)
            | Self::Convert(ConvertError::Save(_))
            | Self::Service(ServiceError::Io { .. }) => ExitCode::Bug,
        }
    }

    /// The failure for people.
    pub(crate) fn told(&self) -> Told {
        let (what, mut why) = match self {
            Self::Client(ClientError::Refused(problem)) if is_said_once(problem) => {
                (problem.title.clone(), Vec::new())
            }
            Self::Client(ClientError::Refused(problem)) => {
                (problem.title.clone(), vec![problem.detail.clone()])
            }
            Self::Settings(error) => (error.to_string(), error.details()),
            Self::Start(error) => (error.to_string(), error.log_tail().to_vec()),
            Self::Foreign { wish, .. } => {
                (self.to_string(), vec![format!("there is nothing to {wish} beyond its files")])
            }
            Self::NoBeginning { why, .. } | Self::Unwritten { why, .. } => {
                (self.to_string(), vec![why.clone()])
            }
            other => (other.to_string(), Vec::new()),
        };
        // That nobody listens is the whole story; how the kernel puts it is no help.
        if !matches!(self, Self::Settings(_) | Self::Client(ClientError::Nobody { .. })) {
            why.extend(causes(self));
        }
        Told { what: lower_first(&what), why, next: self.next() }
    }

    fn next(&self) -> Option<String> {
        let text = |text: &str| Some(text.to_owned());
        match self {
            Self::Usage { next, .. } | Self::NotReached { next, .. } | Self::UnknownCode { next, .. } => {
                Some(next.clone())
            }
            Self::NoBeginning { next, .. } => next.clone(),
            Self::Settings(error) => text(error.next()),
            Self::State(error) => error.hint().map(str::to_owned),
            Self::Lock(LockError::Held { .. }) => text("resus daemon status"),
            Self::Client(ClientError::Refused(problem)) => problem.hint.clone(),
            Self::Client(ClientError::Far(error)) => Some(error.next()),
            Self::Client(ClientError::Silent { pid: Some(pid), .. }) => Some(format!(
                "resus daemon logs; if it hangs: kill -9 {pid} (trainings go on, and any command starts a new daemon)"
            )),
            Self::Client(ClientError::Nobody { .. }) => text("resus daemon start"),
            Self::Client(ClientError::Silent { pid: None, .. } | ClientError::Broken { .. })
            | Self::Start(_) => text("resus daemon logs"),
            Self::Client(ClientError::Foreign { .. }) => {
                text("resus daemon restart (it starts a daemon of this build; trainings go on)")
            }
            Self::Service(error) => error.hint(),
            Self::Systemd(_) => text("systemctl --user status resus.service; resus daemon logs"),
            Self::TimedOut { run, .. } | Self::Interrupted { run, .. } => Some(format!("resus status {run}")),
            Self::Left { is_handed_in } => is_handed_in.then(|| "resus ps".to_owned()),
            Self::StillThere { pid, .. } => Some(format!("kill -9 {pid} (trainings go on)")),
            Self::Place(_) => text("remove the folder, or set XDG_RUNTIME_DIR to a folder of your own"),
            Self::Convert(ConvertError::Exists { .. }) => text("another name, or --force"),
            Self::Convert(ConvertError::Sections { .. } | ConvertError::NotFinite) => text("--to-version 3"),
            Self::Lock(LockError::Io { .. })
            | Self::System(_)
            | Self::Output(_)
            | Self::Checkpoint { .. }
            | Self::Foreign { .. }
            | Self::Unwritten { .. }
            | Self::Convert(
                ConvertError::Refused { .. }
                | ConvertError::Version(_)
                | ConvertError::Name { .. }
                | ConvertError::Save(_),
            )
            | Self::Lost(_)
            | Self::Io { .. } => None,
        }
    }

    /// The failure for programs.
    pub(crate) fn problem(&self) -> Problem {
        if let Self::Client(ClientError::Refused(problem)) = self {
            return (**problem).clone();
        }
        let told = self.told();
        let exit_code = self.exit();
        Problem {
            kind: format!("urn:resus:{}", kind(exit_code)),
            title: told.what,
            status: status(exit_code),
            detail: told.why.join("\n"),
            hint: told.next,
            exit_code,
        }
    }
}

impl Told {
    /// The three parts as text, each line ended.
    pub(crate) fn text(&self, page: &Page) -> String {
        // A server's words are among them: no line of theirs may look like one of ours.
        let hung = |text: &str| {
            hang(&visible(text).replace('\n', " · ").replace('\t', " "), PART_COLUMN, page.columns)
        };
        let head = page.paint.on(Colour::Red, "error:");
        let mut text = format!("{head} {}\n", hung(&self.what));
        let mut label = "  why:";
        for line in self.why.iter().flat_map(|why| why.lines()) {
            text.push_str(&format!("{} {}\n", page.paint.on(Colour::Bold, label), hung(line)));
            label = "      ";
        }
        if let Some(next) = &self.next {
            text.push_str(&format!("{} {}\n", page.paint.on(Colour::Bold, "  try:"), hung(next)));
        }
        text
    }
}

fn interrupted(run: &str, is_stopping: bool) -> String {
    let goes_on = if is_stopping { "goes on stopping" } else { "goes on" };
    format!("the run {goes_on}; look at it with: resus status {run}")
}

fn left(is_handed_in: bool) -> &'static str {
    match is_handed_in {
        true => "left before the daemon had answered: the run may have been accepted",
        false => "left before the run was handed in: nothing was started",
    }
}

/// Whether the detail of a problem says no more than its title.
fn is_said_once(problem: &Problem) -> bool {
    let bare = |text: &str| text.trim().trim_end_matches('.').to_lowercase();
    bare(&problem.detail).is_empty() || bare(&problem.detail) == bare(&problem.title)
}

/// What lies behind an error, outermost first.
fn causes(error: &CliError) -> Vec<String> {
    let mut causes = Vec::new();
    let mut source = error.source();
    while let Some(cause) = source {
        causes.push(cause.to_string());
        source = cause.source();
    }
    causes
}

fn lower_first(text: &str) -> String {
    let mut chars = text.chars();
    match (chars.next(), chars.clone().next()) {
        // An abbreviation keeps its capitals.
        (Some(first), Some(second)) if second.is_lowercase() || second == ' ' => {
            first.to_lowercase().chain(chars).collect()
        }
        _ => text.to_owned(),
    }
}

/// What a file of another program seems to be, as a remark.
fn guess(looks_like: Option<&str>) -> String {
    looks_like.map(|what| format!(" (it looks like {what})")).unwrap_or_default()
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod golden;
