//! The daemon reads its settings again: when it is asked to, and on SIGHUP, which means that to a
//! daemon that has no terminal.

use crate::daemon::bus;
use crate::daemon::journal::Limits;
use crate::daemon::serve::unix_ms;
use crate::error::CliError;
use crate::settings::reload::{Differences, Live};
use crate::settings::{Settings, SettingsError, UserFile};
use resus_actors::door::{Door, Tuning};
use resus_core::api::{Problem, ReloadReply, SettingsView};
use resus_core::moment::rfc3339;
use resus_panel::Tuner;
use std::env;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::signal::unix::Signal;

/// What of `settings` a living system may be given; `may_end` = the daemon may end by itself.
pub(super) fn tuning(settings: &Settings, may_end: bool) -> Tuning {
    let idle_exit_ms = Some(settings.idle_exit_ms).filter(|ms| may_end && *ms > 0);
    Tuning {
        policy: settings.policy.clone(),
        disk_share_percent: settings.disk_share_percent,
        idle_exit: idle_exit_ms.map(Duration::from_millis),
    }
}

/// Reads the settings again and lets them apply.
pub(super) struct Reloader {
    file: Option<UserFile>,
    /// Held while new ones are put in place: of two at once the later one counts.
    live: Mutex<Live>,
    /// The same for those who only look, so that none of them waits for a file.
    view: Mutex<SettingsView>,
    door: Door,
    log: Arc<Limits>,
    may_end: bool,
}

impl Reloader {
    /// For the daemon behind `door`, whose settings are `live`.
    pub(super) fn new(
        file: Option<UserFile>,
        live: Live,
        door: Door,
        log: Arc<Limits>,
        may_end: bool,
    ) -> Arc<Self> {
        let view = Mutex::new(live.view.clone());
        Arc::new(Self { file, live: Mutex::new(live), view, door, log, may_end })
    }

    fn read(&self, now: &Settings) -> Result<(Settings, Option<String>), SettingsError> {
        let read = self.file.as_ref().map_or(Ok(None), UserFile::read)?;
        let settings = Settings::of(self.file.as_ref(), read.as_ref())?;
        if settings.bus != now.bus {
            // With what is refused here the next daemon could not start.
            bus::setup(&settings.bus, env::var(bus::URL_VAR).ok().as_deref())?;
        }
        Ok((settings, read.map(|read| read.stamp)))
    }
}

fn held<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Tuner for Reloader {
    fn reload(&self) -> Result<ReloadReply, Problem> {
        let mut live = held(&self.live);
        let read = self.read(&live.now);
        let taken = live.take(read, rfc3339(unix_ms()));
        *held(&self.view) = live.view.clone();
        match taken {
            Ok(found) => {
                self.door.retune(tuning(&live.now, self.may_end));
                self.log.set(live.now.log_bytes_max, live.now.log_keep);
                Ok(reply(found, live.view.clone()))
            }
            Err(error) => {
                let faults = error.details().join("; ");
                tracing::warn!(faults, "the settings are refused; those before them stay");
                Err(CliError::Settings(error).problem())
            }
        }
    }

    fn view(&self) -> SettingsView {
        held(&self.view).clone()
    }
}

fn reply(found: Differences, settings: SettingsView) -> ReloadReply {
    let owned = |keys: Vec<&'static str>| keys.into_iter().map(str::to_owned).collect::<Vec<_>>();
    let reply = ReloadReply {
        for_new_runs: owned(found.for_new_runs),
        at_once: owned(found.at_once),
        needs_restart: owned(found.needs_restart),
        settings,
    };
    tracing::info!(
        for_new_runs = reply.for_new_runs.join(", "),
        at_once = reply.at_once.join(", "),
        needs_restart = reply.needs_restart.join(", "),
        "the settings are read again"
    );
    reply
}

/// Reads the settings again whenever SIGHUP comes. What comes of it is in the log and the status.
pub(super) async fn on_hangup(mut hangups: Signal, reloader: Arc<Reloader>) {
    while hangups.recv().await.is_some() {
        let reloader = Arc::clone(&reloader);
        if let Err(error) = tokio::task::spawn_blocking(move || reloader.reload()).await {
            tracing::error!(%error, "reading the settings again failed");
        }
    }
}
