//! Plays a script: the loop of a small trainer, with its misdeeds where the script has them.

mod saving;

use std::error::Error;
use std::io::Write;
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use resus_sdk::{ErrorReport, Outcome, Progress, Pulse, RunComplete, Status, Unit};

use crate::asked::Asked;
use crate::script::{Crash, CrashHow, Script};
use crate::state::{State, damage};

/// How long a rest goes on before commands and signals are looked at again.
const ATTENTION: Duration = Duration::from_millis(10);
/// A worker that holds or stalls says this often that it lives.
const HEARTBEAT_INTERVAL: Duration = Duration::from_millis(500);
/// Exit code: paused at a checkpoint.
const EXIT_PAUSED: u8 = 3;
/// Exit code: permanent, do not retry.
pub(crate) const EXIT_PERMANENT: u8 = 125;
const EXIT_FAILED: u8 = 1;

/// How the process is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Exit(u8),
    Crash(CrashHow),
}

/// One attempt of the fake worker.
pub(crate) struct Run<'a, W> {
    script: &'a Script,
    pulse: &'a Pulse,
    out: W,
    start: Instant,
    asked: Asked,
    state: State,
    session_start: u64,
    newest_checkpoint: Option<PathBuf>,
}

impl<'a, W: Write> Run<'a, W> {
    pub(crate) fn new(script: &'a Script, pulse: &'a Pulse, out: W) -> Self {
        Self {
            script,
            pulse,
            out,
            start: Instant::now(),
            asked: Asked { step_time: Some(script.step_time), ..Asked::default() },
            state: State::default(),
            session_start: 0,
            newest_checkpoint: pulse.resume_from().map(PathBuf::from),
        }
    }

    /// Plays the script to its end.
    pub(crate) fn play(mut self) -> Ending {
        self.rest(self.script.slow_start, Asked::must_leave);
        if let Err(ending) = self.prepare() {
            return ending;
        }
        self.pulse.status(Status::Running, &format!("from step {}", self.session_start));
        while self.state.step < self.script.steps {
            if let ControlFlow::Break(ending) = self.step() {
                return ending;
            }
        }
        self.end(Outcome::Success, self.script.exit_code)
    }

    fn prepare(&mut self) -> Result<(), Ending> {
        if self.script.checkpoint_every.is_some() && self.pulse.checkpoint_dir().is_none() {
            let message = "--checkpoint-every needs PULSE_CHECKPOINT_DIR";
            return Err(self.fail("CONFIG_INVALID", message, EXIT_PERMANENT));
        }
        if let Some(path) = self.pulse.resume_from() {
            self.state = State::resume(path).map_err(|error| {
                let message = format!("cannot resume from {}: {}", path.display(), with_causes(&error));
                self.fail("CHECKPOINT_CORRUPT", &message, EXIT_FAILED)
            })?;
        }
        self.session_start = self.state.step;
        Ok(())
    }

    /// One step; `Break` if the attempt ends in the middle of it.
    fn step(&mut self) -> ControlFlow<Ending> {
        let (step, attempt) = (self.state.step + 1, self.pulse.attempt());
        self.rest(self.asked.step_time.unwrap_or_default(), Asked::is_pressing);
        if self.script.stalls_in(step, attempt) {
            self.live_until(Asked::must_leave);
        }
        self.do_what_was_asked()?;
        if let Some(crash) = self.script.crash_in(step, attempt, false) {
            return ControlFlow::Break(self.crash(crash));
        }
        self.state.advance();
        if self.script.breaks_in(step, attempt) {
            self.state.poison();
        }
        self.print();
        self.report();
        if self.script.checkpoint_after(step) {
            self.save()?;
        }
        if self.state.is_poisoned() && self.script.notices_in(step) {
            let message = format!("loss is NaN in step {step}");
            return ControlFlow::Break(self.fail("NAN_LOSS", &message, EXIT_FAILED));
        }
        ControlFlow::Continue(())
    }

    fn do_what_was_asked(&mut self) -> ControlFlow<Ending> {
        if std::mem::take(&mut self.asked.save) {
            self.save()?;
        }
        if self.asked.hold && !self.asked.must_leave() {
            self.save()?;
            self.pulse.status(Status::Paused, &format!("holding at step {}", self.state.step));
            self.live_until(|asked| !asked.hold || asked.must_leave());
            if !self.asked.must_leave() {
                self.pulse.status(Status::Running, &format!("on from step {}", self.state.step));
            }
        }
        if self.asked.stop {
            self.save()?;
            return ControlFlow::Break(self.end(Outcome::Cancelled, 0));
        }
        // Without a checkpoint there is nothing to come back to: then the work goes on.
        if std::mem::take(&mut self.asked.release) && self.save()? {
            self.pulse.status(Status::Paused, &format!("released at step {}", self.state.step));
            return ControlFlow::Break(Ending::Exit(EXIT_PAUSED));
        }
        ControlFlow::Continue(())
    }

    /// Says what the finished step has to say.
    #[expect(clippy::cast_precision_loss, reason = "steps are few")]
    fn report(&self) {
        let step = self.state.step;
        self.pulse.progress(Progress {
            step: Some(step),
            total_steps: Some(self.script.steps),
            done: Some(step as f64),
            total: Some(self.script.steps as f64),
            session_start: Some(self.session_start as f64),
            loss: Some(self.state.loss()),
            ..Progress::of(Unit::Step)
        });
        self.pulse.metrics(Some(step), &[("loss", self.state.loss())]);
        if let Some(error) = self.script.error_in(step) {
            // The same words each time, as a loop over bad samples has them.
            let message = if error.every > 0 {
                "scripted error".into()
            } else {
                format!("scripted error in step {step}")
            };
            self.pulse.error(&ErrorReport {
                error_code: &error.code,
                message: &message,
                is_retryable: error.is_retryable,
                fatal: error.fatal,
                ..ErrorReport::default()
            });
        }
    }

    /// A reader that has gone away is no reason to end.
    fn print(&mut self) {
        let (step, lines) = (self.state.step, self.script.print_lines);
        for line in 1..=lines {
            let _ = writeln!(self.out, "step {step} line {line} of {lines}");
        }
        let _ = self.out.flush();
    }

    /// The worker's word on its own end, unless the script forbids it.
    fn end(&self, status: Outcome, code: u8) -> Ending {
        if !self.script.no_done {
            self.pulse.run_complete(&RunComplete {
                final_loss: Some(self.state.loss()),
                duration_seconds: Some(self.start.elapsed().as_secs_f64()),
                metrics: &[("digest", self.state.short_digest().into())],
                ..RunComplete::with(status)
            });
        }
        Ending::Exit(code)
    }

    fn crash(&self, crash: &Crash) -> Ending {
        if let (true, Some(path)) = (crash.corrupt_last, &self.newest_checkpoint)
            && let Err(error) = damage(path)
        {
            let message = format!("cannot damage {}: {error}", path.display());
            return self.fail("APP_SCRIPT", &message, EXIT_PERMANENT);
        }
        Ending::Crash(crash.how)
    }

    fn fail(&self, code: &str, message: &str, exit_code: u8) -> Ending {
        self.complain(code, message, true);
        Ending::Exit(exit_code)
    }

    fn complain(&self, code: &str, message: &str, fatal: bool) {
        let _ = writeln!(std::io::stderr(), "fake worker: {message}");
        // Another attempt may begin from an older checkpoint, or find room on the disk.
        let is_retryable = code.starts_with("CHECKPOINT_") || code == "NAN_LOSS";
        self.pulse.error(&ErrorReport {
            error_code: code,
            message,
            is_retryable,
            fatal,
            ..ErrorReport::default()
        });
    }

    /// Does nothing but live.
    fn live_until(&mut self, done: fn(&Asked) -> bool) {
        while !done(&self.asked) {
            self.pulse.heartbeat();
            self.rest(HEARTBEAT_INTERVAL, done);
        }
    }

    /// Lets `time` pass, or less if `enough` is asked for. Always listens at least once.
    fn rest(&mut self, time: Duration, enough: fn(&Asked) -> bool) {
        let start = Instant::now();
        loop {
            self.listen();
            let left = time.saturating_sub(start.elapsed());
            if left.is_zero() || enough(&self.asked) {
                return;
            }
            std::thread::sleep(left.min(ATTENTION));
        }
    }

    fn listen(&mut self) {
        while let Some(command) = self.pulse.take_command() {
            self.asked.hear(&command, self.script.ignore_stop);
        }
        self.asked.stop |= self.pulse.stop_signalled() && !self.script.ignore_term;
    }
}

/// An error and what caused it, on one line.
fn with_causes(error: &dyn Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| (*cause).source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}

#[cfg(test)]
mod tests;
