//! `--set KEY=VALUE`: the strongest layer. A KEY with a dot is a setting; one without is a
//! parameter of a workload.

use crate::error::CliError;
use crate::settings::Settings;
use crate::settings::fault::{Fault, Judged, Place};
use crate::settings::keys::{self, Form, Key};
use crate::settings::written::{Written, quoted};
use crate::settings::{document, nearest, value};
use std::borrow::Cow;
use std::collections::BTreeMap;
use toml::de::DeValue;

/// A pair as it was typed.
pub(crate) type Pair = (String, String);

/// The pairs that are parameters of a workload, and those that are settings.
pub(crate) fn split(pairs: Vec<Pair>) -> (Vec<Pair>, Vec<Pair>) {
    pairs.into_iter().partition(|(key, _)| !key.contains('.'))
}

/// The pairs of `option` by name. Given twice, one of them would be forgotten. Their values are not
/// told: they may be secret.
///
/// # Errors
/// [`CliError::Usage`]: a name is given twice.
pub(crate) fn once(pairs: Vec<Pair>, option: &str) -> Result<BTreeMap<String, String>, CliError> {
    let mut values = BTreeMap::new();
    for (key, value) in pairs {
        if values.contains_key(&key) {
            let what = format!("{option} {key} is given twice");
            return Err(CliError::Usage { what, next: format!("{option} {key}=… once") });
        }
        values.insert(key, value);
    }
    Ok(values)
}

/// What was typed.
#[derive(Debug, Default)]
pub(super) struct Assigned {
    /// One entry per argument with faults.
    pub faults: Vec<Judged>,
    /// The values by key.
    pub written: BTreeMap<&'static str, Written>,
}

/// Applies `pairs` to `settings`, all of them.
pub(super) fn apply(settings: &mut Settings, pairs: &[Pair]) -> Assigned {
    let mut assigned = Assigned::default();
    for (name, text) in pairs {
        let mut faults = Vec::new();
        match keys::find(name) {
            None => faults.push(unknown(name)),
            Some(key) if assigned.written.contains_key(key.name) => {
                faults.push(whole(format!("{name} is given twice"), None));
            }
            Some(key) => match assign(settings, key, text) {
                Ok(written) => drop(assigned.written.insert(key.name, written)),
                Err(wrong) => faults.push(whole(wrong, None)),
            },
        }
        if !faults.is_empty() {
            assigned.faults.push(Judged { name: argument(name, text), faults });
        }
    }
    for (names, what) in document::contradictions(settings) {
        let Some((name, text)) = names.iter().find_map(|name| pairs.iter().find(|(key, _)| key == name))
        else {
            continue;
        };
        let fault = whole(what, None);
        assigned.faults.push(Judged { name: argument(name, text), faults: vec![fault] });
    }
    assigned
}

fn assign(settings: &mut Settings, key: &Key, text: &str) -> Result<Written, String> {
    if let Some(why) = key.not_of_runs() {
        return Err(why);
    }
    let typed = typed(&key.form, text);
    value::put(settings, &key.form, &typed)?;
    let source = match &typed {
        DeValue::String(text) => quoted(text),
        _ => text.trim().to_owned(),
    };
    Ok(Written { place: None, ..Written::of(key, &typed, &source, Place { line: 1, column: 1 }) })
}

/// The value that was typed. A shell takes quotes away: what is to be text needs none.
fn typed<'t>(form: &Form, text: &'t str) -> DeValue<'t> {
    let read = DeValue::parse(text.trim()).ok().map(toml::Spanned::into_inner);
    match form {
        Form::Count(_) | Form::Number(_) | Form::Factor(_) | Form::Flag(_) | Form::Port(_) => {
            read.unwrap_or(DeValue::String(Cow::Borrowed(text)))
        }
        Form::Time(_)
        | Form::TimeOrNever(..)
        | Form::TimeBetween(..)
        | Form::Share(_)
        | Form::Percent(_)
        | Form::Size(..)
        | Form::Node
        | Form::Text(_)
        | Form::File(_) => match read {
            Some(quoted @ DeValue::String(_)) => quoted,
            _ => DeValue::String(Cow::Borrowed(text)),
        },
    }
}

/// The argument as it is named in a fault; without a value that may be a secret.
fn argument(name: &str, text: &str) -> String {
    match keys::find(name) {
        Some(key) if key.not_of_runs().is_none() => format!("--set {name}={text}"),
        Some(_) | None => format!("--set {name}"),
    }
}

fn unknown(name: &str) -> Fault {
    whole(format!("unknown key {name}"), nearest::key(name).map(str::to_owned))
}

fn whole(message: String, nearest: Option<String>) -> Fault {
    Fault { place: None, message, nearest }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::exit::ExitCode;

    #[test]
    fn a_parameter_is_given_once_and_its_value_is_not_told() {
        let pairs = |names: &[&str]| names.iter().map(|name| ((*name).into(), "s3cret".into())).collect();
        assert_eq!(once(pairs(&["a", "b"]), "--set").unwrap().len(), 2);
        let error = once(pairs(&["a", "b", "a"]), "--set").unwrap_err();
        assert_eq!(error.exit(), ExitCode::Usage);
        assert_eq!(error.to_string(), "--set a is given twice");
    }

    fn set(pairs: &[(&str, &str)]) -> (Settings, Vec<String>) {
        let pairs: Vec<Pair> = pairs.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
        let mut settings = Settings::built_in().expect("valid");
        let documents = apply(&mut settings, &pairs).faults;
        let faults = match documents.is_empty() {
            true => Vec::new(),
            false => crate::settings::SettingsError::Invalid { documents }.details(),
        };
        (settings, faults)
    }

    #[test]
    fn values_are_typed_with_or_without_quotes() {
        let (settings, faults) = set(&[
            ("retry.max", "0x0A"),
            ("stop.grace", "5m"),
            ("pause.hold_wait", "\"2s\""),
            ("retry.backoff_factor", "3"),
            ("checkpoint.best_metric", "'loss'"),
            ("checkpoint.max_bytes", "20 GiB"),
            ("errors.max_share", "0.5%"),
        ]);
        assert_eq!(faults, [""; 0]);
        let policy = settings.policy;
        assert_eq!((policy.retry.max, policy.stop_grace_ms, policy.pause_hold_ms), (10, 300_000, 2_000));
        assert_eq!((policy.retry.backoff_factor_percent, policy.best_metric.as_deref()), (300, Some("loss")));
        assert_eq!((policy.max_checkpoint_bytes, policy.errors.max_share_permille), (20 << 30, 5));
    }

    #[test]
    fn every_argument_that_does_not_fit_is_told_and_no_secret() {
        let (_, faults) = set(&[
            ("retry.mx", "3"),
            ("retry.max", "many"),
            ("stop.kill_wait", "0s"),
            ("stop.grace", "60"),
            ("checkpoint.keep_best", "2"),
            ("retry.backoff", "1s"),
            ("retry.backoff", "2s"),
            ("bus.url", "nats://ann:s3cret@h"),
            ("checkpoint.disk_share", "50%"),
        ]);
        let expected = [
            "--set retry.mx: unknown key retry.mx; did you mean retry.max?",
            "--set retry.max=many: \"many\" is not a whole number from 0 to 4294967295",
            "--set stop.grace=60: \"60\" is not a time such as \"250ms\", \"30s\", \"1h30m\" or \"7d\"",
            "--set retry.backoff=2s: retry.backoff is given twice",
            "--set bus.url: bus.url is the daemon's, one for all runs: it belongs in the user's file",
            "--set checkpoint.disk_share: checkpoint.disk_share is the daemon's, one for all runs: it belongs in \
             the user's file",
            "--set stop.kill_wait=0s: stop.kill_wait: \"0s\" is not between \"1ms\" and \"400d\"",
            "--set checkpoint.keep_best=2: checkpoint.keep_best: needs checkpoint.best_metric: the best by which \
             number?",
        ];
        assert_eq!(faults, expected);
    }

    #[test]
    fn a_dot_makes_a_setting() {
        let pair = |key: &str, value: &str| (key.to_owned(), value.to_owned());
        let (params, settings) = split(vec![pair("games", "1"), pair("retry.max", "2")]);
        assert_eq!((params[0].0.as_str(), settings[0].0.as_str()), ("games", "retry.max"));
    }
}
