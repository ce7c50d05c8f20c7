//! The clocks, read at the edge.

use resus_core::moment::Moment;
use rustix::time::{ClockId, clock_gettime};

/// Now, on the wall clock and on the monotonic clock that all processes of this boot share.
#[must_use]
pub fn now() -> Moment {
    Moment { unix_ms: read_ms(ClockId::Realtime), mono_ms: read_ms(ClockId::Monotonic) }
}

fn read_ms(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds.saturating_mul(1000).saturating_add(nanos / 1_000_000)
}
