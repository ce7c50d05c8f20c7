//! `resus prune`: old runs, output or checkpoints go, to make room.

use crate::args::{a_count, a_duration, a_size};
use crate::command::Around;
use crate::confirm::{agreed, refusal};
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::{said, short};
use crate::render::removing;
use crate::submission::sweep_body;
use crate::text::paint::Colour;
use crate::text::{duration, size};
use clap::{Args, ValueEnum};
use resus_core::api::{SweepBody, SweepItem, SweepKind, SweepReply, SweepTarget};
use resus_core::exit::ExitCode;
use resus_core::prune::EndedAs;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Arguments of `resus prune`.
#[derive(Debug, Args)]
#[command(
    after_help = "Only runs that have ended are touched, the oldest first; all that is given must hold. Runs with
pinned checkpoints stay, and so does the newest checkpoint of each run. Retention of the
checkpoints of one run: resus checkpoints prune RUN.

Examples:
  resus prune --older-than 30d --dry-run
  resus prune logs --older-than 7d --yes
  resus prune checkpoints logs --name nightly --keep 3
  resus prune --max-size 50GiB       # until all runs together take less"
)]
pub(crate) struct PruneArgs {
    /// What goes: runs, logs or checkpoints [default: runs]
    ///
    /// Logs are what workers printed, and the evidence of hangs.
    #[arg(value_name = "WHAT", value_enum, hide_possible_values = true)]
    pub kinds: Vec<Kind>,
    /// Of runs that ended so long ago, e.g. 30d
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub older_than: Option<Duration>,
    /// But for the newest so many of each name
    #[arg(long, value_name = "N", value_parser = a_count, allow_hyphen_values = true)]
    pub keep: Option<u32>,
    /// Only until all together take at most this, e.g. 50GiB
    #[arg(long, value_name = "SIZE", value_parser = a_size, allow_hyphen_values = true)]
    pub max_size: Option<u64>,
    /// Of runs of this name
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Of runs that ended so: done, failed, cancelled, lost
    #[arg(long, value_name = "STATUS", value_enum, hide_possible_values = true, value_delimiter = ',')]
    pub status: Vec<Status>,
    /// Only tell what would go
    #[arg(short = 'n', long)]
    pub dry_run: bool,
    /// Do not ask
    #[arg(short = 'y', long)]
    pub yes: bool,
}

/// What goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Whole runs.
    Runs,
    /// Output and evidence of hangs.
    Logs,
    /// Checkpoints but for the newest and pinned ones.
    Checkpoints,
}

/// How runs ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Status {
    /// Well.
    Done,
    /// In a failure.
    Failed,
    /// Because somebody wanted it to.
    Cancelled,
    /// Nobody knows how.
    Lost,
}

/// Carries out `resus prune`. Nothing goes that was not in the list that was agreed to.
///
/// # Errors
/// [`CliError`]: no criterion is given, nobody agreed, or something did not go.
pub(crate) async fn prune(args: PruneArgs, around: &Around) -> Result<ExitCode, CliError> {
    let console = &around.console;
    let wanted = wish(&args)?;
    let asked = SweepBody { dry_run: true, ..wanted.clone() };
    let plan = sweep(&asked, around).await?;
    if args.dry_run && console.json {
        console.out_json(&plan)?;
        return Ok(ExitCode::Ok);
    }
    let now_unix_ms = now_unix_ms();
    if plan.items.is_empty() {
        match console.json {
            true => console.out_json(&SweepReply { dry_run: false, ..plan })?,
            false => console.tell("nothing fits: nothing to prune\n"),
        }
        return Ok(ExitCode::Ok);
    }
    if args.dry_run {
        console.out(&removing::items(&plan.items, plan.left_out, now_unix_ms, &console.out_page()))?;
        console.tell(&format!("nothing was deleted; to do so: {}\n", around.typed(&typed(&args))));
        return Ok(ExitCode::Ok);
    }
    if !console.json && !args.yes {
        console.tell(&removing::items(&plan.items, plan.left_out, now_unix_ms, &console.err_page()));
    }
    let next = around.typed(&typed(&args));
    if let Err(refused) = agreed(console, "Delete all of this for good?", args.yes, &next) {
        if console.json {
            console.out_json(&plan)?;
        }
        return Err(refused);
    }
    let target = |item: &SweepItem| SweepTarget { kind: item.kind, run_id: item.run_id.clone() };
    let only = plan.items.iter().map(target).collect();
    let done = sweep(&SweepBody { only, ..wanted }, around).await?;
    tell(&done, plan.left_out, around)
}

async fn sweep(body: &SweepBody, around: &Around) -> Result<SweepReply, CliError> {
    ask(&around.target, |client| async move { client.sweep(body).await }).await
}

fn wish(args: &PruneArgs) -> Result<SweepBody, CliError> {
    let kind = |kind: &Kind| match kind {
        Kind::Runs => SweepKind::Runs,
        Kind::Logs => SweepKind::Logs,
        Kind::Checkpoints => SweepKind::Checkpoints,
    };
    let status = |status: &Status| match status {
        Status::Done => EndedAs::Done,
        Status::Failed => EndedAs::Failed,
        Status::Cancelled => EndedAs::Cancelled,
        Status::Lost => EndedAs::Lost,
    };
    let ms = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    let body = SweepBody {
        kinds: args.kinds.iter().map(kind).collect(),
        older_than_ms: args.older_than.map(ms),
        keep: args.keep,
        max_bytes: args.max_size,
        name: args.name.clone(),
        status: args.status.iter().map(status).collect(),
        ..sweep_body()
    };
    if body.criteria().is_empty() {
        return Err(CliError::Usage {
            what: "nothing is said of what may go".to_owned(),
            next: "resus prune --older-than 30d --dry-run".to_owned(),
        });
    }
    Ok(body)
}

fn tell(done: &SweepReply, left_out: u32, around: &Around) -> Result<ExitCode, CliError> {
    let console = &around.console;
    let count = |number: u32| removing::counted(usize::try_from(number).unwrap_or(usize::MAX), "item");
    if console.json {
        console.out_json(done)?;
    } else {
        let page = console.err_page();
        if done.gone > 0 {
            let at_least = done.items.iter().any(|item| item.at_least && item.problem.is_none());
            let text = format!("{} deleted, {}", count(done.gone), removing::taken(done.bytes, at_least));
            console.tell(&format!("{} {}\n", page.paint.on(Colour::Green, "✓"), page.sentence(&text)));
        }
        // A question that was asked again, because its answer was lost, finds what it did before gone.
        if done.missing > 0 {
            let text = format!("{} gone already, or kept since something changed", count(done.missing));
            console.tell(&format!("· {}\n", page.sentence(&text)));
        }
    }
    if done.failed == 0 && left_out == 0 {
        return Ok(ExitCode::Ok);
    }
    if done.failed == 0 {
        let (what, why) = (format!("{} more would go", count(left_out)), "one answer had no room for them");
        return Err(refusal(&what, why, Some("the same command again")));
    }
    let of_item =
        |item: &SweepItem| item.problem.as_ref().map(|why| format!("{}: {}", short(&item.run_id), said(why)));
    let mut why: Vec<_> = done.items.iter().filter_map(of_item).collect();
    let untold = usize::try_from(done.failed).unwrap_or(usize::MAX).saturating_sub(why.len());
    if untold > 0 {
        why.push(format!("{untold} more had no room in the answer"));
    }
    let next = around.typed(&["ps".to_owned(), "-a".to_owned()]);
    Err(refusal(&format!("{} stayed", count(done.failed)), &why.join("\n"), Some(&next)))
}

/// The command that does it without a question.
fn typed(args: &PruneArgs) -> Vec<String> {
    let mut words = vec!["prune".to_owned()];
    let word = |value: &dyn Fn() -> Option<clap::builder::PossibleValue>| {
        value().map_or_else(String::new, |value| value.get_name().to_owned())
    };
    words.extend(args.kinds.iter().map(|kind| word(&|| kind.to_possible_value())));
    let mut option = |name: &str, value: Option<String>| {
        words.extend(value.into_iter().flat_map(|value| [format!("--{name}"), value]));
    };
    let ms = |age: Duration| u64::try_from(age.as_millis()).unwrap_or(u64::MAX);
    option("older-than", args.older_than.map(|age| duration::exact(ms(age))));
    option("keep", args.keep.map(|keep| keep.to_string()));
    option("max-size", args.max_size.map(size::exact));
    option("name", args.name.clone());
    for status in &args.status {
        option("status", Some(word(&|| status.to_possible_value())));
    }
    words.push("--yes".to_owned());
    words
}

fn now_unix_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
