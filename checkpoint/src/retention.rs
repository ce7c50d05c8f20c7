//! Which checkpoints may go. Pure: it names them, and others remove them.

/// A catalogued checkpoint, as far as retention cares.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<Id> {
    /// What it is known by.
    pub id: Id,
    /// How far the training was.
    pub step: u64,
    /// Whether it was read back whole.
    pub verified: bool,
    /// Whether it is kept for another reason than its age: the best so far, one of every K, or because
    /// someone said so.
    pub pinned: bool,
}

/// Names the checkpoints that may be deleted so that the newest `keep_last` verified ones stay, oldest
/// first. `entries` may come in any order.
///
/// The newest verified one always stays, even with `keep_last` 0. One that is not verified is never
/// counted as kept; it goes once it is older than every verified one that stays, and before that it
/// stays, as it may still be verified. Pinned ones stay and are not counted.
#[must_use]
pub fn plan<Id: Clone + Ord>(entries: &[Entry<Id>], keep_last: usize) -> Vec<Id> {
    let mut newest_first: Vec<&Entry<Id>> = entries.iter().collect();
    newest_first.sort_unstable_by(|a, b| (b.step, &b.id).cmp(&(a.step, &a.id)));
    let mut room = keep_last.max(1);
    let mut superfluous = Vec::new();
    for entry in newest_first {
        if entry.pinned {
            // The newest verified one may be pinned: then the promise is kept without a place of its own.
            continue;
        }
        if room == 0 {
            superfluous.push(entry.id.clone());
        } else if entry.verified {
            room -= 1;
        }
    }
    superfluous.reverse();
    superfluous
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verified(step: u64) -> Entry<u64> {
        Entry { id: step, step, verified: true, pinned: false }
    }

    fn unverified(step: u64) -> Entry<u64> {
        Entry { verified: false, ..verified(step) }
    }

    fn pinned(step: u64) -> Entry<u64> {
        Entry { pinned: true, ..verified(step) }
    }

    #[test]
    fn the_newest_verified_ones_stay() {
        assert_eq!(plan(&[verified(3), verified(1), verified(4), verified(2)], 2), [1, 2]);
    }

    #[test]
    fn unverified_ones_do_not_take_a_place() {
        let entries = [verified(1), verified(2), unverified(3), unverified(4)];
        assert_eq!(plan(&entries, 2), Vec::<u64>::new());
        assert_eq!(plan(&entries, 1), [1]);
    }

    #[test]
    fn an_unverified_one_goes_once_it_is_older_than_all_that_stay() {
        assert_eq!(plan(&[unverified(1), verified(2), unverified(3), verified(4)], 2), [1]);
    }

    #[test]
    fn pinned_ones_stay_beside_the_others() {
        assert_eq!(plan(&[pinned(1), verified(2), verified(3)], 1), [2]);
    }

    #[test]
    fn without_a_verified_one_nothing_goes() {
        assert_eq!(plan(&[unverified(1), unverified(2)], 0), Vec::<u64>::new());
    }

    /// Every set of up to six checkpoints, each one absent, unverified, verified or pinned.
    #[test]
    fn the_newest_verified_one_never_goes() {
        for code in 0..4_u32.pow(6) {
            let kinds = (0..6).map(|place| (u64::from(place), code / 4_u32.pow(place) % 4));
            let entries: Vec<Entry<u64>> = kinds
                .filter(|(_, kind)| *kind > 0)
                .map(|(step, kind)| Entry { verified: kind > 1, pinned: kind > 2, ..verified(step) })
                .collect();
            let newest = entries.iter().filter(|entry| entry.verified).map(|entry| entry.step).max();
            for keep_last in 0..4 {
                let deleted = plan(&entries, keep_last);
                assert!(newest.is_none_or(|newest| !deleted.contains(&newest)), "{entries:?} {keep_last}");
                let kept =
                    entries.iter().filter(|entry| entry.verified && !deleted.contains(&entry.id)).count();
                let all = entries.iter().filter(|entry| entry.verified).count();
                assert!(kept >= keep_last.min(all), "{entries:?} {keep_last}: {deleted:?}");
            }
        }
    }
}
