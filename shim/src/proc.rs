//! Readers of `/proc`: a process's parent, state and start time, its children, and who
//! holds a file open.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use crate::identity::ProcessId;

/// What we need of `/proc/<pid>/stat`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stat {
    /// One letter, `Z` for a zombie.
    pub(crate) state: u8,
    pub(crate) parent: u32,
    /// Id of its session, which is that of the process that founded it.
    pub(crate) session: u32,
    pub(crate) threads: u32,
    pub(crate) start_ticks: u64,
}

impl Stat {
    /// Whether it can still run code. A dead main thread is shown as a zombie even while
    /// its other threads run, hence the thread count.
    pub(crate) fn is_alive(&self) -> bool {
        !matches!(self.state, b'Z' | b'X' | b'x') || self.threads > 1
    }

    /// Whether a signal stopped it, and SIGCONT lets it go on.
    pub(crate) fn is_stopped(&self) -> bool {
        self.state == b'T'
    }

    /// Whether it runs none of its code until somebody else does something: stopped by a
    /// signal or by a debugger.
    pub(crate) fn is_halted(&self) -> bool {
        matches!(self.state, b'T' | b't')
    }
}

/// Reads `/proc/<pid>/stat`.
pub(crate) fn stat(pid: u32) -> io::Result<Stat> {
    let bytes = fs::read(format!("/proc/{pid}/stat")).map_err(gone_is_not_found)?;
    parse_stat(&bytes).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unreadable /proc stat line"))
}

/// Reading the file of a process that ends meanwhile fails with ESRCH.
fn gone_is_not_found(error: io::Error) -> io::Error {
    if error.raw_os_error() == Some(libc::ESRCH) { io::ErrorKind::NotFound.into() } else { error }
}

/// The name (field 2) may itself hold spaces, parentheses and any bytes: the fields we
/// want follow its *last* closing parenthesis. Numbering as in proc_pid_stat(5).
fn parse_stat(bytes: &[u8]) -> Option<Stat> {
    const FIRST_FIELD: usize = 3;
    let after_name = bytes.iter().rposition(|&byte| byte == b')')? + 1;
    let rest = std::str::from_utf8(&bytes[after_name..]).ok()?;
    let fields: Vec<&str> = rest.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - FIRST_FIELD).copied();
    Some(Stat {
        state: *field(3)?.as_bytes().first()?,
        parent: field(4)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        threads: field(20)?.parse().ok()?,
        start_ticks: field(22)?.parse().ok()?,
    })
}

/// The direct children of a process, zombies among them; none when it is gone.
pub(crate) fn children(pid: u32) -> io::Result<Vec<u32>> {
    let mut children = Vec::new();
    for thread in numbered(Path::new(&format!("/proc/{pid}/task")))? {
        match fs::read_to_string(format!("/proc/{pid}/task/{thread}/children")) {
            Ok(list) => {
                children.extend(list.split_ascii_whitespace().filter_map(|id| id.parse::<u32>().ok()))
            }
            // Either the thread ended, or the kernel was built without these lists.
            Err(error) if gone(&error) && stat(thread).is_err() => {}
            Err(error) if gone(&error) => return children_by_parent(pid),
            Err(error) => return Err(error),
        }
    }
    Ok(children)
}

/// The same by looking at everybody's parent, for kernels without `CONFIG_PROC_CHILDREN`.
fn children_by_parent(parent: u32) -> io::Result<Vec<u32>> {
    Ok(everybody()?.into_iter().filter(|&pid| stat(pid).is_ok_and(|stat| stat.parent == parent)).collect())
}

/// All processes that can be seen.
pub(crate) fn everybody() -> io::Result<Vec<u32>> {
    numbered(Path::new("/proc"))
}

/// Processes that have `path` open, as far as this user may see.
pub(crate) fn holders(path: &Path) -> io::Result<Vec<ProcessId>> {
    let wanted = fs::metadata(path)?;
    let holds = |pid: u32| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{pid}/fd")) else { return false };
        descriptors
            .flatten()
            .filter_map(|entry| fs::metadata(entry.path()).ok())
            .any(|open| open.ino() == wanted.ino() && open.dev() == wanted.dev())
    };
    Ok(everybody()?.into_iter().filter(|&pid| holds(pid)).filter_map(|pid| ProcessId::of(pid).ok()).collect())
}

/// The entries of a folder whose names are numbers; none when it is gone.
fn numbered(folder: &Path) -> io::Result<Vec<u32>> {
    let entries = match fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if gone(&error) => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    Ok(entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect())
}

fn gone(error: &io::Error) -> bool {
    error.kind() == io::ErrorKind::NotFound || error.raw_os_error() == Some(libc::ESRCH)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_parentheses_and_spaces_does_not_shift_the_fields() {
        let line = b"42 (a) Z 9 (b\xff c) S 7 42 42 0 -1 4194304 1 2 3 4 5 6 7 8 20 0 3 0 987654 1000 5 0\n";
        let stat = parse_stat(line).unwrap();
        assert_eq!(stat, Stat { state: b'S', parent: 7, session: 42, threads: 3, start_ticks: 987_654 });
        assert!(stat.is_alive());
    }

    #[test]
    fn a_dead_main_thread_with_living_siblings_is_alive() {
        let zombie = Stat { state: b'Z', parent: 1, session: 1, threads: 1, start_ticks: 5 };
        assert!(!zombie.is_alive());
        assert!(Stat { threads: 2, ..zombie }.is_alive());
    }

    #[test]
    fn a_line_cut_short_is_refused() {
        assert_eq!(parse_stat(b"42 (sh) S 7 42"), None);
        assert_eq!(parse_stat(b"42 sh S"), None);
        assert_eq!(parse_stat(b""), None);
    }

    #[test]
    fn both_ways_of_finding_children_agree() {
        let mut child = std::process::Command::new("/bin/sleep").arg("1000").spawn().unwrap();
        let me = std::process::id();
        let listed = children(me).unwrap();
        let searched = children_by_parent(me).unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(listed.contains(&child.id()));
        assert!(searched.contains(&child.id()));
    }

    #[test]
    fn a_process_that_is_gone_has_no_children() {
        assert_eq!(children(u32::MAX).unwrap(), Vec::<u32>::new());
        assert_eq!(stat(u32::MAX).unwrap_err().kind(), io::ErrorKind::NotFound);
    }
}
