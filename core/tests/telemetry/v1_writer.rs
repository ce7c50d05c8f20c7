//! Writing the v1 file: when, with which timestamp, and when it is synced.

use proptest::prelude::*;
use resus_core::pulse::v1::writer::{Life, Plan, RETRY_MS, V1Writer, WRITE_MS_MIN};
use resus_core::pulse::v1::{HEARTBEAT_MS, SnapshotV1, StatusV1};

fn snapshot(status: StatusV1, epoch: f64) -> SnapshotV1 {
    SnapshotV1 { status, epoch, total_epochs: 3.0, loss: 0.5, message: "m".to_owned(), timestamp: 0 }
}

fn running(epoch: f64) -> SnapshotV1 {
    snapshot(StatusV1::Running, epoch)
}

/// Carries out what is planned at a time given in ms; the wall clock shows 1,000 s more.
fn look(writer: &mut V1Writer, now: u64, snapshot: &SnapshotV1, life: Life) -> Option<(u64, bool)> {
    match writer.plan(snapshot, life, now, 1_000 + now / 1_000) {
        Plan::Write { snapshot: written, fsync } => {
            let timestamp = written.timestamp;
            assert_eq!(SnapshotV1 { timestamp: snapshot.timestamp, ..written.clone() }, *snapshot);
            writer.written(written, now);
            Some((timestamp, fsync))
        }
        Plan::Wait { until_mono_ms } => {
            assert!(until_mono_ms.is_none_or(|until| until > now));
            None
        }
    }
}

#[test]
fn a_living_run_is_refreshed_every_ten_seconds_and_synced_when_its_status_changes() {
    let mut writer = V1Writer::default();
    let mut look = |now, status, life| look(&mut writer, now, &snapshot(status, 1.0), life);
    assert_eq!(look(0, StatusV1::Running, Life::Believed), Some((1_000, true)));
    assert_eq!(look(9_999, StatusV1::Running, Life::Believed), None);
    assert_eq!(look(10_000, StatusV1::Running, Life::Believed), Some((1_010, false)));
    assert_eq!(look(10_001, StatusV1::Done, Life::Ended), Some((1_010, true)));
    assert_eq!(look(99_000, StatusV1::Done, Life::Ended), None);
    assert_eq!(look(99_001, StatusV1::Running, Life::Believed), Some((1_099, true)), "it was retried");
}

#[test]
fn a_hung_run_keeps_its_timestamp_whatever_else_changes() {
    let mut writer = V1Writer::default();
    assert_eq!(look(&mut writer, 0, &running(1.0), Life::Believed), Some((1_000, true)));
    assert_eq!(look(&mut writer, 50_000, &running(1.0), Life::Doubted), None);
    assert_eq!(writer.plan(&running(1.0), Life::Doubted, 50_000, 1_050), Plan::Wait { until_mono_ms: None });
    assert_eq!(look(&mut writer, 51_000, &running(1.5), Life::Doubted), Some((1_000, false)));
    assert_eq!(
        look(&mut writer, 52_000, &running(1.5), Life::Believed),
        Some((1_052, false)),
        "it was not dead"
    );
    assert_eq!(look(&mut writer, 90_000, &snapshot(StatusV1::Error, 1.5), Life::Ended), Some((1_090, true)));
}

#[test]
fn changes_are_written_at_most_twice_a_second_and_a_new_status_at_once() {
    let mut writer = V1Writer::default();
    look(&mut writer, 0, &running(0.0), Life::Believed);
    let plan = writer.plan(&running(0.1), Life::Believed, 1, 1_000);
    assert_eq!(plan, Plan::Wait { until_mono_ms: Some(WRITE_MS_MIN) });
    let writes =
        (1..5_000).filter(|now| look(&mut writer, *now, &running(*now as f64), Life::Believed).is_some());
    assert_eq!(writes.count(), 9);
    assert_eq!(look(&mut writer, 5_000, &snapshot(StatusV1::Error, 1.0), Life::Ended), Some((1_005, true)));
    assert_eq!(writer.status(), Some(StatusV1::Error));
}

#[test]
fn a_write_that_failed_is_tried_again_a_little_later() {
    let mut writer = V1Writer::default();
    assert!(matches!(writer.plan(&running(0.0), Life::Believed, 5, 0), Plan::Write { fsync: true, .. }));
    writer.failed(5);
    let wait = Plan::Wait { until_mono_ms: Some(5 + RETRY_MS) };
    assert_eq!(writer.plan(&running(0.0), Life::Believed, 6, 0), wait);
    assert_eq!(look(&mut writer, 5 + RETRY_MS, &running(0.0), Life::Believed), Some((1_002, true)));
    writer.failed(3_000);
    assert_eq!(look(&mut writer, 3_001, &snapshot(StatusV1::Done, 0.0), Life::Ended), None);
    assert_eq!(
        look(&mut writer, 3_000 + RETRY_MS, &snapshot(StatusV1::Done, 0.0), Life::Ended),
        Some((1_005, true))
    );
}

proptest! {
    #[test]
    fn the_file_is_true_and_fresh_within_its_bounds(
        moves in prop::collection::vec((0..3_u8, 0..4_usize, 0..400_u64), 1..200),
    ) {
        let mut writer = V1Writer::default();
        let (mut now, mut file) = (0, None::<(SnapshotV1, u64)>);
        for (epoch, status, wait) in moves {
            now += wait;
            let wanted = snapshot(StatusV1::ALL[status], f64::from(epoch));
            let life = if wanted.status.is_terminal() { Life::Ended } else { Life::Believed };
            let before = file.clone();
            if let Plan::Write { snapshot, fsync } = writer.plan(&wanted, life, now, now / 1_000) {
                let other = before.as_ref().is_none_or(|(before, _)| before.status != snapshot.status);
                prop_assert_eq!(fsync, other, "synced exactly when the status changes");
                let since = before.map(|(_, at)| now - at);
                prop_assert!(other || since.is_some_and(|since| since >= WRITE_MS_MIN));
                writer.written(snapshot.clone(), now);
                file = Some((snapshot, now));
            }
            let (file, at) = file.clone().unwrap();
            prop_assert_eq!(file.status, wanted.status, "the status is never late");
            let same = SnapshotV1 { timestamp: 0, ..file } == wanted;
            prop_assert!(same || now - at < WRITE_MS_MIN);
            prop_assert!(life == Life::Ended || now - at < HEARTBEAT_MS);
        }
    }
}
