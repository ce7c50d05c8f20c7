//! Protocol v1 between the daemon and a shim: one JSON object per line over a Unix stream
//! socket. `op` names a request, `reply` what the shim says; unknown fields are ignored.
//!
//! A client says `hello` first. It then gets replies to its own requests, and every
//! `started` and `exited` whoever caused them. All requests may be repeated: asking for
//! what already is answers with what is.

use serde::{Deserialize, Serialize};
use std::fmt;

use crate::identity::ProcessId;

/// The version this build speaks.
pub const VERSION: u32 = 1;

/// A longer line closes the connection it came in on.
pub const LINE_BYTES_MAX: usize = 1 << 20;

/// What a client asks of the shim.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case")]
pub enum Request {
    /// Opens the conversation; answered by [`Reply::Hello`], or by a refusal and a close.
    Hello {
        /// The protocol version of the client.
        v: u32,
    },
    /// Start an attempt's worker; answered by `started`, `exited` (it already ran) or `refused`.
    Spawn(SpawnOrder),
    /// Signal the worker's whole process group. A signal that means stop also drops a start that
    /// still waits; SIGTERM also thaws whatever of the tree is frozen.
    Signal {
        /// Must be the running attempt, or one that can be acted on ([`Lost::watched`]).
        attempt: u32,
        /// Which signal.
        signal: SignalName,
    },
    /// SIGKILL the worker's group and every descendant of the shim until none is left. Drops a
    /// start that still waits.
    KillTree {
        /// As for `signal`.
        attempt: u32,
    },
    /// Stop every process of the attempt's tree, those that left the group too. Answered by
    /// `done` when none of them can run, or by `refused`, and then all run as before.
    Freeze {
        /// As for `signal`.
        attempt: u32,
    },
    /// Continue every stopped process of the attempt's tree.
    Thaw {
        /// As for `signal`.
        attempt: u32,
    },
    /// Pass one JSON line to whoever of the worker is connected to the control socket.
    Control {
        /// Must be the running attempt, or the one an earlier shim lost.
        attempt: u32,
        /// One JSON value without a line break.
        line: String,
    },
    /// Leave; refused while a worker lives. Drops a start that still waits.
    Quit,
    /// The daemon leaves on purpose: do not start it again.
    Bye,
}

/// All that is needed to start a worker.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SpawnOrder {
    /// The fencing token of this worker; grows with every one of them.
    pub attempt: u32,
    /// Program and arguments. A program without a slash is looked up in the `PATH` of `env`;
    /// a file of no known format is given to `/bin/sh`, as execvp(3) does.
    pub argv: Vec<String>,
    /// The complete environment: nothing of the shim's own is added.
    pub env: Vec<(String, String)>,
    /// Folder the worker starts in.
    pub cwd: String,
    /// The attempt's folder, which exists: [`crate::evidence::attempt_dir`].
    pub dir: String,
    /// Absolute path of the file that what the worker sends to the notify socket is added to;
    /// without one it is dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub events: Option<String>,
}

impl fmt::Debug for SpawnOrder {
    /// Arguments and environment hold secrets: of them, only the program and how many there are.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SpawnOrder")
            .field("attempt", &self.attempt)
            .field("program", &self.argv.first())
            .field("arguments", &self.argv.len().saturating_sub(1))
            .field("variables", &self.env.len())
            .field("cwd", &self.cwd)
            .field("dir", &self.dir)
            .finish_non_exhaustive()
    }
}

/// The signals a client may ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalName {
    /// SIGTERM, followed by SIGCONT so that a stopped worker can act on it.
    Term,
    /// SIGKILL.
    Kill,
    /// SIGINT.
    Int,
    /// SIGQUIT.
    Quit,
    /// SIGSTOP.
    Stop,
    /// SIGCONT.
    Cont,
    /// SIGUSR1.
    Usr1,
}

/// What the shim tells a client.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "reply", rename_all = "snake_case")]
pub enum Reply {
    /// Who this shim is and what it knows.
    Hello(Hello),
    /// The worker of an attempt runs.
    Started(Started),
    /// The request was not carried out.
    Refused(Refused),
    /// Whether a control line was handed over; false when nobody is connected.
    ControlResult {
        /// The attempt it was for.
        attempt: u32,
        /// Handed to at least one connection of the worker.
        delivered: bool,
    },
    /// A `signal`, `kill_tree`, `freeze`, `thaw`, `bye` or `quit` was carried out.
    Done {
        /// The `op` of the request.
        op: String,
        /// The attempt it was for.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        attempt: Option<u32>,
        /// The attempt whose start was dropped by that: it waited for the run's lock, and no
        /// worker of it was ever started.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        dropped: Option<u32>,
    },
    /// The worker of an attempt has ended and nothing of it is left (see [`Exit::unkillable`]).
    Exited(Exited),
}

/// The shim's introduction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol version of the shim.
    pub v: u32,
    /// The build the shim runs ([`crate::BUILD`] of that build).
    pub build: String,
    /// The run it serves.
    pub run_id: String,
    /// Its process id.
    pub shim_pid: u32,
    /// The boot it runs in.
    pub boot_id: String,
    /// Where its newest attempt is.
    pub state: State,
    /// An attempt that is being started and waits for the run's lock; `state` is that of the
    /// one before. The client hears how it goes on: `started`, or `refused` with the op `spawn`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub starting: Option<u32>,
}

/// Where the newest attempt is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "snake_case")]
pub enum State {
    /// No attempt was ever started.
    Idle,
    /// Its worker runs.
    Running(Started),
    /// Its worker has ended.
    Exited(Exited),
    /// An earlier shim started it and died before its end was recorded.
    Lost(Lost),
}

/// Identity of a worker that was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Started {
    /// The attempt.
    pub attempt: u32,
    /// Process id of the worker, also the id of its process group.
    pub pid: u32,
    /// Start time in clock ticks since boot.
    pub start_ticks: u64,
    /// The boot both numbers belong to.
    pub boot_id: String,
}

/// The end of an attempt's worker.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exited {
    /// The attempt.
    pub attempt: u32,
    /// How it ended.
    pub exit: Exit,
    /// Why the end could not be written to the attempt's folder; absent once it is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unrecorded: Option<String>,
}

/// Evidence of an exit, also the content of `exit.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Exit {
    /// Exit code; absent after a signal.
    pub code: Option<i32>,
    /// Number of the signal that ended it; absent after an exit.
    pub signal: Option<i32>,
    /// Whether the kernel says that it dumped core.
    pub core_dumped: bool,
    /// User CPU time of the worker and the children it waited for, in milliseconds.
    pub user_ms: u64,
    /// System CPU time of the same, in milliseconds.
    pub sys_ms: u64,
    /// Largest resident set of any one of the same, in bytes.
    pub max_rss_bytes: u64,
    /// Wall clock when the end was noticed, in milliseconds since 1970.
    pub unix_ms: u64,
    /// Processes other than the worker itself that the shim had to kill.
    pub strays_killed: u32,
    /// Processes that were still there when the shim stopped trying (uninterruptible sleep).
    #[serde(default)]
    pub unkillable: u32,
}

/// A worker whose end no shim saw.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lost {
    /// The attempt.
    pub attempt: u32,
    /// Who it was; absent when its `spawn.json` cannot be read.
    pub worker: Option<ProcessId>,
    /// The boot it ran in; absent with `worker`.
    pub boot_id: Option<String>,
    /// Whether exactly that process (id, start time and boot) is alive now.
    pub alive: bool,
    /// Whether this shim holds on to it: then it can be acted on like a running one, and
    /// `exited` comes when it has ended.
    #[serde(default)]
    pub watched: bool,
}

/// Why a request was not carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// The `op` of the request, empty when it could not be told.
    pub op: String,
    /// The attempt of the request.
    pub attempt: Option<u32>,
    /// What a program acts on.
    pub code: RefusalCode,
    /// What a person reads.
    pub message: String,
    /// The system's error number, where it was the system that said no.
    pub errno: Option<i32>,
    /// With [`RefusalCode::Lost`]: what is known of that worker.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lost: Option<Lost>,
    /// With [`RefusalCode::Locked`]: the processes that hold the run's lock, as far as visible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub holders: Vec<ProcessId>,
}

/// Reasons for a refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum RefusalCode {
    /// The two sides speak different versions; the connection is closed.
    Version,
    /// The line is no valid request.
    BadRequest,
    /// Something was asked before `hello`.
    HelloFirst,
    /// A worker lives, and what was asked needs it gone.
    Busy,
    /// The attempt is lower than one already started.
    Stale,
    /// An earlier shim started this attempt and its end was never seen.
    Lost,
    /// Something of the run's old process tree still holds the run's lock.
    Locked,
    /// The attempt is not the running one.
    NotRunning,
    /// The kernel did not take the signal.
    SignalFailed,
    /// Not all processes of the tree could be stopped; all of them run again.
    FreezeFailed,
    /// The start was given up while it waited, because a client wanted no worker any more.
    Dropped,
    /// The folder to start in is missing or cannot be entered.
    CwdNotFound,
    /// There is no such program.
    CommandNotFound,
    /// The program may not or cannot be executed.
    CommandNotExecutable,
    /// The system could not start a process.
    SpawnFailed,
    /// The attempt's folder could not be written; a worker just started was killed again.
    EvidenceFailed,
    /// A code this build does not know yet.
    #[serde(other)]
    Unknown,
}

impl SignalName {
    /// Whether a worker that gets it is meant to end.
    pub fn means_stop(self) -> bool {
        match self {
            Self::Term | Self::Kill | Self::Int | Self::Quit => true,
            Self::Stop | Self::Cont | Self::Usr1 => false,
        }
    }
}

impl Request {
    /// The `op` this request travels under.
    pub fn op(&self) -> &'static str {
        match self {
            Self::Hello { .. } => "hello",
            Self::Spawn(_) => "spawn",
            Self::Signal { .. } => "signal",
            Self::KillTree { .. } => "kill_tree",
            Self::Freeze { .. } => "freeze",
            Self::Thaw { .. } => "thaw",
            Self::Control { .. } => "control",
            Self::Quit => "quit",
            Self::Bye => "bye",
        }
    }
}

impl Refused {
    /// A refusal with no more to say than a code and a sentence.
    pub fn new(op: &str, attempt: Option<u32>, code: RefusalCode, message: impl Into<String>) -> Self {
        Self {
            op: op.to_owned(),
            attempt,
            code,
            message: message.into(),
            errno: None,
            lost: None,
            holders: Vec::new(),
        }
    }
}
