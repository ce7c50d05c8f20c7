//! What somebody who mistyped a name probably meant.

use crate::settings::keys::KEYS;

/// The key nearest to `name` (`section.key`, `section` or a bare key), if any is near.
pub(super) fn key(name: &str) -> Option<&'static str> {
    let wanted_last = last(name);
    KEYS.iter()
        .map(|key| {
            // A key in the wrong section, or in none, is nearest to its namesake.
            let same_last = usize::from(last(key.name) != wanted_last);
            (same_last * distance(key.name, name), key.name)
        })
        .min()
        .filter(|(distance, _)| *distance <= allowed(name))
        .map(|(_, key)| key)
}

/// The section nearest to `name`, if any is near.
pub(super) fn section(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .filter_map(|key| key.name.split_once('.').map(|(section, _)| (distance(section, name), section)))
        .min()
        .filter(|(distance, _)| *distance <= allowed(name))
        .map(|(_, section)| section)
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

/// One typing error in three letters, and at least two.
fn allowed(name: &str) -> usize {
    (name.chars().count() / 3).max(2)
}

/// Levenshtein's distance: insertions, deletions and exchanges that lead from `a` to `b`.
fn distance(a: &str, b: &str) -> usize {
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
    fn distances_are_levenshteins() {
        for (a, b, d) in
            [("", "", 0), ("abc", "", 3), ("", "ab", 2), ("kitten", "sitting", 3), ("grace", "grace", 0)]
        {
            assert_eq!(distance(a, b), d, "{a} {b}");
            assert_eq!(distance(b, a), d, "{b} {a}");
        }
    }

    #[test]
    fn slips_are_understood_and_inventions_are_not() {
        assert_eq!(key("retry.mx"), Some("retry.max"));
        assert_eq!(key("stop.backoff"), Some("retry.backoff"), "right name, wrong section");
        assert_eq!(key("grace"), Some("stop.grace"), "no section at all");
        assert_eq!(key("watchdog.start_timeout"), Some("watchdog.startup_timeout"));
        assert_eq!(key("bus.url"), None);
        assert_eq!(section("retrys"), Some("retry"));
        assert_eq!(section("telemetry"), None);
    }
}
