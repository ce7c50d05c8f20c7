use super::*;
use crate::args::{Cli, Command};
use crate::fake_daemon::FakeDaemon;
use crate::render::sample::RUN_ID;
use clap::Parser;
use serde_json::{Value, json};

fn args(line: &str) -> PruneArgs {
    let words = ["resus", "prune"].into_iter().chain(line.split_whitespace());
    match Cli::try_parse_from(words).unwrap().command {
        Command::Prune(args) => args,
        other => panic!("{other:?}"),
    }
}

fn asked(daemon: &FakeDaemon) -> Vec<Value> {
    let commanded = daemon.desk.commanded.lock().unwrap();
    let body = |asked: &String| serde_json::from_str(asked.strip_prefix("sweep ").unwrap()).unwrap();
    commanded.iter().map(body).collect()
}

#[tokio::test]
async fn what_is_typed_reaches_the_daemon_and_only_what_was_shown_goes() {
    let daemon = FakeDaemon::start();
    let around = Around::of_test(&daemon.state);
    let line = "checkpoints --older-than 7d --keep 3 --max-size 1GiB --name n --status done,lost --yes";
    assert_eq!(prune(args(line), &around).await.unwrap(), ExitCode::Ok);
    let expected = json!({
        "kinds": ["checkpoints"], "older_than_ms": 604_800_000, "keep": 3, "max_bytes": 1 << 30, "name": "n",
        "status": ["done", "lost"], "dry_run": true, "by": "cli",
    });
    let asked = asked(&daemon);
    assert_eq!(asked[0], expected);
    assert_eq!(
        (&asked[1]["dry_run"], &asked[1]["only"]),
        (&json!(false), &json!([{"kind": "checkpoints", "run_id": RUN_ID}]))
    );
}

#[tokio::test]
async fn nothing_goes_in_a_dry_run_without_consent_or_if_nothing_fits() {
    let daemon = FakeDaemon::start();
    let around = Around::of_test(&daemon.state);
    assert_eq!(prune(args("--keep 0 -n"), &around).await.unwrap(), ExitCode::Ok);
    let refused = prune(args("--keep 0"), &around).await.unwrap_err();
    assert_eq!(
        (refused.exit(), refused.told().next.as_deref()),
        (ExitCode::Refused, Some("resus prune --keep 0 --yes"))
    );
    assert_eq!(prune(args("--name nobody"), &around).await.unwrap(), ExitCode::Ok);
    assert!(asked(&daemon).iter().all(|asked| asked["dry_run"] == true));
    let vague = prune(args("logs --yes"), &around).await.unwrap_err();
    assert_eq!(vague.exit(), ExitCode::Usage);
}

#[tokio::test]
async fn what_stayed_is_told() {
    let daemon = FakeDaemon::start();
    let around = Around::of_test(&daemon.state);
    let stayed = prune(args("runs logs --keep 1 --yes"), &around).await.unwrap_err();
    assert_eq!(stayed.exit(), ExitCode::Refused);
    assert_eq!(stayed.told().why, ["8c1d9e77: it was retried"]);
}

#[test]
fn what_to_type_is_what_was_typed() {
    let line = "logs checkpoints --older-than 36h --max-size 2048B --name 'a --status failed --status lost";
    let expected = "prune logs checkpoints --older-than 1d12h --max-size 2KiB --name ''\\''a' \
                    --status failed --status lost --yes";
    assert_eq!(crate::render::shell::command(&typed(&args(line)), usize::MAX), expected);
}

#[tokio::test]
async fn what_had_no_room_in_the_answer_is_no_success() {
    let daemon = FakeDaemon::start();
    let around = Around::of_test(&daemon.state);
    let (items, bytes, gone, failed, missing) = (Vec::new(), 0, 1, 0, 0);
    let done = SweepReply { items, bytes, gone, failed, missing, left_out: 0, dry_run: false };
    assert_eq!(tell(&done, 0, &around).unwrap(), ExitCode::Ok);
    assert_eq!(tell(&done, 3, &around).unwrap_err().exit(), ExitCode::Refused);
}
