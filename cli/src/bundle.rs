//! `resus doctor --bundle`: what a bug report needs, in one file that may be shown to strangers. What
//! goes in is gathered, then every text of it is redacted, then it is written; nothing takes another
//! way.

mod archive;
mod gather;
mod patterns;
mod redact;
mod secrets;

use crate::bundle::redact::Redactor;
use crate::console::Console;
use crate::doctor::examine::Findings;
use crate::error::CliError;
use crate::text::size;
use jiff::Zoned;
use resus_core::exit::ExitCode;
use serde_json::{Value, json};
use std::io;
use std::path::PathBuf;

/// What a bundle is to hold.
#[derive(Debug)]
pub(crate) struct Wish {
    /// Where to write it; `None` = here, under a name of its own.
    pub file: Option<PathBuf>,
    /// The only run whose story is told.
    pub run: Option<String>,
    /// Whether the ends of outputs are in it.
    pub with_output: bool,
}

/// One file of a bundle, before it is redacted.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Part {
    /// Its name within the bundle.
    pub name: String,
    /// What it is, for people.
    pub what: &'static str,
    /// Its content.
    pub content: Content,
}

/// What a part holds. A document is redacted text by text, so that it stays one.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    /// One document.
    Document(Value),
    /// Lines, each of which may be a document.
    Lines(String),
}

/// Gathers, redacts, writes, and tells what is inside.
///
/// # Errors
/// [`CliError`]: there is no such run, the file is there already, or it can't be written.
pub(crate) async fn write(findings: &Findings, wish: Wish, console: Console) -> Result<(), CliError> {
    let path = wish
        .file
        .clone()
        .unwrap_or_else(|| format!("resus-bundle-{}.tar.gz", Zoned::now().strftime("%Y%m%d-%H%M%S")).into());
    let parts = gather::parts(findings, &wish).await?;
    let redactor = Redactor::new(secrets::known(findings));
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    let mut inside = Vec::new();
    for part in &parts {
        let bytes = redactor.content(&part.content).into_bytes();
        inside.push((part.name.clone(), bytes.len() as u64, part.what));
        files.push((part.name.clone(), bytes));
    }
    files.insert(0, ("README.txt".to_owned(), readme(&inside).into_bytes()));
    archive::write(&path, &files).map_err(|error| CliError::Unwritten {
        path: path.clone(),
        why: error.to_string(),
        exit: exit_of(&error),
    })?;
    if console.json {
        let entries: Vec<_> = inside
            .iter()
            .map(|(name, bytes, what)| json!({"name": name, "size_bytes": bytes, "what": what}))
            .collect();
        return console.out_json(&json!({"file": path.display().to_string(), "entries": entries}));
    }
    console.out(&format!("{}\n", path.display()))?;
    console.tell(&format!("{}look at it before you send it: tar -tzf, tar -xzf\n", list(&inside)));
    Ok(())
}

/// A place that can't take the file is no mistake of this program.
fn exit_of(error: &io::Error) -> ExitCode {
    use io::ErrorKind::{
        AlreadyExists, IsADirectory, NotADirectory, NotFound, PermissionDenied, ReadOnlyFilesystem,
        StorageFull,
    };
    match error.kind() {
        AlreadyExists | IsADirectory | NotADirectory | NotFound | PermissionDenied | ReadOnlyFilesystem
        | StorageFull => ExitCode::Refused,
        _ => ExitCode::Bug,
    }
}

fn list(inside: &[(String, u64, &str)]) -> String {
    let widest = inside.iter().map(|(name, ..)| name.len()).max().unwrap_or(0);
    inside
        .iter()
        .map(|(name, bytes, what)| format!("  {name:widest$}  {:>9}  {what}\n", size::show(*bytes)))
        .collect()
}

fn readme(inside: &[(String, u64, &str)]) -> String {
    format!(
        "A bundle of Resus for a bug report. Secrets, the names of host and user, and the home folder are masked\n\
         in it: *** <host> <user> ~\n\n{}",
        list(inside)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_that_can_not_take_the_file_is_no_mistake_of_ours() {
        let temp = tempfile::tempdir().unwrap();
        let missing = archive::write(&temp.path().join("no/where.tar.gz"), &[]).unwrap_err();
        assert_eq!(exit_of(&missing), ExitCode::Refused, "{missing}");
        assert_eq!(exit_of(&io::Error::other("x")), ExitCode::Bug);
    }
}
