//! The configuration as one line of text, and its short name.
//!
//! A checkpoint carries the line, so that going on with other settings is refused by name instead of
//! silently giving a result that neither setting would have given.

use othello_engine::selfplay::PlayRules;
use othello_engine::session::TrainConfig;

/// Everything the result of a training depends on, as `name=value` pairs. Numbers are written so that
/// they read back exactly.
pub(crate) fn describe(config: &TrainConfig) -> String {
    // Taken apart field by field, so that a new field cannot be forgotten here.
    let TrainConfig { games, batch, stages, alpha, rules } = config;
    let PlayRules { seed, random_plies, epsilon, exact_empties, lambda } = rules;
    format!(
        "games={games} batch={batch} stages={stages} alpha={alpha} seed={seed} random_plies={random_plies} \
         epsilon={epsilon} exact_empties={exact_empties} lambda={lambda}"
    )
}

/// A short name of a description: its FNV-1a hash, 16 hexadecimal digits.
pub(crate) fn short_name(description: &str) -> String {
    let hash = description
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    format!("{hash:016x}")
}

/// What differs between two descriptions: `alpha 0.025 → 0.05, seed 1 → 2`.
pub(crate) fn differences(before: &str, now: &str) -> String {
    let before: Vec<&str> = before.split(' ').collect();
    let mut found = Vec::new();
    for pair in now.split(' ').filter(|pair| !before.contains(pair)) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let old = before.iter().filter_map(|pair| pair.split_once('=')).find(|(other, _)| *other == name);
        found.push(format!("{name} {} → {value}", old.map_or("(none)", |(_, value)| value)));
    }
    found.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_that_matters_changes_the_name() {
        let base = TrainConfig::default();
        let change = |change: fn(&mut TrainConfig)| {
            let mut config = base;
            change(&mut config);
            short_name(&describe(&config))
        };
        let names = [
            change(|_| {}),
            change(|config| config.games += 1),
            change(|config| config.batch += 1),
            change(|config| config.stages += 1),
            change(|config| config.alpha *= 1.000_000_000_1),
            change(|config| config.rules.seed += 1),
            change(|config| config.rules.random_plies += 1),
            change(|config| config.rules.epsilon += 0.01),
            change(|config| config.rules.exact_empties += 1),
            change(|config| config.rules.lambda += 0.01),
        ];
        let distinct: std::collections::BTreeSet<_> = names.iter().collect();
        assert_eq!(distinct.len(), names.len());
    }

    #[test]
    fn the_short_name_is_fnv_1a() {
        assert_eq!(short_name(""), "cbf29ce484222325");
        assert_eq!(short_name("foobar"), "85944171f73967e8");
    }

    #[test]
    fn differences_name_the_setting_and_both_values() {
        assert_eq!(differences("a=1 b=2 c=3", "a=1 b=5 d=4"), "b 2 → 5, d (none) → 4");
    }
}
