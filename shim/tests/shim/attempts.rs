//! Starting attempts and the evidence of how they ended.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use resus_shim::evidence;
use resus_shim::protocol::{RefusalCode, Reply, Request, SignalName};

use crate::rig::{Rig, lives, text, wait_until};

#[test]
fn an_exit_code_is_told_and_on_record() {
    let rig = Rig::new();
    let mut client = rig.client();
    let started = client.started(&rig.script(1, "echo out; echo err >&2; exit 7"));
    let exited = client.exited();

    assert_eq!((exited.attempt, exited.exit.code, exited.exit.signal), (1, Some(7), None));
    assert_eq!((exited.exit.strays_killed, exited.exit.unkillable), (0, 0));
    assert!(exited.exit.max_rss_bytes > 100_000, "{:?}", exited.exit);
    assert_eq!(exited.unrecorded, None);
    assert_eq!(evidence::read_exit(&rig.attempt_dir(1)).unwrap(), Some(exited.exit));
    let spawn = evidence::read_spawn(&rig.attempt_dir(1)).unwrap().unwrap();
    assert_eq!((spawn.pid, spawn.start_ticks), (started.pid, started.start_ticks));
    assert_eq!((spawn.boot_id, spawn.argv0.as_str()), (started.boot_id, "/bin/sh"));
    assert_eq!(rig.output(1), "out\nerr\n");
    let output = fs::metadata(rig.attempt_dir(1).join(evidence::OUTPUT_LOG)).unwrap();
    assert_eq!(output.permissions().mode() & 0o777, 0o600);
}

#[test]
fn the_signal_that_ended_a_worker_is_told_and_on_record() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.script(1, "kill -SEGV $$"));
    let exited = client.exited();
    assert_eq!((exited.exit.code, exited.exit.signal), (None, Some(11)));
    assert_eq!(evidence::read_exit(&rig.attempt_dir(1)).unwrap(), Some(exited.exit));
}

#[test]
fn cpu_time_of_the_worker_and_what_it_waited_for_is_counted() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.script(1, "i=0; while [ $i -lt 300000 ]; do i=$((i+1)); done; true"));
    let exit = client.exited().exit;
    assert!(exit.user_ms > 0, "{exit:?}");
}

#[test]
fn asking_twice_starts_once() {
    let rig = Rig::new();
    let mut client = rig.client();
    let order = rig.script(1, "echo run; exec sleep 1000");
    let first = client.started(&order);
    assert_eq!(client.started(&order), first);

    wait_until("the output", || rig.output(1) == "run\n");
    client.done(&Request::KillTree { attempt: 1 });
    let exited = client.exited();
    assert_eq!(client.spawn(&order), Reply::Exited(exited), "nor does it after the end");
    assert_eq!(rig.output(1), "run\n");
}

#[test]
fn another_attempt_waits_for_the_end_and_an_older_one_never_comes_back() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.script(2, "exec sleep 1000"));
    assert_eq!(client.refusal_code(&Request::Spawn(rig.script(3, "true"))), RefusalCode::Busy);
    assert_eq!(client.refusal_code(&Request::Spawn(rig.script(1, "true"))), RefusalCode::Stale);
    assert_eq!(client.refusal_code(&Request::Quit), RefusalCode::Busy);

    client.done(&Request::Signal { attempt: 2, signal: SignalName::Kill });
    assert_eq!(client.exited().exit.signal, Some(9));
    assert_eq!(client.refusal_code(&Request::Spawn(rig.script(1, "true"))), RefusalCode::Stale);
    client.started(&rig.script(3, "exit 0"));
    assert_eq!(client.exited().exit.code, Some(0));
}

#[test]
fn a_start_that_fails_says_why_and_can_be_asked_for_again() {
    let rig = Rig::new();
    let mut client = rig.client();
    let plain = rig.path("plain");
    fs::write(&plain, "not a program").unwrap();
    let orphaned = rig.path("orphaned");
    fs::write(&orphaned, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&orphaned, fs::Permissions::from_mode(0o700)).unwrap();
    use RefusalCode::{BadRequest, CommandNotExecutable, CommandNotFound, CwdNotFound};
    let (enoent, eacces, enotdir) = (Some(2), Some(13), Some(20));
    let cases = [
        (rig.order(1, &["no-such-program"]), CommandNotFound, enoent),
        (rig.order(1, &["/no/such/program"]), CommandNotFound, enoent),
        (rig.order(1, &[&text(&orphaned)]), CommandNotFound, enoent),
        (rig.order(1, &[&text(&plain)]), CommandNotExecutable, eacces),
        (rig.order(1, &[]), BadRequest, None),
        (rig.order(1, &["true", "a\0b"]), BadRequest, None),
    ];
    for (order, code, errno) in cases {
        let refused = client.refused(&Request::Spawn(order.clone()));
        assert_eq!((refused.code, refused.errno), (code, errno), "{:?}: {}", order.argv, refused.message);
    }
    for (cwd, errno) in [(rig.path("gone"), enoent), (plain, enotdir)] {
        let order = resus_shim::protocol::SpawnOrder { cwd: text(&cwd), ..rig.script(1, "true") };
        let refused = client.refused(&Request::Spawn(order));
        assert_eq!((refused.code, refused.errno), (CwdNotFound, errno), "{}", refused.message);
    }
    assert!(!rig.attempt_dir(1).join(evidence::SPAWN_JSON).exists());
    client.started(&rig.script(1, "true"));
    assert_eq!(client.exited().exit.code, Some(0));
}

#[test]
fn evidence_can_only_go_where_the_next_shim_looks() {
    let rig = Rig::new();
    let mut client = rig.client();
    let mut order = rig.script(1, "true");
    for dir in [rig.path("elsewhere/0001"), rig.attempt_dir(2), rig.path("runs/r1/attempts/none")] {
        fs::create_dir_all(&dir).unwrap();
        order.dir = text(&dir);
        assert_eq!(client.refusal_code(&Request::Spawn(order.clone())), RefusalCode::BadRequest, "{dir:?}");
    }
}

#[test]
fn a_worker_whose_start_cannot_be_recorded_is_taken_back() {
    let rig = Rig::new();
    let mut client = rig.client();
    let order = rig.script(1, "exec sleep 1000");
    // A folder in the way of the file makes the rename fail, for root too.
    let in_the_way = rig.attempt_dir(1).join(evidence::SPAWN_JSON);
    fs::create_dir_all(in_the_way.join("x")).unwrap();
    assert_eq!(client.refusal_code(&Request::Spawn(order.clone())), RefusalCode::EvidenceFailed);
    assert_eq!(rig.processes(), [rig.shim_pid()]);
    fs::remove_dir_all(&in_the_way).unwrap();
    assert!(lives(client.started(&order).pid));
}

#[test]
fn an_end_that_cannot_be_recorded_is_told_as_such_and_recorded_later() {
    let rig = Rig::new();
    let mut client = rig.client();
    let order = rig.script(1, "exit 4");
    let in_the_way = rig.attempt_dir(1).join(evidence::EXIT_JSON);
    fs::create_dir_all(in_the_way.join("x")).unwrap();
    client.started(&order);
    let exited = client.exited();
    assert_eq!(exited.exit.code, Some(4));
    assert!(exited.unrecorded.is_some());
    fs::remove_dir_all(&in_the_way).unwrap();
    wait_until("the record", || {
        evidence::read_exit(&rig.attempt_dir(1)).unwrap() == Some(exited.exit.clone())
    });
}
