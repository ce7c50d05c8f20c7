//! What workers say on the notify socket.

use std::fs;
use std::io::Read;
use std::os::fd::AsFd;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::PathBuf;

use resus_shim::protocol::{Request, SpawnOrder};
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};

use crate::rig::{Rig, text, wait_until};

/// Perl that sends to the notify socket, as sd_notify(3) does.
const SAY: &str = "use IO::Socket::UNIX; use Socket; \
                   sub say { $s //= IO::Socket::UNIX->new(Type => SOCK_DGRAM, Peer => 'n') or die $!; \
                             defined send($s, $_[0], 0) or die $! } ";

fn events(rig: &Rig) -> PathBuf {
    rig.attempt_dir(1).join("events.jsonl")
}

/// An order to run a Perl script that can `say`, its notifications kept.
fn order(rig: &Rig, script: &str) -> SpawnOrder {
    let order = rig.order(1, &["perl", "-e", &format!("{SAY} {script}")]);
    SpawnOrder { events: Some(text(&events(rig))), ..order }
}

/// What the lines of the events file say.
fn said(rig: &Rig) -> Vec<String> {
    let lines = fs::read_to_string(events(rig)).unwrap_or_default();
    let said = |line: &str| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        value["notify"].as_str().unwrap().to_owned()
    };
    lines.lines().map(said).collect()
}

fn log(rig: &Rig) -> String {
    fs::read_to_string(rig.run_dir().join("shim.log")).unwrap()
}

#[test]
fn what_a_worker_says_is_in_its_events_though_no_daemon_is_there() {
    let rig = Rig::new();
    let order = order(
        &rig,
        r#"say(qq(READY=1\nSTATUS="warm\\up"\t)); say(''); say(qq(\xff)); say('x' x 65536); print 'done'; exit 4"#,
    );
    let mut client = rig.client();
    client.started(&order);
    drop(client);
    wait_until("the record", || rig.attempt_dir(1).join("exit.json").exists());
    let expected = ["READY=1\nSTATUS=\"warm\\up\"\t", "", "\u{fffd}", &"x".repeat(65536)];
    assert_eq!(said(&rig), expected, "{}", rig.output(1));
}

#[test]
fn it_comes_after_what_the_file_holds_and_the_file_may_be_missing() {
    for before in [None, Some("{\"notify\":\"first\"}\n")] {
        let rig = Rig::new();
        let order = order(&rig, "say('READY=1')");
        if let Some(before) = before {
            fs::write(events(&rig), before).unwrap();
        }
        let mut client = rig.client();
        client.started(&order);
        client.exited();
        let expected: Vec<&str> = before.map(|_| "first").into_iter().chain(["READY=1"]).collect();
        assert_eq!(said(&rig), expected);
    }
}

#[test]
fn after_a_rename_it_goes_to_the_file_that_has_the_name() {
    let rig = Rig::new();
    let (file, old) = (events(&rig), rig.path("old"));
    let script = format!(
        "say('one'); select(undef, undef, undef, 0.01) until -s '{0}'; rename('{0}', '{1}'); say('two')",
        file.display(),
        old.display()
    );
    let mut client = rig.client();
    client.started(&order(&rig, &script));
    client.exited();
    assert_eq!(said(&rig), ["two"]);
    assert!(fs::read_to_string(old).unwrap().contains("one"));
}

#[test]
fn descendants_in_sessions_of_their_own_are_heard() {
    let rig = Rig::new();
    let script = "if (!fork) { if (!fork) { use POSIX; POSIX::setsid(); say('child'); open(F, '>said'); } exit } \
                  select(undef, undef, undef, 0.01) until -e 'said'";
    let mut client = rig.client();
    client.started(&order(&rig, script));
    client.exited();
    assert_eq!(said(&rig), ["child"], "{}", rig.output(1));
}

#[test]
fn strangers_are_dropped_and_counted() {
    let rig = Rig::new();
    let mut client = rig.client();
    let stranger = UnixDatagram::unbound().unwrap();
    stranger.send_to(b"READY=1", rig.path("n")).unwrap();
    client.started(&order(&rig, "say('mine'); select(undef, undef, undef, 0.01) until -e 'go'"));
    stranger.send_to(b"STOPPING=1", rig.path("n")).unwrap();
    wait_until("the worker to be heard", || said(&rig) == ["mine"]);
    fs::write(rig.path("go"), "").unwrap();
    client.exited();
    assert_eq!(said(&rig), ["mine"]);
    assert!(log(&rig).contains("2 not of the worker"), "{}", log(&rig));
}

#[test]
fn a_datagram_beyond_the_limit_is_refused_whole_and_counted() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&order(&rig, "say('x' x 65537); say('short')"));
    client.exited();
    assert_eq!(said(&rig), ["short"], "{}", rig.output(1));
    assert!(log(&rig).contains("1 longer than 65536 bytes"), "{}", log(&rig));
}

#[test]
fn files_that_are_passed_along_are_closed() {
    let rig = Rig::new();
    let open_files = || fs::read_dir(format!("/proc/{}/fd", rig.shim_pid())).unwrap().count();
    let _client = rig.client();
    let before = open_files();
    let socket = UnixDatagram::unbound().unwrap();
    socket.connect(rig.path("n")).unwrap();
    let (mut waits, passed) = UnixStream::pair().unwrap();
    for _ in 0..50 {
        let files = [passed.as_fd(); 20];
        let mut space = [std::mem::MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(20))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        assert!(control.push(SendAncillaryMessage::ScmRights(&files)));
        let text = [std::io::IoSlice::new(b"BARRIER=1")];
        sendmsg(&socket, &text, &mut control, SendFlags::NOSIGNAL).unwrap();
    }
    // The last copy being closed is what a sender of a barrier waits for.
    drop(passed);
    assert_eq!(waits.read(&mut [0]).unwrap(), 0);
    wait_until("all files to be closed", || open_files() <= before);
}

#[test]
fn a_flood_keeps_nobody_else_waiting_and_loses_nothing() {
    let rig = Rig::new();
    let mut client = rig.client();
    client.started(&order(&rig, "say('WATCHDOG=1') until -e 'go'; say('STOPPING=1')"));
    wait_until("the flood", || said_bytes(&rig) > 100_000);
    for _ in 0..20 {
        client.done(&Request::Signal { attempt: 1, signal: resus_shim::protocol::SignalName::Cont });
    }
    fs::write(rig.path("go"), "").unwrap();
    assert_eq!(client.exited().exit.code, Some(0), "{}", rig.output(1));
    let said = said(&rig);
    assert_eq!(said.last().unwrap(), "STOPPING=1");
    assert!(said[..said.len() - 1].iter().all(|line| line == "WATCHDOG=1"));
}

fn said_bytes(rig: &Rig) -> u64 {
    fs::metadata(events(rig)).map_or(0, |file| file.len())
}

#[test]
fn without_a_file_they_are_dropped_and_what_is_no_file_is_not_waited_for() {
    for fifo in [false, true] {
        let rig = Rig::new();
        let mut order = order(&rig, "say('READY=1')");
        if fifo {
            assert!(std::process::Command::new("mkfifo").arg(events(&rig)).status().unwrap().success());
        } else {
            order.events = None;
        }
        let mut client = rig.client();
        client.started(&order);
        assert_eq!(client.exited().exit.code, Some(0), "{}", rig.output(1));
        assert!(log(&rig).contains("1 not written"), "{}", log(&rig));
    }
}

#[test]
fn the_next_shim_goes_on_for_a_worker_of_the_one_before() {
    let mut rig = Rig::new();
    let script = "say('one'); select(undef, undef, undef, 0.01) until -e 'go'; undef $s; \
                  say('two'); exit 3";
    rig.client().started(&order(&rig, script));
    wait_until("the first word", || said(&rig) == ["one"]);
    rig.kill_shim();
    rig.start();
    let mut client = rig.client();
    fs::write(rig.path("go"), "").unwrap();
    wait_until("the second word", || said(&rig) == ["one", "two"]);
    assert_eq!(client.exited().attempt, 1);
}
