//! A folder to run in, a supervisor's ear, and a supervisor's voice.

use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use resus_checkpoint::{Compression, Draft, Loaded, Meta, Section, load, save};
use resus_sdk::{Environment, Pulse};
use serde_json::Value;
use tempfile::TempDir;

/// How long a machine may take to pass a line through a socket.
const PATIENCE: Duration = Duration::from_secs(60);

/// The words of a line, as arguments.
pub fn args(line: &str) -> impl Iterator<Item = OsString> {
    line.split_whitespace().map(OsString::from)
}

/// A run folder of its own.
pub struct Desk {
    folder: TempDir,
}

/// What a run left.
pub struct Ended {
    pub code: u8,
    pub out: String,
    pub errors: String,
    pub events: Vec<Value>,
}

impl Desk {
    pub fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap() }
    }

    /// Runs under a supervisor that says nothing.
    pub fn run(&self, line: &str) -> Ended {
        self.run_in(line, self.environment(None))
    }

    /// Runs under a supervisor that names a checkpoint.
    pub fn run_resuming(&self, line: &str, from: &Path) -> Ended {
        self.run_in(line, self.environment(Some(from)))
    }

    /// Runs under a supervisor that has said `commands` before the first batch; one that begins with `{` is a
    /// whole line.
    pub fn run_commanded(&self, line: &str, commands: &[&str]) -> Ended {
        let socket = self.folder.path().join("control");
        let listener = UnixListener::bind(&socket).unwrap();
        let pulse = Pulse::new(Environment { control: Some(socket), ..self.environment(None) });
        let (mut stream, _) = listener.accept().unwrap();
        for command in commands {
            match command.starts_with('{') {
                true => writeln!(stream, "{command}").unwrap(),
                false => writeln!(stream, "{{\"cmd\":\"{command}\"}}").unwrap(),
            }
        }
        // A word nobody knows is counted, and so shows that those before it were heard.
        writeln!(stream, "{{\"cmd\":\"over\"}}").unwrap();
        let start = Instant::now();
        while pulse.ignored_commands() == 0 {
            assert!(start.elapsed() < PATIENCE, "the commands were not heard");
            std::thread::yield_now();
        }
        self.run_as(line, &pulse)
    }

    /// The file of the checkpoint after `games` games.
    pub fn checkpoint(&self, games: u64) -> PathBuf {
        self.folder.path().join("checkpoints").join(format!("othello-{games:09}.prsm"))
    }

    /// Every checkpoint file there is.
    pub fn checkpoints(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.folder.path().join("checkpoints")).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    }

    /// The state in the checkpoint after `games` games.
    pub fn state(&self, games: u64) -> Vec<Loaded> {
        load(&self.checkpoint(games)).unwrap().sections
    }

    /// Saves `state` as a whole checkpoint file under `name`, said to be after 64 games.
    pub fn save(&self, name: &str, state: &[Loaded]) -> PathBuf {
        let parts: Vec<[&[u8]; 1]> = state.iter().map(|section| [section.bytes.as_slice()]).collect();
        let sections = state.iter().zip(&parts).map(|(loaded, parts)| Section {
            name: &loaded.name,
            element: loaded.element,
            parts,
            compression: Compression::None,
        });
        let (meta, sections) = (Meta::default(), sections.collect::<Vec<_>>());
        let draft = Draft { games: 64, unix_time: 0, meta: &meta, sections: &sections };
        save(self.folder.path(), name, &draft).unwrap().path
    }

    fn environment(&self, resume_from: Option<&Path>) -> Environment {
        Environment {
            events: Some(self.folder.path().join("events.jsonl")),
            checkpoint_dir: Some(self.folder.path().join("checkpoints")),
            resume_from: resume_from.map(Path::to_owned),
            ..Environment::default()
        }
    }

    fn run_in(&self, line: &str, environment: Environment) -> Ended {
        self.run_as(line, &Pulse::new(environment))
    }

    fn run_as(&self, line: &str, pulse: &Pulse) -> Ended {
        let events = self.folder.path().join("events.jsonl");
        // A desk may be used for several runs: only this one's events count.
        let before = fs::read_to_string(&events).unwrap_or_default().len();
        let (mut out, mut errors) = (Vec::new(), Vec::new());
        let code = othello_trainer::run(args(line), pulse, &mut out, &mut errors);
        pulse.flush();
        let text = fs::read_to_string(&events).unwrap_or_default();
        let events = text[before..].lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Ended { code, out: text(out), errors: text(errors), events }
    }
}

impl Ended {
    /// The events that are never dropped, in order.
    pub fn class_a(&self) -> impl Iterator<Item = &Value> {
        let telemetry = ["progress", "metric", "heartbeat"];
        self.events.iter().filter(move |event| {
            event["event_type"].as_str().is_some_and(|event_type| !telemetry.contains(&event_type))
        })
    }

    /// The payloads of one type of event, in order.
    pub fn all(&self, event_type: &str) -> impl Iterator<Item = &Value> {
        self.events
            .iter()
            .filter(move |event| event["event_type"] == event_type)
            .map(|event| &event["payload"])
    }

    /// The payload of the last event of a type.
    pub fn last(&self, event_type: &str) -> &Value {
        self.all(event_type).last().unwrap_or_else(|| panic!("no {event_type} was said: {:?}", self.events))
    }
}
