//! A disk in memory that fails on order, and that can be looked at as a power cut would leave it.
//!
//! Everything that is done is kept as a list of steps, so that [`Faulty::crashes`] can go back to any
//! operation and build what may be found on the disk if the power went there.
//!
//! # What a power cut may do
//! The model permits what ext4, xfs and btrfs may do, and more. It promises only:
//!
//! 1. What was written to a file before a successful `sync` of that file is there: bytes and size.
//! 2. A change of names (create, rename, remove, new folder) is there after a successful `sync_folder` of
//!    one of the folders it touches, and so is every earlier change of the same names.
//! 3. A rename happens as a whole or not at all.
//! 4. 512 bytes that begin at a multiple of 512 are written as a whole or not at all.
//!
//! Everything else is in doubt, part by part:
//! * Each sector of an unsynced write may be found or not, whatever became of the others, so a write may
//!   be torn, and a later one may be found without an earlier one.
//! * Sizes come in order, but not together with their bytes: a file may be longer than what was brought
//!   to disk of it, with zeros in between (xfs), or shorter, and what lies beyond its size is gone.
//! * Names come in an order that only ties changes of the same name: of two files made one after the
//!   other either may be missing (btrfs), a removed file may be back, and a renamed file may be empty
//!   because its name came to disk and its bytes did not.
//! * A `sync` of a file does not bring its name, nor a `sync_folder` the bytes of its files.
//! * What a failed `sync` was to bring to disk is in doubt for ever: the system forgets that it was not
//!   written, so the next one says that all is well. Only the size is brought by that one.
//!
//! # What the cache hides
//! Reading shows what was written, as a system's cache does. Where [`Faulty::corrupt_medium`] or
//! [`Plan::rot_after_sync`] changed what lies below, reading shows that only after
//! [`drop_cache`](DiskFile::drop_cache) of the file, or after a power cut.
//!
//! Not modelled: sectors that read as garbage or as an error after the cut (flip bits for that), blocks
//! of other files in a file's place (no file system of today does that), and times of change, which are
//! counted in operations.

mod crash;
mod file;
mod folder;
mod journal;
mod log;
mod meddled;
mod plan;
mod tree;
mod world;

use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::io::Errno;

pub use crate::faulty::crash::{Crash, Effort};
pub use crate::faulty::file::FaultyFile;
pub use crate::faulty::log::{Call, Operation};
pub use crate::faulty::meddled::{Meddled, Meddler};
pub use crate::faulty::plan::{Plan, Shows};
use crate::faulty::tree::{Node, Place, ROOT};
use crate::faulty::world::{Told, World};
use crate::{Disk, DiskFile, Entry};

/// The disk. Its clones are the same disk.
#[derive(Clone, Debug)]
pub struct Faulty {
    world: Arc<Mutex<World>>,
}

impl Faulty {
    /// An empty disk that will fail as planned.
    #[must_use]
    pub fn new(plan: Plan) -> Self {
        Self::of(World::new(plan))
    }

    fn of(world: World) -> Self {
        Self { world: Arc::new(Mutex::new(world)) }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        // A test that panicked while it held the lock has said why already.
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes everything for durable, forgets the log, and begins to count anew, with another plan.
    pub fn settle(&self, plan: Plan) {
        self.world().settle(plan);
    }

    /// A disk of its own with all that this one shows now, durable, and the plan given.
    #[must_use]
    pub fn copy(&self, plan: Plan) -> Self {
        let mut world = self.world().clone();
        world.settle(plan);
        Self::of(world)
    }

    /// What was asked so far, in order.
    #[must_use]
    pub fn log(&self) -> Vec<Operation> {
        self.world().log.clone()
    }

    /// How much was asked so far.
    #[must_use]
    pub fn operations(&self) -> usize {
        self.world().log.len()
    }

    /// How many faults of the plan have struck.
    #[must_use]
    pub fn strikes(&self) -> usize {
        self.world().log.iter().filter(|operation| operation.struck).count()
    }

    /// Makes the folder at `path` and those around it, as something that was always there.
    ///
    /// # Errors
    /// Something else is in the way.
    pub fn plant_folder(&self, path: &Path) -> io::Result<()> {
        let mut world = self.world();
        let mut around: Vec<&Path> = path.ancestors().collect();
        around.reverse();
        for folder in around.into_iter().filter(|folder| folder.file_name().is_some()) {
            match world.now.folder(folder) {
                Ok(_) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {
                    world.plant(folder, Node::Folder(Default::default()))?;
                }
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    /// Puts a file there, as one that was always there.
    ///
    /// # Errors
    /// The name is taken, or its folder is missing.
    pub fn plant_file(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        self.world().plant(path, Node::File(bytes.to_vec()))
    }

    /// Puts a symbolic link there.
    ///
    /// # Errors
    /// As [`Faulty::plant_file`].
    pub fn plant_link(&self, path: &Path, target: &Path) -> io::Result<()> {
        self.world().plant(path, Node::Link(target.to_owned()))
    }

    /// Puts a pipe there.
    ///
    /// # Errors
    /// As [`Faulty::plant_file`].
    pub fn plant_pipe(&self, path: &Path) -> io::Result<()> {
        self.world().plant(path, Node::Other)
    }

    /// The content of a file, without an operation.
    ///
    /// # Errors
    /// It is not there, or no file.
    pub fn content(&self, path: &Path) -> io::Result<Vec<u8>> {
        let world = self.world();
        world.now.bytes(world.now.find(path)?).cloned()
    }

    /// Changes what the medium holds of a file, as a rotten disk does: reading shows what it showed
    /// until the cache is dropped. What was written before must be synced.
    ///
    /// # Errors
    /// It is not there, or no file.
    pub fn corrupt_medium(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut world = self.world();
        let number = world.now.find(path)?;
        world.now.bytes(number)?;
        world.rot(number, change);
        Ok(())
    }

    /// Changes the content of a file behind everybody's back, durably, on the medium and in the cache.
    /// The file must not have been written since the disk was made or settled.
    ///
    /// # Errors
    /// It is not there, or no file.
    pub fn corrupt(&self, path: &Path, change: impl FnOnce(&mut Vec<u8>)) -> io::Result<()> {
        let mut world = self.world();
        let number = world.now.find(path)?;
        let mut bytes = world.now.bytes(number)?.clone();
        change(&mut bytes);
        world.now.add(number, Node::File(bytes.clone()));
        world.base.add(number, Node::File(bytes));
        world.media.remove(&number);
        Ok(())
    }

    /// Opens a file for reading and writing; it is made where there is none and `make` is set. This is
    /// for repeating what another program did: our own never open a file to change it.
    ///
    /// # Errors
    /// It is not there, or no file.
    pub fn open_to_change(&self, path: &Path, make: bool) -> io::Result<FaultyFile> {
        let missing = self.world().now.find(path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let call = if make && missing { Call::Create } else { Call::Open };
        let number = self.told(Told::of(call, path), |world| {
            if make && missing {
                return world.create(path, Node::File(Vec::new()));
            }
            let number = world.now.find(path)?;
            world.now.bytes(number).map(|_| number)
        })?;
        Ok(FaultyFile::new(self.clone(), number, path, true))
    }

    /// Copies a folder of this disk to one of the real disk, which must exist. Only files and folders.
    ///
    /// # Errors
    /// What the real disk says.
    pub fn copy_out(&self, folder: &Path, real: &Path) -> io::Result<()> {
        let world = self.world();
        let mut left = vec![(world.now.folder(folder)?, real.to_owned())];
        while let Some((number, place)) = left.pop() {
            for (name, number) in world.now.names(number)? {
                let place = place.join(name);
                match world.now.node(*number)? {
                    Node::File(bytes) => fs::write(place, bytes)?,
                    Node::Folder(_) => {
                        fs::create_dir(&place)?;
                        left.push((*number, place));
                    }
                    Node::Link(_) | Node::Other => {}
                }
            }
        }
        Ok(())
    }

    /// One operation: counted, written to the log, and done unless a fault strikes it.
    fn told<T>(&self, told: Told<'_>, act: impl FnOnce(&mut World) -> io::Result<T>) -> io::Result<T> {
        self.world().told(told, act)
    }
}

impl Disk for Faulty {
    fn create(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let number =
            self.told(Told::of(Call::Create, path), |world| world.create(path, Node::File(Vec::new())))?;
        Ok(Box::new(FaultyFile::new(self.clone(), number, path, true)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn DiskFile>> {
        let number = self.told(Told::of(Call::Open, path), |world| {
            let number = world.now.find(path)?;
            match world.now.node(number)? {
                Node::Link(_) => Err(Errno::LOOP.into()),
                Node::File(_) | Node::Folder(_) | Node::Other => Ok(number),
            }
        })?;
        Ok(Box::new(FaultyFile::new(self.clone(), number, path, false)))
    }

    fn open_beneath(&self, root: &Path, relative: &Path) -> io::Result<Box<dyn DiskFile>> {
        let path = root.join(relative);
        let number =
            self.told(Told::of(Call::OpenBeneath, &path), |world| world.find_beneath(root, relative))?;
        Ok(Box::new(FaultyFile::new(self.clone(), number, &path, false)))
    }

    fn look_at(&self, path: &Path) -> io::Result<Entry> {
        self.told(Told::of(Call::LookAt, path), |world| world.entry(world.now.find(path)?))
    }

    fn list(&self, folder: &Path, most: usize) -> io::Result<Vec<OsString>> {
        self.told(Told::of(Call::List, folder), |world| {
            let names = world.now.names(world.now.folder(folder)?)?.keys();
            Ok(names.take(most.saturating_add(1)).cloned().collect())
        })
    }

    fn read_link(&self, path: &Path) -> io::Result<PathBuf> {
        self.told(Told::of(Call::ReadLink, path), |world| match world.now.node(world.now.find(path)?)? {
            Node::Link(target) => Ok(target.clone()),
            Node::File(_) | Node::Folder(_) | Node::Other => Err(Errno::INVAL.into()),
        })
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let told = Told { to: Some(to), ..Told::of(Call::Rename, from) };
        self.told(told, |world| {
            let places = (world.now.place(from)?, world.now.place(to)?);
            world.rename(places.0, places.1)
        })
    }

    fn rename_new(&self, from: &Path, to: &Path) -> io::Result<()> {
        let told = Told { to: Some(to), ..Told::of(Call::RenameNew, from) };
        self.told(told, |world| {
            let places: (Place, Place) = (world.now.place(from)?, world.now.place(to)?);
            match world.now.named(&places.1)? {
                Some(_) => Err(io::ErrorKind::AlreadyExists.into()),
                None => world.rename(places.0, places.1),
            }
        })
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.told(Told::of(Call::Remove, path), |world| {
            let place = world.now.place(path)?;
            let number = world.now.named(&place)?.ok_or(Errno::NOENT)?;
            match world.now.node(number)? {
                Node::Folder(_) => Err(Errno::ISDIR.into()),
                Node::File(_) | Node::Link(_) | Node::Other => world.name(vec![(place, None)]),
            }
        })
    }

    fn remove_folder(&self, path: &Path) -> io::Result<()> {
        self.told(Told::of(Call::RemoveFolder, path), |world| {
            let place = world.now.place(path)?;
            let number = world.now.named(&place)?.ok_or(Errno::NOENT)?;
            match world.now.names(number)?.is_empty() {
                true => world.name(vec![(place, None)]),
                false => Err(Errno::NOTEMPTY.into()),
            }
        })
    }

    fn make_folder(&self, path: &Path) -> io::Result<()> {
        let made = self.told(Told::of(Call::MakeFolder, path), |world| {
            world.create(path, Node::Folder(Default::default()))
        });
        made.map(drop)
    }

    fn sync_folder(&self, folder: &Path) -> io::Result<()> {
        // A failure to open the folder is no failed sync: it leaves the names to the next one.
        let number = self.world().now.folder(folder).unwrap_or(ROOT);
        let told = Told { syncs: Some(number), ..Told::of(Call::SyncFolder, folder) };
        self.told(told, |world| world.now.folder(folder).map(drop))
    }
}

#[cfg(test)]
mod tests;
