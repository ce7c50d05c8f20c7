//! What a checkpoint of another framework consisted of when it was complete, as text.
//!
//! ```text
//! resus-manifest 1
//! folder /data/run/step-500
//! file 4096 4878ca0425c739fa427f7eda20fe845f6b2e46ba5fe2a14df5b1e32f50603215 model.safetensors
//! link newest
//!   to model.safetensors
//! total 4096
//! digest blake3:<of all lines before this one>
//! ```
//! A name is the rest of its line, with `\xNN` for what one line of UTF-8 cannot hold. The text of a
//! manifest is the only one that it has: what does not read back to the same bytes is refused.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use super::look::{Form, base};
use super::name::{below, escape, unescape};

const FIRST_LINE: &str = "resus-manifest 1";
const HEX_DIGITS: usize = 64;

/// The bytes of a checkpoint, by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// Its path.
    pub root: PathBuf,
    /// Whether it is one file or a folder.
    pub form: Form,
    /// Its files, sorted by name.
    pub files: Vec<ManifestFile>,
    /// Its links, sorted by name.
    pub links: Vec<ManifestLink>,
}

/// A file of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestFile {
    /// Path below the folder, as text of one line; of a single file its own name.
    pub name: String,
    /// Bytes.
    pub size: u64,
    /// BLAKE3 of its content, 64 hex digits.
    pub blake3: String,
}

/// A link of a manifest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestLink {
    /// Path below the folder, as text of one line.
    pub name: String,
    /// What is written in it, as text of one line.
    pub to: String,
}

/// Why a text is no manifest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ManifestError {
    /// Its first line is another.
    #[error("begins with \"{}\", not with \"{FIRST_LINE}\"", found.escape_debug())]
    Version {
        /// The line, or its beginning.
        found: String,
    },
    /// A line is not as it must be.
    #[error("line {line} is damaged")]
    Line {
        /// Which, from 1.
        line: usize,
    },
    /// Its text has another digest than it says, or than the catalogue says.
    #[error("has the digest {found}, not {expected}: damaged")]
    Digest {
        /// As it should be.
        expected: String,
        /// As it is.
        found: String,
    },
    /// Names out of order, a sum that is wrong, or text behind the end.
    #[error("contradicts itself")]
    Contradiction,
}

impl Manifest {
    /// Sum of the files' sizes.
    #[must_use]
    pub fn total_bytes(&self) -> u64 {
        self.files.iter().fold(0, |sum, file| sum.saturating_add(file.size))
    }

    /// The folder below which its files are named.
    #[must_use]
    pub fn base(&self) -> &Path {
        base(&self.root, self.form)
    }

    /// What a catalogue knows it by: `manifest:blake3:` and 64 hex digits.
    #[must_use]
    pub fn digest(&self) -> String {
        format!("manifest:{}", digest_of(&self.lines()))
    }

    /// Its one and only text.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut text = self.lines();
        let digest = digest_of(&text);
        // Writing to a string never fails.
        let _ = writeln!(text, "digest {digest}");
        text
    }

    /// All lines but the last.
    fn lines(&self) -> String {
        let form = match self.form {
            Form::File => "single",
            Form::Folder => "folder",
        };
        let mut text = format!("{FIRST_LINE}\n{form} {}\n", escape(self.root.as_os_str()));
        for ManifestFile { name, size, blake3 } in &self.files {
            let _ = writeln!(text, "file {size} {blake3} {name}");
        }
        for ManifestLink { name, to } in &self.links {
            let _ = writeln!(text, "link {name}\n  to {to}");
        }
        let _ = writeln!(text, "total {}", self.total_bytes());
        text
    }

    /// Reads a text that [`Manifest::to_text`] made.
    ///
    /// # Errors
    /// [`ManifestError`]: not a single byte of it may differ.
    pub fn from_text(text: &str) -> Result<Self, ManifestError> {
        let manifest = Lines::of(text).manifest()?;
        let in_order = manifest.files.is_sorted_by(|a, b| a.name < b.name)
            && manifest.links.is_sorted_by(|a, b| a.name < b.name);
        if in_order && manifest.to_text() == text {
            return Ok(manifest);
        }
        Err(ManifestError::Contradiction)
    }
}

/// `blake3:` and the digest of a text.
fn digest_of(text: &str) -> String {
    format!("blake3:{}", blake3::hash(text.as_bytes()).to_hex())
}

/// The lines of a text, one after the other.
struct Lines<'a> {
    text: &'a str,
    rest: &'a str,
    line: usize,
}

impl<'a> Lines<'a> {
    fn of(text: &'a str) -> Self {
        Self { text, rest: text, line: 0 }
    }

    fn damaged(&self) -> ManifestError {
        ManifestError::Line { line: self.line }
    }

    fn next(&mut self) -> Result<&'a str, ManifestError> {
        self.line += 1;
        let (line, rest) = self.rest.split_once('\n').ok_or_else(|| self.damaged())?;
        self.rest = rest;
        Ok(line)
    }

    fn manifest(&mut self) -> Result<Manifest, ManifestError> {
        let first = self.next().unwrap_or(self.text);
        if first != FIRST_LINE {
            return Err(ManifestError::Version { found: first.chars().take(40).collect() });
        }
        let (form, root) = self.next()?.split_once(' ').ok_or_else(|| self.damaged())?;
        let form = match form {
            "single" => Form::File,
            "folder" => Form::Folder,
            _ => return Err(self.damaged()),
        };
        let root = PathBuf::from(unescape(root).ok_or_else(|| self.damaged())?);
        let mut manifest = Manifest { root, form, files: Vec::new(), links: Vec::new() };
        loop {
            let before = self.rest;
            let (kind, rest) = self.next()?.split_once(' ').ok_or_else(|| self.damaged())?;
            match kind {
                "file" => manifest.files.push(file(rest).ok_or_else(|| self.damaged())?),
                "link" => {
                    let to = self.next()?.strip_prefix("  to ").ok_or_else(|| self.damaged())?;
                    below(rest).ok_or_else(|| self.damaged())?;
                    manifest.links.push(ManifestLink { name: rest.to_owned(), to: to.to_owned() });
                }
                // The sum is compared with the whole text later.
                "total" => {}
                "digest" => {
                    let lines = &self.text[..self.text.len() - before.len()];
                    let found = digest_of(lines);
                    let expected = rest.to_owned();
                    let agrees = expected == found;
                    return if agrees {
                        Ok(manifest)
                    } else {
                        Err(ManifestError::Digest { expected, found })
                    };
                }
                _ => return Err(self.damaged()),
            }
        }
    }
}

/// `SIZE DIGEST NAME`.
fn file(text: &str) -> Option<ManifestFile> {
    let mut parts = text.splitn(3, ' ');
    let size = parts.next()?.parse().ok()?;
    let blake3 = parts.next()?;
    let is_hex = blake3.len() == HEX_DIGITS && blake3.bytes().all(|byte| byte.is_ascii_hexdigit());
    let name = parts.next()?;
    below(name)?;
    is_hex.then(|| ManifestFile { name: name.to_owned(), size, blake3: blake3.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let file = |name: &str, size| ManifestFile {
            name: name.to_owned(),
            size,
            blake3: blake3::hash(name.as_bytes()).to_hex().to_string(),
        };
        Manifest {
            root: PathBuf::from("/data/a run"),
            form: Form::Folder,
            files: vec![file("config.json", 2), file("sub/w\\x0a 1.pt", 40)],
            links: vec![ManifestLink { name: "newest".to_owned(), to: "sub".to_owned() }],
        }
    }

    #[test]
    fn a_manifest_comes_back_from_its_text() {
        let text = manifest().to_text();
        assert_eq!(Manifest::from_text(&text), Ok(manifest()));
        assert!(text.contains("\ntotal 42\ndigest blake3:"), "{text}");
    }

    #[test]
    fn the_digest_is_that_of_the_lines_before_it() {
        let text = manifest().to_text();
        let end = text.rfind("digest ").unwrap();
        let hex = blake3::hash(&text.as_bytes()[..end]).to_hex();
        assert_eq!(manifest().digest(), format!("manifest:blake3:{hex}"));
        assert!(text.ends_with(&format!("{hex}\n")));
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_found() {
        let text = manifest().to_text();
        for place in 0..text.len() * 8 {
            let mut bytes = text.clone().into_bytes();
            bytes[place / 8] ^= 1 << (place % 8);
            if let Ok(text) = String::from_utf8(bytes) {
                assert!(Manifest::from_text(&text).is_err(), "bit {place}:\n{text}");
            }
        }
        for length in 0..text.len() {
            assert!(Manifest::from_text(&text[..length]).is_err(), "{length}");
        }
        assert_eq!(Manifest::from_text(&format!("{text}\n")), Err(ManifestError::Contradiction));
    }

    #[test]
    fn another_version_is_named() {
        let text = manifest().to_text().replace("manifest 1", "manifest 2");
        let refused = Manifest::from_text(&text).unwrap_err();
        assert_eq!(refused.to_string(), r#"begins with "resus-manifest 2", not with "resus-manifest 1""#);
    }

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let mut bad = manifest();
        bad.files[0].name = "../config.json".to_owned();
        assert_eq!(Manifest::from_text(&bad.to_text()), Err(ManifestError::Line { line: 3 }));
    }
}
