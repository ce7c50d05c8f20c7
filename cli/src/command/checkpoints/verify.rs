//! `resus checkpoints verify`: reads every byte of checkpoints, and says what is wrong and where.

use crate::command::Around;
use crate::counting::Counting;
use crate::daemon::start::ask;
use crate::error::{CliError, refused};
use crate::named::{self, Named, checkpoints_of, lies_here};
use crate::progress::watched;
use crate::render::verdict::{Verdict, document, text};
use crate::submission::recheck_body;
use clap::Args;
use resus_checkpoint::verify_with;
use resus_core::api::{CheckpointState, CheckpointView};
use resus_core::checkpoint::CheckpointFormat;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::path::PathBuf;

/// Arguments of `resus checkpoints verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads files without loading them, of every version of the format. What is found to be damaged
in a run is told to its daemon, which does not resume from it any more. Exit code 0 if everything
is whole, 15 if something is damaged.

Example:
  resus checkpoints verify nightly
  resus checkpoints verify /data/*.prsm"
)]
pub(crate) struct VerifyArgs {
    /// A run, then at most one of its checkpoints; or files
    #[arg(required = true, value_name = "RUN [CHECKPOINT] | PATH")]
    pub what: Vec<String>,
}

/// Carries out `resus checkpoints verify`.
///
/// # Errors
/// [`CliError`]; that a file is damaged is none.
pub(crate) async fn verify(args: VerifyArgs, around: &Around) -> Result<ExitCode, CliError> {
    let named: Vec<_> = args.what.iter().map(|text| Named::typed(text)).collect();
    let (verdicts, told) = match (&named[..], &args.what[..]) {
        ([Named::Word(run)], _) => of_run(run, None, around).await?,
        ([Named::Word(run), _], [_, checkpoint]) => of_run(run, Some(checkpoint), around).await?,
        _ => (files(named, around).await?, None),
    };
    if around.console.json {
        around.console.out_json(&document(&verdicts))?;
    } else {
        let page = around.console.out_page();
        around.console.out(&text(&verdicts, told.as_deref(), &page))?;
    }
    Ok(worst(&verdicts))
}

/// Damage outweighs absence.
fn worst(verdicts: &[Verdict]) -> ExitCode {
    let exits = verdicts.iter().filter_map(|verdict| verdict.found.as_ref().err()).map(|fault| fault.exit);
    exits.max_by_key(|exit| *exit == ExitCode::Damaged).unwrap_or(ExitCode::Ok)
}

async fn files(named: Vec<Named>, around: &Around) -> Result<Vec<Verdict>, CliError> {
    let mut verdicts = Vec::new();
    for one in named {
        let path = named::file(one, around).await?;
        verdicts.push(read(path.to_string_lossy().into_owned(), path, around).await?);
    }
    Ok(verdicts)
}

/// The checkpoints of a run, or one of them, and what the daemon was told.
async fn of_run(
    run: &str,
    checkpoint: Option<&str>,
    around: &Around,
) -> Result<(Vec<Verdict>, Option<String>), CliError> {
    let (view, all) = checkpoints_of(run, around).await?;
    lies_here(&view, around)?;
    let chosen = match checkpoint {
        Some(text) => vec![named::pick(&view, &all, text)?],
        None => all.iter().filter(|known| can_be_read(known)).collect(),
    };
    let mut verdicts = Vec::new();
    let mut damaged = Vec::new();
    for known in chosen {
        let verdict = one_of_run(known, &view, around).await?;
        // Of the others nothing is resumed from.
        if verdict.found.is_err() && known.state == CheckpointState::Verified {
            damaged.push(known);
        }
        verdicts.push(verdict);
    }
    let told = tell_daemon(&view, &damaged, around).await?;
    Ok((verdicts, told))
}

/// What is damaged is so already; a foreign one that nobody has read yet can't be compared.
fn can_be_read(known: &CheckpointView) -> bool {
    match known.state {
        CheckpointState::Verified | CheckpointState::SetAside => true,
        CheckpointState::Candidate => known.checkpoint.format == CheckpointFormat::Prsm,
        CheckpointState::Damaged => false,
    }
}

/// Lets the daemon read back what was found to be damaged, so that it knows.
async fn tell_daemon(
    view: &RunView,
    damaged: &[&CheckpointView],
    around: &Around,
) -> Result<Option<String>, CliError> {
    let run = view.run_id.as_str();
    for known in damaged {
        let body = &recheck_body(Some(known.checkpoint.checkpoint_id.clone()));
        ask(&around.target, |client| async move { client.recheck(run, body).await }).await?;
    }
    let what = match damaged.len() {
        0 => return Ok(None),
        1 => "it",
        _ => "them",
    };
    Ok(Some(format!("the daemon was told: it reads {what} back, and resumes from what is whole")))
}

async fn one_of_run(known: &CheckpointView, view: &RunView, around: &Around) -> Result<Verdict, CliError> {
    let checkpoint = &known.checkpoint;
    let path = PathBuf::from(known.moved_to.as_ref().unwrap_or(&checkpoint.path));
    match checkpoint.format {
        CheckpointFormat::Prsm => read(checkpoint.checkpoint_id.clone(), path, around).await,
        CheckpointFormat::Manifest => super::foreign::read(checkpoint, path, view, around).await,
    }
}

async fn read(name: String, path: PathBuf, around: &Around) -> Result<Verdict, CliError> {
    let disk = Counting::default();
    let size = path.metadata().map_or(0, |metadata| metadata.len());
    let (reader, place) = (disk.clone(), path.clone());
    let work = tokio::task::spawn_blocking(move || verify_with(&reader, &place));
    let found = watched(&name, size, &disk, work, around.console).await?;
    Ok(Verdict::of_file(name, path, found, refused))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::RUN_ID;
    use resus_checkpoint::{Draft, Meta, Section};
    use serde_json::json;
    use std::path::Path;

    fn saved(folder: &Path, name: &str) -> PathBuf {
        let meta = Meta { step: 7, ..Meta::default() };
        let section = Section {
            name: "w",
            element: resus_checkpoint::Element::U8,
            parts: &[&[1; 5000]],
            compression: resus_checkpoint::Compression::None,
        };
        let draft = Draft { games: 7, unix_time: 0, meta: &meta, sections: &[section] };
        resus_checkpoint::save(folder, name, &draft).unwrap().path
    }

    fn damage(path: &Path) {
        let mut bytes = std::fs::read(path).unwrap();
        let last = bytes.len() - 100;
        bytes[last] ^= 1;
        std::fs::write(path, bytes).unwrap();
    }

    fn args(what: &[&str]) -> VerifyArgs {
        VerifyArgs { what: what.iter().map(|text| (*text).to_owned()).collect() }
    }

    #[tokio::test]
    async fn the_exit_code_is_that_of_the_worst_file() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let folder = tempfile::tempdir().unwrap();
        let [good, bad] = ["good.prsm", "bad.prsm"].map(|name| saved(folder.path(), name));
        damage(&bad);
        let [good, bad] = [&good, &bad].map(|path| path.to_str().unwrap());
        let gone = folder.path().join("gone.prsm");
        let gone = gone.to_str().unwrap();
        for (what, exit) in [
            (&[good][..], ExitCode::Ok),
            (&[good, gone], ExitCode::NotFound),
            (&[gone, bad, gone, good], ExitCode::Damaged),
        ] {
            assert_eq!(verify(args(what), &around).await.unwrap(), exit, "{what:?}");
        }
        assert!(daemon.desk.commanded.lock().unwrap().is_empty());
    }

    #[tokio::test]
    async fn damage_in_a_run_is_told_to_its_daemon() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let folder = tempfile::tempdir().unwrap();
        let known = ["a", "b", "c"].map(|id| {
            let path = saved(folder.path(), &format!("{id}.prsm"));
            let state = if id == "c" { "candidate" } else { "verified" };
            json!({
                "checkpoint": {"checkpoint_id": id, "path": path}, "state": state, "is_resume_point": false,
            })
        });
        daemon.desk.checkpoints.lock().unwrap().checkpoints =
            known.into_iter().map(|view| serde_json::from_value(view).unwrap()).collect();
        let all = args(&[RUN_ID]);
        assert_eq!(verify(all, &around).await.unwrap(), ExitCode::Ok);
        for id in ["b", "c"] {
            damage(&folder.path().join(format!("{id}.prsm")));
        }
        assert_eq!(verify(args(&[RUN_ID, "a"]), &around).await.unwrap(), ExitCode::Ok);
        assert!(daemon.desk.commanded.lock().unwrap().is_empty());
        assert_eq!(verify(args(&[RUN_ID]), &around).await.unwrap(), ExitCode::Damaged);
        assert_eq!(*daemon.desk.commanded.lock().unwrap(), [format!("recheck {RUN_ID} b")]);
        let error = verify(args(&[RUN_ID, "x"]), &around).await.unwrap_err();
        assert_eq!(error.exit(), ExitCode::NotFound);
    }
}
