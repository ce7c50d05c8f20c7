//! The run that waits for the next training in the same file, handed in through the command line
//! of this very program.

use std::ffi::OsString;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Folders between the state folder and an attempt's event file:
/// `STATE/runs/RUN/attempts/NNNN/events.jsonl`.
const STATE_ABOVE: usize = 5;

/// Why no successor was handed in.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SuccessorError {
    /// The program could not be started.
    #[error("{} can't be started: {source}", program.display())]
    Start { program: PathBuf, source: io::Error },
    /// It refused.
    #[error("it was not accepted ({status})")]
    Refused { status: ExitStatus },
}

/// What is needed to hand in a successor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Succession {
    /// This program.
    pub(crate) program: OsString,
    /// The run that this worker belongs to.
    pub(crate) run_id: String,
    /// The state folder.
    pub(crate) state: PathBuf,
    /// The status file.
    pub(crate) file: PathBuf,
    pub(crate) name: Option<String>,
}

impl Succession {
    /// Hands in a run that waits for a training behind `after` (Unix seconds). Doing so again
    /// finds the run that was created: it is named after this one.
    ///
    /// # Errors
    /// [`SuccessorError`]; what the program said is in the log.
    pub(crate) fn hand_in(&self, after: u64) -> Result<(), SuccessorError> {
        let mut command = Command::new(&self.program);
        command.args(self.arguments(after)).stdin(Stdio::null()).stdout(Stdio::null());
        let start = |source| SuccessorError::Start { program: PathBuf::from(&self.program), source };
        let status = command.status().map_err(start)?;
        if status.success() { Ok(()) } else { Err(SuccessorError::Refused { status }) }
    }

    fn arguments(&self, after: u64) -> Vec<OsString> {
        let mut arguments: Vec<OsString> = vec!["adopt".into(), "--v1".into(), self.file.clone().into()];
        arguments.extend(["--after".into(), after.to_string().into()]);
        arguments.extend(["--successor-of".into(), self.run_id.clone().into()]);
        arguments.extend(["--state-dir".into(), self.state.clone().into()]);
        if let Some(name) = &self.name {
            arguments.extend(["--name".into(), name.into()]);
        }
        arguments
    }
}

/// The state folder that an attempt's event file lies in.
pub(crate) fn state_of(events: &Path) -> Option<PathBuf> {
    events.ancestors().nth(STATE_ABOVE).filter(|path| path.is_absolute()).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_state_folder_follows_from_the_event_file() {
        let state = state_of(Path::new("/s/resus/runs/r1/attempts/0001/events.jsonl"));
        assert_eq!(state, Some("/s/resus".into()));
        assert_eq!(state_of(Path::new("/events.jsonl")), None);
        assert_eq!(state_of(Path::new("runs/r1/attempts/0001/events.jsonl")), None);
    }

    fn succession(program: &str) -> Succession {
        let (state, file) = ("/s".into(), "/w/training_status.json".into());
        Succession { program: program.into(), run_id: "r1".into(), state, file, name: Some("llama".into()) }
    }

    #[test]
    fn a_successor_is_asked_for_on_the_command_line() {
        let line: Vec<_> =
            succession("resus").arguments(7).into_iter().map(|arg| arg.into_string().unwrap()).collect();
        let expected =
            "adopt --v1 /w/training_status.json --after 7 --successor-of r1 --state-dir /s --name llama";
        assert_eq!(line.join(" "), expected);
    }

    #[test]
    fn a_program_that_refuses_or_is_not_there_is_told() {
        assert!(succession("true").hand_in(1).is_ok());
        assert!(matches!(succession("false").hand_in(1), Err(SuccessorError::Refused { .. })));
        assert!(matches!(succession("/no/such/program").hand_in(1), Err(SuccessorError::Start { .. })));
    }
}
