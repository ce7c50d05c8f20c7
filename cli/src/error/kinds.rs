//! What an exit code is called where programs read it.

use resus_core::exit::ExitCode;

/// The last part of the type of a problem.
pub(super) fn kind(exit: ExitCode) -> &'static str {
    match exit {
        ExitCode::Ok => "ok",
        ExitCode::Bug => "unexpected",
        ExitCode::Usage => "usage",
        ExitCode::NotFound => "not-found",
        ExitCode::Refused => "refused",
        ExitCode::DaemonUnreachable => "daemon-unreachable",
        ExitCode::ConfigInvalid => "config-invalid",
        ExitCode::TimedOut => "timed-out",
        ExitCode::Damaged => "damaged",
        ExitCode::Differs => "differs",
        ExitCode::DaemonSilent => "daemon-silent",
        ExitCode::DaemonForeign => "daemon-foreign",
        ExitCode::RunFailed => "run-failed",
        ExitCode::RunCancelled => "run-cancelled",
        ExitCode::RunLost => "run-lost",
        ExitCode::Interrupted => "interrupted",
    }
}

/// The HTTP status that says nearly the same.
pub(super) fn status(exit: ExitCode) -> u16 {
    match exit {
        ExitCode::Ok => 200,
        ExitCode::Usage | ExitCode::ConfigInvalid => 400,
        ExitCode::NotFound => 404,
        ExitCode::TimedOut => 408,
        ExitCode::Refused | ExitCode::Differs => 409,
        ExitCode::Damaged => 422,
        ExitCode::DaemonUnreachable => 503,
        ExitCode::DaemonSilent => 504,
        ExitCode::DaemonForeign => 501,
        ExitCode::Bug
        | ExitCode::RunFailed
        | ExitCode::RunCancelled
        | ExitCode::RunLost
        | ExitCode::Interrupted => 500,
    }
}
