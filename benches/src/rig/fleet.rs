//! Many runs at once, handed in and looked at over the daemon's socket.

use std::collections::{BTreeMap, BTreeSet};
use std::thread;

use serde::Deserialize;
use serde_json::{Value, json};

use super::clock::{monotonic_ns, pause_until};
use super::fault::Fault;
use super::home::Home;
use super::http::Connection;
use super::marks::{BEGUN, Mark, Marks};
use super::voice::{EVENTS_FILE, Voice};
use super::worker::Worker;

/// Connections on which runs are handed in at once: a script with a few jobs in parallel.
pub const CONNECTIONS: usize = 4;
/// Retries no benchmark uses up.
const RETRIES_MAX: u32 = 100_000;

/// A run as the daemon shows it, as far as it matters here. Not the daemon's own type, so that
/// another version of it can be measured.
#[derive(Debug, Clone, Deserialize)]
pub struct Run {
    /// Identity.
    pub run_id: String,
    /// Where it is.
    pub phase: String,
    /// Process id of the worker, while it lives.
    pub pid: Option<u32>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// How the last worker ended.
    pub last_exit: Option<Exit>,
    /// The command.
    pub argv: Vec<String>,
}

/// How a worker ended.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Exit {
    /// Its exit code, if it had one and somebody saw it.
    pub code: Option<i32>,
}

/// All runs of a daemon.
#[derive(Debug, Deserialize)]
pub struct Runs {
    /// In any order.
    pub runs: Vec<Run>,
}

/// Whether a run whose worker fails is retried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retries {
    /// It ends.
    Never,
    /// Without a wait, as often as it takes.
    AtOnce,
}

/// Runs that were handed in, tagged from 0.
#[derive(Debug)]
pub struct Fleet {
    /// When the first was about to be handed in, on the monotonic clock.
    pub handed_in_ns: u64,
    /// The first mark of each, in the order they came.
    pub begun: Vec<Mark>,
}

impl Fleet {
    /// Hands in `count` runs of the worker and waits until each has begun.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn start(
        home: &Home,
        worker: &Worker,
        count: u32,
        retries: Retries,
        marks: &mut Marks,
    ) -> Result<Self, Fault> {
        let submissions = submissions(home, worker, count, retries, marks)?;
        // A daemon is there before the first is handed in.
        home.resus(&["ps"])?;
        let share = submissions.len().div_ceil(CONNECTIONS).max(1);
        let connections = submissions.chunks(share).map(|_| home.connect()).collect::<Result<Vec<_>, _>>()?;
        let handed_in_ns = monotonic_ns();
        thread::scope(|scope| {
            let hands = submissions.chunks(share).zip(connections);
            let hands: Vec<_> =
                hands.map(|(part, connection)| scope.spawn(|| hand_in(connection, part))).collect();
            hands.into_iter().try_for_each(|hand| {
                hand.join().unwrap_or_else(|_| Err(Fault::wrong("a thread that hands in runs panicked")))
            })
        })
        .map_err(|fault| home.explain(fault))?;
        let begun = marks.next(submissions.len()).map_err(|fault| home.explain(fault))?;
        each_once(&begun, count)?;
        Ok(Self { handed_in_ns, begun })
    }

    /// The process ids of the workers that were started first.
    pub fn pids(&self) -> impl Iterator<Item = u32> + '_ {
        self.begun.iter().map(|mark| mark.pid)
    }

    /// Waits until the daemon shows as many runs as there are, each as wanted. While no daemon
    /// answers, none is shown.
    ///
    /// # Errors
    /// [`Fault::Late`].
    pub fn shown(&self, home: &Home, what: &str, wanted: impl Fn(&Run) -> bool) -> Result<Vec<Run>, Fault> {
        pause_until(what, || {
            let Ok(list) = home.connect().and_then(|mut daemon| daemon.get::<Runs>("/v2/runs")) else {
                return Ok(None);
            };
            let all = list.runs.len() == self.begun.len() && list.runs.iter().all(&wanted);
            Ok(all.then_some(list.runs))
        })
        .map_err(|fault| home.explain(fault))
    }

    /// Waits until every run is shown as running in the process that was started first.
    ///
    /// # Errors
    /// [`Fault::Late`].
    pub fn shown_running(&self, home: &Home) -> Result<Vec<Run>, Fault> {
        let pids: BTreeSet<u32> = self.pids().collect();
        self.shown(home, "all workers as running", |run| {
            run.phase == "running" && run.pid.is_some_and(|pid| pids.contains(&pid))
        })
    }
}

/// The voices of workers, by the identity of their runs.
pub type Voices = BTreeMap<String, Voice>;

/// Starts runs whose workers leave the speaking to us; once in a home.
///
/// # Errors
/// [`Fault`].
pub fn start_voices(home: &Home, runs: u32) -> Result<Voices, Fault> {
    let mut marks = Marks::create(home.path().join("ours.marks"))?;
    let fleet = Fleet::start(home, &Worker::Trivial, runs, Retries::Never, &mut marks)?;
    let open = |run_id: String| {
        let path = home.attempt(&run_id, 1).join(EVENTS_FILE);
        Ok((run_id, Voice::open(&path).map_err(Fault::io("open", &path))?))
    };
    fleet.shown_running(home)?.into_iter().map(|run| open(run.run_id)).collect()
}

/// Requests as `POST /v2/runs` takes them.
fn submissions(
    home: &Home,
    worker: &Worker,
    count: u32,
    retries: Retries,
    marks: &Marks,
) -> Result<Vec<Value>, Fault> {
    let most = match retries {
        Retries::Never => 0,
        Retries::AtOnce => RETRIES_MAX,
    };
    let one = |tag| {
        Ok(json!({
            "command": worker.command(marks.path(), tag)?,
            "cwd": home.path(),
            "env": home.environment(),
            "overrides": {"retries": most, "backoff_ms": 0},
        }))
    };
    (0..count).map(one).collect()
}

fn hand_in(mut daemon: Connection, submissions: &[Value]) -> Result<(), Fault> {
    submissions.iter().try_for_each(|submission| daemon.post("/v2/runs", submission))
}

/// Every tag from 0 has begun once, and nothing else has happened.
fn each_once(marks: &[Mark], count: u32) -> Result<(), Fault> {
    let mut tags: Vec<u32> = marks.iter().filter(|mark| mark.word == BEGUN).map(|mark| mark.tag).collect();
    tags.sort_unstable();
    if tags.len() == marks.len() && tags.into_iter().eq(0..count) {
        return Ok(());
    }
    Err(Fault::wrong(format!(
        "{count} workers should have begun once each, but there are {} marks",
        marks.len()
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_worker_that_begins_twice_is_noticed() {
        let mark = |tag, word: &str| Mark { at_ns: 1, pid: 2, tag, word: word.to_owned() };
        assert!(each_once(&[mark(1, BEGUN), mark(0, BEGUN)], 2).is_ok());
        for marks in [
            vec![mark(0, BEGUN)],
            vec![mark(0, BEGUN), mark(0, BEGUN)],
            vec![mark(0, BEGUN), mark(1, BEGUN), mark(1, BEGUN)],
            vec![mark(0, BEGUN), mark(1, "done")],
        ] {
            assert!(each_once(&marks, 2).is_err(), "{marks:?}");
        }
    }
}
