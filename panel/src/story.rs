//! A run's history told: `GET /v2/runs/{run}/story`, and how it is told.
//!
//! A sentence needs the run as it was after its event, so telling means folding. What was folded
//! last is kept for a few runs: whoever follows one is told the next event without reading its
//! whole history again.

use crate::answer::{Refusal, json};
use crate::desk::Desk;
use crate::events::Page;
use crate::limits::{EVENTS_MAX, STORIES_KEPT};
use crate::query::{Asked, Selector};
use crate::router::Panel;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use resus_core::api::{Problem, Story, StoryLine};
use resus_core::apply::{ApplyError, apply, begin};
use resus_core::event::Record;
use resus_core::explain::sentence;
use resus_core::run::Run;
use serde_json::Value;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// `GET /v2/runs/{run}/story?after=SEQ&limit=N`
pub(crate) async fn after<D: Desk>(
    State(panel): State<Panel<D>>,
    Selector(run): Selector,
    Asked(page): Asked<Page>,
) -> Result<Response, Refusal> {
    let lines = panel.desk.story(&run, page.after, page.limit()).await?;
    Ok(json(StatusCode::OK, &Story { lines }))
}

/// Runs as they were after the last event told.
#[derive(Default)]
pub(crate) struct Stories(Mutex<VecDeque<Run>>);

impl Stories {
    fn lock(&self) -> MutexGuard<'_, VecDeque<Run>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The run as it was at `seq` or before, if that is known.
    fn take(&self, run_id: &str, seq: u64) -> Option<Run> {
        let mut kept = self.lock();
        let place = kept.iter().position(|run| run.id.as_str() == run_id && run.seq <= seq)?;
        kept.remove(place)
    }

    fn keep(&self, run: Run) {
        let mut kept = self.lock();
        kept.retain(|older| older.id != run.id);
        kept.push_back(run);
        while kept.len() > STORIES_KEPT {
            kept.pop_front();
        }
    }
}

/// Why a history can't be told.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoryError {
    /// It can't be read.
    #[error("{}", .0.detail)]
    Unread(Problem),
    /// A record does not fit those before it.
    #[error("the run's history does not fit together: {0}")]
    Unfit(#[from] ApplyError),
}

/// At most `limit` events of a run after `after_seq`, told. `read` gives its records after a
/// sequence number, in order, [`EVENTS_MAX`] of them if there are so many.
///
/// # Errors
/// [`StoryError`].
pub(crate) async fn tell<F>(
    stories: &Stories,
    run_id: &str,
    after_seq: u64,
    limit: u32,
    read: impl Fn(u64) -> F,
) -> Result<Vec<StoryLine>, StoryError>
where
    F: Future<Output = Result<Vec<(Record, Value)>, Problem>>,
{
    let most = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut run = stories.take(run_id, after_seq);
    let mut lines = Vec::new();
    while lines.len() < most {
        let records = read(run.as_ref().map_or(0, |run| run.seq)).await.map_err(StoryError::Unread)?;
        let is_last = records.len() < usize::try_from(EVENTS_MAX).unwrap_or(usize::MAX);
        for (record, event) in records {
            if lines.len() == most {
                break;
            }
            let after = fold(run.take(), &record)?;
            if record.seq > after_seq {
                lines.push(line(&record, event, &after));
            }
            run = Some(after);
        }
        if is_last {
            break;
        }
    }
    run.into_iter().for_each(|run| stories.keep(run));
    Ok(lines)
}

fn fold(before: Option<Run>, record: &Record) -> Result<Run, ApplyError> {
    match before {
        None => begin(record),
        Some(mut run) => apply(&mut run, record).map(|()| run),
    }
}

fn line(record: &Record, event: Value, run: &Run) -> StoryLine {
    StoryLine {
        what: record.event.name().to_owned(),
        why: record.why.code(),
        sentence: sentence(record, run),
        event,
    }
}

#[cfg(test)]
mod tests;
