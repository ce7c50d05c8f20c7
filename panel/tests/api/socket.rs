//! The API on its socket: raw bytes from clients that misbehave, and the end.

use crate::rig::FakeDesk;
use resus_panel::serve;
use std::path::{Path, PathBuf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

/// A server on a socket of its own.
struct Served {
    folder: tempfile::TempDir,
    stop: oneshot::Sender<()>,
    server: JoinHandle<()>,
}

impl Served {
    fn start(desk: FakeDesk) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let (stop, stopped) = oneshot::channel();
        let server = tokio::spawn(serve(listener, desk, async move { stopped.await.unwrap_or(()) }));
        Self { folder, stop, server }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }
}

/// Sends `bytes` and returns everything that comes back until the server hangs up.
async fn exchange(socket: &Path, bytes: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).await.unwrap();
    // A server that has seen enough may hang up before it has read everything.
    let _ = stream.write_all(bytes).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_request_over_the_socket_is_answered() {
    let served = Served::start(FakeDesk::new());
    let answer =
        exchange(&served.socket(), b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.ends_with(r#"{"status":"ok"}"#), "{answer}");
}

#[tokio::test]
async fn garbage_is_refused_and_the_next_client_is_served() {
    let served = Served::start(FakeDesk::new());
    for garbage in [&b"\x16\x03\x01\x02\x00"[..], b"GET\r\n\r\n", b"\0\0\0\0\r\n\r\n", &[b'x'; 1 << 17]] {
        let mut bytes = garbage.to_vec();
        bytes.extend(b"\r\n\r\n");
        let answer = exchange(&served.socket(), &bytes).await;
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }
    let answer =
        exchange(&served.socket(), b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_finishes_its_request_is_hung_up_on() {
    let served = Served::start(FakeDesk::new());
    let answer = exchange(&served.socket(), b"GET /healthz HTTP/1.1\r\nhost:").await;
    assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn the_end_answers_those_who_wait_and_takes_nobody_new() {
    let served = Served::start(FakeDesk::new());
    let socket = served.socket();
    let waiting = tokio::spawn({
        let socket = socket.clone();
        async move {
            let request = b"GET /v2/runs/othello?since=7&wait_ms=30000 HTTP/1.1\r\nhost: x\r\n\r\n";
            exchange(&socket, request).await
        }
    });
    let idle = UnixStream::connect(&socket).await.unwrap();
    // Both are served when the plain request after them is.
    exchange(&socket, b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
    served.stop.send(()).unwrap();
    let answer = waiting.await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    served.server.await.unwrap();
    assert!(UnixStream::connect(&socket).await.is_err(), "nobody listens any more");
    drop(idle);
}
