//! What to say of a v1 file, look by look. Pure: time and content are given.

use resus_core::pulse::v1::reader::{Reason, Saying, V1Reader};
use resus_core::pulse::v1::{SnapshotV1, StatusV1};

/// Something to say in PULSE v2.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Word {
    /// For the log.
    Warning(String),
    /// No training is under way; what the file says of it.
    Waiting(String),
    /// A training is under way.
    Begun(SnapshotV1),
    /// It goes on.
    Progress(SnapshotV1),
    /// Nothing has changed, and we are still here.
    Beat,
    /// The training has fallen silent; the snapshot as it is to be shown.
    Stale(SnapshotV1),
    /// It is heard again.
    Alive,
    /// It is over.
    Ended(SnapshotV1),
}

/// Watches one training in a v1 file.
#[derive(Debug, Default)]
pub(crate) struct Watcher {
    reader: V1Reader,
    /// An end at this Unix second or before is an old story.
    after: u64,
    begun: bool,
    stale: bool,
}

impl Watcher {
    pub(crate) fn new(after: u64) -> Self {
        Self { after, ..Self::default() }
    }

    /// A training has been seen.
    pub(crate) fn has_begun(&self) -> bool {
        self.begun
    }

    /// When to look next, on the clock of the looks.
    pub(crate) fn next_look_ms(&self) -> u64 {
        self.reader.next_poll()
    }

    /// A look at the file at `now_ms` of a monotonic clock and `now_unix_s` of the wall clock.
    /// Nothing more is to be said after [`Word::Ended`].
    pub(crate) fn look(&mut self, now_ms: u64, now_unix_s: u64, content: Option<&[u8]>) -> Vec<Word> {
        let mut words = Vec::new();
        for saying in self.reader.poll(now_ms, now_unix_s, content) {
            match saying {
                Saying::Warn(warning) => words.push(Word::Warning(warning.to_string())),
                // Its first snapshot follows and tells more.
                Saying::NewRun => {}
                Saying::Emit { snapshot, reason } if self.begun => self.goes_on(snapshot, reason, &mut words),
                Saying::Emit { snapshot, reason } => self.may_begin(snapshot, reason, &mut words),
            }
        }
        words
    }

    fn may_begin(&mut self, snapshot: SnapshotV1, reason: Reason, words: &mut Vec<Word>) {
        let is_old = snapshot.timestamp <= self.after;
        match (reason, snapshot.status) {
            (Reason::Heartbeat, _) => {}
            (Reason::Stale, _) => {
                self.begin(&snapshot, words);
                self.stale = true;
                words.push(Word::Stale(snapshot));
            }
            (_, StatusV1::Running) => self.begin(&snapshot, words),
            // It began and ended between two looks, or while nobody looked.
            (_, StatusV1::Done | StatusV1::Error) if !is_old => {
                self.begin(&snapshot, words);
                words.push(Word::Ended(snapshot));
            }
            (_, StatusV1::Idle | StatusV1::Done | StatusV1::Error) => {
                words.push(Word::Waiting(snapshot.message));
            }
        }
    }

    fn begin(&mut self, snapshot: &SnapshotV1, words: &mut Vec<Word>) {
        self.begun = true;
        words.push(Word::Begun(snapshot.clone()));
    }

    fn goes_on(&mut self, snapshot: SnapshotV1, reason: Reason, words: &mut Vec<Word>) {
        match reason {
            Reason::Heartbeat => words.push(Word::Beat),
            Reason::Stale => {
                // Said once; a file that is touched without its time moving is still silent.
                if !std::mem::replace(&mut self.stale, true) {
                    words.push(Word::Stale(snapshot));
                }
            }
            Reason::Changed | Reason::Final => {
                if std::mem::take(&mut self.stale) {
                    words.push(Word::Alive);
                }
                let is_over = snapshot.status.is_terminal();
                words.push(if is_over { Word::Ended(snapshot) } else { Word::Progress(snapshot) });
            }
        }
    }
}

#[cfg(test)]
mod tests;
