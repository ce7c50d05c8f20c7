//! `resus doctor` judged: from what was found to marks, words, and what to type. This file and all
//! below it but `examine`, `machine`, `disk_probe`, `probe`, `tool` and `varz`, which look, are pure
//! where it matters: numbers in, verdict out.

pub(crate) mod clock;
pub(crate) mod daemon;
pub(crate) mod disk;
pub(crate) mod disk_probe;
pub(crate) mod examine;
pub(crate) mod folders;
pub(crate) mod limits;
pub(crate) mod machine;
pub(crate) mod ports;
pub(crate) mod probe;
pub(crate) mod proc;
pub(crate) mod programs;
pub(crate) mod session;
pub(crate) mod shell;
pub(crate) mod tool;
pub(crate) mod varz;

use crate::doctor::varz::Varz;
use resus_bus::link::{Auth, Link};
use resus_bus::nats::NatsError;
use resus_bus::nats::probe::{JetStream, ServerFacts};
use resus_core::exit::ExitCode;
use serde::Serialize;

/// How it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mark {
    /// As it should be.
    Good,
    /// It works, and something is missing or not known.
    Warning,
    /// It does not work.
    Bad,
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Check {
    /// What.
    pub what: &'static str,
    /// How it is.
    pub mark: Mark,
    /// In words.
    pub said: String,
    /// What to type or to change.
    pub fix: Option<String>,
    /// What the command ends with if this is the first bad one.
    #[serde(skip)]
    pub exit: ExitCode,
}

impl Check {
    /// It is as it should be.
    pub(crate) fn good(what: &'static str, said: impl Into<String>) -> Self {
        Self { what, mark: Mark::Good, said: said.into(), fix: None, exit: ExitCode::Ok }
    }

    /// The same with something that may be done about it.
    pub(crate) fn with_fix(self, fix: String) -> Self {
        Self { fix: Some(fix), ..self }
    }

    /// It works, but.
    pub(crate) fn warning(what: &'static str, said: impl Into<String>, fix: &str) -> Self {
        Self { mark: Mark::Warning, fix: Some(fix.to_owned()), ..Self::good(what, said) }
    }

    /// It does not work.
    pub(crate) fn bad(what: &'static str, said: impl Into<String>, fix: &str, exit: ExitCode) -> Self {
        Self { mark: Mark::Bad, exit, ..Self::warning(what, said, fix) }
    }
}

/// What the command ends with.
pub(crate) fn exit(checks: &[Check]) -> ExitCode {
    checks.iter().find(|check| check.mark == Mark::Bad).map_or(ExitCode::Ok, |check| check.exit)
}

/// The worst first; among equals the order in which they were looked at, so that the first still
/// decides how it ends.
pub(crate) fn worst_first(checks: &mut [Check]) {
    checks.sort_by_key(|check| match check.mark {
        Mark::Bad => 0,
        Mark::Warning => 1,
        Mark::Good => 2,
    });
}

/// How many there are of a mark.
pub(crate) fn count(checks: &[Check], mark: Mark) -> usize {
    checks.iter().filter(|check| check.mark == mark).count()
}

/// Where to read how it is set up.
const SECURITY: &str = "see docs/SECURITY.md";
/// How a server gets streams.
const ADD_JETSTREAM: &str =
    "add `jetstream { store_dir: \"…\", sync_interval: always }` to its configuration";

/// The server that `link` leads to, as it answered.
pub(crate) fn server(link: &Link, answer: &Result<ServerFacts, NatsError>) -> Vec<Check> {
    match answer {
        Ok(facts) => vec![version(link, facts), jetstream(facts), auth(link, facts), tls(link, facts)],
        Err(error) => {
            let fix = match error {
                NatsError::Refused { .. } if link.auth == Auth::None => {
                    "set one of bus.user, token_file, nkey_file, creds_file in config.toml"
                }
                NatsError::Refused { .. } => {
                    "look at the user and the file that [bus] in config.toml names; were they revoked?"
                }
                NatsError::Unusable { .. } => "look at the files that [bus] in config.toml names",
                NatsError::Away { .. } | NatsError::Failed(_) => {
                    "start the server, or change bus.url in config.toml; training goes on meanwhile"
                }
            };
            vec![Check::bad("server", error.to_string(), fix, ExitCode::ConfigInvalid)]
        }
    }
}

fn version(link: &Link, facts: &ServerFacts) -> Check {
    let said = format!("nats-server {} at {link}", facts.version);
    if facts.is_new_enough() {
        return Check::good("server", said);
    }
    let said = format!(
        "{said} is older than 2.11: no streams are used, so nobody who joins late sees what was before"
    );
    Check::warning("server", said, "install nats-server 2.11 or newer")
}

fn jetstream(facts: &ServerFacts) -> Check {
    let missing = "no history for who joins late, and events sent while nobody listens are gone for listeners \
                   (the ledger of this machine has them)";
    match &facts.jetstream {
        JetStream::Ready { api_level } => Check::good("streams", format!("JetStream, API level {api_level}")),
        JetStream::Off => {
            Check::warning("streams", format!("the server has no JetStream: {missing}"), ADD_JETSTREAM)
        }
        JetStream::Refused { reason } => {
            let said = format!("JetStream is not for this user ({reason}): {missing}");
            Check::warning(
                "streams",
                said,
                "enable JetStream for the account and its permissions for the user",
            )
        }
    }
}

fn auth(link: &Link, facts: &ServerFacts) -> Check {
    let who = match &link.auth {
        Auth::None => None,
        Auth::UserPassword { user, .. } => Some(format!("user {user}")),
        Auth::Token(_) => Some("a token".to_owned()),
        Auth::NKey(_) => Some("an NKey".to_owned()),
        Auth::Credentials(_) => Some("credentials".to_owned()),
    };
    match (facts.auth_required, who) {
        (true, Some(who)) => Check::good("access", format!("required; we are let in by {who}")),
        (true, None) => Check::good("access", "required; we are let in without"),
        (false, _) => {
            let said = "whoever reaches the server may command every run and tell false events";
            Check::warning("access", said, SECURITY)
        }
    }
}

fn tls(link: &Link, facts: &ServerFacts) -> Check {
    if facts.tls_required || link.tls.required {
        Check::good("encryption", "TLS")
    } else if link.is_loopback() {
        Check::good("encryption", "none, and nothing leaves this machine")
    } else {
        let said = "passwords and events cross the network readable for everybody on it";
        Check::warning("encryption", said, SECURITY)
    }
}

/// How safe an acknowledged event is, from the server's monitoring page, or why that is not known.
pub(crate) fn sync(varz: &Result<Varz, String>) -> Check {
    const WHAT: &str = "durability";
    match varz {
        Ok(Varz { sync_always: true, .. }) => {
            Check::good(WHAT, "sync_interval: always; an acknowledged event is on the disk")
        }
        Ok(Varz { sync_interval_s: Some(seconds), .. }) => {
            let said = format!(
                "sync_interval: {seconds} s; a power cut takes acknowledged events of so long from the server \
                 (this machine's ledger keeps them and sends them again)"
            );
            Check::warning(WHAT, said, "set `sync_interval: always` within `jetstream { }` on the server")
        }
        Ok(Varz { sync_interval_s: None, .. }) => {
            Check::good(WHAT, "the server stores nothing; the ledger of this machine does")
        }
        Err(why) => {
            let fix = "set bus.monitor_url to the server's monitoring address, e.g. http://HOST:8222";
            Check::warning(WHAT, format!("unknown: {why}"), fix)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_bus::link::Secret;

    fn facts(change: impl FnOnce(&mut ServerFacts)) -> ServerFacts {
        let mut facts = ServerFacts {
            server_name: "s".to_owned(),
            version: "2.15.1".to_owned(),
            auth_required: true,
            tls_required: false,
            max_payload: 1 << 20,
            jetstream: JetStream::Ready { api_level: 5 },
        };
        change(&mut facts);
        facts
    }

    fn link(url: &str) -> Link {
        Link::parse(url).expect("an address")
    }

    fn marks(url: &str, facts: ServerFacts) -> Vec<Mark> {
        server(&link(url), &Ok(facts)).iter().map(|check| check.mark).collect()
    }

    #[test]
    fn a_good_server_is_good_in_every_respect() {
        use Mark::{Good, Warning};
        assert_eq!(marks("nats://a:b@127.0.0.1", facts(|_| ())), [Good; 4]);
        assert_eq!(marks("nats://a:b@far", facts(|_| ())), [Good, Good, Good, Warning], "in the clear");
        assert_eq!(marks("a:b@localhost.example", facts(|_| ()))[3], Warning, "it only begins like here");
        assert_eq!(marks("tls://a:b@far", facts(|_| ())), [Good; 4]);
        assert_eq!(marks("nats://[::1]:1", facts(|f| f.auth_required = false)), [Good, Good, Warning, Good]);
        let old = facts(|f| f.version = "2.9.10".to_owned());
        assert_eq!(marks("nats://localhost", old), [Warning, Good, Good, Good]);
        for jetstream in [JetStream::Off, JetStream::Refused { reason: "r".to_owned() }] {
            assert_eq!(marks("h", facts(|f| f.jetstream = jetstream))[1], Warning);
        }
    }

    #[test]
    fn one_that_is_not_there_or_refuses_is_bad_and_each_has_its_own_fix() {
        let refused = || Err(NatsError::Refused { link: "nats://h:4222".to_owned() });
        let away = Err(NatsError::Away { link: "nats://h:4222".to_owned(), reason: "r".to_owned() });
        let of = |auth: Auth, answer: &Result<ServerFacts, NatsError>| {
            let checks = server(&Link { auth, ..link("h") }, answer);
            assert_eq!((checks.len(), checks[0].mark), (1, Mark::Bad));
            assert_eq!(exit(&checks), ExitCode::ConfigInvalid);
            checks[0].fix.clone().expect("a fix")
        };
        let token = || Auth::Token(Secret::new("s3cret"));
        let fixes = [of(Auth::None, &refused()), of(token(), &refused()), of(token(), &away)];
        assert!(fixes[0] != fixes[1] && fixes[1] != fixes[2], "{fixes:?}");
        assert!(!format!("{fixes:?}").contains("s3cret"));
    }

    #[test]
    fn durability_is_known_only_from_the_server() {
        let varz = |sync_always, sync_interval_s| Ok(Varz { sync_always, sync_interval_s });
        assert_eq!(sync(&varz(true, Some(120))).mark, Mark::Good);
        assert_eq!(sync(&varz(false, Some(120))).mark, Mark::Warning);
        let unknown = sync(&Err("nobody said where".to_owned()));
        assert_eq!((unknown.mark, unknown.said.as_str()), (Mark::Warning, "unknown: nobody said where"));
    }

    #[test]
    fn the_first_bad_check_decides_how_it_ends() {
        let bad = |exit| Check::bad("x", "y", "z", exit);
        assert_eq!(exit(&[Check::good("a", "b"), Check::warning("a", "b", "c")]), ExitCode::Ok);
        let both = [bad(ExitCode::DaemonUnreachable), bad(ExitCode::ConfigInvalid)];
        assert_eq!(exit(&both), ExitCode::DaemonUnreachable);
        let mut all = vec![Check::good("a", ""), Check::warning("b", "", "")];
        all.extend(both);
        worst_first(&mut all);
        assert_eq!(all.iter().map(|check| check.what).collect::<String>(), "xxba");
        assert_eq!((count(&all, Mark::Bad), exit(&all)), (2, ExitCode::DaemonUnreachable));
    }
}
