//! `restart-storm`: a hundred workers are killed at once; how long until all are back.
//!
//! The baseline is a hundred bare loops, one thread each, that each write a record to the disk
//! before they start their worker again. Both are killed in turn.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{Bare, Fault, Fleet, Home, Mark, Marks, Retries, Worker, kill, monotonic_ns};
use crate::sample::Sample;

/// Time between two storms: what the last one had to write is on disk by then.
const CALM: Duration = Duration::from_secs(1);
/// Goals for the figures of the result.
const GOALS: [(&str, f64); 1] = [("all_back_p50_ms", 400.0)];

/// How many and how often.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Workers killed at once.
    workers: u32,
    /// Storms of each side.
    storms: u32,
}

impl Amount {
    /// As the goal says.
    const FULL: Self = Self { workers: 100, storms: 7 };
    /// Shows that it works.
    const QUICK: Self = Self { workers: 5, storms: 1 };
}

/// Workers that are started again each time, by tag.
struct Kept {
    marks: Marks,
    pids: Vec<u32>,
    took: Sample,
}

/// Measures in a new folder within `folder`, which is removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let home = Home::new(folder)?;
    let mut marks = Marks::create(home.path().join("ours.marks"))?;
    let fleet = Fleet::start(&home, &Worker::Trivial, amount.workers, Retries::AtOnce, &mut marks)?;
    let mut ours = Kept::begun(marks, fleet.begun);
    let mut marks = Marks::create(home.path().join("bare.marks"))?;
    let bare = Bare::start(amount.workers, home.path(), &marks)?;
    let begun = marks.next(amount.workers as usize)?;
    let mut theirs = Kept::begun(marks, begun);
    for _ in 0..amount.storms {
        ours.storm().map_err(|fault| home.explain(fault))?;
        theirs.storm()?;
    }
    bare.stop()?;
    home.close()?;
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("restart-storm"));
    result.insert("workers".to_owned(), json!(amount.workers));
    result.insert("storms".to_owned(), json!(amount.storms));
    ours.took.tell_ms("all_back", &mut result);
    theirs.took.tell_ms("bare", &mut result);
    result.insert("p50_to_bare".to_owned(), json!(ours.took.median_to(&theirs.took)));
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

impl Kept {
    fn begun(marks: Marks, begun: Vec<Mark>) -> Self {
        Self { marks, pids: begun.into_iter().map(|mark| mark.pid).collect(), took: Sample::default() }
    }

    /// Kills all workers and waits until all are back.
    fn storm(&mut self) -> Result<(), Fault> {
        thread::sleep(CALM);
        let killed_ns = monotonic_ns();
        self.pids.iter().copied().for_each(kill);
        let back = self.marks.next(self.pids.len())?;
        let mut tags: Vec<u32> = back.iter().map(|mark| mark.tag).collect();
        tags.sort_unstable();
        if !tags.iter().copied().eq(0..self.pids.len() as u32) {
            return Err(Fault::wrong(format!("not every worker came back exactly once: {tags:?}")));
        }
        let last_ns = back.iter().map(|mark| mark.at_ns).max().unwrap_or(killed_ns);
        self.took.add(Duration::from_nanos(last_ns.saturating_sub(killed_ns)));
        self.pids = back.into_iter().map(|mark| mark.pid).collect();
        Ok(())
    }
}
