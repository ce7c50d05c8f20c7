//! From v2 to v1: every row of the protocol's table.

use proptest::prelude::*;
use resus_core::fleet::Fleet;
use resus_core::ids::{RunId, Slug};
use resus_core::moment::Moment;
use resus_core::phase::Phase;
use resus_core::policy::Policy;
use resus_core::pulse::line::{Progress, Telemetry};
use resus_core::pulse::v1::parse::parse;
use resus_core::pulse::v1::project::{V2State, project};
use resus_core::pulse::v1::{SnapshotV1, StatusV1};
use resus_core::pulse::v2::Status;
use resus_core::pulse::word::{Numbers, Outcome};
use resus_core::run::{Complete, Run};
use resus_core::slot::Slot;
use resus_core::spec::{Contract, Spec};
use serde_json::json;

fn state(status: Status) -> V2State<'static> {
    V2State {
        status,
        progress: None,
        loss: None,
        loss_is_not_finite: false,
        message: "",
        restarting: None,
        alive_unix_s: 1_795_320_826,
    }
}

fn with(progress: &Progress) -> V2State<'_> {
    V2State { progress: Some(progress), ..state(Status::Running) }
}

#[test]
fn epochs_are_as_said_else_a_share_of_the_steps_else_the_units_own() {
    let p = Progress::default;
    let cases = [
        (
            Progress {
                epoch: Some(1.5),
                total_epochs: Some(3.0),
                step: Some(9.0),
                total_steps: Some(10.0),
                ..p()
            },
            (1.5, 3.0),
        ),
        (Progress { epoch: Some(1.5), ..p() }, (1.5, 0.0)),
        (
            Progress {
                step: Some(200.0),
                total_steps: Some(800.0),
                total_epochs: Some(4.0),
                done: Some(7.0),
                ..p()
            },
            (1.0, 4.0),
        ),
        (Progress { step: Some(200.0), total_steps: Some(800.0), ..p() }, (200.0, 800.0)),
        (
            Progress { step: Some(200.0), total_steps: Some(0.0), total_epochs: Some(4.0), ..p() },
            (200.0, 0.0),
        ),
        (
            Progress { done: Some(5.0), total: Some(10.0), step: Some(1.0), total_steps: Some(2.0), ..p() },
            (5.0, 10.0),
        ),
        (Progress { done: Some(5.0), ..p() }, (5.0, 0.0)),
        (Progress { total_epochs: Some(4.0), ..p() }, (0.0, 4.0)),
        (p(), (0.0, 0.0)),
    ];
    for (progress, expected) in cases {
        let snapshot = project(&with(&progress));
        assert_eq!((snapshot.epoch, snapshot.total_epochs), expected, "{progress:?}");
    }
}

#[test]
fn the_message_is_the_newest_said_else_the_amounts_else_the_status() {
    let p = || Progress { unit: "game".into(), ..Progress::default() };
    let said = |progress: &Progress, message| project(&V2State { message, ..with(progress) }).message;
    let both = Progress {
        epoch: Some(2.0),
        total_epochs: Some(3.0),
        step: Some(150.0),
        total_steps: Some(800.0),
        ..p()
    };
    assert_eq!(said(&both, " warming up\n"), "warming up");
    assert_eq!(said(&both, ""), "epoch 2/3, step 150/800");
    assert_eq!(said(&Progress { epoch: Some(0.333_3), ..p() }, ""), "epoch 0.33");
    assert_eq!(said(&Progress { step: Some(100.0), total_steps: Some(0.0), ..p() }, ""), "step 100");
    assert_eq!(said(&Progress { done: Some(5.0), total: Some(10.5), ..p() }, ""), "game 5/10.5");
    assert_eq!(said(&Progress { done: Some(-0.001), ..p() }, ""), "game 0");
    assert_eq!(said(&p(), ""), "running");
    assert_eq!(project(&state(Status::CoolingDown)).message, "cooling down");
}

#[test]
fn every_status_has_its_word_and_its_message() {
    let said = |status| {
        let snapshot = project(&V2State { message: "epoch 2", ..state(status) });
        (snapshot.status, snapshot.message)
    };
    let table = [
        (Status::Idle, StatusV1::Idle, "epoch 2"),
        (Status::Preparing, StatusV1::Running, "epoch 2"),
        (Status::Running, StatusV1::Running, "epoch 2"),
        (Status::Paused, StatusV1::Running, "Paused: epoch 2"),
        (Status::CoolingDown, StatusV1::Running, "epoch 2"),
        (Status::Done, StatusV1::Done, "epoch 2"),
        (Status::Error, StatusV1::Error, "epoch 2"),
        (Status::Cancelled, StatusV1::Error, "Cancelled by user"),
    ];
    assert_eq!(table.map(|(status, ..)| status), Status::ALL);
    for (status, word, message) in table {
        assert_eq!(said(status), (word, message.to_owned()), "{status}");
    }
    let restarting = Some("Restarting 2/5 in 8s: CUDA_OOM".to_owned());
    let waits = project(&V2State { message: "epoch 2", restarting, ..state(Status::Preparing) });
    assert_eq!((waits.status, waits.message.as_str()), (StatusV1::Running, "Restarting 2/5 in 8s: CUDA_OOM"));
}

#[test]
fn the_loss_is_finite_and_what_is_not_is_said() {
    let of = |loss, loss_is_not_finite, message| {
        let snapshot = project(&V2State { loss, loss_is_not_finite, message, ..state(Status::Running) });
        (snapshot.loss, snapshot.message)
    };
    assert_eq!(of(Some(0.5), false, "m"), (0.5, "m".into()));
    assert_eq!(of(None, false, "m"), (0.0, "m".into()));
    assert_eq!(of(Some(0.5), true, "m"), (0.5, "m, loss is not finite".into()));
    let (loss, long) = of(Some(f64::NAN), true, &"é".repeat(200));
    assert_eq!(loss, 0.0);
    assert!(long.len() <= 256 && long.ends_with("…, loss is not finite"), "{long}");
}

fn run() -> Run {
    let slug = |text| Slug::new(text).unwrap();
    let mut fleet = Fleet::new(slug("n1"), "boot-1".into());
    let spec = Spec {
        workload: slug("fake"),
        name: slug("fake"),
        argv: vec!["train".into()],
        cwd: "/".into(),
        env: vec![],
        contract: Contract::Pulse,
        policy: Policy::default(),
        flow: None,
        exit_codes: std::collections::BTreeMap::new(),
        resume: resus_core::spec::Resume::Auto,
        workload_path: None,
    };
    let id = RunId::new("run-1").unwrap();
    fleet.submit(id.clone(), spec, None, Moment::default()).unwrap();
    fleet.get(&id).unwrap().clone()
}

#[test]
fn a_runs_own_state_is_what_is_told() {
    let mut slot = Slot::default();
    let said = |run: &Run, slot: &Slot| project(&V2State::of(run, slot, 7, 1_000)).message;
    let failure = json!({"code": "CUDA_OOM", "message": "out of memory", "retried": true});
    let mut run = run();
    run.heard.message = "loading".into();
    assert_eq!(said(&run, &slot), "loading");
    let progress = Progress {
        epoch: Some(1.0),
        loss: Some(0.5),
        message: Some("epoch 1".into()),
        ..Progress::default()
    };
    slot.fold(Telemetry::Progress(progress), None, Moment::default());
    let snapshot = project(&V2State::of(&run, &slot, 7, 1_000));
    assert_eq!((snapshot.message.as_str(), snapshot.loss, snapshot.timestamp), ("epoch 1", 0.5, 7));
    let nan = Telemetry::Metric { step: None, metrics: Numbers::from([("loss".into(), None)]) };
    slot.fold(nan, None, Moment::default());
    assert_eq!(said(&run, &slot), "epoch 1, loss is not finite");
    run.last_failure = Some(serde_json::from_value(failure).unwrap());
    run.phase = Phase::Waiting;
    run.retry.failures = 2;
    run.deadline_mono_ms = Some(8_500);
    assert_eq!(said(&run, &slot), "Restarting 2/5 in 8s: CUDA_OOM");
    (run.phase, run.status) = (Phase::Failed, Status::Error);
    assert_eq!(said(&run, &Slot::default()), "out of memory");
    let complete = Complete {
        outcome: Outcome::Success,
        final_loss: Some(0.1),
        metrics: Numbers::new(),
        message: "all done".into(),
    };
    run.heard.complete = Some(complete);
    (run.phase, run.status) = (Phase::Done, Status::Done);
    let snapshot = project(&V2State::of(&run, &Slot::default(), 7, 1_000));
    assert_eq!((snapshot.message.as_str(), snapshot.loss), ("all done", 0.1));
}

fn number() -> impl Strategy<Value = Option<f64>> {
    prop::option::of(prop_oneof![any::<f64>(), Just(f64::NAN), Just(f64::INFINITY), Just(0.0), 0.0..1e4_f64])
}

proptest! {
    #[test]
    fn whatever_the_run_the_file_is_one_that_readers_take(
        status in prop::sample::select(Status::ALL.to_vec()),
        (epoch, total_epochs, step, total_steps) in (number(), number(), number(), number()),
        (done, total, loss) in (number(), number(), number()),
        (unit, message, restarting) in (".{0,300}", ".{0,300}", prop::option::of(".{0,300}")),
        loss_is_not_finite in any::<bool>(),
    ) {
        let progress = Progress { unit, epoch, total_epochs, step, total_steps, done, total, ..Progress::default() };
        let state = V2State { progress: Some(&progress), loss, loss_is_not_finite, message: &message, restarting, ..state(status) };
        let snapshot = project(&state);
        prop_assert!([snapshot.epoch, snapshot.total_epochs, snapshot.loss].iter().all(|n| n.is_finite()));
        prop_assert!(!snapshot.message.is_empty() && snapshot.message.len() <= 256);
        prop_assert!(!snapshot.message.contains(char::is_control));
        let parsed = parse(&snapshot.to_bytes()).unwrap();
        prop_assert_eq!(parsed.unknown_key, None);
        let read = parsed.snapshot;
        let pairs = [(read.epoch, snapshot.epoch), (read.total_epochs, snapshot.total_epochs), (read.loss, snapshot.loss)];
        for (read, written) in pairs {
            // The parser may be off by the last bit.
            prop_assert!((read - written).abs() <= written.abs() * 1e-12, "{} read as {}", written, read);
        }
        let rest = |s: SnapshotV1| (s.status, s.message, s.timestamp);
        prop_assert_eq!(rest(read), rest(snapshot));
    }
}
