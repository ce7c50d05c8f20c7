//! The daemon's desk: the actors' door, word for word.

use crate::desk::Desk;
use resus_actors::door::Door;
use resus_core::api::{CommandBody, CommandReply, DaemonView, OutputChunk, Problem, RunList, Submission};
use resus_core::view::RunView;
use serde_json::Value;
use std::time::Duration;

impl Desk for Door {
    async fn submit(&self, submission: Submission) -> Result<RunView, Problem> {
        self.submit(submission).await
    }

    async fn command(&self, selector: &str, body: CommandBody) -> Result<CommandReply, Problem> {
        self.command(selector, body).await
    }

    fn runs(&self) -> RunList {
        self.runs()
    }

    fn run(&self, selector: &str) -> Result<RunView, Problem> {
        self.run(selector)
    }

    fn version(&self) -> u64 {
        self.version()
    }

    async fn changed(&self, since: u64, within: Duration) -> u64 {
        self.changed(since, within).await
    }

    async fn events(&self, selector: &str, after_seq: u64, limit: u32) -> Result<Vec<Value>, Problem> {
        self.events(selector, after_seq, limit).await
    }

    async fn output(
        &self,
        selector: &str,
        attempt: Option<u32>,
        offset: u64,
        max: u32,
    ) -> Result<(OutputChunk, Vec<u8>), Problem> {
        self.output(selector, attempt, offset, max).await
    }

    fn daemon(&self) -> DaemonView {
        self.daemon()
    }

    fn request_stop(&self) {
        self.request_stop();
    }
}
