//! What somebody who mistyped a name probably meant.

use crate::settings::keys::{KEYS, find};
use crate::text::nearest::{allowed, distance};

/// The key nearest to `name` (`section.key`, `section` or a bare key), if any is near.
pub(crate) fn key(name: &str) -> Option<&'static str> {
    // Secrets are not typed here: the file that holds one is named.
    if let Some(file) = find(&format!("{name}_file")) {
        return Some(file.name);
    }
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
pub(crate) fn section(name: &str) -> Option<&'static str> {
    KEYS.iter()
        .filter_map(|key| key.name.split_once('.').map(|(section, _)| (distance(section, name), section)))
        .min()
        .filter(|(distance, _)| *distance <= allowed(name))
        .map(|(_, section)| section)
}

fn last(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
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
        assert_eq!(key("bus.password"), Some("bus.password_file"));
        assert_eq!(key("panel.colour"), None);
        assert_eq!(section("retrys"), Some("retry"));
        assert_eq!(section("telemetry"), None);
    }
}
