//! Tables of what goes: with `resus rm` and `resus prune`.

use crate::render::page::Page;
use crate::render::parts::{said, short};
use crate::text::duration::age_s;
use crate::text::paint::phase;
use crate::text::size;
use crate::text::table;
use resus_core::api::{RemoveReply, SweepItem, SweepKind};
use resus_core::moment::parse_timestamp;
use serde_json::Value;

/// What goes with each run, a line each, and the sum.
pub(crate) fn runs(replies: &[RemoveReply], page: &Page) -> String {
    let row = |reply: &RemoveReply| {
        let RemoveReply { run, size, checkpoints, pinned, .. } = reply;
        let look = phase(&run.phase);
        let pinned = if *pinned > 0 { format!(" ({pinned} pinned)") } else { String::new() };
        [
            short(&run.run_id).to_owned(),
            said(&run.name),
            format!("{} {}", look.glyph, look.word),
            age_s(run.age_s),
            taken(size.bytes, size.at_least),
            format!("{checkpoints}{pinned}"),
        ]
    };
    let rows: Vec<_> = replies.iter().map(row).collect();
    let head = ["RUN", "NAME", "STATUS", "AGE", "SIZE", "CHECKPOINTS"];
    let bytes = replies.iter().fold(0, |sum: u64, reply| sum.saturating_add(reply.size.bytes));
    let at_least = replies.iter().any(|reply| reply.size.at_least);
    table::lines(&head, &rows, page.paint).concat() + &sum(replies.len(), "run", bytes, at_least)
}

/// What is swept away, a line each, and the sum.
pub(crate) fn items(items: &[SweepItem], left_out: u32, now_unix_ms: u64, page: &Page) -> String {
    let age = |ended_at: &str| {
        let at = parse_timestamp(&Value::from(ended_at)).unwrap_or(now_unix_ms);
        age_s(now_unix_ms.saturating_sub(at) as f64 / 1000.0)
    };
    let row = |item: &SweepItem| {
        [
            what(item.kind).to_owned(),
            short(&item.run_id).to_owned(),
            said(&item.name),
            item.ended_as.as_str().to_owned(),
            age(&item.ended_at),
            taken(item.bytes, item.at_least),
        ]
    };
    let rows: Vec<_> = items.iter().map(row).collect();
    let head = ["WHAT", "RUN", "NAME", "ENDED", "AGO", "SIZE"];
    let bytes = items.iter().fold(0, |sum: u64, item| sum.saturating_add(item.bytes));
    let at_least = items.iter().any(|item| item.at_least);
    let mut text =
        table::lines(&head, &rows, page.paint).concat() + &sum(items.len(), "item", bytes, at_least);
    if left_out > 0 {
        text.push_str(&format!("{left_out} more have no room in one answer: prune again after this\n"));
    }
    text
}

/// What of a run, in the singular.
fn what(kind: SweepKind) -> &'static str {
    match kind {
        SweepKind::Runs => "run",
        SweepKind::Logs => "logs",
        SweepKind::Checkpoints => "checkpoints",
    }
}

fn sum(count: usize, noun: &str, bytes: u64, at_least: bool) -> String {
    format!("{}, {}\n", counted(count, noun), taken(bytes, at_least))
}

/// What something takes, or the part of it that could be measured.
pub(crate) fn taken(bytes: u64, at_least: bool) -> String {
    let least = if at_least { "at least " } else { "" };
    format!("{least}{}", size::show(bytes))
}

/// `1 run`, `2 runs`.
pub(crate) fn counted(count: usize, noun: &str) -> String {
    if count == 1 { format!("1 {noun}") } else { format!("{count} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{page, view};
    use resus_core::api::RunSize;
    use resus_core::prune::EndedAs;
    use serde_json::json;

    #[test]
    fn what_goes_is_a_table_with_its_sum() {
        let reply = RemoveReply {
            removed: false,
            run: view(json!({"phase": "done", "age_s": 7300.0})),
            size: RunSize { bytes: 3 << 20, ..RunSize::default() },
            checkpoints: 3,
            pinned: 1,
            obstacles: Vec::new(),
        };
        let expected = "\
RUN       NAME     STATUS  AGE  SIZE  CHECKPOINTS
8c1d9e77  othello  ✓ done  2h   3MiB  3 (1 pinned)
1 run, 3MiB
";
        assert_eq!(runs(&[reply], &page(80)), expected);
        let item = |kind, name: &str, bytes| SweepItem {
            kind,
            run_id: "0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77".into(),
            name: name.into(),
            ended_as: EndedAs::Lost,
            ended_at: "2026-11-22T00:00:00.000Z".into(),
            bytes,
            at_least: kind == SweepKind::Logs,
            problem: None,
        };
        let all = [item(SweepKind::Runs, "a", 1 << 20), item(SweepKind::Logs, "b\u{1b}", 3 << 20)];
        let now = parse_timestamp(&json!("2026-11-25T00:00:00.000Z")).unwrap();
        let expected = "\
WHAT  RUN       NAME     ENDED  AGO  SIZE
run   8c1d9e77  a        lost   3d   1MiB
logs  8c1d9e77  b\\u{1b}  lost   3d   at least 3MiB
2 items, at least 4MiB
7 more have no room in one answer: prune again after this
";
        assert_eq!(items(&all, 7, now, &page(80)), expected);
    }
}
