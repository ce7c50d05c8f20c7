//! Watching a run until it ends, with keys to stop it or to leave.

use crate::command::Around;
use crate::error::CliError;
use crate::follow::{Tell, Update, deliver, follow};
use crate::keys::{Act, Key, Keys, Presses};
use crate::output::last_line;
use crate::render::live::{Shown, speaks_for_itself};
use crate::render::narrate::Narrator;
use crate::render::parts::{counted, is_command, short};
use crate::render::summary::outcome;
use crate::screen::Screen;
use crate::submission::command_body;
use crate::text::paint::Colour;
use jiff::Timestamp;
use resus_core::api::{CommandReply, StoryLine};
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::moment::parse_timestamp;
use resus_core::view::RunView;
use std::time::Duration;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval, timeout};

/// Between two redraws.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

/// Who leaves waits so long until what was asked for has been heard.
const DELIVERY_DEADLINE: Duration = Duration::from_secs(3);

/// An event that is older than this when watching begins is history.
const PAST_MS: u64 = 2_000;

/// How watching ended.
#[derive(Debug)]
pub(crate) enum Watched {
    /// The run has ended.
    Ended(Box<RunView>, ExitCode),
    /// The watcher left; the run goes on.
    Left(ExitCode),
}

/// Watches `view` until it ends or the watcher leaves. Keys are heard from `presses`; those of
/// `pressed` were pressed before there was anything to watch.
///
/// # Errors
/// [`CliError`]: the daemon does not know the run any more, or an output is closed.
pub(crate) async fn watch(
    around: &Around,
    view: RunView,
    presses: &mut Presses,
    pressed: &[Key],
) -> Result<Watched, CliError> {
    let mut updates = follow(&around.target, &view.run_id, Tell::After(0));
    let mut redraw = interval(REDRAW_INTERVAL);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watcher = Watcher::new(around, view);
    let mut ended = pressed.iter().find_map(|key| watcher.press(*key));
    loop {
        if let Some(ended) = ended {
            watcher.screen.clear();
            watcher.leave(&ended).await;
            return Ok(ended);
        }
        ended = tokio::select! {
            Some(update) = updates.recv() => watcher.hear(update?)?,
            key = presses.next() => watcher.press(key),
            Some(done) = watcher.commands.join_next() => {
                watcher.answered(done);
                None
            }
            _ = redraw.tick() => {
                watcher.draw();
                None
            }
        };
    }
}

struct Watcher<'a> {
    around: &'a Around,
    screen: Screen,
    narrator: Narrator,
    /// When the watching began, Unix ms.
    began_unix_ms: u64,
    keys: Keys,
    view: RunView,
    heard_at: Instant,
    /// Why the daemon can't be reached just now.
    lost: Option<&'static str>,
    /// The last line of a program that says nothing else.
    printed: Option<watch::Receiver<String>>,
    refusal_told: bool,
    commands: JoinSet<Result<CommandReply, CliError>>,
}

impl<'a> Watcher<'a> {
    fn new(around: &'a Around, view: RunView) -> Self {
        let console = around.console;
        let printed = (is_command(&view) && console.err_is_live && !console.json)
            .then(|| last_line::follow(&around.target, &view.run_id));
        Self {
            around,
            screen: Screen::new(console),
            narrator: Narrator::default(),
            began_unix_ms: u64::try_from(Timestamp::now().as_millisecond()).unwrap_or(0),
            keys: Keys::default(),
            view,
            heard_at: Instant::now(),
            lost: None,
            printed,
            refusal_told: false,
            commands: JoinSet::new(),
        }
    }

    fn hear(&mut self, update: Update) -> Result<Option<Watched>, CliError> {
        match update {
            Update::Lost { what, stopped } => {
                let notice =
                    if stopped { "the daemon was stopped, waiting for it…" } else { "reconnecting…" };
                if self.lost != Some(notice) {
                    self.say(Colour::Yellow, "!", &format!("{what}: {notice}"));
                }
                self.lost = Some(notice);
                Ok(None)
            }
            Update::Run { view, lines } => {
                if self.lost.take().is_some() {
                    self.say(Colour::Green, "●", "the daemon is back");
                }
                self.narrator.counts(&view.progress.unit);
                for line in &lines {
                    if self.around.console.json {
                        self.around.console.out_json(&line.event)?;
                    }
                    self.tell(line, outcome(&view).is_some() && line.seq() == view.seq);
                }
                self.view = *view;
                self.heard_at = Instant::now();
                self.tell_refusal();
                if let Some(exit) = outcome(&self.view) {
                    return Ok(Some(Watched::Ended(Box::new(self.view.clone()), exit)));
                }
                self.draw();
                Ok(None)
            }
        }
    }

    /// Tells an event. One from before anybody watched is told with its time; the `last` one of a
    /// run that has ended is told with its outcome.
    fn tell(&mut self, line: &StoryLine, last: bool) {
        let page = self.around.console.err_page();
        let at = line.event.get("timestamp").and_then(parse_timestamp);
        let is_past = at.is_some_and(|at| at.saturating_add(PAST_MS) < self.began_unix_ms);
        let told = match is_past && !last {
            true => self.narrator.hear_past(line).map(|told| told.past_line(line, &page)),
            false => self.narrator.hear(line).map(|told| told.line(&page)),
        };
        if let Some(told) = told {
            self.screen.say(&told);
        }
    }

    /// A line that stays.
    fn say(&mut self, colour: Colour, glyph: &str, text: &str) {
        let page = self.around.console.err_page();
        self.screen.say(&format!("{} {}", page.paint.on(colour, glyph), page.sentence(text)));
    }

    /// Tells once that the worker's events are not all understood: a worker whose every line is
    /// refused looks as if it said nothing.
    fn tell_refusal(&mut self) {
        let lines = self.view.refused_lines;
        if lines > 0 && !std::mem::replace(&mut self.refusal_told, true) {
            let were = if lines == 1 { "was" } else { "were" };
            let lines = counted(lines, "line");
            let why = "resus daemon logs says why";
            self.say(Colour::Yellow, "!", &format!("{lines} of the worker's events {were} refused ({why})"));
        }
    }

    fn press(&mut self, key: Key) -> Option<Watched> {
        let id = short(&self.view.run_id).to_owned();
        match self.keys.press(key) {
            Act::Command(verb) => {
                self.send(verb);
                self.draw();
                None
            }
            Act::Detach => {
                let is_stopping = self.view.phase == "stopping" || self.keys.notice().is_some();
                let (goes_on, next) = match is_stopping {
                    true => ("goes on stopping", format!("See how it ends with: resus wait {id}")),
                    false => ("goes on", format!("Come back with: resus attach {id}")),
                };
                let page = self.around.console.err_page();
                self.screen.say(&page.sentence(&format!("detached; {id} {goes_on}. {next}")));
                Some(Watched::Left(ExitCode::Ok))
            }
            Act::GiveUp => {
                let page = self.around.console.err_page();
                let text = format!("left; {id} has not ended yet. Look at it with: resus status {id}");
                self.screen.say(&page.sentence(&text));
                Some(Watched::Left(ExitCode::Interrupted))
            }
        }
    }

    fn send(&mut self, verb: Verb) {
        let (target, run_id) = (self.around.target.clone(), self.view.run_id.clone());
        self.commands.spawn(deliver(target, run_id, command_body(verb)));
    }

    /// Success shows in the run's events; a refusal has to be said.
    fn answered(&mut self, done: Result<Result<CommandReply, CliError>, JoinError>) {
        match done {
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => {
                let told = error.told();
                let why = told.why.first().map(String::as_str).unwrap_or_default();
                self.say(Colour::Yellow, "!", &format!("{}: {why}", told.what));
            }
        }
    }

    /// Sees that what was asked for is heard before nobody is left to say it. Who gives up does
    /// not wait for that.
    async fn leave(&mut self, how: &Watched) {
        if !matches!(how, Watched::Left(ExitCode::Ok)) {
            return;
        }
        let heard = async {
            while let Some(done) = self.commands.join_next().await {
                self.answered(done);
            }
        };
        if timeout(DELIVERY_DEADLINE, heard).await.is_err() {
            let id = short(&self.view.run_id).to_owned();
            self.say(Colour::Yellow, "!", &format!("the daemon did not hear of it: resus stop {id}"));
        }
    }

    fn draw(&mut self) {
        // That the daemon is lost has been said in a line of its own.
        let notice = self.keys.notice().or(self.lost);
        // What nobody tells us does not count down.
        let since_s = if self.lost.is_some() { 0.0 } else { self.heard_at.elapsed().as_secs_f64() };
        let printed = self.printed.as_ref().filter(|_| speaks_for_itself(&self.view));
        let printed = printed.map(|line| line.borrow().clone()).filter(|line| !line.is_empty());
        self.screen.show(Shown { view: &self.view, since_s, notice, printed: printed.as_deref() });
    }
}
