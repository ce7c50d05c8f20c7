//! The published view: what readers see. Runs are put here by the Supervisor once their
//! events are on disk, telemetry by the Worker actors as it comes. Readers never wait for an
//! actor.

use crate::clock;
use crate::silences::{Life, Silences};
use crate::telemetry::Heard;
use resus_core::api::RunList;
use resus_core::fleet::Tombstone;
use resus_core::ids::{Attempt, RunId, Slug};
use resus_core::moment::Moment;
use resus_core::pulse::line::Telemetry as Said;
use resus_core::pulse::state::{StateSnapshot, TelemetryPlace};
use resus_core::pulse::v1::SnapshotV1;
use resus_core::pulse::v1::project::{V2State, project};
use resus_core::pulse::v1::writer::Life as Believed;
use resus_core::run::Run;
use resus_core::secret::Secrets;
use resus_core::selector::{Named, SelectError, by_id, select};
use resus_core::slot::{Kept, Slot};
use resus_core::view::RunView;
use resus_core::watch::Health;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

#[derive(Default)]
struct Published {
    runs: BTreeMap<RunId, Arc<Run>>,
    slots: BTreeMap<RunId, Slot>,
    /// Slots that hold something which is not on disk yet.
    unsaved: BTreeSet<RunId>,
    quarantined: BTreeMap<RunId, String>,
    removed: BTreeMap<RunId, Tombstone>,
    actor_restarts: BTreeMap<String, u32>,
    degraded: Option<String>,
}

/// The published view of one node.
pub(crate) struct Board {
    node: Slug,
    silences: Arc<Silences>,
    published: Mutex<Published>,
    ledger_pos: AtomicU64,
    rss_bytes: AtomicU64,
    version: watch::Sender<u64>,
    /// The ledger has been replayed: what is not here does not exist.
    ready: watch::Sender<bool>,
}

impl Board {
    pub(crate) fn new(node: Slug, silences: Arc<Silences>) -> Self {
        Self {
            node,
            silences,
            published: Mutex::new(Published::default()),
            ledger_pos: AtomicU64::new(0),
            rss_bytes: AtomicU64::new(0),
            version: watch::Sender::new(0),
            ready: watch::Sender::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, Published> {
        self.published.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bump(&self) {
        self.version.send_modify(|version| *version += 1);
    }

    /// The ledger has been replayed.
    pub(crate) fn set_ready(&self) {
        self.ready.send_replace(true);
    }

    /// Returns when the ledger has been replayed.
    pub(crate) async fn ready(&self) {
        let mut ready = self.ready.subscribe();
        let _closed = ready.wait_for(|ready| *ready).await;
    }

    /// A run's newest state is on disk.
    pub(crate) fn publish(&self, run: Arc<Run>) {
        let mut published = self.lock();
        published.slots.entry(run.id.clone()).or_default().begin_attempt(run.attempt);
        published.runs.insert(run.id.clone(), run);
        drop(published);
        self.bump();
    }

    /// A run is gone, and that is on disk.
    pub(crate) fn remove(&self, run_id: RunId, tombstone: Tombstone) {
        let mut published = self.lock();
        published.runs.remove(&run_id);
        published.slots.remove(&run_id);
        published.unsaved.remove(&run_id);
        published.removed.insert(run_id, tombstone);
        drop(published);
        self.bump();
    }

    /// What is left of a run that was removed.
    pub(crate) fn tombstone(&self, run_id: &RunId) -> Option<Tombstone> {
        self.lock().removed.get(run_id).cloned()
    }

    /// Takes in telemetry of an attempt. That of an older attempt is ignored, and `false` says so.
    pub(crate) fn fold(&self, run_id: &RunId, attempt: Attempt, heard: Vec<Heard>) -> bool {
        let now = clock::now();
        let mut published = self.lock();
        if published.removed.contains_key(run_id) {
            return false;
        }
        let slot = published.slots.entry(run_id.clone()).or_default();
        if attempt < slot.attempt {
            return false;
        }
        slot.begin_attempt(attempt);
        let is_news = heard.iter().any(|(telemetry, _)| !matches!(telemetry, Said::Heartbeat));
        for (telemetry, said_unix_ms) in heard {
            slot.fold(telemetry, said_unix_ms, now);
        }
        if is_news {
            published.unsaved.insert(run_id.clone());
        }
        drop(published);
        self.bump();
        true
    }

    /// Takes in what an earlier daemon had heard of a run, before the run is published.
    pub(crate) fn bring_back(&self, run_id: &RunId, slot: Slot) {
        self.lock().slots.entry(run_id.clone()).or_insert(slot);
    }

    /// Whether something was heard of a run that [`Board::take_unsaved`] has not handed out.
    pub(crate) fn is_unsaved(&self, run_id: &RunId) -> bool {
        self.lock().unsaved.contains(run_id)
    }

    /// What is to be kept of a run, if there is news of it.
    pub(crate) fn take_unsaved(&self, run_id: &RunId) -> Option<Kept> {
        let mut published = self.lock();
        if !published.unsaved.remove(run_id) {
            return None;
        }
        published.slots.get(run_id).map(Kept::from)
    }

    /// Every run as readers of v1 see it.
    pub(crate) fn snapshots_v1(&self, now: Moment) -> Vec<(RunId, SnapshotV1, Believed)> {
        let published = self.lock();
        let empty = Slot::default();
        let snapshot = |run: &Arc<Run>| {
            let slot = published.slots.get(&run.id).unwrap_or(&empty);
            let life = match self.life(run, now).map(|life| life.health) {
                _ if run.phase.is_terminal() => Believed::Ended,
                Some(Health::Hung | Health::Lost) => Believed::Doubted,
                Some(Health::Ok | Health::Stale | Health::Unknown) | None => Believed::Believed,
            };
            (run.id.clone(), snapshot_v1_of(run, slot, now), life)
        };
        published.runs.values().map(snapshot).collect()
    }

    /// One run as readers of v1 see it, and its kind of training.
    pub(crate) fn snapshot_v1(&self, run_id: &RunId) -> Option<(Slug, SnapshotV1)> {
        let published = self.lock();
        let run = published.runs.get(run_id)?;
        let empty = Slot::default();
        let slot = published.slots.get(run_id).unwrap_or(&empty);
        Some((run.spec.workload.clone(), snapshot_v1_of(run, slot, clock::now())))
    }

    /// The state of a run for those who come late. `place` is that of the newest telemetry which
    /// went out, read before this.
    pub(crate) fn state(&self, run_id: &RunId, place: Option<TelemetryPlace>) -> Option<StateSnapshot> {
        let now = clock::now();
        let published = self.lock();
        let run = published.runs.get(run_id)?;
        let empty = Slot::default();
        let slot = published.slots.get(run_id).unwrap_or(&empty);
        let none_yet = TelemetryPlace { attempt: run.attempt, ..TelemetryPlace::default() };
        let health = self.life(run, now).map(|life| life.health);
        let v1 = snapshot_v1_of(run, slot, now);
        Some(StateSnapshot::of(run, slot, health, v1, place.unwrap_or(none_yet), &self.node))
    }

    /// Every run as its newest committed event left it.
    pub(crate) fn runs(&self) -> Vec<Arc<Run>> {
        self.lock().runs.values().cloned().collect()
    }

    /// Every run.
    pub(crate) fn run_ids(&self) -> Vec<RunId> {
        self.lock().runs.keys().cloned().collect()
    }

    /// Every run that has a worker, with its attempt.
    pub(crate) fn with_worker(&self) -> Vec<(RunId, Attempt)> {
        let published = self.lock();
        let runs = published.runs.values().filter(|run| run.worker.is_some());
        runs.map(|run| (run.id.clone(), run.attempt)).collect()
    }

    /// A run as its newest committed event left it.
    pub(crate) fn run(&self, run_id: &RunId) -> Option<Arc<Run>> {
        self.lock().runs.get(run_id).cloned()
    }

    /// Returns when an event of a run shows in its state, or the run is not there (any more).
    pub(crate) async fn has(&self, run_id: &RunId, seq: u64) {
        let mut version = self.version.subscribe();
        while self.run(run_id).is_some_and(|run| run.seq < seq) {
            version.mark_unchanged();
            if self.run(run_id).is_none_or(|run| run.seq >= seq) || version.changed().await.is_err() {
                return;
            }
        }
    }

    /// What is secret of a run; nothing of one that is not there.
    pub(crate) fn secrets(&self, run_id: &RunId) -> Secrets {
        self.run(run_id).map(|run| Secrets::of(&run.spec)).unwrap_or_default()
    }

    /// A line of a worker's event file was refused. Returns how many were.
    pub(crate) fn refused_line(&self, run_id: &RunId) -> u64 {
        let mut published = self.lock();
        let slot = published.slots.entry(run_id.clone()).or_default();
        slot.refused_lines = slot.refused_lines.saturating_add(1);
        let refused = slot.refused_lines;
        published.unsaved.insert(run_id.clone());
        refused
    }

    pub(crate) fn quarantine(&self, run_id: RunId, reason: String) {
        let mut published = self.lock();
        published.runs.remove(&run_id);
        published.removed.remove(&run_id);
        published.quarantined.insert(run_id, reason);
        drop(published);
        self.bump();
    }

    pub(crate) fn degraded(&self, reason: Option<String>) {
        self.lock().degraded = reason;
        self.bump();
    }

    pub(crate) fn is_degraded(&self) -> Option<String> {
        self.lock().degraded.clone()
    }

    pub(crate) fn actor_restarted(&self, name: &str) {
        let mut published = self.lock();
        let count = published.actor_restarts.entry(name.to_owned()).or_insert(0);
        *count = count.saturating_add(1);
    }

    pub(crate) fn actor_restarts(&self) -> BTreeMap<String, u32> {
        self.lock().actor_restarts.clone()
    }

    pub(crate) fn committed(&self, pos: u64) {
        self.ledger_pos.fetch_max(pos, Ordering::Relaxed);
    }

    pub(crate) fn ledger_pos(&self) -> u64 {
        self.ledger_pos.load(Ordering::Relaxed)
    }

    pub(crate) fn measured(&self, rss_bytes: u64) {
        self.rss_bytes.store(rss_bytes, Ordering::Relaxed);
    }

    pub(crate) fn rss_bytes(&self) -> u64 {
        self.rss_bytes.load(Ordering::Relaxed)
    }

    /// All runs, newest first.
    pub(crate) fn list(&self) -> RunList {
        let now = clock::now();
        let published = self.lock();
        let mut runs: Vec<_> = published.runs.values().collect();
        runs.sort_by_key(|run| std::cmp::Reverse((run.accepted_at.unix_ms, &run.id)));
        let empty = Slot::default();
        let view = |run: &&Arc<Run>| self.view_of(run, published.slots.get(&run.id).unwrap_or(&empty), now);
        let quarantined =
            published.quarantined.iter().map(|(id, reason)| (id.to_string(), reason.clone())).collect();
        RunList { runs: runs.iter().map(view).collect(), quarantined }
    }

    /// The run that a text names.
    pub(crate) fn find(&self, selector: &str) -> Result<Arc<Run>, SelectError> {
        let published = self.lock();
        let named: Vec<_> = published
            .runs
            .values()
            .map(|run| Named {
                id: &run.id,
                name: run.spec.name.as_str(),
                accepted_unix_ms: run.accepted_at.unix_ms,
                phase: run.phase,
            })
            .collect();
        let found = select(selector, &named, clock::now().unix_ms).map_err(|error| match error {
            SelectError::NotFound { .. } => aside(&published, selector).unwrap_or(error),
            SelectError::Ambiguous { .. }
            | SelectError::TooFew { .. }
            | SelectError::Removed { .. }
            | SelectError::Quarantined { .. } => error,
        })?;
        published.runs.get(found).cloned().ok_or_else(|| SelectError::NotFound { text: selector.to_owned() })
    }

    /// One run as shown.
    pub(crate) fn view(&self, run_id: &RunId) -> Option<RunView> {
        let now = clock::now();
        let published = self.lock();
        let run = published.runs.get(run_id)?;
        let empty = Slot::default();
        Some(self.view_of(run, published.slots.get(run_id).unwrap_or(&empty), now))
    }

    fn view_of(&self, run: &Run, slot: &Slot, now: Moment) -> RunView {
        let mut view = RunView::of(run, slot, self.node.as_str(), now);
        if let Some(life) = self.life(run, now) {
            view.health = Some(life.health);
            view.progress_age_s = life.progress_age_ms.map(|ms| ms as f64 / 1000.0);
            view.behind_bytes = life.behind;
        }
        view
    }

    /// What is known of the life of a run's worker, while it has one.
    pub(crate) fn life(&self, run: &Run, now: Moment) -> Option<Life> {
        run.worker.as_ref().and_then(|_| self.silences.life(&run.id, now.mono_ms))
    }

    /// Runs that have not ended, all runs, runs set aside.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        let published = self.lock();
        let live = published.runs.values().filter(|run| !run.phase.is_terminal()).count();
        (live, published.runs.len(), published.quarantined.len())
    }

    pub(crate) fn version(&self) -> u64 {
        *self.version.borrow()
    }

    /// Waits until the view is newer than `since`, at most `within`, and returns its version.
    pub(crate) async fn changed(&self, since: u64, within: Duration) -> u64 {
        let mut version = self.version.subscribe();
        let newer = version.wait_for(|version| *version != since);
        match tokio::time::timeout(within, newer).await {
            Ok(Ok(version)) => *version,
            Ok(Err(_)) | Err(_) => self.version(),
        }
    }
}

/// Why a run that a text names by its id is none that can be found.
fn aside(published: &Published, selector: &str) -> Option<SelectError> {
    let ids = published.removed.keys().chain(published.quarantined.keys());
    let run_id = by_id(selector, ids)?.clone();
    if let Some(tombstone) = published.removed.get(&run_id) {
        return Some(SelectError::Removed { run_id, tombstone: Box::new(tombstone.clone()) });
    }
    let reason = published.quarantined.get(&run_id)?.clone();
    Some(SelectError::Quarantined { run_id, reason })
}

fn snapshot_v1_of(run: &Run, slot: &Slot, now: Moment) -> SnapshotV1 {
    let alive_unix_s = run.ended_at.unwrap_or(now).unix_ms / 1000;
    project(&V2State::of(run, slot, alive_unix_s, now.mono_ms))
}
