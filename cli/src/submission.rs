//! Requests as this process makes them: its folder, its environment, fresh command ids.

use crate::error::CliError;
use crate::target::{CONTEXT_VAR, NATS_VAR, PASSWORD_VAR};
use resus_core::api::{
    CommandBody, ConfigureBody, Overrides, PinBody, PruneBody, RecheckBody, RemoveBody, RestoreBody,
    SweepBody,
};
use resus_core::ids::CommandId;
use resus_core::input::Verb;
use std::env;
use std::ffi::OsString;
use std::path::Path;

/// Who asks, as recorded with the command.
const BY: &str = "cli";

/// An id that no other command has.
pub(crate) fn command_id() -> Option<CommandId> {
    CommandId::new(uuid::Uuid::now_v7().to_string()).ok()
}

/// A command of this process.
pub(crate) fn command_body(verb: Verb) -> CommandBody {
    CommandBody { verb, by: BY.to_owned(), command_id: command_id(), dry_run: false }
}

/// A wish of this process to go on from `checkpoint`.
pub(crate) fn restore_body(checkpoint: String) -> RestoreBody {
    RestoreBody { checkpoint, by: BY.to_owned(), command_id: command_id(), dry_run: false }
}

/// A wish of this process that retention leaves `checkpoint` alone, or no longer does.
pub(crate) fn pin_body(checkpoint: String, pinned: bool) -> PinBody {
    PinBody { checkpoint, pinned, by: BY.to_owned(), command_id: command_id() }
}

/// A wish of this process that retention runs, or only says what it would delete.
pub(crate) fn prune_body(dry_run: bool) -> PruneBody {
    PruneBody { dry_run, by: BY.to_owned(), command_id: command_id() }
}

/// A wish of this process that a checkpoint, or every one, is read back once more.
pub(crate) fn recheck_body(checkpoint: Option<String>) -> RecheckBody {
    RecheckBody { checkpoint, by: BY.to_owned(), command_id: command_id() }
}

/// A wish of this process that a run is gone, or to be told what would go.
pub(crate) fn remove_body(dry_run: bool, with_pinned: bool) -> RemoveBody {
    RemoveBody { dry_run, with_pinned, by: BY.to_owned(), command_id: command_id() }
}

/// The same of what fits criteria, which are yet to be filled in.
pub(crate) fn sweep_body() -> SweepBody {
    SweepBody { by: BY.to_owned(), ..SweepBody::default() }
}

/// A wish of this process to change settings.
pub(crate) fn configure_body(changes: Overrides) -> ConfigureBody {
    ConfigureBody { changes, by: BY.to_owned(), command_id: command_id(), dry_run: false }
}

/// The environment of a worker, and the names that had to be left out because they or their
/// values are not UTF-8.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct WorkerEnv {
    /// Names and values.
    pub vars: Vec<(String, String)>,
    /// Names left out, made readable.
    pub left_out: Vec<String>,
}

/// The environment for a worker out of `vars`: without what an outer run or service manager
/// meant for this process alone.
pub(crate) fn worker_env(vars: impl Iterator<Item = (OsString, OsString)>) -> WorkerEnv {
    let mut env = WorkerEnv::default();
    for (name, value) in vars {
        match (name.into_string(), value.into_string()) {
            (Ok(name), _) if is_ours_alone(&name) => {}
            (Ok(name), Ok(value)) => env.vars.push((name, value)),
            (Ok(name), Err(_)) => env.left_out.push(name),
            (Err(name), _) => env.left_out.push(name.to_string_lossy().into_owned()),
        }
    }
    env
}

/// Variables that tell a worker whose it is: they would make the new worker speak for the run
/// (or the service) that this process belongs to. And those that say whose daemon commands
/// mean: what a worker asks for is for the daemon it lives under, and a password has no place
/// among what is recorded of a run.
fn is_ours_alone(name: &str) -> bool {
    let others = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", NATS_VAR, CONTEXT_VAR, PASSWORD_VAR];
    name.starts_with("PULSE_") || others.contains(&name)
}

/// The working folder of this process, as text.
///
/// # Errors
/// [`CliError`]: it was removed, or its path is not UTF-8.
pub(crate) fn working_folder() -> Result<String, CliError> {
    let folder = env::current_dir().map_err(|source| CliError::Usage {
        what: format!("the working folder can't be used: {source}"),
        next: "cd to a folder that exists, and start the run there".to_owned(),
    })?;
    text(&folder)
}

fn text(path: &Path) -> Result<String, CliError> {
    path.to_str().map(str::to_owned).ok_or_else(|| CliError::Usage {
        what: format!("the working folder {} is not valid UTF-8, so it can't be recorded", path.display()),
        next: "start the run from another folder".to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    #[test]
    fn a_worker_does_not_inherit_an_outer_runs_voice() {
        let os = |bytes: &[u8]| OsStr::from_bytes(bytes).to_owned();
        let vars = [
            (os(b"PATH"), os(b"/bin")),
            (os(b"PULSE_EVENTS"), os(b"/x")),
            (os(b"PULSE_X"), os(b"\xff")),
            (os(b"NOTIFY_SOCKET"), os(b"/n")),
            (os(b"WATCHDOG_USEC"), os(b"1")),
            (os(b"RESUS_NATS"), os(b"nats://ann:s3cret@h")),
            (os(b"RESUS_NATS_PASSWORD"), os(b"s3cret")),
            (os(b"LATIN1"), os(b"caf\xe9")),
            (os(b"\xff"), os(b"x")),
            (os(b"PULSED"), os(b"kept")),
        ];
        let env = worker_env(vars.into_iter());
        let kept: Vec<_> = env.vars.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(kept, ["PATH", "PULSED"]);
        assert_eq!(env.left_out, ["LATIN1", "\u{fffd}"]);
    }

    #[test]
    fn every_command_has_an_id_of_its_own() {
        let [a, b] = [command_body(Verb::Stop), command_body(Verb::Stop)];
        assert!(a.command_id.is_some() && a.command_id != b.command_id);
    }
}
