//! What it means that a file is refused as a checkpoint: not every refusal is damage.

use crate::error::CliError;
use resus_checkpoint::{ConvertError, Refusal, SaveError};
use resus_core::exit::ExitCode;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};

/// How the names of files of our own format end.
const OUR_END: &str = "prsm";

/// What a refusal says of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Judgement {
    /// There is none.
    Gone,
    /// It could not be read now, or is not ours to judge.
    Unread,
    /// It is a checkpoint of another framework, or no checkpoint at all.
    Foreign,
    /// It is there and not what was written.
    Damaged,
}

impl Judgement {
    /// The exit code of it.
    pub(crate) fn exit(self) -> ExitCode {
        match self {
            Self::Gone => ExitCode::NotFound,
            Self::Unread => ExitCode::Refused,
            Self::Foreign => ExitCode::Usage,
            Self::Damaged => ExitCode::Damaged,
        }
    }

    /// What is said of its path.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Gone => "is not there",
            Self::Unread => "can't be read",
            Self::Foreign => "is not our format",
            Self::Damaged => "is no whole checkpoint",
        }
    }
}

/// Judges the file at `path` by why it was refused. A file that is called ours and does not begin
/// like one is damaged; of any other name it is somebody else's.
pub(crate) fn judge(path: &Path, refusal: &Refusal) -> Judgement {
    match refusal {
        Refusal::Open(error) if is_absent(error) => Judgement::Gone,
        Refusal::NotAFile | Refusal::ShortHeader { .. } | Refusal::NotACheckpoint { .. }
            if !has_our_name(path) =>
        {
            Judgement::Foreign
        }
        other if other.is_damage() => Judgement::Damaged,
        // A newer program's file may be whole; a link or a folder of that name is none of ours.
        _ => Judgement::Unread,
    }
}

/// Whether a file is called as those of our own format are.
pub(crate) fn has_our_name(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == OUR_END)
}

fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

/// The failure of a command that wanted to `wish`, e.g. `show`, what was refused.
pub(crate) fn unusable(path: PathBuf, refusal: Refusal, wish: &'static str) -> CliError {
    match judge(&path, &refusal) {
        Judgement::Foreign => CliError::Foreign { path, looks_like: looks_like(&refusal), wish },
        Judgement::Gone | Judgement::Unread | Judgement::Damaged => CliError::Checkpoint { path, refusal },
    }
}

/// What a file of another program seems to be, where its beginning tells.
pub(crate) fn looks_like(refusal: &Refusal) -> Option<&'static str> {
    if let Refusal::NotACheckpoint { looks_like, .. } = refusal { *looks_like } else { None }
}

/// The failure of a conversion to `to`. The file that was written meanwhile had another name, which
/// says nothing to anybody.
pub(crate) fn unconverted(error: ConvertError, to: PathBuf) -> CliError {
    match error {
        ConvertError::Refused { path, refusal } => unusable(path, refusal, "convert"),
        ConvertError::Save(error) => unwritten(&error, to),
        other => CliError::Convert(other),
    }
}

fn unwritten(error: &SaveError, path: PathBuf) -> CliError {
    let mut leaf: &dyn Error = error;
    while let Some(source) = leaf.source() {
        leaf = source;
    }
    let absent = leaf.downcast_ref::<io::Error>().is_some_and(is_absent);
    let (why, exit) = match (absent, error) {
        (true, _) => ("the folder it is to lie in is not there".to_owned(), ExitCode::NotFound),
        (false, SaveError::Name { .. }) => (leaf.to_string(), ExitCode::Usage),
        (false, _) => (leaf.to_string(), ExitCode::Refused),
    };
    CliError::Unwritten { path, why, exit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_changed_is_damaged() {
        let denied = || Refusal::Open(io::Error::from(io::ErrorKind::PermissionDenied));
        let broken = || Refusal::Read(io::Error::from_raw_os_error(5));
        let other = || Refusal::NotACheckpoint { found: *b"PK\x03\x04", looks_like: Some("a zip file") };
        let cut = || Refusal::ShortHeader { found: 3, expected: 32 };
        for (name, refusal, expected) in [
            ("/a.prsm", Refusal::Open(io::ErrorKind::NotFound.into()), Judgement::Gone),
            ("/file/a.prsm", Refusal::Open(io::ErrorKind::NotADirectory.into()), Judgement::Gone),
            ("/a.prsm", denied(), Judgement::Unread),
            ("/a.pt", broken(), Judgement::Unread),
            ("/a.prsm", Refusal::Version { found: 9 }, Judgement::Unread),
            ("/a.prsm", Refusal::NotAFile, Judgement::Unread),
            ("/folder", Refusal::NotAFile, Judgement::Foreign),
            ("/a.pt", other(), Judgement::Foreign),
            ("/a.prsm", other(), Judgement::Damaged),
            ("/a.pt", cut(), Judgement::Foreign),
            ("/a.prsm", cut(), Judgement::Damaged),
            ("/a.pt", Refusal::SealDenied, Judgement::Damaged),
        ] {
            assert_eq!(judge(Path::new(name), &refusal), expected, "{name} {refusal}");
        }
    }

    #[test]
    fn what_is_not_written_is_told_by_its_own_name() {
        let temp = PathBuf::from("/x/.new.prsm.123.0.tmp");
        let at = |kind: io::ErrorKind| {
            let error = SaveError::Create { path: temp.clone(), source: kind.into() };
            unconverted(ConvertError::Save(error), "/x/new.prsm".into())
        };
        let absent = at(io::ErrorKind::NotFound);
        assert_eq!(absent.exit(), ExitCode::NotFound);
        let denied = at(io::ErrorKind::PermissionDenied);
        assert_eq!(denied.exit(), ExitCode::Refused);
        for error in [absent, denied] {
            let told = error.told();
            assert_eq!(told.what, "failed to write /x/new.prsm");
            assert!(told.why.len() == 1 && !told.why[0].contains("tmp"), "{told:?}");
        }
        let name = SaveError::Name { name: ".new".to_owned() };
        assert_eq!(unconverted(ConvertError::Save(name), "/x/.new".into()).exit(), ExitCode::Usage);
    }
}
