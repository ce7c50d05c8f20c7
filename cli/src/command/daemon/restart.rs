//! `resus daemon restart`.

use crate::command::Around;
use crate::daemon::bus;
use crate::daemon::halt::{Ended, allow_starts, halt};
use crate::daemon::handshake::other_build;
use crate::daemon::service::{self, UNIT};
use crate::daemon::start::{ask, locate};
use crate::error::CliError;
use crate::settings::Settings;
use resus_core::api::DaemonView;
use resus_core::exit::ExitCode;
use serde_json::json;
use std::env;

/// Replaces the daemon by one of this build and waits until it answers. Trainings go on.
///
/// # Errors
/// [`CliError`]: the old one hangs, or the new one can't live.
pub(super) async fn restart(around: &Around) -> Result<ExitCode, CliError> {
    // A daemon that could not come back is not stopped.
    let settings = Settings::load()?;
    bus::setup(&settings.bus, env::var(bus::URL_VAR).ok().as_deref())?;
    let by_service = match locate(around.here()?).daemon().await {
        Ok(view) if service::is_main(view.pid).await => Some(view.pid),
        _ => None,
    };
    let old = match by_service {
        Some(pid) => {
            service::systemctl(&["restart", UNIT]).await?;
            Some(pid)
        }
        None => halted(around).await?.map(|ended| ended.pid),
    };
    let started = ask(&around.target, |client| async move { client.daemon().await }).await;
    // Nobody wanted the daemon to stay away: those who follow a run may start it.
    let view = match started {
        Ok(view) => view,
        Err(error) => {
            allow_starts(around.here()?)?;
            return Err(error);
        }
    };
    if around.console.json {
        let (pid, version, runs_live) = (view.pid, &view.version, view.runs_live);
        let document = json!({"pid": pid, "old_pid": old, "version": version, "runs_live": runs_live});
        around.console.out_json(&document)?;
        return Ok(ExitCode::Ok);
    }
    around.console.tell(&told(old, &view));
    if by_service.is_some() && other_build(around.here()?).await?.is_some() {
        around.console.tell(
            "note: the service starts another build than this command; 'resus daemon install --now' makes it \
             start this one\n",
        );
    }
    Ok(ExitCode::Ok)
}

async fn halted(around: &Around) -> Result<Option<Ended>, CliError> {
    let halted = halt(around.here()?).await;
    if halted.is_err() {
        allow_starts(around.here()?)?;
    }
    halted
}

fn told(old: Option<u32>, view: &DaemonView) -> String {
    let pid = view.pid;
    let runs = match view.runs_live {
        0 => "no run was live".to_owned(),
        1 => "1 live run is taken over".to_owned(),
        n => format!("{n} live runs are taken over"),
    };
    match old {
        Some(old) => format!("the daemon is restarted (pid {old}, now {pid}); {runs}\n"),
        None => format!("no daemon ran; one is started (pid {pid}); {runs}\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_what_became_of_the_runs() {
        let view = |runs_live: usize| {
            let view = json!({
                "pid": 8, "version": "0.1.0", "state_dir": "/s", "node": "n", "started_at": "x",
                "uptime_s": 0.0, "runs_live": runs_live, "runs_total": 9, "runs_quarantined": 0,
                "ledger_pos": 9, "rss_bytes": 0, "actor_restarts": {},
            });
            serde_json::from_value(view).expect("a view")
        };
        for (old, live, expected) in [
            (Some(7), 0, "the daemon is restarted (pid 7, now 8); no run was live\n"),
            (Some(7), 1, "the daemon is restarted (pid 7, now 8); 1 live run is taken over\n"),
            (None, 2, "no daemon ran; one is started (pid 8); 2 live runs are taken over\n"),
        ] {
            assert_eq!(told(old, &view(live)), expected);
        }
    }
}
