//! The curves of every run: kept in memory while it lives, on disk from time to time and at its
//! end, so that neither a retry nor a new daemon begins them anew.

use crate::telemetry::Heard;
use resus_core::ids::{Attempt, RunId};
use resus_core::pulse::line::Telemetry;
use resus_core::run::Run;
use resus_core::telemetry::history::{Curves as Points, History};
use resus_store::StateDir;
use resus_store::file::replace;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufReader};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How often curves that grew are written: what a killed daemon loses of a curve at most, but for
/// what it reads again from the worker's events.
const SAVE_INTERVAL: Duration = Duration::from_secs(60);

const FILE: &str = "curves.json";

struct Kept {
    history: History,
    attempt: Attempt,
    /// Amount done when the newest metric came.
    amount: f64,
    changed: bool,
}

/// The curves of all runs.
pub(crate) struct Curves {
    state: Arc<StateDir>,
    kept: Mutex<BTreeMap<RunId, Kept>>,
}

impl Curves {
    pub(crate) fn new(state: Arc<StateDir>) -> Self {
        Self { state, kept: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<RunId, Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes in what an attempt of `run` said.
    pub(crate) async fn hear(
        self: &Arc<Self>,
        run: &Run,
        attempt: Attempt,
        heard: &[Heard],
        now_unix_ms: u64,
    ) {
        if heard.iter().all(|(telemetry, _)| matches!(telemetry, Telemetry::Heartbeat)) {
            return;
        }
        self.bring_back(&run.id).await;
        let mut kept = self.lock();
        let Some(kept) = kept.get_mut(&run.id) else { return };
        if kept.attempt != attempt {
            kept.attempt = attempt;
            let from = run.resumed_from.as_ref().filter(|_| run.attempt == attempt);
            kept.history.resumed(attempt, from.and_then(|checkpoint| checkpoint.step).unwrap_or(0.0));
        }
        for (telemetry, said_unix_ms) in heard {
            kept.take(attempt, telemetry, said_unix_ms.unwrap_or(now_unix_ms));
        }
    }

    /// Makes sure that the run's curves are in memory.
    async fn bring_back(self: &Arc<Self>, run_id: &RunId) {
        if self.lock().contains_key(run_id) {
            return;
        }
        let (curves, id) = (Arc::clone(self), run_id.clone());
        let reading = tokio::task::spawn_blocking(move || curves.read(&id));
        let history = reading.await.map(History::of_curves).unwrap_or_default();
        let fresh = Kept { history, attempt: Attempt(0), amount: 0.0, changed: false };
        self.lock().entry(run_id.clone()).or_insert(fresh);
    }

    /// What is on disk; nothing if there is nothing, or nothing that makes sense.
    fn read(&self, run_id: &RunId) -> Points {
        let file = self.path(run_id).and_then(|path| File::open(path).ok());
        let Some(file) = file else { return Points::default() };
        serde_json::from_reader(BufReader::new(file)).unwrap_or_else(|error| {
            tracing::warn!(%run_id, %error, "the curves on disk can't be read; they begin anew");
            Points::default()
        })
    }

    fn path(&self, run_id: &RunId) -> Option<PathBuf> {
        self.state.run(run_id.as_str()).ok().map(|folder| folder.join(FILE))
    }

    /// The curves of a run, living or ended. Blocking.
    pub(crate) fn of(&self, run_id: &RunId) -> Points {
        let living = self.lock().get(run_id).map(|kept| kept.history.curves());
        living.unwrap_or_else(|| self.read(run_id))
    }

    /// The run has ended: its curves go to disk and out of memory.
    pub(crate) async fn settle(self: &Arc<Self>, run_id: &RunId) {
        let Some(kept) = self.lock().remove(run_id) else { return };
        let (curves, run_id) = (Arc::clone(self), run_id.clone());
        let points = kept.history.curves();
        if tokio::task::spawn_blocking(move || curves.write(&run_id, &points)).await.is_err() {
            tracing::error!("writing the curves of a run failed");
        }
    }

    /// The run is gone.
    pub(crate) fn forget(&self, run_id: &RunId) {
        self.lock().remove(run_id);
    }

    /// Writes down what has changed. Blocking.
    pub(crate) fn save(&self) {
        let mut changed = Vec::new();
        for (run_id, kept) in self.lock().iter_mut().filter(|(_, kept)| kept.changed) {
            kept.changed = false;
            changed.push((run_id.clone(), kept.history.curves()));
        }
        for (run_id, points) in changed {
            self.write(&run_id, &points);
        }
    }

    fn write(&self, run_id: &RunId, points: &Points) {
        let Some(path) = self.path(run_id) else { return };
        let written = serde_json::to_vec(points).map_err(io::Error::other);
        if let Err(error) = written.and_then(|bytes| replace(&path, &bytes, false)) {
            tracing::warn!(%run_id, %error, "the curves of a run can't be kept");
        }
    }

    /// Saves for ever.
    pub(crate) async fn keep(self: Arc<Self>) {
        loop {
            tokio::time::sleep(SAVE_INTERVAL).await;
            let curves = Arc::clone(&self);
            if tokio::task::spawn_blocking(move || curves.save()).await.is_err() {
                tracing::error!("writing curves failed");
            }
        }
    }
}

impl Kept {
    fn take(&mut self, attempt: Attempt, telemetry: &Telemetry, unix_ms: u64) {
        match telemetry {
            Telemetry::Progress(progress) => {
                self.amount = progress.amount().unwrap_or(self.amount);
                if let Some(loss) = progress.loss {
                    self.push("loss", attempt, self.amount, loss, unix_ms);
                }
            }
            Telemetry::Metric { step, metrics } => {
                let x = step.unwrap_or(self.amount);
                for (name, value) in metrics {
                    if let Some(value) = value {
                        self.push(name, attempt, x, *value, unix_ms);
                    }
                }
            }
            Telemetry::Heartbeat => {}
        }
    }

    /// What is read again after a restart of the daemon is in the curve already.
    fn push(&mut self, name: &str, attempt: Attempt, x: f64, value: f64, unix_ms: u64) {
        let newest = self.history.curve(name).and_then(|series| series.newest());
        if newest.is_some_and(|newest| newest.attempt == attempt && newest.x >= x) {
            return;
        }
        self.history.push(name, attempt, x, value, unix_ms);
        self.changed = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::pulse::line::Progress;

    #[test]
    fn a_point_that_is_read_again_is_one_and_metrics_stand_where_the_progress_is() {
        let mut kept = Kept { history: History::default(), attempt: Attempt(1), amount: 0.0, changed: false };
        let progress = |done, loss| {
            Telemetry::Progress(Progress {
                unit: "step".into(),
                done: Some(done),
                loss: Some(loss),
                ..Progress::default()
            })
        };
        let metric = Telemetry::Metric {
            step: None,
            metrics: [("lr".to_owned(), Some(0.1)), ("bad".to_owned(), None)].into(),
        };
        for _ in 0..2 {
            kept.take(Attempt(1), &progress(1.0, 0.9), 1);
            kept.take(Attempt(1), &progress(2.0, 0.8), 2);
            kept.take(Attempt(1), &metric, 3);
        }
        let curves = kept.history.curves();
        let xs = |name: &str| curves[name].iter().map(|point| point.x).collect::<Vec<_>>();
        assert_eq!((xs("loss"), xs("lr"), curves.get("bad")), (vec![1.0, 2.0], vec![2.0], None));
    }

    #[tokio::test]
    async fn curves_that_can_not_be_read_begin_anew_and_ended_ones_are_read_from_disk() {
        let folder = tempfile::tempdir().unwrap();
        let state = Arc::new(StateDir::open(&folder.path().join("state")).unwrap());
        let run_id = RunId::new("r1").unwrap();
        let path = state.make_attempt("r1", 1).unwrap().parent().unwrap().parent().unwrap().join(FILE);
        std::fs::write(&path, "{ nonsense").unwrap();
        let curves = Arc::new(Curves::new(state));
        curves.bring_back(&run_id).await;
        assert!(curves.of(&run_id).is_empty());
        curves.lock().get_mut(&run_id).unwrap().push("loss", Attempt(1), 1.0, 0.5, 7);
        curves.settle(&run_id).await;
        assert!(curves.lock().is_empty());
        assert_eq!(curves.of(&run_id)["loss"][0].value, 0.5);
    }
}
