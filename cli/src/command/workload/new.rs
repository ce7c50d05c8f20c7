//! `resus workload new`: a folder with a training that runs, to start from.

use crate::command::Around;
use crate::error::CliError;
use crate::workloads::{registry, user_workloads};
use clap::Args;
use resus_actors::workload::{Asked, FILE};
use resus_core::exit::ExitCode;
use resus_core::ids::Slug;
use serde_json::json;
use std::fs::{DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Stands for the workload's name in the files to start from.
const NAME: &str = "@NAME@";
/// What runs are listed under that have no workload.
const COMMAND: &str = "command";
const FILE_MODE: u32 = 0o644;
const PROGRAM_MODE: u32 = 0o755;

/// A file to start from: its name, its mode and its text.
type Part = (&'static str, u32, &'static str);

const PYTHON: &[Part] = &[
    (FILE, FILE_MODE, include_str!("../../../../workloads/templates/python/workload.toml")),
    ("train.py", FILE_MODE, include_str!("../../../../workloads/templates/python/train.py")),
    ("resus.py", FILE_MODE, include_str!("../../../../sdk/python/resus.py")),
];
const SHELL: &[Part] = &[
    (FILE, FILE_MODE, include_str!("../../../../workloads/templates/shell/workload.toml")),
    ("train.sh", PROGRAM_MODE, include_str!("../../../../workloads/templates/shell/train.sh")),
];

/// Arguments of `resus workload new`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus workload new mine
  resus workload new mine --shell
  resus workload new mine --user && resus run mine")]
pub(super) struct NewArgs {
    /// What to call it: lower-case letters, digits and '-'
    name: String,
    /// A training in plain Python (this is what it is by default)
    #[arg(long, conflicts_with = "shell")]
    python: bool,
    /// A training with sh and awk, which speaks PULSE by printf
    #[arg(long)]
    shell: bool,
    /// In a folder below this one (this is where it is by default)
    #[arg(long, conflicts_with = "user")]
    here: bool,
    /// Among your workloads, so that it is run by its name
    #[arg(long)]
    user: bool,
}

/// Makes the folder. Nothing that is there is touched.
pub(super) fn new(args: &NewArgs, around: &Around) -> Result<ExitCode, CliError> {
    let name = free_name(&args.name)?;
    let folder = match args.user {
        true => user_workloads().ok_or_else(|| CliError::Usage {
            what: "nobody knows where your workloads are: neither HOME nor XDG_CONFIG_HOME is set".to_owned(),
            next: format!("resus workload new {name} --here"),
        })?,
        false => PathBuf::new(),
    };
    let folder = folder.join(name.as_str());
    make(&folder, &name, if args.shell { SHELL } else { PYTHON })?;
    let named = if args.user { name.to_string() } else { format!("./{name}") };
    let console = &around.console;
    if console.json {
        let folder = std::path::absolute(&folder).unwrap_or_else(|_| folder.clone());
        console.out_json(&json!({"name": name, "folder": folder, "run": named}))?;
        return Ok(ExitCode::Ok);
    }
    let page = console.err_page();
    console.tell(&format!(
        "made {}\n\n  resus workload check {named}\n  resus run {named}\n\nIts manual is in the comments of {}.\n",
        page.path(&folder.display().to_string()),
        page.path(&folder.join(FILE).display().to_string()),
    ));
    console.out(&format!("{}\n", folder.display()))?;
    Ok(ExitCode::Ok)
}

/// The name, if it is one and nobody has it.
fn free_name(name: &str) -> Result<Slug, CliError> {
    let slug = Slug::new(name).map_err(|error| CliError::Usage {
        what: error.to_string(),
        next: format!("resus workload new {}", Slug::nearest(name, "mine")),
    })?;
    let is_ours = registry()?.with_user(None).view(Asked::Name(name)).is_ok();
    if is_ours || name == COMMAND {
        return Err(CliError::Usage {
            what: format!("{name} is the name of what is built in"),
            next: format!("resus workload new my-{name}"),
        });
    }
    Ok(slug)
}

/// Makes `folder` with `parts` in it, or nothing.
fn make(folder: &Path, name: &Slug, parts: &[Part]) -> Result<(), CliError> {
    let unwritten = |path: &Path, error: &io::Error| CliError::Unwritten {
        path: path.to_owned(),
        why: error.to_string(),
        exit: ExitCode::Refused,
    };
    let builder = |recursive| {
        let mut builder = DirBuilder::new();
        // Whatever the mask allows: what others can write is not run as us.
        builder.mode(PROGRAM_MODE).recursive(recursive);
        builder
    };
    if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
        builder(true).create(parent).map_err(|error| unwritten(parent, &error))?;
    }
    builder(false).create(folder).map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => CliError::Unwritten {
            path: folder.to_owned(),
            why: "it is there already, and nothing in it was touched; take another name".to_owned(),
            exit: ExitCode::Refused,
        },
        _ => unwritten(folder, &error),
    })?;
    for (file, mode, text) in parts {
        let path = folder.join(file);
        let text = if *file == FILE { text.replace(NAME, name.as_str()) } else { (*text).to_owned() };
        let opened = OpenOptions::new().write(true).create_new(true).mode(*mode).open(&path);
        if let Err(error) = opened.and_then(|mut file| file.write_all(text.as_bytes())) {
            // The folder is ours: half of it is of no use to anybody.
            let _ = std::fs::remove_dir_all(folder);
            return Err(unwritten(&path, &error));
        }
    }
    Ok(())
}
