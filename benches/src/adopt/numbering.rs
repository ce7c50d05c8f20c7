//! Numbered lines: which are missing, which are there twice.

/// What became of lines 1, 2, 3, …
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Numbering {
    /// Lines that were printed.
    pub printed: u64,
    /// Of them, those that are not there.
    pub lost: u64,
    /// Lines beyond the first of a number, and lines that nobody printed.
    pub doubled: u64,
}

impl Numbering {
    /// Compares an output with what was printed: the numbers from 1 to `printed`.
    #[must_use]
    pub fn of(output: &str, printed: u64) -> Self {
        let mut there: Vec<u64> = output.lines().filter_map(|line| line.parse().ok()).collect();
        let lines = output.lines().count() as u64;
        there.sort_unstable();
        there.dedup();
        let found = there.iter().filter(|number| (1..=printed).contains(*number)).count() as u64;
        Self { printed, lost: printed - found, doubled: lines - found }
    }

    /// Adds those of another output.
    pub fn add(&mut self, other: Self) {
        self.printed += other.printed;
        self.lost += other.lost;
        self.doubled += other.doubled;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_repetitions_and_torn_lines_are_counted() {
        let of = |output, printed| {
            let Numbering { lost, doubled, .. } = Numbering::of(output, printed);
            (lost, doubled)
        };
        assert_eq!(of("1\n2\n3\n", 3), (0, 0));
        assert_eq!(of("", 0), (0, 0));
        assert_eq!(of("1\n3\n", 3), (1, 0), "a gap");
        assert_eq!(of("1\n2\n", 3), (1, 0), "the end is missing");
        assert_eq!(of("1\n2\n2\n3\n", 3), (0, 1), "twice");
        assert_eq!(of("1\n23\n", 3), (2, 1), "torn");
        assert_eq!(of("1\n2\n3\n4\n", 3), (0, 1), "one that nobody printed");
    }

    #[test]
    fn outputs_add_up() {
        let mut sum = Numbering::of("1\n", 2);
        sum.add(Numbering::of("1\n1\n", 1));
        assert_eq!(sum, Numbering { printed: 3, lost: 1, doubled: 1 });
    }
}
