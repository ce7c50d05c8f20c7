//! The commands, one file each: its arguments, what it asks the daemon, what it shows.

pub(crate) mod adopt;
pub(crate) mod attach;
pub(crate) mod checkpoint;
pub(crate) mod checkpoints;
pub(crate) mod completion;
pub(crate) mod config;
pub(crate) mod configure;
pub(crate) mod context;
pub(crate) mod daemon;
pub(crate) mod doctor;
pub(crate) mod dry_run;
pub(crate) mod events;
pub(crate) mod explain;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod nats;
pub(crate) mod overrides;
pub(crate) mod pause;
mod plan;
pub(crate) mod prune;
pub(crate) mod ps;
pub(crate) mod rerun;
pub(crate) mod restore;
mod resume_from;
pub(crate) mod retry;
pub(crate) mod rm;
pub(crate) mod run;
mod several;
pub(crate) mod status;
pub(crate) mod stop;
pub(crate) mod wait;
pub(crate) mod watch;
pub(crate) mod why;
pub(crate) mod workload;

use crate::args::{Command, Global};
use crate::console::Console;
use crate::daemon::handshake;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::shell;
use crate::submission::command_body;
use crate::target::{Scope, Target};
use resus_core::api::CommandReply;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;
use resus_store::StateDir;
use std::path::PathBuf;

/// What every command is given.
#[derive(Debug, Clone)]
pub(crate) struct Around {
    /// Whose daemon is asked.
    pub target: Target,
    /// Where to write.
    pub console: Console,
    /// The options that named the daemon.
    pub options: Vec<String>,
}

impl Around {
    /// The surroundings that the global options ask for.
    ///
    /// # Errors
    /// As [`Target::of`].
    pub(crate) fn new(global: &Global, scope: Scope, console: Console) -> Result<Self, CliError> {
        Ok(Self { target: Target::of(global, scope)?, console, options: options(global) })
    }

    /// The surroundings of a test whose daemon is that of `state`.
    #[cfg(test)]
    pub(crate) fn of_test(state: &StateDir) -> Self {
        let console = Console::of_process(true, crate::console::ColourChoice::Never);
        Self { target: Target::Here(state.clone()), console, options: Vec::new() }
    }

    /// The command of these words to the same daemon, as one can paste it into a shell.
    pub(crate) fn typed(&self, words: &[String]) -> String {
        let words = ["resus".to_owned()].into_iter().chain(words.iter().cloned());
        shell::command(&words.chain(self.options.iter().cloned()).collect::<Vec<_>>(), usize::MAX)
    }

    /// The state folder of this machine's daemon.
    ///
    /// # Errors
    /// [`CliError::Usage`]: another machine's daemon is asked.
    pub(crate) fn here(&self) -> Result<&StateDir, CliError> {
        self.target.state().ok_or_else(|| CliError::Usage {
            what: "this is about this machine only, and another one's daemon is asked".to_owned(),
            next: "add --context local".to_owned(),
        })
    }
}

/// The options that name a daemon, as typed. A secret in an address stays out: whoever pastes the
/// command adds it.
fn options(global: &Global) -> Vec<String> {
    let path = |path: &Option<PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let all = [
        ("--state-dir", path(&global.state_dir)),
        ("--nats", global.nats.as_deref().map(mask_url)),
        ("--context", global.context.clone()),
        ("--node", global.node.clone()),
        ("--namespace", global.namespace.clone()),
        ("--nats-user", global.nats_user.clone()),
        ("--nats-creds", path(&global.nats_creds)),
    ];
    let given = all.into_iter().filter_map(|(name, value)| Some([name.to_owned(), value?]));
    given.flatten().collect()
}

/// An address without what stands before its `@`.
fn mask_url(address: &str) -> String {
    match (address.split_once("://"), address.rsplit_once('@')) {
        (Some((scheme, _)), Some((_, host))) => format!("{scheme}://***@{host}"),
        (None, Some((_, host))) => format!("***@{host}"),
        (_, None) => address.to_owned(),
    }
}

/// Carries out `command`: the exit code of the process, which may be that of a worker.
///
/// # Errors
/// [`CliError`].
pub(crate) fn carry_out(command: Command, global: &Global, around: &Around) -> Result<u8, CliError> {
    if let Command::Daemon(args) = &command
        && let Some(options) = args.as_daemon()
    {
        // The daemon has a runtime of its own kind, and must not be born under another.
        return crate::daemon::serve::run(around.here()?.clone(), options).map(|()| ExitCode::Ok.code());
    }
    // One thread starts in a fraction of a millisecond and is all that a client needs.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|source| CliError::Io { what: "start", path: "/proc/self/exe".into(), source })?;
    runtime.block_on(async {
        if let Target::Here(state) = &around.target
            && minds_the_build(&command)
        {
            handshake::tell(state, around.console).await?;
        }
        Box::pin(dispatch(command, global, around)).await
    })
}

/// Asks the daemon what `command` asks, and shows what it answers.
///
/// # Errors
/// [`CliError`].
async fn dispatch(command: Command, global: &Global, around: &Around) -> Result<u8, CliError> {
    let done = match command {
        Command::Run(args) => return run::run(args, around).await,
        Command::Attach(args) => return attach::attach(args, around).await,
        Command::Rerun(args) => return rerun::rerun(args, around).await,
        Command::Wait(args) => return wait::wait(args, around).await,
        Command::Ps(args) => ps::ps(args, around).await,
        Command::Status(args) => status::status(args, around).await,
        Command::Logs(args) => logs::logs(args, around).await,
        Command::Events(args) => events::events(args, around).await,
        Command::Watch(args) => watch::watch(args, around).await,
        Command::Why(args) => why::why(args, around).await,
        Command::Pause(args) => pause::pause(args, around).await,
        Command::Resume(args) => pause::resume(args, around).await,
        Command::Checkpoint(args) => checkpoint::checkpoint(args, around).await,
        Command::Checkpoints(args) => checkpoints::checkpoints(args, around).await,
        Command::Restore(args) => restore::restore(args, around).await,
        Command::Configure(args) => configure::configure(args, around).await,
        Command::Adopt(args) => adopt::adopt(args, around).await,
        Command::Stop(args) => stop::stop(args, around).await,
        Command::Kill(args) => stop::kill(args, around).await,
        Command::Retry(args) => retry::retry(args, around).await,
        Command::Rm(args) => rm::rm(args, around).await,
        Command::Prune(args) => prune::prune(args, around).await,
        Command::Workload(args) => workload::workload(args, around).await,
        Command::Daemon(args) => daemon::daemon(args, around).await,
        Command::Config(args) => config::config(args, around),
        Command::Context(args) => context::context(args, global, around),
        Command::Nats(args) => nats::nats(&args, around),
        Command::Doctor(args) => doctor::doctor(args, around).await,
        Command::Explain(args) => explain::explain(&args, around),
        Command::Completion(args) => completion::completion(&args, around),
        Command::Man(args) => man::man(&args, around),
    };
    done.map(ExitCode::code)
}

/// A command that was given to a run.
#[derive(Debug)]
pub(crate) struct Given {
    /// The daemon's answer.
    pub reply: CommandReply,
    /// Newest event of the run before it.
    pub seq_before: u64,
}

/// Gives a command to a run that was looked up.
///
/// # Errors
/// [`CliError`]: it is not possible now.
pub(crate) async fn give(around: &Around, before: &RunView, verb: Verb) -> Result<Given, CliError> {
    let body = &command_body(verb);
    // The run as it was before: the command may be carried out and its answer be lost. When it is
    // given again, the run has moved on, and what came of the command lies behind it.
    let id = before.run_id.as_str();
    let reply = ask(&around.target, |client| async move { client.command(id, body).await }).await?;
    Ok(Given { reply, seq_before: before.seq })
}

/// Whether `command` is about to speak with the daemon as one build with itself.
fn minds_the_build(command: &Command) -> bool {
    match command {
        Command::Daemon(args) => args.minds_the_build(),
        Command::Workload(args) => args.minds_the_build(),
        Command::Config(_)
        | Command::Context(_)
        | Command::Nats(_)
        | Command::Doctor(_)
        | Command::Explain(_)
        | Command::Completion(_)
        | Command::Man(_) => false,
        Command::Run(_)
        | Command::Ps(_)
        | Command::Status(_)
        | Command::Logs(_)
        | Command::Wait(_)
        | Command::Events(_)
        | Command::Watch(_)
        | Command::Why(_)
        | Command::Pause(_)
        | Command::Resume(_)
        | Command::Checkpoint(_)
        | Command::Checkpoints(_)
        | Command::Restore(_)
        | Command::Configure(_)
        | Command::Adopt(_)
        | Command::Stop(_)
        | Command::Kill(_)
        | Command::Retry(_)
        | Command::Rerun(_)
        | Command::Attach(_)
        | Command::Rm(_)
        | Command::Prune(_) => true,
    }
}

impl Command {
    /// Whose daemon the command can be about.
    pub(crate) fn scope(&self) -> Scope {
        match self {
            Self::Daemon(args) => args.scope(),
            Self::Adopt(args) => args.scope(),
            Self::Workload(args) => args.scope(),
            Self::Config(_) | Self::Explain(_) | Self::Completion(_) | Self::Man(_) => Scope::Itself,
            Self::Nats(_) => Scope::Here,
            Self::Doctor(_) => Scope::Look,
            Self::Context(_) => Scope::Options,
            Self::Ps(_)
            | Self::Status(_)
            | Self::Logs(_)
            | Self::Wait(_)
            | Self::Events(_)
            | Self::Watch(_)
            | Self::Why(_)
            | Self::Checkpoints(_) => Scope::Reads,
            Self::Run(_)
            | Self::Pause(_)
            | Self::Resume(_)
            | Self::Checkpoint(_)
            | Self::Restore(_)
            | Self::Configure(_)
            | Self::Stop(_)
            | Self::Kill(_)
            | Self::Retry(_)
            | Self::Rerun(_)
            | Self::Attach(_)
            | Self::Rm(_)
            | Self::Prune(_) => Scope::Anywhere,
        }
    }
}

#[cfg(test)]
mod golden;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::RUN_ID;
    use serde_json::json;

    #[tokio::test]
    async fn what_came_of_a_command_is_found_even_if_its_answer_was_lost() {
        let daemon = FakeDaemon::start();
        daemon.desk.change(json!({}), 2);
        *daemon.desk.dies_behind.lock().unwrap() = vec![("checkpoint_requested", json!({}))];
        let around = Around::of_test(&daemon.state);
        let (before, _) = around.target.client().run(RUN_ID).await.unwrap();
        let given = give(&around, &before, Verb::Checkpoint).await.unwrap();
        assert_eq!((given.seq_before, given.reply.run.seq), (2, 3), "the request lies between");
        let commands = daemon.desk.commands.lock().unwrap();
        assert_eq!(commands.len(), 2, "given twice");
        assert_eq!(commands[0], commands[1], "under one id");
    }

    #[test]
    fn a_command_to_type_is_to_the_same_daemon_quoted_and_without_secrets() {
        use crate::args::Cli;
        use clap::Parser;
        let typed = |line: &[&str]| {
            let words = ["resus", "ps"].iter().chain(line);
            let global = Cli::try_parse_from(words).unwrap().global;
            let temp = tempfile::tempdir().unwrap();
            let around = Around::of_test(&StateDir::assumed(temp.path()));
            Around { options: options(&global), ..around }.typed(&["rm".into(), "a b".into()])
        };
        assert_eq!(typed(&[]), "resus rm 'a b'");
        assert_eq!(typed(&["--state-dir", "/my runs"]), "resus rm 'a b' --state-dir '/my runs'");
        let far = ["--nats", "nats://ann:s3cret@h:4222", "--node", "n1", "--namespace", "team"];
        let expected = "resus rm 'a b' --nats 'nats://***@h:4222' --node n1 --namespace team";
        assert_eq!(typed(&far), expected);
        assert_eq!(typed(&["--context", "gpu"]), "resus rm 'a b' --context gpu");
    }

    #[tokio::test]
    async fn a_command_is_for_the_run_that_was_looked_at() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let (before, _) = around.target.client().run("@latest").await.unwrap();
        give(&around, &before, Verb::Checkpoint).await.unwrap();
        assert_eq!(*daemon.desk.commanded.lock().unwrap(), [RUN_ID]);
    }
}
