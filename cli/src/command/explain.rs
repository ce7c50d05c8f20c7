//! `resus explain`: what a code means, and what to do about it. Asks no daemon.

use crate::command::Around;
use crate::error::CliError;
use crate::render::explain::{listing, of_workload, text};
use crate::text::nearest::nearest;
use clap::Args;
use resus_core::exit::ExitCode;
use resus_core::lexicon::{self, Entry, Found};
use serde_json::json;

/// Arguments of `resus explain`.
#[derive(Debug, Args)]
#[command(
    after_help = "Knows failures of attempts (CUDA_OOM), reasons of decisions (BUDGET_SPENT), phases of a run
(cooling_down), exit codes of resus (11) and problems of requests (urn:resus:refused). Without a
CODE it lists them. It needs no daemon and no network.

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
    match lexicon::look_up(&args.code) {
        Found::Entries(entries) if console.json => console.out_json(&json!({ "entries": entries }))?,
        Found::Entries(entries) => console.out(&text(&entries, &console.out_page()))?,
        Found::OfWorkload(code) => {
            let entry = of_workload(&code);
            match console.json {
                true => console.out_json(&json!({ "entries": [entry] }))?,
                false => console.out(&text(&[entry], &console.out_page()))?,
            }
        }
        Found::Nothing => return Err(unknown(&args.code)),
    }
    Ok(ExitCode::Ok)
}

/// Nothing is called so; what is near it is named.
fn unknown(words: &[String]) -> CliError {
    let typed = words.join(" ");
    let wanted = lexicon::bare(words);
    let entries: Vec<(String, Entry)> =
        lexicon::entries().into_iter().map(|entry| (lexicon::normal(&entry.code), entry)).collect();
    let near = nearest(&wanted, entries.iter().map(|(name, _)| name.as_str()))
        .and_then(|name| entries.iter().find(|(known, _)| known == name))
        // Another number is not a typing error: it is another code.
        .filter(|(name, _)| !name.bytes().all(|byte| byte.is_ascii_digit()));
    let next = match near {
        Some((_, entry)) => format!("resus explain {}", entry.code),
        None => "resus explain lists all codes".to_owned(),
    };
    CliError::UnknownCode { code: typed, next }
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
            ("quantum-decoherence", "resus explain lists all codes"),
        ] {
            assert_eq!(next(typed), meant, "{typed}");
        }
    }
}
