//! A file of its events for every run, `pulse.jsonl` in its folder, where the operator wants that
//! (`bus.file`).
//!
//! What the ledger has is read from it behind a place that is remembered; a daemon that is killed
//! between the two writes an event twice, and readers know it by its `event_id`; what can't be
//! written, for want of room, is left out, and shows as a gap. Telemetry is written as it comes.

use crate::door::Inner;
use crate::outbox::Pages;
use resus_bus::file::{Limits, RunFiles};
use resus_bus::subject::run_of_event;
use resus_bus::transport::{Message, Transport};
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
            Ok(message) if message.id.is_none() => files.write(&[message]).await,
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
            // Behind the ledger's end only if that is another ledger.
            pos: saved.filter(|pos| *pos <= inner.board.ledger_pos()).unwrap_or(0),
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
            self.write(&messages).await;
            self.pos = page.last_pos;
            if let Err(error) =
                replace(&self.inner.state.files_mark(), self.pos.to_string().as_bytes(), false)
            {
                self.tell(Some(error.to_string()));
            }
        }
    }

    /// Writes what can be written. What can't is left out and told once: this is a copy, and one
    /// run's folder that is gone, or full, must keep nobody else waiting.
    async fn write(&mut self, messages: &[Message]) {
        let mut trouble = None;
        // Those of one run behind each other at once; the failure of one is its own.
        for of_run in messages.chunk_by(|one, other| run_of(one) == run_of(other)) {
            if let Err(error) = self.files.publish(of_run).await {
                trouble = Some(error.to_string());
            }
        }
        self.tell(trouble);
    }

    fn tell(&mut self, trouble: Option<String>) {
        if let Some(trouble) = trouble.as_ref().filter(|_| self.told != trouble) {
            tracing::warn!(trouble, "files of events can't be written; the ledger has them");
        }
        self.told = trouble;
    }
}

fn run_of(message: &Message) -> Option<RunId> {
    run_of_event(&message.subject)
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
