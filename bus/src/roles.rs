//! Who may do what on a NATS server that Resus shares with others: three roles, and their
//! permissions in the form that nats-server reads.
//!
//! Why each address is in or out is told in `docs/SECURITY.md`; `config/examples/nats.conf` is
//! [`example`], and a test holds the file to it.

use crate::link::Secret;
use crate::subject;
use resus_core::ids::Slug;
use std::fmt;

/// Questions that change nothing.
pub const QUESTIONS: [&str; 9] =
    ["state", "list", "events", "why", "logs", "checkpoints", "daemon", "curves", "workloads"];

/// What a client of the server is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// The daemon of a machine: tells of its runs and hears commands.
    Node,
    /// Somebody who looks and commands.
    Operator,
    /// Somebody, or a program, that looks.
    Viewer,
}

impl Role {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Node, Self::Operator, Self::Viewer];

    /// Its name, also that of its user on a managed server.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Operator => "operator",
            Self::Viewer => "viewer",
        }
    }

    /// What it may do in `namespace`; `node` is the machine of [`Role::Node`].
    #[must_use]
    pub fn permissions(self, namespace: &Slug, node: &Slug) -> Permissions {
        match self {
            Self::Node => of_node(namespace, node),
            Self::Operator => {
                let mut may = of_viewer(namespace);
                may.publish.push(subject::control_of_every_node(namespace, ">"));
                may
            }
            Self::Viewer => of_viewer(namespace),
        }
    }
}

/// The addresses that a user may use. Written out ([`fmt::Display`]) it is the value of
/// `permissions` in a server's configuration.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Permissions {
    /// May be published to; nothing else.
    pub publish: Vec<String>,
    /// May be listened to; nothing else.
    pub subscribe: Vec<String>,
    /// May not be listened to, although it lies within `subscribe`.
    pub hidden: Vec<String>,
    /// Whether it may answer what it is asked, wherever the answer has to go.
    pub answers: bool,
}

/// The streams of ours, that of the bucket included.
fn streams() -> [String; 3] {
    let bucket = format!("KV_{}", subject::STATE_BUCKET);
    [subject::LEDGER_STREAM.to_owned(), subject::TELEMETRY_STREAM.to_owned(), bucket]
}

/// Answers of the server and of daemons come here.
const INBOXES: &str = "_INBOX.>";
/// Which services there are, ADR-32.
const SERVICES: [&str; 3] = ["$SRV.PING", "$SRV.INFO", "$SRV.STATS"];

fn of_node(namespace: &Slug, node: &Slug) -> Permissions {
    let mut publish = Vec::from(subject::all_of_namespace(namespace));
    publish.extend([
        subject::all_snapshots_v1(namespace),
        subject::all_of_node(namespace, Some(node)),
        subject::all_states(namespace),
    ]);
    publish.extend(reading_streams());
    // Never UPDATE: with it a stream can be made to forget, or to say its messages elsewhere.
    publish.extend(streams().map(|stream| format!("$JS.API.STREAM.CREATE.{stream}")));
    let control = |node| format!("{}.>", subject::control(namespace, node));
    let subscribe = vec![
        control(Some(node)),
        control(None),
        subject::all_of_node(namespace, None),
        "$SRV.>".to_owned(),
        INBOXES.to_owned(),
    ];
    Permissions { publish, subscribe, hidden: Vec::new(), answers: true }
}

fn of_viewer(namespace: &Slug) -> Permissions {
    let mut publish: Vec<_> =
        QUESTIONS.iter().map(|verb| subject::control_of_every_node(namespace, verb)).collect();
    publish.extend(SERVICES.iter().flat_map(|service| [(*service).to_owned(), format!("{service}.>")]));
    publish.extend(reading_streams());
    let states = format!("$KV.{}.>", subject::STATE_BUCKET);
    Permissions {
        publish,
        subscribe: vec![subject::ALL.to_owned(), states, INBOXES.to_owned()],
        // A listener in the services' queue group would take commands away from them.
        hidden: vec![subject::ALL_CONTROL.to_owned()],
        answers: false,
    }
}

/// What reading a stream takes: look at it, get single messages, make a consumer and hear it.
fn reading_streams() -> Vec<String> {
    let mut addresses: Vec<_> =
        ["INFO", "STREAM.NAMES", "STREAM.LIST"].iter().map(|what| format!("$JS.API.{what}")).collect();
    for stream in streams() {
        for what in [
            format!("API.STREAM.INFO.{stream}"),
            format!("API.STREAM.MSG.GET.{stream}"),
            format!("API.DIRECT.GET.{stream}"),
            format!("API.DIRECT.GET.{stream}.>"),
            format!("API.CONSUMER.NAMES.{stream}"),
            format!("API.CONSUMER.LIST.{stream}"),
            format!("API.CONSUMER.CREATE.{stream}"),
            format!("API.CONSUMER.CREATE.{stream}.>"),
            format!("API.CONSUMER.DURABLE.CREATE.{stream}.>"),
            format!("API.CONSUMER.INFO.{stream}.>"),
            format!("API.CONSUMER.MSG.NEXT.{stream}.>"),
            format!("ACK.{stream}.>"),
            format!("FC.{stream}.>"),
        ] {
            addresses.push(format!("$JS.{what}"));
        }
    }
    addresses
}

impl fmt::Display for Permissions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list = |addresses: &[String]| {
            addresses.iter().map(|address| format!("        \"{address}\"\n")).collect::<String>()
        };
        let one_of = |name: &str, addresses: &[String]| {
            if addresses.is_empty() {
                String::new()
            } else {
                format!("      {name}: [\n{}      ]\n", list(addresses))
            }
        };
        write!(f, "{{\n    publish: {{\n{}    }}\n", one_of("allow", &self.publish))?;
        let subscribe = one_of("allow", &self.subscribe) + &one_of("deny", &self.hidden);
        write!(f, "    subscribe: {{\n{subscribe}    }}\n")?;
        if self.answers {
            // More than one: a long answer comes in pieces.
            f.write_str("    allow_responses: { max: 64, expires: \"5m\" }\n")?;
        }
        f.write_str("  }")
    }
}

/// A user of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// Its name.
    pub name: String,
    /// Its password, or the bcrypt hash of it; without `"` and `\`.
    pub password: Secret,
    /// What it is for.
    pub role: Role,
    /// The server is its own, so it may also change what the streams are like.
    pub owns_server: bool,
}

impl User {
    fn permissions(&self, namespace: &Slug, node: &Slug) -> Permissions {
        let mut may = self.role.permissions(namespace, node);
        if self.owns_server {
            may.publish.extend(streams().map(|stream| format!("$JS.API.STREAM.UPDATE.{stream}")));
        }
        may
    }
}

/// The part `authorization` of a server's configuration.
#[must_use]
pub fn authorization(users: &[User], namespace: &Slug, node: &Slug) -> String {
    let users: String = users
        .iter()
        .map(|user| {
            format!(
                "  {{\n  user: \"{}\"\n  password: \"{}\"\n  permissions: {}\n  }}\n",
                user.name,
                user.password.reveal(),
                user.permissions(namespace, node)
            )
        })
        .collect();
    format!("authorization {{\n  timeout: 5\n  users: [\n{users}  ]\n}}\n")
}

/// A whole configuration to start from: what `config/examples/nats.conf` holds.
#[must_use]
pub fn example() -> String {
    let slug = |text| Slug::nearest(text, text);
    let user = |role: Role| User {
        name: role.as_str().to_owned(),
        password: Secret::new(format!("CHANGE-ME-{}", role.as_str())),
        role,
        owns_server: false,
    };
    let users = authorization(&Role::ALL.map(user), &slug("default"), &slug("gpu-a1"));
    format!("{EXAMPLE_HEAD}\n{users}")
}

/// The part of the example that has nothing to do with roles.
const EXAMPLE_HEAD: &str = "\
# A nats-server (2.11 or newer) for Resus: nats-server -c nats.conf
# Change the three passwords (a bcrypt hash from `nats server passwd` does as well), and give every
# machine a user of its own: copy the first one, and put the machine's name (daemon.node) for
# gpu-a1. The namespace is `default`. docs/SECURITY.md explains every line, and TLS.

listen: \"0.0.0.0:4222\"
# Read by `resus doctor`; it asks for no password, so it stays on this machine.
http: \"127.0.0.1:8222\"

jetstream {
  store_dir: \"/var/lib/nats\"
  # An event is acknowledged when it is on the disk, not up to two minutes before.
  sync_interval: always
}

# tls {
#   cert_file: \"/etc/nats/server.pem\"
#   key_file: \"/etc/nats/server.key\"
#   ca_file: \"/etc/nats/ca.pem\"
#   verify: true
# }
";

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn slug(text: &str) -> Slug {
        Slug::new(text).unwrap()
    }

    /// As a server matches: `*` is one token, `>` the rest.
    fn matches(pattern: &str, address: &str) -> bool {
        let (mut pattern, mut address) = (pattern.split('.'), address.split('.'));
        loop {
            match (pattern.next(), address.next()) {
                (Some(">"), Some(_)) | (None, None) => return true,
                (Some(p), Some(a)) if p == "*" || p == a => {}
                _ => return false,
            }
        }
    }

    fn may(role: Role, address: &str) -> bool {
        let permissions = role.permissions(&slug("team"), &slug("gpu"));
        permissions.publish.iter().any(|pattern| matches(pattern, address))
    }

    #[test]
    fn only_a_node_tells_and_only_of_its_namespace_and_itself() {
        let run = resus_core::ids::RunId::new("r").unwrap();
        let event =
            |ns: &str| subject::event(&slug(ns), &slug("w"), &run, resus_core::pulse::v2::EventType::Status);
        for (address, node, others) in [
            (event("team"), true, false),
            (event("other"), false, false),
            (subject::snapshot_v1(&slug("team"), &slug("w"), &run), true, false),
            (subject::state(&slug("team"), &slug("w"), &run), true, false),
            (subject::state(&slug("other"), &slug("w"), &run), false, false),
            (subject::node(&slug("team"), &slug("gpu"), "joined"), true, false),
            (subject::node(&slug("team"), &slug("other"), "joined"), false, false),
            ("$JS.API.STREAM.CREATE.PULSE_LEDGER".to_owned(), true, false),
            ("$JS.API.STREAM.UPDATE.PULSE_LEDGER".to_owned(), false, false),
            ("$JS.API.STREAM.UPDATE.PULSE_TELEMETRY".to_owned(), false, false),
            ("$JS.API.STREAM.UPDATE.KV_pulse_state".to_owned(), false, false),
            ("$JS.API.STREAM.DELETE.PULSE_LEDGER".to_owned(), false, false),
            ("$JS.API.STREAM.PURGE.PULSE_LEDGER".to_owned(), false, false),
            ("$JS.API.STREAM.CREATE.OTHER".to_owned(), false, false),
        ] {
            assert_eq!(may(Role::Node, &address), node, "{address}");
            for role in [Role::Operator, Role::Viewer] {
                assert_eq!(may(role, &address), others, "{role:?} {address}");
            }
        }
    }

    #[test]
    fn who_owns_the_server_changes_its_streams_and_still_empties_none() {
        let permissions = |owns_server| {
            let password = Secret::new("pw".to_owned());
            User { name: "node".to_owned(), password, role: Role::Node, owns_server }
                .permissions(&slug("team"), &slug("gpu"))
                .publish
        };
        let (others, mut own) = (permissions(false), permissions(true));
        own.retain(|address| !others.contains(address));
        let updates = ["PULSE_LEDGER", "PULSE_TELEMETRY", "KV_pulse_state"]
            .map(|s| format!("$JS.API.STREAM.UPDATE.{s}"));
        assert_eq!(own, updates);
    }

    #[test]
    fn an_operator_commands_a_viewer_asks_and_a_node_does_neither() {
        for node in [Some(slug("gpu")), None] {
            let of = |ns: &str, verb: &str| format!("{}.{verb}", subject::control(&slug(ns), node.as_ref()));
            for verb in QUESTIONS {
                assert!(may(Role::Viewer, &of("team", verb)) && may(Role::Operator, &of("team", verb)));
            }
            for verb in ["start", "stop", "kill", "pause", "configure", "restore"] {
                assert!(!may(Role::Viewer, &of("team", verb)), "{verb}");
                assert!(may(Role::Operator, &of("team", verb)), "{verb}");
                assert!(!may(Role::Operator, &of("other", verb)), "{verb}");
                assert!(!may(Role::Node, &of("team", verb)), "{verb}");
            }
        }
    }

    #[test]
    fn the_example_in_the_tree_is_the_one_of_the_code() {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/examples/nats.conf");
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, example()).unwrap();
        }
        let found = std::fs::read_to_string(&path).unwrap_or_default();
        assert_eq!(found, example(), "set UPDATE=1 to write it anew");
    }
}
