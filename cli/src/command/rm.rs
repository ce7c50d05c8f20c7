//! `resus rm`: runs and all their files are gone.

use crate::client::ClientError;
use crate::command::Around;
use crate::command::wait::until_ended;
use crate::confirm::{agreed, refusal};
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::{said, short};
use crate::render::removing;
use crate::render::summary::outcome;
use crate::submission::{command_body, remove_body};
use crate::text::paint::Colour;
use crate::until::in_time;
use clap::Args;
use resus_core::api::{Obstacle, ObstacleKind, RemoveReply};
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;
use std::time::Duration;

/// A run that is killed has this long to end: everything of it is gone when it has.
const END_DEADLINE: Duration = Duration::from_secs(60);

/// Arguments of `resus rm`.
#[derive(Debug, Args)]
#[command(
    after_help = "Only runs that have ended are removed. Their folders go, with output, checkpoints and curves;
the ledger keeps their rows, about half a KiB an event, so that their ids are never used again.

Examples:
  resus rm a1b2c3d4 --dry-run
  resus rm nightly@latest old-run --yes
  resus rm nightly --force           # kills it first if it lives"
)]
pub(crate) struct RmArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Only tell what would go
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub yes: bool,
    /// Kill runs that live, and remove pinned checkpoints along
    #[arg(short = 'f', long)]
    pub force: bool,
}

/// Carries out `resus rm`: all are checked before any is removed.
///
/// # Errors
/// [`CliError`]: one is not there or can't be removed, or nobody agreed; of several that fail at last,
/// that of the first.
pub(crate) async fn rm(args: RmArgs, around: &Around) -> Result<ExitCode, CliError> {
    let console = &around.console;
    let plan = Box::pin(check(&args, around)).await?;
    if args.dry_run {
        for reply in plan.iter().filter(|_| console.json) {
            console.out_json(reply)?;
        }
        if !console.json {
            console.out(&removing::runs(&plan, &console.out_page()))?;
            for line in plan.iter().flat_map(obstacles) {
                console.tell(&format!("{}\n", console.err_page().sentence(&line)));
            }
            let next = around.typed(&typed(&plan, args.force));
            console.tell(&format!("nothing was removed; to do so: {next}\n"));
        }
        return Ok(ExitCode::Ok);
    }
    removable(&plan, &args, around)?;
    if !console.json && !args.yes {
        console.tell(&removing::runs(&plan, &console.err_page()));
    }
    let question = format!("Remove {} for good?", removing::counted(plan.len(), "run"));
    let next = around.typed(&typed(&plan, args.force));
    if let Err(refused) = agreed(console, &question, args.yes, &next) {
        for reply in plan.iter().filter(|_| console.json) {
            console.out_json(reply)?;
        }
        return Err(refused);
    }
    let mut first = None;
    for reply in in_order(plan) {
        match Box::pin(remove(reply, args.force, around)).await {
            Ok(reply) => tell(&reply, around)?,
            Err(error) => {
                // Those that come after it are no worse for it.
                if let Some(before) = first.replace(error) {
                    console.tell(&before.told().text(&console.err_page()));
                }
            }
        }
    }
    first.map_or(Ok(ExitCode::Ok), Err)
}

/// What would go, each run once, however often it is named.
async fn check(args: &RmArgs, around: &Around) -> Result<Vec<RemoveReply>, CliError> {
    let mut plan: Vec<RemoveReply> = Vec::new();
    for run in &args.runs {
        let body = &remove_body(true, args.force);
        let reply = ask(&around.target, |client| async move { client.remove(run, body).await }).await?;
        if plan.iter().all(|other| other.run.run_id != reply.run.run_id) {
            plan.push(reply);
        }
    }
    Ok(plan)
}

/// Whether all can be removed, with force if that is wanted.
fn removable(plan: &[RemoveReply], args: &RmArgs, around: &Around) -> Result<(), CliError> {
    let stands = |obstacle: &Obstacle| match obstacle.kind {
        ObstacleKind::Phase | ObstacleKind::Pinned => !args.force,
        // Who needs it goes before it.
        ObstacleKind::Needed => !plan.iter().any(|other| needs(&other.run.run_id, obstacle)),
    };
    let held: Vec<(&RemoveReply, Vec<&Obstacle>)> = plan
        .iter()
        .map(|reply| (reply, reply.obstacles.iter().filter(|obstacle| stands(obstacle)).collect::<Vec<_>>()))
        .filter(|(_, obstacles)| !obstacles.is_empty())
        .collect();
    let Some((worst, first)) = held.first().and_then(|(reply, all)| Some((reply, all.first()?))) else {
        return Ok(());
    };
    let why: Vec<_> =
        held.iter().flat_map(|(reply, all)| all.iter().map(|obstacle| sentence(reply, obstacle))).collect();
    let id = short(&worst.run.run_id);
    let typed =
        |words: &[&str]| around.typed(&words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>());
    let next = match (first.kind, &first.needed_by) {
        (ObstacleKind::Phase, _) => format!(
            "{} && {}; or, to kill it: {}",
            typed(&["stop", id]),
            typed(&["rm", id]),
            typed(&["rm", id, "--force"])
        ),
        (ObstacleKind::Pinned, _) => typed(&["rm", id, "--force"]),
        (ObstacleKind::Needed, Some(other)) => typed(&["status", short(other)]),
        (ObstacleKind::Needed, None) => typed(&["ps", "-a"]),
    };
    Err(refusal("nothing was removed", &why.join("\n"), Some(&next)))
}

fn needs(run_id: &str, obstacle: &Obstacle) -> bool {
    obstacle.needed_by.as_deref() == Some(run_id)
}

/// Runs that need others of them first: a run that is needed can't be removed.
fn in_order(mut plan: Vec<RemoveReply>) -> Vec<RemoveReply> {
    let mut ordered = Vec::with_capacity(plan.len());
    while !plan.is_empty() {
        let is_free = |reply: &RemoveReply| {
            let is_needed = |other: &RemoveReply| {
                reply.obstacles.iter().any(|obstacle| needs(&other.run.run_id, obstacle))
            };
            !plan.iter().any(is_needed)
        };
        let next = plan.iter().position(is_free).unwrap_or(0);
        ordered.push(plan.remove(next));
    }
    ordered
}

/// Why a run can't be removed, with its name.
fn obstacles(reply: &RemoveReply) -> impl Iterator<Item = String> {
    reply.obstacles.iter().map(|obstacle| sentence(reply, obstacle))
}

fn sentence(reply: &RemoveReply, obstacle: &Obstacle) -> String {
    format!("{} ({}): {}", short(&reply.run.run_id), said(&reply.run.name), said(&obstacle.text))
}

/// Removes one run, which is killed before if it lives and that is wanted.
async fn remove(checked: RemoveReply, force: bool, around: &Around) -> Result<RemoveReply, CliError> {
    let id = checked.run.run_id.as_str();
    if outcome(&checked.run).is_none() && force {
        kill(id, around).await?;
    }
    let body = &remove_body(false, force);
    match ask(&around.target, |client| async move { client.remove(id, body).await }).await {
        // Somebody else was faster, or the answer to us was lost: it is gone, as wanted.
        Err(CliError::Client(ClientError::Refused(problem))) if problem.kind == "urn:resus:removed" => {
            Ok(RemoveReply { removed: true, ..checked })
        }
        reply => reply,
    }
}

async fn kill(id: &str, around: &Around) -> Result<RunView, CliError> {
    let body = &command_body(Verb::Kill);
    let reply = ask(&around.target, |client| async move { client.command(id, body).await }).await?;
    let ending = until_ended(around, reply.run);
    Ok(in_time(Some(END_DEADLINE), short(id), "has not ended", ending).await?.0)
}

fn tell(reply: &RemoveReply, around: &Around) -> Result<(), CliError> {
    if around.console.json {
        return around.console.out_json(reply);
    }
    let page = around.console.err_page();
    let (id, name) = (short(&reply.run.run_id), said(&reply.run.name));
    let text = format!("{id} ({name}) removed, {}", removing::taken(reply.size.bytes, reply.size.at_least));
    around.console.tell(&format!("{} {}\n", page.paint.on(Colour::Green, "✓"), page.sentence(&text)));
    Ok(())
}

/// The command that does it without a question, to these runs: by then another may be `@latest`.
fn typed(plan: &[RemoveReply], force: bool) -> Vec<String> {
    let runs = plan.iter().map(|reply| short(&reply.run.run_id).to_owned());
    let options = ["--force", "--yes"].into_iter().filter(|option| force || *option != "--force");
    ["rm".to_owned()].into_iter().chain(runs).chain(options.map(str::to_owned)).collect()
}

#[cfg(test)]
mod tests;
