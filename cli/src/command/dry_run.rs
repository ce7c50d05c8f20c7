//! `--dry-run`: what a command to a run would do, told and not done.

use crate::client::ClientError;
use crate::command::Around;
use crate::command::several::Tally;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::page::Page;
use crate::render::parts::{said, short};
use crate::submission::command_body;
use crate::text::paint::phase;
use clap::Args;
use resus_core::api::{CommandBody, CommandReply, Foretold};
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use serde::Serialize;

/// The option of every command that changes runs.
#[derive(Debug, Clone, Copy, Default, Args)]
pub(crate) struct DryRunArg {
    /// Only say what it would do
    #[arg(short = 'n', long)]
    pub dry_run: bool,
}

/// What would come of a command, for programs.
#[derive(Serialize)]
struct Document<'t> {
    dry_run: bool,
    run_id: &'t str,
    name: &'t str,
    phase: &'t str,
    changed: bool,
    why: &'t str,
    would: &'t Foretold,
}

/// Tells what `verb` would do to each of `runs`.
///
/// # Errors
/// [`CliError`], as the real thing's.
pub(crate) async fn command(around: &Around, runs: &[String], verb: Verb) -> Result<ExitCode, CliError> {
    let (mut tally, found) = Tally::of(around, runs).await?;
    for run in &found {
        let body = &CommandBody { dry_run: true, ..command_body(verb) };
        let id = run.view.run_id.as_str();
        let asked = ask(&around.target, |client| async move { client.command(id, body).await }).await;
        if let Some(reply) = tally.note(run.selector, asked).await? {
            tell(&reply, around)?;
        }
    }
    Ok(tally.exit())
}

/// Tells what the daemon answered about a run.
///
/// # Errors
/// [`CliError::Output`]; [`CliError::Client`] with an answer of another build.
pub(crate) fn tell(reply: &CommandReply, around: &Around) -> Result<(), CliError> {
    let Some(would) = &reply.would else {
        let what = "it does not say what it would do".to_owned();
        return Err(ClientError::Foreign { what }.into());
    };
    let (console, run) = (&around.console, &reply.run);
    if console.json {
        return console.out_json(&Document {
            dry_run: true,
            run_id: &run.run_id,
            name: &run.name,
            phase: &run.phase,
            changed: reply.changed,
            why: &reply.why,
            would,
        });
    }
    console.out(&told(reply, would, &console.out_page()))
}

fn told(reply: &CommandReply, would: &Foretold, page: &Page) -> String {
    let run = &reply.run;
    let (look, id) = (phase(&run.phase), short(&run.run_id));
    let glyph = page.paint.on(look.colour, look.glyph);
    let is = format!("{id} ({}) is {}", run.name, look.word);
    if !reply.changed {
        let text = format!("{is}; nothing would be recorded: {}", said(&reply.why));
        return format!("{glyph} {}\n", page.sentence(&text));
    }
    let mut text = format!("{glyph} {}\n", page.sentence(&format!("{is}; this would be recorded:")));
    for event in &would.events {
        text.push_str(&format!("  {}\n", page.sentence(&said(&event.sentence))));
    }
    let after = phase(&would.phase);
    let after = match after.word == look.word {
        true => format!("it would still be {}; nothing was done", after.word),
        false => format!("it would be {}; nothing was done", after.word),
    };
    text + &format!("  {}\n", page.sentence(&after))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{page, view};
    use resus_core::api::ForetoldEvent;
    use serde_json::json;

    fn reply(sentences: &[&str], phase: &str) -> CommandReply {
        let event = |sentence: &&str| ForetoldEvent {
            what: "stop_begun".into(),
            why: "REQUESTED".into(),
            sentence: (*sentence).to_owned(),
        };
        let events: Vec<_> = sentences.iter().map(event).collect();
        let (changed, would) = (!events.is_empty(), Some(Foretold { events, phase: phase.into() }));
        CommandReply { changed, why: "ALREADY_ENDED".into(), run: view(json!({})), would }
    }

    #[test]
    fn what_would_be_recorded_is_told_and_that_nothing_was_done() {
        let shown = |reply: &CommandReply| told(reply, reply.would.as_ref().unwrap(), &page(80));
        let expected = "\
● 8c1d9e77 (othello) is running; this would be recorded:
  a stop was asked for by \\u{1b}cli
  it would be stopping; nothing was done
";
        assert_eq!(shown(&reply(&["a stop was asked for by \u{1b}cli"], "stopping")), expected);
        assert!(shown(&reply(&["other settings"], "running")).contains("it would still be running"));
        let nothing = "● 8c1d9e77 (othello) is running; nothing would be recorded: ALREADY_ENDED\n";
        assert_eq!(shown(&reply(&[], "running")), nothing);
    }
}
