//! A daemon that was started by a command ends by itself when nobody needs it any more.

use crate::board::Board;
use crate::clock;
use crate::limits::IDLE_LOOK_INTERVAL;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::sync::watch;

/// When somebody last asked for something.
#[derive(Debug, Default)]
pub(crate) struct LastAsked(AtomicU64);

impl LastAsked {
    /// Somebody asks.
    pub(crate) fn touch(&self) {
        self.0.store(clock::now().mono_ms, Ordering::Relaxed);
    }

    fn mono_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// Idle = no run lives, and neither a run nor a question was there for so long.
fn is_idle(now_ms: u64, last_asked_ms: u64, last_live_ms: u64, limit_ms: u64) -> bool {
    now_ms.saturating_sub(last_asked_ms.max(last_live_ms)) >= limit_ms
}

/// Asks the daemon to stop when it has been idle for the limit, which may change; `None` = never.
///
/// The marker that keeps shims from starting a daemon again is not set: there are none, and the
/// next command starts one.
pub(crate) async fn watch(
    board: Arc<Board>,
    asked: Arc<LastAsked>,
    mut limits: watch::Receiver<Option<Duration>>,
    stop: watch::Sender<bool>,
) {
    asked.touch();
    let mut last_live_ms = clock::now().mono_ms;
    loop {
        let limit = *limits.borrow_and_update();
        let look = async {
            match limit {
                Some(limit) => tokio::time::sleep(IDLE_LOOK_INTERVAL.min(limit)).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = look => {}
            changed = limits.changed() => match changed {
                Ok(()) => {
                    // A new limit is as if somebody had asked: whoever set it is there.
                    asked.touch();
                    continue;
                }
                Err(_) => return,
            },
        }
        let Some(limit) = limit else { continue };
        let limit_ms = u64::try_from(limit.as_millis()).unwrap_or(u64::MAX);
        let now_ms = clock::now().mono_ms;
        if board.counts().0 > 0 {
            last_live_ms = now_ms;
        }
        if is_idle(now_ms, asked.mono_ms(), last_live_ms, limit_ms) {
            tracing::info!(limit_s = limit.as_secs(), "nothing to do for so long; the daemon ends");
            stop.send_replace(true);
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_live_run_or_a_question_keeps_the_daemon() {
        for (now, asked, live, idle) in [
            (900, 0, 0, true),
            (899, 0, 0, false),
            (900, 1, 0, false),
            (900, 0, 1, false),
            (2_000, 100, 1_100, true),
        ] {
            assert_eq!(is_idle(now, asked, live, 900), idle, "{now} {asked} {live}");
        }
    }
}
