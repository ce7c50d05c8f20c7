//! How a checkpoint is named on the command line: by the path of its file, or by its run.

use crate::client::ClientError;
use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::render::parts::short;
use crate::target::Target;
use resus_core::api::{CheckpointState, CheckpointView, Problem};
use resus_core::exit::ExitCode;
use resus_core::input::CheckpointRef;
use resus_core::view::RunView;
use std::path::{Path, PathBuf, absolute};

/// What stands for the newest checkpoint that may be used.
const LATEST: &str = "latest";

/// A name as typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Named {
    /// A file or a folder.
    File(PathBuf),
    /// A checkpoint of a run: `RUN:CHECKPOINT` or `RUN/CHECKPOINT`.
    OfRun {
        /// The run, as people type it.
        run: String,
        /// Its id, the unique beginning of one, or `latest`.
        checkpoint: String,
    },
    /// A run, or a path that does not exist.
    Word(String),
}

impl Named {
    /// Reads `text`; what is there under that name is meant before anything else.
    pub(crate) fn read(text: &str, is_there: impl Fn(&Path) -> bool) -> Self {
        let path = Path::new(text);
        if text.starts_with(['/', '.', '~']) || is_there(path) {
            return Self::File(path.to_owned());
        }
        // The name of a run has neither in it; that of a checkpoint may have.
        match text.split_once([':', '/']) {
            Some((run, checkpoint))
                if !run.is_empty() && !checkpoint.is_empty() && !checkpoint.contains('/') =>
            {
                Self::OfRun { run: run.to_owned(), checkpoint: checkpoint.to_owned() }
            }
            Some(_) => Self::File(path.to_owned()),
            None => Self::Word(text.to_owned()),
        }
    }

    /// The same, with this machine's files.
    pub(crate) fn typed(text: &str) -> Self {
        Self::read(text, |path| path.symlink_metadata().is_ok())
    }
}

/// The run that `run` names, and what it knows of its checkpoints.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn checkpoints_of(
    run: &str,
    around: &Around,
) -> Result<(RunView, Vec<CheckpointView>), CliError> {
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    // A selector such as @latest may name another run by now.
    let id = view.run_id.as_str();
    let list = ask(&around.target, |client| async move { client.checkpoints(id).await }).await?;
    Ok((view, list.checkpoints))
}

/// The checkpoint of `view` that `text` names.
///
/// # Errors
/// [`CliError`]: none, or several.
pub(crate) fn pick<'a>(
    view: &RunView,
    all: &'a [CheckpointView],
    text: &str,
) -> Result<&'a CheckpointView, CliError> {
    let run = format!("{} ({})", short(&view.run_id), view.name);
    if text == LATEST {
        let newest = view.checkpoint.as_ref();
        let is_it = |c: &&CheckpointView| newest.is_some_and(|newest| newest.path == c.checkpoint.path);
        let none =
            || not_found("No such checkpoint", format!("{run} has no checkpoint that may be used"), view);
        return all.iter().find(is_it).ok_or_else(none);
    }
    // What can still be used is meant before what is damaged: a later one may have its name.
    let usable = |c: &&CheckpointView| c.state != CheckpointState::Damaged;
    let exact = |c: &&CheckpointView| c.checkpoint.checkpoint_id == text;
    if let Some(exact) = all.iter().filter(usable).rfind(exact).or_else(|| all.iter().rfind(exact)) {
        return Ok(exact);
    }
    let begin_so = all.iter().filter(|c| c.checkpoint.checkpoint_id.starts_with(text) && !text.is_empty());
    match begin_so.collect::<Vec<_>>()[..] {
        [only] => Ok(only),
        [] => {
            Err(not_found("No such checkpoint", format!("no checkpoint of {run} is called {text:?}"), view))
        }
        ref several => {
            let detail = format!("the names of {} checkpoints of {run} begin with {text:?}", several.len());
            Err(not_found("More than one checkpoint", detail, view))
        }
    }
}

fn not_found(title: &str, detail: String, view: &RunView) -> CliError {
    CliError::Client(ClientError::Refused(Box::new(Problem {
        kind: "urn:resus:not-found".to_owned(),
        title: title.to_owned(),
        status: 404,
        detail,
        hint: Some(format!("list them with: resus checkpoints {}", short(&view.run_id))),
        exit_code: ExitCode::NotFound,
    })))
}

/// The file of a checkpoint on this machine.
///
/// # Errors
/// [`CliError`]: none is called so, or it lies on another machine.
pub(crate) async fn file(named: Named, around: &Around) -> Result<PathBuf, CliError> {
    match named {
        Named::File(path) => Ok(path),
        // Its error says that there is no such file.
        Named::Word(text) => Ok(PathBuf::from(text)),
        Named::OfRun { run, checkpoint } => {
            let (view, all) = checkpoints_of(&run, around).await?;
            lies_here(&view, around)?;
            let found = pick(&view, &all, &checkpoint)?;
            Ok(PathBuf::from(found.moved_to.as_ref().unwrap_or(&found.checkpoint.path)))
        }
    }
}

/// Whether the files of `view` can be opened from here.
///
/// # Errors
/// [`CliError::Usage`] that says where they can.
pub(crate) fn lies_here(view: &RunView, around: &Around) -> Result<(), CliError> {
    match around.target {
        Target::Here(_) => Ok(()),
        Target::There(_) => Err(CliError::Usage {
            what: format!("the checkpoints of {} ({}) lie on {}", short(&view.run_id), view.name, view.node),
            next: format!("type the same on {}, without --nats or --context", view.node),
        }),
    }
}

/// An absolute path as text.
///
/// # Errors
/// [`CliError::Usage`]: there is no working folder, or it is not UTF-8.
pub(crate) fn absolute_text(path: &Path) -> Result<String, CliError> {
    let unfit = |why: String| CliError::Usage {
        what: format!("{} can't be found from here: {why}", path.display()),
        next: "give its whole path, in UTF-8".to_owned(),
    };
    let whole = absolute(path).map_err(|error| unfit(error.to_string()))?;
    whole.to_str().map(str::to_owned).ok_or_else(|| unfit("it is not UTF-8".to_owned()))
}

/// A checkpoint to begin from that belongs to no run.
pub(crate) fn by_path(path: String) -> CheckpointRef {
    let file = Path::new(&path);
    let stem =
        if file.extension().is_some_and(|end| end == "prsm") { file.file_stem() } else { file.file_name() };
    let id = stem.and_then(|stem| stem.to_str()).unwrap_or(&path).to_owned();
    CheckpointRef::at(id, path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    #[test]
    fn a_name_is_a_path_a_run_or_a_checkpoint_of_one() {
        let of_run =
            |run: &str, checkpoint: &str| Named::OfRun { run: run.into(), checkpoint: checkpoint.into() };
        let file = |path: &str| Named::File(path.into());
        for (text, read) in [
            ("/a/ck.prsm", file("/a/ck.prsm")),
            ("./ck", file("./ck")),
            ("there.prsm", file("there.prsm")),
            ("nightly/there", file("nightly/there")),
            ("nightly/gone/ck.prsm", file("nightly/gone/ck.prsm")),
            ("nightly:ck-5", of_run("nightly", "ck-5")),
            ("nightly@latest/latest", of_run("nightly@latest", "latest")),
            ("@latest:step:5", of_run("@latest", "step:5")),
            ("nightly", Named::Word("nightly".into())),
            (":x", file(":x")),
        ] {
            assert_eq!(
                Named::read(text, |path| path.ends_with("there.prsm") || path.ends_with("there")),
                read,
                "{text}"
            );
        }
    }

    #[test]
    fn a_checkpoint_of_a_run_is_found_by_its_id_or_the_unique_beginning_of_one() {
        let known = |id: &str, state: &str| -> CheckpointView {
            let checkpoint = json!({"checkpoint_id": id, "path": format!("/{state}/{id}")});
            serde_json::from_value(
                json!({"checkpoint": checkpoint, "state": state, "is_resume_point": false}),
            )
            .unwrap()
        };
        let all = [
            known("ck-1", "verified"),
            known("ck-10", "verified"),
            known("ck-20", "candidate"),
            known("ck-10", "damaged"),
            known("ck-30", "damaged"),
        ];
        let run = view(json!({"checkpoint": {"checkpoint_id": "ck-10", "path": "/verified/ck-10"}}));
        let path = |text| pick(&run, &all, text).map(|found| found.checkpoint.path.clone());
        for (text, found) in [
            ("ck-1", "/verified/ck-1"),
            ("ck-10", "/verified/ck-10"),
            ("ck-2", "/candidate/ck-20"),
            ("ck-30", "/damaged/ck-30"),
            ("latest", "/verified/ck-10"),
        ] {
            assert_eq!(path(text).unwrap(), found, "{text}");
        }
        for (text, words) in [("ck", "begin with"), ("x", "is called \"x\""), ("", "is called")] {
            let error = path(text).unwrap_err();
            assert_eq!(error.exit(), ExitCode::NotFound);
            assert!(error.told().why[0].contains(words), "{error:?}");
        }
        let none = pick(&view(json!({})), &all, "latest").unwrap_err();
        assert!(none.told().why[0].contains("no checkpoint that may be used"), "{none:?}");
    }

    #[test]
    fn a_file_is_called_after_its_name() {
        assert_eq!(by_path("/a/ck-5.prsm".into()).checkpoint_id, "ck-5");
        assert_eq!(by_path("/a/model.safetensors".into()).checkpoint_id, "model.safetensors");
        assert_eq!(by_path("/a/step-5.1".into()).checkpoint_id, "step-5.1");
    }
}
