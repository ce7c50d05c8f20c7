//! Pieces that several renderings share.

use crate::render::page::Page;
use crate::text::duration::{age_s, eta_s};
use crate::text::{number, size};
use jiff::Timestamp;
use resus_core::input::CheckpointRef;
use resus_core::text::one_line;
use resus_core::view::{ProgressView, RunView};

/// Longest text of a worker shown in a line of its own, in bytes.
const SAID_BYTES_MAX: usize = 512;
/// Longest name of a metric shown, in bytes.
const METRIC_NAME_BYTES_MAX: usize = 64;

/// The code of a run none of whose checkpoints can be used.
pub(crate) const NO_CHECKPOINT: &str = "CHECKPOINT_CORRUPT";
/// What stands between such a failure and what can be typed about it.
const COMMANDS: &str = "; `resus ";

/// The last eight characters of a run id: what people see and type.
pub(crate) fn short(run_id: &str) -> &str {
    run_id.get(run_id.len().saturating_sub(8)..).unwrap_or(run_id)
}

/// Something a worker said, fit for a terminal.
pub(crate) fn said(text: &str) -> String {
    one_line(text, SAID_BYTES_MAX)
}

/// A failure in a line. What can be typed about a checkpoint that is damaged is told where people look
/// for it.
pub(crate) fn failure_of(code: &str, message: &str) -> String {
    let message =
        message.split_once(COMMANDS).filter(|_| code == NO_CHECKPOINT).map_or(message, |(what, _)| what);
    format!("{}: {}", said(code), said(message))
}

/// The share that is done, 0 to 1, where the worker says what is to be done in all.
pub(crate) fn share(progress: &ProgressView) -> Option<f64> {
    let (done, total) = (progress.done?, progress.total?);
    (total > 0.0).then(|| (done / total).clamp(0.0, 1.0))
}

/// `62%`; 100 only when nothing is left.
pub(crate) fn percent(progress: &ProgressView) -> Option<String> {
    share(progress).map(|share| format!("{:.0}%", (share * 100.0).floor()))
}

/// `12,400/20,000 games`; nothing for percents, which the percentage tells already.
pub(crate) fn count(progress: &ProgressView) -> Option<String> {
    let done = progress.done?;
    let unit = said(&progress.unit);
    match progress.total {
        Some(_) if unit == "percent" => None,
        Some(total) => {
            let unit = number::unit(&unit, total);
            Some(format!("{}/{} {unit}", number::amount(done), number::amount(total)).trim_end().to_owned())
        }
        None => Some(format!("{} {}", number::amount(done), number::unit(&unit, done)).trim_end().to_owned()),
    }
}

/// `812 games/s`.
pub(crate) fn rate(progress: &ProgressView) -> Option<String> {
    let rate = progress.rate.filter(|rate| rate.is_finite() && *rate > 0.0)?;
    let unit = said(&progress.unit);
    match unit.as_str() {
        "" => None,
        "percent" => Some(format!("{} %/s", number::rate(rate))),
        _ => Some(format!("{} {}/s", number::rate(rate), number::unit(&unit, rate))),
    }
}

/// `eta 19h04m`, and with its range where that is known and says more: `eta 19h04m (18–21h)`.
pub(crate) fn eta(progress: &ProgressView) -> Option<String> {
    let text = format!("eta {}", eta_s(progress.eta_s?));
    let (Some(low), Some(high)) = (progress.eta_low_s, progress.eta_high_s) else { return Some(text) };
    let (low, high) = (age_s(low), age_s(high));
    if low == high {
        return Some(text);
    }
    // The unit is the last letter; once is enough where both have the same.
    let unit = high.get(high.len().saturating_sub(1)..).unwrap_or_default();
    let low = low.strip_suffix(unit).unwrap_or(&low);
    Some(format!("{text} ({low}–{high})"))
}

/// `1/5`: retries made and allowed.
pub(crate) fn retries(view: &RunView) -> String {
    format!("{}/{}", view.retries, view.retries_max)
}

/// `once`, `twice`, `5 times`.
pub(crate) fn times(count: u32) -> String {
    match count {
        1 => "once".to_owned(),
        2 => "twice".to_owned(),
        count => format!("{count} times"),
    }
}

/// `1 line`, `4 lines`.
pub(crate) fn counted(count: u64, noun: &str) -> String {
    format!("{} {}", number::amount(count as f64), number::unit(noun, count as f64))
}

/// `12,400 games`: an amount in the unit of the run's progress.
pub(crate) fn amount(done: f64, unit: &str) -> String {
    format!("{} {}", number::amount(done), number::unit(&said(unit), done)).trim_end().to_owned()
}

/// A time of the wire (RFC 3339) on the clock of who reads.
pub(crate) fn local(time: &str, page: &Page) -> String {
    match time.parse::<Timestamp>() {
        Ok(stamp) => stamp.to_zoned(page.zone.clone()).strftime("%Y-%m-%d %H:%M:%S").to_string(),
        Err(_) => said(time),
    }
}

/// Whether the run is a command rather than a workload that was made for us.
pub(crate) fn is_command(view: &RunView) -> bool {
    view.workload == "command"
}

/// `ck-000150 at 12,400 games, 144.3MiB`.
pub(crate) fn checkpoint(checkpoint: &CheckpointRef, unit: &str) -> String {
    let mut text = said(&checkpoint.checkpoint_id);
    if let Some(step) = checkpoint.step {
        text.push_str(&format!(" at {}", amount(step, unit)));
    }
    if let Some(bytes) = checkpoint.size_bytes {
        text.push_str(&format!(", {}", size::show(bytes)));
    }
    text
}

/// The metrics of a run as names and texts, in the order of the names, without the loss that is
/// its progress's already. A number with a `_low` and a `_high` beside it is told with its
/// interval: `0.981  (0.972–0.988)`.
pub(crate) fn results(view: &RunView) -> Vec<(String, String)> {
    let numbers = &view.metrics;
    let told = |name: &str| {
        let number = numbers.get(name)?;
        Some(number.map_or_else(|| "not finite".to_owned(), number::value))
    };
    let is_bound = |name: &str| {
        let of = name.strip_suffix("_low").or_else(|| name.strip_suffix("_high"));
        of.is_some_and(|of| {
            ["", "_low", "_high"].iter().all(|end| numbers.contains_key(&format!("{of}{end}")))
        })
    };
    let is_told = |name: &str| name == "loss" && view.progress.loss.is_some();
    let shown = numbers.keys().filter(|name| !is_bound(name) && !is_told(name)).filter_map(|name| {
        let bounds = (told(&format!("{name}_low")), told(&format!("{name}_high")));
        let value = match (told(name)?, bounds) {
            (value, (Some(low), Some(high))) => format!("{value}  ({low}–{high})"),
            (value, _) => value,
        };
        Some((one_line(name, METRIC_NAME_BYTES_MAX), value))
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::sample::view;
    use serde_json::{Value, json};

    fn progress(unit: &str, done: Option<f64>, total: Option<f64>) -> ProgressView {
        ProgressView { unit: unit.into(), done, total, rate: Some(812.4), ..ProgressView::default() }
    }

    #[test]
    fn progress_is_told_as_far_as_it_is_known() {
        let known = progress("game", Some(12_400.0), Some(20_000.0));
        assert_eq!(
            (percent(&known), count(&known), rate(&known)),
            (Some("62%".into()), Some("12,400/20,000 games".into()), Some("812 games/s".into()))
        );
        let endless = progress("step", Some(7.0), None);
        assert_eq!((percent(&endless), count(&endless)), (None, Some("7 steps".into())));
        let share = progress("percent", Some(31.0), Some(100.0));
        assert_eq!(
            (percent(&share), count(&share), rate(&share)),
            (Some("31%".into()), None, Some("812 %/s".into()))
        );
        let nearly = progress("game", Some(19_999.0), Some(20_000.0));
        assert_eq!(percent(&nearly), Some("99%".into()));
        let odd = progress("", None, Some(0.0));
        assert_eq!((percent(&odd), count(&odd), rate(&odd)), (None, None, None));
    }

    #[test]
    fn an_estimate_has_a_range_where_there_is_one() {
        let at = |eta_s: f64, range: Option<(f64, f64)>| {
            let (eta_low_s, eta_high_s) = (range.map(|(low, _)| low), range.map(|(_, high)| high));
            eta(&ProgressView { eta_s: Some(eta_s), eta_low_s, eta_high_s, ..ProgressView::default() })
        };
        let hours = |n: f64| n * 3600.0;
        assert_eq!(at(12.0, None).as_deref(), Some("eta 12s"));
        assert_eq!(at(hours(19.0), Some((hours(18.2), hours(21.0)))).as_deref(), Some("eta 19h00m (18–21h)"));
        assert_eq!(at(3720.0, Some((3500.0, 7300.0))).as_deref(), Some("eta 1h02m (58m–2h)"));
        assert_eq!(at(12.0, Some((12.1, 12.9))).as_deref(), Some("eta 12s"));
        assert_eq!(eta(&ProgressView::default()), None);
    }

    #[test]
    fn bounds_are_told_with_their_number() {
        let metrics =
            json!({"win": 0.92, "win_low": 0.812, "win_high": 0.968, "tide_low": 1.5, "loss": null});
        let told = |progress: Value| -> Vec<String> {
            let view = view(json!({"metrics": metrics, "progress": progress}));
            results(&view).into_iter().map(|(name, value)| format!("{name} {value}")).collect()
        };
        let folded = ["tide_low 1.500", "win 0.920  (0.812–0.968)"];
        assert_eq!(told(json!({"unit": "game", "loss": 0.1})), folded, "the loss is told elsewhere");
        assert_eq!(told(json!({"unit": "game"})), ["loss not finite", folded[0], folded[1]]);
    }

    #[test]
    fn checkpoints_are_told_in_the_runs_unit() {
        let newest = json!({"checkpoint_id": "ck-1\n", "path": "/p", "step": 12400.0, "size_bytes": 1048576});
        let newest: CheckpointRef = serde_json::from_value(newest).unwrap();
        assert_eq!(checkpoint(&newest, "game"), "ck-1 at 12,400 games, 1MiB");
        assert_eq!(checkpoint(&newest, ""), "ck-1 at 12,400, 1MiB");
        assert_eq!((counted(1, "line"), counted(4000, "line")), ("1 line".into(), "4,000 lines".into()));
    }

    #[test]
    fn short_ids_are_tails() {
        assert_eq!(short("0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77"), "8c1d9e77");
        assert_eq!(short("abc"), "abc");
    }
}
