//! Finds the checkpoint that an attempt begins from: the newest that verifies, among the run's own files
//! and what the catalogue knows of other places.

use super::aside::put_aside;
use super::files::{Age, Files, GONE, named, told};
use super::foreign::{self, Unfit};
use super::patience::SETTLE;
use super::prsm::{self, Judgement};
use resus_checkpoint::Refusal;
use resus_core::checkpoint::CheckpointFormat;
use resus_core::input::{CheckpointRef, CheckpointRefusal, Fact};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, UNIX_EPOCH};

/// One that may be chosen.
struct Candidate {
    age: Age,
    /// What is known of it before it is read.
    known: CheckpointRef,
    is_prsm: bool,
}

struct Search<'a> {
    files: &'a Files,
    candidates: Vec<Candidate>,
    refused: Vec<CheckpointRefusal>,
    /// One that comes before all that were read could not be looked at for now.
    unknown: Option<String>,
}

/// What is asked for, as in [`Job::Pick`](super::Job::Pick).
#[derive(Clone, Copy, Default)]
pub(super) struct Asked<'a> {
    pub(super) set_aside: &'a [String],
    pub(super) known: &'a [CheckpointRef],
    pub(super) from: Option<&'a CheckpointRef>,
    pub(super) anew_since_unix_ms: Option<u64>,
}

pub(super) fn pick(files: &Files, asked: &Asked<'_>) -> Fact {
    let Asked { set_aside, known, from, anew_since_unix_ms } = *asked;
    let is_aside = |path: &Path| set_aside.iter().any(|aside| Path::new(aside) == path);
    let anew_since = anew_since_unix_ms.map(|ms| UNIX_EPOCH + Duration::from_millis(ms));
    // Nobody announced it, and it was saved before the user wanted to begin anew.
    let is_of_the_past = |path: &Path| anew_since.is_some_and(|since| files.changed_at(path) < since);
    let own = match files.own_prsm() {
        Ok(own) => own,
        Err(error) => {
            // Not knowing the checkpoints is not the same as having none: starting from
            // nothing would throw work away, so the attempt does not start at all.
            let folder = files.checkpoints.display();
            tracing::error!(%folder, %error, "checkpoints can't be listed");
            let reason = format!("failed to read the checkpoint folder {folder}: {error}");
            return Fact::CheckpointsUnknown { reason };
        }
    };
    let mut known: BTreeMap<PathBuf, &CheckpointRef> =
        known.iter().map(|known| (PathBuf::from(&known.path), known)).collect();
    let mut search = Search { files, candidates: Vec::new(), refused: Vec::new(), unknown: None };
    for path in own {
        match known.remove(&path) {
            _ if is_aside(&path) => {}
            Some(known) => search.note_prsm(known.clone()),
            None if is_of_the_past(&path) => {}
            None => search.note_prsm(named(&path)),
        }
    }
    for (path, known) in known {
        if !is_aside(&path) {
            search.note_known(&path, known);
        }
    }
    let has_own = !search.candidates.is_empty() || !search.refused.is_empty();
    let chosen = match from {
        Some(from) if !has_own => search.begin_from(from),
        _ => search.choose(),
    };
    if let Some(reason) = search.unknown {
        // To go on from an older one, or from nothing, would throw work away for a bad moment.
        return Fact::CheckpointsUnknown { reason };
    }
    Fact::CheckpointPicked { chosen, refused: search.refused }
}

impl Search<'_> {
    /// Takes down a file of our own format in the run's folder.
    fn note_prsm(&mut self, known: CheckpointRef) {
        match self.files.age_of_prsm(Path::new(&known.path)) {
            Ok(age) => self.candidates.push(Candidate { age, known, is_prsm: true }),
            // If its turn comes it is read again, and then its failure counts.
            Err(refusal) if prsm::judge(&refusal) == Judgement::Passing => {
                let step = known.step.unwrap_or(f64::NEG_INFINITY);
                let age = Age { step, changed: self.files.changed_at(Path::new(&known.path)) };
                self.candidates.push(Candidate { age, known, is_prsm: true });
            }
            Err(refusal) => self.refuse_prsm(known, &refusal),
        }
    }

    /// Takes down one of which only the catalogue knows.
    fn note_known(&mut self, path: &Path, known: &CheckpointRef) {
        if self.files.is_gone(path) {
            self.refuse(known.clone(), GONE.to_owned(), None);
        } else if known.format == CheckpointFormat::Prsm && self.files.is_prsm(path) {
            self.note_prsm(known.clone());
        } else {
            let step = known.step.unwrap_or(f64::NEG_INFINITY);
            let age = Age { step, changed: self.files.changed_at(path) };
            self.candidates.push(Candidate { age, known: known.clone(), is_prsm: false });
        }
    }

    /// Reads from the newest on until one is whole. (One whose numbers are not finite is whole: what
    /// follows from that is not decided here.)
    fn choose(&mut self) -> Option<CheckpointRef> {
        let mut newest_last = std::mem::take(&mut self.candidates);
        // Of equally old ones the last by name is looked at first.
        newest_last.sort_by(|a, b| a.age.compare(&b.age));
        while let Some(Candidate { known, is_prsm, .. }) = newest_last.pop() {
            let whole = if is_prsm { self.read_prsm(known) } else { self.read_foreign(&known) };
            if whole.is_some() || self.unknown.is_some() {
                return whole;
            }
        }
        None
    }

    fn read_prsm(&mut self, known: CheckpointRef) -> Option<CheckpointRef> {
        match prsm::verify(&*self.files.disk, Path::new(&known.path)) {
            Ok(whole) => Some(whole.completing(&known)),
            Err(refusal) => {
                self.refuse_prsm(known, &refusal);
                None
            }
        }
    }

    fn read_foreign(&mut self, known: &CheckpointRef) -> Option<CheckpointRef> {
        let read = if foreign::is_catalogued(known) {
            foreign::compare(self.files, known, &AtomicBool::new(false))
        } else {
            // It was announced, and its check was cut short.
            foreign::register_now(self.files, known, SETTLE)
        };
        read.map_err(|unfit| self.refuse_foreign(known, &unfit)).ok()
    }

    /// What somebody named is taken whatever its numbers are: nobody else has a say in it.
    fn begin_from(&mut self, from: &CheckpointRef) -> Option<CheckpointRef> {
        let path = Path::new(&from.path);
        if self.files.is_prsm(path) {
            return self.read_prsm(from.clone());
        }
        // A manifest of another run is not in our folder: made anew, it must be the same.
        foreign::register_now(self.files, from, SETTLE)
            .map_err(|unfit| self.refuse_foreign(from, &unfit))
            .ok()
    }

    fn refuse_prsm(&mut self, known: CheckpointRef, refusal: &Refusal) {
        let path = Path::new(&known.path);
        let moved_to = match prsm::judge(refusal) {
            Judgement::Gone => {
                // Retention may have removed it since the folder was listed: no news for anybody.
                return;
            }
            Judgement::Passing => return self.is_unknown(&known, refusal),
            Judgement::Unread => None,
            Judgement::Damaged => put_aside(self.files, path),
        };
        self.refuse(known, told(refusal), moved_to);
    }

    fn is_unknown(&mut self, known: &CheckpointRef, error: &dyn std::error::Error) {
        self.unknown = Some(format!("{}: {}", known.checkpoint_id, told(error)));
    }

    fn refuse_foreign(&mut self, known: &CheckpointRef, unfit: &Unfit) {
        if unfit.is_passing() {
            return self.is_unknown(known, unfit);
        }
        let moved_to = unfit.is_damage().then(|| put_aside(self.files, Path::new(&known.path))).flatten();
        self.refuse(known.clone(), told(unfit), moved_to);
    }

    fn refuse(&mut self, checkpoint: CheckpointRef, reason: String, moved_to: Option<String>) {
        self.refused.push(CheckpointRefusal { checkpoint, reason, moved_to });
    }
}
