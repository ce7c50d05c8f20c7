//! `resus ps --watch`: the list again at every change, for as long as somebody looks.
//!
//! On a terminal it is drawn in its place; the cursor is not hidden and no mode is changed, so
//! nothing has to be restored however it ends. Elsewhere it is written again when something has
//! changed besides the clock.

use crate::command::Around;
use crate::command::ps::redraw::Canvas;
use crate::command::ps::{Listing, nothing, tell_aside};
use crate::error::CliError;
use crate::follow::reach;
use resus_core::api::RunList;
use resus_core::exit::ExitCode;
use resus_core::view::RunView;
use std::time::Duration;
use tokio::time::sleep;

/// Between two looks: nobody reads a table faster, and ages change once a second.
const INTERVAL: Duration = Duration::from_secs(1);
/// What is told while the daemon is away.
const RECONNECTING: &str = "reconnecting…";

/// Shows `first` and every change after it. It ends with an error that trying again would not mend.
///
/// # Errors
/// [`CliError`].
pub(super) async fn watch(listing: &Listing, first: RunList, around: &Around) -> Result<ExitCode, CliError> {
    let mut shown = Shown { around, listing, canvas: Canvas::default(), before: None, is_lost: false };
    tell_aside(&first, around);
    shown.show(&first)?;
    let mut client = around.target.client();
    loop {
        sleep(INTERVAL).await;
        match client.runs().await {
            Ok(list) => shown.show(&list)?,
            Err(error) if error.is_passing() => {
                shown.lost(&error.to_string())?;
                if let Ok(found) = reach(&around.target).await {
                    client = found;
                }
            }
            Err(error) => return Err(error.into()),
        }
    }
}

struct Shown<'a> {
    around: &'a Around,
    listing: &'a Listing,
    canvas: Canvas,
    /// What was written last, with the clocks stopped.
    before: Option<Written>,
    is_lost: bool,
}

/// Something that was written.
#[derive(PartialEq)]
enum Written {
    Runs(RunList),
    Text(String),
}

impl Shown<'_> {
    fn show(&mut self, all: &RunList) -> Result<(), CliError> {
        let console = self.around.console;
        if std::mem::take(&mut self.is_lost) && !console.json && !console.out_is_live {
            console.tell("● the daemon is back\n");
        }
        let picked = self.listing.pick(all.clone());
        if !console.json && console.out_is_live {
            let text = match picked.runs.is_empty() {
                true => nothing(all).to_owned(),
                false => self.listing.text(&picked, all, self.around),
            };
            return self.canvas.draw(&text, "", &console);
        }
        let still = still(&picked);
        let written = match console.json {
            true => Written::Runs(still),
            false => Written::Text(self.listing.text(&still, all, self.around)),
        };
        if self.before.as_ref() == Some(&written) {
            return Ok(());
        }
        let is_first = self.before.replace(written).is_none();
        if console.json {
            return console.out_json(&picked);
        }
        let gap = if is_first { "" } else { "\n" };
        console.out(&format!("{gap}{}", self.listing.text(&picked, all, self.around)))
    }

    fn lost(&mut self, what: &str) -> Result<(), CliError> {
        let console = self.around.console;
        let was_lost = std::mem::replace(&mut self.is_lost, true);
        if console.json {
            return Ok(());
        }
        if console.out_is_live {
            return self.canvas.note(&format!("! {what}: {RECONNECTING}"), &console);
        }
        if !was_lost {
            console.tell(&format!("! {what}: {RECONNECTING}\n"));
        }
        Ok(())
    }
}

/// `list` without what changes by itself as time goes by.
fn still(list: &RunList) -> RunList {
    let mut still = list.clone();
    still.runs.iter_mut().for_each(stop_clocks);
    still
}

fn stop_clocks(run: &mut RunView) {
    (run.age_s, run.duration_s) = (0.0, 0.0);
    (run.retry_in_s, run.grace_left_s, run.progress_age_s) = (None, None, None);
    let progress = &mut run.progress;
    (progress.rate, progress.eta_s, progress.eta_low_s, progress.eta_high_s) = (None, None, None, None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::json;

    #[test]
    fn time_alone_is_no_change() {
        let list = |changes| RunList { runs: vec![view(changes)], quarantined: Default::default() };
        let progress = |done: f64, eta_s: f64| json!({"progress": {"unit": "game", "done": done, "total": 9.0, "rate": eta_s, "eta_s": eta_s}});
        let later = json!({"age_s": 999.0, "duration_s": 999.0, "progress_age_s": 3.0, "retry_in_s": 1.0});
        assert_eq!(still(&list(json!({}))), still(&list(later)));
        assert_eq!(still(&list(progress(1.0, 8.0))), still(&list(progress(1.0, 7.0))));
        assert_ne!(still(&list(progress(1.0, 8.0))), still(&list(progress(2.0, 8.0))));
        assert_ne!(still(&list(json!({}))), still(&list(json!({"phase": "paused"}))));
    }
}
