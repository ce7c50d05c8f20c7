//! The baseline: a loop that starts its worker again as fast as one can be that keeps a record.
//! It waits, writes a line to the disk, and starts the next one; it decides nothing and
//! survives nothing.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::thread::JoinHandle;

use super::fault::Fault;
use super::marks::Marks;
use super::process::kill;
use super::worker::Worker;

/// Bytes of the record of one restart: about what an event has.
const RECORD_BYTES: usize = 300;

/// Loops, one thread and one worker each. Dropped, they and their workers are gone.
#[derive(Debug)]
pub struct Bare {
    stopping: Arc<AtomicBool>,
    loops: Vec<Loop>,
}

#[derive(Debug)]
struct Loop {
    /// The present worker, 0 before the first.
    pid: Arc<AtomicU32>,
    thread: Option<JoinHandle<io::Result<()>>>,
}

impl Bare {
    /// Starts loops with trivial workers, tagged from 0; their records lie in `folder`.
    ///
    /// # Errors
    /// [`Fault`].
    pub fn start(count: u32, folder: &Path, marks: &Marks) -> Result<Self, Fault> {
        let mut bare = Self { stopping: Arc::default(), loops: Vec::new() };
        for tag in 0..count {
            let path = folder.join(format!("bare-{tag}.log"));
            let record = File::create_new(&path).map_err(Fault::io("create", &path))?;
            let argv = Worker::Trivial.command(marks.path(), tag)?;
            let (stopping, pid) = (Arc::clone(&bare.stopping), Arc::<AtomicU32>::default());
            let own = Arc::clone(&pid);
            let name = "bare loop";
            let thread = std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || keep_alive(&argv, record, &own, &stopping))
                .map_err(Fault::io("start", name))?;
            bare.loops.push(Loop { pid, thread: Some(thread) });
        }
        Ok(bare)
    }

    /// Ends the loops and their workers.
    ///
    /// # Errors
    /// What a loop died of before: then its figures are worth nothing.
    pub fn stop(mut self) -> Result<(), Fault> {
        self.end()
    }

    fn end(&mut self) -> Result<(), Fault> {
        self.stopping.store(true, Ordering::SeqCst);
        for Loop { pid, .. } in &self.loops {
            // A loop that is just starting a worker sees `stopping` and kills that one itself.
            match pid.load(Ordering::SeqCst) {
                0 => {}
                pid => kill(pid),
            }
        }
        let mut outcome = Ok(());
        for thread in self.loops.iter_mut().filter_map(|each| each.thread.take()) {
            outcome = outcome.and(match thread.join() {
                Ok(ended) => ended.map_err(Fault::io("keep a worker alive in", "the bare loop")),
                Err(_) => Err(Fault::wrong("a bare loop panicked")),
            });
        }
        outcome
    }
}

impl Drop for Bare {
    fn drop(&mut self) {
        // After `stop` there is nothing left; otherwise the benchmark has failed already.
        let _failed_already = self.end();
    }
}

fn keep_alive(argv: &[String], mut record: File, pid: &AtomicU32, stopping: &AtomicBool) -> io::Result<()> {
    let line = format!("{}\n", "x".repeat(RECORD_BYTES - 1));
    loop {
        let mut child = start(argv)?;
        pid.store(child.id(), Ordering::SeqCst);
        if stopping.load(Ordering::SeqCst) {
            child.kill()?;
        }
        child.wait()?;
        if stopping.load(Ordering::SeqCst) {
            return Ok(());
        }
        record.write_all(line.as_bytes())?;
        record.sync_data()?;
    }
}

/// Starts a process in the quickest way there is (`posix_spawn`).
///
/// # Errors
/// The I/O error.
pub fn start(argv: &[String]) -> io::Result<Child> {
    let (program, arguments) = argv.split_first().ok_or(io::ErrorKind::InvalidInput)?;
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
}
