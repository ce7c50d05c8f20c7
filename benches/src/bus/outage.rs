//! The server is away while many events of class A happen. Then it comes back.
//!
//! The daemon's memory may not grow with what waits, since that waits in the ledger. When the
//! server is back, every event has to come, once and in order, about as fast as the client
//! library alone publishes the same messages into a stream of the same configuration.

use std::path::Path;
use std::thread;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::delivery::{Delivered, Delivery, judge, line};
use super::place::{Place, all_events};
use super::wire::{Kept, Wire};
use crate::extent::Extent;
use crate::rig::{
    EVENTS_FILE, Fault, Voices, millis_between, monotonic_ns, pause_until, rss_bytes, rss_peak_bytes,
    start_voices,
};
use crate::sample::Sample;

/// Raw messages that are published and not acknowledged yet, at most.
const IN_FLIGHT: usize = 1_000;
/// Between two looks at a daemon that is about to connect, and at one that delivers.
const CONNECT_LOOK: Duration = Duration::from_millis(2);
const DELIVER_LOOK: Duration = Duration::from_millis(20);

/// How much happens.
#[derive(Debug, Clone, Copy)]
struct Amount {
    runs: u32,
    /// Events of each run before the server goes, and again while it is away. Before, they show
    /// what memory the daemon takes for the work itself.
    events: u32,
    /// So many of each run at once,
    words: u32,
    /// and so long after the ones before.
    interval: Duration,
    /// Before memory is read: what the last words took has been given back.
    settle: Duration,
    /// How often the raw messages are published; the median counts.
    raw_rounds: u32,
}

impl Amount {
    /// 100,000 that wait.
    const FULL: Self = Self {
        runs: 50,
        events: 2_000,
        words: 20,
        interval: Duration::from_millis(100),
        settle: Duration::from_secs(2),
        raw_rounds: 3,
    };
    /// Shows that it works.
    const QUICK: Self = Self {
        runs: 2,
        events: 100,
        words: 50,
        interval: Duration::from_millis(10),
        settle: Duration::from_millis(100),
        raw_rounds: 1,
    };

    /// Those that wait.
    fn waiting(self) -> u32 {
        self.runs * self.events
    }
}

/// How long the return took, in nanoseconds of the monotonic clock.
struct Return {
    up_ns: u64,
    connected_ns: u64,
    delivered_ns: u64,
}

/// The daemon's memory.
struct Memory {
    before: u64,
    end_of_outage: u64,
    delivered: u64,
    peak: u64,
}

/// Adds its figures to the result.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent, result: &mut Map<String, Value>) -> Result<(), Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let mut place = Place::new(folder)?;
    let mut voices = start_voices(&place.home, amount.runs)?;
    let daemon = place.home.daemon_pid()?;
    say(&place, &mut voices, 0, amount, "the events before the outage")?;
    place.settled()?;
    thread::sleep(amount.settle);
    let before = rss_bytes(daemon)?;
    place.server.kill();
    place.seen("an absent server", |view| !view.bus.is_connected())?;
    let away_ns = monotonic_ns();
    say(&place, &mut voices, amount.events, amount, "the events of the outage")?;
    thread::sleep(amount.settle);
    let end_of_outage = rss_bytes(daemon)?;
    let outage_ms = millis_between(away_ns, monotonic_ns());
    let came_back = come_back(&mut place)?;
    let (delivered, peak) = (rss_bytes(daemon)?, rss_peak_bytes(daemon)?);
    let memory = Memory { before, end_of_outage, delivered, peak };
    let wire = Wire::connect(&place.server.url())?;
    let kept = wire.kept(&all_events()[0])?;
    let events = kept.iter().map(Delivered::read).collect::<Result<Vec<_>, _>>()?;
    let runs: Vec<String> = voices.into_keys().collect();
    let delivery = judge(&events, &runs, 2 * amount.events);
    let raw = raw(&wire, &kept, amount)?;
    drop(wire);
    place.close()?;
    result.insert("outage_ms".to_owned(), json!(outage_ms));
    tell(amount, &came_back, &delivery, &raw, result);
    tell_memory(&memory, result);
    Ok(())
}

/// Every run says its words from `first` on; returns when all are in the ledger.
fn say(place: &Place, voices: &mut Voices, first: u32, amount: Amount, what: &str) -> Result<(), Fault> {
    let from = place.seen("the daemon's view", |_| true)?.ledger_pos;
    let (last, mut said, mut next_ns) = (first + amount.events, 0, monotonic_ns());
    for begin in (first..last).step_by(amount.words as usize) {
        thread::sleep(Duration::from_nanos(next_ns.saturating_sub(monotonic_ns())));
        next_ns += amount.interval.as_nanos() as u64;
        let end = last.min(begin + amount.words);
        let lines: String = (begin..end).map(line).collect();
        for voice in voices.values_mut() {
            voice.write(lines.as_bytes()).map_err(Fault::io("append to", EVENTS_FILE))?;
        }
        // A slow disk gets its time, round by round.
        place.seen(what, |view| view.ledger_pos >= from + said)?;
        said += u64::from(end - begin) * voices.len() as u64;
    }
    place.seen(what, |view| view.ledger_pos >= from + said)?;
    Ok(())
}

/// Starts the server and waits until it has everything.
fn come_back(place: &mut Place) -> Result<Return, Fault> {
    place.server.restart()?;
    let up_ns = monotonic_ns();
    let mut daemon = place.home.connect()?;
    let mut connected_ns = None;
    let mut look = || {
        let bus = place.view(&mut daemon)?.bus;
        let now_ns = monotonic_ns();
        match (bus.is_connected(), connected_ns) {
            (true, Some(since_ns)) if bus.waiting == 0 => return Ok(Some((since_ns, now_ns))),
            (true, None) => connected_ns = Some(now_ns),
            (true, Some(_)) => thread::sleep(DELIVER_LOOK),
            (false, None) => thread::sleep(CONNECT_LOOK),
            (false, Some(_)) => return Err(Fault::wrong("the daemon lost the server again")),
        }
        Ok(None)
    };
    let (connected_ns, delivered_ns) =
        pause_until("all that waited", &mut look).map_err(|fault| place.home.explain(fault))?;
    Ok(Return { up_ns, connected_ns, delivered_ns })
}

/// The messages of the outage once more, without us.
fn raw(wire: &Wire, kept: &[Kept], amount: Amount) -> Result<Sample, Fault> {
    let messages = &kept[kept.len().saturating_sub(amount.waiting() as usize)..];
    let mut took = Sample::default();
    for _ in 0..amount.raw_rounds {
        took.add(wire.pipeline(messages, IN_FLIGHT)?);
    }
    Ok(took)
}

fn tell(
    amount: Amount,
    came_back: &Return,
    delivery: &Delivery,
    raw: &Sample,
    result: &mut Map<String, Value>,
) {
    let events = f64::from(amount.waiting());
    let Return { up_ns, connected_ns, delivered_ns } = *came_back;
    let took_us = delivered_ns.saturating_sub(connected_ns) as f64 / 1e3;
    let hundredths = |figure: f64| (figure * 100.0).round() / 100.0;
    let per_s = |us: f64| (events / us * 1e6).round();
    let raw_us = raw.quantile_us(0.5);
    let figures = [
        ("waiting_events", json!(amount.waiting())),
        ("waiting_runs", json!(amount.runs)),
        ("reconnect_ms", json!(millis_between(up_ns, connected_ns))),
        ("delivered_ms", json!(millis_between(connected_ns, delivered_ns))),
        ("events_per_s", json!(per_s(took_us))),
        ("raw_events_per_s", json!(raw_us.map(per_s))),
        ("raw_in_flight", json!(IN_FLIGHT)),
        ("us_per_event", json!(hundredths(took_us / events))),
        ("raw_us_per_event", json!(raw_us.map(|us| hundredths(us / events)))),
        ("us_per_event_to_raw", json!(raw_us.map(|us| hundredths(took_us / us)))),
        ("lost", json!(delivery.lost)),
        ("doubled", json!(delivery.doubled)),
        ("reordered", json!(delivery.reordered)),
        ("twice_in_stream", json!(delivery.twice)),
    ];
    result.extend(figures.map(|(name, figure)| (name.to_owned(), figure)));
}

fn tell_memory(memory: &Memory, result: &mut Map<String, Value>) {
    let mib = |bytes: u64| (bytes as f64 / f64::from(1 << 20) * 100.0).round() / 100.0;
    let figures = [
        ("rss_before_outage_mib", memory.before),
        ("outage_rss_growth_mib", memory.end_of_outage.saturating_sub(memory.before)),
        ("delivered_rss_growth_mib", memory.delivered.saturating_sub(memory.before)),
        ("rss_peak_mib", memory.peak),
    ];
    result.extend(figures.map(|(name, bytes)| (name.to_owned(), json!(mib(bytes)))));
}
