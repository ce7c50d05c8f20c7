//! Runs, output and checkpoints that are to be gone.

use crate::control::Control;
use crate::control::page::{self, fitting, page};
use crate::desk::Desk;
use resus_bus::control::Reply;
use resus_core::api::control::RemoveRequest;
use resus_core::api::{Problem, RemoveBody, RemoveReply, SweepBody, SweepReply};

impl<D: Desk> Control<D> {
    pub(super) async fn remove(&self, asked: RemoveRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let RemoveRequest { run, dry_run, with_pinned, by, command_id } = asked;
        let body = RemoveBody { dry_run, with_pinned, by, command_id };
        let reply = self.panel.desk.remove(&run, body).await?;
        fitting(reply, |reply: &mut RemoveReply| &mut reply.run, bytes_max)
    }

    pub(super) async fn sweep(&self, asked: SweepBody, bytes_max: usize) -> Result<Reply, Problem> {
        let mut whole = self.panel.desk.sweep(asked).await?;
        let (items, left_out) = (std::mem::take(&mut whole.items), whole.left_out);
        let all = items.len();
        let (items, _is_cut) = page(items, bytes_max)?;
        let without = u32::try_from(all - items.len()).unwrap_or(u32::MAX);
        let reply = SweepReply { items, left_out: left_out.saturating_add(without), ..whole };
        page::document(&reply, bytes_max)
    }
}
