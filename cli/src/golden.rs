//! Texts that are compared with files in `cli/testdata`, and written there by `UPDATE=1`.

use std::env;
use std::fs;
use std::path::PathBuf;

/// Compares `text` with the file `name`.
pub(crate) fn check(name: &str, text: &str) {
    check_at(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/testdata")).join(name), text);
}

/// The same with a file of the repository.
pub(crate) fn check_document(name: &str, text: &str) {
    check_at(PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/..")).join(name), text);
}

fn check_at(path: PathBuf, text: &str) {
    if env::var_os("UPDATE").is_some() {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        return;
    }
    let known = fs::read_to_string(&path).unwrap_or_default();
    if known == text {
        return;
    }
    let at = known.lines().zip(text.lines()).position(|(known, is)| known != is);
    let line = at.unwrap_or_else(|| known.lines().count().min(text.lines().count()));
    panic!(
        "{} differs from line {} on:\n- {:?}\n+ {:?}\nif this is meant: UPDATE=1 cargo test -p resus",
        path.display(),
        line + 1,
        known.lines().nth(line).unwrap_or_default(),
        text.lines().nth(line).unwrap_or_default()
    );
}
