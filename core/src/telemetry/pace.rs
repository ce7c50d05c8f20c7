//! How fast an attempt is, and how long it will still take: from this attempt alone, told only
//! when there is enough to tell, and with the range in which it has moved.

/// Growths of the amount done before a rate is told.
pub const SAMPLES_MIN: u32 = 10;
/// Or this long between the first report and the newest growth, in milliseconds.
pub const MEASURED_MS_MIN: u64 = 30_000;
/// Memory of the rate that is shown, in seconds: after this long 63 % of it is new.
const SHOWN_S: f64 = 10.0;
/// Memory of the rate that the time to go is reckoned with, in seconds: it should not dance.
const STEADY_S: f64 = 60.0;
/// A rate is stale when nothing has grown for this long, in milliseconds,
const STALE_MS_MIN: u64 = 10_000;
/// and for this many usual intervals between two growths.
const STALE_INTERVALS: f64 = 5.0;

/// Seconds to go.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Eta {
    /// The best guess.
    pub eta_s: f64,
    /// If it goes on as fast as the fastest of: the last seconds, the last minute, the attempt.
    pub low_s: f64,
    /// If it goes on as slowly as the slowest of them.
    pub high_s: f64,
}

/// A moving average that weighs by time.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Average {
    memory_s: f64,
    value: f64,
}

impl Average {
    /// The value held for `seconds`.
    fn take(&mut self, value: f64, seconds: f64) {
        self.value += (value - self.value) * (1.0 - (-seconds / self.memory_s).exp());
    }
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Measured {
    shown: Average,
    steady: Average,
    interval: Average,
    growths: u32,
}

/// One piece of progress as a worker reported it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Report {
    /// The worker's own time, Unix ms: a reader that starts late reads an hour within a moment.
    pub said_unix_ms: u64,
    /// Amount done.
    pub amount: f64,
    /// Amount that was done when this attempt began, in the same unit, if the worker says it.
    pub session_start: Option<f64>,
}

/// Pace of one attempt; another attempt needs a new one.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Pace {
    session_start: Option<f64>,
    /// First and newest report that grew: the worker's time and the amount.
    first: Option<(u64, f64)>,
    newest: Option<(u64, f64)>,
    measured: Option<Measured>,
    grew_mono_ms: u64,
}

impl Pace {
    /// Takes in a report that arrived at `now_mono_ms`.
    ///
    /// What was done before this attempt is never speed: the first report is where measuring
    /// begins, and reports below the `session_start` do not count. A counter or a clock that
    /// goes back, or another `session_start`, begins a new measurement.
    pub fn report(&mut self, report: Report, now_mono_ms: u64) {
        let Report { said_unix_ms, amount, session_start } = report;
        if !amount.is_finite() || session_start.is_some_and(|start| amount < start) {
            return;
        }
        let other_start = session_start.is_some() && session_start != self.session_start;
        let (last_ms, last_amount) = match self.newest {
            Some(newest) if !other_start && said_unix_ms >= newest.0 && amount >= newest.1 => newest,
            Some(_) | None => return self.begin(report, now_mono_ms),
        };
        if said_unix_ms == last_ms || amount <= last_amount {
            return;
        }
        let seconds = (said_unix_ms - last_ms) as f64 / 1000.0;
        let rate = (amount - last_amount) / seconds;
        if !rate.is_finite() {
            return self.begin(report, now_mono_ms);
        }
        let average = |memory_s, value| Average { memory_s, value };
        let measured = self.measured.get_or_insert(Measured {
            shown: average(SHOWN_S, rate),
            steady: average(STEADY_S, rate),
            interval: average(STEADY_S, seconds),
            growths: 0,
        });
        measured.shown.take(rate, seconds);
        measured.steady.take(rate, seconds);
        measured.interval.take(seconds, seconds);
        measured.growths = measured.growths.saturating_add(1);
        self.newest = Some((said_unix_ms, amount));
        self.grew_mono_ms = now_mono_ms;
    }

    fn begin(&mut self, report: Report, now_mono_ms: u64) {
        let start = Some((report.said_unix_ms, report.amount));
        *self = Self {
            session_start: report.session_start.or(self.session_start),
            first: start,
            newest: start,
            measured: None,
            grew_mono_ms: now_mono_ms,
        };
    }

    fn trusted(&self, now_mono_ms: u64) -> Option<(Measured, f64)> {
        let (measured, first, newest) = (self.measured?, self.first?, self.newest?);
        let measured_ms = newest.0.saturating_sub(first.0);
        if measured.growths < SAMPLES_MIN && measured_ms < MEASURED_MS_MIN {
            return None;
        }
        let silent_ms = now_mono_ms.saturating_sub(self.grew_mono_ms);
        let usual_ms = measured.interval.value * 1000.0 * STALE_INTERVALS;
        if silent_ms > STALE_MS_MIN && silent_ms as f64 > usual_ms {
            return None;
        }
        let whole = (newest.1 - first.1) / (measured_ms as f64 / 1000.0);
        Some((measured, whole))
    }

    /// Units per second over the last seconds; `None` before ten growths or 30 s, and when
    /// nothing has grown for longer than usual.
    #[must_use]
    pub fn rate(&self, now_mono_ms: u64) -> Option<f64> {
        let (measured, _) = self.trusted(now_mono_ms)?;
        Some(measured.shown.value).filter(|rate| rate.is_finite() && *rate > 0.0)
    }

    /// Seconds until `total` is done; `None` when there is no rate or the total is not a number.
    #[must_use]
    pub fn eta(&self, total: f64, now_mono_ms: u64) -> Option<Eta> {
        let (measured, whole) = self.trusted(now_mono_ms)?;
        let left = (total - self.newest?.1).max(0.0);
        let rates = [measured.shown.value, measured.steady.value, whole];
        let fastest = rates.into_iter().fold(f64::MIN, f64::max);
        let slowest = rates.into_iter().fold(f64::MAX, f64::min);
        let eta = Eta { eta_s: left / measured.steady.value, low_s: left / fastest, high_s: left / slowest };
        let finite = total.is_finite() && [eta.eta_s, eta.low_s, eta.high_s].into_iter().all(f64::is_finite);
        (finite && slowest > 0.0).then_some(eta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fed(reports: impl IntoIterator<Item = (u64, f64, Option<f64>)>) -> Pace {
        let mut pace = Pace::default();
        for (at_ms, amount, session_start) in reports {
            pace.report(Report { said_unix_ms: 1_000_000 + at_ms, amount, session_start }, at_ms);
        }
        pace
    }

    #[test]
    fn a_resume_is_not_speed() {
        let resumed = |start| (0..=20_u64).map(move |n| (n * 1_000, 500.0 + n as f64, start));
        for start in [None, Some(500.0)] {
            let eta = fed(resumed(start)).eta(600.0, 20_000).unwrap();
            assert!((eta.eta_s - 80.0).abs() < 1e-6, "{eta:?}");
        }
        // A worker that counts from 0 until it has loaded its checkpoint.
        let late =
            [(0, 0.0, Some(500.0))].into_iter().chain(resumed(Some(500.0)).map(|(t, a, s)| (t + 900, a, s)));
        let rate = fed(late).rate(20_900).unwrap();
        assert!((rate - 1.0).abs() < 1e-6, "{rate}");
        // It tells only afterwards where it began.
        let told = [(0, 0.0, None)].into_iter().chain(resumed(Some(500.0)).map(|(t, a, s)| (t + 900, a, s)));
        let rate = fed(told).rate(20_900).unwrap();
        assert!((rate - 1.0).abs() < 1e-6, "{rate}");
    }

    #[test]
    fn nothing_is_told_before_ten_growths_or_thirty_seconds() {
        let steps = |n: u64, every_ms: u64| fed((0..=n).map(|n| (n * every_ms, n as f64, None)));
        assert_eq!(steps(9, 1_000).rate(9_000), None);
        assert!(steps(10, 1_000).rate(10_000).is_some());
        assert_eq!(steps(1, 29_999).rate(29_999), None);
        assert!(steps(1, 30_000).rate(30_000).is_some());
        let stuck = fed((0..=40).map(|n| (n * 500, 7.0, None)));
        assert_eq!(stuck.rate(20_000), None, "reports without growth tell nothing");
    }

    #[test]
    fn a_stale_rate_is_not_told_but_a_slow_reporter_is_not_stale() {
        let quick = fed((0..=20).map(|n| (n * 1_000, n as f64, None)));
        assert!(quick.rate(30_000).is_some());
        assert_eq!(quick.rate(30_001), None);
        let slow = fed((0..=5).map(|n| (n * 60_000, 1_000.0 * n as f64, None)));
        let told = |after_ms: u64| slow.rate(300_000 + after_ms).is_some();
        assert!(told(59_000) && told(240_000) && !told(301_000));
    }

    #[test]
    fn the_range_spans_what_the_pace_has_been() {
        let steady = fed((0..=60).map(|n| (n * 1_000, 2.0 * n as f64, None))).eta(320.0, 60_000).unwrap();
        assert!([steady.low_s, steady.eta_s, steady.high_s].into_iter().all(|s| (s - 100.0).abs() < 1e-6));
        // Ten minutes at 2/s, then half a minute at 1/s.
        let slowed =
            (0..=630).map(|n: u64| (n * 1_000, (2 * n.min(600) + n.saturating_sub(600)) as f64, None));
        let eta = fed(slowed).eta(2_230.0, 630_000).unwrap();
        assert!(eta.low_s < 550.0 && eta.high_s > 900.0, "{eta:?}");
        assert!(eta.low_s < eta.eta_s && eta.eta_s < eta.high_s, "{eta:?}");
    }

    #[test]
    fn a_counter_or_a_clock_that_goes_back_begins_anew() {
        let ten = (0..=10).map(|n: u64| (n * 1_000, 100.0 * n as f64, None));
        assert_eq!(fed(ten.clone().chain([(11_000, 3.0, None)])).rate(11_000), None);
        assert_eq!(fed(ten.clone().chain([(9_000, 1_100.0, None)])).rate(11_000), None);
        let odd = fed(ten.chain([(11_000, f64::NAN, None), (11_000, f64::INFINITY, None)]));
        assert!(odd.rate(11_000).is_some(), "numbers that are not finite are not heard");
    }

    #[test]
    fn what_is_done_takes_no_time_and_nonsense_gives_nothing() {
        let pace = fed((0..=20).map(|n| (n * 1_000, n as f64, None)));
        assert_eq!(pace.eta(5.0, 20_000).map(|eta| eta.eta_s), Some(0.0));
        assert_eq!(pace.eta(f64::NAN, 20_000), None);
        assert_eq!(pace.eta(f64::INFINITY, 20_000), None);
        assert_eq!(Pace::default().eta(1.0, 0), None);
    }
}
