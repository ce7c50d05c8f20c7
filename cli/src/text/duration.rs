//! Durations: `90s` typed, `1m30s` shown.

/// Milliseconds in each unit, from the longest.
const UNITS: [(&str, u64); 6] =
    [("w", 604_800_000), ("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

/// Why a text is not a duration.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a time such as \"250ms\", \"30s\", \"1h30m\" or \"7d\"")]
pub(crate) struct BadDuration {
    text: String,
}

/// Reads a duration in milliseconds: numbers, each with its unit (`ms s m h d w`), e.g. `1h30m`
/// or `0.5s`.
///
/// # Errors
/// [`BadDuration`]: no unit, an unknown one, a sign, or more than fits.
pub(crate) fn parse_ms(text: &str) -> Result<u64, BadDuration> {
    parts(text.trim()).ok_or_else(|| BadDuration { text: text.to_owned() })
}

fn parts(text: &str) -> Option<u64> {
    let mut rest = text;
    let mut sum_ms = 0_u64;
    while !rest.is_empty() {
        let number_end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(number_end);
        let unit_end = behind.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit_end);
        let (_, unit_ms) = UNITS.iter().find(|(name, _)| *name == unit)?;
        sum_ms = sum_ms.checked_add(times(number, *unit_ms)?)?;
        rest = behind;
    }
    (!text.is_empty()).then_some(sum_ms)
}

fn times(number: &str, unit_ms: u64) -> Option<u64> {
    if let Ok(whole) = number.parse::<u64>() {
        return whole.checked_mul(unit_ms);
    }
    let ms = number.parse::<f64>().ok()? * unit_ms as f64;
    (ms <= 1e15).then(|| ms.round() as u64)
}

/// For people, never wider than six columns up to 99 days: `0.4s`, `12s`, `3m12s`, `1h04m`, `2d03h`.
pub(crate) fn show_s(seconds: f64) -> String {
    if !seconds.is_finite() || seconds < 0.0 {
        return "—".to_owned();
    }
    if seconds < 9.95 {
        return format!("{seconds:.1}s");
    }
    let s = seconds.round() as u64;
    let (m, h, d) = (s / 60, s / 3600, s / 86_400);
    match (d, h, m) {
        (0, 0, 0) => format!("{s}s"),
        (0, 0, m) => format!("{m}m{:02}s", s % 60),
        (0, h, m) => format!("{h}h{:02}m", m % 60),
        (d, h, _) => format!("{d}d{:02}h", h % 24),
    }
}

/// What is left of a wait, never less than what is left: `0.3s`, then whole seconds: `8s`,
/// `1m05s`.
pub(crate) fn countdown_s(seconds: f64) -> String {
    let left = if seconds.is_finite() { seconds.max(0.0) } else { 0.0 };
    if left > 0.0 && left <= 0.9 {
        return format!("{:.1}s", (left * 10.0).ceil() / 10.0);
    }
    match left.ceil() {
        whole if whole < 10.0 => format!("{whole}s"),
        whole => show_s(whole),
    }
}

/// An estimate of what is left, in whole seconds: `<1s`, `4s`, `3m12s`.
pub(crate) fn eta_s(seconds: f64) -> String {
    match seconds.round() {
        whole if whole < 1.0 => "<1s".to_owned(),
        whole if whole < 10.0 => format!("{whole}s"),
        whole => show_s(whole),
    }
}

/// One rounded unit, for columns: `12s`, `3m`, `1h`, `2d`.
pub(crate) fn age_s(seconds: f64) -> String {
    let s = seconds.max(0.0) as u64;
    match s {
        0..=59 => format!("{s}s"),
        60..=3_599 => format!("{}m", s / 60),
        3_600..=86_399 => format!("{}h", s / 3_600),
        _ => format!("{}d", s / 86_400),
    }
}

/// Nothing rounded, as one would type it: `1h30m`, `250ms`; `0s` for nothing.
pub(crate) fn exact(ms: u64) -> String {
    let mut text = String::new();
    let mut rest = ms;
    // Weeks are for typing only: "400d" says more than "57w1d".
    for (name, unit_ms) in UNITS.iter().skip(1) {
        if rest >= *unit_ms {
            text.push_str(&format!("{}{name}", rest / unit_ms));
            rest %= unit_ms;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_is_read() {
        for (text, ms) in [
            ("250ms", 250),
            ("0s", 0),
            ("30s", 30_000),
            (" 2m ", 120_000),
            ("1h30m", 5_400_000),
            ("0.5s", 500),
            ("1.5h", 5_400_000),
            ("7d", 604_800_000),
            ("2w", 1_209_600_000),
        ] {
            assert_eq!(parse_ms(text), Ok(ms), "{text}");
        }
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for bad in [
            "",
            " ",
            "30",
            "s",
            "-1s",
            "1 s",
            "1y",
            "1h 30m",
            "..s",
            "1.2.3s",
            "1e3s",
            "99999999999999999999s",
            "213503982335w",
            "ä",
        ] {
            assert!(parse_ms(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn times_are_shown_in_their_two_largest_units() {
        for (s, shown) in [
            (0.0, "0.0s"),
            (0.44, "0.4s"),
            (9.96, "10s"),
            (59.4, "59s"),
            (59.6, "1m00s"),
            (192.0, "3m12s"),
            (3_599.9, "1h00m"),
            (3_840.0, "1h04m"),
            (183_600.0, "2d03h"),
            (f64::NAN, "—"),
            (-1.0, "—"),
        ] {
            assert_eq!(show_s(s), shown, "{s}");
        }
    }

    #[test]
    fn exact_text_reads_back() {
        for ms in [0, 1, 999, 1_000, 61_001, 5_400_000, 86_400_000, 34_560_000_000] {
            assert_eq!(parse_ms(&exact(ms)), Ok(ms), "{}", exact(ms));
        }
    }

    #[test]
    fn countdowns_never_say_less_than_is_left() {
        assert_eq!(
            [-1.0, 0.0, 0.01, 0.3, 0.9, 0.91, 8.0, 8.2, 64.5].map(countdown_s),
            ["0s", "0s", "0.1s", "0.3s", "0.9s", "1s", "8s", "9s", "1m05s"]
        );
        assert_eq!(countdown_s(f64::NAN), "0s");
    }

    #[test]
    fn estimates_are_whole_seconds() {
        assert_eq!([0.0, 0.4, 3.3, 9.6, 192.0].map(eta_s), ["<1s", "<1s", "3s", "10s", "3m12s"]);
        assert_eq!(eta_s(f64::NAN), "—");
    }

    #[test]
    fn ages_are_one_unit() {
        assert_eq!([0.9, 59.0, 61.0, 7_200.0, 1e6].map(age_s), ["0s", "59s", "1m", "2h", "11d"]);
    }
}
