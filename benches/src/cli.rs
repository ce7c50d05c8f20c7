//! `cli`: how long a person waits for `resus ps`, from the start of its process to its end.
//!
//! The baseline is `true`, a process that does nothing; both are run in turn.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{Fault, Fleet, Home, Marks, Retries, Worker};
use crate::sample::Sample;

/// Goals for the figures of the result.
const GOALS: [(&str, f64); 2] = [("ps_1_p50_ms", 10.0), ("ps_500_p50_ms", 25.0)];

/// How many runs are listed, and how often.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Name of the figure, runs.
    fleets: [(&'static str, u32); 2],
    /// Commands per fleet.
    commands: u32,
}

impl Amount {
    /// As the goal says.
    const FULL: Self = Self { fleets: [("1", 1), ("500", 500)], commands: 50 };
    /// Shows that it works.
    const QUICK: Self = Self { fleets: [("1", 1), ("500", 5)], commands: 2 };
}

/// Measures in new folders within `folder`, which are removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("cli"));
    result.insert("commands".to_owned(), json!(amount.commands));
    for (name, runs) in amount.fleets {
        let home = Home::new(folder)?;
        let mut marks = Marks::create(home.path().join("marks"))?;
        let fleet = Fleet::start(&home, &Worker::Trivial, runs, Retries::Never, &mut marks)?;
        fleet.shown_running(&home)?;
        let listed = home.resus(&["ps"])?.lines().count();
        if listed < runs as usize {
            return Err(Fault::wrong(format!("`resus ps` listed {listed} lines for {runs} runs")));
        }
        let (mut ours, mut bare) = (Sample::default(), Sample::default());
        for _ in 0..amount.commands {
            ours.add(timed(home.command(&["ps"]).stdout(Stdio::null()))?);
            bare.add(timed(Command::new("true").stdin(Stdio::null()))?);
        }
        home.close()?;
        ours.tell_ms(&format!("ps_{name}"), &mut result);
        bare.tell_ms(&format!("true_{name}"), &mut result);
    }
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

/// Runs a command, which must succeed, to its end.
fn timed(command: &mut Command) -> Result<Duration, Fault> {
    let program = command.get_program().to_owned();
    let start = Instant::now();
    let status = command.status().map_err(Fault::io("run", &program))?;
    let took = start.elapsed();
    if status.success() {
        return Ok(took);
    }
    Err(Fault::wrong(format!("{} ended with {status}", program.display())))
}
