//! What the exit codes of `resus` mean, and what to do about them.

use super::{Entry, Group};
use crate::exit::ExitCode;

pub(super) fn entry(exit: ExitCode) -> Entry {
    let (meaning, remedy, commands) = told(exit);
    Entry::new(Group::Exit, exit.code().to_string(), meaning).with(remedy, commands)
}

/// Meaning, what to do, what to type.
type Told = (&'static str, &'static str, &'static [&'static str]);

/// No daemon.
const UNREACHABLE: Told = (
    "The daemon could not be reached or started. Trainings go on meanwhile.",
    "See how it is, and what its log says.",
    &["resus doctor", "resus daemon status", "resus daemon logs"],
);
/// One that hangs.
const SILENT: Told = (
    "A daemon is there and does not answer: it hangs, or its disk does. Trainings go on meanwhile.",
    "See what it was doing; a restart leaves every worker running.",
    &["resus daemon logs", "resus daemon restart"],
);
/// One of another version.
const FOREIGN: Told = (
    "The daemon is of another version and can't do this, or says it in words unknown here.",
    "Replace it by one of this build; trainings go on meanwhile.",
    &["resus daemon status", "resus daemon restart"],
);

fn told(exit: ExitCode) -> Told {
    match exit {
        ExitCode::Ok => ("Everything asked for was done.", "", &[]),
        ExitCode::Bug => (
            "Something unexpected: a bug in Resus, or output that could not be written.",
            "If it is not a full disk, please report it with what the doctor says.",
            &["resus doctor", "resus daemon logs"],
        ),
        ExitCode::Usage => (
            "The command line does not fit: an unknown option, a missing argument, or two that \
             contradict each other.",
            "The help of the command has examples.",
            &["resus help"],
        ),
        ExitCode::NotFound => (
            "There is no such run, attempt, workload or checkpoint, or more than one fits.",
            "List what there is, and name it by more characters of its id.",
            &["resus ps -a", "resus checkpoints RUN"],
        ),
        ExitCode::Refused => (
            "It is not possible now: the phase of the run, or a file that can't be read.",
            "The message names what is possible instead.",
            &["resus why RUN"],
        ),
        ExitCode::DaemonUnreachable => UNREACHABLE,
        ExitCode::ConfigInvalid => (
            "The configuration is not valid: every fault is named with its file and line.",
            "Correct it; every key is explained in the defaults.",
            &["resus config check", "resus config defaults"],
        ),
        ExitCode::TimedOut => (
            "A wait ran out of time. What was waited for goes on.",
            "See where it is, or wait longer.",
            &["resus status RUN"],
        ),
        ExitCode::Damaged => (
            "A checkpoint is damaged, or its file is no checkpoint.",
            "See what is wrong and where, and use an older one.",
            &["resus checkpoints verify RUN", "resus restore RUN CHECKPOINT"],
        ),
        ExitCode::DaemonSilent => SILENT,
        ExitCode::DaemonForeign => FOREIGN,
        ExitCode::Differs => ("What was compared differs.", "", &[]),
        ExitCode::RunFailed => (
            "The run ended in a failure.",
            "See why, correct it, and start it again from its newest checkpoint.",
            &["resus why RUN", "resus logs RUN", "resus retry RUN"],
        ),
        ExitCode::RunCancelled => (
            "The run was cancelled: somebody stopped or killed it.",
            "It can go on from its newest checkpoint.",
            &["resus retry RUN"],
        ),
        ExitCode::RunLost => (
            "The run was lost: nobody knows how it ended.",
            "See what was last known of it.",
            &["resus why RUN", "resus retry RUN"],
        ),
        ExitCode::Interrupted => (
            "The command was interrupted (Ctrl-C). The run goes on unless it was asked to stop.",
            "",
            &["resus status RUN"],
        ),
    }
}
