//! Compares two checkpoints, section by section, in a fixed amount of memory.

use std::path::Path;

use resus_disk::{Disk, Real};

use crate::blocks::Blocks;
use crate::numbers::Tally;
use crate::open::{Opened, open};
use crate::refusal::Refusal;
use crate::section::Element;
use crate::verify::verify_front;

/// What two checkpoints have in common, and what not.
#[derive(Clone, Debug, PartialEq)]
pub struct Comparison {
    /// The sections of the first one in its order, then those that only the second one has.
    pub sections: Vec<SectionComparison>,
}

/// What became of one section.
#[derive(Clone, Debug, PartialEq)]
pub struct SectionComparison {
    /// Its name.
    pub name: String,
    /// What was found.
    pub outcome: Outcome,
}

/// How a section of two checkpoints compares.
#[derive(Clone, Debug, PartialEq)]
pub enum Outcome {
    /// Only the first checkpoint has it.
    OnlyInFirst,
    /// Only the second checkpoint has it.
    OnlyInSecond,
    /// Both have it, with different elements: numbers cannot be compared.
    OtherElement {
        /// Elements in the first one.
        first: Element,
        /// Elements in the second one.
        second: Element,
    },
    /// Both have it.
    Compared(Differences),
}

/// How the numbers of a section differ. Floats are compared by value: 0 equals -0. NaN equals NaN, and
/// differs from every number.
#[derive(Clone, Debug, PartialEq)]
pub struct Differences {
    /// What the elements are.
    pub element: Element,
    /// Elements of the first checkpoint's section.
    pub first_elements: u64,
    /// Elements of the second checkpoint's section. Those that only the longer one has are not compared.
    pub second_elements: u64,
    /// Pairs that differ.
    pub differing: u64,
    /// Number of the first pair that differs, from 0.
    pub first_differing: Option<u64>,
    /// Largest absolute difference; infinite if one of a pair is.
    pub max: f64,
    /// Mean absolute difference over all pairs that can be subtracted, equal ones included.
    pub mean: f64,
    /// Pairs of which one is a number and the other is NaN: they differ, by no amount.
    pub not_numbers: u64,
}

impl Comparison {
    /// Whether both checkpoints have the same state.
    #[must_use]
    pub fn is_same(&self) -> bool {
        self.sections.iter().all(|section| section.outcome.is_same())
    }
}

impl Outcome {
    /// Whether both checkpoints have the same section.
    #[must_use]
    pub fn is_same(&self) -> bool {
        match self {
            Self::OnlyInFirst | Self::OnlyInSecond | Self::OtherElement { .. } => false,
            Self::Compared(found) => found.differing == 0 && found.first_elements == found.second_elements,
        }
    }
}

/// Why two checkpoints cannot be compared.
#[derive(Debug, thiserror::Error)]
pub enum CompareError {
    /// The first one is not whole.
    #[error("first checkpoint is refused")]
    First(#[source] Refusal),
    /// The second one is not whole.
    #[error("second checkpoint is refused")]
    Second(#[source] Refusal),
}

/// Verifies two checkpoints of any versions, and compares their sections by name.
///
/// # Errors
/// One of them must not be restored.
pub fn compare(first: &Path, second: &Path) -> Result<Comparison, CompareError> {
    compare_with(&Real, first, second)
}

/// The same on another disk.
///
/// # Errors
/// As [`compare`].
pub fn compare_with(disk: &dyn Disk, first: &Path, second: &Path) -> Result<Comparison, CompareError> {
    let one = open_verified(disk, first).map_err(CompareError::First)?;
    let other = open_verified(disk, second).map_err(CompareError::Second)?;
    let (ones, others) = (Blocks::sections(&one), Blocks::sections(&other));
    let mut sections = Vec::new();
    for (name, element) in &ones {
        let outcome = match others.iter().find(|(other, _)| other == name) {
            None => Outcome::OnlyInFirst,
            Some((_, second)) if second != element => {
                Outcome::OtherElement { first: *element, second: *second }
            }
            Some(_) => Outcome::Compared(compare_section(&one, &other, name, *element)?),
        };
        sections.push(SectionComparison { name: name.clone(), outcome });
    }
    let new = others.into_iter().filter(|(name, _)| !ones.iter().any(|(one, _)| one == name));
    sections.extend(new.map(|(name, _)| SectionComparison { name, outcome: Outcome::OnlyInSecond }));
    Ok(Comparison { sections })
}

fn open_verified(disk: &dyn Disk, path: &Path) -> Result<Opened, Refusal> {
    let opened = open(disk, path)?;
    verify_front(&*opened.file, opened.size, &opened.front)?;
    Ok(opened)
}

fn compare_section(
    one: &Opened,
    other: &Opened,
    name: &str,
    element: Element,
) -> Result<Differences, CompareError> {
    let mut ones = Blocks::of(one, name).map_err(CompareError::First)?;
    let mut others = Blocks::of(other, name).map_err(CompareError::Second)?;
    let mut tally = Tally::default();
    loop {
        let a = ones.rest().map_err(CompareError::First)?;
        let b = others.rest().map_err(CompareError::Second)?;
        // Both sections and all blocks are whole elements.
        let count = a.len().min(b.len());
        if count == 0 {
            break;
        }
        tally.compare(element, &a[..count], &b[..count]);
        ones.skip(count);
        others.skip(count);
    }
    let elements = |bytes: u64| bytes / element.bytes() as u64;
    let first_elements = elements(ones.drain().map_err(CompareError::First)?);
    let second_elements = elements(others.drain().map_err(CompareError::Second)?);
    Ok(differences(element, first_elements, second_elements, &tally))
}

#[expect(clippy::cast_precision_loss, reason = "a mean to be shown")]
fn differences(element: Element, first_elements: u64, second_elements: u64, tally: &Tally) -> Differences {
    let pairs = tally.compared.saturating_sub(tally.undefined);
    Differences {
        element,
        first_elements,
        second_elements,
        differing: tally.differing,
        first_differing: tally.first,
        max: tally.max,
        mean: if pairs == 0 { 0.0 } else { tally.sum / pairs as f64 },
        not_numbers: tally.undefined,
    }
}
