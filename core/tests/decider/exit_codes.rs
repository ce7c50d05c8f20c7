//! Codes that a workload gives a meaning of its own.

use crate::support::{accepted, at, policy, run, run_id, spec, worker};
use resus_core::codes::Code;
use resus_core::ids::Attempt;
use resus_core::input::{Exit, Fact, Input};
use resus_core::phase::Phase;
use resus_core::spec::Contract;

/// The class of the failure, and where the run is, after a worker with this map ended with `code`.
fn after(map: &[(u8, &str)], code: i32) -> (String, Phase) {
    let mut spec = spec(Contract::Opaque, policy());
    spec.exit_codes = map.iter().map(|(code, class)| (*code, Code::new(class))).collect();
    let (mut fleet, _) = accepted(spec, at(0));
    let fact = |fact| Input::Observed { attempt: Attempt(1), fact };
    let none = Fact::CheckpointPicked { chosen: None, refused: Vec::new() };
    let exited = Fact::Exited { exit: Exit::with_code(code), reached: None };
    for (n, observed) in [none, Fact::Started(worker()), exited].into_iter().enumerate() {
        fleet.step(&run_id(), &fact(observed), at(1_000 * n as u64)).unwrap();
    }
    let run = run(&fleet);
    (run.last_failure.as_ref().unwrap().code.to_string(), run.phase)
}

#[test]
fn a_code_means_what_the_workload_says_and_else_what_everybody_says() {
    let map = [(2, "CONFIG_INVALID"), (3, "DATASET_NOT_FOUND"), (75, "CUDA_OOM"), (125, "NCCL_TIMEOUT")];
    assert_eq!(after(&map, 2), ("CONFIG_INVALID".into(), Phase::Failed));
    assert_eq!(after(&map, 3), ("DATASET_NOT_FOUND".into(), Phase::Failed));
    assert_eq!(after(&map, 75), ("CUDA_OOM".into(), Phase::Failed));
    assert_eq!(after(&map, 125), ("NCCL_TIMEOUT".into(), Phase::Waiting));
    assert_eq!(after(&map, 1).0, "STARTUP_FAILED");
    assert_eq!(after(&[], 125), ("EXIT_PERMANENT".into(), Phase::Failed));
}
