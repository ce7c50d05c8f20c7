//! Settings of one run in place of the daemon's: every key of a policy, each of them or none.

use crate::policy::Policy;
use serde::{Deserialize, Serialize};

/// How a value of a policy is wished for.
trait Setting {
    /// What one wishes.
    type Wish: Clone + PartialEq;
    /// The wish that leads to this value.
    fn wish(&self) -> Self::Wish;
    /// Fulfils a wish.
    fn grant(&mut self, wish: &Self::Wish);
}

impl Setting for u32 {
    type Wish = Self;
    fn wish(&self) -> Self {
        *self
    }
    fn grant(&mut self, wish: &Self) {
        *self = *wish;
    }
}

impl Setting for u64 {
    type Wish = Self;
    fn wish(&self) -> Self {
        *self
    }
    fn grant(&mut self, wish: &Self) {
        *self = *wish;
    }
}

/// An empty text wishes that there is none.
impl Setting for Option<String> {
    type Wish = String;
    fn wish(&self) -> String {
        self.clone().unwrap_or_default()
    }
    fn grant(&mut self, wish: &String) {
        *self = Some(wish.clone()).filter(|text| !text.is_empty());
    }
}

macro_rules! overrides {
    ($($(#[doc = $about:literal])+ $field:ident: $kind:ty => $($place:ident).+ = $key:literal;)+) => {
        /// Settings of one run that differ from the daemon's configuration. Times in milliseconds.
        #[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
        #[serde(default, deny_unknown_fields)]
        pub struct Overrides {
            $(
                $(#[doc = $about])+
                #[serde(skip_serializing_if = "Option::is_none")]
                pub $field: Option<$kind>,
            )+
        }

        impl Overrides {
            /// The key of the configuration behind each field, in the order of the fields.
            pub const KEYS: &'static [&'static str] = &[$($key),+];

            /// The values of `policy` for those keys of the configuration that `wanted` names.
            #[must_use]
            pub fn of(policy: &Policy, wanted: impl Fn(&str) -> bool) -> Self {
                Self { $($field: wanted($key).then(|| policy.$($place).+.wish()),)+ }
            }

            /// The policy with these settings in place.
            #[must_use]
            pub fn over(&self, mut policy: Policy) -> Policy {
                $(if let Some(wish) = &self.$field {
                    policy.$($place).+.grant(wish);
                })+
                policy
            }

            /// Those of them that `policy` has otherwise.
            #[must_use]
            pub fn unlike(&self, policy: &Policy) -> Self {
                Self { $($field: self.$field.clone().filter(|wish| *wish != policy.$($place).+.wish()),)+ }
            }

            /// These, and in their place those that `stronger` has.
            #[must_use]
            pub fn and(self, stronger: Self) -> Self {
                Self { $($field: stronger.$field.or(self.$field),)+ }
            }

            /// The keys of the configuration that are set.
            #[must_use]
            pub fn keys(&self) -> Vec<&'static str> {
                [$(self.$field.is_some().then_some($key)),+].into_iter().flatten().collect()
            }
        }
    };
}

overrides! {
    /// Retries in the window.
    retries: u32 => retry.max = "retry.max";
    /// Wait before the first retry.
    backoff_ms: u64 => retry.backoff_ms = "retry.backoff";
    /// Time to leave after a request to stop.
    grace_ms: u64 => stop_grace_ms = "stop.grace";
    /// Time to the first word.
    startup_timeout_ms: u64 => startup_timeout_ms = "watchdog.startup_timeout";
    /// Longest silence of a worker that sends heartbeats; 0 = no limit.
    heartbeat_timeout_ms: u64 => heartbeat_timeout_ms = "watchdog.heartbeat_timeout";
    /// Longest time without progress; 0 = no limit.
    progress_timeout_ms: u64 => progress_timeout_ms = "watchdog.progress_timeout";
    /// Largest share of failed work that is put up with, in thousandths; 0 = any.
    max_error_share_permille: u32 => errors.max_share_permille = "errors.max_share";
    /// Verified checkpoints to keep: the newest ones.
    keep_checkpoints: u32 => keep_checkpoints = "checkpoint.keep";
    /// And so many of the best.
    keep_best: u32 => keep_best = "checkpoint.keep_best";
    /// By which metric they are told: `NAME`, `NAME:min` or `NAME:max`; empty = by none.
    best_metric: String => best_metric = "checkpoint.best_metric";
    /// And the first one of every so many units of progress; 0 = none.
    keep_every: u64 => keep_every = "checkpoint.keep_every";
    /// Most bytes that they may take; 0 = no limit.
    max_checkpoint_bytes: u64 => max_checkpoint_bytes = "checkpoint.max_bytes";
    /// Length of the sliding window in which retries are counted.
    retry_window_ms: u64 => retry.window_ms = "retry.window";
    /// Each further retry waits this many times longer, in hundredths.
    backoff_factor_percent: u32 => retry.backoff_factor_percent = "retry.backoff_factor";
    /// Longest wait between two attempts.
    backoff_max_ms: u64 => retry.backoff_max_ms = "retry.backoff_max";
    /// Progress for this long wipes the slate.
    healthy_after_ms: u64 => retry.healthy_after_ms = "retry.healthy_after";
    /// An attempt that ends sooner, without progress, failed to start.
    startup_window_ms: u64 => retry.startup_window_ms = "retry.startup_window";
    /// Part of the grace in which a worker is only asked.
    ask_wait_ms: u64 => ask_wait_ms = "stop.ask_wait";
    /// Time after SIGKILL until the operator is told that the worker can't be killed.
    kill_wait_ms: u64 => kill_wait_ms = "stop.kill_wait";
    /// Time to exit after the training is complete.
    cooldown_timeout_ms: u64 => cooldown_timeout_ms = "watchdog.cooldown_timeout";
    /// Time of a hung worker after SIGTERM; 0 = it is killed at once.
    hang_grace_ms: u64 => hang_grace_ms = "watchdog.hang_grace";
    /// Time to hold before it is frozen.
    pause_hold_ms: u64 => pause_hold_ms = "pause.hold_wait";
    /// Time to save and leave before SIGTERM.
    pause_release_ms: u64 => pause_release_ms = "pause.release_wait";
    /// How much of the newest work is looked at for errors, in units of progress.
    error_window: u64 => errors.window = "errors.window";
    /// Less work than this counts as so much.
    error_min_sample: u64 => errors.min_sample = "errors.min_sample";
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Extreme, RetentionPolicy};
    use serde_json::Value;
    use std::collections::BTreeSet;

    #[test]
    fn what_retention_keeps_is_set_and_taken_back_like_any_setting() {
        let wish = Overrides {
            keep_checkpoints: Some(3),
            keep_best: Some(2),
            best_metric: Some("val_loss".into()),
            keep_every: Some(1_000),
            max_checkpoint_bytes: Some(7),
            ..Overrides::default()
        };
        let policy = wish.over(Policy::default());
        let rules = RetentionPolicy {
            keep_last: 3,
            keep_best: 2,
            best_metric: Some("val_loss".into()),
            best_is: Extreme::Min,
            keep_every: 1_000,
            max_bytes: 7,
        };
        assert_eq!(policy.retention(), rules);
        assert_eq!((wish.unlike(&policy), wish.unlike(&Policy::default())), (Overrides::default(), wish));
        let none = Overrides { best_metric: Some(String::new()), ..Overrides::default() };
        assert_eq!(
            (none.over(policy).best_metric, none.unlike(&Policy::default())),
            (None, Overrides::default())
        );
    }

    /// The leaves of a policy as JSON, every one of them written.
    fn leaves(value: &Value, path: &str, found: &mut BTreeSet<String>) {
        match value {
            Value::Object(fields) => {
                fields.iter().for_each(|(name, value)| leaves(value, &format!("{path}.{name}"), found));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                found.insert(path.to_owned());
            }
        }
    }

    #[test]
    fn every_number_of_a_policy_can_be_wished_for() {
        let policy = Overrides::of(&Policy::default(), |_| true);
        let policy = Overrides {
            keep_best: Some(1),
            best_metric: Some("m".into()),
            keep_every: Some(1),
            max_checkpoint_bytes: Some(1),
            ..policy
        };
        let mut all = BTreeSet::new();
        leaves(&serde_json::to_value(policy.over(Policy::default())).unwrap(), "", &mut all);
        assert_eq!(all.len(), Overrides::KEYS.len(), "{all:?}");
        assert_eq!(policy.keys(), Overrides::KEYS);
    }

    #[test]
    fn each_wish_changes_one_place_and_no_two_the_same() {
        let json = |policy: &Policy| serde_json::to_value(policy).unwrap();
        let base = json(&Policy::default());
        let mut places = BTreeSet::new();
        for field in serde_json::to_value(Overrides::of(&Policy::default(), |_| true))
            .unwrap()
            .as_object()
            .unwrap()
            .keys()
        {
            let value = if field == "best_metric" { Value::from("odd") } else { Value::from(77) };
            let wish: Overrides = serde_json::from_value(serde_json::json!({ field: value })).unwrap();
            let changed = wish.over(Policy::default());
            let mut now = BTreeSet::new();
            leaves_unlike(&base, &json(&changed), "", &mut now);
            assert_eq!(now.len(), 1, "{field}: {now:?}");
            assert_eq!(
                (wish.unlike(&changed), wish.unlike(&Policy::default())),
                (Overrides::default(), wish.clone())
            );
            assert_eq!(Overrides::of(&changed, |key| wish.keys() == [key]), wish, "{field}");
            assert!(places.insert(now.pop_first()), "{field}");
        }
        assert_eq!(places.len(), Overrides::KEYS.len());
    }

    fn leaves_unlike(a: &Value, b: &Value, path: &str, found: &mut BTreeSet<String>) {
        match (a, b) {
            (Value::Object(a), Value::Object(b)) => {
                for name in a.keys().chain(b.keys()) {
                    let none = Value::Null;
                    let (a, b) = (a.get(name).unwrap_or(&none), b.get(name).unwrap_or(&none));
                    leaves_unlike(a, b, &format!("{path}.{name}"), found);
                }
            }
            (a, b) if a != b => drop(found.insert(path.to_owned())),
            _ => {}
        }
    }

    #[test]
    fn what_is_stronger_wins_and_the_rest_stays() {
        let weak = Overrides { retries: Some(1), grace_ms: Some(2), ..Overrides::default() };
        let strong = Overrides { retries: Some(9), keep_best: Some(3), ..Overrides::default() };
        let both = weak.and(strong);
        assert_eq!(both.keys(), ["retry.max", "stop.grace", "checkpoint.keep_best"]);
        assert_eq!((both.retries, both.grace_ms), (Some(9), Some(2)));
    }
}
