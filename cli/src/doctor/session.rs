//! What the system around us may do to trainings: memory limits, a logout, an init that does not
//! collect the dead.

use crate::doctor::Check;
use crate::text::size;

/// With more than this share of its limit used, in percent, a group is about to lose a process.
const MEMORY_NEAR_PERCENT: u64 = 90;
/// Programs that are known to collect the dead as process 1.
const INITS: [&str; 12] = [
    "systemd",
    "init",
    "tini",
    "dumb-init",
    "docker-init",
    "catatonit",
    "s6-svscan",
    "runit",
    "bash",
    "sh",
    "dash",
    "conmon",
];

/// The control group of the daemon, or ours where there is none.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Group {
    /// Its path, `/` for the root; `None` = there is no hierarchy of version 2.
    pub path: Option<String>,
    /// The tightest limit on memory above it: used and allowed, in bytes.
    pub memory: Option<(u64, u64)>,
    /// Processes that the kernel killed in it for memory.
    pub oom_kills: u64,
}

/// What happens when the user logs out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Logout {
    /// Whether systemd is the init.
    pub has_systemd: bool,
    /// `KillUserProcesses` of logind; `None` = not known.
    pub kills: Option<bool>,
    /// Whether the user's manager stays when the user goes.
    pub lingers: bool,
}

/// Process 1.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Init {
    /// Its name.
    pub name: String,
    /// Whether we are in a container.
    pub in_container: bool,
    /// Children of it that are dead and not collected.
    pub dead: usize,
}

/// The path of a process in the hierarchy of version 2, from its `/proc/PID/cgroup` (cgroups(7)).
pub(crate) fn group_path(text: &str) -> Option<String> {
    text.lines().find_map(|line| line.strip_prefix("0::")).map(str::to_owned)
}

/// How `KillUserProcesses` is set in files of logind in the order in which they count. What a
/// distribution was built with stands in its file as a comment, `#KillUserProcesses=no`.
pub(crate) fn kills(files: &[String]) -> Option<bool> {
    let value = |prefix: &str| {
        let lines = files.iter().rev().flat_map(|file| file.lines().rev());
        lines.map(str::trim).find_map(|line| line.strip_prefix(prefix)).and_then(|value| {
            match value.trim().to_lowercase().as_str() {
                "yes" | "true" | "1" | "on" => Some(true),
                "no" | "false" | "0" | "off" => Some(false),
                _ => None,
            }
        })
    };
    value("KillUserProcesses=").or_else(|| value("#KillUserProcesses="))
}

/// The limits that the control group sets.
pub(crate) fn cgroup(group: &Group) -> Check {
    const WHAT: &str = "cgroup";
    let Some(path) = &group.path else {
        return Check::good(WHAT, "version 1 or none; limits on memory there are not looked at");
    };
    let killed = match group.oom_kills {
        0 => String::new(),
        n => format!("; the kernel has killed {n} of its processes for memory"),
    };
    let fix = "raise the limit (systemd: MemoryMax=; containers: --memory), or train with smaller batches";
    match group.memory {
        Some((used, max)) => {
            let said = format!("{path}: {} of {} memory used{killed}", size::show(used), size::show(max));
            let is_near = u128::from(used) * 100 >= u128::from(max) * u128::from(MEMORY_NEAR_PERCENT);
            if is_near || group.oom_kills > 0 {
                Check::warning(WHAT, said, fix)
            } else {
                Check::good(WHAT, said)
            }
        }
        None if group.oom_kills > 0 => {
            Check::warning(WHAT, format!("{path}: no limit on memory{killed}"), fix)
        }
        None => Check::good(WHAT, format!("{path}: no limit on memory")),
    }
}

/// Whether a logout ends what runs in the group `path`.
pub(crate) fn logout(path: Option<&str>, logout: &Logout) -> Check {
    const WHAT: &str = "logout";
    let path = path.unwrap_or_default();
    if !logout.has_systemd {
        return Check::good(WHAT, "no systemd: nobody ends what runs when somebody logs out");
    }
    let is_session = path.split('/').any(|part| part.starts_with("session-") && part.ends_with(".scope"));
    let is_user = path.split('/').any(|part| part.starts_with("user@") && part.ends_with(".service"));
    let install = "resus daemon install; loginctl enable-linger";
    match (is_session, is_user, logout.kills, logout.lingers) {
        (true, _, Some(true), _) => {
            let said =
                "systemd ends everything of a session at logout (KillUserProcesses=yes), trainings too";
            Check::warning(WHAT, said, install)
        }
        (true, _, None, _) => {
            let said = "within a session; whether systemd ends it at logout (KillUserProcesses) is not known";
            Check::warning(WHAT, said, install)
        }
        (true, _, Some(false), _) => Check::good(WHAT, "a logout ends nothing (KillUserProcesses=no)"),
        (false, true, _, false) => {
            let said = "under the user's systemd, which ends with the last session: trainings end too";
            Check::warning(WHAT, said, "loginctl enable-linger")
        }
        (false, true, _, true) => Check::good(WHAT, "under the user's systemd, which stays (linger)"),
        (false, false, _, _) => Check::good(WHAT, "not within a session"),
    }
}

/// Whether process 1 does its duty.
pub(crate) fn init(found: &Init) -> Check {
    const WHAT: &str = "init";
    let Init { name, in_container, dead } = found;
    let fix = if *in_container {
        "start the container with an init: docker run --init"
    } else {
        "look at process 1: ps -fp 1"
    };
    match dead {
        0 if INITS.contains(&name.as_str()) || !in_container => {
            Check::good(WHAT, format!("process 1 is {name}"))
        }
        0 => {
            let said = format!(
                "process 1 is {name}, in a container; whether it collects dead processes is not known"
            );
            Check::good(WHAT, said)
        }
        n => Check::warning(WHAT, format!("process 1 ({name}) has left {n} dead processes uncollected"), fix),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark::{Good, Warning};

    #[test]
    fn a_group_near_its_limit_is_told() {
        let of = |memory, oom_kills| cgroup(&Group { path: Some("/g".to_owned()), memory, oom_kills }).mark;
        let table = [
            (None, 0, Good),
            (None, 1, Warning),
            (Some((899, 1000)), 0, Good),
            (Some((900, 1000)), 0, Warning),
            (Some((1, 1000)), 1, Warning),
            (Some((u64::MAX, u64::MAX)), 0, Warning),
        ];
        for (memory, kills, mark) in table {
            assert_eq!(of(memory, kills), mark, "{memory:?} {kills}");
        }
        assert_eq!(cgroup(&Group::default()).mark, Good);
        assert_eq!(group_path("1:name=x:/a\n0::/user.slice/b\n"), Some("/user.slice/b".to_owned()));
        assert_eq!(group_path("2:memory:/a\n"), None);
    }

    #[test]
    fn a_logout_that_ends_trainings_is_told() {
        let session = Some("/user.slice/user-1000.slice/session-3.scope");
        let service = Some("/user.slice/user-1000.slice/user@1000.service/app.slice/resus.service");
        let table = [
            (session, Some(true), true, Warning),
            (session, Some(false), false, Good),
            (session, None, false, Warning),
            (service, Some(true), true, Good),
            (service, Some(false), false, Warning),
            (Some("/system.slice/resus.service"), Some(true), false, Good),
            (None, None, false, Good),
        ];
        for (path, kills, lingers, mark) in table {
            let found = Logout { has_systemd: true, kills, lingers };
            assert_eq!(logout(path, &found).mark, mark, "{path:?} {found:?}");
        }
        assert_eq!(logout(session, &Logout::default()).mark, Good, "no systemd");
    }

    #[test]
    fn the_last_file_of_logind_counts_and_a_comment_tells_the_default() {
        let of = |files: &[&str]| kills(&files.iter().map(|file| (*file).to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&["[Login]\n#KillUserProcesses=no\n"]), Some(false));
        assert_eq!(of(&["#KillUserProcesses=no\n", "KillUserProcesses=yes\n"]), Some(true));
        assert_eq!(of(&["KillUserProcesses=yes\n", " KillUserProcesses=no\n"]), Some(false));
        assert_eq!(of(&["KillUserProcesses=perhaps\n"]), None);
        assert_eq!(of(&[]), None);
    }

    #[test]
    fn an_init_that_leaves_the_dead_is_told() {
        let of =
            |name: &str, in_container, dead| init(&Init { name: name.to_owned(), in_container, dead }).mark;
        assert_eq!([of("tini", true, 0), of("python", true, 0), of("odd", false, 0)], [Good; 3]);
        assert_eq!([of("sleep", true, 1), of("systemd", false, 2)], [Warning; 2]);
    }
}
