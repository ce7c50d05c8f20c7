//! Counts the errors that workers report, by run and code, and says so in the log: the first,
//! the tenth, the hundredth. (Windows and thresholds come with pausing.)

use crate::directory::Directory;
use crate::doing::Summary;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_core::codes::Code;
use resus_core::ids::RunId;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Codes told apart per run; further ones are counted as `UNKNOWN`, so that a worker that
/// invents codes can't fill the memory.
const CODES_MAX: usize = 64;

pub(crate) enum ErrorTrackerMsg {
    /// A worker reported an error.
    Reported { run_id: RunId, code: Code },
    /// The run has ended.
    Forget { run_id: RunId },
}

pub(crate) struct ErrorTrackerState {
    directory: Arc<Directory>,
    counts: BTreeMap<RunId, BTreeMap<Code, u64>>,
}

pub(crate) struct ErrorTracker;

impl Actor for ErrorTracker {
    type Msg = ErrorTrackerMsg;
    type State = ErrorTrackerState;
    type Arguments = Arc<Directory>;

    async fn pre_start(
        &self,
        _myself: ActorRef<ErrorTrackerMsg>,
        directory: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(ErrorTrackerState { directory, counts: BTreeMap::new() })
    }

    async fn handle(
        &self,
        _myself: ActorRef<ErrorTrackerMsg>,
        message: ErrorTrackerMsg,
        state: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.error_tracker.doing.begin(message.summary());
        match message {
            ErrorTrackerMsg::Reported { run_id, code } => {
                let codes = state.counts.entry(run_id.clone()).or_default();
                let known = codes.len() < CODES_MAX || codes.contains_key(&code);
                let code = if known { code } else { Code::unknown() };
                let count = codes.entry(code.clone()).or_insert(0);
                *count = count.saturating_add(1);
                if is_power_of_ten(*count) {
                    tracing::warn!(%run_id, %code, count = *count, "errors reported by the worker");
                }
            }
            ErrorTrackerMsg::Forget { run_id } => {
                state.counts.remove(&run_id);
            }
        }
        Ok(())
    }
}

fn is_power_of_ten(mut n: u64) -> bool {
    while n > 9 && n.is_multiple_of(10) {
        n /= 10;
    }
    n == 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_hears_of_powers_of_ten_only() {
        let told: Vec<_> = (0..=1000).filter(|n| is_power_of_ten(*n)).collect();
        assert_eq!(told, [1, 10, 100, 1000]);
    }
}
