//! What of a run's telemetry is emitted, and when: the first at once, then the newest every
//! interval, and always the last.

use crate::moment::rfc3339;
use crate::pulse::line::{Progress, Telemetry};
use crate::pulse::v2::EventType;
use crate::pulse::word::Numbers;
use serde_json::{Map, Value};

/// Most metrics in one message.
pub const METRICS_MAX: usize = 64;
/// Longest name of a metric, in bytes.
pub const METRIC_NAME_BYTES_MAX: usize = 64;

/// The interval of who is to wait until their turn comes, the first word too.
pub const HOLD: u64 = u64::MAX;

/// One telemetry message to publish.
#[derive(Debug, Clone, PartialEq)]
pub struct Emission {
    /// Order among the telemetry of a run: the daemon's generation above, a counter below, so
    /// that it grows across a crash of the daemon too.
    pub tick: u64,
    /// When the worker said the newest of it by its own clock, Unix ms, if it told.
    pub said_unix_ms: Option<u64>,
    /// The content.
    pub telemetry: Telemetry,
}

impl Emission {
    /// Kind and payload of the PULSE event. `alive_unix_ms` is when the worker was last heard:
    /// the `alive_at` of a heartbeat, to which the daemon adds what it knows of its health.
    #[must_use]
    pub fn payload(&self, alive_unix_ms: u64) -> (EventType, Map<String, Value>) {
        match &self.telemetry {
            Telemetry::Progress(progress) => (EventType::Progress, progress_payload(progress)),
            Telemetry::Metric { step, metrics } => {
                let mut payload = Map::new();
                insert(&mut payload, "step", *step);
                let numbers = metrics.iter().map(|(name, n)| (name.clone(), Value::from(*n))).collect();
                payload.insert("metrics".to_owned(), Value::Object(numbers));
                (EventType::Metric, payload)
            }
            Telemetry::Heartbeat => {
                let alive_at = ("alive_at".to_owned(), Value::from(rfc3339(alive_unix_ms)));
                (EventType::Heartbeat, Map::from_iter([alive_at]))
            }
        }
    }
}

fn insert(payload: &mut Map<String, Value>, field: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        payload.insert(field.to_owned(), value.into());
    }
}

fn progress_payload(progress: &Progress) -> Map<String, Value> {
    let mut payload = Map::new();
    payload.insert("unit".to_owned(), progress.unit.as_str().into());
    let numbers = [
        ("epoch", progress.epoch),
        ("total_epochs", progress.total_epochs),
        ("step", progress.step),
        ("total_steps", progress.total_steps),
        ("done", progress.done),
        ("total", progress.total),
        ("session_start", progress.session_start),
        ("loss", progress.loss),
    ];
    for (field, number) in numbers {
        insert(&mut payload, field, number);
    }
    insert(&mut payload, "stage", progress.stage.as_deref());
    insert(&mut payload, "current_target", progress.current_target.as_deref());
    insert(&mut payload, "message", progress.message.as_deref());
    payload
}

/// One kind of telemetry of a run.
#[derive(Debug, Clone, Default)]
struct Lane {
    /// The newest that has not been emitted, and when the worker said it.
    pending: Option<(Telemetry, Option<u64>)>,
    emitted_mono_ms: Option<u64>,
}

impl Lane {
    fn due(&self, interval_ms: u64) -> Option<u64> {
        self.pending.as_ref()?;
        if interval_ms == HOLD {
            return None;
        }
        Some(self.emitted_mono_ms.map_or(0, |at| at.saturating_add(interval_ms)))
    }

    fn take(&mut self, now_ms: u64) -> Option<(Telemetry, Option<u64>)> {
        let taken = self.pending.take()?;
        self.emitted_mono_ms = Some(now_ms);
        Some(taken)
    }
}

/// Thins out the telemetry of one run. Its memory is bounded by one message of each kind.
///
/// Times are milliseconds of the monotonic clock; the interval is an argument because what is said
/// while the node's [`super::budget::Budget`] is spent has to wait. The three kinds do not wait for
/// each other.
#[derive(Debug, Clone)]
pub struct Coalescer {
    tick: u64,
    progress: Lane,
    metric: Lane,
    heartbeat: Lane,
    left_out: u64,
}

impl Coalescer {
    /// For a run seen by the daemon's `generation`, a number that is durable and grows with
    /// every start of the daemon.
    #[must_use]
    pub fn new(generation: u32) -> Self {
        Self {
            tick: u64::from(generation) << 32,
            progress: Lane::default(),
            metric: Lane::default(),
            heartbeat: Lane::default(),
            left_out: 0,
        }
    }

    /// For a run whose telemetry went out before, up to `tick`.
    #[must_use]
    pub fn after(tick: u64) -> Self {
        Self { tick, ..Self::new(0) }
    }

    /// The newest tick that went out, or that of the beginning.
    #[must_use]
    pub fn tick(&self) -> u64 {
        self.tick
    }

    /// Takes in telemetry and returns what is to be emitted now: this, if its kind has been
    /// silent for `interval_ms`, and whatever else has come due.
    pub fn put(
        &mut self,
        telemetry: Telemetry,
        said_unix_ms: Option<u64>,
        now_ms: u64,
        interval_ms: u64,
    ) -> Vec<Emission> {
        let lane = match &telemetry {
            Telemetry::Progress(_) => &mut self.progress,
            Telemetry::Metric { .. } => &mut self.metric,
            Telemetry::Heartbeat => &mut self.heartbeat,
        };
        let older = lane.pending.take().map(|(older, _)| older);
        lane.pending = Some((merged(older, telemetry, &mut self.left_out), said_unix_ms));
        self.take_due(now_ms, interval_ms)
    }

    /// What has come due by `now_ms`.
    pub fn take_due(&mut self, now_ms: u64, interval_ms: u64) -> Vec<Emission> {
        self.emit(now_ms, |lane| lane.due(interval_ms).is_some_and(|due| due <= now_ms))
    }

    /// Everything that waits, due or not. To be emitted before any class A event of the run,
    /// and before another attempt begins, with the attempt and `after_seq` of the time before.
    pub fn flush(&mut self, now_ms: u64) -> Vec<Emission> {
        self.emit(now_ms, |_| true)
    }

    fn emit(&mut self, now_ms: u64, wanted: impl Fn(&Lane) -> bool) -> Vec<Emission> {
        let lanes = [&mut self.progress, &mut self.metric, &mut self.heartbeat];
        let taken = lanes.into_iter().filter(|lane| wanted(lane)).filter_map(|lane| lane.take(now_ms));
        let mut emissions = Vec::new();
        for (telemetry, said_unix_ms) in taken {
            // 2^32 messages at 12 per second are eleven years of one daemon's life.
            self.tick = self.tick.saturating_add(1);
            emissions.push(Emission { tick: self.tick, said_unix_ms, telemetry });
        }
        emissions
    }

    /// When [`Coalescer::take_due`] has something to say next, or `None` if nothing waits.
    #[must_use]
    pub fn next_due(&self, interval_ms: u64) -> Option<u64> {
        let lanes = [&self.progress, &self.metric, &self.heartbeat];
        lanes.into_iter().filter_map(|lane| lane.due(interval_ms)).min()
    }

    /// Metrics left out because a message was full or their name too long.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }
}

/// The newer piece of a kind, with what it does not supersede of the older one.
fn merged(older: Option<Telemetry>, newer: Telemetry, left_out: &mut u64) -> Telemetry {
    match newer {
        Telemetry::Progress(newer) => Telemetry::Progress(match older {
            Some(Telemetry::Progress(older)) => superseded(older, newer),
            Some(Telemetry::Metric { .. } | Telemetry::Heartbeat) | None => newer,
        }),
        Telemetry::Metric { step, metrics } => {
            let (older_step, mut kept) = match older {
                Some(Telemetry::Metric { step, metrics }) => (step, metrics),
                Some(Telemetry::Progress(_) | Telemetry::Heartbeat) | None => (None, Numbers::new()),
            };
            for (name, value) in metrics {
                let room = kept.len() < METRICS_MAX || kept.contains_key(&name);
                if room && name.len() <= METRIC_NAME_BYTES_MAX {
                    kept.insert(name, value);
                } else {
                    *left_out = left_out.saturating_add(1);
                }
            }
            Telemetry::Metric { step: step.or(older_step), metrics: kept }
        }
        Telemetry::Heartbeat => Telemetry::Heartbeat,
    }
}

/// The newer progress; what it leaves out of loss, stage and message is not yet superseded.
/// Amounts are never mixed: the two may count different things.
pub(crate) fn superseded(older: Progress, newer: Progress) -> Progress {
    let (loss, stage) = (newer.loss.or(older.loss), newer.stage.clone().or(older.stage.clone()));
    let message = newer.message.clone().or(older.message.clone());
    let current_target = newer.current_target.clone().or(older.current_target.clone());
    // A message alone does not take back how far the work had come.
    let amounts = if newer.amount().is_none() { older } else { newer };
    Progress { loss, stage, message, current_target, ..amounts }
}
