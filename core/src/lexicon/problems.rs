//! What the `type` of a refused request means (RFC 9457; `urn:resus:…` in `--json` and the API).

use super::{Entry, Group};

/// What begins the type of every problem.
pub const PROBLEM_PREFIX: &str = "urn:resus:";

/// Kind, meaning, what to do, what to type.
type Row = (&'static str, &'static str, &'static str, &'static [&'static str]);

const ROWS: &[Row] = &[
    (
        "ambiguous",
        "More than one run or checkpoint fits what was typed.",
        "Give more characters of the id.",
        &["resus ps -a"],
    ),
    (
        "bad-request",
        "The request can't be understood.",
        "A client of another version, or a mistake in a program that speaks the API.",
        &["resus --version"],
    ),
    ("busy", "The daemon can't do this just now.", "Try again in a moment.", &["resus daemon status"]),
    (
        "config-invalid",
        "The configuration is not valid.",
        "Every fault is named with its file and line: correct them.",
        &["resus config check", "resus workload check"],
    ),
    (
        "daemon-foreign",
        "The daemon is of another version: it can't do this, or says it in words that are not known here.",
        "Replace it by one of this version; trainings go on.",
        &["resus daemon restart"],
    ),
    (
        "daemon-silent",
        "A daemon is there, and does not answer. Trainings go on meanwhile.",
        "See what it is about. A new one takes the trainings over.",
        &["resus daemon status", "resus daemon logs", "resus daemon restart"],
    ),
    (
        "daemon-unreachable",
        "The daemon could not be reached or started.",
        "Trainings go on meanwhile. See how it is.",
        &["resus doctor", "resus daemon logs"],
    ),
    (
        "damaged",
        "A checkpoint is damaged, or its file is no checkpoint.",
        "Use an older one.",
        &["resus checkpoints verify RUN"],
    ),
    ("differs", "What was compared differs.", "", &[]),
    (
        "internal",
        "Something went wrong in Resus.",
        "This is a bug: please report it with what the daemon's log says.",
        &["resus daemon logs"],
    ),
    (
        "interrupted",
        "The command was interrupted.",
        "The run goes on unless it was asked to stop.",
        &["resus status RUN"],
    ),
    (
        "invalid",
        "The request does not fit: a value out of range, an unknown parameter, or two that contradict each other.",
        "The detail names it.",
        &[],
    ),
    (
        "method-not-allowed",
        "The address exists, but not for this method.",
        "Look at docs/schemas for what can be asked how.",
        &[],
    ),
    (
        "needed",
        "Another run is to begin from a checkpoint of this one, and has none of its own yet.",
        "Wait for the run that the message names.",
        &["resus wait RUN"],
    ),
    (
        "no-such-route",
        "The daemon does not know this request: it is older than the client.",
        "Replace it by one of this version; trainings go on.",
        &["resus daemon restart"],
    ),
    (
        "not-found",
        "There is no such run, attempt, workload or checkpoint.",
        "List what there is.",
        &["resus ps -a", "resus checkpoints RUN"],
    ),
    (
        "not-json",
        "The body of the request is not a JSON document.",
        "Send Content-Type: application/json.",
        &[],
    ),
    ("ok", "Nothing is wrong.", "", &[]),
    (
        "pinned",
        "Checkpoints of the run are pinned: whoever did it wanted them kept.",
        "Unpin them, or remove the run along with them.",
        &["resus checkpoints RUN", "resus rm RUN --force"],
    ),
    (
        "quarantined",
        "The ledger of the run is damaged. Its worker is left alone, and nothing more is decided about it.",
        "See what the daemon's log says about it.",
        &["resus daemon logs"],
    ),
    (
        "refused",
        "Not possible now, in the run's phase.",
        "The hint names what is possible instead.",
        &["resus why RUN"],
    ),
    (
        "removed",
        "The run was removed with all its files: its id is kept, and never used again.",
        "List the runs that there are.",
        &["resus ps -a"],
    ),
    (
        "run-cancelled",
        "The run was cancelled.",
        "It can go on from its newest checkpoint.",
        &["resus retry RUN"],
    ),
    ("run-failed", "The run ended in a failure.", "See why.", &["resus why RUN"]),
    (
        "run-lost",
        "The run was lost: nobody knows how it ended.",
        "See what was last known of it.",
        &["resus why RUN"],
    ),
    ("timed-out", "A wait ran out of time. What was waited for goes on.", "", &["resus status RUN"]),
    ("too-large", "The request is too large.", "", &[]),
    ("too-slow", "The request did not arrive in time.", "Send it at once.", &[]),
    (
        "unexpected",
        "Something unexpected: a bug in Resus, or output that could not be written.",
        "Please report it.",
        &["resus doctor"],
    ),
    (
        "unfit-document",
        "The document of the request does not have the right form.",
        "docs/schemas has the forms.",
        &[],
    ),
    (
        "unread",
        "The disk with the workloads does not answer.",
        "See what is the matter with it.",
        &["resus doctor"],
    ),
    (
        "unwritable",
        "The ledger can't be written just now, so nothing new is decided. Trainings go on.",
        "Usually the disk is full.",
        &["resus daemon status", "resus daemon logs"],
    ),
    ("usage", "The command line does not fit.", "The help of the command has examples.", &["resus help"]),
];

pub(super) fn entries() -> impl Iterator<Item = Entry> {
    ROWS.iter().map(|(kind, meaning, remedy, commands)| {
        Entry::new(Group::Problem, format!("{PROBLEM_PREFIX}{kind}"), *meaning).with(remedy, commands)
    })
}
