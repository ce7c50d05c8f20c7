//! What the keys of somebody who watches a run mean.

use crate::error::CliError;
use resus_core::input::Verb;
use std::io;
use tokio::signal::unix::{Signal, SignalKind, signal};

/// A key that the terminal turns into a signal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// Ctrl-C, SIGINT.
    Interrupt,
    /// Ctrl-\, SIGQUIT.
    Quit,
}

/// Hears keys, from when it is made. Nothing else ends this process by them any more.
#[derive(Debug)]
pub(crate) struct Presses {
    interrupt: Signal,
    quit: Signal,
}

impl Presses {
    /// Begins to listen.
    ///
    /// # Errors
    /// [`CliError::Io`].
    pub(crate) fn listen() -> Result<Self, CliError> {
        let failed = |source: io::Error| CliError::Io {
            what: "watch the signals of",
            path: "/proc/self".into(),
            source,
        };
        Ok(Self {
            interrupt: signal(SignalKind::interrupt()).map_err(failed)?,
            quit: signal(SignalKind::quit()).map_err(failed)?,
        })
    }

    /// The next key. May be dropped and called again: nothing is lost. Of two that were pressed at
    /// once Ctrl-C comes first: who detaches hears no more.
    pub(crate) async fn next(&mut self) -> Key {
        tokio::select! {
            biased;
            _ = self.interrupt.recv() => Key::Interrupt,
            _ = self.quit.recv() => Key::Quit,
        }
    }
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Act {
    /// Ask this of the run.
    Command(Verb),
    /// Leave; the run goes on as it is.
    Detach,
    /// Leave although what was asked has not happened yet.
    GiveUp,
}

/// How often each key was pressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Keys {
    interrupts: u32,
}

impl Keys {
    /// Ctrl-C once stops the run with a checkpoint, twice kills it, and a third time leaves a
    /// run that nothing can end. Ctrl-\ leaves it running.
    pub(crate) fn press(&mut self, key: Key) -> Act {
        if key == Key::Quit {
            return Act::Detach;
        }
        self.interrupts = self.interrupts.saturating_add(1);
        match self.interrupts {
            1 => Act::Command(Verb::Stop),
            2 => Act::Command(Verb::Kill),
            _ => Act::GiveUp,
        }
    }

    /// What the next Ctrl-C would do, once one has been pressed.
    pub(crate) fn notice(self) -> Option<&'static str> {
        match self.interrupts {
            0 => None,
            1 => Some("Ctrl-C again kills at once"),
            _ => Some("being killed, Ctrl-C again leaves"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ctrl_c_stops_then_kills_then_leaves() {
        let mut keys = Keys::default();
        assert_eq!(keys.notice(), None);
        assert_eq!(keys.press(Key::Interrupt), Act::Command(Verb::Stop));
        assert_eq!(keys.notice(), Some("Ctrl-C again kills at once"));
        assert_eq!(keys.press(Key::Interrupt), Act::Command(Verb::Kill));
        for _ in 0..3 {
            assert_eq!(keys.press(Key::Interrupt), Act::GiveUp);
        }
    }

    #[test]
    fn ctrl_backslash_detaches_whatever_was_pressed_before() {
        for presses in 0..4 {
            let mut keys = Keys::default();
            for _ in 0..presses {
                keys.press(Key::Interrupt);
            }
            assert_eq!(keys.press(Key::Quit), Act::Detach);
        }
    }
}
