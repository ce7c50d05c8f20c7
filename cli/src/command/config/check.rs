//! `resus config check`: every mistake at once.

use crate::command::Around;
use crate::command::overrides::SetArgs;
use crate::error::CliError;
use crate::settings::layers::{Below, Layers};
use crate::settings::project::{PROJECT_FILE, Project};
use crate::settings::{SettingsError, UserFile, read};
use clap::{Args, ValueEnum};
use resus_core::policy::Overrides;
use resus_core::text::visible;
use serde::Serialize;
use serde_json::json;
use std::env;
use std::path::{Path, PathBuf};

/// Arguments of `resus config check`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus config check
  resus config check ./resus.toml
  resus config check new.toml --as user --json")]
pub(super) struct CheckArgs {
    /// Files, each judged by itself [default: all that applies in this folder]
    #[arg(value_name = "FILE")]
    files: Vec<PathBuf>,
    /// What the files are [default: a resus.toml is a project's, any other the user's]
    #[arg(long = "as", value_name = "KIND", value_enum, requires = "files")]
    kind: Option<Kind>,
    #[command(flatten)]
    set: SetArgs,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    /// The user's: everything.
    User,
    /// A project's: what runs may have of their own.
    Project,
}

/// A file that was looked at.
#[derive(Debug, Serialize)]
struct Checked {
    path: PathBuf,
    kind: Kind,
}

/// Looks at the files, or at what applies here.
///
/// # Errors
/// [`CliError::Settings`] with every mistake.
pub(super) fn check(args: &CheckArgs, around: &Around) -> Result<(), CliError> {
    let (checked, warnings) = match args.files.is_empty() {
        true => here(args)?,
        false => (files(args)?, Vec::new()),
    };
    if around.console.json {
        return around.console.out_json(&json!({ "valid": true, "files": checked, "warnings": warnings }));
    }
    for warning in &warnings {
        around.console.tell(&format!("warning: {warning}\n"));
    }
    around.console.tell(&told(&checked));
    Ok(())
}

fn here(args: &CheckArgs) -> Result<(Vec<Checked>, Vec<String>), CliError> {
    let folder = env::current_dir().ok();
    let layers = Layers::load(Below::UserFile, folder.as_deref(), &args.set.set, &Overrides::default())?;
    let mut checked = Vec::new();
    if let Some(file) = UserFile::locate()
        && file.read()?.is_some()
    {
        checked.push(Checked { path: file.path, kind: Kind::User });
    }
    checked.extend(layers.project_file.map(|path| Checked { path, kind: Kind::Project }));
    Ok((checked, layers.warnings))
}

fn files(args: &CheckArgs) -> Result<Vec<Checked>, CliError> {
    let mut documents = Vec::new();
    let mut checked = Vec::new();
    for path in &args.files {
        let is_project = path.file_name().is_some_and(|name| name == PROJECT_FILE);
        let kind = args.kind.unwrap_or(if is_project { Kind::Project } else { Kind::User });
        match judge(path, kind, args) {
            Ok(()) => checked.push(Checked { path: path.clone(), kind }),
            Err(SettingsError::Invalid { documents: more }) => documents.extend(more),
            Err(other) => documents.push(other.as_document(path)),
        }
    }
    // What was typed is the same beside every file, and told once.
    documents.dedup();
    if documents.is_empty() { Ok(checked) } else { Err(SettingsError::Invalid { documents }.into()) }
}

fn judge(path: &Path, kind: Kind, args: &CheckArgs) -> Result<(), SettingsError> {
    let text = read(path).map_err(|source| SettingsError::Read { path: path.to_owned(), source })?;
    let mut layers = Layers::defaults();
    match kind {
        Kind::User => layers.user(&text, path),
        Kind::Project => {
            layers.assume_a_metric();
            layers.project(Project::Ours(path.to_owned(), text));
        }
    }
    layers.set(&args.set.set);
    layers.checked().map(drop)
}

fn told(checked: &[Checked]) -> String {
    if checked.is_empty() {
        return "no file says anything here: the defaults apply\n".to_owned();
    }
    let line = |file: &Checked| {
        let kind = match file.kind {
            Kind::User => "user's settings",
            Kind::Project => "project's settings",
        };
        format!("✓ {} ({kind})\n", visible(&file.path.display().to_string()))
    };
    checked.iter().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::overrides::SetArgs;

    fn args(files: Vec<PathBuf>, kind: Option<Kind>) -> CheckArgs {
        CheckArgs { files, kind, set: SetArgs::default() }
    }

    #[test]
    fn files_are_judged_by_their_name_and_all_their_mistakes_are_told() {
        let temp = tempfile::tempdir().expect("a folder");
        let [project, user, gone] =
            ["resus.toml", "mine.toml", "gone.toml"].map(|name| temp.path().join(name));
        std::fs::write(&project, "[daemon]\nidle_exit = '1s'\n[checkpoint]\nkeep_best = 2\n")
            .expect("a file");
        std::fs::write(&user, "[retry]\nmax = true\n").expect("a file");
        let all = vec![project.clone(), user.clone(), gone.clone()];
        let Err(CliError::Settings(error)) = files(&args(all, None)) else { panic!("valid") };
        let details = error.details();
        let at = |path: &Path| path.display().to_string();
        assert!(details[0].starts_with(&format!("{}:1:2: [daemon] is about", at(&project))), "{details:?}");
        assert!(details[1].starts_with(&format!("{}:2:7: retry.max: ", at(&user))), "{details:?}");
        assert!(details[2].starts_with(&format!("{}: ", at(&gone))), "{details:?}");
        assert_eq!(details.len(), 3);
        std::fs::write(&project, "[daemon]\nidle_exit = '1s'\n").expect("a file");
        let checked = files(&args(vec![project.clone()], Some(Kind::User))).expect("the user may");
        assert_eq!(told(&checked), format!("✓ {} (user's settings)\n", at(&project)));
    }

    #[test]
    fn nothing_to_look_at_is_told_as_such() {
        assert_eq!(told(&[]), "no file says anything here: the defaults apply\n");
    }
}
