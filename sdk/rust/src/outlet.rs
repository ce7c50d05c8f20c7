//! The file our lines go into: one `write(2)` per line, appended, whole or counted as dropped.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::SystemTime;

use serde_json::{Value, json};

use crate::payload::Fields;
use crate::timestamp::rfc3339;

/// PULSE: hard limit of one event, the newline included.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// The worker's own counter, shared by every handle of the process: the reader takes the same `n` twice
/// for the same line twice.
static NEXT_N: AtomicU64 = AtomicU64::new(1);

/// Appends lines to `PULSE_EVENTS`.
///
/// Appending to a local file is a copy into the page cache, survives the death of this process at the
/// next instruction, and needs nobody at the other end, so lines are not handed to another thread.
#[derive(Debug)]
pub(crate) struct Outlet {
    path: PathBuf,
    /// `None` until the file could be opened; tried again at every line.
    file: Option<File>,
    /// A line ended half-way: the next one starts with a newline, so that only one line is lost.
    torn: bool,
}

impl Outlet {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self { path, file: None, torn: false }
    }

    /// Writes one event. `false`: it is not in the file, or not all of it.
    pub(crate) fn write(&mut self, event_type: &str, payload: Fields, at: SystemTime) -> bool {
        let n = NEXT_N.fetch_add(1, Ordering::Relaxed);
        let Some(mut line) = render(event_type, payload, at, n) else { return false };
        if self.torn {
            line.insert(0, '\n');
        }
        let Some(file) = self.opened() else { return false };
        match write_once(file, line.as_bytes()) {
            Ok(written) if written == line.len() => {
                self.torn = false;
                true
            }
            Ok(written) => {
                self.torn |= written > 0;
                false
            }
            Err(_) => false,
        }
    }

    fn opened(&mut self) -> Option<&mut File> {
        if self.file.is_none() {
            self.file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path).ok();
        }
        self.file.as_mut()
    }
}

/// One `write(2)`, repeated only where a signal came before the first byte.
fn write_once(file: &mut File, bytes: &[u8]) -> std::io::Result<usize> {
    loop {
        match file.write(bytes) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

/// The line, newline included; `None` if it cannot be made to fit.
fn render(event_type: &str, mut payload: Fields, at: SystemTime, n: u64) -> Option<String> {
    let timestamp = rfc3339(at);
    let envelope = |payload: &Fields| {
        let payload = serde_json::to_string(payload).ok()?;
        let event_type = Value::from(event_type);
        Some(format!(
            "{{\"event_type\":{event_type},\"payload\":{payload},\"timestamp\":\"{timestamp}\",\"n\":{n}}}\n"
        ))
    };
    // One byte is kept for the newline that may have to close a torn line.
    let fits = |line: &String| line.len() < LINE_BYTES_MAX;
    let line = envelope(&payload)?;
    if fits(&line) {
        return Some(line);
    }
    // Every other field is bounded where it is built: only `details` can be this long.
    let details = payload.get_mut("details")?;
    *details = json!({"omitted_bytes": details.to_string().len()});
    envelope(&payload).filter(fits)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::Map;
    use std::time::UNIX_EPOCH;

    fn payload(value: Value) -> Fields {
        value.as_object().cloned().unwrap()
    }

    #[test]
    fn a_line_is_the_object_of_the_contract() {
        let line = render("status", payload(json!({"status": "running"})), UNIX_EPOCH, 7).unwrap();
        assert_eq!(
            line,
            "{\"event_type\":\"status\",\"payload\":{\"status\":\"running\"},\
             \"timestamp\":\"1970-01-01T00:00:00.000Z\",\"n\":7}\n"
        );
    }

    #[test]
    fn details_that_break_the_limit_give_way_to_their_size() {
        let long = json!({"error_code": "APP_X", "details": {"all": "x".repeat(LINE_BYTES_MAX)}});
        let line = render("error", payload(long), UNIX_EPOCH, 1).unwrap();
        let value: Value = serde_json::from_str(&line).unwrap();
        assert_eq!(value["payload"]["error_code"], "APP_X");
        assert_eq!(value["payload"]["details"], json!({"omitted_bytes": LINE_BYTES_MAX + 10}));
    }

    #[test]
    fn a_line_that_cannot_fit_is_not_written() {
        let long = json!({"message": "x".repeat(LINE_BYTES_MAX)});
        assert_eq!(render("status", payload(long), UNIX_EPOCH, 1), None);
    }

    #[test]
    fn the_line_after_a_torn_one_stands_alone() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        std::fs::write(&path, "{\"event_ty").unwrap();
        let mut outlet = Outlet { torn: true, ..Outlet::new(path.clone()) };
        assert!(outlet.write("heartbeat", Map::new(), UNIX_EPOCH));
        assert!(outlet.write("heartbeat", Map::new(), UNIX_EPOCH));
        let text = std::fs::read_to_string(path).unwrap();
        let whole = text.lines().filter(|line| serde_json::from_str::<Value>(line).is_ok()).count();
        assert_eq!((text.lines().count(), whole), (3, 2), "{text}");
    }
}
