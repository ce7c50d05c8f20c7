//! Failures as people and programs meet them.

use super::*;
use crate::render::sample::page;

fn refused() -> CliError {
    refused_with("No such run", "no run is called \"x\"")
}

fn refused_with(title: &str, detail: &str) -> CliError {
    CliError::Client(ClientError::Refused(Box::new(Problem {
        kind: "urn:resus:not-found".into(),
        title: title.into(),
        status: 404,
        detail: detail.into(),
        hint: Some("resus ps -a".into()),
        exit_code: ExitCode::NotFound,
    })))
}

#[test]
fn a_failure_is_told_in_three_parts() {
    let text = refused().told().text(&page(80));
    assert_eq!(text, "error: no such run\n  why: no run is called \"x\"\n  try: resus ps -a\n");
    assert_eq!(refused().exit(), ExitCode::NotFound);
}

#[test]
fn what_is_said_once_is_not_said_again() {
    let text = refused_with("Not possible now", "not possible now.").told().text(&page(80));
    assert_eq!(text, "error: not possible now\n  try: resus ps -a\n");
}

#[test]
fn long_parts_go_on_below_themselves() {
    let detail = "\"othello\" could be bbb-2222 (othello), aaa-1111 (othello) and 3 more";
    let text = refused_with("More than one run", detail).told().text(&page(40));
    let expected = "\
error: more than one run
  why: \"othello\" could be bbb-2222
       (othello), aaa-1111 (othello) and
       3 more
  try: resus ps -a
";
    assert_eq!(text, expected);
}

#[test]
fn causes_are_kept_down_to_the_last() {
    let source = io::Error::from_raw_os_error(28);
    let error = CliError::Output(source);
    let text = error.told().text(&page(80));
    assert!(text.contains("why: No space left on device"), "{text}");
}

#[test]
fn programs_get_the_same_as_a_document() {
    assert_eq!(refused().problem().status, 404, "the daemon's own problem is passed on");
    let error = CliError::TimedOut {
        run: "8c1d9e77".into(),
        missing: "has not ended",
        waited: Duration::from_secs(90),
    };
    let problem = error.problem();
    assert_eq!((problem.kind.as_str(), problem.exit_code), ("urn:resus:timed-out", ExitCode::TimedOut));
    assert_eq!(problem.title, "run 8c1d9e77 has not ended within 1m30s");
    assert_eq!(problem.hint.as_deref(), Some("resus status 8c1d9e77"));
}
