//! A thousand runs that say how far they are ten times a second, all on one machine.
//!
//! The benchmark appends the lines in the workers' place, and in turn with each the same line to
//! a file that nobody reads. Meanwhile somebody hears everything that goes through the server.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use serde_json::{Map, Value, json};

use super::place::{Place, everything};
use super::traffic::Traffic;
use super::wire::Wire;
use crate::extent::Extent;
use crate::rig::{EVENTS_FILE, Fault, Home, Voice, cpu_ms_in_all, monotonic_ns, rss_bytes, start_voices};
use crate::sample::Sample;

/// Threads that write in the workers' place.
const HANDS: u32 = 2;
/// They write what is due, and sleep for so long: a sleep for each line would cost more than it.
const NAP: Duration = Duration::from_millis(2);

/// How many say how much.
#[derive(Debug, Clone, Copy)]
struct Amount {
    runs: u32,
    /// Between two lines of one run.
    interval: Duration,
    /// Before anything is counted: everything of the start is over, and all are known.
    settle: Duration,
    /// For how long it is counted.
    listen: Duration,
}

impl Amount {
    /// As the goal says.
    const FULL: Self = Self {
        runs: 1_000,
        interval: Duration::from_millis(100),
        settle: Duration::from_secs(10),
        listen: Duration::from_secs(30),
    };
    /// Shows that it works.
    const QUICK: Self = Self {
        runs: 4,
        interval: Duration::from_millis(20),
        settle: Duration::from_millis(200),
        listen: Duration::from_secs(1),
    };
}

/// A run's file, and one beside it that nobody reads.
struct Pen {
    voice: Voice,
    plain: File,
}

/// How long appending took.
#[derive(Default)]
struct Appended {
    heard: Sample,
    plain: Sample,
}

/// When it is counted, in nanoseconds of the monotonic clock.
#[derive(Debug, Clone, Copy)]
struct Window {
    from_ns: u64,
    to_ns: u64,
}

/// Adds its figures to the result.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent, result: &mut Map<String, Value>) -> Result<(), Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let place = Place::new(folder)?;
    // Now that the daemon runs with what it was given.
    allow_many_files();
    let pens = pens(&place.home, amount.runs)?;
    let daemon = place.home.daemon_pid()?;
    let wire = Wire::connect(&place.server.url())?;
    place.settled()?;
    let ear = wire.subscribe(&everything())?;
    let from_ns = monotonic_ns() + amount.settle.as_nanos() as u64;
    let window = Window { from_ns, to_ns: from_ns + amount.listen.as_nanos() as u64 };
    let (appended, cpu_ms) = thread::scope(|scope| {
        let hands = pens.map(|pens| scope.spawn(move || write(pens, amount.interval, window)));
        let cpu_ms = cpu_ms_within(daemon, window);
        let mut appended = Appended::default();
        for hand in hands {
            let hand = hand.join().unwrap_or_else(|_| Err(Fault::wrong("a thread that writes panicked")))?;
            appended.heard.join(hand.heard);
            appended.plain.join(hand.plain);
        }
        Ok::<_, Fault>((appended, cpu_ms?))
    })
    .map_err(|fault| place.home.explain(fault))?;
    let traffic = Traffic::of(&ear.all(), window.from_ns, window.to_ns);
    let left_out = place.seen("the daemon's view", |_| true)?.bus.left_out;
    let rss = rss_bytes(daemon)?;
    drop((ear, wire));
    place.close()?;
    let seconds = amount.listen.as_secs_f64();
    let per_s = |count: u64| (count as f64 / seconds * 10.0).round() / 10.0;
    result.insert("crowd_runs".to_owned(), json!(amount.runs));
    result.insert("appends_per_s".to_owned(), json!(per_s(appended.heard.len() as u64)));
    appended.heard.tell_tail_ms("append", result);
    appended.plain.tell_tail_ms("append_plain", result);
    for (quantile, share) in [("p50", 0.5), ("p99", 0.99)] {
        let beyond = appended.heard.beyond_ms(share, &[&appended.plain]);
        result.insert(format!("append_{quantile}_beyond_plain_ms"), json!(beyond));
    }
    traffic.tell(per_s, result);
    result.insert("telemetry_left_out".to_owned(), json!(left_out));
    result.insert("daemon_cpu_ms_per_s".to_owned(), json!(per_s(cpu_ms)));
    result.insert("crowd_rss_mib".to_owned(), json!(rss >> 20));
    Ok(())
}

/// This process writes into two files per run. Where that many are not allowed, opening one says so.
fn allow_many_files() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _refused = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}

/// A share of the pens for each hand.
fn pens(home: &Home, runs: u32) -> Result<[Vec<Pen>; HANDS as usize], Fault> {
    let mut shares: [Vec<Pen>; HANDS as usize] = Default::default();
    let folder = home.path().join("plain");
    std::fs::create_dir(&folder).map_err(Fault::io("create", &folder))?;
    for (index, (run_id, voice)) in start_voices(home, runs)?.into_iter().enumerate() {
        let path = folder.join(run_id);
        let plain = File::options().append(true).create_new(true).open(&path);
        let plain = plain.map_err(Fault::io("create", &path))?;
        shares[index % HANDS as usize].push(Pen { voice, plain });
    }
    Ok(shares)
}

/// Every pen writes a line per interval, each at its own moment, until the window is over.
fn write(mut pens: Vec<Pen>, interval: Duration, window: Window) -> Result<Appended, Fault> {
    let mut appended = Appended::default();
    let turn_ns = interval.as_nanos() as u64 / (pens.len() as u64).max(1);
    let mut next_ns = monotonic_ns();
    for step in 0_u64.. {
        for Pen { voice, plain } in &mut pens {
            next_ns += turn_ns;
            let now_ns = monotonic_ns();
            if now_ns >= window.to_ns {
                return Ok(appended);
            }
            if next_ns > now_ns {
                thread::sleep(NAP.max(Duration::from_nanos(next_ns - now_ns)));
            }
            let payload = json!({"unit": "step", "step": step, "total_steps": 1_000_000, "loss": 0.25});
            let line = format!("{}\n", json!({"event_type": "progress", "payload": payload}));
            let began = Instant::now();
            voice.write(line.as_bytes()).map_err(Fault::io("append to", EVENTS_FILE))?;
            let heard = began.elapsed();
            let began = Instant::now();
            plain.write_all(line.as_bytes()).map_err(Fault::io("append to", "a plain file"))?;
            let plain = began.elapsed();
            if now_ns >= window.from_ns {
                appended.heard.add(heard);
                appended.plain.add(plain);
            }
        }
    }
    Ok(appended)
}

/// CPU time in milliseconds that a process uses within the window, which has not begun.
fn cpu_ms_within(pid: u32, window: Window) -> Result<u64, Fault> {
    let sleep_until = |at_ns: u64| thread::sleep(Duration::from_nanos(at_ns.saturating_sub(monotonic_ns())));
    sleep_until(window.from_ns);
    let before = cpu_ms_in_all(pid)?;
    sleep_until(window.to_ns);
    Ok(cpu_ms_in_all(pid)? - before)
}
