//! What the doors can ask of runs that are to be gone.

use super::{Door, waited, who};
use crate::limits::MEASURE_DEADLINE;
use crate::problem::{internal, of_command, of_selector};
use crate::supervisor::SupervisorMsg;
use resus_core::api::{Obstacle, Problem, RemoveBody, RemoveReply, RunSize};
use resus_core::fleet::Fleet;
use resus_core::ids::{CommandId, RunId};
use resus_core::input::Input;
use resus_core::run::Run;
use resus_core::selector::SelectError;
use resus_core::view::RunView;
use resus_disk::Real;
use resus_store::Reader;
use resus_store::discard::{Size, measure};
use resus_store::record::to_record;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// Rows of a run's ledger read at once.
const ROWS_AT_ONCE: u32 = 1_000;

impl Door {
    /// Removes the run that `selector` names, or says what would go. When this returns the ledger
    /// says that it is gone; its files are deleted after that. The same command once more is answered
    /// as it was.
    ///
    /// # Errors
    /// A [`Problem`]: no such run, it lives, or another one needs it; a dry run says so in its reply.
    pub async fn remove(&self, selector: &str, body: RemoveBody) -> Result<RemoveReply, Problem> {
        self.0.asked.touch();
        let RemoveBody { dry_run, with_pinned, by, command_id } = body;
        let run = match self.0.board.find(selector) {
            Ok(run) => run,
            Err(SelectError::Removed { run_id, tombstone })
                if !dry_run && command_id.is_some() && tombstone.command_id == command_id =>
            {
                return self.removed_before(run_id).await;
            }
            Err(error) => return Err(of_selector(&error)),
        };
        let size = self.size(&run.id).await?;
        let mut reply = told(&run, self.view(&run.id)?, size);
        if dry_run {
            reply.obstacles = self.obstacles(&run.id, with_pinned).await?;
            return Ok(reply);
        }
        let input = Input::Remove { by: who(&by), reason: None, with_pinned, command_id: command_id.clone() };
        // By its id: what the selector means may be another run by now.
        match self.order(run.id.as_str(), input, command_id.clone()).await {
            Ok(_) => {}
            // The same command came by another way meanwhile.
            Err(_) if self.went_by(&run.id, command_id.as_ref()) => {}
            Err(problem) => return Err(problem),
        }
        reply.removed = true;
        Ok(reply)
    }

    fn went_by(&self, run_id: &RunId, command_id: Option<&CommandId>) -> bool {
        let tombstone = self.0.board.tombstone(run_id);
        command_id.is_some() && tombstone.is_some_and(|left| left.command_id.as_ref() == command_id)
    }

    /// What stands in the way of the removal of a run, by the one who decides it.
    async fn obstacles(&self, run_id: &RunId, with_pinned: bool) -> Result<Vec<Obstacle>, Problem> {
        let (reply, waiting) = oneshot::channel();
        let message = SupervisorMsg::Obstacles { run_id: run_id.clone(), with_pinned, reply };
        self.0.directory.supervisor.send(message);
        waited(waiting).await?.map_err(|error| of_command(&error))
    }

    /// The answer to a removal that was carried out before: the run as the ledger knows it. What its
    /// files took is not known any more.
    async fn removed_before(&self, run_id: RunId) -> Result<RemoveReply, Problem> {
        let (path, node) = (self.0.state.ledger(), self.0.node.clone());
        let node_too = node.clone();
        let replaying = move || -> Result<Option<Run>, Problem> {
            let reader = Reader::open(&path).map_err(internal)?;
            let mut fleet = Fleet::new(node_too, String::new());
            let (mut after, mut run) = (0, None);
            loop {
                let rows = reader.events(run_id.as_str(), after, ROWS_AT_ONCE).map_err(internal)?;
                if rows.is_empty() {
                    return Ok(run);
                }
                for entry in rows {
                    let record = to_record(&entry.content.map_err(internal)?).map_err(internal)?;
                    after = record.seq;
                    fleet.replay(&record);
                    run = fleet.get(&record.run_id).cloned().or(run);
                }
            }
        };
        let run = tokio::task::spawn_blocking(replaying).await.map_err(internal)??;
        let run = run.ok_or_else(|| internal("the ledger lacks a run that was removed"))?;
        let view = RunView::of(&run, &resus_core::slot::Slot::default(), node.as_str(), crate::clock::now());
        Ok(RemoveReply { removed: true, ..told(&run, view, Size { at_least: true, ..Size::default() }) })
    }

    /// What the files of a run take. Beside the actors, one at a time: there may be many.
    pub(super) async fn size(&self, run_id: &RunId) -> Result<Size, Problem> {
        let _alone = self.0.disposal.measuring.lock().await;
        let (state, run_id) = (Arc::clone(&self.0.state), run_id.clone());
        let until = Instant::now() + MEASURE_DEADLINE;
        let measuring = move || measure(&Real, state.path(), run_id.as_str(), &mut || Instant::now() < until);
        tokio::task::spawn_blocking(measuring).await.map_err(internal)?.map_err(internal)
    }
}

fn told(run: &Run, view: RunView, size: Size) -> RemoveReply {
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    RemoveReply {
        removed: false,
        run: view,
        size: RunSize {
            bytes: size.all,
            output_bytes: size.output,
            checkpoint_bytes: size.checkpoints,
            at_least: size.at_least,
        },
        checkpoints: count(run.verified.len()),
        pinned: count(run.pinned.len()),
        obstacles: Vec::new(),
    }
}
