//! Programs that look at us with other people's libraries (`tests/clients/` pins these).

use std::path::PathBuf;
use std::process::Command;

/// Where the libraries are: `$RESUS_CLIENTS_DIR`, or cargo's target folder.
///
/// # Panics
/// When they have not been installed: a test that needs them can't pass without.
#[must_use]
pub fn libraries() -> PathBuf {
    let named = std::env::var_os("RESUS_CLIENTS_DIR").map(PathBuf::from);
    let here = std::env::current_exe().unwrap();
    let installed = here.ancestors().map(|folder| folder.join("tools/clients"));
    named.into_iter().chain(installed).find(|path| path.join("installed.txt").is_file()).unwrap_or_else(|| {
        panic!(
            "the libraries of other languages are not here: `cargo xtask clients` installs them (with pip and \
             npm), `cargo xtask test` too"
        )
    })
}

/// Python with the libraries.
#[must_use]
pub fn python() -> Command {
    let mut command = Command::new("python3");
    command.arg("-B").env("PYTHONPATH", libraries().join("python"));
    command
}

/// The npm packages, for a link `node_modules` beside a program.
#[must_use]
pub fn node_modules() -> PathBuf {
    libraries().join("node_modules")
}
