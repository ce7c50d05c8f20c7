//! The shim's own log: its standard error, which is `shim.log` in the run's folder.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

/// Larger logs are begun anew when a shim starts; one shim writes no more than this either.
pub(crate) const LOG_BYTES_MAX: usize = 64 * 1024;

static WRITTEN: AtomicUsize = AtomicUsize::new(0);

/// Writes one line; there is nobody to tell when that fails.
pub(crate) fn write(text: &str) {
    let line = format!("{} {text}\n", unix_ms());
    if WRITTEN.fetch_add(line.len(), Ordering::Relaxed) < LOG_BYTES_MAX {
        let _ = std::io::stderr().write_all(line.as_bytes());
    }
}

/// The wall clock in milliseconds since 1970.
pub(crate) fn unix_ms() -> u64 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since_1970.as_millis()).unwrap_or(u64::MAX)
}

/// Formats and writes one line of the shim's log.
macro_rules! note {
    ($($argument:tt)*) => { $crate::log::write(&format!($($argument)*)) };
}
pub(crate) use note;
