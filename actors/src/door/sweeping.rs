//! What the doors can ask of many runs at once: to sweep away what is old, or too much.

use super::{Door, who};
use crate::checkpoint::prune::would_delete;
use crate::clock;
use crate::limits::{MEASURE_ALL_DEADLINE, SWEPT_AT_ONCE, SWEPT_ITEMS_MAX};
use crate::problem::{internal, invalid};
use futures_util::future::join_all;
use resus_core::api::{Problem, SweepBody, SweepItem, SweepKind, SweepReply, SweepTarget};
use resus_core::fleet::needers;
use resus_core::ids::RunId;
use resus_core::input::Input;
use resus_core::moment::rfc3339;
use resus_core::prune::{Candidate, EndedAs, plan};
use resus_core::retention::{RetentionPolicy, entries};
use resus_core::run::Run;
use resus_disk::{Disk, Real};
use resus_store::StateDir;
use resus_store::discard::{Size, measure};
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// A run, and what it takes.
struct Measured {
    run: Arc<Run>,
    size: Size,
    /// What of its checkpoints is superfluous.
    superfluous: u64,
}

impl Door {
    /// Deletes what fits the criteria, or says what would go. What was decided is in the ledger when
    /// this returns; the files are deleted after that.
    ///
    /// # Errors
    /// A [`Problem`] if no criterion is given. What can't go is told item by item.
    pub async fn sweep(&self, body: SweepBody) -> Result<SweepReply, Problem> {
        self.0.asked.touch();
        if body.criteria().is_empty() {
            let hint = "say which, for example: resus prune --older-than 30d --dry-run";
            return Err(invalid("nothing is said of what may go", Some(hint.to_owned())));
        }
        let runs = self.0.board.runs();
        let alone = self.0.disposal.measuring.lock().await;
        let (state, until) = (Arc::clone(&self.0.state), Instant::now() + MEASURE_ALL_DEADLINE);
        let measuring = move || runs.into_iter().map(|run| measured(&state, run, until)).collect::<Vec<_>>();
        let all = tokio::task::spawn_blocking(measuring).await.map_err(internal)?;
        drop(alone);
        let mut items = what_goes(&all, &body, clock::now().unix_ms);
        let missing = body.only.iter().filter(|only| items.iter().all(|item| !is_item(only, item))).count();
        let left_out = items.len().saturating_sub(SWEPT_ITEMS_MAX);
        items.truncate(SWEPT_ITEMS_MAX);
        if !body.dry_run {
            for some in items.chunks_mut(SWEPT_AT_ONCE) {
                let orders = some.iter().map(|item| self.sweep_one(item, &body));
                let problems = join_all(orders).await;
                for (item, problem) in some.iter_mut().zip(problems) {
                    item.problem = problem;
                }
            }
        }
        // What did not go is what has to be seen.
        items.sort_by_key(|item| item.problem.is_none());
        let failed = items.iter().filter(|item| item.problem.is_some()).count();
        let gone = if body.dry_run { 0 } else { items.len() - failed };
        let bytes = items.iter().filter(|item| item.problem.is_none()).map(|item| item.bytes);
        let bytes = bytes.fold(0, u64::saturating_add);
        let [gone, failed, missing, left_out] =
            [gone, failed, missing, left_out].map(|number| u32::try_from(number).unwrap_or(u32::MAX));
        Ok(SweepReply { items, bytes, gone, failed, missing, left_out, dry_run: body.dry_run })
    }

    /// Why it did not go, if so. Whether it may is decided once more, where runs are changed.
    async fn sweep_one(&self, item: &SweepItem, body: &SweepBody) -> Option<String> {
        let (by, reason) = (who(&body.by), Some(body.criteria().sentence()));
        let input = match item.kind {
            SweepKind::Runs => Input::Remove { by, reason, with_pinned: false, command_id: None },
            SweepKind::Logs => Input::DropOutput { by, reason },
            SweepKind::Checkpoints => Input::Prune { by, only_newest: true },
        };
        self.order(&item.run_id, input, None).await.err().map(|problem| problem.detail)
    }
}

fn is_item(target: &SweepTarget, item: &SweepItem) -> bool {
    target.kind == item.kind && target.run_id == item.run_id
}

/// What can't be measured makes the size a lower bound: a run is not chosen for what nobody has seen.
fn measured(state: &StateDir, run: Arc<Run>, until: Instant) -> Measured {
    let mut has_time = || Instant::now() < until;
    let size = measure(&Real, state.path(), run.id.as_str(), &mut has_time).unwrap_or_else(|error| {
        tracing::warn!(run_id = %run.id, %error, "the files of a run can't be measured");
        Size { at_least: true, ..Size::default() }
    });
    let superfluous = match state.checkpoints(run.id.as_str()) {
        Ok(folder) if run.phase.is_terminal() => superfluous(&folder, &run),
        Ok(_) | Err(_) => 0,
    };
    Measured { run, size, superfluous }
}

/// What those checkpoints take that are neither the newest nor pinned.
fn superfluous(folder: &Path, run: &Run) -> u64 {
    let doomed = would_delete(folder, &entries(run, None), &RetentionPolicy::only_newest());
    let on_disk = |path: &str| Real.look_at(Path::new(path)).map_or(0, |entry| entry.allocated);
    doomed.iter().fold(0, |sum: u64, doomed| sum.saturating_add(on_disk(&doomed.id)))
}

/// What goes of all kinds that are asked for; nothing twice.
fn what_goes(all: &[Measured], body: &SweepBody, now_unix_ms: u64) -> Vec<SweepItem> {
    let mut kinds = body.kinds.clone();
    if kinds.is_empty() {
        kinds.push(SweepKind::Runs);
    }
    kinds.sort_unstable();
    kinds.dedup();
    let unsure: BTreeSet<&RunId> =
        all.iter().filter(|measured| measured.size.at_least).map(|measured| &measured.run.id).collect();
    let is_unsure = |chosen: &Candidate| unsure.contains(&chosen.run_id);
    let (mut items, mut gone) = (Vec::new(), BTreeSet::<RunId>::new());
    for kind in kinds {
        let is_there = |measured: &&Measured| !gone.contains(&measured.run.id);
        let candidates: Vec<_> =
            all.iter().filter(is_there).map(|measured| candidate(kind, measured, all)).collect();
        for chosen in plan(&candidates, &body.criteria(), now_unix_ms) {
            let names = |only: &SweepTarget| only.kind == kind && only.run_id == chosen.run_id.as_str();
            let is_meant = body.only.is_empty() || body.only.iter().any(names);
            let is_something = kind == SweepKind::Runs || chosen.bytes > 0;
            if let (true, Some((ended_as, at))) = (is_meant && is_something, chosen.ended) {
                items.push(SweepItem { at_least: is_unsure(chosen), ..item(kind, chosen, ended_as, at) });
            }
        }
        if kind == SweepKind::Runs {
            gone.extend(items.iter().filter_map(|item| RunId::new(item.run_id.as_str()).ok()));
        }
    }
    items
}

fn candidate(kind: SweepKind, measured: &Measured, all: &[Measured]) -> Candidate {
    let Measured { run, size, superfluous } = measured;
    let is_needed = || needers(all.iter().map(|other| &*other.run), &run.id).next().is_some();
    let (bytes, held_bytes, kept) = match kind {
        SweepKind::Runs => (size.all, size.all, !run.pinned.is_empty() || is_needed()),
        SweepKind::Logs => (size.output, size.output, false),
        SweepKind::Checkpoints => (*superfluous, size.checkpoints, is_needed()),
    };
    let ended = EndedAs::of(run).zip(run.ended_at).map(|(how, at)| (how, at.unix_ms));
    Candidate { run_id: run.id.clone(), name: run.spec.name.to_string(), ended, bytes, held_bytes, kept }
}

fn item(kind: SweepKind, chosen: &Candidate, ended_as: EndedAs, at_unix_ms: u64) -> SweepItem {
    SweepItem {
        kind,
        run_id: chosen.run_id.to_string(),
        name: chosen.name.clone(),
        ended_as,
        ended_at: rfc3339(at_unix_ms),
        bytes: chosen.bytes,
        at_least: false,
        problem: None,
    }
}
