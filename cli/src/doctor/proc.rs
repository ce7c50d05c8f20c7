//! What `/proc` tells of processes and limits (proc(5)). What can't be read counts as nothing: these
//! are numbers for people, and another user's processes are none of ours.

use crate::doctor::limits::{Used, soft_limit};
use crate::doctor::session::{Group, Init, Logout, group_path, kills};
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where control groups of version 2 are.
const GROUPS: &str = "/sys/fs/cgroup";
/// What an instance of inotify is among a process's files.
const INOTIFY: &str = "anon_inode:inotify";
/// `CAP_SYS_PTRACE`, as a bit (capability.h).
const TRACE_BIT: u32 = 19;

fn text(path: impl AsRef<Path>) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn number(path: impl AsRef<Path>) -> Option<u64> {
    text(path).trim().parse().ok()
}

/// A number of `/proc/PID/status`.
fn field<'t>(status: &'t str, name: &str) -> Option<&'t str> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')?.split_whitespace().next())
}

/// The processes of user `us`.
fn processes(us: u32) -> impl Iterator<Item = (u32, PathBuf)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    entries.filter_map(move |entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        (entry.metadata().ok()?.uid() == us).then(|| (pid, entry.path()))
    })
}

/// The files that `pid` has open, and how many it may.
pub(crate) fn files(pid: u32) -> Used {
    let folder = PathBuf::from(format!("/proc/{pid}"));
    let now = fs::read_dir(folder.join("fd")).map_or(0, Iterator::count) as u64;
    Used { now, max: soft_limit(&text(folder.join("limits")), "Max open files").flatten() }
}

/// Processes and threads of the user `us`, with the limit of `pid`.
pub(crate) fn threads(us: u32, pid: u32) -> Used {
    let threads = processes(us)
        .filter_map(|(_, folder)| field(&text(folder.join("status")), "Threads")?.parse::<u64>().ok());
    let max = soft_limit(&text(format!("/proc/{pid}/limits")), "Max processes").flatten();
    // Root is not held to it (setrlimit(2)).
    Used { now: threads.sum(), max: max.filter(|_| us != 0) }
}

/// Watches and instances of inotify of the user `us`.
pub(crate) fn inotify(us: u32) -> [Used; 2] {
    let (mut watches, mut instances) = (0, 0);
    for (_, folder) in processes(us) {
        let files = fs::read_dir(folder.join("fd")).into_iter().flatten().filter_map(Result::ok);
        for file in files.filter(|file| fs::read_link(file.path()).is_ok_and(|to| to.as_os_str() == INOTIFY))
        {
            instances += 1;
            let info = text(folder.join("fdinfo").join(file.file_name()));
            watches += info.lines().filter(|line| line.starts_with("inotify ")).count() as u64;
        }
    }
    let max = |name: &str| number(format!("/proc/sys/fs/inotify/max_user_{name}"));
    [Used { now: watches, max: max("watches") }, Used { now: instances, max: max("instances") }]
}

/// The control group of `pid`, with the tightest limits on the way to the root.
pub(crate) fn group(pid: u32) -> (Group, Used) {
    let path = group_path(&text(format!("/proc/{pid}/cgroup")));
    let mut group = Group { path: path.clone(), ..Group::default() };
    let mut tasks = Used { now: 0, max: None };
    let Some(path) = path else { return (group, tasks) };
    let own = Path::new(GROUPS).join(path.trim_start_matches('/'));
    group.oom_kills = text(own.join("memory.events"))
        .lines()
        .find_map(|line| line.strip_prefix("oom_kill ")?.trim().parse().ok())
        .unwrap_or(0);
    tasks.now = number(own.join("pids.current")).unwrap_or(0);
    for folder in own.ancestors().take_while(|folder| folder.starts_with(GROUPS)) {
        // A limit that is `max` is no number, and none.
        let pair = |kind: &str| {
            let max = number(folder.join(format!("{kind}.max")))?;
            Some((number(folder.join(format!("{kind}.current")))?, max))
        };
        let left = |(used, max): (u64, u64)| max.saturating_sub(used);
        if let Some(found) =
            pair("memory").filter(|found| group.memory.is_none_or(|best| left(*found) < left(best)))
        {
            group.memory = Some(found);
        }
        let best = tasks.max.map(|max| (tasks.now, max));
        if let Some((now, max)) =
            pair("pids").filter(|found| best.is_none_or(|best| left(*found) < left(best)))
        {
            tasks = Used { now, max: Some(max) };
        }
    }
    (group, tasks)
}

/// What a logout does to user `us`, whose name is `user`.
pub(crate) fn logout(user: Option<&str>) -> Logout {
    // The order in which they count (logind.conf(5)).
    let mut files = vec![text("/usr/lib/systemd/logind.conf"), text("/etc/systemd/logind.conf")];
    for folder in
        ["/usr/lib/systemd/logind.conf.d", "/etc/systemd/logind.conf.d", "/run/systemd/logind.conf.d"]
    {
        let mut parts: Vec<_> = fs::read_dir(folder)
            .into_iter()
            .flatten()
            .filter_map(Result::ok)
            .map(|entry| entry.path())
            .collect();
        parts.sort();
        files.extend(parts.into_iter().map(text));
    }
    Logout {
        has_systemd: Path::new("/run/systemd/system").is_dir(),
        kills: kills(&files),
        lingers: user.is_some_and(|user| Path::new("/var/lib/systemd/linger").join(user).exists()),
    }
}

/// Process 1.
pub(crate) fn init() -> Init {
    let entries = fs::read_dir("/proc").into_iter().flatten().filter_map(Result::ok);
    let statuses = entries
        .filter(|entry| entry.file_name().to_str().is_some_and(|name| name.parse::<u32>().is_ok()))
        .map(|entry| text(entry.path().join("status")));
    let is_dead = |status: &String| field(status, "State") == Some("Z") && field(status, "PPid") == Some("1");
    Init {
        name: text("/proc/1/comm").trim().to_owned(),
        in_container: ["/.dockerenv", "/run/.containerenv"].iter().any(|mark| Path::new(mark).exists()),
        dead: statuses.filter(is_dead).count(),
    }
}

/// The kernel's rule on who may trace whom, and whether we may trace anything.
pub(crate) fn tracing() -> (Option<u8>, bool) {
    let scope = number("/proc/sys/kernel/yama/ptrace_scope").and_then(|scope| u8::try_from(scope).ok());
    let status = text("/proc/self/status");
    let caps = field(&status, "CapEff").and_then(|hex| u64::from_str_radix(hex, 16).ok()).unwrap_or(0);
    (scope, caps >> TRACE_BIT & 1 == 1)
}

/// What the user `us` is called.
pub(crate) fn user_name(us: u32) -> Option<String> {
    let name = |line: &str| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(us)).then(|| name.to_owned())
    };
    text("/etc/passwd").lines().find_map(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_seen() {
        let pid = std::process::id();
        let us = rustix::process::geteuid().as_raw();
        assert!(files(pid).now > 2 && threads(us, pid).now > 0);
        let before = inotify(us)[1].now;
        let _instance = rustix::fs::inotify::init(rustix::fs::inotify::CreateFlags::CLOEXEC).unwrap();
        // Others of the user may end theirs at this moment; ours is there.
        assert!(before > 0 || inotify(us)[1].now > 0);
        assert_ne!(init().name, "");
        let (group, tasks) = group(pid);
        assert!(group.path.is_some() || tasks.max.is_none());
    }

    #[test]
    fn a_field_of_a_status_is_its_first_word() {
        let status = "Name:\tx y\nState:\tZ (zombie)\nPPid:\t1\nPPidX:\t2\n";
        assert_eq!([field(status, "State"), field(status, "PPid")], [Some("Z"), Some("1")]);
        assert_eq!(field(status, "Threads"), None);
    }
}
