//! Parts of the machine that a test wants for itself: Linux namespaces, through unshare(1).

use rustix::process::geteuid;
use std::process::{Command, Output};

/// Set where a test has what it wants.
const INSIDE: &str = "RESUS_TEST_INSIDE";

/// unshare(1) with the options, and with those that let an ordinary user do it.
pub fn unshare(options: &[&str]) -> Command {
    let mut command = Command::new("unshare");
    if !geteuid().is_root() {
        command.args(["--user", "--map-root-user"]);
    }
    command.args(options);
    command
}

/// What to do where unshare(1) does not work.
pub const HINT: &str = "this test needs namespaces of its own: unshare(1) (in Debian the package \
    util-linux), and to be root or on a machine that lets users have user namespaces (sysctl \
    kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0); in a \
    container, CAP_SYS_ADMIN";

/// Runs the test `name` again in process and mount namespaces of its own, where process ids
/// are only taken by what it starts itself. True inside, where the test is to do its work;
/// false outside, when that has passed.
pub fn inside(name: &str) -> bool {
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    let outcome = unshare(&["--pid", "--fork", "--mount-proc"])
        .arg(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture"])
        .env(INSIDE, "yes")
        .env("RESUS_BIN", resus_tests::program())
        .output();
    let Output { status, stdout, stderr } = outcome.unwrap_or_else(|error| panic!("{HINT}: {error}"));
    let (stdout, stderr) = (String::from_utf8_lossy(&stdout), String::from_utf8_lossy(&stderr));
    let began = stdout.contains("running 1 test");
    assert!(began, "{HINT}\n{stderr}");
    assert!(status.success() && stdout.contains("1 passed"), "{stdout}\n{stderr}");
    print!("{stdout}");
    false
}
