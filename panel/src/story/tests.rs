//! Stories are told from where one asks, whatever was told before.

use super::*;
use resus_core::decide::decide;
use resus_core::event::{Event, Why};
use resus_core::ids::{Attempt, RunId};
use resus_core::input::{Input, Verb};
use resus_core::moment::Moment;
use resus_core::spec::Spec;
use serde_json::json;
use std::cell::Cell;
use std::sync::Arc;

fn spec() -> Spec {
    // As a document, so that a new optional field changes nothing here.
    let spec = json!({
        "workload": "w", "name": "w", "argv": ["train"], "cwd": "/", "env": [], "contract": "opaque", "policy": {},
    });
    serde_json::from_value(spec).unwrap()
}

/// A run that was accepted, paused, resumed, and so on, `pauses` times.
fn history(pauses: u32) -> Vec<(Record, Value)> {
    let at = Moment { unix_ms: 1_000, mono_ms: 0 };
    let run_id = RunId::new("r1").unwrap();
    let record = |seq, attempt, why, event| Record { run_id: run_id.clone(), seq, attempt, at, why, event };
    let accepted = Event::Accepted { spec: Box::new(spec()), command_id: None, boot_id: "b".into() };
    let mut records = vec![record(1, Attempt(0), Why::NewRun, accepted)];
    let mut run = begin(&records[0]).unwrap();
    for verb in (0..pauses).flat_map(|_| [Verb::Pause, Verb::Resume]) {
        let decision = decide(&run, &Input::Command { verb, by: "anna".into() }, at).unwrap();
        for event in decision.events {
            let attempt = match event {
                Event::AttemptBegun { .. } => run.attempt.next(),
                _ => run.attempt,
            };
            let next = record(run.seq + 1, attempt, decision.why, event);
            apply(&mut run, &next).unwrap();
            records.push(next);
        }
    }
    records.into_iter().map(|record| (record.clone(), json!({"seq": record.seq}))).collect()
}

/// What a daemon with `history` tells; counts what it had to read for it.
struct Teller {
    history: Arc<Vec<(Record, Value)>>,
    stories: Stories,
    read: Cell<usize>,
}

impl Teller {
    fn of(history: Vec<(Record, Value)>) -> Self {
        Self { history: Arc::new(history), stories: Stories::default(), read: Cell::new(0) }
    }

    fn told(&self, after: u64, limit: u32) -> Result<Vec<StoryLine>, StoryError> {
        let read = |from: u64| {
            let rest = self.history.iter().filter(|(record, _)| record.seq > from);
            let page: Vec<_> = rest.take(EVENTS_MAX as usize).cloned().collect();
            self.read.set(self.read.get() + page.len());
            std::future::ready(Ok(page))
        };
        let mut told = Box::pin(tell(&self.stories, "r1", after, limit, read));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        match told.as_mut().poll(&mut context) {
            std::task::Poll::Ready(told) => told,
            std::task::Poll::Pending => panic!("it waits for nothing"),
        }
    }
}

fn seqs(lines: &[StoryLine]) -> Vec<u64> {
    lines.iter().map(StoryLine::seq).collect()
}

#[test]
fn a_story_has_sentences_and_reasons() {
    let lines = Teller::of(history(1)).told(0, 99).unwrap();
    assert_eq!(lines[0].sentence, "the run was accepted: train");
    let pause = &lines[1];
    assert_eq!((pause.what.as_str(), pause.why.as_str()), ("pause_begun", "REQUESTED"));
    assert!(pause.sentence.contains("anna asked for it"), "{pause:?}");
}

#[test]
fn whoever_follows_is_told_the_next_event_without_reading_everything_again() {
    let teller = Teller::of(history(3));
    let all = seqs(&teller.told(0, 999).unwrap());
    assert_eq!(all, (1..=all.len() as u64).collect::<Vec<_>>());
    let read = teller.read.get();
    let last = *all.last().unwrap();
    assert_eq!(seqs(&teller.told(last, 999).unwrap()), [0; 0]);
    assert_eq!(teller.read.get(), read, "nothing was left to read");
    assert_eq!(seqs(&teller.told(last - 2, 999).unwrap()), [last - 1, last], "and one may ask again");
}

#[test]
fn pages_are_as_long_as_asked_for_and_fit_together() {
    // More than are read at once.
    let teller = Teller::of(history(400));
    let whole = teller.told(0, u32::MAX).unwrap();
    assert!(whole.len() > EVENTS_MAX as usize, "{}", whole.len());
    let mut pieces = Vec::new();
    while pieces.len() < whole.len() {
        let piece = teller.told(pieces.len() as u64, 700).unwrap();
        assert!(piece.len() <= 700);
        pieces.extend(piece);
    }
    assert_eq!(pieces, whole);
}

#[test]
fn a_history_with_a_hole_is_not_told() {
    let mut history = history(1);
    history.remove(1);
    let error = Teller::of(history).told(0, 99).unwrap_err();
    assert!(error.to_string().contains("does not fit together"), "{error}");
}

#[test]
fn only_a_few_runs_are_remembered() {
    let stories = Stories::default();
    for n in 0..STORIES_KEPT + 3 {
        let mut run = begin(&history(0)[0].0).unwrap();
        run.id = RunId::new(format!("r{n}")).unwrap();
        stories.keep(run);
    }
    assert_eq!(stories.lock().len(), STORIES_KEPT);
    assert!(stories.take("r0", 9).is_none() && stories.take("r4", 9).is_some());
}
