//! The flags of the watcher.

use std::ffi::OsString;
use std::path::PathBuf;

/// Printed for `--help`.
pub(crate) const USAGE: &str = "\
usage: resus worker v1 --file FILE [flags]
Watches a training of somebody else by its PULSE v1 status file.

  --file FILE    the status file; it is only read
  --after TIME   an end that the file tells of, at this Unix second or before, is an old story (0)
  --name NAME    what to call the run of the next training in the file (v1)
";

/// What the command line asks for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Request {
    Help,
    Watch(Flags),
}

/// What is to be watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Flags {
    pub(crate) file: PathBuf,
    /// Unix seconds.
    pub(crate) after: u64,
    pub(crate) name: Option<String>,
}

/// Why a command line is refused.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadFlag {
    #[error("unknown flag {0:?}")]
    Unknown(OsString),
    #[error("{0} needs a value")]
    ValueMissing(&'static str),
    #[error("--after {0:?} is not a Unix time in seconds")]
    After(OsString),
    #[error("--name {0:?} is not valid UTF-8")]
    Name(OsString),
    #[error("--file is missing")]
    NoFile,
}

/// Reads the arguments after the worker's name. A flag given twice counts as given last.
pub(crate) fn parse(mut args: impl Iterator<Item = OsString>) -> Result<Request, BadFlag> {
    let (mut file, mut after, mut name) = (None, 0, None);
    while let Some(flag) = args.next() {
        // A value that looks like a flag comes in one argument with its own.
        let (flag, attached) = match flag.to_str().and_then(|text| text.split_once('=')) {
            Some((flag, value)) => (OsString::from(flag), Some(OsString::from(value))),
            None => (flag, None),
        };
        let mut args = attached.into_iter().chain(args.by_ref());
        match flag.to_str() {
            Some("--help" | "-h") => return Ok(Request::Help),
            Some("--file") => file = Some(args.next().ok_or(BadFlag::ValueMissing("--file"))?),
            Some("--after") => {
                let value = args.next().ok_or(BadFlag::ValueMissing("--after"))?;
                let number = value.to_str().and_then(|text| text.parse().ok());
                after = number.ok_or(BadFlag::After(value))?;
            }
            Some("--name") => {
                let value = args.next().ok_or(BadFlag::ValueMissing("--name"))?;
                name = Some(value.into_string().map_err(BadFlag::Name)?);
            }
            Some(_) | None => return Err(BadFlag::Unknown(flag)),
        }
    }
    let file = file.filter(|file| !file.is_empty()).ok_or(BadFlag::NoFile)?;
    Ok(Request::Watch(Flags { file: file.into(), after, name }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(line: &str) -> Result<Request, BadFlag> {
        parse(line.split_whitespace().map(OsString::from))
    }

    #[test]
    fn every_flag_is_read() {
        let flags = Flags { file: "/s.json".into(), after: 7, name: Some("llama".into()) };
        assert_eq!(parsed("--file /s.json --after 7 --name llama"), Ok(Request::Watch(flags)));
        assert_eq!(parsed("--file x --help"), Ok(Request::Help));
        let flags = Flags { file: "-s=.json".into(), after: 0, name: None };
        assert_eq!(parsed("--file=-s=.json"), Ok(Request::Watch(flags)));
    }

    #[test]
    fn a_bad_flag_is_refused_with_a_reason() {
        for (line, reason) in [
            ("", "--file is missing"),
            ("--file", "--file needs a value"),
            ("--file x --after soon", "--after \"soon\" is not a Unix time in seconds"),
            ("--fiel x", "unknown flag \"--fiel\""),
        ] {
            assert_eq!(parsed(line).expect_err(line).to_string(), reason);
        }
    }
}
