//! Folders that are held open: what lies in them is reached by name from there, so that nobody who
//! puts a link or another folder in the place of one on the way leads us elsewhere.

use std::ffi::{OsStr, OsString};
use std::fmt::Debug;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use rustix::fs::{AtFlags, Dir, Mode, OFlags, chmod, fchmod, fstat, fsync, openat, statat, unlinkat};

use crate::real::open_raw;
use crate::{Disk, Entry, Real};

/// A folder and nothing else, not even a link to one.
const FLAGS: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::NONBLOCK)
    .union(OFlags::CLOEXEC);

/// A disk whose folders can be held open.
pub trait FolderDisk: Disk {
    /// Opens the folder at `path`, which must not be a link; the folders before it may be links.
    ///
    /// # Errors
    /// `NotADirectory` for whatever else has the path; what the system says.
    fn open_folder(&self, path: &Path) -> io::Result<Box<dyn DiskFolder>>;
}

/// An open folder. Every `name` is one name in it: neither a path, nor `.` or `..`.
pub trait DiskFolder: Debug + Send + Sync {
    /// What the folder itself is.
    ///
    /// # Errors
    /// What the system says.
    fn entry(&self) -> io::Result<Entry>;

    /// The names in it, as [`Disk::list`].
    ///
    /// # Errors
    /// What the system says.
    fn list(&self, most: usize) -> io::Result<Vec<OsString>>;

    /// What lies under that name, without following it.
    ///
    /// # Errors
    /// `NotFound`; `InvalidInput` if it is no name; what the system says.
    fn look_at(&self, name: &OsStr) -> io::Result<Entry>;

    /// Opens a folder in it, which must not be a link.
    ///
    /// # Errors
    /// `NotADirectory` for whatever else has the name; as [`DiskFolder::look_at`].
    fn open_folder(&self, name: &OsStr) -> io::Result<Box<dyn DiskFolder>>;

    /// Removes a file or a link in it.
    ///
    /// # Errors
    /// As [`DiskFolder::look_at`].
    fn remove(&self, name: &OsStr) -> io::Result<()>;

    /// Removes an empty folder in it.
    ///
    /// # Errors
    /// As [`DiskFolder::look_at`].
    fn remove_folder(&self, name: &OsStr) -> io::Result<()>;

    /// Lets its owner read, change and enter it, whatever its mode was.
    ///
    /// # Errors
    /// What the system says, e.g. that it is not ours.
    fn open_up(&self) -> io::Result<()>;

    /// The same for a folder in it, which must not be a link: one that can't be opened as it is.
    ///
    /// # Errors
    /// `NotADirectory` for whatever else has the name; as [`DiskFolder::look_at`].
    fn open_up_inner(&self, name: &OsStr) -> io::Result<()>;

    /// Brings its names to disk, as [`Disk::sync_folder`].
    ///
    /// # Errors
    /// What the system says.
    fn sync(&self) -> io::Result<()>;
}

/// Only a name leads nowhere but into the folder.
pub(crate) fn check_name(name: &OsStr) -> io::Result<&OsStr> {
    let bytes = name.as_bytes();
    let leads_out = bytes.is_empty() || bytes == b"." || bytes == b".." || bytes.contains(&b'/');
    if leads_out { Err(io::ErrorKind::InvalidInput.into()) } else { Ok(name) }
}

impl FolderDisk for Real {
    fn open_folder(&self, path: &Path) -> io::Result<Box<dyn DiskFolder>> {
        Ok(Box::new(RealFolder(open_raw(path, FLAGS)?)))
    }
}

/// An open folder of this machine.
#[derive(Debug)]
struct RealFolder(OwnedFd);

impl DiskFolder for RealFolder {
    fn entry(&self) -> io::Result<Entry> {
        Ok(Entry::of(&fstat(&self.0)?))
    }

    fn list(&self, most: usize) -> io::Result<Vec<OsString>> {
        crate::real::names(Dir::read_from(&self.0)?, most)
    }

    fn look_at(&self, name: &OsStr) -> io::Result<Entry> {
        Ok(Entry::of(&statat(&self.0, check_name(name)?, AtFlags::SYMLINK_NOFOLLOW)?))
    }

    fn open_folder(&self, name: &OsStr) -> io::Result<Box<dyn DiskFolder>> {
        Ok(Box::new(Self(openat(&self.0, check_name(name)?, FLAGS, Mode::empty())?)))
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, check_name(name)?, AtFlags::empty())?)
    }

    fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        Ok(unlinkat(&self.0, check_name(name)?, AtFlags::REMOVEDIR)?)
    }

    fn open_up(&self) -> io::Result<()> {
        Ok(fchmod(&self.0, Mode::from_raw_mode(fstat(&self.0)?.st_mode) | Mode::RWXU)?)
    }

    fn open_up_inner(&self, name: &OsStr) -> io::Result<()> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let held = openat(&self.0, check_name(name)?, flags, Mode::empty())?;
        let mode = Mode::from_raw_mode(fstat(&held)?.st_mode) | Mode::RWXU;
        // Such a descriptor takes no mode, but the name that the system gives it means what is held.
        Ok(chmod(format!("/proc/self/fd/{}", held.as_raw_fd()), mode)?)
    }

    fn sync(&self) -> io::Result<()> {
        Ok(fsync(&self.0)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Kind;
    use std::fs;
    use std::os::unix::fs::symlink;

    fn kind_of(error: io::Result<impl Sized>) -> Option<io::ErrorKind> {
        error.err().map(|error| error.kind())
    }

    #[test]
    fn a_held_folder_is_the_same_whatever_takes_its_place() {
        let folder = tempfile::tempdir().unwrap();
        let [inside, outside] = ["inside", "outside"].map(|name| folder.path().join(name));
        for place in [&inside, &outside] {
            fs::create_dir(place).unwrap();
            fs::write(place.join("a"), place.as_os_str().as_bytes()).unwrap();
        }
        let held = Real.open_folder(folder.path()).unwrap().open_folder("inside".as_ref()).unwrap();
        fs::rename(&inside, folder.path().join("moved")).unwrap();
        symlink(&outside, &inside).unwrap();
        held.remove("a".as_ref()).unwrap();
        assert!(outside.join("a").exists() && held.list(9).unwrap().is_empty());
        assert_eq!(kind_of(Real.open_folder(&inside)), Some(io::ErrorKind::NotADirectory));
    }

    #[test]
    fn only_names_are_taken_and_links_are_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("sub")).unwrap();
        symlink("sub", folder.path().join("link")).unwrap();
        let held = Real.open_folder(folder.path()).unwrap();
        for bad in ["", ".", "..", "sub/..", "/etc"] {
            let bad = bad.as_ref();
            let all = [
                kind_of(held.look_at(bad)),
                kind_of(held.open_folder(bad)),
                kind_of(held.remove(bad)),
                kind_of(held.remove_folder(bad)),
            ];
            assert_eq!(all, [Some(io::ErrorKind::InvalidInput); 4], "{bad:?}");
        }
        assert_eq!(held.look_at("link".as_ref()).unwrap().kind, Kind::Link);
        assert_eq!(kind_of(held.open_folder("link".as_ref())), Some(io::ErrorKind::NotADirectory));
        held.remove("link".as_ref()).unwrap();
        held.remove_folder("sub".as_ref()).unwrap();
        held.sync().unwrap();
        assert!(held.list(9).unwrap().is_empty());
        assert_eq!(held.entry().unwrap().kind, Kind::Folder);
    }

    #[test]
    fn a_folder_is_opened_up_by_what_is_held_and_not_through_a_link() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [inner, other] = ["inner", "other"].map(|name| folder.path().join(name));
        for path in [&inner, &other] {
            fs::create_dir(path).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o050)).unwrap();
        }
        symlink(&other, folder.path().join("link")).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        let held = Real.open_folder(folder.path()).unwrap();
        held.open_up_inner("inner".as_ref()).unwrap();
        assert_eq!(mode(&inner), 0o750);
        fs::set_permissions(&inner, fs::Permissions::from_mode(0o500)).unwrap();
        held.open_folder("inner".as_ref()).unwrap().open_up().unwrap();
        assert_eq!(mode(&inner), 0o700);
        assert_eq!(kind_of(held.open_up_inner("link".as_ref())), Some(io::ErrorKind::NotADirectory));
        assert_eq!(kind_of(held.open_up_inner("../x".as_ref())), Some(io::ErrorKind::InvalidInput));
        assert_eq!(mode(&other), 0o050);
    }

    #[test]
    fn a_file_with_a_hole_takes_less_than_its_size() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("hole");
        fs::File::create(&path).unwrap().set_len(1 << 30).unwrap();
        let entry = Real.look_at(&path).unwrap();
        assert!(entry.size == 1 << 30 && entry.allocated < 1 << 20, "{entry:?}");
    }
}
