use super::*;
use proptest::prelude::*;
use std::collections::BTreeSet;

fn run(id: &str, name: &str, ended: Option<(EndedAs, u64)>, bytes: u64) -> Candidate {
    Candidate {
        run_id: RunId::new(id).unwrap(),
        name: name.to_owned(),
        ended,
        bytes,
        held_bytes: bytes,
        kept: false,
    }
}

/// Ended in the order of their ids, but for `live`; `pin` stays.
fn runs() -> Vec<Candidate> {
    use EndedAs::{Cancelled, Done, Failed, Lost};
    let mut all = vec![
        run("live", "a", None, 1_000),
        run("e1", "a", Some((Done, 10)), 100),
        run("e2", "b", Some((Failed, 20)), 200),
        run("e3", "a", Some((Lost, 30)), 0),
        run("e4", "a", Some((Cancelled, 40)), 400),
        run("pin", "b", Some((Done, 5)), 500),
    ];
    all[5].kept = true;
    all
}

#[test]
fn the_plan_is_what_the_criteria_say() {
    let none = Criteria::default;
    let table = [
        (none(), "e1 e2 e3 e4"),
        (Criteria { older_than_ms: Some(70), ..none() }, "e1 e2 e3"),
        (Criteria { older_than_ms: Some(71), ..none() }, "e1 e2"),
        (Criteria { older_than_ms: Some(1_000), ..none() }, ""),
        (Criteria { keep: Some(0), ..none() }, "e1 e2 e3 e4"),
        (Criteria { keep: Some(1), ..none() }, "e1 e3"),
        (Criteria { keep: Some(2), ..none() }, "e1"),
        (Criteria { name: Some("a".into()), ..none() }, "e1 e3 e4"),
        (Criteria { name: Some("c".into()), ..none() }, ""),
        (Criteria { ended_as: vec![EndedAs::Lost, EndedAs::Failed], ..none() }, "e2 e3"),
        // 2,200 in all.
        (Criteria { max_bytes: Some(2_200), ..none() }, ""),
        (Criteria { max_bytes: Some(2_199), ..none() }, "e1"),
        (Criteria { max_bytes: Some(2_100), ..none() }, "e1"),
        (Criteria { max_bytes: Some(2_000), ..none() }, "e1 e2"),
        (Criteria { max_bytes: Some(0), ..none() }, "e1 e2 e4"),
        (Criteria { max_bytes: Some(0), keep: Some(1), ..none() }, "e1"),
        (Criteria { name: Some("a".into()), keep: Some(2), older_than_ms: Some(60), ..none() }, "e1"),
    ];
    for (criteria, expected) in table {
        let runs = runs();
        let ids: Vec<_> = plan(&runs, &criteria, 100).iter().map(|c| c.run_id.to_string()).collect();
        assert_eq!(ids.join(" "), expected, "{criteria:?}");
    }
}

#[test]
fn nothing_given_is_told_apart_from_something() {
    assert!(Criteria::default().is_empty());
    assert!(!Criteria { keep: Some(0), ..Criteria::default() }.is_empty());
}

#[test]
fn what_stays_of_a_run_counts_for_the_size_and_the_reason_says_what_was_asked() {
    let mut runs = runs();
    runs[1].held_bytes = 150;
    let max = |max_bytes| Criteria { max_bytes: Some(max_bytes), ..Criteria::default() };
    assert_eq!(plan(&runs, &max(2_250), 100).len(), 0);
    assert_eq!(plan(&runs, &max(2_249), 100).len(), 1);
    let all = Criteria {
        older_than_ms: Some(86_400_000 * 30),
        keep: Some(3),
        max_bytes: Some(7),
        name: Some("a".into()),
        ended_as: vec![EndedAs::Done, EndedAs::Lost],
    };
    let expected = "pruned: older than 30d, not among the newest 3 of its name, more than 7 bytes in all, \
                    called a, done or lost";
    assert_eq!(all.sentence(), expected);
    for (ms, text) in [(0, "0ms"), (1_500, "1500ms"), (90_000, "90s"), (7_200_000, "2h")] {
        let sentence = Criteria { older_than_ms: Some(ms), ..Criteria::default() }.sentence();
        assert_eq!(sentence, format!("pruned: older than {text}"));
    }
}

fn candidates() -> impl Strategy<Value = Vec<Candidate>> {
    let how = prop::sample::select(EndedAs::ALL.to_vec());
    let one =
        (prop::option::weighted(0.8, (how, 0..50u64)), 0..4usize, 0..1_000u64, prop::bool::weighted(0.1));
    prop::collection::vec(one, 0..30).prop_map(|all| {
        let candidate = |(n, (ended, name, bytes, kept)): (usize, (_, usize, _, _))| {
            let name = ["a", "b", "c", "d"][name].to_owned();
            Candidate {
                run_id: RunId::new(format!("r{n}")).unwrap(),
                name,
                ended,
                bytes,
                held_bytes: bytes,
                kept,
            }
        };
        all.into_iter().enumerate().map(candidate).collect()
    })
}

fn criteria() -> impl Strategy<Value = Criteria> {
    let name = prop::option::weighted(0.3, prop::sample::select(vec!["a", "b"]).prop_map(str::to_owned));
    let ended_as = prop::collection::vec(prop::sample::select(EndedAs::ALL.to_vec()), 0..3);
    let max_bytes = prop::option::of(0..10_000u64);
    (prop::option::of(0..60u64), prop::option::of(0..4u32), max_bytes, name, ended_as).prop_map(
        |(older_than_ms, keep, max_bytes, name, ended_as)| Criteria {
            older_than_ms,
            keep,
            max_bytes,
            name,
            ended_as,
        },
    )
}

proptest! {
    #[test]
    fn every_plan_keeps_the_rules(all in candidates(), criteria in criteria(), turn in 0..30usize) {
        let now = 60;
        let plan_of = |all: &[Candidate]| -> Vec<Candidate> {
            plan(all, &criteria, now).into_iter().cloned().collect()
        };
        let goes = plan_of(&all);
        let ids: BTreeSet<_> = goes.iter().map(|c| &c.run_id).collect();
        prop_assert_eq!(ids.len(), goes.len(), "one twice");
        for gone in &goes {
            prop_assert!(!gone.kept);
            let (how, at) = gone.ended.unwrap();
            prop_assert!(criteria.ended_as.is_empty() || criteria.ended_as.contains(&how));
            prop_assert!(criteria.name.as_ref().is_none_or(|name| *name == gone.name));
            prop_assert!(criteria.older_than_ms.is_none_or(|age| now - at >= age));
            // The newest stay.
            let newer = all.iter().filter(|c| {
                let of = |c: &Candidate| (c.ended.map(|(_, at)| at), c.run_id.clone());
                c.name == gone.name && c.ended.is_some() && of(c) > of(gone)
            });
            prop_assert!(criteria.keep.is_none_or(|keep| newer.count() >= keep as usize));
        }
        // The oldest go first.
        prop_assert!(goes.is_sorted_by_key(|c| (c.ended.map(|(_, at)| at), c.run_id.clone())));
        if let Some(max) = criteria.max_bytes {
            let all_bytes = total(&all);
            // Without the last of them it would have been too much still.
            if let Some((_, before)) = goes.split_last() {
                prop_assert!(all_bytes - total(before) > max, "more than needed");
            }
            // It stops early only if it is enough.
            let unlimited = plan(&all, &Criteria { max_bytes: None, ..criteria.clone() }, now);
            let could = unlimited.iter().filter(|c| c.bytes > 0).count();
            prop_assert!(goes.len() == could || all_bytes - total(&goes) <= max);
        }
        // In whatever order they come.
        let mut turned = all.clone();
        turned.rotate_left(turn % all.len().max(1));
        prop_assert_eq!(plan_of(&turned), goes);
    }
}
