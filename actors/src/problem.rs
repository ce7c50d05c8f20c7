//! Errors as the doors tell them: what, and what to do next.

use crate::supervisor::CommandError;
use resus_core::api::Problem;
use resus_core::decide::{Reason, Refusal};
use resus_core::exit::ExitCode;
use resus_core::fleet::FleetError;
use resus_core::input::Verb;
use resus_core::selector::SelectError;

/// A problem of the given kind.
pub(crate) fn problem(
    kind: &str,
    status: u16,
    title: &str,
    detail: impl ToString,
    hint: Option<String>,
    exit_code: ExitCode,
) -> Problem {
    Problem {
        kind: format!("urn:resus:{kind}"),
        title: title.to_owned(),
        status,
        detail: detail.to_string(),
        hint,
        exit_code,
    }
}

pub(crate) fn of_selector(error: &SelectError) -> Problem {
    if let SelectError::Quarantined { .. } = error {
        return quarantined(error);
    }
    let (kind, title, hint) = match error {
        SelectError::Removed { .. } => ("removed", "The run was removed", "list the runs with: resus ps -a"),
        SelectError::NotFound { .. } | SelectError::TooFew { .. } | SelectError::Quarantined { .. } => {
            ("not-found", "No such run", "list the runs with: resus ps -a")
        }
        SelectError::Ambiguous { .. } => {
            ("ambiguous", "More than one run", "give more characters of the id, NAME@latest, or NAME@2")
        }
    };
    problem(kind, 404, title, error, Some(hint.to_owned()), ExitCode::NotFound)
}

pub(crate) fn of_command(error: &CommandError) -> Problem {
    match error {
        CommandError::Fleet(error) => of_fleet(error),
        CommandError::Busy | CommandError::NotRecorded(_) => unwritable(error),
    }
}

/// Nothing new can be recorded just now.
pub(crate) fn unwritable(detail: impl ToString) -> Problem {
    let hint = "trainings go on meanwhile; see: resus daemon status, resus daemon logs";
    let title = "The ledger can't be written just now";
    problem("unwritable", 503, title, detail, Some(hint.to_owned()), ExitCode::DaemonUnreachable)
}

/// The request itself does not fit.
pub(crate) fn invalid(detail: impl ToString, hint: Option<String>) -> Problem {
    problem("invalid", 422, "The request does not fit", detail, hint, ExitCode::Usage)
}

pub(crate) fn internal(detail: impl ToString) -> Problem {
    let hint = "this is a bug; the daemon's log says more: resus daemon logs";
    problem("internal", 500, "Something went wrong in Resus", detail, Some(hint.to_owned()), ExitCode::Bug)
}

pub(crate) fn of_fleet(error: &FleetError) -> Problem {
    match error {
        FleetError::NotFound { .. } => {
            let hint = Some("list the runs with: resus ps -a".to_owned());
            problem("not-found", 404, "No such run", error, hint, ExitCode::NotFound)
        }
        FleetError::Removed { .. } => {
            let hint = Some("list the runs with: resus ps -a".to_owned());
            problem("removed", 404, "The run was removed", error, hint, ExitCode::NotFound)
        }
        FleetError::Needed { needed_by, has_ended, .. } => {
            let hint = match has_ended {
                true => format!("remove that one first: resus rm {}", needed_by.short()),
                false => format!("wait for it with: resus wait {}", needed_by.short()),
            };
            problem("needed", 409, "The run is still needed", error, Some(hint), ExitCode::Refused)
        }
        FleetError::Quarantined { .. } => quarantined(error),
        FleetError::Refused(refusal) => refused(refusal),
        FleetError::Invalid(_) => invalid(error, None),
        FleetError::Bug { .. } => internal(error),
    }
}

/// Nothing is decided, and so nothing is deleted, on the word of a ledger that is damaged.
fn quarantined(error: impl ToString) -> Problem {
    let hint = "its worker and its files are left alone; look at: resus daemon logs".to_owned();
    problem("quarantined", 409, "The run is quarantined", error, Some(hint), ExitCode::Refused)
}

fn refused(refusal: &Refusal) -> Problem {
    match refusal.reason {
        Reason::Pinned { .. } => {
            let hint = "remove them along with: resus rm RUN --force".to_owned();
            problem("pinned", 409, "Checkpoints are pinned", refusal, Some(hint), ExitCode::Refused)
        }
        Reason::Removed => problem("removed", 404, "The run was removed", refusal, None, ExitCode::NotFound),
        Reason::Phase | Reason::CannotBeAsked => {
            problem("refused", 409, "Not possible now", refusal, Some(legal(refusal)), ExitCode::Refused)
        }
        Reason::NoSuchCheckpoint { .. } => {
            let hint = "list them with: resus checkpoints RUN".to_owned();
            problem("not-found", 404, "No such checkpoint", refusal, Some(hint), ExitCode::NotFound)
        }
        Reason::AmbiguousCheckpoint { .. } => {
            let hint = "give more of its name; list them with: resus checkpoints RUN".to_owned();
            problem("ambiguous", 404, "More than one checkpoint", refusal, Some(hint), ExitCode::NotFound)
        }
    }
}

fn legal(refusal: &Refusal) -> String {
    match refusal.legal {
        [] => "nothing is left to do with this run; run it once more with: resus rerun RUN".to_owned(),
        verbs => {
            let verbs: Vec<_> = verbs.iter().map(|verb| format!("resus {} RUN", typed(*verb))).collect();
            format!("what is possible now: {}", verbs.join(", "))
        }
    }
}

/// The command for a verb, as typed.
fn typed(verb: Verb) -> &'static str {
    match verb {
        Verb::Release => "pause --release",
        Verb::Stop | Verb::Kill | Verb::Retry | Verb::Pause | Verb::Resume | Verb::Checkpoint => {
            verb.as_str()
        }
    }
}
