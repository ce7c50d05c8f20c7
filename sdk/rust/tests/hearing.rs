//! What a worker hears from its supervisor, over the socket and by signal.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

use std::io::Write;
use std::os::unix::net::UnixListener;
use std::os::unix::process::ExitStatusExt;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use resus_sdk::{Environment, Pulse, Verb};
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::low_level::raise;
use tempfile::TempDir;

/// Longer than any machine needs; only a test that fails waits for it.
const PATIENCE: Duration = Duration::from_secs(60);
/// Tells a test that it is the process to be signalled.
const CHILD: &str = "RESUS_SDK_TEST_CHILD";

fn worker(folder: &TempDir) -> Pulse {
    Pulse::new(Environment {
        events: Some(folder.path().join("events.jsonl")),
        control: Some(folder.path().join("control")),
        ..Environment::default()
    })
}

#[test]
fn a_command_is_heard_with_its_arguments() {
    let folder = TempDir::new().unwrap();
    let listener = UnixListener::bind(folder.path().join("control")).unwrap();
    let pulse = worker(&folder);
    let (mut supervisor, _) = listener.accept().unwrap();
    supervisor.write_all(b"{\"cmd\":\"configure\",\"lr\":0.01}\n").unwrap();
    let command = pulse.wait_command(PATIENCE).unwrap();
    assert_eq!((command.verb, &command.arguments["lr"]), (Verb::Configure, &0.01.into()));
    assert!(!pulse.stop_requested());
}

#[test]
fn a_supervisor_that_comes_late_or_comes_back_is_heard() {
    let folder = TempDir::new().unwrap();
    let pulse = worker(&folder);
    let listener = UnixListener::bind(folder.path().join("control")).unwrap();
    for line in ["{\"cmd\":\"checkpoint\"}\n", "{\"cmd\":\"pause\"}\n"] {
        let (mut supervisor, _) = listener.accept().unwrap();
        supervisor.write_all(line.as_bytes()).unwrap();
        assert!(pulse.wait_command(PATIENCE).is_some(), "{line}");
    }
}

#[test]
fn a_stop_is_remembered_for_ever() {
    let folder = TempDir::new().unwrap();
    let listener = UnixListener::bind(folder.path().join("control")).unwrap();
    let pulse = worker(&folder);
    let (mut supervisor, _) = listener.accept().unwrap();
    supervisor.write_all(b"nonsense\n{\"cmd\":\"stop\"}\n").unwrap();
    assert_eq!(pulse.wait_command(PATIENCE).map(|command| command.verb), Some(Verb::Stop));
    assert!(pulse.take_command().is_none() && pulse.stop_requested());
    assert_eq!(pulse.ignored_commands(), 1);
}

/// Runs the test `name` in a process of its own, so that its signals meet nobody else.
fn in_a_process_of_its_own(name: &str, test: impl FnOnce()) -> Option<ExitStatus> {
    if std::env::var_os(CHILD).is_some() {
        test();
        return None;
    }
    let program = std::env::current_exe().unwrap();
    Some(Command::new(program).args(["--exact", name, "--test-threads=1"]).env(CHILD, "1").status().unwrap())
}

#[test]
fn a_term_is_a_request_to_stop() {
    let status = in_a_process_of_its_own("a_term_is_a_request_to_stop", || {
        let pulse = Pulse::new(Environment::default());
        pulse.handle_signals().unwrap();
        assert!(!pulse.stop_requested());
        raise(SIGTERM).unwrap();
        raise(SIGTERM).unwrap();
        assert!(pulse.stop_requested());
        assert!(pulse.wait_command(PATIENCE).is_none(), "a holding worker is woken");
    });
    assert!(status.is_none_or(|status| status.success()), "{status:?}");
}

#[test]
fn a_second_interrupt_ends_the_process() {
    let status = in_a_process_of_its_own("a_second_interrupt_ends_the_process", || {
        let pulse = Pulse::new(Environment::default());
        pulse.handle_signals().unwrap();
        raise(SIGINT).unwrap();
        assert!(pulse.stop_requested());
        raise(SIGINT).unwrap();
    });
    assert!(status.is_none_or(|status| status.signal() == Some(SIGINT)), "{status:?}");
}
