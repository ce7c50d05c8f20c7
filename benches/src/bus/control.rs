//! A question to the daemon through the server, in turn with one of the same sizes that is
//! answered by the client library alone.

use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};

use super::place::state_endpoint;
use super::wire::Wire;
use crate::rig::Fault;
use crate::sample::Sample;

/// Where raw questions are answered.
const RAW: &str = "bench.answered";

/// How long answers took.
#[derive(Debug, Default)]
pub struct Control {
    ours: Sample,
    raw: Sample,
    answer_bytes: usize,
}

impl Control {
    /// Adds its figures to a result.
    pub fn tell(&self, questions: u32, result: &mut Map<String, Value>) {
        result.insert("questions".to_owned(), json!(questions));
        result.insert("answer_bytes".to_owned(), json!(self.answer_bytes));
        self.ours.tell_tail_ms("control", result);
        self.raw.tell_tail_ms("control_raw", result);
        let beyond = self.ours.beyond_ms(0.5, &[&self.raw]);
        result.insert("control_p50_beyond_raw_ms".to_owned(), json!(beyond));
    }
}

/// Asks for the state of a run so many times.
///
/// # Errors
/// [`Fault`]: a question is not answered as it should be.
pub fn ask(wire: &Wire, run_id: &str, questions: u32) -> Result<Control, Fault> {
    let (endpoint, question) = (state_endpoint(), json!({"run": run_id}).to_string());
    let answer = wire.request(&endpoint, question.as_bytes())?;
    let view: Value = serde_json::from_slice(&answer).unwrap_or_default();
    if view["run"]["run_id"] != run_id {
        let answer = String::from_utf8_lossy(&answer);
        return Err(Fault::wrong(format!("the state of {run_id} is not in the answer {answer}")));
    }
    let mut took = Control { answer_bytes: answer.len(), ..Control::default() };
    wire.answer(RAW, answer)?;
    for _ in 0..questions {
        took.ours.add(round_trip(wire, &endpoint, &question)?);
        took.raw.add(round_trip(wire, RAW, &question)?);
    }
    Ok(took)
}

fn round_trip(wire: &Wire, subject: &str, question: &str) -> Result<Duration, Fault> {
    let start = Instant::now();
    wire.request(subject, question.as_bytes())?;
    Ok(start.elapsed())
}
