//! Shares in percent: `0.5%` typed and shown.

/// Why a text is not a share.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a share from \"0%\" to \"100%\" with at most one decimal, such as \"0.5%\"")]
pub(crate) struct BadShare {
    text: String,
}

/// Reads a share in thousandths: `1%` is 10.
///
/// # Errors
/// [`BadShare`]: no percent sign, more than one decimal, or not between 0 and 100 %.
pub(crate) fn parse_permille(text: &str) -> Result<u32, BadShare> {
    permille(text.trim()).ok_or_else(|| BadShare { text: text.to_owned() })
}

fn permille(text: &str) -> Option<u32> {
    let number = text.strip_suffix('%')?.trim_end();
    let (whole, tenth) = number.split_once('.').unwrap_or((number, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(tenth) || tenth.len() > 1 {
        return None;
    }
    let permille = whole.parse::<u32>().ok()?.checked_mul(10)?.checked_add(tenth.parse().ok()?)?;
    (permille <= 1000).then_some(permille)
}

/// `1%`, `0.5%`.
pub(crate) fn show_permille(permille: u64) -> String {
    match permille % 10 {
        0 => format!("{}%", permille / 10),
        tenth => format!("{}.{tenth}%", permille / 10),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_read_and_show() {
        for (text, thousandths) in [("0%", 0), ("0.5%", 5), ("1%", 10), ("12.5%", 125), ("100%", 1000)] {
            assert_eq!(parse_permille(text), Ok(thousandths), "{text}");
            assert_eq!(show_permille(u64::from(thousandths)), text);
        }
        assert_eq!(parse_permille(" 1.0 % "), Ok(10));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for bad in
            ["", "%", "1", "0.01", "1.25%", "-1%", "+1%", "101%", "100.1%", ".5%", "5.%", "9999999999%", "ä%"]
        {
            assert!(parse_permille(bad).is_err(), "{bad:?}");
        }
    }
}
