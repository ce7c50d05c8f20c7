//! What a worker says: one JSON object per line, appended to a file that the daemon reads.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;

use serde_json::{Value, json};

/// Name of that file in the folder of an attempt.
pub const EVENTS_FILE: &str = "events.jsonl";

/// The writing side of such a file. Whoever holds it speaks for the worker.
#[derive(Debug)]
pub struct Voice {
    file: File,
}

impl Voice {
    /// Opens the file, which is there before the worker is.
    ///
    /// # Errors
    /// The I/O error.
    pub fn open(path: &Path) -> io::Result<Self> {
        Ok(Self { file: OpenOptions::new().append(true).open(path)? })
    }

    /// Says one thing, in one write.
    ///
    /// # Errors
    /// The I/O error.
    pub fn say(&mut self, event_type: &str, payload: &Value) -> io::Result<()> {
        self.write(format!("{}\n", json!({"event_type": event_type, "payload": payload})).as_bytes())
    }

    /// Appends whole lines.
    ///
    /// # Errors
    /// The I/O error.
    pub fn write(&mut self, lines: &[u8]) -> io::Result<()> {
        self.file.write_all(lines)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_one_object_per_line_behind_what_is_there() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let path = folder.path().join(EVENTS_FILE);
        assert!(Voice::open(&path).is_err(), "the file is not made here");
        std::fs::write(&path, "{}\n").expect("written");
        let mut voice = Voice::open(&path).expect("the file");
        voice.say("heartbeat", &json!({})).expect("said");
        voice.say("progress", &json!({"step": 3})).expect("said");
        let text = std::fs::read_to_string(&path).expect("the file");
        let lines: Vec<Value> = text.lines().map(|l| serde_json::from_str(l).expect("JSON")).collect();
        assert_eq!(lines.len(), 3);
        assert_eq!((&lines[1]["event_type"], &lines[2]["payload"]["step"]), (&json!("heartbeat"), &json!(3)));
    }
}
