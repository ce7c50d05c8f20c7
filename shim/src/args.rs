//! The shim's command line.

use std::ffi::{OsStr, OsString};
use std::path::PathBuf;

use crate::output;

/// What the daemon starts a shim with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) run_id: String,
    pub(crate) run_dir: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) control: PathBuf,
    /// The notify socket, if there is to be one.
    pub(crate) notify: Option<PathBuf>,
    /// Program and arguments that start a daemon.
    pub(crate) revive: Option<Vec<String>>,
    /// Bytes of output that an attempt keeps; 0 = all.
    pub(crate) output_cap: u64,
}

/// A command line that is not one of ours.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ArgsError {
    #[error("unknown argument {0:?}")]
    Unknown(OsString),
    #[error("{0} needs a value")]
    NoValue(&'static str),
    #[error("{0} is given twice")]
    Twice(&'static str),
    #[error("{0} is missing")]
    Missing(&'static str),
    #[error("{0} must be an absolute path")]
    Relative(&'static str),
    #[error("{0} is not valid UTF-8")]
    NotText(&'static str),
    #[error("--revive is not a JSON list of at least one string")]
    Revive,
    #[error("--output-cap is not a number of bytes")]
    OutputCap,
}

const RUN_ID: &str = "--run-id";
const RUN_DIR: &str = "--run-dir";
const SOCKET: &str = "--socket";
const CONTROL: &str = "--control";
const NOTIFY: &str = "--notify";
const REVIVE: &str = "--revive";
const OUTPUT_CAP: &str = "--output-cap";
const FLAGS: [&str; 7] = [RUN_ID, RUN_DIR, SOCKET, CONTROL, NOTIFY, REVIVE, OUTPUT_CAP];

/// Reads `--flag value` pairs in any order.
pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Args, ArgsError> {
    let mut values: [Option<OsString>; FLAGS.len()] = Default::default();
    while let Some(arg) = args.next() {
        let Some(index) = FLAGS.iter().position(|flag| arg == *flag) else {
            return Err(ArgsError::Unknown(arg));
        };
        let value = args.next().ok_or(ArgsError::NoValue(FLAGS[index]))?;
        if values[index].replace(value).is_some() {
            return Err(ArgsError::Twice(FLAGS[index]));
        }
    }
    let [run_id, run_dir, socket, control, notify, revive, output_cap] = values;
    let run_id = run_id.ok_or(ArgsError::Missing(RUN_ID))?;
    Ok(Args {
        run_id: run_id.into_string().map_err(|_| ArgsError::NotText(RUN_ID))?,
        run_dir: path(RUN_DIR, run_dir)?,
        socket: path(SOCKET, socket)?,
        control: path(CONTROL, control)?,
        notify: notify.map(|value| path(NOTIFY, Some(value))).transpose()?,
        revive: revive.map(command).transpose()?,
        output_cap: output_cap.map_or(Ok(output::CAP_BYTES), |value| bytes(&value))?,
    })
}

fn path(flag: &'static str, value: Option<OsString>) -> Result<PathBuf, ArgsError> {
    let path = PathBuf::from(value.ok_or(ArgsError::Missing(flag))?);
    if path.is_absolute() { Ok(path) } else { Err(ArgsError::Relative(flag)) }
}

fn command(json: OsString) -> Result<Vec<String>, ArgsError> {
    let json = json.into_string().map_err(|_| ArgsError::NotText(REVIVE))?;
    let argv: Vec<String> = serde_json::from_str(&json).map_err(|_| ArgsError::Revive)?;
    if argv.is_empty() { Err(ArgsError::Revive) } else { Ok(argv) }
}

fn bytes(value: &OsStr) -> Result<u64, ArgsError> {
    value.to_str().and_then(|text| text.parse().ok()).ok_or(ArgsError::OutputCap)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Args, ArgsError> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn flags_are_read_in_any_order() {
        let args = parse_words(
            r#"--socket /r/s --revive ["/bin/resus","daemon"] --run-dir /d --control /r/c --notify /r/n --run-id r1"#,
        );
        let expected = Args {
            run_id: "r1".into(),
            run_dir: "/d".into(),
            socket: "/r/s".into(),
            control: "/r/c".into(),
            notify: Some("/r/n".into()),
            revive: Some(vec!["/bin/resus".into(), "daemon".into()]),
            output_cap: output::CAP_BYTES,
        };
        assert_eq!(args, Ok(expected));
    }

    #[test]
    fn the_cap_of_the_output_can_be_told() {
        let capped = |cap| parse_words(&format!("--run-id r --run-dir /d --socket /s --control /c {cap}"));
        for (cap, expected) in [("--output-cap 1000", 1000), ("--output-cap 0", 0), ("", output::CAP_BYTES)] {
            assert_eq!(capped(cap).map(|args| args.output_cap), Ok(expected), "{cap:?}");
        }
    }

    #[test]
    fn a_wrong_command_line_is_refused_by_name() {
        let whole = "--run-id r --run-dir /d --socket /s --control /c";
        let cases = [
            ("".to_owned(), ArgsError::Missing(RUN_ID)),
            (format!("{whole} --verbose"), ArgsError::Unknown("--verbose".into())),
            (format!("{whole} --run-id again"), ArgsError::Twice(RUN_ID)),
            (format!("{whole} --revive"), ArgsError::NoValue(REVIVE)),
            (format!("{whole} --revive []"), ArgsError::Revive),
            (format!("{whole} --revive resus"), ArgsError::Revive),
            (format!("{whole} --notify n"), ArgsError::Relative(NOTIFY)),
            (format!("{whole} --output-cap 1M"), ArgsError::OutputCap),
            (whole.replace("/s", "s"), ArgsError::Relative(SOCKET)),
            (whole.replace("--control /c", ""), ArgsError::Missing(CONTROL)),
        ];
        for (words, expected) in cases {
            assert_eq!(parse_words(&words), Err(expected), "{words}");
        }
    }
}
