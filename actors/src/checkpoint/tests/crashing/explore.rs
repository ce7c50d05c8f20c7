//! Every operation fails, and the power goes after every one.

use super::oracle::{self, Broken};
use super::scenes::{SCENES, Scene, Stage, entries, files, retain};
use resus_core::input::Fact;
use resus_disk::Disk;
use resus_disk::faulty::{Call, Effort, Faulty, Plan};
use rustix::io::Errno;
use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

const EFFORT: Effort = Effort { all_up_to: 6, singles: 8, samples: 16, seed: 11 };
/// For what is found after a failure: there are many of those.
const LITTLE: Effort = Effort { all_up_to: 3, singles: 3, samples: 3, seed: 12 };

/// The disk as somebody uses it.
pub(super) type Using<'a> = &'a dyn Fn(&Faulty) -> Arc<dyn Disk>;

pub(super) fn plainly(disk: &Faulty) -> Arc<dyn Disk> {
    Arc::new(disk.clone())
}

/// What an exploration found.
pub(super) struct Explored {
    pub(super) trials: usize,
    pub(super) broken: Option<Broken>,
}

struct Trial<'a> {
    scene: &'a Scene,
    stage: Stage,
    may_go: BTreeSet<PathBuf>,
    using: Using<'a>,
    trials: usize,
}

impl<'a> Trial<'a> {
    fn new(scene: &'a Scene, using: Using<'a>) -> Self {
        let stage = (scene.stage)();
        let may_go = if scene.retains { oracle::may_go(&stage) } else { BTreeSet::new() };
        Self { scene, stage, may_go, using, trials: 0 }
    }

    fn act(&self, plan: Plan) -> (Faulty, Vec<Fact>) {
        let disk = self.stage.disk.copy(plan);
        let facts = (self.scene.act)(&self.stage, &files((self.using)(&disk)));
        (disk, facts)
    }

    fn check(&mut self, found: &Faulty, facts: &[Fact]) -> Result<(), Broken> {
        self.trials += 1;
        oracle::told(&self.stage, found, facts)?;
        oracle::check(&self.stage, found, &self.may_go)
    }

    /// The power goes after each operation.
    fn cut(&mut self) -> Result<(), Broken> {
        let (disk, facts) = self.act(Plan::default());
        let (log, end) = (disk.log(), disk.operations());
        for after in 0..=end {
            // An operation that changes nothing leaves the states of the one before.
            let is_new = after.checked_sub(1).is_none_or(|last| changes(log[last].call));
            if !is_new && after < end {
                continue;
            }
            for crash in disk.crashes(after, EFFORT) {
                let facts = if after == end { &*facts } else { &[] };
                let last = after.checked_sub(1).map(|last| log[last].to_string()).unwrap_or_default();
                let told = |broken| format!("{broken}; after {after} ({last}), lost {:?}", crash.lost);
                let found = crash.disk.copy(Plan::default());
                self.check(&crash.disk, facts).map_err(told)?;
                // The same is asked for again after the restart, and finds some of its work done.
                let facts = (self.scene.act)(&self.stage, &files((self.using)(&found)));
                for again in found.crashes(found.operations(), LITTLE) {
                    self.check(&again.disk, &facts).map_err(told)?;
                }
            }
        }
        Ok(())
    }

    /// Each operation fails, alone or with all behind it.
    fn fail(&mut self) -> Result<usize, Broken> {
        let mut strikes = 0;
        for n in 0.. {
            let before = strikes;
            for errno in [Errno::IO, Errno::NOSPC, Errno::ROFS, Errno::MFILE, Errno::ACCESS] {
                for plan in [Plan::fail(n, errno), Plan::fail_from(n, errno)] {
                    let (disk, facts) = self.act(plan);
                    if disk.strikes() == 0 {
                        continue;
                    }
                    strikes += 1;
                    let log = disk.log();
                    let told = |broken| format!("{broken}; {errno:?} at {n} ({})", log[n]);
                    self.failed(&disk, &facts).map_err(told)?;
                }
            }
            if before == strikes {
                break;
            }
        }
        Ok(strikes)
    }

    /// What is there after a failure, as it is and after a power cut, and whether the next time makes
    /// good what was not done.
    fn failed(&mut self, disk: &Faulty, facts: &[Fact]) -> Result<(), Broken> {
        let end = disk.operations();
        self.check(&disk.after_kill(end), facts)?;
        let pruned = oracle::pruned(facts);
        for crash in disk.crashes(end, LITTLE) {
            // That something was moved and may not stay so is known; that it is pruned is for good.
            oracle::pruned_is_gone(&crash.disk, &pruned)?;
            self.check(&crash.disk, &[])?;
        }
        if self.scene.retains {
            let next = disk.after_kill(end);
            let facts = retain(&files(plainly(&next)), &entries(&self.stage));
            let told: BTreeSet<_> =
                pruned.into_iter().chain(oracle::pruned(&facts)).map(PathBuf::from).collect();
            if told != self.may_go {
                return Err(format!("I6: of {:?} only {told:?} is told as pruned", self.may_go));
            }
            self.check(&next, &facts)?;
        }
        Ok(())
    }
}

fn changes(call: Call) -> bool {
    match call {
        Call::Create
        | Call::Rename
        | Call::RenameNew
        | Call::Remove
        | Call::RemoveFolder
        | Call::MakeFolder
        | Call::SyncFolder
        | Call::Write
        | Call::Resize
        | Call::Sync => true,
        Call::Open
        | Call::OpenBeneath
        | Call::LookAt
        | Call::List
        | Call::ReadLink
        | Call::Entry
        | Call::Read => false,
    }
}

/// Runs a scene by whoever uses the disk so: as it is, and with the power going after every operation.
pub(super) fn explore(scene: &Scene, using: Using<'_>) -> Explored {
    let mut trial = Trial::new(scene, using);
    let broken = trial.cut().err();
    Explored { trials: trial.trials, broken }
}

#[test]
fn every_promise_holds_in_every_state_after_a_power_cut() {
    let mut all = 0;
    for scene in &SCENES {
        let Explored { trials, broken } = explore(scene, &plainly);
        println!("{}: {trials} states", scene.name);
        assert_eq!(broken, None, "{}", scene.name);
        all += trials;
    }
    println!("D8 D14, I4 I6 I20 of the daemon after a power cut: {all} states, 0 violations");
    assert!(all > 400, "{all}");
}

#[test]
fn every_promise_holds_after_a_failure_of_any_operation() {
    let (mut all, mut states) = (0, 0);
    for scene in &SCENES {
        let mut trial = Trial::new(scene, &plainly);
        let strikes = trial.fail().unwrap_or_else(|broken| panic!("{}: {broken}", scene.name));
        println!("{}: {strikes} failures, {} states", scene.name, trial.trials);
        assert!(strikes > 50, "{}: {strikes}", scene.name);
        (all, states) = (all + strikes, states + trial.trials);
    }
    println!("D1 D2 D3 D4 D14, I4 I6 I20 of the daemon: {all} failures, {states} states, 0 violations");
}
