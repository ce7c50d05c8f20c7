//! The disk as the system has it.

use std::ffi::{OsStr, OsString};
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use rustix::fs::{Advice, CWD, Dir, Mode, OFlags, RenameFlags, fadvise, fstat, lstat, openat, renameat_with};
use rustix::io::Errno;

use crate::{Disk, DiskFile, Entry, beneath};

/// Read, but do not follow a link, wait for a pipe's other end, or leave it to a child.
pub(crate) const READ_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::NOFOLLOW).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);
const CREATE_FLAGS: OFlags =
    OFlags::RDWR.union(OFlags::CREATE).union(OFlags::EXCL).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);
/// A folder, behind a link if the caller says so; whatever else lies there is refused at once.
const FOLDER_FLAGS: OFlags =
    OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NONBLOCK).union(OFlags::CLOEXEC);

/// The disk of this machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct Real;

pub(crate) fn open_raw(path: &Path, flags: OFlags) -> io::Result<OwnedFd> {
    Ok(openat(CWD, path, flags, Mode::RUSR | Mode::WUSR)?)
}

/// The names in a folder, sorted; stops after one more than `most`.
pub(crate) fn names(folder: Dir, most: usize) -> io::Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in folder {
        let entry = entry?;
        let name = entry.file_name().to_bytes();
        if name == b"." || name == b".." {
            continue;
        }
        names.push(OsStr::from_bytes(name).to_owned());
        if names.len() > most {
            break;
        }
    }
    names.sort_unstable();
    Ok(names)
}

impl Disk for Real {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(open_raw(path, CREATE_FLAGS)?.into())))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(open_raw(path, READ_FLAGS)?.into())))
    }

    fn open_beneath(&self, root: &Path, relative: &Path) -> io::Result<Box<dyn DiskFile>> {
        Ok(Box::new(RealFile(beneath::open(root, relative)?.into())))
    }

    fn look_at(&self, path: &Path) -> io::Result<Entry> {
        Ok(Entry::of(&lstat(path)?))
    }

    fn list(&self, folder: &Path, most: usize) -> io::Result<Vec<OsString>> {
        names(Dir::new(open_raw(folder, FOLDER_FLAGS)?)?, most)
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        fs::read_link(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // A file system that does not know the flag. Then the look comes before the act: whoever can
            // put something there in between can write into the folder anyway.
            Err(Errno::INVAL | Errno::NOSYS) => match lstat(to) {
                Err(Errno::NOENT) => fs::rename(from, to),
                Ok(_) => Err(io::ErrorKind::AlreadyExists.into()),
                Err(errno) => Err(errno.into()),
            },
            result => Ok(result?),
        }
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        fs::remove_dir(path)
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(path)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        File::from(open_raw(folder, FOLDER_FLAGS)?).sync_all()
    }
}

/// An open file of this machine.
#[derive(Debug)]
struct RealFile(File);

impl DiskFile for RealFile {
    fn entry(&self) -> io::Result<Entry> {
        Ok(Entry::of(&fstat(&self.0)?))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.0.read_at(buffer, offset)
    }

    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<usize> {
        self.0.write_at(bytes, offset)
    }

    fn sync(&self) -> io::Result<()> {
        self.0.sync_all()
    }

    fn drop_cache(&self) {
        // A refusal leaves a read-back that may be served from memory, which is what everyone else has.
        let _ = fadvise(&self.0, 0, None, Advice::DontNeed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use std::os::unix::fs::{PermissionsExt, symlink};

    fn kind_of(error: io::Result<impl Sized>) -> io::ErrorKind {
        error.err().map_or(io::ErrorKind::Other, |error| error.kind())
    }

    /// The kind of an error that tells of a link; it has no stable name.
    fn a_link() -> io::ErrorKind {
        io::Error::from(Errno::LOOP).kind()
    }

    #[test]
    fn a_created_file_is_new_ours_alone_and_can_be_read_back() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let file = Real.create(&path).unwrap();
        file.write_all_at(b"hello", 3).unwrap();
        file.sync().unwrap();
        let mut bytes = [0; 8];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"\0\0\0hello");
        assert_eq!(kind_of(file.read_exact_at(&mut bytes, 1)), io::ErrorKind::UnexpectedEof);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(kind_of(Real.create(&path)), io::ErrorKind::AlreadyExists);
        assert_eq!(Real.look_at(&path).unwrap(), file.entry().unwrap());
    }

    #[test]
    fn links_are_seen_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, link) = (folder.path().join("target"), folder.path().join("link"));
        fs::write(&target, "x").unwrap();
        symlink("target", &link).unwrap();
        assert_eq!(Real.look_at(&link).unwrap().kind, Kind::Link);
        assert_eq!(Real.read_link(&link).unwrap(), Path::new("target"));
        assert_eq!(kind_of(Real.open(&link)), a_link());
        assert_eq!(kind_of(Real.create(&link)), io::ErrorKind::AlreadyExists);
    }

    #[test]
    fn nothing_outside_a_folder_is_opened_from_within() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().join("root");
        fs::create_dir_all(root.join("sub")).unwrap();
        fs::write(root.join("sub/inside"), "in").unwrap();
        fs::write(folder.path().join("outside"), "out").unwrap();
        symlink("..", root.join("up")).unwrap();
        symlink("sub", root.join("down")).unwrap();
        symlink("../../outside", root.join("sub/link")).unwrap();
        assert_eq!(Real.open_beneath(&root, Path::new("sub/inside")).unwrap().entry().unwrap().size, 2);
        for (path, error) in [
            ("../outside", io::ErrorKind::InvalidInput),
            ("/etc/passwd", io::ErrorKind::InvalidInput),
            ("", io::ErrorKind::InvalidInput),
            ("up/outside", io::ErrorKind::NotADirectory),
            ("down/inside", io::ErrorKind::NotADirectory),
            ("sub/link", a_link()),
            ("sub/missing", io::ErrorKind::NotFound),
        ] {
            assert_eq!(kind_of(Real.open_beneath(&root, Path::new(path))), error, "{path}");
        }
    }

    #[test]
    fn a_taken_name_is_not_given_away_but_replaced_where_that_is_meant() {
        let folder = tempfile::tempdir().unwrap();
        let [one, two] = ["one", "two"].map(|name| folder.path().join(name));
        fs::write(&one, "1").unwrap();
        fs::write(&two, "2").unwrap();
        assert_eq!(kind_of(Real.rename_new(&one, &two)), io::ErrorKind::AlreadyExists);
        Real.rename(&one, &two).unwrap();
        assert_eq!(fs::read_to_string(&two).unwrap(), "1");
        Real.rename_new(&two, &one).unwrap();
        assert_eq!(Real.list(folder.path(), 10).unwrap(), ["one"]);
        Real.sync_folder(folder.path()).unwrap();
        Real.remove(&one).unwrap();
        assert_eq!(kind_of(Real.look_at(&one)), io::ErrorKind::NotFound);
    }

    #[test]
    fn of_a_large_folder_one_name_more_than_allowed_is_listed() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["c", "a", ".b"] {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(Real.list(folder.path(), 3).unwrap(), [".b", "a", "c"]);
        assert_eq!(Real.list(folder.path(), usize::MAX).unwrap().len(), 3);
        for most in 0..3 {
            assert_eq!(Real.list(folder.path(), most).unwrap().len(), most + 1);
        }
    }

    #[test]
    fn a_folder_may_be_given_by_a_link_and_what_is_none_is_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let [pipe, file, link, inner] =
            ["pipe", "file", "link", "inner"].map(|name| folder.path().join(name));
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR | Mode::WUSR).unwrap();
        fs::write(&file, "").unwrap();
        Real.make_folder(&inner).unwrap();
        fs::write(inner.join("a"), "").unwrap();
        symlink("inner", &link).unwrap();
        for path in [&pipe, &file] {
            assert_eq!(kind_of(Real.list(path, 10)), io::ErrorKind::NotADirectory);
            assert_eq!(kind_of(Real.sync_folder(path)), io::ErrorKind::NotADirectory);
        }
        assert_eq!(Real.list(&link, 10).unwrap(), ["a"]);
        Real.sync_folder(&link).unwrap();
    }

    #[test]
    fn a_pipe_is_looked_at_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        rustix::fs::mkfifoat(CWD, &pipe, Mode::RUSR).unwrap();
        assert_eq!(Real.open(&pipe).unwrap().entry().unwrap().kind, Kind::Other);
    }
}
