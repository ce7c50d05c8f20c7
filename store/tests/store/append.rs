//! Appending and reading back what was appended.

use crate::support::{new_ledger, raw, replay, row, rows, three_runs, verified};
use resus_store::{AppendError, Batch, Ledger, Refusal, Replayed};

#[test]
fn rows_come_back_as_they_were_appended() {
    let (_folder, path, mut ledger) = new_ledger();
    three_runs(&mut ledger);
    drop(ledger);
    let ledger = Ledger::open(&path).expect("reopened");
    let (runs, summary) = replay(&ledger);
    let expected: Vec<Replayed> = ["alpha", "beta", "gamma"]
        .map(|run_id| Replayed::Verified { run_id: run_id.into(), rows: rows(run_id, 1, 4) })
        .into();
    assert_eq!(runs, expected);
    assert_eq!((summary.runs_verified, summary.runs_damaged, summary.rows_missing), (3, 0, 0));
}

#[test]
fn an_empty_ledger_has_no_runs() {
    let (_folder, _path, ledger) = new_ledger();
    assert_eq!(replay(&ledger), (Vec::new(), resus_store::ReplaySummary::default()));
}

#[test]
fn positions_are_global_and_contiguous() {
    let (_folder, _path, mut ledger) = new_ledger();
    assert_eq!(ledger.append(&[]).expect("nothing to do"), 0);
    assert_eq!(ledger.append(&rows("a", 1, 3)).expect("append"), 3);
    assert_eq!(ledger.append(&rows("b", 1, 2)).expect("append"), 5);
    assert_eq!(ledger.append(&rows("a", 4, 4)).expect("append"), 6);
    assert_eq!(ledger.append(&[]).expect("nothing to do"), 6);
}

#[test]
fn a_gap_or_a_repetition_is_refused_and_changes_nothing() {
    let (_folder, _path, mut ledger) = new_ledger();
    ledger.append(&rows("a", 1, 2)).expect("append");
    for (wrong, expected) in [(vec![row("a", 4)], 3), (vec![row("a", 2)], 3), (vec![row("b", 2)], 1)] {
        let found = wrong[0].seq;
        match ledger.append(&wrong) {
            Err(AppendError::Refused(Refusal::Gap { expected: e, found: f, .. })) => {
                assert_eq!((e, f), (expected, found));
            }
            other => panic!("{wrong:?} gave {other:?}"),
        }
    }
    let halfway = [row("a", 3), row("b", 1), row("a", 5)];
    assert!(matches!(ledger.append(&halfway), Err(AppendError::Refused(Refusal::Gap { expected: 4, .. }))));
    assert_eq!(replay(&ledger).0, [Replayed::Verified { run_id: "a".into(), rows: rows("a", 1, 2) }]);
    assert_eq!(ledger.append(&rows("a", 3, 3)).expect("the right one still fits"), 3);
}

#[test]
fn a_refused_batch_does_not_take_its_neighbours_along() {
    let (_folder, _path, mut ledger) = new_ledger();
    let batches = [
        Batch::of_rows(1, rows("a", 1, 2)),
        Batch::of_rows(2, vec![row("a", 3), row("b", 7)]),
        Batch::of_rows(3, rows("a", 3, 4)),
        Batch::of_rows(4, Vec::new()),
    ];
    let results = ledger.append_batches(&batches.iter().collect::<Vec<_>>()).expect("a transaction");
    let refused = Refusal::Gap { run_id: "b".into(), expected: 1, found: 7 };
    assert_eq!(results, [Ok(2), Err(refused), Ok(4), Ok(4)]);
    assert_eq!(verified(&ledger, "a"), rows("a", 1, 4));
}

#[test]
fn nothing_is_chained_to_a_run_whose_head_was_changed() {
    for change in [
        "UPDATE heads SET seq = 9 WHERE run_id = 'beta'",
        "UPDATE heads SET crc = crc + 1 WHERE run_id = 'beta'",
        "DELETE FROM heads WHERE run_id = 'beta'",
        "DELETE FROM events WHERE run_id = 'beta' AND seq = 4",
        "UPDATE events SET crc = crc + 1 WHERE run_id = 'beta' AND seq = 4",
    ] {
        let (_folder, path, mut ledger) = new_ledger();
        three_runs(&mut ledger);
        raw(&path).execute_batch(change).expect("a change");
        for seq in [1, 4, 5, 10] {
            let refused = ledger.append(&[row("beta", seq)]);
            assert!(
                matches!(refused, Err(AppendError::Refused(Refusal::Damaged { .. }))),
                "{change}: {refused:?}"
            );
        }
        ledger.append(&[row("alpha", 5)]).expect("other runs go on");
    }
}
