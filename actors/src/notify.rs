//! Talking to systemd: readiness, the watchdog, the end. Nothing happens where there is no
//! systemd. (The protocol is one datagram of `KEY=VALUE` lines to `$NOTIFY_SOCKET`; see
//! sd_notify(3).)

use std::ffi::OsStr;
use std::io;
use std::os::linux::net::SocketAddrExt;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

/// The way to a service manager.
#[derive(Debug)]
pub struct Notifier {
    socket: UnixDatagram,
    manager: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notifier {
    /// The way to the manager named by the values of `NOTIFY_SOCKET`, `WATCHDOG_USEC` and
    /// `WATCHDOG_PID`; `None` if there is none.
    ///
    /// # Errors
    /// The I/O error of a socket that is named but can't be used.
    pub fn new(
        socket: Option<&OsStr>,
        watchdog_usec: Option<&OsStr>,
        watchdog_pid: Option<&OsStr>,
    ) -> io::Result<Option<Self>> {
        let Some(path) = socket.filter(|path| !path.is_empty()) else { return Ok(None) };
        let manager = match path.as_bytes().strip_prefix(b"@") {
            Some(name) => SocketAddr::from_abstract_name(name)?,
            None => SocketAddr::from_pathname(path)?,
        };
        let number =
            |value: Option<&OsStr>| value.and_then(OsStr::to_str).and_then(|v| v.parse::<u64>().ok());
        let ours = number(watchdog_pid).is_none_or(|pid| pid == u64::from(std::process::id()));
        let watchdog = number(watchdog_usec).filter(|usec| ours && *usec > 0).map(Duration::from_micros);
        Ok(Some(Self { socket: UnixDatagram::unbound()?, manager, watchdog }))
    }

    /// Silence for this long makes the manager restart us.
    #[must_use]
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog
    }

    /// Runs are taken charge of, commands are answered.
    pub fn ready(&self) {
        self.tell("READY=1\nSTATUS=supervising\n");
    }

    /// The daemon is about to end on purpose.
    pub fn stopping(&self) {
        self.tell("STOPPING=1\n");
    }

    /// The actors move.
    pub fn alive(&self) {
        self.tell("WATCHDOG=1\n");
    }

    fn tell(&self, state: &str) {
        if let Err(error) = self.socket.send_to_addr(state.as_bytes(), &self.manager) {
            tracing::warn!(%error, "the service manager can't be reached");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manager_hears_what_it_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("notify");
        let manager = UnixDatagram::bind(&path).unwrap();
        let pid = std::process::id().to_string();
        let notifier =
            Notifier::new(Some(path.as_os_str()), Some(OsStr::new("30000000")), Some(OsStr::new(&pid)));
        let notifier = notifier.unwrap().unwrap();
        assert_eq!(notifier.watchdog(), Some(Duration::from_secs(30)));
        notifier.ready();
        notifier.alive();
        let mut buffer = [0; 64];
        let read = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..read], b"READY=1\nSTATUS=supervising\n");
        let read = manager.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..read], b"WATCHDOG=1\n");
    }

    #[test]
    fn a_watchdog_of_another_process_is_not_ours_and_no_socket_is_no_manager() {
        let path = OsStr::new("/nowhere");
        let other = Notifier::new(Some(path), Some(OsStr::new("5")), Some(OsStr::new("1"))).unwrap().unwrap();
        assert_eq!(other.watchdog(), None);
        other.alive();
        assert!(Notifier::new(None, None, None).unwrap().is_none());
        assert!(Notifier::new(Some(OsStr::new("")), None, None).unwrap().is_none());
    }
}
