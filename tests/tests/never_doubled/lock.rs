//! The run's lock, in the hands of what an attempt has left behind.

use crate::{adoptions, pid_of, reap};
use resus_tests::{Home, kill};
use rustix::process::{getpid, set_child_subreaper};

#[test]
fn a_stray_that_holds_the_lock_is_told_and_the_run_goes_on_when_it_is_gone() {
    set_child_subreaper(Some(getpid())).unwrap();
    let home = Home::new();
    // The stray has left the worker's session, so that nobody finds it when the shim is dead.
    let script = "echo $PULSE_ATTEMPT >> starts
        if [ $PULSE_ATTEMPT = 1 ]; then setsid sleep 1000 & exec sleep 2000; fi";
    let id = home.submit(&["--retries", "50", "--backoff", "10ms", "--", "sh", "-c", script]);
    let run = home.until_phase(&id, "running");
    let of = |command: &str| home.workers(&id).into_iter().find(|process| process.command == command);
    let stray = home.wait_for("the stray", || of("sleep 1000")).pid;
    let worker = home.wait_for("the worker", || of("sleep 2000")).pid;
    assert_eq!(pid_of(&run), worker);

    let shim = resus_tests::processes_of(home.path())
        .into_iter()
        .find(|process| process.command.contains(" shim ") && process.command.contains(&id));
    kill(shim.unwrap().pid, "KILL");
    home.wait_for("the adoption", || (adoptions(&home) > 0).then_some(()));
    kill(worker, "KILL");
    home.wait_for("the worker's end", || {
        reap(worker);
        (!resus_tests::alive(worker)).then_some(())
    });
    let run = home.until(&id, "a refusal", |run| run["last_failure"]["code"] == "RUN_LOCKED");
    let message = run["last_failure"]["message"].as_str().unwrap();
    assert!(message.contains(&stray.to_string()), "who holds the lock is told: {message}");
    let starts = || std::fs::read_to_string(home.path().join("work/starts")).unwrap();
    assert_eq!(starts(), "1\n", "a second worker beside what is left of the first");

    kill(stray, "KILL");
    home.resus(&["wait", &id]).expect_code(0);
    let run = home.view(&id);
    assert_eq!((&run["phase"], starts()), (&"done".into(), format!("1\n{}\n", run["attempt"])));
}
