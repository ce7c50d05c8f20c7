//! Questions that may wait for their answer, whichever door they come through.

use crate::answer::bad_request;
use crate::desk::Desk;
use crate::limits::{OUTPUT_BYTES_MAX, OUTPUT_LOOK_INTERVAL, WAIT_MAX};
use crate::router::Panel;
use resus_core::api::{OutputChunk, Problem};
use resus_core::view::RunView;
use std::time::Duration;
use tokio::time::{Instant, sleep_until};

impl<D: Desk> Panel<D> {
    /// A run and its version: at once, or once the version is above `since`, but after
    /// `wait_ms` at the latest.
    pub(crate) async fn run_after(
        &self,
        run: &str,
        since: Option<u64>,
        wait_ms: u64,
    ) -> Result<(RunView, u64), Problem> {
        // A name that fits nobody is refused before the wait.
        self.desk.run(run)?;
        let within = Duration::from_millis(wait_ms).min(WAIT_MAX);
        if let Some(since) = since.filter(|_| !within.is_zero()) {
            let _permit = self.may_wait()?;
            tokio::select! {
                _ = self.desk.changed(since, within) => {}
                () = self.ending() => {}
            }
        }
        // The version first: a change between the two reads is then told again, and never missed.
        let version = self.desk.version();
        Ok((self.desk.run(run)?, version))
    }

    /// At most `max` bytes of an attempt's output from `offset` on; waits for the first of them
    /// up to `wait_ms`.
    pub(crate) async fn output_after(
        &self,
        run: &str,
        attempt: Option<u32>,
        offset: u64,
        max: Option<u32>,
        wait_ms: u64,
    ) -> Result<(OutputChunk, Vec<u8>), Problem> {
        if attempt == Some(0) {
            return Err(bad_request("attempts are counted from 1".to_owned()).0);
        }
        let max = max.unwrap_or(OUTPUT_BYTES_MAX).min(OUTPUT_BYTES_MAX);
        let within = Duration::from_millis(wait_ms).min(WAIT_MAX);
        let look = || self.desk.output(run, attempt, offset, max);
        if within.is_zero() {
            return look().await;
        }
        let _permit = self.may_wait()?;
        let until = Instant::now() + within;
        loop {
            let (chunk, bytes) = look().await?;
            let over = chunk.complete && (chunk.run_ended || chunk.newest_attempt > chunk.attempt);
            if !bytes.is_empty() || over || Instant::now() >= until || self.is_ending() {
                return Ok((chunk, bytes));
            }
            tokio::select! {
                () = sleep_until(until.min(Instant::now() + OUTPUT_LOOK_INTERVAL)) => {}
                () = self.ending() => {}
            }
        }
    }
}
