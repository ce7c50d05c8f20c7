use super::*;
use proptest::prelude::*;

const BOTH: Limits = Limits { heartbeat_ms: Some(60_000), progress_ms: Some(1_800_000) };

fn beating(now_ms: u64) -> Deadlines {
    let mut deadlines = Deadlines::new(now_ms);
    deadlines.set(BOTH, now_ms);
    deadlines.heartbeat(now_ms);
    deadlines
}

/// Ticks from `from` on until something is due; when, and what.
fn found(deadlines: &mut Deadlines, from: u64, until: u64) -> Option<(u64, Silence)> {
    let mut now = from;
    while now <= until {
        deadlines.tick(now);
        if let Some((what, _)) = deadlines.due(now) {
            return Some((now, what));
        }
        now += TICK_MS;
    }
    None
}

#[test]
fn a_worker_that_stops_beating_hangs_and_any_sign_of_life_ends_the_silence() {
    let mut deadlines = beating(0);
    assert_eq!(found(&mut deadlines, 0, 59_000), None);
    deadlines.sign(59_500);
    assert_eq!(deadlines.next_due(), Some(119_500));
    assert_eq!(found(&mut deadlines, 60_000, 200_000), Some((120_000, Silence::Heartbeat)));
    assert_eq!(deadlines.due(120_000), Some((Silence::Heartbeat, 60_500)));
}

#[test]
fn a_worker_that_never_beat_has_promised_nothing() {
    let mut deadlines = Deadlines::new(0);
    deadlines.set(BOTH, 0);
    deadlines.sign(10);
    assert_eq!(found(&mut deadlines, 1_000, 5_000_000), None);
    assert_eq!((deadlines.health(5_000_000), deadlines.next_due()), (Health::Unknown, None));
}

#[test]
fn a_heartbeat_and_the_same_amount_again_are_not_progress() {
    let mut deadlines = Deadlines::new(0);
    deadlines.set(BOTH, 0);
    deadlines.progress(5.0, 0);
    found(&mut deadlines, 0, 9_000);
    let mut now = 0;
    let due = loop {
        now += 10_000;
        deadlines.heartbeat(now);
        deadlines.progress(5.0, now);
        deadlines.progress(f64::NAN, now);
        if let Some(due) = found(&mut deadlines, now, now + 9_000) {
            break due;
        }
    };
    assert_eq!(due, (1_800_000, Silence::Progress));
    deadlines.progress(4.0, 1_801_000);
    assert_eq!(deadlines.due(1_801_000), None, "a counter that goes back moves");
}

#[test]
fn a_limit_that_rested_begins_afresh() {
    let mut deadlines = beating(0);
    deadlines.progress(1.0, 0);
    deadlines.set(Limits::default(), 50_000);
    assert_eq!(found(&mut deadlines, 50_000, 4_000_000), None, "a paused worker may be silent");
    deadlines.set(BOTH, 4_000_000);
    assert_eq!(found(&mut deadlines, 4_000_000, 4_059_000), None);
    assert_eq!(found(&mut deadlines, 4_060_000, 4_060_000), Some((4_060_000, Silence::Heartbeat)));
}

#[test]
fn a_reader_that_lags_believes_no_silence() {
    let mut deadlines = beating(0);
    found(&mut deadlines, 0, 30_000);
    deadlines.stalled_reader(true, 30_000);
    assert_eq!(found(&mut deadlines, 31_000, 900_000), None);
    assert_eq!((deadlines.health(900_000), deadlines.next_due()), (Health::Unknown, None));
    deadlines.stalled_reader(false, 900_000);
    assert_eq!(found(&mut deadlines, 900_000, 2_000_000), Some((930_000, Silence::Heartbeat)));
}

#[test]
fn health_says_what_is_known() {
    let mut deadlines = Deadlines::new(0);
    assert_eq!(deadlines.health(0), Health::Unknown);
    deadlines.set(BOTH, 0);
    deadlines.heartbeat(0);
    let at = |deadlines: &mut Deadlines, from: u64, now: u64| {
        found(deadlines, from, now);
        deadlines.health(now)
    };
    assert_eq!(at(&mut deadlines, 1_000, 30_000), Health::Ok);
    assert_eq!(at(&mut deadlines, 31_000, 31_000), Health::Stale);
    assert_eq!(at(&mut deadlines, 32_000, 60_000), Health::Hung);
    deadlines.link_lost(true);
    assert_eq!(deadlines.health(60_000), Health::Lost);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    /// The worker beats and moves all the time; the daemon looks every second and stops for any
    /// time at any moment. When it wakes, it may look before it reads.
    #[test]
    fn a_daemon_that_was_stopped_accuses_nobody(
        stops in prop::collection::vec((1..120_u64, 0..10_000_000_u64, any::<bool>()), 0..20),
        beat_ms in 1_000..20_000_u64,
    ) {
        let mut deadlines = beating(0);
        let (mut now, mut read_upto) = (0_u64, 0_u64);
        for (awake_s, stopped_ms, looks_first) in stops {
            for _ in 0..awake_s {
                now += TICK_MS;
                let look = |deadlines: &mut Deadlines| {
                    deadlines.tick(now);
                    deadlines.due(now)
                };
                if looks_first {
                    prop_assert_eq!(look(&mut deadlines), None);
                }
                if now / beat_ms > read_upto {
                    read_upto = now / beat_ms;
                    deadlines.heartbeat(now);
                    deadlines.progress(read_upto as f64, now);
                }
                prop_assert_eq!(look(&mut deadlines), None);
            }
            now += stopped_ms;
            prop_assert_eq!(deadlines.due(now), None, "a look without a tick");
        }
    }

    /// Whatever went before, and with ticks as late as a busy machine makes them, a silence is
    /// found within its limit and one tick.
    #[test]
    fn a_hang_is_always_found_in_time(
        limit in 2_000..100_000_u64,
        late in prop::collection::vec(0..TICK_GAP_MS, 1..50),
        beats in prop::collection::vec(1..1_500_u64, 0..30),
    ) {
        let mut deadlines = Deadlines::new(0);
        deadlines.set(Limits { heartbeat_ms: Some(limit), progress_ms: None }, 0);
        deadlines.heartbeat(0);
        let mut now = 0;
        for gap in beats {
            now += gap;
            deadlines.heartbeat(now);
        }
        let silent_since = now;
        let mut tick = 0;
        loop {
            let step = TICK_MS + late[tick % late.len()];
            now += step;
            tick += 1;
            deadlines.tick(now);
            if let Some((what, for_ms)) = deadlines.due(now) {
                prop_assert_eq!((what, for_ms), (Silence::Heartbeat, now - silent_since));
                prop_assert!(now - silent_since < limit + step, "found late");
                break;
            }
            prop_assert!(now - silent_since < limit, "missed");
        }
    }
}
