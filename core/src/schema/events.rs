//! The envelope, and the payload of every type of event (`docs/PULSE.md` §3 and §4).

use super::shape::{
    Field, Shape, anything, exactly, flag, id, integer, like, like_file, number, numbers, object, optional,
    required, slug, small, text, time, whole, words, words_of,
};
use super::{Document, file_of_event};
use crate::checkpoint::{CheckpointFormat, Health};
use crate::event::StopCause;
use crate::pause::PauseStep;
use crate::pulse::v2::{ERROR_MESSAGE_BYTES_MAX, EventType, MESSAGE_BYTES_MAX, Source, Status};
use crate::pulse::word::Outcome;
use crate::telemetry::coalescer::METRICS_MAX;
use crate::watch::{self, Silence};

/// The file of the envelope.
const ENVELOPE: &str = "envelope.json";

pub(super) fn documents() -> Vec<Document> {
    let mut documents = vec![envelope().document(ENVELOPE, "Envelope")];
    documents.extend(EventType::ALL.map(event));
    documents.push(exit().document_of_type("Exit"));
    documents.push(node().document("event_node.json", "node"));
    documents
}

/// An event of one type: the envelope with a payload of that type.
fn event(event_type: EventType) -> Document {
    let name = event_type.as_str();
    let mut fields = vec![required("event_type", exactly(name)), required("payload", payload(event_type))];
    fields.extend(if event_type.is_class_a() {
        [
            required("seq", whole().from(1).about("Counts 1, 2, 3 … per run; a gap means loss")),
            required("event_id", text().about("<training_id>.<attempt>.<seq>: the id for deduplication")),
        ]
    } else {
        [
            required("after_seq", whole().about("The newest event with a seq before it")),
            required("tick", whole().about("Grows per run; order among the telemetry behind one after_seq")),
        ]
    });
    object(fields).and_like_file(ENVELOPE).document(file_of_event(event_type), name)
}

fn envelope() -> Shape {
    let sources = [Source::Worker, Source::Supervisor, Source::User];
    object([
        required("v", exactly(2)),
        required("event_type", text().about("Unknown ones are to be ignored, but count for the order")),
        optional("event_id", text().about("Class A only: <training_id>.<attempt>.<seq>")),
        optional("seq", whole().from(1).about("Class A only: place in the run's order, contiguous")),
        optional("after_seq", whole().about("Class B only: the newest class A event before it")),
        optional("tick", whole().about("Class B only: order behind after_seq")),
        required("training_id", id()),
        required("attempt", small().about("Only grows: whoever has seen one ignores lower ones")),
        required("timestamp", time().about("At the source; for people, never for order")),
        required("workload", slug()),
        required("node", slug()),
        required("source", words_of(sources).about("Who asserts it")),
        optional("flow_run_id", text()),
        optional("flow_id", text()),
        optional("flow_step_id", text()),
        required("payload", anything()),
    ])
    .about("What every event has. Order class A by (attempt, seq); drop every event_id seen before.")
}

fn payload(event_type: EventType) -> Shape {
    match event_type {
        EventType::Status => status(),
        EventType::Progress => object(progress_fields()),
        EventType::Metric => object([
            optional("step", number()),
            required("metrics", numbers().at_most(METRICS_MAX).about("null = not finite")),
        ]),
        EventType::Error => error(),
        EventType::StageChange => {
            object([optional("previous_stage", text().or_null()), required("new_stage", text())])
        }
        EventType::TargetStart => object([
            required("target", text()),
            optional("target_index", whole().or_null().about("From 0")),
            optional("total_targets", whole().or_null()),
        ]),
        EventType::TargetComplete => object([
            required("target", text()),
            required("status", outcome()),
            required("metrics", numbers()),
            optional("best_auc", number()),
            optional("models_trained", whole()),
            optional("duration_seconds", number()),
        ]),
        EventType::RunComplete => object([
            required("status", outcome()),
            optional("final_loss", number().or_null()),
            required("metrics", numbers()),
            required("message", text().longest(MESSAGE_BYTES_MAX)),
            optional("duration_seconds", number()),
            optional("epochs_completed", number()),
        ])
        .about("The worker's word that it is finished; how the run ended is said by its status"),
        EventType::Checkpoint => checkpoint(),
        EventType::Worker => worker(),
        EventType::Heartbeat => object([
            required("alive_at", time().about("When the worker was last heard")),
            optional("health", health()),
            optional("progress_age_s", number().about("Since the amount done last changed")),
        ]),
    }
}

/// What happens to a machine: of no run, so without a place in a run's order.
fn node() -> Shape {
    let payload = object([
        required("action", text().about("joined, left, alarm, heartbeat; the set is open")),
        optional("version", text().about("Of Resus")),
        optional("runs_live", whole()),
        optional("runs_total", whole()),
        optional("rss_bytes", whole().about("Of the daemon")),
        optional("code", text().about("Of an alarm")),
        optional("message", text().about("For people")),
    ]);
    object([
        required("v", exactly(2)),
        required("event_type", exactly("node")),
        required("event_id", text().about("The id for deduplication")),
        required("timestamp", time()),
        required("node", slug()),
        required("source", words_of([Source::Supervisor])),
        required("payload", payload),
    ])
}

fn status() -> Shape {
    object([
        required("status", status_word()),
        required("previous", status_word()),
        required("reason", text().about("A code; the set is open")),
        required("message", text().about("For people")),
        optional("requested_by", text()),
        optional("changes", like("Overrides").about("Settings that a user changed")),
        optional("retry_at", time().about("While a retry waits")),
        optional("retries", small()),
        optional("retries_max", small()),
        optional("exit", end_of_process().about("Of the last worker, when the run has ended")),
        optional("duration_s", number().about("From acceptance to the end")),
        optional(
            "final",
            object([required("loss", number().or_null()), required("metrics", numbers())])
                .about("The worker's results, when it gave any"),
        ),
    ])
}

fn end_of_process() -> Shape {
    object([required("code", integer().or_null()), required("signal", integer().or_null())])
}

fn error() -> Shape {
    object([
        required("error_code", text().about("A failure class; the set is open, APP_… are the user's")),
        required("message", text().longest(ERROR_MESSAGE_BYTES_MAX)),
        required("is_retryable", flag().or_null().about("From the supervisor: it is retried")),
        required("fatal", flag().about("The attempt ends because of it")),
        required("count", small().from(1).about("Repeats that were folded into one")),
        optional("target", text().or_null()),
        optional("details", anything().about("Texts in it are as the worker wrote them")),
    ])
}

fn checkpoint() -> Shape {
    let actions =
        ["saved", "verified", "failed", "corrupt", "restored", "set_aside", "pinned", "unpinned", "pruned"];
    object([
        required("action", words(actions)),
        required("checkpoint_id", text()),
        required("path", text()),
        optional("step", number()),
        optional("epoch", number()),
        optional("size_bytes", whole()),
        optional("digest", text().about("algorithm:hex")),
        optional("duration_s", number().about("Seconds it took to write")),
        optional("format", checkpoint_format()),
        optional("health", checkpoint_health()),
        optional("metrics", numbers().about("When it was taken; null = not finite")),
        optional("saved_unix_ms", whole().about("When it was taken")),
        optional("reason", text().about("Why it was refused; of set_aside: a code")),
        optional("moved_to", text().about("Where what was damaged lies now")),
        optional(
            "set_aside",
            whole().about("How many are left behind: of restored, newer ones; of set_aside, all with it"),
        ),
        optional("requested_by", text().about("Of pinned and unpinned")),
    ])
}

pub(super) fn checkpoint_format() -> Shape {
    words_of([CheckpointFormat::Prsm, CheckpointFormat::Manifest]).about("prsm if it is left out")
}

pub(super) fn checkpoint_health() -> Shape {
    words_of([Health::Unknown, Health::Finite, Health::NotFinite]).about("unknown if it is left out")
}

fn worker() -> Shape {
    let causes = [
        StopCause::User,
        StopCause::StartupTimeout,
        StopCause::CooldownTimeout,
        StopCause::Hung,
        StopCause::Release,
    ];
    let signals = ["SIGTERM", "SIGKILL", "SIGSTOP"];
    object([
        required("action", text().about("started, ready, exited, hung, killed, …; the set is open")),
        optional("pid", small().or_null()),
        optional("start_ticks", whole().about("Start time as /proc tells it")),
        optional("boot_id", text()),
        optional("from_checkpoint", text().or_null()),
        optional("lost_steps", number().or_null().about("Work that is in no checkpoint")),
        optional("exit", like("Exit")),
        optional("cause", words_of(causes).about("Why it is stopped")),
        optional("requested_by", text().or_null()),
        optional("signal_sent", words(signals).or_null()),
        optional("step", pause_step().about("Of a pause")),
        optional("what", words_of([Silence::Heartbeat, Silence::Progress])),
        optional("silent_for_s", number()),
        optional("reason", text()),
    ])
}

/// How processes ended; of a worker event's `exit`.
fn exit() -> Shape {
    object([
        optional("code", integer()),
        optional("signal", integer()),
        required("cpu_ms", whole().about("Of the worker and what it waited for, user + system")),
        required("max_rss_bytes", whole()),
        required("strays_killed", small().about("Descendants that outlived it")),
        optional("unix_ms", whole().about("When, where somebody saw it")),
    ])
    .about("How an attempt's processes ended; neither code nor signal = nobody knows")
}

/// How far the work is.
pub(super) fn progress_fields() -> Vec<Field> {
    let amounts = ["epoch", "total_epochs", "step", "total_steps", "done", "total", "session_start", "loss"];
    let mut fields = vec![required("unit", text().about("epoch, step, game, target, percent, …"))];
    fields.extend(amounts.map(|name| optional(name, number())));
    fields.extend(["stage", "current_target", "message"].map(|name| optional(name, text())));
    fields
}

pub(super) fn status_word() -> Shape {
    words_of(Status::ALL)
}

pub(super) fn health() -> Shape {
    let healths = [watch::Health::Ok, watch::Health::Stale, watch::Health::Hung];
    words_of(healths.into_iter().chain([watch::Health::Lost, watch::Health::Unknown]))
}

pub(super) fn pause_step() -> Shape {
    words_of([
        PauseStep::Wanted,
        PauseStep::Asked,
        PauseStep::Freezing,
        PauseStep::Releasing,
        PauseStep::Held,
        PauseStep::Frozen,
        PauseStep::Released,
    ])
}

fn outcome() -> Shape {
    words_of([Outcome::Success, Outcome::Failed, Outcome::Skipped, Outcome::Cancelled])
}

/// What any event of the wire fits.
pub(super) fn any_event() -> Shape {
    like_file(ENVELOPE)
}
