//! The command line: flags, their ranges, and what is said of a bad one.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::str::FromStr;

use othello_engine::session::TrainConfig;
use resus_checkpoint::Compression;

/// Games between checkpoints by default: about four seconds on two processors.
const CHECKPOINT_EVERY: u64 = 64_000;
/// Games of the final evaluation against each rival by default.
const EVAL_GAMES: u64 = 1_000;

/// What `--help` prints.
pub(crate) const HELP: &str = "\
Trains an Othello evaluation by self-play, and measures it at the end.

Flags (default):
  --games N               games of self-play in all, 1 to 1000000000 (800000)
  --seed N                seed of everything random (1)
  --threads N             threads, 0 to 256; 0 is one per processor (0)
  --batch N               games between two updates, 1 to 4096 (512)
  --alpha X               learning rate at the start, 0.000001 to 1 (0.025)
  --epsilon X             probability of a random move, 0 to 1 (0.1)
  --lambda X              share of the later return in a target, 0 to 1 (0.7)
  --checkpoint-every N    games between checkpoints, 1 to 1000000000 (64000)
  --eval-games N          games against each rival at the end, 0 to 1000000 (1000)
  --checkpoint-dir DIR    where checkpoints go (PULSE_CHECKPOINT_DIR, else ./checkpoints)
  --compress-checkpoints X
                          how checkpoints are packed: none, lz4 (quick) or zstd (smaller) (none)
  --disk-share N          most of the time that saving may keep the disk busy, 1 to 100 percent
                          (PULSE_DISK_SHARE, else 100)
  --resume-from PATH      checkpoint to go on from (PULSE_RESUME_FROM)
  --help                  this text

Exit codes: 0 done or stopped on request (PULSE says which), 3 paused at a checkpoint and left,
75 failed and worth a retry, 125 failed for good.
";

/// What the command line asks for.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Request {
    /// The help text.
    Help,
    /// Training.
    Train(Options),
}

/// Everything a run is told.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Options {
    /// What the result depends on.
    pub config: TrainConfig,
    /// Threads; 0 is one per processor.
    pub threads: usize,
    /// Games between checkpoints.
    pub checkpoint_every: u64,
    /// Games of the final evaluation against each rival.
    pub eval_games: u64,
    /// How checkpoints are packed.
    pub compression: Compression,
    /// Most of the time that saving may keep the disk busy, in percent.
    pub disk_share: u8,
    /// Where checkpoints go, if the command line says so.
    pub checkpoint_dir: Option<PathBuf>,
    /// The checkpoint to go on from, if the command line says so.
    pub resume_from: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            config: TrainConfig::default(),
            threads: 0,
            checkpoint_every: CHECKPOINT_EVERY,
            eval_games: EVAL_GAMES,
            compression: Compression::None,
            disk_share: 100,
            checkpoint_dir: None,
            resume_from: None,
        }
    }
}

/// Why a command line is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FlagError {
    /// No such flag.
    #[error("unknown flag {flag}; --help lists those there are")]
    Unknown {
        /// As given.
        flag: String,
    },
    /// A flag at the end, without its value.
    #[error("{flag} needs a value: {allowed}")]
    MissingValue {
        /// The flag.
        flag: String,
        /// What it takes.
        allowed: String,
    },
    /// A value that is not allowed.
    #[error("{flag} {value} is not allowed: it takes {allowed}")]
    Value {
        /// The flag.
        flag: String,
        /// As given.
        value: String,
        /// What it takes.
        allowed: String,
    },
}

/// Reads the arguments after the program's (or worker's) name. A later flag wins over an earlier one.
pub(crate) fn parse(arguments: impl Iterator<Item = OsString>) -> Result<Request, FlagError> {
    let mut options = Options::default();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        let (flag, joined) = split_at_equals(&argument);
        if flag == "--help" || flag == "-h" {
            return Ok(Request::Help);
        }
        let mut value = Value { flag: &flag, joined, rest: &mut arguments };
        options.set(&mut value)?;
    }
    Ok(Request::Train(options))
}

/// The flags that the environment stands for; a command line behind them wins. `disk_share` is
/// `PULSE_DISK_SHARE`, the most of the time that saving may keep the disk busy, in percent.
pub(crate) fn from_environment(disk_share: Option<OsString>) -> impl Iterator<Item = OsString> {
    disk_share.into_iter().flat_map(|share| ["--disk-share".into(), share])
}

impl Options {
    fn set(&mut self, value: &mut Value<'_>) -> Result<(), FlagError> {
        let config = &mut self.config;
        match value.flag {
            "--games" => config.games = value.whole(1, 1_000_000_000)?,
            "--seed" => config.rules.seed = value.whole(0, u64::MAX)?,
            "--threads" => self.threads = value.whole(0, 256)?,
            "--batch" => config.batch = value.whole(1, 4_096)?,
            "--alpha" => config.alpha = value.real(0.000_001, 1.0)?,
            "--epsilon" => config.rules.epsilon = value.real(0.0, 1.0)? as f32,
            "--lambda" => config.rules.lambda = value.real(0.0, 1.0)? as f32,
            "--checkpoint-every" => self.checkpoint_every = value.whole(1, 1_000_000_000)?,
            "--eval-games" => self.eval_games = value.whole(0, 1_000_000)?,
            "--compress-checkpoints" => self.compression = value.compression()?,
            "--disk-share" => self.disk_share = value.whole(1, 100)?,
            "--checkpoint-dir" => self.checkpoint_dir = Some(value.path()?),
            "--resume-from" => self.resume_from = Some(value.path()?),
            _ => return Err(FlagError::Unknown { flag: value.flag.to_owned() }),
        }
        Ok(())
    }
}

/// `--flag=value` as its two parts; anything else is a flag without a value of its own.
fn split_at_equals(argument: &OsStr) -> (String, Option<OsString>) {
    let text = argument.to_string_lossy();
    match argument.to_str().and_then(|text| text.split_once('=')) {
        Some((flag, value)) => (flag.to_owned(), Some(value.into())),
        None => (text.into_owned(), None),
    }
}

/// The value of one flag, wherever it stands.
struct Value<'a> {
    flag: &'a str,
    joined: Option<OsString>,
    rest: &'a mut dyn Iterator<Item = OsString>,
}

impl Value<'_> {
    fn whole<T: TryFrom<u64>>(&mut self, least: u64, most: u64) -> Result<T, FlagError> {
        let allowed = format!("a whole number from {least} to {most}");
        self.number(&allowed, |number: &u64| (least..=most).contains(number))
            .and_then(|(number, value)| T::try_from(number).map_err(|_| self.bad(value, allowed)))
    }

    fn real(&mut self, least: f64, most: f64) -> Result<f64, FlagError> {
        let allowed = format!("a number from {least} to {most}");
        Ok(self.number(&allowed, |number: &f64| (least..=most).contains(number))?.0)
    }

    fn compression(&mut self) -> Result<Compression, FlagError> {
        let allowed = "one of none, lz4 and zstd";
        let value = self.take(allowed)?.to_string_lossy().into_owned();
        match value.as_str() {
            "none" => Ok(Compression::None),
            "lz4" => Ok(Compression::Lz4),
            "zstd" => Ok(Compression::Zstd),
            _ => Err(self.bad(value, allowed.to_owned())),
        }
    }

    fn path(&mut self) -> Result<PathBuf, FlagError> {
        let allowed = "a path";
        let value = self.take(allowed)?;
        if value.is_empty() {
            return Err(self.bad("\"\"".to_owned(), allowed.to_owned()));
        }
        Ok(value.into())
    }

    /// The number and the text it was read from.
    fn number<T: FromStr>(
        &mut self,
        allowed: &str,
        fits: impl Fn(&T) -> bool,
    ) -> Result<(T, String), FlagError> {
        let value = self.take(allowed)?.to_string_lossy().into_owned();
        match value.parse().ok().filter(fits) {
            Some(number) => Ok((number, value)),
            None => Err(self.bad(value, allowed.to_owned())),
        }
    }

    fn take(&mut self, allowed: &str) -> Result<OsString, FlagError> {
        let value = self.joined.take().or_else(|| self.rest.next());
        value.ok_or_else(|| FlagError::MissingValue {
            flag: self.flag.to_owned(),
            allowed: allowed.to_owned(),
        })
    }

    fn bad(&self, value: String, allowed: String) -> FlagError {
        FlagError::Value { flag: self.flag.to_owned(), value, allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, FlagError> {
        parse(line.split_whitespace().map(OsString::from))
    }

    fn options(line: &str) -> Options {
        match parsed(line) {
            Ok(Request::Train(options)) => options,
            other => panic!("{line}: {other:?}"),
        }
    }

    #[test]
    fn no_flags_give_the_defaults() {
        assert_eq!(options(""), Options::default());
    }

    #[test]
    fn every_flag_reaches_its_option_with_a_space_or_an_equals_sign() {
        let line = "--games 5 --seed=18446744073709551615 --threads 2 --batch=7 --alpha 0.5 --epsilon=0 \
                    --lambda 1 --checkpoint-every=9 --eval-games 0 --compress-checkpoints lz4 --disk-share=40 \
                    --checkpoint-dir=/c --resume-from /r";
        let options = options(line);
        let config = options.config;
        assert_eq!((config.games, config.batch, config.alpha), (5, 7, 0.5));
        assert_eq!((config.rules.seed, config.rules.epsilon, config.rules.lambda), (u64::MAX, 0.0, 1.0));
        assert_eq!((options.threads, options.checkpoint_every, options.eval_games), (2, 9, 0));
        assert_eq!((options.compression, options.disk_share), (Compression::Lz4, 40));
        assert_eq!(options.checkpoint_dir, Some("/c".into()));
        assert_eq!(options.resume_from, Some("/r".into()));
    }

    #[test]
    fn a_bad_value_is_refused_with_flag_value_and_range() {
        for line in [
            "--games 0",
            "--games -3",
            "--games ten",
            "--threads 257",
            "--batch=0",
            "--alpha nan",
            "--alpha inf",
            "--epsilon 1.5",
            "--lambda -0.1",
            "--eval-games 1e3",
        ] {
            let error = parsed(line).expect_err(line);
            let (flag, value) = line.split_once([' ', '=']).expect("a flag and a value");
            let text = error.to_string();
            assert!(text.starts_with(&format!("{flag} {value} is not allowed: it takes a ")), "{text}");
            assert!(text.contains(" to "), "{text}");
        }
    }

    #[test]
    fn unknown_flags_missing_values_and_empty_paths_are_refused() {
        assert_eq!(parsed("--gmaes 5"), Err(FlagError::Unknown { flag: "--gmaes".into() }));
        assert!(matches!(parsed("--games"), Err(FlagError::MissingValue { .. })));
        assert!(matches!(parsed("--compress-checkpoints best"), Err(FlagError::Value { .. })));
        assert!(matches!(parsed("--disk-share 0"), Err(FlagError::Value { .. })));
        assert!(matches!(parsed("--resume-from="), Err(FlagError::Value { .. })));
    }

    #[test]
    fn the_disk_share_of_the_environment_counts_unless_the_command_line_has_another() {
        let parsed = |share: Option<&str>, line: &str| {
            let environment = from_environment(share.map(OsString::from));
            parse(environment.chain(line.split_whitespace().map(OsString::from)))
        };
        let share = |request| match request {
            Ok(Request::Train(options)) => options.disk_share,
            other => panic!("{other:?}"),
        };
        assert_eq!(share(parsed(None, "--games 5")), 100);
        assert_eq!(share(parsed(Some("30"), "--games 5")), 30);
        assert_eq!(share(parsed(Some("30"), "--disk-share 50")), 50);
        assert!(matches!(parsed(Some("0"), ""), Err(FlagError::Value { .. })));
    }

    #[test]
    fn help_wins_over_what_follows_it_and_states_the_defaults() {
        assert_eq!(parsed("--help --nonsense"), Ok(Request::Help));
        let defaults = Options::default();
        for (flag, default) in [
            ("--games ", defaults.config.games.to_string()),
            ("--seed ", defaults.config.rules.seed.to_string()),
            ("--batch ", defaults.config.batch.to_string()),
            ("--alpha ", defaults.config.alpha.to_string()),
            ("--epsilon ", defaults.config.rules.epsilon.to_string()),
            ("--lambda ", defaults.config.rules.lambda.to_string()),
            ("--checkpoint-every ", defaults.checkpoint_every.to_string()),
            ("--eval-games ", defaults.eval_games.to_string()),
            ("--threads ", defaults.threads.to_string()),
        ] {
            let line = HELP.lines().find(|line| line.trim().starts_with(flag)).expect(flag);
            assert!(line.ends_with(&format!("({default})")), "{line} {default}");
        }
    }
}
