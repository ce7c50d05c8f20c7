//! The actor: what it tells the Supervisor, in which order, and what holds up what.

use super::super::{Checkpoint, CheckpointMsg, Job};
use super::support::{announced, save, zip};
use crate::board::Board;
use crate::directory::Directory;
use crate::supervisor::SupervisorMsg;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use resus_core::ids::{Attempt, RunId, Slug};
use resus_core::input::{CheckpointRef, Fact};
use resus_store::StateDir;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Hears what the Supervisor would.
struct Listener;

impl Actor for Listener {
    type Msg = SupervisorMsg;
    type State = mpsc::UnboundedSender<Fact>;
    type Arguments = mpsc::UnboundedSender<Fact>;

    async fn pre_start(
        &self,
        _myself: ActorRef<SupervisorMsg>,
        facts: Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok(facts)
    }

    async fn handle(
        &self,
        _myself: ActorRef<SupervisorMsg>,
        message: SupervisorMsg,
        facts: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisorMsg::Observed(observation) = message {
            facts.send(observation.fact)?;
        }
        Ok(())
    }
}

struct Scene {
    actor: ActorRef<CheckpointMsg>,
    facts: mpsc::UnboundedReceiver<Fact>,
    run_id: RunId,
    checkpoints: PathBuf,
    _folder: tempfile::TempDir,
}

impl Scene {
    async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let dirs = Arc::new(StateDir::open(&folder.path().join("state")).unwrap());
        let run_id = RunId::new("8c1d9e77").unwrap();
        let checkpoints = dirs.make_checkpoints(run_id.as_str()).unwrap();
        let directory = Arc::new(Directory::default());
        let board = Arc::new(Board::new(Slug::new("n1").unwrap(), Arc::default()));
        let (sender, facts) = mpsc::unbounded_channel();
        let (listener, _) = Actor::spawn(None, Listener, sender).await.unwrap();
        directory.supervisor.set(Some(listener));
        let (actor, _) = Actor::spawn(None, Checkpoint, (directory, dirs, board)).await.unwrap();
        Self { actor, facts, run_id, checkpoints, _folder: folder }
    }

    fn ask(&self, job: Job) {
        let (run_id, attempt) = (self.run_id.clone(), Attempt(1));
        self.actor.cast(CheckpointMsg::Do { run_id, attempt, job }).unwrap();
    }

    /// The next one that is told to be whole.
    async fn whole(&mut self) -> CheckpointRef {
        match self.facts.recv().await.unwrap() {
            Fact::CheckpointChecked { checkpoint, refusal: None } => checkpoint,
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn one_that_is_waited_for_holds_up_nothing_and_is_told_once() {
    let mut scene = Scene::new().await;
    let growing = announced(&scene.checkpoints.join("a.pt"), 5);
    let bytes = zip(b"weights");
    fs::write(&growing.path, &bytes[..9]).unwrap();
    save(&scene.checkpoints, "b.prsm", 6);
    scene.ask(Job::Verify(growing.clone()));
    scene.ask(Job::Verify(growing.clone()));
    scene.ask(Job::Verify(announced(&scene.checkpoints.join("b.prsm"), 6)));
    assert_eq!(scene.whole().await.checkpoint_id, "b");
    fs::write(&growing.path, bytes).unwrap();
    assert_eq!(scene.whole().await.path, growing.path);
    // A last job shows that nothing more is told of the announcement that was given up.
    scene.ask(Job::Verify(announced(&scene.checkpoints.join("b.prsm"), 6)));
    assert_eq!(scene.whole().await.checkpoint_id, "b");
}

#[test]
fn what_an_attempt_waits_for_goes_first_and_nothing_is_deleted_before_it() {
    let mut files = super::super::RunFiles::default();
    let run_id = RunId::new("8c1d9e77").unwrap();
    let verify = |name: &str| Job::Verify(CheckpointRef::at(name, format!("/ck/{name}")));
    let rules = resus_core::policy::Policy::default().retention();
    let prune = || Job::Prune { entries: Vec::new(), rules: rules.clone(), is_newest_read: false };
    let pick = Job::Pick { set_aside: Vec::new(), known: Vec::new(), from: None, anew_since_unix_ms: None };
    for job in [verify("1"), prune(), verify("2"), prune(), verify("1"), pick.clone()] {
        files.queue(&run_id, Attempt(1), job);
    }
    let order: Vec<_> = files.jobs.iter().map(|(_, job)| matches!(job, Job::Verify(_))).collect();
    assert_eq!(order, [false, true, true], "one search, then each file once, and no deletion");
    assert!(matches!(files.jobs.back(), Some((_, Job::Verify(last))) if last.checkpoint_id == "1"));
}

#[test]
fn a_whole_catalogue_can_wait_and_a_file_waits_once() {
    let mut files = super::super::RunFiles::default();
    let run_id = RunId::new("8c1d9e77").unwrap();
    for round in 0..2 {
        for n in 0..1000 {
            let checkpoint = CheckpointRef::at(format!("{n}"), format!("/ck/{n}"));
            files.queue(&run_id, Attempt(round), Job::Verify(checkpoint));
        }
    }
    assert_eq!(files.jobs.len(), 1000);
    assert!(files.jobs.iter().all(|(attempt, _)| *attempt == Attempt(1)), "the later asking counts");
}
