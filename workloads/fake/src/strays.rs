//! Children that get away: each has a session or a process group of its own, does nothing, and does not
//! end with its parent. Whoever cleans up after the worker has to find them.

use std::io::{self, BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::time::Duration;

use resus_sdk::{Environment, Pulse};

use crate::flags::Sleeper;

/// The last word of a child whose whole tree is up.
const READY: &str = "ready";
/// For ever, as far as any test goes; and yet no developer's machine fills up with them.
const FOR_EVER: Duration = Duration::from_secs(3600);

/// Starts two trees of `depth` generations and returns, once all of them are up, their process ids.
pub(crate) fn plant(depth: u32, ignore_term: bool) -> io::Result<Vec<u32>> {
    let Some(below) = depth.checked_sub(1) else { return Ok(Vec::new()) };
    let mut pids = Vec::new();
    for own_session in [true, false] {
        pids.extend(start(Sleeper { tree: below, own_session, ignore_term })?);
    }
    Ok(pids)
}

/// Starts one child and waits until it and all below it are up.
fn start(sleeper: Sleeper) -> io::Result<Vec<u32>> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["worker", "fake", "--sleep-forever", "--tree", &sleeper.tree.to_string()]);
    if sleeper.ignore_term {
        command.arg("--ignore-term");
    }
    if sleeper.own_session {
        // The child makes the session itself: as the leader of a group it could not.
        command.arg("--own-session");
    } else {
        command.process_group(0);
    }
    let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn()?;
    let stdout = child.stdout.take().ok_or_else(|| io::Error::other("the child has no stdout"))?;
    let mut pids = Vec::new();
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        if line == READY {
            return Ok(pids);
        }
        pids.push(line.parse().map_err(|_| io::Error::other(format!("a child said \"{line}\"")))?);
    }
    Err(io::Error::other(format!("child {} ended before it was ready", child.id())))
}

/// The life of such a child.
pub(crate) fn sleep(sleeper: Sleeper) -> io::Result<()> {
    if sleeper.own_session {
        rustix::process::setsid()?;
    }
    let pulse = Pulse::new(Environment::default());
    if sleeper.ignore_term {
        pulse.handle_signals()?;
    }
    let below = plant(sleeper.tree, sleeper.ignore_term)?;
    let mut out = io::stdout().lock();
    for pid in std::iter::once(std::process::id()).chain(below) {
        writeln!(out, "{pid}")?;
    }
    writeln!(out, "{READY}")?;
    out.flush()?;
    std::thread::sleep(FOR_EVER);
    Ok(())
}
