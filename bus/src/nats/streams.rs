//! The streams and the bucket, as they are asked for, and whether the server did what was asked.

use crate::setup::BusSetup;
use crate::subject::{
    ALL_LEDGER, ALL_TELEMETRY, LEDGER_STREAM, NODE_LEDGER_EVENTS, STATE_BUCKET, TELEMETRY_STREAM, every_node,
};
use async_nats::jetstream::context::GetStreamErrorKind;
use async_nats::jetstream::stream::{Config, DiscardPolicy, RetentionPolicy, StorageType, Stream};
use async_nats::jetstream::{Context, ErrorCode};
use std::time::Duration;

/// Within this the server recognises an event that it is sent again.
pub(super) const DUPLICATE_WINDOW: Duration = Duration::from_secs(120);
/// Telemetry kept per subject: a curve for whoever comes late.
const TELEMETRY_MESSAGES: i64 = 600;
/// How long telemetry is kept.
const TELEMETRY_AGE: Duration = Duration::from_secs(86_400);
/// Room for states: a few KiB per run.
const STATE_BYTES: i64 = 64 << 20;

/// What a stream must be for us.
pub(super) fn ledger(setup: &BusSetup) -> Config {
    let mut subjects = vec![ALL_LEDGER.to_owned()];
    subjects.extend(NODE_LEDGER_EVENTS.iter().map(|what| every_node(what)));
    Config {
        name: LEDGER_STREAM.to_owned(),
        description: Some("PULSE: events of training runs that must not be lost".to_owned()),
        subjects,
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::File,
        max_bytes: signed(setup.ledger_bytes),
        max_age: setup.ledger_age,
        duplicate_window: DUPLICATE_WINDOW,
        allow_direct: true,
        ..Config::default()
    }
}

pub(super) fn telemetry(setup: &BusSetup) -> Config {
    Config {
        name: TELEMETRY_STREAM.to_owned(),
        description: Some("PULSE: the newest telemetry of training runs".to_owned()),
        subjects: vec![ALL_TELEMETRY.to_owned()],
        retention: RetentionPolicy::Limits,
        discard: DiscardPolicy::Old,
        storage: StorageType::Memory,
        max_messages_per_subject: TELEMETRY_MESSAGES,
        max_bytes: signed(setup.telemetry_bytes),
        max_age: TELEMETRY_AGE,
        allow_direct: true,
        ..Config::default()
    }
}

/// A key-value bucket is a stream of this form (ADR-8).
pub(super) fn state() -> Config {
    Config {
        name: format!("KV_{STATE_BUCKET}"),
        description: Some("PULSE: the present state of training runs".to_owned()),
        subjects: vec![format!("$KV.{STATE_BUCKET}.>")],
        retention: RetentionPolicy::Limits,
        // A cache: rather the state of a run of long ago is given up than that of a new one refused.
        discard: DiscardPolicy::Old,
        storage: StorageType::Memory,
        max_messages_per_subject: 1,
        max_bytes: STATE_BYTES,
        allow_direct: true,
        allow_rollup: true,
        deny_delete: true,
        ..Config::default()
    }
}

fn signed(bytes: u64) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}

/// Makes a stream, or takes the one that is there if it can do what is needed. An operator may
/// have chosen other limits; those stay, unless the server is `ours`.
///
/// # Errors
/// Why it can't be used, for people.
pub(super) async fn ensure(jetstream: &Context, wanted: Config, ours: bool) -> Result<Stream, String> {
    let name = wanted.name.clone();
    // Looked for first: for one that is there a full server would say that it has no room.
    let stream = match jetstream.get_stream(&name).await {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            GetStreamErrorKind::JetStream(reason) if reason.error_code() == ErrorCode::STREAM_NOT_FOUND => {
                let made = jetstream.get_or_create_stream(wanted.clone()).await;
                made.map_err(|error| format!("stream {name} can't be made: {error}"))?
            }
            _ => return Err(format!("stream {name} can't be looked at: {error}")),
        },
    };
    let got = &stream.cached_info().config;
    match unfit(&wanted, got) {
        None => {
            if let Some(better) = better(&wanted, got, ours)
                && let Err(error) = jetstream.update_stream(&better).await
            {
                tracing::warn!(stream = name, %error, "the stream stays as it is");
            }
            Ok(stream)
        }
        Some(what) => Err(format!("stream {name} {what}; remove it, or let it be made anew")),
    }
}

/// The stream as it should be, if that can be had without harm to anybody.
fn better(wanted: &Config, got: &Config, ours: bool) -> Option<Config> {
    let mut better = got.clone();
    // A daemon that was killed while it made a server forget duplicates has left it so.
    better.duplicate_window = got.duplicate_window.max(wanted.duplicate_window);
    if ours {
        better.max_bytes = wanted.max_bytes;
        better.max_age = wanted.max_age;
    }
    let differs = (better.duplicate_window, better.max_bytes, better.max_age)
        != (got.duplicate_window, got.max_bytes, got.max_age);
    differs.then_some(better)
}

/// What keeps a stream from being used, if anything. (A server that does not know an option leaves
/// it out without a word, so what it returns is compared.)
fn unfit(wanted: &Config, got: &Config) -> Option<String> {
    let missing: Vec<_> = wanted.subjects.iter().filter(|subject| !got.subjects.contains(subject)).collect();
    if !missing.is_empty() {
        return Some(format!("does not take {missing:?}"));
    }
    if got.no_ack {
        return Some("acknowledges nothing".to_owned());
    }
    if got.sealed {
        return Some("is sealed".to_owned());
    }
    if got.retention != RetentionPolicy::Limits {
        return Some("forgets what somebody has read".to_owned());
    }
    if wanted.storage == StorageType::File && got.discard == DiscardPolicy::New {
        return Some("refuses new events when it is full".to_owned());
    }
    if wanted.storage == StorageType::File && got.storage != StorageType::File {
        return Some("is kept in memory only".to_owned());
    }
    if wanted.max_messages_per_subject == 1 && got.max_messages_per_subject != 1 {
        return Some("is no key-value bucket with one value per key".to_owned());
    }
    if wanted.allow_direct && !got.allow_direct {
        return Some("does not allow direct reads".to_owned());
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_of_an_operator_stay_and_what_would_lose_events_is_refused() {
        let wanted = ledger(&BusSetup::default());
        let changed = |change: fn(&mut Config)| {
            let mut got = wanted.clone();
            change(&mut got);
            unfit(&wanted, &got)
        };
        assert_eq!(changed(|got| (got.max_bytes, got.max_age) = (7, Duration::from_secs(1))), None);
        assert_eq!(changed(|got| got.subjects.push("more.>".into())), None);
        assert!(changed(|got| got.subjects = vec!["other".into()]).is_some());
        assert!(changed(|got| got.no_ack = true).is_some());
        assert!(changed(|got| got.storage = StorageType::Memory).is_some());
        assert!(changed(|got| got.allow_direct = false).is_some());
        assert!(changed(|got| got.sealed = true).is_some());
        assert!(changed(|got| got.retention = RetentionPolicy::WorkQueue).is_some());
        assert!(changed(|got| got.discard = DiscardPolicy::New).is_some());
        let bucket = state();
        assert!(unfit(&bucket, &Config { max_messages_per_subject: 5, ..bucket.clone() }).is_some());
    }

    #[test]
    fn a_stream_is_changed_only_where_that_harms_nobody() {
        let wanted = ledger(&BusSetup::default());
        assert_eq!(better(&wanted, &wanted, true), None);
        let short = Config { duplicate_window: Duration::from_millis(100), ..wanted.clone() };
        assert_eq!(better(&wanted, &short, false), Some(wanted.clone()));
        let long = Config { duplicate_window: Duration::from_secs(999), ..wanted.clone() };
        assert_eq!(better(&wanted, &long, false), None);
        let small = Config { max_bytes: 7, ..wanted.clone() };
        assert_eq!((better(&wanted, &small, false), better(&wanted, &small, true)), (None, Some(wanted)));
    }

    #[test]
    fn every_stream_has_limits() {
        for config in [ledger(&BusSetup::default()), telemetry(&BusSetup::default()), state()] {
            assert!(config.max_bytes > 0, "{}", config.name);
        }
    }
}
