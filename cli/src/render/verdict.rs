//! What became of checkpoints that were read from their first byte to their last.

use crate::judgement::{Judgement, judge, looks_like};
use crate::render::page::Page;
use crate::render::parts::{counted, said};
use crate::text::columns::hang;
use crate::text::paint::Colour;
use crate::text::{number, size};
use resus_checkpoint::{Health, Refusal, Verified};
use resus_core::exit::ExitCode;
use serde::Serialize;
use std::error::Error;
use std::path::{Path, PathBuf};

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
    /// Of one that is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    state: Option<&'static str>,
    #[serde(flatten)]
    whole: Option<&'a Whole>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'a str>,
}

fn flat<S: serde::Serializer>(found: &Result<Whole, Fault>, serializer: S) -> Result<S::Ok, S::Error> {
    let fault = found.as_ref().err();
    let (state, reason) = (fault.map(Fault::state), fault.map(|fault| fault.reason.as_str()));
    Flat { is_whole: found.is_ok(), state, whole: found.as_ref().ok(), reason }.serialize(serializer)
}

impl Verdict {
    /// What came of reading a file of our own format.
    pub(crate) fn of_file(name: String, path: PathBuf, found: Result<Verified, Refusal>) -> Self {
        let whole = |verified: Verified| Whole {
            format: format!("PRSM {}", verified.header.version),
            step: Some(verified.meta.as_ref().map_or(verified.header.games, |meta| meta.step)),
            size_bytes: verified.size_bytes,
            digest: verified.digest,
            numbers: verified.meta.and_then(|meta| numbers(meta.health)),
        };
        let found = found.map(whole).map_err(|refusal| fault(&path, &refusal));
        Self { name, path, found }
    }
}

fn fault(path: &Path, refusal: &Refusal) -> Fault {
    let judgement = judge(path, refusal);
    let reason = match (judgement, looks_like(refusal)) {
        (Judgement::Foreign, Some(what)) => {
            format!("not our format (it looks like {what}): nothing is known to compare it with")
        }
        (Judgement::Foreign, None) => "not our format: nothing is known to compare it with".to_owned(),
        (Judgement::Gone | Judgement::Unread | Judgement::Damaged, _) => chain(refusal),
    };
    Fault { reason, exit: judgement.exit() }
}

impl Fault {
    /// Whether it is there and not what it was: nothing that looking again could change.
    pub(crate) fn is_damage(&self) -> bool {
        self.exit == ExitCode::Damaged
    }

    /// In a word, for people and for programs.
    fn state(&self) -> &'static str {
        if self.is_damage() {
            "damaged"
        } else if self.exit == ExitCode::NotFound {
            "gone"
        } else {
            "not read"
        }
    }
}

/// The same of a checkpoint that somebody changed meanwhile.
pub(crate) fn changed(fault: Fault) -> Fault {
    if !fault.is_damage() {
        return fault;
    }
    Fault { reason: format!("it changed while it was read: {}", fault.reason), exit: ExitCode::Refused }
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
    if verdicts.is_empty() {
        text.push_str("there is nothing to verify\n");
    } else if verdicts.len() > 1 {
        let count = counted(verdicts.len() as u64, "checkpoint");
        let states = ["damaged", "not read", "gone"].map(|state| {
            let faults = verdicts.iter().filter_map(|verdict| verdict.found.as_ref().err());
            (state, faults.filter(|fault| fault.state() == state).count())
        });
        let told = states.iter().filter(|(_, many)| *many > 0).map(|(state, many)| format!("{many} {state}"));
        let told: Vec<_> = told.collect();
        let told = if told.is_empty() { "all whole".to_owned() } else { told.join(", ") };
        text.push_str(&format!("{count}, {told}\n"));
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
            let (colour, glyph) =
                if fault.is_damage() { (Colour::Red, "✗") } else { (Colour::Yellow, "!") };
            let (glyph, reason) = (page.paint.on(colour, glyph), page.paint.on(colour, &reason));
            let (state, place) = (fault.state(), place.unwrap_or_default());
            format!("{glyph} {name}  {state}\n{place}{}{reason}\n", " ".repeat(BELOW))
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
✗ ck-2  damaged
  /s/ck-2.prsm
  chunk 3 of section \"weights\" (bytes 8–15) is damaged
2 checkpoints, 1 damaged
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
        assert_eq!(json["checkpoints"][1]["state"], json!("damaged"));
        assert!(json["checkpoints"][1]["reason"].as_str().unwrap().contains("chunk 3"));
        assert!(json["checkpoints"][1].get("digest").is_none());
    }

    #[test]
    fn trouble_with_reading_is_not_told_as_damage() {
        let fault = |exit| Fault { reason: "chunk 3 is damaged".to_owned(), exit };
        let moving = changed(fault(ExitCode::Damaged));
        assert_eq!(
            (moving.exit, moving.reason.as_str()),
            (ExitCode::Refused, "it changed while it was read: chunk 3 is damaged")
        );
        assert_eq!(changed(fault(ExitCode::NotFound)), fault(ExitCode::NotFound));
        let mut all = verdicts();
        all.push(Verdict { name: "ck-3".into(), path: "ck-3".into(), found: Err(moving) });
        let told = text(&all, None, &page(80));
        assert!(
            told.contains("! ck-3  not read\n  it changed")
                && told.ends_with("3 checkpoints, 1 damaged, 1 not read\n"),
            "{told}"
        );
    }
}
