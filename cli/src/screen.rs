//! Lines that stay and one live line below them, on standard error.

use crate::console::Console;
use crate::render::live::{self, Shown};
use crate::render::parts::percent;
use resus_core::view::RunView;
use std::time::Duration;
use tokio::time::Instant;

/// Where there is no terminal, a line is written this often.
const PLAIN_INTERVAL: Duration = Duration::from_secs(10);
/// Back to the start of the line, and everything behind the cursor away.
const CLEAR: &str = "\r\x1b[K";

/// The screen of somebody who watches a run. The cursor is never hidden and no mode of the
/// terminal is changed, so nothing has to be restored however we end.
#[derive(Debug)]
pub(crate) struct Screen {
    console: Console,
    /// The live line on the terminal.
    drawn: Option<String>,
    plain: Option<Plain>,
}

/// The last plain line.
#[derive(Debug, Clone, PartialEq)]
struct Plain {
    phase: String,
    /// Whole percents done, if that is known.
    percent: Option<String>,
    at: Instant,
}

impl Plain {
    fn of(view: &RunView) -> Self {
        Self { phase: view.phase.clone(), percent: percent(&view.progress), at: Instant::now() }
    }

    /// Whether there is something new to write a line for. A hundred for a whole run, and one every
    /// ten seconds, are no flood.
    fn is_due_after(&self, last: &Self) -> bool {
        self.phase != last.phase
            || self.percent != last.percent
            || self.at.duration_since(last.at) >= PLAIN_INTERVAL
    }
}

impl Screen {
    /// An empty screen.
    pub(crate) fn new(console: Console) -> Self {
        Self { console, drawn: None, plain: None }
    }

    /// Whether anybody looks: programs that read JSON do not.
    fn is_on(&self) -> bool {
        !self.console.json
    }

    /// Writes a line that stays.
    pub(crate) fn say(&mut self, line: &str) {
        if self.is_on() {
            let clear = if self.drawn.take().is_some() { CLEAR } else { "" };
            self.console.tell(&format!("{clear}{line}\n"));
        }
    }

    /// Shows a run: in place on a terminal, else as a line when its phase or its percents have
    /// changed, or ten seconds have passed.
    pub(crate) fn show(&mut self, shown: Shown<'_>) {
        if !self.is_on() {
            return;
        }
        if self.console.err_is_live {
            // The last column stays free: a terminal that wraps there would scroll.
            let columns = self.console.err_width().saturating_sub(1);
            self.draw(live::line(shown, columns, self.console.err_paint));
        } else {
            self.log(shown.view);
        }
    }

    fn draw(&mut self, line: String) {
        if self.drawn.as_ref() != Some(&line) {
            // One write, so that nobody ever sees half of it.
            self.console.tell(&format!("\r{line}\x1b[K"));
            self.drawn = Some(line);
        }
    }

    fn log(&mut self, view: &RunView) {
        let now = Plain::of(view);
        if self.plain.as_ref().is_none_or(|last| now.is_due_after(last)) {
            self.console.tell(&format!("{}\n", live::plain(view)));
            self.plain = Some(now);
        }
    }

    /// Takes the live line away.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            self.console.tell(CLEAR);
        }
    }
}

impl Drop for Screen {
    /// Whoever gives up watching, be it because the time is over, leaves nothing behind that the next
    /// line would be written into.
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::{ColourChoice, capture};
    use crate::render::sample;
    use serde_json::json;

    fn plain(phase: &str, done: f64, s: u64, begun: Instant) -> Plain {
        let progress = json!({"unit": "step", "done": done, "total": 1000.0});
        let view = sample::view(json!({"phase": phase, "progress": progress}));
        Plain { at: begun + Duration::from_secs(s), ..Plain::of(&view) }
    }

    #[test]
    fn a_screen_that_is_given_up_takes_its_live_line_away() {
        let console = Console { err_is_live: true, ..Console::of_process(false, ColourChoice::Never) };
        capture::begin();
        let mut screen = Screen::new(console);
        screen.show(Shown::of(&sample::view(json!({}))));
        drop(screen);
        let told = capture::end().1;
        assert!(told.len() > CLEAR.len() && told.ends_with(CLEAR), "{told:?}");
    }

    #[test]
    fn a_plain_line_is_due_for_a_new_phase_a_percent_or_ten_seconds() {
        let begun = Instant::now();
        let first = plain("running", 100.0, 0, begun);
        assert!(!plain("running", 109.0, 9, begun).is_due_after(&first));
        assert!(plain("running", 110.0, 0, begun).is_due_after(&first));
        assert!(plain("running", 60.0, 0, begun).is_due_after(&first), "it went back to a checkpoint");
        assert!(plain("running", 100.0, 10, begun).is_due_after(&first));
        assert!(plain("stopping", 100.0, 0, begun).is_due_after(&first));
    }
}
