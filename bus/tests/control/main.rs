//! Control over a real server: the service and its client, and what becomes of both when
//! something is wrong.
#![expect(clippy::unwrap_used, reason = "a failed set-up is a failed test")]

mod faults;
mod server;

use crate::server::{link, server};
use bytes::Bytes;
use resus_bus::control::{Endpoints, Reply, Verb};
use resus_bus::nats::{Heard, NatsError, Remote, RequestError, serve};
use resus_bus::subject;
use resus_core::api::Problem;
use resus_core::exit::ExitCode;
use resus_core::ids::Slug;
use resus_tests::NatsServer;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Longest wait for an answer: whoever gets here has failed.
const PATIENCE: Duration = Duration::from_secs(20);

const VERBS: &[Verb] = &[
    Verb { name: "echo", request: "Any", reply: "Any" },
    Verb { name: "refuse", request: "Any", reply: "Any" },
    Verb { name: "panic", request: "Any", reply: "Any" },
    Verb { name: "shout", request: "Any", reply: "Any" },
    Verb { name: "wait", request: "Any", reply: "Any" },
    Verb { name: "never", request: "Any", reply: "Any" },
    // These two are questions, all others commands.
    Verb { name: "why", request: "Any", reply: "Any" },
    Verb { name: "state", request: "Any", reply: "Any" },
];

/// Answers in every way there is.
#[derive(Clone)]
struct Odd {
    name: &'static str,
    /// One for everybody who waits already.
    begun: Arc<Semaphore>,
    /// Whoever asks `wait` or `why` waits for one of these.
    leave: Arc<Semaphore>,
}

impl Endpoints for Odd {
    fn verbs(&self) -> &'static [Verb] {
        VERBS
    }

    async fn answer(&self, verb: &str, body: Bytes, bytes_max: usize) -> Reply {
        match verb {
            "echo" | "state" => {
                let headers = vec![("Whence", format!("{}\n{bytes_max}", self.name))];
                Reply { body, headers, error: None }
            }
            "refuse" => Reply::refusal(&problem()),
            "panic" => panic!("as this test wants"),
            "shout" => Reply { body: vec![b'x'; bytes_max + 1].into(), ..Reply::default() },
            "wait" | "why" => {
                self.begun.add_permits(1);
                self.leave.acquire().await.unwrap().forget();
                Reply::default()
            }
            _ => pending().await,
        }
    }
}

fn problem() -> Problem {
    Problem {
        kind: "urn:resus:refused".into(),
        title: "Not possible now".into(),
        status: 409,
        detail: "it has ended\nalready".into(),
        hint: Some("resus retry".into()),
        exit_code: ExitCode::Refused,
    }
}

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

fn at(node: Option<&str>, verb: &str) -> String {
    format!("{}.{verb}", subject::control(&slug("team"), node.map(slug).as_ref()))
}

/// A service, and how it is ended.
struct Serving {
    ending: watch::Sender<bool>,
    served: JoinHandle<Result<(), NatsError>>,
    begun: Arc<Semaphore>,
    leave: Arc<Semaphore>,
}

impl Serving {
    /// A service of `node` that answers already.
    async fn start(server: &NatsServer, node: &'static str) -> Self {
        Self::of_daemon(server, node, "the only one").await
    }

    async fn of_daemon(server: &NatsServer, node: &'static str, daemon: &'static str) -> Self {
        let client = async_nats::connect(server.url()).await.unwrap();
        let (ending, ends) = watch::channel(false);
        let (begun, leave) = (Arc::new(Semaphore::new(0)), Arc::new(Semaphore::new(0)));
        let endpoints = Odd { name: node, begun: Arc::clone(&begun), leave: Arc::clone(&leave) };
        let served = tokio::spawn(async move {
            serve(client, &slug("team"), &slug(node), "1.2.3", daemon, endpoints, ends).await
        });
        let remote = remote(server).await;
        while remote.request(&at(Some(node), "echo"), Bytes::new(), PATIENCE).await.is_err() {
            tokio::task::yield_now().await;
        }
        Self { ending, served, begun, leave }
    }
}

async fn remote(server: &NatsServer) -> Remote {
    Remote::connect(&link(server, ""), "test").await.unwrap()
}

async fn ask(remote: &Remote, subject: &str) -> Result<Bytes, RequestError> {
    remote.request(subject, "hello".into(), PATIENCE).await.map(|answer| answer.body)
}

#[tokio::test]
async fn a_question_reaches_its_node_or_whichever() {
    let server = server("");
    let _serving = (Serving::start(&server, "a").await, Serving::start(&server, "b").await);
    let remote = remote(&server).await;
    for node in ["a", "b"] {
        let answer = remote.request(&at(Some(node), "echo"), "hello".into(), PATIENCE).await.unwrap();
        assert_eq!(answer.body, "hello");
        let whence = answer.header("Whence").unwrap();
        assert!(whence.starts_with(node) && !whence.contains('\n'), "{whence:?}");
    }
    assert_eq!(ask(&remote, &at(None, "echo")).await.unwrap(), "hello");
    let nowhere = ask(&remote, &at(Some("c"), "echo")).await.unwrap_err();
    assert!(matches!(nowhere, RequestError::Nobody { .. }), "{nowhere:?}");
    let nodes = remote.nodes(PATIENCE).await.unwrap();
    let names: Vec<_> = nodes.iter().map(|node| (node.node.as_str(), node.version.as_str())).collect();
    assert_eq!(names, [("a", "1.2.3"), ("b", "1.2.3")]);
    assert!(nodes.iter().all(|node| node.namespace.as_str() == "team"));
}

#[tokio::test]
async fn a_refusal_is_in_the_headers_and_in_the_body() {
    let server = server("");
    let _serving = Serving::start(&server, "a").await;
    let remote = remote(&server).await;
    let refused = ask(&remote, &at(Some("a"), "refuse")).await.unwrap_err();
    let RequestError::Service { code, words, body } = refused else { panic!("{refused:?}") };
    assert!(code == 409 && words.starts_with("it has ended"), "{code} {words}");
    assert_eq!(serde_json::from_slice::<Problem>(&body).unwrap(), problem());
    let stats = remote.request("$SRV.STATS.resus", Bytes::new(), PATIENCE).await.unwrap();
    let stats: serde_json::Value = serde_json::from_slice(&stats.body).unwrap();
    let endpoints = stats["endpoints"].as_array().unwrap();
    let of = |name: &str| endpoints.iter().find(|endpoint| endpoint["name"] == name).unwrap();
    assert_eq!(
        (of("refuse")["data"]["refused"].as_u64(), of("echo")["data"]["refused"].as_u64()),
        (Some(1), Some(0))
    );
    assert_eq!(endpoints.len(), 2 * VERBS.len());
}

#[tokio::test]
async fn what_goes_wrong_in_an_answer_costs_that_answer_alone() {
    let server = server("");
    let _serving = Serving::start(&server, "a").await;
    let remote = remote(&server).await;
    for verb in ["panic", "shout"] {
        let error = ask(&remote, &at(None, verb)).await.unwrap_err();
        let RequestError::Service { code: 500, body, .. } = &error else { panic!("{verb}: {error:?}") };
        assert_eq!(serde_json::from_slice::<Problem>(body).unwrap().exit_code, ExitCode::Bug);
    }
    let silent =
        remote.request(&at(None, "never"), Bytes::new(), Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(silent, RequestError::Silent { .. }), "{silent:?}");
    assert_eq!(ask(&remote, &at(None, "echo")).await.unwrap(), "hello");
}

#[tokio::test]
async fn two_daemons_with_one_name_are_told_apart() {
    let server = server("");
    let _serving =
        [Serving::of_daemon(&server, "a", "d1").await, Serving::of_daemon(&server, "a", "d2").await];
    let remote = remote(&server).await;
    let nodes = remote.nodes(PATIENCE).await.unwrap();
    let names: Vec<_> = nodes.iter().map(|node| (node.node.as_str(), node.daemon.as_str())).collect();
    assert_eq!(names, [("a", "d1"), ("a", "d2")]);
    let info = remote.request("$SRV.INFO.resus", Bytes::new(), PATIENCE).await.unwrap();
    let info: serde_json::Value = serde_json::from_slice(&info.body).unwrap();
    assert!(["d1", "d2"].contains(&info["metadata"]["daemon"].as_str().unwrap()), "{info}");
}

#[tokio::test]
async fn questions_and_commands_beyond_their_limits_are_refused_at_once() {
    for (verb, limit, free) in [("why", 256, "echo"), ("wait", 64, "state")] {
        beyond_the_limit(verb, limit, free).await;
    }
}

/// However many wait for `verb`, `free` still gets through.
async fn beyond_the_limit(verb: &'static str, limit: usize, free: &str) {
    let server = server("");
    let serving = Serving::start(&server, "a").await;
    let remote = remote(&server).await;
    let mut asked = tokio::task::JoinSet::new();
    for _ in 0..limit + 44 {
        let remote = remote.clone();
        asked.spawn(async move { ask(&remote, &at(Some("a"), verb)).await });
    }
    // Those that are refused are answered while the others wait.
    for _ in 0..44 {
        let refused = asked.join_next().await.unwrap().unwrap().unwrap_err();
        assert!(matches!(refused, RequestError::Service { code: 503, .. }), "{refused:?}");
    }
    serving.begun.acquire_many(limit as u32).await.unwrap().forget();
    assert_eq!(ask(&remote, &at(Some("a"), free)).await.unwrap(), "hello");
    serving.leave.add_permits(limit);
    while let Some(answered) = asked.join_next().await {
        answered.unwrap().unwrap();
    }
    let left = tokio::time::timeout(PATIENCE, async {
        // The place is given back after the answer has gone.
        serving.leave.add_permits(1);
        while ask(&remote, &at(Some("a"), verb)).await.is_err() {}
    });
    left.await.unwrap();
}

#[tokio::test]
async fn a_service_that_ends_answers_what_it_has_begun_and_is_found_no_more() {
    let server = server("");
    let serving = Serving::start(&server, "a").await;
    let remote = remote(&server).await;
    let waiting = tokio::spawn({
        let remote = remote.clone();
        async move { ask(&remote, &at(Some("a"), "wait")).await }
    });
    serving.begun.acquire().await.unwrap().forget();
    serving.ending.send_replace(true);
    serving.leave.add_permits(1);
    serving.served.await.unwrap().unwrap();
    assert!(waiting.await.unwrap().is_ok());
    assert_eq!(remote.nodes(PATIENCE).await.unwrap(), []);
    let nobody = ask(&remote, &at(Some("a"), "echo")).await.unwrap_err();
    assert!(matches!(nobody, RequestError::Nobody { .. }), "{nobody:?}");
}

#[tokio::test]
async fn what_is_published_is_heard_and_what_was_lost_is_told() {
    let server = server("");
    let _serving = Serving::start(&server, "a").await;
    let remote = remote(&server).await;
    let mut subscription = remote.subscribe(vec!["news.>".into(), "other".into()]).await.unwrap();
    // The server has the subscription when it has answered what came behind it.
    ask(&remote, &at(None, "echo")).await.unwrap();
    let publisher = async_nats::connect(server.url()).await.unwrap();
    publisher.publish("news.a", "one".into()).await.unwrap();
    publisher.publish("silence", "none".into()).await.unwrap();
    publisher.flush().await.unwrap();
    assert_eq!(subscription.next().await.unwrap(), Heard::Message("one".into()));
    // More than is kept for a reader that does not read.
    for n in 0..6000 {
        publisher.publish("other", n.to_string().into()).await.unwrap();
    }
    publisher.publish(at(None, "echo"), "behind".into()).await.unwrap();
    publisher.flush().await.unwrap();
    let mut heard = 0;
    let missed = loop {
        match subscription.next().await.unwrap() {
            Heard::Message(_) => heard += 1,
            Heard::Missed(missed) => break missed,
        }
    };
    assert!(missed > 0 && heard <= 6000, "{heard} heard, {missed} missed");
}
