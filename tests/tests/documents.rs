//! What documents tell to type is typed: every block of shell, in a home of its own. A block that
//! can't be run says why, in a remark before it.

use resus_tests::document::blocks;
use resus_tests::{Home, program};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Languages of blocks that are run. What says `bash` is a program, of which there are tests of their
/// own: `subscribing.rs`.
const SHELLS: [&str; 2] = ["sh", "shell"];
/// How documents start the program where it is not installed.
const FROM_SOURCE: [&str; 2] = ["cargo run --release --", "cargo run -q --release --"];
/// A training as people have one: what documents call `train.py`.
const TRAINING: &str =
    "import time\nfor step in range(3):\n    print('step', step, flush=True)\n    time.sleep(0.01)\n";

fn documents() -> Vec<PathBuf> {
    let root = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."));
    let docs = fs::read_dir(root.join("docs"))
        .expect("the file system")
        .map(|entry| entry.expect("the file system").path());
    let mut found: Vec<PathBuf> = [root.join("README.md")].into_iter().chain(docs).collect();
    found.retain(|path| path.extension().is_some_and(|end| end == "md"));
    found.sort();
    found
}

/// A home in which somebody has the program in the path, and a training.
fn sandbox() -> (Home, String) {
    let home = Home::new();
    let bin = home.path().join("bin");
    fs::create_dir_all(&bin).expect("the file system");
    std::os::unix::fs::symlink(program(), bin.join("resus")).expect("the file system");
    fs::write(home.path().join("work/train.py"), TRAINING).expect("the file system");
    let folders = std::env::var("PATH").unwrap_or_default();
    let python =
        std::env::split_paths(&folders).map(|folder| folder.join("python3")).find(|file| file.exists());
    let python = python.expect("there is no python3 in the PATH: apt-get install python3");
    std::os::unix::fs::symlink(python, bin.join("python")).expect("the file system");
    let path = format!("{}:{folders}", bin.display());
    (home, path)
}

#[test]
fn every_block_of_shell_does_what_it_says() {
    let mut ran = 0;
    let mut wrong = Vec::new();
    for path in documents() {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = fs::read_to_string(&path).unwrap();
        // The blocks of one document are read, and typed, one after the other.
        let (home, folders) = sandbox();
        for block in blocks(&text) {
            if !SHELLS.contains(&block.language.as_str()) || block.not_run.is_some() {
                continue;
            }
            let script =
                FROM_SOURCE.iter().fold(block.text.clone(), |text, from| text.replace(from, "resus"));
            let mut bash = Command::new("bash");
            bash.args(["--norc", "--noprofile", "-euo", "pipefail", "-c", &script]).env_clear();
            for (name, value) in home.command(&[]).get_envs() {
                bash.env(name, value.unwrap_or_default());
            }
            bash.env("PATH", &folders).current_dir(home.path().join("work"));
            let said = home.run(bash);
            ran += 1;
            if said.code != block.exit {
                wrong.push(format!(
                    "{name}:{}: exit code {}, not {}\n{}\n{}\n(a block that can't be run says so before it: \
                     <!-- not run: reason -->)",
                    block.line, said.code, block.exit, said.stdout, said.stderr
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(ran > 0, "no block of any document was run");
}
