//! `resus configure`: other settings for a run that lives.

use crate::args::{a_number, a_size};
use crate::command::Around;
use crate::command::dry_run::{self, DryRunArg};
use crate::command::overrides::{OverrideArgs, SetArgs, wishes};
use crate::command::several::Tally;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::page::Page;
use crate::render::parts::short;
use crate::settings::layers::Below;
use crate::submission::configure_body;
use clap::Args;
use resus_core::api::{CommandReply, ConfigureBody, Overrides};
use resus_core::exit::ExitCode;

/// Arguments of `resus configure`.
#[derive(Debug, Args)]
#[command(
    after_help = "What is not named stays as it is. A wait or a grace that runs already stays as it was set; a
--startup-timeout counts anew from now. A worker gives signs of life as often as it was told to
when it was started: a shorter --heartbeat-timeout applies from the next attempt on, a longer one
and 0s apply at once.

Examples:
  resus configure nightly --retries 20
  resus configure @latest --progress-timeout 2h --keep 10
  resus configure nightly --keep-best 2 --best-metric val_loss --max-bytes 20GiB
  resus configure nightly --set stop.kill_wait=30s --set errors.window=50000"
)]
pub(crate) struct ConfigureArgs {
    /// Which runs
    #[arg(required = true, value_name = "RUN")]
    pub runs: Vec<String>,
    #[command(flatten)]
    pub settings: OverrideArgs,
    /// And the first checkpoint of every so many steps; 0 = none
    #[arg(long, hide_short_help = true, value_name = "STEPS", value_parser = a_number, allow_negative_numbers = true)]
    pub keep_every: Option<u64>,
    /// Most that its checkpoints may take, e.g. 20GiB; 0B = no limit
    #[arg(long, hide_short_help = true, value_name = "SIZE", value_parser = a_size)]
    pub max_bytes: Option<u64>,
    #[command(flatten)]
    pub set: SetArgs,
    #[command(flatten)]
    pub dry: DryRunArg,
}

impl ConfigureArgs {
    fn changes(&self) -> Overrides {
        let (keep_every, max_checkpoint_bytes) = (self.keep_every, self.max_bytes);
        Overrides { keep_every, max_checkpoint_bytes, ..self.settings.overrides() }
    }
}

/// Carries out `resus configure`.
///
/// # Errors
/// [`CliError`], as [`Tally::note`].
pub(crate) async fn configure(args: ConfigureArgs, around: &Around) -> Result<ExitCode, CliError> {
    let changes = wishes(around, Below::Unknown, None, &args.set.set, args.changes())?.typed;
    if changes == Overrides::default() {
        let what = "nothing to change: no setting is given".to_owned();
        return Err(CliError::Usage {
            what,
            next: "resus configure RUN --retries 20, for example".to_owned(),
        });
    }
    let (mut tally, found) = Tally::of(around, &args.runs).await?;
    for run in &found {
        let body = &ConfigureBody { dry_run: args.dry.dry_run, ..configure_body(changes.clone()) };
        let id = run.view.run_id.as_str();
        let asked = ask(&around.target, |client| async move { client.configure(id, body).await }).await;
        let Some(reply) = tally.note(run.selector, asked).await? else { continue };
        if args.dry.dry_run {
            dry_run::tell(&reply, around)?;
            continue;
        }
        if around.console.json {
            around.console.out_json(&reply.run)?;
            continue;
        }
        around.console.tell(&told(&reply, &around.console.err_page()));
    }
    Ok(tally.exit())
}

fn told(reply: &CommandReply, page: &Page) -> String {
    let id = short(&reply.run.run_id);
    let what = match reply.changed {
        true => "has other settings from now on",
        false => "has these settings already",
    };
    format!("✓ {}\n", page.sentence(&format!("{id} ({}) {what}", reply.run.name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{page, view};
    use serde_json::json;

    #[test]
    fn it_is_told_whether_anything_changed() {
        let reply = |changed| CommandReply { changed, why: String::new(), run: view(json!({})), would: None };
        assert_eq!(told(&reply(true), &page(80)), "✓ 8c1d9e77 (othello) has other settings from now on\n");
        assert_eq!(told(&reply(false), &page(80)), "✓ 8c1d9e77 (othello) has these settings already\n");
    }
}
