//! `resus events`: what happened to a run, and why.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::follow::{Tell, Update, follow};
use crate::render::parts::short;
use crate::render::story;
use crate::render::summary::outcome;
use crate::text::paint::phase;
use clap::Args;
use resus_core::api::StoryLine;
use resus_core::exit::ExitCode;
use resus_core::pulse::v2::EventType;
use resus_core::view::RunView;
use serde_json::Value;

/// Arguments of `resus events`.
#[derive(Debug, Args)]
#[command(
    after_help = "Everything that happened to the run, in order, each with its reason: what the ledger knows.
--json writes the PULSE envelopes, one per line. -f goes on across restarts of the daemon, loses
none and tells none twice; when the run has ended it exits with 0 (done), 20 (failed),
21 (cancelled) or 22 (lost).

Examples:
  resus events nightly
  resus events -f @latest --type status --type error
  resus events nightly --after 120 --json | jq .payload"
)]
pub(crate) struct EventsArgs {
    /// Which run
    pub run: String,
    /// Go on until the run ends
    #[arg(short, long)]
    pub follow: bool,
    /// Only those after this sequence number
    #[arg(long, value_name = "SEQ", default_value_t = 0, hide_default_value = true)]
    pub after: u64,
    /// Only this type, e.g. status, error, checkpoint or worker; may be repeated
    #[arg(long = "type", value_name = "TYPE", value_parser = a_type)]
    pub types: Vec<String>,
}

/// Reads a type of event that the ledger holds.
///
/// # Errors
/// What the text should have been.
fn a_type(text: &str) -> Result<String, String> {
    match serde_json::from_value::<EventType>(text.into()) {
        Ok(kind) if kind.is_class_a() => Ok(text.to_owned()),
        Ok(_) => Err("it is telemetry, which is not kept; see it with: resus watch".to_owned()),
        Err(_) => {
            Err("expected status, error, checkpoint, worker, stage_change, target_start, target_complete \
                       or run_complete"
                .to_owned())
        }
    }
}

/// Carries out `resus events`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn events(args: EventsArgs, around: &Around) -> Result<ExitCode, CliError> {
    let run = args.run.as_str();
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    let mut printer = Printer { around, types: &args.types, begun: false };
    if args.follow {
        return until_the_end(&view.run_id, args.after, printer).await;
    }
    let (mut seq, run_id) = (args.after, view.run_id.as_str());
    while seq < view.seq {
        let lines = ask(&around.target, |client| async move { client.story(run_id, seq).await }).await?;
        let Some(newest) = lines.iter().map(StoryLine::seq).max() else { break };
        seq = newest;
        lines.iter().try_for_each(|line| printer.print(line))?;
    }
    Ok(ExitCode::Ok)
}

async fn until_the_end(run_id: &str, after: u64, mut printer: Printer<'_>) -> Result<ExitCode, CliError> {
    let mut updates = follow(&printer.around.target, run_id, Tell::After(after));
    let mut lost = false;
    while let Some(update) = updates.recv().await {
        match update? {
            Update::Run { view, lines } => {
                lost = false;
                lines.iter().try_for_each(|line| printer.print(line))?;
                if let Some(exit) = outcome(&view) {
                    printer.conclude(&view);
                    return Ok(exit);
                }
            }
            Update::Lost { what, .. } => {
                if !std::mem::replace(&mut lost, true) {
                    printer.note(&format!("! {what}: reconnecting…"));
                }
            }
        }
    }
    // The follower ends only after an error, which was returned above.
    Ok(ExitCode::DaemonUnreachable)
}

struct Printer<'a> {
    around: &'a Around,
    types: &'a [String],
    /// The head has been written.
    begun: bool,
}

impl Printer<'_> {
    fn print(&mut self, line: &StoryLine) -> Result<(), CliError> {
        let kind = line.event.get("event_type").and_then(Value::as_str).unwrap_or_default();
        if !self.types.is_empty() && !self.types.iter().any(|wanted| wanted == kind) {
            return Ok(());
        }
        let console = &self.around.console;
        if console.json {
            return console.out_json(&line.event);
        }
        let page = console.out_page();
        if !std::mem::replace(&mut self.begun, true) {
            console.out(&story::head(&page))?;
        }
        console.out(&story::event(line, &page))
    }

    fn note(&self, text: &str) {
        let console = &self.around.console;
        if !console.json {
            console.tell(&format!("{}\n", console.err_page().sentence(text)));
        }
    }

    fn conclude(&self, view: &RunView) {
        let (look, id) = (phase(&view.phase), short(&view.run_id));
        self.note(&format!("── {id} {} {} ──", look.glyph, look.word));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::RUN_ID;
    use serde_json::json;

    fn args(follow: bool) -> EventsArgs {
        EventsArgs { run: RUN_ID.to_owned(), follow, after: 1, types: vec!["worker".to_owned()] }
    }

    #[test]
    fn types_that_can_not_come_are_refused_with_what_can() {
        assert_eq!(a_type("stage_change").as_deref(), Ok("stage_change"));
        assert!(a_type("progress").is_err_and(|why| why.contains("resus watch")));
        assert!(a_type("statsu").is_err_and(|why| why.contains("status, error")));
    }

    #[tokio::test]
    async fn the_end_of_a_run_that_is_followed_is_the_exit_code() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        daemon.desk.change(json!({"phase": "failed"}), 5);
        assert_eq!(events(args(true), &around).await.unwrap(), ExitCode::RunFailed);
        assert_eq!(events(args(false), &around).await.unwrap(), ExitCode::Ok);
        let nobody = EventsArgs { run: "nobody".to_owned(), ..args(false) };
        assert_eq!(events(nobody, &around).await.unwrap_err().exit(), ExitCode::NotFound);
    }
}
