//! `event-latency`: from a worker's line to a local subscriber.
//!
//! The benchmark appends the line in the worker's place and reads the daemon's stream, so both
//! moments are of one clock. An event of class A is on disk before anyone hears of it; its
//! baseline is one bare `fdatasync`, in turn with it. Telemetry (class B) goes out at once if the
//! run has said nothing of late; it comes from a hundred runs, each in its turn.

use std::collections::BTreeMap;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{EVENTS_FILE, Fault, Heard, Home, Journal, Subscriber, Voices, monotonic_ns, start_voices};
use crate::sample::Sample;

/// Between two events of class A: what the last one led to is over by then.
const STAGE_INTERVAL: Duration = Duration::from_millis(5);
/// Goals for the figures of the result.
const GOALS: [(&str, f64); 4] = [
    ("stage_p50_beyond_fdatasync_ms", 2.0),
    ("stage_p99_ms", 20.0),
    ("progress_p50_ms", 2.0),
    ("progress_p99_ms", 10.0),
];

/// How much is said.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Events of class A.
    stages: u32,
    /// Runs that say how far they are.
    runs: u32,
    /// How often each of them does.
    rounds: u32,
    /// Between two lines of one run: more than a hundred speakers have to wait for each other
    /// (0.5 s), so that each line goes out at once.
    round_interval: Duration,
}

impl Amount {
    /// As the goal says; a p99 is that of ten.
    const FULL: Self = Self { stages: 1_000, runs: 100, rounds: 10, round_interval: Duration::from_secs(1) };
    /// Shows that it works.
    const QUICK: Self = Self { stages: 5, runs: 3, rounds: 2, round_interval: Duration::from_millis(300) };
}

/// Measures in a new folder within `folder`, which is removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let home = Home::new(folder)?;
    let mut voices = start_voices(&home, amount.runs)?;
    let subscriber = Subscriber::start(&home).map_err(|fault| home.explain(fault))?;
    let telemetry = tell_progress(&mut voices, &subscriber, amount).map_err(|fault| home.explain(fault))?;
    let mut journal = Journal::create(home.path().join("journal"))?;
    let (stages, bare) = change_stages(&mut voices, &subscriber, &mut journal, amount.stages)
        .map_err(|fault| home.explain(fault))?;
    drop(subscriber);
    home.close()?;
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("event-latency"));
    result.insert("stages".to_owned(), json!(amount.stages));
    stages.tell_tail_ms("stage", &mut result);
    bare.tell_tail_ms("fdatasync", &mut result);
    let beyond = stages.beyond_ms(0.5, &[&bare]);
    result.insert("stage_p50_beyond_fdatasync_ms".to_owned(), json!(beyond));
    result.insert("runs".to_owned(), json!(amount.runs));
    result.insert("progress_lines".to_owned(), json!(amount.runs * amount.rounds));
    telemetry.tell_tail_ms("progress", &mut result);
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

/// Each run says how far it is, in turn, round after round. The first round is not counted: it
/// makes the runs known as such that speak.
fn tell_progress(voices: &mut Voices, subscriber: &Subscriber, amount: Amount) -> Result<Sample, Fault> {
    let turn = amount.round_interval / amount.runs.max(1);
    let mut took = Sample::default();
    let mut next_ns = monotonic_ns();
    for round in 0..=amount.rounds {
        let mut said = BTreeMap::new();
        for (run_id, voice) in &mut *voices {
            next_ns += turn.as_nanos() as u64;
            thread::sleep(Duration::from_nanos(next_ns.saturating_sub(monotonic_ns())));
            let at_ns = monotonic_ns();
            let payload = json!({"unit": "step", "step": round, "total_steps": amount.rounds});
            voice.say("progress", &payload).map_err(Fault::io("append to", EVENTS_FILE))?;
            said.insert(run_id.clone(), at_ns);
        }
        // They were heard meanwhile, on another thread.
        while !said.is_empty() {
            let Heard { at_ns, envelope } = subscriber.next("progress of a run", |envelope| {
                envelope.event_type == "progress"
                    && envelope.payload["step"].as_f64() == Some(f64::from(round))
            })?;
            if let Some(from_ns) = said.remove(&envelope.training_id).filter(|_| round > 0) {
                took.add(Duration::from_nanos(at_ns.saturating_sub(from_ns)));
            }
        }
    }
    Ok(took)
}

/// One run enters stage after stage; between two, the disk is tried by itself.
fn change_stages(
    voices: &mut Voices,
    subscriber: &Subscriber,
    journal: &mut Journal,
    stages: u32,
) -> Result<(Sample, Sample), Fault> {
    let (run_id, voice) = voices.iter_mut().next().ok_or_else(|| Fault::wrong("there are no runs"))?;
    let (mut took, mut bare) = (Sample::default(), Sample::default());
    // The first is not counted: it is also the run's first word.
    for stage in 0..=stages {
        thread::sleep(STAGE_INTERVAL);
        let name = format!("stage-{stage}");
        let from_ns = monotonic_ns();
        voice
            .say("stage_change", &json!({"new_stage": name}))
            .map_err(Fault::io("append to", EVENTS_FILE))?;
        let heard = subscriber.next(&name, |envelope| {
            envelope.event_type == "stage_change"
                && envelope.training_id == *run_id
                && envelope.payload["new_stage"] == name.as_str()
        })?;
        thread::sleep(STAGE_INTERVAL);
        let alone = journal.append()?;
        if stage > 0 {
            took.add(Duration::from_nanos(heard.at_ns.saturating_sub(from_ns)));
            bare.add(alone);
        }
    }
    Ok((took, bare))
}
