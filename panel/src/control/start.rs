//! What may be started through the bus, and where: whoever can publish to a server is trusted
//! less than whoever owns the daemon's socket.

use resus_core::api::control::{RerunRequest, StartRequest};
use resus_core::api::{Beyond, Problem, Reach, RerunBody, Submission, Wish};
use resus_core::exit::ExitCode;
use std::env;

/// What a worker gets of the daemon's own environment when its run was started elsewhere: where
/// programs, libraries, devices and caches are, who we are, and how people write here.
const VARIABLES: &[&str] = &[
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "LANG",
    "LC_ALL",
    "TZ",
    "TMPDIR",
    "LD_LIBRARY_PATH",
    "CUDA_VISIBLE_DEVICES",
    "XDG_CACHE_HOME",
];

/// Where runs that were started through the bus live, and what may be one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grounds {
    /// Whether commands may be started, and not only registered workloads.
    pub allow_commands: bool,
    /// Absolute working folder.
    pub cwd: String,
    /// Complete environment.
    pub env: Vec<(String, String)>,
}

impl Grounds {
    /// The home folder of this process's user and a small part of this process's environment.
    #[must_use]
    pub fn of_process(allow_commands: bool) -> Self {
        let var = |name: &str| env::var(name).ok().filter(|value| !value.is_empty());
        let pairs = VARIABLES.iter().filter_map(|name| Some(((*name).to_owned(), var(name)?)));
        let home = var("HOME").filter(|home| home.starts_with('/'));
        Self { allow_commands, cwd: home.unwrap_or_else(|| "/".to_owned()), env: pairs.collect() }
    }

    /// What may be run again.
    pub(super) fn reach(&self) -> Reach {
        if self.allow_commands { Reach::Anything } else { Reach::Registered }
    }

    /// What a request from elsewhere to run something again stands for, and which run it is.
    pub(super) fn rerun(&self, asked: RerunRequest) -> (String, RerunBody) {
        let RerunRequest { run, name, params, fresh_env, set_env, unset_env, overrides, command_id, dry_run } =
            asked;
        let env = fresh_env.then(|| self.env.clone());
        (run, RerunBody { name, params, env, set_env, unset_env, overrides, command_id, dry_run })
    }

    /// The submission that a request from elsewhere stands for.
    ///
    /// # Errors
    /// A [`Problem`]: a command, or a path to begin from, where none is allowed; or a folder or an
    /// environment for a workload.
    pub(super) fn submission(&self, asked: StartRequest) -> Result<Submission, Problem> {
        let StartRequest {
            workload,
            workload_path,
            params,
            command,
            name,
            cwd,
            env,
            overrides,
            resume,
            command_id,
        } = asked;
        let wish = Wish {
            is_command: command.is_some(),
            is_path: workload_path.is_some(),
            resume: &resume,
            // That belongs to a command, whatever the reach: see below.
            changes_env: false,
        };
        self.reach().allows(&wish).map_err(refused)?;
        if command.is_none() && (cwd.is_some() || env.is_some()) {
            return Err(Problem {
                kind: "urn:resus:invalid".to_owned(),
                title: "The request does not fit".to_owned(),
                status: 422,
                detail: "cwd and env belong to a command; a workload runs in the daemon's own".to_owned(),
                hint: Some("leave cwd and env out".to_owned()),
                exit_code: ExitCode::Refused,
            });
        }
        Ok(Submission {
            workload,
            workload_path,
            params,
            command,
            name,
            cwd: cwd.unwrap_or_else(|| self.cwd.clone()),
            env: env.unwrap_or_else(|| self.env.clone()),
            overrides,
            resume,
            command_id,
        })
    }
}

/// What needs the operator's leave, which was not given.
fn refused(beyond: Beyond) -> Problem {
    let registered = "Only registered workloads may be started from elsewhere";
    let path = "this daemon does not take paths of its machine through the bus";
    let (title, detail, instead) = match beyond {
        Beyond::Command => {
            let detail = "this daemon does not take commands through the bus";
            (registered, detail, "start a workload, e.g. resus run othello")
        }
        Beyond::Path => {
            let instead = "put the folder among that machine's workloads, and run it by its name";
            (registered, path, instead)
        }
        Beyond::File => {
            let title = "A run that is started from elsewhere may not name a file to begin from";
            (title, path, "start it on that machine")
        }
        Beyond::Environment => {
            let detail = "this daemon does not take an environment through the bus";
            ("Not from elsewhere", detail, "leave env out")
        }
    };
    Problem {
        kind: "urn:resus:refused".to_owned(),
        title: title.to_owned(),
        status: 403,
        detail: detail.to_owned(),
        hint: Some(format!("{instead}; or let the daemon's operator set bus.allow_commands = true")),
        exit_code: ExitCode::Refused,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::spec::Resume;

    fn grounds(allow_commands: bool) -> Grounds {
        let env = vec![("PATH".to_owned(), "/bin".to_owned())];
        Grounds { allow_commands, cwd: "/home/resus".to_owned(), env }
    }

    fn command() -> StartRequest {
        StartRequest { command: Some(vec!["id".to_owned()]), ..StartRequest::default() }
    }

    #[test]
    fn a_workload_runs_on_the_daemons_own_grounds_and_on_no_others() {
        let othello = StartRequest { workload: Some("othello".into()), ..StartRequest::default() };
        let submission = grounds(false).submission(othello.clone()).unwrap();
        assert_eq!((submission.cwd.as_str(), submission.env.len()), ("/home/resus", 1));
        let elsewhere = StartRequest { cwd: Some("/etc".into()), ..othello.clone() };
        assert_eq!(grounds(true).submission(elsewhere).unwrap_err().exit_code, ExitCode::Refused);
        let preloaded = StartRequest { env: Some(vec![("LD_PRELOAD".into(), "/x".into())]), ..othello };
        assert_eq!(grounds(true).submission(preloaded).unwrap_err().exit_code, ExitCode::Refused);
    }

    #[test]
    fn a_command_needs_the_operators_leave() {
        let refused = grounds(false).submission(command()).unwrap_err();
        assert_eq!((refused.status, refused.exit_code), (403, ExitCode::Refused));
        assert!(refused.hint.unwrap().contains("bus.allow_commands"));
        let given = StartRequest { cwd: Some("/srv".into()), env: Some(Vec::new()), ..command() };
        let submission = grounds(true).submission(given).unwrap();
        assert_eq!((submission.cwd.as_str(), submission.env.len()), ("/srv", 0), "as given");
        assert_eq!(grounds(true).submission(command()).unwrap().cwd, "/home/resus");
    }

    #[test]
    fn a_path_to_begin_from_needs_the_operators_leave_too() {
        let from = resus_core::input::CheckpointRef::at("passwd", "/etc/passwd");
        let asked = StartRequest {
            workload: Some("othello".into()),
            resume: Resume::From(Box::new(from)),
            ..StartRequest::default()
        };
        let refused = grounds(false).submission(asked.clone()).unwrap_err();
        assert_eq!((refused.status, refused.exit_code), (403, ExitCode::Refused));
        assert!(grounds(true).submission(asked).is_ok());
        let never = StartRequest { resume: Resume::Never, ..StartRequest::default() };
        assert!(grounds(false).submission(never).is_ok());
    }

    #[test]
    fn a_workload_anywhere_on_the_machine_needs_the_operators_leave_too() {
        let asked = StartRequest { workload_path: Some("/tmp/w".into()), ..StartRequest::default() };
        let refused = grounds(false).submission(asked.clone()).unwrap_err();
        assert_eq!((refused.status, refused.exit_code), (403, ExitCode::Refused));
        let submission = grounds(true).submission(asked).unwrap();
        assert_eq!(submission.workload_path.as_deref(), Some("/tmp/w"));
    }

    #[test]
    fn the_daemons_secrets_are_not_handed_on() {
        let names: Vec<_> = Grounds::of_process(false).env.into_iter().map(|(name, _)| name).collect();
        assert!(names.iter().all(|name| VARIABLES.contains(&name.as_str())), "{names:?}");
    }
}
