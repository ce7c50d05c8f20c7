//! Every capacity, interval and deadline of the actors, each with its reason.

use std::time::Duration;

/// A command is answered within this or refused with "the ledger can't be written just now":
/// long enough for a slow disk's fsync, short enough for a person.
pub const COMMAND_DEADLINE: Duration = Duration::from_secs(10);

/// Command ids remembered with their answers: a client that repeats a command does so within
/// seconds, and a thousand commands are minutes of a busy operator.
pub const COMMANDS_REMEMBERED: usize = 1024;

/// Decisions that may wait for the disk before commands are refused: at a few KiB each this is
/// some MiB. Observations are still taken in; a worker's words wait for their own commit, so
/// they can't pile up.
pub const DECISIONS_WAITING_MAX: usize = 512;

/// From the start of a shim to its socket. An exec and a bind take milliseconds; a loaded
/// machine may need a second.
pub const SHIM_START_DEADLINE: Duration = Duration::from_secs(10);

/// First wait between two attempts to connect to a shim that is just starting.
pub const CONNECT_RETRY_FIRST: Duration = Duration::from_millis(2);

/// Longest wait between two attempts to connect.
pub const CONNECT_RETRY_MAX: Duration = Duration::from_millis(100);

/// A shim answers `hello` from memory.
pub const SHIM_HELLO_DEADLINE: Duration = Duration::from_secs(5);

/// Between two attempts to reach a shim that can't be reached.
pub const ATTACH_RETRY: Duration = Duration::from_secs(1);

/// Bytes read from a worker's event file at once. Also the bound on one run's words in
/// flight: the next piece is read when the words of this one are on disk.
pub const EVENTS_READ_BYTES: usize = 64 * 1024;

/// What is kept of an event file behind the reader: enough to see what a worker said last, and to
/// tell a file that was written anew.
pub const EVENTS_KEPT_BYTES: u64 = 1 << 20;

/// The head of an event file is freed in steps of this: a system call per line would cost more
/// than the line.
pub const EVENTS_FREE_STEP: u64 = 1 << 20;

/// A worker that has to go on and does not listen is told again after this, so many times: the
/// SDKs connect again within a second or so.
pub const GO_ON_RETRY: Duration = Duration::from_millis(500);
/// See [`GO_ON_RETRY`]; then it is told to the Supervisor.
pub const GO_ON_TRIES: u32 = 60;

/// A hung worker is looked at for at most this long before it is killed.
pub const EVIDENCE_DEADLINE: Duration = Duration::from_secs(1);

/// Words of one run that may wait for the disk at once. A worker that floods its event file is
/// read more slowly, and commands to other runs still get through.
pub const WORDS_IN_FLIGHT: usize = 64;

/// A worker has ended and its event file can't be read: given up after this.
pub const EVENTS_READ_DEADLINE: Duration = Duration::from_secs(60);

/// A worker's event file is looked at this often where no change can be reported: file systems
/// without change events exist.
pub const RESCAN_INTERVAL: Duration = Duration::from_secs(1);

/// And this often where changes are reported, should a report ever be missing: hundreds of
/// silent runs must cost nothing.
pub const RESCAN_INTERVAL_WATCHED: Duration = Duration::from_secs(30);

/// An inotify queue entry is 16 bytes and a name; a page holds many.
pub const INOTIFY_BUFFER_BYTES: usize = 4096;

/// How often the node and its workers are measured: people look at such numbers, nobody
/// decides by them.
pub const MONITOR_INTERVAL: Duration = Duration::from_secs(5);

/// How often the thread that watches the actors looks.
pub const VIGIL_INTERVAL: Duration = Duration::from_secs(1);

/// An actor that is at one message for longer than this is stuck. Starting a shim on a loaded
/// machine may take its whole deadline, but that happens in Worker actors, which are not
/// watched; the longest honest wait of the others is the replay of the ledger.
pub const ACTOR_STUCK_MS: u64 = 150_000;

/// How often it is looked whether the daemon is still needed.
pub const IDLE_LOOK_INTERVAL: Duration = Duration::from_secs(30);

/// Events read from the ledger at once for publication.
pub const PUBLISH_BATCH: u32 = 256;

/// Between two attempts to publish while the bus is away.
pub const PUBLISH_RETRY: Duration = Duration::from_secs(1);

/// First wait before files that could not be deleted are tried again: a shim leaves at once when its
/// run has ended.
pub const DISPOSAL_RETRY: Duration = Duration::from_millis(100);
/// Longest wait between two tries.
pub const DISPOSAL_RETRY_MAX: Duration = Duration::from_secs(60);

/// Commands of one sweep that wait for the disk together: they share its syncs, and leave room for
/// those of others.
pub const SWEPT_AT_ONCE: usize = 16;

/// Most items of one sweep: a request names them all again, which is a few hundred KiB, and an
/// operator reads them.
pub const SWEPT_ITEMS_MAX: usize = 2_000;

/// The files of one run are measured for at most this long: somebody waits for the answer.
pub const MEASURE_DEADLINE: Duration = Duration::from_secs(3);
/// And those of all runs, for a sweep: within what clients wait for an answer.
pub const MEASURE_ALL_DEADLINE: Duration = Duration::from_secs(15);

/// Files that could not be deleted so often are told of: what a shim still holds is free long before.
pub const DISPOSAL_TRIES_QUIET: u32 = 6;

/// Longest piece of a worker's output handed out at once.
pub const OUTPUT_BYTES_MAX: u32 = 256 * 1024;

/// Most events handed out at once.
pub const EVENTS_PAGE_MAX: u32 = 1000;

/// The store has this long to write what is queued when the daemon stops.
pub const STORE_CLOSE_DEADLINE: Duration = Duration::from_secs(5);

/// One actor has this long to end when the daemon stops.
pub const ACTOR_STOP_DEADLINE: Duration = Duration::from_secs(2);

/// A replay reads every row once; at 150,000 rows a second this is millions of events.
pub const REPLAY_DEADLINE: Duration = Duration::from_secs(120);
