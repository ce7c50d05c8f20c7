//! Workers whose shim was killed. This process plays their new parent: it is a subreaper, so
//! that it does not depend on the init of the machine when they are reaped.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, alive, kill, processes_of};
use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};

/// Whether the kernel tells how a process ended to others than its parent (Linux 6.15).
fn kernel_tells() -> bool {
    let name = rustix::system::uname();
    let release = name.release().to_str().unwrap();
    let numbers: Vec<u32> =
        release.split(|c: char| !c.is_ascii_digit()).take(2).map(|n| n.parse().unwrap()).collect();
    let tells = numbers >= vec![6, 15];
    println!("kernel {release}: how adopted workers end is {}", if tells { "told" } else { "unknown" });
    tells
}

/// A run of `script`, which begins when there is a file `go`, and its worker, adopted.
fn adopted(home: &Home, script: &str) -> (String, u32) {
    set_child_subreaper(Some(getpid())).unwrap();
    let waiting = format!("while ! [ -e go ]; do sleep 0.01; done; {script}");
    let id = home.submit(&["--retries", "0", "--", "sh", "-c", &waiting]);
    let run = home.until_phase(&id, "running");
    let is_shim = |command: &str| command.contains(" shim ") && command.contains(&id);
    let shim = processes_of(home.path()).into_iter().find(|process| is_shim(&process.command)).unwrap();
    kill(shim.pid, "KILL");
    home.wait_for("the adoption", || {
        let log = std::fs::read_to_string(home.state().join("daemon.log")).unwrap();
        log.contains("worker adopted").then_some(())
    });
    (id, u32::try_from(run["pid"].as_u64().unwrap()).unwrap())
}

fn go(home: &Home) {
    std::fs::write(home.path().join("work/go"), "").unwrap();
}

fn reap(pid: u32) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    waitpid(Some(pid), WaitOptions::empty()).unwrap();
}

#[test]
fn how_an_adopted_worker_ended_is_known_where_the_kernel_tells() {
    for (script, code, signal) in [("exit 7", Some(7), None), ("kill -USR1 $$", None, Some(10))] {
        let home = Home::new();
        let (id, worker) = adopted(&home, script);
        go(&home);
        reap(worker);
        home.resus(&["wait", &id]).expect_code(20);
        let exit = home.view(&id)["last_exit"].clone();
        let expected = if kernel_tells() { (code, signal) } else { (None, None) };
        let number = |name: &str| exit[name].as_i64();
        assert_eq!((number("code"), number("signal")), expected, "{exit}");
    }
}

#[test]
fn an_adopted_worker_that_succeeded_is_done_where_the_kernel_tells() {
    let home = Home::new();
    let (id, worker) = adopted(&home, "exit 0");
    go(&home);
    reap(worker);
    let (code, phase) = if kernel_tells() { (0, "done") } else { (20, "failed") };
    home.resus(&["wait", &id]).expect_code(code);
    assert_eq!(home.view(&id)["phase"], phase);
}

#[test]
fn a_kill_reaches_the_whole_group_of_an_adopted_worker() {
    let home = Home::new();
    let (id, worker) = adopted(&home, "sleep 1000 & wait");
    go(&home);
    home.wait_for("the child", || {
        (home.workers(&id).iter().any(|p| p.command == "sleep 1000")).then_some(())
    });
    let killing = home.start(&["kill", &id]);
    reap(worker);
    home.finish(killing, "kill").expect_code(0);
    let _ended = home.until_phase(&id, "cancelled");
    assert!(!alive(worker));
    home.wait_for("the child's end", || home.workers(&id).is_empty().then_some(()));
}
