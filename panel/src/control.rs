//! Control through the bus: the questions of [`resus_core::api::control`], answered from the
//! same desk as HTTP, each answer within one message.

mod checkpoints;
mod page;
mod removing;
mod start;
mod workloads;

pub use start::Grounds;

use crate::answer::problem;
use crate::control::page::{fitting, page, shorten, shorten_rerun};
use crate::desk::Desk;
use crate::document::parse;
use crate::limits::{BODY_BYTES_MAX, BUS_EVENTS_MAX, OUTPUT_BYTES_MAX};
use crate::router::Panel;
use axum::http::StatusCode;
use bytes::Bytes;
use resus_bus::control::{Endpoints, Reply, Verb as Endpoint};
use resus_core::api::control::{
    ConfigureRequest, CurvesReply, CurvesRequest, DaemonRequest, EventsReply, HistoryRequest, ListReply,
    ListRequest, LogsRequest, OUTPUT_HEADER, PauseRequest, RerunRequest, RunRequest, StateReply,
    StateRequest, WhyReply,
};
use resus_core::api::{CommandBody, CommandReply, ConfigureBody, Problem, StoryLine};
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::text::one_line;
use serde::de::DeserializeOwned;
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::watch;

/// Longest reason of a run that is set aside, in bytes.
const REASON_BYTES_MAX: usize = 1024;

/// Everything that can be asked. A verb is a row here and an arm of [`Control::reply`].
const VERBS: &[Endpoint] = &[
    row("start", "StartRequest", "RunView"),
    row("rerun", "RerunRequest", "RerunReply"),
    row("plan", "StartRequest", "Plan"),
    row("workloads", "WorkloadsRequest", "WorkloadsReply"),
    row("stop", "RunRequest", "CommandReply"),
    row("kill", "RunRequest", "CommandReply"),
    row("retry", "RunRequest", "CommandReply"),
    row("pause", "PauseRequest", "CommandReply"),
    row("release", "RunRequest", "CommandReply"),
    row("resume", "RunRequest", "CommandReply"),
    row("checkpoint", "RunRequest", "CommandReply"),
    row("restore", "RestoreRequest", "CommandReply"),
    row("pin", "PinRequest", "CommandReply"),
    row("prune", "PruneRequest", "PruneReply"),
    row("remove", "RemoveRequest", "RemoveReply"),
    row("sweep", "SweepBody", "SweepReply"),
    row("recheck", "RecheckRequest", "CommandReply"),
    row("configure", "ConfigureRequest", "CommandReply"),
    row("state", "StateRequest", "StateReply"),
    row("list", "ListRequest", "ListReply"),
    row("checkpoints", "CheckpointsRequest", "CheckpointList"),
    row("events", "HistoryRequest", "EventsReply"),
    row("why", "HistoryRequest", "WhyReply"),
    row("logs", "LogsRequest", "OutputChunk"),
    row("curves", "CurvesRequest", "CurvesReply"),
    row("daemon", "DaemonRequest", "DaemonView"),
];

const fn row(name: &'static str, request: &'static str, reply: &'static str) -> Endpoint {
    Endpoint { name, request, reply }
}

/// Answers questions that come through the bus.
#[derive(Clone)]
pub struct Control<D> {
    panel: Panel<D>,
    grounds: Arc<Grounds>,
}

impl<D: Desk> Control<D> {
    /// Answers from `desk`; questions that wait end when `ending` becomes true.
    #[must_use]
    pub fn new(desk: D, ending: watch::Receiver<bool>, grounds: Grounds) -> Self {
        Self { panel: Panel::new(desk, ending), grounds: Arc::new(grounds) }
    }

    async fn reply(&self, verb: &str, body: &[u8], bytes_max: usize) -> Result<Reply, Problem> {
        match verb {
            "start" => self.start(body, bytes_max).await,
            "rerun" => self.rerun(read(body)?, bytes_max).await,
            "plan" => self.plan(body, bytes_max).await,
            "workloads" => self.workloads(read(body)?, bytes_max).await,
            "stop" => self.give(Verb::Stop, read(body)?, bytes_max).await,
            "kill" => self.give(Verb::Kill, read(body)?, bytes_max).await,
            "retry" => self.give(Verb::Retry, read(body)?, bytes_max).await,
            "pause" => self.pause(read(body)?, bytes_max).await,
            "release" => self.give(Verb::Release, read(body)?, bytes_max).await,
            "resume" => self.give(Verb::Resume, read(body)?, bytes_max).await,
            "checkpoint" => self.give(Verb::Checkpoint, read(body)?, bytes_max).await,
            "restore" => self.restore(read(body)?, bytes_max).await,
            "pin" => self.pin(read(body)?, bytes_max).await,
            "prune" => self.prune(read(body)?, bytes_max).await,
            "remove" => self.remove(read(body)?, bytes_max).await,
            "sweep" => self.sweep(read(body)?, bytes_max).await,
            "recheck" => self.recheck(read(body)?, bytes_max).await,
            "configure" => self.configure(read(body)?, bytes_max).await,
            "checkpoints" => self.checkpoints(read(body)?, bytes_max),
            "state" => self.state(read(body)?, bytes_max).await,
            "list" => self.list(read(body)?, bytes_max),
            "events" => self.events(read(body)?, bytes_max).await,
            "why" => self.why(read(body)?, bytes_max).await,
            "logs" => self.logs(read(body)?, bytes_max).await,
            "curves" => self.curves(read(body)?, bytes_max).await,
            "daemon" => {
                let DaemonRequest {} = read(body)?;
                page::document(&self.panel.desk.daemon(), bytes_max)
            }
            // A newer client, or somebody who guesses.
            _ => {
                let detail = format!("there is no verb {:?}", one_line(verb, 64));
                Err(problem(StatusCode::NOT_FOUND, ExitCode::NotFound, detail))
            }
        }
    }

    async fn start(&self, body: &[u8], bytes_max: usize) -> Result<Reply, Problem> {
        let submission = self.grounds.submission(read(body)?)?;
        let view = self.panel.desk.submit(submission).await?;
        fitting(view, |view| view, bytes_max)
    }

    async fn rerun(&self, asked: RerunRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let (run, body) = self.grounds.rerun(asked);
        let reply = self.panel.desk.rerun(&run, body, self.grounds.reach()).await?;
        page::document(&shorten_rerun(reply), bytes_max)
    }

    async fn give(&self, verb: Verb, asked: RunRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let RunRequest { run, by, command_id, dry_run } = asked;
        let reply = self.panel.desk.command(&run, CommandBody { verb, by, command_id, dry_run }).await?;
        fitting(reply, |reply: &mut CommandReply| &mut reply.run, bytes_max)
    }

    async fn pause(&self, asked: PauseRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let PauseRequest { run, by, command_id, release, dry_run } = asked;
        let verb = if release { Verb::Release } else { Verb::Pause };
        self.give(verb, RunRequest { run, by, command_id, dry_run }, bytes_max).await
    }

    async fn configure(&self, asked: ConfigureRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let ConfigureRequest { run, changes, by, command_id, dry_run } = asked;
        let reply =
            self.panel.desk.configure(&run, ConfigureBody { changes, by, command_id, dry_run }).await?;
        fitting(reply, |reply: &mut CommandReply| &mut reply.run, bytes_max)
    }

    async fn state(&self, asked: StateRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let (run, version) = self.panel.run_after(&asked.run, asked.since, asked.wait_ms).await?;
        let snapshot = self.panel.desk.snapshot(&run.run_id)?;
        fitting(StateReply { run, snapshot, version }, |reply| &mut reply.run, bytes_max)
    }

    fn list(&self, asked: ListRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let list = self.panel.desk.runs();
        let runs = list.runs.into_iter().map(|view| Listed::Run(Box::new(shorten(view))));
        let aside = list.quarantined.into_iter();
        let aside = aside.map(|(id, reason)| Listed::Aside(id, one_line(&reason, REASON_BYTES_MAX)));
        let mut all: Vec<_> = runs.chain(aside).collect();
        if let Some(after) = &asked.after {
            let Some(place) = all.iter().position(|listed| listed.id() == after) else {
                let detail = format!("no run is called {:?}, so none comes after it", one_line(after, 64));
                return Err(problem(StatusCode::NOT_FOUND, ExitCode::NotFound, detail));
            };
            all.drain(..=place);
        }
        let wanted = asked.limit.map_or(usize::MAX, |limit| usize::try_from(limit).unwrap_or(usize::MAX));
        let is_long = all.len() > wanted;
        all.truncate(wanted);
        let (all, is_cut) = page(all, bytes_max)?;
        let next = all.last().filter(|_| is_cut || is_long).map(|listed| listed.id().to_owned());
        let mut reply = ListReply { next, ..ListReply::default() };
        for listed in all {
            match listed {
                Listed::Run(view) => reply.runs.push(*view),
                Listed::Aside(id, reason) => drop(reply.quarantined.insert(id, reason)),
            }
        }
        page::document(&reply, bytes_max)
    }

    async fn events(&self, asked: HistoryRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let limit = asked.limit.unwrap_or(BUS_EVENTS_MAX).min(BUS_EVENTS_MAX);
        let events = self.panel.desk.events(&asked.run, asked.after, limit).await?;
        let is_full = events.len() >= limit as usize;
        let (events, is_cut) = page(events, bytes_max)?;
        let seq = |event: &Value| event.get("seq").and_then(Value::as_u64);
        let next = events.last().filter(|_| is_full || is_cut).and_then(seq);
        page::document(&EventsReply { events, next }, bytes_max)
    }

    async fn why(&self, asked: HistoryRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let limit = asked.limit.unwrap_or(BUS_EVENTS_MAX).min(BUS_EVENTS_MAX);
        let lines = self.panel.desk.story(&asked.run, asked.after, limit).await?;
        let is_full = lines.len() >= limit as usize;
        let (lines, is_cut) = page(lines, bytes_max)?;
        let next = lines.last().filter(|_| is_full || is_cut).map(StoryLine::seq);
        page::document(&WhyReply { lines, next }, bytes_max)
    }

    async fn logs(&self, asked: LogsRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let room = u32::try_from(bytes_max).unwrap_or(u32::MAX).min(OUTPUT_BYTES_MAX);
        let max = asked.max.unwrap_or(room).min(room);
        let (chunk, bytes) = self
            .panel
            .output_after(&asked.run, asked.attempt, asked.offset, Some(max), asked.wait_ms)
            .await?;
        let description = serde_json::to_string(&chunk).map_err(|error| page::unwritable(&error))?;
        Ok(Reply { body: bytes.into(), headers: vec![(OUTPUT_HEADER, description)], error: None })
    }

    async fn curves(&self, asked: CurvesRequest, bytes_max: usize) -> Result<Reply, Problem> {
        let mut curves = self.panel.desk.curves(&asked.run).await?;
        if let Some(after) = &asked.after {
            curves.retain(|name, _| name > after);
        }
        let (curves, is_cut) = page(curves.into_iter().collect(), bytes_max)?;
        let next = curves.last().filter(|_| is_cut).map(|(name, _)| name.clone());
        let curves: BTreeMap<_, _> = curves.into_iter().collect();
        page::document(&CurvesReply { curves, next }, bytes_max)
    }
}

/// A row of a list.
#[derive(serde::Serialize)]
#[serde(untagged)]
enum Listed {
    Run(Box<resus_core::view::RunView>),
    Aside(String, String),
}

impl Listed {
    fn id(&self) -> &str {
        match self {
            Self::Run(view) => &view.run_id,
            Self::Aside(id, _) => id,
        }
    }
}

impl<D: Desk> Endpoints for Control<D> {
    fn verbs(&self) -> &'static [Endpoint] {
        VERBS
    }

    async fn answer(&self, verb: &str, body: Bytes, bytes_max: usize) -> Reply {
        self.reply(verb, &body, bytes_max).await.unwrap_or_else(|problem| Reply::refusal(&problem))
    }
}

/// A question's document; nothing at all stands for one without fields.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.len() > BODY_BYTES_MAX {
        let detail = format!("a body may have {BODY_BYTES_MAX} bytes");
        return Err(problem(StatusCode::PAYLOAD_TOO_LARGE, ExitCode::Usage, detail));
    }
    let body = if body.is_empty() { b"{}" } else { body };
    parse(body).map_err(|(status, detail)| problem(status, ExitCode::Usage, detail))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn every_command_to_a_run_is_a_verb_and_none_is_there_twice() {
        let names: BTreeSet<_> = VERBS.iter().map(|verb| verb.name).collect();
        assert_eq!(names.len(), VERBS.len());
        assert!(Verb::ALL.iter().all(|verb| names.contains(verb.as_str())));
    }

    #[test]
    fn the_schemas_know_what_can_be_asked() {
        let described = resus_core::schema::EXCHANGES.map(|e| (e.verb, e.request, e.reply));
        let described = BTreeSet::from(described);
        assert_eq!(VERBS.iter().map(|v| (v.name, v.request, v.reply)).collect::<BTreeSet<_>>(), described);
    }
}
