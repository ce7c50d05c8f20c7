//! Builds `resus-shim` as a small static program at fixed addresses, for `include_bytes!`.
//!
//! The large binary could be the shim too, and is where nothing else can be started. But a
//! position-independent program of that size has a quarter of a mebibyte of pointers to
//! relocate, in memory of its own for each of hundreds of shims.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Flags of the program, best first. Some systems have no static C library (`libc.a`).
const LINKAGES: [&[&str]; 2] = [
    &["-Crelocation-model=static", "-Ctarget-feature=+crt-static"],
    &["-Crelocation-model=static", "-Ctarget-feature=-crt-static"],
];

fn main() {
    let image = match image() {
        Ok(image) => image,
        Err(message) => {
            println!("cargo::error={message}");
            return;
        }
    };
    println!("cargo::rustc-env=RESUS_SHIM_IMAGE={}", image.display());
}

fn image() -> Result<PathBuf, String> {
    let var = |name: &str| env::var_os(name).ok_or_else(|| format!("cargo did not set {name}"));
    let here = PathBuf::from(var("CARGO_MANIFEST_DIR")?);
    let shim = here.parent().ok_or("the shim's folder has no parent")?;
    let workspace = shim.parent().ok_or("the workspace has no folder")?;
    for path in
        [shim.join("src"), shim.join("Cargo.toml"), workspace.join("Cargo.lock"), here.join("build.rs")]
    {
        println!("cargo::rerun-if-changed={}", path.display());
    }
    let target = var("TARGET")?.into_string().map_err(|_| "TARGET is not text")?;
    let target_dir = PathBuf::from(var("OUT_DIR")?).join("target");
    let mut said = String::new();
    for linkage in LINKAGES {
        match build(&var("CARGO")?, workspace, &target, &target_dir, linkage) {
            Ok(()) => {
                if !said.is_empty() {
                    println!("cargo::warning=shims take some memory more: no static C library was found");
                }
                return Ok(target_dir.join(&target).join("shim").join("resus-shim"));
            }
            Err(stderr) => said.push_str(&stderr),
        }
    }
    Err(format!("resus-shim can't be built:\\n{}", said.replace('\n', "\\n")))
}

/// One nested run of cargo, into a folder of its own: that of the outer run is locked.
fn build(
    cargo: &OsString,
    workspace: &Path,
    target: &str,
    target_dir: &Path,
    linkage: &[&str],
) -> Result<(), String> {
    let done = Command::new(cargo)
        .current_dir(workspace)
        .args(["build", "--quiet", "--locked", "--profile", "shim", "--package", "resus-shim"])
        .args(["--bin", "resus-shim", "--target", target, "--target-dir"])
        .arg(target_dir)
        .env("CARGO_ENCODED_RUSTFLAGS", linkage.join("\u{1f}"))
        // A linter that stands in for the compiler would leave no program.
        .env_remove("RUSTC_WORKSPACE_WRAPPER")
        .env_remove("RUSTFLAGS")
        .output()
        .map_err(|error| format!("cargo can't be started: {error}"))?;
    if done.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&done.stderr).into_owned()) }
}
