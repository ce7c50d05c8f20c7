//! A question before something is deleted, or work is lost. It is put only where somebody can
//! answer it; elsewhere nothing is done unless that was said beforehand.

use crate::client::ClientError;
use crate::console::Console;
use crate::error::CliError;
use resus_core::api::Problem;
use resus_core::exit::ExitCode;
use std::io::{self, BufRead, IsTerminal};

/// Longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: u64 = 64;

/// Asks for consent to `question`. `yes` is an answer given beforehand, `next` what to type to give
/// it.
///
/// # Errors
/// [`CliError::Client`] with a refusal: nobody can answer, or the answer was no.
pub(crate) fn agreed(console: &Console, question: &str, yes: bool, next: &str) -> Result<(), CliError> {
    consent(console, question, yes, ("nothing was deleted", "nobody can be asked here", next))
}

/// The same for anything: what is told without consent is `what` has not been done, `why` nobody
/// could be asked, and what to type.
///
/// # Errors
/// As [`agreed`].
pub(crate) fn consent(
    console: &Console,
    question: &str,
    yes: bool,
    (what, why, next): (&str, &str, &str),
) -> Result<(), CliError> {
    if yes {
        return Ok(());
    }
    let input = io::stdin();
    if console.json || !input.is_terminal() || !console.err_is_terminal {
        return Err(refusal(what, why, Some(next)));
    }
    console.tell(&format!("{question} [y/N] "));
    let mut answer = String::new();
    let mut limited = io::Read::take(input.lock(), ANSWER_BYTES_MAX);
    // What can't be read is no consent.
    let heard = limited.read_line(&mut answer).is_ok();
    if heard && is_yes(&answer) {
        return Ok(());
    }
    Err(refusal(what, "the answer was no", None))
}

fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_lowercase().as_str(), "y" | "yes")
}

/// A refusal of our own, in the form of the daemon's.
pub(crate) fn refusal(what: &str, why: &str, next: Option<&str>) -> CliError {
    CliError::Client(ClientError::Refused(Box::new(Problem {
        kind: "urn:resus:refused".to_owned(),
        title: what.to_owned(),
        status: 409,
        detail: why.to_owned(),
        hint: next.map(str::to_owned),
        exit_code: ExitCode::Refused,
    })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_clear_yes_is_one() {
        for yes in ["y\n", "Y", " yes \r\n", "YES"] {
            assert!(is_yes(yes), "{yes:?}");
        }
        for no in ["", "\n", "n", "no", "yess", "y y", "1"] {
            assert!(!is_yes(no), "{no:?}");
        }
    }

    #[test]
    fn where_nobody_can_be_asked_only_an_answer_given_before_counts() {
        let console = Console::of_process(true, crate::console::ColourChoice::Never);
        assert!(agreed(&console, "?", true, "x --yes").is_ok());
        let refused = agreed(&console, "?", false, "x --yes").unwrap_err();
        assert_eq!(refused.exit(), ExitCode::Refused);
        assert_eq!(refused.told().next.as_deref(), Some("x --yes"));
    }
}
