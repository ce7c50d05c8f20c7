//! `resus ps`: the list of runs.

mod filter;
mod order;
mod redraw;
mod watching;

pub(crate) use filter::{phases, unknown};

use crate::args::a_count;
use crate::command::Around;
use crate::command::ps::filter::{Filter, a_filter};
use crate::command::ps::order::{Order, an_order};
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::said;
use crate::render::ps::{Column, ENDED_SHOWN, Look, names, shown, table};
use clap::Args;
use resus_core::api::RunList;
use resus_core::exit::ExitCode;

/// Arguments of `resus ps`.
#[derive(Debug, Args)]
#[command(
    after_help = "Filters: phase, status, name, workload or node; with commas between values, one of them has
to fit; with several --filter, each. Runs that ended long ago are then listed, too.
A phase is one of the words of 'resus wait --for', or living: not ended; a status a word of
the column STATUS, lost, or one of PULSE.
Columns: run, name, status, progress, loss, eta, retries, age, node, id, pid, workload,
checkpoint, command. A narrow terminal shows fewer of the plain table's.

Examples:
  resus ps
  resus ps -w --sort -progress
  resus ps -a --filter phase=failed,cancelled -o run,name,checkpoint
  resus stop $(resus ps -q --filter name=nightly)"
)]
pub(crate) struct PsArgs {
    /// All runs, not only those that live and the newest that ended
    #[arg(short, long)]
    pub all: bool,
    /// Ids only, one per line
    #[arg(short, long, conflicts_with = "output")]
    pub quiet: bool,
    /// Those that fit, e.g. phase=running,paused; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = a_filter)]
    pub filter: Vec<Filter>,
    /// By age, name, progress, phase, loss or eta; -KEY the other way round
    #[arg(long, value_name = "KEY", value_parser = an_order, allow_hyphen_values = true)]
    pub sort: Option<Order>,
    /// So many at most
    #[arg(short = 'n', long, value_name = "N", value_parser = a_count, allow_negative_numbers = true)]
    pub limit: Option<u32>,
    /// table, wide, names, or columns with commas between
    #[arg(short, long, value_name = "HOW", value_parser = an_output, default_value = "table", hide_default_value = true)]
    pub output: Shape,
    /// Go on and show every change
    #[arg(short, long)]
    pub watch: bool,
}

/// What is written about each run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Shape {
    /// A row of a table.
    Table(Look),
    /// Its name, as it can be typed.
    Names,
    /// Its id.
    Ids,
}

/// Reads what is to be written about each run.
fn an_output(text: &str) -> Result<Shape, String> {
    match text {
        "table" => return Ok(Shape::Table(Look::Plain)),
        "wide" => return Ok(Shape::Table(Look::Columns(Vec::from(Column::ALL)))),
        "names" => return Ok(Shape::Names),
        _ => {}
    }
    let known = |word: &str| Column::ALL.into_iter().find(|column| column.word() == word.to_lowercase());
    let columns = text.split(',').map(|word| known(word).ok_or(word)).collect::<Result<Vec<_>, _>>();
    columns.map(|columns| Shape::Table(Look::Columns(columns))).map_err(|word| {
        let all: Vec<_> = Column::ALL.iter().map(|column| column.word()).collect();
        unknown("column", word, &[&["table", "wide", "names"][..], &all].concat())
    })
}

/// What is listed, in which order, and how.
#[derive(Debug, Clone)]
pub(crate) struct Listing {
    all: bool,
    filters: Vec<Filter>,
    order: Option<Order>,
    limit: usize,
    shape: Shape,
}

impl Listing {
    fn of(args: PsArgs) -> Self {
        let shape = if args.quiet { Shape::Ids } else { args.output };
        let limit = args.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        Self { all: args.all, filters: args.filter, order: args.sort, limit, shape }
    }

    /// Of `list` what is to be shown.
    pub(crate) fn pick(&self, mut list: RunList) -> RunList {
        if !self.all && self.filters.is_empty() {
            list.runs = shown(list.runs);
        }
        list.runs.retain(|run| self.filters.iter().all(|filter| filter.fits(run)));
        if let Some(order) = self.order {
            order.sort(&mut list.runs);
        }
        list.runs.truncate(self.limit);
        list
    }

    /// `picked` as text; `all` are the runs it was picked from.
    pub(crate) fn text(&self, picked: &RunList, all: &RunList, around: &Around) -> String {
        let console = &around.console;
        match &self.shape {
            Shape::Ids => picked.runs.iter().map(|run| format!("{}\n", run.run_id)).collect(),
            Shape::Names => {
                let names = names(&all.runs);
                let name = |id: &str| names.get(id).map(|name| format!("{name}\n")).unwrap_or_default();
                picked.runs.iter().map(|run| name(&run.run_id)).collect()
            }
            Shape::Table(look) => {
                table(&picked.runs, look, console.out_width(), console.out_is_terminal, console.out_paint)
            }
        }
    }
}

/// Carries out `resus ps`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn ps(args: PsArgs, around: &Around) -> Result<ExitCode, CliError> {
    let is_watched = args.watch;
    let listing = Listing::of(args);
    let all = ask(&around.target, |client| async move { client.runs().await }).await?;
    if is_watched {
        return watching::watch(&listing, all, around).await;
    }
    let picked = listing.pick(all.clone());
    let console = &around.console;
    if console.json {
        console.out_json(&picked)?;
        return Ok(ExitCode::Ok);
    }
    tell_aside(&picked, around);
    if matches!(listing.shape, Shape::Table(_)) && picked.runs.is_empty() {
        console.tell(nothing(&all));
        return Ok(ExitCode::Ok);
    }
    console.out(&listing.text(&picked, &all, around))?;
    let is_cut = !listing.all && listing.filters.is_empty() && listing.limit == usize::MAX;
    let hidden = all.runs.len() - picked.runs.len();
    if hidden > 0 && is_cut && console.err_is_live {
        console.tell(&format!(
            "{hidden} more ended before the newest {ENDED_SHOWN}; show them with: resus ps -a\n"
        ));
    }
    Ok(ExitCode::Ok)
}

/// Tells of the runs that are not listed because their ledger is damaged.
fn tell_aside(list: &RunList, around: &Around) {
    for (run, why) in &list.quarantined {
        let text = format!("! run {run} is left alone, its history is damaged: {}\n", said(why));
        around.console.tell(&text);
    }
}

/// Why nothing is listed.
fn nothing(all: &RunList) -> &'static str {
    match all.runs.is_empty() {
        true => "no runs yet; start one with: resus run -- python train.py\n",
        false => "no run fits; show all with: resus ps -a\n",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    fn listing(more: &[&str]) -> Result<Listing, clap::Error> {
        #[derive(clap::Parser)]
        struct Line {
            #[command(flatten)]
            args: PsArgs,
        }
        let words = ["ps"].iter().chain(more).copied();
        <Line as clap::Parser>::try_parse_from(words).map(|line| Listing::of(line.args))
    }

    fn list() -> RunList {
        let ended = "2026-11-22T04:13:46.123Z";
        let run = |n: usize| {
            let phase = if n.is_multiple_of(2) { "failed" } else { "done" };
            view(json!({"run_id": format!("run-{n:04}"), "phase": phase, "ended_at": ended, "age_s": n}))
        };
        let runs = [view(json!({"age_s": 0.5}))].into_iter().chain((1..30).map(run)).collect();
        RunList { runs, quarantined: Default::default() }
    }

    #[test]
    fn what_is_picked_fits_every_filter_and_is_not_more_than_the_limit() {
        for (args, count, first) in [
            (&[][..], ENDED_SHOWN + 1, "3f2b8c1d9e77"),
            (&["-a"], 30, "3f2b8c1d9e77"),
            (&["--filter", "phase=failed"], 14, "run-0002"),
            (&["--filter", "phase=failed,done", "--filter", "name=othello", "-n", "3"], 3, "run-0001"),
            (&["--filter", "phase=failed", "--sort", "-age"], 14, "run-0028"),
            (&["--filter", "name=nobody"], 0, ""),
        ] {
            let picked = listing(args).unwrap().pick(list());
            assert_eq!(picked.runs.len(), count, "{args:?}");
            let id = picked.runs.first().map_or("", |run| run.run_id.as_str());
            assert!(id.ends_with(first), "{args:?}: {id}");
        }
    }

    #[test]
    fn what_can_not_be_shown_is_told_with_what_can() {
        let error = listing(&["-o", "run,nmae"]).unwrap_err().to_string();
        assert!(error.contains("there is no column \"nmae\"; did you mean name?"), "{error}");
        assert!(error.contains("table, wide, names, run"), "{error}");
        assert!(listing(&["-q", "-o", "wide"]).is_err());
        assert_eq!(listing(&["-q"]).unwrap().shape, Shape::Ids);
        let columns = vec![Column::Run, Column::Age];
        assert_eq!(listing(&["-o", "RUN,age"]).unwrap().shape, Shape::Table(Look::Columns(columns)));
    }
}
