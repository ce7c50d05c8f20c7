//! `resus logs`: what a run's worker prints.

use crate::args::{a_count, an_attempt};
use crate::client::{Client, ClientError};
use crate::command::Around;
use crate::daemon::start::{ask, ensure};
use crate::error::CliError;
use crate::follow::reach;
use crate::output::terminal::Decoder;
use crate::output::{PIECE_BYTES, tail_start};
use crate::render::parts::{said, short};
use crate::render::summary::outcome;
use crate::text::paint::{Colour, phase};
use crate::text::size;
use clap::Args;
use resus_core::api::{OutputChunk, Problem};
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
    after_help = "On a terminal plain colours of letters pass, each to the end of its line at most (others are left
out: what is printed can't be hidden), progress bars are shown as they were printed last, and
everything else that a terminal would obey or not show is made visible. A pipe or a file, and --raw,
get every byte as it was printed. Values of secret variables and arguments are shown as asterisks.
Lines have no times and there is no --since: workers write into the file themselves, and when is
not recorded; 'resus events' tells when things happened.
-f goes on across attempts and restarts of the daemon; when the run has ended it exits with 0
(done), 20 (failed), 21 (cancelled) or 22 (lost). With --attempt it ends with that attempt.

Examples:
  resus logs -f nightly
  resus logs -n 50 @latest
  resus logs nightly --all > nightly.log
  resus logs nightly --previous -n 20"
)]
pub(crate) struct LogsArgs {
    /// Which run
    pub run: String,
    /// Go on until the run ends
    #[arg(short, long)]
    pub follow: bool,
    /// Begin with the last N lines
    #[arg(short = 'n', long, value_name = "N", value_parser = a_count, allow_negative_numbers = true)]
    pub lines: Option<u32>,
    /// Of this attempt [default: the newest]
    #[arg(long, value_name = "N", value_parser = an_attempt, allow_negative_numbers = true)]
    pub attempt: Option<u32>,
    /// Of the attempt before the newest
    #[arg(short, long, conflicts_with_all = ["attempt", "all"])]
    pub previous: bool,
    /// Of all attempts, in their order
    #[arg(long, conflicts_with_all = ["attempt", "lines"])]
    pub all: bool,
    /// Every byte as it was printed, on a terminal, too
    #[arg(long)]
    pub raw: bool,
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
    let (view, _) = ask(&around.target, |client| async move { client.run(run).await }).await?;
    let (target, run_id) = (around.target.clone(), view.run_id.clone());
    let mut source = Source { around, client: ensure(&target).await?, run_id, follow: args.follow };
    let Some(attempt) = first_attempt(&args, &mut source, view).await? else {
        note(around, "nothing yet: no worker was started");
        return Ok(ExitCode::Ok);
    };
    let mut reading = Reading::new(around, &source.run_id, attempt, &args);
    if args.all {
        reading.head(attempt);
    }
    if let Some(lines) = args.lines {
        let lines = usize::try_from(lines).unwrap_or(usize::MAX);
        let start = source.get(async |client, run| tail_start(client, run, attempt, lines).await).await?;
        reading.offset = start.offset;
        if start.is_cut {
            note(around, "the first of these lines is cut: its beginning is too far back");
        }
    }
    let wait = if args.follow { WAIT } else { Duration::ZERO };
    loop {
        let (attempt, offset) = (reading.attempt, reading.offset);
        let output = source
            .get(async |client, run| client.output(run, Some(attempt), offset, PIECE_BYTES, wait).await)
            .await?;
        reading.show(&output.bytes, &output.chunk)?;
        match reading.after(&output.chunk) {
            After::More | After::NextAttempt => {}
            After::End => {
                reading.finish()?;
                if reading.is_silent() {
                    reading.explain_silence(&source.view().await?);
                }
                return Ok(ExitCode::Ok);
            }
            After::RunEnded => {
                reading.finish()?;
                return Ok(reading.outcome(&source.view().await?));
            }
        }
    }
}

/// The daemon that is asked for the output of one run.
struct Source<'a> {
    around: &'a Around,
    client: Client,
    run_id: String,
    /// Whoever follows wants to see the end: a daemon that is gone is waited for.
    follow: bool,
}

impl Source<'_> {
    /// Puts a question; who follows puts it again to the next daemon, should this one not answer.
    async fn get<T>(
        &mut self,
        question: impl AsyncFn(&Client, &str) -> Result<T, ClientError>,
    ) -> Result<T, CliError> {
        loop {
            match question(&self.client, &self.run_id).await {
                Err(error) if self.follow && error.is_passing() => self.reconnect(&error).await,
                answer => return Ok(answer?),
            }
        }
    }

    async fn view(&mut self) -> Result<RunView, CliError> {
        Ok(self.get(async |client, run| client.run(run).await).await?.0)
    }

    /// Tries for ever.
    async fn reconnect(&mut self, error: &ClientError) {
        let mut is_told = false;
        if error.is_answer() {
            sleep(RETRY_INTERVAL).await;
        }
        loop {
            match reach(&self.around.target).await {
                Ok(client) => {
                    self.client = client;
                    if is_told {
                        note(self.around, "● the daemon is back");
                    }
                    return;
                }
                Err(_) if !std::mem::replace(&mut is_told, true) => {
                    note(self.around, &format!("! {error}: reconnecting…"));
                }
                Err(_) => sleep(RETRY_INTERVAL).await,
            }
        }
    }
}

/// Something about the output, beside it.
fn note(around: &Around, text: &str) {
    if !around.console.json {
        let page = around.console.err_page();
        around.console.tell(&format!("{}\n", page.paint.on(Colour::Dim, &page.sentence(text))));
    }
}

/// The attempt to begin with; `None` if there is none yet and nobody wants to wait, or there will
/// be none.
async fn first_attempt(
    args: &LogsArgs,
    source: &mut Source<'_>,
    mut view: RunView,
) -> Result<Option<u32>, CliError> {
    if args.attempt.is_some() {
        return Ok(args.attempt);
    }
    if args.previous {
        return previous(&view).map(Some);
    }
    while view.attempt == 0 && args.follow && outcome(&view).is_none() {
        sleep(RETRY_INTERVAL).await;
        view = source.view().await?;
    }
    Ok((view.attempt > 0).then_some(if args.all { 1 } else { view.attempt }))
}

/// The attempt before the newest one.
///
/// # Errors
/// That there is none.
fn previous(view: &RunView) -> Result<u32, CliError> {
    if view.attempt > 1 {
        return Ok(view.attempt - 1);
    }
    let id = short(&view.run_id);
    let problem = Problem {
        kind: "urn:resus:not-found".to_owned(),
        title: "No such attempt".to_owned(),
        status: 404,
        detail: format!("{id} ({}) has no attempt before attempt {}", view.name, view.attempt),
        hint: Some(format!("resus logs {id}")),
        exit_code: ExitCode::NotFound,
    };
    Err(ClientError::Refused(Box::new(problem)).into())
}

/// Which attempts are shown, and up to where.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Scope {
    /// Up to the end of the run, however long that takes.
    follow: bool,
    /// No other attempt than the one begun with.
    stays: bool,
    /// Those behind it, too, as far as they are there.
    all: bool,
}

/// What comes after a piece.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum After {
    More,
    NextAttempt,
    End,
    RunEnded,
}

/// A place in the output of a run.
struct Reading<'a> {
    around: &'a Around,
    run_id: String,
    attempt: u32,
    scope: Scope,
    /// Bytes as they were printed.
    raw: bool,
    offset: u64,
    /// There was something to show.
    printed: bool,
    /// When the output of this attempt was deleted, if it was.
    pruned_at: Option<String>,
    decoder: Decoder,
}

impl<'a> Reading<'a> {
    fn new(around: &'a Around, run_id: &str, attempt: u32, args: &LogsArgs) -> Self {
        let decoder = Decoder::new(around.console.out_paint.0);
        let stays = args.attempt.is_some() || args.previous;
        let scope = Scope { follow: args.follow, stays, all: args.all };
        let (run_id, raw, printed, pruned_at) = (run_id.to_owned(), args.raw, false, None);
        Self { around, run_id, attempt, scope, raw, offset: 0, printed, pruned_at, decoder }
    }

    fn show(&mut self, bytes: &[u8], chunk: &OutputChunk) -> Result<(), CliError> {
        let console = &self.around.console;
        self.pruned_at.clone_from(&chunk.pruned_at);
        if chunk.offset > self.offset {
            let freed = size::show(chunk.offset - self.offset);
            note(self.around, &format!("{freed} of older output are not kept any more"));
        }
        if bytes.is_empty() {
            return Ok(());
        }
        self.printed = true;
        if console.json {
            let text = &*String::from_utf8_lossy(bytes);
            let (run_id, attempt, offset) = (self.run_id.as_str(), chunk.attempt, chunk.offset);
            return console.out_json(&Piece { run_id, attempt, offset, text });
        }
        if console.out_is_terminal && !self.raw {
            return console.out_harmless(&self.decoder.decode(bytes));
        }
        console.out_bytes(bytes)
    }

    /// The end of an attempt's output: what may have become a colour is none.
    fn finish(&mut self) -> Result<(), CliError> {
        let rest = self.decoder.finish();
        if rest.as_str().is_empty() { Ok(()) } else { self.around.console.out_harmless(&rest) }
    }

    /// Moves on behind `chunk`, to the next attempt where this one is complete.
    fn after(&mut self, chunk: &OutputChunk) -> After {
        self.offset = chunk.next_offset;
        let next = after(chunk, self.scope);
        if next == After::NextAttempt {
            self.begin(chunk.attempt + 1);
        }
        next
    }

    fn begin(&mut self, attempt: u32) {
        // What the last attempt left unfinished is not worth ending for.
        let _ = self.finish();
        (self.attempt, self.offset) = (attempt, 0);
        self.head(attempt);
    }

    /// What comes next is of `attempt`.
    fn head(&self, attempt: u32) {
        note(self.around, &format!("── attempt {attempt} ──"));
    }

    /// Whether there was nothing to see.
    fn is_silent(&self) -> bool {
        !self.printed && self.offset == 0
    }

    /// Why there is nothing to see.
    fn explain_silence(&self, view: &RunView) {
        match &self.pruned_at {
            Some(at) => note(self.around, &format!("its output was pruned on {at}")),
            None => note(self.around, &silence(view, self.attempt)),
        }
    }

    fn outcome(&self, view: &RunView) -> ExitCode {
        if self.is_silent() {
            self.explain_silence(view);
        }
        if !self.around.console.json {
            let (look, id) = (phase(&view.phase), short(&view.run_id));
            let paint = self.around.console.err_paint;
            let line = format!("── {id} {} {} ──", look.glyph, look.word);
            self.around.console.tell(&format!("{}\n", paint.on(look.colour, &line)));
        }
        // It may have been retried this very moment; what we followed has ended all the same.
        outcome(view).unwrap_or(ExitCode::Ok)
    }
}

/// What comes after a piece that was shown.
fn after(chunk: &OutputChunk, scope: Scope) -> After {
    let is_drained = chunk.next_offset >= chunk.length;
    let is_newest = chunk.newest_attempt <= chunk.attempt;
    if !scope.follow {
        return match (is_drained, scope.all && !is_newest) {
            (false, _) => After::More,
            (true, true) => After::NextAttempt,
            (true, false) => After::End,
        };
    }
    if !(chunk.complete && is_drained) {
        return After::More;
    }
    match (is_newest, scope.stays) {
        (true, _) if chunk.run_ended => After::RunEnded,
        (_, true) => After::End,
        (true, false) => After::More,
        (false, false) => After::NextAttempt,
    }
}

/// Why an attempt has no output.
fn silence(view: &RunView, attempt: u32) -> String {
    let is_newest = attempt == view.attempt;
    let never_started = is_newest && view.attempt == 1 && view.last_exit.is_none() && view.pid.is_none();
    match (&view.last_failure, never_started, outcome(view)) {
        (Some(failure), true, Some(_)) => {
            format!("no output: the worker was never started ({}: {})", failure.code, said(&failure.message))
        }
        (None, true, Some(_)) => "no output: the worker was never started".to_owned(),
        (_, _, None) if is_newest => format!("no output yet (attempt {attempt})"),
        _ => format!("attempt {attempt} printed nothing"),
    }
}

#[cfg(test)]
mod tests;
