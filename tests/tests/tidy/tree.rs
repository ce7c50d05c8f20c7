//! The files of the repository, read once; or the files of a planted tree, for the checkers' own tests.

use std::fmt;
use std::path::{Path, PathBuf};

/// Folders that are not source: build output, and what tools leave behind.
const NOT_SOURCE: [&str; 6] = [".git", "target", "node_modules", "__pycache__", ".venv", "dist"];
/// Larger files are data, not text that people write.
const TEXT_BYTES_MAX: u64 = 1 << 20;

/// A text file.
#[derive(Debug, Clone)]
pub struct File {
    /// Path from the root, with `/`.
    pub path: String,
    /// Its content.
    pub text: String,
}

/// The text files of a repository, in the order of their paths.
#[derive(Debug, Clone, Default)]
pub struct Tree {
    /// The files.
    pub files: Vec<File>,
}

/// Something that is not tidy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Violation {
    /// `path` or `path:line`.
    pub place: String,
    /// What is wrong, and what to do instead.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.what)
    }
}

impl Violation {
    /// One that concerns a whole file.
    pub fn of(path: &str, what: impl Into<String>) -> Self {
        Self { place: path.to_owned(), what: what.into() }
    }

    /// One in a line, counted from 1.
    pub fn at(path: &str, line: usize, what: impl Into<String>) -> Self {
        Self { place: format!("{path}:{line}"), what: what.into() }
    }
}

impl Tree {
    /// This repository.
    pub fn of_repository() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("tests/ is in the root");
        let mut files = Vec::new();
        let mut folders = vec![root.to_owned()];
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(&folder).expect("a readable folder") {
                let entry = entry.expect("a readable entry");
                let name = entry.file_name().to_string_lossy().into_owned();
                let kind = entry.file_type().expect("a kind of file");
                if kind.is_dir() && !NOT_SOURCE.contains(&name.as_str()) {
                    folders.push(entry.path());
                } else if kind.is_file() {
                    files.extend(read(root, entry.path()));
                }
            }
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Self { files }
    }

    /// A tree that was made up.
    pub fn planted(files: &[(&str, &str)]) -> Self {
        let file = |(path, text): &(&str, &str)| File { path: (*path).into(), text: (*text).into() };
        Self { files: files.iter().map(file).collect() }
    }

    /// The file at `path`.
    pub fn get(&self, path: &str) -> Option<&File> {
        self.files.iter().find(|file| file.path == path)
    }

    /// Every Rust file.
    pub fn rust(&self) -> impl Iterator<Item = &File> {
        self.files.iter().filter(|file| file.path.ends_with(".rs"))
    }
}

/// `None` for what is not text.
fn read(root: &Path, path: PathBuf) -> Option<File> {
    if std::fs::metadata(&path).ok()?.len() > TEXT_BYTES_MAX {
        return None;
    }
    let text = String::from_utf8(std::fs::read(&path).ok()?).ok()?;
    let path = path.strip_prefix(root).ok()?.to_str()?.to_owned();
    Some(File { path, text })
}
