//! `start`: from the first of many commands to the first instruction of the last worker.
//!
//! The daemon is up; runs are handed in over its socket on a few connections at once. The
//! baseline starts the same workers with nothing but a loop.

use std::path::Path;
use std::process::Child;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{CONNECTIONS, Fault, Fleet, Home, Mark, Marks, Retries, Worker, monotonic_ns, start_bare};
use crate::sample::Sample;

/// Goals for the figures of the result.
const GOALS: [(&str, f64); 2] = [("start_100_p50_ms", 500.0), ("start_500_p50_ms", 2_000.0)];

/// How many workers are started, and how often.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Name of the figure, workers, rounds.
    series: [(&'static str, u32, u32); 2],
}

impl Amount {
    /// As the goal says.
    const FULL: Self = Self { series: [("100", 100, 5), ("500", 500, 3)] };
    /// Shows that it works.
    const QUICK: Self = Self { series: [("100", 3, 1), ("500", 5, 1)] };
}

/// Measures in new folders within `folder`, which are removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("start"));
    result.insert("connections".to_owned(), json!(CONNECTIONS));
    for (name, workers, rounds) in amount.series {
        let (mut ours, mut bare) = (Sample::default(), Sample::default());
        for _ in 0..rounds {
            let home = Home::new(folder)?;
            bare.add(bare_start(&home, workers)?);
            let mut marks = Marks::create(home.path().join("ours.marks"))?;
            let fleet = Fleet::start(&home, &Worker::Trivial, workers, Retries::Never, &mut marks)?;
            ours.add(until_the_last(fleet.handed_in_ns, &fleet.begun));
            home.close()?;
        }
        ours.tell_ms(&format!("start_{name}"), &mut result);
        bare.tell_ms(&format!("bare_{name}"), &mut result);
        result.insert(format!("p50_to_bare_{name}"), json!(ours.median_to(&bare)));
    }
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

/// The baseline: one process after the other.
fn bare_start(home: &Home, workers: u32) -> Result<Duration, Fault> {
    let mut marks = Marks::create(home.path().join("bare.marks"))?;
    let commands: Vec<_> =
        (0..workers).map(|tag| Worker::Trivial.command(marks.path(), tag)).collect::<Result<_, _>>()?;
    let from_ns = monotonic_ns();
    let mut children = Vec::new();
    let outcome = commands
        .iter()
        .try_for_each(|argv| {
            children.push(start_bare(argv).map_err(Fault::io("start", "a worker"))?);
            Ok(())
        })
        .and_then(|()| marks.next(commands.len()));
    let ended = children.into_iter().try_for_each(end);
    let begun = outcome?;
    ended?;
    Ok(until_the_last(from_ns, &begun))
}

fn end(mut child: Child) -> Result<(), Fault> {
    child.kill().and_then(|()| child.wait()).map(drop).map_err(Fault::io("end", "a worker"))
}

fn until_the_last(from_ns: u64, begun: &[Mark]) -> Duration {
    let last_ns = begun.iter().map(|mark| mark.at_ns).max().unwrap_or(from_ns);
    Duration::from_nanos(last_ns.saturating_sub(from_ns))
}
