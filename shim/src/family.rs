//! Who belongs to a process tree, so that nobody else is ever signalled.
//!
//! Two ties hold: being a descendant, and being in the session that a worker founded. Both
//! are read as numbers, and a number can be given out again. So whoever is found is
//! remembered by id *and* start time, and counts only if the process that the tie leads to
//! still had its number when the tie was read.

use std::io;

use rustix::io::Errno;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::identity::ProcessId;
use crate::proc::{self, Stat};

/// Generations between a process and its ancestor; more are not looked at.
const GENERATIONS_MAX: usize = 4096;

/// One process of a tree, dead ones that nobody has reaped among them.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Member {
    pub(crate) id: ProcessId,
    pub(crate) stat: Stat,
}

/// What one look at a tree found.
#[derive(Debug, Default)]
pub(crate) struct Family {
    pub(crate) members: Vec<Member>,
    /// A process changed its place while we looked, so it or its children may be missing.
    pub(crate) moved: bool,
}

/// All descendants of `root`. What is being forked at this moment may be missing.
///
/// Orphans whose new parent is `root` (a subreaper) belong to it.
pub(crate) fn descendants(root: ProcessId) -> io::Result<Family> {
    let mut family = Family::default();
    let mut parents = vec![root];
    while let Some(parent) = parents.pop() {
        for pid in proc::children(parent.pid)? {
            match child(pid, &[parent, root])? {
                Some(member) => {
                    parents.push(member.id);
                    family.members.push(member);
                }
                None => family.moved = true,
            }
        }
    }
    Ok(family)
}

/// A process that is the child of one of `parents`.
fn child(pid: u32, parents: &[ProcessId]) -> io::Result<Option<Member>> {
    let Some(stat) = look(pid)? else { return Ok(None) };
    let id = ProcessId { pid, start_ticks: stat.start_ticks };
    // Who has the number now had it at the line above.
    let is_ours = parents.iter().any(|parent| parent.pid == stat.parent && exists(*parent));
    Ok(is_ours.then_some(Member { id, stat }))
}

/// Everybody in the session that `leader` founded, except itself; nobody where that can't be
/// proven: the session's number is safe only while one of its processes has it, and after the
/// leader's end this must be one that is older than `proven_ticks`, when the leader was seen.
pub(crate) fn session(leader: ProcessId, proven_ticks: u64) -> io::Result<Vec<Member>> {
    let mut members = Vec::new();
    for pid in proc::everybody()? {
        // Strangers may be closed to us (hidepid=1); whoever we may signal is readable.
        let Some(stat) = look(pid).ok().flatten().filter(|stat| stat.session == leader.pid) else { continue };
        let id = ProcessId { pid, start_ticks: stat.start_ticks };
        if id != leader {
            members.push(Member { id, stat });
        }
    }
    let is_elder = |member: &Member| member.id.start_ticks < proven_ticks;
    let holds =
        |member: &Member| stat(member.id).is_ok_and(|now| now.is_some_and(|now| now.session == leader.pid));
    let is_proven = exists(leader) || members.iter().filter(|member| is_elder(member)).any(holds);
    Ok(if is_proven { members } else { Vec::new() })
}

/// Whether `pid` is a process below `root`.
pub(crate) fn is_below(pid: u32, root: ProcessId) -> bool {
    let mut pid = pid;
    for _ in 0..GENERATIONS_MAX {
        match proc::stat(pid) {
            Ok(stat) if stat.parent == root.pid => return exists(root),
            Ok(stat) if stat.parent > 0 => pid = stat.parent,
            Ok(_) | Err(_) => return false,
        }
    }
    false
}

/// Signals exactly this process; false when it is gone.
pub(crate) fn signal(process: ProcessId, signal: Signal) -> io::Result<bool> {
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else { return Ok(false) };
    let handle = match pidfd_open(pid, PidfdFlags::empty()) {
        Ok(handle) => handle,
        Err(Errno::SRCH) => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    // Checked while the handle is held: if it is another one by now, the signal goes nowhere.
    if !exists(process) {
        return Ok(false);
    }
    match pidfd_send_signal(&handle, signal) {
        Ok(()) => Ok(true),
        Err(Errno::SRCH) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// What is to be seen of exactly this process; `None` when it is gone.
pub(crate) fn stat(process: ProcessId) -> io::Result<Option<Stat>> {
    Ok(look(process.pid)?.filter(|stat| stat.start_ticks == process.start_ticks))
}

/// Whether it has its number, be it as a zombie.
pub(crate) fn exists(process: ProcessId) -> bool {
    ProcessId::of(process.pid).is_ok_and(|now| now == process)
}

fn look(pid: u32) -> io::Result<Option<Stat>> {
    match proc::stat(pid) {
        Ok(stat) => Ok(Some(stat)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::os::unix::process::CommandExt;
    use std::process::{Child, Command, Stdio};

    use super::*;

    /// A shell that leads a group of its own, and the numbers it prints.
    fn shell(script: &str, numbers: usize) -> (Child, Vec<u32>) {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).process_group(0).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(numbers);
        (child, lines.map(|line| line.unwrap().trim().parse().unwrap()).collect())
    }

    fn end(mut child: Child, others: &[u32]) {
        for &pid in others {
            signal(ProcessId::of(pid).unwrap(), Signal::KILL).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }

    #[test]
    fn descendants_are_found_through_sessions_and_generations() {
        let script = "sh -c 'echo $$; setsid sh -c \"echo \\$\\$; exec sleep 1000\"' & wait";
        let (child, numbers) = shell(script, 2);
        let root = ProcessId::of(child.id()).unwrap();
        let found: Vec<u32> = descendants(root).unwrap().members.iter().map(|member| member.id.pid).collect();
        assert!(numbers.iter().all(|number| found.contains(number)), "{numbers:?} {found:?}");
        assert!(numbers.iter().all(|&number| is_below(number, root)));
        assert!(!is_below(root.pid, root) && !is_below(1, root) && !is_below(u32::MAX, root));
        let stranger = ProcessId { start_ticks: root.start_ticks + 1, ..root };
        assert!(!is_below(numbers[0], stranger), "the number alone is no tie");
        assert!(descendants(stranger).unwrap().members.is_empty(), "the number alone is no tie");
        end(child, &numbers);
    }

    #[test]
    fn a_session_outlives_its_leader_and_is_proven_by_an_elder() {
        // The leader ends at once, and is reaped by the shell that waits for it.
        let script = "setsid sh -c 'sleep 1000 & echo $$; echo $!' </dev/null; read _; exit";
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines().take(2);
        let numbers: Vec<u32> = lines.map(|line| line.unwrap().parse().unwrap()).collect();
        let [leader, orphan] = numbers[..] else { panic!("{numbers:?}") };
        while ProcessId::of(leader).is_ok() {
            std::thread::yield_now();
        }
        let orphan = ProcessId::of(orphan).unwrap();
        let leader = ProcessId { pid: leader, start_ticks: orphan.start_ticks };
        let found = |proven_ticks| -> Vec<ProcessId> {
            session(leader, proven_ticks).unwrap().iter().map(|member| member.id).collect()
        };
        assert_eq!(found(orphan.start_ticks + 1), [orphan]);
        assert_eq!(found(orphan.start_ticks), [], "it may belong to a later session of that number");
        end(child, &[orphan.pid]);
    }

    #[test]
    fn a_process_with_another_start_time_is_not_signalled() {
        let (child, _) = shell("exec sleep 1000", 0);
        let id = ProcessId::of(child.id()).unwrap();
        let other = ProcessId { start_ticks: id.start_ticks + 1, ..id };
        assert!(!signal(other, Signal::KILL).unwrap());
        assert!(exists(id) && !exists(other));
        assert!(!signal(ProcessId { pid: u32::MAX, start_ticks: 0 }, Signal::KILL).unwrap());
        end(child, &[]);
    }
}
