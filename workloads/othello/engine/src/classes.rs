//! Mirror classes: entries of a pattern that a reflection of the board turns into each other.
//!
//! Every one of the patterns is its own image under some reflection, so index `i` and its reflection
//! mean the same to a player. They share one weight: the learner stores classes, about half as many as
//! there are entries, and each position teaches its mirror image too. With the four rotations sharing a
//! table, a value is then equal under all eight symmetries of the square.

use std::sync::LazyLock;

use crate::pattern::{INSTANCES, OFFSETS, PATTERNS, SIZES, TABLE_LEN, cells_of};
use crate::view::Indices;

/// The numbering of the mirror classes.
#[derive(Debug)]
pub struct Classes {
    /// For each entry of the table, its class, counted from the first class of its pattern.
    within: Vec<u16>,
    /// The first class of each pattern.
    first: [u32; PATTERNS],
    /// Classes of all patterns together.
    count: usize,
}

static CLASSES: LazyLock<Classes> = LazyLock::new(Classes::build);

impl Classes {
    /// The one numbering, built at first use (a few milliseconds).
    pub fn get() -> &'static Self {
        &CLASSES
    }

    /// Classes of all patterns together.
    #[inline]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The class of each instance's entry.
    #[inline]
    pub fn of(&self, indices: &Indices) -> [u32; INSTANCES] {
        let mut classes = [0; INSTANCES];
        for (instance, (class, index)) in classes.iter_mut().zip(indices).enumerate() {
            let pattern = instance / 4;
            *class = self.first[pattern] + u32::from(self.within[OFFSETS[pattern] + usize::from(*index)]);
        }
        classes
    }

    /// Calls `visit(entry, class)` for every table entry, in order.
    pub fn for_each(&self, mut visit: impl FnMut(usize, usize)) {
        for pattern in 0..PATTERNS {
            let entries = OFFSETS[pattern]..OFFSETS[pattern] + SIZES[pattern];
            for entry in entries {
                visit(entry, (self.first[pattern] + u32::from(self.within[entry])) as usize);
            }
        }
    }

    fn build() -> Self {
        let mut within = vec![0; TABLE_LEN];
        let mut first = [0; PATTERNS];
        let mut total: u32 = 0;
        for pattern in 0..PATTERNS {
            first[pattern] = total;
            let mirror = mirror_positions(pattern);
            let table = &mut within[OFFSETS[pattern]..OFFSETS[pattern] + SIZES[pattern]];
            let mut count: u16 = 0;
            for index in 0..table.len() {
                let image = mirror_index(index, &mirror);
                if image < index {
                    table[index] = table[image];
                } else {
                    table[index] = count;
                    count += 1;
                }
            }
            total += u32::from(count);
        }
        Self { within, first, count: total as usize }
    }
}

/// For each cell of the pattern, the position of its mirror image, under the first reflection that maps
/// the pattern to itself. A pattern without one would keep its cells where they are (every class then
/// has one entry); none of ours is like that.
fn mirror_positions(pattern: usize) -> Vec<usize> {
    let reflections: [fn(u8) -> u8; 4] = [
        |square| square ^ 7,
        |square| square ^ 56,
        |square| 8 * (square % 8) + square / 8,
        |square| 63 - (8 * (square % 8) + square / 8),
    ];
    let (cells, len) = cells_of(pattern);
    let cells = &cells[..len];
    reflections
        .iter()
        .find_map(|reflect| {
            cells.iter().map(|&cell| cells.iter().position(|&other| other == reflect(cell))).collect()
        })
        .unwrap_or_else(|| (0..len).collect())
}

/// `index` with its ternary digits moved to the positions in `mirror`.
fn mirror_index(index: usize, mirror: &[usize]) -> usize {
    let mut rest = index;
    let mut image = 0;
    for &position in mirror {
        image += rest % 3 * 3usize.pow(position as u32);
        rest /= 3;
    }
    image
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pattern_is_its_own_mirror_image() {
        for pattern in 0..PATTERNS {
            let mirror = mirror_positions(pattern);
            assert!(mirror.iter().enumerate().any(|(from, &to)| from != to), "pattern {pattern}");
            assert!((0..mirror.len()).all(|cell| mirror[mirror[cell]] == cell), "pattern {pattern}");
        }
    }

    #[test]
    fn classes_are_numbered_without_gaps_and_hold_at_most_two_entries() {
        let mut sizes = vec![0; Classes::get().count()];
        Classes::get().for_each(|_, class| sizes[class] += 1);
        assert!(sizes.iter().all(|size| (1..=2).contains(size)));
        assert_eq!(sizes.iter().sum::<usize>(), TABLE_LEN);
    }

    #[test]
    fn an_edge_and_its_reverse_are_one_class() {
        let classes = Classes::get();
        // Pattern 10 is a straight line of eight: 1 at one end, then 1 at the other.
        let (mut left, mut right): (Indices, Indices) = ([0; INSTANCES], [0; INSTANCES]);
        left[36] = 1;
        right[36] = 2_187;
        assert_eq!(classes.of(&left)[36], classes.of(&right)[36]);
        right[36] = 2;
        assert_ne!(classes.of(&left)[36], classes.of(&right)[36]);
    }
}
