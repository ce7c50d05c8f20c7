//! From a worker's line to a subscriber of the server, and from a question to its answer.
//!
//! The benchmark appends the line in the worker's place and subscribes itself, so that both
//! moments are of one clock. In turn with each line it publishes a raw message of the same size,
//! whose subscriber is the same one.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::control::ask;
use super::place::{Place, all_events};
use super::wire::{Ear, Heard, Wire};
use crate::extent::Extent;
use crate::rig::{EVENTS_FILE, Fault, Journal, Voice, Voices, monotonic_ns, start_voices};
use crate::sample::Sample;

/// Where raw messages go.
const RAW: &str = "bench.raw";
/// Between two events of class A: what the last one led to is over by then.
const STAGE_INTERVAL: Duration = Duration::from_millis(5);

/// How much is said.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Runs that say how far they are.
    runs: u32,
    /// How often each of them does.
    rounds: u32,
    /// Between two lines of one run: long enough that each goes out at once. While each run's sign
    /// of life shares the budget too, fifty have to wait for each other (0.7 s).
    round_interval: Duration,
    /// Events of class A.
    stages: u32,
    /// Questions.
    questions: u32,
}

impl Amount {
    /// A p99 is that of ten.
    const FULL: Self = Self {
        runs: 50,
        rounds: 20,
        round_interval: Duration::from_secs(1),
        stages: 1_000,
        questions: 1_000,
    };
    /// Shows that it works.
    const QUICK: Self =
        Self { runs: 3, rounds: 2, round_interval: Duration::from_millis(300), stages: 5, questions: 5 };
}

/// As much of an event as matters here.
#[derive(Deserialize)]
struct Event {
    training_id: String,
    event_type: String,
    payload: Value,
}

/// Ours and raw, in turn.
#[derive(Default)]
struct Both {
    ours: Sample,
    raw: Sample,
}

/// Adds its figures to the result.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent, result: &mut Map<String, Value>) -> Result<(), Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let place = Place::new(folder)?;
    let mut voices = start_voices(&place.home, amount.runs)?;
    let wire = Wire::connect(&place.server.url())?;
    let ear = wire.subscribe(&[&all_events()[..], &[RAW.to_owned()]].concat())?;
    place.settled()?;
    let wrong = |fault| place.home.explain(fault);
    let progress = tell_progress(&mut voices, &wire, &ear, amount).map_err(wrong)?;
    let mut journal = Journal::create(place.home.path().join("journal"))?;
    let (stage, bare) =
        change_stages(&mut voices, &wire, &ear, &mut journal, amount.stages).map_err(wrong)?;
    let run_id = voices.keys().next().ok_or_else(|| Fault::wrong("there are no runs"))?;
    let control = ask(&wire, run_id, amount.questions).map_err(wrong)?;
    drop((ear, wire));
    place.close()?;
    result.insert("progress_lines".to_owned(), json!(amount.runs * amount.rounds));
    progress.ours.tell_tail_ms("progress", result);
    progress.raw.tell_tail_ms("progress_raw", result);
    let beyond = progress.ours.beyond_ms(0.5, &[&progress.raw]);
    result.insert("progress_p50_beyond_raw_ms".to_owned(), json!(beyond));
    result.insert("stages".to_owned(), json!(amount.stages));
    stage.ours.tell_tail_ms("stage", result);
    stage.raw.tell_tail_ms("stage_raw", result);
    bare.tell_tail_ms("fdatasync", result);
    let beyond = stage.ours.beyond_ms(0.5, &[&stage.raw, &bare]);
    result.insert("stage_p50_beyond_raw_ms".to_owned(), json!(beyond));
    let beyond = stage.ours.beyond_ms(0.99, &[&bare]);
    result.insert("stage_p99_beyond_fdatasync_ms".to_owned(), json!(beyond));
    control.tell(amount.questions, result);
    Ok(())
}

/// Each run says how far it is, in turn, round after round. The first round is not counted: it
/// makes the runs known as such that speak.
fn tell_progress(voices: &mut Voices, wire: &Wire, ear: &Ear, amount: Amount) -> Result<Both, Fault> {
    let turn_ns = (amount.round_interval / amount.runs.max(1)).as_nanos() as u64;
    let mut took = Both::default();
    let mut next_ns = monotonic_ns();
    for round in 0..=amount.rounds {
        for (run_id, voice) in &mut *voices {
            next_ns += turn_ns;
            thread::sleep(Duration::from_nanos(next_ns.saturating_sub(monotonic_ns())));
            let payload = json!({"unit": "step", "step": round, "total_steps": amount.rounds});
            let reached = |event: &Event| event.payload["step"].as_f64() == Some(f64::from(round));
            let (ours, raw) = in_turn(voice, ("progress", &payload), wire, ear, |event| {
                event.event_type == "progress" && event.training_id == *run_id && reached(event)
            })?;
            if round > 0 {
                took.ours.add(ours);
                took.raw.add(raw);
            }
        }
    }
    Ok(took)
}

/// One run enters stage after stage; between two, the disk is tried by itself.
fn change_stages(
    voices: &mut Voices,
    wire: &Wire,
    ear: &Ear,
    journal: &mut Journal,
    stages: u32,
) -> Result<(Both, Sample), Fault> {
    let (run_id, voice) = voices.iter_mut().next().ok_or_else(|| Fault::wrong("there are no runs"))?;
    let (mut took, mut bare) = (Both::default(), Sample::default());
    // The first is not counted: it is also the run's first word.
    for stage in 0..=stages {
        thread::sleep(STAGE_INTERVAL);
        let name = format!("stage-{stage}");
        let payload = json!({"new_stage": name});
        let (ours, raw) = in_turn(voice, ("stage_change", &payload), wire, ear, |event| {
            event.event_type == "stage_change"
                && event.training_id == *run_id
                && event.payload["new_stage"] == name.as_str()
        })?;
        thread::sleep(STAGE_INTERVAL);
        let alone = journal.append()?;
        if stage > 0 {
            took.ours.add(ours);
            took.raw.add(raw);
            bare.add(alone);
        }
    }
    Ok((took, bare))
}

/// Says something in a worker's place and waits until it is heard; then the same with a raw
/// message of the same size.
fn in_turn(
    voice: &mut Voice,
    (event_type, payload): (&str, &Value),
    wire: &Wire,
    ear: &Ear,
    wanted: impl Fn(&Event) -> bool,
) -> Result<(Duration, Duration), Fault> {
    let said_ns = monotonic_ns();
    voice.say(event_type, payload).map_err(Fault::io("append to", EVENTS_FILE))?;
    let is_it = |heard: &Heard| serde_json::from_slice(&heard.body).is_ok_and(|event| wanted(&event));
    let ours = ear.next(event_type, is_it)?;
    let body = vec![b'x'; ours.body.len()];
    let published_ns = monotonic_ns();
    wire.publish(RAW, body)?;
    let raw = ear.next("a raw message", |heard| heard.subject == RAW)?;
    let between = |from_ns: u64, heard: &Heard| Duration::from_nanos(heard.at_ns.saturating_sub(from_ns));
    Ok((between(said_ns, &ours), between(published_ns, &raw)))
}
