//! The fourteen patterns and where each square counts in them.
//!
//! A pattern is a list of cells. Its index is a ternary number, first cell least significant; a digit is
//! 0 for an empty cell, 1 for a disc of the side the index is *seen by*, 2 for a disc of the other side.
//! Each pattern is laid on the board in four rotations that share one table: 56 instances. Because every
//! index is relative to the side to move, a quarter turn needs no change of sign.

/// Number of patterns.
pub const PATTERNS: usize = 14;
/// Number of pattern instances: every pattern in four rotations.
pub const INSTANCES: usize = 4 * PATTERNS;
/// Entries of all patterns together: 7 x 3^10 + 2 x 3^9 + 4 x 3^8 + 3^7.
pub const TABLE_LEN: usize = OFFSETS[PATTERNS - 1] + SIZES[PATTERNS - 1];

/// The cells of each pattern in its first rotation.
const CELLS: [&str; PATTERNS] = [
    "a1b1a2b2c2b3c3d3c4d4",
    "a1b1a2b2c3d4e5f6g7h8",
    "a1b1c1d1a2b2c2a3b3a4",
    "a1b1c1d1e1a2b2a3a4a5",
    "a1b1c1d1e1f1g1h1b2g2",
    "a1c1d1e1f1h1c2d2e2f2",
    "b1c1d1e1f1g1c2d2e2f2",
    "a1b1c1a2b2c2a3b3c3",
    "a1b1c2d3e4f5g6h7h8",
    "a2b2c2d2e2f2g2h2",
    "a3b3c3d3e3f3g3h3",
    "a4b4c4d4e4f4g4h4",
    "b1c1d2e3f4g5h6h7",
    "d1b2e2f3g4h5g7",
];

/// Longest pattern, in cells.
const LONGEST: usize = 10;

/// Entries of each pattern: 3 to the number of its cells.
pub const SIZES: [usize; PATTERNS] = {
    let mut sizes = [0; PATTERNS];
    let mut pattern = 0;
    while pattern < PATTERNS {
        sizes[pattern] = 3usize.pow((CELLS[pattern].len() / 2) as u32);
        pattern += 1;
    }
    sizes
};

/// Where each pattern's entries begin in a table of [`TABLE_LEN`].
pub const OFFSETS: [usize; PATTERNS] = {
    let mut offsets = [0; PATTERNS];
    let mut pattern = 1;
    while pattern < PATTERNS {
        offsets[pattern] = offsets[pattern - 1] + SIZES[pattern - 1];
        pattern += 1;
    }
    offsets
};

/// `PLACES[square][instance]`: how much a digit 1 on `square` adds to the instance's index, 0 if the
/// square is not one of its cells. Instance `4 * pattern + rotation`.
pub(crate) static PLACES: [[u16; INSTANCES]; 64] = {
    let mut places = [[0; INSTANCES]; 64];
    let mut instance = 0;
    while instance < INSTANCES {
        let (cells, len) = cells_of(instance / 4);
        let mut position = 0;
        let mut value = 1;
        while position < len {
            let square = turned(cells[position], instance % 4);
            places[square as usize][instance] = value;
            position += 1;
            value *= 3;
        }
        instance += 1;
    }
    places
};

/// The squares of a pattern in its first rotation, and how many there are.
pub(crate) const fn cells_of(pattern: usize) -> ([u8; LONGEST], usize) {
    let name = CELLS[pattern].as_bytes();
    let mut cells = [0; LONGEST];
    let mut position = 0;
    while position < name.len() / 2 {
        cells[position] = (name[2 * position] - b'a') + 8 * (name[2 * position + 1] - b'1');
        position += 1;
    }
    (cells, name.len() / 2)
}

/// The square after `quarters` quarter turns, in the sense of [`crate::board::Board::rotated`].
const fn turned(square: u8, quarters: usize) -> u8 {
    let mut square = square;
    let mut done = 0;
    while done < quarters {
        square = 8 * (square % 8) + 7 - square / 8;
        done += 1;
    }
    square
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_has_the_documented_size() {
        assert_eq!(TABLE_LEN, 7 * 59_049 + 2 * 19_683 + 4 * 6_561 + 2_187);
        assert_eq!(TABLE_LEN, 481_140);
    }

    #[test]
    fn a_pattern_never_names_a_cell_twice() {
        for pattern in 0..PATTERNS {
            let (cells, len) = cells_of(pattern);
            let set = cells[..len].iter().fold(0u64, |set, cell| set | 1 << cell);
            assert_eq!(set.count_ones() as usize, len, "pattern {pattern}");
        }
    }

    #[test]
    fn every_square_is_seen_by_some_pattern() {
        for (square, places) in PLACES.iter().enumerate() {
            assert!(places.iter().any(|&place| place > 0), "square {square}");
        }
    }

    #[test]
    fn four_rotations_of_a_pattern_lie_on_four_turned_sets_of_squares() {
        for instance in 0..INSTANCES {
            let cells =
                |instance: usize| (0..64u8).filter(move |&square| PLACES[usize::from(square)][instance] > 0);
            let next = instance / 4 * 4 + (instance + 1) % 4;
            let mut once: Vec<u8> = cells(instance).map(|square| turned(square, 1)).collect();
            once.sort_unstable();
            assert_eq!(once, cells(next).collect::<Vec<_>>(), "instance {instance}");
        }
    }
}
