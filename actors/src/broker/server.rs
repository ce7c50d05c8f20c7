//! A server that has been started: until it answers, and as long as it does.

use super::BrokerError;
use super::folder::ServerRecord;
use super::process::ServerProcess;
use resus_bus::link::{Auth, Link, Secret, Tls};
use resus_bus::nats::probe::probe;
use resus_bus::roles::Role;
use std::time::Duration;
use tokio::time::{Instant, sleep};

/// From the start of a server to its first answer: it reads its store first, and a large one on
/// a slow disk takes its time.
const READY_DEADLINE: Duration = Duration::from_secs(60);
/// Between two questions whether it answers.
const READY_LOOK: Duration = Duration::from_millis(20);
/// How often a server that lives is asked whether it answers: its death is seen at once, so this
/// is for one that hangs, and must cost an idle machine nothing.
const ALIVE_LOOK: Duration = Duration::from_secs(30);
/// One that did not answer so often in a row is ended: a machine that is suspended or swaps for a
/// while is no reason.
const MISSES_MAX: u32 = 3;

/// A server that has been started.
pub(super) struct Server {
    /// Its process.
    pub process: ServerProcess,
    /// What is on disk of it.
    pub record: ServerRecord,
    /// How the daemon reaches it.
    pub link: Link,
    /// What it calls itself.
    pub name: String,
}

impl Server {
    /// Waits until it answers, and as itself: somebody else may have got the port first.
    pub(super) async fn ready(&mut self) -> Result<(), BrokerError> {
        let deadline = Instant::now() + READY_DEADLINE;
        let mut last = String::new();
        while Instant::now() < deadline {
            tokio::select! {
                _gone = self.process.gone() => return Err(BrokerError::Gone),
                answer = probe(&self.link) => match answer {
                    Ok(facts) if facts.server_name == self.name => return Ok(()),
                    Ok(facts) => last = format!("{:?} answers in its place", facts.server_name),
                    Err(error) => last = error.to_string(),
                },
            }
            sleep(READY_LOOK).await;
        }
        Err(BrokerError::Silent(last))
    }
}

impl Server {
    /// Returns when it has ended, or answers no more.
    pub(super) async fn fails(&mut self) -> BrokerError {
        let mut misses = 0;
        loop {
            let look = async {
                sleep(ALIVE_LOOK).await;
                probe(&self.link).await
            };
            tokio::select! {
                _gone = self.process.gone() => return BrokerError::Gone,
                answer = look => match answer {
                    Ok(_) => misses = 0,
                    Err(error) => {
                        misses += 1;
                        tracing::warn!(%error, misses, "the NATS server lives and does not answer");
                        if misses >= MISSES_MAX {
                            return BrokerError::Silent(error.to_string());
                        }
                    }
                },
            }
        }
    }
}

/// How the daemon reaches its own server.
pub(super) fn link_to(port: u16, passwords: &[(Role, Secret)]) -> Link {
    let password = passwords.iter().find(|(role, _)| *role == Role::Node).map(|(_, password)| password);
    let auth = match password {
        Some(password) => {
            Auth::UserPassword { user: Role::Node.as_str().to_owned(), password: password.clone() }
        }
        None => Auth::None,
    };
    Link { servers: vec![format!("nats://127.0.0.1:{port}")], auth, tls: Tls::default() }
}
