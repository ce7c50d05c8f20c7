//! A progress bar in eighths of a character.

const EIGHTHS: [&str; 8] = ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"];

/// A bar of exactly `width` columns, filled to `share` (0 to 1; what lies outside is cut).
pub(crate) fn bar(share: f64, width: usize) -> String {
    let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 };
    let eighths = (share * width as f64 * 8.0).floor() as usize;
    let (full, part) = (eighths / 8, EIGHTHS.get(eighths % 8).copied().unwrap_or(""));
    let empty = width - full - usize::from(!part.is_empty());
    format!("{}{part}{}", "█".repeat(full), " ".repeat(empty))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bar_has_its_width_whatever_the_share() {
        for width in [0, 1, 8, 12] {
            for share in [-1.0, 0.0, 0.001, 0.06, 0.5, 0.62, 0.999, 1.0, 7.0, f64::NAN] {
                assert_eq!(bar(share, width).chars().count(), width, "{share} of {width}");
            }
        }
        assert_eq!(bar(0.62, 8), "████▉   ");
        assert_eq!((bar(1.0, 3), bar(0.0, 3)), ("███".to_owned(), "   ".to_owned()));
    }
}
