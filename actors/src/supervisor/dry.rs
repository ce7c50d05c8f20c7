//! What a command would do: decided as ever, recorded never.

use super::{CommandError, SupervisorState};
use crate::clock;
use resus_core::api::{Foretold, Obstacle};
use resus_core::event::Why;
use resus_core::fleet::FleetError;
use resus_core::ids::RunId;
use resus_core::input::Input;
use tokio::sync::oneshot;

/// What would come of a command.
#[derive(Debug, Clone)]
pub(crate) struct Considered {
    pub(crate) why: Why,
    pub(crate) would: Foretold,
}

pub(crate) type ConsiderReply = oneshot::Sender<Result<Considered, CommandError>>;

/// What stands in the way of a removal.
pub(crate) type ObstaclesReply = oneshot::Sender<Result<Vec<Obstacle>, CommandError>>;

/// Answers with what `input` would lead to. The fleet stays as it is.
pub(super) fn consider(state: &SupervisorState, run_id: &RunId, input: &Input, reply: ConsiderReply) {
    drop(reply.send(considered(state, run_id, input).map_err(CommandError::from)));
}

fn considered(state: &SupervisorState, run_id: &RunId, input: &Input) -> Result<Considered, FleetError> {
    let (step, _) = state.fleet.consider(run_id, input, clock::now())?;
    let run = state.fleet.get(run_id).ok_or_else(|| FleetError::NotFound { run_id: run_id.clone() })?;
    Ok(Considered { why: step.why, would: Foretold::of(run, &step)? })
}
