//! Reads every byte of a checkpoint: to make its manifest, or to compare it with one.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};

use resus_disk::{Disk, DiskFile, Kind};

use super::extra::refuse_extra;
use super::heads::open_listed;
use super::look::{Form, Listing, check_owner, look};
use super::manifest::{Manifest, ManifestFile, ManifestLink};
use super::name::{below, escape};
use super::refusal::{ForeignRefusal, failed};

/// Read at once: enough for every lane of the hash, little enough for a daemon.
const BUFFER_BYTES: usize = 1 << 20;

/// Makes the manifest of a complete checkpoint: brings its files and folders to disk, as its writer may
/// not have, and reads every byte back. Slow for large ones; `cancel` ends it between two reads.
///
/// # Errors
/// [`ForeignRefusal`]: something cannot be read or brought to disk, or changes meanwhile.
pub fn digest(disk: &dyn Disk, listing: &Listing, cancel: &AtomicBool) -> Result<Manifest, ForeignRefusal> {
    let mut reader = Reader::new(cancel);
    let mut files = Vec::with_capacity(listing.files.len());
    for file in &listing.files {
        let path = listing.base().join(&file.path);
        let open = open_listed(disk, listing.base(), file)?;
        // A catalogued checkpoint lets older ones go: it must survive a power cut as they would.
        open.sync().map_err(|source| ForeignRefusal::Sync { path: path.clone(), source })?;
        open.drop_cache();
        let (size, blake3) = reader.hash(&*open, &path)?;
        let after = open.entry().map_err(failed("look at", &path))?;
        if size != file.entry.size || after != file.entry {
            return Err(ForeignRefusal::Changed { name: file.name.clone() });
        }
        files.push(ManifestFile { name: file.name.clone(), size, blake3 });
    }
    sync_folders(disk, listing)?;
    // A file that came, went or was changed after it was read.
    let now = look(disk, &listing.root)?;
    if now != *listing {
        return Err(ForeignRefusal::Changed { name: first_changed(listing, &now) });
    }
    let link = |link: &super::look::Link| ManifestLink { name: link.name.clone(), to: link.to.clone() };
    let links = listing.links.iter().map(link).collect();
    Ok(Manifest { root: listing.root.clone(), form: listing.form, files, links })
}

/// The first name, of a file before a link before a folder, that two lists do not share, or not the same.
fn first_changed(before: &Listing, now: &Listing) -> String {
    let file = first_difference(&before.files, &now.files).map(|file| &file.name);
    let link = || first_difference(&before.links, &now.links).map(|link| &link.name);
    let folder = || first_difference(&before.folders, &now.folders);
    let name = file.or_else(link).or_else(folder).cloned();
    name.unwrap_or_else(|| escape(before.root.as_os_str()))
}

/// The first thing at which two sorted lists differ, or the first that only one of them still has.
fn first_difference<'a, T: PartialEq>(before: &'a [T], now: &'a [T]) -> Option<&'a T> {
    let same = before.iter().zip(now).take_while(|(before, now)| before == now).count();
    let longer = if now.len() > before.len() { now } else { before };
    longer.get(same)
}

/// Brings all names of a checkpoint to disk, its own included.
fn sync_folders(disk: &dyn Disk, listing: &Listing) -> Result<(), ForeignRefusal> {
    let own = (listing.form == Form::Folder).then(|| listing.root.clone());
    let inner = listing.folders.iter().filter_map(|name| Some(listing.root.join(below(name)?)));
    let around = listing.root.parent().map(Path::to_owned);
    for path in inner.chain(own).chain(around) {
        disk.sync_folder(&path).map_err(|source| ForeignRefusal::Sync { path: path.clone(), source })?;
    }
    Ok(())
}

/// Compares a checkpoint with its manifest, byte by byte. Sizes are compared first, so that most damage
/// is found before much is read.
///
/// A file or link of a folder that the manifest does not name is refused last, as no damage, unless it is
/// hidden; see the [module](super).
///
/// # Errors
/// [`ForeignRefusal`], naming the first file that is missing, replaced or changed, or was not there.
pub fn verify(disk: &dyn Disk, manifest: &Manifest, cancel: &AtomicBool) -> Result<(), ForeignRefusal> {
    match disk.look_at(&manifest.root) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Err(ForeignRefusal::Gone),
        Err(source) => return Err(failed("look at", &manifest.root)(source)),
        Ok(entry) if entry.kind == Kind::Link => return Err(ForeignRefusal::RootLink),
        Ok(entry) => check_owner(&manifest.root, &entry)?,
    }
    for link in &manifest.links {
        compare_link(disk, manifest, link)?;
    }
    for file in &manifest.files {
        open_named(disk, manifest, file)?;
    }
    let mut reader = Reader::new(cancel);
    for file in &manifest.files {
        let (open, path) = open_named(disk, manifest, file)?;
        open.drop_cache();
        let (size, found) = reader.hash(&*open, &path)?;
        if size != file.size {
            return Err(ForeignRefusal::Size { name: file.name.clone(), expected: file.size, found: size });
        }
        if found != file.blake3 {
            let expected = file.blake3.clone();
            return Err(ForeignRefusal::Digest { name: file.name.clone(), expected, found });
        }
    }
    refuse_extra(disk, manifest)
}

fn compare_link(disk: &dyn Disk, manifest: &Manifest, link: &ManifestLink) -> Result<(), ForeignRefusal> {
    let path = at(manifest, &link.name)?;
    let replaced = || Err(ForeignRefusal::Replaced { name: link.name.clone(), was: "link" });
    match disk.look_at(&path) {
        Err(error) if is_absent(&error) => return Err(ForeignRefusal::Missing { name: link.name.clone() }),
        Err(source) => return Err(failed("look at", path)(source)),
        Ok(entry) if entry.kind != Kind::Link => return replaced(),
        Ok(_) => {}
    }
    let to = disk.read_link(&path).map_err(failed("read the link", path))?;
    if escape(to.as_os_str()) == link.to { Ok(()) } else { replaced() }
}

/// Opens a file of the manifest, if it is a file of ours and of its size.
fn open_named(
    disk: &dyn Disk,
    manifest: &Manifest,
    file: &ManifestFile,
) -> Result<(Box<dyn DiskFile>, PathBuf), ForeignRefusal> {
    let path = at(manifest, &file.name)?;
    let replaced = || ForeignRefusal::Replaced { name: file.name.clone(), was: "file" };
    let relative = path.strip_prefix(manifest.base()).unwrap_or(&path);
    let open = match disk.open_beneath(manifest.base(), relative) {
        Err(error) if is_absent(&error) => {
            return Err(ForeignRefusal::Missing { name: file.name.clone() });
        }
        // A link or a socket in its place, or a link on the way to it.
        Err(error) if is_other_thing(&error) => return Err(replaced()),
        open => open.map_err(failed("open", &path))?,
    };
    let entry = open.entry().map_err(failed("look at", &path))?;
    if entry.kind != Kind::File {
        return Err(replaced());
    }
    check_owner(&path, &entry)?;
    if entry.size != file.size {
        let (expected, found) = (file.size, entry.size);
        return Err(ForeignRefusal::Size { name: file.name.clone(), expected, found });
    }
    Ok((open, path))
}

/// Where a name of a manifest lies.
fn at(manifest: &Manifest, name: &str) -> Result<PathBuf, ForeignRefusal> {
    below(name).map(|path| manifest.base().join(path)).ok_or(ForeignRefusal::Crooked)
}

fn is_absent(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound
}

fn is_other_thing(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errno = Errno::from_io_error(error);
    errno.is_some_and(|errno| [Errno::LOOP, Errno::NOTDIR, Errno::NXIO].contains(&errno))
}

/// Hashes files one after the other through one buffer.
struct Reader<'a> {
    buffer: Vec<u8>,
    cancel: &'a AtomicBool,
}

impl<'a> Reader<'a> {
    fn new(cancel: &'a AtomicBool) -> Self {
        Self { buffer: vec![0; BUFFER_BYTES], cancel }
    }

    /// Size and BLAKE3 of a file as it is read.
    fn hash(&mut self, file: &dyn DiskFile, path: &Path) -> Result<(u64, String), ForeignRefusal> {
        let mut hasher = blake3::Hasher::new();
        let mut offset: u64 = 0;
        loop {
            if self.cancel.load(Ordering::Relaxed) {
                return Err(ForeignRefusal::Cancelled);
            }
            match file.read_at(&mut self.buffer, offset) {
                Ok(0) => return Ok((offset, hasher.finalize().to_hex().to_string())),
                Ok(count) => {
                    hasher.update(self.buffer.get(..count).unwrap_or_default());
                    offset = offset.saturating_add(count as u64);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => return Err(failed("read", path)(source)),
            }
        }
    }
}
