//! What a code means, as text.

use crate::render::page::Page;
use crate::render::parts::said;
use crate::text::columns::{hang, pad};
use crate::text::paint::Colour;
use resus_core::codes::Rule;
use resus_core::lexicon::{Entry, Group};

/// Columns of the labels.
const LABEL_WIDTH: usize = 12;
/// Columns of the codes in the listing.
const CODE_WIDTH: usize = 30;
const INDENT: usize = 2;

/// Entries in full, one below the other.
pub(crate) fn text(entries: &[Entry], page: &Page) -> String {
    entries.iter().map(|entry| one(entry, page)).collect::<Vec<_>>().join("\n")
}

fn one(entry: &Entry, page: &Page) -> String {
    let kind = page.paint.on(Colour::Dim, &format!("({})", entry.group.word()));
    let mut text = format!("{} {kind}\n", page.paint.on(Colour::Bold, &said(&entry.code)));
    let mut rows: Vec<(String, String)> = [
        ("meaning", Some(&entry.meaning)),
        ("usually", entry.cause.as_ref()),
        ("resus", entry.response.as_ref()),
        ("what to do", entry.remedy.as_ref()),
    ]
    .into_iter()
    .filter_map(|(label, said)| Some((label.to_owned(), said?.clone())))
    .collect();
    if !entry.commands.is_empty() {
        rows.push(("commands".to_owned(), entry.commands.join("\n")));
    }
    text.push_str(&page.rows(&rows, LABEL_WIDTH - INDENT));
    text
}

/// Something else that can be explained: what kind of word it is, and the word.
pub(crate) fn aside((kind, word): (&str, &str), meaning: &str, commands: &[String], page: &Page) -> String {
    let kind = page.paint.on(Colour::Dim, &format!("({kind})"));
    let rows = [("meaning".to_owned(), meaning.to_owned()), ("commands".to_owned(), commands.join("\n"))];
    let head = page.paint.on(Colour::Bold, &said(word));
    format!("{head} {kind}\n{}", page.rows(&rows, LABEL_WIDTH - INDENT))
}

/// All codes in their groups, a line each.
pub(crate) fn listing(entries: &[Entry], page: &Page) -> String {
    let mut text = String::new();
    for group in Group::ALL {
        text.push_str(&format!("{}\n", page.paint.on(Colour::Bold, group.title())));
        for entry in entries.iter().filter(|entry| entry.group == group) {
            let first = entry.meaning.split_inclusive(". ").next().unwrap_or_default().trim_end();
            let line = hang(first, INDENT + CODE_WIDTH, page.columns);
            text.push_str(&format!("{}{}{line}\n", " ".repeat(INDENT), pad(&entry.code, CODE_WIDTH)));
        }
        text.push('\n');
    }
    text.push_str("One of them in full: resus explain CODE, e.g. resus explain CUDA_OOM\n");
    text
}

/// What there is to say about a code that a workload defines.
pub(crate) fn of_workload(code: &str) -> Entry {
    let commands = ["resus why RUN", "resus logs RUN"];
    Entry {
        group: Group::Failure,
        code: code.to_owned(),
        meaning: "A code of a workload's own: what begins with APP_ is defined by the program that trains. \
                  Its message, and its documentation, say what it means."
            .to_owned(),
        cause: None,
        response: Some(format!(
            "{} A worker may say with an error whether it can be retried; that comes first.",
            Rule::Budget.meaning()
        )),
        remedy: Some("See what the worker said and printed.".to_owned()),
        commands: commands.map(str::to_owned).to_vec(),
    }
}
