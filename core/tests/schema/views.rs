//! Documents that the daemon writes: they fit, and every field is there sometimes.

use crate::support::*;
use crate::validate::{Schemas, Unlisted};
use crate::walk::{Walk, node};
use resus_core::api::control::{CurvesReply, EventsReply, ListReply, StateReply, WhyReply, WorkloadsReply};
use resus_core::api::{
    CheckpointList, CommandReply, DaemonView, EnvChanges, Foretold, ForetoldEvent, Obstacle, ObstacleKind,
    Origin, OutputChunk, ParamKind, ParamView, Plan, PlannedSetting, Problem, PruneReply, RemoveReply,
    RerunReply, RunSize, SettingOrigin, StoryLine, SweepItem, SweepKind, SweepReply, WorkloadView,
};
use resus_core::exit::ExitCode;
use resus_core::policy::RetentionPolicy;
use resus_core::prune::EndedAs;
use resus_core::pulse::state::{StateSnapshot, TelemetryPlace};
use resus_core::pulse::v1::project::{V2State, project};
use resus_core::spec::{Contract, Resume};
use resus_core::telemetry::series::Point;
use resus_core::view::{ProgressView, RunView};
use resus_core::watch::Health;
use serde::Serialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Checks what is written, and that it can be read back.
fn fits(schemas: &mut Schemas, file: &str, document: &impl Serialize) {
    let value = serde_json::to_value(document).unwrap();
    let faults = schemas.check(file, &value);
    assert!(faults.is_empty(), "{faults:#?} of {value}");
}

fn all_met(schemas: &Schemas, file: &str) {
    let silent: Vec<_> = schemas.fields_of(file).difference(&schemas.met).cloned().collect();
    assert!(silent.is_empty(), "nobody ever says {silent:?}: is it still a field?");
}

#[test]
fn runs_and_their_snapshots_fit() {
    let mut schemas = Schemas::new(Unlisted::Refused);
    for number in 0..200 {
        let mut walk = Walk::begin(number);
        for _ in 0..40 {
            walk.step();
            let run = run(&walk.fleet);
            let health = Some(Health::Ok).filter(|_| run.worker.is_some());
            let view = RunView::of(run, &walk.slot, "n1", walk.now);
            let eta = health.map(|_| 1.5);
            let progress = ProgressView {
                rate: eta,
                eta_s: eta,
                eta_low_s: eta,
                eta_high_s: eta,
                ..view.progress.clone()
            };
            let view = RunView { health, progress_age_s: eta, progress, ..view };
            fits(&mut schemas, "run_view.json", &view);
            let list = CheckpointList::of(run);
            fits(&mut schemas, "checkpoint_list.json", &list);
            let by_metric = |rules| RetentionPolicy { best_metric: Some("auc".to_owned()), ..rules };
            let list = CheckpointList { rules: list.rules.map(by_metric), ..list };
            fits(&mut schemas, "checkpoint_list.json", &list);
            let v1 = project(&V2State::of(run, &walk.slot, 0, walk.now.unix_ms));
            let place = TelemetryPlace::default();
            let snapshot = StateSnapshot::of(run, &walk.slot, health, v1.clone(), place, &node());
            fits(&mut schemas, "state_snapshot.json", &snapshot);
            // The same form as the file's.
            let file: Value = serde_json::from_slice(&v1.to_bytes()).unwrap();
            fits(&mut schemas, "snapshot_v1.json", &file);
        }
    }
    for file in [
        "run_view.json",
        "state_snapshot.json",
        "snapshot_v1.json",
        "checkpoint_ref.json",
        "checkpoint_list.json",
        "checkpoint_view.json",
    ] {
        all_met(&schemas, file);
    }
}

/// Workloads with every field that one can have.
fn workloads() -> WorkloadsReply {
    let param = ParamView {
        flag: "--x".to_owned(),
        kind: ParamKind::Text,
        min: Some(0.0),
        max: Some(1.5),
        choices: vec!["a".to_owned()],
        default: Some("a".to_owned()),
        summary: "An x.".to_owned(),
    };
    let all = WorkloadView {
        name: "w".to_owned(),
        origin: Origin::User,
        folder: Some("/w".to_owned()),
        summary: "Learns.".to_owned(),
        argv: vec!["python3".to_owned()],
        cwd: Some("{workload}".to_owned()),
        contract: Some(Contract::Pulse),
        params: BTreeMap::from([("x".to_owned(), param)]),
        exit_codes: BTreeMap::from([(2, "CONFIG_INVALID".to_owned())]),
        faults: vec!["1:1: unknown key".to_owned()],
    };
    WorkloadsReply {
        workloads: vec![all],
        trouble: Some("a loose one".to_owned()),
        next: Some("w".to_owned()),
    }
}

fn plan() -> Plan {
    let setting = |value: Value, origin| PlannedSetting {
        key: "retry.max".to_owned(),
        value,
        default: Value::Null,
        origin,
    };
    Plan {
        workload: "w".to_owned(),
        name: "w".to_owned(),
        argv: vec!["python3".to_owned()],
        cwd: "/".to_owned(),
        env_count: 3,
        contract: Contract::Opaque,
        resume: Resume::Never,
        settings: vec![
            setting(9.into(), SettingOrigin::Submission),
            setting("auc:max".into(), SettingOrigin::Configuration),
        ],
        warnings: vec!["no program w".to_owned()],
    }
}

#[test]
fn answers_fit() {
    let mut schemas = Schemas::new(Unlisted::Refused);
    let mut walk = Walk::begin(1);
    walk.step();
    let view = || RunView::of(run(&walk.fleet), &walk.slot, "n1", walk.now);
    let damaged = BTreeMap::from([("r".to_owned(), "row 3 does not verify".to_owned())]);
    let text = |text: &str| text.to_owned();
    let event = ForetoldEvent { what: text("ended"), why: text("REQUESTED"), sentence: text("it ended") };
    let would = Foretold { events: vec![event], phase: text("cancelled") };
    fits(&mut schemas, "foretold.json", &would);
    fits(
        &mut schemas,
        "command_reply.json",
        &CommandReply { changed: true, why: text("REQUESTED"), run: view(), would: Some(would) },
    );
    let names = |name| vec![text(name)];
    let rerun = RerunReply {
        of: text("r"),
        run: Some(view()),
        name: text("n"),
        workload: text("w"),
        argv: names("train"),
        cwd: text("/"),
        env: EnvChanges { added: names("A"), removed: names("B"), changed: names("C") },
    };
    fits(&mut schemas, "rerun_reply.json", &rerun);
    let v1 = project(&V2State::of(run(&walk.fleet), &walk.slot, 7, walk.now.mono_ms));
    let place = TelemetryPlace::default();
    let snapshot = StateSnapshot::of(run(&walk.fleet), &walk.slot, None, v1, place, &node());
    fits(&mut schemas, "state_reply.json", &StateReply { run: view(), snapshot, version: 7 });
    let list = ListReply { runs: vec![view()], quarantined: damaged, next: Some(text("r")) };
    fits(&mut schemas, "list_reply.json", &list);
    fits(&mut schemas, "events_reply.json", &EventsReply { events: walk.told.clone(), next: Some(3) });
    let line = StoryLine {
        what: text("accepted"),
        why: text("NEW_RUN"),
        sentence: text("accepted"),
        event: walk.told[0].clone(),
    };
    fits(&mut schemas, "why_reply.json", &WhyReply { lines: vec![line], next: Some(1) });
    let point =
        Point { x: 1.0, value: 0.5, unix_ms: 1, attempt: run(&walk.fleet).attempt, rolled_back: true };
    let curves = BTreeMap::from([("loss".to_owned(), vec![point])]);
    fits(&mut schemas, "curves_reply.json", &CurvesReply { curves, next: Some(text("loss")) });
    let chunk = OutputChunk {
        attempt: 1,
        newest_attempt: 2,
        offset: 0,
        next_offset: 5,
        length: 5,
        complete: true,
        run_ended: false,
        pruned_at: Some(text("2026-11-22T04:13:46.123Z")),
    };
    fits(&mut schemas, "output_chunk.json", &chunk);
    let size = RunSize { bytes: 9, output_bytes: 1, checkpoint_bytes: 7, at_least: true };
    let needed = Obstacle { kind: ObstacleKind::Needed, text: text("it is"), needed_by: Some(text("r2")) };
    let obstacles = vec![needed];
    let remove = RemoveReply { removed: false, run: view(), size, checkpoints: 2, pinned: 1, obstacles };
    fits(&mut schemas, "remove_reply.json", &remove);
    fits(&mut schemas, "workloads_reply.json", &workloads());
    fits(&mut schemas, "plan.json", &plan());
    let all = |walk: &Walk| CheckpointList::of(run(&walk.fleet)).checkpoints;
    while all(&walk).is_empty() {
        walk.step();
    }
    let prune = PruneReply { would_delete: all(&walk), deleted: all(&walk), bytes: 7 };
    fits(&mut schemas, "prune_reply.json", &prune);
    let item = SweepItem {
        kind: SweepKind::Logs,
        run_id: text("r"),
        name: text("n"),
        ended_as: EndedAs::Lost,
        ended_at: text("2026-11-22T04:13:46.123Z"),
        bytes: 7,
        at_least: true,
        problem: Some(text("it lives")),
    };
    let sweep = SweepReply {
        items: vec![item],
        bytes: 7,
        gone: 1,
        failed: 1,
        missing: 1,
        left_out: 1,
        dry_run: true,
    };
    fits(&mut schemas, "sweep_reply.json", &sweep);
    let problem = Problem {
        kind: text("urn:resus:refused"),
        title: text("t"),
        status: 409,
        detail: text("d"),
        hint: Some(text("h")),
        exit_code: ExitCode::Refused,
    };
    fits(&mut schemas, "problem.json", &problem);
    let daemon: DaemonView = serde_json::from_value(json!({
        "pid": 1, "version": "0.1.0", "state_dir": "/s", "node": "n1", "started_at": "2026-11-22T04:13:46.123Z",
        "uptime_s": 1.5, "runs_live": 1, "runs_total": 2, "runs_quarantined": 0, "degraded": "full", "ledger_pos": 9,
        "rss_bytes": 9, "actor_restarts": {"publisher": 1},
        "bus": {
            "state": "away", "url": "nats://h:4222", "namespace": "default", "reason": "gone", "since": "",
            "server_version": "2.15.1", "jetstream": true, "lacking": ["x"], "waiting": 3, "left_out": 0,
            "alarms": ["x"],
        },
        "deletions": {"waiting": 2, "failed": 1, "problem": "it is held"},
        "settings": {
            "file": "/c/config.toml", "stamp": "9@1.2", "read_at": "2026-11-22T04:13:46.123Z", "waiting": ["bus.url"],
            "refused": {"at": "2026-11-22T04:13:46.123Z", "faults": ["x"]},
        },
    }))
    .unwrap();
    fits(&mut schemas, "daemon_view.json", &daemon);
    for file in [
        "command_reply.json",
        "foretold.json",
        "rerun_reply.json",
        "state_reply.json",
        "list_reply.json",
        "events_reply.json",
        "why_reply.json",
        "curves_reply.json",
        "output_chunk.json",
        "prune_reply.json",
        "remove_reply.json",
        "sweep_reply.json",
        "problem.json",
        "daemon_view.json",
    ] {
        all_met(&schemas, file);
    }
}
