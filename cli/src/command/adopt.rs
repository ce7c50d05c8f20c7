//! `resus adopt`: a training that somebody else runs, watched.

use crate::command::Around;
use crate::command::overrides::{SetArgs, Wishes, below, wishes};
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::short;
use crate::render::summary::outcome;
use crate::submission::{command_id, worker_env, working_folder};
use crate::target::Scope;
use clap::Args;
use resus_core::api::{Overrides, Submission};
use resus_core::exit::ExitCode;
use resus_core::ids::CommandId;
use resus_core::view::RunView;
use std::collections::BTreeMap;
use std::env;
use std::path::{Path, PathBuf, absolute};
use std::time::{SystemTime, UNIX_EPOCH};

/// The workload that watches.
const WORKLOAD: &str = "v1";
/// Longest silence of the watcher itself: it beats every 10 s, whatever the training does.
const WATCHER_SILENCE_MS: u64 = 60_000;

/// Arguments of `resus adopt`.
#[derive(Debug, Args)]
#[command(
    after_help = "The file is the six-key training_status.json of PULSE v1. It is looked at every two seconds and
never written; it need not be there yet. A training in it that falls silent is told as an error
event, and its end as the run's. Then the next run waits for the next training in the same file.
'resus stop' ends the watching and does not touch the training.

Examples:
  resus adopt --v1 ~/app/training_status.json
  resus adopt --v1 status.json --name llama && resus watch llama@latest"
)]
pub(crate) struct AdoptArgs {
    /// The status file that the training writes
    #[arg(long, value_name = "FILE", required = true)]
    pub v1: PathBuf,
    /// What to call the run: lower-case letters, digits and '-' [default: v1]
    #[arg(long)]
    pub name: Option<String>,
    /// An end that the file tells of, at this Unix second or before, is an old story
    #[arg(long, value_name = "SECONDS", hide = true)]
    pub after: Option<u64>,
    /// The run whose training in the file is over
    #[arg(long, value_name = "RUN_ID", hide = true)]
    pub successor_of: Option<String>,
    #[command(flatten)]
    pub set: SetArgs,
}

impl AdoptArgs {
    /// Whose daemon the command can be about: the file is on this machine. What a watcher asks
    /// for is for the daemon it lives under, whatever its user has chosen meanwhile.
    pub(crate) fn scope(&self) -> Scope {
        if self.successor_of.is_some() { Scope::Itself } else { Scope::Here }
    }
}

/// Carries out `resus adopt`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn adopt(args: AdoptArgs, around: &Around) -> Result<ExitCode, CliError> {
    let folder = env::current_dir().ok();
    let wishes = wishes(around, below(around), folder.as_deref(), &args.set.set, Overrides::default())?;
    let submission = &submission(&args, wishes)?;
    let view = if args.successor_of.is_some() {
        // A daemon started from here would be one of the worker's processes, and end with it.
        around.target.client().submit(submission).await?
    } else {
        let runs = ask(&around.target, |client| async move { client.runs().await }).await?.runs;
        if let Some(view) = watching(&runs, &submission.params) {
            tell("is watched already", &args.v1, view, around)?;
            return Ok(ExitCode::Ok);
        }
        ask(&around.target, |client| async move { client.submit(submission).await }).await?
    };
    tell("is watched", &args.v1, &view, around)?;
    Ok(ExitCode::Ok)
}

/// The run that watches the same file, if there is one: a second would tell everything twice.
fn watching<'r>(runs: &'r [RunView], params: &BTreeMap<String, String>) -> Option<&'r RunView> {
    let file = params.get("file")?;
    let watches = |run: &&RunView| {
        let pairs = run.argv.iter().zip(run.argv.iter().skip(1));
        run.workload == WORKLOAD && pairs.into_iter().any(|(flag, value)| flag == "--file" && value == file)
    };
    runs.iter().filter(|run| outcome(run).is_none()).find(watches)
}

fn tell(how: &str, file: &Path, view: &RunView, around: &Around) -> Result<(), CliError> {
    let console = &around.console;
    if console.json {
        return console.out_json(view);
    }
    let id = short(&view.run_id);
    let text = format!("{} {how}; see it with: resus watch {id}", file.display());
    console.tell(&format!("{}\n", console.err_page().sentence(&text)));
    if matches!(file.try_exists(), Ok(false)) {
        let text = format!("! {} is not there yet: it is waited for", file.display());
        console.tell(&format!("{}\n", console.err_page().sentence(&text)));
    }
    console.out(&format!("{}\n", view.run_id))
}

/// What is handed in. The project knows nothing of the watcher: what is special about one comes
/// before it, and what was typed before both.
fn submission(args: &AdoptArgs, wishes: Wishes) -> Result<Submission, CliError> {
    let after = args.after.unwrap_or_else(now_unix_s);
    let mut params = BTreeMap::from([("file", whole_path(&args.v1)?), ("after", after.to_string())]);
    params.extend(args.name.clone().map(|name| ("name", name)));
    Ok(Submission {
        workload: Some(WORKLOAD.to_owned()),
        params: params.into_iter().map(|(name, value)| (name.to_owned(), value)).collect(),
        name: args.name.clone(),
        cwd: working_folder()?,
        env: worker_env(env::vars_os()).vars,
        overrides: wishes.project.and(of_a_watcher()).and(wishes.typed),
        command_id: match &args.successor_of {
            Some(run_id) => Some(successor_id(run_id)?),
            None => command_id(),
        },
        ..Submission::default()
    })
}

/// Nobody knows when the training begins or how long its epochs are, and its errors are told one
/// by one.
fn of_a_watcher() -> Overrides {
    Overrides {
        startup_timeout_ms: Some(0),
        progress_timeout_ms: Some(0),
        heartbeat_timeout_ms: Some(WATCHER_SILENCE_MS),
        max_error_share_permille: Some(0),
        ..Overrides::default()
    }
}

/// One run has one successor, however often it is asked for.
fn successor_id(run_id: &str) -> Result<CommandId, CliError> {
    CommandId::new(format!("successor-{run_id}")).map_err(|error| CliError::Usage {
        what: format!("--successor-of: {error}"),
        next: "resus ps -a".to_owned(),
    })
}

fn whole_path(file: &Path) -> Result<String, CliError> {
    let usage = |what: String| CliError::Usage { what, next: "give the path of a file".to_owned() };
    let path =
        absolute(file).map_err(|error| usage(format!("{:?} is not a path: {error}", file.display())))?;
    let text = path.to_str().map(str::to_owned);
    text.ok_or_else(|| usage(format!("{} is not valid UTF-8, so it can't be recorded", path.display())))
}

fn now_unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn args(after: Option<u64>, successor_of: Option<&str>) -> AdoptArgs {
        let name = Some("llama".to_owned());
        AdoptArgs {
            v1: "/w/s.json".into(),
            name,
            after,
            successor_of: successor_of.map(str::to_owned),
            set: SetArgs::default(),
        }
    }

    #[test]
    fn a_file_becomes_a_run_of_the_watcher_without_deadlines_of_a_training() {
        let submission = submission(&args(Some(7), None), Wishes::default()).unwrap();
        assert_eq!(submission.workload.as_deref(), Some("v1"));
        let params: Vec<_> = submission.params.iter().map(|(k, v)| format!("{k}={v}")).collect();
        assert_eq!(params, ["after=7", "file=/w/s.json", "name=llama"]);
        let overrides = submission.overrides;
        assert_eq!((overrides.startup_timeout_ms, overrides.progress_timeout_ms), (Some(0), Some(0)));
    }

    #[test]
    fn what_ended_before_the_adoption_is_an_old_story() {
        let before = now_unix_s();
        let submission = submission(&args(None, None), Wishes::default()).unwrap();
        assert!(submission.params["after"].parse::<u64>().unwrap() >= before);
    }

    #[test]
    fn a_file_is_watched_by_one_run_at_a_time() {
        use crate::render::sample::view;
        use serde_json::json;
        let run = |phase: &str, workload: &str, file: &str| {
            view(
                json!({"phase": phase, "workload": workload, "argv": ["resus", "worker", "v1", "--file", file]}),
            )
        };
        let params = submission(&args(Some(7), None), Wishes::default()).unwrap().params;
        let others = [
            run("cancelled", "v1", "/w/s.json"),
            run("running", "v1", "/w/other.json"),
            run("running", "command", "/w/s.json"),
        ];
        assert_eq!(watching(&others, &params), None);
        let same = [others[0].clone(), run("preparing", "v1", "/w/s.json")];
        assert_eq!(watching(&same, &params), Some(&same[1]));
    }

    #[test]
    fn a_run_has_one_successor_and_other_commands_have_ids_of_their_own() {
        let id = |args: AdoptArgs| submission(&args, Wishes::default()).unwrap().command_id.unwrap();
        assert_eq!(id(args(None, Some("r1"))).as_str(), "successor-r1");
        assert_ne!(id(args(None, None)), id(args(None, None)));
        assert!(submission(&args(None, Some("../x")), Wishes::default()).is_err());
    }
}
