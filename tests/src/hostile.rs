//! Texts that somebody means ill with, and what a terminal may be sent.

/// What people have been attacked with, and what is only odd; none holds a NUL.
#[must_use]
pub fn picked() -> Vec<String> {
    serde_json::from_str(include_str!("../../core/testdata/hostile.json")).unwrap()
}

/// `count` strings made of pieces of those and of any characters but NUL.
#[must_use]
pub fn generated(count: usize, mut seed: u64) -> Vec<String> {
    let picked: Vec<String> = picked().into_iter().filter(|text| text.len() < 40).collect();
    let mut next = move || {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) >> 8).unwrap()
    };
    let text = |_| {
        let mut text = String::new();
        for _ in 0..=next() % 4 {
            match next() % 3 {
                0 => text.push_str(&picked[next() % picked.len()]),
                1 => text.extend(char::from_u32(1 + u32::try_from(next() % 0x10_ffff).unwrap())),
                _ => text.extend(char::from_u32(1 + u32::try_from(next() % 0xff).unwrap())),
            }
        }
        text
    };
    (0..count).map(text).collect()
}

/// Asserts that `bytes`, which `what` wrote to a terminal, hold nothing that it obeys but line ends,
/// returns to the start of the line, erasures to its end, and plain colours of letters.
pub fn assert_harmless(what: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let mut rest = &*text;
    while let Some(c) = rest.chars().next() {
        let harmless = match c {
            '\n' | '\t' | '\r' => Some(1),
            '\x1b' => sequence(rest),
            c => (!resus_core::text::is_hidden(c)).then_some(c.len_utf8()),
        };
        let from = text.len() - rest.len();
        let around = || {
            let start = (from.saturating_sub(60)..=from).find(|at| text.is_char_boundary(*at)).unwrap();
            text[start..].chars().take(120).collect::<String>()
        };
        let length = harmless.unwrap_or_else(|| panic!("{what} sends {c:?} in {:?}", around()));
        rest = &rest[length..];
    }
}

/// The bytes of a list that is drawn again in its place without the ways back to its first line; those
/// stand where a line begins, and nowhere else.
#[must_use]
pub fn without_redraws(bytes: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(bytes);
    let lines: Vec<&str> = text.split_inclusive('\n').map(|line| past_redraw(line).unwrap_or(line)).collect();
    lines.concat().into_bytes()
}

fn past_redraw(line: &str) -> Option<&str> {
    let back = line.strip_prefix("\x1b[").and_then(|rest| rest.split_once("A\r"));
    let up = |(lines, _): &(&str, &str)| lines.bytes().all(|byte| byte.is_ascii_digit());
    back.filter(up).map_or(line, |(_, rest)| rest).strip_prefix("\x1b[J")
}

/// The length of one of the sequences that may be sent.
fn sequence(text: &str) -> Option<usize> {
    let body = text.strip_prefix("\x1b[")?;
    if body.starts_with('K') {
        return Some(3);
    }
    let (codes, _) = body.split_once('m')?;
    let plain = |code: &str| matches!(code.parse(), Ok(0 | 1 | 2 | 3 | 4 | 31..=36 | 91..=96));
    codes.split(';').all(plain).then_some(2 + codes.len() + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leads_back_to_the_first_line_is_left_out() {
        let drawn = "\x1b[Ja\nb\n\x1b[2A\r\x1b[Jc\n";
        assert_eq!(without_redraws(drawn.as_bytes()), b"a\nb\nc\n");
        for bad in ["a\x1b[Jb\n", "\x1b[2A\x1b[Jb", "\x1b[2;3A\r\x1b[J"] {
            assert_eq!(without_redraws(bad.as_bytes()), bad.as_bytes());
        }
    }

    #[test]
    fn what_drives_a_terminal_is_noticed() {
        assert_harmless("ours", "\r● x\x1b[K\r\n\x1b[31mred\x1b[0m\x1b[1;33m\u{1b}[0m".as_bytes());
        for bad in [
            "\x1b[2J",
            "\x1b[8mx",
            "\x1b]0;t\x07",
            "\u{9b}31m",
            "\u{202e}",
            "\x1b[31;40mx",
            "\x07",
            "\x1b[30m",
        ] {
            let caught = std::panic::catch_unwind(|| assert_harmless("planted", bad.as_bytes()));
            assert!(caught.is_err(), "{bad:?}");
        }
    }
}
