//! The thread that listens to `PULSE_CONTROL`: connects, reads lines, connects again, for ever.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::command::{Command, Inbox};

/// The first wait after a lost connection; doubles up to the longest.
const BACKOFF_MIN: Duration = Duration::from_millis(50);
/// A supervisor that came back is heard within a second.
const BACKOFF_MAX: Duration = Duration::from_secs(1);
/// A longer line is no command of ours; it is skipped without being stored.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Starts the listener. It ends by itself, at its next connection, once nobody holds `inbox` any more.
pub(crate) fn listen(path: PathBuf, inbox: &Arc<Inbox>) {
    let inbox = Arc::downgrade(inbox);
    // Without this thread the worker is asked by signals only, which the contract allows.
    drop(std::thread::Builder::new().name("pulse-control".into()).spawn(move || run(&path, &inbox)));
}

fn run(path: &Path, inbox: &Weak<Inbox>) {
    let mut backoff = BACKOFF_MIN;
    while inbox.strong_count() > 0 {
        if let Ok(stream) = UnixStream::connect(path)
            && read_commands(stream, inbox) > 0
        {
            backoff = BACKOFF_MIN;
        }
        std::thread::sleep(backoff);
        backoff = (backoff * 2).min(BACKOFF_MAX);
    }
}

/// Reads lines until the connection or the inbox is gone. Returns how many there were.
fn read_commands(stream: impl Read, inbox: &Weak<Inbox>) -> u64 {
    let mut reader = BufReader::new(stream);
    let mut line = Vec::new();
    let mut lines = 0;
    loop {
        line.clear();
        match reader.by_ref().take(LINE_BYTES_MAX).read_until(b'\n', &mut line) {
            // The end, or a line cut off by it: half a command is not one.
            Ok(_) if line.last() != Some(&b'\n') && (line.len() as u64) < LINE_BYTES_MAX => return lines,
            Ok(_) => {}
            Err(_) => return lines,
        }
        let Some(inbox) = inbox.upgrade() else { return lines };
        lines += 1;
        let whole = line.last() == Some(&b'\n');
        match Command::parse(&line).filter(|_| whole) {
            Some(command) => inbox.put(command),
            None => inbox.count_ignored(),
        }
        if !whole && reader.skip_until(b'\n').is_err() {
            return lines;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::Verb;

    fn read(bytes: &[u8]) -> (Vec<Verb>, u64) {
        let inbox = Arc::new(Inbox::default());
        read_commands(bytes, &Arc::downgrade(&inbox));
        (std::iter::from_fn(|| inbox.take()).map(|command| command.verb).collect(), inbox.ignored())
    }

    #[test]
    fn each_line_is_a_command() {
        let lines = b"{\"cmd\":\"pause\"}\n{\"cmd\":\"resume\"}\n";
        assert_eq!(read(lines), (vec![Verb::Pause, Verb::Resume], 0));
    }

    #[test]
    fn half_a_line_at_the_end_is_not_a_command() {
        assert_eq!(read(b"{\"cmd\":\"pause\"}\n{\"cmd\":\"stop\"}"), (vec![Verb::Pause], 0));
    }

    #[test]
    fn a_line_without_end_is_skipped_and_the_next_one_is_heard() {
        for length in [LINE_BYTES_MAX as usize - 1, LINE_BYTES_MAX as usize, 3 * LINE_BYTES_MAX as usize] {
            let mut lines = vec![b'x'; length];
            lines.extend_from_slice(b"\n{\"cmd\":\"stop\"}\n");
            assert_eq!(read(&lines), (vec![Verb::Stop], 1), "{length} bytes");
        }
    }
}
