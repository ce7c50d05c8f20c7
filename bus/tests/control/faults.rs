//! A server that goes, does not let us in, or does not allow it.

use crate::server::{link, server};
use crate::{PATIENCE, Serving, ask, at, remote};
use resus_bus::nats::{NatsError, Remote, RequestError};

const USERS: &str = r#"
    authorization {
      users: [
        { user: boss, password: s3cret }
        { user: viewer, password: pw, permissions: { publish: ["ok.>", "_INBOX.>"], subscribe: ["_INBOX.>"] } }
      ]
    }"#;

#[tokio::test]
async fn wrong_credentials_are_refused_and_not_shown() {
    let server = server(USERS);
    let error = Remote::connect(&link(&server, "boss:wr0ng@"), "test").await.unwrap_err();
    assert!(matches!(error, NatsError::Refused { .. }), "{error:?}");
    assert!(!format!("{error}{error:?}").contains("wr0ng"));
    assert!(Remote::connect(&link(&server, "boss:s3cret@"), "test").await.is_ok());
}

#[tokio::test]
async fn what_the_server_does_not_allow_is_told_as_that() {
    let server = server(USERS);
    let remote = Remote::connect(&link(&server, "viewer:pw@"), "test").await.unwrap();
    let denied = ask(&remote, &at(None, "kill")).await.unwrap_err();
    assert!(matches!(denied, RequestError::Denied { .. }), "{denied:?}");
    let denied = remote.nodes(PATIENCE).await.unwrap_err();
    assert!(matches!(denied, RequestError::Denied { .. }), "{denied:?}");
    let mut subscription = remote.subscribe(vec!["news.>".into()]).await.unwrap();
    let denied = subscription.next().await.unwrap_err();
    assert!(matches!(denied, RequestError::Denied { .. }), "{denied:?}");
    let nobody = ask(&remote, "ok.x").await.unwrap_err();
    assert!(matches!(nobody, RequestError::Nobody { .. }), "{nobody:?}");
}

#[tokio::test]
async fn a_server_that_is_gone_is_told_at_once() {
    let mut server = server("");
    let serving = Serving::start(&server, "a").await;
    let remote = remote(&server).await;
    let mut subscription = remote.subscribe(vec!["news.>".into()]).await.unwrap();
    ask(&remote, &at(None, "echo")).await.unwrap();
    let waiting = tokio::spawn({
        let remote = remote.clone();
        async move { ask(&remote, &at(None, "wait")).await }
    });
    serving.begun.acquire().await.unwrap().forget();
    server.kill();
    let broken = waiting.await.unwrap().unwrap_err();
    assert!(matches!(broken, RequestError::Connection(NatsError::Away { .. })), "{broken:?}");
    let broken = subscription.next().await.unwrap_err();
    assert!(matches!(broken, RequestError::Connection(NatsError::Away { .. })), "{broken:?}");
    for error in
        [ask(&remote, &at(None, "echo")).await.unwrap_err(), remote.nodes(PATIENCE).await.unwrap_err()]
    {
        assert!(matches!(error, RequestError::Connection(NatsError::Away { .. })), "{error:?}");
    }
    let error = Remote::connect(&link(&server, ""), "test").await.unwrap_err();
    assert!(matches!(error, NatsError::Away { .. }), "{error:?}");
}
