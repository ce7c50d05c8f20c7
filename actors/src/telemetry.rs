//! The lane that never blocks: what workers say often and may be lost. The newest of it is kept
//! on the board, curves are kept in [`crate::curves`], and what goes out is coalesced by core.

use crate::board::Board;
use crate::clock;
use crate::curves::Curves;
use crate::newest::Newest;
use crate::slots::Slots;
use resus_bus::local::Local;
use resus_bus::subject;
use resus_bus::transport::{Message, Transport};
use resus_core::ids::{Attempt, RunId, Slug};
use resus_core::pulse::line::Telemetry as Said;
use resus_core::pulse::state::TelemetryPlace;
use resus_core::pulse::v2::{Envelope, EventType, Place, Source};
use resus_core::run::Run;
use resus_core::telemetry::beats::{Beats, LOOK_MS};
use resus_core::telemetry::budget::{Budget, INTERVAL_MS_MIN};
use resus_core::telemetry::coalescer::{Coalescer, Emission, HOLD};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::Notify;

/// One piece of telemetry and when the worker said it by its own clock (Unix ms).
pub(crate) type Heard = (Said, Option<u64>);

/// What goes out of one run.
struct Lane {
    attempt: Attempt,
    coalescer: Coalescer,
    heard_unix_ms: u64,
    /// Where the newest stands that went out.
    place: TelemetryPlace,
}

#[derive(Default)]
struct Lanes {
    lanes: BTreeMap<RunId, Lane>,
    budget: Budget,
    /// Somebody waits only because the budget was spent; who speaks now waits behind them.
    is_crowded: bool,
    /// Newest tick of any lane that has been given up: a run that is reopened goes on behind it.
    newest_tick: u64,
}

impl Lanes {
    /// How long a lane waits after its last message: for ever while the budget is spent, until
    /// [`Telemetry::speak`] gives everybody their turn.
    fn interval_ms(&mut self, now_ms: u64) -> u64 {
        if self.budget.has(now_ms) && !self.is_crowded { INTERVAL_MS_MIN } else { HOLD }
    }

    /// What is due now of everybody whose turn it is, longest due first, and when something is
    /// due next.
    fn take_due(&mut self, now_ms: u64) -> (Vec<Due>, Option<u64>) {
        let next_due = |lane: &Lane| lane.coalescer.next_due(INTERVAL_MS_MIN);
        let waiting = self.lanes.iter().filter_map(|(run_id, lane)| Some((next_due(lane)?, run_id.clone())));
        let mut waiting: Vec<_> = waiting.collect();
        waiting.sort();
        let (mut out, mut next) = (Vec::new(), None);
        self.is_crowded = false;
        for (due, run_id) in waiting {
            if due > now_ms {
                next = Some(due);
                break;
            }
            if !self.budget.has(now_ms) {
                self.is_crowded = true;
                next = Some(self.budget.next_ms(now_ms));
                break;
            }
            let Some(lane) = self.lanes.get_mut(&run_id) else { continue };
            let emissions = lane.coalescer.take_due(now_ms, INTERVAL_MS_MIN);
            self.budget.spend(emissions.len());
            let (attempt, heard_unix_ms) = (lane.attempt, lane.heard_unix_ms);
            out.extend(emissions.into_iter().map(|emission| Due {
                run_id: run_id.clone(),
                attempt,
                heard_unix_ms,
                emission,
            }));
            // What it said meanwhile has its own time.
            next = next.into_iter().chain(next_due(lane)).min();
        }
        (out, next)
    }
}

/// A message whose time has come.
struct Due {
    run_id: RunId,
    attempt: Attempt,
    heard_unix_ms: u64,
    emission: Emission,
}

/// The telemetry of all runs of this daemon.
pub(crate) struct Telemetry {
    board: Arc<Board>,
    curves: Arc<Curves>,
    newest: Arc<Newest>,
    bus: Local,
    slots: Arc<Slots>,
    node: Slug,
    namespace: Slug,
    /// Durable number of this daemon's life: what it says comes after what earlier ones said.
    generation: u32,
    lanes: Mutex<Lanes>,
    /// Something waits for its turn.
    waiting: Notify,
}

impl Telemetry {
    pub(crate) fn new(
        board: Arc<Board>,
        (curves, newest): (Arc<Curves>, Arc<Newest>),
        voices: (Local, Arc<Slots>),
        (node, namespace): (Slug, Slug),
        generation: u32,
    ) -> Arc<Self> {
        let (lanes, waiting) = (Mutex::default(), Notify::new());
        let (bus, slots) = voices;
        Arc::new(Self { board, curves, newest, bus, slots, node, namespace, generation, lanes, waiting })
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The lane of a run, begun by `attempt` if there is none.
    fn lane<'a>(
        &self,
        lanes: &'a mut Lanes,
        run_id: &RunId,
        attempt: Attempt,
        now_unix_ms: u64,
    ) -> &'a mut Lane {
        let first_tick = lanes.newest_tick.max(u64::from(self.generation) << 32);
        lanes.lanes.entry(run_id.clone()).or_insert_with(|| Lane {
            attempt,
            coalescer: Coalescer::after(first_tick),
            heard_unix_ms: now_unix_ms,
            place: TelemetryPlace { attempt, ..TelemetryPlace::default() },
        })
    }

    /// Where the newest telemetry of a run stands that went out, while it has any.
    pub(crate) fn place(&self, run_id: &RunId) -> Option<TelemetryPlace> {
        self.lock().lanes.get(run_id).map(|lane| lane.place)
    }

    /// The run is gone.
    pub(crate) fn forget(&self, run_id: &RunId) {
        self.give_up(run_id);
    }

    /// The files with the newest of each run.
    pub(crate) fn newest(&self) -> Arc<Newest> {
        Arc::clone(&self.newest)
    }

    fn give_up(&self, run_id: &RunId) {
        let mut lanes = self.lock();
        if let Some(lane) = lanes.lanes.remove(run_id) {
            lanes.newest_tick = lanes.newest_tick.max(lane.coalescer.tick());
        }
    }

    /// Takes in what an attempt said; that of an older attempt is ignored.
    pub(crate) async fn hear(&self, run_id: &RunId, attempt: Attempt, heard: Vec<Heard>) {
        if heard.is_empty() || !self.board.fold(run_id, attempt, heard.clone()) {
            return;
        }
        let now = clock::now();
        if let Some(run) = self.board.run(run_id) {
            self.curves.hear(&run, attempt, &heard, now.unix_ms).await;
        }
        let mut out = Vec::new();
        let waits = {
            let mut lanes = self.lock();
            let interval_ms = lanes.interval_ms(now.mono_ms);
            let lane = self.lane(&mut lanes, run_id, attempt, now.unix_ms);
            if lane.attempt != attempt {
                out.extend(
                    lane.coalescer.flush(now.mono_ms).into_iter().map(|emission| (lane.attempt, emission)),
                );
                lane.attempt = attempt;
            }
            lane.heard_unix_ms = now.unix_ms;
            // That it is alive is told in the beats.
            for (said, unix_ms) in heard.into_iter().filter(|(said, _)| !matches!(said, Said::Heartbeat)) {
                let due = lane.coalescer.put(said, unix_ms, now.mono_ms, interval_ms);
                out.extend(due.into_iter().map(|emission| (attempt, emission)));
            }
            let waits = lane.coalescer.next_due(INTERVAL_MS_MIN).is_some();
            lanes.budget.spend(out.len());
            waits
        };
        for (attempt, emission) in out {
            self.publish(run_id, attempt, &emission, now.unix_ms).await;
        }
        if waits {
            self.waiting.notify_one();
        }
    }

    /// Says what waits of a run, before an event of the ledger goes out: readers place telemetry
    /// by the event before it.
    pub(crate) async fn flush(&self, run_id: &RunId) {
        let now = clock::now();
        let (attempt, heard_unix_ms, emissions) = {
            let mut lanes = self.lock();
            let Some(lane) = lanes.lanes.get_mut(run_id) else { return };
            let emissions = lane.coalescer.flush(now.mono_ms);
            let (attempt, heard_unix_ms) = (lane.attempt, lane.heard_unix_ms);
            lanes.budget.spend(emissions.len());
            (attempt, heard_unix_ms, emissions)
        };
        for emission in emissions {
            self.publish(run_id, attempt, &emission, heard_unix_ms).await;
        }
        self.newest.keep(run_id).await;
        // Should a late word come after its end, it begins a lane that nobody waits for.
        if self.board.run(run_id).is_none_or(|run| run.phase.is_terminal()) {
            self.give_up(run_id);
            self.curves.settle(run_id).await;
        }
    }

    /// Tells for ever how every worker is, also one that says nothing: readers shall be able to
    /// tell a quiet run from a lost daemon.
    pub(crate) async fn beat(self: Arc<Self>) {
        let mut beats = Beats::default();
        loop {
            tokio::time::sleep(Duration::from_millis(LOOK_MS)).await;
            let now = clock::now();
            let workers: BTreeMap<_, _> = self.board.with_worker().into_iter().collect();
            let runs: Vec<_> = workers.keys().cloned().collect();
            for run_id in beats.due(&runs, now.mono_ms) {
                let Some(attempt) = workers.get(&run_id).copied() else { continue };
                let (attempt, heard_unix_ms, emissions) = {
                    let mut lanes = self.lock();
                    let lane = self.lane(&mut lanes, &run_id, attempt, now.unix_ms);
                    // Beats have a budget of their own, so they wait for nobody.
                    let due = lane.coalescer.put(Said::Heartbeat, None, now.mono_ms, 0);
                    let (attempt, heard_unix_ms) = (lane.attempt, lane.heard_unix_ms);
                    // What waited goes along, and is paid for.
                    lanes.budget.spend(due.len().saturating_sub(1));
                    (attempt, heard_unix_ms, due)
                };
                for emission in emissions {
                    self.publish(&run_id, attempt, &emission, heard_unix_ms).await;
                }
            }
        }
    }

    /// Says for ever what has waited long enough.
    pub(crate) async fn run(self: Arc<Self>) {
        loop {
            let due_ms = self.speak().await;
            match due_ms {
                None => self.waiting.notified().await,
                Some(due_ms) => {
                    let wait = due_ms.saturating_sub(clock::now().mono_ms).max(1);
                    tokio::time::sleep(Duration::from_millis(wait)).await;
                }
            }
        }
    }

    /// Says what is due now and returns when something is due next.
    async fn speak(&self) -> Option<u64> {
        let (out, next) = self.lock().take_due(clock::now().mono_ms);
        for Due { run_id, attempt, heard_unix_ms, emission } in out {
            self.publish(&run_id, attempt, &emission, heard_unix_ms).await;
        }
        next
    }

    async fn publish(&self, run_id: &RunId, attempt: Attempt, emission: &Emission, heard_unix_ms: u64) {
        let Some(run) = self.board.run(run_id) else { return };
        if let Some(lane) = self.lock().lanes.get_mut(run_id) {
            lane.place = TelemetryPlace { attempt, after_seq: run.seq, tick: emission.tick };
        }
        let envelope = self.envelope(&run, attempt, emission, heard_unix_ms);
        let subject = subject::event(&self.namespace, &run.spec.workload, run_id, envelope.event_type).into();
        match serde_json::to_string(&envelope) {
            Ok(body) => {
                let message = Message { subject, id: None, body: body.into() };
                self.slots.put(run_id, message.clone());
                // Whoever is away misses it: the next one says it anew.
                drop(self.bus.publish(&[message]).await);
            }
            Err(error) => tracing::error!(%run_id, %error, "telemetry can't be written as JSON"),
        }
    }

    fn envelope(&self, run: &Run, attempt: Attempt, emission: &Emission, heard_unix_ms: u64) -> Envelope {
        let (event_type, mut payload) = emission.payload(heard_unix_ms);
        // That a worker is well is what we say of it.
        let source = if event_type == EventType::Heartbeat { Source::Supervisor } else { Source::Worker };
        if event_type == EventType::Heartbeat
            && let Some(life) = self.board.life(run, clock::now())
        {
            payload.insert("health".to_owned(), serde_json::json!(life.health));
            if let Some(age_ms) = life.progress_age_ms {
                payload.insert("progress_age_s".to_owned(), (age_ms as f64 / 1000.0).into());
            }
        }
        Envelope {
            event_type,
            place: Place::Telemetry { after_seq: run.seq, tick: emission.tick },
            training_id: run.id.clone(),
            attempt,
            unix_ms: emission.said_unix_ms.unwrap_or(heard_unix_ms),
            workload: run.spec.workload.clone(),
            node: self.node.clone(),
            source,
            flow: run.spec.flow.clone(),
            payload: payload.into(),
        }
    }
}
