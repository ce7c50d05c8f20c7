//! The telemetry slot of a run: the newest of each kind, never a queue.

use crate::ids::Attempt;
use crate::moment::Moment;
use crate::pulse::line::{Progress, Telemetry};
use crate::pulse::word::Numbers;

/// Samples before a rate is believed.
const SAMPLES_MIN: u32 = 10;
/// Or this long since the first sample, in milliseconds.
const SAMPLE_MS_MIN: u64 = 30_000;
/// Weight of the newest interval in the moving average, per second of its length: an
/// interval of ten seconds replaces about 63 % of what was known before.
const DECAY_PER_S: f64 = 0.1;
/// Most metrics kept per run.
const METRICS_MAX: usize = 64;

/// Newest telemetry of a run. Belongs to one attempt; another attempt starts it afresh, but
/// keeps what was last known of loss and progress for people to see meanwhile.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Slot {
    /// The attempt that it is from.
    pub attempt: Attempt,
    /// Newest progress.
    pub progress: Option<Progress>,
    /// Newest metrics, merged by name.
    pub metrics: Numbers,
    /// Last finite loss.
    pub loss: Option<f64>,
    /// Lines of the worker's event file that were refused.
    pub refused_lines: u64,
    /// When the worker was last heard.
    pub heard_at: Option<Moment>,
    /// When the amount done last grew, as it was heard.
    grew_at: Option<Moment>,
    samples: u32,
    /// First and newest sample: the worker's own time (Unix ms) and the amount done. Its own
    /// time, because a reader that starts late reads an hour's progress within a millisecond.
    first_unix_ms: Option<u64>,
    last: Option<(u64, f64)>,
    rate: Option<f64>,
}

impl Slot {
    /// A new attempt has begun: rates start afresh, so that an estimate never mixes two lives.
    pub fn begin_attempt(&mut self, attempt: Attempt) {
        if attempt != self.attempt {
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
                    if self.last.is_none_or(|(_, before)| amount > before) {
                        self.grew_at = Some(now);
                    }
                    self.sample(said_unix_ms.unwrap_or(now.unix_ms), amount);
                }
                self.progress = Some(progress);
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

    fn sample(&mut self, unix_ms: u64, amount: f64) {
        // A counter or a clock that goes back starts a new measurement.
        let back = |(last_ms, before): (u64, f64)| amount < before || unix_ms < last_ms;
        if self.last.is_none_or(back) {
            self.samples = 0;
            self.rate = None;
            self.first_unix_ms = Some(unix_ms);
            self.last = Some((unix_ms, amount));
        }
        let Some((last_ms, last_amount)) = self.last else { return };
        self.samples = self.samples.saturating_add(1);
        if unix_ms > last_ms && amount > last_amount {
            let seconds = (unix_ms - last_ms) as f64 / 1000.0;
            let newest = (amount - last_amount) / seconds;
            let weight = 1.0 - (-DECAY_PER_S * seconds).exp();
            self.rate = Some(match self.rate {
                None => newest,
                Some(rate) => rate + (newest - rate) * weight,
            });
            self.last = Some((unix_ms, amount));
        }
    }

    /// Units per second of this attempt, once there is enough to tell, and as long as the
    /// amount done still grows.
    #[must_use]
    pub fn rate(&self, now: Moment) -> Option<f64> {
        let (last_ms, _) = self.last?;
        let measured_ms = last_ms.saturating_sub(self.first_unix_ms?);
        let enough = self.samples >= SAMPLES_MIN || measured_ms >= SAMPLE_MS_MIN;
        let rate = self.rate.filter(|rate| enough && rate.is_finite() && *rate > 0.0)?;
        let silent_s = now.ms_since(self.grew_at?) as f64 / 1000.0;
        if silent_s > 10.0_f64.max(10.0 / rate) { None } else { Some(rate) }
    }

    /// Seconds to go at the present rate.
    #[must_use]
    pub fn eta_s(&self, now: Moment) -> Option<f64> {
        let progress = self.progress.as_ref()?;
        let (done, total) = (progress.amount()?, progress.amount_total()?);
        let rate = self.rate(now)?;
        let eta = ((total - done) / rate).max(0.0);
        eta.is_finite().then_some(eta)
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
        let eta = slot.eta_s(at(20_000)).unwrap();
        assert!((eta - 80.0).abs() < 1e-6, "{eta}");
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
        assert_eq!(slot.eta_s(at(1_000)), None);
        for n in 2..=20_u64 {
            slot.fold(progress(n as f64, 0.0), None, at(1_000 * n));
        }
        assert!(slot.eta_s(at(21_000)).is_some());
        assert_eq!(slot.eta_s(at(60_000)), None);
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
