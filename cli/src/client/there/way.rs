//! The way to a daemon: the connection to the server, and who answers there.

use crate::client::far::FarError;
use crate::client::there::published::Source;
use crate::client::there::{Answer, refused};
use crate::client::{ClientError, SIGN_DEADLINE};
#[cfg(test)]
use crate::fake_daemon::FakeBus;
use bytes::Bytes;
use resus_bus::link::Link;
use resus_bus::nats::{NatsError, NodeInfo, Remote, RequestError};
use resus_bus::subject;
use resus_core::api::control::{DaemonRequest, OUTPUT_HEADER};
use resus_core::ids::{RunId, Slug};
use std::pin::pin;
use std::time::Duration;
use tokio::time::timeout;

/// What the server's operator sees of us.
const CLIENT_NAME: &str = "resus cli";
/// A server that lives lets us in within this.
const CONNECT_DEADLINE: Duration = Duration::from_millis(2500);
/// The verb by which a daemon shows that it lives.
const SIGN: &str = "daemon";

/// A daemon that was found.
#[derive(Debug)]
pub(super) struct Way {
    line: Line,
    /// Its machine.
    pub(super) node: String,
    /// Below this lie its addresses.
    control: String,
}

/// What carries questions and answers.
#[derive(Debug)]
enum Line {
    Nats(Remote),
    #[cfg(test)]
    Fake(FakeBus),
}

impl Way {
    /// Connects, and finds the daemon of `node`, or the only one there is.
    pub(super) async fn find(link: &Link, namespace: &Slug, node: Option<&Slug>) -> Result<Self, FarError> {
        let remote =
            timeout(CONNECT_DEADLINE, Remote::connect(link, CLIENT_NAME)).await.map_err(|_| {
                let reason = format!("it says nothing (waited {} s)", CONNECT_DEADLINE.as_secs_f64());
                NatsError::Away { link: link.to_string(), reason }
            })??;
        let node = match node {
            Some(node) => node.clone(),
            None => only(&remote, namespace).await?,
        };
        let control = subject::control(namespace, Some(&node));
        Ok(Self { line: Line::Nats(remote), node: node.to_string(), control })
    }

    /// The way to a daemon of a test.
    #[cfg(test)]
    pub(super) fn fake(bus: FakeBus) -> Self {
        Self { line: Line::Fake(bus), node: "gpu-a1".to_owned(), control: String::new() }
    }

    /// Puts a question to the daemon.
    pub(super) async fn ask(
        &self,
        verb: &str,
        question: Bytes,
        wait: Duration,
    ) -> Result<Answer, ClientError> {
        let (answer, link) = match &self.line {
            Line::Nats(remote) => {
                let answer = remote.request(&format!("{}.{verb}", self.control), question, wait).await;
                let answer = answer.map(|answer| {
                    let output = answer.header(OUTPUT_HEADER).map(str::to_owned);
                    Answer { body: answer.body, output }
                });
                (answer, remote.link())
            }
            #[cfg(test)]
            Line::Fake(bus) => {
                let answer = bus.request(verb, question).await;
                (answer.map(|(body, output)| Answer { body, output }), "fake")
            }
        };
        answer.map_err(|error| {
            let problem = match &error {
                RequestError::Service { body, .. } => refused(body, &self.node),
                RequestError::Nobody { .. }
                | RequestError::Silent { .. }
                | RequestError::Denied { .. }
                | RequestError::Connection(_) => None,
            };
            problem.unwrap_or_else(|| FarError::of_request(error, &self.node, link).into())
        })
    }

    /// A sign of life.
    pub(super) async fn sign(&self) -> Result<(), ClientError> {
        let hung =
            || FarError::Hung { daemon: format!("the daemon of {}", self.node), waited: SIGN_DEADLINE };
        // The library's own deadline comes after ours.
        match timeout(SIGN_DEADLINE, self.ask(SIGN, sign_request()?, SIGN_DEADLINE * 2)).await {
            Ok(answer) => answer.map(drop),
            Err(_) => Err(hung().into()),
        }
    }

    /// Hears what is published of the runs `ids`, or of all of the namespace.
    pub(super) async fn subscribe(&self, namespace: &Slug, ids: &[String]) -> Result<Source, FarError> {
        let foreign = |error: resus_core::ids::NameError| FarError::Foreign {
            node: self.node.clone(),
            what: error.to_string(),
        };
        let mut subjects = Vec::new();
        for id in ids {
            subjects.push(subject::all_of_run(namespace, &RunId::new(id.as_str()).map_err(foreign)?));
        }
        if ids.is_empty() {
            subjects.extend(subject::all_of_namespace(namespace));
        }
        match &self.line {
            Line::Nats(remote) => {
                let link = remote.link().to_owned();
                Ok(Source::Nats { subscription: remote.subscribe(subjects).await?, link })
            }
            #[cfg(test)]
            Line::Fake(bus) => Ok(Source::Fake(bus.desk.bus.subscribe())),
        }
    }
}

fn sign_request() -> Result<Bytes, ClientError> {
    let question = serde_json::to_vec(&DaemonRequest {});
    question.map(Bytes::from).map_err(|error| ClientError::Broken { source: error.into() })
}

/// The machine whose daemon is the only one that answers.
///
/// A call to all says who lives. Where nobody answers it, a question to whichever daemon there is
/// in the namespace tells why: the server refuses it at once if none is, and one that hangs leaves
/// it unanswered. Both are asked at the same time, so that this takes no longer.
async fn only(remote: &Remote, namespace: &Slug) -> Result<Slug, FarError> {
    let failed = |error| FarError::of_request(error, "any node", remote.link());
    let question = sign_request().unwrap_or_default();
    let whichever = format!("{}.{SIGN}", subject::control(namespace, None));
    let mut asked = pin!(remote.request(&whichever, question, SIGN_DEADLINE));
    let mut calling = pin!(remote.nodes(SIGN_DEADLINE));
    let mut told = None;
    let nodes = loop {
        tokio::select! {
            nodes = &mut calling => break nodes.map_err(failed)?,
            answer = &mut asked, if told.is_none() => told = Some(answer),
        }
    };
    match only_of(nodes, namespace, remote.link()) {
        Err(FarError::NoDaemon { .. }) => {}
        found => return found,
    }
    let told = match told {
        Some(told) => told,
        None => asked.await,
    };
    Err(match told {
        Err(RequestError::Silent { waited }) => FarError::Hung {
            daemon: format!("a daemon in namespace {namespace} at {}", remote.link()),
            waited,
        },
        _ => FarError::NoDaemon { namespace: namespace.to_string(), link: remote.link().to_owned() },
    })
}

/// The machine of the one daemon in `namespace`.
fn only_of(daemons: Vec<NodeInfo>, namespace: &Slug, link: &str) -> Result<Slug, FarError> {
    let mut nodes: Vec<_> =
        daemons.into_iter().filter(|info| info.namespace == *namespace).map(|info| info.node).collect();
    nodes.sort();
    if let Some(two) = nodes.windows(2).find(|two| two[0] == two[1]) {
        let daemons = nodes.iter().filter(|node| **node == two[0]).count();
        return Err(FarError::Namesakes { node: two[0].to_string(), daemons });
    }
    match nodes.len() {
        0 => Err(FarError::NoDaemon { namespace: namespace.to_string(), link: link.to_owned() }),
        1 => Ok(nodes.remove(0)),
        _ => Err(FarError::Several { nodes: nodes.iter().map(Slug::to_string).collect() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn daemons(nodes: &[&str]) -> Vec<NodeInfo> {
        let info = |(n, at): (usize, &&str)| {
            let (namespace, node) = at.split_once('/').unwrap();
            let [namespace, node] = [namespace, node].map(|text| Slug::new(text).unwrap());
            let [version, daemon, service] = [String::from("1"), String::new(), n.to_string()];
            NodeInfo { node, namespace, version, daemon, service }
        };
        nodes.iter().enumerate().map(info).collect()
    }

    #[test]
    fn the_only_daemon_is_taken_and_two_with_one_name_are_told_as_such() {
        let namespace = Slug::new("team").unwrap();
        let only = |nodes: &[&str]| only_of(daemons(nodes), &namespace, "nats://x");
        assert_eq!(only(&["other/b", "team/a"]).unwrap().as_str(), "a");
        assert!(matches!(only(&["other/b"]), Err(FarError::NoDaemon { .. })));
        let several = only(&["team/a", "team/b", "other/a"]).unwrap_err();
        assert!(matches!(&several, FarError::Several { nodes } if *nodes == ["a", "b"]), "{several:?}");
        let alike = only(&["team/a", "team/b", "team/a"]).unwrap_err();
        assert_eq!(alike.to_string(), "2 daemons call themselves a");
        assert!(alike.next().contains("daemon.node"), "{}", alike.next());
    }
}
