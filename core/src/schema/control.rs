//! What can be asked of a daemon through the bus, and what it answers. Requests are read
//! strictly: a field that is not listed is refused.

use super::Document;
use super::events::any_event;
use super::shape::{
    Field, Shape, either, flag, id, integer, like, list, map, number, object, optional, required, small,
    text, time, whole, words,
};

/// A verb of the control service: the types of its request and of its reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Exchange {
    /// The last part of its address.
    pub verb: &'static str,
    /// Type of the request's document.
    pub request: &'static str,
    /// Type of the reply's document; of `logs` it is in a header, and the reply is the bytes.
    pub reply: &'static str,
}

/// Every verb of the control service.
pub const EXCHANGES: [Exchange; 26] = [
    exchange("start", "StartRequest", "RunView"),
    exchange("rerun", "RerunRequest", "RerunReply"),
    exchange("plan", "StartRequest", "Plan"),
    exchange("workloads", "WorkloadsRequest", "WorkloadsReply"),
    exchange("stop", "RunRequest", "CommandReply"),
    exchange("kill", "RunRequest", "CommandReply"),
    exchange("retry", "RunRequest", "CommandReply"),
    exchange("pause", "PauseRequest", "CommandReply"),
    exchange("release", "RunRequest", "CommandReply"),
    exchange("resume", "RunRequest", "CommandReply"),
    exchange("checkpoint", "RunRequest", "CommandReply"),
    exchange("restore", "RestoreRequest", "CommandReply"),
    exchange("pin", "PinRequest", "CommandReply"),
    exchange("prune", "PruneRequest", "PruneReply"),
    exchange("remove", "RemoveRequest", "RemoveReply"),
    exchange("sweep", "SweepBody", "SweepReply"),
    exchange("recheck", "RecheckRequest", "CommandReply"),
    exchange("configure", "ConfigureRequest", "CommandReply"),
    exchange("state", "StateRequest", "StateReply"),
    exchange("list", "ListRequest", "ListReply"),
    exchange("checkpoints", "CheckpointsRequest", "CheckpointList"),
    exchange("events", "HistoryRequest", "EventsReply"),
    exchange("why", "HistoryRequest", "WhyReply"),
    exchange("logs", "LogsRequest", "OutputChunk"),
    exchange("curves", "CurvesRequest", "CurvesReply"),
    exchange("daemon", "DaemonRequest", "DaemonView"),
];

const fn exchange(verb: &'static str, request: &'static str, reply: &'static str) -> Exchange {
    Exchange { verb, request, reply }
}

pub(super) fn documents() -> Vec<Document> {
    let mut documents = requests();
    documents.extend(replies());
    documents
}

fn run() -> Field {
    required("run", text().about("The run, as people type it: id, its end, or name"))
}

/// Who commands what, and under which number.
pub(super) fn command(more: impl IntoIterator<Item = Field>) -> Shape {
    let mut fields = vec![
        run(),
        optional("by", text().about("Who asks, as shown to people")),
        optional("command_id", command_id()),
    ];
    fields.extend(more);
    object(fields).closed()
}

fn command_id() -> Shape {
    id().or_null().about("The same id again is the same command")
}

fn requests() -> Vec<Document> {
    let request = |name, fields: Vec<Field>| object(fields).closed().document_of_type(name);
    let wait = || optional("wait_ms", whole().about("Answer after so long at the latest"));
    let limit = || optional("limit", small().or_null().about("So many at most"));
    vec![
        start().document_of_type("StartRequest"),
        overrides().document_of_type("Overrides"),
        resume().document_of_type("Resume"),
        rerun().document_of_type("RerunRequest"),
        command([dry_run()]).document_of_type("RunRequest"),
        command([dry_run(), optional("release", flag().about("The worker saves a checkpoint and leaves"))])
            .document_of_type("PauseRequest"),
        command([
            dry_run(),
            required("checkpoint", text().about("Its id, the beginning of it, latest, or none")),
        ])
        .document_of_type("RestoreRequest"),
        command([
            required("checkpoint", text().about("Its id, the beginning of it, or latest")),
            required("pinned", flag().about("Whether retention leaves it alone")),
        ])
        .document_of_type("PinRequest"),
        command([optional("dry_run", flag().about("Only say what would be deleted"))])
            .document_of_type("PruneRequest"),
        command([optional(
            "checkpoint",
            text().or_null().about("Its id, the beginning of it, or latest; by default all"),
        )])
        .document_of_type("RecheckRequest"),
        command([dry_run(), required("changes", like("Overrides"))]).document_of_type("ConfigureRequest"),
        request(
            "StateRequest",
            vec![
                run(),
                optional("since", whole().or_null().about("Answer once the version is above this")),
                wait(),
            ],
        ),
        request(
            "ListRequest",
            vec![optional("after", text().or_null().about("next of the page before")), limit()],
        ),
        request("CheckpointsRequest", vec![run()]),
        request(
            "HistoryRequest",
            vec![run(), optional("after", whole().about("Events after this seq")), limit()],
        ),
        request(
            "LogsRequest",
            vec![
                run(),
                optional("attempt", small().or_null().about("By default the newest")),
                optional("offset", whole()),
                optional("max", small().or_null().about("So many bytes at most")),
                wait(),
            ],
        ),
        request(
            "CurvesRequest",
            vec![run(), optional("after", text().or_null().about("next of the page before"))],
        ),
        request("DaemonRequest", vec![]),
    ]
}

fn dry_run() -> Field {
    optional("dry_run", flag().about("Only say what it would do"))
}

fn rerun() -> Shape {
    object([
        run(),
        optional("name", text().or_null()),
        optional("params", map(text()).about("Those that are to be others")),
        optional("fresh_env", flag().about("The daemon's own environment, not the recorded one")),
        optional("set_env", map(text()).about("Only where the daemon's operator allows it")),
        optional("unset_env", list(text()).about("Only where the daemon's operator allows it")),
        optional("overrides", like("Overrides")),
        optional("command_id", id().or_null().about("The same id again finds the run that it created")),
        dry_run(),
    ])
    .closed()
}

fn start() -> Shape {
    let pair = list(text()).with_exactly(2);
    object([
        optional("workload", text().or_null().about("A registered one; exclusive with the next two")),
        optional(
            "workload_path",
            text().or_null().about("Of a folder; where the daemon's operator allows it"),
        ),
        optional("params", map(text())),
        optional("command", list(text()).or_null().about("Only where the daemon's operator allows it")),
        optional("name", text().or_null()),
        optional("cwd", text().or_null().about("Of a command, on the daemon's machine")),
        optional("env", list(pair).or_null().about("Of a command: names and values, all of them")),
        optional("overrides", like("Overrides")),
        optional("resume", like("Resume")),
        optional("command_id", id().or_null().about("The same id again finds the run that it created")),
    ])
    .closed()
}

fn resume() -> Shape {
    let from = object([required("from", like("CheckpointRef"))]).closed();
    either([words(["auto", "never"]), from])
        .about("Where the attempts of a run begin; a checkpoint is one of the daemon's machine")
}

fn overrides() -> Shape {
    let large = [
        "backoff_ms",
        "grace_ms",
        "startup_timeout_ms",
        "heartbeat_timeout_ms",
        "progress_timeout_ms",
        "keep_every",
        "max_checkpoint_bytes",
        "retry_window_ms",
        "backoff_max_ms",
        "healthy_after_ms",
        "startup_window_ms",
        "ask_wait_ms",
        "kill_wait_ms",
        "cooldown_timeout_ms",
        "hang_grace_ms",
        "pause_hold_ms",
        "pause_release_ms",
        "error_window",
        "error_min_sample",
    ];
    let numbers =
        ["retries", "max_error_share_permille", "keep_checkpoints", "keep_best", "backoff_factor_percent"];
    let metric = text().or_null().about("NAME, NAME:min or NAME:max; empty = none");
    let fields = large.map(|name| optional(name, whole().or_null())).into_iter();
    let fields = fields.chain(numbers.map(|name| optional(name, small().or_null())));
    object(fields.chain([optional("best_metric", metric)]))
        .closed()
        .about("Settings of one run that differ from the daemon's")
}

fn foretold() -> Shape {
    let event = object([
        required("what", text().about("As the ledger calls it")),
        required("why", text().about("A code")),
        required("sentence", text()),
    ]);
    object([
        required("events", list(event).about("What would be recorded, in order")),
        required("phase", text().about("Of the run then")),
    ])
}

fn rerun_reply() -> Shape {
    let names = || list(text().about("A name; values are not told"));
    let env =
        object([required("added", names()), required("removed", names()), required("changed", names())]);
    object([
        required("of", id().about("The run whose spec it is")),
        optional("run", like("RunView").about("The new one; none if it would only be")),
        required("name", text()),
        required("workload", text()),
        required("argv", list(text())),
        required("cwd", text()),
        required("env", env.about("How it differs from the recorded one")),
    ])
}

fn replies() -> Vec<Document> {
    let reply = |name, fields: Vec<Field>| object(fields).document_of_type(name);
    let next_seq = || optional("next", whole().about("There may be more after this seq"));
    vec![
        reply(
            "CommandReply",
            vec![
                required("changed", flag().about("False: it was so already")),
                required("why", text().about("A code")),
                required("run", like("RunView")),
                optional("would", like("Foretold").about("All that was asked is what it would do")),
            ],
        ),
        foretold().document_of_type("Foretold"),
        rerun_reply().document_of_type("RerunReply"),
        reply(
            "StateReply",
            vec![
                required("run", like("RunView")),
                required("snapshot", like("StateSnapshot")),
                required("version", whole().about("The version to wait from next")),
            ],
        ),
        reply(
            "ListReply",
            vec![
                required("runs", list(like("RunView")).about("Newest first")),
                optional("quarantined", map(text()).about("Runs whose ledger is damaged, with the reason")),
                optional("next", text().about("There is more behind this one")),
            ],
        ),
        reply("EventsReply", vec![required("events", list(any_event())), next_seq()]),
        reply("WhyReply", vec![required("lines", list(story_line())), next_seq()]),
        reply(
            "CheckpointList",
            vec![
                required("checkpoints", list(like("CheckpointView"))),
                optional("rules", retention().about("Which of them retention keeps")),
            ],
        ),
        known_checkpoint().document_of_type("CheckpointView"),
        reply(
            "PruneReply",
            vec![
                optional("would_delete", list(like("CheckpointView")).about("Of a dry run")),
                optional("deleted", list(like("CheckpointView")).about("Else: what is being deleted")),
                required("bytes", whole().about("What they take, where their size is known")),
            ],
        ),
        reply("OutputChunk", output_chunk()),
        reply(
            "CurvesReply",
            vec![
                required("curves", map(list(point()))),
                optional("next", text().about("There is more behind this name")),
            ],
        ),
    ]
}

fn known_checkpoint() -> Shape {
    object([
        required("checkpoint", like("CheckpointRef")),
        required("state", words(["candidate", "verified", "set_aside", "damaged"])),
        required("is_resume_point", flag().about("The next attempt begins here, if it still verifies")),
        required("pinned", flag().about("A user wants retention to leave it alone")),
        required("protected", flag().about("Retention leaves it alone at present")),
        optional("reason", text().about("Why it was refused")),
        optional("moved_to", text().about("Where what was damaged lies now")),
    ])
}

fn retention() -> Shape {
    object([
        required("keep_last", small().about("The newest so many")),
        required("keep_best", small().about("So many of the best by best_metric")),
        required("best_metric", text().or_null()),
        required("best_is", words(["max", "min"])),
        required("keep_every", whole().about("The first of every so many units of progress; 0 = none")),
        required("max_bytes", whole().about("0 = no limit")),
    ])
}

fn story_line() -> Shape {
    object([
        required("what", text().about("What the ledger calls it")),
        required("why", text().about("A code")),
        required("sentence", text().about("For people")),
        required("event", any_event()),
    ])
}

fn output_chunk() -> Vec<Field> {
    vec![
        required("attempt", small()),
        required("newest_attempt", small()),
        required("offset", whole()),
        required("next_offset", whole().about("Ask from here next")),
        required("length", whole()),
        required("complete", flag().about("Nothing will be added to this attempt")),
        required("run_ended", flag()),
        optional("pruned_at", time().about("When it was deleted because somebody wanted it")),
    ]
}

fn point() -> Shape {
    object([
        required("x", number().about("Amount done")),
        required("value", number()),
        required("unix_ms", integer()),
        required("attempt", small()),
        optional("rolled_back", flag().about("A later attempt resumed before it")),
    ])
}
