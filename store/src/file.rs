//! Small files that are replaced as a whole, readable by us alone.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

/// Puts `bytes` in the place of `path`: a reader sees the old content or the new. With `sync` it
/// is on disk when this returns; without, a power cut may bring the old one back.
///
/// # Errors
/// The I/O error; then the old content is in its place.
pub fn replace(path: &Path, bytes: &[u8], sync: bool) -> io::Result<()> {
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    if sync {
        file.sync_all()?;
    }
    drop(file);
    fs::rename(&beside, path)?;
    match path.parent().filter(|_| sync) {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
}
