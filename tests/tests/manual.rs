//! Manual pages as they are read, and `resus explain` without anything around it.

use resus_core::lexicon;
use resus_tests::{Home, Said};
use std::process::Command;

fn read(home: &Home, page: &str) -> Said {
    let mut command = Command::new("man");
    command.args(["--warnings", "--local-file", page]).env("MANWIDTH", "80").env("LC_ALL", "C.UTF-8");
    match command.output() {
        Err(error) => panic!("man can't be started ({error}): apt-get install man-db groff-base"),
        Ok(_) => home.run(command),
    }
}

#[test]
fn every_page_is_one_that_man_reads() {
    let home = Home::new();
    let folder = home.path().join("man/man1");
    let folder_text = folder.to_str().unwrap();
    let said = home.resus(&["man", "--dir", folder_text]).expect_code(0);
    assert!(said.stderr.contains("pages are in"), "{said:?}");
    let mut pages = 0;
    for entry in std::fs::read_dir(&folder).unwrap() {
        let path = entry.unwrap().path();
        let said = read(&home, path.to_str().unwrap()).expect_code(0);
        assert_eq!(said.stderr, "", "{}", path.display());
        assert!(said.stdout.contains("SYNOPSIS"), "{}: {}", path.display(), said.stdout);
        pages += 1;
    }
    assert!(pages > 30, "{pages}");
    let first = read(&home, folder.join("resus.1").to_str().unwrap()).stdout;
    for text in ["EXIT STATUS", "ENVIRONMENT", "NO_COLOR", "FILES", "resus-run(1)", "EXAMPLES"] {
        assert!(first.contains(text), "{text}: {first}");
    }
    let printed = home.resus(&["man", "checkpoints", "verify"]).expect_code(0).stdout;
    assert_eq!(printed, std::fs::read_to_string(folder.join("resus-checkpoints-verify.1")).unwrap());
    let said = home.resus(&["man", "nonsense"]).expect_code(2);
    assert!(said.stderr.contains("there is no command \"nonsense\""), "{said:?}");
    assert!(!home.state().join("daemon.log").exists(), "a daemon was started");
}

#[test]
fn every_code_explains_itself_without_a_daemon() {
    let home = Home::new();
    let listed = home.resus(&["explain"]).expect_code(0).stdout;
    for entry in lexicon::entries() {
        assert!(listed.contains(&entry.code), "{}", entry.code);
    }
    for code in ["CUDA_OOM", "exit 11", "urn:resus:refused", "cooling_down", "APP_TOKENIZER"] {
        let words: Vec<&str> = ["explain"].into_iter().chain(code.split(' ')).collect();
        let said = home.resus(&words).expect_code(0);
        assert!(said.stdout.contains("meaning"), "{said:?}");
        let json: Vec<&str> = words.iter().copied().chain(["--json"]).collect();
        let document = home.resus(&json).expect_code(0).json();
        assert!(document["entries"][0]["meaning"].is_string(), "{document}");
    }
    let said = home.resus(&["explain", "CUDA_OM"]).expect_code(10);
    assert!(said.stderr.contains("try: resus explain CUDA_OOM"), "{said:?}");
    assert!(!home.state().join("daemon.log").exists(), "a daemon was started");
}

#[test]
fn every_command_that_is_named_exists() {
    // What an explanation says to type must be something that can be typed.
    let home = Home::new();
    for entry in lexicon::entries() {
        for command in &entry.commands {
            let words = command.split(' ').skip(1).filter(|word| *word != "help");
            let words: Vec<&str> = words.chain(["--help"]).collect();
            let said = home.resus(&words);
            assert_eq!(said.code, 0, "{}: {command}: {}", entry.code, said.stderr);
        }
    }
}
