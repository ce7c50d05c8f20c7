//! File systems on disks of ours.

use crate::fuse::{Disk, Shelf};
use crate::image::{Image, Recorder};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The file systems that disks are tried with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Ext4,
    Xfs,
}

impl Kind {
    /// XFS refuses to be smaller than 300 MB; what is never written takes no room.
    pub fn size(self) -> u64 {
        match self {
            Self::Ext4 => 48 << 20,
            Self::Xfs => 320 << 20,
        }
    }

    fn make(self, device: &Path) {
        let mut command = match self {
            Self::Ext4 => {
                let mut command = tool("mkfs.ext4");
                // All of it now: nothing is to be written later that we did not ask for.
                command.args(["-q", "-F", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"]);
                command.args(["-J", "size=4"]);
                command
            }
            Self::Xfs => {
                let mut command = tool("mkfs.xfs");
                command.args(["-q", "-f", "-K"]);
                command
            }
        };
        run(command.arg(device));
    }

    fn options(self) -> &'static str {
        match self {
            Self::Ext4 => "noatime",
            // Every state of a disk has the same identity.
            Self::Xfs => "noatime,nouuid",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4",
            Self::Xfs => "xfs",
        }
    }
}

/// A program of the system, or where `cargo xtask disk-tools` puts it.
pub fn tool(name: &str) -> Command {
    // Programs for root are not on everybody's PATH.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    if let Some(found) = path.split(':').map(|folder| Path::new(folder).join(name)).find(|path| path.exists())
    {
        return Command::new(found);
    }
    let here = std::env::current_exe().unwrap();
    let place =
        here.ancestors().map(|folder| folder.join("tools/disk").join(name)).find(|place| place.exists());
    let place = place.unwrap_or_else(|| panic!("{name} is missing: 'cargo xtask disk-tools' fetches it"));
    let programs = ["usr/bin", "usr/sbin", "sbin"].map(|folder| place.join(folder).join(name));
    let mut command = Command::new(programs.iter().find(|path| path.exists()).unwrap());
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folders = ["usr/lib", "lib"].map(|folder| place.join(folder).join(&triple).display().to_string());
    command.env("LD_LIBRARY_PATH", folders.join(":"));
    command
}

/// Runs a command that must succeed, and returns what it said.
pub fn run(command: &mut Command) -> String {
    let output = command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    assert!(output.status.success(), "{command:?}: {said} {}", String::from_utf8_lossy(&output.stderr));
    said
}

/// A mounted file system; unmounted when dropped.
pub struct Mounted {
    pub folder: PathBuf,
}

impl Mounted {
    /// Mounts the disk in `file`. The loop device goes with the mount.
    pub fn disk(file: &Path, kind: Kind, folder: &Path) -> Result<Self, String> {
        std::fs::create_dir_all(folder).unwrap();
        let device = run(Command::new("losetup").args(["--find", "--show"]).arg(file));
        let mut mount = Command::new("mount");
        mount.args(["-t", kind.name(), "-o", kind.options(), &device]).arg(folder);
        let output = mount.stdin(Stdio::null()).output().unwrap();
        // In use, it is detached with its last user; unused, at once.
        run(Command::new("losetup").args(["--detach", &device]));
        match output.status.success() {
            true => Ok(Self { folder: folder.into() }),
            false => Err(String::from_utf8_lossy(&output.stderr).trim().to_owned()),
        }
    }

    /// Mounts a tmpfs with these options.
    pub fn tmpfs(options: &str, folder: &Path) -> Self {
        std::fs::create_dir_all(folder).unwrap();
        run(Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(folder));
        Self { folder: folder.into() }
    }

    pub fn remount(&self, options: &str) {
        run(Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(&self.folder));
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let unmounted = Command::new("umount").arg(&self.folder).stderr(Stdio::null()).status();
        if !unmounted.is_ok_and(|status| status.success()) {
            // Somebody is still in there, or the disk fails; it goes when they do.
            let _ = Command::new("umount").arg("--lazy").arg(&self.folder).status();
        }
    }
}

/// A fresh disk with a fresh file system, mounted at `folder`.
pub fn fresh(shelf: &Shelf, kind: Kind, folder: &Path) -> (Disk, Mounted) {
    let (disk, file) = shelf.add(Recorder::new(kind.size()));
    kind.make(&file);
    let mounted = Mounted::disk(&file, kind, folder).unwrap();
    run(Command::new("sync").arg("--file-system").arg(folder));
    disk.lock().unwrap().settle();
    (disk, mounted)
}

/// Mounts what a disk held.
pub fn mount_image(shelf: &Shelf, image: Image, kind: Kind, folder: &Path) -> Result<Mounted, String> {
    let (_, file) = shelf.add(Recorder::holding(image, kind.size()));
    Mounted::disk(&file, kind, folder)
}
