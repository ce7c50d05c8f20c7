//! The one line that shows a run on a terminal, and its plain sister for logs.

use crate::render::health;
use crate::render::parts::{count, counted, percent, rate, retries, said, share};
use crate::render::pause;
use crate::text::bar::bar;
use crate::text::columns::{cut, width};
use crate::text::duration::{age_s, countdown_s, eta_s};
use crate::text::number;
use crate::text::paint::{Colour, Paint, phase};
use resus_core::view::RunView;

/// Columns of the bar.
const BAR_WIDTH: usize = 12;
/// Columns between two parts.
const GAP: &str = "  ";
/// Fewer columns than this are not worth a program's last line.
const PRINTED_MIN: usize = 12;

/// A part of the line. Of parts that don't fit, those of the highest rank go first.
struct Part {
    text: String,
    colour: Option<Colour>,
    rank: u8,
}

fn part(rank: u8, text: String) -> Part {
    Part { text, colour: None, rank }
}

/// What the line shows.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<'a> {
    /// The run.
    pub view: &'a RunView,
    /// Seconds since it was told.
    pub since_s: f64,
    /// Something that people should know now, e.g. `reconnecting…`.
    pub notice: Option<&'a str>,
    /// The last line of a program that does not say how far it is.
    pub printed: Option<&'a str>,
}

impl<'a> Shown<'a> {
    /// The run as it was told just now, and nothing else.
    pub(crate) fn of(view: &'a RunView) -> Self {
        Self { view, since_s: 0.0, notice: None, printed: None }
    }
}

/// The line, within `columns`.
pub(crate) fn line(shown: Shown<'_>, columns: usize, paint: Paint) -> String {
    let mut parts = parts(shown.view, shown.since_s, true);
    if let Some(notice) = shown.notice {
        parts.insert(1, Part { text: notice.to_owned(), colour: Some(Colour::Yellow), rank: 1 });
    }
    while total(&parts) > columns {
        let last = parts.iter().enumerate().skip(1).max_by_key(|(index, part)| (part.rank, *index));
        let Some((index, _)) = last else { break };
        parts.remove(index);
    }
    // What is left belongs to the program's own words.
    let left = columns.saturating_sub(total(&parts) + GAP.len());
    if let Some(printed) = shown.printed.filter(|_| left >= PRINTED_MIN && speaks_for_itself(shown.view)) {
        parts.push(Part { text: cut(&said(printed), left), colour: Some(Colour::Dim), rank: 9 });
    }
    let painted = parts.iter().map(|part| match part.colour {
        Some(colour) => paint.on(colour, &cut(&part.text, columns)),
        None => cut(&part.text, columns),
    });
    painted.collect::<Vec<_>>().join(GAP)
}

/// Whether what the worker prints is all there is to see of its progress.
pub(crate) fn speaks_for_itself(view: &RunView) -> bool {
    let progress = &view.progress;
    view.phase == "running"
        && view.message.is_empty()
        && share(progress).is_none()
        && count(progress).is_none()
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
        "pausing" | "paused" => {
            parts.extend(view.pause.as_ref().map(|wish| part(2, pause::brief(wish.step).to_owned())));
            parts.extend(percent(&view.progress).map(|text| part(3, text)));
            parts.extend(pause::cause(view).map(|text| part(4, text)));
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
    parts.extend(health::word(view).map(|(word, colour)| {
        let silent =
            view.progress_age_s.map_or_else(String::new, |age| format!(" for {}", age_s(age + since_s)));
        Part { text: format!("{word}{silent}"), colour: Some(colour), rank: 1 }
    }));
    parts.extend(health::behind(view).map(|text| Part { text, colour: Some(Colour::Yellow), rank: 2 }));
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
    let eta = progress.eta_s.map(|eta| format!("eta {}", eta_s(eta - since_s)));
    parts.extend(eta.map(|text| part(3, text)));
    if view.refused_lines > 0 {
        parts.push(part(7, format!("{} refused", counted(view.refused_lines, "line"))));
    }
    parts.push(part(8, format!("retries {}", retries(view))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    fn at(columns: usize) -> String {
        line(Shown::of(&view(json!({}))), columns, Paint(false))
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
            view(json!({"progress": {"unit": ""}, "message": ""})),
        ];
        for view in &views {
            for columns in 0..130 {
                for notice in [None, Some("reconnecting…")] {
                    let printed = Some("训练\u{1b}[31m epoch 3 of 20, and so on");
                    let shown = Shown { view, since_s: 0.5, notice, printed };
                    let line = line(shown, columns, Paint(false));
                    assert!(width(&line) <= columns, "{} > {columns}: {line}", width(&line));
                    assert!(!line.contains('\u{1b}'), "{line}");
                }
            }
        }
    }

    #[test]
    fn countdowns_go_on_between_two_answers() {
        let waiting = view(json!({
            "phase": "waiting", "retry_in_s": 8.0, "failures": 2, "retries": 2,
            "last_failure": {"code": "CUDA_OOM", "message": "", "retried": true},
        }));
        let after = |since_s| line(Shown { since_s, ..Shown::of(&waiting) }, 80, Paint(false));
        assert_eq!(after(3.2), "↻ waiting  retry 2/5 in 5s  CUDA_OOM");
        assert_eq!(after(7.7), "↻ waiting  retry 2/5 in 0.3s  CUDA_OOM");
        assert_eq!(after(99.0), "↻ waiting  retry 2/5 in 0s  CUDA_OOM");
        let stopping = view(json!({"phase": "stopping", "grace_left_s": 52.0}));
        let shown = Shown { since_s: 0.4, notice: Some("Ctrl-C again kills"), ..Shown::of(&stopping) };
        assert_eq!(line(shown, 80, Paint(false)), "■ stopping  Ctrl-C again kills  next step in 52s  62%");
    }

    #[test]
    fn halts_and_silences_are_on_the_line() {
        let at = |changes| line(Shown::of(&view(changes)), 120, Paint(false));
        let paused = json!({"phase": "paused", "pause": {"step": "held", "cause": "error_rate"}});
        assert_eq!(at(paused), "‖ paused  the worker holds  62%  too much of the work failed");
        let silent = json!({"health": "stale", "progress_age_s": 912.0, "behind_bytes": 3 << 20});
        let told = at(silent);
        assert!(told.starts_with("● running  silent for 15m  reader is 3MiB behind  ███"), "{told}");
        let refused = plain(&view(json!({"refused_lines": 4})));
        assert!(refused.ends_with("4 lines refused  retries 0/5"), "{refused}");
    }

    #[test]
    fn a_program_that_says_nothing_is_shown_by_its_age() {
        let opaque = view(json!({"progress": {"unit": ""}, "message": ""}));
        assert_eq!(line(Shown::of(&opaque), 80, Paint(false)), "● running  for 3m  pid 4242");
        assert_eq!(plain(&opaque), "● running  for 3m  pid 4242");
    }

    #[test]
    fn what_a_program_prints_fills_the_line_if_it_says_nothing_better() {
        let opaque = view(json!({"progress": {"unit": ""}, "message": ""}));
        let printed = Some("epoch 3: loss 0.25");
        let at = |view, columns| line(Shown { printed, ..Shown::of(view) }, columns, Paint(false));
        assert_eq!(at(&opaque, 80), "● running  for 3m  pid 4242  epoch 3: loss 0.25");
        assert_eq!(at(&opaque, 42), "● running  for 3m  pid 4242  epoch 3: los…");
        assert_eq!(at(&opaque, 34), "● running  for 3m  pid 4242");
        assert!(!at(&view(json!({})), 200).contains("epoch"), "progress says it better");
    }

    #[test]
    fn the_last_moment_is_less_than_a_second() {
        let nearly = view(json!({"progress": {"unit": "game", "done": 9.0, "total": 9.0, "eta_s": 0.02}}));
        let line = line(Shown::of(&nearly), 120, Paint(false));
        assert!(line.contains("eta <1s"), "{line}");
    }

    #[test]
    fn a_log_gets_words_without_a_bar() {
        assert_eq!(
            plain(&view(json!({}))),
            "● running  62%  12,400/20,000 games  812 games/s  loss 0.127  eta 12s  retries 0/5"
        );
    }
}
