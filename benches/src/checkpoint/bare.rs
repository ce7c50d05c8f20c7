//! The same bytes without any care: the least that a checkpoint can cost.

use std::fs::{self, File};
use std::hint::black_box;
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::syncfs;

use super::CheckpointBenchError;
use super::state::State;

/// Bytes that are read at a time when none of them is kept: they stay in the core's cache.
const BLOCK_BYTES: usize = 256 << 10;

/// Writes the state to a new file and syncs it. Returns how long that took, and removes the file.
///
/// # Errors
/// The I/O error.
pub fn save(folder: &Path, state: &State) -> Result<Duration, CheckpointBenchError> {
    let path = folder.join("bare");
    let start = Instant::now();
    let write = || {
        let mut file = File::create_new(&path)?;
        for bytes in state.arrays() {
            file.write_all(bytes)?;
        }
        file.sync_all()
    };
    write().map_err(CheckpointBenchError::io("write", &path))?;
    let took = start.elapsed();
    fs::remove_file(&path).map_err(CheckpointBenchError::io("remove", &path))?;
    Ok(took)
}

/// Reads the whole file into new memory. Returns how long that took.
///
/// # Errors
/// The I/O error.
pub fn load(path: &Path) -> Result<Duration, CheckpointBenchError> {
    let start = Instant::now();
    let bytes = fs::read(path).map_err(CheckpointBenchError::io("read", path))?;
    let took = start.elapsed();
    black_box(bytes);
    Ok(took)
}

/// Reads the whole file through a small buffer. Returns how long that took.
///
/// # Errors
/// The I/O error.
pub fn pass(path: &Path) -> Result<Duration, CheckpointBenchError> {
    let start = Instant::now();
    let read = || -> io::Result<()> {
        let mut file = File::open(path)?;
        let mut block = vec![0; BLOCK_BYTES];
        while file.read(black_box(&mut block))? > 0 {}
        Ok(())
    };
    read().map_err(CheckpointBenchError::io("read", path))?;
    Ok(start.elapsed())
}

/// Waits until nothing is left to be written on the disk of `folder`, so that what was done before
/// does not slow down what is timed next.
///
/// # Errors
/// The I/O error.
pub fn settle(folder: &Path) -> Result<(), CheckpointBenchError> {
    let sync = || Ok(syncfs(File::open(folder)?)?);
    sync().map_err(CheckpointBenchError::io("sync the disk of", folder))
}
