//! Which ports the server gets.

use super::conf::Ports;
use super::folder::ServerRecord;
use resus_bus::setup::Managed;
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// How far behind a port that is taken another one is looked for.
const SPREAD: u16 = 100;

/// Ports that are free now: those of the last server if they are, so that addresses which people
/// wrote down stay true; else the wanted ones; else ones behind those; else any.
pub(super) fn choose(wanted: &Managed, last: Option<&ServerRecord>) -> io::Result<Ports> {
    // All are held until the last is chosen, so that none is chosen twice.
    let mut held = Vec::new();
    let mut take = |wanted: u16, last: Option<u16>| {
        let listener = candidates(wanted, last).find_map(listen).map_or_else(any, Ok)?;
        let port = listener.local_addr()?.port();
        held.push(listener);
        io::Result::Ok(port)
    };
    // Somebody who has changed the setting means the new one.
    let same = last.filter(|last| last.wanted_port == wanted.port);
    let client = take(wanted.port, same.map(|last| last.port))?;
    let websocket = match wanted.websocket_port {
        Some(port) => Some(take(port, last.and_then(|last| last.websocket_port))?),
        None => None,
    };
    Ok(Ports { client, monitor: take(0, last.map(|last| last.monitor_port))?, websocket })
}

/// Ports to try, in order; after them any is fine.
fn candidates(wanted: u16, last: Option<u16>) -> impl Iterator<Item = u16> {
    let behind = (wanted > 0).then(|| wanted..=wanted.saturating_add(SPREAD));
    last.into_iter().chain(behind.into_iter().flatten())
}

fn listen(port: u16) -> Option<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, port)).ok()
}

fn any() -> io::Result<TcpListener> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_port_comes_first_and_the_wanted_one_next() {
        let of = |wanted, last| candidates(wanted, last).take(3).collect::<Vec<_>>();
        assert_eq!(of(4222, None), [4222, 4223, 4224]);
        assert_eq!(of(4222, Some(4230)), [4230, 4222, 4223]);
        assert_eq!(of(0, Some(5)), [5]);
        assert_eq!(of(0, None), [0; 0]);
        assert_eq!(of(65_535, None), [65_535], "there is nothing behind");
    }

    #[test]
    fn a_port_that_is_taken_is_passed_over() {
        let taken = any().unwrap();
        let port = taken.local_addr().unwrap().port();
        let wanted = Managed { program: None, port, websocket_port: Some(0) };
        let ports = choose(&wanted, None).unwrap();
        assert_ne!(ports.client, port);
        let all = [ports.client, ports.monitor, ports.websocket.unwrap()];
        assert!(all[0] != all[1] && all[1] != all[2] && all[0] != all[2], "{all:?}");
    }
}
