//! What somebody who mistyped a name probably meant.

/// The one of `names` nearest to `name`, if any is near.
#[must_use]
pub fn nearest<'n>(name: &str, names: impl Iterator<Item = &'n str>) -> Option<&'n str> {
    names
        .map(|known| (distance(known, name), known))
        .min()
        .filter(|(distance, _)| *distance <= allowed(name))
        .map(|(_, known)| known)
}

/// Typing errors that are put up with in `name`: one in three letters, and at least two.
#[must_use]
pub fn allowed(name: &str) -> usize {
    (name.chars().count() / 3).max(2)
}

/// Levenshtein's distance: insertions, deletions and exchanges that lead from `a` to `b`.
#[must_use]
pub fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (above, to) in row.iter_mut().skip(1).zip(&b) {
            let changed = diagonal + usize::from(from != *to);
            diagonal = *above;
            left = changed.min(left + 1).min(*above + 1);
            *above = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slips_are_understood_and_inventions_are_not() {
        let names = ["games", "seed", "threads", "checkpoint_every"];
        let near = |name| nearest(name, names.into_iter());
        assert_eq!(near("gmaes"), Some("games"));
        assert_eq!(near("checkpoint-every"), Some("checkpoint_every"));
        assert_eq!(near("sedd"), Some("seed"));
        assert_eq!(near("momentum"), None);
        assert_eq!(near(""), None);
        assert_eq!((distance("kitten", "sitting"), distance("", "ab")), (3, 2));
    }
}
