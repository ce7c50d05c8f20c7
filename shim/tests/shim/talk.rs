//! The conversation itself: versions, bad lines, the control socket.

use std::io::{ErrorKind, Write};
use std::os::unix::net::UnixStream;

use resus_shim::protocol::{LINE_BYTES_MAX, RefusalCode, Reply, Request, State};

use crate::rig::Rig;

#[test]
fn another_version_is_told_both_numbers_and_hung_up_on() {
    let rig = Rig::new();
    let mut client = rig.connect();
    let refused = client.refused(&Request::Hello { v: 99 });
    assert_eq!(refused.code, RefusalCode::Version);
    assert!(refused.message.contains("99") && refused.message.contains(" 1"), "{}", refused.message);
    assert_eq!(client.hear_or_end(), None);
}

#[test]
fn unknown_fields_are_ignored_and_unknown_requests_refused() {
    let rig = Rig::new();
    let mut client = rig.connect();
    client.write(r#"{"op":"hello","v":1,"colour":"red"}"#);
    assert!(matches!(client.hear(), Reply::Hello(_)));
    for line in
        ["", "{", "[]", r#"{"op":"dance","attempt":7}"#, r#"{"op":"signal","attempt":7,"signal":"segv"}"#]
    {
        client.write(line);
        match client.hear() {
            Reply::Refused(refused) => {
                assert_eq!(refused.code, RefusalCode::BadRequest);
                assert_eq!(refused.attempt, line.contains('7').then_some(7), "{line}");
            }
            other => panic!("{line} gave {other:?}"),
        }
    }
}

#[test]
fn a_line_without_end_costs_only_its_own_connection() {
    let rig = Rig::new();
    let mut other = rig.client();
    let started = other.started(&rig.order(1, &["sleep", "1000"]));
    let mut client = rig.client();
    // The shim hangs up in the middle of it, which may fail the write.
    let _ = client.stream().write_all(&vec![b'x'; LINE_BYTES_MAX + 1]);
    assert_eq!(client.hear_or_end(), None);
    assert_eq!(rig.greet().1.state, State::Running(started));
    assert_eq!(other.refusal_code(&Request::Quit), RefusalCode::Busy);
}

#[test]
fn a_client_that_never_reads_is_hung_up_on_and_the_others_are_served() {
    let rig = Rig::new();
    let mut other = rig.client();
    let silent = rig.connect();
    silent.stream().set_write_timeout(Some(std::time::Duration::from_secs(60))).unwrap();
    let mut stream = silent.stream();
    stream.write_all(b"{\"op\":\"hello\",\"v\":1}\n").unwrap();
    // Each of these is answered; the shim gives up long before a million of them.
    let questions = b"{\"op\":\"kill_tree\",\"attempt\":1}\n".repeat(1_000);
    let hung_up = (0..1_000).find_map(|_| stream.write_all(&questions).err());
    let kind = hung_up.map(|error| error.kind());
    assert!(matches!(kind, Some(ErrorKind::BrokenPipe | ErrorKind::ConnectionReset)), "{kind:?}");
    assert_eq!(other.refusal_code(&Request::KillTree { attempt: 1 }), RefusalCode::NotRunning);
}

#[test]
fn a_control_line_reaches_the_worker_that_listens() {
    let rig = Rig::new();
    let mut client = rig.client();
    let order = rig.order(
        1,
        &["perl", "-MIO::Socket::UNIX", "-e", r#"$s = IO::Socket::UNIX->new(Peer => "c") or die $!; print "hi\n"; $| = 1; print scalar <$s>; exit 21"#],
    );
    client.started(&order);
    let ask = || Request::Control { attempt: 1, line: r#"{"op":"pause"}"#.into() };
    // It connects in its own time; until then nothing is delivered, and that is said.
    loop {
        client.ask(&ask());
        match client.hear() {
            Reply::ControlResult { attempt: 1, delivered: true } => break,
            Reply::ControlResult { attempt: 1, delivered: false } => {}
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(client.exited().exit.code, Some(21));
    assert_eq!(rig.output(1), "hi\n{\"op\":\"pause\"}\n");
}

#[test]
fn a_control_line_for_a_worker_that_does_not_listen_is_not_delivered() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&rig.order(1, &["sleep", "1000"]));
    client.ask(&Request::Control { attempt: 1, line: "{}".into() });
    assert_eq!(client.hear(), Reply::ControlResult { attempt: 1, delivered: false });
    let stale = client.refusal_code(&Request::Control { attempt: 2, line: "{}".into() });
    assert_eq!(stale, RefusalCode::NotRunning);
}

#[test]
fn quit_ends_an_idle_shim_and_removes_its_sockets() {
    let mut rig = Rig::new();
    let mut client = rig.client();
    client.done(&Request::Quit);
    assert_eq!(client.hear_or_end(), None);
    assert!(rig.wait_for_shim().success());
    assert!(UnixStream::connect(rig.path("s")).is_err());
    assert!(!rig.path("s").exists() && !rig.path("c").exists());
}
