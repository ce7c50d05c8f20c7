//! A workload in a folder of somebody: read, and checked for being ours to run. What it names is
//! run as us, so a file that another user could have written is refused.

use crate::workload::file::{FOLDER, Workload, parse};
use rustix::process::{getegid, geteuid};
use std::fs::{File, Metadata, OpenOptions, metadata};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// What the file in a workload's folder is called.
pub const FILE: &str = "workload.toml";
/// Most bytes of it: what is larger is not one.
const FILE_BYTES_MAX: u64 = 64 << 10;
/// Mode bit of what everybody in its group may write.
const WRITABLE_BY_GROUP: u32 = 0o020;
/// Mode bit of what everybody may write.
const WRITABLE_BY_ALL: u32 = 0o002;

/// A workload that can be run.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Found {
    pub(super) workload: Workload,
    /// Absolute path of its folder.
    pub(super) folder: String,
}

/// Why a folder is no workload that can be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Broken {
    /// The folder.
    pub(super) folder: PathBuf,
    /// There is nothing there.
    pub(super) is_missing: bool,
    /// Everything that is wrong.
    pub(super) faults: Vec<String>,
}

/// The workload at `path`: its folder, or the file in it.
pub(super) fn open(path: &Path) -> Result<Found, Broken> {
    let (folder, file) = match (path.file_name(), path.parent()) {
        (Some(name), Some(folder)) if name == FILE && !path.is_dir() => (folder, path.to_owned()),
        (_, _) => (path, path.join(FILE)),
    };
    let broken = |is_missing, faults| Broken { folder: folder.to_owned(), is_missing, faults };
    let Some(folder_text) = folder.to_str() else {
        return Err(broken(false, vec![format!("{}: the path is not valid UTF-8", folder.display())]));
    };
    let mut faults = Vec::new();
    match metadata(folder) {
        Ok(meta) => faults.extend(distrust(folder, &meta)),
        Err(error) => {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            return Err(broken(is_missing, vec![format!("{}: {error}", folder.display())]));
        }
    }
    let text = match read(&file, &mut faults) {
        Ok(text) => text,
        Err(error) => {
            let is_missing = error.kind() == io::ErrorKind::NotFound;
            faults.push(format!("{}: {error}", file.display()));
            return Err(broken(is_missing, faults));
        }
    };
    match parse(&text) {
        Err(wrong) => {
            faults.extend(wrong.iter().map(|fault| format!("{}:{fault}", file.display())));
            Err(broken(false, faults))
        }
        Ok(workload) => {
            faults.extend(distrusted_files(&workload, folder));
            match faults.is_empty() {
                true => Ok(Found { workload, folder: folder_text.to_owned() }),
                false => Err(broken(false, faults)),
            }
        }
    }
}

/// Why somebody else could decide what is run from `path`.
pub(super) fn distrust(path: &Path, meta: &Metadata) -> Vec<String> {
    let (me, shown, pasted) = (geteuid().as_raw(), path.display(), pasted(path));
    let mut faults = Vec::new();
    if meta.uid() != me && meta.uid() != 0 {
        let owner = meta.uid();
        faults.push(format!(
            "{shown} belongs to user {owner}, who could run anything as you; if you trust what it says: \
             sudo chown {me} {pasted}"
        ));
    }
    if meta.mode() & WRITABLE_BY_GROUP != 0 && is_group_of_others(meta.gid(), getegid().as_raw()) {
        let group = meta.gid();
        faults.push(format!(
            "{shown} can be written by group {group}, who could run anything as you; type: chmod g-w {pasted}"
        ));
    }
    if meta.mode() & WRITABLE_BY_ALL != 0 {
        faults.push(format!(
            "{shown} can be written by everybody, who could run anything as you; type: chmod o-w {pasted}"
        ));
    }
    faults
}

/// Whether others than us may be in a group: our own is private to us on most systems, where what
/// is made with the umask of every day is writable by it.
fn is_group_of_others(group: u32, ours: u32) -> bool {
    group != 0 && group != ours
}

/// A path as one can paste it into a shell.
fn pasted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_alphanumeric() || "-_./".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// The same of the files that its command names in its folder, or in the working folder that its
/// file names. That of whoever starts it is theirs.
fn distrusted_files(workload: &Workload, folder: &Path) -> Vec<String> {
    let cwd = workload.cwd.as_deref().map(|cwd| match cwd.strip_prefix(FOLDER) {
        Some(rest) => folder.join(rest.trim_start_matches('/')),
        None => PathBuf::from(cwd),
    });
    let named = workload.argv.iter().filter_map(|arg| match arg.strip_prefix(FOLDER) {
        Some(name) => name.strip_prefix('/').map(|name| folder.join(name)),
        // Any word may be a file of the working folder; most are none.
        None => cwd.as_ref().filter(|_| !arg.starts_with('/')).map(|cwd| cwd.join(arg)),
    });
    let mut faults = Vec::new();
    for path in named {
        // One that is not there harms nobody; the start of the worker, and `check`, say so.
        if let Ok(meta) = metadata(&path) {
            faults.extend(distrust(&path, &meta));
        }
    }
    faults
}

/// The text of the file, and why it is not to be trusted, of the very file that was read.
fn read(path: &Path, faults: &mut Vec<String>) -> io::Result<String> {
    // A pipe in its place must not hold us.
    let nonblock = rustix::fs::OFlags::NONBLOCK.bits().cast_signed();
    let file: File = OpenOptions::new().read(true).custom_flags(nonblock).open(path)?;
    let meta = file.metadata()?;
    if !meta.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    faults.extend(distrust(path, &meta));
    let mut text = String::new();
    file.take(FILE_BYTES_MAX + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_BYTES_MAX {
        let message = format!("it is longer than {FILE_BYTES_MAX} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::{create_dir, set_permissions, write};
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_group_is_trusted_that_is_ours_alone() {
        assert!(is_group_of_others(100, 1000));
        assert!(!is_group_of_others(1000, 1000));
        assert!(!is_group_of_others(0, 1000));
    }

    #[test]
    fn a_word_is_a_file_of_the_working_folder_that_the_workload_names() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join("mine");
        create_dir(&folder).unwrap();
        set_permissions(&folder, PermissionsExt::from_mode(0o755)).unwrap();
        let text = "name = 'mine'\nsummary = 'Mine.'\ncontract = 'opaque'\ncwd = '{workload}'\nargv = ['python3', 'train.py']\n";
        for (name, text, mode) in [(FILE, text, 0o644), ("train.py", "", 0o666)] {
            write(folder.join(name), text).unwrap();
            set_permissions(folder.join(name), PermissionsExt::from_mode(mode)).unwrap();
        }
        let faults = open(&folder).unwrap_err().faults;
        assert!(
            faults.len() == 1 && faults[0].contains("train.py can be written by everybody"),
            "{faults:?}"
        );
        set_permissions(folder.join("train.py"), PermissionsExt::from_mode(0o644)).unwrap();
        open(&folder).unwrap();
    }
}
