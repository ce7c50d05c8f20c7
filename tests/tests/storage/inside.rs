//! Runs tests in a mount namespace of their own, so that what they mount is gone with them, whatever
//! becomes of them.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Tells the process inside which folder is its own.
const FOLDER: &str = "RESUS_STORAGE_FOLDER";
/// Longest time for a test. The machine may be busy; one that gets here hangs.
const PATIENCE: Duration = Duration::from_secs(300);

/// Runs `body` in a process with mounts of its own, with an empty folder. Skips the test where that
/// can't be; `test` is its full name.
pub fn with_own_mounts(test: &str, body: impl FnOnce(&Path)) {
    if let Some(folder) = std::env::var_os(FOLDER) {
        return body(&PathBuf::from(folder));
    }
    if let Some(missing) = missing_right() {
        return skip(test, &missing);
    }
    let folder = tempfile::tempdir().unwrap();
    let output = tempfile::NamedTempFile::new().unwrap();
    let mut command = Command::new("unshare");
    command.args(["--mount", "--propagation", "private", "--"]);
    command.arg(std::env::current_exe().unwrap()).args(["--exact", test, "--nocapture"]);
    command.env(FOLDER, folder.path()).stdin(Stdio::null());
    // Both at the end of the same file, so that what is said stays in order.
    let end = || std::fs::OpenOptions::new().append(true).open(output.path()).unwrap();
    command.stdout(end()).stderr(end());
    let mut child = command.spawn().unwrap();
    let ended = end_of(&mut child);
    let said = std::fs::read_to_string(output.path()).unwrap_or_default();
    println!("{said}");
    assert!(ended.is_some_and(|status| status.success()), "{test}: {ended:?} (none: no end in {PATIENCE:?})");
    assert!(said.contains("1 passed"), "{test} is not the name of one test");
}

fn end_of(child: &mut Child) -> Option<ExitStatus> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    None
}

/// What keeps us from mounting things, if anything does.
pub fn missing_right() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("we are not root".into());
    }
    let devices = ["/dev/fuse", "/dev/loop-control"];
    if let Some(device) = devices.into_iter().find(|device| !Path::new(device).exists()) {
        return Some(format!("{device} is missing"));
    }
    let unshared = Command::new("unshare").args(["--mount", "true"]).output();
    let may = unshared.is_ok_and(|output| output.status.success());
    (!may).then(|| "mount namespaces are forbidden".into())
}

/// Skips a test for want of a right; in the CI that is a failure.
pub fn skip(test: &str, missing: &str) {
    assert!(std::env::var_os("CI").is_none(), "{test} can't be run here: {missing}");
    println!("SKIPPED 1 test: {test}: {missing}");
}
