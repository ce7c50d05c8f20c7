//! Where things are: the source tree, and the folder that holds what cargo builds.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The repository and its build folder.
#[derive(Debug)]
pub struct Workspace {
    root: PathBuf,
    /// Folder of this program, `<target>/debug`, where the programs of the dev profile lie.
    programs: PathBuf,
}

/// Why the folders could not be found.
#[derive(Debug)]
pub enum WorkspaceError {
    /// The system does not say where this program is.
    Program(io::Error),
    /// This program is not where cargo puts it.
    Folder(PathBuf),
}

impl fmt::Display for WorkspaceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Program(source) => write!(f, "failed to find this program's own path: {source}"),
            Self::Folder(path) => {
                write!(f, "{} is not in a target folder: start it as `cargo xtask`", path.display())
            }
        }
    }
}

impl std::error::Error for WorkspaceError {}

impl Workspace {
    /// The workspace this program was built from and into. It looks at its own path instead of
    /// asking `cargo metadata`, whose answer would take a JSON parser.
    ///
    /// # Errors
    /// [`WorkspaceError`] when the program has been moved.
    pub fn of_this_program() -> Result<Self, WorkspaceError> {
        let program = std::env::current_exe().map_err(WorkspaceError::Program)?;
        let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
        match (program.parent(), manifest.parent()) {
            (Some(programs), Some(root))
                if programs.parent().is_some() && root.join("Cargo.lock").exists() =>
            {
                Ok(Self { root: root.to_owned(), programs: programs.to_owned() })
            }
            _ => Err(WorkspaceError::Folder(program)),
        }
    }

    /// The folder with `Cargo.lock`.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// A program of the dev profile.
    pub fn program(&self, name: &str) -> PathBuf {
        self.programs.join(name)
    }

    /// A folder of ours within cargo's target folder.
    pub fn target(&self, name: &str) -> PathBuf {
        self.programs.parent().unwrap_or(&self.programs).join(name)
    }

    /// The cargo that runs us, at the root.
    pub fn cargo(&self) -> Command {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
        let mut command = Command::new(cargo);
        command.current_dir(&self.root);
        command
    }
}
