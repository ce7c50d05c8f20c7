//! Shared by the tests of the decider: a small policy, sample inputs, a driver.

use resus_core::checkpoint::{GONE, Health};
use resus_core::codes::Code;
use resus_core::fleet::{Fleet, FleetError, Step};
use resus_core::ids::{Attempt, CommandId, RunId, Slug};
use resus_core::input::{
    Ask, CheckpointRef, CheckpointRefusal, Exit, Fact, Input, Reached, Refused, Verb, WorkerIdentity,
};
use resus_core::moment::Moment;
use resus_core::policy::{Overrides, Policy, RetryPolicy};
use resus_core::pulse::v2::Status;
use resus_core::pulse::word::{Numbers, Outcome, Word, WorkerError};
use resus_core::run::Run;
use resus_core::spec::{Contract, Resume, Spec};
use resus_core::watch::Silence;

pub const BOOT: &str = "boot-1";

/// Round numbers: startup 100 s, cooldown 20 s, grace 60 s of which 10 s asking.
pub fn policy() -> Policy {
    Policy {
        retry: RetryPolicy { max: 2, backoff_ms: 1_000, ..RetryPolicy::default() },
        startup_timeout_ms: 100_000,
        cooldown_timeout_ms: 20_000,
        ..Policy::default()
    }
}

pub fn spec(contract: Contract, policy: Policy) -> Spec {
    Spec {
        workload: Slug::new("fake").unwrap(),
        name: Slug::new("fake").unwrap(),
        argv: vec!["train".into()],
        cwd: "/".into(),
        env: vec![],
        contract,
        policy,
        flow: None,
        exit_codes: std::collections::BTreeMap::new(),
        resume: Resume::Auto,
        workload_path: None,
    }
}

pub fn run_id() -> RunId {
    RunId::new("run-1").unwrap()
}

pub fn at(mono_ms: u64) -> Moment {
    Moment { unix_ms: 1_795_000_000_000 + mono_ms, mono_ms }
}

/// A fleet with one accepted run, and what its acceptance led to.
pub fn accepted(spec: Spec, now: Moment) -> (Fleet, Step) {
    let mut fleet = Fleet::new(Slug::new("n1").unwrap(), BOOT.into());
    let command = CommandId::new("cmd-1").unwrap();
    let (_, step) = fleet.submit(run_id(), spec, Some(command), now).unwrap();
    (fleet, step)
}

pub fn run(fleet: &Fleet) -> &Run {
    fleet.get(&run_id()).unwrap()
}

pub fn checkpoint(step: f64) -> CheckpointRef {
    CheckpointRef { step: Some(step), ..CheckpointRef::at(format!("ck-{step}"), format!("/ck/ck-{step}")) }
}

/// It verifies, and its numbers are not finite.
pub fn poisoned(step: f64) -> CheckpointRef {
    CheckpointRef { health: Health::NotFinite, ..checkpoint(step) }
}

/// It was damaged, and lies beside the others now.
pub fn refusal(step: f64) -> CheckpointRefusal {
    let moved_to = Some(format!("/ck/damaged/ck-{step}"));
    CheckpointRefusal { checkpoint: checkpoint(step), reason: "torn".into(), moved_to }
}

pub fn worker() -> WorkerIdentity {
    WorkerIdentity { pid: 7, start_ticks: 70, boot_id: BOOT.into() }
}

pub fn command(verb: Verb) -> Input {
    Input::Command { verb, by: "test".into() }
}

pub fn word(kind: &str) -> Word {
    let complete = |status| Word::RunComplete {
        status,
        final_loss: Some(0.5),
        metrics: Numbers::new(),
        message: String::new(),
        duration_seconds: None,
        epochs_completed: None,
    };
    let oom = |message: &str, fatal, count| {
        Word::Error(WorkerError {
            error_code: Code::new("CUDA_OOM"),
            message: message.into(),
            is_retryable: None,
            fatal,
            target: None,
            count,
            details: None,
        })
    };
    match kind {
        "success" => complete(Outcome::Success),
        "cancelled" => complete(Outcome::Cancelled),
        "failed" => complete(Outcome::Failed),
        "loading" => Word::Status { status: Status::Preparing, message: "loading".into() },
        "stage" => Word::StageChange { previous_stage: None, new_stage: "two".into() },
        "running" => Word::Status { status: Status::Running, message: "training".into() },
        "paused" => Word::Status { status: Status::Paused, message: "held".into() },
        "oom" => oom("out of memory", true, 1),
        "oom-survived" => oom("out of memory, halving the batch", false, 1),
        "errors" => oom("out of memory, sample skipped", false, 11),
        "saved" => Word::CheckpointSaved(checkpoint(5.0)),
        "saved earlier" => Word::CheckpointSaved(checkpoint(3.0)),
        "nan" => Word::Error(WorkerError {
            error_code: Code::new("NAN_LOSS"),
            message: "the loss is NaN".into(),
            is_retryable: None,
            fatal: true,
            target: None,
            count: 1,
            details: None,
        }),
        other => panic!("no word {other:?}"),
    }
}

/// Every input worth telling apart, by name. Observations are about `attempt`.
pub fn all_inputs(attempt: Attempt, upto: u64) -> Vec<(String, Input)> {
    let mut named = inputs(attempt, upto);
    let remove =
        |with_pinned| Input::Remove { by: "test".into(), reason: None, with_pinned, command_id: None };
    named.push(("remove".into(), remove(false)));
    named.push(("remove pinned".into(), remove(true)));
    named
}

/// The same but for those after which there is no run.
pub fn inputs(attempt: Attempt, upto: u64) -> Vec<(String, Input)> {
    let mut named: Vec<(String, Input)> = Verb::ALL.map(|v| (v.as_str().to_owned(), command(v))).into();
    named.push(("restore".into(), Input::Restore { checkpoint: "latest".into(), by: "test".into() }));
    named.push(("restore none".into(), Input::Restore { checkpoint: "none".into(), by: "test".into() }));
    let pin = |pinned| Input::Pin { checkpoint: "latest".into(), pinned, by: "test".into() };
    named.push(("pin".into(), pin(true)));
    named.push(("unpin".into(), pin(false)));
    named.push(("prune".into(), Input::Prune { by: "test".into(), only_newest: false }));
    named.push(("prune to one".into(), Input::Prune { by: "test".into(), only_newest: true }));
    named.push(("drop output".into(), Input::DropOutput { by: "test".into(), reason: None }));
    named.push(("recheck".into(), Input::Recheck { checkpoint: None, by: "test".into() }));
    let changes = Overrides { retries: Some(1), grace_ms: Some(30_000), ..Overrides::default() };
    named.push(("configure".into(), Input::Configure { changes, by: "test".into() }));
    let mut fact = |name: &str, fact| named.push((name.to_owned(), Input::Observed { attempt, fact }));
    fact("picked none", Fact::CheckpointPicked { chosen: None, refused: vec![] });
    let refused = vec![CheckpointRefusal { moved_to: None, ..refusal(5.0) }];
    fact("picked older", Fact::CheckpointPicked { chosen: Some(checkpoint(3.0)), refused });
    fact("picked newest", Fact::CheckpointPicked { chosen: Some(checkpoint(5.0)), refused: vec![] });
    fact("picked poisoned", Fact::CheckpointPicked { chosen: Some(poisoned(6.0)), refused: vec![] });
    let refused = vec![refusal(5.0), refusal(3.0)];
    fact("all damaged", Fact::CheckpointPicked { chosen: None, refused });
    fact("picked unknown", Fact::CheckpointsUnknown { reason: "EIO".into() });
    let read = |refusal, newer| Fact::RestoreChecked { checkpoint: checkpoint(5.0), refusal, newer };
    fact("restored", read(None, vec![checkpoint(8.0)]));
    fact("restore torn", read(Some((Code::new("CHECKPOINT_CORRUPT"), "torn".into())), vec![]));
    fact("started", Fact::Started(worker()));
    let missing = Code::new("COMMAND_NOT_FOUND");
    fact("spawn refused", Fact::SpawnRefused { code: missing, message: "no such file".into() });
    let busy = Code::new("SPAWN_FAILED");
    fact("spawn failed", Fact::SpawnRefused { code: busy, message: "EAGAIN".into() });
    fact("never spawned", Fact::NeverSpawned);
    for ask in Ask::ALL {
        let name = if ask == Ask::Stop { "ask".into() } else { format!("{ask:?}").to_lowercase() };
        fact(&format!("{name} undelivered"), Fact::AskUndelivered { ask });
    }
    fact("frozen", Fact::Frozen);
    fact("no heartbeat", Fact::Silent { what: Silence::Heartbeat, for_ms: 61_000 });
    fact("no progress", Fact::Silent { what: Silence::Progress, for_ms: 1_801_000 });
    fact("sign of life", Fact::SignOfLife);
    for kind in [
        "loading",
        "running",
        "paused",
        "stage",
        "oom",
        "oom-survived",
        "errors",
        "saved",
        "saved earlier",
        "nan",
        "success",
        "cancelled",
        "failed",
    ] {
        let at_units = Some(if kind == "nan" { 4.0 } else { 100.0 });
        let said = Fact::Said { word: word(kind), said_unix_ms: None, at_units, upto: upto + 1 };
        fact(&format!("said {kind}"), said);
    }
    let reached = Some(Reached { done: 8.0, total: None });
    for (name, exit) in [
        ("exit 0", Exit::with_code(0)),
        ("exit 1", Exit::with_code(1)),
        ("exit 3", Exit::with_code(3)),
        ("exit 125", Exit::with_code(125)),
        ("killed", Exit::by_signal(9)),
        ("exit unseen", Exit::unknown()),
    ] {
        fact(name, Fact::Exited { exit, reached });
    }
    fact("left at once", Fact::Exited { exit: Exit::with_code(0), reached: None });
    fact("checkpoint good", Fact::CheckpointChecked { checkpoint: checkpoint(5.0), refusal: None });
    fact("earlier good", Fact::CheckpointChecked { checkpoint: checkpoint(3.0), refusal: None });
    let torn = Some(Refused { reason: "torn".into(), moved_to: Some("/ck/damaged/ck-5".into()) });
    let gone = Some(Refused { reason: GONE.into(), moved_to: None });
    fact("checkpoint gone", Fact::CheckpointChecked { checkpoint: checkpoint(5.0), refusal: gone });
    let gone = CheckpointRefusal { reason: GONE.into(), moved_to: None, ..refusal(5.0) };
    fact("picked gone", Fact::CheckpointPicked { chosen: None, refused: vec![gone] });
    fact("checkpoint bad", Fact::CheckpointChecked { checkpoint: checkpoint(5.0), refusal: torn });
    fact("pruned", Fact::CheckpointsPruned { paths: vec!["/ck/ck-1".into()] });
    named.push(("deadline".into(), Input::DeadlinePassed { attempt }));
    named.push(("taken over".into(), Input::TakenOver { boot_id: BOOT.into() }));
    named.push(("rebooted".into(), Input::TakenOver { boot_id: "boot-2".into() }));
    named
}

/// One input by its name, or one that is about an amount of work: `saves 3`, `verifies 3`,
/// `damaged 3`, `picks 3`, `nan at 3`, `crashes at 3`.
pub fn input(name: &str, attempt: Attempt, upto: u64) -> Input {
    if let Some((what, amount)) = name.rsplit_once(' ')
        && let Ok(amount) = amount.parse()
        && let Some(fact) = about(what, amount, upto)
    {
        return Input::Observed { attempt, fact };
    }
    all_inputs(attempt, upto)
        .into_iter()
        .find(|(n, _)| n == name)
        .unwrap_or_else(|| panic!("no input {name:?}"))
        .1
}

fn about(what: &str, amount: f64, upto: u64) -> Option<Fact> {
    let said = |word, at| Fact::Said { word, said_unix_ms: None, at_units: Some(at), upto: upto + 1 };
    let checked = |refusal| Fact::CheckpointChecked { checkpoint: checkpoint(amount), refusal };
    let torn = Refused { reason: "torn".into(), moved_to: Some(format!("/ck/damaged/ck-{amount}")) };
    let reached = Some(Reached { done: amount, total: None });
    Some(match what {
        "saves" => said(Word::CheckpointSaved(checkpoint(amount)), amount),
        "verifies" => checked(None),
        "damaged" => checked(Some(torn)),
        "picks" => Fact::CheckpointPicked { chosen: Some(checkpoint(amount)), refused: vec![] },
        "nan at" => said(word("nan"), amount),
        "crashes at" => Fact::Exited { exit: Exit::by_signal(9), reached },
        _ => return None,
    })
}

/// A short text of what an input led to.
pub fn told(result: &Result<Step, FleetError>, after: &Run) -> String {
    match result {
        Err(error) => format!("refused: {error}"),
        Ok(step) => {
            let events: Vec<_> = step.recorded.iter().map(|r| r.record.event.name()).collect();
            let effects: Vec<_> = step
                .effects
                .iter()
                .map(|e| format!("{e:?}").split([' ', '{']).next().unwrap_or_default().to_owned())
                .collect();
            format!("{:?} [{}] {{{}}} {}", after.phase, events.join(" "), effects.join(" "), step.why)
        }
    }
}

/// Compares with a golden file; `UPDATE=1` rewrites it.
#[expect(clippy::disallowed_methods, reason = "the tests of core may read files; core may not")]
pub fn golden(path: &str, actual: &str) {
    let path = format!("{}/testdata/{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, actual).unwrap();
        return;
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    if expected != actual {
        let line = expected.lines().zip(actual.lines()).position(|(e, a)| e != a).unwrap_or(0);
        panic!(
            "{path} differs from line {}:\n  expected {:?}\n  actual   {:?}\nUPDATE=1 rewrites it",
            line + 1,
            expected.lines().nth(line),
            actual.lines().nth(line)
        );
    }
}
