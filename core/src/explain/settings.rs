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
    told.into_iter().flatten().collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

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
    }
}
