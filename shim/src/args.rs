//! The shim's command line.

use std::ffi::OsString;
use std::path::PathBuf;

/// What the daemon starts a shim with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Args {
    pub(crate) run_id: String,
    pub(crate) run_dir: PathBuf,
    pub(crate) socket: PathBuf,
    pub(crate) control: PathBuf,
    /// Program and arguments that start a daemon.
    pub(crate) revive: Option<Vec<String>>,
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
}

const RUN_ID: &str = "--run-id";
const RUN_DIR: &str = "--run-dir";
const SOCKET: &str = "--socket";
const CONTROL: &str = "--control";
const REVIVE: &str = "--revive";
const FLAGS: [&str; 5] = [RUN_ID, RUN_DIR, SOCKET, CONTROL, REVIVE];

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
    let [run_id, run_dir, socket, control, revive] = values;
    let run_id = run_id.ok_or(ArgsError::Missing(RUN_ID))?;
    Ok(Args {
        run_id: run_id.into_string().map_err(|_| ArgsError::NotText(RUN_ID))?,
        run_dir: path(RUN_DIR, run_dir)?,
        socket: path(SOCKET, socket)?,
        control: path(CONTROL, control)?,
        revive: revive.map(command).transpose()?,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parse_words(words: &str) -> Result<Args, ArgsError> {
        parse(words.split_whitespace().map(OsString::from))
    }

    #[test]
    fn flags_are_read_in_any_order() {
        let args = parse_words(
            r#"--socket /r/s --revive ["/bin/resus","daemon"] --run-dir /d --control /r/c --run-id r1"#,
        );
        let expected = Args {
            run_id: "r1".into(),
            run_dir: "/d".into(),
            socket: "/r/s".into(),
            control: "/r/c".into(),
            revive: Some(vec!["/bin/resus".into(), "daemon".into()]),
        };
        assert_eq!(args, Ok(expected));
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
            (whole.replace("/s", "s"), ArgsError::Relative(SOCKET)),
            (whole.replace("--control /c", ""), ArgsError::Missing(CONTROL)),
        ];
        for (words, expected) in cases {
            assert_eq!(parse_words(&words), Err(expected), "{words}");
        }
    }
}
