//! What a client can use up at most, each limit with its reason.

use std::time::Duration;

/// Largest request body. A command line and an environment take at most 1 MiB of strings
/// (`COMMAND_BYTES_MAX`); JSON adds quotes and escapes, but a kernel would refuse such a
/// command anyway.
pub const BODY_BYTES_MAX: usize = 1 << 20;

/// A request's head has to be there within this. Clients of ours send it in one write; it is
/// also how long an idle connection is kept.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);

/// A request's body has to be there within this.
pub const BODY_DEADLINE: Duration = Duration::from_secs(10);

/// Connections served at once; more wait in the socket's queue. A connection costs some 20 KiB
/// and a file descriptor, of which a process has 1024 unless somebody raised that.
pub const CONNECTIONS_MAX: usize = 256;

/// Requests that wait for something at once, streams among them. Fewer than [`CONNECTIONS_MAX`], so that however
/// many wait, a command still gets through.
pub const WAITING_MAX: usize = 192;

/// Longest wait of one request: a proxy or a client that is gone is noticed within this.
pub const WAIT_MAX: Duration = Duration::from_secs(30);

/// How often new output is looked for while a request waits for it. Output goes from the worker
/// straight to its file, so nobody tells us; ten looks a second cost nothing and feel immediate.
pub const OUTPUT_LOOK_INTERVAL: Duration = Duration::from_millis(100);

/// Most output in one answer.
pub const OUTPUT_BYTES_MAX: u32 = 256 * 1024;

/// Most events in one answer, and how many come unless the request says otherwise.
pub const EVENTS_MAX: u32 = 1000;

/// Most events in one answer through the bus: with a kibibyte each they fit into a message, so
/// that a page is rarely cut and its story is not folded twice.
pub const BUS_EVENTS_MAX: u32 = 500;

/// Runs of which it is remembered how they were after the last event told. A run takes some KiB;
/// more than these are hardly followed at once, and forgetting one costs a read of its history.
pub const STORIES_KEPT: usize = 16;

/// A stream says that it is there this often. Also how soon a reader that is gone is noticed.
pub const PING_INTERVAL: Duration = Duration::from_secs(15);

/// Requests under way have this long to end when the daemon stops. Those that wait end at once.
pub const END_DEADLINE: Duration = Duration::from_secs(3);
