//! The client against the real service, over a bus without a server.

use super::*;
use crate::client::Client;
use crate::client::stream::Said;
use crate::command::{Around, logs, ps, status, wait, why};
use crate::console::{ColourChoice, Console};
use crate::daemon::start::ask;
use crate::fake_daemon::{FakeBus, FakeDesk};
use crate::render::sample::RUN_ID;
use crate::submission::command_body;
use crate::target::Target;
use resus_bus::nats::{NatsError, RequestError};
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use serde_json::json;
use std::sync::atomic::Ordering;

fn there(desk: &FakeDesk) -> There {
    There::fake(FakeBus::new(desk.clone()))
}

fn around(desk: &FakeDesk) -> Around {
    Around {
        target: Target::There(there(desk)),
        console: Console::of_process(true, ColourChoice::Never),
        options: Vec::new(),
    }
}

#[tokio::test]
async fn every_call_fits_the_service() {
    let desk = FakeDesk::new();
    desk.change(json!({"name": "changed"}), 3);
    *desk.output.lock().unwrap() = b"line 0\nline 1\n".to_vec();
    let client = Client::of_there(there(&desk));
    client.health().await.unwrap();
    let (view, version) = client.run(RUN_ID).await.unwrap();
    assert_eq!((view.name.as_str(), version), ("changed", 2));
    let (_, same) = client.run_after(RUN_ID, 1, Duration::from_secs(9)).await.unwrap();
    assert_eq!(same, 2);
    assert_eq!(client.story(RUN_ID, 1).await.unwrap().len(), 2);
    assert_eq!(client.daemon().await.unwrap().version, "fake");
    for verb in Verb::ALL {
        assert!(client.command(RUN_ID, &command_body(verb)).await.unwrap().changed);
        assert_eq!(desk.commands.lock().unwrap().pop().unwrap().verb, verb);
    }
    let piece = client.output(RUN_ID, None, 5, 4, Duration::ZERO).await.unwrap();
    assert_eq!((piece.bytes.as_slice(), piece.chunk.next_offset), (&b"0\nli"[..], 9));
    let othello = Submission { workload: Some("othello".into()), ..Submission::default() };
    assert_eq!(client.submit(&othello).await.unwrap().run_id, RUN_ID);
    let error = client.stop_daemon().await.unwrap_err();
    assert!(matches!(error, ClientError::Far(FarError::HereOnly)), "{error:?}");
}

#[tokio::test]
async fn a_list_is_put_together_from_its_pages() {
    let desk = FakeDesk::new();
    desk.more.store(40, Ordering::Relaxed);
    let runs = Client::of_there(there(&desk)).runs().await.unwrap().runs;
    assert_eq!((runs.len(), runs[40].run_id.as_str()), (41, "run-39"));
}

#[tokio::test]
async fn refusals_are_the_same_as_on_the_daemons_own_machine() {
    let desk = FakeDesk::new();
    let client = Client::of_there(there(&desk));
    for name in ["", "../../etc", "no.body"] {
        let Err(ClientError::Refused(problem)) = client.run(name).await else { panic!("not refused") };
        assert_eq!(problem.detail, format!("no run is called {name:?}"));
        assert_eq!(problem.exit_code, ExitCode::NotFound);
    }
    let command = Submission { command: Some(vec!["id".into()]), ..Submission::default() };
    let Err(ClientError::Refused(problem)) = client.submit(&command).await else { panic!("not refused") };
    assert_eq!(problem.exit_code, ExitCode::Refused);
    assert!(problem.hint.unwrap().contains("bus.allow_commands"));
}

#[tokio::test]
async fn workloads_and_plans_are_those_of_the_daemon_there() {
    let desk = FakeDesk::new();
    let client = Client::of_there(there(&desk));
    assert_eq!(client.workloads().await.unwrap(), crate::render::sample::workloads());
    let othello =
        Submission { workload: Some("othello".into()), cwd: "/here".into(), ..Submission::default() };
    let plan = client.plan(&othello).await.unwrap();
    assert_eq!((plan.workload.as_str(), plan.cwd.as_str()), ("othello", "/"), "on its grounds, not on ours");
    let folder = Submission { workload_path: Some("/w".into()), ..Submission::default() };
    let Err(ClientError::Refused(problem)) = client.submit(&folder).await else { panic!("not refused") };
    assert_eq!(problem.exit_code, ExitCode::Refused);
}

#[tokio::test]
async fn what_happens_is_heard_and_what_was_missed_is_told() {
    let desk = FakeDesk::new();
    let client = Client::of_there(there(&desk));
    let mut stream = client.stream(&[RUN_ID.to_owned()]).await.unwrap();
    desk.change(json!({}), 1);
    let Said::Event(event) = stream.next().await.unwrap() else { panic!("not an event") };
    assert_eq!(event["seq"], 1);
    // More than the bus of the fake keeps.
    desk.change(json!({}), 9);
    assert_eq!(stream.next().await.unwrap(), Said::Missed(5));
}

#[tokio::test(start_paused = true)]
async fn a_daemon_that_is_gone_while_nothing_happens_is_noticed() {
    let desk = FakeDesk::new();
    let bus = FakeBus::new(desk.clone());
    let gone = bus.gone.clone();
    let client = Client::of_there(There::fake(bus));
    let mut stream = client.stream(&[]).await.unwrap();
    gone.store(true, Ordering::Relaxed);
    let error = stream.next().await.unwrap_err();
    assert!(matches!(error, ClientError::Far(FarError::Absent { .. })) && error.is_passing(), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn a_command_whose_answer_is_lost_is_repeated_under_the_same_id_and_not_for_ever() {
    let lost = || RequestError::Connection(NatsError::Away { link: "h".into(), reason: "lost".into() });
    let silent = || RequestError::Silent { waited: Duration::from_secs(13) };
    let nobody = || RequestError::Nobody { subject: "s".into() };
    for (losses, heard, is_answered) in [
        (vec![lost(), silent()], 3, true),
        (vec![lost(), lost(), silent()], 3, false),
        (vec![nobody()], 1, false),
    ] {
        let desk = FakeDesk::new();
        let bus = FakeBus::new(desk.clone());
        *bus.losses.lock().unwrap() = losses;
        let target = Target::There(There::fake(bus));
        let body = &command_body(Verb::Pause);
        let answer = ask(&target, |client| async move { client.command(RUN_ID, body).await }).await;
        assert_eq!(answer.is_ok(), is_answered, "{answer:?}");
        let commands = desk.commands.lock().unwrap();
        assert_eq!(commands.len(), heard);
        assert!(body.command_id.is_some() && commands.iter().all(|command| command == body));
    }
}

#[tokio::test]
async fn commands_do_the_same_on_another_machine() {
    let desk = FakeDesk::new();
    desk.change(json!({"phase": "done", "status": "done", "ended_at": "2026-11-22T06:13:46.123Z"}), 3);
    let around = around(&desk);
    let of = |args: &str| {
        use clap::Parser;
        crate::args::Cli::try_parse_from(["resus"].into_iter().chain(args.split_whitespace()))
            .unwrap()
            .command
    };
    let run = format!("ps -a;status {RUN_ID};why {RUN_ID};logs {RUN_ID};wait {RUN_ID}");
    for line in run.split(';') {
        let done = match of(line) {
            crate::args::Command::Ps(args) => ps::ps(args, &around).await,
            crate::args::Command::Status(args) => status::status(args, &around).await,
            crate::args::Command::Why(args) => why::why(args, &around).await,
            crate::args::Command::Logs(args) => logs::logs(args, &around).await,
            crate::args::Command::Wait(args) => {
                assert_eq!(wait::wait(args, &around).await.unwrap(), 0, "{line}");
                continue;
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(done.unwrap(), ExitCode::Ok, "{line}");
    }
}

#[test]
fn every_failure_says_what_to_check_and_shows_no_secret() {
    let link = Link::parse("nats://ann:s3cret@h").unwrap().to_string();
    let away = || NatsError::Away { link: link.clone(), reason: "refused".into() };
    for (error, exit) in [
        (FarError::Server(away()), 12),
        (FarError::Server(NatsError::Refused { link: link.clone() }), 12),
        (FarError::NoDaemon { namespace: "team".into(), link: link.clone() }, 12),
        (FarError::Absent { node: "a".into(), link: link.clone() }, 12),
        (FarError::Silent { node: "a".into(), waited: Duration::from_secs(3) }, 17),
        (FarError::Hung { daemon: "the daemon of a".into(), waited: Duration::from_secs(3) }, 17),
        (FarError::Several { nodes: vec!["a".into(), "b".into()] }, 2),
        (FarError::Namesakes { node: "a".into(), daemons: 2 }, 2),
        (FarError::Denied { reason: "Permissions Violation".into() }, 11),
        (FarError::Foreign { node: "a".into(), what: "x".into() }, 18),
    ] {
        let error = crate::error::CliError::Client(error.into());
        let told = error.told();
        assert_eq!(error.exit().code(), exit, "{told:?}");
        assert!(told.next.is_some() && !format!("{told:?}").contains("s3cret"), "{told:?}");
    }
}
