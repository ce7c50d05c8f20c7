//! The options that say how a run is to be looked after, the same for a new run and for one that
//! is there already.

use crate::args::{a_count, a_duration, a_metric, a_share};
use clap::Args;
use resus_core::api::Overrides;
use std::time::Duration;

/// Settings of one run.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OverrideArgs {
    /// Retries within the window [default: 5 an hour]
    #[arg(long, value_name = "N", value_parser = a_count, allow_negative_numbers = true)]
    pub retries: Option<u32>,
    /// Wait before the first retry, e.g. 1s
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub backoff: Option<Duration>,
    /// Time to save a checkpoint and leave when it is stopped, e.g. 60s
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub grace: Option<Duration>,
    /// Time until its first word, if it speaks PULSE, e.g. 10m
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub startup_timeout: Option<Duration>,
    /// Longest silence if it sends heartbeats, e.g. 60s; 0s = no limit
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub heartbeat_timeout: Option<Duration>,
    /// Longest time without progress if it reports any, e.g. 30m; 0s = no limit
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub progress_timeout: Option<Duration>,
    /// Share of failed work at which it pauses, e.g. 1%; 0% = none
    #[arg(long, value_name = "SHARE", value_parser = a_share, allow_hyphen_values = true)]
    pub max_error_share: Option<u32>,
    /// Verified checkpoints to keep, the newest ones
    #[arg(
        long,
        alias = "keep-checkpoints",
        value_name = "N",
        value_parser = a_count,
        allow_negative_numbers = true
    )]
    pub keep: Option<u32>,
    /// And so many of the best by --best-metric
    #[arg(long, value_name = "N", value_parser = a_count, allow_negative_numbers = true)]
    pub keep_best: Option<u32>,
    /// The number that tells the best ones, e.g. val_loss or auc:max
    #[arg(long, value_name = "NAME", value_parser = a_metric)]
    pub best_metric: Option<String>,
}

impl OverrideArgs {
    /// As the API has them.
    pub(crate) fn overrides(&self) -> Overrides {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        Overrides {
            retries: self.retries,
            backoff_ms: self.backoff.map(ms),
            grace_ms: self.grace.map(ms),
            startup_timeout_ms: self.startup_timeout.map(ms),
            heartbeat_timeout_ms: self.heartbeat_timeout.map(ms),
            progress_timeout_ms: self.progress_timeout.map(ms),
            max_error_share_permille: self.max_error_share,
            keep_checkpoints: self.keep,
            keep_best: self.keep_best,
            best_metric: self.best_metric.clone(),
            ..Overrides::default()
        }
    }
}
