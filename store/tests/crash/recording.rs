//! The file operations of a program, as `strace` shows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::NamedTempFile;

/// What is recorded. Anything else that changes files must not occur.
const CALLS: &str = "openat,open,creat,close,pwrite64,write,ftruncate,fsync,fdatasync,unlink,rename,\
                     renameat,renameat2,mkdir";
/// What would change files in a way that is not understood here.
const UNKNOWN: &str = "writev,pwritev,pwritev2,truncate,fallocate,unlinkat,linkat,link,symlink,sendfile,\
                       copy_file_range,sync_file_range,mkdirat,rmdir,dup,dup2,dup3,sync,syncfs";
/// More than any single write of the workload; a longer one would be seen as cut.
const BYTES_SHOWN: &str = "70000";

/// A call that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Act {
    Open {
        path: PathBuf,
        handle: u32,
        make: bool,
        cut: bool,
    },
    Write {
        handle: u32,
        at: u64,
        bytes: Vec<u8>,
    },
    Resize {
        handle: u32,
        size: u64,
    },
    Sync {
        handle: u32,
    },
    Close {
        handle: u32,
    },
    Remove {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
    },
    /// What it wrote to its standard output, as text.
    Said(String),
}

/// Runs a program to its end and tells what it did.
pub fn record(program: &Path, arguments: &[&str]) -> Vec<Act> {
    let output = NamedTempFile::new().expect("a temporary file");
    let mut command = strace();
    command.args(["-f", "-qq", "-xx", "-s", BYTES_SHOWN, "-e"]).arg(format!("trace={CALLS},{UNKNOWN}"));
    command.arg("-o").arg(output.path()).arg(program).args(arguments).stdin(Stdio::null());
    let ended = command.stdout(Stdio::piped()).output().expect("strace starts");
    assert!(ended.status.success(), "{command:?}: {}", ended.status);
    let text = std::fs::read_to_string(output.path()).expect("a recording");
    let mut positions = BTreeMap::new();
    text.lines().filter_map(|line| parse(line, &mut positions)).collect()
}

/// On the PATH, or where `cargo xtask disk-tools` puts it.
pub fn strace() -> Command {
    let on_path = || Command::new("strace");
    if on_path().arg("--version").output().is_ok_and(|output| output.status.success()) {
        return on_path();
    }
    let here = std::env::current_exe().expect("a path");
    let place = here.ancestors().map(|folder| folder.join("tools/disk/strace")).find(|place| place.exists());
    let place = place.expect("strace is missing: 'cargo xtask disk-tools' fetches it");
    let mut command = Command::new(place.join("usr/bin/strace"));
    let libraries = place.join(format!("usr/lib/{}-linux-gnu", std::env::consts::ARCH));
    command.env("LD_LIBRARY_PATH", libraries);
    command
}

/// One line of the recording: `PID call(arguments) = result`. None for a call that failed or does not
/// matter. `positions` are those of plain writes.
fn parse(line: &str, positions: &mut BTreeMap<u32, u64>) -> Option<Act> {
    let (_, rest) = line.split_once(' ')?;
    let (call, rest) = rest.trim_start().split_once('(')?;
    // The results stand in a column of their own.
    let (arguments, result) = rest.rsplit_once(" = ")?;
    let arguments = arguments.trim_end().strip_suffix(')')?;
    let result: i64 = result.split(' ').next()?.parse().ok()?;
    if result < 0 {
        return None;
    }
    let arguments: Vec<&str> = arguments.split(", ").collect();
    let path = |at: usize| PathBuf::from(String::from_utf8(unescape(arguments[at])).expect("a text"));
    let number =
        |at: usize| arguments[at].parse::<u64>().unwrap_or_else(|_| panic!("no number in {line:.200}"));
    let handle = || u32::try_from(number(0)).expect("a small number");
    let bytes = || {
        let bytes = unescape(arguments[1]);
        assert_eq!(bytes.len() as i64, result, "cut or short: {line:.200}");
        bytes
    };
    Some(match call {
        "openat" => {
            let handle = u32::try_from(result).expect("a small number");
            positions.insert(handle, 0);
            let flags: Vec<&str> = arguments[2].split('|').collect();
            let (make, cut) = (flags.contains(&"O_CREAT"), flags.contains(&"O_TRUNC"));
            assert!(!flags.contains(&"O_APPEND"), "{line:.200}");
            Act::Open { path: path(1), handle, make, cut }
        }
        "close" => Act::Close { handle: handle() },
        "pwrite64" => Act::Write { handle: handle(), at: number(3), bytes: bytes() },
        "write" if handle() == 1 => Act::Said(String::from_utf8(bytes()).expect("a text")),
        "write" => {
            let (handle, bytes) = (handle(), bytes());
            let position = positions.entry(handle).or_default();
            let at = *position;
            *position += bytes.len() as u64;
            Act::Write { handle, at, bytes }
        }
        "ftruncate" => Act::Resize { handle: handle(), size: number(1) },
        "fsync" | "fdatasync" => Act::Sync { handle: handle() },
        "unlink" => Act::Remove { path: path(0) },
        "rename" => Act::Rename { from: path(0), to: path(1) },
        "renameat" | "renameat2" => Act::Rename { from: path(1), to: path(3) },
        _ => panic!("a call that nobody expected: {line:.200}"),
    })
}

/// A string in which every byte is written as `\xNN`.
fn unescape(text: &str) -> Vec<u8> {
    let inner = text.strip_prefix('"').and_then(|text| text.strip_suffix('"'));
    let inner = inner.unwrap_or_else(|| panic!("no whole string: {text:.200}"));
    let bytes = inner.split("\\x").skip(1).map(|hex| u8::from_str_radix(hex, 16).expect("two digits"));
    bytes.collect()
}

#[test]
fn a_recording_is_understood() {
    let mut positions = BTreeMap::new();
    let mut parse = |line: &str| parse(line, &mut positions);
    assert_eq!(
        parse(r#"7  openat(AT_FDCWD, "\x2f\x61", O_RDWR|O_CREAT|O_CLOEXEC, 0600) = 3"#),
        Some(Act::Open { path: "/a".into(), handle: 3, make: true, cut: false })
    );
    assert_eq!(
        parse(r#"7  pwrite64(3, "\x00\xff", 2, 512) = 2"#),
        Some(Act::Write { handle: 3, at: 512, bytes: vec![0, 255] })
    );
    for at in [0, 1] {
        let wrote = Act::Write { handle: 3, at, bytes: vec![9] };
        assert_eq!(parse(r#"7  write(3, "\x09", 1) = 1"#), Some(wrote));
    }
    assert_eq!(parse(r#"7  write(1, "\x61\x0a", 2) = 2"#), Some(Act::Said("a\n".into())));
    assert_eq!(parse(r#"7  unlink("\x2f\x61") = -1 ENOENT (No such file or directory)"#), None);
    assert_eq!(parse("7  fsync(3)                 = 0"), Some(Act::Sync { handle: 3 }));
}
