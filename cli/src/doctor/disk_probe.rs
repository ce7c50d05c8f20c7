//! What is measured of a file system: its room, how long a sync takes, what it promises. The only
//! part of `resus doctor` that writes: one or two files with names of their own, which are removed.

use crate::doctor::disk::{Promises, Room, Syncs};
use rustix::fs::{FallocateFlags, FlockOperation, fallocate, flock, statvfs};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};
use uuid::Uuid;

/// Bytes of a write that is synced: a page of the ledger.
const PAGE_BYTES: usize = 4096;
/// Synced writes that are measured.
const WRITES: usize = 11;
/// Longest time for all of them.
const MEASURE_MAX: Duration = Duration::from_secs(2);

/// The room of the file system at `path`.
///
/// # Errors
/// The I/O error.
pub(crate) fn room(path: &Path, checkpoint_bytes: u64) -> io::Result<Room> {
    let stat = statvfs(path)?;
    Ok(Room {
        path: path.display().to_string(),
        free_bytes: stat.f_bavail.saturating_mul(stat.f_frsize),
        total_bytes: stat.f_blocks.saturating_mul(stat.f_frsize),
        free_inodes: stat.f_favail,
        total_inodes: stat.f_files,
        checkpoint_bytes,
    })
}

/// A file of ours in a folder; it goes when this does.
struct Scrap {
    path: PathBuf,
    file: File,
}

impl Scrap {
    fn make(folder: &Path, name: &str) -> io::Result<Self> {
        let path = folder.join(format!(".doctor-{}-{name}", Uuid::now_v7()));
        let file = OpenOptions::new().read(true).append(true).create_new(true).mode(0o600).open(&path)?;
        Ok(Self { path, file })
    }
}

impl Drop for Scrap {
    fn drop(&mut self) {
        // It may have been renamed on purpose.
        let _gone = fs::remove_file(&self.path);
    }
}

/// How long synced writes in `folder` take.
///
/// # Errors
/// The I/O error of the first that failed.
pub(crate) fn syncs(folder: &Path) -> io::Result<Syncs> {
    let mut scrap = Scrap::make(folder, "sync")?;
    // Whoever ends us while the disk is slow finds nothing left behind.
    fs::remove_file(&scrap.path)?;
    let begin = Instant::now();
    let mut took_us = Vec::new();
    while took_us.len() < WRITES && begin.elapsed() < MEASURE_MAX {
        let start = Instant::now();
        scrap.file.write_all(&[b'd'; PAGE_BYTES])?;
        scrap.file.sync_all()?;
        took_us.push(u64::try_from(start.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    Ok(Syncs { took_us })
}

/// Tries what the ledger and the outputs of workers rely on; `kind` is what the kernel calls it.
///
/// # Errors
/// The I/O error: no file can be made in `folder`.
pub(crate) fn promises(folder: &Path, kind: String) -> io::Result<Promises> {
    let [one, two] = ["one", "two"].map(|name| Scrap::make(folder, name));
    let (mut one, mut two) = (one?, two?);
    let told = |tried: io::Result<()>| tried.map_err(|error| error.to_string());
    let append = told(appends(&mut one));
    let lock = told(locks(&one));
    let punch = told(punches(&one.file));
    let rename = told(renames(&one, &mut two));
    Ok(Promises { kind, rename, lock, append, punch })
}

fn appends(scrap: &mut Scrap) -> io::Result<()> {
    let mut other = OpenOptions::new().append(true).open(&scrap.path)?;
    for text in [b"a", b"c"] {
        scrap.file.write_all(text)?;
        other.write_all(&[text[0] + 1])?;
    }
    let mut found = [0; 4];
    scrap.file.read_exact_at(&mut found, 0)?;
    held(&found == b"abcd", "one writes over what the other wrote")
}

fn locks(scrap: &Scrap) -> io::Result<()> {
    let other = File::open(&scrap.path)?;
    flock(&scrap.file, FlockOperation::NonBlockingLockExclusive)?;
    let second = flock(&other, FlockOperation::NonBlockingLockExclusive);
    held(second == Err(rustix::io::Errno::WOULDBLOCK), "a second lock is granted")?;
    flock(&scrap.file, FlockOperation::Unlock)?;
    Ok(flock(&other, FlockOperation::NonBlockingLockExclusive)?)
}

fn punches(file: &File) -> io::Result<()> {
    file.set_len(2 * PAGE_BYTES as u64)?;
    let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
    Ok(fallocate(file, hole, 0, PAGE_BYTES as u64)?)
}

fn renames(from: &Scrap, to: &mut Scrap) -> io::Result<()> {
    to.file.write_all(b"older")?;
    let mark = from.file.metadata()?.len();
    fs::rename(&from.path, &to.path)?;
    held(!from.path.try_exists()? && fs::metadata(&to.path)?.len() == mark, "the older file is still there")
}

fn held(is_so: bool, otherwise: &str) -> io::Result<()> {
    if is_so { Ok(()) } else { Err(io::Error::other(otherwise.to_owned())) }
}

/// The kind of the file system that `path` (without links) is on, from the text of
/// `/proc/self/mountinfo` (proc(5)); empty = not known.
pub(crate) fn kind(path: &Path, mountinfo: &str) -> String {
    mount(path, mountinfo).map(|mount| mount.kind).unwrap_or_default()
}

/// A line of `/proc/self/mountinfo`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mount {
    /// Where it is mounted.
    pub at: PathBuf,
    /// What it is.
    pub kind: String,
    /// How: its options there and those of the file system.
    pub options: String,
}

/// The mount that `path` (without links) is on.
pub(crate) fn mount(path: &Path, mountinfo: &str) -> Option<Mount> {
    // The last of several mounts at one place hides the others.
    mountinfo.lines().filter_map(read_mount).filter(|mount| path.starts_with(&mount.at)).fold(
        None,
        |best: Option<Mount>, mount| match best {
            Some(best) if best.at.components().count() > mount.at.components().count() => Some(best),
            _ => Some(mount),
        },
    )
}

fn read_mount(line: &str) -> Option<Mount> {
    let (of_mount, of_system) = line.split_once(" - ")?;
    let mut fields = of_mount.split(' ').skip(4);
    let at = PathBuf::from(unescaped(fields.next()?));
    let options = fields.next()?;
    let mut system = of_system.split(' ');
    let kind = system.next()?.to_owned();
    let super_options = system.nth(1).unwrap_or_default();
    Some(Mount { at, kind, options: format!("{options};{super_options}") })
}

/// Spaces and the like are written as `\040`.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, behind)) = rest.split_first() {
        let octal =
            behind.get(..3).filter(|_| *first == b'\\').and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                bytes.push(byte);
                rest = behind.get(3..).unwrap_or_default();
            }
            None => {
                bytes.push(*first);
                rest = behind;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOUNTS: &str = "\
22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw,errors=remount-ro
30 22 0:40 / /home rw - nfs4 srv:/home rw,soft
31 22 0:41 / /mnt/a\\040b rw - fuse.sshfs x rw
32 22 0:42 / /home rw - tmpfs tmpfs rw
broken line";

    #[test]
    fn a_disk_is_measured_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let found = room(folder.path(), 7).unwrap();
        assert!(
            found.total_bytes >= found.free_bytes && found.total_bytes > 0 && found.checkpoint_bytes == 7
        );
        let syncs = syncs(folder.path()).unwrap();
        assert!((1..=WRITES).contains(&syncs.took_us.len()));
        let found = promises(folder.path(), "k".to_owned()).unwrap();
        assert_eq!((&found.rename, &found.lock, &found.append), (&Ok(()), &Ok(()), &Ok(())));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(promises(&folder.path().join("none"), String::new()).is_err());
    }

    #[test]
    fn the_nearest_mount_is_the_one() {
        let of = |path: &str| kind(Path::new(path), MOUNTS);
        assert_eq!([of("/var/x"), of("/home/me"), of("/homes")], ["ext4", "tmpfs", "ext4"]);
        assert_eq!(of("/mnt/a b/c"), "fuse.sshfs");
        assert_eq!(kind(Path::new("/x"), ""), "");
        let own = fs::read_to_string("/proc/self/mountinfo").unwrap();
        assert_ne!(kind(Path::new("/proc/self"), &own), "");
    }
}
