//! `resus pause` and `resus resume`: a halt that costs nothing, and its end.

use crate::args::a_duration;
use crate::client::ClientError;
use crate::command::dry_run::{self, DryRunArg};
use crate::command::several::Tally;
use crate::command::{Around, Given, give};
use crate::confirm::consent;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::follow::Tell;
use crate::render::page::Page;
use crate::render::parts::{checkpoint, said, short};
use crate::render::pause::{goes_on, reached};
use crate::render::story::took_ms;
use crate::render::summary::outcome;
use crate::submission::command_body;
use crate::text::paint::{Colour, phase};
use crate::until::{in_time, until};
use clap::Args;
use resus_core::api::{CommandBody, StoryLine};
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;
use std::time::Duration;

/// Arguments of `resus pause`.
#[derive(Debug, Args)]
#[command(
    after_help = "A worker that speaks PULSE saves a checkpoint and holds; any other program, or one that
does not hold in time, is frozen. Both keep their memory (and their GPU's). With --release the
worker saves and leaves; 'resus resume' then starts another attempt from its checkpoint.

Examples:
  resus pause nightly
  resus pause @latest --release    # frees the memory and the GPU
  resus pause a1b2c3d4 --no-wait && resus status a1b2c3d4"
)]
pub(crate) struct PauseArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Let the worker save and leave
    #[arg(long)]
    pub release: bool,
    /// With --release: also a worker that can save nothing; do not ask
    #[arg(short = 'y', long, requires = "release")]
    pub yes: bool,
    /// Return when the pause has begun
    #[arg(long)]
    pub no_wait: bool,
    /// Wait for each run no longer than this, e.g. 30s
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub dry: DryRunArg,
}

/// Arguments of `resus resume`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus resume nightly
  resus resume @latest --timeout 1m")]
pub(crate) struct ResumeArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    /// Return when it was asked for
    #[arg(long)]
    pub no_wait: bool,
    /// Wait for each run no longer than this, e.g. 30s
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub timeout: Option<Duration>,
    #[command(flatten)]
    pub dry: DryRunArg,
}

/// Carries out `resus pause`.
///
/// # Errors
/// [`CliError`], as [`Tally::note`].
pub(crate) async fn pause(args: PauseArgs, around: &Around) -> Result<ExitCode, CliError> {
    let verb = if args.release { Verb::Release } else { Verb::Pause };
    if args.dry.dry_run {
        return dry_run::command(around, &args.runs, verb).await;
    }
    let (mut tally, found) = Tally::of(around, &args.runs).await?;
    let mut asked = Vec::new();
    for run in &found {
        let given = match may_leave(&args, &run.view, around).await {
            Ok(()) => give(around, &run.view, verb).await,
            Err(error) => Err(error),
        };
        asked.extend(tally.note(run.selector, given).await?.map(|given| (run.selector, given)));
    }
    for (selector, given) in asked {
        let came = came_of_pausing(&args, given, around).await;
        if let Some((view, took, was_so)) = tally.note(selector, came).await? {
            tell(around, &view, &paused(&view, took, was_so, &around.console.err_page()))?;
        }
    }
    Ok(tally.exit())
}

/// Makes sure that a worker that can't save is let go only if somebody wants that.
///
/// # Errors
/// [`CliError::Client`] with a refusal: nobody can be asked, or the answer was no.
async fn may_leave(args: &PauseArgs, view: &RunView, around: &Around) -> Result<(), CliError> {
    if !args.release || args.yes || view.pid.is_none() {
        return Ok(());
    }
    // The daemon knows whether this worker can be asked for a checkpoint.
    let (id, body) = (view.run_id.as_str(), &CommandBody { dry_run: true, ..command_body(Verb::Checkpoint) });
    let asked = ask(&around.target, |client| async move { client.command(id, body).await }).await;
    match asked {
        Err(CliError::Client(ClientError::Refused(_))) if view.phase == "running" => {}
        Ok(_) | Err(CliError::Client(ClientError::Refused(_))) => return Ok(()),
        Err(error) => return Err(error),
    }
    let (id, name) = (short(&view.run_id), &view.name);
    let lost = match &view.checkpoint {
        Some(newest) => format!("what it has done since {} would be lost", said(&newest.checkpoint_id)),
        None => "there is no checkpoint: all that it has done would be lost".to_owned(),
    };
    let why = format!("its program can't be asked for a checkpoint; {lost}");
    let question = format!("{id} ({name}): {why}. Let it go?");
    let next =
        format!("resus pause {id} (it is frozen, and keeps its memory), or resus pause {id} --release --yes");
    consent(&around.console, &question, false, (&format!("{id} ({name}) was not paused"), &why, &next))
}

/// What came of a pause: the run, how long it took in milliseconds, and whether it was paused
/// before.
async fn came_of_pausing(
    args: &PauseArgs,
    given: Given,
    around: &Around,
) -> Result<(RunView, Option<u64>, bool), CliError> {
    let (was_so, run) = (!given.reply.changed && given.reply.run.phase == "paused", given.reply.run);
    if args.no_wait || was_so {
        return Ok((run, None, was_so));
    }
    let id = short(&run.run_id).to_owned();
    let mut heard = Vec::new();
    let waiting = until(around, run, Tell::After(given.seq_before), |view, lines| {
        heard.extend(lines);
        end_of_pausing(view)
    });
    let (view, came) = in_time(args.timeout, &id, "is not paused", waiting).await?;
    match came {
        Some(instead) => Err(not_reached(&view, instead)),
        None => Ok((view, took_ms(&heard, "pause_begun", "paused"), false)),
    }
}

/// Whether the way to a pause is over; what came instead of the pause, if it did not come.
fn end_of_pausing(view: &RunView) -> Option<Option<String>> {
    match (view.phase.as_str(), outcome(view)) {
        ("paused", _) => Some(None),
        (_, Some(_)) => Some(Some(format!("ended before it was paused: {}", phase(&view.phase).word))),
        ("stopping", None) if view.pause.is_none() => Some(Some("is being stopped".to_owned())),
        (_, None) if view.pause.is_none() => Some(Some("was resumed before it was paused".to_owned())),
        (_, None) => None,
    }
}

/// Carries out `resus resume`.
///
/// # Errors
/// [`CliError`], as [`Tally::note`].
pub(crate) async fn resume(args: ResumeArgs, around: &Around) -> Result<ExitCode, CliError> {
    if args.dry.dry_run {
        return dry_run::command(around, &args.runs, Verb::Resume).await;
    }
    let (mut tally, found) = Tally::of(around, &args.runs).await?;
    let mut asked = Vec::new();
    for run in &found {
        let given = give(around, &run.view, Verb::Resume).await;
        asked.extend(tally.note(run.selector, given).await?.map(|given| (run.selector, given)));
    }
    for (selector, given) in asked {
        let changed = given.reply.changed;
        let came = came_of_resuming(&args, given, around).await;
        if let Some(view) = tally.note(selector, came).await? {
            tell(around, &view, &resumed(&view, changed, &around.console.err_page()))?;
        }
    }
    Ok(tally.exit())
}

/// What came of a resume: the run.
async fn came_of_resuming(args: &ResumeArgs, given: Given, around: &Around) -> Result<RunView, CliError> {
    let (changed, run) = (given.reply.changed, given.reply.run);
    if args.no_wait || !changed {
        return Ok(run);
    }
    let id = short(&run.run_id).to_owned();
    let mut heard = Vec::new();
    let waiting = until(around, run, Tell::After(given.seq_before), |view, lines| {
        heard.extend(lines);
        end_of_resuming(view, &heard)
    });
    let (view, came) = in_time(args.timeout, &id, "does not run yet", waiting).await?;
    came.map_or(Ok(()), |instead| Err(not_reached(&view, instead)))?;
    Ok(view)
}

/// Whether the way out of a pause is over; what came instead, if the run does not go on.
fn end_of_resuming(view: &RunView, heard: &[StoryLine]) -> Option<Option<String>> {
    let behind_resume = heard.iter().rev().take_while(|line| line.what != "resumed");
    let paused_again = behind_resume.into_iter().any(|line| line.what == "pause_begun");
    let failed = || view.last_failure.as_ref().map_or("UNKNOWN", |failure| failure.code.as_str());
    match (view.phase.as_str(), outcome(view)) {
        (_, Some(_)) => Some(Some(format!("ended before it went on: {}", phase(&view.phase).word))),
        ("running" | "cooling_down", None) => Some(None),
        ("stopping", None) if view.pause.is_none() => Some(Some("is being stopped".to_owned())),
        ("waiting", None) => Some(Some(format!("failed when it was to go on ({}); it is retried", failed()))),
        (_, None) if paused_again => Some(Some("was paused again".to_owned())),
        (_, None) => None,
    }
}

fn not_reached(view: &RunView, what: String) -> CliError {
    let id = short(&view.run_id);
    CliError::NotReached { run: id.to_owned(), what, next: format!("resus why {id}") }
}

fn tell(around: &Around, view: &RunView, text: &str) -> Result<(), CliError> {
    if around.console.json {
        return around.console.out_json(view);
    }
    around.console.tell(text);
    Ok(())
}

/// What came of a pause, and how it ends.
fn paused(view: &RunView, took_ms: Option<u64>, was_so: bool, page: &Page) -> String {
    let (look, id) = (phase(&view.phase), short(&view.run_id));
    let what = reached(view, took_ms, was_so);
    let glyph = page.paint.on(look.colour, look.glyph);
    let mut text = format!("{glyph} {}\n", page.sentence(&format!("{id} ({}) {what}", view.name)));
    let newest = view.checkpoint.as_ref().map(|newest| checkpoint(newest, &view.progress.unit));
    let newest = newest.map(|newest| format!("newest checkpoint: {newest}"));
    let unread = view.checkpoint_unread.as_ref().map(|unread| checkpoint(unread, &view.progress.unit));
    let unread = unread.map(|unread| format!("a newer one is being read back: {unread}"));
    for line in newest.into_iter().chain(unread).chain(goes_on(view)) {
        text.push_str(&format!("  {}\n", page.sentence(&line)));
    }
    text
}

fn resumed(view: &RunView, changed: bool, page: &Page) -> String {
    let (look, id) = (phase(&view.phase), short(&view.run_id));
    let what = match (changed, view.phase.as_str()) {
        (false, _) => format!("is not paused: {}", look.word),
        (true, "running" | "cooling_down") => format!("goes on (attempt {})", view.attempt),
        (true, _) => "is to go on".to_owned(),
    };
    let glyph = page.paint.on(Colour::Green, "●");
    format!("{glyph} {}\n", page.sentence(&format!("{id} ({}) {what}", view.name)))
}

#[cfg(test)]
mod tests;
