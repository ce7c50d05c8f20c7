//! What was asked of a disk, and what it answered.

use std::fmt;
use std::path::PathBuf;

/// The operations of [`Disk`](crate::Disk) and [`DiskFile`](crate::DiskFile) that can fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[expect(missing_docs, reason = "each is the method of that name")]
pub enum Call {
    Create,
    Open,
    OpenBeneath,
    LookAt,
    List,
    ReadLink,
    Rename,
    RenameNew,
    Remove,
    RemoveFolder,
    MakeFolder,
    SyncFolder,
    Entry,
    Read,
    Write,
    Resize,
    Sync,
}

/// One of them, as it was done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// Which.
    pub call: Call,
    /// Of what; of an open file the path it was opened by.
    pub path: PathBuf,
    /// The second path of a rename.
    pub to: Option<PathBuf>,
    /// Offset and count of a read or write, as asked.
    pub range: Option<(u64, usize)>,
    /// The system's number of the error it was answered with.
    pub error: Option<i32>,
    /// Whether a fault of the plan struck.
    pub struck: bool,
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.call, self.path.display())?;
        if let Some(to) = &self.to {
            write!(f, " -> {}", to.display())?;
        }
        if let Some((offset, count)) = self.range {
            write!(f, " [{offset}, +{count}]")?;
        }
        if let Some(error) = self.error {
            write!(f, " = errno {error}")?;
        }
        Ok(())
    }
}
