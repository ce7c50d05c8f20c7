//! `resus checkpoints verify`: reads every byte of checkpoints, and says what is wrong and where.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::named::{self, Named, checkpoints_of, lies_here};
use crate::render::verdict::{Fault, Verdict, chain, document, text};
use crate::submission::recheck_body;
use clap::Args;
use resus_core::api::{CheckpointState, CheckpointView};
use resus_core::checkpoint::CheckpointFormat;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// Arguments of `resus checkpoints verify`.
#[derive(Debug, Args)]
#[command(
    after_help = "Reads files without loading them, of every version of the format. What is found to be damaged
in a run is told to its daemon, which does not resume from it any more. Exit code 0 if everything
is whole, 15 if something is damaged, 11 if something could not be read. A run's checkpoints of
other formats are compared with what they were when they were catalogued.

Examples:
  resus checkpoints verify nightly
  resus checkpoints verify /data/*.prsm"
)]
pub(crate) struct VerifyArgs {
    /// A run, then at most one of its checkpoints; or files, or RUN:CHECKPOINT
    #[arg(required = true, value_name = "RUN [CHECKPOINT] | PATH")]
    pub what: Vec<String>,
}

/// Carries out `resus checkpoints verify`.
///
/// # Errors
/// [`CliError`]; that a file is damaged is none.
pub(crate) async fn verify(args: VerifyArgs, around: &Around) -> Result<ExitCode, CliError> {
    let named: Vec<_> = args.what.iter().map(|text| Named::typed(text)).collect();
    let mut found = Found::default();
    match (&named[..], &args.what[..]) {
        ([Named::Word(run)], _) => found.of_run(run, None, around).await?,
        ([Named::Word(run), _], [_, checkpoint]) => found.of_run(run, Some(checkpoint), around).await?,
        _ => {
            for one in named {
                found.one(one, around).await?;
            }
        }
    }
    let told = found.tell_daemon(around).await;
    let verdicts = found.verdicts;
    if around.console.json {
        around.console.out_json(&document(&verdicts))?;
    } else {
        let page = around.console.out_page();
        around.console.out(&text(&verdicts, told.as_deref(), &page))?;
    }
    Ok(worst(&verdicts))
}

/// Damage outweighs what could not be read, and that what is not there.
fn worst(verdicts: &[Verdict]) -> ExitCode {
    let exits = verdicts.iter().filter_map(|verdict| verdict.found.as_ref().err()).map(|fault| fault.exit);
    let rank = |exit: &ExitCode| {
        let order = [ExitCode::NotFound, ExitCode::Usage, ExitCode::Refused, ExitCode::Damaged];
        order.iter().position(|known| known == exit)
    };
    exits.max_by_key(rank).unwrap_or(ExitCode::Ok)
}

/// What was read, and what of it is damaged without its daemon's knowledge.
#[derive(Default)]
struct Found {
    verdicts: Vec<Verdict>,
    /// The run and the path of each: two checkpoints of a run may have the same id.
    damaged: BTreeSet<(String, String)>,
}

impl Found {
    /// All that a run has, or one of its checkpoints.
    async fn of_run(&mut self, run: &str, checkpoint: Option<&str>, around: &Around) -> Result<(), CliError> {
        let (view, all) = checkpoints_of(run, around).await?;
        lies_here(&view, around)?;
        let chosen = match checkpoint {
            Some(text) => vec![named::pick(&view, &all, text)?],
            None => all.iter().filter(|known| is_known(known)).collect(),
        };
        for known in chosen {
            self.known(known, &view, around).await?;
        }
        Ok(())
    }

    /// A file, or a checkpoint of a run.
    async fn one(&mut self, named: Named, around: &Around) -> Result<(), CliError> {
        if let Named::OfRun { run, checkpoint } = named {
            return self.of_run(&run, Some(&checkpoint), around).await;
        }
        let path = named::file(named, around).await?;
        self.verdicts.push(super::prsm::read(path.to_string_lossy().into_owned(), path, around).await?);
        Ok(())
    }

    /// One of the catalogue of `view`.
    async fn known(
        &mut self,
        known: &CheckpointView,
        view: &RunView,
        around: &Around,
    ) -> Result<(), CliError> {
        let mut verdict = one_of_run(known, view, around).await?;
        if is_catalogued(known)
            && let Err(fault) = &mut verdict.found
            && fault.exit == ExitCode::NotFound
        {
            *fault = Fault { reason: "its file is gone".to_owned(), exit: ExitCode::Damaged };
        }
        let is_damaged = verdict.found.as_ref().is_err_and(Fault::is_damage);
        // Of the others nothing is resumed from.
        if is_damaged && known.state == CheckpointState::Verified {
            self.damaged.insert((view.run_id.clone(), known.checkpoint.path.clone()));
        }
        self.verdicts.push(verdict);
        Ok(())
    }

    /// Lets the daemon read back what was found to be damaged, so that it knows. What was found is
    /// told even if the daemon can't be.
    async fn tell_daemon(&self, around: &Around) -> Option<String> {
        let mut refused = Vec::new();
        for (run, path) in &self.damaged {
            let body = &recheck_body(Some(path.clone()));
            let asked = ask(&around.target, |client| async move { client.recheck(run, body).await }).await;
            refused.extend(asked.err().map(|error| chain(&error)));
        }
        let what = match self.damaged.len() {
            0 => return None,
            1 => "it",
            _ => "them",
        };
        refused.dedup();
        Some(match &refused[..] {
            [] => format!("the daemon was told: it reads {what} back, and resumes from what is whole"),
            refused => format!("the daemon could not be told of {what}: {}", refused.join("; ")),
        })
    }
}

/// A foreign one that nobody has read yet can't be compared.
fn is_known(known: &CheckpointView) -> bool {
    known.state != CheckpointState::Candidate || known.checkpoint.format == CheckpointFormat::Prsm
}

/// Whether it has been read back, and was whole then.
fn is_catalogued(known: &CheckpointView) -> bool {
    match known.state {
        CheckpointState::Verified | CheckpointState::SetAside => true,
        CheckpointState::Candidate | CheckpointState::Damaged => false,
    }
}

async fn one_of_run(known: &CheckpointView, view: &RunView, around: &Around) -> Result<Verdict, CliError> {
    let checkpoint = &known.checkpoint;
    let name = checkpoint.checkpoint_id.clone();
    let path = PathBuf::from(known.moved_to.as_ref().unwrap_or(&checkpoint.path));
    if known.state == CheckpointState::Damaged {
        let reason = known.reason.clone().unwrap_or_else(|| "it was refused".to_owned());
        return Ok(Verdict { name, path, found: Err(Fault { reason, exit: ExitCode::Damaged }) });
    }
    match checkpoint.format {
        CheckpointFormat::Prsm => super::prsm::read(name, path, around).await,
        CheckpointFormat::Manifest => super::foreign::read(checkpoint, path, view, around).await,
    }
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
        let path = folder.path().join("b.prsm");
        assert_eq!(
            *daemon.desk.commanded.lock().unwrap(),
            [format!("recheck {RUN_ID} {}", path.display())],
            "two may have the same id"
        );
        let error = verify(args(&[RUN_ID, "x"]), &around).await.unwrap_err();
        assert_eq!(error.exit(), ExitCode::NotFound);
    }

    /// One run with the checkpoints `known`: id, state, path.
    fn catalogue(daemon: &FakeDaemon, known: &[(&str, &str, &Path)]) {
        let view = |(id, state, path): &(&str, &str, &Path)| {
            serde_json::from_value(json!({
                "checkpoint": {"checkpoint_id": id, "path": path}, "state": state, "is_resume_point": false,
                "reason": (*state == "damaged").then_some("chunk 3 is damaged"),
                "moved_to": (*state == "damaged").then_some("/s/damaged/it"),
            }))
            .unwrap()
        };
        daemon.desk.checkpoints.lock().unwrap().checkpoints = known.iter().map(view).collect();
    }

    #[tokio::test]
    async fn what_is_known_to_be_damaged_counts_and_is_not_told_again() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let folder = tempfile::tempdir().unwrap();
        let whole = saved(folder.path(), "a.prsm");
        catalogue(&daemon, &[("a", "verified", &whole), ("b", "damaged", Path::new("/s/b.prsm"))]);
        let mut found = Found::default();
        found.of_run(RUN_ID, None, &around).await.unwrap();
        assert_eq!(found.verdicts.len(), 2);
        let damaged = &found.verdicts[1];
        assert_eq!(
            (damaged.path.to_str(), worst(&found.verdicts)),
            (Some("/s/damaged/it"), ExitCode::Damaged)
        );
        assert!(damaged.found.as_ref().is_err_and(|fault| fault.reason == "chunk 3 is damaged"));
        assert!(found.damaged.is_empty());
    }

    #[tokio::test]
    async fn a_catalogued_one_that_is_gone_is_damage_and_an_unreadable_one_is_not() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone.prsm");
        let unread = folder.path().join("folder.prsm");
        std::fs::create_dir(&unread).unwrap();
        catalogue(&daemon, &[("unread", "verified", &unread)]);
        assert_eq!(verify(args(&[RUN_ID]), &around).await.unwrap(), ExitCode::Refused);
        assert!(daemon.desk.commanded.lock().unwrap().is_empty(), "that is no damage");
        catalogue(&daemon, &[("gone", "verified", &gone), ("unread", "verified", &unread)]);
        let twice = [format!("{RUN_ID}:gone"), format!("{RUN_ID}:gone")];
        assert_eq!(
            verify(args(&twice.each_ref().map(String::as_str)), &around).await.unwrap(),
            ExitCode::Damaged
        );
        let told = format!("recheck {RUN_ID} {}", gone.display());
        assert_eq!(*daemon.desk.commanded.lock().unwrap(), [told], "once");
        catalogue(&daemon, &[("gone", "candidate", &gone)]);
        assert_eq!(verify(args(&[RUN_ID]), &around).await.unwrap(), ExitCode::NotFound);
    }

    #[tokio::test]
    async fn one_of_another_format_is_compared_with_its_manifest_or_not_judged() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("model.pt");
        std::fs::write(&root, "weights").unwrap();
        let listing = resus_checkpoint::foreign::look(&resus_disk::Real, &root).unwrap();
        let never = std::sync::atomic::AtomicBool::new(false);
        let manifest = resus_checkpoint::foreign::digest(&resus_disk::Real, &listing, &never).unwrap();
        let manifests = daemon.state.manifests(RUN_ID).unwrap();
        std::fs::create_dir_all(&manifests).unwrap();
        let digest = resus_checkpoint::foreign::keep(&resus_disk::Real, &manifests, &manifest).unwrap();
        catalogue(&daemon, &[("m", "verified", &root)]);
        {
            let mut list = daemon.desk.checkpoints.lock().unwrap();
            list.checkpoints[0].checkpoint.format = CheckpointFormat::Manifest;
            list.checkpoints[0].checkpoint.digest = Some(digest);
        }
        let of_run = format!("{RUN_ID}:m");
        let at = async |what: &str| verify(args(&[what]), &around).await.unwrap();
        assert_eq!(at(&of_run).await, ExitCode::Ok);
        assert_eq!(at(root.to_str().unwrap()).await, ExitCode::Usage, "by its path it is not ours");
        std::fs::write(&root, "weighty").unwrap();
        assert_eq!(at(&of_run).await, ExitCode::Damaged);
        std::fs::remove_dir_all(&manifests).unwrap();
        assert_eq!(at(&of_run).await, ExitCode::Refused, "nothing is known to compare it with");
        let told = format!("recheck {RUN_ID} {}", root.display());
        assert_eq!(*daemon.desk.commanded.lock().unwrap(), [told]);
    }
}
