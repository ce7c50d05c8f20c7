//! A run's events as sentences: what deserves a line that stays.

use crate::render::page::Page;
use crate::render::parts::{NO_CHECKPOINT, amount, said};
use crate::render::story::time_of_day;
use crate::text::duration::countdown_s;
use crate::text::paint::Colour;
use resus_core::api::StoryLine;
use resus_core::moment::parse_timestamp;
use serde_json::Value;
use std::collections::BTreeMap;

/// Steps of checkpoints remembered, for the sentence about a resume.
const STEPS_MAX: usize = 64;

/// Tells a run's story from its PULSE events, in their order.
#[derive(Debug, Default)]
pub(crate) struct Narrator {
    /// How far checkpoints had come when they were taken.
    steps: BTreeMap<String, f64>,
    /// What the run counts, e.g. `game`.
    unit: String,
    attempt: u64,
    /// The worker of this attempt.
    pid: Option<u64>,
}

/// One sentence of the story.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sentence {
    glyph: &'static str,
    colour: Colour,
    text: String,
}

impl Sentence {
    /// As a line (or more, on a narrow page), without its end.
    pub(crate) fn line(&self, page: &Page) -> String {
        format!("{} {}", page.paint.on(self.colour, self.glyph), page.sentence(&self.text))
    }
}

impl Sentence {
    /// The same of something that is past, with the time of day on the clock of who reads.
    pub(crate) fn past_line(&self, line: &StoryLine, page: &Page) -> String {
        let glyph = page.paint.on(self.colour, self.glyph);
        format!("{glyph} {}", page.sentence(&format!("{} {}", time_of_day(line, page), self.text)))
    }
}

fn sentence(glyph: &'static str, colour: Colour, text: String) -> Option<Sentence> {
    Some(Sentence { glyph, colour, text })
}

impl Narrator {
    /// Learns what the run counts; an attempt that has not said so yet counts as the last did.
    pub(crate) fn counts(&mut self, unit: &str) {
        if !unit.is_empty() {
            unit.clone_into(&mut self.unit);
        }
    }

    /// Hears an event that was there before anybody watched: an end, too, that was taken back.
    pub(crate) fn hear_past(&mut self, line: &StoryLine) -> Option<Sentence> {
        let told = self.hear(line);
        let was_cancelled =
            line.event.get("payload").and_then(|payload| text(payload, "status")) == Some("cancelled");
        told.or_else(|| was_cancelled.then(|| sentence("■", Colour::Yellow, said(&line.sentence))).flatten())
    }

    /// Hears an event and says something if it matters to somebody who watches.
    pub(crate) fn hear(&mut self, line: &StoryLine) -> Option<Sentence> {
        let event = &line.event;
        self.attempt = event.get("attempt").and_then(Value::as_u64).unwrap_or(self.attempt);
        let payload = event.get("payload")?;
        let as_told = |glyph, colour| sentence(glyph, colour, said(&line.sentence));
        match line.what.as_str() {
            "pause_begun" | "pause_escalated" | "paused" => return as_told("‖", Colour::Yellow),
            "resumed" => return as_told("●", Colour::Green),
            "checkpoints_doubted" => return as_told("↻", Colour::Yellow),
            "checkpoint_requested" | "configured" | "checkpoint_pinned" => return as_told("→", Colour::Cyan),
            "restored" => return as_told("↻", Colour::Cyan),
            "checkpoint_undelivered" | "error_rate_exceeded" => return as_told("!", Colour::Yellow),
            "hung" => return as_told("!", Colour::Red),
            // What a pause or another attempt made of the status was told by its own event.
            _ => {}
        }
        match text(event, "event_type")? {
            "status" => self.status(event, payload),
            "error" => self.error(event, payload),
            "worker" => self.worker(payload),
            "checkpoint" => self.checkpoint(payload),
            "stage_change" => {
                let stage = said(text(payload, "new_stage")?);
                sentence("→", Colour::Cyan, format!("stage: {stage}"))
            }
            _ => None,
        }
    }

    fn error(&self, event: &Value, payload: &Value) -> Option<Sentence> {
        let code = said(text(payload, "error_code")?);
        let message = said(text(payload, "message").unwrap_or(""));
        if text(event, "source") == Some("supervisor") {
            // The run has ended with it, which is told at once and with what can be done.
            if code == NO_CHECKPOINT && payload.get("fatal") == Some(&Value::Bool(true)) {
                return None;
            }
            let text = format!("attempt {} failed: {code}: {message}", self.attempt);
            return sentence("✗", Colour::Red, text);
        }
        sentence("!", Colour::Yellow, format!("the worker reports {code}: {message}"))
    }

    fn worker(&mut self, payload: &Value) -> Option<Sentence> {
        match text(payload, "action")? {
            "retried" => {
                let from = match text(payload, "from_checkpoint") {
                    Some(id) => format!(" resumes from checkpoint {}{}", said(id), self.step(id)),
                    None => ", no checkpoint yet: starts from the beginning".to_owned(),
                };
                let lost = self.lost(payload);
                sentence("↻", Colour::Cyan, format!("attempt {}{from}{lost}", self.attempt))
            }
            "started" => {
                // It is told when it trains.
                self.pid = payload.get("pid").and_then(Value::as_u64);
                None
            }
            "stopping" => sentence("■", Colour::Yellow, stopping(payload)),
            "signalled" => sentence("■", Colour::Yellow, "sent SIGTERM to the worker".to_owned()),
            "killed" => {
                sentence("■", Colour::Red, "sent SIGKILL to everything the worker started".to_owned())
            }
            "unkillable" => {
                sentence("!", Colour::Red, "the worker survives SIGKILL: it hangs in the kernel".to_owned())
            }
            "rebooted" => sentence("!", Colour::Yellow, "the machine was restarted".to_owned()),
            _ => None,
        }
    }

    fn checkpoint(&mut self, payload: &Value) -> Option<Sentence> {
        let id = text(payload, "checkpoint_id")?;
        if let Some(step) = payload.get("step").and_then(Value::as_f64) {
            if self.steps.len() >= STEPS_MAX {
                self.steps.pop_first();
            }
            self.steps.insert(id.to_owned(), step);
        }
        match text(payload, "action")? {
            "corrupt" | "failed" => {
                let reason = said(text(payload, "reason").unwrap_or("no reason given"));
                let place =
                    text(payload, "moved_to").map(|place| format!("; it lies in {} now", said(place)));
                let place = place.unwrap_or_default();
                sentence("!", Colour::Yellow, format!("checkpoint {} refused: {reason}{place}", said(id)))
            }
            _ => None,
        }
    }

    fn step(&self, id: &str) -> String {
        self.steps.get(id).map_or_else(String::new, |step| format!(" (at {})", amount(*step, &self.unit)))
    }

    fn lost(&self, payload: &Value) -> String {
        match payload.get("lost_steps").and_then(Value::as_f64) {
            Some(lost) if lost > 0.0 => format!(", {} lost", amount(lost, &self.unit)),
            Some(_) => ", nothing lost".to_owned(),
            None => String::new(),
        }
    }

    fn status(&self, event: &Value, payload: &Value) -> Option<Sentence> {
        match text(payload, "status")? {
            "preparing" if payload.get("retry_at").is_some() => {
                let field = |name| payload.get(name).and_then(Value::as_u64);
                let (retries, max) = (field("retries")?, field("retries_max")?);
                let time = |value: Option<&Value>| value.and_then(parse_timestamp);
                let wait = match (time(payload.get("retry_at")), time(event.get("timestamp"))) {
                    (Some(due), Some(now)) => {
                        format!(" in {}", countdown_s(due.saturating_sub(now) as f64 / 1000.0))
                    }
                    _ => String::new(),
                };
                sentence("↻", Colour::Yellow, format!("retry {retries}/{max}{wait}"))
            }
            "preparing" => {
                let by = said(text(payload, "requested_by")?);
                sentence("↻", Colour::Cyan, format!("retry asked for by {by}"))
            }
            "running" if text(payload, "previous") == Some("preparing") => {
                let text = match self.pid {
                    Some(pid) if self.attempt > 1 => format!("training again (pid {pid})"),
                    _ => "training".to_owned(),
                };
                sentence("●", Colour::Green, text)
            }
            "cooling_down" => {
                sentence("◐", Colour::Green, "the training is complete, the worker ends".to_owned())
            }
            _ => None,
        }
    }
}

fn stopping(payload: &Value) -> String {
    let cause = match text(payload, "cause") {
        Some("startup_timeout") => "the worker did not get ready in time: ",
        Some("cooldown_timeout") => "the worker did not end in time: ",
        Some("hung") => "the worker hangs: ",
        Some("release") => "the worker is to leave for the pause: ",
        _ => "stopping: ",
    };
    let act = match text(payload, "signal_sent") {
        Some("SIGKILL") => "killing it at once",
        Some(_) => "sent SIGTERM to the worker",
        None => "asked the worker to save a checkpoint and leave",
    };
    format!("{cause}{act}")
}

fn text<'v>(value: &'v Value, name: &str) -> Option<&'v str> {
    value.get(name).and_then(Value::as_str)
}

#[cfg(test)]
mod tests;
