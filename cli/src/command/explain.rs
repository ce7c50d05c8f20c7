//! `resus explain`: what a code means, and what to do about it. Asks no daemon.

mod beside;

use crate::command::Around;
use crate::error::CliError;
use crate::render::explain::{aside, listing, of_workload, text};
use crate::text::nearest::distance;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::lexicon::{self, Entry, Found};
use serde_json::json;

/// Arguments of `resus explain`.
#[derive(Debug, Args)]
#[command(
    after_help = "Knows failures of attempts (CUDA_OOM), reasons of decisions (BUDGET_SPENT), phases of a run
(cooling_down), exit codes of resus (11), problems of requests (urn:resus:refused), signals that
end workers (SIGKILL, 137) and settings (retry.max). Without a CODE it lists the codes. It needs no daemon and no network.

Examples:
  resus explain CUDA_OOM
  resus explain exit 11
  resus explain | less"
)]
pub(crate) struct ExplainArgs {
    /// What to explain, as it was shown; all codes without it
    #[arg(value_name = "CODE")]
    pub code: Vec<String>,
}

/// Carries out `resus explain`.
///
/// # Errors
/// [`CliError::UnknownCode`], [`CliError::Output`].
pub(crate) fn explain(args: &ExplainArgs, around: &Around) -> Result<ExitCode, CliError> {
    let console = &around.console;
    if args.code.is_empty() {
        let entries = lexicon::entries();
        match console.json {
            true => console.out_json(&json!({ "entries": entries }))?,
            false => console.out(&listing(&entries, &console.out_page()))?,
        }
        return Ok(ExitCode::Ok);
    }
    let found = match (lexicon::look_up(&args.code), beside::other_name(&lexicon::bare(&args.code))) {
        (Found::Nothing, Some(code)) => lexicon::look_up(&[code.to_owned()]),
        (found, _) => found,
    };
    match found {
        Found::Entries(entries) if console.json => console.out_json(&json!({ "entries": entries }))?,
        Found::Entries(entries) => console.out(&text(&entries, &console.out_page()))?,
        Found::OfWorkload(code) => {
            let entry = of_workload(&code);
            match console.json {
                true => console.out_json(&json!({ "entries": [entry] }))?,
                false => console.out(&text(&[entry], &console.out_page()))?,
            }
        }
        Found::Nothing => {
            let Some(found) = beside::look_up(&args.code.join(" ")) else { return Err(unknown(&args.code)) };
            match console.json {
                true => console.out_json(&json!({ "entries": [found] }))?,
                false => {
                    let page = console.out_page();
                    console.out(&aside(
                        (found.group, &found.code),
                        &found.meaning,
                        &found.commands,
                        &page,
                    ))?;
                }
            }
        }
    }
    Ok(ExitCode::Ok)
}

/// Nothing is called so; what is near it is named.
fn unknown(words: &[String]) -> CliError {
    let typed = words.join(" ");
    let wanted = lexicon::bare(words);
    let entries: Vec<(String, Entry)> =
        lexicon::entries().into_iter().map(|entry| (lexicon::normal(&entry.code), entry)).collect();
    let near = entries
        .iter()
        // Another number is not a typing error: it is another code.
        .filter(|(name, _)| !name.bytes().all(|byte| byte.is_ascii_digit()) && is_slip(&wanted, name))
        .min_by_key(|(name, _)| distance(&wanted, name));
    let next = match near {
        Some((_, entry)) => format!("resus explain {}", entry.code),
        None => "resus explain lists all codes".to_owned(),
    };
    CliError::UnknownCode { code: typed, next }
}

/// Whether `typed` may be a typing error for `known`: one letter, two that changed places, or one in
/// four of a long word.
fn is_slip(typed: &str, known: &str) -> bool {
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.chars().collect();
        letters.sort_unstable();
        letters
    };
    match distance(typed, known) {
        0 | 1 => true,
        2 if sorted(typed) == sorted(known) => true,
        several => several * 4 <= known.chars().count(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn next(typed: &str) -> String {
        let words: Vec<String> = typed.split(' ').map(str::to_owned).collect();
        assert_eq!(lexicon::look_up(&words), Found::Nothing, "{typed}");
        unknown(&words).told().next.unwrap()
    }

    #[test]
    fn a_slip_is_answered_with_what_was_meant() {
        for (typed, meant) in [
            ("CUDA_OM", "resus explain CUDA_OOM"),
            ("cuda oomm", "resus explain CUDA_OOM"),
            ("runing", "resus explain running"),
            ("urn:resus:not-fund", "resus explain urn:resus:not-found"),
            ("failure HNUG", "resus explain HUNG"),
            ("exit 99", "resus explain lists all codes"),
            ("FOO", "resus explain lists all codes"),
            ("bar", "resus explain lists all codes"),
            ("quantum-decoherence", "resus explain lists all codes"),
        ] {
            assert_eq!(next(typed), meant, "{typed}");
        }
    }
}
