//! What does not fit is refused with a problem document, and nothing reaches the desk.

use crate::rig::{FakeDesk, ask, get, post};
use axum::body::Body;
use axum::http::Request;
use resus_core::exit::ExitCode;

#[tokio::test]
async fn addresses_that_are_not_there_say_so() {
    let desk = FakeDesk::new();
    for address in ["/", "/v2", "/v2/runs/", "/v2/runs/x/y", "/v1/runs", "/v2/runs/othello/output/1"] {
        let problem = get(&desk, address).await.problem(404);
        assert_eq!(
            (problem.kind.as_str(), problem.exit_code),
            ("urn:resus:no-such-route", ExitCode::NotFound)
        );
    }
}

#[tokio::test]
async fn wrong_methods_name_the_right_ones() {
    let desk = FakeDesk::new();
    for (address, method, allow) in [
        ("/v2/runs", "DELETE", "GET,HEAD,POST"),
        ("/v2/runs/othello", "POST", "GET,HEAD,DELETE"),
        ("/v2/runs/othello/command", "GET", "POST"),
        ("/v2/daemon/stop", "GET", "POST"),
        ("/v2/daemon/reload", "GET", "POST"),
        ("/healthz", "PUT", "GET,HEAD"),
    ] {
        let request = Request::builder().method(method).uri(address).body(Body::empty()).unwrap();
        let answer = ask(&desk, request).await;
        answer.problem(405);
        assert_eq!(answer.header("allow"), allow, "{method} {address}");
    }
    assert!(desk.asked().is_empty());
}

#[tokio::test]
async fn bodies_that_do_not_fit_are_told_apart() {
    let desk = FakeDesk::new();
    for (body, status) in [
        ("", 400),
        ("{", 400),
        ("nonsense", 400),
        (r#"["stop"]"#, 422),
        ("{}", 422),
        (r#"{"verb":"explode"}"#, 422),
        (r#"{"verb":"stop","colour":"red"}"#, 422),
        (r#"{"verb":"stop"} {"verb":"stop"}"#, 400),
    ] {
        let problem = post(&desk, "/v2/runs/othello/command", body).await.problem(status);
        assert_eq!(problem.exit_code, ExitCode::Usage, "{body}");
    }
    let huge = format!(r#"{{"verb":"stop","by":"{}"}}"#, "x".repeat(1 << 20));
    post(&desk, "/v2/runs/othello/command", huge).await.problem(413);
    assert!(desk.asked().is_empty());
}

#[tokio::test]
async fn a_body_that_is_not_said_to_be_json_is_refused() {
    let desk = FakeDesk::new();
    for kind in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonp"] {
        let request = Request::post("/v2/runs/othello/command").header("content-type", kind);
        ask(&desk, request.body(r#"{"verb":"kill"}"#.into()).unwrap()).await.problem(415);
    }
    assert!(desk.asked().is_empty());
}

#[tokio::test]
async fn odd_bytes_in_an_address_never_panic() {
    let desk = FakeDesk::new();
    for run in
        ["%00", "%ff%fe", "%2e%2e%2f", "..", "%", "%zz", "a%20b", "%F0%9F%9A%80", "@latest", "%0a%1b%5b"]
    {
        let answer = get(&desk, &format!("/v2/runs/{run}")).await;
        answer.problem(404);
    }
}

#[tokio::test]
async fn parameters_that_do_not_fit_are_refused() {
    let desk = FakeDesk::new();
    for address in [
        "/v2/runs/othello?since=-1",
        "/v2/runs/othello?wait_ms=soon",
        "/v2/runs/othello?sinse=1",
        "/v2/runs/othello/events?limit=4294967296",
        "/v2/runs/othello/story?limit=x",
        "/v2/stream?runs=othello",
        "/v2/runs/othello/output?offset=18446744073709551616",
        "/v2/runs/othello/output?attempt=0",
    ] {
        assert_eq!(get(&desk, address).await.problem(400).exit_code, ExitCode::Usage, "{address}");
    }
}
