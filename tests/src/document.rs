//! Documents in markdown: the blocks of code in them, and what stands before those.

/// What begins the remark that a block is not run, and why.
const NOT_RUN: &str = "<!-- not run:";
/// What begins the remark that a block ends with an exit code other than 0.
const EXIT: &str = "<!-- exit:";

/// A block of code.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// The line of its fence, from 1.
    pub line: usize,
    /// Its language; empty if it has none.
    pub language: String,
    /// What is in it. Of a console, only what is typed.
    pub text: String,
    /// Why it is not run, if it says so.
    pub not_run: Option<String>,
    /// The exit code it says it ends with.
    pub exit: i32,
}

/// The blocks of a document, in order.
///
/// # Panics
/// A remark that gives no reason, or no number.
#[must_use]
pub fn blocks(document: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut open: Option<Block> = None;
    let mut remark = String::new();
    for (at, line) in document.lines().enumerate() {
        let trimmed = line.trim();
        match &mut open {
            Some(_) if trimmed == "```" => {
                let mut block = open.take().unwrap();
                if block.language == "console" {
                    block.text = typed(&block.text);
                }
                blocks.push(block);
            }
            Some(block) => {
                block.text.push_str(line);
                block.text.push('\n');
            }
            None if trimmed.starts_with("```") => {
                open = Some(Block {
                    line: at + 1,
                    language: trimmed.trim_start_matches('`').to_owned(),
                    text: String::new(),
                    not_run: said(&remark, NOT_RUN),
                    exit: said(&remark, EXIT).map_or(0, |code| code.parse().expect("a number")),
                });
                remark.clear();
            }
            None if trimmed.starts_with("<!--") => remark = trimmed.to_owned(),
            None if trimmed.is_empty() => {}
            None => remark.clear(),
        }
    }
    blocks
}

/// Code within sentences, with its line.
#[must_use]
pub fn spans(document: &str) -> Vec<(usize, String)> {
    let mut spans = Vec::new();
    let mut is_block = false;
    let mut text = String::new();
    let mut begun = 1;
    // A span may go over the end of a line, but not of a paragraph.
    let mut end = |text: &mut String, begun: usize| {
        let found = text.split('`').skip(1).step_by(2).map(|span| (begun, span.to_owned()));
        spans.extend(found.collect::<Vec<_>>());
        text.clear();
    };
    for (at, line) in document.lines().enumerate() {
        if line.trim().starts_with("```") {
            is_block = !is_block;
        }
        if is_block || line.trim().is_empty() || line.trim().starts_with("```") {
            end(&mut text, begun);
            begun = at + 2;
        } else {
            text.push_str(line.trim());
            text.push(' ');
        }
    }
    end(&mut text, begun);
    spans
}

fn said(remark: &str, what: &str) -> Option<String> {
    let reason = remark.strip_prefix(what)?.trim_end_matches("-->").trim();
    assert!(!reason.is_empty(), "{remark}: no reason");
    Some(reason.to_owned())
}

/// What is typed in a console: lines behind a prompt, or all if there is none.
fn typed(text: &str) -> String {
    let prompted: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("$ ")).collect();
    if prompted.is_empty() { text.to_owned() } else { prompted.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "Say `resus ps` or `resus\nlogs x`.\n\n```sh\nresus ps\n```\n\n\
        <!-- not run: needs a GPU -->\n```sh\nresus run x\n```\n<!-- exit: 10 -->\n\n```console\n$ resus status x\nerror\n```\n";

    #[test]
    fn blocks_know_whether_and_how_they_end() {
        let blocks = blocks(DOCUMENT);
        let told: Vec<_> = blocks
            .iter()
            .map(|block| (block.line, block.not_run.as_deref(), block.exit, block.text.as_str()))
            .collect();
        assert_eq!(
            told,
            [
                (4, None, 0, "resus ps\n"),
                (9, Some("needs a GPU"), 0, "resus run x\n"),
                (14, None, 10, "resus status x"),
            ]
        );
    }

    #[test]
    fn code_in_sentences_is_found_over_the_end_of_a_line() {
        let found: Vec<String> = spans(DOCUMENT).into_iter().map(|(_, text)| text).collect();
        assert_eq!(found, ["resus ps", "resus logs x"]);
    }
}
