//! Lists what a checkpoint consists of, following no link.

use std::io;
use std::path::{Component, Path, PathBuf};

use resus_disk::{Disk, Entry, Kind};

use super::name::{escape, stays_below};
use super::refusal::{ForeignRefusal, failed};

/// Folders within folders at most.
pub const DEPTH_MAX: usize = 32;
/// Names at most in one checkpoint: files, links and folders.
pub const NAMES_MAX: usize = 100_000;

/// Whether a checkpoint is one file or a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One regular file.
    File,
    /// A folder with all that is in it.
    Folder,
}

/// What a checkpoint consists of at one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listing {
    /// Its path.
    pub root: PathBuf,
    /// What lies there.
    pub form: Form,
    /// Its regular files, by name. Of a single file its own name.
    pub files: Vec<Listed>,
    /// The links in it, by name.
    pub links: Vec<Link>,
    /// The folders in it, by name, without the root.
    pub folders: Vec<String>,
}

/// A file of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Path below the folder, as text of one line.
    pub name: String,
    /// The same as a path.
    pub path: PathBuf,
    /// Its size, time and identity.
    pub entry: Entry,
}

/// A link in a checkpoint that leads to somewhere within it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Path below the folder, as text of one line.
    pub name: String,
    /// What is written in it, as text of one line.
    pub to: String,
}

impl Listing {
    /// The folder below which the files' paths begin.
    #[must_use]
    pub fn base(&self) -> &Path {
        base(&self.root, self.form)
    }

    /// Sum of the files' sizes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.entry.size))
    }
}

/// The folder below which the files of the checkpoint `root` are named.
pub(super) fn base(root: &Path, form: Form) -> &Path {
    match form {
        Form::File => root.parent().unwrap_or(root),
        Form::Folder => root,
    }
}

/// Lists the checkpoint at the absolute path `root`.
///
/// The names are read by path: if folders are exchanged meanwhile, names from elsewhere may get into the
/// list. What is read later by [`super::digest`] is opened strictly below the root and must be the file
/// that was listed.
///
/// # Errors
/// [`ForeignRefusal`]: it is not there, not ours, no file and no folder, too large, has a link that may
/// lead out of it, or a folder on another device.
pub fn look(disk: &dyn Disk, root: &Path) -> Result<Listing, ForeignRefusal> {
    let is_straight = |part| matches!(part, Component::RootDir | Component::Normal(_));
    if !root.is_absolute() || !root.components().all(is_straight) {
        return Err(ForeignRefusal::Crooked);
    }
    let entry = match disk.look_at(root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ForeignRefusal::Gone),
        entry => entry.map_err(failed("look at", root))?,
    };
    let device = entry.identity.0;
    let listing = empty(root, entry.kind);
    let mut walk = Walk { disk, listing, device, folders: Vec::new(), names: 0 };
    match entry.kind {
        Kind::Link => return Err(ForeignRefusal::RootLink),
        Kind::Other => return Err(ForeignRefusal::Special { path: root.to_owned() }),
        Kind::File => {
            let name = root.file_name().map(PathBuf::from).ok_or(ForeignRefusal::Crooked)?;
            check_owner(root, &entry)?;
            walk.listing.files.push(Listed { name: escape(name.as_os_str()), path: name, entry });
        }
        Kind::Folder => {
            check_owner(root, &entry)?;
            walk.folders.push((PathBuf::new(), 0));
            while let Some((folder, depth)) = walk.folders.pop() {
                walk.enter(&folder, depth)?;
            }
        }
    }
    let mut listing = walk.listing;
    listing.files.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    listing.links.sort_unstable_by(|a, b| a.name.cmp(&b.name));
    listing.folders.sort_unstable();
    Ok(listing)
}

fn empty(root: &Path, kind: Kind) -> Listing {
    let form = if kind == Kind::Folder { Form::Folder } else { Form::File };
    let root = root.to_owned();
    Listing { root, form, files: Vec::new(), links: Vec::new(), folders: Vec::new() }
}

struct Walk<'a> {
    disk: &'a dyn Disk,
    listing: Listing,
    /// The device of the root.
    device: u64,
    /// Folders still to be entered, each below the root, with their depth.
    folders: Vec<(PathBuf, usize)>,
    names: usize,
}

impl Walk<'_> {
    fn enter(&mut self, folder: &Path, depth: usize) -> Result<(), ForeignRefusal> {
        let at = self.listing.root.join(folder);
        let names = match self.disk.list(&at, NAMES_MAX - self.names) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(changed(folder)),
            names => names.map_err(failed("list", at))?,
        };
        self.names += names.len();
        if self.names > NAMES_MAX {
            return Err(ForeignRefusal::TooMany);
        }
        for name in names {
            self.note(folder.join(name), depth)?;
        }
        Ok(())
    }

    /// Takes down one name of a folder that lies `depth` folders below the root.
    fn note(&mut self, path: PathBuf, depth: usize) -> Result<(), ForeignRefusal> {
        let at = self.listing.root.join(&path);
        let name = escape(path.as_os_str());
        let entry = match self.disk.look_at(&at) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(changed(&path)),
            entry => entry.map_err(failed("look at", &at))?,
        };
        match entry.kind {
            Kind::Other => return Err(ForeignRefusal::Special { path: at }),
            Kind::Link => {
                let to = self.disk.read_link(&at).map_err(failed("read the link", &at))?;
                let text = escape(to.as_os_str());
                if !stays_below(&to, depth) {
                    return Err(ForeignRefusal::LinkOut { name, to: text });
                }
                self.listing.links.push(Link { name, to: text });
            }
            Kind::Folder if depth == DEPTH_MAX => return Err(ForeignRefusal::TooDeep { name }),
            // Of folders only: some layered file systems give each file the device of its layer.
            Kind::Folder if entry.identity.0 != self.device => {
                return Err(ForeignRefusal::OtherDevice { path: at });
            }
            Kind::Folder => {
                check_owner(&at, &entry)?;
                self.listing.folders.push(name);
                self.folders.push((path, depth + 1));
            }
            Kind::File => {
                check_owner(&at, &entry)?;
                self.listing.files.push(Listed { name, path, entry });
            }
        }
        Ok(())
    }
}

/// Something that was there a moment ago is not.
fn changed(path: &Path) -> ForeignRefusal {
    ForeignRefusal::Changed { name: escape(path.as_os_str()) }
}

pub(super) fn check_owner(path: &Path, entry: &Entry) -> Result<(), ForeignRefusal> {
    let us = rustix::process::geteuid().as_raw();
    if entry.owner == us {
        return Ok(());
    }
    Err(ForeignRefusal::NotOurs { path: path.to_owned(), owner: entry.owner, us })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::SystemTime;

    #[test]
    fn what_belongs_to_somebody_else_is_refused_naming_both() {
        let us = rustix::process::geteuid().as_raw();
        let modified = SystemTime::UNIX_EPOCH;
        let ours = Entry { kind: Kind::File, size: 0, allocated: 0, modified, owner: us, identity: (0, 0) };
        assert!(check_owner(Path::new("/a"), &ours).is_ok());
        let refusal = check_owner(Path::new("/a"), &Entry { owner: us + 1, ..ours }).unwrap_err();
        assert_eq!(refusal.to_string(), format!("/a belongs to user {}, not to user {us}", us + 1));
    }
}
