//! Questions about workloads, and about what a submission would come to.

use crate::control::page::{self, page};
use crate::control::{Control, read};
use crate::desk::Desk;
use resus_bus::control::Reply;
use resus_core::api::control::{WorkloadsReply, WorkloadsRequest};
use resus_core::api::{Problem, WorkloadList};

impl<D: Desk> Control<D> {
    pub(super) async fn workloads(
        &self,
        asked: WorkloadsRequest,
        bytes_max: usize,
    ) -> Result<Reply, Problem> {
        let WorkloadList { mut workloads, trouble } = self.panel.desk.workloads().await?;
        if let Some(after) = &asked.after {
            workloads.retain(|workload| workload.name > *after);
        }
        let room = bytes_max.saturating_sub(trouble.as_ref().map_or(0, String::len));
        let (workloads, is_cut) = page(workloads, room)?;
        let next = workloads.last().filter(|_| is_cut).map(|workload| workload.name.clone());
        page::document(&WorkloadsReply { workloads, trouble, next }, bytes_max)
    }

    pub(super) async fn plan(&self, body: &[u8], bytes_max: usize) -> Result<Reply, Problem> {
        let submission = self.grounds.submission(read(body)?)?;
        page::document(&self.panel.desk.plan(submission).await?, bytes_max)
    }
}
