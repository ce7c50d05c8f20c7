//! `ingest`: how fast one worker's telemetry is read, understood and folded.
//!
//! Lines are appended as fast as a file takes them, until the run's view shows the last amount.
//! The baseline is a plain loop that reads the same lines into a struct and keeps the newest.

use std::fs::File;
use std::io::{BufRead, BufReader, BufWriter, Write as _};
use std::path::Path;
use std::thread;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::extent::Extent;
use crate::goal::judge;
use crate::rig::{
    EVENTS_FILE, Fault, Fleet, Home, Marks, Retries, Voice, Worker, cpu_ns, monotonic_ns, pause_until,
    rss_bytes, rss_peak_bytes,
};

/// Bytes that are appended at once, at least; always whole lines.
const APPEND_BYTES: usize = 64 * 1024;
/// Between two looks at the view: they cost the daemon little, and add this at most.
const LOOK_INTERVAL: Duration = Duration::from_millis(20);
/// Goals for the figures of the result: 200,000 lines per second.
const GOALS: [(&str, f64); 1] = [("us_per_line", 5.0)];

/// How much is said.
#[derive(Debug, Clone, Copy)]
struct Amount {
    /// Lines; even, because every second one tells the amount.
    lines: u64,
}

impl Amount {
    /// Some seconds of work, a quarter of a gigabyte.
    const FULL: Self = Self { lines: 2_000_000 };
    /// Shows that it works.
    const QUICK: Self = Self { lines: 20_000 };
}

/// As much of a run's view as matters here.
#[derive(Debug, Deserialize)]
struct View {
    progress: Reached,
    #[serde(default)]
    behind_bytes: u64,
    #[serde(default)]
    refused_lines: u64,
}

#[derive(Debug, Deserialize)]
struct Reached {
    #[serde(default)]
    done: Option<f64>,
}

/// What it took.
struct Cost {
    took: Duration,
    daemon_cpu_ns: u64,
    rss_growth_bytes: u64,
    behind_bytes_max: u64,
}

/// Measures in a new folder within `folder`, which is removed afterwards.
///
/// # Errors
/// [`Fault`].
pub fn measure(folder: &Path, extent: Extent) -> Result<Value, Fault> {
    let amount = extent.choose(Amount::FULL, Amount::QUICK);
    let home = Home::new(folder)?;
    let (plain, bytes) = plain(&home, amount.lines)?;
    let ours = ours(&home, amount.lines).map_err(|fault| home.explain(fault))?;
    home.close()?;
    let us_per_line = |took: Duration| (took.as_secs_f64() * 1e9 / amount.lines as f64).round() / 1e3;
    let per_s = |took: Duration| (amount.lines as f64 / took.as_secs_f64()).round();
    let mib = |bytes: u64| (bytes as f64 / f64::from(1 << 20) * 100.0).round() / 100.0;
    let to_plain = (ours.took.as_secs_f64() / plain.as_secs_f64() * 100.0).round() / 100.0;
    let figures = [
        ("bench", json!("ingest")),
        ("lines", json!(amount.lines)),
        ("file_mib", json!(mib(bytes))),
        ("lines_per_s", json!(per_s(ours.took))),
        ("us_per_line", json!(us_per_line(ours.took))),
        ("daemon_cpu_us_per_line", json!(us_per_line(Duration::from_nanos(ours.daemon_cpu_ns)))),
        ("rss_growth_mib", json!(mib(ours.rss_growth_bytes))),
        ("behind_bytes_max", json!(ours.behind_bytes_max)),
        ("plain_lines_per_s", json!(per_s(plain))),
        ("plain_us_per_line", json!(us_per_line(plain))),
        ("us_per_line_to_plain", json!(to_plain)),
    ];
    let mut result: Map<String, Value> =
        figures.into_iter().map(|(name, figure)| (name.to_owned(), figure)).collect();
    judge(&mut result, &GOALS);
    Ok(Value::Object(result))
}

fn ours(home: &Home, lines: u64) -> Result<Cost, Fault> {
    let mut marks = Marks::create(home.path().join("ours.marks"))?;
    let fleet = Fleet::start(home, &Worker::Trivial, 1, Retries::Never, &mut marks)?;
    let run_id = fleet.shown_running(home)?.pop().map(|run| run.run_id).unwrap_or_default();
    let (mut daemon, pid) = (home.connect()?, home.daemon_pid()?);
    let (cpu_before, rss_before) = (cpu_ns(pid)?, rss_bytes(pid)?);
    let path = home.attempt(&run_id, 1).join(EVENTS_FILE);
    let mut voice = Voice::open(&path).map_err(Fault::io("open", &path))?;
    let from_ns = monotonic_ns();
    let worker = thread::spawn(move || blocks(lines).try_for_each(|block| voice.write(&block)));
    let (address, mut behind_bytes_max) = (format!("/v2/runs/{run_id}"), 0);
    let to_ns = pause_until("the last line", || {
        let view: View = daemon.get(&address)?;
        let at_ns = monotonic_ns();
        behind_bytes_max = view.behind_bytes.max(behind_bytes_max);
        if view.refused_lines > 0 {
            return Err(Fault::wrong(format!("{} lines were refused", view.refused_lines)));
        }
        if view.progress.done == Some(lines as f64) {
            return Ok(Some(at_ns));
        }
        thread::sleep(LOOK_INTERVAL);
        Ok(None)
    })?;
    let written = worker.join().map_err(|_| Fault::wrong("the thread that writes panicked"))?;
    written.map_err(Fault::io("append to", &path))?;
    Ok(Cost {
        took: Duration::from_nanos(to_ns.saturating_sub(from_ns)),
        daemon_cpu_ns: cpu_ns(pid)?.saturating_sub(cpu_before),
        rss_growth_bytes: rss_peak_bytes(pid)?.saturating_sub(rss_before),
        behind_bytes_max,
    })
}

/// All lines, in blocks as they are appended.
fn blocks(lines: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut next = 1;
    std::iter::from_fn(move || {
        let mut block = Vec::with_capacity(APPEND_BYTES * 2);
        while next <= lines && block.len() < APPEND_BYTES {
            line(&mut block, next, lines);
            next += 1;
        }
        (!block.is_empty()).then_some(block)
    })
}

/// Line `n`, as our own SDKs write it: numbers in turn with the amount done.
fn line(block: &mut Vec<u8>, n: u64, lines: u64) {
    let loss = 1.0 / (n as f64).sqrt();
    let (event_type, payload) = if n.is_multiple_of(2) {
        ("progress", format!(r#"{{"unit":"step","step":{n},"total_steps":{lines},"loss":{loss:.6}}}"#))
    } else {
        ("metric", format!(r#"{{"step":{n},"metrics":{{"loss":{loss:.6},"learning_rate":0.0003}}}}"#))
    };
    let said = format!(
        "{{\"event_type\":\"{event_type}\",\"payload\":{payload},\"timestamp\":\"2026-11-22T04:13:46.123Z\",\"n\":{n}}}\n"
    );
    block.extend_from_slice(said.as_bytes());
}

/// A line as the plain loop understands it.
#[derive(Debug, Deserialize)]
struct Plain {
    event_type: String,
    payload: PlainPayload,
    timestamp: String,
    n: u64,
}

#[derive(Debug, Default, Deserialize)]
struct PlainPayload {
    step: Option<f64>,
    total_steps: Option<f64>,
    loss: Option<f64>,
    #[serde(default)]
    metrics: Map<String, Value>,
}

/// The baseline, on this thread; and the length of the file.
fn plain(home: &Home, lines: u64) -> Result<(Duration, u64), Fault> {
    let path = home.path().join("plain.jsonl");
    let write = || {
        let mut file = BufWriter::new(File::create_new(&path)?);
        blocks(lines).try_for_each(|block| file.write_all(&block))?;
        file.flush()
    };
    write().map_err(Fault::io("write", &path))?;
    let io = |error| Fault::io("read", &path)(error);
    let from_ns = monotonic_ns();
    let mut file = BufReader::with_capacity(APPEND_BYTES, File::open(&path).map_err(io)?);
    let (mut text, mut bytes, mut newest) = (Vec::new(), 0, None);
    loop {
        text.clear();
        let read = file.read_until(b'\n', &mut text).map_err(io)?;
        if read == 0 {
            break;
        }
        bytes += read as u64;
        let line: Plain = serde_json::from_slice(&text)
            .map_err(|error| Fault::wrong(format!("a line is no JSON: {error}")))?;
        newest = Some(line);
    }
    let took = Duration::from_nanos(monotonic_ns().saturating_sub(from_ns));
    match newest {
        Some(newest) if newest.is_the_last_of(lines) => Ok((took, bytes)),
        other => Err(Fault::wrong(format!("the plain loop ends with {other:?}"))),
    }
}

impl Plain {
    fn is_the_last_of(&self, lines: u64) -> bool {
        let Self { event_type, payload, timestamp, n } = self;
        let steps = [payload.step, payload.total_steps] == [Some(lines as f64); 2];
        let nothing_else = payload.loss.is_some() && payload.metrics.is_empty() && !timestamp.is_empty();
        event_type == "progress" && *n == lines && steps && nothing_else
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blocks_are_whole_lines_and_all_of_them() {
        let all: Vec<Vec<u8>> = blocks(2_000).collect();
        assert!(all.len() > 1 && all.iter().all(|block| block.ends_with(b"}\n")));
        assert!(all.iter().all(|block| block.len() < APPEND_BYTES + 1_000));
        let text = String::from_utf8(all.concat()).expect("text");
        let lines: Vec<Plain> = text.lines().map(|l| serde_json::from_str(l).expect("a line")).collect();
        assert!(lines.iter().map(|line| line.n).eq(1..=2_000));
        assert_eq!((lines[0].event_type.as_str(), lines[0].payload.metrics.len()), ("metric", 2));
        assert!(lines[1_999].is_the_last_of(2_000) && !lines[1_997].is_the_last_of(2_000));
        assert_eq!(blocks(0).count(), 0);
    }
}
