//! A run and its checkpoint files: a disk that damages them, a shell that answers honestly and
//! deletes all it may, a worker that saves, crashes and goes wrong. Whatever happens, no attempt
//! begins from what is not good, and no work is thrown away unasked.

use crate::checkpoints::{begun, tell};
use crate::reach::check_entries;
use crate::support::*;
use proptest::prelude::*;
use resus_core::checkpoint::{GONE, Health};
use resus_core::effect::Effect;
use resus_core::event::{Event, Record};
use resus_core::fleet::{Fleet, Step};
use resus_core::ids::Slug;
use resus_core::input::{CheckpointRef, CheckpointRefusal, Fact, Input, Refused};
use resus_core::policy::RetentionPolicy;
use resus_core::pulse::word::Word;
use resus_core::retention::RetentionEntry;
use resus_core::spec::Resume;
use std::collections::{BTreeMap, VecDeque};

/// What is true of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Truth {
    Good,
    Poisoned,
    Damaged,
}

#[derive(Debug, Clone)]
enum Move {
    /// The worker goes on for so many units and saves.
    Save {
        after: u32,
        truth: bool,
    },
    /// The disk damages a file.
    Damage(prop::sample::Index),
    /// Somebody removes a file.
    Remove(prop::sample::Index),
    Crash,
    Nan {
        before: u32,
    },
    /// The shell does the next thing it was asked for.
    Answer,
    /// Commands.
    User(&'static str),
    RestoreOne(prop::sample::Index),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let user = prop_oneof![
        Just("prune"),
        Just("recheck"),
        Just("pin"),
        Just("unpin"),
        Just("retry"),
        Just("restore"),
        Just("restore none"),
        // The daemon is another one: what was asked is asked again.
        Just("taken over"),
    ];
    let one = prop_oneof![
        5 => (0..3u32, prop::bool::weighted(0.8)).prop_map(|(after, truth)| Move::Save { after, truth }),
        2 => any::<prop::sample::Index>().prop_map(Move::Damage),
        1 => any::<prop::sample::Index>().prop_map(Move::Remove),
        3 => Just(Move::Crash),
        1 => (0..4u32).prop_map(|before| Move::Nan { before }),
        9 => Just(Move::Answer),
        2 => user.prop_map(Move::User),
        1 => any::<prop::sample::Index>().prop_map(Move::RestoreOne),
    ];
    prop::collection::vec(one, 1..80)
}

struct World {
    fleet: Fleet,
    records: Vec<Record>,
    files: BTreeMap<String, (u32, Truth)>,
    asked: VecDeque<Effect>,
    /// How far the worker is.
    amount: u32,
    /// Something was read back that nobody has given up.
    has_work: bool,
    /// The user insists on what is restored now.
    insists: bool,
}

impl World {
    fn new() -> Self {
        let (fleet, step) = begun(Resume::Auto);
        let (files, asked) = (BTreeMap::new(), VecDeque::new());
        let records = Vec::new();
        let mut world = Self { fleet, records, files, asked, amount: 0, has_work: false, insists: false };
        world.take(step);
        world
    }

    fn observe(&mut self, fact: Fact) {
        let step = tell(&mut self.fleet, fact);
        self.take(step);
    }

    fn user(&mut self, input: &Input) {
        if let Ok(step) = self.fleet.step(&run_id(), input, at(1_000)) {
            self.take(step);
        }
    }

    fn take(&mut self, step: Step) {
        for recorded in &step.recorded {
            self.records.push(recorded.record.clone());
            match &recorded.record.event {
                Event::CheckpointVerified(_) => self.has_work = true,
                Event::AttemptBegun { anew, restore, .. } => {
                    self.has_work &= !anew;
                    self.insists = restore.is_some();
                }
                // What was saved after a loss that is not finite is nothing.
                Event::CheckpointsDoubted { .. } if run(&self.fleet).usable().next().is_none() => {
                    self.has_work &= run(&self.fleet).lost_checkpoints > 0;
                }
                Event::SpawnOrdered { from: Some(from), .. } => {
                    assert!(!self.asked.iter().any(|e| matches!(e, Effect::Spawn { .. })), "two workers");
                    let (_, truth) = self.files[&from.path];
                    let good = truth == Truth::Good || (truth == Truth::Poisoned && self.insists);
                    // It was good when it was read; damage since then is not the decider's.
                    assert!(good || truth == Truth::Damaged, "begins from {from:?}: {truth:?}");
                }
                Event::SpawnOrdered { from: None, .. } => assert!(!self.has_work, "thrown away"),
                _ => {}
            }
        }
        // What is true when it is ordered: a wish or a doubt that comes while the order is on its
        // way is too late, as if it had been carried out at once.
        for effect in &step.effects {
            if let Effect::PruneCheckpoints { entries, .. } = effect {
                check_entries(run(&self.fleet), entries);
            }
        }
        self.asked.extend(step.effects);
    }

    /// The shell reads one: its health if it is whole, else the reason, and it is moved away.
    fn read(&mut self, checkpoint: &CheckpointRef) -> Result<CheckpointRef, Refused> {
        let refused = |moved_to| Refused { reason: "refused".into(), moved_to };
        match self.files.get(&checkpoint.path) {
            None => Err(Refused { reason: GONE.into(), moved_to: None }),
            Some((_, Truth::Damaged)) => {
                self.files.remove(&checkpoint.path);
                Err(refused(Some(format!("/damaged{}", checkpoint.path))))
            }
            Some((_, Truth::Good)) => Ok(CheckpointRef { health: Health::Finite, ..checkpoint.clone() }),
            Some((_, Truth::Poisoned)) => {
                Ok(CheckpointRef { health: Health::NotFinite, ..checkpoint.clone() })
            }
        }
    }

    fn pick(&mut self, set_aside: &[String], known: &[CheckpointRef]) -> Fact {
        let mut files: Vec<_> = self.files.iter().map(|(path, (step, _))| (*step, path.clone())).collect();
        files.sort();
        let mut all: Vec<_> = files.iter().map(|(step, _)| checkpoint(f64::from(*step))).collect();
        // What the catalogue knows and is gone.
        all.extend(known.iter().filter(|c| !self.files.contains_key(&c.path)).cloned());
        all.retain(|c| !set_aside.contains(&c.path));
        let mut refused = Vec::new();
        let mut chosen = None;
        while let Some(next) = all.pop() {
            match self.read(&next) {
                Ok(whole) => {
                    // An honest shell does not choose poison while there is better.
                    if !whole.is_poisoned() || all.is_empty() {
                        chosen = Some(whole);
                        break;
                    }
                }
                Err(Refused { reason, moved_to }) => {
                    refused.push(CheckpointRefusal { checkpoint: next, reason, moved_to });
                }
            }
        }
        Fact::CheckpointPicked { chosen, refused }
    }

    /// As much as the rules let go.
    fn prune(&mut self, entries: &[RetentionEntry], rules: &RetentionPolicy) -> Fact {
        let mut verified: Vec<_> = entries.iter().filter(|entry| entry.verified).collect();
        verified.sort_by(|a, b| a.checkpoint.step.partial_cmp(&b.checkpoint.step).unwrap());
        let kept = verified.split_off(verified.len().saturating_sub(rules.keep_last as usize));
        let oldest = kept.first().and_then(|entry| entry.checkpoint.step);
        let aside = entries.iter().filter(|entry| !entry.verified && entry.checkpoint.step < oldest);
        let goes = verified.into_iter().chain(aside).filter(|entry| !entry.protected);
        let paths: Vec<_> = goes.map(|entry| entry.checkpoint.path.clone()).collect();
        self.files.retain(|path, _| !paths.contains(path));
        Fact::CheckpointsPruned { paths }
    }

    fn answer(&mut self) {
        let Some(effect) = self.asked.pop_front() else { return };
        let fact = match effect {
            Effect::PickCheckpoint { set_aside, known, .. } => self.pick(&set_aside, &known),
            Effect::VerifyCheckpoint { checkpoint, .. } => match self.read(&checkpoint) {
                Ok(checkpoint) => Fact::CheckpointChecked { checkpoint, refusal: None },
                Err(refused) => Fact::CheckpointChecked { checkpoint, refusal: Some(refused) },
            },
            Effect::RestoreCheckpoint { checkpoint, .. } => {
                let read = self.read(&checkpoint);
                let refusal = read
                    .err()
                    .map(|refused| (resus_core::codes::Code::new("CHECKPOINT_CORRUPT"), refused.reason));
                Fact::RestoreChecked { checkpoint, refusal, newer: Vec::new() }
            }
            Effect::PruneCheckpoints { entries, rules, .. } => self.prune(&entries, &rules),
            Effect::Spawn { resume_from, .. } => {
                self.amount = resume_from.and_then(|c| c.step).unwrap_or(0.0) as u32;
                Fact::Started(worker())
            }
            _ => return,
        };
        self.observe(fact);
    }

    fn go(&mut self, one: &Move) {
        let upto = run(&self.fleet).upto;
        let works = run(&self.fleet).worker.is_some();
        let said = |word, amount: u32| Fact::Said {
            word,
            said_unix_ms: None,
            at_units: Some(f64::from(amount)),
            upto: upto + 1,
        };
        match one {
            Move::Save { after, truth } if works => {
                self.amount += after;
                let saved = checkpoint(f64::from(self.amount));
                let truth = if *truth { Truth::Good } else { Truth::Poisoned };
                self.files.insert(saved.path.clone(), (self.amount, truth));
                self.observe(said(Word::CheckpointSaved(saved), self.amount));
            }
            Move::Damage(index) if !self.files.is_empty() => {
                let path = index.get(&self.files.keys().cloned().collect::<Vec<_>>()).clone();
                self.files.get_mut(&path).unwrap().1 = Truth::Damaged;
            }
            Move::Remove(index) if !self.files.is_empty() => {
                let path = index.get(&self.files.keys().cloned().collect::<Vec<_>>()).clone();
                self.files.remove(&path);
            }
            Move::Crash if works => {
                let crash = input(&format!("crashes at {}", self.amount), run(&self.fleet).attempt, upto);
                self.user(&crash);
            }
            Move::Nan { before } if works => {
                self.observe(said(word("nan"), self.amount.saturating_sub(*before)));
            }
            Move::Answer => self.answer(),
            Move::User(name) => {
                self.user(&input(name, run(&self.fleet).attempt, upto));
            }
            Move::RestoreOne(index) if !run(&self.fleet).verified.is_empty() => {
                let id = index.get(&run(&self.fleet).verified).checkpoint_id.clone();
                self.user(&Input::Restore { checkpoint: id, by: "test".into() });
            }
            Move::Save { .. }
            | Move::Damage(_)
            | Move::Remove(_)
            | Move::Crash
            | Move::Nan { .. }
            | Move::RestoreOne(_) => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn no_attempt_begins_from_what_is_not_good_and_no_work_is_thrown_away(moves in moves()) {
        let mut world = World::new();
        for one in &moves {
            world.go(one);
        }
        // What an answer was about is known to nobody but those who asked.
        let mut replayed = Fleet::new(Slug::new("n1").unwrap(), BOOT.into());
        for record in &world.records {
            let row = serde_json::to_string(record).unwrap();
            replayed.replay(&serde_json::from_str(&row).unwrap());
        }
        prop_assert_eq!(run(&replayed), run(&world.fleet));
    }
}
