//! What a command would do.

use super::{Door, waited};
use crate::problem::{of_command, of_selector};
use crate::supervisor::SupervisorMsg;
use resus_core::api::{CommandReply, Problem};
use resus_core::ids::CommandId;
use resus_core::input::Input;
use tokio::sync::oneshot;

impl Door {
    /// Carries a command out, or only says what it would do.
    pub(super) async fn give_or_tell(
        &self,
        selector: &str,
        input: Input,
        command_id: Option<CommandId>,
        dry_run: bool,
    ) -> Result<CommandReply, Problem> {
        if dry_run {
            self.foretell(selector, input).await
        } else {
            self.give(selector, input, command_id).await
        }
    }

    /// Asks the Supervisor, which knows the runs as they are and not only as they are on disk. Its
    /// id is not remembered: the same id may really command afterwards.
    async fn foretell(&self, selector: &str, input: Input) -> Result<CommandReply, Problem> {
        self.0.asked.touch();
        let run_id = self.0.board.find(selector).map_err(|error| of_selector(&error))?.id.clone();
        let (reply, waiting) = oneshot::channel();
        self.0.directory.supervisor.send(SupervisorMsg::Consider { run_id: run_id.clone(), input, reply });
        let considered = waited(waiting).await?.map_err(|error| of_command(&error))?;
        let (changed, why) = (!considered.would.events.is_empty(), considered.why.code());
        Ok(CommandReply { changed, why, run: self.view(&run_id)?, would: Some(considered.would) })
    }
}
