//! Watching a run until it ends, with keys to stop it or to leave.

use crate::command::Around;
use crate::error::CliError;
use crate::follow::{Update, deliver, follow};
use crate::keys::{Act, Key, Keys};
use crate::render::narrate::Narrator;
use crate::render::parts::short;
use crate::render::summary::outcome;
use crate::screen::Screen;
use crate::submission::command_body;
use crate::text::paint::Colour;
use resus_core::api::CommandReply;
use resus_core::exit::ExitCode;
use resus_core::input::Verb;
use resus_core::view::RunView;
use std::io;
use std::time::Duration;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Between two redraws.
const REDRAW_INTERVAL: Duration = Duration::from_millis(100);

/// How watching ended.
#[derive(Debug)]
pub(crate) enum Watched {
    /// The run has ended.
    Ended(Box<RunView>, ExitCode),
    /// The watcher left; the run goes on.
    Left(ExitCode),
}

/// Watches `view` until it ends or the watcher leaves.
///
/// # Errors
/// [`CliError`]: the daemon does not know the run any more, or an output is closed.
pub(crate) async fn watch(around: &Around, view: RunView) -> Result<Watched, CliError> {
    let signal_failed =
        |source: io::Error| CliError::Io { what: "watch the signals of", path: "/proc/self".into(), source };
    let mut interrupt = signal(SignalKind::interrupt()).map_err(signal_failed)?;
    let mut quit = signal(SignalKind::quit()).map_err(signal_failed)?;
    let mut updates = follow(&around.state, &view.run_id, true);
    let mut redraw = interval(REDRAW_INTERVAL);
    redraw.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut watcher = Watcher::new(around, view);
    loop {
        let ended = tokio::select! {
            Some(update) = updates.recv() => watcher.hear(update?)?,
            _ = interrupt.recv() => watcher.press(Key::Interrupt),
            _ = quit.recv() => watcher.press(Key::Quit),
            Some(done) = watcher.commands.join_next() => {
                watcher.answered(done);
                None
            }
            _ = redraw.tick() => {
                watcher.draw();
                None
            }
        };
        if let Some(ended) = ended {
            watcher.screen.clear();
            return Ok(ended);
        }
    }
}

struct Watcher<'a> {
    around: &'a Around,
    screen: Screen,
    narrator: Narrator,
    keys: Keys,
    view: RunView,
    heard_at: Instant,
    /// Why the daemon can't be reached just now.
    lost: Option<&'static str>,
    commands: JoinSet<Result<CommandReply, CliError>>,
}

impl<'a> Watcher<'a> {
    fn new(around: &'a Around, view: RunView) -> Self {
        Self {
            around,
            screen: Screen::new(around.console),
            narrator: Narrator::default(),
            keys: Keys::default(),
            view,
            heard_at: Instant::now(),
            lost: None,
            commands: JoinSet::new(),
        }
    }

    fn hear(&mut self, update: Update) -> Result<Option<Watched>, CliError> {
        match update {
            Update::Lost { what, stopped } => {
                let notice =
                    if stopped { "the daemon was stopped, waiting for it…" } else { "reconnecting…" };
                if self.lost != Some(notice) {
                    let paint = self.around.console.err_paint;
                    self.screen.say(&format!("{} {what}: {notice}", paint.on(Colour::Yellow, "!")));
                }
                self.lost = Some(notice);
                Ok(None)
            }
            Update::Run { view, events } => {
                if self.lost.take().is_some() {
                    let paint = self.around.console.err_paint;
                    self.screen.say(&format!("{} the daemon is back", paint.on(Colour::Green, "●")));
                }
                for event in &events {
                    if self.around.console.json {
                        self.around.console.out_json(event)?;
                    }
                    if let Some(told) = self.narrator.hear(event) {
                        self.screen.say(&told.line(self.around.console.err_paint));
                    }
                }
                self.view = *view;
                self.heard_at = Instant::now();
                if let Some(exit) = outcome(&self.view) {
                    return Ok(Some(Watched::Ended(Box::new(self.view.clone()), exit)));
                }
                self.draw();
                Ok(None)
            }
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
                self.screen.say(&format!("detached; {id} goes on. Come back with: resus logs {id} -f"));
                Some(Watched::Left(ExitCode::Ok))
            }
            Act::GiveUp => {
                self.screen.say(&format!("left; {id} has not ended yet. Look at it with: resus status {id}"));
                Some(Watched::Left(ExitCode::Interrupted))
            }
        }
    }

    fn send(&mut self, verb: Verb) {
        let (state, run_id) = (self.around.state.clone(), self.view.run_id.clone());
        self.commands.spawn(deliver(state, run_id, command_body(verb)));
    }

    /// Success shows in the run's events; a refusal has to be said.
    fn answered(&mut self, done: Result<Result<CommandReply, CliError>, JoinError>) {
        match done {
            Ok(Ok(_)) | Err(_) => {}
            Ok(Err(error)) => {
                let told = error.told();
                let why = told.why.first().map(String::as_str).unwrap_or_default();
                self.screen.say(&format!("! {}: {why}", told.what));
            }
        }
    }

    fn draw(&mut self) {
        let notice = self.lost.or(self.keys.notice());
        // What nobody tells us does not count down.
        let since_s = if self.lost.is_some() { 0.0 } else { self.heard_at.elapsed().as_secs_f64() };
        self.screen.show(&self.view, since_s, notice);
    }
}
