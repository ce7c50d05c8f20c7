//! `resus daemon`: start, stop, look at the daemon, and be it.

mod install;
mod known;
mod logs;
mod reload;
mod restart;
mod status;
mod stop;

use crate::command::Around;
use crate::daemon::serve::Options;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::target::Scope;
use clap::{Args, Subcommand};
use resus_core::exit::ExitCode;

/// Arguments of `resus daemon`.
#[derive(Debug, Args)]
#[command(
    after_help = "Every other command starts the daemon when there is none. It never takes a training along:
workers live under shims of their own, and a new daemon takes them over.

Examples:
  resus daemon status
  resus daemon logs -f"
)]
pub(crate) struct DaemonArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Start the daemon if none runs
    Start,
    /// Stop the daemon; runs go on unless --all
    Stop(stop::StopArgs),
    /// Replace the daemon by one of this build; runs go on
    Restart,
    /// Let the daemon read its settings again
    ///
    /// Exit code 13: they are refused, and it goes on with those that it has.
    Reload,
    /// Show how the daemon is; exit code 12 if none runs, 17 if it hangs
    Status,
    /// Show the daemon's log, whether it runs or not
    Logs(logs::LogsArgs),
    /// Let systemd start the daemon, after a reboot too
    Install(install::InstallArgs),
    /// Undo install; the daemon and its runs go on
    Uninstall,
    /// Be the daemon, in the foreground
    Run(RunArgs),
}

#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus daemon run
  resus daemon run --replace")]
struct RunArgs {
    /// Leave the session of the process that starts it
    #[arg(long, hide = true)]
    detached: bool,
    /// Stop the daemon that runs, and take its place; trainings go on
    #[arg(long)]
    replace: bool,
    /// Begin a new ledger although runs are here whose ledger is gone
    #[arg(long)]
    accept_lost_history: bool,
}

impl DaemonArgs {
    /// How this process is to be the daemon, if it is.
    pub(crate) fn as_daemon(&self) -> Option<Options> {
        match &self.what {
            What::Run(run) => Some(Options {
                detached: run.detached,
                replace: run.replace,
                accept_lost_history: run.accept_lost_history,
            }),
            What::Start
            | What::Stop(_)
            | What::Restart
            | What::Reload
            | What::Status
            | What::Logs(_)
            | What::Install(_)
            | What::Uninstall => None,
        }
    }

    /// Whose daemon the command can be about. A context that is in use must not keep a daemon
    /// from starting.
    pub(crate) fn scope(&self) -> Scope {
        match &self.what {
            What::Status => Scope::Anywhere,
            What::Run(_) => Scope::Itself,
            What::Start
            | What::Stop(_)
            | What::Restart
            | What::Reload
            | What::Logs(_)
            | What::Install(_)
            | What::Uninstall => Scope::Here,
        }
    }

    /// Whether a daemon of another build matters to this command: not to those that end it,
    /// or do without one.
    pub(crate) fn minds_the_build(&self) -> bool {
        match &self.what {
            What::Start | What::Status => true,
            What::Stop(_)
            | What::Restart
            | What::Reload
            | What::Logs(_)
            | What::Install(_)
            | What::Uninstall
            | What::Run(_) => false,
        }
    }
}

/// Carries out `resus daemon`, except `run`, for which this process has another runtime.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn daemon(args: DaemonArgs, around: &Around) -> Result<ExitCode, CliError> {
    match args.what {
        What::Start => start(around).await,
        What::Stop(args) => stop::stop(args, around).await,
        What::Restart => restart::restart(around).await,
        What::Reload => reload::reload(around).await,
        What::Install(args) => install::install(args, around).await,
        What::Uninstall => install::uninstall(around).await,
        What::Status => status::status(around).await,
        What::Logs(args) => logs::logs(args, around).await,
        What::Run(_) => Err(CliError::Usage {
            what: "a client can't become the daemon".to_owned(),
            next: "resus daemon start".to_owned(),
        }),
    }
}

async fn start(around: &Around) -> Result<ExitCode, CliError> {
    let view = ask(&around.target, |client| async move { client.daemon().await }).await?;
    match around.console.json {
        true => around.console.out_json(&view)?,
        false => around.console.tell(&format!("the daemon runs (pid {})\n", view.pid)),
    }
    Ok(ExitCode::Ok)
}
