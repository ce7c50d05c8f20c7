//! Files of secrets: passwords, tokens, seeds, credentials, keys. Nobody but their owner may read
//! them, and no error shows what is in them.

use crate::text::size;
use resus_bus::link::Secret;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Largest file of a secret: a `.creds` file has some two thousand bytes.
const BYTES_MAX: u64 = 64 << 10;

/// Why a file of a secret is not used; reads on behind its path.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SecretError {
    /// The system does not let us read it.
    #[error("can't be read: {0}")]
    Read(#[from] io::Error),
    /// It is no secret any more.
    #[error("can be read by others (mode {mode:03o})")]
    Open {
        /// Its permissions.
        mode: u32,
    },
    /// It is something else.
    #[error("is larger than {}: it is no secret", size::show(BYTES_MAX))]
    Large,
    /// There is nothing in it but space.
    #[error("is empty")]
    Empty,
    /// It is not UTF-8.
    #[error("is not text")]
    Binary,
    /// It is a secret of another kind.
    #[error("is not {0}")]
    Form(&'static str),
}

impl SecretError {
    /// What to type, if that mends it.
    pub(crate) fn fix(&self, path: &Path) -> Option<String> {
        match self {
            Self::Open { .. } => Some(format!("chmod 600 {}", path.display())),
            Self::Read(_) | Self::Large | Self::Empty | Self::Binary | Self::Form(_) => None,
        }
    }
}

/// The content of a file that nobody else may read.
///
/// # Errors
/// [`SecretError`].
pub(crate) fn read(path: &Path) -> Result<Secret, SecretError> {
    let file = File::open(path)?;
    // Of the open file, so that nobody can put another one in its place in between.
    let mode = file.metadata()?.mode() & 0o777;
    if mode & 0o077 != 0 {
        return Err(SecretError::Open { mode });
    }
    let mut bytes = Vec::new();
    file.take(BYTES_MAX + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > BYTES_MAX {
        return Err(SecretError::Large);
    }
    let text = String::from_utf8(bytes).map_err(|_| SecretError::Binary)?;
    if text.trim().is_empty() { Err(SecretError::Empty) } else { Ok(Secret::new(text)) }
}

/// The file's only line: tokens and passwords have no end of line.
pub(crate) fn one_line(text: &Secret) -> Secret {
    Secret::new(text.reveal().trim_end_matches(['\n', '\r']))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{self, Permissions};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn only_a_text_of_its_owner_alone_is_a_secret() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("p");
        let of = |content: &[u8], mode: u32| {
            // The mode of an earlier file does not keep the next one from being written.
            let _ = fs::remove_file(&path);
            fs::write(&path, content).unwrap();
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            read(&path).map(|secret| one_line(&secret).reveal().to_owned()).map_err(|why| why.to_string())
        };
        assert_eq!(of(b"s3cret \r\n", 0o600).as_deref(), Ok("s3cret "));
        assert_eq!(of(b"s3cret", 0o400).as_deref(), Ok("s3cret"));
        let told = |content: &[u8], mode| of(content, mode).unwrap_err();
        assert_eq!(told(b"s3cret", 0o640), "can be read by others (mode 640)");
        assert_eq!(told(b"s3cret", 0o602), "can be read by others (mode 602)");
        assert_eq!(told(b" \n", 0o600), "is empty");
        assert_eq!(told(b"\xff", 0o600), "is not text");
        assert_eq!(told(&vec![b'x'; 65_537], 0o600), "is larger than 64KiB: it is no secret");
        let fix = SecretError::Open { mode: 0o640 }.fix(Path::new("/p"));
        assert_eq!(fix.as_deref(), Some("chmod 600 /p"));
    }
}
