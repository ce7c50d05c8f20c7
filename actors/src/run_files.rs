//! A file of its events for every run, `pulse.jsonl` in its folder, where the operator wants that
//! (`bus.file`).
//!
//! What the ledger has is read from it behind a place that is remembered; a daemon that is killed
//! between the two writes an event twice, and readers know it by its `event_id`. Telemetry is
//! written as it comes.

use crate::door::Inner;
use crate::outbox::Pages;
use resus_bus::file::{Limits, RunFiles};
use resus_bus::transport::{Message, PublishError, Transport, Trouble};
use resus_core::ids::RunId;
use resus_store::file::replace;
use std::fs::{self, DirBuilder};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::broadcast::error::RecvError;

/// Keeps the files for ever.
pub(crate) async fn keep(inner: Arc<Inner>) {
    inner.board.ready().await;
    let mut heard = inner.bus.subscribe();
    let mut files = Files::new(inner);
    files.catch_up().await;
    loop {
        match heard.recv().await {
            Ok(message) if message.id.is_none() => files.say(&[message]).await,
            // Facts come from the ledger, so none is missed by one who is late.
            Ok(_) | Err(RecvError::Lagged(_)) => files.catch_up().await,
            Err(RecvError::Closed) => return,
        }
    }
}

struct Files {
    inner: Arc<Inner>,
    files: RunFiles,
    pages: Pages,
    pos: u64,
    /// The trouble that has been told; it is told once.
    told: Option<String>,
}

impl Files {
    fn new(inner: Arc<Inner>) -> Self {
        let known = Arc::clone(&inner);
        let folder_of = move |run_id: &_| folder(&known, run_id);
        let saved = fs::read_to_string(inner.state.files_mark()).ok();
        let saved = saved.and_then(|text| text.trim().parse().ok());
        Self {
            files: RunFiles::new(folder_of, Limits::default()),
            pages: Pages::new(inner.state.ledger(), inner.bus_setup.namespace.clone()),
            pos: saved.unwrap_or(0),
            told: None,
            inner,
        }
    }

    /// Writes all that the ledger has.
    async fn catch_up(&mut self) {
        loop {
            let page = match self.pages.after(self.pos).await {
                Ok(page) => page,
                Err(error) => return self.tell(Some(error)),
            };
            if page.last_pos == self.pos {
                return;
            }
            let messages: Vec<_> = page.events.iter().map(|(_, event)| event.message.clone()).collect();
            let taken = self.write(&messages).await;
            if taken < messages.len() {
                // The next event tries again.
                let before = taken.checked_sub(1).and_then(|at| page.events.get(at));
                self.pos = before.map_or(self.pos, |(pos, _)| *pos);
                return;
            }
            self.pos = page.last_pos;
            if let Err(error) =
                replace(&self.inner.state.files_mark(), self.pos.to_string().as_bytes(), false)
            {
                self.tell(Some(error.to_string()));
            }
        }
    }

    async fn say(&mut self, messages: &[Message]) {
        let _taken_or_lost = self.write(messages).await;
    }

    /// How many of the front are written, or can never be.
    async fn write(&mut self, messages: &[Message]) -> usize {
        let mut done = 0;
        while let Some(rest) = messages.get(done..).filter(|rest| !rest.is_empty()) {
            match self.files.publish(rest).await {
                Ok(()) => done = messages.len(),
                Err(PublishError { taken, trouble: Trouble::Away(reason) }) => {
                    self.tell(Some(reason));
                    return done + taken;
                }
                // The run's folder is gone; that is no reason to keep others waiting.
                Err(PublishError { taken, trouble: Trouble::Refused(_) | Trouble::TooLarge { .. } }) => {
                    done += taken + 1;
                }
            }
        }
        self.tell(None);
        done
    }

    fn tell(&mut self, trouble: Option<String>) {
        if let Some(trouble) = trouble.as_ref().filter(|_| self.told != trouble) {
            tracing::warn!(trouble, "files of events can't be written; the ledger has them");
        }
        self.told = trouble;
    }
}

/// The folder of a run that there is. One that was just accepted has none yet.
fn folder(inner: &Inner, run_id: &RunId) -> Option<PathBuf> {
    let folder = inner.state.run(run_id.as_str()).ok()?;
    if !folder.is_dir() {
        inner.board.run(run_id)?;
        DirBuilder::new().recursive(true).mode(0o700).create(&folder).ok()?;
    }
    Some(folder)
}
