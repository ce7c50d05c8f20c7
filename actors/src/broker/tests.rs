//! A server as a whole, with the real program.

use super::*;
use resus_bus::setup::Choice;

fn broker(state: &std::path::Path, port: u16) -> Broker {
    let program = Some(resus_tests::Version::Newest.program());
    let managed = Managed { program, port, websocket_port: None };
    Broker {
        setup: BusSetup { choice: Choice::Managed(managed.clone()), ..BusSetup::default() },
        managed,
        node: Slug::new("n").unwrap(),
        folder: ServerFolder::of(state),
        boot_id: resus_shim::identity::boot_id().unwrap(),
    }
}

#[tokio::test]
async fn a_server_that_lives_and_answers_no_more_is_a_failure() {
    let (state, port) = (tempfile::tempdir().unwrap(), resus_tests::Port::free());
    let mut server = broker(state.path(), port.number()).begin().await.unwrap();
    server.ready().await.unwrap();
    let pid = server.record.process.pid;
    resus_tests::kill(pid, "STOP");
    // The clock jumps whenever only time can help: the minutes of waiting take none.
    tokio::time::pause();
    let error = server.fails().await;
    tokio::time::resume();
    assert!(matches!(error, BrokerError::Silent(_)), "{error:?}");
    assert!(server.process.end().await);
    assert!(!resus_tests::alive(pid));
}

#[tokio::test]
async fn somebody_else_on_the_port_is_not_taken_for_the_server() {
    let state = tempfile::tempdir().unwrap();
    let other = resus_tests::NatsServer::start(resus_tests::Version::Newest, Default::default());
    let mut server = broker(state.path(), 0).begin().await.unwrap();
    server.link.servers = vec![other.url()];
    tokio::time::pause();
    let error = server.ready().await.unwrap_err();
    tokio::time::resume();
    assert!(matches!(&error, BrokerError::Silent(why) if !why.is_empty()), "{error:?}");
    assert!(server.process.end().await);
}
