//! Has the session saved beside the training, announces what was saved, and keeps the folder small where
//! nobody else does.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::Path;
use std::sync::mpsc::{self, Receiver, TryIter};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use othello_engine::session::Session;
use resus_checkpoint::background::{self, Report, RequestError, Requested, SaveEnd, SaverOptions};
use resus_checkpoint::{Compression, Draft, Health, Meta, Saved};
use resus_sdk::{CheckpointSaved, ErrorReport, Pulse};

use crate::failure::with_causes;
use crate::retention::Retention;
use crate::snapshot::Arrays;

/// Who writes these checkpoints, as they say themselves.
const WRITER: &str = concat!("othello-trainer ", env!("CARGO_PKG_VERSION"));

/// The figure that a checkpoint has besides its step: root mean squared error of the latest batch, in discs.
const LOSS: &str = "loss";

/// How often there is a sign of life while a save is waited for.
const SIGN_INTERVAL: Duration = Duration::from_secs(1);

/// Copies sessions and has the copies saved.
#[derive(Debug)]
pub(crate) struct Saver {
    inner: background::Saver,
    reports: Receiver<Report>,
    pulse: Pulse,
    compression: Compression,
    arrays: Arrays,
}

impl Saver {
    /// A saver as `options` say. Without a supervisor behind `pulse` it keeps a few checkpoints only; a
    /// supervisor has rules of its own.
    ///
    /// # Errors
    /// The saving thread cannot be started.
    pub(crate) fn start(options: SaverOptions, compression: Compression, pulse: Pulse) -> io::Result<Self> {
        let (sender, reports) = mpsc::channel();
        let mut retention = (!pulse.is_enabled()).then(Retention::default);
        let speaker = pulse.clone();
        let listener = move |report: Report| {
            tell(&speaker, &report);
            if let (SaveEnd::Saved(saved), Some(retention)) = (&report.end, &mut retention) {
                retention.keep(&report, saved);
            }
            // The trainer reads its reports, or is gone.
            let _ = sender.send(report);
        };
        let inner = background::Saver::start(options, listener)?;
        Ok(Self { inner, reports, pulse, compression, arrays: Arrays::default() })
    }

    /// Takes a copy of `session` to be saved; `loss` is that of its latest batch. Waits for the copy and
    /// for nothing else. A request that cannot be taken is told here.
    pub(crate) fn request(
        &mut self,
        session: &Session,
        loss: Option<f64>,
    ) -> Result<Requested, RequestError> {
        let begin = Instant::now();
        let games = session.games_done();
        self.arrays.take(session);
        let is_finite = self.arrays.is_finite() && loss.is_none_or(f64::is_finite);
        let meta = Meta {
            step: games,
            epoch: None,
            health: if is_finite { Health::Finite } else { Health::NotFinite },
            metrics: loss.map(|loss| (LOSS.to_owned(), loss)).into_iter().collect::<BTreeMap<_, _>>(),
            writer: WRITER.to_owned(),
        };
        let inner = &mut self.inner;
        let requested = self.arrays.read(self.compression, |sections| {
            let draft = Draft { games, unix_time: unix_time(), meta: &meta, sections };
            inner.request_since(begin, &file_name(games), &draft)
        });
        if let Err(error) = &requested {
            tell_failure(&self.pulse, games, &error.to_string());
        }
        requested
    }

    /// How the saves went that are over and were not asked for yet. Never waits.
    pub(crate) fn reports(&self) -> TryIter<'_, Report> {
        self.reports.try_iter()
    }

    /// Waits until everything that was asked for is saved or given up. A slow disk is no hang: there are
    /// signs of life meanwhile.
    pub(crate) fn finish(&mut self) {
        while !self.inner.finish_within(SIGN_INTERVAL) {
            self.pulse.heartbeat();
        }
    }
}

/// The name a checkpoint is to have; where an attempt before left one of that name it gets a number besides.
fn file_name(games: u64) -> String {
    format!("othello-{games:09}.prsm")
}

/// The name a checkpoint is known by: that of its file, without the ending.
fn checkpoint_id(path: &Path) -> Cow<'_, str> {
    path.file_stem().unwrap_or_default().to_string_lossy()
}

/// Says how a save went to whoever supervises.
fn tell(pulse: &Pulse, report: &Report) {
    match &report.end {
        SaveEnd::Saved(saved) => announce(pulse, report, saved),
        SaveEnd::Retried { error, .. } => {
            tell_failure(pulse, report.games, &format!("{}; trying once more", with_causes(error)));
        }
        SaveEnd::GivenUp { error } => tell_failure(pulse, report.games, &with_causes(error)),
    }
}

fn announce(pulse: &Pulse, report: &Report, saved: &Saved) {
    pulse.checkpoint_saved(&CheckpointSaved {
        step: Some(report.games),
        size_bytes: Some(saved.size_bytes),
        duration_s: Some(saved.duration.as_secs_f64()),
        digest: Some(&saved.digest),
        health: match report.meta.health {
            Health::Unknown => None,
            Health::Finite => Some(resus_sdk::Health::Finite),
            Health::NotFinite => Some(resus_sdk::Health::NotFinite),
        },
        loss: report.meta.metrics.get(LOSS).copied(),
        ..CheckpointSaved::at(&checkpoint_id(&saved.path), &saved.path)
    });
}

fn tell_failure(pulse: &Pulse, games: u64, reason: &str) {
    pulse.error(&ErrorReport {
        error_code: "CHECKPOINT_SAVE_FAILED",
        message: &format!("failed to save the checkpoint at {games} games: {reason}"),
        is_retryable: true,
        ..ErrorReport::default()
    });
}

/// Now, in seconds since 1970; 0 on a machine whose clock is before that.
fn unix_time() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// Makes the folder, and clears what killed saves left in it. Returns what of that did not work, as warnings:
/// a leftover costs room, and a training that does not begin costs more.
pub(crate) fn prepare_folder(folder: &Path) -> io::Result<Vec<String>> {
    fs::create_dir_all(folder)?;
    Ok(match resus_checkpoint::remove_leftovers(folder) {
        Ok(leftovers) => leftovers.stuck.iter().map(|(path, error)| unremoved(path, error)).collect(),
        Err(error) => vec![unremoved(folder, &error)],
    })
}

fn unremoved(path: &Path, error: &io::Error) -> String {
    format!("failed to clear what killed saves left: {}: {error}", path.display())
}

#[cfg(test)]
mod tests;
