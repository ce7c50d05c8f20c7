//! The notify socket of a run: what a worker says with sd_notify(3) ends up in its events
//! file, whether or not a daemon is there to hear it.
//!
//! Every datagram becomes one line, `{"notify":"<its text>"}`, added by one write. Only
//! processes of the attempt's tree are heard: the kernel says who sent a datagram.

use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, IoSliceMut, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};

use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, UCred, recv, recvmsg, sockopt,
};
use serde::Serialize;

use crate::log::note;

/// A longer datagram is refused.
pub(crate) const DATAGRAM_BYTES_MAX: usize = 64 * 1024;
/// Heard per turn, so that a flood cannot keep the loop from the others. The kernel makes
/// senders wait while its own queue is full.
pub(crate) const DATAGRAMS_PER_TURN: usize = 64;
/// Heard at a worker's end: more than the kernel queues by default.
const DATAGRAMS_AT_END: usize = 1024;

/// Files that came along and fit here are closed; the kernel itself drops the others.
const CONTROL_BYTES: usize = rustix::cmsg_space!(ScmCredentials(1), ScmRights(8));

/// The listening end.
#[derive(Debug)]
pub(crate) struct Notify {
    socket: UnixDatagram,
    /// The open events file of the present attempt.
    file: Option<(PathBuf, File)>,
    dropped: Dropped,
}

/// Datagrams that were not kept, since the last time they were told of.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
struct Dropped {
    /// From processes that do not belong to the attempt, or were gone already.
    strangers: u64,
    too_long: u64,
    /// There is no file for them, or it could not be written.
    unwritten: u64,
}

/// Who is listened to, and where that goes.
pub(crate) trait Audience {
    /// The events file of the present attempt.
    fn events(&self) -> Option<&Path>;
    /// Whether this process belongs to the present attempt.
    fn owns(&self, pid: u32) -> bool;
}

/// One line of the events file.
#[derive(Debug, Serialize)]
struct Line<'a> {
    notify: &'a str,
}

/// One datagram.
struct Datagram {
    /// `None` if it is too long.
    text: Option<Vec<u8>>,
    sender: Option<u32>,
}

impl Notify {
    /// Listens on a bound socket.
    pub(crate) fn new(socket: UnixDatagram) -> io::Result<Self> {
        socket.set_nonblocking(true)?;
        sockopt::set_socket_passcred(&socket, true)?;
        Ok(Self { socket, file: None, dropped: Dropped::default() })
    }

    /// Hears what waits, a bounded amount of it.
    pub(crate) fn receive(&mut self, audience: &impl Audience) {
        self.receive_at_most(DATAGRAMS_PER_TURN, audience);
    }

    /// The attempt's worker has ended: hears all that it said until then, while its processes
    /// can still be seen.
    pub(crate) fn drain(&mut self, audience: &impl Audience) {
        self.receive_at_most(DATAGRAMS_AT_END, audience);
    }

    /// Nothing of the attempt is left: forgets its file, and tells what was not kept.
    pub(crate) fn finish(&mut self) {
        self.file = None;
        let Dropped { strangers, too_long, unwritten } = std::mem::take(&mut self.dropped);
        if strangers + too_long + unwritten > 0 {
            note!(
                "notifications dropped: {strangers} not of the worker, {too_long} longer than \
                 {DATAGRAM_BYTES_MAX} bytes, {unwritten} not written"
            );
        }
    }

    fn receive_at_most(&mut self, most: usize, audience: &impl Audience) {
        for _ in 0..most {
            match self.receive_one(audience) {
                Ok(()) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return,
                Err(error) => return note!("cannot read a notification: {error}"),
            }
        }
    }

    fn receive_one(&mut self, audience: &impl Audience) -> Result<(), Errno> {
        let Datagram { text, sender } = self.take()?;
        let Some(text) = text else {
            self.dropped.too_long += 1;
            return Ok(());
        };
        if !sender.is_some_and(|pid| audience.owns(pid)) {
            self.dropped.strangers += 1;
        } else if let Err(error) = self.write(&text, audience.events()) {
            if self.dropped.unwritten == 0 {
                note!("cannot keep a notification: {error}");
            }
            self.dropped.unwritten += 1;
        }
        Ok(())
    }

    /// The next datagram, into memory of its size: nothing is kept for the next one.
    fn take(&self) -> Result<Datagram, Errno> {
        let peek = RecvFlags::PEEK | RecvFlags::TRUNC | RecvFlags::DONTWAIT;
        let (_, length) = recv(&self.socket, &mut [0; 1], peek)?;
        let mut text = vec![0; length.min(DATAGRAM_BYTES_MAX)];
        let mut space = [MaybeUninit::uninit(); CONTROL_BYTES];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let received = recvmsg(&self.socket, &mut [IoSliceMut::new(&mut text)], &mut control, flags)?;
        let mut sender = None;
        for message in control.drain() {
            match message {
                RecvAncillaryMessage::ScmCredentials(UCred { pid, .. }) => {
                    sender = u32::try_from(pid.as_raw_nonzero().get()).ok();
                }
                // Closes them. A sender may be waiting for just that (a barrier): all that it
                // said before is in the file by now.
                RecvAncillaryMessage::ScmRights(files) => drop(files),
                _ => {}
            }
        }
        text.truncate(received.bytes);
        let is_whole = !received.flags.contains(ReturnFlags::TRUNC);
        Ok(Datagram { text: is_whole.then_some(text), sender })
    }

    fn write(&mut self, text: &[u8], events: Option<&Path>) -> io::Result<()> {
        let path = events.ok_or_else(|| io::Error::other("the attempt has no file for them"))?;
        if self.file.as_ref().is_none_or(|(open, file)| open != path || !is_still(file, path)) {
            self.file = Some((path.to_owned(), open(path)?));
        }
        let Some((_, file)) = &mut self.file else { return Ok(()) };
        let text = String::from_utf8_lossy(text);
        let mut line = serde_json::to_vec(&Line { notify: &text })?;
        line.push(b'\n');
        let written = file.write(&line)?;
        if written == line.len() {
            return Ok(());
        }
        // Torn, for want of room: what comes next shall at least be a line of its own.
        let _ = file.write(b"\n");
        Err(io::ErrorKind::WriteZero.into())
    }
}

impl AsFd for Notify {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// Whether the file still has that name: a worker may rename or replace its event file, and who
/// reads goes over to the new one.
fn is_still(file: &File, path: &Path) -> bool {
    let same = |open: Metadata, there: Metadata| (open.dev(), open.ino()) == (there.dev(), there.ino());
    file.metadata().is_ok_and(|open| fs::metadata(path).is_ok_and(|there| same(open, there)))
}

/// Opens a regular file for adding to it; anything else could make us wait.
pub(crate) fn open(path: &Path) -> io::Result<File> {
    let flags = libc::O_NONBLOCK | libc::O_NOCTTY;
    let file = OpenOptions::new().append(true).create(true).mode(0o600).custom_flags(flags).open(path)?;
    if file.metadata()?.is_file() { Ok(file) } else { Err(io::Error::other("not a regular file")) }
}
