//! The table of runs.

mod column;

pub(crate) use column::Column;

use crate::render::health;
use crate::text::columns::{cut, pad, width};
use crate::text::paint::{Colour, Paint, phase};
use resus_core::view::RunView;
use std::collections::BTreeMap;

/// Runs that have ended shown besides those that live.
pub(crate) const ENDED_SHOWN: usize = 10;
/// Narrowest column of names.
const NAME_MIN: usize = 8;
/// Names this long are not cut as long as something else can go.
const NAME_GOOD: usize = 16;
/// Narrowest column of commands.
const COMMAND_MIN: usize = 20;
const GAP: usize = 2;
/// What a table gives up where there is no room, one after the other, if there is none even with
/// names of at most so many columns.
const GIVES_UP: [(GiveUp, usize); 7] = [
    (GiveUp::Column(Column::Node), NAME_GOOD),
    (GiveUp::Bars, NAME_GOOD),
    (GiveUp::Column(Column::Retries), NAME_GOOD),
    (GiveUp::Column(Column::Loss), NAME_GOOD),
    (GiveUp::Column(Column::Age), NAME_MIN),
    (GiveUp::Column(Column::Eta), NAME_MIN),
    (GiveUp::Column(Column::Progress), NAME_MIN),
];

/// Something that a table can do without.
#[derive(Debug, Clone, Copy)]
enum GiveUp {
    Column(Column),
    Bars,
}

/// What a list of runs looks like.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Look {
    /// The plain columns, as far as there is room for them.
    Plain,
    /// Exactly these.
    Columns(Vec<Column>),
}

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

/// What to type for each run of `all`, newest first, by its id: its name, with its number where
/// several have it.
pub(crate) fn names(all: &[RunView]) -> BTreeMap<&str, String> {
    let mut places: BTreeMap<&str, usize> = BTreeMap::new();
    let mut of_name: BTreeMap<&str, usize> = BTreeMap::new();
    for run in all {
        *of_name.entry(&run.name).or_default() += 1;
    }
    let mut typed = BTreeMap::new();
    for run in all.iter().rev() {
        let place = places.entry(&run.name).or_default();
        *place += 1;
        let is_alone = of_name.get(run.name.as_str()) == Some(&1);
        let name = if is_alone { run.name.clone() } else { format!("{}@{place}", run.name) };
        typed.insert(run.run_id.as_str(), name);
    }
    typed
}

/// The table, within `columns` where that is possible; `bars` on terminals.
pub(crate) fn table(runs: &[RunView], look: &Look, columns: usize, bars: bool, paint: Paint) -> String {
    let grid = match look {
        Look::Columns(wanted) => Grid::of(runs, wanted.clone(), bars),
        Look::Plain => plain(runs, columns, bars),
    };
    grid.text(runs, columns, paint)
}

/// The plain table with as much as there is room for.
fn plain(runs: &[RunView], columns: usize, bars: bool) -> Grid {
    let (mut wanted, mut bars) = (Vec::from(Column::PLAIN), bars);
    let mut grid = Grid::of(runs, wanted.clone(), bars);
    for (given_up, names) in GIVES_UP {
        if grid.least(names) <= columns {
            break;
        }
        match given_up {
            GiveUp::Column(column) => wanted.retain(|wanted| *wanted != column),
            GiveUp::Bars => bars = false,
        }
        grid = Grid::of(runs, wanted.clone(), bars);
    }
    grid
}

/// The cells of a table and how wide its columns are.
struct Grid {
    columns: Vec<Column>,
    rows: Vec<Vec<String>>,
    widths: Vec<usize>,
}

impl Grid {
    fn of(runs: &[RunView], columns: Vec<Column>, bars: bool) -> Self {
        let cells = |run: &RunView| columns.iter().map(|column| column.cell(run, bars)).collect::<Vec<_>>();
        let rows: Vec<_> = runs.iter().map(cells).collect();
        let mut widths: Vec<_> = columns.iter().map(|column| width(column.word())).collect();
        for row in &rows {
            for (width_max, cell) in widths.iter_mut().zip(row) {
                *width_max = (*width_max).max(width(cell));
            }
        }
        Self { columns, rows, widths }
    }

    fn total(&self) -> usize {
        self.widths.iter().sum::<usize>() + GAP * self.widths.len().saturating_sub(1)
    }

    /// How wide it is with names of at most so many columns.
    fn least(&self, name_max: usize) -> usize {
        let names = self.columns.iter().zip(&self.widths).filter(|(column, _)| **column == Column::Name);
        self.total() - names.map(|(_, width)| width.saturating_sub(name_max)).sum::<usize>()
    }

    /// Takes what is too much away from a column, down to `least`.
    fn shrink(&mut self, column: Column, least: usize, columns: usize) {
        let too_much = self.total().saturating_sub(columns);
        let place = self.columns.iter().position(|known| *known == column);
        if let Some(width) = place.and_then(|place| self.widths.get_mut(place)) {
            *width = width.saturating_sub(too_much).max(least.min(*width));
        }
    }

    fn text(mut self, runs: &[RunView], columns: usize, paint: Paint) -> String {
        self.shrink(Column::Command, COMMAND_MIN, columns);
        self.shrink(Column::Name, NAME_MIN, columns);
        let head: Vec<_> = self.columns.iter().map(|column| column.word().to_uppercase()).collect();
        let mut table = self.line(&head, |_, text| paint.on(Colour::Dim, text));
        for (row, run) in self.rows.iter().zip(runs) {
            let colour = health::word(run).map_or(phase(&run.phase).colour, |(_, colour)| colour);
            table.push_str(&self.line(row, |column, text| {
                if column == Column::Status { paint.on(colour, text) } else { text.to_owned() }
            }));
        }
        table
    }

    fn line(&self, cells: &[String], paint: impl Fn(Column, &str) -> String) -> String {
        let cells = cells.iter().zip(&self.widths).zip(&self.columns);
        let padded = cells.map(|((cell, width), column)| paint(*column, &pad(&cut(cell, *width), *width)));
        let joined = padded.collect::<Vec<_>>().join(&" ".repeat(GAP));
        format!("{}\n", joined.trim_end())
    }
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
RUN       NAME               STATUS     PROGRESS  LOSS   ETA  RETRIES  AGE  NODE
8c1d9e77  othello            ● running  62%       0.127  12s  0/5      3m   gpu-a1
0000000a  llama-fine-tuning  ↻ waiting  1,500     —      —    2/5      2h   gpu-a1
0000000b  sh                 ✗ failed   —         —      —    5/5      3s   gpu-a1
";
        assert_eq!(table(&runs(), &Look::Plain, usize::MAX, false, Paint(false)), expected);
    }

    #[test]
    fn a_worker_that_is_silent_stands_out() {
        let runs = [
            view(json!({"health": "hung"})),
            view(json!({"phase": "paused", "health": "ok", "pause": {"step": "held", "cause": "user"}})),
        ];
        let told = table(&runs, &Look::Plain, usize::MAX, false, Paint(true));
        assert!(told.contains("\x1b[31m● running (hung)\x1b[0m"), "{told}");
        assert!(told.contains("\x1b[33m‖ paused        \x1b[0m"), "{told}");
    }

    #[test]
    fn a_terminal_of_80_columns_has_room_for_bars_and_for_all_but_the_node() {
        let expected = "\
RUN       NAME               STATUS     PROGRESS       LOSS   ETA  RETRIES  AGE
8c1d9e77  othello            ● running  ████▉     62%  0.127  12s  0/5      3m
0000000a  llama-fine-tuning  ↻ waiting  1,500          —      —    2/5      2h
0000000b  sh                 ✗ failed   —              —      —    5/5      3s
";
        let told = table(&runs(), &Look::Plain, 80, true, Paint(false));
        assert_eq!(told, expected);
        assert!(told.lines().all(|line| width(line) <= 80), "{told}");
        let roomy = table(&runs(), &Look::Plain, 100, true, Paint(false));
        assert!(roomy.contains("llama-fine-tuning") && roomy.contains("gpu-a1"), "{roomy}");
    }

    #[test]
    fn a_narrow_terminal_gets_what_fits() {
        let expected = "\
RUN       NAME              STATUS     PROGRESS  ETA  AGE
8c1d9e77  othello           ● running  62%       12s  3m
0000000a  llama-fine-tuni…  ↻ waiting  1,500     —    2h
0000000b  sh                ✗ failed   —         —    3s
";
        assert_eq!(table(&runs(), &Look::Plain, 57, true, Paint(false)), expected);
        let tiny = table(&runs(), &Look::Plain, 10, true, Paint(false));
        assert!(tiny.contains("0000000a  llama-f…  ↻ waiting"), "{tiny}");
    }

    #[test]
    fn no_line_is_wider_than_a_terminal_that_has_room_for_a_run_at_all() {
        let progress = json!({"unit": "game", "done": 1_234_567.0});
        let held = view(
            json!({"phase": "paused", "name": "a-long-name-indeed", "progress": progress, "age_s": 40000.0}),
        );
        let hung = view(json!({"phase": "cooling_down", "health": "hung", "age_s": 90000.0}));
        let runs: Vec<_> = runs().into_iter().chain([held, hung]).collect();
        for columns in 40..120 {
            let told = table(&runs, &Look::Plain, columns, true, Paint(false));
            assert!(told.lines().all(|line| width(line) <= columns), "{columns}:\n{told}");
        }
    }

    #[test]
    fn exactly_the_columns_that_are_asked_for_are_shown() {
        let checkpoint = json!({"checkpoint_id": "ck-5\u{1b}[2J", "path": "/p"});
        let runs = [view(json!({"checkpoint": checkpoint, "argv": ["sh", "-c", "echo\n1"]}))];
        let look = Look::Columns(vec![Column::Checkpoint, Column::Pid, Column::Node, Column::Command]);
        let expected = "\
CHECKPOINT     PID   NODE    COMMAND
ck-5\\u{1b}[2J  4242  gpu-a1  sh -c echo · 1
";
        let told = table(&runs, &look, 20, false, Paint(false));
        assert_eq!(told, expected);
        for column in Column::ALL {
            let told = table(&runs, &Look::Columns(vec![column]), 80, false, Paint(false));
            assert!(told.starts_with(&column.word().to_uppercase()), "{told}");
            assert_eq!(told.lines().count(), 2, "{told}");
        }
    }

    #[test]
    fn a_name_that_several_have_is_told_with_its_number() {
        let run = |id: &str, name: &str| view(json!({"run_id": id, "name": name}));
        let all = [run("run-c", "nightly"), run("run-b", "sh"), run("run-a", "nightly")];
        let names = names(&all);
        let typed: Vec<_> = all.iter().map(|run| names[run.run_id.as_str()].as_str()).collect();
        assert_eq!(typed, ["nightly@2", "sh", "nightly@1"]);
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
        let painted = table(&runs(), &Look::Plain, 100, true, Paint(true));
        assert!(painted.contains("\x1b[32m● running\x1b[0m"), "{painted}");
        assert_eq!(lines(&strip(&painted)), lines(&table(&runs(), &Look::Plain, 100, true, Paint(false))));
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
