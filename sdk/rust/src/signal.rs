//! SIGTERM and SIGINT as requests to stop, for workers that want them so.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Set by the handlers; read by the training loop.
#[derive(Debug, Default)]
pub(crate) struct Signals {
    stop: Arc<AtomicBool>,
    handled: OnceLock<()>,
}

impl Signals {
    /// Takes over both signals, once per handle. A second SIGINT ends the process as it would have
    /// without us, for the person at the keyboard who no longer wants to wait.
    pub(crate) fn handle(&self) -> io::Result<()> {
        if self.handled.set(()).is_err() {
            return Ok(());
        }
        flag::register(SIGTERM, Arc::clone(&self.stop))?;
        let interrupted = Arc::new(AtomicBool::new(false));
        // In this order: the first SIGINT finds the condition unset and then sets it.
        flag::register_conditional_default(SIGINT, Arc::clone(&interrupted))?;
        flag::register(SIGINT, interrupted)?;
        flag::register(SIGINT, Arc::clone(&self.stop))?;
        Ok(())
    }

    pub(crate) fn stop_requested(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
