//! Finds what came into a checkpoint's folder after its manifest was made.

use std::collections::BTreeSet;
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use resus_disk::{Disk, Kind};

use super::look::{DEPTH_MAX, Form, NAMES_MAX};
use super::manifest::Manifest;
use super::name::escape;
use super::refusal::{ForeignRefusal, failed};

/// Refuses a folder that holds a file, a link or something else that `manifest` does not name. Hidden names,
/// and what lies below them, do not count.
///
/// # Errors
/// [`ForeignRefusal::Extra`]; `TooMany` and `TooDeep` as in [`super::look`]; what the system says.
pub(super) fn refuse_extra(disk: &dyn Disk, manifest: &Manifest) -> Result<(), ForeignRefusal> {
    if manifest.form == Form::File {
        return Ok(());
    }
    let files = manifest.files.iter().map(|file| file.name.as_str());
    let known: BTreeSet<&str> = files.chain(manifest.links.iter().map(|link| link.name.as_str())).collect();
    let mut folders = vec![(PathBuf::new(), 0)];
    let mut seen = 0;
    while let Some((folder, depth)) = folders.pop() {
        let at = manifest.root.join(&folder);
        let names = match disk.list(&at, NAMES_MAX - seen) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(changed(&folder)),
            names => names.map_err(failed("list", at))?,
        };
        seen += names.len();
        if seen > NAMES_MAX {
            return Err(ForeignRefusal::TooMany);
        }
        for name in names.into_iter().filter(|name| !name.as_bytes().starts_with(b".")) {
            let path = folder.join(name);
            let name = escape(path.as_os_str());
            if known.contains(name.as_str()) {
                continue;
            }
            match kind(disk, manifest, &path)? {
                Kind::Folder if depth == DEPTH_MAX => return Err(ForeignRefusal::TooDeep { name }),
                Kind::Folder => folders.push((path, depth + 1)),
                Kind::File | Kind::Link | Kind::Other => return Err(ForeignRefusal::Extra { name }),
            }
        }
    }
    Ok(())
}

fn kind(disk: &dyn Disk, manifest: &Manifest, path: &Path) -> Result<Kind, ForeignRefusal> {
    let at = manifest.root.join(path);
    match disk.look_at(&at) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(changed(path)),
        entry => Ok(entry.map_err(failed("look at", at))?.kind),
    }
}

fn changed(path: &Path) -> ForeignRefusal {
    ForeignRefusal::Changed { name: escape(path.as_os_str()) }
}
