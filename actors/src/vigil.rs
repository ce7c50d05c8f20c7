//! A thread that watches whether the actors move. It is a thread of its own because an actor
//! that blocks can stop every timer of the runtime; a thread it can't stop.

use crate::clock;
use crate::directory::Directory;
use crate::limits::{ACTOR_STUCK_MS, VIGIL_INTERVAL};
use crate::notify::Notifier;
use crate::tree::TREE;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

/// What the runtime last showed of itself, and whether the watch goes on.
#[derive(Debug, Default)]
pub(crate) struct Vigil {
    /// Monotonic time at which the runtime last ran a task.
    beat_mono_ms: AtomicU64,
    over: AtomicBool,
}

/// What the watch found.
#[derive(Debug, PartialEq, Eq)]
enum Finding {
    Moving,
    /// The runtime itself has not run a task for so long.
    Frozen {
        for_ms: u64,
    },
    /// One actor has been at one message for so long.
    Stuck {
        actor: &'static str,
        for_ms: u64,
    },
}

impl Vigil {
    /// Starts the thread. Should the actors not move for too long, `give_up` is called: nothing
    /// in a process can free a thread that is stuck.
    pub(crate) fn start(
        directory: Arc<Directory>,
        notifier: Option<Arc<Notifier>>,
        give_up: impl FnOnce() + Send + 'static,
    ) -> std::io::Result<Arc<Self>> {
        let vigil = Arc::new(Self::default());
        vigil.beat();
        let (beating, watching) = (Arc::clone(&vigil), Arc::clone(&vigil));
        tokio::spawn(async move {
            while !beating.over.load(Ordering::Relaxed) {
                beating.beat();
                tokio::time::sleep(VIGIL_INTERVAL).await;
            }
        });
        std::thread::Builder::new()
            .name("vigil".to_owned())
            .spawn(move || watching.watch(&directory, notifier.as_deref(), give_up))?;
        Ok(vigil)
    }

    /// The watch ends; the thread goes within one interval.
    pub(crate) fn end(&self) {
        self.over.store(true, Ordering::Relaxed);
    }

    fn beat(&self) {
        self.beat_mono_ms.store(clock::now().mono_ms, Ordering::Relaxed);
    }

    fn watch(&self, directory: &Directory, notifier: Option<&Notifier>, give_up: impl FnOnce()) {
        // Twice as often as the manager asks for.
        let interval =
            notifier.and_then(Notifier::watchdog).map_or(VIGIL_INTERVAL, |w| w / 2).min(VIGIL_INTERVAL);
        let mut last_look = clock::now().mono_ms;
        while !self.over.load(Ordering::Relaxed) {
            std::thread::sleep(interval);
            let now = clock::now().mono_ms;
            let paused = now.saturating_sub(last_look) > as_ms(interval).saturating_mul(3);
            last_look = now;
            if paused {
                // We were stopped ourselves (suspend, SIGSTOP): nobody else could move either.
                self.beat();
                continue;
            }
            match self.look(directory, now) {
                Finding::Moving => notifier.iter().for_each(|manager| manager.alive()),
                finding => {
                    tracing::error!(?finding, "the actors do not move; the daemon gives up (workers go on)");
                    return give_up();
                }
            }
        }
    }

    fn look(&self, directory: &Directory, now_mono_ms: u64) -> Finding {
        let for_ms = now_mono_ms.saturating_sub(self.beat_mono_ms.load(Ordering::Relaxed));
        if for_ms > ACTOR_STUCK_MS {
            return Finding::Frozen { for_ms };
        }
        let stuck = TREE.iter().find_map(|row| {
            let for_ms = directory.doing(row.peer).busy_ms(now_mono_ms);
            (for_ms > ACTOR_STUCK_MS).then(|| Finding::Stuck { actor: row.peer.name(), for_ms })
        });
        stuck.unwrap_or(Finding::Moving)
    }
}

fn as_ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frozen_runtime_and_a_stuck_actor_are_told_apart() {
        let (vigil, directory) = (Vigil::default(), Directory::default());
        vigil.beat();
        let now = clock::now().mono_ms;
        assert_eq!(vigil.look(&directory, now), Finding::Moving);
        let busy = directory.gateway.doing.begin("a message".to_owned());
        let late = now + ACTOR_STUCK_MS + 10;
        assert!(matches!(vigil.look(&directory, late), Finding::Frozen { .. }));
        vigil.beat_mono_ms.store(late, Ordering::Relaxed);
        assert!(matches!(vigil.look(&directory, late), Finding::Stuck { actor: "gateway", .. }));
        drop(busy);
        assert_eq!(vigil.look(&directory, late), Finding::Moving);
    }
}
