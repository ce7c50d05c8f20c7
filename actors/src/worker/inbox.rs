//! The v1 file that a worker may write instead of events (`PULSE_STATUS`): what it says is added
//! to the worker's event file, line by line, so that there is one way in.

use crate::clock;
use resus_core::pulse::v1::reader::{Reason, Saying, V1Reader};
use resus_core::pulse::v1::{SnapshotV1, StatusV1};
use resus_store::file::replace;
use serde_json::{Value, json};
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

/// A v1 file is a few hundred bytes; of anything larger so much is looked at as it takes to refuse it.
const FILE_BYTES_READ: u64 = 64 * 1024;

/// Follows one worker's v1 file. Blocking.
pub(crate) struct Inbox {
    file: PathBuf,
    events: PathBuf,
    reader: V1Reader,
    /// The worker has written the file at least once.
    used: bool,
    said: Option<StatusV1>,
    /// Lines that could not be added yet.
    unsaid: Vec<Value>,
}

/// Beside the worker's file: the status that was passed on last.
fn said_file(file: &Path) -> PathBuf {
    file.with_extension("said")
}

/// Words kept while the event file can't be written, the newest; a status changes a few times in a
/// training.
const UNSAID_MAX: usize = 64;

impl Inbox {
    pub(crate) fn new(file: PathBuf, events: PathBuf) -> Self {
        Self { file, events, reader: V1Reader::default(), used: false, said: None, unsaid: Vec::new() }
    }

    /// Time until it is to be looked at again; `None` while the worker has not written it.
    pub(crate) fn next_look(&self) -> Option<Duration> {
        let next = self.used.then(|| self.reader.next_poll());
        next.map(|at| Duration::from_millis(at.saturating_sub(clock::now().mono_ms)))
    }

    /// Looks, if it is time to or if this is the `last` look, and passes on what is new.
    pub(crate) fn look(&mut self, last: bool) -> io::Result<()> {
        if !last && self.next_look().is_some_and(|wait| !wait.is_zero()) {
            return Ok(());
        }
        let content = match File::open(&self.file) {
            Ok(file) => {
                let mut content = Vec::new();
                file.take(FILE_BYTES_READ).read_to_end(&mut content)?;
                Some(content)
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(error) => return Err(error),
        };
        if content.is_some() && !std::mem::replace(&mut self.used, true) {
            // Another reader may have passed it on already, before the daemon or the shim died.
            let record = fs::read_to_string(said_file(&self.file)).unwrap_or_default();
            self.said = StatusV1::ALL.into_iter().find(|status| status.as_str() == record);
        }
        if !self.used {
            return Ok(());
        }
        let now = clock::now();
        let mut lines = std::mem::take(&mut self.unsaid);
        for saying in self.reader.poll(now.mono_ms, now.unix_ms / 1000, content.as_deref()) {
            match saying {
                Saying::Warn(warning) => {
                    tracing::warn!(path = %self.file.display(), ?warning, "a status file can't be read as it should");
                }
                // The worker is one run to us, whatever it puts into its file.
                Saying::NewRun => self.said = None,
                // Whether it still lives is for our own watchdog to say.
                Saying::Emit { reason: Reason::Stale | Reason::Heartbeat, .. } => {}
                Saying::Emit { snapshot, reason: Reason::Changed | Reason::Final } => {
                    lines.extend(self.lines(&snapshot));
                }
            }
        }
        let appended = self.append(&lines);
        if appended.is_err() {
            // Said at the next look: an end must not be lost because the disk was full. What is only
            // telemetry has newer ones behind it.
            lines.retain(|line| line["event_type"] != "progress");
            lines.drain(..lines.len().saturating_sub(UNSAID_MAX));
            self.unsaid = lines;
            return appended;
        }
        match self.said.filter(|_| !lines.is_empty()) {
            Some(status) => replace(&said_file(&self.file), status.as_str().as_bytes(), false),
            None => Ok(()),
        }
    }

    fn lines(&mut self, snapshot: &SnapshotV1) -> Vec<Value> {
        let line = |event_type: &str, payload: Value| json!({"event_type": event_type, "payload": payload});
        let SnapshotV1 { status, epoch, total_epochs, loss, message, .. } = snapshot;
        let total = (*total_epochs > 0.0).then_some(total_epochs);
        let progress =
            json!({"unit": "epoch", "epoch": epoch, "total_epochs": total, "loss": loss, "message": message});
        // No heartbeat: who writes once an epoch has promised no sign of life a minute.
        let mut lines = vec![line("progress", progress)];
        if self.said.replace(*status) != Some(*status) {
            match status {
                StatusV1::Idle => {}
                StatusV1::Running => {
                    lines.push(line("status", json!({"status": "running", "message": message})));
                }
                StatusV1::Done => {
                    let payload = json!({"status": "success", "final_loss": loss, "message": message});
                    lines.push(line("run_complete", payload));
                }
                StatusV1::Error => {
                    let payload = json!({"error_code": "UNKNOWN", "message": message, "fatal": true});
                    lines.push(line("error", payload));
                }
            }
        }
        lines
    }

    fn append(&self, lines: &[Value]) -> io::Result<()> {
        if lines.is_empty() {
            return Ok(());
        }
        // A newline first: a write that failed before may have left half a line.
        let text: String = lines.iter().map(|line| format!("\n{line}\n")).collect();
        OpenOptions::new().append(true).open(&self.events)?.write_all(text.as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn inbox(folder: &tempfile::TempDir) -> Inbox {
        fs::write(folder.path().join("events.jsonl"), "").unwrap();
        Inbox::new(folder.path().join("status.json"), folder.path().join("events.jsonl"))
    }

    fn write(folder: &tempfile::TempDir, status: &str, epoch: f64) {
        let snapshot = json!({"status": status, "epoch": epoch, "total_epochs": 3.0, "loss": 0.5,
            "message": format!("epoch {epoch}/3"), "timestamp": clock::now().unix_ms / 1000});
        fs::write(folder.path().join("status.json"), snapshot.to_string()).unwrap();
    }

    fn events(folder: &tempfile::TempDir) -> Vec<String> {
        let text = fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        text.lines()
            .filter(|text| !text.is_empty())
            .map(|text| line(text)["event_type"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn what_the_file_says_becomes_lines_and_the_end_is_never_missed() {
        let folder = tempfile::tempdir().unwrap();
        let mut inbox = inbox(&folder);
        inbox.look(false).unwrap();
        assert_eq!((inbox.next_look(), events(&folder).len()), (None, 0));
        write(&folder, "running", 1.0);
        inbox.look(false).unwrap();
        assert_eq!(events(&folder), ["progress", "status"]);
        assert!(inbox.next_look().is_some());
        // Not its time yet; but nothing will be written after the worker's end.
        write(&folder, "done", 3.0);
        inbox.look(true).unwrap();
        assert_eq!(events(&folder)[2..], ["progress", "run_complete"]);
        inbox.look(true).unwrap();
        assert_eq!(events(&folder).len(), 4, "nothing is said twice");
        let mut another = Inbox::new(inbox.file.clone(), inbox.events.clone());
        another.look(true).unwrap();
        assert_eq!(events(&folder)[4..], ["progress"], "nor is a word by another reader");
    }

    #[test]
    fn a_file_that_makes_no_sense_says_nothing_and_an_error_ends_the_attempt() {
        let folder = tempfile::tempdir().unwrap();
        let mut inbox = inbox(&folder);
        for nonsense in ["", "{", "{}", r#"{"status":"running","epoch":NaN}"#] {
            fs::write(folder.path().join("status.json"), nonsense).unwrap();
            inbox.look(true).unwrap();
        }
        assert_eq!(events(&folder).len(), 0);
        write(&folder, "error", 1.0);
        inbox.look(true).unwrap();
        assert_eq!(events(&folder), ["progress", "error"]);
    }

    #[test]
    fn what_can_not_be_passed_on_is_passed_on_later() {
        let folder = tempfile::tempdir().unwrap();
        let mut inbox = inbox(&folder);
        let (file, away) = (folder.path().join("events.jsonl"), folder.path().join("away"));
        fs::rename(&file, &away).unwrap();
        for epoch in 0..100 {
            write(&folder, "running", f64::from(epoch) / 100.0);
            assert!(inbox.look(true).is_err());
        }
        write(&folder, "done", 3.0);
        assert!(inbox.look(true).is_err());
        fs::rename(&away, &file).unwrap();
        inbox.look(true).unwrap();
        assert_eq!(events(&folder), ["status", "run_complete"], "however much was not said");
    }
}
