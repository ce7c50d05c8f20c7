//! A bad network on purpose: a TCP proxy between a NATS client and its server that cuts, holds,
//! delays, splits, drops and repeats, each direction by itself, switchable at any moment.
//!
//! What is random follows from the seed, the number of the connection and the direction, so it
//! is the same in every run as far as the bytes come in the same pieces. The proxy counts what
//! it did: a test that switched something on which then never happened fails.

mod frame;
mod pump;
mod shared;

pub use frame::Frame;
pub use shared::{Injected, Kind};

use shared::{Connection, Shared};
use std::fmt;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

/// Which way bytes go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From the client to the server.
    ToServer,
    /// From the server to the client.
    ToClient,
}

/// How a connection ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// Both ends are reset: what was on its way is lost.
    Reset,
    /// Both ends are closed in order.
    Close,
}

/// Which frames something happens to.
#[derive(Clone)]
pub struct Pick {
    matches: Arc<dyn Fn(&Frame<'_>) -> bool + Send + Sync>,
    one_in: u64,
}

impl Pick {
    /// Every frame that matches.
    pub fn every(matches: impl Fn(&Frame<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self::one_in(1, matches)
    }

    /// One of `n` frames that match, by chance.
    pub fn one_in(n: u64, matches: impl Fn(&Frame<'_>) -> bool + Send + Sync + 'static) -> Self {
        Self { matches: Arc::new(matches), one_in: n.max(1) }
    }
}

impl fmt::Debug for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one in {}", self.one_in)
    }
}

/// What happens to the bytes of one direction, from the next piece on.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// Nothing is passed on, and nobody is told: a cable that was pulled.
    pub stall: bool,
    /// Every piece waits for up to so long.
    pub delay_max: Duration,
    /// No more bytes per second than this.
    pub bytes_per_s: Option<u64>,
    /// Every byte comes by itself.
    pub split: bool,
    /// Frames that never arrive, e.g. the server's acknowledgements.
    pub drop: Option<Pick>,
    /// Frames that arrive twice.
    pub duplicate: Option<Pick>,
}

/// The proxy. When it goes, so do its connections.
pub struct Proxy {
    address: SocketAddr,
    seed: u64,
    shared: Arc<Shared>,
    acceptor: Option<JoinHandle<()>>,
}

impl Proxy {
    /// Begins to pass on everything between whoever connects to [`Proxy::address`] and
    /// `target`.
    #[must_use]
    pub fn start(target: SocketAddr, seed: u64) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared::default());
        let acceptor = {
            let shared = Arc::clone(&shared);
            std::thread::spawn(move || accept(&listener, target, seed, &shared))
        };
        Self { address, seed, shared, acceptor: Some(acceptor) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Sets what happens in one direction, in place of what did.
    pub fn set(&self, direction: Direction, faults: Faults) {
        self.shared.change(|state| {
            state.expect_all(&faults);
            *state.faults_mut(direction) = faults;
        });
    }

    /// A good network again, for old connections and new ones.
    pub fn heal(&self) {
        self.shared.change(|state| {
            for direction in [Direction::ToServer, Direction::ToClient] {
                *state.faults_mut(direction) = Faults::default();
            }
            state.refuse = false;
            state.cut_after = None;
        });
    }

    /// Ends every connection there is.
    pub fn cut(&self, how: Cut) {
        self.shared.change(|state| state.cut_all(how));
    }

    /// Ends a connection in the midst of its bytes: before `within` more have gone in
    /// `direction`, where exactly is drawn from the seed. Once.
    pub fn cut_within(&self, direction: Direction, within: u64, how: Cut) {
        let mut chance = pump::Chance::new(self.seed ^ within);
        let after = chance.below(within.max(1));
        self.shared.change(|state| {
            state.expected.insert(Kind::Cut);
            state.cut_after = Some((direction, after, how));
        });
    }

    /// Whether new connections are reset at once, as on a machine whose server is gone.
    pub fn refuse(&self, refuse: bool) {
        self.shared.change(|state| {
            if refuse {
                state.expected.insert(Kind::Refused);
            }
            state.refuse = refuse;
        });
    }

    /// Connections that are open now.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.change(|state| state.connections.len())
    }

    /// What was done so far.
    #[must_use]
    pub fn injected(&self) -> Injected {
        self.shared.change(|state| state.injected)
    }

    fn end(&mut self) {
        self.shared.change(|state| {
            state.ending = true;
            state.close_all();
        });
        // One last connection wakes the acceptor.
        drop(TcpStream::connect(self.address));
        if let Some(acceptor) = self.acceptor.take() {
            let _panicked = acceptor.join();
        }
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.end();
        if std::thread::panicking() {
            eprintln!("the proxy had seed {} and did {:?}", self.seed, self.injected());
            return;
        }
        let (expected, injected) = self.shared.change(|state| (state.expected.clone(), state.injected));
        let missed: Vec<_> = expected.into_iter().filter(|kind| injected.of(*kind) == 0).collect();
        assert!(missed.is_empty(), "seed {}: {missed:?} never happened: {injected:?}", self.seed);
        assert_ne!(injected, Injected::default(), "seed {}: nothing was injected", self.seed);
    }
}

fn accept(listener: &TcpListener, target: SocketAddr, seed: u64, shared: &Arc<Shared>) {
    let mut pumps: Vec<JoinHandle<()>> = Vec::new();
    let mut number = 0;
    while let Ok((client, _)) = listener.accept() {
        if shared.change(|state| state.ending) {
            break;
        }
        number += 1;
        let refused = shared.change(|state| {
            if state.refuse {
                state.injected.count(Kind::Refused);
            }
            state.refuse
        });
        // A server that is gone is told to the client in the same way.
        let server = if refused { None } else { TcpStream::connect(target).ok() };
        let Some(server) = server else {
            shared::reset_at_close(&client);
            continue;
        };
        let connection = Arc::new(Connection::new(client, server));
        shared.change(|state| state.connections.push(Arc::clone(&connection)));
        for direction in [Direction::ToServer, Direction::ToClient] {
            let (shared, connection) = (Arc::clone(shared), Arc::clone(&connection));
            let seed = pump::seed_of(seed, number, direction);
            pumps.push(std::thread::spawn(move || pump::run(&shared, &connection, direction, seed)));
        }
        pumps.retain(|pump| !pump.is_finished());
    }
    // One that came while the end was begun.
    shared.change(|state| state.close_all());
    for pump in pumps {
        let _panicked = pump.join();
    }
}
