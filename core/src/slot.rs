//! The telemetry slot of a run: the newest of each kind, never a queue.

use crate::ids::Attempt;
use crate::moment::Moment;
use crate::pulse::line::{Progress, Telemetry};
use crate::pulse::word::Numbers;
use crate::telemetry::coalescer::superseded;
use crate::telemetry::pace::{Eta, Pace, Report};
use serde::{Deserialize, Serialize};

/// Most metrics kept per run.
pub(crate) const METRICS_MAX: usize = 64;

/// Newest telemetry of a run. Belongs to one attempt; another attempt starts it afresh, but
/// keeps what was last known of loss and progress for people to see meanwhile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slot {
    /// The attempt that it is from.
    pub attempt: Attempt,
    /// Newest progress.
    pub progress: Option<Progress>,
    /// The same of this attempt only, as a reader of the wire adds it up: what a report leaves
    /// out of loss, stage, target and message stays as it was said before.
    pub said: Option<Progress>,
    /// Newest metrics, merged by name.
    pub metrics: Numbers,
    /// Last finite loss.
    pub loss: Option<f64>,
    /// Lines of the worker's event file that were refused.
    pub refused_lines: u64,
    /// When the worker was last heard.
    pub heard_at: Option<Moment>,
    /// How fast this attempt is.
    pace: Pace,
}

/// What is kept of a slot when nobody is there to hold it: results, and nothing that is measured
/// against a clock. Fields are only ever added.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Kept {
    /// [`Slot::attempt`].
    pub attempt: Attempt,
    /// [`Slot::progress`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub progress: Option<Progress>,
    /// [`Slot::said`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub said: Option<Progress>,
    /// [`Slot::metrics`].
    pub metrics: Numbers,
    /// [`Slot::loss`].
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loss: Option<f64>,
    /// [`Slot::refused_lines`].
    pub refused_lines: u64,
}

impl From<&Slot> for Kept {
    fn from(slot: &Slot) -> Self {
        Self {
            attempt: slot.attempt,
            progress: slot.progress.clone(),
            said: slot.said.clone(),
            metrics: slot.metrics.clone(),
            loss: slot.loss,
            refused_lines: slot.refused_lines,
        }
    }
}

impl From<Kept> for Slot {
    fn from(kept: Kept) -> Self {
        let Kept { attempt, progress, said, mut metrics, loss, refused_lines } = kept;
        while metrics.len() > METRICS_MAX {
            metrics.pop_last();
        }
        Self { attempt, progress, said, metrics, loss, refused_lines, ..Self::default() }
    }
}

impl Slot {
    /// A new attempt has begun: rates start afresh, so that an estimate never mixes two lives. One
    /// that is over begins nothing.
    pub fn begin_attempt(&mut self, attempt: Attempt) {
        if attempt > self.attempt {
            let (progress, loss) = (self.progress.take(), self.loss);
            *self = Self { attempt, progress, loss, ..Self::default() };
        }
    }

    /// Takes in one piece of telemetry, said at `said_unix_ms` by the worker's clock if it told.
    pub fn fold(&mut self, telemetry: Telemetry, said_unix_ms: Option<u64>, now: Moment) {
        self.heard_at = Some(now);
        match telemetry {
            Telemetry::Progress(progress) => {
                if let Some(loss) = progress.loss {
                    self.loss = Some(loss);
                }
                if let Some(amount) = progress.amount() {
                    let said_unix_ms = said_unix_ms.unwrap_or(now.unix_ms);
                    let session_start = progress.session_start;
                    self.pace.report(Report { said_unix_ms, amount, session_start }, now.mono_ms);
                }
                self.said = Some(match self.said.take() {
                    Some(older) => superseded(older, progress.clone()),
                    None => progress.clone(),
                });
                self.progress = Some(merged(self.progress.take(), progress));
            }
            Telemetry::Metric { metrics, .. } => {
                if let Some(Some(loss)) = metrics.get("loss") {
                    self.loss = Some(*loss);
                }
                for (name, value) in metrics {
                    if self.metrics.len() < METRICS_MAX || self.metrics.contains_key(&name) {
                        self.metrics.insert(name, value);
                    }
                }
            }
            Telemetry::Heartbeat => {}
        }
    }

    /// Units per second of this attempt, once there is enough to tell, and as long as the
    /// amount done still grows.
    #[must_use]
    pub fn rate(&self, now: Moment) -> Option<f64> {
        self.pace.rate(now.mono_ms)
    }

    /// When the work will be done at the present pace.
    #[must_use]
    pub fn eta(&self, now: Moment) -> Option<Eta> {
        self.pace.eta(self.progress.as_ref()?.amount_total()?, now.mono_ms)
    }
}

/// A report without amounts (a message, a stage) leaves the amounts as they were.
fn merged(older: Option<Progress>, newer: Progress) -> Progress {
    match older {
        Some(older) if newer.amount().is_none() => Progress {
            loss: newer.loss.or(older.loss),
            stage: newer.stage.or(older.stage),
            message: newer.message.or(older.message),
            current_target: newer.current_target.or(older.current_target),
            ..older
        },
        Some(_) | None => newer,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(mono_ms: u64) -> Moment {
        Moment { unix_ms: 1_000_000 + mono_ms, mono_ms }
    }

    fn progress(done: f64, session_start: f64) -> Telemetry {
        Telemetry::Progress(Progress {
            unit: "game".into(),
            done: Some(done),
            total: Some(1_000.0),
            session_start: Some(session_start),
            ..Progress::default()
        })
    }

    #[test]
    fn the_estimate_after_a_resume_is_from_this_attempt_only() {
        let mut slot = Slot::default();
        slot.begin_attempt(Attempt(2));
        for n in 0..=20_u64 {
            slot.fold(progress(900.0 + n as f64, 900.0), None, at(1_000 * n));
        }
        let eta = slot.eta(at(20_000)).unwrap();
        assert!((eta.eta_s - 80.0).abs() < 1e-6, "{eta:?}");
    }

    #[test]
    fn a_reader_that_starts_late_sees_the_workers_own_pace() {
        let mut slot = Slot::default();
        let arrival = at(90_000);
        for n in 0..=20_u64 {
            slot.fold(progress(n as f64 * 10.0, 0.0), Some(1_000_000 + 1_000 * n), arrival);
        }
        let rate = slot.rate(arrival).unwrap();
        assert!((rate - 10.0).abs() < 1e-6, "{rate}");
    }

    #[test]
    fn too_little_or_too_old_gives_no_estimate() {
        let mut slot = Slot::default();
        slot.fold(progress(1.0, 0.0), None, at(0));
        slot.fold(progress(2.0, 0.0), None, at(1_000));
        assert_eq!(slot.eta(at(1_000)), None);
        for n in 2..=20_u64 {
            slot.fold(progress(n as f64, 0.0), None, at(1_000 * n));
        }
        assert!(slot.eta(at(21_000)).is_some());
        assert_eq!(slot.eta(at(60_000)), None);
    }

    #[test]
    fn a_message_alone_leaves_the_amounts() {
        let mut slot = Slot::default();
        slot.fold(progress(5.0, 0.0), None, at(0));
        let message = Progress { unit: "step".into(), message: Some("saving".into()), ..Progress::default() };
        slot.fold(Telemetry::Progress(message), None, at(1));
        let newest = slot.progress.unwrap();
        assert_eq!(
            (newest.done, newest.unit.as_str(), newest.message.as_deref()),
            (Some(5.0), "game", Some("saving"))
        );
    }

    #[test]
    fn results_outlast_the_memory_they_are_in() {
        let mut slot = Slot::default();
        slot.begin_attempt(Attempt(2));
        slot.fold(progress(44.0, 0.0), None, at(0));
        let metrics = Numbers::from([("loss".into(), Some(0.25)), ("auc".into(), None)]);
        slot.fold(Telemetry::Metric { step: None, metrics }, None, at(1));
        let text = serde_json::to_string(&Kept::from(&slot)).unwrap();
        let back = Slot::from(serde_json::from_str::<Kept>(&text).unwrap());
        assert_eq!(Kept::from(&back), Kept::from(&slot));
        assert_eq!((back.loss, back.progress.unwrap().unit.as_str()), (Some(0.25), "game"));
        assert!(back.heard_at.is_none() && slot.heard_at.is_some());
    }

    #[test]
    fn the_latest_wins_and_a_loss_that_is_not_finite_does_not() {
        let mut slot = Slot::default();
        let metric = |loss| Telemetry::Metric { step: None, metrics: Numbers::from([("loss".into(), loss)]) };
        slot.fold(metric(Some(0.5)), None, at(0));
        slot.fold(metric(None), None, at(1));
        assert_eq!((slot.loss, slot.metrics.get("loss")), (Some(0.5), Some(&None)));
    }

    #[test]
    fn memory_is_bounded_whatever_the_names() {
        let mut slot = Slot::default();
        for n in 0..1_000 {
            let metrics = Numbers::from([(format!("m{n}"), Some(1.0))]);
            slot.fold(Telemetry::Metric { step: None, metrics }, None, at(n));
        }
        assert_eq!(slot.metrics.len(), METRICS_MAX);
    }
}
