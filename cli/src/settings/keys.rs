//! The table of keys: name, form, and where the value goes. To add a key: a row here and in
//! `config/default.toml`.

use crate::settings::Settings;
use crate::settings::bus::{self, AGES, SIZES, path, some};
use resus_core::retention::Best;

/// One key of the configuration.
pub(super) struct Key {
    /// Section and name, e.g. `retry.max`; the same in [`resus_core::spec::SpecError::Range`].
    pub name: &'static str,
    /// Form of its value.
    pub form: Form,
}

/// Form of a value, and where it goes.
pub(super) enum Form {
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
}

/// A text that names a file; empty = none.
macro_rules! file {
    ($field:ident) => {
        Form::Text(|s, text| path(text).map(|path| s.bus.$field = path))
    };
}

const fn key(name: &'static str, form: Form) -> Key {
    Key { name, form }
}

/// Every key, in the order of `default.toml`.
pub(super) const KEYS: &[Key] = &[
    key("retry.max", Form::Count(|s, n| s.policy.retry.max = n)),
    key("retry.window", Form::Time(|s, ms| s.policy.retry.window_ms = ms)),
    key("retry.backoff", Form::Time(|s, ms| s.policy.retry.backoff_ms = ms)),
    key("retry.backoff_factor", Form::Factor(|s, n| s.policy.retry.backoff_factor_percent = n)),
    key("retry.backoff_max", Form::Time(|s, ms| s.policy.retry.backoff_max_ms = ms)),
    key("retry.healthy_after", Form::Time(|s, ms| s.policy.retry.healthy_after_ms = ms)),
    key("retry.startup_window", Form::Time(|s, ms| s.policy.retry.startup_window_ms = ms)),
    key("stop.grace", Form::Time(|s, ms| s.policy.stop_grace_ms = ms)),
    key("stop.ask_wait", Form::Time(|s, ms| s.policy.ask_wait_ms = ms)),
    key("stop.kill_wait", Form::Time(|s, ms| s.policy.kill_wait_ms = ms)),
    key("watchdog.startup_timeout", Form::Time(|s, ms| s.policy.startup_timeout_ms = ms)),
    key("watchdog.cooldown_timeout", Form::Time(|s, ms| s.policy.cooldown_timeout_ms = ms)),
    key("watchdog.heartbeat_timeout", Form::Time(|s, ms| s.policy.heartbeat_timeout_ms = ms)),
    key("watchdog.progress_timeout", Form::Time(|s, ms| s.policy.progress_timeout_ms = ms)),
    key("watchdog.hang_grace", Form::Time(|s, ms| s.policy.hang_grace_ms = ms)),
    key("pause.hold_wait", Form::Time(|s, ms| s.policy.pause_hold_ms = ms)),
    key("pause.release_wait", Form::Time(|s, ms| s.policy.pause_release_ms = ms)),
    key("errors.max_share", Form::Share(|s, n| s.policy.errors.max_share_permille = n)),
    key("errors.window", Form::Number(|s, n| s.policy.errors.window = n)),
    key("errors.min_sample", Form::Number(|s, n| s.policy.errors.min_sample = n)),
    key("checkpoint.keep", Form::Count(|s, n| s.policy.keep_checkpoints = n)),
    key("checkpoint.keep_best", Form::Count(|s, n| s.policy.keep_best = n)),
    key("checkpoint.best_metric", Form::Text(best_metric)),
    key("checkpoint.keep_every", Form::Number(|s, n| s.policy.keep_every = n)),
    key("checkpoint.max_bytes", Form::Size(|s, bytes| s.policy.max_checkpoint_bytes = bytes, 0, 1 << 60)),
    key("checkpoint.disk_share", Form::Percent(|s, percent| s.disk_share_percent = percent)),
    // A daemon that ends sooner would be gone between a command's two questions.
    key("daemon.idle_exit", Form::TimeOrNever(|s, ms| s.idle_exit_ms = ms, 1_000, 400 * 86_400_000)),
    // Below 64 KiB a single burst would push everything out; above 1 GiB nobody opens it.
    key("daemon.log_size", Form::Size(|s, bytes| s.log_bytes_max = bytes, 64 << 10, 1 << 30)),
    key("daemon.log_keep", Form::Count(|s, n| s.log_keep = n)),
    key("daemon.node", Form::Node),
    key("bus.url", Form::Text(bus::url)),
    key("bus.namespace", Form::Text(bus::namespace)),
    key(
        "bus.user",
        Form::Text(|s, text| {
            s.bus.user = some(text);
            Ok(())
        }),
    ),
    key("bus.password_file", file!(password_file)),
    key("bus.token_file", file!(token_file)),
    key("bus.nkey_file", file!(nkey_file)),
    key("bus.creds_file", file!(creds_file)),
    key("bus.tls_ca", file!(tls_ca)),
    key("bus.tls_cert", file!(tls_cert)),
    key("bus.tls_key", file!(tls_key)),
    key("bus.ledger_size", Form::Size(|s, bytes| s.bus.ledger_bytes = bytes, SIZES.0, SIZES.1)),
    key("bus.ledger_age", Form::TimeBetween(|s, ms| s.bus.ledger_age_ms = ms, AGES.0, AGES.1)),
    key("bus.telemetry_size", Form::Size(|s, bytes| s.bus.telemetry_bytes = bytes, SIZES.0, SIZES.1)),
    key("bus.outbox_alarm", Form::Number(|s, n| s.bus.outbox_alarm = n)),
    key("bus.allow_commands", Form::Flag(|s, yes| s.bus.allow_commands = yes)),
    key("bus.file", Form::Flag(|s, yes| s.bus.file = yes)),
    key("bus.monitor_url", Form::Text(bus::monitor_url)),
    key("bus.port", Form::Port(|s, port| s.bus.port = port)),
    key("bus.websocket_port", Form::Port(|s, port| s.bus.websocket_port = port)),
    key("bus.server", file!(server)),
];

/// By which metric the best checkpoints are told; empty = by none.
fn best_metric(settings: &mut Settings, text: &str) -> Result<(), String> {
    if !text.is_empty() {
        Best::parse(text).map_err(|error| error.to_string())?;
    }
    settings.policy.best_metric = Some(text.to_owned()).filter(|text| !text.is_empty());
    Ok(())
}

/// The key called `name`.
pub(super) fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}

/// Whether `name` is a section.
pub(super) fn is_section(name: &str) -> bool {
    KEYS.iter().any(|key| key.name.split_once('.').is_some_and(|(section, _)| section == name))
}
