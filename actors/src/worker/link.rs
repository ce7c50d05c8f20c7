//! The connection to a run's shim: found or started, greeted, then lines in both directions.

use crate::limits::{CONNECT_RETRY_FIRST, CONNECT_RETRY_MAX, SHIM_HELLO_DEADLINE, SHIM_START_DEADLINE};
use resus_shim::protocol::{Hello, LINE_BYTES_MAX, Reply, Request, VERSION};
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::UnixStream;
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::process::{Child, Command};
use tokio::time::{Instant, sleep, timeout};

/// Most replies are shorter; a longer one is read in pieces. There is one buffer per run.
const REPLY_BYTES_USUAL: usize = 512;

/// How a run's shim is started and reached.
#[derive(Debug, Clone)]
pub(crate) struct ShimPlace {
    /// Program that is also the shim.
    pub(crate) program: PathBuf,
    /// The shim as a small program of its own, preferred where there is one.
    pub(crate) shim: Option<PathBuf>,
    /// The run.
    pub(crate) run_id: String,
    /// Its folder.
    pub(crate) run_dir: PathBuf,
    /// Where the shim listens for daemons.
    pub(crate) socket: PathBuf,
    /// Where it listens for its worker.
    pub(crate) control: PathBuf,
    /// Where it takes what the worker says by sd_notify.
    pub(crate) notify: PathBuf,
    /// What it starts when its daemon dies, as JSON argv.
    pub(crate) revive: String,
}

/// Why a shim could not be reached.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LinkError {
    #[error("the shim could not be started: {0}")]
    Start(io::Error),
    #[error("the shim's socket {} could not be reached: {source}", path.display())]
    Connect { path: PathBuf, source: io::Error },
    #[error("the shim did not answer in time")]
    Silent,
    #[error("the shim's answer could not be understood: {0}")]
    Answer(String),
    #[error("the connection to the shim is broken: {0}")]
    Broken(#[from] io::Error),
}

/// The sending half.
#[derive(Debug)]
pub(crate) struct Link {
    writer: OwnedWriteHalf,
}

/// The receiving half.
#[derive(Debug)]
pub(crate) struct Replies {
    reader: BufReader<OwnedReadHalf>,
}

impl ShimPlace {
    /// Connects to the run's shim, starting one if there is none, and greets it.
    pub(crate) async fn connect(&self) -> Result<(Link, Replies, Hello), LinkError> {
        let stream = match UnixStream::connect(&self.socket).await {
            Ok(stream) => stream,
            Err(_nobody_listens) => self.start_and_connect().await?,
        };
        greet(stream).await
    }

    /// Connects only if a shim is there.
    pub(crate) async fn connect_if_there(&self) -> Option<(Link, Replies, Hello)> {
        let stream = UnixStream::connect(&self.socket).await.ok()?;
        greet(stream).await.ok()
    }

    /// Starts a shim until one listens. A second one of the same run ends by itself at once,
    /// so one that was merely slow to listen does no harm; and one that started while its
    /// predecessor was just leaving has to be started again.
    async fn start_and_connect(&self) -> Result<UnixStream, LinkError> {
        let deadline = Instant::now() + SHIM_START_DEADLINE;
        let mut wait = CONNECT_RETRY_FIRST;
        let mut shim = self.start()?;
        loop {
            sleep(wait).await;
            wait = (wait * 2).min(CONNECT_RETRY_MAX);
            match UnixStream::connect(&self.socket).await {
                Ok(stream) => {
                    reap(shim);
                    return Ok(stream);
                }
                Err(source) if Instant::now() >= deadline => {
                    reap(shim);
                    return Err(LinkError::Connect { path: self.socket.clone(), source });
                }
                Err(_not_yet) => {
                    if matches!(shim.try_wait(), Ok(Some(_))) {
                        shim = self.start()?;
                    }
                }
            }
        }
    }

    fn start(&self) -> Result<Child, LinkError> {
        let Some(shim) = &self.shim else { return self.start_as(&self.program) };
        self.start_as(shim).or_else(|error| {
            tracing::warn!(run_id = self.run_id, %error, "the small shim can't be started; the large one is");
            self.start_as(&self.program)
        })
    }

    fn start_as(&self, program: &Path) -> Result<Child, LinkError> {
        Command::new(program)
            .arg("shim")
            .args(["--run-id", &self.run_id])
            .arg("--run-dir")
            .arg(&self.run_dir)
            .arg("--socket")
            .arg(&self.socket)
            .arg("--control")
            .arg(&self.control)
            .arg("--notify")
            .arg(&self.notify)
            .args(["--revive", &self.revive])
            // A shim is not the service that a manager watches.
            .env_remove("NOTIFY_SOCKET")
            .env_remove("WATCHDOG_USEC")
            .env_remove("WATCHDOG_PID")
            .current_dir("/")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(LinkError::Start)
    }
}

/// Waits beside us for the shim's end, so that it leaves no zombie under this daemon.
fn reap(mut shim: Child) {
    tokio::spawn(async move {
        if let Err(error) = shim.wait().await {
            tracing::warn!(%error, "a shim could not be waited for");
        }
    });
}

async fn greet(stream: UnixStream) -> Result<(Link, Replies, Hello), LinkError> {
    let (reader, writer) = stream.into_split();
    let (mut link, mut replies) =
        (Link { writer }, Replies { reader: BufReader::with_capacity(REPLY_BYTES_USUAL, reader) });
    link.send(&Request::Hello { v: VERSION }).await?;
    let answer = timeout(SHIM_HELLO_DEADLINE, replies.next()).await.map_err(|_| LinkError::Silent)??;
    match answer {
        Some(Reply::Hello(hello)) => Ok((link, replies, hello)),
        Some(Reply::Refused(refused)) => Err(LinkError::Answer(refused.message)),
        Some(other) => Err(LinkError::Answer(format!("{other:?}"))),
        None => Err(LinkError::Silent),
    }
}

impl Link {
    /// Sends one request; a shim that does not read within the deadline counts as gone.
    pub(crate) async fn send(&mut self, request: &Request) -> Result<(), LinkError> {
        let mut line = serde_json::to_vec(request).map_err(|error| LinkError::Answer(error.to_string()))?;
        line.push(b'\n');
        timeout(SHIM_HELLO_DEADLINE, self.writer.write_all(&line)).await.map_err(|_| LinkError::Silent)??;
        Ok(())
    }
}

impl Replies {
    /// The next reply, or `None` when the shim has closed the connection.
    pub(crate) async fn next(&mut self) -> Result<Option<Reply>, LinkError> {
        let mut line = Vec::new();
        let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX);
        let read = (&mut self.reader).take(limit).read_until(b'\n', &mut line).await?;
        if read == 0 {
            return Ok(None);
        }
        serde_json::from_slice(&line).map(Some).map_err(|error| LinkError::Answer(error.to_string()))
    }
}
