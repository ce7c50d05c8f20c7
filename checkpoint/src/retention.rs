//! Which checkpoints may go. Pure: it names them and says why, and others remove them.
//!
//! What always stays: every protected one, the newest verified one, and the newest verified one whose
//! numbers are finite. Of the others stay those that a rule keeps; then the limit on bytes takes from
//! these, oldest first. One that is not verified keeps nobody's place and is never counted: it may still
//! become verified, and goes only once it is older than every verified one that stays for its newness.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// A catalogued checkpoint, as far as retention cares.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry<Id> {
    /// What it is known by.
    pub id: Id,
    /// How far the training was.
    pub step: u64,
    /// When it was saved, in any unit that grows; orders entries of one step.
    pub saved: u64,
    /// Bytes it occupies.
    pub size_bytes: u64,
    /// Whether it was read back whole.
    pub verified: bool,
    /// Whether its numbers are known not to be finite: such a one is kept for its newness only.
    pub poisoned: bool,
    /// Whether it must stay for a reason that is not told here: a user pinned it, or a worker begins
    /// from it.
    pub protected: bool,
    /// Its value of the metric by which the best are kept.
    pub metric: Option<f64>,
}

/// What is kept beside that which always stays. All zero keeps nothing more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Rules {
    /// This many of the newest verified ones.
    pub keep_last: usize,
    /// This many of the best by the metric.
    pub keep_best: usize,
    /// Which metric is better.
    pub best_is: Extreme,
    /// The first of every so many steps; 0 = none.
    pub keep_every: u64,
    /// Most bytes that verified ones may occupy together; 0 = no limit. It wins over the other rules,
    /// and not over what always stays.
    pub max_bytes: u64,
}

/// Which values of a metric are better.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Extreme {
    /// The largest, as of an accuracy.
    #[default]
    Max,
    /// The smallest, as of a loss.
    Min,
}

/// A checkpoint that may be deleted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Doomed<Id> {
    /// Which.
    pub id: Id,
    /// Why it need not stay.
    pub because: Because,
}

/// Why a checkpoint goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Because {
    /// It is verified, and no rule keeps it.
    NoRule,
    /// A rule would keep it, but the verified ones occupy too much.
    Bytes,
    /// It is not verified, and older than the last verified ones that stay.
    Passed,
}

/// Why a checkpoint stays.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kept {
    /// It must ([`Entry::protected`]).
    Protected,
    /// Newest of the verified ones.
    NewestVerified,
    /// Newest of the verified ones without numbers that are not finite.
    NewestHealthy,
    /// Among the newest verified ones, 1 the newest.
    Last(usize),
    /// Among the best, 1 the best.
    Best(usize),
    /// The first of the interval that begins at this step.
    Every(u64),
    /// Not verified, and not yet older than the last verified ones that stay.
    Unverified,
}

/// What becomes of one checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It stays, for all these reasons; never empty.
    Stays(Vec<Kept>),
    /// It may be deleted.
    Goes(Because),
}

/// Names the checkpoints that may be deleted, oldest first. `entries` may come in any order; their ids
/// must differ.
#[must_use]
pub fn plan<Id: Clone + Ord>(entries: &[Entry<Id>], rules: &Rules) -> Vec<Doomed<Id>> {
    let verdicts = verdicts(entries, rules);
    let mut doomed: Vec<_> = entries
        .iter()
        .zip(verdicts)
        .filter_map(|(entry, verdict)| match verdict {
            Verdict::Stays(_) => None,
            Verdict::Goes(because) => Some((entry.age(), because)),
        })
        .collect();
    doomed.sort_unstable_by(|a, b| a.0.cmp(&b.0));
    doomed.into_iter().map(|((.., id), because)| Doomed { id: id.clone(), because }).collect()
}

/// What becomes of each entry, in their order, with the reasons: for lists that people read.
#[must_use]
pub fn verdicts<Id: Ord>(entries: &[Entry<Id>], rules: &Rules) -> Vec<Verdict> {
    let mut verified: Vec<usize> = places(entries, |entry| entry.verified);
    verified.sort_unstable_by(|a, b| entries[*b].age().cmp(&entries[*a].age()));
    let mut kept: BTreeMap<usize, Vec<Kept>> = BTreeMap::new();
    let mut keep = |place: usize, why| kept.entry(place).or_default().push(why);
    for place in places(entries, |entry| entry.protected) {
        keep(place, Kept::Protected);
    }
    if let Some(newest) = verified.first() {
        keep(*newest, Kept::NewestVerified);
    }
    if let Some(healthy) = verified.iter().find(|place| !entries[**place].poisoned) {
        keep(*healthy, Kept::NewestHealthy);
    }
    for (rank, place) in verified.iter().take(rules.keep_last).enumerate() {
        keep(*place, Kept::Last(rank + 1));
    }
    for (rank, place) in best(entries, &verified, rules).into_iter().enumerate() {
        keep(place, Kept::Best(rank + 1));
    }
    for (begin, place) in first_of_each(entries, &verified, rules.keep_every) {
        keep(place, Kept::Every(begin));
    }
    let too_much = over_the_limit(entries, &verified, &kept, rules.max_bytes);
    // The oldest that stays for its newness; the newest verified one always does.
    let oldest_last = verified
        .iter()
        .take(rules.keep_last.max(1))
        .filter(|place| kept.contains_key(place) && !too_much.contains(place))
        .map(|place| entries[*place].age())
        .min();
    let judge = |(place, entry): (usize, &Entry<Id>)| match kept.remove(&place) {
        Some(_) if too_much.contains(&place) => Verdict::Goes(Because::Bytes),
        Some(reasons) => Verdict::Stays(reasons),
        None if entry.verified => Verdict::Goes(Because::NoRule),
        None if oldest_last.as_ref().is_some_and(|oldest| entry.age() < *oldest) => {
            Verdict::Goes(Because::Passed)
        }
        None => Verdict::Stays(vec![Kept::Unverified]),
    };
    entries.iter().enumerate().map(judge).collect()
}

impl<Id> Entry<Id> {
    /// What comes later is newer.
    fn age(&self) -> (u64, u64, &Id) {
        (self.step, self.saved, &self.id)
    }
}

fn places<Id>(entries: &[Entry<Id>], is_meant: impl Fn(&Entry<Id>) -> bool) -> Vec<usize> {
    entries.iter().enumerate().filter(|(_, entry)| is_meant(entry)).map(|(place, _)| place).collect()
}

/// The best of `verified`, which comes newest first, best first; of equal ones the newer. One without
/// the metric, or with one that is no finite number, or with poisoned numbers, does not compete.
fn best<Id>(entries: &[Entry<Id>], verified: &[usize], rules: &Rules) -> Vec<usize> {
    // The sum makes zero of minus zero, which would rank below it.
    let metric = |place: &usize| Some(entries[*place].metric.filter(|value| value.is_finite())? + 0.0);
    let competes = |place: &usize| !entries[*place].poisoned;
    let mut ranked: Vec<(f64, usize)> = verified
        .iter()
        .filter(|place| competes(place))
        .filter_map(|place| Some((metric(place)?, *place)))
        .collect();
    // Stable, so that of equal ones the newer stays in front.
    ranked.sort_by(|a, b| match rules.best_is {
        Extreme::Max => b.0.total_cmp(&a.0),
        Extreme::Min => a.0.total_cmp(&b.0),
    });
    ranked.into_iter().take(rules.keep_best).map(|(_, place)| place).collect()
}

/// For each interval of `every` steps that has a verified one, where it begins, and the first in it.
fn first_of_each<Id>(entries: &[Entry<Id>], verified: &[usize], every: u64) -> BTreeMap<u64, usize> {
    let begin = |place: &usize| entries[*place].step.checked_div(every).map(|count| count * every);
    // Newest first: the last that is told for an interval is its first.
    verified.iter().filter_map(|place| Some((begin(place)?, *place))).collect()
}

/// Those of the kept ones that have to go, oldest first, until the verified ones fit into `limit`.
fn over_the_limit<Id>(
    entries: &[Entry<Id>],
    verified: &[usize],
    kept: &BTreeMap<usize, Vec<Kept>>,
    limit: u64,
) -> BTreeSet<usize> {
    let mut too_much = BTreeSet::new();
    if limit == 0 {
        return too_much;
    }
    let size = |place: &usize| u128::from(entries[*place].size_bytes);
    let mut sum: u128 = verified.iter().filter(|place| kept.contains_key(place)).map(size).sum();
    for place in verified.iter().rev() {
        if sum <= u128::from(limit) {
            break;
        }
        let Some(reasons) = kept.get(place) else { continue };
        if !reasons.iter().any(|reason| reason.is_for_good()) {
            sum -= size(place);
            too_much.insert(*place);
        }
    }
    too_much
}

impl Kept {
    /// Whether no rule can take it back.
    fn is_for_good(self) -> bool {
        match self {
            Self::Protected | Self::NewestVerified | Self::NewestHealthy => true,
            Self::Last(_) | Self::Best(_) | Self::Every(_) | Self::Unverified => false,
        }
    }
}

impl fmt::Display for Because {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoRule => "no rule keeps it",
            Self::Bytes => "the limit on bytes is reached",
            Self::Passed => "not verified, and older than the verified ones that stay",
        })
    }
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Protected => f.write_str("protected"),
            Self::NewestVerified => f.write_str("newest verified"),
            Self::NewestHealthy => f.write_str("newest healthy"),
            Self::Last(place) => write!(f, "last {place}"),
            Self::Best(place) => write!(f, "best {place}"),
            Self::Every(begin) => write!(f, "first from step {begin} on"),
            Self::Unverified => f.write_str("not verified yet"),
        }
    }
}

#[cfg(test)]
mod tests;
