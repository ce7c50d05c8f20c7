//! What files of our own format say, in the words of the catalogue.

use super::passing::may_pass;
use resus_checkpoint::{Refusal, peek_with, verify_from_disk_with};
use resus_core::checkpoint::{CheckpointFormat, Health};
use resus_core::input::CheckpointRef;
use resus_core::pulse::word::Numbers;
use resus_disk::Disk;
use std::io;
use std::path::Path;

/// What a file says of itself.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Said {
    /// How far the training was.
    pub(super) step: f64,
    pub(super) epoch: Option<f64>,
    pub(super) health: Health,
    pub(super) metrics: Numbers,
    pub(super) saved_unix_ms: Option<u64>,
}

/// A file that was read to its end.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Whole {
    pub(super) said: Said,
    pub(super) size_bytes: u64,
    pub(super) digest: String,
}

/// Reads the head of a file.
pub(super) fn peek(disk: &dyn Disk, path: &Path) -> Result<Said, Refusal> {
    let peek = peek_with(disk, path)?;
    Ok(Said::of(&peek.header, peek.meta))
}

/// Reads all of a file, from the disk.
pub(super) fn verify(disk: &dyn Disk, path: &Path) -> Result<Whole, Refusal> {
    let verified = verify_from_disk_with(disk, path)?;
    let said = Said::of(&verified.header, verified.meta);
    Ok(Whole { said, size_bytes: verified.size_bytes, digest: verified.digest })
}

impl Said {
    fn of(header: &resus_checkpoint::Header, meta: Option<resus_checkpoint::Meta>) -> Self {
        let seconds = u64::try_from(header.unix_time).ok().filter(|seconds| *seconds > 0);
        let saved_unix_ms = seconds.and_then(|seconds| seconds.checked_mul(1000));
        let Some(meta) = meta else {
            let step = header.games as f64;
            return Self {
                step,
                epoch: None,
                health: Health::Unknown,
                metrics: Numbers::new(),
                saved_unix_ms,
            };
        };
        let health = match meta.health {
            resus_checkpoint::Health::Unknown => Health::Unknown,
            resus_checkpoint::Health::Finite => Health::Finite,
            resus_checkpoint::Health::NotFinite => Health::NotFinite,
        };
        // A number that is none is kept as such: it must not pass for a missing one.
        let metrics =
            meta.metrics.into_iter().map(|(name, value)| (name, value.is_finite().then_some(value)));
        Self { step: meta.step as f64, epoch: meta.epoch, health, metrics: metrics.collect(), saved_unix_ms }
    }

    /// The entry of a catalogue: what the file says, and where it says nothing what was `announced`.
    /// Numbers that either says not to be finite are not.
    pub(super) fn completing(self, announced: &CheckpointRef) -> CheckpointRef {
        let read = CheckpointRef {
            step: Some(self.step),
            epoch: self.epoch,
            health: self.health,
            metrics: self.metrics,
            saved_unix_ms: self.saved_unix_ms,
            ..CheckpointRef::at(announced.checkpoint_id.clone(), announced.path.clone())
        };
        read.completed_by(announced)
    }
}

impl Whole {
    /// See [`Said::completing`].
    pub(super) fn completing(self, announced: &CheckpointRef) -> CheckpointRef {
        CheckpointRef {
            size_bytes: Some(self.size_bytes),
            digest: Some(self.digest),
            format: CheckpointFormat::Prsm,
            ..self.said.completing(announced)
        }
    }
}

/// What a refusal means for the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Judgement {
    /// There is none.
    Gone,
    /// It could not be read now, and another time it may be well: that says nothing about it.
    Passing,
    /// It could not be read, or is not ours to judge: it stays where it is.
    Unread,
    /// It is damaged, and out of the way it does no harm.
    Damaged,
}

pub(super) fn judge(refusal: &Refusal) -> Judgement {
    match refusal {
        Refusal::Open(error) if error.kind() == io::ErrorKind::NotFound => Judgement::Gone,
        Refusal::Open(error) | Refusal::Read(error) if may_pass(error) => Judgement::Passing,
        Refusal::OutOfMemory { .. } => Judgement::Passing,
        other if other.is_damage() => Judgement::Damaged,
        // A newer program's file may be whole; a link or a folder of that name is none of ours.
        _ => Judgement::Unread,
    }
}
