//! The options that say how a run is to be looked after, the same for a new run and for one that
//! is there already: what the project says, and over it what was typed.

use crate::args::{a_count, a_duration, a_metric, a_pair, a_share};
use crate::command::Around;
use crate::error::CliError;
use crate::settings::layers::{Below, Layers};
use crate::settings::set::Pair;
use crate::target::Target;
use clap::Args;
use resus_core::api::Overrides;
use std::path::Path;
use std::time::Duration;

/// The options that stand for a key.
const OPTIONS: [(&str, &str); 12] = [
    ("retry.max", "--retries"),
    ("retry.backoff", "--backoff"),
    ("stop.grace", "--grace"),
    ("watchdog.startup_timeout", "--startup-timeout"),
    ("watchdog.heartbeat_timeout", "--heartbeat-timeout"),
    ("watchdog.progress_timeout", "--progress-timeout"),
    ("errors.max_share", "--max-error-share"),
    ("checkpoint.keep", "--keep"),
    ("checkpoint.keep_best", "--keep-best"),
    ("checkpoint.best_metric", "--best-metric"),
    ("checkpoint.keep_every", "--keep-every"),
    ("checkpoint.max_bytes", "--max-bytes"),
];

/// `--set` of a command that knows no parameters of workloads.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct SetArgs {
    /// Any setting of a run, e.g. stop.kill_wait=10s; may be repeated
    #[arg(long, value_name = "KEY=VALUE", value_parser = a_pair)]
    pub set: Vec<Pair>,
}

/// What a run is to have in place of the daemon's settings.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Wishes {
    /// By the project.
    pub project: Overrides,
    /// By who typed the command.
    pub typed: Overrides,
}

impl Wishes {
    /// Both, what was typed above the project.
    pub(crate) fn overrides(self) -> Overrides {
        self.project.and(self.typed)
    }
}

/// The wishes for a run on top of what lies `below`: of the project of `folder`, if there is a
/// folder, of `--set`, and of the options `options`.
///
/// # Errors
/// [`CliError::Settings`] with every fault of every layer, a mistake in the user's file among
/// them, which the daemon would meet when it is started next; [`CliError::Usage`]: an option and
/// `--set` say the same key.
pub(crate) fn wishes(
    around: &Around,
    below: Below,
    folder: Option<&Path>,
    set: &[Pair],
    options: Overrides,
) -> Result<Wishes, CliError> {
    let layers = Layers::load(below, folder, set, &options)?;
    let set = layers.of_set();
    if let Some(key) = set.keys().into_iter().find(|key| options.keys().contains(key)) {
        return Err(said_twice(key));
    }
    layers.warn(around.console);
    Ok(Wishes { project: layers.of_project(), typed: set.and(options) })
}

/// What lies below the project for runs of the daemon that is asked.
pub(crate) fn below(around: &Around) -> Below {
    match around.target {
        Target::Here(_) => Below::UserFile,
        Target::There(_) => Below::Unknown,
    }
}

fn said_twice(key: &str) -> CliError {
    let option = OPTIONS.iter().find(|(of, _)| *of == key).map_or("an option", |(_, option)| option);
    CliError::Usage {
        what: format!("{option} and --set {key} say the same setting"),
        next: format!("leave one of them out; {option} is short for --set {key}=…"),
    }
}

/// Settings of one run.
#[derive(Debug, Clone, Default, Args)]
pub(crate) struct OverrideArgs {
    /// Retries within the window [default: 5 an hour]
    #[arg(long, value_name = "N", value_parser = a_count, allow_negative_numbers = true)]
    pub retries: Option<u32>,
    /// Wait before the first retry, e.g. 1s
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub backoff: Option<Duration>,
    /// Time to save a checkpoint when it is stopped, e.g. 60s
    #[arg(long, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub grace: Option<Duration>,
    /// Time until its first word, if it speaks PULSE, e.g. 10m
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub startup_timeout: Option<Duration>,
    /// Longest silence if it sends heartbeats, e.g. 60s; 0s = no limit
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub heartbeat_timeout: Option<Duration>,
    /// Longest time without progress if it reports any, e.g. 30m; 0s = no limit
    #[arg(long, hide_short_help = true, value_name = "TIME", value_parser = a_duration, allow_hyphen_values = true)]
    pub progress_timeout: Option<Duration>,
    /// Share of failed work at which it pauses, e.g. 1%; 0% = none
    #[arg(long, hide_short_help = true, value_name = "SHARE", value_parser = a_share, allow_hyphen_values = true)]
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
    #[arg(long, hide_short_help = true, value_name = "N", value_parser = a_count, allow_negative_numbers = true)]
    pub keep_best: Option<u32>,
    /// The number that tells the best ones, e.g. val_loss or auc:max
    #[arg(long, hide_short_help = true, value_name = "NAME", value_parser = a_metric)]
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

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::exit::ExitCode;
    use resus_core::policy::Policy;

    #[test]
    fn every_option_stands_for_the_key_that_it_sets() {
        let ms = Some(Duration::from_millis(7));
        let all = OverrideArgs {
            retries: Some(7),
            backoff: ms,
            grace: ms,
            startup_timeout: ms,
            heartbeat_timeout: ms,
            progress_timeout: ms,
            max_error_share: Some(7),
            keep: Some(7),
            keep_best: Some(7),
            best_metric: Some("m".to_owned()),
        };
        let mut keys = all.overrides().keys();
        keys.extend(["checkpoint.keep_every", "checkpoint.max_bytes"]);
        assert!(keys.iter().eq(OPTIONS.iter().map(|(key, _)| key)), "{keys:?}");
    }

    #[test]
    fn an_option_and_a_set_of_one_key_are_told_by_their_names() {
        let error = said_twice("retry.max");
        assert_eq!(error.exit(), ExitCode::Usage);
        assert_eq!(error.to_string(), "--retries and --set retry.max say the same setting");
        let all = Overrides::of(&Policy::default(), |_| true);
        assert!(OPTIONS.iter().all(|(key, _)| all.keys().contains(key)));
    }
}
