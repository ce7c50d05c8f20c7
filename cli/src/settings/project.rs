//! The project's file: `resus.toml` in the working folder or the nearest folder above it.

use crate::settings::read;
use rustix::process::geteuid;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Its name.
pub(crate) const PROJECT_FILE: &str = "resus.toml";

/// What there is of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Project {
    /// No file.
    None,
    /// A file that is ours, with its text.
    Ours(PathBuf, String),
    /// A file of somebody else, whose user id is this: it is not read.
    Foreign(PathBuf, u32),
    /// A file that everybody may write to: it is not read.
    Open(PathBuf),
}

/// What everybody may write to.
const WRITABLE_BY_ALL: u32 = 0o002;

/// A folder on the way up, as far as the search has to know it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Step {
    /// Its file system.
    device: u64,
    /// It has a file of that name.
    has_file: bool,
}

/// How many of the folders from the working folder up are looked in until the file is found;
/// `None` = it is not. The last one is the user's home, the top of a file system, or `/`.
fn search<'p>(from: &'p Path, home: Option<&Path>, step: impl Fn(&Path) -> Option<Step>) -> Option<&'p Path> {
    let mut device = None;
    for folder in from.ancestors() {
        let here = step(folder)?;
        if *device.get_or_insert(here.device) != here.device {
            return None;
        }
        if here.has_file {
            return Some(folder);
        }
        if home == Some(folder) {
            return None;
        }
    }
    None
}

fn step(folder: &Path) -> Option<Step> {
    let device = fs::metadata(folder).ok()?.dev();
    // What can't be looked at may well be there: reading it says why it can't be read.
    let has_file = match fs::symlink_metadata(folder.join(PROJECT_FILE)) {
        Ok(_) => true,
        Err(error) => error.kind() != io::ErrorKind::NotFound,
    };
    Some(Step { device, has_file })
}

/// The project of the folder `from`. `user_file` is no project's file, whatever it is called.
///
/// # Errors
/// The path of the file, and why it can't be read.
pub(crate) fn find(
    from: &Path,
    home: Option<&Path>,
    user_file: Option<&Path>,
) -> Result<Project, (PathBuf, io::Error)> {
    // The working folder has no links in its path; a home may have.
    let home = home.map(|home| home.canonicalize().unwrap_or_else(|_| home.to_owned()));
    let Some(folder) = search(from, home.as_deref(), step) else { return Ok(Project::None) };
    let path = folder.join(PROJECT_FILE);
    let whole = |path: &Path| path.canonicalize().ok();
    if user_file.is_some_and(|user| whole(user).is_some_and(|user| Some(user) == whole(&path))) {
        return Ok(Project::None);
    }
    read_ours(&path).map_err(|error| (path, error))
}

/// Both a link and what it leads to have to be ours: who made the link chose the file.
fn read_ours(path: &Path) -> io::Result<Project> {
    let (link, file) = (fs::symlink_metadata(path)?, fs::metadata(path)?);
    let is_trusted = |uid: u32| uid == 0 || uid == geteuid().as_raw();
    if let Some(uid) = [link.uid(), file.uid()].into_iter().find(|uid| !is_trusted(*uid)) {
        return Ok(Project::Foreign(path.to_owned(), uid));
    }
    if file.is_file() && file.mode() & WRITABLE_BY_ALL != 0 {
        return Ok(Project::Open(path.to_owned()));
    }
    if !file.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a file"));
    }
    Ok(Project::Ours(path.to_owned(), read(path)?))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt;

    fn found(from: &str, home: Option<&str>, files: &[&str], mounts: &[&str]) -> Option<String> {
        let devices: BTreeMap<&str, u64> = mounts.iter().copied().zip(2..).collect();
        let step = |folder: &Path| {
            let device = folder.ancestors().find_map(|above| devices.get(above.to_str()?)).copied();
            let has_file = files.contains(&folder.to_str()?);
            Some(Step { device: device.unwrap_or(1), has_file })
        };
        let folder = search(Path::new(from), home.map(Path::new), step);
        folder.map(|folder| folder.display().to_string())
    }

    #[test]
    fn the_nearest_file_above_counts_up_to_the_home_the_file_system_and_the_root() {
        for (from, home, files, mounts, expected) in [
            ("/h/a/p/src", Some("/h/a"), &["/h/a/p", "/h/a"][..], &[][..], Some("/h/a/p")),
            ("/h/a/p", Some("/h/a"), &["/h/a"], &[], Some("/h/a")),
            ("/h/a/p", Some("/h/a"), &["/h", "/"], &[], None),
            ("/h/b/p", Some("/h/a"), &["/h"], &[], Some("/h")),
            ("/x/y", None, &["/"], &[], Some("/")),
            ("/m/p/q", None, &["/m", "/"], &["/m"], Some("/m")),
            ("/m/p/q", None, &["/"], &["/m"], None),
            ("/m/p", None, &["/m"], &["/m/p"], None),
            ("/x/y", None, &[], &[], None),
        ] {
            assert_eq!(found(from, home, files, mounts).as_deref(), expected, "{from} {files:?} {mounts:?}");
        }
    }

    #[test]
    fn a_home_that_is_a_link_ends_the_search_all_the_same() {
        let temp = tempfile::tempdir().expect("a folder");
        let top = temp.path().canonicalize().expect("there");
        let project = top.join("real/p");
        fs::create_dir_all(&project).expect("folders");
        std::os::unix::fs::symlink(top.join("real"), top.join("home")).expect("a link");
        fs::write(top.join(PROJECT_FILE), "").expect("a file above the home");
        assert_eq!(find(&project, Some(&top.join("home")), None).expect("searched"), Project::None);
    }

    #[test]
    fn a_file_of_another_user_is_not_read_and_what_is_no_file_is_an_error() {
        let temp = tempfile::tempdir().expect("a folder");
        let inner = temp.path().join("a/b");
        fs::create_dir_all(&inner).expect("folders");
        let find = |user: Option<&Path>| find(&inner, Some(temp.path()), user);
        assert_eq!(find(None).expect("nothing"), Project::None);
        let path = temp.path().join(PROJECT_FILE);
        fs::write(&path, "[retry]\n").expect("a file");
        assert_eq!(find(None).expect("ours"), Project::Ours(path.clone(), "[retry]\n".to_owned()));
        assert_eq!(find(Some(&path)).expect("the user's"), Project::None);
        let mode = |mode| fs::set_permissions(&path, fs::Permissions::from_mode(mode)).expect("ours");
        mode(0o666);
        assert_eq!(find(None).expect("open"), Project::Open(path.clone()));
        mode(0o664);
        assert_eq!(find(None).expect("ours"), Project::Ours(path.clone(), "[retry]\n".to_owned()));
        if geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(4242), None).expect("root may");
            assert_eq!(find(None).expect("foreign"), Project::Foreign(path.clone(), 4242));
            std::os::unix::fs::chown(&path, Some(0), None).expect("root may");
            std::os::unix::fs::symlink(&path, inner.join(PROJECT_FILE)).expect("a link");
            std::os::unix::fs::lchown(inner.join(PROJECT_FILE), Some(4242), None).expect("root may");
            let foreign = Project::Foreign(inner.join(PROJECT_FILE), 4242);
            assert_eq!(find(None).expect("foreign link"), foreign);
            fs::remove_file(inner.join(PROJECT_FILE)).expect("removed");
        }
        fs::remove_file(&path).expect("removed");
        fs::create_dir(&path).expect("a folder");
        let (at, error) = find(None).expect_err("a folder");
        assert_eq!((at, error.to_string()), (path, "it is not a file".to_owned()));
    }
}
