//! The client against the real API.

use super::*;
use crate::daemon::start::locate;
use crate::fake_daemon::FakeDaemon;
use crate::output::tail_start;
use crate::render::sample::RUN_ID;
use crate::submission::command_body;
use resus_core::input::Verb;
use serde_json::json;

#[tokio::test]
async fn every_call_fits_the_api() {
    let daemon = FakeDaemon::start();
    daemon.desk.change(json!({"name": "changed"}), 3);
    let client = locate(&daemon.state);
    client.health().await.unwrap();
    assert_eq!(client.runs().await.unwrap().runs.len(), 1);
    let (view, version) = client.run(RUN_ID).await.unwrap();
    assert_eq!((view.name.as_str(), version), ("changed", 2));
    let (_, same) = client.run_after(RUN_ID, 1, Duration::from_secs(9)).await.unwrap();
    assert_eq!(same, 2);
    assert_eq!(client.story(RUN_ID, 1).await.unwrap().len(), 2);
    assert_eq!(client.daemon().await.unwrap().version, "fake");
    assert_eq!(client.stop_daemon().await.unwrap().runs_live, 1);
    let body = command_body(Verb::Stop);
    assert!(client.command(RUN_ID, &body).await.unwrap().changed);
    assert_eq!(*daemon.desk.commands.lock().unwrap(), [body]);
}

#[tokio::test]
async fn names_arrive_as_typed_and_problems_are_passed_on() {
    let daemon = FakeDaemon::start();
    let client = locate(&daemon.state);
    assert!(client.run("odd/näme?").await.is_ok());
    let Err(ClientError::Refused(problem)) = client.run("").await else { panic!("not refused") };
    assert_eq!((problem.detail.as_str(), problem.exit_code.code()), ("no run is called \"\"", 10));
    let Err(ClientError::Refused(problem)) = client.run("../../etc").await else { panic!("not refused") };
    assert_eq!(problem.detail, "no run is called \"../../etc\"");
}

#[tokio::test]
async fn the_end_of_the_output_is_found() {
    let daemon = FakeDaemon::start();
    let text: String = (0..20_000).map(|n| format!("line {n}\n")).collect();
    *daemon.desk.output.lock().unwrap() = text.clone().into_bytes();
    let client = locate(&daemon.state);
    for lines in [0, 1, 10, 9_000, 99_999] {
        let start = tail_start(&client, RUN_ID, 1, lines).await.unwrap();
        assert!(!start.is_cut);
        let tail = &text[usize::try_from(start.offset).unwrap()..];
        assert_eq!(tail.lines().count(), lines.min(20_000));
    }
    let piece = client.output(RUN_ID, None, 0, 6, Duration::ZERO).await.unwrap();
    assert_eq!((piece.bytes.as_slice(), piece.chunk.next_offset), (&b"line 0"[..], 6));
}

#[tokio::test]
async fn a_daemon_that_dies_in_the_middle_of_an_answer_is_told_from_one_that_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    let dying = tokio::spawn(async move { drop(listener.accept().await) });
    let client = Client::new(socket, None);
    let error = client.health().await.unwrap_err();
    assert!(matches!(error, ClientError::Broken { .. }) && error.is_passing(), "{error:?}");
    dying.await.unwrap();
    let error = client.health().await.unwrap_err();
    assert!(matches!(error, ClientError::Nobody { .. }) && error.is_passing(), "{error:?}");
}

#[tokio::test]
async fn an_answer_that_makes_no_sense_is_no_answer_of_ours() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        for answer in
            ["HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n[]", "HTTP/1.1 500 Oh\r\ncontent-length: 0\r\n\r\n"]
        {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    let client = Client::new(socket, None);
    for _ in 0..2 {
        let error = client.runs().await.unwrap_err();
        assert!(matches!(error, ClientError::Foreign { .. }) && !error.is_passing(), "{error:?}");
    }
}
