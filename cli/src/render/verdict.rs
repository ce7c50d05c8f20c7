//! What became of checkpoints that were read from their first byte to their last.

use crate::render::page::Page;
use crate::render::parts::{counted, said};
use crate::text::columns::hang;
use crate::text::paint::Colour;
use crate::text::{number, size};
use resus_checkpoint::{Health, Refusal, Verified};
use resus_core::exit::ExitCode;
use serde::Serialize;
use std::error::Error;
use std::path::PathBuf;

/// Columns before what is told of a file below its line.
const BELOW: usize = 2;
/// Digits shown of a digest: enough to tell two apart.
const DIGITS: usize = 12;

/// What became of one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Verdict {
    /// What it is called.
    pub name: String,
    /// Its file or folder.
    pub path: PathBuf,
    /// What it is, or why it must not be restored.
    #[serde(flatten, serialize_with = "flat")]
    pub found: Result<Whole, Fault>,
}

/// One that is whole.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Whole {
    /// `PRSM 3`, `manifest`.
    pub format: String,
    /// How far the training was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub step: Option<u64>,
    /// Bytes on the disk.
    pub size_bytes: u64,
    /// Of all its bytes.
    pub digest: String,
    /// Whether its numbers are finite, where that is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub numbers: Option<&'static str>,
}

/// Why one must not be restored.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub(crate) struct Fault {
    /// What is wrong, and where.
    pub reason: String,
    /// The exit code of that.
    pub exit: ExitCode,
}

/// All of them for programs.
#[derive(Serialize)]
pub(crate) struct Document<'a> {
    checkpoints: &'a [Verdict],
    /// All are whole.
    is_whole: bool,
}

#[derive(Serialize)]
struct Flat<'a> {
    is_whole: bool,
    #[serde(flatten)]
    whole: Option<&'a Whole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

fn flat<S: serde::Serializer>(found: &Result<Whole, Fault>, serializer: S) -> Result<S::Ok, S::Error> {
    let reason = found.as_ref().err().map(|fault| fault.reason.as_str());
    Flat { is_whole: found.is_ok(), whole: found.as_ref().ok(), reason }.serialize(serializer)
}

impl Verdict {
    /// What came of reading a file of our own format.
    pub(crate) fn of_file(
        name: String,
        path: PathBuf,
        found: Result<Verified, Refusal>,
        exit: impl Fn(&Refusal) -> ExitCode,
    ) -> Self {
        let whole = |verified: Verified| Whole {
            format: format!("PRSM {}", verified.header.version),
            step: Some(verified.meta.as_ref().map_or(verified.header.games, |meta| meta.step)),
            size_bytes: verified.size_bytes,
            digest: verified.digest,
            numbers: verified.meta.and_then(|meta| numbers(meta.health)),
        };
        let fault = |refusal: Refusal| Fault { reason: chain(&refusal), exit: exit(&refusal) };
        Self { name, path, found: found.map(whole).map_err(fault) }
    }
}

/// Whether numbers are finite, in words.
pub(crate) fn numbers(health: Health) -> Option<&'static str> {
    match health {
        Health::Unknown => None,
        Health::Finite => Some("finite"),
        Health::NotFinite => Some("not finite"),
    }
}

/// An error and what lies behind it, in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

/// All of them as a document.
pub(crate) fn document(checkpoints: &[Verdict]) -> Document<'_> {
    Document { checkpoints, is_whole: checkpoints.iter().all(|verdict| verdict.found.is_ok()) }
}

/// All of them for people, and what else there is to tell.
pub(crate) fn text(verdicts: &[Verdict], told: Option<&str>, page: &Page) -> String {
    let mut text: String = verdicts.iter().map(|verdict| line(verdict, page)).collect();
    let damaged = verdicts.iter().filter(|verdict| verdict.found.is_err()).count();
    if verdicts.is_empty() {
        text.push_str("there is nothing to verify\n");
    } else if verdicts.len() > 1 {
        let count = counted(verdicts.len() as u64, "checkpoint");
        text.push_str(&match damaged {
            0 => format!("{count}, all whole\n"),
            damaged => format!("{count}, {damaged} not whole\n"),
        });
    }
    if let Some(told) = told {
        text.push_str(&format!("{}\n", page.sentence(told)));
    }
    text
}

fn line(verdict: &Verdict, page: &Page) -> String {
    match &verdict.found {
        Ok(whole) => {
            let step = whole.step.map(|step| format!("at {}", number::amount(step as f64)));
            let digest = short(&whole.digest);
            let numbers = whole.numbers.map(|numbers| format!("numbers {numbers}"));
            let parts = [
                Some(said(&page.path(&verdict.name))),
                Some(whole.format.clone()),
                step,
                Some(size::show(whole.size_bytes)),
                numbers,
                Some(digest),
            ];
            let parts: Vec<_> = parts.into_iter().flatten().collect();
            format!("{} {}\n", page.paint.on(Colour::Green, "✓"), parts.join("  "))
        }
        Err(fault) => {
            let name = said(&page.path(&verdict.name));
            let path = verdict.path.to_string_lossy();
            let place = (path != verdict.name).then(|| format!("  {}\n", said(&page.path(&path))));
            let reason = hang(&said(&fault.reason), BELOW, page.columns);
            let reason = page.paint.on(Colour::Red, &reason);
            let glyph = page.paint.on(Colour::Red, "✗");
            format!("{glyph} {name}\n{}{}{reason}\n", place.unwrap_or_default(), " ".repeat(BELOW))
        }
    }
}

/// `blake3:4878ca0425c7…`
fn short(digest: &str) -> String {
    let (algorithm, digits) = digest.rsplit_once(':').unwrap_or(("", digest));
    match digits.get(..DIGITS) {
        Some(begin) if digits.len() > DIGITS => format!("{algorithm}:{begin}…"),
        _ => digest.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::page;
    use serde_json::json;

    fn verdicts() -> Vec<Verdict> {
        let whole = Whole {
            format: "PRSM 3".to_owned(),
            step: Some(12_000),
            size_bytes: 1 << 20,
            digest: format!("blake3:{}", "4".repeat(64)),
            numbers: Some("finite"),
        };
        let reason = "chunk 3 of section \"weights\" (bytes 8–15) is damaged".to_owned();
        let fault = Fault { reason, exit: ExitCode::Damaged };
        let verdict = |name: &str, path: &str, found| Verdict { name: name.into(), path: path.into(), found };
        vec![verdict("ck-1", "/s/ck-1.prsm", Ok(whole)), verdict("ck-2", "/s/ck-2.prsm", Err(fault))]
    }

    #[test]
    fn what_is_whole_takes_a_line_and_what_is_not_says_where() {
        let expected = "\
✓ ck-1  PRSM 3  at 12,000  1MiB  numbers finite  blake3:444444444444…
✗ ck-2
  /s/ck-2.prsm
  chunk 3 of section \"weights\" (bytes 8–15) is damaged
2 checkpoints, 1 not whole
the daemon was told
";
        assert_eq!(text(&verdicts(), Some("the daemon was told"), &page(80)), expected);
        let one = text(&verdicts()[..1], None, &page(80));
        assert_eq!(one.lines().count(), 1, "{one}");
        assert_eq!(text(&[], None, &page(80)), "there is nothing to verify\n");
    }

    #[test]
    fn programs_get_a_document() {
        let verdicts = verdicts();
        let json = serde_json::to_value(document(&verdicts)).unwrap();
        assert_eq!(json["is_whole"], json!(false));
        let first = &json["checkpoints"][0];
        assert_eq!((&first["is_whole"], &first["step"]), (&json!(true), &json!(12_000)));
        assert_eq!(json["checkpoints"][1]["is_whole"], json!(false));
        assert!(json["checkpoints"][1]["reason"].as_str().unwrap().contains("chunk 3"));
        assert!(json["checkpoints"][1].get("digest").is_none());
    }
}
