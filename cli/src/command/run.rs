//! `resus run`: accept a run and watch it.

pub(crate) mod instead;

use crate::args::a_pair;
use crate::attach::{Watched, watch};
use crate::client::Client;
use crate::command::Around;
use crate::command::overrides::{OverrideArgs, below, wishes};
use crate::command::plan::dry_run;
use crate::command::resume_from::resume;
use crate::command::run::instead::refuse_program;
use crate::daemon::start::{ask, ensure};
use crate::ending;
use crate::error::CliError;
use crate::keys::{Act, Key, Keys, Presses};
use crate::output::terminal::Decoder;
use crate::output::{PIECE_BYTES, tail_start};
use crate::passthrough;
use crate::render::header::header;
use crate::settings::set::{self, Pair, once};
use crate::submission::{WorkerEnv, command_id, worker_env, working_folder};
use crate::target::Target;
use crate::text::columns::cut;
use crate::text::paint::Colour;
use crate::workloads::{is_path, whole_path};
use clap::Args;
use resus_core::api::Submission;
use resus_core::exit::ExitCode;
use resus_core::spec::Resume;
use resus_core::view::RunView;
use rustix::io::ioctl_fionread;
use std::env;
use std::io::{self, IsTerminal};
use std::time::Duration;

/// Lines of output shown of a run that failed.
const LAST_LINES: usize = 10;
/// Columns shown of each.
const LAST_LINE_COLUMNS: usize = 500;
/// Both ways to say what is to be run.
const NOTHING_TO_RUN: &str = "resus run othello, or: resus run -- python train.py";

/// Arguments of `resus run`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus run -- python train.py --epochs 3
  resus run othello --set games=20000 --set retry.max=10
  resus run ./mine --dry-run
  RUN=$(resus run -d --name nightly -- ./train.sh) && resus wait $RUN

While it is watched: Ctrl-C stops it with a checkpoint, a second Ctrl-C kills it, Ctrl-\\ leaves
it running.")]
pub(crate) struct RunArgs {
    /// A workload, e.g. othello, or the folder of one, e.g. ./mine
    #[arg(conflicts_with = "command")]
    pub workload: Option<String>,
    /// Any program and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<String>,
    /// Set a parameter of the workload, or a setting (retry.max=3); may be repeated
    ///
    /// A KEY with a dot is a setting ('resus config defaults' shows them all), and comes before the
    /// resus.toml of the project and the settings of the user.
    #[arg(long, value_name = "KEY=VALUE", value_parser = a_pair)]
    pub set: Vec<(String, String)>,
    /// Leave it running: print its id and return
    #[arg(short, long)]
    pub detach: bool,
    /// Only show what would be started, and what would be refused
    #[arg(short = 'n', long, conflicts_with = "detach")]
    pub dry_run: bool,
    /// What to call it: lower-case letters, digits and '-'
    #[arg(long)]
    pub name: Option<String>,
    /// Where it begins: auto, never, a checkpoint's path, or RUN/CHECKPOINT
    ///
    /// 'auto' is the newest healthy checkpoint of its own that verifies; 'never' hands its worker
    /// none. With a checkpoint of another run, or a file, it begins there, once the daemon has
    /// verified it, and goes on from its own as soon as it has one. A file or folder of another
    /// format is taken as it is: nobody knows whether it was whole before. What a run found damaged,
    /// or set aside because of numbers that are not finite, is refused.
    #[arg(long, value_name = "WHERE", default_value = "auto", hide_default_value = true)]
    pub resume: String,
    /// Exit as its last worker did: its code, 128+n after signal n
    #[arg(long, conflicts_with = "detach")]
    pub passthrough: bool,
    #[command(flatten)]
    pub settings: OverrideArgs,
}

/// Carries out `resus run`: the exit code of the process.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn run(args: RunArgs, around: &Around) -> Result<u8, CliError> {
    let (detach, passthrough, is_dry) = (args.detach, args.passthrough, args.dry_run);
    let beginning = args.resume.clone();
    let submission = submission(args, around)?;
    let submission = Submission { resume: resume(&beginning, around).await?, ..submission };
    if is_dry {
        return dry_run(&submission, around).await.map(ExitCode::code);
    }
    // Who leaves the run alone wants its id, or to end this command as any other.
    let mut presses = if detach { None } else { Some(Presses::listen()?) };
    let (view, pressed) = hand_in(&submission, around, presses.as_mut()).await?;
    if submission.command.is_some() && waiting_input() > 0 && !around.console.json {
        let page = around.console.err_page();
        let text = "warning: what is on standard input does not reach the worker: its own is /dev/null";
        around.console.tell(&format!("{}\n", page.sentence(text)));
    }
    let Some(presses) = &mut presses else {
        match around.console.json {
            true => around.console.out_json(&view)?,
            false => around.console.out(&format!("{}\n", view.run_id))?,
        }
        return Ok(ExitCode::Ok.code());
    };
    stay_on(view, passthrough, (presses, &pressed), around).await
}

/// Watches `view` until it ends, and tells how: the exit code of the process.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn stay(view: RunView, passthrough: bool, around: &Around) -> Result<u8, CliError> {
    stay_on(view, passthrough, (&mut Presses::listen()?, &[]), around).await
}

/// The same with the keys that are heard already.
async fn stay_on(
    view: RunView,
    passthrough: bool,
    (presses, pressed): (&mut Presses, &[Key]),
    around: &Around,
) -> Result<u8, CliError> {
    if !around.console.json {
        around.console.tell(&header(&view, &around.console.err_page()));
    }
    match watch(around, view, presses, pressed).await? {
        Watched::Left(exit) => Ok(exit.code()),
        Watched::Ended(view, exit) => {
            conclude(&view, around).await?;
            Ok(passthrough::code(&view, exit, passthrough))
        }
    }
}

/// Hands the run in. Keys that are pressed meanwhile are handed back: they are about a run that is
/// not there yet, and may be.
///
/// # Errors
/// [`CliError`]; [`CliError::Left`] when somebody leaves before there is an answer.
async fn hand_in(
    submission: &Submission,
    around: &Around,
    presses: Option<&mut Presses>,
) -> Result<(RunView, Vec<Key>), CliError> {
    let mut asking = Box::pin(ask(&around.target, |client| async move { client.submit(submission).await }));
    let Some(presses) = presses else { return Ok((asking.await?, Vec::new())) };
    // Until a daemon is there, nobody has heard of the run.
    tokio::select! {
        reached = Box::pin(ensure(&around.target)) => drop(reached?),
        _ = presses.next() => return Err(CliError::Left { is_handed_in: false }),
    }
    let (mut keys, mut pressed) = (Keys::default(), Vec::new());
    loop {
        tokio::select! {
            view = &mut asking => return Ok((view?, pressed)),
            key = presses.next() => {
                pressed.push(key);
                if keys.press(key) == Act::GiveUp {
                    return Err(CliError::Left { is_handed_in: true });
                }
            }
        }
    }
}

/// What is handed in.
///
/// # Errors
/// [`CliError::Usage`]: nothing to run, a parameter given twice, no working folder.
/// [`CliError::Settings`]: a mistake in the configuration is told now, not when the next daemon
/// starts.
fn submission(args: RunArgs, around: &Around) -> Result<Submission, CliError> {
    if args.workload.is_none() && args.command.is_empty() {
        let what = "nothing to run: give a workload or a command".to_owned();
        return Err(CliError::Usage { what, next: NOTHING_TO_RUN.to_owned() });
    }
    let (parameters, settings) = set::split(args.set);
    no_parameters(&args.command, &parameters)?;
    // The project is where the command is typed, whichever machine the run is for.
    let folder = env::current_dir().ok();
    let options = args.settings.overrides();
    let wishes = wishes(around, below(around), folder.as_deref(), &settings, options)?;
    let (cwd, env) = match around.target {
        Target::Here(_) => (working_folder()?, worker_env(env::vars_os())),
        // This machine's mean nothing there; the daemon has its own.
        Target::There(_) => (String::new(), WorkerEnv::default()),
    };
    if !env.left_out.is_empty() && !around.console.json {
        let names = env.left_out.join(", ");
        around.console.tell(&format!("warning: not UTF-8, so the worker does not get: {names}\n"));
    }
    let (workload, workload_path) = which(args.workload, around)?;
    Ok(Submission {
        resume: Resume::Auto,
        workload,
        workload_path,
        params: once(parameters, "--set")?,
        command: (!args.command.is_empty()).then_some(args.command),
        name: args.name,
        cwd,
        env: env.vars,
        overrides: wishes.overrides(),
        command_id: command_id(),
    })
}

/// Parameters are a workload's.
fn no_parameters(command: &[String], parameters: &[Pair]) -> Result<(), CliError> {
    let Some((key, _)) = parameters.first().filter(|_| !command.is_empty()) else { return Ok(()) };
    Err(CliError::Usage {
        what: format!("--set {key}: a command has no parameters, only a workload has"),
        next: "give the command its own options behind the --; a setting has a dot: --set retry.max=3"
            .to_owned(),
    })
}

/// The workload by its name, or by the whole path of its folder.
fn which(workload: Option<String>, around: &Around) -> Result<(Option<String>, Option<String>), CliError> {
    if let Some(word) = &workload {
        refuse_program(word)?;
    }
    match (workload, &around.target) {
        (Some(path), Target::Here(_)) if is_path(&path) => Ok((None, Some(whole_path(&path)?))),
        (Some(path), Target::There(_)) if path.starts_with('/') => Ok((None, Some(path))),
        (Some(path), Target::There(_)) if is_path(&path) => Err(CliError::Usage {
            what: format!("{path} is a path of this machine, and another one's daemon is asked"),
            next: "give the whole path there, or the name of a workload: resus workload ls".to_owned(),
        }),
        (name, _) => Ok((name, None)),
    }
}

/// Tells how the run ended, and shows its last words if it failed.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn conclude(view: &RunView, around: &Around) -> Result<(), CliError> {
    let console = &around.console;
    let has_failed = view.phase == "failed" && !console.json;
    if has_failed && let Some(words) = last_words(&ensure(&around.target).await?, view).await {
        let head = console.err_paint.on(Colour::Dim, "the end of its output:");
        console.tell(&format!("{head}\n{words}"));
    }
    ending::tell(view, console)
}

/// The end of a worker's output. A run that failed is told as failed even if it can't be read.
async fn last_words(client: &Client, view: &RunView) -> Option<String> {
    let (run, attempt) = (view.run_id.as_str(), view.attempt);
    let start = tail_start(client, run, attempt, LAST_LINES).await.ok()?;
    let output = client.output(run, Some(attempt), start.offset, PIECE_BYTES, Duration::ZERO).await.ok()?;
    let text = Decoder::new(false).decode(&output.bytes);
    let text = text.as_str();
    let bare = |line: &str| format!("  | {}\n", cut(line, LAST_LINE_COLUMNS));
    (!text.is_empty()).then(|| text.lines().map(bare).collect())
}

/// Bytes that wait on standard input, where it is a pipe or a file.
fn waiting_input() -> u64 {
    let input = io::stdin();
    if input.is_terminal() { 0 } else { ioctl_fionread(&input).unwrap_or(0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn a_command_has_settings_and_no_parameters() {
        let command = ["sh".to_owned()];
        assert!(no_parameters(&command, &[]).is_ok() && no_parameters(&[], &pairs(&[("a", "1")])).is_ok());
        let error = no_parameters(&command, &pairs(&[("a", "1")])).unwrap_err();
        assert_eq!(error.exit(), ExitCode::Usage);
        assert!(error.to_string().starts_with("--set a: a command has no parameters"), "{error}");
    }

    #[tokio::test]
    async fn a_folder_is_named_by_its_whole_path_and_one_of_another_machine_has_to_be() {
        let daemon = crate::fake_daemon::FakeDaemon::start();
        let here = Around::of_test(&daemon.state);
        let (name, path) = which(Some("./mine".to_owned()), &here).unwrap();
        assert!(name.is_none() && path.unwrap().ends_with("/mine"));
        assert_eq!(which(Some("mine".to_owned()), &here).unwrap(), (Some("mine".to_owned()), None));
        let bus = crate::fake_daemon::FakeBus::new(daemon.desk.clone());
        let there = Around { target: Target::There(crate::client::there::There::fake(bus)), ..here };
        assert_eq!(which(Some("./mine".to_owned()), &there).unwrap_err().exit(), ExitCode::Usage);
        assert_eq!(which(Some("/w/mine".to_owned()), &there).unwrap(), (None, Some("/w/mine".to_owned())));
    }
}
