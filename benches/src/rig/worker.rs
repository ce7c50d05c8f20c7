//! The workers: this program itself, as light as a program can be.

use std::env;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::thread;
use std::time::Duration;

use rustix::process::{Signal, getpid, kill_process};
use serde_json::json;

use super::clock::monotonic_ns;
use super::fault::Fault;
use super::marks::{BEGUN, DONE, LEFT, Mark, SILENT};
use super::this_program;
use super::voice::Voice;

/// First argument of a process that is a worker.
const WORKER: &str = "worker";
/// Exit code of a worker that was told to leave.
pub const LEFT_CODE: u8 = 7;
/// Between two lines of a worker that prints.
const LINE_INTERVAL: Duration = Duration::from_millis(20);
/// One line of a worker that prints as much as it can, as long as a trainer's usually are.
const LINE: &str = "step 0001234 of 0100000, loss 0.123456, learning rate 0.000300, 1234.5 samples/s\n";
/// Bytes of one write of such a worker: a full buffer of the C library's or larger.
const WRITE_BYTES: usize = 64 * 1024;

/// Environment variable with the file to which a worker writes what it says.
const EVENTS: &str = "PULSE_EVENTS";
/// Environment variable with the number of the attempt.
const ATTEMPT: &str = "PULSE_ATTEMPT";
/// Heartbeats of a worker before it hangs, and the time before each: whoever watches it has
/// heard of it by then.
const HEARTBEATS: u32 = 10;
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(20);

/// What a worker does after it has marked its first instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Worker {
    /// Nothing, for ever.
    Trivial,
    /// Prints numbered lines until the file is there, then leaves with code 7.
    Print {
        /// The file.
        leave: PathBuf,
    },
    /// Once the file is there, prints so many bytes, and says that it is done.
    Flood {
        /// The file.
        go: PathBuf,
        /// How much.
        bytes: u64,
    },
    /// Says that it trains, gives a few heartbeats, and is stopped by SIGSTOP just after the last.
    Hang,
}

impl Worker {
    /// The command that starts such a worker.
    ///
    /// # Errors
    /// [`Fault`] when this program does not know where it is.
    pub fn command(&self, marks: &Path, tag: u32) -> Result<Vec<String>, Fault> {
        let text = |path: &Path| {
            let text = path.to_str().map(str::to_owned);
            text.ok_or_else(|| Fault::wrong(format!("path {} is not valid UTF-8", path.display())))
        };
        let mut argv = vec![text(&this_program()?)?, WORKER.to_owned(), text(marks)?, tag.to_string()];
        match self {
            Self::Trivial => argv.push("trivial".to_owned()),
            Self::Print { leave } => argv.extend(["print".to_owned(), text(leave)?]),
            Self::Flood { go, bytes } => argv.extend(["flood".to_owned(), text(go)?, bytes.to_string()]),
            Self::Hang => argv.push("hang".to_owned()),
        }
        Ok(argv)
    }

    /// Lives the life of a worker if the arguments of this process are those of one. `begun_ns`
    /// is the time of its first instruction.
    pub fn live_if_asked(arguments: &[String], begun_ns: u64) -> Option<ExitCode> {
        let [first, marks, tag, rest @ ..] = arguments else { return None };
        let (marks, tag, worker) = (Path::new(marks), tag.parse().ok()?, Self::parse(rest)?);
        if first != WORKER {
            return None;
        }
        let life = Mark::append(marks, begun_ns, tag, BEGUN).and_then(|()| worker.live(marks, tag));
        Some(life.unwrap_or_else(|error| {
            eprintln!("error: a worker failed: {error}");
            ExitCode::FAILURE
        }))
    }

    fn parse(arguments: &[String]) -> Option<Self> {
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        match words[..] {
            ["trivial"] => Some(Self::Trivial),
            ["print", leave] => Some(Self::Print { leave: leave.into() }),
            ["flood", go, bytes] => Some(Self::Flood { go: go.into(), bytes: bytes.parse().ok()? }),
            ["hang"] => Some(Self::Hang),
            _ => None,
        }
    }

    fn live(&self, marks: &Path, tag: u32) -> io::Result<ExitCode> {
        match self {
            Self::Trivial => idle(),
            Self::Print { leave } => {
                let printed = print_until(leave)?;
                Mark::append_now(marks, tag, &format!("{LEFT}{printed}"))?;
                Ok(ExitCode::from(LEFT_CODE))
            }
            Self::Flood { go, bytes } => {
                while !go.exists() {
                    thread::sleep(LINE_INTERVAL);
                }
                flood(&mut io::stdout().lock(), *bytes)?;
                Mark::append_now(marks, tag, DONE)?;
                idle()
            }
            Self::Hang => {
                beat_and_hang(marks, tag)?;
                idle()
            }
        }
    }
}

fn idle() -> ! {
    loop {
        thread::park();
    }
}

/// The last sign of life is marked with the moment before it is given, so nothing that follows
/// is measured too short.
fn beat_and_hang(marks: &Path, tag: u32) -> io::Result<()> {
    let variable = |name| env::var(name).map_err(|error| io::Error::new(io::ErrorKind::NotFound, error));
    let mut voice = Voice::open(Path::new(&variable(EVENTS)?))?;
    voice.say("status", &json!({"status": "running"}))?;
    // Each attempt comes a little further: this one hangs, and does not fail to start.
    let step: u32 = variable(ATTEMPT)?.parse().map_err(|_| io::ErrorKind::InvalidData)?;
    voice.say("progress", &json!({"unit": "step", "step": step}))?;
    for _ in 1..HEARTBEATS {
        voice.say("heartbeat", &json!({}))?;
        thread::sleep(HEARTBEAT_INTERVAL);
    }
    let last_ns = monotonic_ns();
    voice.say("heartbeat", &json!({}))?;
    Mark::append(marks, last_ns, tag, SILENT)?;
    Ok(kill_process(getpid(), Signal::STOP)?)
}

/// Prints 1, 2, 3, … each in one write, until the file is there; returns the last number.
fn print_until(leave: &Path) -> io::Result<u64> {
    let mut printed = 0;
    while !leave.exists() {
        printed += 1;
        // Standard output hands a whole line on at once.
        println!("{printed}");
        thread::sleep(LINE_INTERVAL);
    }
    io::stdout().flush()?;
    Ok(printed)
}

/// Writes exactly so many bytes of lines.
fn flood(output: &mut impl Write, bytes: u64) -> io::Result<()> {
    let block = LINE.repeat(WRITE_BYTES / LINE.len() + 1);
    let mut left = bytes;
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(WRITE_BYTES).min(WRITE_BYTES);
        output.write_all(block.as_bytes().get(..length).unwrap_or_default())?;
        left -= length as u64;
    }
    output.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_understood_as_it_was_meant() {
        let workers = [
            Worker::Trivial,
            Worker::Print { leave: "/l".into() },
            Worker::Flood { go: "/g".into(), bytes: 12 },
            Worker::Hang,
        ];
        for worker in workers {
            let argv = worker.command(Path::new("/marks"), 3).expect("a command");
            assert_eq!(argv[1..4], ["worker", "/marks", "3"]);
            assert_eq!(Worker::parse(&argv[4..]), Some(worker));
        }
        assert_eq!(Worker::live_if_asked(&["ledger".to_owned(), "/folder".to_owned()], 1), None);
        assert_eq!(Worker::parse(&["print".to_owned()]), None);
    }

    #[test]
    fn a_flood_is_as_long_as_asked() {
        for bytes in [0, 1, WRITE_BYTES as u64, 200_001] {
            let mut output = Vec::new();
            flood(&mut output, bytes).expect("written");
            assert_eq!(output.len() as u64, bytes);
        }
    }

    #[test]
    fn a_worker_that_prints_stops_when_it_is_told() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let leave = folder.path().join("leave");
        std::fs::write(&leave, "").expect("the file");
        assert_eq!(print_until(&leave).expect("printed"), 0);
    }
}
