//! What became of events: lost, doubled or out of order.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use serde_json::{Value, json};

use super::wire::Kept;
use crate::rig::Fault;

/// An event as a stream keeps it, as far as it matters here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Of which run.
    pub run_id: String,
    /// Its identity.
    pub event_id: String,
    /// Its place in its run: attempt and number.
    pub place: (u32, u64),
    /// The number that the worker gave it, if it is one of ours.
    pub number: Option<u32>,
}

/// The envelope of an event.
#[derive(Deserialize)]
struct Envelope {
    training_id: String,
    event_id: String,
    attempt: u32,
    seq: u64,
    payload: Value,
}

impl Delivered {
    /// Reads one.
    ///
    /// # Errors
    /// [`Fault`]: it is no envelope, or not the one that the server takes it for.
    pub fn read(kept: &Kept) -> Result<Self, Fault> {
        let envelope: Envelope = serde_json::from_slice(&kept.body)
            .map_err(|error| Fault::wrong(format!("{:?} keeps no event: {error}", kept.subject)))?;
        let Envelope { training_id: run_id, event_id, attempt, seq, payload } = envelope;
        if event_id != kept.id {
            return Err(Fault::wrong(format!("the event {event_id} was published as {:?}", kept.id)));
        }
        Ok(Self { run_id, event_id, place: (attempt, seq), number: number(&payload) })
    }
}

/// How a worker says its `number`-th word: two kinds in turn.
pub fn line(number: u32) -> String {
    let (event_type, key) =
        if number.is_multiple_of(2) { ("stage_change", "new_stage") } else { ("target_start", "target") };
    format!("{}\n", json!({"event_type": event_type, "payload": {key: format!("part-{number}")}}))
}

fn number(payload: &Value) -> Option<u32> {
    let name = payload.get("new_stage").or_else(|| payload.get("target"))?;
    name.as_str()?.strip_prefix("part-")?.parse().ok()
}

/// How a delivery went.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Delivery {
    /// Words that are not there.
    pub lost: u64,
    /// Words that are there as more than one event.
    pub doubled: u64,
    /// Events behind one of the same run that came after them.
    pub reordered: u64,
    /// Events that are there twice, by their identity: whoever reads passes over them.
    pub twice: u64,
}

/// Compares what a stream keeps, in its order, with what was said: each run said the words 0 to
/// `words` once, in this order.
pub fn judge(delivered: &[Delivered], runs: &[String], words: u32) -> Delivery {
    let mut delivery = Delivery::default();
    let mut seen = BTreeSet::new();
    let mut heard: BTreeMap<&str, BTreeSet<u32>> = BTreeMap::new();
    let mut newest: BTreeMap<&str, ((u32, u64), Option<u32>)> = BTreeMap::new();
    for event in delivered {
        if !seen.insert(&event.event_id) {
            delivery.twice += 1;
            continue;
        }
        if let Some(number) = event.number
            && !heard.entry(&event.run_id).or_default().insert(number)
        {
            delivery.doubled += 1;
        }
        let (place, number) = newest.entry(&event.run_id).or_default();
        if event.place <= *place || event.number.is_some_and(|said| number.is_some_and(|n| said < n)) {
            delivery.reordered += 1;
        }
        *place = event.place.max(*place);
        *number = event.number.max(*number);
    }
    for run in runs {
        let there = heard.get(run.as_str()).map_or(0, |numbers| numbers.range(..words).count());
        delivery.lost += u64::from(words) - there as u64;
    }
    delivery
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(run: &str, seq: u64, number: Option<u32>) -> Delivered {
        Delivered { run_id: run.to_owned(), event_id: format!("{run}.1.{seq}"), place: (1, seq), number }
    }

    fn told(events: &[Delivered]) -> Delivery {
        judge(events, &["a".to_owned(), "b".to_owned()], 2)
    }

    #[test]
    fn runs_may_be_mixed_and_say_other_things_too() {
        let events = [
            event("a", 1, None),
            event("b", 1, Some(0)),
            event("a", 2, Some(0)),
            event("a", 4, Some(1)),
            event("b", 2, None),
            event("b", 3, Some(1)),
        ];
        assert_eq!(told(&events), Delivery::default());
    }

    #[test]
    fn each_way_of_going_wrong_is_counted_by_itself() {
        let (a0, a1) = (event("a", 1, Some(0)), event("a", 2, Some(1)));
        let (b0, b1) = (event("b", 1, Some(0)), event("b", 2, Some(1)));
        let lost = told(&[a0.clone(), b0.clone(), b1.clone()]);
        assert_eq!(lost, Delivery { lost: 1, ..Delivery::default() });
        assert_eq!(told(&[]).lost, 4);
        let twice = told(&[a0.clone(), a1.clone(), a0.clone(), b0.clone(), b1.clone()]);
        assert_eq!(twice, Delivery { twice: 1, ..Delivery::default() });
        let doubled = told(&[a0.clone(), a1.clone(), event("a", 3, Some(1)), b0.clone(), b1.clone()]);
        assert_eq!(doubled, Delivery { doubled: 1, ..Delivery::default() });
        let reordered = told(&[a1, a0, b0, b1]);
        assert_eq!(reordered, Delivery { reordered: 1, ..Delivery::default() });
    }

    #[test]
    fn words_of_the_worker_find_their_way_back_to_their_number() {
        for number in [0, 1, 12_345] {
            let said: Value = serde_json::from_str(&line(number)).expect("JSON");
            assert_eq!(super::number(&said["payload"]), Some(number));
        }
        assert_eq!(number(&json!({"new_stage": "warmup"})), None);
        assert_eq!(number(&json!({"status": "running"})), None);
    }

    #[test]
    fn an_event_must_be_the_one_that_the_server_takes_it_for() {
        let body = json!({"training_id": "a", "event_id": "a.1.2", "attempt": 1, "seq": 2, "payload": {}});
        let kept =
            |id: &str| Kept { subject: "s".to_owned(), id: id.to_owned(), body: body.to_string().into() };
        assert_eq!(Delivered::read(&kept("a.1.2")).expect("an event"), event("a", 2, None));
        assert!(Delivered::read(&kept("a.1.3")).is_err());
    }
}
