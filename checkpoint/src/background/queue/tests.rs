use std::collections::BTreeMap;

use super::*;

const DELAY: Duration = Duration::from_secs(5);

/// A queue under test, with a writer and a clock that are told what to do.
struct Rig {
    queue: Queue<u32>,
    now: Instant,
    writing: Option<u32>,
}

impl Rig {
    fn new() -> Self {
        Self { queue: Queue::new(DELAY), now: Instant::now(), writing: None }
    }

    fn put(&mut self, item: u32) -> Placed<u32> {
        self.queue.put(item)
    }

    fn next(&mut self) -> Step<u32> {
        let step = self.queue.next(self.now);
        if let Step::Save(item) = step {
            self.writing = Some(item);
        }
        step
    }

    fn end(&mut self, outcome: Outcome) -> Ended<u32> {
        let item = self.writing.take().expect("something is written");
        self.queue.ended(item, outcome, self.now)
    }
}

fn alone() -> Placed<u32> {
    Placed { is_behind: false, displaced: None }
}

fn behind(displaced: Option<u32>) -> Placed<u32> {
    Placed { is_behind: true, displaced }
}

#[test]
fn a_snapshot_is_saved_at_once_when_nothing_is_under_way() {
    let mut rig = Rig::new();
    assert_eq!(rig.next(), Step::Wait);
    assert_eq!(rig.put(1), alone());
    assert!(rig.queue.is_busy());
    assert_eq!(rig.next(), Step::Save(1));
    assert_eq!(rig.end(Outcome::Saved), Ended::Saved(1));
    assert!(!rig.queue.is_busy());
    assert_eq!(rig.next(), Step::Wait);
}

#[test]
fn of_those_that_come_while_one_is_saved_only_the_newest_follows() {
    let mut rig = Rig::new();
    rig.put(1);
    rig.next();
    assert_eq!(rig.put(2), behind(None));
    assert_eq!(rig.put(3), behind(Some(2)));
    assert_eq!(rig.end(Outcome::Saved), Ended::Saved(1));
    assert_eq!(rig.next(), Step::Save(3));
    assert_eq!(rig.end(Outcome::Saved), Ended::Saved(3));
    assert_eq!(rig.next(), Step::Wait);
}

#[test]
fn a_failed_one_is_tried_once_more_after_the_delay_and_then_given_up() {
    let mut rig = Rig::new();
    rig.put(1);
    rig.next();
    assert_eq!(rig.end(Outcome::Failed), Ended::TriedAgain);
    assert_eq!(rig.next(), Step::WaitUntil(rig.now + DELAY));
    rig.now += DELAY;
    assert_eq!(rig.next(), Step::Save(1));
    assert_eq!(rig.end(Outcome::Failed), Ended::GivenUp(1));
    assert!(!rig.queue.is_busy());
    assert_eq!(rig.put(2), alone());
    assert_eq!(rig.next(), Step::Save(2));
    assert_eq!(rig.end(Outcome::Failed), Ended::TriedAgain, "the next one has two tries of its own");
}

#[test]
fn a_newer_one_is_tried_instead_of_a_failed_one_and_no_sooner() {
    // It may have come before the failure, or after it.
    for is_before in [true, false] {
        let mut rig = Rig::new();
        rig.put(1);
        rig.next();
        if is_before {
            rig.put(2);
            assert_eq!(rig.end(Outcome::Failed), Ended::GivenUp(1));
        } else {
            assert_eq!(rig.end(Outcome::Failed), Ended::TriedAgain);
            assert_eq!(rig.put(2), behind(Some(1)));
        }
        assert_eq!(rig.next(), Step::WaitUntil(rig.now + DELAY));
        rig.now += DELAY;
        assert_eq!(rig.next(), Step::Save(2));
        assert_eq!(rig.end(Outcome::Failed), Ended::TriedAgain);
    }
}

#[test]
fn what_waits_can_be_taken_back_and_what_is_to_be_tried_again_cannot() {
    let mut rig = Rig::new();
    rig.put(1);
    rig.next();
    rig.put(2);
    assert_eq!(rig.queue.take_waiting(), Some(2));
    rig.end(Outcome::Failed);
    assert_eq!(rig.queue.take_waiting(), None);
    rig.now += DELAY;
    assert_eq!(rig.next(), Step::Save(1));
}

#[test]
fn after_the_close_all_that_was_put_is_still_seen_to() {
    let mut rig = Rig::new();
    rig.put(1);
    rig.next();
    rig.put(2);
    rig.queue.close();
    rig.end(Outcome::Failed);
    assert_eq!(rig.next(), Step::WaitUntil(rig.now + DELAY));
    rig.now += DELAY;
    assert_eq!(rig.next(), Step::Save(2));
    rig.end(Outcome::Saved);
    assert_eq!(rig.next(), Step::End);
}

/// What can happen, besides nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Event {
    Put,
    Saved,
    Failed,
    Hopeless,
    TimePasses,
}

impl Event {
    const ALL: [Self; 5] = [Self::Put, Self::Saved, Self::Failed, Self::Hopeless, Self::TimePasses];

    /// The end of a try it stands for, if it does.
    fn outcome(self) -> Option<Outcome> {
        match self {
            Self::Put | Self::TimePasses => None,
            Self::Saved => Some(Outcome::Saved),
            Self::Failed => Some(Outcome::Failed),
            Self::Hopeless => Some(Outcome::Hopeless),
        }
    }
}

/// One history: the queue, and all that happened to its snapshots.
struct History {
    rig: Rig,
    newest: u32,
    tries: BTreeMap<u32, u32>,
    /// Those that left the queue.
    over: Vec<u32>,
    /// Those of them that need not come back: saved, tried twice, or hopeless.
    done: Vec<u32>,
    /// Nothing may be tried before.
    rests_until: Option<Instant>,
}

impl History {
    fn new() -> Self {
        let (tries, over, done) = (BTreeMap::new(), Vec::new(), Vec::new());
        Self { rig: Rig::new(), newest: 0, tries, over, done, rests_until: None }
    }

    /// False if that cannot happen now.
    fn happens(&mut self, event: Event) -> bool {
        match event.outcome() {
            Some(_) if self.rig.writing.is_none() => return false,
            Some(outcome) => self.ends(outcome),
            None if event == Event::Put => {
                self.newest += 1;
                self.over.extend(self.rig.put(self.newest).displaced);
            }
            None => self.rig.now += DELAY / 2,
        }
        if self.rig.writing.is_none()
            && let Step::Save(item) = self.rig.next()
        {
            self.begins(item);
        }
        true
    }

    fn ends(&mut self, outcome: Outcome) {
        match self.rig.end(outcome) {
            Ended::Saved(item) => {
                assert_eq!(outcome, Outcome::Saved);
                self.over.push(item);
                self.done.push(item);
            }
            Ended::GivenUp(item) => {
                self.over.push(item);
                if outcome == Outcome::Hopeless || self.tries[&item] == 2 {
                    self.done.push(item);
                } else {
                    assert!(item < self.newest, "{item} has no newer one and no second try");
                }
            }
            Ended::TriedAgain => assert_eq!(outcome, Outcome::Failed),
        }
        if outcome == Outcome::Failed && self.held() > 0 {
            self.rests_until = Some(self.rig.now + DELAY);
        }
    }

    fn begins(&mut self, item: u32) {
        let tries = self.tries.entry(item).or_default();
        *tries += 1;
        assert!(*tries <= 2, "{item} is tried {tries} times");
        assert!(self.rests_until.is_none_or(|until| self.rig.now >= until), "{item} is tried too soon");
        assert!(self.over.iter().all(|old| *old < item), "{item} is saved after newer ones");
    }

    fn held(&self) -> usize {
        self.newest as usize - self.over.len()
    }

    fn check(&self) {
        let held = self.held();
        assert!(held <= 2, "{held} snapshots are held");
        assert_eq!(self.rig.queue.is_busy(), held > 0);
        let is_seen_to = self.newest == 0 || self.done.contains(&self.newest);
        assert!(held > 0 || is_seen_to, "the newest was lost");
    }
}

/// Every history of up to eight events.
#[test]
fn in_every_history_two_snapshots_are_enough_and_the_newest_is_saved_or_tried_in_vain() {
    let mut histories: Vec<Vec<Event>> = vec![Vec::new()];
    let mut played = 0;
    for _ in 0..8 {
        let longer = histories
            .iter()
            .flat_map(|events| Event::ALL.map(|event| [events.as_slice(), &[event]].concat()))
            .filter(|events| {
                let mut history = History::new();
                events.iter().all(|event| history.happens(*event)) && {
                    history.check();
                    true
                }
            });
        histories = longer.collect();
        played += histories.len();
    }
    assert!(played > 10_000, "{played}");
}

#[test]
fn a_hopeless_one_is_given_up_at_once_and_keeps_nobody_waiting() {
    let mut rig = Rig::new();
    rig.put(1);
    rig.next();
    rig.put(2);
    assert_eq!(rig.end(Outcome::Hopeless), Ended::GivenUp(1));
    assert_eq!(rig.next(), Step::Save(2));
}
