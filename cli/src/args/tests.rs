//! The command line as it is typed, and the help as it is read.

use super::*;
use crate::help;
use clap::error::ErrorKind;

fn parse(line: &str) -> Result<Cli, clap::Error> {
    help::parse(std::iter::once("resus").chain(line.split_whitespace()).map(Into::into))
}

fn refused(line: &str) -> (ErrorKind, String) {
    let error = parse(line).expect_err(line);
    (error.kind(), error.render().to_string())
}

#[test]
fn the_definition_is_sound() {
    help::command().debug_assert();
}

#[test]
fn everything_behind_two_dashes_is_the_command() {
    let Command::Run(run) = parse("run -d --retries 3 -- python train.py --json -x").unwrap().command else {
        panic!("not run")
    };
    assert_eq!((run.detach, run.settings.retries), (true, Some(3)));
    assert_eq!(run.command, ["python", "train.py", "--json", "-x"]);
}

#[test]
fn a_dry_run_starts_nothing_that_could_be_left_running() {
    for line in ["run -n ./mine", "run --dry-run -- sh", "run othello -n --set games=1"] {
        let Command::Run(run) = parse(line).unwrap().command else { panic!("not run") };
        assert!(run.dry_run && !run.detach, "{line}");
    }
    assert_eq!(refused("run -n -d othello").0, ErrorKind::ArgumentConflict);
    assert_eq!(refused("workload new mine --python --shell").0, ErrorKind::ArgumentConflict);
    assert_eq!(refused("workload new mine --here --user").0, ErrorKind::ArgumentConflict);
}

#[test]
fn a_workload_takes_parameters_and_any_run_takes_settings() {
    let Command::Run(run) = parse("run othello --set games=200 --set seed==1").unwrap().command else {
        panic!("not run")
    };
    assert_eq!(run.set, [("games".into(), "200".into()), ("seed".into(), "=1".into())]);
    let Command::Run(run) = parse("run --set retry.max=3 -- sh").unwrap().command else { panic!("not run") };
    assert_eq!((run.set, run.command), (vec![("retry.max".into(), "3".into())], vec!["sh".to_owned()]));
    assert_eq!(refused("run othello -- sh").0, ErrorKind::ArgumentConflict);
    for bad in ["games", "=1", ""] {
        assert!(parse(&format!("run othello --set {bad}")).is_err(), "{bad}");
    }
}

#[test]
fn numbers_that_do_not_fit_are_explained_and_nothing_misleads() {
    for (line, explained) in [
        ("run othello --retries -1", "expected 0 or more"),
        ("run othello --retries 4294967296", "expected at most 4294967295"),
        ("run othello --retries x", "expected a whole number"),
        ("run othello --keep 1.5", "expected a whole number"),
        ("run othello --grace -1s", "\"-1s\" is not a time such as"),
        ("logs r1 --lines -5", "expected 0 or more"),
        ("logs r1 --attempt 0", "attempts are counted from 1"),
        ("logs r1 --attempt x", "expected a whole number"),
        ("wait r1 --timeout -1", "\"-1\" is not a time such as"),
    ] {
        let (kind, text) = refused(line);
        assert_eq!(kind, ErrorKind::ValueValidation, "{line}");
        assert!(text.contains(explained) && !text.contains("'-- "), "{text}");
    }
}

#[test]
fn help_is_also_a_command() {
    assert_eq!(refused("help").0, ErrorKind::DisplayHelp);
    let (kind, text) = refused("help logs");
    assert_eq!(kind, ErrorKind::DisplayHelp);
    assert!(text.contains("--follow"), "{text}");
    assert!(refused("help checkpoints verify").1.contains("Read every byte"));
}

#[test]
fn times_need_their_unit() {
    let Command::Wait(wait) = parse("wait r1 --timeout 1h30m").unwrap().command else { panic!("not wait") };
    assert_eq!(wait.timeout, Some(Duration::from_secs(5_400)));
    let (kind, text) = refused("wait r1 --timeout 90");
    assert_eq!(kind, ErrorKind::ValueValidation);
    assert!(text.contains("\"90\" is not a time such as"), "{text}");
}

#[test]
fn global_options_stand_anywhere() {
    for line in ["--json ps", "ps --json", "--state-dir /s --json ps -a"] {
        assert!(parse(line).unwrap().global.json, "{line}");
    }
    assert_eq!(refused("ps --color sometimes").0, ErrorKind::InvalidValue);
}

#[test]
fn verbs_are_not_abbreviated() {
    for line in ["stat r1", "checkp r1", "daemon rest", "l r1"] {
        assert_eq!(refused(line).0, ErrorKind::InvalidSubcommand, "{line}");
    }
}

#[test]
fn slips_are_answered_with_what_was_meant() {
    let (kind, text) = refused("stauts r1");
    assert_eq!(kind, ErrorKind::InvalidSubcommand);
    assert!(text.contains("'status'"), "{text}");
    assert!(refused("ps --al").1.contains("--all"));
    assert!(
        refused("checkpoints verfy nightly x").1.contains("verify") || parse("checkpoints verfy").is_ok()
    );
    assert!(refused("daemon restrt").1.contains("'restart'"));
}
