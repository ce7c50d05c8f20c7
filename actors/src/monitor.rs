//! Measures the node and the daemon from time to time.

use crate::board::Board;
use crate::directory::Directory;
use crate::doing::Summary;
use crate::limits::MONITOR_INTERVAL;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use std::sync::Arc;
use sysinfo::{Pid, ProcessRefreshKind, ProcessesToUpdate, System};

pub(crate) enum MonitorMsg {
    Tick,
}

pub(crate) struct MonitorState {
    directory: Arc<Directory>,
    board: Arc<Board>,
    system: System,
}

pub(crate) struct Monitor;

impl Actor for Monitor {
    type Msg = MonitorMsg;
    type State = MonitorState;
    type Arguments = (Arc<Directory>, Arc<Board>);

    async fn pre_start(
        &self,
        myself: ActorRef<MonitorMsg>,
        (directory, board): Self::Arguments,
    ) -> Result<MonitorState, ActorProcessingErr> {
        myself.cast(MonitorMsg::Tick)?;
        Ok(MonitorState { directory, board, system: System::new()? })
    }

    async fn handle(
        &self,
        myself: ActorRef<MonitorMsg>,
        message: MonitorMsg,
        state: &mut MonitorState,
    ) -> Result<(), ActorProcessingErr> {
        let directory = Arc::clone(&state.directory);
        let _busy = directory.monitor.doing.begin(message.summary());
        // Reading one process takes some ten microseconds, so it may happen here.
        let me = Pid::from_u32(std::process::id());
        state.system.refresh_processes_specifics(
            ProcessesToUpdate::Some(&[me]),
            false,
            ProcessRefreshKind::nothing().with_memory(),
        );
        state.board.measured(state.system.process(me).map_or(0, sysinfo::Process::memory));
        tokio::spawn(async move {
            tokio::time::sleep(MONITOR_INTERVAL).await;
            let _gone = myself.cast(MonitorMsg::Tick);
        });
        Ok(())
    }
}
