//! What is asked and answered where runs, their output or their checkpoints are to be gone.

use super::Document;
use super::control::command;
use super::shape::{
    Shape, flag, id, like, list, object, optional, required, small, text, time, whole, words,
};
use crate::api::ObstacleKind;
use crate::prune::EndedAs;

pub(super) fn documents() -> Vec<Document> {
    let dry_run = || optional("dry_run", flag().about("Only say what would go"));
    let kind = || words(["runs", "logs", "checkpoints"]);
    let ended_as = || words(EndedAs::ALL.map(EndedAs::as_str));
    let sweep = object([
        optional("kinds", list(kind()).about("What is swept away; by default runs")),
        optional("older_than_ms", whole().or_null().about("Of runs that ended at least so long ago")),
        optional("keep", small().or_null().about("But for the newest so many of each name")),
        optional("max_bytes", whole().or_null().about("The oldest first, until all take at most so much")),
        optional("name", text().or_null().about("Of runs of this name")),
        optional("status", list(ended_as()).about("Of runs that ended so; by default however")),
        optional("only", list(target(kind())).about("Nothing else than this; by default all that fits")),
        dry_run(),
        optional("by", text().about("Who asks, as shown to people")),
    ]);
    vec![
        command([dry_run(), optional("with_pinned", flag().about("Pinned checkpoints go along"))])
            .document_of_type("RemoveRequest"),
        remove_reply().document_of_type("RemoveReply"),
        sweep.closed().document_of_type("SweepBody"),
        object([
            required("items", list(item(kind(), ended_as())).about("What goes, the oldest first")),
            required("bytes", whole().about("What those that go take on the disk")),
            optional("gone", small().about("How many went")),
            optional("failed", small().about("How many did not; those come first")),
            optional("missing", small().about("How many of `only` are not there any more, or fit no more")),
            optional("left_out", small().about("Further ones that had no room in the answer")),
            optional("dry_run", flag().about("It was only asked")),
        ])
        .document_of_type("SweepReply"),
    ]
}

fn remove_reply() -> Shape {
    let size = object([
        required("bytes", whole().about("All of them")),
        required("output_bytes", whole().about("What the workers printed")),
        required("checkpoint_bytes", whole()),
        optional("at_least", at_least()),
    ]);
    object([
        required("removed", flag().about("The run is gone; its files are being deleted")),
        required("run", like("RunView")),
        required("size", size.about("What its files take on the disk")),
        required("checkpoints", small()),
        required("pinned", small().about("Those of them that somebody pinned")),
        optional("obstacles", list(obstacle()).about("What stands in the way now")),
    ])
}

fn obstacle() -> Shape {
    object([
        required("kind", words(ObstacleKind::ALL.map(ObstacleKind::as_str))),
        required("text", text()),
        optional("needed_by", id().about("The run that would go on from a checkpoint of this one")),
    ])
}

fn target(kind: Shape) -> Shape {
    object([required("kind", kind), required("run_id", id())]).closed()
}

fn at_least() -> Shape {
    flag().about("Not all could be measured")
}

fn item(kind: Shape, ended_as: Shape) -> Shape {
    object([
        required("kind", kind.about("What of the run")),
        required("run_id", id()),
        required("name", text()),
        required("ended_as", ended_as),
        required("ended_at", time()),
        required("bytes", whole().about("What goes, on the disk")),
        optional("at_least", at_least()),
        optional("problem", text().about("Why it did not go")),
    ])
}
