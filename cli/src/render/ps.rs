//! The table of runs.

use crate::render::health;
use crate::render::parts::{percent, retries, share, short};
use crate::text::bar::bar;
use crate::text::columns::{cut, pad, width};
use crate::text::duration::{age_s, eta_s};
use crate::text::number;
use crate::text::paint::{Colour, Paint, phase};
use resus_core::view::RunView;

/// Runs that have ended shown besides those that live.
pub(crate) const ENDED_SHOWN: usize = 10;
/// Columns of a bar.
const BAR_WIDTH: usize = 8;
/// Narrowest column of names.
const NAME_MIN: usize = 8;
/// Index of the column of names.
const NAME: usize = 1;
/// Index of the column of phases, the one with a colour.
const STATUS: usize = 2;
const HEAD: [&str; 8] = ["RUN", "NAME", "STATUS", "PROGRESS", "LOSS", "ETA", "RETRIES", "AGE"];
const GAP: usize = 2;

/// Of `runs`, newest first, those to be shown unless all are asked for: the ones that live and
/// the newest that have ended.
pub(crate) fn shown(runs: Vec<RunView>) -> Vec<RunView> {
    let mut ended = 0;
    let shows = |run: &RunView| {
        ended += usize::from(run.ended_at.is_some());
        run.ended_at.is_none() || ended <= ENDED_SHOWN
    };
    runs.into_iter().filter(shows).collect()
}

/// The table, within `columns` where that is possible; `bars` on terminals.
pub(crate) fn table(runs: &[RunView], columns: usize, bars: bool, paint: Paint) -> String {
    let rows: Vec<_> = runs.iter().map(|run| cells(run, bars)).collect();
    let mut widths = HEAD.map(width);
    for row in &rows {
        for (width_max, cell) in widths.iter_mut().zip(row) {
            *width_max = (*width_max).max(width(cell));
        }
    }
    let total = widths.iter().sum::<usize>() + GAP * (HEAD.len() - 1);
    widths[NAME] = widths[NAME].saturating_sub(total.saturating_sub(columns)).max(NAME_MIN.min(widths[NAME]));
    let mut table = line(&HEAD.map(str::to_owned), &widths, |_, text| paint.on(Colour::Dim, text));
    for (row, run) in rows.iter().zip(runs) {
        let colour = health::word(run).map_or(phase(&run.phase).colour, |(_, colour)| colour);
        table.push_str(&line(row, &widths, |column, text| {
            if column == STATUS { paint.on(colour, text) } else { text.to_owned() }
        }));
    }
    table
}

fn cells(run: &RunView, bars: bool) -> [String; HEAD.len()] {
    let dash = || "—".to_owned();
    let look = phase(&run.phase);
    let progress = percent(&run.progress).map(|percent| match share(&run.progress).filter(|_| bars) {
        Some(share) => format!("{} {percent:>4}", bar(share, BAR_WIDTH)),
        None => percent,
    });
    [
        short(&run.run_id).to_owned(),
        run.name.clone(),
        match health::word(run) {
            Some((word, _)) => format!("{} {} ({word})", look.glyph, look.word),
            None => format!("{} {}", look.glyph, look.word),
        },
        progress.or_else(|| run.progress.done.map(number::amount)).unwrap_or_else(dash),
        run.progress.loss.map_or_else(dash, number::value),
        run.progress.eta_s.map_or_else(dash, eta_s),
        retries(run),
        age_s(run.age_s),
    ]
}

fn line(
    cells: &[String; HEAD.len()],
    widths: &[usize; HEAD.len()],
    paint: impl Fn(usize, &str) -> String,
) -> String {
    let padded = cells.iter().zip(widths).enumerate();
    let padded = padded.map(|(column, (cell, width))| paint(column, &pad(&cut(cell, *width), *width)));
    let joined = padded.collect::<Vec<_>>().join(&" ".repeat(GAP));
    format!("{}\n", joined.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    fn runs() -> Vec<RunView> {
        vec![
            view(json!({})),
            view(json!({
                "run_id": "0193a5c2-7c11-7aa0-9f00-00000000000a", "name": "llama-fine-tuning", "phase": "waiting",
                "progress": {"unit": "step", "done": 1500.0}, "retries": 2, "age_s": 7300.0,
            })),
            view(json!({
                "run_id": "0193a5c2-7c11-7aa0-9f00-00000000000b", "name": "sh", "phase": "failed",
                "progress": {"unit": ""}, "retries": 5, "age_s": 3.0, "ended_at": "2026-11-22T04:13:46.123Z",
            })),
        ]
    }

    #[test]
    fn the_table_lines_up() {
        let expected = "\
RUN       NAME               STATUS     PROGRESS  LOSS   ETA  RETRIES  AGE
8c1d9e77  othello            ● running  62%       0.127  12s  0/5      3m
0000000a  llama-fine-tuning  ↻ waiting  1,500     —      —    2/5      2h
0000000b  sh                 ✗ failed   —         —      —    5/5      3s
";
        assert_eq!(table(&runs(), usize::MAX, false, Paint(false)), expected);
    }

    #[test]
    fn a_worker_that_is_silent_stands_out() {
        let runs = [
            view(json!({"health": "hung"})),
            view(json!({"phase": "paused", "health": "ok", "pause": {"step": "held", "cause": "user"}})),
        ];
        let told = table(&runs, usize::MAX, false, Paint(true));
        assert!(told.contains("\x1b[31m● running (hung)\x1b[0m"), "{told}");
        assert!(told.contains("\x1b[33m‖ paused        \x1b[0m"), "{told}");
    }

    #[test]
    fn a_terminal_gets_bars_and_names_that_fit() {
        let expected = "\
RUN       NAME      STATUS     PROGRESS       LOSS   ETA  RETRIES  AGE
8c1d9e77  othello   ● running  ████▉     62%  0.127  12s  0/5      3m
0000000a  llama-f…  ↻ waiting  1,500          —      —    2/5      2h
0000000b  sh        ✗ failed   —              —      —    5/5      3s
";
        assert_eq!(table(&runs(), 60, true, Paint(false)), expected);
    }

    #[test]
    fn colour_changes_no_column() {
        let strip = |text: &str| {
            let mut plain = String::new();
            let mut rest = text;
            while let Some((before, behind)) = rest.split_once('\x1b') {
                plain.push_str(before);
                rest = behind.split_once('m').expect("an end of the escape").1;
            }
            plain + rest
        };
        let lines = |text: &str| text.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>();
        let painted = table(&runs(), 100, true, Paint(true));
        assert!(painted.contains("\x1b[32m● running\x1b[0m"), "{painted}");
        assert_eq!(lines(&strip(&painted)), lines(&table(&runs(), 100, true, Paint(false))));
    }

    #[test]
    fn the_living_and_the_newest_ended_are_shown() {
        let ended =
            |n: u32| view(json!({"run_id": format!("run-{n:08}"), "ended_at": "2026-11-22T04:13:46.123Z"}));
        let mut runs: Vec<_> = (0..30).map(ended).collect();
        runs.push(view(json!({})));
        let shown = shown(runs);
        assert_eq!(shown.len(), ENDED_SHOWN + 1);
        assert_eq!(shown.first().map(|run| run.run_id.as_str()), Some("run-00000000"));
        assert!(shown.last().is_some_and(|run| run.ended_at.is_none()));
    }
}
