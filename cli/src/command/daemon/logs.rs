//! `resus daemon logs`: read from the file, so that they are there when the daemon is not.

use crate::command::Around;
use crate::console::Console;
use crate::daemon::journal::older;
use crate::daemon::journal_line::readable;
use crate::error::CliError;
use clap::Args;
use resus_core::exit::ExitCode;
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tokio::time::sleep;

/// How often new lines are looked for.
const LOOK_INTERVAL: Duration = Duration::from_millis(200);
/// Older logs looked at, should the present one be too short.
const OLDER_MAX: u32 = 9;

/// Arguments of `resus daemon logs`.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  resus daemon logs
  resus daemon logs -n 200
  resus daemon logs -f")]
pub(crate) struct LogsArgs {
    /// Begin with the last N lines
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    lines: usize,
    /// Go on as the daemon writes
    #[arg(short, long)]
    follow: bool,
}

/// Shows the daemon's log.
///
/// # Errors
/// [`CliError`]: it can't be read.
pub(super) async fn logs(args: LogsArgs, around: &Around) -> Result<ExitCode, CliError> {
    let path = around.here()?.daemon_log();
    let failed = |source| CliError::Io { what: "read", path: path.clone(), source };
    let mut tail = Tail::new(path.clone());
    // From the end of what is shown first, nothing is missed.
    let (lines, end) = last_lines(&path, args.lines).map_err(failed)?;
    tail.skip_to(end).map_err(failed)?;
    if lines.is_empty() && !args.follow {
        around.console.tell("the daemon has not written anything yet\n");
    }
    for line in &lines {
        show(&around.console, line)?;
    }
    if !args.follow {
        return Ok(ExitCode::Ok);
    }
    loop {
        for line in tail.new_lines().map_err(failed)? {
            show(&around.console, &line)?;
        }
        sleep(LOOK_INTERVAL).await;
    }
}

fn show(console: &Console, line: &str) -> Result<(), CliError> {
    if !console.json {
        return console.out(&format!("{}\n", readable(line)));
    }
    match serde_json::from_str::<Value>(line) {
        Ok(value @ Value::Object(_)) => console.out_json(&value),
        // Said by the process before it could log, or while it died.
        _ => console.out_json(&json!({"text": line})),
    }
}

/// The last `count` lines over the present log and older ones, and where the present one ends.
fn last_lines(path: &Path, count: usize) -> io::Result<(Vec<String>, u64)> {
    let mut lines = VecDeque::new();
    let mut end = 0;
    for n in 0..=OLDER_MAX {
        let bytes = match fs::read(older(path, n)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && n == 0 => continue,
            Err(error) if error.kind() == io::ErrorKind::NotFound => break,
            bytes => bytes?,
        };
        // Half a line is shown when it is whole.
        let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        if n == 0 {
            end = whole as u64;
        }
        let text = String::from_utf8_lossy(bytes.get(..whole).unwrap_or_default());
        for line in text.lines().rev().take(count - lines.len()) {
            lines.push_front(line.to_owned());
        }
        if lines.len() >= count {
            break;
        }
    }
    Ok((lines.into(), end))
}

/// Follows a log that is set aside now and then.
struct Tail {
    path: PathBuf,
    open: Option<(File, u64)>,
    half: Vec<u8>,
}

impl Tail {
    fn new(path: PathBuf) -> Self {
        Self { path, open: None, half: Vec::new() }
    }

    fn skip_to(&mut self, offset: u64) -> io::Result<()> {
        self.reopen()?;
        if let Some((file, _)) = &mut self.open {
            file.seek(SeekFrom::Start(offset))?;
        }
        Ok(())
    }

    /// Whole lines that were added since the last look.
    fn new_lines(&mut self) -> io::Result<Vec<String>> {
        let mut lines = self.read_open()?;
        // The file we have is read to its end before a newer one is begun.
        if fs::metadata(&self.path)
            .is_ok_and(|meta| self.open.as_ref().is_none_or(|(_, inode)| *inode != meta.ino()))
        {
            self.half.clear();
            self.reopen()?;
            lines.extend(self.read_open()?);
        }
        Ok(lines)
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.open = match File::open(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            file => {
                let file = file?;
                let inode = file.metadata()?.ino();
                Some((file, inode))
            }
        };
        Ok(())
    }

    fn read_open(&mut self) -> io::Result<Vec<String>> {
        let Some((file, _)) = &mut self.open else { return Ok(Vec::new()) };
        file.read_to_end(&mut self.half)?;
        let whole = self.half.iter().rposition(|byte| *byte == b'\n').map_or(0, |newline| newline + 1);
        let rest = self.half.split_off(whole);
        let whole = std::mem::replace(&mut self.half, rest);
        Ok(String::from_utf8_lossy(&whole).lines().map(str::to_owned).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn append(path: &Path, text: &str) {
        let mut file = fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
    }

    #[test]
    fn the_last_lines_reach_back_into_older_logs() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("daemon.log");
        assert_eq!(last_lines(&path, 5).unwrap(), (vec![], 0));
        append(&older(&path, 2), "1\n2\n");
        append(&older(&path, 1), "3\n");
        append(&path, "4\n5\nhal");
        let (lines, end) = last_lines(&path, 4).unwrap();
        assert_eq!((lines.join(" ").as_str(), end), ("2 3 4 5", 4));
        assert_eq!(last_lines(&path, 1).unwrap().0, ["5"]);
        assert_eq!(last_lines(&path, 99).unwrap().0.len(), 5);
    }

    #[test]
    fn following_goes_on_over_a_log_that_is_set_aside() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("daemon.log");
        let mut tail = Tail::new(path.clone());
        tail.skip_to(0).unwrap();
        assert!(tail.new_lines().unwrap().is_empty());
        append(&path, "1\n2");
        assert_eq!(tail.new_lines().unwrap(), ["1"]);
        append(&path, "2\n3\n");
        fs::rename(&path, older(&path, 1)).unwrap();
        append(&path, "4\n");
        assert_eq!(tail.new_lines().unwrap(), ["22", "3", "4"]);
    }
}
