//! A file of events per run, for programs that read files and for machines without a server:
//! `pulse.jsonl` in the run's folder, one envelope per line, as they would go out on a broker.
//!
//! The file is bounded: a full one becomes `pulse.1.jsonl` in place of the one before, so a
//! run costs at most twice [`Limits::file_bytes_max`]. Whoever follows it should expect that,
//! and a repeated line after trouble (same `event_id`).

mod lines;

use crate::subject;
use crate::transport::{Message, PublishError, Transport, Trouble};
use lines::{Lines, WriteError};
use resus_core::ids::RunId;
use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

pub use lines::{FILE, OLDER_FILE};

/// How much of it there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Size at which a file is full, in bytes.
    pub file_bytes_max: u64,
    /// Files that are open at a time; the one that has rested longest is closed for another.
    pub open_max: usize,
}

impl Default for Limits {
    /// 16 MiB are a hundred thousand events; 64 files are as many as runs speak at a time on a
    /// busy machine, and few against the 1024 that a process may have open.
    fn default() -> Self {
        Self { file_bytes_max: 16 << 20, open_max: 64 }
    }
}

/// Where a run's file goes: its folder, or `None` when the run has none (any more).
type FolderOf = dyn Fn(&RunId) -> Option<PathBuf> + Send + Sync;

/// A transport into files. Cheap to clone; all clones are the same.
///
/// `Ok` for a message with an id (class A) means that it is on disk; one without is on disk
/// as soon as the system writes it.
#[derive(Clone)]
pub struct RunFiles {
    folder_of: Arc<FolderOf>,
    limits: Limits,
    open: Arc<Mutex<Open>>,
}

#[derive(Default)]
struct Open {
    /// The files, with the time of their last use.
    files: BTreeMap<RunId, (u64, Lines)>,
    /// Grows with every use of a file.
    time: u64,
}

impl fmt::Debug for RunFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunFiles").field("limits", &self.limits).finish_non_exhaustive()
    }
}

impl RunFiles {
    /// Files in the folders that `folder_of` tells. Folders are not made here: a run without
    /// one has been removed, and its messages are refused.
    pub fn new(
        folder_of: impl Fn(&RunId) -> Option<PathBuf> + Send + Sync + 'static,
        limits: Limits,
    ) -> Self {
        Self { folder_of: Arc::new(folder_of), limits, open: Arc::default() }
    }

    /// Writes a batch, each run's part of it at once.
    fn write(&self, messages: &[Message]) -> Result<(), PublishError> {
        let (batches, refused) = self.sorted(messages);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let mut first = refused;
        for (run_id, batch) in batches {
            if let Err(trouble) = self.write_of_run(&mut open, &run_id, &batch, messages) {
                let taken = batch.first().copied().unwrap_or_default();
                if first.as_ref().is_none_or(|first| taken < first.taken) {
                    first = Some(PublishError { taken, trouble });
                }
            }
        }
        first.map_or(Ok(()), Err)
    }

    /// Places of the messages of each run, up to the first that is not taken by anyone.
    fn sorted(&self, messages: &[Message]) -> (BTreeMap<RunId, Vec<usize>>, Option<PublishError>) {
        let mut batches: BTreeMap<RunId, Vec<usize>> = BTreeMap::new();
        for (taken, message) in messages.iter().enumerate() {
            match self.destination(message) {
                Ok(run_id) => batches.entry(run_id).or_default().push(taken),
                Err(trouble) => return (batches, Some(PublishError { taken, trouble })),
            }
        }
        (batches, None)
    }

    fn destination(&self, message: &Message) -> Result<RunId, Trouble> {
        let Message { subject, body, .. } = message;
        let bytes = body.len() + 1;
        let bytes_max = usize::try_from(self.limits.file_bytes_max).unwrap_or(usize::MAX);
        if bytes > bytes_max {
            return Err(Trouble::TooLarge { bytes, bytes_max });
        }
        if body.contains('\n') {
            return Err(Trouble::Refused(format!("the message for {subject} is not one line")));
        }
        subject::run_of_event(subject)
            .ok_or_else(|| Trouble::Refused(format!("{subject} is not the address of an event of a run")))
    }

    fn write_of_run(
        &self,
        open: &mut Open,
        run_id: &RunId,
        batch: &[usize],
        messages: &[Message],
    ) -> Result<(), Trouble> {
        let lines = self.opened(open, run_id)?;
        let batch: Vec<&Message> = batch.iter().filter_map(|at| messages.get(*at)).collect();
        let durable = batch.iter().any(|message| message.id.is_some());
        let bodies = batch.iter().map(|message| &*message.body);
        lines.append(bodies, durable, self.limits.file_bytes_max).map_err(|error| {
            // Opening it again mends what the failed attempt may have left.
            open.files.remove(run_id);
            trouble_of(&error)
        })
    }

    fn opened<'a>(&self, open: &'a mut Open, run_id: &RunId) -> Result<&'a mut Lines, Trouble> {
        let gone = || Trouble::Refused(format!("run {run_id} has no folder"));
        let Some(folder) = (self.folder_of)(run_id) else {
            open.files.remove(run_id);
            return Err(gone());
        };
        open.time += 1;
        let held = open.files.remove(run_id).filter(|(_, lines)| lines.is_of(&folder));
        let lines = match held {
            Some((_, lines)) => lines,
            None => Lines::open(&folder)
                .map_err(|error| if error.is_missing() { gone() } else { trouble_of(&error) })?,
        };
        while open.files.len() >= self.limits.open_max.max(1) {
            let rested = open.files.iter().min_by_key(|(_, (used, _))| *used).map(|(id, _)| id.clone());
            open.files.retain(|id, _| Some(id) != rested.as_ref());
        }
        let entry = open.files.entry(run_id.clone()).or_insert((open.time, lines));
        Ok(&mut entry.1)
    }
}

fn trouble_of(error: &WriteError) -> Trouble {
    Trouble::Away(error.to_string())
}

impl Transport for RunFiles {
    async fn publish(&self, messages: &[Message]) -> Result<(), PublishError> {
        if messages.is_empty() {
            return Ok(());
        }
        let (files, messages) = (self.clone(), messages.to_vec());
        // A slow disk holds up whoever publishes, and nobody else.
        let writing = tokio::task::spawn_blocking(move || files.write(&messages));
        writing.await.unwrap_or_else(|error| {
            Err(PublishError { taken: 0, trouble: Trouble::Away(format!("the writer ended: {error}")) })
        })
    }
}

#[cfg(test)]
mod tests;
