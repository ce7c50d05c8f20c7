//! Questions about workloads. They may read files of the user, so they are answered beside the
//! actors: a disk that hangs holds nobody else.

use crate::door::Door;
use crate::limits::COMMAND_DEADLINE;
use crate::problem::{internal, problem};
use crate::workload::Registry;
use resus_core::api::{Plan, Problem, Submission, WorkloadList};
use resus_core::exit::ExitCode;
use std::sync::Arc;

impl Door {
    /// What a submission would come to. Nothing is recorded.
    ///
    /// # Errors
    /// The [`Problem`] that the submission would meet.
    pub async fn plan(&self, submission: Submission) -> Result<Plan, Problem> {
        self.0.asked.touch();
        let mut plan = self.of_files(move |registry| registry.plan(&submission)).await?;
        plan.warnings
            .extend(self.0.board.is_degraded().map(|why| format!("nothing new can start now: {why}")));
        Ok(plan)
    }

    /// The workloads that can be run by name.
    ///
    /// # Errors
    /// A [`Problem`]: the disk does not answer.
    pub async fn workloads(&self) -> Result<WorkloadList, Problem> {
        self.0.asked.touch();
        self.of_files(|registry| Ok(registry.list())).await
    }

    /// What `answer` says of the workloads, waited for as long as for a command.
    pub(super) async fn of_files<T: Send + 'static>(
        &self,
        answer: impl FnOnce(&Registry) -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let registry = Arc::clone(&self.0.registry);
        let answer = tokio::task::spawn_blocking(move || answer(&registry));
        match tokio::time::timeout(COMMAND_DEADLINE, answer).await {
            Ok(answered) => answered.map_err(internal)?,
            Err(_late) => {
                let title = "The disk with the workloads does not answer";
                let detail = format!("waited {} s for it", COMMAND_DEADLINE.as_secs());
                Err(problem("unread", 503, title, detail, None, ExitCode::DaemonUnreachable))
            }
        }
    }
}
