//! The last line that a program printed, for those who see nothing else of its progress.

use crate::client::{Client, ClientError};
use crate::output::terminal::Decoder;
use crate::target::Target;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::sleep;

/// Between two looks.
const LOOK_INTERVAL: Duration = Duration::from_millis(500);
/// Bytes looked at: more than a line of any terminal.
const LOOK_BYTES: u32 = 4096;

/// Follows the last line of a run's newest attempt, until nobody listens.
pub(crate) fn follow(target: &Target, run_id: &str) -> watch::Receiver<String> {
    let (tell, line) = watch::channel(String::new());
    tokio::spawn(look_on(target.clone(), run_id.to_owned(), tell));
    line
}

async fn look_on(target: Target, run_id: String, tell: watch::Sender<String>) {
    let mut seen = Seen::default();
    loop {
        tokio::select! {
            () = tell.closed() => return,
            () = sleep(LOOK_INTERVAL) => {}
        }
        // Those who follow the run hear of a daemon that is gone; the line just stays.
        if let Ok(Some(line)) = look(&target.client(), &run_id, &mut seen).await {
            tell.send_replace(line);
        }
    }
}

/// What has been looked at.
#[derive(Debug, Default, PartialEq, Eq)]
struct Seen {
    attempt: u32,
    length: u64,
}

/// The last line, if there is something new.
async fn look(client: &Client, run_id: &str, seen: &mut Seen) -> Result<Option<String>, ClientError> {
    let chunk = client.output(run_id, None, 0, 0, Duration::ZERO).await?.chunk;
    let now = Seen { attempt: chunk.attempt, length: chunk.length };
    if *seen == now {
        return Ok(None);
    }
    let offset = chunk.length.saturating_sub(u64::from(LOOK_BYTES));
    let output = client.output(run_id, Some(chunk.attempt), offset, LOOK_BYTES, Duration::ZERO).await?;
    *seen = now;
    let text = Decoder::new(false).decode(&output.bytes);
    let text = text.as_str();
    let last = text.lines().rev().map(str::trim).find(|line| !line.is_empty());
    Ok(Some(last.unwrap_or_default().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::RUN_ID;

    #[tokio::test]
    async fn the_last_line_is_told_when_there_is_something_new() {
        let daemon = FakeDaemon::start();
        let client = daemon.target().client();
        let mut seen = Seen::default();
        let print = |text: &str| daemon.desk.output.lock().unwrap().extend_from_slice(text.as_bytes());
        assert_eq!(look(&client, RUN_ID, &mut seen).await.unwrap().as_deref(), Some(""), "nothing yet");
        print("one\ntwo\n\n");
        assert_eq!(look(&client, RUN_ID, &mut seen).await.unwrap().as_deref(), Some("two"));
        assert_eq!(look(&client, RUN_ID, &mut seen).await.unwrap(), None, "nothing new");
        print(&("x".repeat(9000) + "\r10%\r\u{1b}[32m 20%"));
        assert_eq!(look(&client, RUN_ID, &mut seen).await.unwrap().as_deref(), Some("20%"));
    }

    #[tokio::test]
    async fn nobody_looks_when_nobody_listens() {
        let (tell, line) = watch::channel(String::new());
        let daemon = FakeDaemon::start();
        let looking = tokio::spawn(look_on(daemon.target(), RUN_ID.to_owned(), tell));
        drop(line);
        looking.await.unwrap();
    }
}
