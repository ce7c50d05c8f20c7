//! The promises of retention, held against every small set and many large ones.

use proptest::prelude::*;
use std::collections::BTreeSet;

use super::*;

const LAST: Rules = Rules { keep_last: 1, keep_best: 0, best_is: Extreme::Max, keep_every: 0, max_bytes: 0 };

fn verified(step: u64) -> Entry<u64> {
    Entry {
        id: step,
        step,
        saved: 0,
        size_bytes: 1,
        verified: true,
        poisoned: false,
        protected: false,
        metric: None,
    }
}

fn unverified(step: u64) -> Entry<u64> {
    Entry { verified: false, ..verified(step) }
}

fn protected(step: u64) -> Entry<u64> {
    Entry { protected: true, ..verified(step) }
}

fn scored(step: u64, metric: f64) -> Entry<u64> {
    Entry { metric: Some(metric), ..verified(step) }
}

fn last(keep_last: usize) -> Rules {
    Rules { keep_last, ..LAST }
}

fn doomed(entries: &[Entry<u64>], rules: &Rules) -> Vec<u64> {
    plan(entries, rules).into_iter().map(|doomed| doomed.id).collect()
}

#[test]
fn the_newest_verified_ones_stay() {
    assert_eq!(doomed(&[verified(3), verified(1), verified(4), verified(2)], &last(2)), [1, 2]);
}

#[test]
fn unverified_ones_do_not_take_a_place() {
    let entries = [verified(1), verified(2), unverified(3), unverified(4)];
    assert_eq!(doomed(&entries, &last(2)), [0; 0]);
    assert_eq!(doomed(&entries, &last(1)), [1]);
}

#[test]
fn an_unverified_one_goes_once_it_is_older_than_all_that_stay_for_their_newness() {
    let entries = [protected(0), unverified(1), verified(2), unverified(3), verified(4)];
    let passed = Doomed { id: 1, because: Because::Passed };
    assert_eq!(plan(&entries, &last(2)), [passed]);
}

#[test]
fn without_a_verified_one_nothing_goes() {
    assert_eq!(doomed(&[unverified(1), unverified(2)], &last(0)), [0; 0]);
}

#[test]
fn protected_ones_stay_beside_the_others() {
    assert_eq!(doomed(&[protected(1), verified(2), verified(3)], &last(1)), [2]);
}

#[test]
fn the_newest_healthy_one_stays_however_many_poisoned_ones_follow() {
    let poisoned = |step| Entry { poisoned: true, ..verified(step) };
    let entries = [verified(1), verified(2), poisoned(3), poisoned(4), poisoned(5)];
    assert_eq!(doomed(&entries, &last(2)), [1, 3]);
}

#[test]
fn the_best_stay_and_what_has_no_finite_value_does_not_compete() {
    let entries = [
        scored(1, 0.5),
        scored(2, 0.9),
        scored(3, f64::NAN),
        scored(4, f64::INFINITY),
        Entry { poisoned: true, ..scored(5, 0.99) },
        scored(6, 0.1),
        verified(7),
    ];
    assert_eq!(doomed(&entries, &Rules { keep_best: 2, ..LAST }), [3, 4, 5, 6]);
    assert_eq!(doomed(&entries, &Rules { keep_best: 2, best_is: Extreme::Min, ..LAST }), [2, 3, 4, 5]);
}

#[test]
fn of_equally_good_ones_the_newer_is_the_better() {
    let entries = [scored(1, -0.0), scored(2, 0.0), scored(3, 0.0), verified(4)];
    let best = Rules { keep_best: 1, ..LAST };
    assert_eq!(doomed(&entries, &best), [1, 2]);
    assert_eq!(doomed(&entries[..2], &best), [1]);
}

#[test]
fn the_first_of_each_interval_stays() {
    let entries = [0, 50, 99, 130, 199, 405, 410, 500].map(verified);
    assert_eq!(doomed(&entries, &Rules { keep_every: 100, ..LAST }), [50, 99, 199, 410]);
}

#[test]
fn the_oldest_go_until_the_rest_fits_but_never_those_that_must_stay() {
    let entries = [protected(1), verified(2), verified(3), verified(4), verified(5)];
    let at_most = |max_bytes| Rules { max_bytes, ..last(9) };
    assert_eq!(doomed(&entries, &at_most(5)), [0; 0]);
    assert_eq!(doomed(&entries, &at_most(3)), [2, 3]);
    assert_eq!(doomed(&entries, &at_most(1)), [2, 3, 4]);
    assert!(plan(&entries, &at_most(1)).iter().all(|doomed| doomed.because == Because::Bytes));
}

#[test]
fn sizes_that_no_number_holds_are_added_all_the_same() {
    let huge = |step| Entry { size_bytes: u64::MAX, ..verified(step) };
    let rules = Rules { max_bytes: u64::MAX, ..last(3) };
    assert_eq!(doomed(&[huge(1), huge(2), huge(3)], &rules), [1, 2]);
}

#[test]
fn every_reason_for_staying_is_told() {
    let entries = [scored(100, 0.5), verified(150), scored(250, 0.7), unverified(300)];
    let rules = Rules { keep_last: 2, keep_best: 2, keep_every: 100, ..LAST };
    let stays: Vec<String> = verdicts(&entries, &rules)
        .into_iter()
        .map(|verdict| match verdict {
            Verdict::Stays(reasons) => reasons.iter().map(Kept::to_string).collect::<Vec<_>>().join(", "),
            Verdict::Goes(because) => panic!("goes: {because}"),
        })
        .collect();
    assert_eq!(
        stays,
        [
            "best 2, first from step 100 on",
            "last 2",
            "newest verified, newest healthy, last 1, best 1, first from step 200 on",
            "not verified yet",
        ]
    );
}

/// What is promised, told without the algorithm.
fn hold(entries: &[Entry<u64>], rules: &Rules) {
    let gone: BTreeSet<u64> = doomed(entries, rules).into_iter().collect();
    let told = || format!("{entries:?}\n{rules:?}\ngone {gone:?}");
    let age = |entry: &&Entry<u64>| (entry.step, entry.saved, entry.id);
    let stays = |entry: &Entry<u64>| !gone.contains(&entry.id);
    let mut all: Vec<_> = entries.iter().filter(|entry| entry.verified).collect();
    all.sort_unstable_by_key(|entry| std::cmp::Reverse(age(entry)));
    let must_stay = |entry: &Entry<u64>| {
        entry.protected
            || all.first().is_some_and(|newest| newest.id == entry.id)
            || all.iter().find(|entry| !entry.poisoned).is_some_and(|healthy| healthy.id == entry.id)
    };
    assert!(entries.iter().filter(|entry| must_stay(entry)).all(stays), "{}", told());
    let sum: u64 = all.iter().filter(|entry| stays(entry)).map(|entry| entry.size_bytes).sum();
    let newest = || all.iter().take(rules.keep_last);
    if rules.max_bytes == 0 {
        assert!(newest().all(|entry| stays(entry)), "{}", told());
        for begin in all.iter().filter_map(|entry| entry.step.checked_div(rules.keep_every)) {
            let within = all.iter().filter(|entry| entry.step.checked_div(rules.keep_every) == Some(begin));
            assert!(within.min_by_key(|entry| age(entry)).is_some_and(|first| stays(first)), "{}", told());
        }
    } else if sum > rules.max_bytes {
        assert!(all.iter().filter(|entry| stays(entry)).all(|entry| must_stay(entry)), "{}", told());
    }
    let plain = Rules { keep_best: 0, keep_every: 0, max_bytes: 0, ..*rules };
    if *rules == plain {
        let beside = all.iter().skip(rules.keep_last).filter(|entry| !must_stay(entry));
        assert!(beside.clone().all(|entry| !stays(entry)), "{}", told());
    }
    for entry in entries.iter().filter(|entry| !entry.verified && !stays(entry)) {
        let older = newest().filter(|verified| stays(verified)).all(|verified| age(&entry) < age(verified));
        assert!(older && !all.is_empty(), "{}", told());
    }
}

/// Every set of up to five checkpoints of six sorts, with every small set of rules.
#[test]
fn the_promises_hold_for_every_small_set() {
    let sorts = |sort: u32, step: u64| {
        let entry = verified(step);
        match sort {
            1 => unverified(step),
            2 => entry,
            3 => Entry { poisoned: true, ..entry },
            4 => protected(step),
            5 => scored(step, (step * 7 % 5) as f64),
            _ => Entry { protected: true, ..unverified(step) },
        }
    };
    for code in 0..7_u32.pow(5) {
        let kinds = (0..5).map(|place| (u64::from(place), code / 7_u32.pow(place) % 7));
        let entries: Vec<_> =
            kinds.filter(|(_, sort)| *sort > 0).map(|(step, sort)| sorts(sort, step)).collect();
        for setting in 0..24 {
            let (keep_last, keep_best) = (setting % 3, setting / 3 % 2);
            let (keep_every, max_bytes) = (setting as u64 / 6 % 2 * 2, setting as u64 / 12 * 2);
            hold(&entries, &Rules { keep_last, keep_best, keep_every, max_bytes, ..LAST });
        }
    }
}

type Row = (u64, u64, u64, [bool; 3], Option<f64>);

fn any_entries() -> impl Strategy<Value = Vec<Entry<u64>>> {
    let metric = proptest::option::of(prop_oneof![Just(f64::NAN), Just(f64::INFINITY), -2.0..2.0_f64]);
    let one = (0..40_u64, 0..3_u64, 0..1000_u64, any::<[bool; 3]>(), metric);
    proptest::collection::vec(one, 0..40).prop_map(|all| {
        let entry = |(id, row): (usize, Row)| {
            let (step, saved, size_bytes, [verified, poisoned, protected], metric) = row;
            let id = id as u64;
            Entry { id, step, saved, size_bytes, verified, poisoned, protected, metric }
        };
        all.into_iter().enumerate().map(entry).collect()
    })
}

fn any_rules() -> impl Strategy<Value = Rules> {
    let extreme = prop_oneof![Just(Extreme::Max), Just(Extreme::Min)];
    (0..8_usize, 0..4_usize, extreme, 0..10_u64, prop_oneof![Just(0), 0..9000_u64]).prop_map(
        |(keep_last, keep_best, best_is, keep_every, max_bytes)| Rules {
            keep_last,
            keep_best,
            best_is,
            keep_every,
            max_bytes,
        },
    )
}

proptest! {
    #[test]
    fn the_promises_hold_for_large_sets(entries in any_entries(), rules in any_rules()) {
        hold(&entries, &rules);
    }

    #[test]
    fn the_order_in_which_they_come_does_not_matter(entries in any_entries(), rules in any_rules()) {
        let mut turned = entries.clone();
        turned.reverse();
        prop_assert_eq!(plan(&entries, &rules), plan(&turned, &rules));
    }

    #[test]
    fn a_second_pruning_finds_nothing_more(entries in any_entries(), rules in any_rules()) {
        let gone: BTreeSet<_> = doomed(&entries, &rules).into_iter().collect();
        let rest: Vec<_> = entries.into_iter().filter(|entry| !gone.contains(&entry.id)).collect();
        // With intervals and ranks as with bytes, what is left is what was meant to be left.
        prop_assert_eq!(doomed(&rest, &rules), Vec::<u64>::new());
    }

    #[test]
    fn the_best_are_no_worse_than_any_that_goes(entries in any_entries(), rules in any_rules()) {
        let rules = Rules { max_bytes: 0, keep_best: rules.keep_best.max(1), ..rules };
        let gone: BTreeSet<_> = doomed(&entries, &rules).into_iter().collect();
        let competes = |entry: &&Entry<u64>| {
            entry.verified && !entry.poisoned && entry.metric.is_some_and(f64::is_finite)
        };
        let better = |a: f64, b: f64| match rules.best_is { Extreme::Max => a > b, Extreme::Min => a < b };
        for one in entries.iter().filter(competes).filter(|entry| gone.contains(&entry.id)) {
            let (mut ahead, value) = (0, one.metric.unwrap());
            for other in entries.iter().filter(competes).filter(|entry| !gone.contains(&entry.id)) {
                ahead += usize::from(!better(value, other.metric.unwrap()));
            }
            prop_assert!(ahead >= rules.keep_best, "{entries:?} {rules:?} {gone:?}");
        }
    }
}
