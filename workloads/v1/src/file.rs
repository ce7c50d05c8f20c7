//! Reading the status file: whatever lies there, it takes neither long nor much memory.

use resus_core::pulse::v1::parse::FILE_BYTES_MAX;
use rustix::fs::{Mode, OFlags, open};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

/// The content of the file; `None` if it is not there. Of a file that is longer than any
/// snapshot, one byte more than a snapshot may have is read: enough to be refused.
///
/// # Errors
/// What the operating system said; or that it is no file.
pub(crate) fn read(path: &Path) -> io::Result<Option<Vec<u8>>> {
    // A pipe in its place would otherwise hold us up for ever.
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
    let file = match open(path, flags, Mode::empty()) {
        Ok(file) => File::from(file),
        Err(rustix::io::Errno::NOENT) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut content = Vec::new();
    file.take(FILE_BYTES_MAX as u64 + 1).read_to_end(&mut content)?;
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_read_and_one_that_is_not_there_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s.json");
        assert_eq!(read(&path).unwrap(), None);
        std::fs::write(&path, "{}").unwrap();
        assert_eq!(read(&path).unwrap(), Some(b"{}".to_vec()));
        std::fs::write(&path, vec![b'x'; FILE_BYTES_MAX * 3]).unwrap();
        assert_eq!(read(&path).unwrap().map(|content| content.len()), Some(FILE_BYTES_MAX + 1));
    }

    #[test]
    fn folders_and_pipes_are_refused_without_waiting() {
        let folder = tempfile::tempdir().unwrap();
        assert!(read(folder.path()).is_err());
        let pipe = folder.path().join("pipe");
        rustix::fs::mknodat(rustix::fs::CWD, &pipe, rustix::fs::FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)
            .unwrap();
        assert!(read(&pipe).is_err());
    }
}
