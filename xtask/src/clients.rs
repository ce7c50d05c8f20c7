//! Other people's libraries that tests use to look at us from outside: NATS clients of Python
//! and JavaScript, validators of schemas.
//!
//! `tests/clients/` pins them. They come through pip and npm and lie in the target folder as
//! `tools/clients/python` and `tools/clients/node_modules`; nothing is installed into the system.

use std::fmt;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::step::{self, StartError};
use crate::workspace::Workspace;

/// Where Debian keeps the certificates of authorities that the machine trusts.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// Their folder within the target folder; `tests/src/clients.rs` looks there.
const FOLDER: &str = "tools/clients";
/// What is wanted, in the root of the repository.
const PINS: [&str; 2] = ["tests/clients/requirements.txt", "tests/clients/package.json"];
/// What was wanted when they were installed.
const STAMP: &str = "installed.txt";

/// Why the libraries are not at hand.
#[derive(Debug)]
pub enum ClientsError {
    /// A command could not be started.
    Start(StartError),
    /// A command failed.
    Command(String),
    /// A file or folder could not be made, read or moved.
    File(PathBuf, io::Error),
}

impl fmt::Display for ClientsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Start(error) => error.fmt(f),
            Self::Command(line) => write!(f, "failed to install the clients' libraries; tried: {line}"),
            Self::File(path, source) => write!(f, "failed at {}: {source}", path.display()),
        }
    }
}

impl std::error::Error for ClientsError {}

/// Makes sure that the pinned versions are there, and no others.
///
/// # Errors
/// [`ClientsError`].
pub fn install(workspace: &Workspace) -> Result<bool, ClientsError> {
    let folder = workspace.target(FOLDER);
    let wanted = wanted(workspace.root())?;
    if fs::read_to_string(folder.join(STAMP)).is_ok_and(|installed| installed == wanted) {
        return Ok(true);
    }
    let draft = workspace.target(&format!("{FOLDER}.draft-{}", std::process::id()));
    let made = make(workspace.root(), &draft, &wanted).and_then(|()| put(&draft, &folder));
    if draft.exists()
        && let Err(error) = fs::remove_dir_all(&draft)
    {
        eprintln!("warning: {} could not be removed: {error}", draft.display());
    }
    made.map(|()| true)
}

fn wanted(root: &Path) -> Result<String, ClientsError> {
    let read = |pins: &str| {
        let path = root.join(pins);
        fs::read_to_string(&path).map_err(|error| ClientsError::File(path, error))
    };
    PINS.iter().map(|pins| read(pins)).collect()
}

fn make(root: &Path, draft: &Path, wanted: &str) -> Result<(), ClientsError> {
    let file = |error| ClientsError::File(draft.to_owned(), error);
    fs::create_dir_all(draft).map_err(file)?;
    let [python, node] = PINS.map(|pins| root.join(pins));
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    pip.args(["--root-user-action", "ignore", "--requirement"]).arg(python);
    run(pip.arg("--target").arg(draft.join("python")))?;
    fs::copy(node, draft.join("package.json")).map_err(file)?;
    let mut npm = Command::new("npm");
    npm.args(["install", "--silent", "--no-audit", "--no-fund", "--no-package-lock"]);
    // A registry that does not answer is told within two minutes, not within an hour.
    npm.args(["--fetch-retries", "2", "--fetch-timeout", "30000"]);
    // Node brings authorities of its own; those of the system count too.
    let authorities = Path::new(AUTHORITIES);
    if std::env::var_os("NODE_EXTRA_CA_CERTS").is_none() && authorities.exists() {
        npm.env("NODE_EXTRA_CA_CERTS", authorities);
    }
    run(npm.arg("--prefix").arg(draft))?;
    fs::write(draft.join(STAMP), wanted).map_err(file)
}

/// Puts the finished folder in its place; another of us may have been there first.
fn put(draft: &Path, folder: &Path) -> Result<(), ClientsError> {
    let file = |error| ClientsError::File(folder.to_owned(), error);
    if folder.exists() {
        fs::remove_dir_all(folder).map_err(file)?;
    }
    fs::rename(draft, folder).map_err(file)
}

fn run(command: &mut Command) -> Result<(), ClientsError> {
    eprintln!("== clients: {}", step::line_of(command));
    // Our standard output belongs to the caller of `cargo xtask test`.
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status();
    let status = status.map_err(|source| ClientsError::Start(StartError::of(command, source)))?;
    if status.success() { Ok(()) } else { Err(ClientsError::Command(step::line_of(command))) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_library_is_pinned_to_one_version() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let wanted = wanted(root).unwrap();
        let python = wanted.lines().filter(|line| line.contains("==")).count();
        assert!(python >= 2, "{wanted}");
        let node = wanted.lines().filter(|line| line.trim_start().starts_with("\"@"));
        for line in node {
            let version = line.rsplit(": ").next().unwrap().trim_matches(['"', ',']);
            assert!(version.chars().all(|c| c.is_ascii_digit() || c == '.'), "{line}");
        }
    }

    #[test]
    fn the_finished_folder_takes_the_place_of_an_older_one() {
        let root = std::env::temp_dir().join(format!("xtask-clients-{}", std::process::id()));
        for (folder, file) in [("old", "a"), ("new", "b")] {
            fs::create_dir_all(root.join(folder)).unwrap();
            fs::write(root.join(folder).join(file), "x").unwrap();
        }
        put(&root.join("new"), &root.join("old")).unwrap();
        assert!(root.join("old/b").exists() && !root.join("old/a").exists() && !root.join("new").exists());
        fs::remove_dir_all(root).unwrap();
    }
}
