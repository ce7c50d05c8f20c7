//! `restart`: from the kill -9 of a worker to the first instruction of the next.
//!
//! The baseline is a bare loop that waits for its worker, writes a record to the disk and
//! starts the same worker again. Both stand ready all the time and are killed in turn, so that
//! whatever else the machine does hits both.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{Bare, Fault, Home, Mark, Marks, Worker, kill, monotonic_ns};
use crate::sample::Sample;

/// Time a worker has lived when it is killed: what its start had to write is on disk by then.
const LIFE: Duration = Duration::from_millis(20);
/// Goals for the figures of the result.
const GOALS: [(&str, f64); 3] = [("restart_p50_ms", 10.0), ("restart_p95_ms", 25.0), ("p50_to_bare", 2.5)];

/// How often each side is killed.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Turns.
    turns: u32,
    /// Kills of one side per turn.
    kills: u32,
}

impl Amount {
    /// Enough that a p95 is that of many restarts.
    const FULL: Self = Self { turns: 10, kills: 25 };
    /// Shows that it works.
    const QUICK: Self = Self { turns: 2, kills: 2 };
}

/// A worker that is started again each time.
struct Kept {
    marks: Marks,
    present: Mark,
    took: Sample,
}

/// Measures in a new folder within `folder`, which is removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let home = Home::new(folder)?;
    let mut ours = submit(&home)?;
    let marks = Marks::create(home.path().join("bare.marks"))?;
    let bare = Bare::start(1, home.path(), &marks)?;
    let mut theirs = Kept::begun(marks)?;
    for _ in 0..amount.turns {
        for _ in 0..amount.kills {
            ours.kill().map_err(|fault| home.explain(fault))?;
        }
        for _ in 0..amount.kills {
            theirs.kill()?;
        }
    }
    bare.stop()?;
    home.close()?;
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("restart"));
    result.insert("kills".to_owned(), json!(amount.turns * amount.kills));
    ours.took.tell_ms("restart", &mut result);
    theirs.took.tell_ms("bare", &mut result);
    result.insert("p50_to_bare".to_owned(), json!(ours.took.median_to(&theirs.took)));
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

fn submit(home: &Home) -> Result<Kept, Fault> {
    let marks = Marks::create(home.path().join("ours.marks"))?;
    let worker = Worker::Trivial.command(marks.path(), 0)?;
    let mut arguments = vec!["run", "--detach", "--backoff", "0s", "--retries", "100000", "--"];
    arguments.extend(worker.iter().map(String::as_str));
    home.resus(&arguments)?;
    Kept::begun(marks).map_err(|fault| home.explain(fault))
}

impl Kept {
    fn begun(mut marks: Marks) -> Result<Self, Fault> {
        let present = marks.next_one()?;
        Ok(Self { marks, present, took: Sample::default() })
    }

    /// Kills the present worker and waits for the next.
    fn kill(&mut self) -> Result<(), Fault> {
        thread::sleep(LIFE);
        let killed_ns = monotonic_ns();
        kill(self.present.pid);
        self.present = self.marks.next_one()?;
        self.took.add(Duration::from_nanos(self.present.at_ns.saturating_sub(killed_ns)));
        Ok(())
    }
}
