//! One attempt of the watcher: looks at the file until the training in it is over.

use crate::EXIT_PERMANENT;
use crate::file::read;
use crate::flags::Flags;
use crate::successor::{Succession, state_of};
use crate::watcher::{Watcher, Word};
use resus_core::pulse::v1::reader::STALE_MESSAGE;
use resus_core::pulse::v1::{SnapshotV1, StatusV1};
use resus_sdk::{
    Command, Environment, ErrorReport, Outcome, Progress, Pulse, RunComplete, Status, Unit, Verb,
};
use std::ffi::OsString;
use std::io::{self, Write};
use std::path::Path;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Between two attempts to hand in the run of the next training.
const HAND_IN_INTERVAL: Duration = Duration::from_secs(2);
/// While it is paused, the watcher says this often that it is there.
const BEAT_INTERVAL: Duration = Duration::from_secs(10);

/// Error code of a training that said `error`: v1 has no codes.
const TRAINING_FAILED: &str = "APP_V1_ERROR";

/// One attempt.
pub(crate) struct Run<'a> {
    pulse: &'a Pulse,
    file: &'a Path,
    watcher: Watcher,
    succession: Option<Succession>,
    start: Instant,
    /// Epochs done when the training was first seen.
    session_start: f64,
    /// What could not be read, as it was told last.
    unread: String,
}

impl<'a> Run<'a> {
    pub(crate) fn new(pulse: &'a Pulse, flags: &'a Flags, program: OsString) -> Self {
        let state = Environment::from_process().events.as_deref().and_then(state_of);
        let succession = state.zip(pulse.training_id()).map(|(state, run_id)| Succession {
            program,
            run_id: run_id.to_owned(),
            state,
            file: flags.file.clone(),
            name: flags.name.clone(),
        });
        let watcher = Watcher::new(flags.after);
        let (start, unread) = (Instant::now(), String::new());
        Self { pulse, file: &flags.file, watcher, succession, start, session_start: 0.0, unread }
    }

    /// Watches until the training is over or somebody wants the watching to end; the exit code.
    pub(crate) fn watch(mut self) -> u8 {
        self.wait_for_a_training("");
        loop {
            if self.rest() {
                return self.leave();
            }
            let content = match read(self.file) {
                Ok(content) => content,
                Err(error) => {
                    self.tell_unread(&error);
                    None
                }
            };
            let (now_ms, now_unix_s) = (self.now_ms(), unix_s());
            for word in self.watcher.look(now_ms, now_unix_s, content.as_deref()) {
                if let Some(exit) = self.say(&word) {
                    return exit;
                }
            }
        }
    }

    fn now_ms(&self) -> u64 {
        u64::try_from(self.start.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn wait_for_a_training(&self, said: &str) {
        let behind = if said.is_empty() { String::new() } else { format!(" (the last said: {said})") };
        let file = self.file.display();
        let message = match self.file.try_exists() {
            Ok(false) => format!("waiting for the file {file}, which is not there"),
            Ok(true) | Err(_) => format!("waiting for a training in {file}{behind}"),
        };
        self.pulse.status(Status::Preparing, &message);
    }

    fn tell_unread(&mut self, error: &io::Error) {
        let text = error.to_string();
        if self.unread != text {
            log(&format!("{} can't be read: {text}", self.file.display()));
            self.unread = text;
        }
    }

    /// Rests until the next look, and does what it is asked for meanwhile. Whether it is to end.
    fn rest(&self) -> bool {
        loop {
            if self.pulse.stop_requested() {
                return true;
            }
            let left = self.watcher.next_look_ms().saturating_sub(self.now_ms());
            if left == 0 {
                return false;
            }
            if let Some(command) = self.pulse.wait_command(Duration::from_millis(left)) {
                self.obey(&command);
            }
        }
    }

    fn obey(&self, command: &Command) {
        let releases = command.arguments.get("release").and_then(|value| value.as_bool()) == Some(true);
        match command.verb {
            // It has nothing to save, so it does not leave for a pause by itself.
            Verb::Pause if !releases => self.hold(),
            Verb::Checkpoint => self.pulse.error(&ErrorReport {
                error_code: "CHECKPOINT_SAVE_FAILED",
                message: "a training that is only watched can't be asked for a checkpoint",
                ..ErrorReport::default()
            }),
            Verb::Pause | Verb::Stop | Verb::Resume | Verb::Configure => {}
        }
    }

    /// Looks away until it is asked to go on or to stop.
    fn hold(&self) {
        self.pulse.status(Status::Paused, "looking away; the training itself goes on");
        while !self.pulse.stop_requested() {
            match self.pulse.wait_command(BEAT_INTERVAL) {
                Some(command) if command.verb == Verb::Resume => break,
                Some(_) => {}
                None => self.pulse.heartbeat(),
            }
        }
        if self.watcher.has_begun() && !self.pulse.stop_requested() {
            self.pulse.status(Status::Running, "looking again");
        }
    }

    /// Says a word; the exit code if it was the last one.
    fn say(&mut self, word: &Word) -> Option<u8> {
        match word {
            Word::Warning(text) => log(text),
            Word::Waiting(said) => self.wait_for_a_training(said),
            Word::Begun(snapshot) => {
                self.session_start = snapshot.epoch;
                self.pulse.status(Status::Running, &snapshot.message);
                self.progress(snapshot);
            }
            Word::Progress(snapshot) => self.progress(snapshot),
            Word::Beat => self.pulse.heartbeat(),
            Word::Stale(snapshot) => {
                self.progress(snapshot);
                self.pulse.error(&ErrorReport {
                    error_code: "HUNG",
                    message: STALE_MESSAGE,
                    is_retryable: true,
                    ..ErrorReport::default()
                });
            }
            Word::Alive => self.pulse.status(Status::Running, "the status file moves again"),
            Word::Ended(snapshot) => return Some(self.end(snapshot)),
        }
        None
    }

    fn progress(&self, snapshot: &SnapshotV1) {
        // In v1, 0 stands for what is not known.
        let known = |number: f64| (number != 0.0).then_some(number);
        self.pulse.progress(Progress {
            epoch: Some(snapshot.epoch),
            total_epochs: known(snapshot.total_epochs),
            done: Some(snapshot.epoch),
            total: known(snapshot.total_epochs),
            session_start: Some(self.session_start),
            loss: known(snapshot.loss),
            message: Some(snapshot.message.clone()),
            ..Progress::of(Unit::Epoch)
        });
        if let Some(loss) = known(snapshot.loss) {
            self.pulse.metrics(None, &[("loss", loss)]);
        }
    }

    /// The training is over: hands in the run of the next one, and says how this one ended.
    fn end(&self, snapshot: &SnapshotV1) -> u8 {
        self.progress(snapshot);
        self.hand_in(snapshot.timestamp);
        let outcome = if snapshot.status == StatusV1::Done { Outcome::Success } else { Outcome::Failed };
        if outcome == Outcome::Failed {
            self.pulse.error(&ErrorReport {
                error_code: TRAINING_FAILED,
                message: &snapshot.message,
                fatal: true,
                ..ErrorReport::default()
            });
        }
        self.pulse.run_complete(&RunComplete {
            epochs_completed: Some(snapshot.epoch),
            final_loss: (snapshot.loss != 0.0).then_some(snapshot.loss),
            duration_seconds: Some(self.start.elapsed().as_secs_f64()),
            ..RunComplete::with(outcome)
        });
        if outcome == Outcome::Success { 0 } else { EXIT_PERMANENT }
    }

    /// Tries until there is a successor: without one the next training would not be seen. Whoever
    /// stops the watching does not want one.
    fn hand_in(&self, after: u64) {
        let Some(succession) = &self.succession else {
            return log("not under a supervisor: the next training is not watched");
        };
        while !self.pulse.stop_requested() {
            let Err(error) = succession.hand_in(after) else { return };
            log(&format!("the run of the next training is not there yet: {error}"));
            self.pulse.heartbeat();
            let _ = self.pulse.wait_command(HAND_IN_INTERVAL);
        }
    }

    /// Somebody wants the watching to end. The training goes on.
    fn leave(&self) -> u8 {
        self.pulse.run_complete(&RunComplete::with(Outcome::Cancelled));
        0
    }
}

fn unix_s() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs()
}

/// A line of the output. Nobody can be told that this failed, so nobody is.
fn log(text: &str) {
    let _ = writeln!(io::stderr(), "v1 watcher: {text}");
}
