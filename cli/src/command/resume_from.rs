//! `--resume`: where the attempts of a new run begin.

use crate::command::Around;
use crate::daemon::start::ask;
use crate::error::CliError;
use crate::judgement::{Judgement, has_our_name, judge};
use crate::named::{Named, absolute_text, by_path, checkpoints_of, pick};
use crate::render::parts::{said, short};
use crate::render::verdict::chain;
use crate::target::Target;
use resus_checkpoint::foreign::{DAMAGED, ForeignRefusal, look};
use resus_checkpoint::{Health as Numbers, Peek, peek};
use resus_core::api::{CheckpointState, CheckpointView, StoryLine};
use resus_core::checkpoint::{CheckpointFormat, Health};
use resus_core::exit::ExitCode;
use resus_core::input::CheckpointRef;
use resus_core::spec::Resume;
use resus_core::view::RunView;
use resus_disk::Real;
use std::path::{Component, Path, PathBuf};

/// Events of a run's end that are searched for why a checkpoint is not trusted.
const EVENTS_MAX: u64 = 8192;
/// The event that tells so, and its reasons that are about numbers.
const DOUBTED: &str = "checkpoints_doubted";
const NOT_FINITE: [&str; 2] = ["NAN_LOSS", "NOT_FINITE"];

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
            trusted(found, &view, around).await?;
            found.checkpoint.clone()
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

/// Refuses a checkpoint of a run that the run itself would not go on from.
async fn trusted(found: &CheckpointView, view: &RunView, around: &Around) -> Result<(), CliError> {
    let why = match found.state {
        CheckpointState::Damaged => {
            let reason = found.reason.as_deref().map(said).unwrap_or_default();
            Some(format!("it was found damaged: {reason}"))
        }
        CheckpointState::SetAside if found.checkpoint.is_poisoned() => {
            Some("it was set aside: its numbers are not finite".to_owned())
        }
        CheckpointState::SetAside => poisoned(&found.checkpoint, &recent(view, around).await?)
            .map(|told| format!("it was set aside: {told}")),
        CheckpointState::Candidate | CheckpointState::Verified => None,
    };
    let Some(why) = why else { return Ok(()) };
    let (id, name) = (short(&view.run_id), &view.name);
    Err(CliError::NoBeginning {
        checkpoint: format!("checkpoint {} of {id} ({name})", said(&found.checkpoint.checkpoint_id)),
        why,
        next: Some(format!("another one of: resus checkpoints {id}")),
        exit: ExitCode::Damaged,
    })
}

/// The end of the run's history.
async fn recent(view: &RunView, around: &Around) -> Result<Vec<StoryLine>, CliError> {
    let run = view.run_id.as_str();
    let (mut lines, mut seq) = (Vec::new(), view.seq.saturating_sub(EVENTS_MAX));
    while seq < view.seq {
        let page = ask(&around.target, |client| async move { client.story(run, seq).await }).await?;
        let Some(newest) = page.iter().map(StoryLine::seq).max() else { break };
        seq = newest;
        lines.extend(page.into_iter().filter(|line| line.what == DOUBTED));
    }
    Ok(lines)
}

/// Why `checkpoint` was set aside, if that was because of numbers that are not finite. An event names
/// the newest of those that it is about: what lies before that one was doubted with it.
fn poisoned(checkpoint: &CheckpointRef, doubted: &[StoryLine]) -> Option<String> {
    let is_of_it = |line: &&StoryLine| {
        let step = line.event.get("payload").and_then(|payload| payload.get("step")?.as_f64());
        let is_older = step.zip(checkpoint.step).is_some_and(|(newest, step)| step <= newest);
        let is_named = line.text("checkpoint_id") == Some(&checkpoint.checkpoint_id);
        (is_named || is_older) && line.text("reason").is_some_and(|reason| NOT_FINITE.contains(&reason))
    };
    doubted.iter().rfind(is_of_it).map(|line| said(&line.sentence))
}

/// A file or folder of this machine. What the daemon would refuse whatever is in it is refused now.
fn here(path: &Path) -> Result<CheckpointRef, CliError> {
    let whole = PathBuf::from(absolute_text(path)?);
    let real = whole.canonicalize().unwrap_or_else(|_| whole.clone());
    if was_damaged(&real) {
        let why = "it was found damaged, and put where it lies so that no run goes on from it".to_owned();
        return Err(unfit(path, why, ExitCode::Damaged));
    }
    // Going up is no path for a daemon; the last name must not be a link.
    let is_up = whole.components().any(|part| part == Component::ParentDir);
    let whole = if is_up { real } else { whole };
    look(&Real, &whole).map_err(|refusal| {
        let is_gone = matches!(refusal, ForeignRefusal::Gone);
        let exit = if is_gone { ExitCode::NotFound } else { ExitCode::Refused };
        unfit(path, chain(&refusal), exit)
    })?;
    let named = by_path(absolute_text(&whole)?);
    match peek(&whole) {
        Ok(peeked) => Ok(described(named, &peeked)),
        Err(refusal) => match judge(&whole, &refusal) {
            // Of another framework: the daemon makes a manifest of it.
            Judgement::Foreign => Ok(of_others(named)),
            Judgement::Gone | Judgement::Unread | Judgement::Damaged => {
                Err(CliError::Checkpoint { path: path.to_owned(), refusal })
            }
        },
    }
}

fn unfit(path: &Path, why: String, exit: ExitCode) -> CliError {
    CliError::NoBeginning { checkpoint: path.display().to_string(), why, next: None, exit }
}

/// Whether a path leads into the folder to which a run's daemon moves what it finds damaged:
/// `runs/ID/checkpoints/damaged`.
fn was_damaged(path: &Path) -> bool {
    let parts: Vec<_> = path.components().map(Component::as_os_str).collect();
    parts.windows(5).any(|five| match five {
        [runs, _, checkpoints, damaged, _] => {
            *runs == "runs" && *checkpoints == "checkpoints" && *damaged == DAMAGED
        }
        _ => false,
    })
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
    if was_damaged(path) {
        return Err(unfit(path, "it was found damaged".to_owned(), ExitCode::Damaged));
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
    use crate::render::sample::line;
    use resus_checkpoint::{Draft, Meta};
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
        let damaged = folder.path().join("runs/x/checkpoints/damaged");
        std::fs::create_dir_all(&damaged).unwrap();
        let damaged = damaged.join("model.pt");
        std::fs::write(&damaged, [b'x'; 100]).unwrap();
        let socket = folder.path().join("socket");
        let _open = std::os::unix::net::UnixListener::bind(&socket).unwrap();
        let link = folder.path().join("link.pt");
        std::os::unix::fs::symlink(&damaged, &link).unwrap();
        for (text, exit) in [
            (damaged.to_str().unwrap(), ExitCode::Damaged),
            (link.to_str().unwrap(), ExitCode::Damaged),
            (socket.to_str().unwrap(), ExitCode::Refused),
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

    #[tokio::test]
    async fn what_a_run_does_not_trust_is_refused_with_its_reason() {
        let daemon = FakeDaemon::start();
        let around = Around::of_test(&daemon.state);
        let known = |id: &str, step: f64, state: &str, health: &str| {
            let reason = (state == "damaged").then_some("chunk 3 is damaged");
            let checkpoint =
                json!({"checkpoint_id": id, "path": format!("/s/{id}"), "step": step, "health": health});
            let view =
                json!({"checkpoint": checkpoint, "state": state, "is_resume_point": false, "reason": reason});
            serde_json::from_value(view).unwrap()
        };
        daemon.desk.checkpoints.lock().unwrap().checkpoints = vec![
            known("torn", 1.0, "damaged", "unknown"),
            known("nan", 2.0, "set_aside", "not_finite"),
            known("doubted", 3.0, "set_aside", "unknown"),
            known("left", 9.0, "set_aside", "finite"),
        ];
        let doubt = json!({"checkpoint_id": "newer", "step": 4.0, "reason": "NAN_LOSS"});
        daemon.desk.tell(json!({}), &[("restored", json!({})), (DOUBTED, doubt)]);
        for (id, why) in
            [("torn", "chunk 3"), ("nan", "not finite"), ("doubted", "checkpoints_doubted happened")]
        {
            let error = resume(&format!("{RUN_ID}/{id}"), &around).await.unwrap_err();
            assert_eq!(error.exit(), ExitCode::Damaged, "{id}");
            assert!(error.told().why[0].contains(why), "{error:?}");
        }
        resume(&format!("{RUN_ID}/left"), &around).await.unwrap();
    }

    #[test]
    fn a_doubt_about_numbers_is_about_what_lies_before_it() {
        let at = |step: f64| CheckpointRef { step: Some(step), ..CheckpointRef::at("c", "/c") };
        let doubt = |reason: &str| [line(1, DOUBTED, json!({"step": 10.0, "reason": reason}))];
        assert!(poisoned(&at(10.0), &doubt("NAN_LOSS")).is_some());
        assert!(poisoned(&at(11.0), &doubt("NAN_LOSS")).is_none());
        assert!(poisoned(&at(10.0), &doubt("CRASH_LOOP")).is_none());
    }
}
