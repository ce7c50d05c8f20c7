//! What the threads of a proxy share: what shall happen, what happened, who is connected.

use super::{Cut, Direction, Faults};
use std::collections::BTreeSet;
use std::net::{Shutdown, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Kinds of faults.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// A connection was ended.
    Cut,
    /// A new connection was turned away.
    Refused,
    /// Bytes were held back for as long as a stall lasted.
    Stalled,
    /// A piece waited.
    Delayed,
    /// A piece waited because of the limit of bytes per second.
    Throttled,
    /// A piece came byte by byte.
    Split,
    /// A frame never arrived.
    Dropped,
    /// A frame arrived twice.
    Duplicated,
}

/// How often each kind of fault has happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Injected {
    counts: [u64; 8],
}

impl Injected {
    /// How often one kind has happened.
    #[must_use]
    pub fn of(&self, kind: Kind) -> u64 {
        self.counts[kind as usize]
    }

    pub(super) fn count(&mut self, kind: Kind) {
        self.counts[kind as usize] += 1;
    }
}

/// Both ends of what passes through.
pub(super) struct Connection {
    client: TcpStream,
    server: TcpStream,
    over: AtomicBool,
}

impl Connection {
    pub(super) fn new(client: TcpStream, server: TcpStream) -> Self {
        for end in [&client, &server] {
            // A piece that was split shall go out as such.
            let _ended_already = end.set_nodelay(true);
            // Whoever does not read must not keep a thread from its end.
            let _ended_already = end.set_write_timeout(Some(Duration::from_millis(20)));
        }
        Self { client, server, over: AtomicBool::new(false) }
    }

    /// Where bytes of a direction come from, and where they go to.
    pub(super) fn ends(&self, direction: Direction) -> (&TcpStream, &TcpStream) {
        match direction {
            Direction::ToServer => (&self.client, &self.server),
            Direction::ToClient => (&self.server, &self.client),
        }
    }

    pub(super) fn is_over(&self) -> bool {
        self.over.load(SeqCst)
    }

    /// Ends it, in the way that was wanted first. A reset goes out when the last thread lets go
    /// of the sockets.
    fn end(&self, how: Cut) {
        if self.over.swap(true, SeqCst) {
            return;
        }
        for end in [&self.client, &self.server] {
            let _ended_already = match how {
                Cut::Reset => {
                    reset_at_close(end);
                    // Only wakes who reads: the peer is told nothing yet.
                    end.shutdown(Shutdown::Read)
                }
                Cut::Close => end.shutdown(Shutdown::Both),
            };
        }
    }
}

/// Makes the end of a socket a reset instead of a farewell.
pub(super) fn reset_at_close(socket: &TcpStream) {
    let _ended_already = rustix::net::sockopt::set_socket_linger(socket, Some(Duration::ZERO));
}

#[derive(Default)]
pub(super) struct State {
    to_server: Faults,
    to_client: Faults,
    /// The next cut: bytes that still go in a direction before it.
    pub(super) cut_after: Option<(Direction, u64, Cut)>,
    pub(super) refuse: bool,
    pub(super) ending: bool,
    pub(super) connections: Vec<Arc<Connection>>,
    pub(super) injected: Injected,
    /// Kinds that were switched on at any time.
    pub(super) expected: BTreeSet<Kind>,
}

impl State {
    pub(super) fn faults_mut(&mut self, direction: Direction) -> &mut Faults {
        match direction {
            Direction::ToServer => &mut self.to_server,
            Direction::ToClient => &mut self.to_client,
        }
    }

    pub(super) fn expect_all(&mut self, faults: &Faults) {
        let kinds = [
            (faults.stall, Kind::Stalled),
            (!faults.delay_max.is_zero(), Kind::Delayed),
            (faults.bytes_per_s.is_some(), Kind::Throttled),
            (faults.split, Kind::Split),
            (faults.drop.is_some(), Kind::Dropped),
            (faults.duplicate.is_some(), Kind::Duplicated),
        ];
        self.expected.extend(kinds.into_iter().filter(|(on, _)| *on).map(|(_, kind)| kind));
    }

    pub(super) fn cut_all(&mut self, how: Cut) {
        for connection in self.connections.drain(..) {
            connection.end(how);
            self.injected.count(Kind::Cut);
        }
    }

    pub(super) fn close_all(&mut self) {
        for connection in self.connections.drain(..) {
            connection.end(Cut::Close);
        }
    }

    /// Ends one connection on purpose.
    pub(super) fn cut(&mut self, connection: &Arc<Connection>, how: Cut) {
        self.connections.retain(|other| !Arc::ptr_eq(other, connection));
        connection.end(how);
        self.injected.count(Kind::Cut);
    }

    /// One end has gone by itself, so the other goes, too.
    pub(super) fn forget(&mut self, connection: &Arc<Connection>) {
        self.connections.retain(|other| !Arc::ptr_eq(other, connection));
        connection.end(Cut::Close);
    }
}

/// The state, and a bell that rings whenever it is changed.
#[derive(Default)]
pub(super) struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

impl Shared {
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        let result = change(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.notify_all();
        result
    }

    /// Looks without ringing the bell.
    pub(super) fn look<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Waits while `holds`, at most for so long (`None` = for ever); the end of the proxy or of
    /// the connection ends every wait.
    pub(super) fn wait(
        &self,
        connection: &Connection,
        longest: Option<Duration>,
        mut holds: impl FnMut(&mut State) -> bool,
    ) {
        let deadline = longest.map(|longest| Instant::now() + longest);
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        while !state.ending && !connection.is_over() && holds(&mut state) {
            let left = match deadline {
                Some(deadline) => deadline.saturating_duration_since(Instant::now()),
                None => Duration::from_secs(3600),
            };
            if left.is_zero() {
                return;
            }
            let waited = self.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
