//! Counts what test programs say about themselves.

/// Sums over the closing lines of test programs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Test programs that came to their end.
    pub programs: u64,
    /// Tests that passed.
    pub passed: u64,
    /// Tests that failed.
    pub failed: u64,
    /// Tests that were not run.
    pub ignored: u64,
}

impl Tally {
    /// Takes one line of output. Only closing lines count, e.g.
    /// `test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s`.
    pub fn hear(&mut self, line: &str) {
        let Some((_, counts)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        self.programs += 1;
        for count in counts.split("; ") {
            let Some((number, what)) = count.split_once(' ') else { continue };
            let Ok(number) = number.parse::<u64>() else { continue };
            match what {
                "passed" => self.passed += number,
                "failed" => self.failed += number,
                "ignored" => self.ignored += number,
                _ => {}
            }
        }
    }

    /// The counts as they are reported. A test program that crashed, or did not compile, has no
    /// closing line: cargo's own failure without a failed test therefore counts as one.
    pub fn closed(mut self, cargo_succeeded: bool) -> Self {
        if !cargo_succeeded && self.failed == 0 {
            self.failed = 1;
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_closing_lines_count() {
        let mut tally = Tally::default();
        for line in [
            "running 13 tests",
            "test tests::a_result ... ok",
            "test result: ok. 12 passed; 0 failed; 1 ignored; 0 measured; 3 filtered out; finished in 0.02s",
            "test result: FAILED. 2 passed; 5 failed; 0 ignored; 0 measured; 0 filtered out; finished in 1.00s",
            "test result: what?",
            "all doctests ran in 0.40s; merged doctests compilation took 0.30s",
        ] {
            tally.hear(line);
        }
        assert_eq!(tally, Tally { programs: 2, passed: 14, failed: 5, ignored: 1 });
    }

    #[test]
    fn a_test_program_that_crashed_is_a_failure() {
        let heard = Tally { programs: 1, passed: 7, ..Tally::default() };
        assert_eq!(heard.closed(true).failed, 0);
        assert_eq!(heard.closed(false).failed, 1);
        assert_eq!(Tally { failed: 3, ..heard }.closed(false).failed, 3);
    }
}
