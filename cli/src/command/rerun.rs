//! `resus rerun`: a new run of the same spec.

use crate::args::a_pair;
use crate::command::Around;
use crate::command::dry_run::DryRunArg;
use crate::command::overrides::{OverrideArgs, wishes};
use crate::command::run::stay;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::page::Page;
use crate::render::parts::{said, short};
use crate::render::shell;
use crate::settings::layers::Below;
use crate::settings::set::{self, once};
use crate::submission::{command_id, worker_env};
use crate::target::Target;
use clap::{Arg, Args};
use resus_core::api::{EnvChanges, RerunBody, RerunReply};
use resus_core::exit::ExitCode;
use serde::Serialize;
use std::env;

/// Most names listed of each kind of difference.
const NAMES_MAX: usize = 8;

/// Arguments of `resus rerun`.
#[derive(Debug, Args)]
#[command(
    after_help = "The new run has the old one's name, command or workload with its parameters, folder, settings
and environment, as they were recorded, except for what is given here. How its environment
differs is told by names only: no value is ever shown. To go on with the old run from its
checkpoint: resus retry.

Examples:
  resus rerun nightly@latest
  resus rerun nightly --env LR=3e-4 --unset DEBUG
  resus rerun othello@1 --set games=2000000 --name longer -d
  resus rerun nightly --fresh-env --dry-run",
    mut_args(in_help)
)]
pub(crate) struct RerunArgs {
    /// Which run
    pub run: String,
    /// Set a variable of the environment; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = a_pair)]
    pub env: Vec<(String, String)>,
    /// Take a variable out of the environment; may be repeated
    #[arg(long, value_name = "KEY")]
    pub unset: Vec<String>,
    /// Begin with the environment of this command
    ///
    /// It takes the place of the recorded one. On another machine's daemon (--nats, --context) it is the one that its runs are given there.
    #[arg(long)]
    pub fresh_env: bool,
    /// Set a parameter or a setting; may be repeated
    ///
    /// A KEY with a dot is a setting (retry.max=3), any other a parameter of the workload.
    #[arg(long, value_name = "KEY=VALUE", value_parser = a_pair)]
    pub set: Vec<(String, String)>,
    /// What to call it [default: as the old one]
    #[arg(long)]
    pub name: Option<String>,
    /// Leave it running: print its id and return
    #[arg(short, long)]
    pub detach: bool,
    /// Exit as its last worker did: its code, 128+n after signal n
    #[arg(long, hide_short_help = true, conflicts_with = "detach")]
    pub passthrough: bool,
    #[command(flatten)]
    pub dry: DryRunArg,
    #[command(flatten)]
    pub settings: OverrideArgs,
}

/// Options that `--help` alone tells of: whoever repeats a run seldom wants it looked after otherwise.
const RARE: [&str; 3] = ["retries", "grace", "keep"];

fn in_help(option: Arg) -> Arg {
    let is_rare = RARE.contains(&option.get_id().as_str());
    if is_rare { option.hide_short_help(true) } else { option }
}

/// What it would be, for programs.
#[derive(Serialize)]
struct Document<'t> {
    dry_run: bool,
    #[serde(flatten)]
    reply: &'t RerunReply,
}

/// Carries out `resus rerun`: the exit code of the process.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn rerun(args: RerunArgs, around: &Around) -> Result<u8, CliError> {
    let (run, console) = (args.run.as_str(), &around.console);
    let body = &body(&args, around)?;
    // Once it is there, @latest names the new run.
    let (old, _) = Box::pin(ask(&around.target, |client| async move { client.run(run).await })).await?;
    let id = old.run_id.as_str();
    let asking = ask(&around.target, |client| async move { client.rerun(id, body).await });
    let mut reply = Box::pin(asking).await?;
    if !console.json {
        console.tell(&told(&reply, &console.err_page()));
    }
    if args.dry.dry_run {
        if console.json {
            console.out_json(&Document { dry_run: true, reply: &reply })?;
        }
        return Ok(ExitCode::Ok.code());
    }
    if args.detach {
        match (console.json, &reply.run) {
            (true, _) => console.out_json(&reply)?,
            (false, Some(view)) => console.out(&format!("{}\n", view.run_id))?,
            (false, None) => {}
        }
        return Ok(ExitCode::Ok.code());
    }
    match reply.run.take() {
        Some(view) => Box::pin(stay(view, args.passthrough, around)).await,
        None => Ok(ExitCode::Ok.code()),
    }
}

/// What is asked of the daemon.
///
/// # Errors
/// [`CliError::Usage`]: something is given twice.
fn body(args: &RerunArgs, around: &Around) -> Result<RerunBody, CliError> {
    let set_env = once(args.env.clone(), "--env")?;
    if let Some(name) = args.unset.iter().find(|name| set_env.contains_key(*name)) {
        let what = format!("{name} is given to --env and to --unset");
        return Err(CliError::Usage { what, next: format!("--env {name}=… or --unset {name}") });
    }
    let fresh = || match around.target {
        Target::Here(_) => worker_env(env::vars_os()).vars,
        // This machine's means nothing there; the daemon has its own.
        Target::There(_) => Vec::new(),
    };
    let (params, settings) = set::split(args.set.clone());
    Ok(RerunBody {
        name: args.name.clone(),
        params: once(params, "--set")?,
        env: args.fresh_env.then(fresh),
        set_env,
        unset_env: args.unset.clone(),
        overrides: wishes(around, Below::Unknown, None, &settings, args.settings.overrides())?.typed,
        command_id: command_id(),
        dry_run: args.dry.dry_run,
    })
}

fn told(reply: &RerunReply, page: &Page) -> String {
    let of = short(&reply.of);
    let head = match &reply.run {
        Some(new) => format!("↻ {} ({}) runs {of} once more", short(&new.run_id), reply.name),
        None => format!("↻ {} would run {of} once more; nothing was done", reply.name),
    };
    let mut text = format!("{}\n", page.sentence(&head));
    if reply.run.is_none() {
        text.push_str(&format!(
            "  {}\n",
            page.sentence(&format!("command: {}", shell::command(&reply.argv, usize::MAX)))
        ));
        text.push_str(&format!("  {}\n", page.sentence(&format!("folder: {}", said(&reply.cwd)))));
    }
    text + &format!("  {}\n", page.sentence(&format!("environment: {}", differences(&reply.env))))
}

/// How the environment differs, in names.
fn differences(env: &EnvChanges) -> String {
    if env.is_empty() {
        return "as recorded".to_owned();
    }
    let kinds = [("added", &env.added), ("removed", &env.removed), ("changed", &env.changed)];
    let kinds = kinds.into_iter().filter(|(_, names)| !names.is_empty());
    let kind = |(word, names): (&str, &Vec<String>)| {
        let listed: Vec<_> = names.iter().take(NAMES_MAX).map(|name| said(name)).collect();
        let more = names.len().saturating_sub(NAMES_MAX);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        format!("{word} {}{more}", listed.join(", "))
    };
    kinds.map(kind).collect::<Vec<_>>().join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::{RUN_ID, page, view};
    use serde_json::json;

    fn args(more: &[&str]) -> RerunArgs {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: RerunArgs,
        }
        <Line as clap::Parser>::parse_from(["rerun", "@latest"].iter().chain(more)).args
    }

    #[tokio::test]
    async fn what_is_given_is_asked_for_and_nothing_of_this_environment_unless_wanted() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let words = [
            "-d",
            "--env",
            "LR=1",
            "--unset",
            "DEBUG",
            "--set",
            "games=9",
            "--set",
            "stop.grace=2s",
            "--retries",
            "2",
        ];
        assert_eq!(rerun(args(&words), &around).await.unwrap(), 0);
        rerun(args(&["--dry-run", "--fresh-env"]), &around).await.unwrap();
        let asked = daemon.desk.commanded.lock().unwrap().clone();
        assert!(asked[0].starts_with(&format!("rerun {RUN_ID} {{")), "{asked:?}");
        for part in [
            r#""set_env":{"LR":"1"}"#,
            r#""unset_env":["DEBUG"]"#,
            r#""params":{"games":"9"}"#,
            r#""grace_ms":2000"#,
        ] {
            assert!(asked[0].contains(part), "{part}: {asked:?}");
        }
        assert!(asked[0].contains(r#""retries":2"#) && !asked[0].contains(r#""env":"#), "{asked:?}");
        assert!(asked[1].contains(r#""dry_run":true"#) && asked[1].contains(r#""env":[["#), "{asked:?}");
    }

    #[test]
    fn nothing_is_given_twice_and_no_value_is_repeated() {
        let daemon_less = Around::of_test(&FakeStateless::state());
        for words in [
            &["--env", "TOKEN=s3cret", "--env", "TOKEN=other"][..],
            &["--env", "TOKEN=s3cret", "--unset", "TOKEN"],
            &["--set", "token=s3cret", "--set", "token=other"],
        ] {
            let error = body(&args(words), &daemon_less).unwrap_err();
            assert_eq!(error.exit(), ExitCode::Usage);
            assert!(!error.told().text(&page(200)).contains("s3cret"), "{error}");
        }
    }

    /// A state folder that nothing is asked of.
    struct FakeStateless;

    impl FakeStateless {
        fn state() -> resus_store::StateDir {
            let folder = tempfile::tempdir().unwrap();
            resus_store::StateDir::open(&folder.path().join("state")).unwrap()
        }
    }

    #[test]
    fn the_environment_is_told_in_names() {
        let reply = |run, env| RerunReply {
            of: RUN_ID.into(),
            run,
            name: "nightly".into(),
            workload: "command".into(),
            argv: ["sh", "-c", "a b", "\u{1b}[2J"].map(str::to_owned).to_vec(),
            cwd: "/w".into(),
            env,
        };
        let names = |count: usize| (0..count).map(|n| format!("A{n}")).collect::<Vec<_>>();
        let env = EnvChanges { added: names(9), removed: Vec::new(), changed: vec!["LR".into()] };
        let expected = "\
↻ nightly would run 8c1d9e77 once more; nothing was done
  command: sh -c 'a b' $'\\033[2J'
  folder: /w
  environment: added A0, A1, A2, A3, A4, A5, A6, A7 and 1 more; changed LR
";
        assert_eq!(told(&reply(None, env), &page(120)), expected);
        let new = view(json!({"run_id": "0193a5c2-7c11-7aa0-9f00-00000000000a"}));
        let expected = "\
↻ 0000000a (nightly) runs 8c1d9e77 once more
  environment: as recorded
";
        assert_eq!(told(&reply(Some(new), EnvChanges::default()), &page(120)), expected);
    }
}
