//! Readiness of a file descriptor that we own.

use std::io;
use std::os::fd::OwnedFd;
use tokio::io::unix::AsyncFd;

/// Registers an owned descriptor with the runtime.
#[expect(
    deprecated,
    reason = "the safe constructor is deprecated for types whose descriptor may change under the runtime; \
              an OwnedFd never does, and this crate has no unsafe code"
)]
pub(crate) fn watch(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::new(fd)
}
