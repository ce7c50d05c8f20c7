//! What lies on a disk at one moment: folders, files, links, as a file system keeps them.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Component, Path, PathBuf};

use rustix::io::Errno;

use crate::Kind;

/// Number of a file or folder; never given twice, crashes included.
pub(super) type Number = u64;

/// The folder that every absolute path begins in. Relative ones begin there as well.
pub(super) const ROOT: Number = 1;
/// As on Linux.
const LINKS_FOLLOWED_MAX: u32 = 40;

/// A name in a folder.
pub(super) type Place = (Number, OsString);

#[derive(Clone, Debug)]
pub(super) enum Node {
    File(Vec<u8>),
    Folder(BTreeMap<OsString, Number>),
    Link(PathBuf),
    Other,
}

impl Node {
    pub(super) fn kind(&self) -> Kind {
        match self {
            Self::File(_) => Kind::File,
            Self::Folder(_) => Kind::Folder,
            Self::Link(_) => Kind::Link,
            Self::Other => Kind::Other,
        }
    }

    /// As `lstat` says it.
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::File(bytes) => bytes.len() as u64,
            Self::Link(target) => target.as_os_str().len() as u64,
            Self::Folder(_) | Self::Other => 0,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) struct Tree {
    nodes: BTreeMap<Number, Node>,
    /// When each was last changed, in operations since the disk was made.
    changed: BTreeMap<Number, u64>,
}

impl Tree {
    pub(super) fn new() -> Self {
        Self { nodes: BTreeMap::from([(ROOT, Node::Folder(BTreeMap::new()))]), changed: BTreeMap::new() }
    }

    pub(super) fn add(&mut self, number: Number, node: Node) {
        self.nodes.insert(number, node);
    }

    pub(super) fn node(&self, number: Number) -> io::Result<&Node> {
        self.nodes.get(&number).ok_or_else(|| Errno::NOENT.into())
    }

    pub(super) fn touch(&mut self, number: Number, moment: u64) {
        self.changed.insert(number, moment);
    }

    pub(super) fn changed(&self, number: Number) -> u64 {
        self.changed.get(&number).copied().unwrap_or(0)
    }

    /// The bytes of a file.
    pub(super) fn bytes(&self, number: Number) -> io::Result<&Vec<u8>> {
        match self.node(number)? {
            Node::File(bytes) => Ok(bytes),
            Node::Folder(_) => Err(Errno::ISDIR.into()),
            Node::Link(_) | Node::Other => Err(Errno::INVAL.into()),
        }
    }

    pub(super) fn bytes_mut(&mut self, number: Number) -> Option<&mut Vec<u8>> {
        match self.nodes.get_mut(&number) {
            Some(Node::File(bytes)) => Some(bytes),
            Some(Node::Folder(_) | Node::Link(_) | Node::Other) | None => None,
        }
    }

    /// The names in a folder.
    pub(super) fn names(&self, number: Number) -> io::Result<&BTreeMap<OsString, Number>> {
        match self.node(number)? {
            Node::Folder(names) => Ok(names),
            Node::File(_) | Node::Link(_) | Node::Other => Err(Errno::NOTDIR.into()),
        }
    }

    /// Lets a name stand for something else, or for nothing.
    pub(super) fn set_name(&mut self, (folder, name): &Place, number: Option<Number>) {
        if let Some(Node::Folder(names)) = self.nodes.get_mut(folder) {
            match number {
                Some(number) => names.insert(name.clone(), number),
                None => names.remove(name),
            };
        }
    }

    /// What a name stands for.
    pub(super) fn named(&self, (folder, name): &Place) -> io::Result<Option<Number>> {
        Ok(self.names(*folder)?.get(name).copied())
    }

    /// The folder and the name that a path means; what the name stands for is not looked at.
    pub(super) fn place(&self, path: &Path) -> io::Result<Place> {
        let name = path.file_name().ok_or(Errno::BUSY)?;
        let folder = self.folder(path.parent().unwrap_or(Path::new("/")))?;
        Ok((folder, name.to_owned()))
    }

    /// What lies at a path; a link in its last part is not followed.
    pub(super) fn find(&self, path: &Path) -> io::Result<Number> {
        if path.file_name().is_none() {
            return self.folder(path);
        }
        self.named(&self.place(path)?)?.ok_or_else(|| Errno::NOENT.into())
    }

    /// The folder at a path, all links followed.
    pub(super) fn folder(&self, path: &Path) -> io::Result<Number> {
        let mut trail = vec![ROOT];
        self.walk(&mut trail, path, &mut 0)?;
        let number = trail.last().copied().unwrap_or(ROOT);
        self.names(number).map(|_| number)
    }

    /// `trail` are the folders from the root to where we are.
    fn walk(&self, trail: &mut Vec<Number>, path: &Path, links: &mut u32) -> io::Result<()> {
        for part in path.components() {
            match part {
                Component::RootDir | Component::Prefix(_) => trail.truncate(1),
                Component::CurDir => {}
                Component::ParentDir => trail.truncate(trail.len().saturating_sub(1).max(1)),
                Component::Normal(name) => self.step(trail, name, links)?,
            }
        }
        Ok(())
    }

    fn step(&self, trail: &mut Vec<Number>, name: &OsStr, links: &mut u32) -> io::Result<()> {
        let here = trail.last().copied().unwrap_or(ROOT);
        let number = self.names(here)?.get(name).copied().ok_or(Errno::NOENT)?;
        if let Node::Link(target) = self.node(number)? {
            *links += 1;
            if *links > LINKS_FOLLOWED_MAX {
                return Err(Errno::LOOP.into());
            }
            return self.walk(trail, target, links);
        }
        trail.push(number);
        Ok(())
    }

    /// Forgets what no name leads to.
    pub(super) fn drop_nameless(&mut self) {
        let mut reached = BTreeSet::from([ROOT]);
        let mut folders = vec![ROOT];
        while let Some(folder) = folders.pop() {
            let Ok(names) = self.names(folder) else { continue };
            let found: Vec<Number> = names.values().copied().collect();
            for number in found {
                if reached.insert(number) {
                    folders.push(number);
                }
            }
        }
        self.nodes.retain(|number, _| reached.contains(number));
        self.changed.retain(|number, _| reached.contains(number));
    }
}

/// Puts bytes into a file's content, which grows with zeros where it must.
pub(super) fn put(content: &mut Vec<u8>, at: usize, bytes: &[u8]) {
    let end = at.saturating_add(bytes.len());
    if content.len() < end {
        content.resize(end, 0);
    }
    if let Some(place) = content.get_mut(at..end) {
        place.copy_from_slice(bytes);
    }
}
