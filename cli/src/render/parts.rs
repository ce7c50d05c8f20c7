//! Pieces that several renderings share.

use crate::text::number;
use resus_core::pulse::word::Numbers;
use resus_core::text::one_line;
use resus_core::view::{ProgressView, RunView};

/// Longest text of a worker shown in a line of its own, in bytes.
const SAID_BYTES_MAX: usize = 512;

/// The last eight characters of a run id: what people see and type.
pub(crate) fn short(run_id: &str) -> &str {
    run_id.get(run_id.len().saturating_sub(8)..).unwrap_or(run_id)
}

/// Something a worker said, fit for a terminal.
pub(crate) fn said(text: &str) -> String {
    one_line(text, SAID_BYTES_MAX)
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

/// The words of a run's argv, as one could paste them into a shell.
pub(crate) fn command(argv: &[String]) -> String {
    let words: Vec<String> = argv.iter().map(|word| quoted(word)).collect();
    said(&words.join(" "))
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', "'\\''"))
    }
}

/// `1/5` failures and what is allowed.
pub(crate) fn retries(view: &RunView) -> String {
    format!("{}/{}", view.failures, view.retries_max)
}

/// Named numbers as names and texts, in the order of the names. A number with a `_low` and a
/// `_high` beside it is told with its interval: `0.981 (0.972 to 0.988)`.
pub(crate) fn results(numbers: &Numbers) -> Vec<(String, String)> {
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
    let shown = numbers.keys().filter(|name| !is_bound(name)).filter_map(|name| {
        let bounds = (told(&format!("{name}_low")), told(&format!("{name}_high")));
        let value = match (told(name)?, bounds) {
            (value, (Some(low), Some(high))) => format!("{value} ({low} to {high})"),
            (value, _) => value,
        };
        Some((one_line(name, 64), value))
    });
    shown.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

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
    fn a_command_can_be_pasted() {
        let argv = ["python", "train.py", "--name", "it's", "a b", ""].map(str::to_owned);
        assert_eq!(command(&argv), r"python train.py --name 'it'\''s' 'a b' ''");
    }

    #[test]
    fn bounds_are_told_with_their_number() {
        let numbers: Numbers = [
            ("win", Some(0.92)),
            ("win_low", Some(0.812)),
            ("win_high", Some(0.968)),
            ("tide_low", Some(1.5)),
            ("loss", None),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let told: Vec<_> =
            results(&numbers).into_iter().map(|(name, value)| format!("{name} {value}")).collect();
        assert_eq!(told, ["loss not finite", "tide_low 1.500", "win 0.920 (0.812 to 0.968)"]);
    }

    #[test]
    fn short_ids_are_tails() {
        assert_eq!(short("0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77"), "8c1d9e77");
        assert_eq!(short("abc"), "abc");
    }
}
