//! A run's history as lines for people.

use crate::render::page::Page;
use crate::render::parts::{local, said};
use crate::text::columns::hang;
use crate::text::paint::Colour;
use resus_core::api::StoryLine;
use resus_core::moment::parse_timestamp;
use serde_json::Value;

/// What stands over the lines.
const HEAD: &str = "TIME                  SEQ  ATTEMPT  EVENT";
/// Column in which the sentences begin.
const SENTENCE_COLUMN: usize = 36;

/// The head over the lines, with its line end.
pub(crate) fn head(page: &Page) -> String {
    format!("{}\n", page.paint.on(Colour::Dim, HEAD))
}

/// An event as a line (or more, on a narrow page), with its line end.
pub(crate) fn event(line: &StoryLine, page: &Page) -> String {
    let attempt = line.event.get("attempt").and_then(Value::as_u64).unwrap_or(0);
    let place = format!("{:<19}  {:>4}  {attempt:>7}  ", time(line, page), line.seq());
    let sentence = hang(&said(&line.sentence), SENTENCE_COLUMN, page.columns);
    format!("{place}{}\n", painted(line, &sentence, page))
}

/// An event with its time of day only: for lines beside each other in time.
pub(crate) fn brief(line: &StoryLine, page: &Page) -> String {
    let of_day = time_of_day(line, page);
    let sentence = hang(&said(&line.sentence), "  00:00:00  ".len(), page.columns);
    format!("  {}  {}\n", page.paint.on(Colour::Dim, &of_day), painted(line, &sentence, page))
}

fn painted(line: &StoryLine, sentence: &str, page: &Page) -> String {
    // Words alone would do: the colour only helps the eye.
    match line.what.as_str() {
        "failed" | "hung" | "still_alive" => page.paint.on(Colour::Red, sentence),
        "checkpoint_refused" | "error_rate_exceeded" | "rebooted" => page.paint.on(Colour::Yellow, sentence),
        _ => sentence.to_owned(),
    }
}

/// When an event happened, without the day.
pub(crate) fn time_of_day(line: &StoryLine, page: &Page) -> String {
    let time = time(line, page);
    time.split_once(' ').map_or(time.clone(), |(_, of_day)| of_day.to_owned())
}

fn time(line: &StoryLine, page: &Page) -> String {
    line.event.get("timestamp").and_then(Value::as_str).map_or_else(|| "—".to_owned(), |at| local(at, page))
}

/// Milliseconds from the last event called `from` to the last called `to`, if that came after.
pub(crate) fn took_ms(lines: &[StoryLine], from: &str, to: &str) -> Option<u64> {
    let at = |what: &str| {
        let line = lines.iter().rev().find(|line| line.what == what)?;
        Some((line.seq(), parse_timestamp(line.event.get("timestamp")?)?))
    };
    let ((from_seq, from_ms), (to_seq, to_ms)) = (at(from)?, at(to)?);
    (from_seq < to_seq).then(|| to_ms.checked_sub(from_ms)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::{line, page};
    use serde_json::json;

    #[test]
    fn events_are_lines_in_columns() {
        let long = StoryLine {
            sentence: "attempt 1 failed: EXIT_NONZERO: exit code 7".into(),
            ..line(12, "failed", json!({}))
        };
        let told =
            head(&page(60)) + &event(&line(3, "adopted", json!({})), &page(60)) + &event(&long, &page(60));
        let expected = "\
TIME                  SEQ  ATTEMPT  EVENT
2026-11-22 05:03:46     3        1  adopted happened
2026-11-22 05:12:46    12        1  attempt 1 failed:
                                    EXIT_NONZERO: exit code
                                    7
";
        assert_eq!(told, expected);
        assert_eq!(brief(&line(3, "adopted", json!({})), &page(60)), "  05:03:46  adopted happened\n");
    }

    #[test]
    fn what_a_worker_said_can_not_drive_the_terminal() {
        let odd = StoryLine { sentence: "x\u{1b}[2J\ny".into(), ..line(1, "said", json!({})) };
        assert!(event(&odd, &page(80)).ends_with("  x\\u{1b}[2J · y\n"), "{}", event(&odd, &page(80)));
        let bare = StoryLine { event: json!({}), ..line(1, "said", json!({})) };
        assert!(event(&bare, &page(80)).starts_with("—  "), "{}", event(&bare, &page(80)));
    }

    #[test]
    fn a_duration_is_between_the_last_of_each() {
        let lines = [
            line(1, "pause_begun", json!({})),
            line(2, "pause_begun", json!({})),
            line(4, "paused", json!({})),
        ];
        assert_eq!(took_ms(&lines, "pause_begun", "paused"), Some(120_000));
        assert_eq!(took_ms(&lines, "paused", "pause_begun"), None);
        assert_eq!(took_ms(&lines, "pause_begun", "resumed"), None);
    }
}
