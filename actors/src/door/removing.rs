//! What the doors can ask of runs that are to be gone.

use super::{Door, who};
use crate::clock;
use crate::problem::{internal, of_selector};
use resus_core::api::{Problem, RemoveBody, RemoveReply, RunSize};
use resus_core::decide::decide;
use resus_core::fleet::needed_by;
use resus_core::ids::RunId;
use resus_core::input::Input;
use resus_core::run::Run;
use resus_disk::Real;
use resus_store::discard::{Size, measure};
use std::sync::Arc;

impl Door {
    /// Removes the run that `selector` names, or says what would go. When this returns the ledger
    /// says that it is gone; its files are deleted after that.
    ///
    /// # Errors
    /// A [`Problem`]: no such run, it lives, or another one needs it; a dry run says so in its reply.
    pub async fn remove(&self, selector: &str, body: RemoveBody) -> Result<RemoveReply, Problem> {
        self.0.asked.touch();
        let run = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let size = self.size(&run.id).await?;
        let mut reply = RemoveReply {
            removed: false,
            run: self.view(&run.id)?,
            size: RunSize { bytes: size.all, output_bytes: size.output, checkpoint_bytes: size.checkpoints },
            checkpoints: count(run.verified.len()),
            pinned: count(run.pinned.len()),
            obstacle: None,
        };
        let RemoveBody { dry_run, with_pinned, by, command_id } = body;
        let input = Input::Remove { by: who(&by), reason: None, with_pinned };
        if dry_run {
            reply.obstacle = self.obstacle(&run, &input);
            return Ok(reply);
        }
        // By its id: what the selector means may be another run by now.
        self.order(run.id.as_str(), input, command_id).await?;
        reply.removed = true;
        Ok(reply)
    }

    /// Why the run can't be removed now, if so.
    fn obstacle(&self, run: &Run, input: &Input) -> Option<String> {
        if let Err(refusal) = decide(run, input, clock::now()) {
            return Some(refusal.to_string());
        }
        let runs = self.0.board.runs();
        let other = needed_by(runs.iter().map(|run| &**run), &run.id)?;
        Some(format!("run {} ({}) is to begin from a checkpoint of it", other.id.short(), other.spec.name))
    }

    /// What the files of a run take. Beside the actors: there may be many.
    pub(super) async fn size(&self, run_id: &RunId) -> Result<Size, Problem> {
        let (state, run_id) = (Arc::clone(&self.0.state), run_id.clone());
        let measuring = move || measure(&Real, state.path(), run_id.as_str());
        tokio::task::spawn_blocking(measuring).await.map_err(internal)?.map_err(internal)
    }
}
