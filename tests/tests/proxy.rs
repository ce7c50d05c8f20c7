//! The bad network does what it says, and nothing else.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::PATIENCE;
use resus_tests::proxy::{Cut, Direction, Faults, Kind, Pick, Proxy};
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

/// A server that says back what it hears, to everybody, for as long as the tests run.
fn echo() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            std::thread::spawn(move || {
                let mut stream = stream.unwrap();
                let mut writer = stream.try_clone().unwrap();
                let _ended = std::io::copy(&mut stream, &mut writer);
            });
        }
    });
    address
}

fn connect(proxy: &Proxy) -> TcpStream {
    let stream = TcpStream::connect(proxy.address()).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_nodelay(true).unwrap();
    stream
}

fn hear(stream: &mut TcpStream, expected: &str) {
    let mut heard = vec![0; expected.len()];
    stream.read_exact(&mut heard).unwrap();
    assert_eq!(String::from_utf8_lossy(&heard), expected);
}

fn say(stream: &mut TcpStream, text: &str) {
    stream.write_all(text.as_bytes()).unwrap();
}

/// Waits until something is so.
fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

fn pub_ack(seq: u64) -> String {
    let body = format!("{{\"stream\":\"S\",\"seq\":{seq}}}");
    format!("MSG _INBOX.1 1 {}\r\n{body}\r\n", body.len())
}

#[test]
fn a_reset_and_a_farewell_are_told_apart_and_new_connections_pass() {
    let proxy = Proxy::start(echo(), 1);
    for (how, expected) in [(Cut::Reset, Err(ErrorKind::ConnectionReset)), (Cut::Close, Ok(0))] {
        let mut stream = connect(&proxy);
        say(&mut stream, "PING\r\n");
        hear(&mut stream, "PING\r\n");
        proxy.cut(how);
        assert_eq!(stream.read(&mut [0; 9]).map_err(|error| error.kind()), expected);
    }
    assert_eq!(proxy.injected().of(Kind::Cut), 2);
    until("no connection", || proxy.connections() == 0);
}

#[test]
fn a_cut_in_the_midst_comes_at_the_byte_that_the_seed_says() {
    let cut_at = |seed| {
        let proxy = Proxy::start(echo(), seed);
        proxy.cut_within(Direction::ToClient, 1000, Cut::Close);
        let mut stream = connect(&proxy);
        let _cut_meanwhile = stream.write_all(&[b'x'; 4000]);
        let mut heard = Vec::new();
        let _reset = stream.read_to_end(&mut heard);
        heard.len()
    };
    let places: Vec<_> = (1..5).map(cut_at).collect();
    assert!(places.iter().all(|at| *at < 1000), "{places:?}");
    assert_ne!(places[0], places[1]);
    assert_eq!(places, (1..5).map(cut_at).collect::<Vec<_>>());
}

#[test]
fn a_stall_holds_everything_back_and_the_connection_stays() {
    let proxy = Proxy::start(echo(), 2);
    let mut stream = connect(&proxy);
    proxy.set(Direction::ToServer, Faults { stall: true, ..Faults::default() });
    say(&mut stream, "PING\r\n");
    until("the stall", || proxy.injected().of(Kind::Stalled) == 1);
    stream.set_nonblocking(true).unwrap();
    assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::WouldBlock);
    stream.set_nonblocking(false).unwrap();
    assert_eq!(proxy.connections(), 1);
    proxy.heal();
    hear(&mut stream, "PING\r\n");
}

#[test]
fn a_stall_does_not_hold_up_the_end_of_the_proxy() {
    let proxy = Proxy::start(echo(), 3);
    let mut stream = connect(&proxy);
    proxy.set(Direction::ToClient, Faults { stall: true, ..Faults::default() });
    say(&mut stream, "PING\r\n");
    until("the stall", || proxy.injected().of(Kind::Stalled) == 1);
    drop(proxy);
    assert_eq!(stream.read(&mut [0; 9]).unwrap(), 0);
}

#[test]
fn acknowledgements_are_lost_and_the_rest_arrives() {
    let proxy = Proxy::start(echo(), 4);
    let mut stream = connect(&proxy);
    let drop = Some(Pick::every(|frame| frame.is_pub_ack()));
    proxy.set(Direction::ToClient, Faults { drop, ..Faults::default() });
    say(&mut stream, &format!("+OK\r\n{}MSG a 1 2\r\nhi\r\n{}PONG\r\n", pub_ack(1), pub_ack(2)));
    hear(&mut stream, "+OK\r\nMSG a 1 2\r\nhi\r\nPONG\r\n");
    assert_eq!(proxy.injected().of(Kind::Dropped), 2);
    proxy.heal();
    say(&mut stream, &pub_ack(3));
    hear(&mut stream, &pub_ack(3));
}

#[test]
fn publications_are_repeated_as_a_whole() {
    let proxy = Proxy::start(echo(), 5);
    let mut stream = connect(&proxy);
    let duplicate = Some(Pick::every(|frame| frame.is_publication() && frame.subject() == "a.b"));
    proxy.set(Direction::ToServer, Faults { duplicate, ..Faults::default() });
    let (hpub, other) = ("HPUB a.b r 4 6\r\n\r\n\r\nhi\r\n", "PUB c 1\r\nx\r\n");
    for piece in ["PUB a", ".b 3\r\nx\n", "y\r", "\n", hpub, other, "SUB a.b 1\r\n"] {
        say(&mut stream, piece);
    }
    let plain = "PUB a.b 3\r\nx\ny\r\n";
    hear(&mut stream, &format!("{plain}{plain}{hpub}{hpub}{other}SUB a.b 1\r\n"));
    assert_eq!(proxy.injected().of(Kind::Duplicated), 2);
}

#[test]
fn chance_follows_from_the_seed() {
    let kept = |seed| {
        let proxy = Proxy::start(echo(), seed);
        let mut stream = connect(&proxy);
        let drop = Some(Pick::one_in(3, |frame| frame.is_pub_ack()));
        proxy.set(Direction::ToClient, Faults { drop, ..Faults::default() });
        let acks: String = (0..60).map(pub_ack).collect();
        say(&mut stream, &format!("{acks}PONG\r\n"));
        let mut heard = String::new();
        while !heard.ends_with("PONG\r\n") {
            let mut buffer = [0; 4096];
            let bytes = stream.read(&mut buffer).unwrap();
            heard.push_str(std::str::from_utf8(&buffer[..bytes]).unwrap());
        }
        let dropped = proxy.injected().of(Kind::Dropped);
        assert!((5..40).contains(&dropped), "{dropped}");
        heard
    };
    assert_eq!(kept(6), kept(6));
    assert_ne!(kept(6), kept(7));
}

#[test]
fn slow_late_and_split_bytes_are_the_same_bytes() {
    let proxy = Proxy::start(echo(), 8);
    let mut stream = connect(&proxy);
    let text = "PUB a 5\r\nhello\r\n".repeat(40);
    let (delay_max, bytes_per_s) = (Duration::from_millis(3), Some(1 << 20));
    proxy.set(Direction::ToServer, Faults { split: true, delay_max, ..Faults::default() });
    proxy.set(Direction::ToClient, Faults { bytes_per_s, delay_max, ..Faults::default() });
    say(&mut stream, &text);
    hear(&mut stream, &text);
    let injected = proxy.injected();
    for kind in [Kind::Split, Kind::Delayed, Kind::Throttled] {
        assert!(injected.of(kind) > 0, "{injected:?}");
    }
}

#[test]
fn a_server_that_is_gone_turns_everybody_away_until_it_is_back() {
    let proxy = Proxy::start(echo(), 9);
    proxy.refuse(true);
    let mut stream = connect(&proxy);
    assert_eq!(stream.read(&mut [0; 9]).unwrap_err().kind(), ErrorKind::ConnectionReset);
    proxy.heal();
    let mut stream = connect(&proxy);
    say(&mut stream, "PING\r\n");
    hear(&mut stream, "PING\r\n");
}

#[test]
fn a_test_in_which_nothing_happened_fails() {
    let fails = |prepare: fn(&Proxy)| {
        let proxy = Proxy::start(echo(), 10);
        prepare(&proxy);
        let mut stream = connect(&proxy);
        say(&mut stream, "PING\r\n");
        hear(&mut stream, "PING\r\n");
        catch_unwind(AssertUnwindSafe(|| drop(proxy))).is_err()
    };
    assert!(fails(|_| {}));
    assert!(fails(|proxy| proxy
        .set(Direction::ToClient, Faults { drop: Some(Pick::every(|_| false)), ..Faults::default() })));
    assert!(!fails(|proxy| proxy.set(Direction::ToServer, Faults { split: true, ..Faults::default() })));
}
