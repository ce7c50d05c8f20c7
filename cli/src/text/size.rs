//! Sizes in bytes: `10MiB` typed and shown.

/// Bytes in each unit, from the largest.
const UNITS: [(&str, u64); 4] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("B", 1)];

/// Why a text is not a size.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not a size such as \"64KiB\", \"10MiB\" or \"1GiB\"")]
pub(crate) struct BadSize {
    text: String,
}

/// Reads a whole number with its unit (`B KiB MiB GiB`), with or without a space between them.
///
/// # Errors
/// [`BadSize`]: no unit, an unknown one, a fraction, or more than fits.
pub(crate) fn parse(text: &str) -> Result<u64, BadSize> {
    let bad = || BadSize { text: text.to_owned() };
    let trimmed = text.trim();
    let end = trimmed.find(|c: char| !c.is_ascii_digit()).ok_or_else(bad)?;
    let (number, unit) = trimmed.split_at(end);
    let unit = unit.trim_start();
    let (_, bytes) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(bad)?;
    number.parse::<u64>().ok().and_then(|n| n.checked_mul(*bytes)).ok_or_else(bad)
}

/// A whole number with its unit, as [`parse`] reads it.
pub(crate) fn exact(bytes: u64) -> String {
    let fits = |(_, unit): &&(&str, u64)| bytes >= *unit && bytes.is_multiple_of(*unit);
    let (name, unit) = UNITS.iter().find(fits).unwrap_or(&("B", 1));
    format!("{}{name}", bytes / unit)
}

/// For people: `512B`, `64KiB`, `144.3MiB`.
pub(crate) fn show(bytes: u64) -> String {
    let (name, unit) = UNITS.iter().find(|(_, unit)| bytes >= *unit).unwrap_or(&("B", 1));
    if bytes.is_multiple_of(*unit) {
        format!("{}{name}", bytes / unit)
    } else {
        format!("{:.1}{name}", bytes as f64 / *unit as f64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_read_and_show() {
        for (text, bytes) in
            [("0B", 0), ("512B", 512), ("64KiB", 65_536), ("10MiB", 10 << 20), ("1GiB", 1 << 30)]
        {
            assert_eq!(parse(text), Ok(bytes), "{text}");
            assert_eq!(show(bytes), text);
        }
        assert_eq!(show(151_345_678), "144.3MiB");
        for bytes in [0, 1, 1023, 1024, 1025, 1536, 3 << 20, (1 << 30) + 1, u64::MAX] {
            assert_eq!(parse(&exact(bytes)), Ok(bytes), "{}", exact(bytes));
        }
        assert_eq!((exact(1536), exact(3 << 20)), ("1536B".to_owned(), "3MiB".to_owned()));
        assert_eq!(parse("20 GiB"), Ok(20 << 30));
    }

    #[test]
    fn what_means_nothing_is_refused() {
        for bad in ["", "10", "MiB", "1.5MiB", "10MB", "-1B", "99999999999999999999B", "99999999999GiB"] {
            assert!(parse(bad).is_err(), "{bad:?}");
        }
    }
}
