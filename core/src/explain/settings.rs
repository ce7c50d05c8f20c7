//! Settings in words.

use super::{quote, seconds};
use crate::policy::Overrides;

/// The settings that `changes` holds, e.g. `retries 3, grace 60 s`.
pub(crate) fn settings(changes: &Overrides) -> String {
    let time = |name: &str, ms: Option<u64>| ms.map(|ms| format!("{name} {}", seconds(ms)));
    let limit = |name: &str, ms: Option<u64>| match ms {
        Some(0) => Some(format!("no {name}")),
        Some(_) | None => time(name, ms),
    };
    let told = [
        changes.retries.map(|max| format!("retries {max}")),
        time("backoff", changes.backoff_ms),
        time("grace", changes.grace_ms),
        limit("startup timeout", changes.startup_timeout_ms),
        limit("heartbeat timeout", changes.heartbeat_timeout_ms),
        limit("progress timeout", changes.progress_timeout_ms),
        changes.max_error_share_permille.map(|share| match share {
            0 => "no max error share".to_owned(),
            share => format!("max error share {} %", f64::from(share) / 10.0),
        }),
        changes.keep_checkpoints.map(|keep| format!("keep {keep}")),
        changes.keep_best.map(|keep| format!("keep best {keep}")),
        changes.best_metric.as_deref().map(|metric| match metric {
            "" => "no best metric".to_owned(),
            metric => format!("best metric {}", quote(metric)),
        }),
        changes.keep_every.map(|steps| match steps {
            0 => "keep none for its step".to_owned(),
            steps => format!("keep one of every {steps} steps"),
        }),
        changes.max_checkpoint_bytes.map(|bytes| match bytes {
            0 => "no max checkpoint bytes".to_owned(),
            bytes => format!("max checkpoint bytes {bytes}"),
        }),
    ];
    told.into_iter().chain(rarer(changes)).flatten().collect::<Vec<_>>().join(", ")
}

/// Those that no option of a command has a name for.
fn rarer(changes: &Overrides) -> [Option<String>; 13] {
    let time = |name: &str, ms: Option<u64>| ms.map(|ms| format!("{name} {}", seconds(ms)));
    [
        time("retry window", changes.retry_window_ms),
        changes.backoff_factor_percent.map(|n| format!("backoff factor {}", f64::from(n) / 100.0)),
        time("longest backoff", changes.backoff_max_ms),
        time("healthy after", changes.healthy_after_ms),
        time("startup window", changes.startup_window_ms),
        time("ask wait", changes.ask_wait_ms),
        time("kill wait", changes.kill_wait_ms),
        time("cooldown timeout", changes.cooldown_timeout_ms),
        time("hang grace", changes.hang_grace_ms),
        time("hold wait", changes.pause_hold_ms),
        time("release wait", changes.pause_release_ms),
        changes.error_window.map(|units| format!("error window {units}")),
        changes.error_min_sample.map(|units| format!("error sample {units}")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Policy;

    #[test]
    fn only_what_changes_is_named() {
        let changes = Overrides { retries: Some(3), grace_ms: Some(1_500), ..Overrides::default() };
        assert_eq!(settings(&changes), "retries 3, grace 1.5 s");
        let none = Overrides {
            heartbeat_timeout_ms: Some(0),
            max_error_share_permille: Some(15),
            keep_checkpoints: Some(2),
            ..Overrides::default()
        };
        assert_eq!(settings(&none), "no heartbeat timeout, max error share 1.5 %, keep 2");
        let kept = Overrides {
            keep_best: Some(2),
            best_metric: Some("auc\u{1b}".into()),
            keep_every: Some(1_000),
            max_checkpoint_bytes: Some(0),
            ..Overrides::default()
        };
        let told =
            "keep best 2, best metric auc\\u{1b}, keep one of every 1000 steps, no max checkpoint bytes";
        assert_eq!(settings(&kept), told);
        let rare = Overrides {
            backoff_factor_percent: Some(150),
            kill_wait_ms: Some(2_000),
            error_window: Some(500),
            ..Overrides::default()
        };
        assert_eq!(settings(&rare), "backoff factor 1.5, kill wait 2 s, error window 500");
    }

    #[test]
    fn no_setting_is_passed_over() {
        let all = Overrides::of(&Policy::default(), |_| true);
        assert_eq!(settings(&all).split(", ").count(), Overrides::KEYS.len());
    }
}
