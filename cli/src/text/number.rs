//! Plain numbers for people.

/// Whole numbers with thousands separated (`12,400`), others with two digits behind the point.
pub(crate) fn amount(number: f64) -> String {
    if !number.is_finite() {
        return "—".to_owned();
    }
    if number.fract() == 0.0 || number.abs() >= 1e9 {
        return grouped(number.trunc());
    }
    format!("{number:.2}")
}

fn grouped(whole: f64) -> String {
    let digits = format!("{:.0}", whole.abs());
    let mut text = String::from(if whole < 0.0 { "-" } else { "" });
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A measured value in four significant digits: losses, rates, results. Whole numbers are
/// counts or sums, and shown whole.
pub(crate) fn value(number: f64) -> String {
    let size = number.abs();
    match size {
        _ if !number.is_finite() => "not finite".to_owned(),
        _ if number.fract() == 0.0 && size < 1e15 => grouped(number),
        _ if !(1e-4..1e9).contains(&size) => format!("{number:.3e}"),
        _ if size >= 1000.0 => grouped(number.round()),
        _ if size >= 100.0 => format!("{number:.1}"),
        _ if size >= 10.0 => format!("{number:.2}"),
        _ if size >= 0.1 => format!("{number:.3}"),
        _ => format!("{number:.5}"),
    }
}

/// Units per second: whole from ten on (`812`), else with one or two digits (`4.7`, `0.25`).
pub(crate) fn rate(per_second: f64) -> String {
    if per_second >= 9.95 {
        grouped(per_second.round())
    } else if per_second >= 1.0 {
        format!("{per_second:.1}")
    } else {
        format!("{per_second:.2}")
    }
}

/// `1 game`, `3 games`: the plural that fits nearly every unit of training.
pub(crate) fn unit(name: &str, count: f64) -> String {
    if name.is_empty() || (count - 1.0).abs() < f64::EPSILON || name.ends_with('s') {
        name.to_owned()
    } else {
        format!("{name}s")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_are_grouped() {
        for (number, shown) in [
            (0.0, "0"),
            (999.0, "999"),
            (1_000.0, "1,000"),
            (-12_400.0, "-12,400"),
            (1_234_567.0, "1,234,567"),
            (1.5, "1.50"),
            (f64::NAN, "—"),
            (1e15 + 0.5, "1,000,000,000,000,000"),
        ] {
            assert_eq!(amount(number), shown);
        }
    }

    #[test]
    fn values_keep_four_digits() {
        let shown = [
            0.0,
            3_001_234_567.0,
            0.127,
            0.98123,
            2.31,
            12.345,
            123.456,
            4096.4,
            0.01234,
            1e-7,
            3.5e18,
            f64::INFINITY,
        ]
        .map(value);
        let expected = [
            "0",
            "3,001,234,567",
            "0.127",
            "0.981",
            "2.310",
            "12.35",
            "123.5",
            "4,096",
            "0.01234",
            "1.000e-7",
            "3.500e18",
            "not finite",
        ];
        assert_eq!(shown, expected);
    }

    #[test]
    fn rates_and_units() {
        assert_eq!([812.4, 12_400.0, 4.7, 0.25].map(rate), ["812", "12,400", "4.7", "0.25"]);
        assert_eq!(
            (unit("game", 2.0), unit("epoch", 1.0), unit("", 2.0)),
            ("games".into(), "epoch".into(), String::new())
        );
    }
}
