//! Checks checkpoints of other frameworks: waits until their writer is done, and reads every byte in the
//! background.

use super::aside::put_aside;
use super::files::{Files, GONE, told};
use super::passing::may_pass;
use super::patience::until_next_look;
use super::prsm;
use resus_checkpoint::foreign::{
    Completeness, ForeignRefusal, Form, KeepError, Listing, Manifest, completeness, digest, heads, keep,
    look, recall, verify,
};
use resus_core::checkpoint::CheckpointFormat;
use resus_core::input::{CheckpointRef, Fact, Refused};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};
use tokio::sync::{Semaphore, oneshot};
use tokio::time::Instant;

/// What the reading thread adds to its nice value: everybody else goes first.
const NICE: i32 = 10;

/// Why a checkpoint of another framework is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unfit {
    #[error(transparent)]
    Refused(#[from] ForeignRefusal),
    #[error(transparent)]
    Manifest(#[from] KeepError),
    #[error("it is not complete: {why}")]
    Incomplete { why: String },
    #[error("it is not what it was when it was catalogued")]
    Changed,
}

impl Unfit {
    pub(super) fn is_gone(&self) -> bool {
        matches!(self, Self::Refused(ForeignRefusal::Gone))
    }

    /// Its own bytes are not what they were. A damaged manifest says nothing about them.
    pub(super) fn is_damage(&self) -> bool {
        match self {
            Self::Refused(refusal) => refusal.is_damage(),
            Self::Manifest(_) | Self::Incomplete { .. } | Self::Changed => false,
        }
    }

    /// The system would not let us read it at the moment: that says nothing about it.
    pub(super) fn is_passing(&self) -> bool {
        match self {
            Self::Refused(ForeignRefusal::Io { source, .. } | ForeignRefusal::Sync { source, .. })
            | Self::Manifest(KeepError::Io { source, .. }) => may_pass(source),
            Self::Refused(_) | Self::Manifest(_) | Self::Incomplete { .. } | Self::Changed => false,
        }
    }

    /// The system would not let us read it, or somebody is at it: another time it may be well.
    pub(super) fn may_pass(&self) -> bool {
        matches!(
            self,
            Self::Refused(
                ForeignRefusal::Io { .. } | ForeignRefusal::Sync { .. } | ForeignRefusal::Changed { .. }
            ) | Self::Manifest(KeepError::Io { .. })
        )
    }
}

/// What one look has shown.
enum Look {
    Complete(Listing),
    /// `None` if it could not even be listed.
    Growing(Option<Listing>, Unfit),
    Unfit(Unfit),
}

/// Waits for `announced` and reads it, or compares one of the catalogue with its manifest. Nothing is
/// told of one that was given up.
pub(super) async fn check(
    files: Files,
    announced: CheckpointRef,
    reading: Arc<Semaphore>,
    cancel: Arc<AtomicBool>,
) -> Option<Fact> {
    let files = Arc::new(files);
    let result = if is_catalogued(&announced) {
        let job = (Arc::clone(&files), announced.clone(), Arc::clone(&cancel));
        read_quietly(&reading, move || compare(&job.0, &job.1, &job.2)).await?
    } else {
        register_when_complete(&files, &announced, &reading, &cancel).await?
    };
    let is_given_up = cancel.load(Ordering::Relaxed);
    let answer = move || if is_given_up { None } else { answer(&files, announced, result) };
    tokio::task::spawn_blocking(answer).await.ok().flatten()
}

/// Whether there is a manifest of it.
pub(super) fn is_catalogued(checkpoint: &CheckpointRef) -> bool {
    checkpoint.format == CheckpointFormat::Manifest && checkpoint.digest.is_some()
}

fn answer(files: &Files, announced: CheckpointRef, result: Result<CheckpointRef, Unfit>) -> Option<Fact> {
    let refused = match result {
        Ok(checkpoint) => return Some(Fact::CheckpointChecked { checkpoint, refusal: None }),
        // No damage: the worker or retention has removed it since, or somebody else.
        Err(unfit) if unfit.is_gone() || files.is_gone(Path::new(&announced.path)) => {
            Refused { reason: GONE.to_owned(), moved_to: None }
        }
        Err(unfit) if unfit.is_passing() => {
            // It is looked at again when it is needed.
            tracing::warn!(path = announced.path, error = told(&unfit), "a checkpoint can't be read now");
            return None;
        }
        Err(unfit) => {
            let is_damaged = unfit.is_damage();
            let moved_to = is_damaged.then(|| put_aside(files, Path::new(&announced.path))).flatten();
            Refused { reason: told(&unfit), moved_to }
        }
    };
    Some(Fact::CheckpointChecked { checkpoint: announced, refusal: Some(refused) })
}

/// Compares one of the catalogue with its manifest, and tells it as [`check`] would.
pub(super) fn compared_now(files: &Files, known: CheckpointRef) -> Option<Fact> {
    let result = compare(files, &known, &AtomicBool::new(false));
    answer(files, known, result)
}

/// `None` if it was given up, or the reader died.
async fn register_when_complete(
    files: &Arc<Files>,
    announced: &CheckpointRef,
    reading: &Semaphore,
    cancel: &Arc<AtomicBool>,
) -> Option<Result<CheckpointRef, Unfit>> {
    let began = Instant::now();
    let (mut changed, mut before) = (began, None);
    loop {
        if cancel.load(Ordering::Relaxed) {
            return None;
        }
        let job = (Arc::clone(files), announced.path.clone(), before.take());
        let (seen, earlier) = tokio::task::spawn_blocking(move || {
            let seen = look_once(&job.0, Path::new(&job.1), job.2.as_ref());
            (seen, job.2)
        })
        .await
        .ok()?;
        let (now, unfit) = match seen {
            Look::Unfit(unfit) if unfit.is_passing() => (None, unfit),
            Look::Unfit(unfit) => return Some(Err(unfit)),
            Look::Growing(now, unfit) => (now, unfit),
            Look::Complete(listing) => {
                let job = (Arc::clone(files), announced.clone(), listing.clone(), Arc::clone(cancel));
                match read_quietly(reading, move || register(&job.0, &job.1, &job.2, &job.3)).await? {
                    // It looked complete and was not.
                    Err(unfit @ Unfit::Refused(ForeignRefusal::Changed { .. })) => (None, unfit),
                    Err(unfit) if unfit.is_passing() => (None, unfit),
                    result => return Some(result),
                }
            }
        };
        // One that was there and is not any more has been removed.
        if now.is_none() && unfit.is_gone() && earlier.is_some() {
            return Some(Err(unfit));
        }
        if now != earlier {
            changed = Instant::now();
        }
        let Some(wait) = until_next_look(began.elapsed(), changed.elapsed()) else { return Some(Err(unfit)) };
        before = now;
        tokio::time::sleep(wait).await;
    }
}

fn look_once(files: &Files, path: &Path, before: Option<&Listing>) -> Look {
    let disk = &*files.disk;
    let listing = match look(disk, path) {
        Ok(listing) => listing,
        // It may be announced a moment before it has its name.
        Err(refusal @ (ForeignRefusal::Gone | ForeignRefusal::Changed { .. })) => {
            return Look::Growing(None, refusal.into());
        }
        Err(refusal) => return Look::Unfit(refusal.into()),
    };
    match heads(disk, &listing).map(|heads| completeness(&listing, &heads, before)) {
        Ok(Completeness::Complete) => Look::Complete(listing),
        Ok(Completeness::Growing { why }) => Look::Growing(Some(listing), Unfit::Incomplete { why }),
        Ok(Completeness::Broken { why }) => Look::Unfit(Unfit::Incomplete { why }),
        Err(refusal @ ForeignRefusal::Changed { .. }) => Look::Growing(Some(listing), refusal.into()),
        Err(refusal) => Look::Unfit(refusal.into()),
    }
}

/// Makes and keeps the manifest of one that is complete now, without waiting for more than it takes to
/// see that nobody writes to it. For when an attempt is about to begin, and its writer is gone.
pub(super) fn register_now(
    files: &Files,
    announced: &CheckpointRef,
    settle: Duration,
) -> Result<CheckpointRef, Unfit> {
    let path = Path::new(&announced.path);
    let mut seen = look_once(files, path, None);
    if let Look::Growing(Some(before), _) = seen {
        std::thread::sleep(settle);
        seen = look_once(files, path, Some(&before));
    }
    match seen {
        Look::Complete(listing) => register(files, announced, &listing, &AtomicBool::new(false)),
        Look::Growing(_, unfit) | Look::Unfit(unfit) => Err(unfit),
    }
}

/// Makes and keeps the manifest of a complete one, and says what it is called in a catalogue.
fn register(
    files: &Files,
    announced: &CheckpointRef,
    listing: &Listing,
    cancel: &AtomicBool,
) -> Result<CheckpointRef, Unfit> {
    let manifest = digest(&*files.disk, listing, cancel)?;
    if is_catalogued(announced) && announced.digest.as_deref() != Some(&manifest.digest()) {
        return Err(Unfit::Changed);
    }
    let known = keep(&*files.disk, &files.manifests, &manifest)?;
    Ok(entry(files, announced, listing, &manifest, known))
}

fn entry(
    files: &Files,
    announced: &CheckpointRef,
    listing: &Listing,
    manifest: &Manifest,
    known: String,
) -> CheckpointRef {
    // One of our own format at another place says more about itself.
    let said = (manifest.form == Form::File).then(|| prsm::peek(&*files.disk, &manifest.root).ok()).flatten();
    let named = match said {
        Some(said) => said.completing(announced),
        None => announced.clone(),
    };
    let changed = listing.files.iter().map(|file| file.entry.modified).max();
    CheckpointRef {
        size_bytes: Some(manifest.total_bytes()),
        digest: Some(known),
        format: CheckpointFormat::Manifest,
        saved_unix_ms: named.saved_unix_ms.or_else(|| unix_ms(changed?)),
        ..named
    }
}

fn unix_ms(time: SystemTime) -> Option<u64> {
    u64::try_from(time.duration_since(SystemTime::UNIX_EPOCH).ok()?.as_millis()).ok()
}

/// Compares one of the catalogue with its manifest.
pub(super) fn compare(
    files: &Files,
    known: &CheckpointRef,
    cancel: &AtomicBool,
) -> Result<CheckpointRef, Unfit> {
    let digest = known.digest.as_deref().unwrap_or_default();
    let manifest = match recall(&*files.disk, &files.manifests, digest) {
        // What is gone has no use for a manifest; that one is gone as well is no news then.
        Err(_) if files.is_gone(Path::new(&known.path)) => return Err(ForeignRefusal::Gone.into()),
        manifest => manifest?,
    };
    if manifest.root != Path::new(&known.path) {
        return Err(Unfit::Changed);
    }
    verify(&*files.disk, &manifest, cancel)?;
    Ok(CheckpointRef { size_bytes: Some(manifest.total_bytes()), ..known.clone() })
}

/// Does a long reading on a thread of its own that lets others go first, one in the daemon at a time.
/// `None` if the thread could not be started, or died.
async fn read_quietly<T: Send + 'static>(
    reading: &Semaphore,
    read: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let _turn = reading.acquire().await.ok()?;
    let (done, result) = oneshot::channel();
    let quietly = move || {
        // A kernel that refuses leaves a thread like any other.
        let _ = rustix::process::setpriority_process(None, NICE);
        drop(done.send(read()));
    };
    if let Err(error) = std::thread::Builder::new().name("resus-reading".to_owned()).spawn(quietly) {
        tracing::error!(%error, "no thread to read a checkpoint can be started");
        return None;
    }
    let result = result.await;
    if result.is_err() {
        tracing::error!("the thread that read a checkpoint failed");
    }
    result.ok()
}
