//! `--resume`: where the attempts of a new run begin.

use crate::command::Around;
use crate::error::CliError;
use crate::named::{Named, absolute_text, by_path, checkpoints_of, pick};
use crate::target::Target;
use resus_checkpoint::{Health as Numbers, Peek, Refusal, peek};
use resus_core::checkpoint::{CheckpointFormat, Health};
use resus_core::input::CheckpointRef;
use resus_core::spec::Resume;
use std::path::Path;

/// What is typed for the words of [`Resume`].
const AUTO: &str = "auto";
const NEVER: &str = "never";

/// What `text` asks for: `auto`, `never`, the path of a checkpoint, or RUN/CHECKPOINT of another
/// run. The daemon verifies it before the first attempt; what can be seen from here is told now.
///
/// # Errors
/// [`CliError`]: there is no such checkpoint, or its head is damaged.
pub(super) async fn resume(text: &str, around: &Around) -> Result<Resume, CliError> {
    match text {
        AUTO => return Ok(Resume::Auto),
        NEVER => return Ok(Resume::Never),
        _ => {}
    }
    let checkpoint = match (named(text, around), &around.target) {
        (Named::OfRun { run, checkpoint }, _) => {
            let (view, all) = checkpoints_of(&run, around).await?;
            let found = pick(&view, &all, &checkpoint)?;
            // The names of two runs' checkpoints are often alike.
            let path = found.moved_to.clone().unwrap_or_else(|| found.checkpoint.path.clone());
            CheckpointRef { path, ..found.checkpoint.clone() }
        }
        (Named::File(path), Target::Here(_)) => here(&path)?,
        (Named::File(path), Target::There(_)) => there(&path)?,
        (Named::Word(word), _) => {
            return Err(CliError::Usage {
                what: format!("--resume {word} is neither auto nor never, nor a checkpoint"),
                next: format!("--resume {word}/latest for that of a run, or the path of a file"),
            });
        }
    };
    Ok(Resume::From(Box::new(checkpoint)))
}

fn named(text: &str, around: &Around) -> Named {
    match around.target {
        Target::Here(_) => Named::typed(text),
        // What lies here means nothing there.
        Target::There(_) => Named::read(text, |_| false),
    }
}

/// A file or folder of this machine.
fn here(path: &Path) -> Result<CheckpointRef, CliError> {
    let named = by_path(absolute_text(path)?);
    match peek(path) {
        Ok(peeked) => Ok(described(named, &peeked)),
        // Of another framework: the daemon makes a manifest of it.
        Err(Refusal::NotACheckpoint { .. }) => Ok(of_others(named)),
        Err(Refusal::ShortHeader { .. } | Refusal::NotAFile) if !has_our_name(path) => Ok(of_others(named)),
        Err(refusal) => Err(CliError::Checkpoint { path: path.to_owned(), refusal }),
    }
}

fn has_our_name(path: &Path) -> bool {
    path.extension().is_some_and(|end| end == "prsm")
}

fn of_others(named: CheckpointRef) -> CheckpointRef {
    CheckpointRef { format: CheckpointFormat::Manifest, ..named }
}

fn described(named: CheckpointRef, peeked: &Peek) -> CheckpointRef {
    let step = peeked.meta.as_ref().map_or(peeked.header.games, |meta| meta.step);
    let health = match peeked.meta.as_ref().map(|meta| meta.health) {
        None | Some(Numbers::Unknown) => Health::Unknown,
        Some(Numbers::Finite) => Health::Finite,
        Some(Numbers::NotFinite) => Health::NotFinite,
    };
    CheckpointRef { step: Some(step as f64), size_bytes: Some(peeked.size_bytes), health, ..named }
}

/// One of the machine of another daemon, which alone can look at it.
fn there(path: &Path) -> Result<CheckpointRef, CliError> {
    if !path.is_absolute() {
        return Err(CliError::Usage {
            what: format!("--resume {}: it is looked for on the daemon's machine", path.display()),
            next: "give its whole path there, or RUN/CHECKPOINT".to_owned(),
        });
    }
    let named = by_path(absolute_text(path)?);
    Ok(if has_our_name(path) { named } else { of_others(named) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::there::There;
    use crate::fake_daemon::{FakeBus, FakeDaemon};
    use crate::render::sample::RUN_ID;
    use resus_checkpoint::{Draft, Meta};
    use resus_core::exit::ExitCode;
    use serde_json::json;

    #[tokio::test]
    async fn words_paths_and_checkpoints_of_runs_are_understood() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        assert_eq!(resume("auto", &around).await.unwrap(), Resume::Auto);
        assert_eq!(resume("never", &around).await.unwrap(), Resume::Never);
        let folder = tempfile::tempdir().unwrap();
        let meta = Meta { step: 7, health: Numbers::Finite, ..Meta::default() };
        let draft = Draft { games: 9, unix_time: 0, meta: &meta, sections: &[] };
        let saved = resus_checkpoint::save(folder.path(), "ck-7.prsm", &draft).unwrap();
        let Resume::From(ours) = resume(saved.path.to_str().unwrap(), &around).await.unwrap() else {
            panic!("not from it")
        };
        assert_eq!(
            (ours.checkpoint_id.as_str(), ours.step, ours.health),
            ("ck-7", Some(7.0), Health::Finite)
        );
        let foreign = folder.path().join("model.safetensors");
        std::fs::write(&foreign, [b'x'; 100]).unwrap();
        let Resume::From(others) = resume(foreign.to_str().unwrap(), &around).await.unwrap() else {
            panic!("not from it")
        };
        assert_eq!((others.format, others.step), (CheckpointFormat::Manifest, None));

        let known = json!({
            "checkpoint": {"checkpoint_id": "ck-5", "path": "/s/ck-5.prsm", "step": 5.0, "digest": "d"},
            "state": "verified", "is_resume_point": true,
        });
        let list = [serde_json::from_value(known).unwrap()];
        daemon.desk.checkpoints.lock().unwrap().checkpoints = list.to_vec();
        let Resume::From(other_run) = resume(&format!("{RUN_ID}/ck-5"), &around).await.unwrap() else {
            panic!("not from it")
        };
        assert_eq!((other_run.path.as_str(), other_run.step), ("/s/ck-5.prsm", Some(5.0)));
    }

    #[tokio::test]
    async fn what_is_no_checkpoint_is_told_before_a_run_begins() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let folder = tempfile::tempdir().unwrap();
        let gone = folder.path().join("gone.prsm");
        let torn = folder.path().join("torn.prsm");
        std::fs::write(&torn, "PRSM").unwrap();
        for (text, exit) in [
            (gone.to_str().unwrap(), ExitCode::NotFound),
            (torn.to_str().unwrap(), ExitCode::Damaged),
            ("nightly", ExitCode::Usage),
            ("nobody/ck-5", ExitCode::NotFound),
        ] {
            assert_eq!(resume(text, &around).await.unwrap_err().exit(), exit, "{text}");
        }
    }

    #[tokio::test]
    async fn on_another_machine_only_a_whole_path_means_something() {
        let daemon = FakeDaemon::start();
        let bus = FakeBus::new(daemon.desk.clone());
        let around = Around { target: Target::There(There::fake(bus)), ..Around::of_test(&daemon.state) };
        let Resume::From(far) = resume("/data/model", &around).await.unwrap() else { panic!("not from it") };
        assert_eq!((far.path.as_str(), far.format), ("/data/model", CheckpointFormat::Manifest));
        assert_eq!(resume("./model", &around).await.unwrap_err().exit(), ExitCode::Usage);
    }
}
