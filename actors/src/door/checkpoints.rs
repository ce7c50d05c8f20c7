//! What the doors can ask about the checkpoints of a run.

use super::{Door, who};
use crate::checkpoint::prune::would_delete;
use crate::problem::{internal, of_selector};
use resus_checkpoint::retention::Doomed;
use resus_core::api::{
    CheckpointList, CheckpointView, CommandReply, PinBody, Problem, PruneBody, PruneReply, RecheckBody,
    RestoreBody,
};
use resus_core::input::Input;
use resus_core::retention::entries;
use resus_core::run::Run;

impl Door {
    /// The checkpoints of the run that `selector` names.
    ///
    /// # Errors
    /// A [`Problem`] if none or several fit.
    pub fn checkpoints(&self, selector: &str) -> Result<CheckpointList, Problem> {
        self.0.asked.touch();
        let run = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        Ok(CheckpointList::of(&run))
    }

    /// Lets the run that `selector` names go on from a checkpoint of the user's choice. Whether
    /// that one verifies turns out after the answer.
    ///
    /// # Errors
    /// As [`Door::command`], or there is no such checkpoint.
    pub async fn restore(&self, selector: &str, body: RestoreBody) -> Result<CommandReply, Problem> {
        let input = Input::Restore { checkpoint: body.checkpoint, by: who(&body.by) };
        self.give_or_tell(selector, input, body.command_id, body.dry_run).await
    }

    /// Lets retention leave a checkpoint of the run that `selector` names alone, or no longer.
    ///
    /// # Errors
    /// As [`Door::restore`].
    pub async fn pin(&self, selector: &str, body: PinBody) -> Result<CommandReply, Problem> {
        let PinBody { checkpoint, pinned, by, command_id } = body;
        let input = Input::Pin { checkpoint, pinned, by: who(&by) };
        self.give(selector, input, command_id).await
    }

    /// Runs retention for the run that `selector` names, or says what it would delete. The files
    /// are deleted after the answer; what is really gone is told by the events.
    ///
    /// # Errors
    /// As [`Door::command`]; a dry run fails only if none or several runs fit.
    pub async fn prune(&self, selector: &str, body: PruneBody) -> Result<PruneReply, Problem> {
        self.0.asked.touch();
        let run = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        let goes = self.superfluous(&run)?;
        let bytes = goes.iter().filter_map(|view| view.checkpoint.size_bytes).sum();
        if body.dry_run {
            return Ok(PruneReply { would_delete: goes, bytes, ..PruneReply::default() });
        }
        self.give(run.id.as_str(), Input::Prune { by: who(&body.by), only_newest: false }, body.command_id)
            .await?;
        Ok(PruneReply { deleted: goes, bytes, ..PruneReply::default() })
    }

    /// Reads verified checkpoints of the run that `selector` names back once more. What comes of
    /// it is told by the events.
    ///
    /// # Errors
    /// As [`Door::restore`].
    pub async fn recheck(&self, selector: &str, body: RecheckBody) -> Result<CommandReply, Problem> {
        let RecheckBody { checkpoint, by, command_id } = body;
        self.give(selector, Input::Recheck { checkpoint, by: who(&by) }, command_id).await
    }

    /// What retention would delete of `run` now, oldest first, each with the reason.
    fn superfluous(&self, run: &Run) -> Result<Vec<CheckpointView>, Problem> {
        let folder = self.0.state.checkpoints(run.id.as_str()).map_err(internal)?;
        let views = CheckpointList::of(run).checkpoints;
        let doomed = would_delete(&folder, &entries(run, None), &run.spec.policy.retention());
        let view = |doomed: Doomed<String>| {
            let view = views.iter().find(|view| view.checkpoint.path == doomed.id)?;
            Some(CheckpointView { reason: Some(doomed.because.to_string()), ..view.clone() })
        };
        Ok(doomed.into_iter().filter_map(view).collect())
    }
}
