//! `resus logs`: what a run's worker prints.

use crate::client::Client;
use crate::command::Around;
use crate::daemon::start::{ask, ensure};
use crate::error::CliError;
use crate::follow::reach;
use crate::output::{Decoder, PIECE_BYTES, tail_offset};
use crate::render::parts::short;
use crate::render::summary::outcome;
use crate::text::paint::{Colour, phase};
use clap::Args;
use resus_core::api::OutputChunk;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use serde::Serialize;
use std::time::Duration;
use tokio::time::sleep;

/// Longest wait for new output.
const WAIT: Duration = Duration::from_secs(10);
/// Between two attempts to reach the daemon, and two looks for a first attempt.
const RETRY_INTERVAL: Duration = Duration::from_millis(500);

/// Arguments of `resus logs`.
#[derive(Debug, Args)]
#[command(
    after_help = "On a terminal control characters are made visible; a pipe or a file gets every byte as it
was printed. -f goes on across attempts and restarts of the daemon; when the run has ended it
exits with 0 (done), 20 (failed), 21 (cancelled) or 22 (lost)."
)]
pub(crate) struct LogsArgs {
    /// Which run
    pub run: String,
    /// Go on until the run ends
    #[arg(short, long)]
    pub follow: bool,
    /// Begin with the last N lines
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<usize>,
    /// Of this attempt [default: the newest]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,
}

/// A piece of output for programs.
#[derive(Serialize)]
struct Piece<'t> {
    run_id: &'t str,
    attempt: u32,
    offset: u64,
    text: &'t str,
}

/// Carries out `resus logs`.
///
/// # Errors
/// [`CliError`].
pub(crate) async fn logs(args: LogsArgs, around: &Around) -> Result<ExitCode, CliError> {
    let run = args.run.as_str();
    let (view, _) = ask(&around.state, |client| async move { client.run(run).await }).await?;
    let mut client = ensure(&around.state).await?;
    let Some(attempt) = first_attempt(&args, &client, &view).await? else {
        around.console.tell("nothing yet: no worker was started\n");
        return Ok(ExitCode::Ok);
    };
    let offset = match args.lines {
        Some(lines) => tail_offset(&client, &view.run_id, attempt, lines).await?,
        None => 0,
    };
    let mut reading = Reading { around, run_id: view.run_id, attempt, offset, decoder: Decoder::default() };
    let wait = if args.follow { WAIT } else { Duration::ZERO };
    loop {
        let piece = client.output(&reading.run_id, Some(reading.attempt), reading.offset, PIECE_BYTES, wait);
        match piece.await {
            Ok(output) => {
                reading.show(&output.bytes, &output.chunk)?;
                match reading.after(&output.chunk, args.follow) {
                    After::More => {}
                    After::End => return Ok(ExitCode::Ok),
                    After::RunEnded => return reading.outcome(&client).await,
                }
            }
            Err(error) if args.follow && error.is_passing() => client = reading.reconnect().await,
            Err(error) => return Err(error.into()),
        }
    }
}

/// The attempt to begin with; `None` if there is none yet and nobody wants to wait.
async fn first_attempt(args: &LogsArgs, client: &Client, view: &RunView) -> Result<Option<u32>, CliError> {
    if args.attempt.is_some() {
        return Ok(args.attempt);
    }
    let mut newest = view.attempt;
    while newest == 0 && args.follow && outcome(view).is_none() {
        sleep(RETRY_INTERVAL).await;
        newest = client.run(&view.run_id).await?.0.attempt;
    }
    Ok((newest > 0).then_some(newest))
}

/// What comes after a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    More,
    End,
    RunEnded,
}

/// A place in the output of a run.
struct Reading<'a> {
    around: &'a Around,
    run_id: String,
    attempt: u32,
    offset: u64,
    decoder: Decoder,
}

impl Reading<'_> {
    fn show(&mut self, bytes: &[u8], chunk: &OutputChunk) -> Result<(), CliError> {
        let console = &self.around.console;
        if bytes.is_empty() {
            return Ok(());
        }
        if console.json {
            let text = &*String::from_utf8_lossy(bytes);
            let (run_id, attempt, offset) = (self.run_id.as_str(), chunk.attempt, chunk.offset);
            return console.out_json(&Piece { run_id, attempt, offset, text });
        }
        if console.out_is_terminal {
            return console.out(&self.decoder.decode(bytes));
        }
        console.out_bytes(bytes)
    }

    /// Moves on behind `chunk`, to the next attempt where this one is complete.
    fn after(&mut self, chunk: &OutputChunk, follow: bool) -> After {
        self.offset = chunk.next_offset;
        let drained = chunk.next_offset >= chunk.length;
        match (follow, chunk.complete && drained) {
            (false, _) if drained => After::End,
            (true, true) if chunk.newest_attempt > chunk.attempt => {
                self.begin(chunk.attempt + 1);
                After::More
            }
            (true, true) if chunk.run_ended => After::RunEnded,
            _ => After::More,
        }
    }

    fn begin(&mut self, attempt: u32) {
        (self.attempt, self.offset, self.decoder) = (attempt, 0, Decoder::default());
        let console = &self.around.console;
        if !console.json {
            let line = format!("── attempt {attempt} ──");
            console.tell(&format!("{}\n", console.err_paint.on(Colour::Dim, &line)));
        }
    }

    /// Tries for ever: whoever follows wants to see the end.
    async fn reconnect(&self) -> Client {
        loop {
            match reach(&self.around.state).await {
                Ok(client) => return client,
                Err(_) => sleep(RETRY_INTERVAL).await,
            }
        }
    }

    async fn outcome(&self, client: &Client) -> Result<ExitCode, CliError> {
        let (view, _) = client.run(&self.run_id).await?;
        if !self.around.console.json {
            let (look, id) = (phase(&view.phase), short(&view.run_id));
            let paint = self.around.console.err_paint;
            let line = format!("── {id} {} {} ──", look.glyph, look.word);
            self.around.console.tell(&format!("{}\n", paint.on(look.colour, &line)));
        }
        // It may have been retried this very moment; what we followed has ended all the same.
        Ok(outcome(&view).unwrap_or(ExitCode::Ok))
    }
}
