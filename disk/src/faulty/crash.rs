//! The states in which a power cut may leave the disk: all of them where they are few, else the extreme
//! ones and a sample.

use std::collections::BTreeSet;

use crate::faulty::Faulty;
use crate::faulty::journal::{Doubt, Judgement, Part, Step};
use crate::faulty::tree::Tree;
use crate::faulty::world::World;

/// How many states are tried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Up to so many parts in doubt every combination is built: 2^n states at most.
    pub all_up_to: u32,
    /// Above, nothing, everything, and for so many of the parts, evenly spread: all but this one, this
    /// one alone, all up to this one.
    pub singles: usize,
    /// And so many random combinations.
    pub samples: usize,
    /// Where chance begins; the same seed gives the same states.
    pub seed: u64,
}

impl Default for Effort {
    fn default() -> Self {
        Self { all_up_to: 8, singles: 64, samples: 64, seed: 1 }
    }
}

/// What a power cut may leave.
#[derive(Debug)]
pub struct Crash {
    /// After how many operations the power went.
    pub after: usize,
    /// The disk as it is found: all of it durable, no faults planned.
    pub disk: Faulty,
    /// What was lost, for a failing test to say.
    pub lost: Vec<String>,
}

impl Faulty {
    /// The disk as it may be found when the power goes right after the first `operations` operations.
    /// Each combination comes once.
    pub fn crashes(&self, operations: usize, effort: Effort) -> impl Iterator<Item = Crash> {
        let scene = Scene::of(&self.world(), operations);
        let choices = scene.choices(effort);
        choices.into_iter().map(move |kept| scene.crash(&kept))
    }

    /// The disk when power goes and nothing that was not synced is found.
    #[must_use]
    pub fn after_power_cut(&self, operations: usize) -> Self {
        let scene = Scene::of(&self.world(), operations);
        scene.crash(&vec![false; scene.judgement.doubts.len()]).disk
    }

    /// The disk when the process is killed after its first `operations` operations, and the system
    /// lives on to write all that it was given.
    #[must_use]
    pub fn after_kill(&self, operations: usize) -> Self {
        let scene = Scene::of(&self.world(), operations);
        scene.crash(&vec![true; scene.judgement.doubts.len()]).disk
    }
}

/// All that is needed to build the states after some operations.
struct Scene {
    /// A world of which only the counters are wanted: what it holds is built anew.
    counters: World,
    base: Tree,
    steps: Vec<Step>,
    judgement: Judgement,
    after: usize,
}

impl Scene {
    fn of(world: &World, after: usize) -> Self {
        let steps = world.steps_of(after);
        let judgement = Judgement::of(&world.base, &steps);
        let (counters, base) = (world.reborn(Tree::new()), world.base.clone());
        Self { counters, base, steps, judgement, after }
    }

    fn crash(&self, kept: &[bool]) -> Crash {
        let mut tree = self.judgement.build(&self.base, &self.steps, kept);
        tree.drop_nameless();
        let lost = self.judgement.doubts.iter().zip(kept).filter(|(_, kept)| !**kept);
        let lost = lost.map(|(doubt, _)| self.describe(doubt)).collect();
        Crash { after: self.after, disk: Faulty::of(self.counters.reborn(tree)), lost }
    }

    fn describe(&self, doubt: &Doubt) -> String {
        match (self.steps.get(doubt.step), &doubt.part) {
            (Some(Step::Write { file, at, .. }), Part::Bytes(range)) => {
                let from = at.saturating_add(range.start as u64);
                format!("bytes {from}..{} of file {file}", from.saturating_add(range.len() as u64))
            }
            (Some(Step::Write { file, at, bytes }), _) => {
                format!("size {} of file {file}", at.saturating_add(bytes.len() as u64))
            }
            (Some(Step::Resize { file, size }), _) => format!("size {size} of file {file}"),
            (Some(Step::Names(changes)), _) => {
                let changes = changes.iter().map(|((_, name), number)| match number {
                    Some(number) => format!("{} = file {number}", name.display()),
                    None => format!("no {}", name.display()),
                });
                changes.collect::<Vec<_>>().join(" and ")
            }
            (Some(Step::Born(..) | Step::Sync { .. } | Step::Rot { .. }) | None, _) => String::new(),
        }
    }

    /// Which doubts are found, in each state to be tried; no two are the same.
    fn choices(&self, effort: Effort) -> Vec<Vec<bool>> {
        let count = self.judgement.doubts.len();
        let mut tried = BTreeSet::new();
        let mut choices = Vec::new();
        let mut add = |mut kept: Vec<bool>| {
            self.close(&mut kept);
            if tried.insert(kept.clone()) {
                choices.push(kept);
            }
        };
        match u32::try_from(count).ok().filter(|count| *count <= effort.all_up_to.min(20)) {
            Some(bits) => {
                (0..1_u32 << bits).for_each(|mask| add((0..bits).map(|bit| mask >> bit & 1 == 1).collect()));
            }
            None => {
                add(vec![false; count]);
                add(vec![true; count]);
                for one in (0..count).step_by(count.div_ceil(effort.singles.max(1))) {
                    add((0..count).map(|index| index != one).collect());
                    let mut alone = vec![false; count];
                    self.keep_with_needs(&mut alone, one);
                    add(alone);
                    add((0..count).map(|index| index <= one).collect());
                }
                let mut chance = Chance(effort.seed ^ (self.after as u64).wrapping_mul(0x9e37_79b9));
                for _ in 0..effort.samples {
                    // Some states lose little, some much.
                    let share = chance.next() % 256;
                    add((0..count).map(|_| chance.next() % 256 < share).collect());
                }
            }
        }
        choices
    }

    /// Drops what cannot be found because something it needs is not.
    fn close(&self, kept: &mut [bool]) {
        for (index, doubt) in self.judgement.doubts.iter().enumerate() {
            if doubt.needs.iter().any(|need| !kept[*need]) {
                kept[index] = false;
            }
        }
    }

    fn keep_with_needs(&self, kept: &mut [bool], one: usize) {
        kept[one] = true;
        for need in &self.judgement.doubts[one].needs {
            if !kept[*need] {
                self.keep_with_needs(kept, *need);
            }
        }
    }
}

/// A small generator of pseudo-random numbers (splitmix64, Steele, Lea and Flood 2014).
struct Chance(u64);

impl Chance {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}
