//! Reading a v1 file: every sentence of the protocol's "Reading".

use proptest::prelude::*;
use resus_core::pulse::v1::reader::{Reason, STALE_MESSAGE, Saying, V1Reader, Warning};
use resus_core::pulse::v1::{HEARTBEAT_MS, POLL_MS, STALE_MS, SnapshotV1, StatusV1};

/// The wall clock when the monotonic clock is 0.
const BEGAN_UNIX_S: u64 = 1_795_320_000;
const TEN_YEARS_S: u64 = 315_360_000;

fn snapshot(status: StatusV1, epoch: f64, timestamp: u64) -> SnapshotV1 {
    SnapshotV1 { status, epoch, total_epochs: 3.0, loss: 0.5, message: "m".to_owned(), timestamp }
}

fn running(epoch: f64, at_s: u64) -> SnapshotV1 {
    snapshot(StatusV1::Running, epoch, BEGAN_UNIX_S + at_s)
}

fn stale(snapshot: &SnapshotV1) -> SnapshotV1 {
    SnapshotV1 { status: StatusV1::Error, message: STALE_MESSAGE.to_owned(), ..snapshot.clone() }
}

fn emit(snapshot: &SnapshotV1, reason: Reason) -> Saying {
    Saying::Emit { snapshot: snapshot.clone(), reason }
}

/// A reader and the seconds of its life; the wall clock goes along.
#[derive(Default)]
struct Look {
    reader: V1Reader,
}

impl Look {
    fn at(&mut self, second: u64, content: &[u8]) -> Vec<Saying> {
        self.reader.poll(second * 1_000, BEGAN_UNIX_S + second, Some(content))
    }

    fn see(&mut self, second: u64, snapshot: &SnapshotV1) -> Vec<Saying> {
        self.at(second, &snapshot.to_bytes())
    }
}

#[test]
fn every_changed_field_is_told_and_nothing_else() {
    let base = running(1.0, 0);
    let changed = [
        SnapshotV1 { epoch: 2.0, ..base.clone() },
        SnapshotV1 { total_epochs: 4.0, ..base.clone() },
        SnapshotV1 { loss: 0.25, ..base.clone() },
        SnapshotV1 { message: "n".to_owned(), ..base.clone() },
        SnapshotV1 { timestamp: base.timestamp + 1, ..base.clone() },
        SnapshotV1 { status: StatusV1::Idle, ..base.clone() },
    ];
    for other in changed {
        let mut look = Look::default();
        assert_eq!(look.see(0, &base), [emit(&base, Reason::Changed)]);
        assert_eq!(look.see(2, &base), []);
        assert_eq!(look.see(4, &other), [emit(&other, Reason::Changed)]);
        assert_eq!(look.see(6, &other), []);
    }
}

#[test]
fn an_unchanged_snapshot_is_repeated_after_ten_seconds_not_twelve() {
    let mut reader = V1Reader::default();
    let content = running(1.0, 0).to_bytes();
    // A caller that is always a little late.
    let (mut now, mut emitted_at) = (0, Vec::new());
    assert_eq!(reader.next_poll(), 0);
    while now < 50_000 {
        for saying in reader.poll(now, BEGAN_UNIX_S, Some(&content)) {
            assert!(matches!(saying, Saying::Emit { .. }));
            emitted_at.push(now);
        }
        assert!(reader.next_poll() > now && reader.next_poll() <= now + POLL_MS);
        now = reader.next_poll() + 3;
    }
    let gaps: Vec<_> = emitted_at.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!(gaps, [HEARTBEAT_MS + 3; 4]);
}

#[test]
fn a_silent_training_is_stale_after_sixty_seconds_and_told_once() {
    let mut look = Look::default();
    let last = running(1.0, 0);
    look.see(0, &last);
    let told: Vec<_> = (1..=60).flat_map(|second| look.see(second, &last)).collect();
    assert!(told.iter().all(|saying| *saying == emit(&last, Reason::Heartbeat)), "{told:?}");
    assert_eq!(look.see(61, &last), [emit(&stale(&last), Reason::Stale)]);
    assert_eq!(look.see(63, &last), []);
    assert_eq!(look.see(71, &last), [emit(&stale(&last), Reason::Heartbeat)]);
    let alive = running(1.5, 72);
    assert_eq!(look.see(72, &alive), [emit(&alive, Reason::Changed)], "it was not dead");
}

#[test]
fn idle_done_and_error_are_never_stale() {
    for status in [StatusV1::Idle, StatusV1::Done, StatusV1::Error] {
        let mut look = Look::default();
        let old = snapshot(status, 3.0, BEGAN_UNIX_S - TEN_YEARS_S);
        let reason = if status == StatusV1::Idle { Reason::Changed } else { Reason::Final };
        assert_eq!(look.see(0, &old), [emit(&old, reason)]);
        for second in (10..500).step_by(10) {
            assert_eq!(look.see(second, &old), [emit(&old, Reason::Heartbeat)]);
        }
    }
}

#[test]
fn at_first_sight_the_age_counts_to_the_second() {
    for (age_s, is_stale) in [(0, false), (60, false), (61, true), (70, true), (TEN_YEARS_S, true)] {
        let old = snapshot(StatusV1::Running, 1.0, BEGAN_UNIX_S - age_s);
        let expected = if is_stale { emit(&stale(&old), Reason::Stale) } else { emit(&old, Reason::Changed) };
        assert_eq!(Look::default().see(0, &old), [expected], "{age_s} s");
    }
    let mut look = Look::default();
    let half_old = snapshot(StatusV1::Running, 1.0, BEGAN_UNIX_S - 50);
    look.see(0, &half_old);
    assert_eq!(look.see(10, &half_old), [emit(&half_old, Reason::Heartbeat)]);
    assert_eq!(look.see(11, &half_old), [emit(&stale(&half_old), Reason::Stale)]);
}

#[test]
fn a_wrong_clock_makes_no_living_writer_stale_and_no_dead_one_alive() {
    for wrong in [BEGAN_UNIX_S - TEN_YEARS_S, BEGAN_UNIX_S + TEN_YEARS_S, 0, u64::MAX / 2] {
        let mut look = Look::default();
        look.see(0, &snapshot(StatusV1::Running, 0.0, wrong));
        for second in (2..200).step_by(2) {
            let alive = snapshot(StatusV1::Running, 0.0, wrong + second);
            assert_eq!(look.see(second, &alive), [emit(&alive, Reason::Changed)]);
        }
        let last = snapshot(StatusV1::Running, 0.0, wrong + 198);
        let told: Vec<_> = (200..=260).step_by(2).flat_map(|second| look.see(second, &last)).collect();
        assert_eq!(told.last(), Some(&emit(&stale(&last), Reason::Stale)));
    }
}

#[test]
fn a_step_of_the_wall_clock_changes_nothing() {
    let mut reader = V1Reader::default();
    let content = |second: u64| running(1.0, second).to_bytes();
    for (n, jump) in [0, TEN_YEARS_S, 0, 90].into_iter().enumerate() {
        let second = 2 * n as u64;
        let said = reader.poll(second * 1_000, BEGAN_UNIX_S + second + jump, Some(&content(second)));
        assert!(matches!(said[..], [Saying::Emit { reason: Reason::Changed, .. }]), "{said:?}");
    }
    let said = reader.poll(8_000, 0, Some(&content(6)));
    assert_eq!(said, []);
}

#[test]
fn an_older_file_put_back_is_no_sign_of_life() {
    let mut look = Look::default();
    look.see(0, &running(1.0, 0));
    let older = snapshot(StatusV1::Running, 0.5, BEGAN_UNIX_S - 3_600);
    assert_eq!(look.see(2, &older), [emit(&stale(&older), Reason::Stale)]);
}

#[test]
fn what_can_not_be_read_keeps_the_last_value_warns_once_and_goes_stale() {
    let good = running(1.0, 0);
    let whole = String::from_utf8(good.to_bytes()).unwrap();
    let broken = [
        String::new(),
        whole[..whole.len() / 2].to_owned(),
        whole.replace("0.5", "NaN"),
        whole.replace("0.5", "\"0.5\""),
        whole.replace("\"epoch\": 1.0", "\"epoch\": 1.0, \"epoch\": 1.0"),
        "garbage".to_owned(),
    ];
    for content in broken.iter().map(|text| Some(text.as_bytes())).chain([None]) {
        let mut look = Look::default();
        look.see(0, &good);
        let told: Vec<_> = (1..=61)
            .flat_map(|second| look.reader.poll(second * 1_000, BEGAN_UNIX_S + second, content))
            .collect();
        let warning = if content.is_none() {
            matches!(told[0], Saying::Warn(Warning::Missing))
        } else {
            matches!(told[0], Saying::Warn(Warning::Broken(_)))
        };
        assert!(warning, "{told:?}");
        let (last, kept) = told[1..].split_last().unwrap();
        assert_eq!(kept, vec![emit(&good, Reason::Heartbeat); 6], "{content:?}");
        assert_eq!(last, &emit(&stale(&good), Reason::Stale));
    }
}

#[test]
fn a_file_that_is_not_there_yet_is_no_fault() {
    let mut reader = V1Reader::default();
    for now in (0..100_000).step_by(2_000) {
        assert_eq!(reader.poll(now, BEGAN_UNIX_S, None), []);
    }
}

#[test]
fn a_key_that_v1_does_not_know_is_told_once_and_the_rest_is_read() {
    let mut look = Look::default();
    let good = running(1.0, 0);
    let more = String::from_utf8(good.to_bytes()).unwrap().replacen('{', "{\"version\": 2,", 1);
    let warning = Saying::Warn(Warning::UnknownKey("version".into()));
    assert_eq!(look.at(0, more.as_bytes()), [warning, emit(&good, Reason::Changed)]);
    assert_eq!(look.at(2, more.as_bytes()), []);
}

#[test]
fn after_the_end_the_next_run_in_the_file_is_picked_up() {
    let mut look = Look::default();
    let end = |status, second| snapshot(status, 3.0, BEGAN_UNIX_S + second);
    let told = |said: Vec<Saying>| {
        let kind = |saying: &Saying| match saying {
            Saying::Warn(_) => "warn",
            Saying::NewRun => "new run",
            Saying::Emit { reason: Reason::Final, .. } => "final",
            Saying::Emit { .. } => "emit",
        };
        said.iter().map(kind).collect::<Vec<_>>().join(", ")
    };
    let story = [
        (running(1.0, 0), "emit"),
        (end(StatusV1::Done, 2), "final"),
        (end(StatusV1::Done, 2), ""),
        (running(0.0, 6), "new run, emit"),
        (running(0.1, 8), "emit"),
        (end(StatusV1::Error, 10), "final"),
        (snapshot(StatusV1::Idle, 0.0, BEGAN_UNIX_S + 12), "emit"),
        (running(0.0, 14), "new run, emit"),
        (end(StatusV1::Error, 16), "final"),
        (end(StatusV1::Done, 18), "new run, final"),
        (snapshot(StatusV1::Idle, 0.0, BEGAN_UNIX_S + 20), "emit"),
        (end(StatusV1::Done, 22), "new run, final"),
    ];
    for (n, (snapshot, expected)) in story.iter().enumerate() {
        assert_eq!(told(look.see(2 * n as u64, snapshot)), *expected, "at look {n}");
    }
}

#[test]
fn the_next_run_is_judged_afresh() {
    let mut look = Look::default();
    look.at(0, b"broken");
    look.see(2, &snapshot(StatusV1::Done, 3.0, BEGAN_UNIX_S));
    let late = snapshot(StatusV1::Running, 0.0, BEGAN_UNIX_S - 100);
    assert_eq!(look.see(4, &late), [Saying::NewRun, emit(&stale(&late), Reason::Stale)]);
    assert!(matches!(look.at(6, b"broken")[..], [Saying::Warn(Warning::Broken(_))]), "warned once per run");
}

fn content() -> impl Strategy<Value = Option<Vec<u8>>> {
    let timestamp = prop_oneof![Just(BEGAN_UNIX_S), any::<u64>(), BEGAN_UNIX_S - 200..BEGAN_UNIX_S + 200];
    let whole = (prop::sample::select(StatusV1::ALL.to_vec()), any::<f64>(), timestamp)
        .prop_map(|(status, epoch, timestamp)| snapshot(status, epoch, timestamp).to_bytes());
    let torn =
        (whole.clone(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(mut bytes, at, byte)| {
            let at = at.index(bytes.len());
            bytes[at] = byte;
            bytes
        });
    let cut = (whole.clone(), any::<prop::sample::Index>()).prop_map(|(mut bytes, at)| {
        bytes.truncate(at.index(bytes.len()));
        bytes
    });
    prop_oneof![
        4 => whole.prop_map(Some),
        2 => torn.prop_map(Some),
        1 => cut.prop_map(Some),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Some),
        1 => Just(None),
    ]
}

proptest! {
    #[test]
    fn whatever_is_in_the_file_what_is_told_is_sound(
        looks in prop::collection::vec((content(), 1..20_000_u64, any::<u64>()), 1..40),
    ) {
        let mut reader = V1Reader::default();
        let (mut now, mut emitted_at, mut warnings) = (0, None::<u64>, 0);
        for (content, wait, unix_s) in looks {
            now += wait;
            let sayings = reader.poll(now, unix_s, content.as_deref());
            for saying in &sayings {
                match saying {
                    Saying::Emit { snapshot, .. } => {
                        let numbers = [snapshot.epoch, snapshot.total_epochs, snapshot.loss];
                        prop_assert!(numbers.iter().all(|n| n.is_finite()));
                        prop_assert!(snapshot.message.len() <= 256);
                        emitted_at = Some(now);
                    }
                    Saying::NewRun => warnings = 0,
                    Saying::Warn(_) => warnings += 1,
                }
            }
            prop_assert!(warnings <= 3, "each kind once");
            prop_assert!(emitted_at.is_none_or(|at| now - at < HEARTBEAT_MS), "somebody hears of it every 10 s");
            prop_assert!(reader.next_poll() > now && reader.next_poll() <= now + POLL_MS);
        }
    }

    #[test]
    fn a_writer_that_writes_every_minute_is_never_stale(
        begin in any::<u32>(), waits in prop::collection::vec(1..=STALE_MS / 1_000, 1..8), unix in any::<u64>(),
    ) {
        let mut reader = V1Reader::default();
        let (mut now, mut timestamp) = (0, u64::from(begin));
        reader.poll(now, timestamp, Some(&snapshot(StatusV1::Running, 0.0, timestamp).to_bytes()));
        for wait in waits {
            for _ in 0..wait {
                now += 1_000;
                let content = snapshot(StatusV1::Running, 0.0, timestamp).to_bytes();
                for saying in reader.poll(now, unix, Some(&content)) {
                    let is_stale = matches!(&saying, Saying::Emit { reason: Reason::Stale, .. });
                    prop_assert!(!is_stale);
                }
            }
            timestamp += wait;
        }
    }
}
