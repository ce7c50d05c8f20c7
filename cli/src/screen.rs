//! Lines that stay and one live line below them, on standard error.

use crate::console::Console;
use crate::render::live::{self, Shown};
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
    /// Phase and time of the last plain line.
    plain: Option<(String, Instant)>,
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

    /// Shows a run: in place on a terminal, else as a line when its phase has changed or ten
    /// seconds have passed.
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
        let due = match &self.plain {
            Some((phase, at)) => *phase != view.phase || at.elapsed() >= PLAIN_INTERVAL,
            None => true,
        };
        if due {
            self.console.tell(&format!("{}\n", live::plain(view)));
            self.plain = Some((view.phase.clone(), Instant::now()));
        }
    }

    /// Takes the live line away.
    pub(crate) fn clear(&mut self) {
        if self.drawn.take().is_some() {
            self.console.tell(CLEAR);
        }
    }
}
