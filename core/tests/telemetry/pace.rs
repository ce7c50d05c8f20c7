//! The pace of an attempt on random reports.

use proptest::prelude::*;
use resus_core::telemetry::pace::{Eta, Pace, Report};

fn fed(reports: &[(u64, f64)], offset: f64, session_start: Option<f64>) -> (Pace, u64) {
    let (mut pace, mut now) = (Pace::default(), 0);
    let mut amount = offset;
    for (wait_ms, more) in reports {
        now += wait_ms;
        amount += more;
        pace.report(Report { said_unix_ms: now, amount, session_start }, now);
    }
    (pace, now)
}

fn near(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-6 * (1.0 + a.abs())
}

proptest! {
    #[test]
    fn the_guess_lies_in_its_range(
        reports in prop::collection::vec((0..20_000_u64, 0..100_u8), 0..60), total in 0.0..1e6_f64, later in 0..60_000_u64,
    ) {
        let reports: Vec<_> = reports.into_iter().map(|(wait, more)| (wait, f64::from(more))).collect();
        let (pace, now) = fed(&reports, 0.0, None);
        prop_assert!(pace.rate(now + later).is_none_or(|rate| rate.is_finite() && rate > 0.0));
        if let Some(Eta { eta_s, low_s, high_s }) = pace.eta(total, now + later) {
            prop_assert!(0.0 <= low_s && low_s <= eta_s && eta_s <= high_s && high_s.is_finite());
        }
    }

    #[test]
    fn where_the_attempt_began_makes_no_difference(
        reports in prop::collection::vec((1..5_000_u64, 1..100_u8), 12..60), start in 0..1_000_000_u32,
    ) {
        let reports: Vec<_> = reports.into_iter().map(|(wait, more)| (wait, f64::from(more))).collect();
        let start = f64::from(start);
        let (fresh, now) = fed(&reports, 0.0, None);
        let fresh = fresh.eta(1e5, now);
        prop_assert!(fresh.is_some());
        for session_start in [None, Some(start)] {
            let resumed = fed(&reports, start, session_start).0.eta(1e5 + start, now);
            let pairs = fresh.zip(resumed).map(|(a, b)| [(a.eta_s, b.eta_s), (a.low_s, b.low_s), (a.high_s, b.high_s)]);
            prop_assert!(pairs.is_some_and(|pairs| pairs.iter().all(|(a, b)| near(*a, *b))), "{fresh:?} {resumed:?}");
        }
    }

    #[test]
    fn no_report_is_fatal(reports in prop::collection::vec((any::<u64>(), any::<f64>(), prop::option::of(any::<f64>()), any::<u64>()), 0..60)) {
        let mut pace = Pace::default();
        for (said_unix_ms, amount, session_start, now) in reports {
            pace.report(Report { said_unix_ms, amount, session_start }, now);
            prop_assert!(pace.rate(now).is_none_or(|rate| rate.is_finite() && rate > 0.0));
            prop_assert!(pace.eta(amount, now).is_none_or(|eta| eta.low_s <= eta.high_s && eta.high_s.is_finite()));
        }
    }
}
