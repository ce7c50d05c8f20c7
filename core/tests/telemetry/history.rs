//! Curves: bounded, in order, with their extremes, and with undone work marked.

use proptest::prelude::*;
use resus_core::ids::Attempt;
use resus_core::telemetry::history::{HISTORY_BYTES_MAX, History, NAMES_MAX};
use resus_core::telemetry::series::{POINTS_MIN, Point, Series};

fn point(x: f64, value: f64, attempt: u32) -> Point {
    Point { x, value, unix_ms: 0, attempt: Attempt(attempt), rolled_back: false }
}

fn numbered(n: usize, value: f64) -> Point {
    Point { unix_ms: n as u64, ..point(n as f64, value, 1) }
}

#[test]
fn a_short_series_is_kept_as_it_is() {
    let mut series = Series::new(64);
    let all: Vec<_> = (0..50).map(|n| numbered(n, f64::from((n as i32 * 7) % 11))).collect();
    for (n, point) in all.iter().enumerate() {
        series.push(*point);
        assert_eq!(series.points().collect::<Vec<_>>(), all[..=n]);
    }
}

#[test]
fn a_spike_among_many_samples_is_seen() {
    let mut series = Series::new(100);
    for n in 0..300_000 {
        series.push(numbered(n, if n == 143_210 { 1e6 } else { (n as f64).sin() }));
    }
    let points: Vec<_> = series.points().collect();
    assert!(points.len() <= 100 && points.len() > 40, "{}", points.len());
    assert!(points.contains(&numbered(143_210, 1e6)));
    let gap = points.windows(2).map(|pair| pair[1].unix_ms - pair[0].unix_ms).max().unwrap();
    assert!(gap <= 2 * series.stride(), "evenly thin: {gap} > 2 × {}", series.stride());
}

#[test]
fn what_a_resume_undid_stays_and_is_marked() {
    let mut history = History::default();
    for x in 0..10 {
        history.push("loss", Attempt(1), f64::from(x), 1.0, 0);
    }
    history.resumed(Attempt(2), 5.0);
    history.push("loss", Attempt(1), 9.4, 9.0, 0);
    for x in 5..8 {
        history.push("loss", Attempt(2), f64::from(x), 0.5, 0);
    }
    history.push("loss", Attempt(1), 9.5, 9.0, 0);
    history.resumed(Attempt(3), 6.0);
    let marked: Vec<_> = history
        .curve("loss")
        .unwrap()
        .points()
        .filter(|point| point.rolled_back)
        .map(|point| (point.attempt.0, point.x))
        .collect();
    assert_eq!(marked, [(1, 6.0), (1, 7.0), (1, 8.0), (1, 9.0), (2, 7.0)]);
    assert_eq!(history.left_out(), 2, "an attempt that is over adds nothing");
}

#[test]
fn names_are_bounded_and_numbers_that_are_not_finite_are_no_points() {
    let mut history = History::default();
    history.push("nan", Attempt(1), 0.0, f64::NAN, 0);
    history.push("inf", Attempt(1), f64::INFINITY, 0.0, 0);
    history.push(&"x".repeat(65), Attempt(1), 0.0, 0.0, 0);
    assert_eq!((history.names().count(), history.left_out()), (0, 1));
    for n in 0..100 {
        history.push(&format!("m{n:03}"), Attempt(1), 0.0, 0.0, 0);
    }
    assert_eq!((history.names().count(), history.names().last()), (NAMES_MAX, Some("m063")));
}

#[test]
fn a_run_stays_within_its_memory_however_many_curves_it_has() {
    let mut history = History::default();
    for names in 1..=NAMES_MAX {
        for n in 0..3_000 {
            history.push(
                &format!("m{}", n % names),
                Attempt(1),
                f64::from(n as u32),
                f64::from(n as u32 % 17),
                0,
            );
        }
        assert!(history.bytes() <= HISTORY_BYTES_MAX, "{names} names: {}", history.bytes());
    }
    let fewest = history.names().map(|name| history.curve(name).unwrap().points().count()).min();
    assert!(fewest.unwrap() > 40, "{fewest:?}");
}

proptest! {
    #[test]
    fn a_series_is_bounded_ordered_and_keeps_its_extremes(
        values in prop::collection::vec(prop_oneof![Just(0.0), Just(-0.0), -10.0..10.0_f64, any::<f64>()], 1..300),
        points_max in 0..200_usize,
        lower in prop::option::of((0..300_usize, 0..100_usize)),
    ) {
        let mut series = Series::new(points_max);
        let mut cap = points_max.max(POINTS_MIN);
        let mut all = Vec::new();
        for (n, value) in values.into_iter().enumerate() {
            if let Some((when, to)) = lower && when == n {
                series.set_points_max(to);
                cap = to.max(POINTS_MIN);
            }
            series.push(numbered(n, value));
            if value.is_finite() {
                all.push(numbered(n, value));
            }
            let kept: Vec<_> = series.points().collect();
            prop_assert!(kept.len() <= cap && series.capacity() <= cap, "{} of {cap}", kept.len());
            prop_assert!(kept.windows(2).all(|pair| pair[0].unix_ms < pair[1].unix_ms), "order");
            prop_assert_eq!(kept.first(), all.first());
            prop_assert_eq!(kept.last(), all.last());
            let bounds = |points: &[Point]| {
                let values = || points.iter().map(|point| point.value);
                (values().fold(f64::MAX, f64::min), values().fold(f64::MIN, f64::max))
            };
            prop_assert_eq!(bounds(&kept), bounds(&all));
        }
        let kept: Vec<_> = series.points().collect();
        prop_assert_eq!(series.samples(), all.len() as u64);
        prop_assert!(kept.iter().all(|point| all.contains(point)), "nothing is made up");
        // What was left out is at most a few buckets from a kept point on either side.
        let widest = kept.windows(2).map(|pair| {
            all.iter().filter(|p| pair[0].unix_ms < p.unix_ms && p.unix_ms < pair[1].unix_ms).count() as u64
        }).max().unwrap_or(0);
        prop_assert!(widest < 2 * series.stride(), "{widest} samples between two points of stride {}", series.stride());
    }

    #[test]
    fn marks_are_those_of_the_rule(
        moves in prop::collection::vec((0..3_u8, 0.0..100.0_f64), 0..300),
    ) {
        let mut history = History::new(0);
        let mut attempt = 1;
        let mut resumes = Vec::new();
        for (n, (what, x)) in moves.into_iter().enumerate() {
            if what == 0 && n % 7 == 0 {
                attempt += 1;
                history.resumed(Attempt(attempt), x);
                resumes.push((attempt, x));
            } else {
                history.push("loss", Attempt(attempt), x, x, n as u64);
            }
        }
        for point in history.curve("loss").iter().flat_map(|series| series.points()) {
            let undone = resumes.iter().any(|(by, at)| point.attempt.0 < *by && point.x > *at);
            prop_assert_eq!(point.rolled_back, undone, "{:?}", point);
        }
    }
}

#[test]
fn curves_survive_being_written_down_and_go_on() {
    let mut history = History::default();
    for n in 0..5_000_u32 {
        history.push("loss", Attempt(1), f64::from(n), 1.0 / f64::from(n + 1), u64::from(n));
    }
    history.push("lr", Attempt(1), 10.0, 0.1, 10);
    history.resumed(Attempt(2), 4_000.0);
    let written = serde_json::to_string(&history.curves()).unwrap();
    let mut restored = History::of_curves(serde_json::from_str(&written).unwrap());
    let points = |history: &History| history.curve("loss").unwrap().points().collect::<Vec<_>>();
    let (before, after) = (points(&history), points(&restored));
    assert_eq!((before.first(), before.last()), (after.first(), after.last()));
    assert!(after.iter().any(|point| point.rolled_back), "the marks are kept");
    restored.push("loss", Attempt(1), 5_001.0, 0.5, 1);
    assert_eq!(restored.left_out(), 0);
    restored.resumed(Attempt(2), 4_000.0);
    restored.push("loss", Attempt(1), 5_002.0, 0.5, 1);
    assert_eq!(restored.left_out(), 1, "an attempt that is over adds nothing");
    assert!(restored.bytes() <= HISTORY_BYTES_MAX);
}
