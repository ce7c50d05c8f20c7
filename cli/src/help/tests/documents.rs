//! Documents name commands and options that exist.

use crate::help::parse;
use clap::error::ErrorKind;
use resus_tests::document::{Block, blocks, spans};
use resus_tests::shell::commands;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};

/// Languages of blocks in which commands stand.
const SHELLS: [&str; 5] = ["sh", "bash", "shell", "console", ""];

#[test]
fn documents_name_commands_and_options_that_exist() {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let mut wrong = Vec::new();
    let mut seen = 0;
    for path in documents(root) {
        let text = fs::read_to_string(&path).unwrap();
        let typed = blocks(&text).into_iter().filter(|block| SHELLS.contains(&block.language.as_str()));
        let typed = typed.map(|block: Block| (block.line, block.text)).chain(spans(&text));
        for (line, text) in typed {
            for words in commands(&text, "resus") {
                seen += 1;
                if let Some(error) = refused(&words) {
                    wrong.push(format!("{}:{line}: {}\n{error}", path.display(), words.join(" ")));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(seen > 50, "{seen} commands in all documents: the search finds nothing any more");
}

#[test]
fn inventions_are_noticed() {
    for line in ["resus stauts x", "resus ps --al", "resus ps --color sometimes", "resus daemon rest"] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert!(refused(&words).is_some(), "{line}");
    }
    // What is left out in a sentence is no invention.
    for line in ["resus pause --release", "resus configure RUN --retries N", "resus daemon", "resus --help"] {
        let words: Vec<String> = line.split(' ').map(str::to_owned).collect();
        assert_eq!(refused(&words), None, "{line}");
    }
}

/// Words that never come to the command line: the program's other lives.
const INNER: [&str; 2] = ["shim", "worker"];

/// What is wrong with a command, values apart, which may stand for others.
fn refused(words: &[String]) -> Option<String> {
    let verb = words.get(1).map_or("", String::as_str);
    // COMMAND stands for any.
    let is_any = !verb.is_empty() && verb.bytes().all(|byte| byte.is_ascii_uppercase());
    if is_any || INNER.contains(&verb) {
        return None;
    }
    let error = parse(words.iter().map(OsString::from)).err()?;
    let is_wrong = matches!(
        error.kind(),
        ErrorKind::InvalidSubcommand
            | ErrorKind::UnknownArgument
            | ErrorKind::InvalidValue
            | ErrorKind::ArgumentConflict
            | ErrorKind::NoEquals
            | ErrorKind::TooManyValues
    );
    is_wrong.then(|| error.render().to_string())
}

fn documents(root: &Path) -> Vec<PathBuf> {
    let folder = |name: &str| {
        let entries = fs::read_dir(root.join(name)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect::<Vec<_>>()
    };
    let mut found = vec![root.join("README.md"), root.join("cli/README.md")];
    found.extend(folder("docs"));
    found.extend(folder("docs/decisions"));
    found.extend(folder("sdk").into_iter().chain(folder("workloads")).map(|path| path.join("README.md")));
    found.retain(|path| path.extension().is_some_and(|end| end == "md") && path.exists());
    found.sort();
    found
}
