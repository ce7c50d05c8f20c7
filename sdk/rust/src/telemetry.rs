//! What is waiting to be said of the latest-wins kind: the newest progress, metrics and heartbeat, and
//! when they may be said. Pure: the caller brings the time.

use std::collections::BTreeMap;
use std::time::{Duration, Instant, SystemTime};

use crate::event::Progress;
use crate::payload::{self, Fields, METRICS_MAX, Payload};

/// At most ten lines of a kind per second: more than anyone is shown (the daemon publishes four), and
/// little enough that a loop of microseconds leaves no mark on the disk.
const INTERVAL: Duration = Duration::from_millis(100);
/// Names that may wait for one interval; a worker that invents names without end must not fill memory.
const PENDING_METRICS_MAX: usize = 4 * METRICS_MAX;

/// One event ready to be written.
#[derive(Debug, PartialEq)]
pub(crate) struct Line {
    pub(crate) event_type: &'static str,
    pub(crate) payload: Fields,
    pub(crate) at: SystemTime,
}

/// The newest unsaid telemetry.
#[derive(Debug, Default)]
pub(crate) struct Telemetry {
    progress: Option<(Progress, SystemTime)>,
    metrics: Option<Metrics>,
    heartbeat: Option<SystemTime>,
    taken_last: Option<Instant>,
}

#[derive(Debug)]
struct Metrics {
    step: Option<u64>,
    values: BTreeMap<String, f64>,
    at: SystemTime,
}

impl Telemetry {
    /// Remembers `progress` in place of an older one. A loss that is not finite moves to the metrics.
    /// Returns how many metric values found no room.
    pub(crate) fn progress(&mut self, mut progress: Progress, at: SystemTime) -> u64 {
        let broken = progress.loss.take_if(|loss| !loss.is_finite());
        let step = progress.step;
        self.progress = Some((progress, at));
        broken.map_or(0, |loss| self.metrics(step, &[("loss", loss)], at))
    }

    /// Remembers each value in place of an older one of its name. Returns how many found no room.
    ///
    /// A value that is not finite stays until it has been said: it may decide the fate of the run.
    pub(crate) fn metrics(&mut self, step: Option<u64>, metrics: &[(&str, f64)], at: SystemTime) -> u64 {
        let pending = self.metrics.get_or_insert_with(|| Metrics { step: None, values: BTreeMap::new(), at });
        pending.step = step.or(pending.step);
        pending.at = at;
        let mut without_room = 0;
        for (name, value) in metrics {
            let name = payload::metric_name(name);
            let room = pending.values.len() < PENDING_METRICS_MAX;
            match pending.values.get_mut(&name) {
                Some(older) if older.is_finite() || !value.is_finite() => *older = *value,
                Some(_) => {}
                None if room => {
                    pending.values.insert(name, *value);
                }
                None => without_room += 1,
            }
        }
        without_room
    }

    /// Remembers that the worker was alive `at` this time.
    pub(crate) fn heartbeat(&mut self, at: SystemTime) {
        self.heartbeat = Some(at);
    }

    /// Whether nothing is waiting.
    pub(crate) fn is_empty(&self) -> bool {
        self.progress.is_none() && self.metrics.is_none() && self.heartbeat.is_none()
    }

    /// When what is waiting may be said; `None` if nothing is waiting. The first thing after a quiet
    /// interval may be said at once.
    pub(crate) fn due(&self, now: Instant) -> Option<Instant> {
        (!self.is_empty()).then(|| self.taken_last.map_or(now, |last| last + INTERVAL))
    }

    /// Takes everything that is waiting, if it is due.
    pub(crate) fn take_due(&mut self, now: Instant) -> Vec<Line> {
        if self.due(now).is_some_and(|due| due <= now) { self.take(now) } else { Vec::new() }
    }

    /// Takes everything that is waiting, whether due or not.
    pub(crate) fn take(&mut self, now: Instant) -> Vec<Line> {
        let mut lines = Vec::new();
        if let Some((progress, at)) = self.progress.take() {
            lines.push(Line { event_type: "progress", payload: payload::progress(&progress).build(), at });
        }
        if let Some(metrics) = self.metrics.take() {
            lines.extend(metrics.lines());
        }
        if let Some(at) = self.heartbeat.take() {
            let payload = Payload::default().name("alive_at", &crate::timestamp::rfc3339(at)).build();
            lines.push(Line { event_type: "heartbeat", payload, at });
        }
        if !lines.is_empty() {
            self.taken_last = Some(now);
        }
        lines
    }
}

impl Metrics {
    /// As many events as the limit of names per event asks for.
    fn lines(&self) -> Vec<Line> {
        let values: Vec<(&str, f64)> =
            self.values.iter().map(|(name, value)| (name.as_str(), *value)).collect();
        values.chunks(METRICS_MAX).map(|chunk| self.line(chunk)).collect()
    }

    fn line(&self, values: &[(&str, f64)]) -> Line {
        let payload = Payload::default().whole("step", self.step).metrics(values).build();
        Line { event_type: "metric", payload, at: self.at }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Unit;
    use serde_json::{Value, json};
    use std::time::UNIX_EPOCH;

    const AT: SystemTime = UNIX_EPOCH;

    fn step(step: u64) -> Progress {
        Progress { step: Some(step), ..Progress::of(Unit::Step) }
    }

    fn said(telemetry: &mut Telemetry, now: Instant) -> Vec<(&'static str, Value)> {
        telemetry.take(now).into_iter().map(|line| (line.event_type, line.payload.into())).collect()
    }

    #[test]
    fn the_first_word_is_due_at_once_and_the_next_after_the_interval() {
        let (mut telemetry, now) = (Telemetry::default(), Instant::now());
        assert_eq!(telemetry.due(now), None);
        telemetry.progress(step(1), AT);
        assert_eq!(telemetry.due(now), Some(now));
        assert_eq!(telemetry.take(now).len(), 1);
        telemetry.progress(step(2), AT);
        assert_eq!(telemetry.due(now), Some(now + INTERVAL));
    }

    #[test]
    fn only_the_newest_progress_is_kept() {
        let (mut telemetry, now) = (Telemetry::default(), Instant::now());
        let without_room: u64 = (1..=9).map(|n| telemetry.progress(step(n), AT)).sum();
        assert_eq!(without_room, 0);
        assert_eq!(said(&mut telemetry, now), [("progress", json!({"unit": "step", "step": 9}))]);
        assert_eq!(said(&mut telemetry, now), []);
    }

    #[test]
    fn metrics_of_different_names_are_merged() {
        let (mut telemetry, now) = (Telemetry::default(), Instant::now());
        telemetry.metrics(Some(1), &[("a", 1.0), ("b", 1.0)], AT);
        telemetry.metrics(Some(2), &[("b", 2.0)], AT);
        let expected = json!({"step": 2, "metrics": {"a": 1.0, "b": 2.0}});
        assert_eq!(said(&mut telemetry, now), [("metric", expected)]);
    }

    #[test]
    fn a_loss_that_is_not_finite_is_said_as_a_metric_and_not_overwritten_unsaid() {
        let (mut telemetry, now) = (Telemetry::default(), Instant::now());
        telemetry.progress(Progress { loss: Some(f64::NAN), ..step(4) }, AT);
        telemetry.metrics(Some(5), &[("loss", 0.5)], AT);
        let metric = json!({"step": 5, "metrics": {"loss": null}, "nonfinite": {"loss": "nan"}});
        let progress = json!({"unit": "step", "step": 4});
        assert_eq!(said(&mut telemetry, now), [("progress", progress), ("metric", metric)]);
    }

    #[test]
    fn many_names_become_several_events_and_endless_names_are_counted() {
        let (mut telemetry, now) = (Telemetry::default(), Instant::now());
        let names: Vec<String> = (0..PENDING_METRICS_MAX + 5).map(|n| format!("m{n:04}")).collect();
        let metrics: Vec<(&str, f64)> = names.iter().map(|name| (name.as_str(), 1.0)).collect();
        assert_eq!(telemetry.metrics(None, &metrics, AT), 5);
        assert_eq!(telemetry.take(now).len(), PENDING_METRICS_MAX / METRICS_MAX);
    }
}
