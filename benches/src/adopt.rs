//! `adopt`: the daemon is killed while a hundred workers print; how long until a new one has
//! all of them again, and whether anything was lost or doubled. Then the same with every shim
//! killed as well.
//!
//! A worker counts as adopted when the new daemon shows it as running in the same process and
//! has a connection to its shim (to a new shim, where the old one was killed). The baseline is
//! a new daemon without runs.

mod numbering;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use self::numbering::Numbering;
use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{
    BEGUN, Fault, Fleet, Home, LEFT, LEFT_CODE, Mark, Marks, Retries, Run, Worker, alive, kill,
    millis_between, monotonic_ns, pause_until,
};

/// Time the workers print before the kill and after the adoption.
const PRINT: Duration = Duration::from_millis(500);
/// Goals for the figures of the result.
const GOALS: [(&str, f64); 10] = [
    ("adopted_ms", 1_000.0),
    ("dead", 0.0),
    ("doubled", 0.0),
    ("lines_lost", 0.0),
    ("exit_codes_lost", 0.0),
    ("shims_killed_adopted_ms", 1_000.0),
    ("shims_killed_dead", 0.0),
    ("shims_killed_doubled", 0.0),
    ("shims_killed_lines_lost", 0.0),
    ("shims_killed_lines_doubled", 0.0),
];

/// How many workers.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// In each of the two parts.
    workers: u32,
}

impl Amount {
    /// As the goal says.
    const FULL: Self = Self { workers: 100 };
    /// Shows that it works.
    const QUICK: Self = Self { workers: 3 };
}

/// Who is killed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Killed {
    Daemon,
    DaemonAndShims,
}

/// Measures in new folders within `folder`, which are removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let mut result = Map::new();
    result.insert("bench".to_owned(), json!("adopt"));
    result.insert("workers".to_owned(), json!(amount.workers));
    result.insert("empty_daemon_ms".to_owned(), json!(empty(folder)?));
    part(folder, amount.workers, Killed::Daemon, "", &mut result)?;
    part(folder, amount.workers, Killed::DaemonAndShims, "shims_killed_", &mut result)?;
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

/// The baseline: a daemon without runs is killed; how long until a command has another.
fn empty(folder: &Path) -> Result<f64, Fault> {
    let home = Home::new(folder)?;
    home.resus(&["ps"])?;
    let daemon = home.daemon_pid()?;
    let killed_ns = monotonic_ns();
    kill(daemon);
    home.resus(&["ps"])?;
    let took = millis_between(killed_ns, monotonic_ns());
    home.close()?;
    Ok(took)
}

fn part(
    folder: &Path,
    workers: u32,
    killed: Killed,
    prefix: &str,
    result: &mut Map<String, Value>,
) -> Result<(), Fault> {
    let home = Home::new(folder)?;
    let mut marks = Marks::create(home.path().join("marks"))?;
    let leave = home.path().join("leave");
    let worker = Worker::Print { leave: leave.clone() };
    let fleet = Fleet::start(&home, &worker, workers, Retries::Never, &mut marks)?;
    fleet.shown_running(&home)?;
    thread::sleep(PRINT);
    let adopted = adopted(&home, &fleet, killed)?;
    thread::sleep(PRINT);
    let dead = fleet.pids().filter(|pid| !alive(*pid)).count();
    let begun_again = marks.fresh()?.len();
    let two_of_one = two_of_one(&home)?;
    let ended = leave_without_daemon(&home, &fleet, &leave)?;
    let left = marks.fresh()?;
    let lines = lines(&home, &ended, &left)?;
    let codes_kept = ended.iter().filter(|run| left_code(run)).count();
    let mut tell = |name: &str, value: Value| drop(result.insert(format!("{prefix}{name}"), value));
    tell("shown_ms", json!(adopted.shown_ms));
    tell("adopted_ms", json!(adopted.connected_ms));
    tell("dead", json!(dead));
    tell("doubled", json!(begun_again + two_of_one + left.iter().filter(|mark| mark.word == BEGUN).count()));
    tell("lines", json!(lines.printed));
    tell("lines_lost", json!(lines.lost));
    tell("lines_doubled", json!(lines.doubled));
    tell("exit_codes_lost", json!(ended.len() - codes_kept));
    home.close()
}

/// When, in milliseconds after the kill.
struct Adopted {
    shown_ms: f64,
    connected_ms: f64,
}

/// Kills, has a command start a new daemon, and waits until that one has every worker.
fn adopted(home: &Home, fleet: &Fleet, killed: Killed) -> Result<Adopted, Fault> {
    let daemon = home.daemon_pid()?;
    let processes = home.processes()?;
    let shims = processes.iter().filter(|process| process.is_shim() && killed == Killed::DaemonAndShims);
    let victims: Vec<u32> = shims.map(|process| process.pid).collect();
    let old = connections(&home.sockets())?;
    let killed_ns = monotonic_ns();
    kill(daemon);
    victims.into_iter().for_each(kill);
    home.resus(&["ps"]).map_err(|fault| home.explain(fault))?;
    fleet.shown_running(home)?;
    let shown_ms = millis_between(killed_ns, monotonic_ns());
    pause_until("a connection to every shim", || {
        let fresh = connections(&home.sockets())?.difference(&old).count();
        Ok((fresh >= fleet.begun.len()).then_some(()))
    })
    .map_err(|fault| home.explain(fault))?;
    let connected_ms = millis_between(killed_ns, monotonic_ns());
    fleet.shown_running(home)?;
    Ok(Adopted { shown_ms, connected_ms })
}

/// Inodes of the shims' ends of connections. (Of a connected Unix socket the kernel shows the
/// path it was accepted on.)
fn connections(sockets: &Path) -> Result<BTreeSet<u64>, Fault> {
    let path = "/proc/net/unix";
    let text = fs::read_to_string(path).map_err(Fault::io("read", path))?;
    let sockets = sockets.to_string_lossy();
    Ok(text.lines().filter_map(|line| connection(line, &sockets)).collect())
}

/// `Num RefCount Protocol Flags Type State Inode Path`; state 03 is connected.
fn connection(line: &str, sockets: &str) -> Option<u64> {
    let words: Vec<&str> = line.split_whitespace().collect();
    let [_, _, _, _, _, "03", inode, path] = words[..] else { return None };
    (path.starts_with(sockets) && path.ends_with(".shim")).then(|| inode.parse().ok())?
}

/// Workers beyond the first of each tag.
fn two_of_one(home: &Home) -> Result<usize, Fault> {
    let processes = home.processes()?;
    let mut seen = BTreeMap::<Vec<String>, usize>::new();
    for process in processes.into_iter().filter(|process| !process.is_daemon() && !process.is_shim()) {
        *seen.entry(process.argv).or_default() += 1;
    }
    Ok(seen.values().map(|count| count.saturating_sub(1)).sum())
}

/// Kills the daemon, lets the workers leave meanwhile, and waits until a new one shows all ends.
fn leave_without_daemon(home: &Home, fleet: &Fleet, leave: &Path) -> Result<Vec<Run>, Fault> {
    kill(home.daemon_pid()?);
    File::create_new(leave).map_err(Fault::io("create", leave))?;
    pause_until("the end of all workers", || Ok(fleet.pids().all(|pid| !alive(pid)).then_some(())))?;
    home.resus(&["ps"]).map_err(|fault| home.explain(fault))?;
    fleet.shown(home, "the end of all runs", |run| run.ended_at.is_some())
}

fn left_code(run: &Run) -> bool {
    run.last_exit.is_some_and(|exit| exit.code == Some(LEFT_CODE.into()))
}

/// What became of everything that was printed, as the daemon hands it out.
fn lines(home: &Home, runs: &[Run], left: &[Mark]) -> Result<Numbering, Fault> {
    let mut daemon = home.connect()?;
    let mut sum = Numbering::default();
    for run in runs {
        let tag: u32 = run.argv.get(3).and_then(|tag| tag.parse().ok()).unwrap_or(u32::MAX);
        let printed =
            left.iter().filter(|mark| mark.tag == tag).find_map(|mark| mark.word.strip_prefix(LEFT));
        let printed = printed.and_then(|count| count.parse().ok()).ok_or_else(|| {
            Fault::wrong(format!("the worker of run {} did not say how much it had printed", run.run_id))
        })?;
        let target = format!("/v2/runs/{}/output", run.run_id);
        let mut output = Vec::new();
        loop {
            let piece = daemon.bytes(&format!("{target}?offset={}", output.len()))?;
            if piece.is_empty() {
                break;
            }
            output.extend(piece);
        }
        sum.add(Numbering::of(&String::from_utf8_lossy(&output), printed));
    }
    Ok(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connected_sockets_of_our_shims_count() {
        let line =
            |state: &str, path: &str| format!("0000: 00000003 00000000 00000000 0001 {state} 77 {path}");
        assert_eq!(connection(&line("03", "/tmp/rb-x/run/resus-1/a.shim"), "/tmp/rb-x/run"), Some(77));
        for (state, path) in [
            ("01", "/tmp/rb-x/run/resus-1/a.shim"),
            ("03", "/tmp/rb-x/run/resus-1/a.ctl"),
            ("03", "/tmp/rb-y/run/resus-1/a.shim"),
            ("03", ""),
        ] {
            assert_eq!(connection(&line(state, path), "/tmp/rb-x/run"), None, "{state} {path}");
        }
    }
}
