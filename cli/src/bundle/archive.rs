//! Writes a bundle: one file, for its owner only, that was not there before.

use flate2::Compression;
use flate2::write::GzEncoder;
use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// The folder within the archive.
const FOLDER: &str = "resus-bundle";
/// Permissions of the archive and of what is unpacked from it.
const PRIVATE: u32 = 0o600;

/// Writes `files` (names and contents) to `path` as a `.tar.gz`. A file that is there is left alone;
/// one that can't be finished is removed.
///
/// # Errors
/// The I/O error; [`io::ErrorKind::AlreadyExists`]: there is something at `path`.
pub(super) fn write(path: &Path, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    // Neither followed nor written over, whatever it is.
    let file = OpenOptions::new().write(true).create_new(true).mode(PRIVATE).open(path)?;
    let written = pack(file, files);
    if written.is_err() {
        let _removed = fs::remove_file(path);
    }
    written
}

fn pack(file: File, files: &[(String, Vec<u8>)]) -> io::Result<()> {
    let mut archive = Builder::new(GzEncoder::new(file, Compression::default()));
    for (name, content) in files {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_size(content.len() as u64);
        header.set_mode(PRIVATE);
        // Times and owners would tell of the machine; the contents say when.
        header.set_mtime(0);
        archive.append_data(&mut header, format!("{FOLDER}/{name}"), content.as_slice())?;
    }
    archive.into_inner()?.finish()?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    #[test]
    fn a_bundle_is_unpacked_by_anybody_and_read_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b.tar.gz");
        let files =
            [("a.txt".to_owned(), b"one\n".to_vec()), (format!("runs/{}/b", "x".repeat(120)), vec![7; 9000])];
        write(&path, &files).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let status =
            Command::new("tar").arg("-xzf").arg(&path).arg("-C").arg(folder.path()).status().unwrap();
        assert!(status.success());
        for (name, content) in &files {
            assert_eq!(&fs::read(folder.path().join(FOLDER).join(name)).unwrap(), content);
        }
    }

    #[test]
    fn nothing_is_written_over_and_nothing_half_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("b");
        fs::write(&path, "mine").unwrap();
        assert_eq!(write(&path, &[]).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"mine");
        let link = folder.path().join("link");
        std::os::unix::fs::symlink(folder.path().join("elsewhere"), &link).unwrap();
        assert!(write(&link, &[]).is_err() && !folder.path().join("elsewhere").exists());
        let odd = folder.path().join("odd");
        assert!(write(&odd, &[("../out".to_owned(), Vec::new())]).is_err());
        assert!(!odd.exists());
    }
}
