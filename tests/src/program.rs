//! Where the program under test is.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The `resus` binary: `$RESUS_BIN` if set (as `cargo xtask test` does), else built here once.
#[must_use]
pub fn program() -> &'static PathBuf {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("RESUS_BIN") {
        Some(path) => PathBuf::from(path),
        None => build(&["--package", "resus"], "resus"),
    })
}

/// An example of the crate `resus-bus`: beside `$RESUS_BIN` if set, else built here.
#[must_use]
pub fn example(name: &str) -> PathBuf {
    match std::env::var_os("RESUS_BIN") {
        Some(path) => Path::new(&path).with_file_name("examples").join(name),
        None => build(&["--package", "resus-bus", "--example", name], name),
    }
}

fn build(what: &[&str], name: &str) -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .args(["build", "--message-format", "json-render-diagnostics"])
        .args(what)
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout)
        .lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .filter(|message| message["target"]["name"] == name)
        .find_map(|message| message["executable"].as_str().map(PathBuf::from))
        .unwrap_or_else(|| panic!("cargo named no executable"))
}

/// Writes an executable file. Another process does the last part: a test beside this one may be
/// starting a program this very moment, whose process would keep our handle open for an
/// instant, and a file that is open for writing can't be executed.
pub fn write_program(path: &Path, content: &[u8]) {
    let draft = path.with_extension("draft");
    std::fs::write(&draft, content).unwrap();
    let installed =
        Command::new("install").args(["-m", "755"]).args([draft.as_path(), path]).status().unwrap();
    assert!(installed.success(), "install: {installed}");
    std::fs::remove_file(draft).unwrap();
}
