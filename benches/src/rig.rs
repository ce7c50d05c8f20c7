//! What it takes to measure the real `resus` from outside: a home of its own, workers as light
//! as a program can be, a bare loop to compare with, and `/proc`.

mod bare;
mod clock;
mod disk;
mod fault;
mod fleet;
mod home;
mod http;
mod marks;
mod process;
mod stream;
mod voice;
mod worker;

pub use bare::{Bare, start as start_bare};
pub use clock::{PATIENCE, millis_between, monotonic_ns, pause_until};
pub use disk::{Journal, save};
pub use fault::Fault;
pub use fleet::{CONNECTIONS, Fleet, Retries, Run, Runs, Voices, start_voices};
pub use home::Home;
pub use http::Connection;
pub use marks::{BEGUN, DONE, LEFT, Mark, Marks, SILENT};
pub use process::{
    Process, alive, cpu_ms_in_all, cpu_ns, cpu_ns_of_this_thread, kill, load, pss_bytes, rss_bytes,
    rss_peak_bytes,
};
pub use stream::{Heard, Subscriber};
pub use voice::{EVENTS_FILE, Voice};
pub use worker::{LEFT_CODE, Worker};

use std::path::PathBuf;

/// This program: it is also the workers.
///
/// # Errors
/// [`Fault::Io`].
pub fn this_program() -> Result<PathBuf, Fault> {
    std::env::current_exe().map_err(Fault::io("find", "this program"))
}
