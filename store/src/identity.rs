//! Who a process is: a process id alone is reused, together with its start time and the boot it
//! is unique.

use std::fs;
use std::io;

/// Identity of a process on this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// Process id.
    pub pid: u32,
    /// Start time in clock ticks since boot: field 22 of `/proc/<pid>/stat`.
    pub start_ticks: u64,
    /// `/proc/sys/kernel/random/boot_id`: start times of another boot mean nothing.
    pub boot_id: String,
}

impl Identity {
    /// The identity of this process.
    ///
    /// # Errors
    /// The I/O error of reading `/proc`; [`io::ErrorKind::InvalidData`] if it makes no sense.
    pub fn current() -> io::Result<Self> {
        let stat = fs::read("/proc/self/stat")?;
        let start_ticks = start_ticks(&stat)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/stat has no start time"))?;
        let boot_id = fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
        Ok(Self { pid: std::process::id(), start_ticks, boot_id })
    }
}

/// Field 22 of a `stat` line. Fields are counted from the last `)`, because the command name
/// before it may hold spaces and brackets of its own.
fn start_ticks(stat: &[u8]) -> Option<u64> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let fields = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    fields.split_ascii_whitespace().nth(19)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_start_time_is_found_behind_any_command_name() {
        let fields = "S 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 4242 20 21";
        for name in ["(sh)", "(a b)", "(x) R 1 (y)", "(\u{fffd})"] {
            assert_eq!(start_ticks(format!("77 {name} {fields}").as_bytes()), Some(4242), "{name}");
        }
        assert_eq!(start_ticks(b"77 (sh) S 1 2"), None);
        assert_eq!(start_ticks(b""), None);
    }

    #[test]
    fn a_process_has_one_identity() {
        let first = Identity::current().expect("/proc is readable");
        assert_eq!(first, Identity::current().expect("/proc is readable"));
        assert_eq!(first.pid, std::process::id());
        assert!(first.start_ticks > 0 && first.boot_id.len() == 36, "{first:?}");
    }
}
