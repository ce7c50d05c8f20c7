//! What the fake daemon does when something is to be gone.

use resus_core::api::{
    Obstacle, ObstacleKind, Problem, RemoveBody, RemoveReply, RunSize, SweepBody, SweepItem, SweepKind,
    SweepReply,
};
use resus_core::exit::ExitCode;
use resus_core::prune::EndedAs;
use resus_core::view::RunView;

pub(super) fn asked(selector: &str, body: &RemoveBody) -> String {
    format!("remove {selector} dry_run {} with_pinned {}", body.dry_run, body.with_pinned)
}

/// A run that lives can't be removed; one called `pinned` has a pinned checkpoint.
pub(super) fn removed(run: RunView, body: &RemoveBody) -> Result<RemoveReply, Problem> {
    let lives = run.ended_at.is_none().then(|| format!("can't remove a run that is {}", run.phase));
    let is_pinned = run.name == "pinned" && !body.with_pinned;
    let is_needed = (run.name == "needed").then(|| "run r2 would go on from a checkpoint of it".to_owned());
    let of =
        |kind, text| Obstacle { kind, text, needed_by: (kind == ObstacleKind::Needed).then(|| "r2".into()) };
    let all = [
        lives.map(|text| of(ObstacleKind::Phase, text)),
        is_pinned.then(|| of(ObstacleKind::Pinned, "can't remove a run with a pinned checkpoint".into())),
        is_needed.map(|text| of(ObstacleKind::Needed, text)),
    ];
    let obstacles: Vec<_> = all.into_iter().flatten().collect();
    if let Some(detail) = obstacles.first().map(|first| first.text.clone()).filter(|_| !body.dry_run) {
        return Err(Problem {
            kind: "urn:resus:refused".into(),
            title: "Not possible now".into(),
            status: 409,
            detail,
            hint: None,
            exit_code: ExitCode::Refused,
        });
    }
    let pinned = u32::from(run.name == "pinned");
    let size = RunSize { bytes: 3 << 20, ..RunSize::default() };
    Ok(RemoveReply { removed: !body.dry_run, run, size, checkpoints: 3, pinned, obstacles })
}

/// One item of each kind that is asked for; logs never go.
pub(super) fn swept(run: &RunView, body: &SweepBody) -> SweepReply {
    let kinds = if body.kinds.is_empty() { vec![SweepKind::Runs] } else { body.kinds.clone() };
    let item = |kind| SweepItem {
        kind,
        run_id: run.run_id.clone(),
        name: run.name.clone(),
        ended_as: EndedAs::Done,
        // Ages count from now, and what is shown of them must be the same tomorrow.
        ended_at: "2999-01-01T00:00:00.000Z".into(),
        bytes: 1 << 20,
        at_least: false,
        problem: (kind == SweepKind::Logs && !body.dry_run).then(|| "it was retried".to_owned()),
    };
    let is_some = body.name.as_deref() != Some("nobody");
    let items: Vec<_> = kinds.into_iter().filter(|_| is_some).map(item).collect();
    let bytes = items.iter().filter(|item| item.problem.is_none()).map(|item| item.bytes).sum();
    let failed =
        u32::try_from(items.iter().filter(|item| item.problem.is_some()).count()).unwrap_or(u32::MAX);
    let gone = u32::try_from(items.len()).unwrap_or(u32::MAX) - failed;
    let gone = if body.dry_run { 0 } else { gone };
    SweepReply { items, bytes, gone, failed, dry_run: body.dry_run, ..SweepReply::default() }
}
