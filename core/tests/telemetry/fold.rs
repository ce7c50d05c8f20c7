//! Folded errors: every one is counted once, early enough, and in the order of the file.

use proptest::prelude::*;
use resus_core::codes::Code;
use resus_core::fold::{Folded, Folder, KEYS_MAX, Key, WINDOW_MS};
use resus_core::moment::Moment;

fn at(mono_ms: u64) -> Moment {
    Moment { unix_ms: 1_000_000 + mono_ms, mono_ms }
}

fn key(n: usize) -> Key {
    Key::new(&Code::new("APP_ITEM"), None, &format!("item {n} failed"))
}

fn counts<V>(folded: &[Folded<V>]) -> Vec<u64> {
    folded.iter().map(|one| one.count).collect()
}

#[test]
fn a_flood_is_told_in_powers_of_two() {
    let mut folder = Folder::default();
    let told: Vec<_> = (1..=1_000_u64).flat_map(|n| folder.put(key(0), n, n * 10, at(n))).collect();
    assert_eq!(counts(&told), [1, 1, 2, 4, 8, 16, 32, 64, 128, 256]);
    let last = told.last().unwrap();
    assert_eq!((last.value, last.upto, last.first_at, last.last_at), (512, 5_120, at(257), at(512)));
    assert_eq!(folder.next_due(), Some(513 + WINDOW_MS));
    assert_eq!(folder.due(at(512 + WINDOW_MS)), []);
    let rest = folder.due(at(513 + WINDOW_MS));
    assert_eq!((counts(&rest), rest[0].upto, folder.next_due()), (vec![488], 10_000, None));
}

#[test]
fn what_differs_in_code_target_or_message_is_not_the_same() {
    let code = Code::new("APP_ITEM");
    let keys = [
        Key::new(&code, None, "m"),
        Key::new(&code, None, "n"),
        Key::new(&code, Some("m"), "m"),
        Key::new(&Code::new("APP_OTHER"), None, "m"),
    ];
    let mut folder = Folder::default();
    for (n, key) in keys.iter().enumerate() {
        assert_eq!(folder.put(key.clone(), (), n as u64, at(0)).len(), 1);
    }
    assert_eq!(folder.keys(), keys.len());
}

#[test]
fn an_error_that_comes_back_after_the_window_is_new() {
    let mut folder = Folder::default();
    let told: Vec<_> = (0..5).flat_map(|n| folder.put(key(0), n, n, at(n * WINDOW_MS))).collect();
    assert_eq!(counts(&told), [1; 5]);
    let within: Vec<_> = (5..10).flat_map(|n| folder.put(key(0), n, n, at(50_000 + n))).collect();
    assert_eq!(counts(&within), [1, 1, 2]);
}

#[test]
fn a_new_key_takes_the_place_of_the_oldest_and_nothing_held_is_lost() {
    let mut folder = Folder::default();
    let mut told = 0;
    let mut put = |folder: &mut Folder<()>, n: usize, upto: u64| {
        told += folder.put(key(n), (), upto, at(upto)).iter().map(|one| one.count).sum::<u64>();
    };
    // Every key comes three times, so that each holds one.
    for upto in 0..3 * KEYS_MAX {
        put(&mut folder, upto % KEYS_MAX, upto as u64);
    }
    put(&mut folder, KEYS_MAX, 3 * KEYS_MAX as u64);
    assert_eq!((folder.keys(), told), (KEYS_MAX, 3 * KEYS_MAX as u64 + 1));
}

proptest! {
    #[test]
    fn every_error_is_counted_once_and_in_order(
        moves in prop::collection::vec((0..100_usize, prop_oneof![Just(0), 1..50_u64, 3_000..12_000_u64], 0..20_u8), 0..400),
        keys in 1..100_usize,
    ) {
        let mut folder = Folder::default();
        let (mut now, mut put, mut told, mut upto) = (0, 0_u64, 0_u64, None::<u64>);
        for (n, (which, wait, what)) in moves.into_iter().enumerate() {
            now += wait;
            let released = match what {
                0 => folder.flush(),
                1..=3 => folder.due(at(now)),
                _ => {
                    put += 1;
                    folder.put(key(which % keys), n as u64, n as u64, at(now))
                }
            };
            for folded in &released {
                prop_assert!(upto.is_none_or(|before| folded.upto > before), "offsets grow");
                prop_assert!(folded.count >= 1 && folded.value == folded.upto, "the newest is kept");
                prop_assert!(folded.first_at.mono_ms <= folded.last_at.mono_ms);
                upto = Some(folded.upto);
                told += folded.count;
            }
            prop_assert!(folder.keys() <= KEYS_MAX);
            // The invariant that the ledger's one offset needs: either everything put in has
            // been released, or what is held was put in after all that was released.
            if !released.is_empty() {
                prop_assert_eq!(told, put, "a release holds nothing back");
                prop_assert_eq!(folder.next_due(), None);
            }
            let due = folder.next_due();
            prop_assert_eq!(due.is_none(), told == put);
            prop_assert!(due.is_none_or(|due| due > now) || !(1..=19).contains(&what), "nothing is held too long");
        }
        told += folder.flush().iter().map(|one| one.count).sum::<u64>();
        prop_assert_eq!(told, put);
    }

    #[test]
    fn a_flood_of_few_errors_makes_few_events(keys in 1..8_usize, n in 1..2_000_usize) {
        let mut folder = Folder::default();
        let events: usize = (0..n).map(|i| folder.put(key(i % keys), (), i as u64, at(i as u64 / 1_000)).len()).sum();
        let of_each = (n as f64).log2() + 2.0;
        prop_assert!(events as f64 <= keys as f64 * of_each, "{events} events");
    }
}
