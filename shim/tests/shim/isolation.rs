//! What a worker gets from its shim, and what it does not.

use std::collections::BTreeSet;
use std::fs;

use resus_shim::protocol::{Request, SignalName};

use crate::rig::{Rig, lives, status_field, wait_until};

#[test]
fn a_worker_ignores_and_blocks_nothing_whatever_the_shim_was_started_with() {
    let mut rig = Rig::without_shim();
    let wrapper = ["env", "--ignore-signal=PIPE,INT,HUP,CHLD", "--block-signal=TERM,USR1,USR2"];
    let mut command = rig.shim_command(&wrapper);
    rig.start_as(&mut command);
    let mut client = rig.client();
    let started = client.started(&rig.order(1, &["sleep", "1000"]));
    for field in ["SigIgn", "SigBlk", "SigCgt"] {
        assert_eq!(status_field(started.pid, field), "0000000000000000", "{field}");
    }
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Int });
    assert_eq!(client.exited().exit.signal, Some(2));
}

#[test]
fn a_worker_has_the_environment_it_was_given_and_no_other() {
    let rig = Rig::new();
    let mut client = rig.client();
    let mut order = rig.order(1, &["env"]);
    order.env.push(("GREETING".into(), "a b=c\nd".into()));
    client.started(&order);
    assert_eq!(client.exited().exit.code, Some(0));
    let given: BTreeSet<String> = order.env.iter().map(|(key, value)| format!("{key}={value}\n")).collect();
    let got = rig.output(1);
    assert!(given.iter().all(|line| got.contains(line)), "{got}");
    assert_eq!(got.len(), given.iter().map(String::len).sum::<usize>(), "{got}");
}

#[test]
fn a_program_is_looked_up_in_the_path_it_was_given() {
    let rig = Rig::new();
    let mut client = rig.client();
    let tool = rig.path("tools/greet");
    fs::create_dir_all(tool.parent().unwrap()).unwrap();
    std::os::unix::fs::symlink("/bin/echo", &tool).unwrap();
    let mut order = rig.order(1, &["greet", "hello"]);
    order.env = vec![("PATH".into(), crate::rig::text(tool.parent().unwrap()))];
    client.started(&order);
    assert_eq!(client.exited().exit.code, Some(0));
    assert_eq!(rig.output(1), "hello\n");
}

#[test]
fn a_worker_inherits_stdio_and_the_run_lock_and_no_other_file() {
    let mut rig = Rig::without_shim();
    // A descriptor that a careless daemon leaves open.
    let mut command = rig.shim_command(&["/bin/sh", "-c", "exec 9>leaked; exec \"$@\"", "sh"]);
    command.current_dir(rig.path(""));
    rig.start_as(&mut command);
    let mut client = rig.client();
    let started = client.started(&rig.order(1, &["sleep", "1000"]));
    assert!(rig.path("leaked").exists());
    let descriptors = || {
        let entries = fs::read_dir(format!("/proc/{}/fd", started.pid)).unwrap().flatten();
        let mut targets: Vec<_> = entries.filter_map(|entry| fs::read_link(entry.path()).ok()).collect();
        targets.sort();
        targets
    };
    let output = rig.attempt_dir(1).join("output.log").canonicalize().unwrap();
    let lock = rig.run_dir().join("run.lock").canonicalize().unwrap();
    let mut expected = vec!["/dev/null".into(), output.clone(), output, lock];
    expected.sort();
    // While it loads its libraries it has files of its own open; what was leaked would stay.
    wait_until("no other file to be open", || descriptors() == expected);
}

#[test]
fn a_worker_has_the_umask_the_shim_was_started_with() {
    let mut rig = Rig::without_shim();
    let mut command = rig.shim_command(&["/bin/sh", "-c", "umask 026; exec \"$@\"", "sh"]);
    rig.start_as(&mut command);
    let mut client = rig.client();
    client.started(&rig.script(1, "umask"));
    client.exited();
    assert_eq!(rig.output(1), "0026\n");
}

#[test]
fn a_worker_leads_a_session_and_group_of_its_own() {
    let rig = Rig::new();
    let mut client = rig.client();
    let started = client.started(&rig.order(1, &["sleep", "1000"]));
    let stat = fs::read_to_string(format!("/proc/{}/stat", started.pid)).unwrap();
    let fields: Vec<&str> = stat.split(' ').collect();
    let (group, session) = (fields[4], fields[5]);
    assert_eq!((group, session), (started.pid.to_string().as_str(), started.pid.to_string().as_str()));
}

#[test]
fn a_frozen_worker_survives_the_death_of_its_shim() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    let started = client.started(&rig.order(1, &["sleep", "1000"]));
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Stop });
    wait_until("the freeze", || status_field(started.pid, "State").starts_with('T'));
    rig.kill_shim();
    wait_until("a new parent", || status_field(started.pid, "PPid") != started.pid.to_string());
    assert!(lives(started.pid));
    assert!(status_field(started.pid, "State").starts_with('T'), "still frozen");
}

#[test]
fn sigterm_lets_the_shim_leave_only_after_its_worker() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.script(1, "while ! [ -e go ]; do sleep 0.01; done; exit 6"));
    for signal in ["TERM", "INT", "HUP"] {
        let pid = rig.shim_pid().to_string();
        assert!(std::process::Command::new("kill").args(["-s", signal, &pid]).status().unwrap().success());
    }
    client.done(&Request::Signal { attempt: 1, signal: SignalName::Cont });
    fs::write(rig.path("go"), "").unwrap();
    assert_eq!(client.exited().exit.code, Some(6));
    assert!(rig.wait_for_shim().success());
    assert!(!rig.path("s").exists() && !rig.path("c").exists(), "it takes its sockets along");
}
