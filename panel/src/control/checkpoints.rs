//! Questions about the checkpoints of a run.

use crate::control::Control;
use crate::control::page::{self, fitting};
use crate::desk::Desk;
use resus_bus::control::Reply;
use resus_core::api::control::{
    CheckpointsRequest, PinRequest, PruneRequest, RecheckRequest, RestoreRequest,
};
use resus_core::api::{CommandReply, PinBody, Problem, PruneBody, RecheckBody, RestoreBody};

impl<D: Desk> Control<D> {
    pub(super) fn checkpoints(&self, asked: CheckpointsRequest, bytes_max: usize) -> Result<Reply, Problem> {
        page::document(&self.panel.desk.checkpoints(&asked.run)?, bytes_max)
    }

    pub(super) async fn restore(&self, asked: RestoreRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let RestoreRequest { run, checkpoint, by, command_id, dry_run } = asked;
        let reply =
            self.panel.desk.restore(&run, RestoreBody { checkpoint, by, command_id, dry_run }).await?;
        fitting(reply, |reply: &mut CommandReply| &mut reply.run, bytes_max)
    }

    pub(super) async fn pin(&self, asked: PinRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let PinRequest { run, checkpoint, pinned, by, command_id } = asked;
        let reply = self.panel.desk.pin(&run, PinBody { checkpoint, pinned, by, command_id }).await?;
        fitting(reply, |reply: &mut CommandReply| &mut reply.run, bytes_max)
    }

    pub(super) async fn prune(&self, asked: PruneRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let PruneRequest { run, dry_run, by, command_id } = asked;
        let reply = self.panel.desk.prune(&run, PruneBody { dry_run, by, command_id }).await?;
        page::document(&reply, bytes_max)
    }

    pub(super) async fn recheck(&self, asked: RecheckRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let RecheckRequest { run, checkpoint, by, command_id } = asked;
        let reply = self.panel.desk.recheck(&run, RecheckBody { checkpoint, by, command_id }).await?;
        fitting(reply, |reply: &mut CommandReply| &mut reply.run, bytes_max)
    }
}
