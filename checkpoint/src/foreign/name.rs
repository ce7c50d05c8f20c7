//! Names of files as text that is one line, and back.

use std::ffi::{OsStr, OsString};
use std::fmt::Write;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// The text of a name: as it is, but for control characters, the backslash and bytes that are no
/// UTF-8, which become `\xNN`.
pub(super) fn escape(name: &OsStr) -> String {
    let mut text = String::new();
    for chunk in name.as_bytes().utf8_chunks() {
        for character in chunk.valid().chars() {
            if character == '\\' || character.is_control() {
                let mut bytes = [0; 4];
                escape_bytes(&mut text, character.encode_utf8(&mut bytes).as_bytes());
            } else {
                text.push(character);
            }
        }
        escape_bytes(&mut text, chunk.invalid());
    }
    text
}

fn escape_bytes(text: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a string never fails.
        let _ = write!(text, "\\x{byte:02x}");
    }
}

/// The name of a text, if [`escape`] could have made it.
pub(super) fn unescape(text: &str) -> Option<OsString> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('\\');
    bytes.extend_from_slice(parts.next()?.as_bytes());
    for part in parts {
        let digits = part.strip_prefix('x')?.get(..2)?;
        bytes.push(u8::from_str_radix(digits, 16).ok()?);
        bytes.extend_from_slice(part.get(3..)?.as_bytes());
    }
    let name = OsString::from_vec(bytes);
    (escape(&name) == text).then_some(name)
}

/// The path below a root that a text names: at least one part, none of them `..`, not absolute.
pub(super) fn below(text: &str) -> Option<PathBuf> {
    let path = PathBuf::from(unescape(text)?);
    let straight = path.components().all(|part| matches!(part, Component::Normal(_)));
    // Rebuilding it finds what is not written as it would be, like `a//b` and `a/`.
    let rebuilt: PathBuf = path.components().collect();
    (straight && !text.is_empty() && rebuilt.as_os_str() == path.as_os_str()).then_some(path)
}

/// Whether a link of this text, which lies `depth` folders below the root, stays below the root wherever
/// other such links lead: up first, then only down.
pub(super) fn stays_below(to: &Path, depth: usize) -> bool {
    let mut ups = 0;
    let mut has_gone_down = false;
    for part in to.components() {
        match part {
            Component::Normal(_) => has_gone_down = true,
            Component::ParentDir if has_gone_down => return false,
            Component::ParentDir => ups += 1,
            Component::CurDir => {}
            Component::Prefix(_) | Component::RootDir => return false,
        }
    }
    has_gone_down && ups <= depth
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_name_comes_back_from_its_text(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            let name = OsString::from_vec(bytes);
            let text = escape(&name);
            prop_assert!(!text.contains(char::is_control));
            prop_assert_eq!(unescape(&text), Some(name));
        }
    }

    #[test]
    fn names_are_told_as_they_are_where_that_can_be() {
        assert_eq!(escape(OsStr::new("weights für 5.pt")), "weights für 5.pt");
        assert_eq!(escape(OsStr::from_bytes(b"a\n\\\xff")), "a\\x0a\\x5c\\xff");
    }

    #[test]
    fn a_text_that_no_name_has_is_refused() {
        for text in ["\\", "\\x", "\\x4", "\\x41", "\\xFF", "\\yff", "a\\x0", "\\x+1"] {
            assert_eq!(unescape(text), None, "{text}");
        }
    }

    #[test]
    fn only_straight_paths_lead_below_a_root() {
        assert_eq!(below("a/b.pt"), Some(PathBuf::from("a/b.pt")));
        for text in ["", ".", "..", "/a", "a/../b", "a/..", "a//b", "a/", "./a"] {
            assert_eq!(below(text), None, "{text}");
        }
    }

    #[test]
    fn a_link_may_go_up_within_the_root_and_then_only_down() {
        for (to, depth, stays) in [
            ("a", 0, true),
            ("./a/b", 0, true),
            ("../a", 1, true),
            ("../../a", 2, true),
            ("../a", 0, false),
            ("../../a", 1, false),
            ("a/../../b", 5, false),
            ("a/../b", 0, false),
            ("/a", 3, false),
            ("..", 3, false),
            ("", 3, false),
        ] {
            assert_eq!(stays_below(Path::new(to), depth), stays, "{to} at {depth}");
        }
    }
}
