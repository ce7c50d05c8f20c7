//! Starting the daemon again.

use std::fs;
use std::io::Write;

use resus_shim::protocol::{Request, State};

use crate::rig::{Rig, lives, status_field, wait_until};

/// A daemon that leaves its process id and stays.
const DAEMON: &str = "echo $$ >daemon.tmp; mv daemon.tmp ../../daemon; exec sleep 1000";

#[test]
fn a_daemon_lost_without_a_word_is_started_again() {
    let mut rig = Rig::reviving("echo x >>../../tries");
    rig.start();
    drop(rig.client());
    let tries = || fs::read_to_string(rig.path("tries")).unwrap_or_default().lines().count();
    wait_until("a second try, as nobody says hello", || tries() >= 2);
    drop(rig.client());
}

#[test]
fn a_revived_daemon_is_no_relative_of_the_worker_and_outlives_it() {
    let mut rig = Rig::reviving(DAEMON);
    rig.start();
    let mut client = rig.client();
    client.started(&rig.script(1, "while ! [ -e go ]; do sleep 0.01; done; (setsid sleep 1000 &); exit 0"));
    drop(client);
    let daemon = rig.wait_for_number("daemon");
    let (mut client, hello) = rig.greet();
    assert!(matches!(hello.state, State::Running(_)));
    assert_ne!(status_field(daemon, "PPid"), rig.shim_pid().to_string());

    fs::write(rig.path("go"), "").unwrap();
    let exit = client.exited().exit;
    assert_eq!((exit.code, exit.strays_killed), (Some(0), 1));
    assert!(lives(daemon), "only the worker's own strays die");
    client.done(&Request::Quit);
    assert!(rig.wait_for_shim().success());
    assert!(lives(daemon));
}

#[test]
fn a_daemon_that_said_bye_is_left_alone() {
    let mut rig = Rig::reviving("echo x >>../../tries");
    rig.start();
    let mut polite = rig.client();
    polite.done(&Request::Bye);
    drop(polite);
    // A hasty one hears no answer to anything it says, but all of it is heard.
    let hasty = rig.connect();
    let words = "{\"op\":\"hello\",\"v\":1}\n{\"op\":\"kill_tree\",\"attempt\":1}\n{\"op\":\"bye\"}\n";
    hasty.stream().write_all(words.as_bytes()).unwrap();
    drop(hasty);
    // A second shim, lost later and without a word, is the clock: it tries twice.
    let mut other = Rig::reviving("echo x >>../../tries");
    other.start();
    drop(other.client());
    let tries = |rig: &Rig| fs::read_to_string(rig.path("tries")).unwrap_or_default().lines().count();
    wait_until("the second try of the other shim", || tries(&other) >= 2);
    assert_eq!(tries(&rig), 0);
    assert_eq!(rig.greet().1.state, State::Idle, "it is still there");
}

#[test]
fn a_daemon_stopped_on_purpose_is_not_started() {
    let mut rig = Rig::reviving("echo x >>../../tries");
    fs::write(rig.path("stopped"), "").unwrap();
    rig.start();
    drop(rig.client());
    let log = || fs::read_to_string(rig.run_dir().join("shim.log")).unwrap_or_default();
    wait_until("the decision", || log().contains("stopped on purpose"));
    assert!(!rig.path("tries").exists());
}
