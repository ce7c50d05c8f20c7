//! `pause`: from the command to a worker that idles, as the run's view shows it.
//!
//! A worker that speaks PULSE finishes its step, saves a checkpoint and says that it holds; an
//! opaque one is frozen where it is. The baseline is the least that holding costs on the same
//! disk: a file of the checkpoint's size saved, and one record made durable.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{Connection, Fault, Home, Journal, millis_between, monotonic_ns, save};
use crate::sample::Sample;

/// Work between the end of a pause and the next: its end has been written by then.
const WORK: Duration = Duration::from_millis(50);
/// Goals for the figures of the result.
const GOALS: [(&str, f64); 1] = [("pause_p50_ms", 100.0)];

/// How often each worker is paused.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Times.
    pauses: u32,
}

impl Amount {
    /// Enough that a p95 is not that of one slow sync.
    const FULL: Self = Self { pauses: 50 };
    /// Shows that it works.
    const QUICK: Self = Self { pauses: 5 };
}

/// A run that is paused and resumed again and again.
struct Paused {
    daemon: Connection,
    address: String,
    run_id: String,
    /// How its worker idles.
    step: &'static str,
    paused: Sample,
    resumed: Sample,
}

/// As much of a run's view as matters here.
#[derive(Debug, Deserialize)]
struct View {
    run_id: String,
    phase: String,
    #[serde(default)]
    pause: Option<PauseView>,
}

#[derive(Debug, Deserialize)]
struct PauseView {
    step: String,
}

/// Measures in a new folder within `folder`, which is removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let home = Home::new(folder)?;
    // A daemon is there before the first is handed in.
    home.resus(&["ps"])?;
    let run = |submission: Value, step| Paused::start(&home, submission, step);
    let mut told = run(steps_of_a_millisecond(), "held").map_err(|fault| home.explain(fault))?;
    let mut frozen = run(json!({"command": ["sleep", "1000000"]}), "frozen")?;
    // Once uncounted, for a checkpoint to take the measure of.
    told.once().map_err(|fault| home.explain(fault))?;
    let checkpoint = vec![b'x'; largest_bytes(&home.run(&told.run_id).join("checkpoints"))?];
    let (saved, mut journal) = (home.path().join("saved"), Journal::create(home.path().join("journal"))?);
    let mut bare = Sample::default();
    for _ in 0..amount.pauses {
        let took = told.once().map_err(|fault| home.explain(fault))?;
        told.add(took);
        let took = frozen.once().map_err(|fault| home.explain(fault))?;
        frozen.add(took);
        bare.add(save(&saved, &checkpoint)? + journal.append()?);
    }
    home.close()?;
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("pause"));
    result.insert("pauses".to_owned(), json!(amount.pauses));
    result.insert("checkpoint_bytes".to_owned(), json!(checkpoint.len()));
    told.paused.tell_ms("pause", &mut result);
    told.resumed.tell_ms("resume", &mut result);
    frozen.paused.tell_ms("freeze", &mut result);
    frozen.resumed.tell_ms("thaw", &mut result);
    bare.tell_ms("bare", &mut result);
    result.insert("p50_to_bare".to_owned(), json!(told.paused.median_to(&bare)));
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

/// A worker that would never end and saves only when it is asked.
fn steps_of_a_millisecond() -> Value {
    json!({
        "workload": "fake",
        "params": {"steps": "1000000000", "step_ms": "1", "checkpoint_every": "100000"},
    })
}

impl Paused {
    /// Hands in a run and waits until it works.
    fn start(home: &Home, mut submission: Value, step: &'static str) -> Result<Self, Fault> {
        submission["cwd"] = json!(home.path());
        submission["env"] = json!(home.environment());
        let mut daemon = home.connect()?;
        let View { run_id, .. } = daemon.post_for("/v2/runs", &submission)?;
        let address = format!("/v2/runs/{run_id}");
        let (paused, resumed) = Default::default();
        let mut run = Self { daemon, address, run_id, step, paused, resumed };
        run.shown("running")?;
        Ok(run)
    }

    /// Waits until the view shows this phase.
    fn shown(&mut self, phase: &str) -> Result<View, Fault> {
        self.daemon.get_once(&self.address, phase, |view: &View| view.phase == phase)
    }

    fn add(&mut self, (paused, resumed): (Duration, Duration)) {
        self.paused.add(paused);
        self.resumed.add(resumed);
    }

    /// Pauses and resumes it once; how long each took.
    fn once(&mut self) -> Result<(Duration, Duration), Fault> {
        thread::sleep(WORK);
        let (paused, view) = self.command("pause", "paused")?;
        let step = view.pause.map_or_else(String::new, |pause| pause.step);
        if step != self.step {
            let paused_ms = millis_between(0, paused.as_nanos() as u64);
            return Err(Fault::wrong(format!(
                "after {paused_ms} ms it is {step:?} instead of {:?}",
                self.step
            )));
        }
        let (resumed, _) = self.command("resume", "running")?;
        Ok((paused, resumed))
    }

    /// From the command until the phase is shown.
    fn command(&mut self, verb: &str, phase: &str) -> Result<(Duration, View), Fault> {
        let from_ns = monotonic_ns();
        self.daemon.post(&format!("{}/command", self.address), &json!({"verb": verb, "by": "bench"}))?;
        let view = self.shown(phase)?;
        Ok((Duration::from_nanos(monotonic_ns().saturating_sub(from_ns)), view))
    }
}

/// Length of the largest file in a folder.
fn largest_bytes(folder: &Path) -> Result<usize, Fault> {
    let entries = fs::read_dir(folder).map_err(Fault::io("list", folder))?;
    let lengths =
        entries.filter_map(Result::ok).filter_map(|entry| entry.metadata().ok()).map(|file| file.len());
    let length = lengths.max().and_then(|length| usize::try_from(length).ok());
    length.ok_or_else(|| Fault::wrong(format!("there is no checkpoint in {}", folder.display())))
}
