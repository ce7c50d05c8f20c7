//! How far the reading of a large file is, on a terminal.

use crate::console::Console;
use crate::counting::Counting;
use crate::error::CliError;
use crate::text::columns::cut;
use crate::text::size;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{MissedTickBehavior, interval};

/// How often it is told.
const TICK: Duration = Duration::from_millis(200);
/// Back to the start of the line, and everything behind the cursor away.
const CLEAR: &str = "\r\x1b[K";

/// Waits for `work`, which reads `size` bytes of `name` from `disk`. What takes no longer than a
/// glance is not told.
///
/// # Errors
/// [`CliError::Lost`]: it panicked.
pub(crate) async fn watched<T>(
    name: &str,
    size: u64,
    disk: &Counting,
    mut work: JoinHandle<T>,
    console: Console,
) -> Result<T, CliError> {
    let is_live = console.err_is_live && !console.json;
    let mut ticks = interval(TICK);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks.tick().await;
    let mut is_drawn = false;
    loop {
        tokio::select! {
            done = &mut work => {
                if is_drawn {
                    console.tell(CLEAR);
                }
                return Ok(done?);
            }
            _ = ticks.tick(), if is_live => {
                let line = cut(&line(name, disk.bytes(), size), console.err_width().saturating_sub(1));
                console.tell(&format!("\r{line}\x1b[K"));
                is_drawn = true;
            }
        }
    }
}

/// Packed chunks are read twice, so more may be read than there is.
fn line(name: &str, read: u64, size: u64) -> String {
    let read = read.min(size);
    let percent = read.saturating_mul(100).checked_div(size).unwrap_or(0);
    format!("reading {name}  {percent}%  {} of {}", size::show(read), size::show(size))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_more_is_told_than_there_is() {
        assert_eq!(line("ck-1", 1 << 20, 4 << 20), "reading ck-1  25%  1MiB of 4MiB");
        assert_eq!(line("ck-1", 5 << 20, 4 << 20), "reading ck-1  100%  4MiB of 4MiB");
        assert_eq!(line("ck-1", 0, 0), "reading ck-1  0%  0B of 0B");
    }
}
