//! Error codes of PULSE and what each means for a retry.
//!
//! The set is open: workloads add `APP_…` codes, and a code nobody knows is treated as
//! [`UNKNOWN`](Code::unknown). One row here is one failure class: its default for retries
//! and its advice come from the row.

mod classes;

pub use classes::CLASSES;

use serde::{Deserialize, Serialize};
use std::fmt;

/// Longest error code kept, in bytes.
pub const CODE_BYTES_MAX: usize = 64;

/// What a failure class means for another attempt, before the run's own policy is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rule {
    /// Trying again would fail again.
    Never,
    /// Try again within the retry budget.
    Budget,
    /// Try again, but only so many times since the last healthy progress.
    AtMost(u32),
    /// Try again; nobody's fault, so the budget is not touched.
    Free,
}

impl Rule {
    /// What Resus does about a failure under this rule, as a sentence.
    #[must_use]
    pub fn meaning(self) -> String {
        match self {
            Self::Never => "The run ends as failed at once: another attempt would fail the same way. \
                            `resus retry` starts it again after the cause is gone."
                .to_owned(),
            Self::Budget => "The run is tried again from its newest checkpoint that verifies, after a \
                             backoff that doubles, as long as its retry budget lasts."
                .to_owned(),
            Self::AtMost(most) => {
                let times = match most {
                    1 => "once".to_owned(),
                    2 => "twice".to_owned(),
                    most => format!("{most} times"),
                };
                format!("The run is tried again, but only {times} since its last healthy progress.")
            }
            Self::Free => "The run is tried again, and its retry budget is not touched: it is not the \
                           run's fault."
                .to_owned(),
        }
    }
}

/// One failure class.
#[derive(Debug, Clone, Copy)]
pub struct Class {
    /// The code as it appears in events, e.g. `CUDA_OOM`.
    pub code: &'static str,
    /// Whether another attempt makes sense.
    pub rule: Rule,
    /// One sentence for the operator: what it means and what to look at.
    pub advice: &'static str,
    /// What usually causes it.
    pub cause: &'static str,
    /// What the operator can do about it.
    pub remedy: &'static str,
    /// What Resus does about it, where its rule does not tell.
    pub response: Option<&'static str>,
    /// Commands to type, `RUN` being the run.
    pub commands: &'static [&'static str],
}

/// An error code: upper-case letters, digits and `_`, at most 64 bytes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct Code(String);

impl Class {
    /// What Resus does about it, as a sentence.
    #[must_use]
    pub fn handling(&self) -> String {
        self.response.map_or_else(|| self.rule.meaning(), str::to_owned)
    }
}

impl Code {
    /// Takes any text: what does not have the form of a code becomes `UNKNOWN`.
    #[must_use]
    pub fn new(text: &str) -> Self {
        let fits = !text.is_empty()
            && text.len() <= CODE_BYTES_MAX
            && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_');
        if fits { Self(text.to_owned()) } else { Self::unknown() }
    }

    /// The code for what no class fits.
    #[must_use]
    pub fn unknown() -> Self {
        Self("UNKNOWN".to_owned())
    }

    /// The code as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The class of this code; `None` for codes of others (`APP_…`).
    #[must_use]
    pub fn class(&self) -> Option<&'static Class> {
        CLASSES.iter().find(|class| class.code == self.0)
    }

    /// What the class says about another attempt; codes of others are retried within budget.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.class().map_or(Rule::Budget, |class| class.rule)
    }
}

impl From<String> for Code {
    fn from(text: String) -> Self {
        Self::new(&text)
    }
}

impl From<Code> for String {
    fn from(code: Code) -> String {
        code.0
    }
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_class_has_its_own_well_formed_code() {
        let codes: BTreeSet<_> = CLASSES.iter().map(|c| c.code).collect();
        assert_eq!(codes.len(), CLASSES.len());
        for class in CLASSES {
            assert_eq!(Code::new(class.code).as_str(), class.code);
            for said in [class.advice, class.cause, class.remedy] {
                assert!(said.ends_with('.') && said.is_ascii(), "{}: {said}", class.code);
            }
            assert!(!class.commands.is_empty(), "{}", class.code);
        }
    }

    #[test]
    fn text_that_is_no_code_becomes_unknown() {
        for bad in ["", "cuda oom", "A-B", "ÄÖ", &"A".repeat(65)] {
            assert_eq!(Code::new(bad), Code::unknown());
        }
        assert_eq!(Code::new("APP_TOKENIZER").as_str(), "APP_TOKENIZER");
        assert_eq!(Code::new("APP_TOKENIZER").rule(), Rule::Budget);
    }
}
