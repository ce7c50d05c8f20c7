//! `resus config init`: a file to start from, which is never put in the place of another.

use crate::command::Around;
use crate::contexts::write;
use crate::error::CliError;
use crate::settings::project::PROJECT_FILE;
use crate::settings::starter::{PROJECT_SCHEMA, starter};
use crate::settings::{UserFile, Voice, config_home, schema};
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::text::visible;
use serde_json::json;
use std::env;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Why nothing is written over.
const THERE_ALREADY: &str = "it is there already; it is left as it is";

/// Arguments of `resus config init`.
#[derive(Debug, Args)]
#[command(after_help = "A file that is there already is left as it is.

Examples:
  resus config init && resus config check
  resus config init --user")]
pub(super) struct InitArgs {
    /// Your own file instead of this folder's resus.toml
    #[arg(long)]
    user: bool,
}

/// Writes the file, and the schema that its first line names.
///
/// # Errors
/// [`CliError`]: it is there already, or can't be written.
pub(super) fn init(args: &InitArgs, around: &Around) -> Result<(), CliError> {
    let (voice, path, schema) = places(args.user)?;
    if path.symlink_metadata().is_ok() {
        return Err(unwritten(&path, THERE_ALREADY));
    }
    // First, so that no file names a schema that is not there.
    let written = match voice {
        Voice::User => write(&schema, &schema::text(voice)),
        Voice::Project => fs::write(&schema, schema::text(voice)),
    };
    written.map_err(|error| unwritten(&schema, error))?;
    place(&path, &starter(voice, &schema), voice)?;
    if around.console.json {
        return around.console.out_json(&json!({ "path": path, "schema": schema }));
    }
    let next = "remove the '#' before a key to set it; then: resus config check";
    around.console.tell(&format!("✓ {} is written; {next}\n", visible(&path.display().to_string())));
    Ok(())
}

/// Whose file it is, where it goes, and where its schema goes.
fn places(is_users: bool) -> Result<(Voice, PathBuf, PathBuf), CliError> {
    if !is_users {
        let here = env::current_dir().map_err(|error| unwritten(Path::new(PROJECT_FILE), error))?;
        return Ok((Voice::Project, here.join(PROJECT_FILE), here.join(PROJECT_SCHEMA)));
    }
    let folder = config_home().ok_or_else(|| unwritten(Path::new("config.toml"), "HOME is not set"))?;
    let path = UserFile::locate().map_or_else(|| folder.join("resus/config.toml"), |file| file.path);
    Ok((Voice::User, path, folder.join("resus/schema.json")))
}

/// Writes `text` to `path`, where nothing may be. A project's file is for whoever may read the
/// project; the user's may hold an address with a password.
fn place(path: &PathBuf, text: &str, voice: Voice) -> Result<(), CliError> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    if voice == Voice::User {
        options.mode(0o600);
        let folder = path.parent().unwrap_or(Path::new("/"));
        DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(folder)
            .map_err(|error| unwritten(folder, error))?;
    }
    let mut file = options.open(path).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => unwritten(path, THERE_ALREADY),
        _ => unwritten(path, error),
    })?;
    file.write_all(text.as_bytes()).map_err(|error| unwritten(path, error))
}

fn unwritten(path: &Path, why: impl ToString) -> CliError {
    CliError::Unwritten { path: path.to_owned(), why: why.to_string(), exit: ExitCode::Refused }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_file_that_is_there_stays_and_the_users_is_the_users_alone() {
        let temp = tempfile::tempdir().expect("a folder");
        let path = temp.path().join("new/config.toml");
        place(&path, "# a\n", Voice::User).expect("written");
        let error = place(&path, "# b\n", Voice::User).expect_err("there already");
        assert_eq!(
            (error.exit(), fs::read_to_string(&path).expect("text")),
            (ExitCode::Refused, "# a\n".into())
        );
        let mode = |path: &Path| fs::metadata(path).expect("there").permissions().mode() & 0o777;
        assert_eq!((mode(&path), mode(&temp.path().join("new"))), (0o600, 0o700));
    }
}
