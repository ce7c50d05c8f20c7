//! The file systems of the state folder and of checkpoints: room, speed, kind. Pure.

use crate::doctor::Check;
use crate::doctor::probe::NoAnswer;
use crate::text::{number, size};
use resus_core::exit::ExitCode;

/// With less free, the ledger itself may soon have no room.
const FREE_BYTES_MIN: u64 = 128 << 20;
/// With less free, a few checkpoints or a talkative worker fill the disk.
const FREE_BYTES_LOW: u64 = 2 << 30;
/// Checkpoints of the largest size that should fit: the next one, and one that retention still keeps.
const CHECKPOINTS_WANTED: u64 = 2;
/// With fewer free, a run and its attempts may soon find no inode.
const INODES_MIN: u64 = 200;
/// With fewer free, somebody should look.
const INODES_LOW: u64 = 10_000;
/// A synced write that takes longer is felt: every event is one.
const SYNC_SLOW_US: u64 = 50_000;

/// What to type to see what fills a disk.
const MAKE_ROOM: &str = "resus prune --dry-run; resus checkpoints prune RUN --dry-run; du -sh";

/// How much room a file system has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Room {
    /// A folder on it.
    pub path: String,
    /// Bytes that we may still write.
    pub free_bytes: u64,
    /// All its bytes.
    pub total_bytes: u64,
    /// Inodes that we may still use.
    pub free_inodes: u64,
    /// All its inodes; 0 = it does not count them.
    pub total_inodes: u64,
    /// Size of the largest checkpoint that a live run saves there; 0 = none is known.
    pub checkpoint_bytes: u64,
}

/// How long synced writes took, in microseconds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Syncs {
    /// Each.
    pub took_us: Vec<u64>,
}

/// What was tried of a file system, and whether it held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Promises {
    /// What the kernel calls it, e.g. `ext4` or `nfs4`; empty = not known.
    pub kind: String,
    /// A file that is put in place of another one is there as a whole.
    pub rename: Result<(), String>,
    /// A lock keeps a second one out.
    pub lock: Result<(), String>,
    /// Whoever appends writes behind what others appended.
    pub append: Result<(), String>,
    /// The beginning of a file can be given back.
    pub punch: Result<(), String>,
}

/// That a file system does not answer.
pub(crate) fn is_late(what: &'static str, why: &NoAnswer) -> Check {
    let said = format!("the file system of the state folder gives {why}");
    let fix = "dmesg | tail; choose a folder on another disk with --state-dir";
    Check::bad(what, said, fix, ExitCode::DaemonUnreachable)
}

/// Whether there is room, in bytes and in inodes.
pub(crate) fn room(room: &Room) -> [Check; 2] {
    [bytes(room), inodes(room)]
}

fn bytes(room: &Room) -> Check {
    const WHAT: &str = "space";
    let Room { path, free_bytes, total_bytes, checkpoint_bytes, .. } = room;
    let said = format!("{} of {} free at {path}", size::show(*free_bytes), size::show(*total_bytes));
    let bad = |said: String| Check::bad(WHAT, said, MAKE_ROOM, ExitCode::DaemonUnreachable);
    if *free_bytes < FREE_BYTES_MIN {
        return bad(format!("{said}: events and checkpoints will not find room"));
    }
    let checkpoint = size::show(*checkpoint_bytes);
    if free_bytes < checkpoint_bytes {
        return bad(format!("{said}: the next checkpoint ({checkpoint}) does not fit"));
    }
    if *free_bytes < checkpoint_bytes.saturating_mul(CHECKPOINTS_WANTED) {
        let said = format!("{said}: one more checkpoint ({checkpoint}) fits, and not a second");
        return Check::warning(WHAT, said, MAKE_ROOM);
    }
    if *free_bytes < FREE_BYTES_LOW {
        return Check::warning(WHAT, format!("{said}: that is not much"), MAKE_ROOM);
    }
    Check::good(WHAT, said)
}

fn inodes(room: &Room) -> Check {
    const WHAT: &str = "inodes";
    let Room { path, free_inodes, total_inodes, .. } = room;
    if *total_inodes == 0 {
        return Check::good(WHAT, format!("the file system at {path} makes them as it needs them"));
    }
    let said = format!("{} free at {path}", number::amount(*free_inodes as f64));
    let fix = "find the folder with the most files: du --inodes -d2 ~ | sort -n | tail";
    match *free_inodes {
        free if free < INODES_MIN => {
            Check::bad(WHAT, format!("{said}: no file can be made soon"), fix, ExitCode::DaemonUnreachable)
        }
        free if free < INODES_LOW => Check::warning(WHAT, format!("{said}: that is not much"), fix),
        _ => Check::good(WHAT, said),
    }
}

/// How long it takes until an event is on the disk.
pub(crate) fn fsync(syncs: &Result<Syncs, String>) -> Check {
    const WHAT: &str = "fsync";
    let took = match syncs {
        Ok(Syncs { took_us }) => took_us,
        Err(why) => {
            let said = format!("a file in the state folder can't be written and synced: {why}");
            let fix = "look at the disk: df -h; dmesg | tail; or choose another folder with --state-dir";
            return Check::bad(WHAT, said, fix, ExitCode::DaemonUnreachable);
        }
    };
    let mut took = took.clone();
    took.sort_unstable();
    let (Some(median), Some(longest)) = (took.get(took.len() / 2), took.last()) else {
        return Check::warning(WHAT, "nothing could be measured in time", "resus doctor, in a moment");
    };
    let said =
        format!("a synced write takes {} (median of {}, longest {})", ms(*median), took.len(), ms(*longest));
    if *median > SYNC_SLOW_US {
        let said = format!("{said}: every event waits for one");
        return Check::warning(WHAT, said, "put the state folder on a faster disk: --state-dir");
    }
    Check::good(WHAT, said)
}

fn ms(us: u64) -> String {
    format!("{:.1} ms", us as f64 / 1000.0)
}

/// Whether the file system is one to keep a ledger on.
pub(crate) fn file_system(promises: &Promises) -> Check {
    const WHAT: &str = "file-system";
    const OTHER: &str = "choose a folder on a local disk: --state-dir, or XDG_STATE_HOME";
    let kind = if promises.kind.is_empty() { "of unknown kind" } else { promises.kind.as_str() };
    let needed = [
        ("replacing a file by renaming", &promises.rename),
        ("locking (flock)", &promises.lock),
        ("appending from two places", &promises.append),
    ];
    let broken: Vec<String> = needed
        .into_iter()
        .filter_map(|(what, held)| held.as_ref().err().map(|why| format!("{what}: {why}")))
        .collect();
    if !broken.is_empty() {
        let said = format!("{kind}; it does not keep what the ledger relies on: {}", broken.join("; "));
        return Check::bad(WHAT, said, OTHER, ExitCode::DaemonUnreachable);
    }
    if let Some(remark) = remark(&promises.kind) {
        return Check::warning(WHAT, format!("{kind}: {remark}"), OTHER);
    }
    if let Err(why) = &promises.punch {
        let said = format!(
            "{kind}; it can't give back the beginning of a file ({why}): long outputs keep their room"
        );
        return Check::warning(WHAT, said, OTHER);
    }
    Check::good(WHAT, format!("{kind}; renames, locks, appends and holes are as they should be"))
}

/// What is to be known of a kind of file system that looks good.
fn remark(kind: &str) -> Option<&'static str> {
    match kind {
        "tmpfs" | "ramfs" => {
            Some("it is in memory; runs and checkpoints are gone after a restart of the machine")
        }
        "nfs" | "nfs4" | "cifs" | "smb3" | "9p" | "afs" | "ceph" | "lustre" | "gpfs" | "beegfs"
        | "glusterfs" => Some(
            "it is on a network; when that is away, everything waits, and a second machine must not use the folder",
        ),
        kind if kind == "fuse" || kind.starts_with("fuse.") || kind == "virtiofs" => {
            Some("a program serves it (FUSE); locks and syncs are what that program makes of them")
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark::{self, Bad, Good, Warning};

    const GIB: u64 = 1 << 30;

    fn of(free_bytes: u64, checkpoint_bytes: u64, free_inodes: u64, total_inodes: u64) -> [Mark; 2] {
        let path = "/s".to_owned();
        let found =
            Room { path, free_bytes, total_bytes: 99 * GIB, free_inodes, total_inodes, checkpoint_bytes };
        room(&found).map(|check| check.mark)
    }

    #[test]
    fn room_is_judged_by_what_is_still_to_be_written() {
        let many = 1_000_000;
        let table = [
            ((99 * GIB, 0, many, many), [Good, Good]),
            ((0, 0, many, many), [Bad, Good]),
            ((FREE_BYTES_MIN - 1, 0, many, many), [Bad, Good]),
            ((FREE_BYTES_MIN, 0, many, many), [Warning, Good]),
            ((FREE_BYTES_LOW, 0, many, many), [Good, Good]),
            ((9 * GIB, 10 * GIB, many, many), [Bad, Good]),
            ((10 * GIB, 10 * GIB, many, many), [Warning, Good]),
            ((20 * GIB, 10 * GIB, many, many), [Good, Good]),
            ((9 * GIB, u64::MAX, many, many), [Bad, Good]),
            ((9 * GIB, 0, 0, 0), [Good, Good]),
            ((9 * GIB, 0, INODES_MIN - 1, many), [Good, Bad]),
            ((9 * GIB, 0, INODES_LOW - 1, many), [Good, Warning]),
            ((9 * GIB, 0, INODES_LOW, many), [Good, Good]),
        ];
        for ((bytes, checkpoint, free, total), marks) in table {
            assert_eq!(of(bytes, checkpoint, free, total), marks, "{bytes} {checkpoint} {free} {total}");
        }
    }

    #[test]
    fn the_median_tells_a_slow_disk_and_one_slow_write_does_not() {
        let of = |took_us: &[u64]| fsync(&Ok(Syncs { took_us: took_us.to_vec() }));
        let check = of(&[900, 200_000, 1200]);
        assert_eq!(
            (check.mark, check.said.as_str()),
            (Good, "a synced write takes 1.2 ms (median of 3, longest 200.0 ms)")
        );
        assert_eq!(of(&[50_000; 3]).mark, Good);
        assert_eq!(of(&[50_001; 3]).mark, Warning);
        assert_eq!(of(&[]).mark, Warning);
        assert_eq!(fsync(&Err("no space".to_owned())).mark, Bad);
    }

    #[test]
    fn a_file_system_is_judged_by_what_it_does_and_then_by_its_name() {
        let good = |kind: &str| Promises {
            kind: kind.to_owned(),
            rename: Ok(()),
            lock: Ok(()),
            append: Ok(()),
            punch: Ok(()),
        };
        for (kind, mark) in [
            ("ext4", Good),
            ("", Good),
            ("overlay", Good),
            ("nfs4", Warning),
            ("fuse.sshfs", Warning),
            ("fuseblk", Good),
            ("tmpfs", Warning),
        ] {
            assert_eq!(file_system(&good(kind)).mark, mark, "{kind}");
        }
        let broken = || Err("it does not".to_owned());
        assert_eq!(file_system(&Promises { punch: broken(), ..good("xfs") }).mark, Warning);
        for bad in [
            Promises { rename: broken(), ..good("ext4") },
            Promises { lock: broken(), ..good("nfs4") },
            Promises { append: broken(), ..good("ext4") },
        ] {
            let check = file_system(&bad);
            assert!(check.mark == Bad && check.said.contains("it does not"), "{check:?}");
        }
    }
}
