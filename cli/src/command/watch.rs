//! `resus watch`: everything as it happens.

use crate::client::Client;
use crate::client::stream::{Said, Stream};
use crate::command::Around;
use crate::daemon::start::{ask, ensure};
use crate::error::CliError;
use crate::follow::reach;
use crate::render::parts::said;
use crate::render::pulse;
use crate::render::summary::outcome;
use crate::text::columns::hang;
use clap::Args;
use resus_core::api::StoryLine;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::sleep;

/// Between two attempts to reach the daemon.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);
/// Columns before an event's words: a time of day and a short id.
const WORDS_COLUMN: usize = "00:00:00  8c1d9e77  ".len();

/// Arguments of `resus watch`.
#[derive(Debug, Args)]
#[command(
    after_help = "Events and telemetry of the runs named, or of all there are and will be, from now on; Ctrl-C
ends it and harms nothing. Goes on across restarts of the daemon: events are neither lost nor told
twice, telemetry is told as it comes. With RUN… it ends when they have ended.

Examples:
  resus watch
  resus watch nightly a1b2c3d4
  resus watch --json | jq 'select(.event_type == \"progress\") | .payload.loss'"
)]
pub(crate) struct WatchArgs {
    /// Which runs [default: all]
    #[arg(value_name = "RUN")]
    pub runs: Vec<String>,
}

/// Carries out `resus watch`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn watch(args: WatchArgs, around: &Around) -> Result<ExitCode, CliError> {
    let mut watcher = Watcher { around, wanted: None, told: BTreeMap::new(), live: BTreeSet::new() };
    if args.runs.is_empty() {
        let list = ask(&around.target, |client| async move { client.runs().await }).await?;
        list.runs.iter().for_each(|view| watcher.begin(view));
    } else {
        watcher.wanted = Some(Vec::new());
        for run in &args.runs {
            let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
            watcher.begin(&view);
        }
    }
    let mut client = ensure(&around.target).await?;
    loop {
        match watcher.listen(&client).await {
            Ok(()) => return Ok(ExitCode::Ok),
            Err(CliError::Client(error)) if error.is_passing() => {
                watcher.note(&format!("! {error}: reconnecting…"));
                client = watcher.reconnect().await;
                watcher.note("● the daemon is back");
            }
            Err(error) => return Err(error),
        }
    }
}

struct Watcher<'a> {
    around: &'a Around,
    /// The runs to be watched, by id; all if `None`.
    wanted: Option<Vec<String>>,
    /// Newest event told of each run.
    told: BTreeMap<String, u64>,
    /// Those of the wanted runs that have not ended.
    live: BTreeSet<String>,
}

impl Watcher<'_> {
    /// A run is watched from where it is now.
    fn begin(&mut self, view: &RunView) {
        if let Some(wanted) = &mut self.wanted {
            wanted.push(view.run_id.clone());
            if outcome(view).is_none() {
                self.live.insert(view.run_id.clone());
            }
        }
        self.told.insert(view.run_id.clone(), view.seq);
    }

    fn is_over(&self) -> bool {
        self.wanted.is_some() && self.live.is_empty()
    }

    /// Listens until the wanted runs have ended.
    async fn listen(&mut self, client: &Client) -> Result<(), CliError> {
        let mut stream = client.stream(self.wanted.as_deref().unwrap_or_default()).await?;
        // What happened before the stream began. What happens from here on it tells.
        self.catch_up(client).await?;
        while !self.is_over() {
            self.hear(client, &mut stream).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, client: &Client, stream: &mut Stream) -> Result<(), CliError> {
        match stream.next().await? {
            Said::Missed(missed) => {
                self.note(&format!("! {missed} events went by too fast; those of the ledger are read again"));
                self.catch_up(client).await
            }
            Said::Event(event) => {
                let run_id = event.get("training_id").and_then(Value::as_str).unwrap_or_default().to_owned();
                match event.get("seq").and_then(Value::as_u64) {
                    None => self.show(&event, pulse::telemetry(&event)),
                    Some(seq) if self.told.get(&run_id).is_some_and(|told| seq <= *told) => Ok(()),
                    // The ledger knows the words for it, and whatever may lie between.
                    Some(_) => self.tell_facts(client, &run_id).await,
                }
            }
        }
    }

    /// Tells what happened to the watched runs since they were last told of. What an event has
    /// changed is published before the list of runs shows it, so the list decides only which runs
    /// are left out: those whose end it shows and that has been told. Of any other run the ledger
    /// is asked, or an event between the two would be missed, and nothing follows an end.
    async fn catch_up(&mut self, client: &Client) -> Result<(), CliError> {
        for view in client.runs().await?.runs {
            let is_wanted = self.wanted.as_ref().is_none_or(|wanted| wanted.contains(&view.run_id));
            let is_behind = self.told.get(&view.run_id).is_none_or(|told| *told < view.seq);
            if is_wanted && (is_behind || outcome(&view).is_none()) {
                self.tell_facts(client, &view.run_id).await?;
            }
        }
        Ok(())
    }

    /// Tells the events of a run that have not been told yet. A run that is new is told from its
    /// first event on.
    async fn tell_facts(&mut self, client: &Client, run_id: &str) -> Result<(), CliError> {
        loop {
            let told = self.told.get(run_id).copied().unwrap_or(0);
            let lines = client.story(run_id, told).await?;
            if lines.is_empty() {
                return Ok(());
            }
            for line in lines {
                self.show(&line.event, Some(said(&line.sentence)))?;
                self.note_phase(run_id, &line);
                self.told.insert(run_id.to_owned(), line.seq().max(told));
            }
        }
    }

    fn note_phase(&mut self, run_id: &str, line: &StoryLine) {
        match line.what.as_str() {
            "ended" => drop(self.live.remove(run_id)),
            // A user's retry reopens a run.
            "attempt_begun" if self.wanted.is_some() => drop(self.live.insert(run_id.to_owned())),
            _ => {}
        }
    }

    fn show(&self, event: &Value, words: Option<String>) -> Result<(), CliError> {
        let console = &self.around.console;
        if console.json {
            return console.out_json(event);
        }
        let Some(words) = words else { return Ok(()) };
        let page = console.out_page();
        let words = hang(&words, WORDS_COLUMN, page.columns);
        console.out(&format!("{}{words}\n", pulse::place(event, &page)))
    }

    fn note(&self, text: &str) {
        let console = &self.around.console;
        if !console.json {
            console.tell(&format!("{}\n", console.err_page().sentence(text)));
        }
    }

    /// Tries for ever: whoever watches wants to see what comes.
    async fn reconnect(&self) -> Client {
        loop {
            sleep(RETRY_INTERVAL).await;
            if let Ok(client) = reach(&self.around.target).await {
                return client;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_daemon::FakeDaemon;
    use crate::render::sample::RUN_ID;
    use serde_json::json;

    fn around(daemon: &FakeDaemon) -> Around {
        Around::of_test(&daemon.state)
    }

    fn watcher<'a>(around: &'a Around, seq: u64) -> Watcher<'a> {
        let told = BTreeMap::from([(RUN_ID.to_owned(), seq)]);
        let live = BTreeSet::from([RUN_ID.to_owned()]);
        Watcher { around, wanted: Some(vec![RUN_ID.to_owned()]), told, live }
    }

    #[tokio::test]
    async fn what_happened_before_the_stream_began_is_told_first() {
        let daemon = FakeDaemon::start();
        daemon.desk.change(json!({}), 5);
        daemon.desk.tell(json!({"phase": "done"}), &[("ended", json!({}))]);
        let around = around(&daemon);
        let mut watcher = watcher(&around, 2);
        watcher.listen(&crate::daemon::start::locate(&daemon.state)).await.unwrap();
        assert_eq!(watcher.told[RUN_ID], 6);
    }

    #[tokio::test]
    async fn an_end_that_only_the_ledger_knows_yet_is_told() {
        let daemon = FakeDaemon::start();
        daemon.desk.change(json!({}), 5);
        let before = daemon.desk.view.lock().unwrap().clone();
        daemon.desk.tell(json!({"phase": "done"}), &[("ended", json!({}))]);
        // Published and gone by; the list of runs does not show it yet.
        *daemon.desk.view.lock().unwrap() = before;
        let around = around(&daemon);
        let client = crate::daemon::start::locate(&daemon.state);
        let mut of_one = watcher(&around, 5);
        of_one.catch_up(&client).await.unwrap();
        assert!(of_one.is_over(), "nothing would follow");
        let mut of_all = Watcher { wanted: None, ..watcher(&around, 5) };
        of_all.catch_up(&client).await.unwrap();
        assert_eq!(of_all.told[RUN_ID], 6);
    }

    #[tokio::test]
    async fn a_watcher_that_was_too_slow_reads_the_ledger_again() {
        let daemon = FakeDaemon::start();
        let around = around(&daemon);
        let mut watcher = watcher(&around, 0);
        let client = crate::daemon::start::locate(&daemon.state);
        let mut stream = client.stream(&[]).await.unwrap();
        // More than the bus of the fake keeps.
        daemon.desk.change(json!({}), 9);
        watcher.hear(&client, &mut stream).await.unwrap();
        assert_eq!(watcher.told[RUN_ID], 9, "told at once, from the ledger");
        watcher.hear(&client, &mut stream).await.unwrap();
        assert_eq!(watcher.told[RUN_ID], 9, "and not told again");
    }

    #[tokio::test]
    async fn the_end_of_the_daemon_is_the_end_of_the_stream_and_nothing_else() {
        let mut daemon = FakeDaemon::start();
        let around = around(&daemon);
        let client = crate::daemon::start::locate(&daemon.state);
        let mut stream = client.stream(&[]).await.unwrap();
        daemon.stop().await;
        let error = watcher(&around, 0).hear(&client, &mut stream).await.unwrap_err();
        assert!(matches!(&error, CliError::Client(error) if error.is_passing()), "{error:?}");
    }
}
