//! The daemon on the bus: what is started beside the panel when there is a server to speak with.

use resus_actors::system::System;
use resus_bus::setup::BusSetup;
use resus_panel::{Control, Front, Grounds};
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinHandle, JoinSet};

/// What goes on on the bus has this long to end.
const END_DEADLINE: Duration = Duration::from_secs(5);
/// Between two lives of the voice, should it ever panic.
const AGAIN: Duration = Duration::from_secs(1);

/// Speaks on the bus until it is told to end.
pub(crate) struct Voice {
    ending: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Voice {
    /// Begins to speak on the system's server; `front` answers what is asked there.
    pub(crate) fn begin(system: &System, setup: &BusSetup, front: Front) -> Self {
        let (ending, is_ending) = watch::channel(false);
        let control = Control::new(front, is_ending.clone(), Grounds::of_process(setup.allow_commands));
        let (door, links) = (system.door(), system.links());
        let task = tokio::spawn(async move {
            loop {
                let speaking = door.clone().speak_on(links.clone(), control.clone(), is_ending.clone());
                // In a set, which ends it when we are ended.
                let mut life = JoinSet::new();
                life.spawn(speaking);
                match life.join_next().await {
                    // The panic itself is in the log. What has been acknowledged is remembered.
                    Some(Err(error)) => {
                        tracing::error!(%error, "the voice on the bus has died; it begins again")
                    }
                    Some(Ok(())) | None => return,
                }
                tokio::time::sleep(AGAIN).await;
            }
        });
        Self { ending, task }
    }

    /// Says what is left to say, within a deadline.
    pub(crate) async fn end(mut self) {
        self.ending.send_replace(true);
        if tokio::time::timeout(END_DEADLINE, &mut self.task).await.is_err() {
            tracing::warn!("the bus did not let go in time");
            self.task.abort();
        }
    }
}
