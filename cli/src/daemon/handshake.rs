//! Whether the daemon is of the same build as this command.

use crate::client::ClientError;
use crate::console::Console;
use crate::daemon::record::{Record, build_id};
use crate::daemon::start::locate;
use crate::render::parts::said;
use resus_store::StateDir;
use std::fs::File;
use std::io::{self, BufReader, Read};
use std::path::Path;

/// This process's program file, whatever has happened to its name since.
pub(crate) const OWN_PROGRAM: &str = "/proc/self/exe";
/// Bytes of the two program files compared at a time.
const COMPARED_BYTES: usize = 64 * 1024;

/// Says so if the daemon that answers is of another build. Programs are not told: with
/// `--json` standard error is for problems only.
///
/// # Errors
/// [`ClientError::Silent`]: it hangs. What else is wrong with it is met by the command itself,
/// which would wait for the same answer once more.
pub(crate) async fn tell(state: &StateDir, console: Console) -> Result<(), ClientError> {
    if !console.json
        && let Some(daemon) = other_build(state).await?
    {
        console.tell(&note(&daemon));
    }
    Ok(())
}

/// The living daemon's record if it is of another build than this process.
///
/// # Errors
/// [`ClientError::Silent`]: it may be, and hangs.
pub(crate) async fn other_build(state: &StateDir) -> Result<Option<Record>, ClientError> {
    let Some(daemon) = suspect(state) else { return Ok(None) };
    // A dead daemon leaves its record behind, and the next one will be of our build.
    match locate(state).health().await {
        Ok(()) | Err(ClientError::Foreign { .. }) => Ok(Some(daemon)),
        Err(error) if error.is_silence() => Err(error),
        Err(_) => Ok(None),
    }
}

/// The record of the last daemon, if it was of another build.
fn suspect(state: &StateDir) -> Option<Record> {
    let daemon = Record::read(state)?;
    let ours = build_id(Path::new(OWN_PROGRAM)).ok()?;
    if ours == daemon.build_id {
        return None;
    }
    // A copy has a date of its own; only now is it worth reading the two files.
    let theirs = format!("/proc/{}/exe", daemon.pid);
    let is_same = same_bytes(Path::new(OWN_PROGRAM), Path::new(&theirs)).unwrap_or(false);
    (!is_same).then_some(daemon)
}

fn note(daemon: &Record) -> String {
    let (pid, version) = (daemon.pid, said(&daemon.version));
    format!(
        "note: the daemon (pid {pid}, version {version}) is of another build than this command; restart it \
         safely with: resus daemon restart (trainings go on)\n"
    )
}

/// Whether two files have the same content.
fn same_bytes(a: &Path, b: &Path) -> io::Result<bool> {
    let (a, b) = (File::open(a)?, File::open(b)?);
    if a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (BufReader::new(a), BufReader::new(b));
    let (mut piece, mut other) = (Vec::new(), Vec::new());
    loop {
        piece.clear();
        other.clear();
        a.by_ref().take(COMPARED_BYTES as u64).read_to_end(&mut piece)?;
        b.by_ref().take(COMPARED_BYTES as u64).read_to_end(&mut other)?;
        if piece != other {
            return Ok(false);
        }
        if piece.is_empty() {
            return Ok(true);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use std::fs;

    #[test]
    fn a_copy_is_the_same_and_a_changed_byte_is_not() {
        let temp = tempfile::tempdir().unwrap();
        let [a, b, c, d] = ["a", "b", "c", "d"].map(|name| temp.path().join(name));
        let mut content = vec![7; COMPARED_BYTES * 2 + 5];
        fs::write(&a, &content).unwrap();
        fs::write(&b, &content).unwrap();
        *content.last_mut().unwrap() = 8;
        fs::write(&c, &content).unwrap();
        fs::write(&d, &content[1..]).unwrap();
        assert!(same_bytes(&a, &b).unwrap());
        assert!(!same_bytes(&a, &c).unwrap());
        assert!(!same_bytes(&c, &d).unwrap());
        assert!(same_bytes(&a, &temp.path().join("none")).is_err());
    }

    #[tokio::test]
    async fn only_a_daemon_that_lives_and_is_another_program_is_told() {
        let mut daemon = FakeDaemon::start();
        // It lives in this very process, so it is the same program, whatever its mark.
        assert_eq!(other_build(&daemon.state).await.unwrap(), None);
        let mut record = Record::read(&daemon.state).unwrap();
        record.pid = 1_u32 << 30;
        record.write(&daemon.state).unwrap();
        assert_eq!(other_build(&daemon.state).await.unwrap().as_ref(), Some(&record));
        record.build_id = build_id(Path::new(OWN_PROGRAM)).unwrap();
        record.write(&daemon.state).unwrap();
        assert_eq!(other_build(&daemon.state).await.unwrap(), None, "the same mark");
        record.build_id.clear();
        record.write(&daemon.state).unwrap();
        daemon.stop().await;
        assert_eq!(other_build(&daemon.state).await.unwrap(), None, "nobody answers");
    }

    #[test]
    fn the_note_is_one_line_with_a_command_to_type() {
        let record = Record {
            pid: 77,
            version: "0.0.9\u{1b}[2J".into(),
            build_id: String::new(),
            socket: "/s".into(),
            started_at: String::new(),
        };
        let note = note(&record);
        assert_eq!(note.lines().count(), 1, "{note}");
        assert!(
            note.contains("pid 77, version 0.0.9")
                && !note.contains('\u{1b}')
                && note.contains("with: resus daemon restart"),
            "{note}"
        );
    }
}
