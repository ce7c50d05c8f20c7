//! Limits of the system that a daemon with many runs meets. Pure.

use crate::doctor::Check;
use resus_core::exit::ExitCode;

/// Files that the daemon has open by itself, rounded up: ledger, sockets, log, bus.
const FILES_BASE: u64 = 64;
/// Files that the daemon has open per live run, rounded up: shim, events, output, watch.
const FILES_PER_RUN: u64 = 8;
/// Watches that a live run takes: its event file, or its folder while there is none; one spare.
const WATCHES_PER_RUN: u64 = 3;
/// Processes and threads that a daemon, a shim and a small worker take.
const PROCESSES_PER_RUN: u64 = 16;
/// Runs for which there should be room besides those that live.
const RUNS_SPARE: u64 = 8;

/// What is in use of something, and how much of it there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Used {
    /// In use now.
    pub now: u64,
    /// Allowed; `None` = no limit.
    pub max: Option<u64>,
}

impl Used {
    /// Whether `more` fit besides.
    fn has_room_for(&self, more: u64) -> bool {
        self.max.is_none_or(|max| self.now.saturating_add(more) <= max)
    }

    fn said(&self, what: &str) -> String {
        match self.max {
            Some(max) => format!("{} of {max} {what}", self.now),
            None => format!("{} {what}, without a limit", self.now),
        }
    }
}

/// Files that the daemon (or, without one, this process, whose limit it would have) may open.
pub(crate) fn files(used: Used, runs_live: u64) -> Check {
    const WHAT: &str = "open-files";
    let said = used.said("files open");
    let fix = "ulimit -n 65536 and resus daemon restart; or LimitNOFILE= of the service";
    // Those of live runs are open already where a daemon was looked at.
    let needed = FILES_BASE.saturating_sub(used.now).saturating_add(FILES_PER_RUN);
    if !used.has_room_for(needed) {
        return Check::bad(WHAT, format!("{said}: a run can't be started"), fix, ExitCode::DaemonUnreachable);
    }
    let spare = (runs_live + RUNS_SPARE) * FILES_PER_RUN;
    if !used.has_room_for(FILES_BASE.saturating_sub(used.now) + spare) {
        return Check::warning(WHAT, format!("{said}: that is not enough for many more runs"), fix);
    }
    Check::good(WHAT, said)
}

/// Processes and threads of the user, and of the control group.
pub(crate) fn processes(user: Used, group: Used) -> Check {
    const WHAT: &str = "processes";
    let said = format!("{}; {}", user.said("of the user"), group.said("of the control group"));
    let fix = "ulimit -u; systemd: TasksMax=; containers: --pids-limit";
    let fits = |runs: u64| {
        let more = runs * PROCESSES_PER_RUN;
        user.has_room_for(more) && group.has_room_for(more)
    };
    if !fits(1) {
        let said = format!("{said}: a worker can't be started");
        Check::bad(WHAT, said, fix, ExitCode::DaemonUnreachable)
    } else if !fits(RUNS_SPARE) {
        Check::warning(WHAT, format!("{said}: that is not enough for many more"), fix)
    } else {
        Check::good(WHAT, said)
    }
}

/// Inotify of the user: the daemon hears of events by one instance with a few watches per run.
pub(crate) fn inotify(watches: Used, instances: Used, has_daemon: bool) -> Check {
    const WHAT: &str = "inotify";
    let said = format!("{}, {}", watches.said("watches"), instances.said("instances"));
    let fix = "sudo sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024";
    let instance = u64::from(!has_daemon);
    if !instances.has_room_for(instance) || !watches.has_room_for(WATCHES_PER_RUN) {
        let said = format!("{said}: the daemon can't hear what workers say");
        return Check::bad(WHAT, said, fix, ExitCode::DaemonUnreachable);
    }
    if !watches.has_room_for(RUNS_SPARE * WATCHES_PER_RUN) {
        return Check::warning(WHAT, format!("{said}: that is not enough for many more runs"), fix);
    }
    Check::good(WHAT, said)
}

/// The soft limit in a line of `/proc/PID/limits` (proc(5)) that begins with `name`; `None` = there is
/// no such line, `Some(None)` = unlimited.
pub(crate) fn soft_limit(text: &str, name: &str) -> Option<Option<u64>> {
    let rest = text.lines().find_map(|line| line.strip_prefix(name))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark::{Bad, Good, Warning};

    fn used(now: u64, max: u64) -> Used {
        Used { now, max: Some(max) }
    }

    const ENDLESS: Used = Used { now: 1 << 40, max: None };

    #[test]
    fn files_must_do_for_what_may_come() {
        let table = [
            (used(10, 1024), 0, Good),
            (used(30, 71), 0, Bad),
            (used(30, 72), 0, Warning),
            (used(1020, 1024), 100, Bad),
            (used(900, 1024), 100, Warning),
            (used(900, 65536), 100, Good),
            (ENDLESS, 1000, Good),
        ];
        for (found, runs, mark) in table {
            assert_eq!(files(found, runs).mark, mark, "{found:?} {runs}");
        }
    }

    #[test]
    fn processes_are_limited_twice() {
        assert_eq!(processes(ENDLESS, ENDLESS).mark, Good);
        assert_eq!(processes(used(90, 100), ENDLESS).mark, Bad);
        assert_eq!(processes(ENDLESS, used(84, 100)).mark, Warning);
        assert_eq!(processes(used(100, 1000), used(100, 1000)).mark, Good);
    }

    #[test]
    fn a_daemon_that_runs_has_its_instance() {
        let many = used(10, 8192);
        assert_eq!(inotify(many, used(128, 128), true).mark, Good);
        assert_eq!(inotify(many, used(128, 128), false).mark, Bad);
        assert_eq!(inotify(used(8190, 8192), used(1, 128), true).mark, Bad);
        assert_eq!(inotify(used(8180, 8192), used(1, 128), true).mark, Warning);
    }

    #[test]
    fn limits_are_read_as_the_kernel_tells_them() {
        let text = "Limit                     Soft Limit           Hard Limit           Units     \n\
                    Max processes             unlimited            unlimited            processes \n\
                    Max open files            1024                 4096                 files     \n";
        assert_eq!(soft_limit(text, "Max open files"), Some(Some(1024)));
        assert_eq!(soft_limit(text, "Max processes"), Some(None));
        assert_eq!(soft_limit(text, "Max odd things"), None);
        let own = std::fs::read_to_string("/proc/self/limits").unwrap();
        assert!(soft_limit(&own, "Max open files").is_some());
    }
}
