//! A process that saves one checkpoint, to be killed while it does: this program itself.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, ExitCode, Stdio};
use std::time::{Duration, Instant};

use resus_checkpoint::SaveOptions;
use rustix::process::Signal;

use super::CheckpointBenchError;
use super::state::State;
use crate::rig::{Fault, this_program};

/// First argument of such a process.
const VICTIM: &str = "checkpoint-victim";
/// What it says just before it saves, and when the checkpoint is durable.
const SAVING: &str = "saving";
const SAVED: &str = "saved";

/// A living victim. Dropped, it is killed.
#[derive(Debug)]
pub struct Victim {
    child: Child,
    lines: BufReader<ChildStdout>,
    saving_since: Instant,
}

impl Victim {
    /// Starts one, and returns when it begins to save a checkpoint of so many bytes.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn start(folder: &Path, games: u64, bytes: usize) -> Result<Self, Fault> {
        let program = this_program()?;
        let mut command = Command::new(&program);
        command.arg(VICTIM).arg(folder).args([games.to_string(), bytes.to_string()]);
        command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().map_err(Fault::io("start", &program))?;
        let lines = child.stdout.take().map(BufReader::new);
        let Some(lines) = lines else { return Err(Fault::wrong("a process has no standard output")) };
        let mut victim = Self { child, lines, saving_since: Instant::now() };
        victim.hear(SAVING)?;
        victim.saving_since = Instant::now();
        Ok(victim)
    }

    /// Waits until the checkpoint is durable. Returns how long the save took.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn finish(mut self) -> Result<Duration, Fault> {
        self.hear(SAVED)?;
        Ok(self.saving_since.elapsed())
    }

    /// Kills it so long after it began to save. Returns whether the save was still under way.
    ///
    /// # Errors
    /// [`Fault`]: it ended before that by itself, which it never should.
    pub fn kill_after(mut self, delay: Duration) -> Result<bool, Fault> {
        std::thread::sleep(delay.saturating_sub(self.saving_since.elapsed()));
        self.child.kill().map_err(Fault::io("kill", VICTIM))?;
        let status = self.child.wait().map_err(Fault::io("wait for", VICTIM))?;
        if status.signal() != Some(Signal::KILL.as_raw()) {
            return Err(Fault::wrong(format!("a process that saved ended with {status}")));
        }
        let mut said = String::new();
        self.lines.read_to_string(&mut said).map_err(Fault::io("hear", VICTIM))?;
        Ok(said.is_empty())
    }

    fn hear(&mut self, word: &str) -> Result<(), Fault> {
        let mut line = String::new();
        self.lines.read_line(&mut line).map_err(Fault::io("hear", VICTIM))?;
        if line.trim_end() == word {
            return Ok(());
        }
        Err(Fault::wrong(format!("a process that saves said {line:?} instead of {word:?}")))
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // It may have ended; nobody else waits for it.
        let _gone_already = self.child.kill();
        let _gone_already = self.child.wait();
    }
}

/// Lives the life of a victim if the arguments of this process are those of one.
pub fn live_if_asked(arguments: &[String]) -> Option<ExitCode> {
    let [first, folder, games, bytes] = arguments else { return None };
    if first != VICTIM {
        return None;
    }
    let life = live(Path::new(folder), games.parse().ok()?, bytes.parse().ok()?);
    Some(match life {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: a process that saves failed: {}", crate::with_sources(&error));
            ExitCode::FAILURE
        }
    })
}

fn live(folder: &Path, games: u64, bytes: usize) -> Result<(), CheckpointBenchError> {
    let state = State::noise(&[bytes]);
    let say = |word: &str| {
        let mut output = io::stdout().lock();
        let said = writeln!(output, "{word}").and_then(|()| output.flush());
        said.map_err(CheckpointBenchError::io("write to", "standard output"))
    };
    say(SAVING)?;
    state.save(folder, games, &SaveOptions::default())?;
    say(SAVED)?;
    // Until it is killed, or whoever started it is gone.
    let waited = io::stdin().lock().read(&mut [0]);
    waited.map(drop).map_err(CheckpointBenchError::io("read", "standard input"))
}
