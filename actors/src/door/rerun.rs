//! A new run of the spec of an old one.

use super::{Door, answer};
use crate::gateway::GatewayMsg;
use crate::problem::{of_command, of_selector};
use crate::rerun;
use crate::supervisor::CommandError;
use resus_core::api::{EnvChanges, Problem, Reach, RerunBody, RerunReply};
use resus_core::fleet::FleetError;
use resus_core::secret::shown_argv;
use std::sync::Arc;
use tokio::sync::oneshot;

impl Door {
    /// Accepts a new run of the spec of the run that `selector` names, or only says what it would
    /// be. The recorded environment is used and never told.
    ///
    /// # Errors
    /// A [`Problem`]: no such run, outside `reach`, it does not fit, or the ledger can't be written.
    pub async fn rerun(&self, selector: &str, body: RerunBody, reach: Reach) -> Result<RerunReply, Problem> {
        self.0.asked.touch();
        let old = self.0.board.find(selector).map_err(|error| of_selector(&error))?;
        let (of, wished) = (Arc::clone(&old.spec), body.clone());
        let spec = self.of_files(move |registry| rerun::spec(registry, &of, &wished, reach)).await?;
        let mut told = RerunReply {
            of: old.id.to_string(),
            run: None,
            name: spec.name.to_string(),
            workload: spec.workload.to_string(),
            argv: shown_argv(&spec),
            cwd: spec.cwd.clone(),
            env: EnvChanges::between(&old.spec.env, &spec.env),
        };
        if body.dry_run {
            let invalid = |faults| of_command(&CommandError::Fleet(FleetError::Invalid(faults)));
            spec.validate().map_err(invalid)?;
            return Ok(told);
        }
        let (reply, waiting) = oneshot::channel();
        let (spec, command_id) = (Box::new(Ok(spec)), body.command_id);
        self.0.directory.gateway.send(GatewayMsg::Submit { spec, command_id, reply });
        told.run = Some(self.view(&answer(waiting).await?.run_id)?);
        Ok(told)
    }
}
