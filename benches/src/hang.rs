//! `hang`: from the moment at which a silence becomes too long to the first instruction of the
//! next attempt.
//!
//! The worker gives its last sign of life and is stopped; that moment and the configured timeout
//! are taken off, so what is left is ours: to notice it, to keep the evidence, to kill and to
//! start again. The baseline is a bare loop whose worker is killed by a clock that knows the
//! moment in advance.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{
    BEGUN, Bare, Fault, Home, Mark, Marks, Runs, SILENT, Worker, kill, millis_between, monotonic_ns,
};
use crate::sample::Sample;

/// The silence that is too long.
const TIMEOUT: Duration = Duration::from_secs(1);
/// The same as a setting.
const SETTINGS: &str = "[watchdog]\nheartbeat_timeout = \"1s\"\n";
/// The same of the bare loop, which does nothing meanwhile.
const BARE_TIMEOUT: Duration = Duration::from_millis(100);
/// The daemon counts in whole milliseconds.
const CLOCK_STEP: Duration = Duration::from_millis(1);
/// What is known of a hung worker, beside its output.
const EVIDENCE_FILE: &str = "hang.txt";
/// Goals for the figures of the result.
const GOALS: [(&str, f64); 1] = [("with_evidence_p95_ms", 1_000.0)];

/// How often each side hangs.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Times.
    hangs: u32,
}

impl Amount {
    /// Each takes a little more than the timeout.
    const FULL: Self = Self { hangs: 40 };
    /// Shows that it works.
    const QUICK: Self = Self { hangs: 2 };
}

/// Measures in a new folder within `folder`, which is removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let home = Home::new(folder)?;
    home.configure(SETTINGS)?;
    let ours = ours(&home, amount.hangs).map_err(|fault| home.explain(fault))?;
    let bare = bare(&home, amount.hangs)?;
    home.close()?;
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("hang"));
    result.insert("hangs".to_owned(), json!(amount.hangs));
    result.insert("timeout_ms".to_owned(), json!(TIMEOUT.as_millis() as u64));
    ours.tell_ms("with_evidence", &mut result);
    // There is no way to have none.
    result.insert("without_evidence_p95_ms".to_owned(), Value::Null);
    bare.tell_ms("bare", &mut result);
    result.insert("p50_to_bare".to_owned(), json!(ours.median_to(&bare)));
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

/// One run whose every attempt hangs.
fn ours(home: &Home, hangs: u32) -> Result<Sample, Fault> {
    let mut marks = Marks::create(home.path().join("ours.marks"))?;
    let worker = Worker::Hang.command(marks.path(), 0)?;
    let mut arguments = vec!["run", "--detach", "--backoff", "0s", "--retries", "100000", "--"];
    arguments.extend(worker.iter().map(String::as_str));
    home.resus(&arguments)?;
    word(&mut marks, BEGUN)?;
    let mut took = Sample::default();
    for _ in 0..hangs {
        let silent = word(&mut marks, SILENT)?;
        let begun = word(&mut marks, BEGUN).map_err(|fault| unnoticed(home, fault))?;
        took.add(beyond(silent.at_ns, begun.at_ns)?);
    }
    every_hang_has_its_evidence(home, hangs)?;
    Ok(took)
}

/// The next mark, which must be this one.
fn word(marks: &mut Marks, word: &str) -> Result<Mark, Fault> {
    let mark = marks.next_one()?;
    if mark.word == word {
        return Ok(mark);
    }
    Err(Fault::wrong(format!("a worker says {:?} where {word:?} was expected", mark.word)))
}

/// A hang that led to nothing, with what the daemon says of the run.
fn unnoticed(home: &Home, fault: Fault) -> Fault {
    let runs = home.resus(&["ps", "--json"]).unwrap_or_else(|other| other.to_string());
    Fault::wrong(format!("after a worker hung, {fault}; the runs are {runs}"))
}

/// What is left of the time between the last sign of life and the next attempt when the timeout
/// is taken off.
fn beyond(silent_ns: u64, begun_ns: u64) -> Result<Duration, Fault> {
    let between = Duration::from_nanos(begun_ns.saturating_sub(silent_ns));
    if between + CLOCK_STEP < TIMEOUT {
        let after_ms = millis_between(silent_ns, begun_ns);
        return Err(Fault::wrong(format!(
            "a worker was killed before its time, {after_ms} ms after its last word"
        )));
    }
    Ok(between.saturating_sub(TIMEOUT))
}

fn every_hang_has_its_evidence(home: &Home, hangs: u32) -> Result<(), Fault> {
    let runs: Runs = home.connect()?.get("/v2/runs")?;
    let run_id = runs.runs.first().map(|run| run.run_id.clone()).unwrap_or_default();
    let without = (1..=hangs).find(|attempt| !home.attempt(&run_id, *attempt).join(EVIDENCE_FILE).exists());
    match without {
        None => Ok(()),
        Some(attempt) => Err(Fault::wrong(format!("of attempt {attempt}, which hung, no evidence was kept"))),
    }
}

/// The baseline.
fn bare(home: &Home, hangs: u32) -> Result<Sample, Fault> {
    let mut marks = Marks::create(home.path().join("bare.marks"))?;
    let bare = Bare::start(1, home.path(), &marks)?;
    let mut present = marks.next_one()?;
    let mut took = Sample::default();
    for _ in 0..hangs {
        let due_ns = present.at_ns + BARE_TIMEOUT.as_nanos() as u64;
        thread::sleep(Duration::from_nanos(due_ns.saturating_sub(monotonic_ns())));
        kill(present.pid);
        present = marks.next_one()?;
        took.add(Duration::from_nanos(present.at_ns.saturating_sub(due_ns)));
    }
    bare.stop()?;
    Ok(took)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_setting_is_the_timeout_that_is_taken_off() {
        assert!(SETTINGS.contains(&format!("\"{}s\"", TIMEOUT.as_secs())));
        assert_eq!(beyond(5, 1_250_000_005).expect("a time"), Duration::from_millis(250));
        assert_eq!(beyond(5, 999_500_005).expect("a time"), Duration::ZERO);
    }

    #[test]
    fn a_worker_that_was_killed_too_early_is_no_figure() {
        let fault = beyond(5, 500_000_005).expect_err("a fault").to_string();
        assert!(fault.contains("500 ms after its last word"), "{fault}");
    }
}
