//! The table of keys: name, where a change of it applies, form, and where the value goes. To add
//! a key: a row here and in `config/default.toml`.

use crate::settings::Settings;
use crate::settings::bus::{self, AGES, SIZES, path, some};
use resus_core::retention::Best;
use std::collections::BTreeSet;

/// One key of the configuration.
pub(crate) struct Key {
    /// Section and name, e.g. `retry.max`; the same in [`resus_core::spec::SpecError::Range`].
    pub name: &'static str,
    /// Where a change of it applies.
    pub reach: Reach,
    /// Form of its value.
    pub form: Form,
    /// Whether two settings agree on it.
    pub same: fn(&Settings, &Settings) -> bool,
}

/// Where a change of a key applies, and so who may say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// To runs that are accepted later. A project may have its own.
    Runs,
    /// To the daemon, as soon as it has read it.
    AtOnce,
    /// To the daemon, once it is started anew.
    Restart,
}

/// Form of a value, and where it goes.
pub(crate) enum Form {
    /// A time, kept in milliseconds.
    Time(fn(&mut Settings, u64)),
    /// A time, kept in milliseconds: zero for "never", else between the two.
    TimeOrNever(fn(&mut Settings, u64), u64, u64),
    /// A whole number; one that does not fit into 32 bits is refused.
    Count(fn(&mut Settings, u32)),
    /// A whole number of up to 64 bits.
    Number(fn(&mut Settings, u64)),
    /// A share in percent, kept in thousandths.
    Share(fn(&mut Settings, u32)),
    /// A share in whole percent, from 1 to 100.
    Percent(fn(&mut Settings, u8)),
    /// A factor, kept in hundredths.
    Factor(fn(&mut Settings, u32)),
    /// A size in bytes, with the smallest and the largest that make sense.
    Size(fn(&mut Settings, u64), u64, u64),
    /// A name of this machine; empty = none.
    Node,
    /// A time between the two, kept in milliseconds.
    TimeBetween(fn(&mut Settings, u64), u64, u64),
    /// True or false.
    Flag(fn(&mut Settings, bool)),
    /// A TCP port, or 0.
    Port(fn(&mut Settings, u16)),
    /// A text that is read by the function, which says what it should have been.
    Text(fn(&mut Settings, &str) -> Result<(), String>),
    /// The whole path of a file; empty = none.
    File(fn(&mut Settings, &str) -> Result<(), String>),
}

/// A key whose value is kept as it is read: `key!(NAME, REACH, FORM(LIMITS), PLACE)`.
macro_rules! key {
    ($name:literal, $reach:ident, $form:ident($($limit:expr),*), $($place:ident).+) => {
        Key {
            name: $name,
            reach: Reach::$reach,
            form: Form::$form(|s, value| s.$($place).+ = value $(, $limit)*),
            same: |a, b| a.$($place).+ == b.$($place).+,
        }
    };
}

/// A key whose value is a text that has to be read.
macro_rules! text {
    ($name:literal, $reach:ident, $read:expr, $($place:ident).+) => {
        Key {
            name: $name,
            reach: Reach::$reach,
            form: Form::Text($read),
            same: |a, b| a.$($place).+ == b.$($place).+,
        }
    };
}

/// A key of `[bus]` that names a file.
macro_rules! file {
    ($name:literal, $field:ident) => {
        Key {
            name: $name,
            reach: Reach::Restart,
            form: Form::File(|s, text| path(text).map(|path| s.bus.$field = path)),
            same: |a, b| a.bus.$field == b.bus.$field,
        }
    };
}

/// Longest stay of an idle daemon: what is longer is meant to be for ever.
const IDLE_MS_MAX: u64 = 400 * 86_400_000;
/// Largest limit on a run's checkpoints, as a run's spec has it.
const CHECKPOINT_BYTES_MAX: u64 = 1 << 60;

/// Every key, in the order of `default.toml`.
pub(crate) const KEYS: &[Key] = &[
    key!("retry.max", Runs, Count(), policy.retry.max),
    key!("retry.window", Runs, Time(), policy.retry.window_ms),
    key!("retry.backoff", Runs, Time(), policy.retry.backoff_ms),
    key!("retry.backoff_factor", Runs, Factor(), policy.retry.backoff_factor_percent),
    key!("retry.backoff_max", Runs, Time(), policy.retry.backoff_max_ms),
    key!("retry.healthy_after", Runs, Time(), policy.retry.healthy_after_ms),
    key!("retry.startup_window", Runs, Time(), policy.retry.startup_window_ms),
    key!("stop.grace", Runs, Time(), policy.stop_grace_ms),
    key!("stop.ask_wait", Runs, Time(), policy.ask_wait_ms),
    key!("stop.kill_wait", Runs, Time(), policy.kill_wait_ms),
    key!("watchdog.startup_timeout", Runs, Time(), policy.startup_timeout_ms),
    key!("watchdog.cooldown_timeout", Runs, Time(), policy.cooldown_timeout_ms),
    key!("watchdog.heartbeat_timeout", Runs, Time(), policy.heartbeat_timeout_ms),
    key!("watchdog.progress_timeout", Runs, Time(), policy.progress_timeout_ms),
    key!("watchdog.hang_grace", Runs, Time(), policy.hang_grace_ms),
    key!("pause.hold_wait", Runs, Time(), policy.pause_hold_ms),
    key!("pause.release_wait", Runs, Time(), policy.pause_release_ms),
    key!("errors.max_share", Runs, Share(), policy.errors.max_share_permille),
    key!("errors.window", Runs, Number(), policy.errors.window),
    key!("errors.min_sample", Runs, Number(), policy.errors.min_sample),
    key!("checkpoint.keep", Runs, Count(), policy.keep_checkpoints),
    key!("checkpoint.keep_best", Runs, Count(), policy.keep_best),
    text!("checkpoint.best_metric", Runs, best_metric, policy.best_metric),
    key!("checkpoint.keep_every", Runs, Number(), policy.keep_every),
    key!("checkpoint.max_bytes", Runs, Size(0, CHECKPOINT_BYTES_MAX), policy.max_checkpoint_bytes),
    key!("checkpoint.disk_share", AtOnce, Percent(), disk_share_percent),
    // A daemon that ends sooner would be gone between a command's two questions.
    key!("daemon.idle_exit", AtOnce, TimeOrNever(1_000, IDLE_MS_MAX), idle_exit_ms),
    // Below 64 KiB a single burst would push everything out; above 1 GiB nobody opens it.
    key!("daemon.log_size", AtOnce, Size(64 << 10, 1 << 30), log_bytes_max),
    key!("daemon.log_keep", AtOnce, Count(), log_keep),
    Key { name: "daemon.node", reach: Reach::Restart, form: Form::Node, same: |a, b| a.node == b.node },
    text!("bus.url", Restart, bus::url, bus.url),
    text!("bus.namespace", Restart, bus::namespace, bus.namespace),
    text!("bus.user", Restart, user, bus.user),
    file!("bus.password_file", password_file),
    file!("bus.token_file", token_file),
    file!("bus.nkey_file", nkey_file),
    file!("bus.creds_file", creds_file),
    file!("bus.tls_ca", tls_ca),
    file!("bus.tls_cert", tls_cert),
    file!("bus.tls_key", tls_key),
    key!("bus.ledger_size", Restart, Size(SIZES.0, SIZES.1), bus.ledger_bytes),
    key!("bus.ledger_age", Restart, TimeBetween(AGES.0, AGES.1), bus.ledger_age_ms),
    key!("bus.telemetry_size", Restart, Size(SIZES.0, SIZES.1), bus.telemetry_bytes),
    key!("bus.outbox_alarm", Restart, Number(), bus.outbox_alarm),
    key!("bus.allow_commands", Restart, Flag(), bus.allow_commands),
    key!("bus.file", Restart, Flag(), bus.file),
    text!("bus.monitor_url", Restart, bus::monitor_url, bus.monitor_url),
    key!("bus.port", Restart, Port(), bus.port),
    key!("bus.websocket_port", Restart, Port(), bus.websocket_port),
    file!("bus.server", server),
];

/// By which metric the best checkpoints are told; empty = by none.
fn best_metric(settings: &mut Settings, text: &str) -> Result<(), String> {
    if !text.is_empty() {
        Best::parse(text).map_err(|error| error.to_string())?;
    }
    settings.policy.best_metric = some(text);
    Ok(())
}

#[expect(clippy::unnecessary_wraps, reason = "the form of every reader of a text")]
fn user(settings: &mut Settings, text: &str) -> Result<(), String> {
    settings.bus.user = some(text);
    Ok(())
}

impl Key {
    /// Its section.
    pub(crate) fn section(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(section, _)| section)
    }

    /// Its name within the section.
    pub(crate) fn last(&self) -> &'static str {
        self.name.split_once('.').map_or(self.name, |(_, last)| last)
    }

    /// Why a project, or a command about a run, may not say it; `None` = it may.
    pub(crate) fn not_of_runs(&self) -> Option<String> {
        match self.reach {
            Reach::Runs => None,
            Reach::AtOnce | Reach::Restart => Some(format!(
                "{} is the daemon's, one for all runs: it belongs in the user's file",
                self.name
            )),
        }
    }
}

/// The keys that can be set for one run.
pub(crate) fn names_of_runs() -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter(|key| key.reach == Reach::Runs).map(|key| key.name)
}

/// Every key, and every section once.
pub(crate) fn names_and_sections() -> impl Iterator<Item = &'static str> {
    let sections: BTreeSet<&str> = KEYS.iter().map(Key::section).collect();
    sections.into_iter().chain(KEYS.iter().map(|key| key.name))
}

/// The key called `name`.
pub(crate) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether `name` is a section.
pub(crate) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.section() == name)
}

/// Why a project may not have the section `name`; `None` = it may.
pub(crate) fn section_not_of_runs(name: &str) -> Option<String> {
    let is_of_runs = KEYS.iter().any(|key| key.section() == name && key.reach == Reach::Runs);
    (!is_of_runs).then(|| {
        format!(
            "[{name}] is about the daemon and belongs in the user's file: a project that somebody cloned must \
             not say what the daemon does or where it publishes"
        )
    })
}
