//! The table of a run's checkpoints.

use crate::render::parts::{amount, said};
use crate::text::columns::{pad, width};
use crate::text::paint::{Colour, Paint};
use crate::text::size;
use resus_core::api::{CheckpointState, CheckpointView};

const HEAD: [&str; 5] = ["", "CHECKPOINT", "STATE", "AT", "SIZE"];

/// The table, oldest first; amounts in `unit`.
pub(crate) fn table(checkpoints: &[CheckpointView], unit: &str, paint: Paint) -> String {
    let rows: Vec<_> = checkpoints.iter().map(|checkpoint| cells(checkpoint, unit)).collect();
    let mut widths = HEAD.map(width);
    for row in &rows {
        for (width_max, cell) in widths.iter_mut().zip(row) {
            *width_max = (*width_max).max(width(cell));
        }
    }
    let line = |cells: &[String; HEAD.len()]| {
        let cells = cells.iter().zip(widths).map(|(cell, width)| pad(cell, width));
        cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
    };
    let head = paint.on(Colour::Dim, &line(&HEAD.map(str::to_owned)));
    let rows = rows.iter().map(line);
    std::iter::once(head).chain(rows).map(|line| format!("{line}\n")).collect()
}

fn cells(view: &CheckpointView, unit: &str) -> [String; HEAD.len()] {
    let dash = || "—".to_owned();
    let state = match view.state {
        CheckpointState::Damaged => "damaged",
        CheckpointState::Candidate => "not read back",
        CheckpointState::Verified => "verified",
        CheckpointState::SetAside => "set aside",
    };
    [
        if view.is_resume_point { "→" } else { " " }.to_owned(),
        said(&view.checkpoint.checkpoint_id),
        state.to_owned(),
        view.checkpoint.step.map_or_else(dash, |step| amount(step, unit)),
        view.checkpoint.size_bytes.map_or_else(dash, size::show),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_table_shows_where_the_next_attempt_begins() {
        let view = |id: &str, step: Option<f64>, state: &str, next: bool| -> CheckpointView {
            let checkpoint =
                json!({"checkpoint_id": id, "path": format!("/s/{id}"), "step": step, "size_bytes": 1048576});
            let view = json!({"checkpoint": checkpoint, "state": state, "is_resume_point": next});
            serde_json::from_value(view).unwrap()
        };
        let checkpoints = [
            view("ck-000100", Some(100.0), "verified", true),
            view("ck-012000", Some(12_000.0), "set_aside", false),
            view("new\u{1b}", None, "candidate", false),
        ];
        let expected = [
            "   CHECKPOINT  STATE          AT            SIZE",
            "→  ck-000100   verified       100 games     1MiB",
            "   ck-012000   set aside      12,000 games  1MiB",
            "   new\\u{1b}   not read back  —             1MiB",
        ];
        assert_eq!(table(&checkpoints, "game", Paint(false)).lines().collect::<Vec<_>>(), expected);
    }
}
