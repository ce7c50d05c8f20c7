//! What a worker says, without the run's secrets.
//!
//! Names by which things are found again (ids and paths of checkpoints) stay as they are: a
//! checkpoint under another name could not be loaded.

use super::Secrets;
use crate::pulse::line::{Progress, Said, Telemetry};
use crate::pulse::word::{Numbers, Word, WorkerError};
use serde_json::Value;

impl Secrets {
    /// `said` with every text in it masked.
    #[must_use]
    pub fn mask_said(&self, said: Said) -> Said {
        if self.is_empty() {
            return said;
        }
        match said {
            Said::Word(word) => Said::Word(self.word(word)),
            Said::Telemetry(telemetry) => Said::Telemetry(self.telemetry(telemetry)),
        }
    }

    fn own(&self, text: String) -> String {
        self.mask(&text).into_owned()
    }

    fn word(&self, word: Word) -> Word {
        match word {
            Word::Status { status, message } => Word::Status { status, message: self.own(message) },
            Word::Error(error) => Word::Error(self.error(error)),
            Word::StageChange { previous_stage, new_stage } => Word::StageChange {
                previous_stage: previous_stage.map(|stage| self.own(stage)),
                new_stage: self.own(new_stage),
            },
            Word::TargetStart { target, target_index, total_targets } => {
                Word::TargetStart { target: self.own(target), target_index, total_targets }
            }
            Word::TargetComplete { target, status, metrics, best_auc, models_trained, duration_seconds } => {
                let (target, metrics) = (self.own(target), self.numbers(metrics));
                Word::TargetComplete { target, status, metrics, best_auc, models_trained, duration_seconds }
            }
            Word::RunComplete {
                status,
                final_loss,
                metrics,
                message,
                duration_seconds,
                epochs_completed,
            } => {
                let (metrics, message) = (self.numbers(metrics), self.own(message));
                Word::RunComplete { status, final_loss, metrics, message, duration_seconds, epochs_completed }
            }
            word @ Word::CheckpointSaved(_) => word,
        }
    }

    fn error(&self, error: WorkerError) -> WorkerError {
        WorkerError {
            message: self.own(error.message),
            target: error.target.map(|target| self.own(target)),
            details: error.details.map(|details| self.value(details)),
            ..error
        }
    }

    fn telemetry(&self, telemetry: Telemetry) -> Telemetry {
        match telemetry {
            Telemetry::Progress(progress) => Telemetry::Progress(Progress {
                unit: self.own(progress.unit),
                stage: progress.stage.map(|stage| self.own(stage)),
                current_target: progress.current_target.map(|target| self.own(target)),
                message: progress.message.map(|message| self.own(message)),
                ..progress
            }),
            Telemetry::Metric { step, metrics } => Telemetry::Metric { step, metrics: self.numbers(metrics) },
            Telemetry::Heartbeat => Telemetry::Heartbeat,
        }
    }

    fn numbers(&self, numbers: Numbers) -> Numbers {
        numbers.into_iter().map(|(name, number)| (self.own(name), number)).collect()
    }

    fn value(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.own(text)),
            Value::Array(items) => items.into_iter().map(|item| self.value(item)).collect(),
            Value::Object(fields) => Value::Object(
                fields.into_iter().map(|(key, value)| (self.own(key), self.value(value))).collect(),
            ),
            plain @ (Value::Null | Value::Bool(_) | Value::Number(_)) => plain,
        }
    }
}
