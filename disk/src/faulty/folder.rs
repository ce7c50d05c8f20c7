//! Open folders of the disk that fails. They are held by their path: nobody replaces one meanwhile.

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::{Path, PathBuf};

use crate::faulty::Faulty;
use crate::folder::check_name;
use crate::{Disk, DiskFolder, Entry, FolderDisk, Kind};

/// An open folder of the disk that fails.
#[derive(Debug)]
struct FaultyFolder {
    disk: Faulty,
    path: PathBuf,
}

impl FolderDisk for Faulty {
    fn open_folder(&self, path: &Path) -> io::Result<Box<dyn DiskFolder>> {
        match self.look_at(path)?.kind {
            Kind::Folder => Ok(Box::new(FaultyFolder { disk: self.clone(), path: path.to_owned() })),
            Kind::File | Kind::Link | Kind::Other => Err(io::ErrorKind::NotADirectory.into()),
        }
    }
}

impl FaultyFolder {
    fn at(&self, name: &OsStr) -> io::Result<PathBuf> {
        Ok(self.path.join(check_name(name)?))
    }
}

impl DiskFolder for FaultyFolder {
    fn entry(&self) -> io::Result<Entry> {
        self.disk.look_at(&self.path)
    }

    fn list(&self, most: usize) -> io::Result<Vec<OsString>> {
        self.disk.list(&self.path, most)
    }

    fn look_at(&self, name: &OsStr) -> io::Result<Entry> {
        self.disk.look_at(&self.at(name)?)
    }

    fn open_folder(&self, name: &OsStr) -> io::Result<Box<dyn DiskFolder>> {
        self.disk.open_folder(&self.at(name)?)
    }

    fn remove(&self, name: &OsStr) -> io::Result<()> {
        self.disk.remove(&self.at(name)?)
    }

    fn remove_folder(&self, name: &OsStr) -> io::Result<()> {
        self.disk.remove_folder(&self.at(name)?)
    }

    // This disk knows no modes: what it refuses, it refuses once.
    fn open_up(&self) -> io::Result<()> {
        Ok(())
    }

    fn open_up_inner(&self, name: &OsStr) -> io::Result<()> {
        self.at(name).map(drop)
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.sync_folder(&self.path)
    }
}
