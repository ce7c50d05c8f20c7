//! Checkpoints of the fake worker: written by the library of our format, or the way other frameworks do.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::Path;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use resus_sdk::{CheckpointSaved, Health};

use super::{Ending, Run, with_causes};
use crate::foreign::{self, Writing};
use crate::script::Shape;

/// The size of a checkpoint, how long it took, and its digest, as far as they are known.
type Known<'a> = (Option<u64>, Option<f64>, Option<&'a str>);

impl<W: Write> Run<'_, W> {
    /// Saves and announces a checkpoint, where there is a place for one. `false`: there is none. `Break`:
    /// the worker dies half-way.
    pub(super) fn save(&mut self) -> ControlFlow<Ending, bool> {
        let Some(folder) = self.pulse.checkpoint_dir().map(Path::to_owned) else {
            return ControlFlow::Continue(false);
        };
        let saved = match self.script.shape {
            Shape::Prsm => self.save_ours(&folder),
            Shape::Torch | Shape::Safetensors | Shape::Folder => match self.save_foreign(&folder) {
                Ok(ControlFlow::Break(ending)) => return ControlFlow::Break(ending),
                Ok(ControlFlow::Continue(())) => Ok(()),
                Err(error) => Err(with_causes(&error)),
            },
        };
        if let Err(reason) = &saved {
            self.complain("CHECKPOINT_SAVE_FAILED", reason, false);
        }
        ControlFlow::Continue(saved.is_ok())
    }

    fn save_ours(&mut self, folder: &Path) -> Result<(), String> {
        let saved = self.state.save(folder, unix_time(), self.script.hides_health());
        let saved = saved.map_err(|error| with_causes(&error))?;
        let duration_s = saved.duration.as_secs_f64();
        self.announce(&saved.path, (Some(saved.size_bytes), Some(duration_s), Some(&saved.digest)));
        self.newest_checkpoint = Some(saved.path);
        Ok(())
    }

    fn save_foreign(&mut self, folder: &Path) -> io::Result<ControlFlow<Ending>> {
        let (start, shape) = (Instant::now(), self.script.shape);
        let path = foreign::free_path(folder, shape, &self.state.checkpoint_id())?;
        if self.script.announce_early {
            self.announce(&path, (None, None, None));
        }
        let crash = self.script.crash_in(self.state.step, self.pulse.attempt(), true);
        let mut writing = Writing::begin(path, shape, &self.state)?;
        let pause = self.script.save_time.div_f64(writing.pieces() as f64);
        while writing.write()? {
            self.rest(pause, |_| false);
            if let Some(crash) = crash.filter(|_| writing.is_half_done()) {
                return Ok(ControlFlow::Break(self.crash(crash)));
            }
        }
        if !self.script.announce_early {
            let duration_s = start.elapsed().as_secs_f64();
            self.announce(writing.path(), (Some(writing.size_bytes()), Some(duration_s), None));
        }
        self.newest_checkpoint = Some(writing.path().to_owned());
        Ok(ControlFlow::Continue(()))
    }

    fn announce(&self, path: &Path, (size_bytes, duration_s, digest): Known<'_>) {
        let tells = !self.script.hides_health();
        let health = if self.state.is_poisoned() { Health::NotFinite } else { Health::Finite };
        self.pulse.checkpoint_saved(&CheckpointSaved {
            step: Some(self.state.step),
            size_bytes,
            duration_s,
            digest,
            health: tells.then_some(health),
            loss: tells.then(|| self.state.loss()),
            ..CheckpointSaved::at(&foreign::id_of(path), path)
        });
    }
}

/// Now, in seconds since 1970.
fn unix_time() -> i64 {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since_epoch.as_secs()).unwrap_or(i64::MAX)
}
