//! What each role may do on a server, tried on a server: every address, by hand.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_bus::link::Secret;
use resus_bus::roles::{QUESTIONS, Role, User, authorization, example};
use resus_bus::subject;
use resus_core::ids::{RunId, Slug};
use resus_core::pulse::v2::EventType;
use resus_tests::{NatsOptions, NatsServer, Version, Wire};

/// Versions whose permissions are tried.
const VERSIONS: [Version; 2] = [Version::Newest, Version::V2_11];
/// What changes something.
const COMMANDS: [&str; 15] = [
    "start",
    "stop",
    "pause",
    "resume",
    "release",
    "kill",
    "retry",
    "checkpoint",
    "restore",
    "pin",
    "prune",
    "remove",
    "sweep",
    "recheck",
    "configure",
];

fn slug(text: &str) -> Slug {
    Slug::new(text).unwrap()
}

fn event(namespace: &str, kind: EventType) -> String {
    subject::event(&slug(namespace), &slug("othello"), &RunId::new("r1").unwrap(), kind)
}

fn control(namespace: &str, node: Option<&str>, verb: &str) -> String {
    format!("{}.{verb}", subject::control(&slug(namespace), node.map(slug).as_ref()))
}

/// The access control of a server for users of these roles.
fn users(roles: &[Role]) -> String {
    let user = |role: &Role| User {
        name: role.as_str().to_owned(),
        password: Secret::new(format!("{}-pw", role.as_str())),
        role: *role,
        owns_server: false,
    };
    authorization(&roles.iter().map(user).collect::<Vec<_>>(), &slug("team"), &slug("gpu"))
}

fn server(version: Version) -> NatsServer {
    NatsServer::start(version, NatsOptions { jetstream: true, config: users(&Role::ALL) })
}

fn connect(server: &NatsServer, role: Role) -> Wire {
    Wire::connect(server.port(), Some((role.as_str(), &format!("{}-pw", role.as_str())))).unwrap()
}

/// The node makes the ledger's stream and puts an event into it.
fn with_an_event(node: &mut Wire) {
    let stream = subject::LEDGER_STREAM;
    let config = serde_json::json!({
        "name": stream, "subjects": [subject::ALL_LEDGER], "storage": "memory", "allow_direct": true
    });
    let answer = node.request(&format!("$JS.API.STREAM.CREATE.{stream}"), &config.to_string()).unwrap();
    assert!(!answer.body.contains("error"), "{answer:?}");
    let stored = node.request(&event("team", EventType::Status), "an event").unwrap();
    assert!(stored.body.contains("\"seq\":1"), "{stored:?}");
}

/// Asserts who may publish there.
fn publishers(server: &NatsServer, address: &str, may: &[Role]) {
    for role in Role::ALL {
        let outcome = connect(server, role).publish(address, "{}");
        assert_eq!(outcome.is_ok(), may.contains(&role), "{role:?} → {address}: {outcome:?}");
        if let Err(refused) = outcome {
            assert!(refused.contains("Permissions Violation for Publish"), "{refused}");
        }
    }
}

#[test]
fn events_are_told_by_nodes_alone_and_commands_given_by_operators_alone() {
    use Role::{Node, Operator, Viewer};
    for version in VERSIONS {
        let server = server(version);
        for kind in [EventType::Status, EventType::Error, EventType::Checkpoint, EventType::Progress] {
            publishers(&server, &event("team", kind), &[Node]);
            publishers(&server, &event("other", kind), &[]);
        }
        let run = RunId::new("r1").unwrap();
        publishers(&server, &subject::snapshot_v1(&slug("team"), &slug("othello"), &run), &[Node]);
        publishers(&server, &subject::state(&slug("team"), &slug("othello"), &run), &[Node]);
        publishers(&server, &subject::state(&slug("other"), &slug("othello"), &run), &[]);
        publishers(&server, &subject::node(&slug("team"), &slug("gpu"), "joined"), &[Node]);
        publishers(&server, &subject::node(&slug("team"), &slug("other"), "joined"), &[]);
        for node in [Some("gpu"), Some("another"), None] {
            for verb in COMMANDS {
                publishers(&server, &control("team", node, verb), &[Operator]);
                publishers(&server, &control("other", node, verb), &[]);
            }
            for verb in QUESTIONS {
                publishers(&server, &control("team", node, verb), &[Operator, Viewer]);
                publishers(&server, &control("other", node, verb), &[]);
            }
        }
        for address in ["_INBOX.somebody.else", "$SYS.REQ.SERVER.PING", "anything"] {
            publishers(&server, address, &[]);
        }
    }
}

#[test]
fn streams_are_made_by_nodes_read_by_all_and_emptied_by_nobody() {
    use Role::{Node, Operator, Viewer};
    for version in VERSIONS {
        let server = server(version);
        with_an_event(&mut connect(&server, Node));
        let stream = subject::LEDGER_STREAM;
        for stream in [stream, subject::TELEMETRY_STREAM, "KV_pulse_state"] {
            publishers(&server, &format!("$JS.API.STREAM.CREATE.{stream}"), &[Node]);
            publishers(&server, &format!("$JS.API.STREAM.UPDATE.{stream}"), &[]);
        }
        for verb in ["DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE", "LEADER.STEPDOWN"] {
            publishers(&server, &format!("$JS.API.STREAM.{verb}.{stream}"), &[]);
        }
        publishers(&server, "$JS.API.STREAM.CREATE.MINE", &[]);
        // CREATE makes what is not there, and changes nothing that is.
        let again = serde_json::json!({ "name": stream, "subjects": [subject::ALL_LEDGER],
            "storage": "memory", "allow_direct": true, "max_msgs": 1 });
        let address = format!("$JS.API.STREAM.CREATE.{stream}");
        let refused = connect(&server, Node).request(&address, &again.to_string()).unwrap();
        assert!(refused.body.contains("already in use with a different configuration"), "{refused:?}");
        publishers(&server, &format!("$JS.API.CONSUMER.DELETE.{stream}.somebodys"), &[]);
        for role in [Operator, Viewer] {
            let mut wire = connect(&server, role);
            let event = wire.request(&format!("$JS.API.DIRECT.GET.{stream}"), r#"{"seq":1}"#).unwrap();
            assert_eq!(event.body, "an event", "{role:?}");
            let name = role.as_str();
            let consumer = serde_json::json!({"stream_name": stream, "config":
                {"ack_policy": "none", "name": name, "durable_name": name}});
            let address = format!("$JS.API.CONSUMER.CREATE.{stream}.{name}");
            let made = wire.request(&address, &consumer.to_string()).unwrap();
            assert!(!made.body.contains("error"), "{made:?}");
            let next = wire.request(&format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}"), "1").unwrap();
            assert_eq!(next.body, "an event");
        }
    }
}

#[test]
fn commands_are_heard_by_nodes_alone() {
    for version in VERSIONS {
        let server = server(version);
        let (mut node, mut operator) = (connect(&server, Role::Node), connect(&server, Role::Operator));
        let mut viewer = connect(&server, Role::Viewer);
        let stop = control("team", None, "stop");
        for listener in [&mut operator, &mut viewer] {
            // With the services' queue group too: its members would get them instead of the node.
            for address in [stop.clone(), format!("{stop} q"), subject::ALL_CONTROL.to_owned()] {
                let refused = listener.subscribe(&address).unwrap_err();
                assert!(refused.contains("Permissions Violation for Subscription"), "{refused}");
            }
            listener.subscribe(subject::ALL).unwrap();
        }
        node.subscribe(&format!("{}.>", subject::control(&slug("team"), None))).unwrap();
        operator.subscribe("_INBOX.answers.1").unwrap();
        operator.ask(&stop, "_INBOX.answers.1", "command").unwrap();
        let command = node.hear();
        assert_eq!((command.subject, command.body.as_str()), (stop, "command"));
        // The node may answer what it was asked, and nobody else.
        node.publish(&command.reply, "answer").unwrap();
        assert_eq!(operator.hear().body, "answer");
        assert!(node.publish("_INBOX.answers.2", "unasked").is_err());
        assert_eq!(viewer.arrived(), [], "commands may hold what is not for everybody's eyes");
        node.publish(&event("team", EventType::Status), "event").unwrap();
        assert_eq!(viewer.hear().body, "event");
    }
}

/// A server lets everybody choose where an answer goes, so a viewer can have stored events sent
/// to any address. A daemon tells those from commands by where they want *its* answer to go.
#[test]
fn what_a_viewer_makes_the_server_send_to_a_daemon_is_no_command() {
    for version in VERSIONS {
        let server = server(version);
        let (mut node, mut viewer) = (connect(&server, Role::Node), connect(&server, Role::Viewer));
        with_an_event(&mut node);
        let _before = node.arrived();
        let (stream, kill) = (subject::LEDGER_STREAM, control("team", None, "kill"));
        node.subscribe(&kill).unwrap();
        viewer.ask(&format!("$JS.API.DIRECT.GET.{stream}"), &kill, r#"{"seq":1}"#).unwrap();
        let redirected = node.hear();
        assert_eq!((redirected.subject.as_str(), redirected.body.as_str()), (kill.as_str(), "an event"));
        assert!(!subject::may_be_answered(&redirected.reply), "{redirected:?}");
        let push = serde_json::json!({"stream_name": stream, "config":
            {"ack_policy": "none", "name": "p", "deliver_subject": kill}});
        let made = viewer.request(&format!("$JS.API.CONSUMER.CREATE.{stream}.p"), &push.to_string()).unwrap();
        assert!(!made.body.contains("error"), "{made:?}");
        let pushed = node.hear();
        assert_eq!((pushed.subscription, pushed.body.as_str()), (redirected.subscription, "an event"));
        assert!(!subject::may_be_answered(&pushed.reply), "{}", pushed.reply);
        // And a question whose answer would be an event, had the daemon answered it.
        let asked = control("team", None, "state");
        node.subscribe(&asked).unwrap();
        viewer.ask(&asked, &event("team", EventType::Status), "{}").unwrap();
        let question = node.hear();
        assert_eq!(question.subject, asked);
        assert!(!subject::may_be_answered(&question.reply), "{question:?}");
    }
}

#[test]
fn a_user_that_is_taken_away_is_thrown_out_at_once_and_the_others_stay() {
    for version in VERSIONS {
        let mut server = server(version);
        let (mut node, viewer) = (connect(&server, Role::Node), connect(&server, Role::Viewer));
        server.reload(&users(&[Role::Node, Role::Operator]));
        viewer.hung_up();
        assert!(Wire::connect(server.port(), Some(("viewer", "viewer-pw"))).is_err());
        node.publish(&event("team", EventType::Progress), "{}").unwrap();
    }
}

#[test]
fn the_example_configuration_is_one() {
    // Its ports and its folder are those of a real machine; the rest is taken as it is.
    let text = example();
    let config = text.split_once("authorization").map(|(_, users)| format!("authorization{users}")).unwrap();
    for version in VERSIONS {
        let server = NatsServer::start(version, NatsOptions { jetstream: true, config: config.clone() });
        for role in Role::ALL {
            let (user, password) = (role.as_str(), format!("CHANGE-ME-{}", role.as_str()));
            let _in = Wire::connect(server.port(), Some((user, &password))).unwrap();
        }
        assert!(Wire::connect(server.port(), None).is_err());
    }
}
