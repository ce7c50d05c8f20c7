//! A run, and a daemon, as they are shown.

use super::Document;
use super::events::{health, pause_step, status_word};
use super::shape::{
    Shape, flag, integer, like, list, map, number, numbers, object, optional, required, slug, small, text,
    time, whole, words, words_of,
};
use crate::api::bus::BusState;
use crate::pause::PauseCause;
use crate::phase::Phase;
use std::collections::BTreeSet;

pub(super) fn documents() -> Vec<Document> {
    vec![
        run().document_of_type("RunView"),
        daemon().document_of_type("DaemonView"),
        problem().document_of_type("Problem"),
    ]
}

fn run() -> Shape {
    let phases: BTreeSet<&str> = Phase::ALL.into_iter().map(Phase::as_str).collect();
    object([
        required("run_id", text()),
        required("name", text()),
        required("workload", slug()),
        required("node", slug()),
        required("phase", words(phases)),
        required("status", status_word()),
        required("attempt", small()),
        required("seq", whole()),
        required("failures", small().about("Since the last healthy progress")),
        required("retries", small()),
        required("retries_max", small()),
        optional("pid", small()),
        required("progress", progress()),
        required("metrics", numbers()),
        required("refused_lines", whole().about("Of this attempt's events")),
        optional("health", health()),
        optional("progress_age_s", number()),
        required("behind_bytes", whole().about("Of the worker's events that have not been read yet")),
        required("message", text().about("For people")),
        required("accepted_at", time()),
        optional("ended_at", time()),
        required("age_s", number()),
        required("duration_s", number()),
        optional("retry_in_s", number()),
        optional("grace_left_s", number().about("Until the present rung of a stop ends")),
        optional("last_failure", failure()),
        optional("last_exit", like("Exit")),
        optional("checkpoint", like("CheckpointRef").about("The newest that may be resumed from")),
        optional(
            "checkpoint_unread",
            like("CheckpointRef").about("A newer one that is still to be read back"),
        ),
        optional("resumed_from", like("CheckpointRef")),
        optional("pause", pause()),
        optional("ended_why", text().about("A code")),
        optional("output_pruned_at", time().about("When the output of some attempts was deleted")),
        required("argv", list(text())),
    ])
    .about("A run as shown. Durations are seconds")
}

fn progress() -> Shape {
    object([
        required("unit", text()),
        optional("done", number()),
        optional("total", number()),
        optional("loss", number()),
        optional("rate", number().about("Units per second of this attempt")),
        optional("eta_s", number()),
        optional("eta_low_s", number()),
        optional("eta_high_s", number()),
        optional("stage", text()),
    ])
}

fn failure() -> Shape {
    object([
        required("code", text()),
        required("message", text()),
        optional("worker_says_retryable", flag()),
        required("retried", flag()),
        required(
            "was_healthy",
            flag().about("The attempt had made progress for long enough to wipe the slate"),
        ),
    ])
}

fn pause() -> Shape {
    object([
        required("step", pause_step()),
        required("cause", words_of([PauseCause::User, PauseCause::ErrorRate])),
        optional("requested_by", text()),
    ])
}

fn daemon() -> Shape {
    object([
        required("pid", small()),
        required("version", text()),
        required("state_dir", text()),
        required("node", slug()),
        required("started_at", time()),
        required("uptime_s", number()),
        required("runs_live", whole()),
        required("runs_total", whole()),
        required("runs_quarantined", whole()),
        optional("degraded", text().about("Why new attempts can't start now")),
        required("ledger_pos", whole()),
        required("rss_bytes", whole()),
        required("actor_restarts", map(small())),
        required("bus", bus()),
        optional("deletions", deletions()),
        optional("settings", settings()),
    ])
}

fn deletions() -> Shape {
    object([
        required("waiting", small().about("Runs whose files, or whose output, are still to be deleted")),
        required("failed", small().about("Those that could not be deleted several times")),
        optional("problem", text().about("Why, of one of those")),
    ])
    .about("What was removed or pruned and is not deleted yet")
}

fn settings() -> Shape {
    let refused = object([required("at", time()), required("faults", list(text()))]);
    object([
        optional("file", text().about("The user's file, whether it is there or not")),
        optional("stamp", text().about("Which state of it was read; absent: it was not there")),
        required("read_at", time()),
        optional("waiting", list(text()).about("Keys whose newest value needs a restart")),
        optional("refused", refused.about("The newest reading, if it was refused")),
    ])
    .about("Where its settings are from")
}

fn bus() -> Shape {
    let states =
        [BusState::Local, BusState::Starting, BusState::Connected, BusState::Away, BusState::Refused];
    object([
        required("state", words_of(states)),
        required("url", text().about("Without secrets")),
        required("namespace", text()),
        optional("reason", text().about("Why it is not connected")),
        required("since", text()),
        optional("server_version", text()),
        required("jetstream", flag().about("Whether the server keeps events")),
        optional("lacking", list(text()).about("What the server lacks")),
        required("waiting", whole().about("Places of the ledger that the server has not acknowledged")),
        required("left_out", whole().about("Telemetry given up because too much waited")),
        optional("alarms", list(text()).about("What somebody should look at")),
    ])
}

fn problem() -> Shape {
    object([
        required("type", text().about("A stable kind, e.g. urn:resus:refused")),
        required("title", text()),
        required("status", small().about("As of HTTP")),
        required("detail", text()),
        optional("hint", text().about("What to do next")),
        required("exit_code", integer().about("Of a command that meets it")),
    ])
    .about("Why there is no good answer: the body of every error, RFC 9457")
}
