//! What may be started by somebody elsewhere: who can publish to a server is trusted less than who
//! owns the daemon's socket.

use crate::spec::Resume;

/// What may be started, or run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Anything, with any environment.
    Anything,
    /// Registered workloads, from a checkpoint of their own or none, in the environment as it is.
    Registered,
}

/// What somebody wants started.
#[derive(Debug, Clone, Copy)]
pub struct Wish<'a> {
    /// It is a command line, or one that no workload that is known here makes.
    pub is_command: bool,
    /// It is a workload somewhere on this machine, named by its path.
    pub is_path: bool,
    /// Where it is to begin.
    pub resume: &'a Resume,
    /// The environment is to be another.
    pub changes_env: bool,
}

/// What a wish wants that is out of reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beyond {
    /// A command.
    Command,
    /// A workload's path: its file says what is started, a command by another name.
    Path,
    /// A file to begin from: it would be read and handed to a worker, whatever it is.
    File,
    /// Variables of its environment: some of them start programs.
    Environment,
}

impl Reach {
    /// Whether a wish is within reach, and what of it is not.
    ///
    /// # Errors
    /// The first [`Beyond`].
    pub fn allows(self, wish: &Wish<'_>) -> Result<(), Beyond> {
        match self {
            Self::Anything => Ok(()),
            // A path that says what is started is the plainer word for it.
            Self::Registered if wish.is_path => Err(Beyond::Path),
            Self::Registered if wish.is_command => Err(Beyond::Command),
            Self::Registered if matches!(wish.resume, Resume::From(_)) => Err(Beyond::File),
            Self::Registered if wish.changes_env => Err(Beyond::Environment),
            Self::Registered => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::checkpoint::CheckpointRef;

    #[test]
    fn from_elsewhere_only_what_the_operator_put_there() {
        let plain = Wish { is_command: false, is_path: false, resume: &Resume::Auto, changes_env: false };
        let from = Resume::From(Box::new(CheckpointRef::at("passwd", "/etc/passwd")));
        let cases = [
            (plain, Ok(())),
            (Wish { resume: &Resume::Never, ..plain }, Ok(())),
            (Wish { is_command: true, ..plain }, Err(Beyond::Command)),
            (Wish { is_path: true, ..plain }, Err(Beyond::Path)),
            (Wish { is_path: true, is_command: true, ..plain }, Err(Beyond::Path)),
            (Wish { resume: &from, ..plain }, Err(Beyond::File)),
            (Wish { changes_env: true, ..plain }, Err(Beyond::Environment)),
        ];
        for (wish, expected) in cases {
            assert_eq!(Reach::Registered.allows(&wish), expected, "{wish:?}");
            assert_eq!(Reach::Anything.allows(&wish), Ok(()), "{wish:?}");
        }
    }
}
