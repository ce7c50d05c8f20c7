//! `docs/asyncapi.json` tells every address and what is said there. It is made of the functions
//! of `resus_bus::subject` and the schemas of `resus_core::schema`; `UPDATE=1` writes it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_bus::subject;
use resus_core::ids::{RunId, Slug};
use resus_core::pulse::v2::EventType;
use resus_core::schema::{EXCHANGES, Exchange, file_of_event, file_of_type};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};

/// The free parts of addresses: what stands for them while one is made, their name, and what
/// they are.
const FREE: [(&str, &str, &str); 5] = [
    ("p-namespace", "namespace", "A team, a project; `default` unless configured: [a-z0-9-]{1,48}"),
    ("p-workload", "workload", "Kind of training: [a-z0-9-]{1,48}"),
    ("p-training-id", "training_id", "The run: [A-Za-z0-9][A-Za-z0-9_-]{0,63}"),
    ("p-node", "node", "A machine: [a-z0-9-]{1,48}; of a control address also `any`: one that is free"),
    ("p-what", "what", "What happens: joined, left, alarm, heartbeat, …"),
];

fn slug(free: usize) -> Slug {
    Slug::new(FREE[free].0).unwrap()
}

/// A channel at an address that was made with the stand-ins.
fn channel(made: &str, about: &str, messages: &[&str]) -> Value {
    let (mut address, mut parameters) = (made.to_owned(), Map::new());
    for (stand_in, name, what) in FREE {
        if address.contains(stand_in) {
            address = address.replace(stand_in, &format!("{{{name}}}"));
            parameters.insert(name.to_owned(), json!({ "description": what }));
        }
    }
    let mut channel = json!({ "address": address, "description": about });
    if !parameters.is_empty() {
        channel["parameters"] = parameters.into();
    }
    if !messages.is_empty() {
        channel["messages"] = references(messages);
    }
    channel
}

fn references(messages: &[&str]) -> Value {
    let of = |name: &&str| ((*name).to_owned(), json!({ "$ref": format!("#/components/messages/{name}") }));
    Value::Object(messages.iter().map(of).collect())
}

/// A message whose body fits the schema in `file`.
fn message(title: &str, about: &str, file: &str) -> Value {
    json!({
        "name": title, "title": title, "summary": about, "contentType": "application/json",
        "payload": {
            "schemaFormat": "application/schema+json;version=draft-2020-12",
            "schema": { "$ref": format!("schemas/{file}") },
        },
    })
}

fn texts(headers: &[(&str, &str)]) -> Value {
    let of =
        |(name, what): &(&str, &str)| ((*name).to_owned(), json!({ "type": "string", "description": what }));
    json!({ "type": "object", "properties": Map::from_iter(headers.iter().map(of)) })
}

#[derive(Default)]
struct Document {
    channels: Map<String, Value>,
    operations: Map<String, Value>,
    messages: Map<String, Value>,
}

impl Document {
    /// Something that a daemon says at an address.
    fn told(&mut self, name: &str, address: &str, about: &str, message: Value) {
        self.channels.insert(name.to_owned(), channel(address, about, &[name]));
        let mut operation = json!({
            "action": "send", "channel": { "$ref": format!("#/channels/{name}") }, "summary": about,
            "messages": [{ "$ref": format!("#/channels/{name}/messages/{name}") }],
        });
        if message.get("headers").is_some() {
            operation["description"] = "At least once: whoever has seen an id drops it".into();
        }
        self.operations.insert(format!("tell_{name}"), operation);
        self.messages.insert(name.to_owned(), message);
    }

    fn events(&mut self) {
        let run = RunId::new(FREE[2].0).unwrap();
        for event_type in EventType::ALL {
            let name = event_type.as_str();
            let class =
                if event_type.is_class_a() { "Class A: none is lost" } else { "Class B: the newest counts" };
            let mut message = message(name, class, &file_of_event(event_type));
            if event_type.is_class_a() {
                message["headers"] = texts(&[("Nats-Msg-Id", "The event_id: the id for deduplication")]);
            }
            let address = subject::event(&slug(0), &slug(1), &run, event_type);
            self.told(name, &address, class, message);
        }
        let about = "The six-key snapshot of PULSE v1, for the simplest subscriber";
        let v1 = message("snapshot_v1", about, &file_of_type("SnapshotV1"));
        self.told("snapshot_v1", &subject::snapshot_v1(&slug(0), &slug(1), &run), about, v1);
        let about = "The run, folded: the value of its key in the bucket pulse_state";
        let state = message("state_snapshot", about, &file_of_type("StateSnapshot"));
        self.told("state_snapshot", &subject::state(&slug(0), &slug(1), &run), about, state);
        let about = "What happens to a machine";
        let node = message("node", about, "event_node.json");
        self.told("node", &subject::node(&slug(0), &slug(3), FREE[4].0), about, node);
    }

    fn control(&mut self) {
        for exchange in EXCHANGES {
            let Exchange { verb, request, reply } = exchange;
            self.messages.insert(request.to_owned(), message(request, "A request", &file_of_type(request)));
            self.messages.insert(reply.to_owned(), answer(&exchange));
            let address = format!("{}.{verb}", subject::control(&slug(0), Some(&slug(3))));
            let (asks, answers) = (format!("control_{verb}"), format!("control_{verb}_reply"));
            let about = format!("Ask a daemon: {verb}");
            self.channels.insert(asks.clone(), channel(&address, &about, &[request]));
            let to_inbox = json!({
                "address": null, "description": "The address that the request gave for its answer",
                "messages": references(&[reply, "Problem"]),
            });
            self.channels.insert(answers.clone(), to_inbox);
            let operation = json!({
                "action": "receive", "channel": { "$ref": format!("#/channels/{asks}") }, "summary": about,
                "messages": [{ "$ref": format!("#/channels/{asks}/messages/{request}") }],
                "reply": {
                    "channel": { "$ref": format!("#/channels/{answers}") },
                    "messages": [
                        { "$ref": format!("#/channels/{answers}/messages/{reply}") },
                        { "$ref": format!("#/channels/{answers}/messages/Problem") },
                    ],
                },
            });
            self.operations.insert(asks, operation);
        }
        let mut problem = message("Problem", "Why there is no good answer", &file_of_type("Problem"));
        problem["headers"] = texts(&[
            ("Nats-Service-Error", "The problem in words"),
            ("Nats-Service-Error-Code", "The status, as of HTTP"),
        ]);
        self.messages.insert("Problem".to_owned(), problem);
    }
}

/// A good answer. Of `logs` it is the output itself, and the document is in a header.
fn answer(exchange: &Exchange) -> Value {
    let mut answer = message(exchange.reply, "A reply", &file_of_type(exchange.reply));
    if exchange.verb == "logs" {
        answer["headers"] = texts(&[("Resus-Output", "The piece, as JSON: schemas/output_chunk.json")]);
        answer["contentType"] = "application/octet-stream".into();
        answer.as_object_mut().unwrap().remove("payload");
    }
    answer
}

fn document() -> Value {
    let mut document = Document::default();
    document.events();
    document.control();
    let Document { channels, operations, messages } = document;
    json!({
        "asyncapi": "3.0.0",
        "info": {
            "title": "PULSE",
            "version": "2",
            "description": "What Resus says of training runs on NATS, and what it can be asked there. \
                            The protocol is told in PULSE.md, examples are in SUBSCRIBE.md.",
            "license": { "name": "MIT OR Apache-2.0" },
        },
        "defaultContentType": "application/json",
        "servers": { "nats": { "host": "localhost:4222", "protocol": "nats" } },
        "channels": channels,
        "operations": operations,
        "components": { "messages": messages },
    })
}

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

#[test]
fn the_file_is_what_the_addresses_and_schemas_say() {
    let path = docs().join("asyncapi.json");
    let text = serde_json::to_string_pretty(&document()).unwrap() + "\n";
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &text).unwrap();
    }
    let kept = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(kept == text, "docs/asyncapi.json is not what the code says: UPDATE=1 rewrites it");
}

#[test]
fn every_reference_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str).map(str::to_owned));
                members.values().for_each(|member| references(member, found));
            }
            Value::Array(items) => items.iter().for_each(|item| references(item, found)),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
        }
    }
    let document = document();
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(found.len() > 100);
    for reference in found {
        match reference.strip_prefix('#') {
            Some(pointer) => assert!(document.pointer(pointer).is_some(), "{reference}"),
            None => assert!(docs().join(&reference).is_file(), "{reference}"),
        }
    }
}

#[test]
fn no_stand_in_is_left_and_no_two_channels_have_one_address() {
    let document = document();
    let text = document.to_string();
    assert!(FREE.iter().all(|(stand_in, _, _)| !text.contains(stand_in)));
    let channels = document["channels"].as_object().unwrap();
    let mut addresses: Vec<_> = channels.values().filter_map(|channel| channel["address"].as_str()).collect();
    assert_eq!(addresses.len(), EventType::ALL.len() + EXCHANGES.len() + 3);
    addresses.sort_unstable();
    addresses.dedup();
    assert_eq!(addresses.len(), EventType::ALL.len() + EXCHANGES.len() + 3);
    assert!(addresses.iter().all(|address| address.contains("{namespace}")));
}
