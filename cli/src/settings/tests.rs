//! The configuration as its users meet it: text in, settings or faults out.

use super::*;
use crate::settings::keys::{Form, KEYS};

fn over_defaults(text: &str) -> Result<Settings, Vec<String>> {
    let settings = Settings::built_in().expect("the defaults are valid");
    settings.with_file(text, "c.toml".into()).map_err(|error| error.details())
}

#[test]
fn the_default_file_says_what_the_code_says() {
    let mut base = Settings::built_in().expect("the defaults are valid");
    for key in KEYS {
        match key.form {
            Form::Time(put)
            | Form::TimeOrNever(put, ..)
            | Form::TimeBetween(put, ..)
            | Form::Size(put, ..)
            | Form::Number(put) => put(&mut base, 1),
            Form::Count(put) | Form::Factor(put) | Form::Share(put) => put(&mut base, 1),
            Form::Percent(put) => put(&mut base, 1),
            Form::Node => base.node = Some(Slug::new("scrambled").expect("a slug")),
            Form::Flag(put) => put(&mut base, true),
            Form::Port(put) => put(&mut base, 1),
            Form::Text(put) | Form::File(put) => {
                let taken = ["local", "/scrambled", "http://h:1"].map(|text| put(&mut base, text).is_ok());
                assert!(taken.contains(&true), "{}", key.name);
            }
        }
    }
    let read = base.with_file(DEFAULT, "default.toml".into()).expect("valid");
    assert_eq!(read.policy, Policy::default());
    assert_eq!(read.disk_share_percent, 100);
    assert_eq!((read.log_bytes_max, read.log_keep, read.node), (10 << 20, 3, None));
    assert_eq!(read.idle_exit_ms, 15 * 60_000);
    assert_eq!(read.bus, BusSettings::default());
}

#[test]
fn a_file_changes_what_it_names_and_nothing_else() {
    let read = over_defaults(
        "[retry]\nmax = 0x0A\nbackoff_factor = 1.5\n[stop]\ngrace = '5m'\n[daemon]\nnode = 'gpu-a1'\nlog_size = '1MiB'\n",
    )
    .expect("valid");
    let mut policy = Policy::default();
    (policy.retry.max, policy.retry.backoff_factor_percent, policy.stop_grace_ms) = (10, 150, 300_000);
    assert_eq!(read.policy, policy);
    assert_eq!(read.node.as_ref().map(Slug::as_str), Some("gpu-a1"));
    assert_eq!(read.log_bytes_max, 1 << 20);
}

#[test]
fn every_fault_is_told_at_once_with_its_place() {
    let text = "grace = '1s'\n[retry]\nmax = -1\nbackof = '1s'\nwindow = '0s'\n[stopp]\n[daemon]\nnode = 'GPU 1'\nlog_size = '1KiB'\n[stop]\ngrace = 60\n";
    let faults = over_defaults(text).expect_err("faulty");
    let expected = [
        "c.toml:1:1: unknown key grace; did you mean stop.grace?",
        "c.toml:3:7: retry.max: -1 is not a whole number from 0 to 4294967295",
        "c.toml:4:1: unknown key retry.backof; did you mean retry.backoff?",
        "c.toml:5:10: retry.window: \"0s\" is not between \"1ms\" and \"400d\"",
        "c.toml:6:2: unknown section [stopp]; did you mean [stop]?",
        "c.toml:8:8: daemon.node: name \"GPU 1\" is not 1 to 48 lower-case letters, digits or '-'",
        "c.toml:9:12: daemon.log_size: \"1KiB\" is not between 64KiB and 1GiB",
        "c.toml:11:9: stop.grace: a time is text with a unit, e.g. \"30s\", not 60",
    ];
    assert_eq!(faults, expected);
}

#[test]
fn watchdog_pause_and_errors_are_set_in_their_own_units() {
    let read = over_defaults(
        "[watchdog]\nheartbeat_timeout = '2m'\nprogress_timeout = '0s'\nhang_grace = '5s'\n\
         [pause]\nhold_wait = '1s'\nrelease_wait = '3m'\n\
         [errors]\nmax_share = '0.5%'\nwindow = 5000\nmin_sample = 200\n",
    )
    .expect("valid");
    let policy = read.policy;
    assert_eq!(
        [policy.heartbeat_timeout_ms, policy.progress_timeout_ms, policy.hang_grace_ms],
        [120_000, 0, 5_000]
    );
    assert_eq!([policy.pause_hold_ms, policy.pause_release_ms], [1_000, 180_000]);
    let errors = policy.errors;
    assert_eq!((errors.max_share_permille, errors.window, errors.min_sample), (5, 5_000, 200));
    let faults =
        over_defaults("[errors]\nmax_share = 0.01\nwindow = 7\nmin_sample = '9'\n").expect_err("faulty");
    assert_eq!(
        faults,
        [
            "c.toml:2:13: errors.max_share: a share is text with a percent sign, e.g. \"1%\", not 0.01",
            "c.toml:3:10: errors.window: 7 is not between 100 and 1000000000000",
            "c.toml:4:14: errors.min_sample: \"9\" is not a whole number of 0 or more",
        ]
    );
}

#[test]
fn what_retention_keeps_is_set_and_faults_are_pointed_at() {
    let read = over_defaults(
        "[checkpoint]\nkeep = 3\nkeep_best = 2\nbest_metric = 'val_loss'\nkeep_every = 1000\n\
         max_bytes = '20 GiB'\ndisk_share = '25%'\n",
    )
    .expect("valid");
    let policy = read.policy;
    assert_eq!((policy.keep_checkpoints, policy.keep_best, policy.keep_every), (3, 2, 1000));
    assert_eq!((policy.best_metric.as_deref(), policy.max_checkpoint_bytes), (Some("val_loss"), 20 << 30));
    assert_eq!(read.disk_share_percent, 25);
    let faults = over_defaults(
        "[checkpoint]\nkeep_best = 2\nmax_bytes = 7\ndisk_share = '0%'\nkeep = 0\nkeep_every = -1\n",
    );
    let expected = [
        "c.toml:2:13: checkpoint.keep_best: needs checkpoint.best_metric: the best by which number?",
        "c.toml:3:13: checkpoint.max_bytes: a size is text with a unit, e.g. \"10MiB\", not 7",
        "c.toml:4:14: checkpoint.disk_share: \"0%\" is not a whole share from \"1%\" to \"100%\"",
        "c.toml:5:8: checkpoint.keep: 0 is not between 1 and 100000",
        "c.toml:6:14: checkpoint.keep_every: -1 is not a whole number of 0 or more",
    ];
    assert_eq!(faults.expect_err("faulty"), expected);
    let faults = over_defaults("[checkpoint]\nbest_metric = 'auc:most'\n").expect_err("faulty");
    assert!(faults[0].starts_with("c.toml:2:15: checkpoint.best_metric: \"auc:most\" is not"), "{faults:?}");
}

#[test]
fn broken_text_is_pointed_at() {
    let faults = over_defaults("[retry]\nmax = \nwindow = \"1h\n").expect_err("faulty");
    assert!(faults.first().is_some_and(|first| first.starts_with("c.toml:2:")), "{faults:?}");
    assert!(faults.iter().any(|fault| fault.starts_with("c.toml:3:")), "{faults:?}");
}

#[test]
fn odd_factors_are_refused() {
    for bad in ["nan", "inf", "-1.0", "1e300", "'2'", "true", "0.5"] {
        let faults = over_defaults(&format!("[retry]\nbackoff_factor = {bad}\n")).expect_err(bad);
        assert!(faults.iter().all(|fault| fault.contains("retry.backoff_factor")), "{faults:?}");
    }
}

#[test]
fn a_daemon_may_stay_for_ever_but_not_for_an_instant() {
    let read = |value: &str| over_defaults(&format!("[daemon]\nidle_exit = '{value}'\n"));
    assert_eq!(read("0s").map(|settings| settings.idle_exit_ms), Ok(0));
    assert_eq!(read("1s").map(|settings| settings.idle_exit_ms), Ok(1_000));
    let faults = read("999ms").expect_err("too short");
    assert_eq!(
        faults,
        [
            "c.toml:2:13: daemon.idle_exit: \"999ms\" is neither \"0s\" (never) nor between \"1s\" and \"400d\""
        ]
    );
}

#[test]
fn the_users_file_lies_where_the_base_directory_rules_say() {
    let at =
        |xdg: Option<&str>, home: Option<&str>| config_home_of(xdg.map(Into::into), home.map(Into::into));
    assert_eq!(at(Some("/c"), Some("/h")), Some("/c".into()));
    assert_eq!(at(None, Some("/h")), Some("/h/.config".into()));
    assert_eq!(at(Some("relative"), Some("/h")), Some("/h/.config".into()));
    assert_eq!(at(None, None), None);
}
