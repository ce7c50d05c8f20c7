//! Pieces that several renderings share.

use crate::text::number;
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

/// `loss 0.127, win_rate_random 0.981` of named numbers, in the order of their names.
pub(crate) fn numbers(numbers: &resus_core::pulse::word::Numbers) -> String {
    let shown = numbers.iter().map(|(name, value)| {
        format!("{} {}", one_line(name, 64), value.map_or_else(|| "not finite".to_owned(), number::value))
    });
    shown.collect::<Vec<_>>().join(", ")
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
        assert_eq!((percent(&share), count(&share), rate(&share)), (Some("31%".into()), None, Some("812 %/s".into())));
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
    fn short_ids_are_tails() {
        assert_eq!(short("0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77"), "8c1d9e77");
        assert_eq!(short("abc"), "abc");
    }
}
