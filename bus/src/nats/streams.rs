//! The streams and the bucket, as they are asked for, and whether the server did what was asked.

use crate::setup::BusSetup;
use crate::subject::{
    ALL_LEDGER, ALL_TELEMETRY, LEDGER_STREAM, NODE_LEDGER_EVENTS, STATE_BUCKET, TELEMETRY_STREAM, every_node,
};
use async_nats::jetstream::context::CreateStreamErrorKind;
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
        discard: DiscardPolicy::New,
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
/// have chosen other limits; those stay.
///
/// # Errors
/// Why it can't be used, for people.
pub(super) async fn ensure(jetstream: &Context, wanted: Config) -> Result<Stream, String> {
    let name = wanted.name.clone();
    let stream = match jetstream.create_stream(wanted.clone()).await {
        Ok(stream) => stream,
        Err(error) => match error.kind() {
            CreateStreamErrorKind::JetStream(reason)
                if reason.error_code() == ErrorCode::STREAM_NAME_EXIST =>
            {
                jetstream.get_stream(&name).await.map_err(|error| format!("stream {name}: {error}"))?
            }
            _ => return Err(format!("stream {name} can't be made: {error}")),
        },
    };
    let got = &stream.cached_info().config;
    match unfit(&wanted, got) {
        None => Ok(stream),
        Some(what) => Err(format!("stream {name} {what}; remove it, or let it be made anew")),
    }
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
        let bucket = state();
        assert!(unfit(&bucket, &Config { max_messages_per_subject: 5, ..bucket.clone() }).is_some());
    }

    #[test]
    fn every_stream_has_limits() {
        for config in [ledger(&BusSetup::default()), telemetry(&BusSetup::default()), state()] {
            assert!(config.max_bytes > 0, "{}", config.name);
        }
    }
}
