//! Ends of attempts on their way to disk: what can't be written now is tried again.

use std::path::PathBuf;

use crate::evidence;
use crate::log::note;
use crate::machine::Millis;
use crate::protocol::{Exit, Exited};

/// Time between two tries to record an end that could not be recorded.
const RETRY_MS: Millis = 5_000;

/// The ends that are not on disk yet.
#[derive(Debug, Default)]
pub(crate) struct Records {
    late: Vec<Unrecorded>,
}

#[derive(Debug)]
struct Unrecorded {
    attempt: u32,
    dir: PathBuf,
    exit: Exit,
    due: Millis,
}

impl Records {
    /// Records the end of the attempt in `dir`, now or later; what to say of it.
    pub(crate) fn write(&mut self, attempt: u32, dir: PathBuf, exit: Exit, now: Millis) -> Exited {
        let failure = evidence::write_exit(&dir, &exit).err().map(|error| error.to_string());
        if let Some(error) = &failure {
            note!("cannot record the end of attempt {attempt}: {error}");
            self.late.push(Unrecorded { attempt, dir, exit: exit.clone(), due: now + RETRY_MS });
        }
        Exited { attempt, exit, unrecorded: failure }
    }

    /// Tries again; which attempts are recorded now.
    pub(crate) fn retry(&mut self, now: Millis) -> Vec<u32> {
        let mut recorded = Vec::new();
        self.late.retain_mut(|late| {
            if now < late.due {
                return true;
            }
            late.due = now + RETRY_MS;
            let done = evidence::write_exit(&late.dir, &late.exit).is_ok();
            if done {
                recorded.push(late.attempt);
            }
            !done
        });
        recorded
    }

    /// When [`Records::retry`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Millis> {
        self.late.iter().map(|late| late.due).min()
    }
}
