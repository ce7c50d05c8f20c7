//! Small files that are replaced as a whole, readable by us alone.

use resus_disk::{Disk, Real};
use std::io;
use std::path::Path;

/// Puts `bytes` in the place of `path`: a reader sees the old content or the new. With `sync` it
/// is on disk when this returns; without, a power cut may bring the old one back, or leave none.
///
/// To be called by one at a time for each file.
///
/// # Errors
/// The I/O error; then the old content is in its place. Where only the folder could not be
/// synced, the new content is, and a power cut may bring the old one back.
pub fn replace(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    replace_on(&Real, path, bytes, sync)
}

/// The same on a disk of choice.
///
/// # Errors
/// As [`replace`].
pub fn replace_on(disk: &dyn Disk, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let beside = path.with_extension("new");
    let written = write_new(disk, &beside, bytes, sync).and_then(|()| disk.rename(&beside, path));
    if let Err(error) = written {
        // What is left of the new one may fill a disk that has no room. That it can't be removed
        // is no news beside the error that made it useless; the next one begins with it.
        let _ = disk.remove(&beside);
        return Err(error);
    }
    match path.parent().filter(|_| sync) {
        Some(folder) => disk.sync_folder(folder),
        None => Ok(()),
    }
}

/// Writes a file of that name. One that a killed process left is not written into: its sync may
/// have failed, and another would not tell.
fn write_new(disk: &dyn Disk, path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let file = match disk.create(path) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            disk.remove(path)?;
            disk.create(path)?
        }
        file => file?,
    };
    file.write_all_at(bytes, 0)?;
    if sync { file.sync() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_new_content_takes_the_place_of_the_old_and_is_ours_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file.json");
        for (content, sync) in [("a longer content", true), ("short", false)] {
            replace(&path, content.as_bytes(), sync).unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn what_a_killed_process_left_beside_it_is_in_nobodys_way() {
        let folder = tempfile::tempdir().unwrap();
        let [path, beside] = ["file.json", "file.new"].map(|name| folder.path().join(name));
        fs::write(&beside, "half of something longer").unwrap();
        replace(&path, b"whole", true).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "whole");
        assert!(!beside.exists());
    }
}
