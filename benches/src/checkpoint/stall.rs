//! How long a training stands still for a save that is made beside it, and how much slower it goes
//! while the save is under way.
//!
//! The training is one thread that changes the state piece by piece. Each save begins when the one
//! before is durable, so that all of them are made.

use std::fs;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::time::{Duration, Instant};

use resus_checkpoint::background::{Report, Requested, SaveEnd, Saver, SaverOptions};
use resus_checkpoint::{Compression, Draft, Saved};
use serde_json::{Map, Value, json};

use super::state::{State, file_name};
use super::{CheckpointBenchError, tell};
use crate::rig::Fault;
use crate::sample::Sample;

/// Measures so many saves in a folder of their own within `folder`, beside a training that has run
/// for `alone` before.
///
/// # Errors
/// [`CheckpointBenchError`].
pub fn measure(
    folder: &Path,
    state: &mut State,
    (saves, alone): (u32, Duration),
    result: &mut Map<String, Value>,
) -> Result<(), CheckpointBenchError> {
    let folder = folder.join("stall");
    fs::create_dir(&folder).map_err(CheckpointBenchError::io("create", &folder))?;
    let expected_bytes = usize::try_from(state.bytes()).unwrap_or(0);
    let options = SaverOptions { expected_bytes, ..SaverOptions::new(folder) };
    let (sender, reports) = mpsc::channel();
    let tell_us = move |report| {
        // Fails only after the measuring side has given up, and then nobody waits.
        drop(sender.send(report));
    };
    let mut saver = Saver::start(options, tell_us).map_err(CheckpointBenchError::io("start", "the saver"))?;
    let mut training = Training { state, steps: 0 };
    let mut before = Sample::default();
    let start = Instant::now();
    while start.elapsed() < alone {
        before.add(training.step());
    }
    let (mut stall, mut during) = (Sample::default(), Sample::default());
    for games in 1..=u64::from(saves) {
        let start = Instant::now();
        let request = |draft: &Draft<'_>| saver.request(&file_name(games), draft);
        let requested = training.state.draft(games, &[Compression::None], request)?;
        stall.add(start.elapsed());
        if requested != Requested::Started {
            return Err(Fault::wrong("a save was asked for while another was under way").into());
        }
        let saved = loop {
            during.add(training.step());
            if let Some(saved) = told(&reports)? {
                break saved;
            }
        };
        fs::remove_file(&saved.path).map_err(CheckpointBenchError::io("remove", &saved.path))?;
        saver.finish();
    }
    tell(result, "stall_saves", saves);
    stall.tell_ms("stall", result);
    before.tell_ms("step_alone", result);
    during.tell_ms("step_beside_save", result);
    tell(result, "step_beside_save_to_alone", json!(during.median_to(&before)));
    copies(state, saves, result);
    Ok(())
}

/// A training that learns nothing.
struct Training<'a> {
    state: &'a mut State,
    steps: usize,
}

impl Training<'_> {
    /// One step; returns how long it took.
    fn step(&mut self) -> Duration {
        let start = Instant::now();
        self.state.change(self.steps);
        self.steps += 1;
        start.elapsed()
    }
}

/// Whether a save is over, which must have gone well.
fn told(reports: &Receiver<Report>) -> Result<Option<Saved>, CheckpointBenchError> {
    match reports.try_recv().map(|report| report.end) {
        Ok(SaveEnd::Saved(saved)) => Ok(Some(saved)),
        Ok(SaveEnd::Retried { error, .. } | SaveEnd::GivenUp { error }) => Err(error.into()),
        Err(TryRecvError::Empty) => Ok(None),
        Err(TryRecvError::Disconnected) => Err(Fault::wrong("the saver is gone").into()),
    }
}

/// The baseline: one thread copies the state into memory that was used before.
fn copies(state: &State, times: u32, result: &mut Map<String, Value>) {
    let mut copies: Vec<Vec<u8>> = state.arrays().map(<[u8]>::to_vec).collect();
    let mut sample = Sample::default();
    for _ in 0..times {
        let start = Instant::now();
        for (to, from) in copies.iter_mut().zip(state.arrays()) {
            to.copy_from_slice(from);
        }
        sample.add(start.elapsed());
        std::hint::black_box(&copies);
    }
    sample.tell_ms("bare_copy", result);
}
