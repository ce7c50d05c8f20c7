//! Everybody connected: clients on the main socket, the worker's processes on the control
//! socket.

use std::collections::BTreeMap;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixListener;
use std::time::Duration;

use rustix::event::PollFlags;

use crate::log::note;
use crate::machine::ClientId;
use crate::protocol::Reply;
use crate::wire::{Received, Wire};

/// One daemon, a few curious tools; more are hung up on.
const CLIENTS_MAX: usize = 16;
/// One connection per rank of a worker of many processes; more are hung up on.
const CONTROLS_MAX: usize = 64;

/// Rest after a connection could not be accepted.
const ACCEPT_FAULT_PAUSE: Duration = Duration::from_millis(20);

/// The two listening sockets.
#[derive(Debug)]
pub(crate) struct Sockets {
    pub(crate) clients: UnixListener,
    pub(crate) control: UnixListener,
}

/// What can become ready here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Peer {
    NewClient,
    NewControl,
    Client(ClientId),
    Control(u64),
}

/// The connections.
#[derive(Debug)]
pub(crate) struct Peers {
    sockets: Sockets,
    clients: BTreeMap<ClientId, Wire>,
    controls: BTreeMap<u64, Wire>,
    last_id: u64,
}

impl Peers {
    pub(crate) fn new(sockets: Sockets) -> Self {
        Self { sockets, clients: BTreeMap::new(), controls: BTreeMap::new(), last_id: 0 }
    }

    /// What to wait for.
    pub(crate) fn interests(&self) -> impl Iterator<Item = (Peer, BorrowedFd<'_>, PollFlags)> {
        let listeners = [
            (Peer::NewClient, self.sockets.clients.as_fd(), PollFlags::IN),
            (Peer::NewControl, self.sockets.control.as_fd(), PollFlags::IN),
        ];
        let clients = self.clients.iter().map(|(&id, wire)| (Peer::Client(id), wire.as_fd(), interest(wire)));
        let controls =
            self.controls.iter().map(|(&id, wire)| (Peer::Control(id), wire.as_fd(), interest(wire)));
        listeners.into_iter().chain(clients).chain(controls)
    }

    /// Accepts one connection.
    pub(crate) fn accept(&mut self, from: Peer) {
        let control = from == Peer::NewControl;
        let listener = if control { &self.sockets.control } else { &self.sockets.clients };
        let (wires, max) =
            if control { (&mut self.controls, CONTROLS_MAX) } else { (&mut self.clients, CLIENTS_MAX) };
        match listener.accept().and_then(|(stream, _)| Wire::new(stream)) {
            Ok(_) if wires.len() >= max => note!("hung up on a connection beyond {max} ({from:?})"),
            Ok(wire) => {
                self.last_id += 1;
                wires.insert(self.last_id, wire);
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => {
                note!("cannot accept a connection ({from:?}): {error}");
                // Out of descriptors or memory: the listener stays ready, so do not spin.
                std::thread::sleep(ACCEPT_FAULT_PAUSE);
            }
        }
    }

    /// Reads from a client and writes what waits for it; `None` when it is not here any more.
    pub(crate) fn serve_client(&mut self, client: ClientId) -> Option<Received> {
        let wire = self.clients.get_mut(&client)?;
        let mut received = wire.receive();
        received.closed |= !wire.flush();
        Some(received)
    }

    /// The same for a control connection. Nothing is expected from its side: it is read so
    /// that a talkative worker does not block, and to notice that it left.
    pub(crate) fn serve_control(&mut self, id: u64) {
        let gone = self.controls.get_mut(&id).is_some_and(|wire| wire.receive().closed || !wire.flush());
        if gone {
            self.controls.remove(&id);
        }
    }

    /// Whether a client is connected.
    pub(crate) fn has_client(&self, client: ClientId) -> bool {
        self.clients.contains_key(&client)
    }

    /// Says something to a client, unless it left or does not read.
    pub(crate) fn send(&mut self, client: ClientId, reply: &Reply) {
        let Some(wire) = self.clients.get_mut(&client) else { return };
        match serde_json::to_vec(reply) {
            Ok(line) => drop(wire.send_line(&line)),
            Err(error) => note!("cannot write {reply:?} as JSON: {error}"),
        }
    }

    /// Clients that nothing can be said to any more.
    pub(crate) fn unreachable_clients(&self) -> Vec<ClientId> {
        self.clients.iter().filter(|(_, wire)| wire.is_broken()).map(|(&client, _)| client).collect()
    }

    /// Hands a line to every control connection; whether there was one that took it.
    pub(crate) fn deliver(&mut self, line: &str) -> bool {
        self.controls.retain(|_, wire| wire.send_line(line.as_bytes()));
        !self.controls.is_empty()
    }

    /// Hangs up on a client.
    pub(crate) fn close_client(&mut self, client: ClientId) {
        self.clients.remove(&client);
    }

    /// Hangs up on whatever an ended worker left on the control socket.
    pub(crate) fn close_controls(&mut self) {
        self.controls.clear();
    }
}

fn interest(wire: &Wire) -> PollFlags {
    if wire.wants_to_write() { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN }
}
