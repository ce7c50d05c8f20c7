//! Whose daemon a command speaks with: this machine's, or another's through a NATS server.

use crate::args::Global;
use crate::client::there::There;
use crate::client::{Client, ClientError};
use crate::contexts::{self, Context, LOCAL};
use crate::daemon::start::locate;
use crate::error::CliError;
use resus_bus::link::{Auth, Secret};
use resus_core::api::Problem;
use resus_core::exit::ExitCode;
use resus_core::ids::Slug;
use resus_store::StateDir;
use std::env;
use std::path::{PathBuf, absolute};

/// The address of the server, where `--nats` is not given.
pub(crate) const NATS_VAR: &str = "RESUS_NATS";
/// The context, where `--context` is not given.
pub(crate) const CONTEXT_VAR: &str = "RESUS_CONTEXT";
/// The password of `--nats-user`: an argument could be read by everybody on the machine.
pub(crate) const PASSWORD_VAR: &str = "RESUS_NATS_PASSWORD";
/// The namespace of who names none.
const NAMESPACE: &str = "default";

/// Whose daemon.
#[derive(Debug, Clone)]
pub(crate) enum Target {
    /// The daemon of a state folder on this machine.
    Here(StateDir),
    /// Another machine's.
    There(There),
}

/// Where a command makes sense.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Scope {
    /// With any daemon.
    Anywhere,
    /// With any daemon, and it asks only: a state folder that is named and not there is a mistake,
    /// and nothing is made of it.
    Reads,
    /// With the daemon of this machine only.
    Here,
    /// It asks no daemon, or is it: what was chosen for others does not matter.
    Itself,
    /// It asks no daemon, and is about the options themselves.
    Options,
    /// It looks at this machine: nothing is made, and the state folder is as it is.
    Look,
}

impl Target {
    /// The daemon that the options, the environment or the context in use name.
    ///
    /// # Errors
    /// [`CliError`]: they don't fit together, or name another machine where that makes no sense.
    pub(crate) fn of(global: &Global, scope: Scope) -> Result<Self, CliError> {
        let is_named = global.nats.is_some() || global.context.as_deref().is_some_and(|name| name != LOCAL);
        let chosen = match scope {
            Scope::Here | Scope::Itself | Scope::Look if is_named => {
                let why = "--nats and --context name another machine's daemon";
                return Err(only_here(why, "leave them out"));
            }
            Scope::Itself | Scope::Options => None,
            Scope::Anywhere | Scope::Reads | Scope::Here | Scope::Look => choose(global)?,
        };
        let Some((whence, context)) = chosen else {
            if let Some(option) = idle_option(global).filter(|_| scope != Scope::Options) {
                return Err(CliError::Usage {
                    what: format!(
                        "{option} says which daemon behind a NATS server is meant, and none is named"
                    ),
                    next: "--nats nats://HOST:4222, or --context NAME".to_owned(),
                });
            }
            return Ok(Self::Here(match scope {
                Scope::Look => StateDir::assumed(&place(global)?),
                Scope::Reads => existing(global)?,
                Scope::Anywhere | Scope::Here | Scope::Itself | Scope::Options => here(global)?,
            }));
        };
        if matches!(scope, Scope::Here | Scope::Look) {
            let why = format!("{whence} names another machine's daemon");
            return Err(only_here(&why, &format!("add --context {LOCAL} for this one's")));
        }
        there(global, context).map(Self::There)
    }

    /// A client of the daemon that was last known. Whether somebody is there shows when it is
    /// asked.
    pub(crate) fn client(&self) -> Client {
        match self {
            Self::Here(state) => locate(state),
            Self::There(there) => Client::of_there(there.clone()),
        }
    }

    /// Whether another machine's daemon has been reached before: then a question that is not
    /// answered may have been heard.
    pub(crate) fn was_reached(&self) -> bool {
        match self {
            Self::Here(_) => false,
            Self::There(there) => there.was_reached(),
        }
    }

    /// Whether somebody has stopped the daemon on purpose. Of another machine's nobody here
    /// knows, and nobody here starts it.
    pub(crate) fn is_stopped(&self) -> bool {
        match self {
            Self::Here(state) => state.stopped().exists(),
            Self::There(_) => false,
        }
    }

    /// The state folder, if it is on this machine.
    pub(crate) fn state(&self) -> Option<&StateDir> {
        match self {
            Self::Here(state) => Some(state),
            Self::There(_) => None,
        }
    }
}

fn here(global: &Global) -> Result<StateDir, CliError> {
    Ok(StateDir::open(&place(global)?)?)
}

/// The state folder; one that is named has to be there.
fn existing(global: &Global) -> Result<StateDir, CliError> {
    let path = place(global)?;
    if global.state_dir.is_some() && matches!(path.try_exists(), Ok(false)) {
        return Err(CliError::Client(ClientError::Refused(Box::new(Problem {
            kind: "urn:resus:not-found".to_owned(),
            title: format!("there is nothing at {}", path.display()),
            status: 404,
            detail: "it was named as the state folder, which the first run in it makes".to_owned(),
            hint: Some("another --state-dir, or none for the usual one".to_owned()),
            exit_code: ExitCode::NotFound,
        }))));
    }
    here(global)
}

/// Where the state folder is.
fn place(global: &Global) -> Result<PathBuf, CliError> {
    match &global.state_dir {
        Some(path) => absolute(path).map_err(|source| CliError::Usage {
            what: format!("the state folder {} can't be found from here: {source}", path.display()),
            next: "give its whole path, or cd to a folder that exists".to_owned(),
        }),
        None => Ok(StateDir::default_path()?),
    }
}

/// What names another machine's daemon, and what it says; `None` = this machine's. Options come
/// before the environment, and that before the context in use.
fn choose(global: &Global) -> Result<Option<(String, Context)>, CliError> {
    let var = |name| env::var(name).ok().filter(|value: &String| !value.is_empty());
    let bare = |nats: &str| Context { nats: nats.to_owned(), ..Context::default() };
    let named = |whence: String, name: &str| match name {
        LOCAL => Ok(None),
        name => contexts::load(name).map(|context| Some((whence, context))),
    };
    if let Some(nats) = &global.nats {
        return Ok(Some(("--nats".to_owned(), bare(nats))));
    }
    if let Some(name) = &global.context {
        return named("--context".to_owned(), name);
    }
    if global.state_dir.is_some() {
        return Ok(None);
    }
    if let Some(nats) = var(NATS_VAR) {
        return Ok(Some((NATS_VAR.to_owned(), bare(&nats))));
    }
    if let Some(name) = var(CONTEXT_VAR) {
        return named(CONTEXT_VAR.to_owned(), &name);
    }
    match contexts::in_use()? {
        Some(name) => named(format!("the context {name}, which is in use,"), &name),
        None => Ok(None),
    }
}

/// An option that means nothing without a server.
fn idle_option(global: &Global) -> Option<&'static str> {
    let given = [
        ("--node", global.node.is_some()),
        ("--namespace", global.namespace.is_some()),
        ("--nats-user", global.nats_user.is_some()),
        ("--nats-creds", global.nats_creds.is_some()),
    ];
    given.into_iter().find(|(_, is_given)| *is_given).map(|(option, _)| option)
}

/// The daemon of a context, with the options in place of what it says.
fn there(global: &Global, mut context: Context) -> Result<There, CliError> {
    context.take(global)?;
    let mut link = context.link()?;
    if let (Some(user), Auth::None) = (&context.user, &link.auth) {
        let password = env::var(PASSWORD_VAR).map_err(|_| CliError::Usage {
            what: format!("the password of {user:?} is missing"),
            next: format!("{PASSWORD_VAR}=… in the environment, or a context with --password-file"),
        })?;
        link.auth = Auth::UserPassword { user: user.clone(), password: Secret::new(password) };
    }
    let slug = |text: &String, option: &str| {
        Slug::new(text.as_str()).map_err(|error| CliError::Usage {
            what: format!("{option}: {error}"),
            next: "resus daemon status --json says what node it is".to_owned(),
        })
    };
    let node = context.node.as_ref().map(|node| slug(node, "--node")).transpose()?;
    let namespace = context.namespace.unwrap_or_else(|| NAMESPACE.to_owned());
    Ok(There::new(link, slug(&namespace, "--namespace")?, node))
}

fn only_here(why: &str, instead: &str) -> CliError {
    CliError::Usage {
        what: format!("this command is about this machine only; {why}"),
        next: format!("type it on that machine, or {instead}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::Cli;
    use clap::Parser;

    fn global(line: &str) -> Global {
        Cli::try_parse_from(["resus"].into_iter().chain(line.split_whitespace())).unwrap().global
    }

    #[test]
    fn a_server_that_is_named_is_another_machines_unless_the_command_is_local() {
        let named = global("ps --nats nats://ann:s3cret@h --node gpu-a1 --namespace team");
        let target = Target::of(&named, Scope::Anywhere).unwrap();
        assert!(matches!(&target, Target::There(_)) && target.state().is_none() && !target.is_stopped());
        assert!(!format!("{target:?}").contains("s3cret"));
        assert!(Target::of(&named, Scope::Options).unwrap().state().is_some());
        for scope in [Scope::Here, Scope::Itself, Scope::Look] {
            let error = Target::of(&named, scope).unwrap_err();
            assert_eq!(error.exit(), ExitCode::Usage);
        }
    }

    #[test]
    fn who_looks_makes_no_folder() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("state");
        let global = global(&format!("doctor --state-dir {}", path.display()));
        let target = Target::of(&global, Scope::Look).unwrap();
        assert_eq!((target.state().map(StateDir::path), path.exists()), (Some(path.as_path()), false));
        assert!(Target::of(&global, Scope::Here).is_ok() && path.exists());
    }

    #[test]
    fn who_only_asks_makes_no_folder_that_was_mistyped() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("stat");
        let global = global(&format!("ps --state-dir {}", path.display()));
        let error = Target::of(&global, Scope::Reads).unwrap_err();
        assert_eq!((error.exit(), path.exists()), (ExitCode::NotFound, false));
        assert!(error.told().what.contains("there is nothing at"), "{error:?}");
        assert!(Target::of(&global, Scope::Anywhere).is_ok() && path.exists());
        assert!(Target::of(&global, Scope::Reads).is_ok());
    }

    #[test]
    fn what_is_no_address_is_refused_and_shows_no_secret() {
        let error = Target::of(&global("ps --nats http://ann:s3cret@h"), Scope::Anywhere).unwrap_err();
        let told = format!("{:?}{error:?}", error.told());
        assert!(told.contains("http://") && !told.contains("s3cret"), "{told}");
        let error = Target::of(&global("ps --nats h --node A.B"), Scope::Anywhere).unwrap_err();
        assert!(error.to_string().starts_with("--node: "), "{error}");
        let nobody = global("ps --nats h --nats-user ann");
        assert!(Target::of(&nobody, Scope::Anywhere).unwrap_err().to_string().contains("password"));
    }

    #[test]
    fn a_user_beside_the_one_in_the_address_is_a_contradiction() {
        for address in ["nats://ann:s3cret@h", "nats://t0ken@h"] {
            let both = global(&format!("ps --nats {address} --nats-user bob"));
            let error = Target::of(&both, Scope::Anywhere).unwrap_err();
            assert_eq!(error.exit(), ExitCode::Usage);
            let told = format!("{:?}{error:?}", error.told());
            assert!(told.contains("more than one way to say who we are"), "{told}");
            assert!(!told.contains("s3cret") && !told.contains("t0ken"), "{told}");
        }
    }

    #[test]
    fn a_daemon_behind_no_server_is_nobodys() {
        let error = Target::of(&global("ps --context local --node gpu-a1"), Scope::Anywhere).unwrap_err();
        assert!(error.to_string().starts_with("--node says"), "{error}");
    }
}
