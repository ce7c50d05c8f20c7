//! Shows disks as files, so that loop devices can make block devices of them.

use crate::image::{Mood, Recorder};
use fuser::{
    BackgroundSession, Config, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, MountOption, OpenFlags, ReplyAttr, ReplyData, ReplyEmpty, ReplyEntry, ReplyOpen,
    ReplyWrite, Request, WriteFlags,
};
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

/// Sizes and names never change.
const VALID: Duration = Duration::from_secs(60);
const FIRST_FILE: u64 = 2;

/// A disk in use.
pub type Disk = Arc<Mutex<Recorder>>;

/// A folder in which every disk is a file.
pub struct Shelf {
    folder: PathBuf,
    disks: Arc<Mutex<Vec<Disk>>>,
    _session: BackgroundSession,
}

struct Served {
    disks: Arc<Mutex<Vec<Disk>>>,
}

impl Shelf {
    pub fn open(folder: &Path) -> Self {
        let disks = Arc::new(Mutex::new(Vec::new()));
        let mut config = Config::default();
        config.mount_options = vec![MountOption::FSName("disks".into())];
        // One that sleeps must not keep the others from answering.
        config.n_threads = Some(4);
        let session = fuser::spawn_mount(Served { disks: disks.clone() }, folder, &config);
        Self { folder: folder.into(), disks, _session: session.expect("a FUSE mount") }
    }

    /// Adds a disk and says which file it is.
    pub fn add(&self, recorder: Recorder) -> (Disk, PathBuf) {
        let disk = Arc::new(Mutex::new(recorder));
        let mut disks = self.disks.lock().unwrap();
        disks.push(disk.clone());
        (disk, self.folder.join(format!("{}.img", disks.len() - 1)))
    }
}

impl Served {
    fn disk(&self, number: INodeNo) -> Option<Disk> {
        let index = usize::try_from(u64::from(number).checked_sub(FIRST_FILE)?).ok()?;
        self.disks.lock().unwrap().get(index).cloned()
    }

    fn attributes(&self, number: INodeNo) -> Option<FileAttr> {
        let size = match number {
            INodeNo::ROOT => 0,
            file => self.disk(file)?.lock().unwrap().size,
        };
        let is_folder = number == INodeNo::ROOT;
        Some(FileAttr {
            ino: number,
            size,
            blocks: size / 512,
            atime: UNIX_EPOCH,
            mtime: UNIX_EPOCH,
            ctime: UNIX_EPOCH,
            crtime: UNIX_EPOCH,
            kind: if is_folder { FileType::Directory } else { FileType::RegularFile },
            perm: if is_folder { 0o700 } else { 0o600 },
            nlink: 1,
            uid: 0,
            gid: 0,
            rdev: 0,
            flags: 0,
            blksize: 4096,
        })
    }
}

fn rest(disk: &Disk) {
    let mood = disk.lock().unwrap().mood;
    if let Mood::Slow(time) = mood {
        std::thread::sleep(time);
    }
}

impl Filesystem for Served {
    fn lookup(&self, _request: &Request, _parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let index = name.to_str().and_then(|name| name.strip_suffix(".img")?.parse::<u64>().ok());
        match index.and_then(|index| self.attributes(INodeNo(index + FIRST_FILE))) {
            Some(attributes) => reply.entry(&VALID, &attributes, Generation(0)),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn getattr(&self, _request: &Request, number: INodeNo, _handle: Option<FileHandle>, reply: ReplyAttr) {
        match self.attributes(number) {
            Some(attributes) => reply.attr(&VALID, &attributes),
            None => reply.error(Errno::ENOENT),
        }
    }

    fn open(&self, _request: &Request, _number: INodeNo, _flags: OpenFlags, reply: ReplyOpen) {
        // Nothing is cached between the loop device and us.
        reply.opened(FileHandle(0), FopenFlags::FOPEN_DIRECT_IO);
    }

    fn read(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        size: u32,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let Some(disk) = self.disk(number) else { return reply.error(Errno::ENOENT) };
        let disk = disk.lock().unwrap();
        let count = u64::from(size).min(disk.size.saturating_sub(offset));
        reply.data(&disk.now.read(offset, count as usize));
    }

    fn write(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        offset: u64,
        data: &[u8],
        _write_flags: WriteFlags,
        _flags: OpenFlags,
        _owner: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        let Some(disk) = self.disk(number) else { return reply.error(Errno::ENOENT) };
        rest(&disk);
        match disk.lock().unwrap().write(offset, data) {
            true => reply.written(data.len() as u32),
            false => reply.error(Errno::EIO),
        }
    }

    fn fsync(
        &self,
        _request: &Request,
        number: INodeNo,
        _handle: FileHandle,
        _data: bool,
        reply: ReplyEmpty,
    ) {
        let Some(disk) = self.disk(number) else { return reply.error(Errno::ENOENT) };
        rest(&disk);
        match disk.lock().unwrap().flush() {
            true => reply.ok(),
            false => reply.error(Errno::EIO),
        }
    }
}
