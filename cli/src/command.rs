//! The commands, one file each: its arguments, what it asks the daemon, what it shows.

pub(crate) mod config;
pub(crate) mod daemon;
pub(crate) mod logs;
pub(crate) mod ps;
pub(crate) mod retry;
pub(crate) mod run;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod wait;

use crate::args::{Command, Global};
use crate::console::Console;
use crate::daemon::handshake;
use crate::error::CliError;
use resus_core::exit::ExitCode;
use resus_store::StateDir;
use std::path::absolute;

/// What every command is given.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    /// The state folder.
    pub state: StateDir,
    /// Where to write.
    pub console: Console,
}

impl Around {
    /// The surroundings that the global options ask for.
    ///
    /// # Errors
    /// [`CliError::State`].
    pub(crate) fn new(global: &Global, console: Console) -> Result<Self, CliError> {
        let path = match &global.state_dir {
            Some(path) => absolute(path).map_err(|source| CliError::Usage {
                what: format!("the state folder {} can't be found from here: {source}", path.display()),
                next: "give its whole path, or cd to a folder that exists".to_owned(),
            })?,
            None => StateDir::default_path()?,
        };
        Ok(Self { state: StateDir::open(&path)?, console })
    }
}

/// Carries out `command`.
///
/// # Errors
/// [`CliError`].
pub(crate) fn carry_out(command: Command, around: &Around) -> Result<ExitCode, CliError> {
    if let Command::Daemon(args) = &command
        && let Some(options) = args.as_daemon()
    {
        // The daemon has a runtime of its own kind, and must not be born under another.
        return crate::daemon::serve::run(around.state.clone(), options).map(|()| ExitCode::Ok);
    }
    // One thread starts in a fraction of a millisecond and is all that a client needs.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Io { what: "start", path: "/proc/self/exe".into(), source })?;
    runtime.block_on(async {
        if minds_the_build(&command) {
            handshake::tell(around).await;
        }
        match command {
            Command::Run(args) => run::run(args, around).await,
            Command::Ps(args) => ps::ps(args, around).await,
            Command::Status(args) => status::status(args, around).await,
            Command::Logs(args) => logs::logs(args, around).await,
            Command::Wait(args) => wait::wait(args, around).await,
            Command::Stop(args) => stop::stop(args, around).await,
            Command::Kill(args) => stop::kill(args, around).await,
            Command::Retry(args) => retry::retry(args, around).await,
            Command::Daemon(args) => daemon::daemon(args, around).await,
            Command::Config(args) => config::config(args, around),
        }
    })
}

/// Whether `command` is about to speak with the daemon as one build with itself.
fn minds_the_build(command: &Command) -> bool {
    match command {
        Command::Daemon(args) => args.minds_the_build(),
        Command::Config(_) => false,
        Command::Run(_)
        | Command::Ps(_)
        | Command::Status(_)
        | Command::Logs(_)
        | Command::Wait(_)
        | Command::Stop(_)
        | Command::Kill(_)
        | Command::Retry(_) => true,
    }
}
