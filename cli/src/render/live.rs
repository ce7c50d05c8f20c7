//! The one line that shows a run on a terminal, and its plain sister for logs.

use crate::render::parts::{count, percent, rate, retries, said, share};
use crate::text::bar::bar;
use crate::text::columns::{cut, width};
use crate::text::duration::{age_s, countdown_s, show_s};
use crate::text::number;
use crate::text::paint::{Colour, Paint, phase};
use resus_core::view::RunView;

/// Columns of the bar.
const BAR_WIDTH: usize = 12;
/// Columns between two parts.
const GAP: &str = "  ";

/// A part of the line. Of parts that don't fit, those of the highest rank go first.
struct Part {
    text: String,
    colour: Option<Colour>,
    rank: u8,
}

fn part(rank: u8, text: String) -> Part {
    Part { text, colour: None, rank }
}

/// The line for `view`, which was told `since_s` seconds ago, within `columns`. `notice` is
/// something that people should know now, e.g. `reconnecting…`.
pub(crate) fn line(
    view: &RunView,
    since_s: f64,
    notice: Option<&str>,
    columns: usize,
    paint: Paint,
) -> String {
    let mut parts = parts(view, since_s, true);
    if let Some(notice) = notice {
        parts.insert(1, Part { text: notice.to_owned(), colour: Some(Colour::Yellow), rank: 1 });
    }
    while total(&parts) > columns {
        let last = parts.iter().enumerate().skip(1).max_by_key(|(index, part)| (part.rank, *index));
        let Some((index, _)) = last else { break };
        parts.remove(index);
    }
    let painted = parts.iter().map(|part| match part.colour {
        Some(colour) => paint.on(colour, &cut(&part.text, columns)),
        None => cut(&part.text, columns),
    });
    painted.collect::<Vec<_>>().join(GAP)
}

/// The same for a log: everything, no bar, no colour.
pub(crate) fn plain(view: &RunView) -> String {
    parts(view, 0.0, false).into_iter().map(|part| part.text).collect::<Vec<_>>().join(GAP)
}

fn total(parts: &[Part]) -> usize {
    parts.iter().map(|part| width(&part.text)).sum::<usize>() + GAP.len() * parts.len().saturating_sub(1)
}

fn parts(view: &RunView, since_s: f64, with_bar: bool) -> Vec<Part> {
    let look = phase(&view.phase);
    let mut parts =
        vec![Part { text: format!("{} {}", look.glyph, look.word), colour: Some(look.colour), rank: 0 }];
    match view.phase.as_str() {
        "waiting" => {
            let left = view.retry_in_s.map_or(0.0, |left| left - since_s);
            let code = view.last_failure.as_ref().map_or("UNKNOWN", |failure| failure.code.as_str());
            parts.push(part(2, format!("retry {} in {}", retries(view), countdown_s(left))));
            parts.push(part(3, code.to_owned()));
        }
        "stopping" => {
            if let Some(left) = view.grace_left_s {
                parts.push(part(2, format!("next step in {}", countdown_s(left - since_s))));
            }
            parts.extend(percent(&view.progress).map(|text| part(3, text)));
        }
        "preparing" => {
            parts.push(part(2, format!("attempt {}", view.attempt.max(1))));
            parts.push(part(4, said(&view.message)));
        }
        "done" | "failed" | "cancelled" => parts.push(part(4, said(&view.message))),
        _ => training(view, since_s, with_bar, &mut parts),
    }
    parts.retain(|part| !part.text.is_empty());
    parts
}

fn training(view: &RunView, since_s: f64, with_bar: bool, parts: &mut Vec<Part>) {
    let progress = &view.progress;
    let (share, count) = (share(progress), count(progress));
    if share.is_none() && count.is_none() {
        parts.push(part(2, format!("for {}", age_s(view.age_s + since_s))));
        parts.extend(view.pid.map(|pid| part(7, format!("pid {pid}"))));
        parts.push(part(4, said(&view.message)));
        return;
    }
    parts.extend(share.filter(|_| with_bar).map(|share| part(6, bar(share, BAR_WIDTH))));
    parts.extend(percent(progress).map(|text| part(2, text)));
    parts.extend(count.map(|text| part(5, text)));
    parts.extend(rate(progress).map(|text| part(7, text)));
    parts.extend(progress.loss.map(|loss| part(4, format!("loss {}", number::value(loss)))));
    let eta = progress.eta_s.map(|eta| format!("eta {}", show_s((eta - since_s).max(0.0))));
    parts.extend(eta.map(|text| part(3, text)));
    parts.push(part(8, format!("retries {}", retries(view))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    fn at(columns: usize) -> String {
        line(&view(json!({})), 0.0, None, columns, Paint(false))
    }

    #[test]
    fn the_line_says_everything_where_there_is_room() {
        assert_eq!(
            at(120),
            "● running  ███████▍      62%  12,400/20,000 games  812 games/s  loss 0.127  eta 12s  retries 0/5"
        );
    }

    #[test]
    fn a_narrow_terminal_gets_what_matters_most() {
        assert_eq!(at(80), "● running  ███████▍      62%  12,400/20,000 games  loss 0.127  eta 12s");
        assert_eq!(at(40), "● running  62%  loss 0.127  eta 12s");
        assert_eq!(at(20), "● running  62%");
        assert_eq!(at(5), "● ru…");
    }

    #[test]
    fn no_line_is_wider_than_its_terminal() {
        let views = [
            view(json!({})),
            view(json!({"phase": "waiting", "retry_in_s": 7.2, "message": "x".repeat(300)})),
            view(json!({"phase": "preparing", "message": "训练".repeat(99)})),
            view(json!({"progress": {"unit": "\u{1b}[31m".repeat(50), "done": 1.0}})),
            view(json!({"phase": "from the future"})),
        ];
        for view in &views {
            for columns in 0..130 {
                for notice in [None, Some("reconnecting…")] {
                    let line = line(view, 0.5, notice, columns, Paint(false));
                    assert!(width(&line) <= columns, "{} > {columns}: {line}", width(&line));
                    assert!(!line.contains('\u{1b}'), "{line}");
                }
            }
        }
    }

    #[test]
    fn countdowns_go_on_between_two_answers() {
        let waiting = view(json!({
            "phase": "waiting", "retry_in_s": 8.0, "failures": 2,
            "last_failure": {"code": "CUDA_OOM", "message": "", "retried": true},
        }));
        assert_eq!(line(&waiting, 3.2, None, 80, Paint(false)), "↻ waiting  retry 2/5 in 5s  CUDA_OOM");
        assert_eq!(line(&waiting, 99.0, None, 80, Paint(false)), "↻ waiting  retry 2/5 in 0s  CUDA_OOM");
        let stopping = view(json!({"phase": "stopping", "grace_left_s": 52.0}));
        assert_eq!(
            line(&stopping, 0.4, Some("Ctrl-C again kills"), 80, Paint(false)),
            "■ stopping  Ctrl-C again kills  next step in 52s  62%"
        );
    }

    #[test]
    fn a_program_that_says_nothing_is_shown_by_its_age() {
        let opaque = view(json!({"progress": {"unit": ""}, "message": ""}));
        assert_eq!(line(&opaque, 0.0, None, 80, Paint(false)), "● running  for 3m  pid 4242");
        assert_eq!(plain(&opaque), "● running  for 3m  pid 4242");
    }

    #[test]
    fn a_log_gets_words_without_a_bar() {
        assert_eq!(
            plain(&view(json!({}))),
            "● running  62%  12,400/20,000 games  812 games/s  loss 0.127  eta 12s  retries 0/5"
        );
    }
}
