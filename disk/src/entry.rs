//! What lies under a name.

use std::time::{Duration, SystemTime};

/// What a name or an open file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Which sort of thing.
    pub kind: Kind,
    /// Size in bytes; of a folder whatever the file system says.
    pub size: u64,
    /// What it takes on the disk, in bytes: less than its size where it has holes, more where blocks are large.
    pub allocated: u64,
    /// When its content was last changed.
    pub modified: SystemTime,
    /// User id of its owner.
    pub owner: u32,
    /// Device and number: equal for two names of one file.
    pub identity: (u64, u64),
}

/// The sorts of things that names stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A regular file.
    File,
    /// A folder.
    Folder,
    /// A symbolic link.
    Link,
    /// A pipe, a socket or a device.
    Other,
}

impl Entry {
    pub(crate) fn of(stat: &rustix::fs::Stat) -> Self {
        use rustix::fs::FileType;
        let kind = match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Kind::File,
            FileType::Directory => Kind::Folder,
            FileType::Symlink => Kind::Link,
            _ => Kind::Other,
        };
        Self {
            kind,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            // POSIX counts in units of 512 bytes, whatever the blocks of the file system are.
            allocated: u64::try_from(stat.st_blocks).unwrap_or(0).saturating_mul(512),
            modified: time(stat.st_mtime, stat.st_mtime_nsec),
            owner: stat.st_uid,
            identity: (stat.st_dev, stat.st_ino),
        }
    }
}

/// A time before 1970 or beyond what the clock can say counts as 1970.
fn time(seconds: i64, nanoseconds: impl TryInto<u32>) -> SystemTime {
    let since = u64::try_from(seconds).ok().map(|s| Duration::new(s, nanoseconds.try_into().unwrap_or(0)));
    since.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since)).unwrap_or(SystemTime::UNIX_EPOCH)
}
