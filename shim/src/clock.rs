//! Whether the kernel's clock is kept in step with others.

use std::io;

/// Whether somebody (chrony, systemd-timesyncd, ntpd, a hypervisor) keeps the wall clock in step, as
/// the kernel was told. Changes nothing.
///
/// # Errors
/// The I/O error: a sandbox may forbid the question.
pub fn is_synchronised() -> io::Result<bool> {
    crate::sys::is_clock_synchronised()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_is_asked_as_anybody_may() {
        // A sandbox may say no; a question asked the wrong way would be told as such.
        if let Err(error) = super::is_synchronised() {
            assert_eq!(error.raw_os_error(), Some(libc::EPERM), "{error}");
        }
    }
}
