//! The flags of the fake worker: what each one means, and what is wrong with a bad one.

use std::ffi::OsString;

use crate::script::{Crash, CrashHow, NanAt, Script, Shape, Stall};
use crate::values::{crash_how, depth, error_at, from_one, millis, nan_at, number, shape};

/// Printed for `--help`.
pub(crate) const USAGE: &str = "\
usage: resus worker fake [flags]
A scripted worker that behaves as badly as it is told to.

  --steps N              steps to do (20)
  --step-ms N            time per step (50)
  --slow-start MS        wait before the first PULSE word
  --print LINES          lines on stdout per step
  --checkpoint-every N   save and announce a checkpoint every N steps; resumes from PULSE_RESUME_FROM
  --checkpoint-as SHAPE  prsm, or as other frameworks write them: torch, safetensors, folder (prsm)
  --save-ms N            time that writing a checkpoint of another framework takes (0)
  --announce-early       announce such a checkpoint before it is written
  --crash-at STEP        die in the middle of this step
  --crash-how HOW        exit:CODE, signal:NAME or panic (exit:1)
  --crash-times K        die in the first K attempts only
  --corrupt-last         damage the newest checkpoint, then die
  --crash-in-save        die later: half-way through writing the checkpoint of that step
  --nan-at STEP[:after=STEPS][:hidden]
                         the numbers become NaN in this step; so many steps later say NAN_LOSS and die;
                         hidden: checkpoints say nothing of their health
  --nan-times K          break the numbers in the first K attempts only
  --stall-at STEP        stop progressing in this step, keep sending heartbeats
  --stall-times K        stall in the first K attempts only
  --error-at STEP:CODE[:fatal][:retry][:every=STEPS]
                         emit a PULSE error in this step, and every so many steps, and go on
  --exit-code N          exit code at the end (0)
  --no-done              end without run_complete
  --silent               speak no PULSE at all
  --ignore-term          swallow SIGTERM (and the first SIGINT)
  --ignore-stop          swallow the stop command
  --fork-tree DEPTH      leave children behind that escape the session and the process group
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Help,
    Play(Box<Script>),
    /// Be a stray child: `--sleep-forever [--tree N] [--own-session] [--ignore-term]`.
    Sleep(Sleeper),
}

/// A process that does nothing until it is killed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Sleeper {
    /// How many generations it still leaves behind.
    pub(crate) tree: u32,
    pub(crate) own_session: bool,
    pub(crate) ignore_term: bool,
}

/// Why a command line is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFlag {
    #[error("unknown flag {0}")]
    Unknown(String),
    #[error("{0} needs a value")]
    ValueMissing(String),
    #[error("{0} takes no value")]
    ValueUnwanted(String),
    #[error("{flag} {value}: {reason}")]
    Value { flag: String, value: String, reason: String },
    #[error("{flag} means nothing without {needs}")]
    Alone { flag: &'static str, needs: &'static str },
    #[error("--crash-in-save: no checkpoint is due at step {0}")]
    NoSave(u64),
    #[error("{0:?} is not valid UTF-8")]
    NotText(OsString),
}

/// Reads the arguments after the worker's name. A flag given twice counts as given last.
pub(crate) fn parse(args: impl Iterator<Item = OsString>) -> Result<Request, BadFlag> {
    let mut draft = Draft::default();
    let mut args = args;
    while let Some(arg) = args.next() {
        let arg = text(arg)?;
        let (flag, attached) = match arg.split_once('=') {
            Some((flag, value)) => (flag, Some(value)),
            None => (arg.as_str(), None),
        };
        if draft.switch(flag) {
            if attached.is_some() {
                return Err(BadFlag::ValueUnwanted(flag.to_owned()));
            }
            continue;
        }
        let setter = Draft::setter(flag).ok_or_else(|| BadFlag::Unknown(flag.to_owned()))?;
        let value = match attached {
            Some(value) => value.to_owned(),
            None => text(args.next().ok_or_else(|| BadFlag::ValueMissing(flag.to_owned()))?)?,
        };
        setter(&mut draft, &value).map_err(|reason| BadFlag::Value {
            flag: flag.to_owned(),
            value,
            reason,
        })?;
    }
    draft.finish()
}

fn text(arg: OsString) -> Result<String, BadFlag> {
    arg.into_string().map_err(BadFlag::NotText)
}

/// Flags read so far. Those that only mean something together are put together at the end.
#[derive(Default)]
struct Draft {
    script: Script,
    help: bool,
    sleep_forever: bool,
    sleeper: Sleeper,
    crash_at: Option<u64>,
    crash_how: Option<CrashHow>,
    crash_times: Option<u32>,
    corrupt_last: bool,
    crash_in_save: bool,
    nan_at: Option<NanAt>,
    nan_times: Option<u32>,
    stall_at: Option<u64>,
    stall_times: Option<u32>,
}

/// The error says what the value should have been.
type Setter = fn(&mut Draft, &str) -> Result<(), String>;

impl Draft {
    /// Takes a flag without a value; `false` if it is none.
    fn switch(&mut self, flag: &str) -> bool {
        let switch = match flag {
            "--help" | "-h" => &mut self.help,
            "--corrupt-last" => &mut self.corrupt_last,
            "--crash-in-save" => &mut self.crash_in_save,
            "--announce-early" => &mut self.script.announce_early,
            "--no-done" => &mut self.script.no_done,
            "--silent" => &mut self.script.silent,
            "--ignore-term" => &mut self.script.ignore_term,
            "--ignore-stop" => &mut self.script.ignore_stop,
            "--sleep-forever" => &mut self.sleep_forever,
            "--own-session" => &mut self.sleeper.own_session,
            _ => return false,
        };
        *switch = true;
        true
    }

    /// What to do with the value of a flag that has one.
    fn setter(flag: &str) -> Option<Setter> {
        let setter: Setter = match flag {
            "--steps" => |draft, value| number(value).map(|steps| draft.script.steps = steps),
            "--step-ms" => |draft, value| millis(value).map(|time| draft.script.step_time = time),
            "--slow-start" => |draft, value| millis(value).map(|time| draft.script.slow_start = time),
            "--print" => |draft, value| number(value).map(|lines| draft.script.print_lines = lines),
            "--checkpoint-every" => {
                |draft, value| from_one(value).map(|steps| draft.script.checkpoint_every = Some(steps))
            }
            "--crash-at" => |draft, value| from_one(value).map(|step| draft.crash_at = Some(step)),
            "--crash-how" => |draft, value| crash_how(value).map(|how| draft.crash_how = Some(how)),
            "--crash-times" => |draft, value| number(value).map(|times| draft.crash_times = Some(times)),
            "--checkpoint-as" => |draft, value| shape(value).map(|shape| draft.script.shape = shape),
            "--save-ms" => |draft, value| millis(value).map(|time| draft.script.save_time = time),
            "--nan-at" => |draft, value| nan_at(value).map(|nan| draft.nan_at = Some(nan)),
            "--nan-times" => |draft, value| number(value).map(|times| draft.nan_times = Some(times)),
            "--stall-at" => |draft, value| from_one(value).map(|step| draft.stall_at = Some(step)),
            "--stall-times" => |draft, value| number(value).map(|times| draft.stall_times = Some(times)),
            "--error-at" => |draft, value| error_at(value).map(|error| draft.script.error = Some(error)),
            "--exit-code" => |draft, value| number(value).map(|code| draft.script.exit_code = code),
            "--fork-tree" => |draft, value| depth(value).map(|tree| draft.script.fork_tree = tree),
            "--tree" => |draft, value| depth(value).map(|tree| draft.sleeper.tree = tree),
            _ => return None,
        };
        Some(setter)
    }

    fn finish(self) -> Result<Request, BadFlag> {
        if self.help {
            return Ok(Request::Help);
        }
        self.check()?;
        let mut script = self.script;
        if self.sleep_forever {
            return Ok(Request::Sleep(Sleeper { ignore_term: script.ignore_term, ..self.sleeper }));
        }
        script.crash = self.crash_at.map(|step| Crash {
            step,
            how: self.crash_how.unwrap_or(CrashHow::Exit(1)),
            times: self.crash_times,
            corrupt_last: self.corrupt_last,
            in_save: self.crash_in_save,
        });
        script.stall = self.stall_at.map(|step| Stall { step, times: self.stall_times });
        script.nan = self.nan_at.map(|nan| NanAt { times: self.nan_times, ..nan });
        Ok(Request::Play(Box::new(script)))
    }

    /// Whether every flag has what it means something with.
    fn check(&self) -> Result<(), BadFlag> {
        let needs = |given: bool, flag, needed: bool, needs| {
            if given && !needed { Err(BadFlag::Alone { flag, needs }) } else { Ok(()) }
        };
        let crash = self.crash_at.is_some();
        needs(self.crash_how.is_some(), "--crash-how", crash, "--crash-at")?;
        needs(self.crash_times.is_some(), "--crash-times", crash, "--crash-at")?;
        needs(self.corrupt_last, "--corrupt-last", crash, "--crash-at")?;
        let checkpoints = self.script.checkpoint_every.is_some();
        needs(self.corrupt_last, "--corrupt-last", checkpoints, "--checkpoint-every")?;
        needs(self.stall_times.is_some(), "--stall-times", self.stall_at.is_some(), "--stall-at")?;
        needs(self.sleeper.tree > 0, "--tree", self.sleep_forever, "--sleep-forever")?;
        needs(self.sleeper.own_session, "--own-session", self.sleep_forever, "--sleep-forever")?;
        needs(self.nan_times.is_some(), "--nan-times", self.nan_at.is_some(), "--nan-at")?;
        needs(self.crash_in_save, "--crash-in-save", crash, "--crash-at")?;
        needs(self.crash_in_save, "--crash-in-save", checkpoints, "--checkpoint-every")?;
        // Our own format is written by its library, of which only the whole is seen.
        let foreign = self.script.shape != Shape::Prsm;
        let shapes = "--checkpoint-as torch, safetensors or folder";
        needs(self.crash_in_save, "--crash-in-save", foreign, shapes)?;
        needs(!self.script.save_time.is_zero(), "--save-ms", foreign, shapes)?;
        needs(self.script.announce_early, "--announce-early", foreign, shapes)?;
        match self.crash_at.filter(|step| self.crash_in_save && !self.script.checkpoint_after(*step)) {
            Some(step) => Err(BadFlag::NoSave(step)),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::ErrorAt;
    use std::os::unix::ffi::OsStringExt;
    use std::time::Duration;

    fn parsed(line: &str) -> Result<Request, BadFlag> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn refused(line: &str) -> String {
        parsed(line).expect_err(line).to_string()
    }

    #[test]
    fn without_flags_it_behaves() {
        assert_eq!(parsed(""), Ok(Request::Play(Box::default())));
    }

    #[test]
    fn every_flag_reaches_the_script() {
        let line = "--steps 9 --step-ms 0 --slow-start=70 --print 2 --checkpoint-every 3 --crash-at 6 \
            --crash-how signal:KILL --crash-times 2 --corrupt-last --crash-in-save --stall-at 4 --stall-times 1 \
            --error-at 2:DISK_FULL --nan-at 7:after=2 --nan-times 3 --checkpoint-as folder --save-ms 40 \
            --announce-early --exit-code 75 --no-done --silent --ignore-term --ignore-stop --fork-tree 2";
        let script = Script {
            steps: 9,
            step_time: Duration::ZERO,
            slow_start: Duration::from_millis(70),
            crash: Some(Crash {
                step: 6,
                how: CrashHow::Signal(9),
                times: Some(2),
                corrupt_last: true,
                in_save: true,
            }),
            stall: Some(Stall { step: 4, times: Some(1) }),
            error: Some(ErrorAt {
                step: 2,
                every: 0,
                code: "DISK_FULL".into(),
                fatal: false,
                is_retryable: false,
            }),
            nan: Some(NanAt { step: 7, after: 2, is_hidden: false, times: Some(3) }),
            checkpoint_every: Some(3),
            shape: Shape::Folder,
            save_time: Duration::from_millis(40),
            announce_early: true,
            print_lines: 2,
            exit_code: 75,
            ignore_term: true,
            ignore_stop: true,
            silent: true,
            no_done: true,
            fork_tree: 2,
        };
        assert_eq!(parsed(line), Ok(Request::Play(Box::new(script))));
    }

    #[test]
    fn a_stray_child_is_told_apart_from_a_worker() {
        let sleeper = Sleeper { tree: 1, own_session: true, ignore_term: true };
        let line = "--sleep-forever --tree 1 --own-session --ignore-term";
        assert_eq!(parsed(line), Ok(Request::Sleep(sleeper)));
    }

    #[test]
    fn every_flag_is_in_the_help() {
        assert_eq!(parsed("--steps 3 --help"), Ok(Request::Help));
        let words = USAGE.split_whitespace().filter(|word| word.starts_with("--"));
        for flag in words {
            let known = Draft::setter(flag).is_some() || Draft::default().switch(flag);
            assert!(known, "the help names {flag}, which is not a flag");
        }
    }

    #[test]
    fn a_bad_flag_is_refused_with_a_reason() {
        assert_eq!(refused("--stepz 3"), "unknown flag --stepz");
        assert_eq!(refused("20"), "unknown flag 20");
        assert_eq!(refused("--steps"), "--steps needs a value");
        assert_eq!(refused("--silent=yes"), "--silent takes no value");
        assert_eq!(refused("--steps many"), "--steps many: invalid digit found in string");
        assert_eq!(refused("--crash-at=0"), "--crash-at 0: counts from 1");
        let odd = parse(std::iter::once(OsString::from_vec(vec![0xff])));
        assert!(matches!(odd, Err(BadFlag::NotText(_))));
    }

    #[test]
    fn a_flag_that_means_nothing_alone_is_refused() {
        assert_eq!(refused("--crash-how panic"), "--crash-how means nothing without --crash-at");
        assert_eq!(
            refused("--crash-at 3 --corrupt-last"),
            "--corrupt-last means nothing without --checkpoint-every"
        );
        assert_eq!(refused("--stall-times 1"), "--stall-times means nothing without --stall-at");
        assert_eq!(refused("--nan-times 1"), "--nan-times means nothing without --nan-at");
        let foreign = "means nothing without --checkpoint-as torch, safetensors or folder";
        assert_eq!(refused("--announce-early"), format!("--announce-early {foreign}"));
        assert_eq!(refused("--checkpoint-as prsm --save-ms 5"), format!("--save-ms {foreign}"));
        assert_eq!(
            refused("--crash-at 4 --checkpoint-every 3 --checkpoint-as torch --crash-in-save"),
            "--crash-in-save: no checkpoint is due at step 4"
        );
        assert_eq!(refused("--tree 1"), "--tree means nothing without --sleep-forever");
    }
}
