use super::*;
use crate::policy::ErrorPolicy;
use crate::pulse::word::{Outcome, Word, WorkerError};
use proptest::prelude::*;

fn policy(window: u64, permille: u32, min_sample: u64) -> ErrorPolicy {
    ErrorPolicy { window, max_share_permille: permille, min_sample }
}

fn error(code: &str, message: &str, count: u32) -> Word {
    Word::Error(WorkerError {
        error_code: Code::new(code),
        message: message.into(),
        is_retryable: None,
        fatal: false,
        target: None,
        count,
        details: None,
    })
}

fn fresh() -> ErrorWindow {
    let mut window = ErrorWindow::default();
    window.begin_attempt(Some(0.0));
    window
}

#[test]
fn the_limit_itself_is_put_up_with_and_one_more_is_not() {
    let policy = ErrorPolicy::default();
    let mut window = fresh();
    window.advance(&policy, 9_000.0);
    for n in 0..100 {
        window.hear(&policy, &error("APP_BAD", "bad sample", 1), Some(9_000.0 + f64::from(n)));
        let attempted = 9_000 + n;
        let over = f64::from(n + 1) > 0.01 * f64::from(attempted);
        assert_eq!(window.exceeded(&policy).is_some(), over, "{n}");
    }
    window.clear();
    window.advance(&policy, 30_000.0);
    for n in 0..100 {
        window.hear(&policy, &error("APP_BAD", "bad sample", 1), Some(30_000.0 + f64::from(n) / 2.0));
    }
    assert_eq!(window.exceeded(&policy), None, "100 of 10,000 is 1 %");
    window.hear(&policy, &error("APP_BAD", "bad sample", 1), None);
    let exceeded = window.exceeded(&policy).unwrap();
    assert_eq!((exceeded.failed, exceeded.attempted, exceeded.window), (101, 10_000, 10_000));
}

#[test]
fn the_first_failure_alone_is_never_too_much() {
    for policy in [ErrorPolicy::default(), policy(100, 1, 1), policy(1_000_000, 10, 1)] {
        let mut window = fresh();
        window.hear(&policy, &error("APP_BAD", "", 1), Some(1.0));
        assert_eq!((window.failed(), window.exceeded(&policy)), (1, None));
    }
}

#[test]
fn old_failures_leave_as_the_work_goes_on() {
    let policy = policy(1_000, 10, 100);
    let mut window = fresh();
    window.hear(&policy, &error("APP_BAD", "", 50), Some(5.0));
    assert!(window.exceeded(&policy).is_some());
    window.advance(&policy, 1_000.0);
    assert_eq!(window.failed(), 50, "they are among the newest 1,000");
    window.advance(&policy, 1_011.0);
    assert_eq!((window.failed(), window.exceeded(&policy)), (0, None));
}

#[test]
fn a_steady_share_at_the_limit_never_pauses() {
    let policy = policy(1_000, 10, 100);
    let mut window = fresh();
    for unit in (100..50_000).step_by(100) {
        window.hear(&policy, &error("APP_BAD", "", 1), Some(f64::from(unit)));
        assert_eq!(window.exceeded(&policy), None, "at {unit}");
    }
}

#[test]
fn the_axis_goes_on_over_attempts_and_never_back() {
    let policy = policy(1_000, 10, 100);
    let mut window = fresh();
    window.hear(&policy, &error("APP_BAD", "", 3), Some(500.0));
    window.begin_attempt(Some(400.0));
    window.advance(&policy, 300.0);
    assert_eq!(window.attempted(), 500.0, "a lower amount moves nothing");
    window.advance(&policy, 600.0);
    assert_eq!((window.attempted(), window.failed()), (700.0, 3), "work done again is work");
    window.begin_attempt(None);
    window.advance(&policy, 5_000.0);
    assert_eq!(window.attempted(), 700.0, "where it began is not known");
    window.advance(&policy, f64::NAN);
    window.advance(&policy, 1e300);
    assert_eq!((window.attempted(), window.failed()), (1_000.0, 0), "a leap empties the window");
    window.advance(&policy, f64::MAX);
    assert_eq!(window.attempted(), 1_000.0);
}

#[test]
fn a_share_of_nothing_switches_it_off() {
    let policy = policy(100, 0, 1);
    let mut window = fresh();
    window.hear(&policy, &error("APP_BAD", "", u32::MAX), Some(1.0));
    assert_eq!(window.exceeded(&policy), None);
}

#[test]
fn what_counts_is_what_the_worker_goes_on_without() {
    let target = |status| Word::TargetComplete {
        target: "nasdaq".into(),
        status,
        metrics: Default::default(),
        best_auc: None,
        models_trained: None,
        duration_seconds: None,
    };
    let mut fatal = error("CUDA_OOM", "", 1);
    if let Word::Error(error) = &mut fatal {
        error.fatal = true;
    }
    for (word, counts) in [
        (error("CUDA_OOM", "", 7), 7),
        (fatal, 0),
        (target(Outcome::Failed), 1),
        (target(Outcome::Skipped), 1),
        (target(Outcome::Success), 0),
        (target(Outcome::Cancelled), 0),
        (Word::StageChange { previous_stage: None, new_stage: "two".into() }, 0),
    ] {
        let mut window = fresh();
        window.hear(&ErrorPolicy::default(), &word, Some(1.0));
        assert_eq!(window.failed(), counts, "{word:?}");
    }
}

#[test]
fn the_pattern_names_the_most_frequent_kinds_and_their_first_message() {
    let policy = policy(1_000, 10, 1);
    let mut window = fresh();
    for n in 0..30_u32 {
        window.hear(&policy, &error(&format!("APP_{n:02}"), &format!("first {n}"), n % 7 + 1), Some(10.0));
    }
    window.hear(&policy, &error("APP_00", "second", 90), Some(10.0));
    let pattern = window.exceeded(&policy).unwrap().pattern;
    assert_eq!(pattern.len(), PATTERN_MAX);
    assert_eq!(pattern[0], Kind { code: Code::new("APP_00"), count: 91, message: "first 0".into() });
    assert_eq!(pattern[1].code.as_str(), "OTHER", "kinds beyond the 16th are counted together");
    assert!(pattern.windows(2).all(|pair| pair[0].count >= pair[1].count));
    // When the old kinds have left the window, their places are free.
    window.hear(&policy, &error("APP_NEW", "new", 50), Some(5_000.0));
    let pattern = window.exceeded(&policy).unwrap().pattern;
    assert_eq!(pattern, [Kind { code: Code::new("APP_NEW"), count: 50, message: "new".into() }]);
}

/// One move of a worker: so many units of work, and then so many failures of the last unit.
type Move = (u16, u8, bool);

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// The oracle keeps every unit. The window counts what is in its newest units, and may lose
    /// what is within one bucket of its old end; at the end of a bucket it is exact.
    #[test]
    fn the_window_agrees_with_a_list_of_all_units(
        hundreds in 1..20_u64,
        moves in prop::collection::vec((0..400_u16, 0..4_u8, prop::bool::weighted(0.05)), 1..200),
    ) {
        let policy = policy(hundreds * 100, 10, 10);
        let width = usize::try_from(hundreds).unwrap();
        let length = width * 100;
        let mut window = fresh();
        let mut units: Vec<u64> = Vec::new();
        let mut amount = 0.0;
        for (done, failed, restarts) in moves as Vec<Move> {
            if restarts {
                amount = f64::from(done);
                window.begin_attempt(Some(amount));
            }
            let done = done.max(1);
            amount += f64::from(done);
            units.extend(std::iter::repeat_n(0, usize::from(done)));
            window.advance(&policy, amount);
            if failed > 0 {
                *units.last_mut().unwrap() += u64::from(failed);
                window.hear(&policy, &error("APP_BAD", "", u32::from(failed)), Some(amount));
            }
            let newest = |n: usize| units[units.len().saturating_sub(n)..].iter().sum::<u64>();
            let (least, most) = (newest(length - width + 1), newest(length));
            prop_assert!((least..=most).contains(&window.failed()), "{} not in {least}..={most}", window.failed());
            if units.len().is_multiple_of(width) {
                prop_assert_eq!(window.failed(), most);
            }
            let attempted = units.len().min(length);
            prop_assert_eq!(window.attempted(), attempted as f64);
            let too_many = window.failed() > 1 && window.failed() * 1000 > 10 * attempted.max(10) as u64;
            prop_assert_eq!(window.exceeded(&policy).is_some(), too_many);
        }
    }
}
