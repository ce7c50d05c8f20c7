//! Pieces of what a worker printed, from the file it prints to.

use resus_core::api::OutputChunk;
use resus_core::run::Run;
use resus_store::StateDir;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// Name of an attempt's output file, as the shim opens it.
const OUTPUT_FILE: &str = "output.log";

/// Why output could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error("run {run} has no attempt {attempt}; its newest is {newest}")]
    NoSuchAttempt { run: String, attempt: u32, newest: u32 },
    #[error("the output of attempt {attempt} can't be read: {source}")]
    Read { attempt: u32, source: io::Error },
    #[error(transparent)]
    Run(#[from] resus_store::BadRunId),
}

/// Reads at most `max` bytes of an attempt's output from `offset` on. An offset at the end
/// gives an empty piece; so does an attempt that has printed nothing yet.
pub(crate) fn read(
    state: &StateDir,
    run: &Run,
    attempt: Option<u32>,
    offset: u64,
    max: u32,
) -> Result<(OutputChunk, Vec<u8>), OutputError> {
    let newest = run.attempt.0;
    let attempt = attempt.unwrap_or(newest);
    if attempt == 0 || attempt > newest {
        return Err(OutputError::NoSuchAttempt { run: run.id.short().to_owned(), attempt, newest });
    }
    // Asked before reading: whatever was printed before the end is then read.
    let complete = attempt < newest || run.phase.is_terminal() || !run.phase.has_worker();
    let path = state.attempt(run.id.as_str(), attempt)?.join(OUTPUT_FILE);
    let (length, bytes) =
        piece(&path, offset, max).map_err(|source| OutputError::Read { attempt, source })?;
    let next_offset = offset.saturating_add(bytes.len() as u64);
    let chunk = OutputChunk {
        attempt,
        newest_attempt: newest,
        offset,
        next_offset,
        length,
        complete: complete && next_offset >= length,
        run_ended: run.phase.is_terminal(),
    };
    Ok((chunk, bytes))
}

fn piece(path: &std::path::Path, offset: u64, max: u32) -> io::Result<(u64, Vec<u8>)> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok((0, Vec::new())),
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let wanted = length.saturating_sub(offset).min(u64::from(max));
    let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(0)];
    let read = file.read_at(&mut bytes, offset)?;
    bytes.truncate(read);
    Ok((length, bytes))
}
