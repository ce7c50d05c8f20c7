//! What goes wrong, and when.

use std::ops::Range;

use rustix::io::Errno;

use crate::faulty::log::Call;

/// The faults of a disk. Operations are counted from 0, each one in the log is one.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    faults: Vec<(Range<usize>, Fault)>,
    after_failed_sync: Shows,
}

/// What a file shows after its `sync` has failed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Shows {
    /// What was written, as it is still in memory: the file seems fine, and is not on disk.
    #[default]
    New,
    /// What was there before, zeros where nothing was: memory was needed for something else.
    Old,
}

/// What goes wrong with an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fault {
    Error(Errno),
    /// A write takes so many bytes and no more.
    Short(usize),
    /// A sync is confirmed and not done.
    Lie,
    /// The sync of a file is done, then one of its bytes on the medium changes.
    Rot {
        byte: usize,
    },
}

impl Plan {
    /// The operation `n` fails.
    #[must_use]
    pub fn fail(n: usize, errno: Errno) -> Self {
        Self::default().and(n..n.saturating_add(1), Fault::Error(errno))
    }

    /// From the operation `n` on, all that can fail in this way do: a disk that is full, went read-only,
    /// or is gone.
    #[must_use]
    pub fn fail_from(n: usize, errno: Errno) -> Self {
        Self::default().and(n..usize::MAX, Fault::Error(errno))
    }

    /// The write at operation `n` takes only `bytes` bytes.
    #[must_use]
    pub fn short_write(n: usize, bytes: usize) -> Self {
        Self::default().and(n..n.saturating_add(1), Fault::Short(bytes))
    }

    /// From the operation `n` on, syncs are confirmed and not done.
    #[must_use]
    pub fn lie_from(n: usize) -> Self {
        Self::default().and(n..usize::MAX, Fault::Lie)
    }

    /// The sync of a file at operation `n` is done, and right after it the medium gets that byte wrong
    /// (counted from 0, again from the start of the file if it is shorter): who reads sees it once the
    /// cache is dropped.
    #[must_use]
    pub fn rot_after_sync(n: usize, byte: usize) -> Self {
        Self::default().and(n..n.saturating_add(1), Fault::Rot { byte })
    }

    /// The same, but after a failed sync a file shows this.
    #[must_use]
    pub fn showing(mut self, shows: Shows) -> Self {
        self.after_failed_sync = shows;
        self
    }

    fn and(mut self, when: Range<usize>, fault: Fault) -> Self {
        self.faults.push((when, fault));
        self
    }

    pub(super) fn after_failed_sync(&self) -> Shows {
        self.after_failed_sync
    }

    /// What goes wrong with the operation `n`.
    pub(super) fn fault(&self, n: usize, call: Call) -> Option<Fault> {
        let due = self.faults.iter().filter(|(when, _)| when.contains(&n));
        due.map(|(_, fault)| *fault).find(|fault| can_happen(*fault, call))
    }
}

/// Whether that fault can happen to that call: a full disk can still be read.
fn can_happen(fault: Fault, call: Call) -> bool {
    let syncs = matches!(call, Call::Sync | Call::SyncFolder);
    match fault {
        Fault::Short(_) => call == Call::Write,
        Fault::Lie => syncs,
        Fault::Rot { .. } => call == Call::Sync,
        Fault::Error(errno) => match errno {
            Errno::NOSPC | Errno::DQUOT => {
                // A rename may need a new block for its folder, a sync blocks for what was promised.
                syncs || matches!(call, Call::Create | Call::Write | Call::MakeFolder) || renames(call)
            }
            Errno::ROFS => {
                let makes = matches!(call, Call::Create | Call::Write | Call::MakeFolder);
                makes || syncs || renames(call) || matches!(call, Call::Remove | Call::RemoveFolder)
            }
            Errno::MFILE | Errno::NFILE => {
                let opens = matches!(call, Call::Create | Call::Open | Call::OpenBeneath);
                opens || matches!(call, Call::List | Call::SyncFolder)
            }
            _ => true,
        },
    }
}

fn renames(call: Call) -> bool {
    matches!(call, Call::Rename | Call::RenameNew)
}
