//! The promises, each in a function over anything that can be published on and listened to.

use resus_bus::subject;
use resus_bus::transport::{Message, PublishError, Transport, Trouble};
use resus_core::ids::{RunId, Slug};
use resus_core::pulse::v2::{ERROR_MESSAGE_BYTES_MAX, EVENT_BYTES_MAX, EventType};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::sync::Arc;

/// A transport and somebody who has listened to it from the beginning.
pub trait Bench: Send + Sync + 'static {
    /// The transport.
    type Bus: Transport + Clone;

    /// The transport, ready to publish.
    async fn bus(&self) -> Self::Bus;

    /// Bodies of all messages so far in the order in which they came, at least those of
    /// `subject`; `None` if nobody can listen. Waits until `count` of `subject` are there.
    async fn heard(&self, subject: &str, count: usize) -> Option<Vec<String>>;
}

/// A transport to which something can happen.
pub trait Fallible: Bench {
    /// Size of a body that is too large.
    fn too_large(&self) -> usize;

    /// Takes the transport away.
    async fn take_away(&self);

    /// Undoes [`Fallible::take_away`].
    async fn bring_back(&self);
}

/// A test for every promise; `fallible` for those about what can happen, too.
macro_rules! conformance {
    ($name:ident, $bench:expr $(, fallible $fallible:expr)?) => {
        mod $name {
            use super::*;
            conformance!(@each $bench, [
                order_is_kept_per_subject
                a_batch_may_be_of_several_subjects
                an_empty_batch_is_taken
                the_largest_event_is_taken_whole
                odd_but_legal_names_are_told_apart
                publishers_at_once_lose_nothing_and_keep_each_ones_order
            ]);
            $(conformance!(@each $fallible, [
                an_error_says_what_was_taken
                after_an_absence_everything_is_there_in_order
            ]);)?
        }
    };
    (@each $bench:expr, [$($promise:ident)*]) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $promise() {
            suite::$promise(&$bench).await;
        })*
    };
}

/// The address of a run's events.
pub fn address(workload: &str, run: &str) -> String {
    let slug = |text| Slug::new(text).unwrap();
    subject::event(&slug("default"), &slug(workload), &RunId::new(run).unwrap(), EventType::Status)
}

/// Message `n` of a subject, with an id as a class A event has one.
fn message(subject: &str, n: usize) -> Message {
    filled(subject, n, 0)
}

fn filled(subject: &str, n: usize, bytes: usize) -> Message {
    let body = json!({ "subject": subject, "n": n, "fill": "x".repeat(bytes) }).to_string();
    Message { subject: subject.into(), id: Some(format!("{subject}.{n}").into()), body: body.into() }
}

/// A message whose body has exactly so many bytes.
fn sized(subject: &str, n: usize, bytes: usize) -> Message {
    let empty = filled(subject, n, 0).body.len();
    filled(subject, n, bytes - empty)
}

/// Numbers of a subject's messages as a subscriber sees them who drops what he has seen.
async fn numbers(bench: &impl Bench, subject: &str, count: usize) -> Option<Vec<u64>> {
    let mut seen = BTreeSet::new();
    let heard = bench.heard(subject, count).await?;
    let bodies = heard.iter().map(|body| serde_json::from_str::<Value>(body).unwrap());
    let ours = bodies.filter(|body| body["subject"] == subject);
    Some(ours.map(|body| body["n"].as_u64().unwrap()).filter(|n| seen.insert(*n)).collect())
}

async fn assert_heard(bench: &impl Bench, subject: &str, expected: impl Iterator<Item = u64>) {
    let expected: Vec<_> = expected.collect();
    if let Some(heard) = numbers(bench, subject, expected.len()).await {
        assert_eq!(heard, expected, "{subject}");
    }
}

pub async fn order_is_kept_per_subject(bench: &impl Bench) {
    let (bus, subject) = (bench.bus().await, address("w", "run"));
    for n in 0..50 {
        bus.publish(&[message(&subject, 3 * n), message(&subject, 3 * n + 1)]).await.unwrap();
        bus.publish(&[message(&subject, 3 * n + 2)]).await.unwrap();
    }
    assert_heard(bench, &subject, 0..150).await;
}

pub async fn a_batch_may_be_of_several_subjects(bench: &impl Bench) {
    let bus = bench.bus().await;
    let subjects = [address("w", "a"), address("w", "b"), address("w", "c")];
    let batch: Vec<_> = (0..300).map(|n| message(&subjects[n % 3], n)).collect();
    bus.publish(&batch).await.unwrap();
    for (first, subject) in subjects.iter().enumerate() {
        assert_heard(bench, subject, (first as u64..300).step_by(3)).await;
    }
}

pub async fn an_empty_batch_is_taken(bench: &impl Bench) {
    let (bus, subject) = (bench.bus().await, address("w", "run"));
    bus.publish(&[]).await.unwrap();
    bus.publish(&[message(&subject, 1)]).await.unwrap();
    assert_heard(bench, &subject, 1..2).await;
}

pub async fn the_largest_event_is_taken_whole(bench: &impl Bench) {
    let (bus, subject) = (bench.bus().await, address("w", "run"));
    let large = sized(&subject, 1, EVENT_BYTES_MAX);
    assert_eq!(large.body.len(), EVENT_BYTES_MAX);
    bus.publish(&[message(&subject, 0), large.clone(), message(&subject, 2)]).await.unwrap();
    let Some(heard) = bench.heard(&subject, 3).await else { return };
    assert_eq!(heard.iter().map(String::len).max(), Some(EVENT_BYTES_MAX));
    assert!(heard.iter().any(|body| **body == *large.body));
    assert_heard(bench, &subject, 0..3).await;
}

pub async fn odd_but_legal_names_are_told_apart(bench: &impl Bench) {
    let bus = bench.bus().await;
    let long = "x".repeat(64);
    let names = [("-", "0"), ("a--", "A_-_"), ("-", "a_-_"), ("0", "1e9"), (&"w".repeat(48), &long)];
    let subjects: Vec<_> = names.into_iter().map(|(workload, run)| address(workload, run)).collect();
    let batch: Vec<_> = subjects.iter().enumerate().map(|(n, subject)| message(subject, n)).collect();
    bus.publish(&batch).await.unwrap();
    for (n, subject) in subjects.iter().enumerate() {
        assert_heard(bench, subject, n as u64..n as u64 + 1).await;
    }
}

pub async fn publishers_at_once_lose_nothing_and_keep_each_ones_order(bench: &impl Bench) {
    let bus = Arc::new(bench.bus().await);
    let subject = address("w", "run");
    let publishers: Vec<_> = (0..4_usize)
        .map(|who| {
            let (bus, subject) = (Arc::clone(&bus), subject.clone());
            tokio::spawn(async move {
                for n in 0..25 {
                    let first = who * 1000 + 2 * n;
                    bus.publish(&[message(&subject, first), message(&subject, first + 1)]).await.unwrap();
                }
            })
        })
        .collect();
    for publisher in publishers {
        publisher.await.unwrap();
    }
    let Some(heard) = numbers(bench, &subject, 200).await else { return };
    assert_eq!(heard.len(), 200);
    for who in 0..4 {
        let of_one: Vec<_> = heard.iter().copied().filter(|n| n / 1000 == who).collect();
        assert_eq!(of_one, (who * 1000..who * 1000 + 50).collect::<Vec<_>>());
    }
}

pub async fn an_error_says_what_was_taken(bench: &impl Fallible) {
    let (bus, subject) = (bench.bus().await, address("w", "run"));
    let too_large = sized(&subject, 9, bench.too_large());
    let batch = [message(&subject, 0), message(&subject, 1), too_large, message(&subject, 2)];
    let PublishError { taken, trouble } = bus.publish(&batch).await.unwrap_err();
    assert_eq!(taken, 2, "{trouble}");
    assert!(matches!(trouble, Trouble::TooLarge { .. }), "{trouble:?}");
    assert!(trouble.to_string().len() < ERROR_MESSAGE_BYTES_MAX, "{trouble}");
    bus.publish(&batch[taken + 1..]).await.unwrap();
    assert_heard(bench, &subject, 0..3).await;
}

pub async fn after_an_absence_everything_is_there_in_order(bench: &impl Fallible) {
    let (bus, subject) = (bench.bus().await, address("w", "run"));
    bus.publish(&[message(&subject, 0)]).await.unwrap();
    bench.take_away().await;
    let batch: Vec<_> = (1..5).map(|n| message(&subject, n)).collect();
    let PublishError { taken, trouble } = bus.publish(&batch).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Away(_)), "{trouble:?}");
    bench.bring_back().await;
    bus.publish(&batch[taken..]).await.unwrap();
    assert_heard(bench, &subject, 0..5).await;
}
