//! Programs on a terminal of their own: keys, signals, size, and every byte that they write to it.

use crate::{Home, PATIENCE, kill, program};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Termios, Winsize, tcgetattr, tcsetwinsize};
use std::fs::{File, OpenOptions};
use std::io::{PipeReader, PipeWriter, Read, Write, pipe};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::Path;
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What Ctrl-C sends.
pub const CTRL_C: &[u8] = b"\x03";
/// What Ctrl-\ sends.
pub const CTRL_BACKSLASH: &[u8] = b"\x1c";
/// What Ctrl-Z sends.
pub const CTRL_Z: &[u8] = b"\x1a";

/// A program on a pseudo terminal. It leads a session of its own there, as if it had been started
/// from a shell.
pub struct Terminal {
    master: Option<File>,
    /// Goes when the reader is to let go of the terminal.
    closer: Option<PipeWriter>,
    child: Child,
    pieces: Receiver<Vec<u8>>,
    seen: Vec<u8>,
    is_over: bool,
}

impl Home {
    /// Starts a command of the program on a terminal of 80 columns.
    #[must_use]
    pub fn terminal(&self, args: &[&str]) -> Terminal {
        self.terminal_of(args, |_| ())
    }

    /// Starts an interactive shell on a terminal, with job control. `$RESUS` is the program.
    #[must_use]
    pub fn shell(&self) -> Terminal {
        let all = ["--ctty", "env", "--default-signal", "sh", "-i", "-m"];
        let mut command = self.command_of(Path::new("setsid"), &all);
        command.env("TERM", "xterm-256color").env("PS1", "$ ").env("RESUS", program());
        Terminal::start(command)
    }

    /// A command of the program on a terminal with its environment or folder made ready.
    #[must_use]
    pub fn terminal_of(&self, args: &[&str], ready: impl FnOnce(&mut Command)) -> Terminal {
        let program = program().to_str().unwrap().to_owned();
        // The program takes the place of `setsid` once it has its session and terminal. Signals that
        // whoever runs the tests has ignored (nohup) are what they are in a shell.
        let all: Vec<&str> =
            ["--ctty", "env", "--default-signal", &program].into_iter().chain(args.iter().copied()).collect();
        let mut command = self.command_of(Path::new("setsid"), &all);
        command.env("TERM", "xterm-256color");
        ready(&mut command);
        Terminal::start(command)
    }
}

impl Terminal {
    fn start(mut command: Command) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let path = Path::new(std::ffi::OsStr::from_bytes(name.as_bytes()));
        let no_ctty = i32::try_from(rustix::fs::OFlags::NOCTTY.bits()).unwrap();
        let slave = OpenOptions::new().read(true).write(true).custom_flags(no_ctty).open(path).unwrap();
        let master = File::from(master);
        let child = command
            .stdin(slave.try_clone().unwrap())
            .stdout(slave.try_clone().unwrap())
            .stderr(slave)
            .spawn()
            .unwrap_or_else(|error| panic!("{command:?}: {error} (setsid is in util-linux)"));
        // It holds the terminal's other side: as long as it is there, the terminal is not over.
        drop(command);
        let (sender, pieces) = channel();
        let mut reader = master.try_clone().unwrap();
        let (closing, closer) = pipe().unwrap();
        thread::spawn(move || {
            let mut piece = [0; 4096];
            // EIO: nobody holds the other side any more.
            while is_to_read(&reader, &closing)
                && let Ok(length @ 1..) = reader.read(&mut piece)
            {
                if sender.send(piece[..length].to_vec()).is_err() {
                    break;
                }
            }
        });
        let (master, closer) = (Some(master), Some(closer));
        let terminal = Self { master, closer, child, pieces, seen: Vec::new(), is_over: false };
        terminal.resize(80, 24);
        terminal
    }

    fn master(&self) -> &File {
        self.master.as_ref().expect("the terminal is open")
    }

    /// Process id of the program.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sets the size; who is in the foreground is told.
    pub fn resize(&self, columns: u16, rows: u16) {
        let size = Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(self.master(), size).unwrap();
    }

    /// The terminal's settings.
    #[must_use]
    pub fn settings(&self) -> Termios {
        tcgetattr(self.master()).unwrap()
    }

    /// Types `keys`.
    pub fn send(&self, keys: &[u8]) {
        self.master().write_all(keys).unwrap();
    }

    /// Waits until `text` has been written since the last wait, and forgets all up to its end.
    pub fn until(&mut self, text: &str) -> String {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let found = self.seen.windows(text.len()).position(|window| window == text.as_bytes());
            if let Some(at) = found {
                let rest = self.seen.split_off(at + text.len());
                let before = std::mem::replace(&mut self.seen, rest);
                return String::from_utf8_lossy(&before).into_owned();
            }
            assert!(!self.is_over, "the terminal is over without {text:?}:\n{}", self.text());
            self.hear(deadline).unwrap_or_else(|| panic!("no {text:?} yet in:\n{}", self.text()));
        }
    }

    /// What was written since the last wait, as far as it has been read.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen).into_owned()
    }

    /// Closes the terminal, as a window is closed: the kernel sends SIGHUP to its session, and who
    /// reads or writes there still meets errors.
    pub fn close(&mut self) {
        self.master = None;
        // The reader has a copy of the descriptor, and the last one counts.
        self.closer = None;
        let deadline = Instant::now() + PATIENCE;
        while !self.is_over {
            self.hear(deadline).expect("the reader lets go of the terminal");
        }
    }

    /// Waits for the program's end after [`Terminal::close`]: its exit code (128 + n after signal n).
    #[must_use]
    pub fn ended(mut self) -> i32 {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                return status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
            }
            assert!(Instant::now() < deadline, "it has not ended");
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// Waits for the program's end: its exit code (128 + n after signal n), and every byte that was
    /// written since the last wait. The terminal must then be held by nobody.
    pub fn finish(mut self) -> (i32, Vec<u8>) {
        let deadline = Instant::now() + PATIENCE;
        while !self.is_over {
            let what = "it has not ended, or somebody still holds its terminal";
            self.hear(deadline).unwrap_or_else(|| panic!("{what}:\n{}", self.text()));
        }
        let status = self.child.wait().unwrap();
        let code = status.code().unwrap_or_else(|| 128 + status.signal().unwrap_or(0));
        (code, std::mem::take(&mut self.seen))
    }

    /// Takes in what is written next, or the end; `None` when nothing came in time.
    fn hear(&mut self, deadline: Instant) -> Option<()> {
        let left = deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1));
        match self.pieces.recv_timeout(left) {
            Ok(piece) => self.seen.extend(piece),
            Err(RecvTimeoutError::Disconnected) => self.is_over = true,
            Err(RecvTimeoutError::Timeout) => return None,
        }
        Some(())
    }
}

/// Waits until there is something to read, or its end; `false` when the terminal is closed here.
fn is_to_read(reader: &File, closing: &PipeReader) -> bool {
    let mut looked_at = [PollFd::new(closing, PollFlags::IN), PollFd::new(reader, PollFlags::IN)];
    while poll(&mut looked_at, None).is_err_and(|errno| errno == rustix::io::Errno::INTR) {}
    looked_at[0].revents().is_empty()
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|ended| ended.is_none()) {
            kill(self.child.id(), "KILL");
            let _ = self.child.wait();
        }
    }
}
