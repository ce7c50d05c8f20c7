//! Stopping every process of a tree, and continuing all of them.
//!
//! A process that is not stopped yet may fork another one, so a tree is looked at until one
//! look finds nobody new and nobody running. That is bounded: where it does not come about,
//! all run again and the answer is no, since half of a worker of many processes is worse off
//! than none of it.

use std::collections::BTreeSet;

use rustix::process::Signal;

use crate::family::{self, Member};
use crate::identity::ProcessId;
use crate::machine::{ClientId, Millis};
use crate::tree::Tree;

/// How long a tree may take to stop.
const FREEZE_MS: Millis = 2_000;
/// Time between two looks at it.
const LOOK_MS: Millis = 2;
/// Looks at a tree that is being continued. More than one are needed only where somebody
/// stops itself again, or its parent ended just before us.
const THAW_ROUNDS_MAX: u32 = 8;

/// A tree that is being stopped.
#[derive(Debug)]
pub(crate) struct Freezing {
    pub(crate) attempt: u32,
    /// Who waits for that.
    pub(crate) askers: Vec<ClientId>,
    /// Who was sent SIGSTOP.
    told: BTreeSet<ProcessId>,
    /// Who slept uninterruptibly at the last look, although told.
    asleep: BTreeSet<ProcessId>,
    due: Millis,
    deadline: Millis,
}

/// How it went.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Frozen {
    /// Look again later.
    NotYet,
    /// Nobody can run.
    All,
    /// All run again, because of that.
    Failed(String),
}

impl Freezing {
    pub(crate) fn new(attempt: u32, asker: ClientId, now: Millis) -> Self {
        let (told, asleep) = (BTreeSet::new(), BTreeSet::new());
        Self { attempt, askers: vec![asker], told, asleep, due: now, deadline: now + FREEZE_MS }
    }

    /// When to look next.
    pub(crate) fn next_deadline(&self) -> Millis {
        self.due
    }

    /// Looks at the tree if that is due, and stops whoever runs.
    pub(crate) fn advance(&mut self, tree: &Tree, now: Millis) -> Frozen {
        if now < self.due {
            return Frozen::NotYet;
        }
        self.due = now + LOOK_MS;
        let running = match self.stop_all(tree) {
            Ok(0) => return Frozen::All,
            Ok(_) if now < self.deadline => return Frozen::NotYet,
            Ok(running) => format!("{running} processes did not stop within {FREEZE_MS} ms"),
            Err(error) => error,
        };
        if let Err(error) = thaw(tree) {
            return Frozen::Failed(format!("{running}, and not all of them run again: {error}"));
        }
        Frozen::Failed(running)
    }

    /// Stops whoever runs; how many did, or moved where they were not seen.
    fn stop_all(&mut self, tree: &Tree) -> Result<usize, String> {
        let family = tree.members().map_err(|error| format!("look at the process tree: {error}"))?;
        let mut running = usize::from(family.moved);
        let asleep_before = std::mem::take(&mut self.asleep);
        for Member { id, stat } in family.members.into_iter().filter(|member| member.stat.is_alive()) {
            // A process whose main thread has ended never shows as stopped; being told has to do.
            let main_thread_ended = stat.state == b'Z' && self.told.contains(&id);
            if stat.is_halted() || main_thread_ended {
                continue;
            }
            // It runs nothing of its own any more: it stops before it would. A parent that waits
            // for a child's exec (vfork) sleeps like this for as long as the child is stopped.
            // Seen twice, because a fork in progress looks the same for an instant.
            if stat.state == b'D' && self.told.contains(&id) {
                self.asleep.insert(id);
                if asleep_before.contains(&id) {
                    continue;
                }
            }
            running += 1;
            family::signal(id, Signal::STOP).map_err(|error| format!("stop process {}: {error}", id.pid))?;
            self.told.insert(id);
        }
        Ok(running)
    }
}

/// Continues every stopped process of the tree, also if one of them can't be: half a worker is
/// worse off than none of it. Tells the first that could not.
pub(crate) fn thaw(tree: &Tree) -> Result<(), String> {
    let mut failed = None;
    for round in 0..THAW_ROUNDS_MAX {
        let family = tree.members().map_err(|error| format!("look at the process tree: {error}"))?;
        let is_first = round == 0;
        // In the first round everybody: who has not got its SIGSTOP yet does not show.
        let wanted = family.members.into_iter().filter(|member| is_first || member.stat.is_stopped());
        let stopped: Vec<Member> = wanted.collect();
        if stopped.is_empty() && !family.moved {
            break;
        }
        for member in stopped {
            if let Err(error) = family::signal(member.id, Signal::CONT) {
                failed.get_or_insert_with(|| format!("continue process {}: {error}", member.id.pid));
            }
        }
    }
    failed.map_or(Ok(()), Err)
}
