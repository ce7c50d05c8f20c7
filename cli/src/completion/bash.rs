//! Completion in bash. Names of runs have `@` in them, settings `=`, checkpoints `:`, and bash
//! breaks words there: so this program gets the line as a whole, breaks it as the shell would, and
//! answers with what is to be put behind the last of those characters.

use super::candidates;
use std::env;
use std::ffi::OsString;
use std::io::{self, Write};

pub(super) const NAME: &str = "bash";

const SCRIPT: &str = r#"# Completion of resus in bash: source <(resus completion bash)
_resus() {
    COMPREPLY=()
    mapfile -t COMPREPLY < <(
        VAR=bash COMP_LINE="$COMP_LINE" COMP_POINT="$COMP_POINT" \
            COMP_WORDBREAKS="$COMP_WORDBREAKS" PROGRAM 2>/dev/null
    )
    case "${COMPREPLY[0]-}" in
        *= | */ | *:) compopt -o nospace 2>/dev/null ;;
    esac
}
complete -o bashdefault -o default -F _resus resus
"#;

/// The script that lets `program` complete.
pub(super) fn script(var: &str, program: &str) -> String {
    let quoted = format!("'{}'", program.replace('\'', r"'\''"));
    SCRIPT.replace("VAR=", &format!("{var}=")).replace("PROGRAM", &quoted)
}

/// Writes a line for each candidate.
///
/// # Errors
/// [`io::Error`]; nothing has been written then.
pub(super) fn answer(out: &mut impl Write) -> io::Result<()> {
    let var = |name| env::var(name).unwrap_or_default();
    let line = var("COMP_LINE");
    let point = var("COMP_POINT").parse().unwrap_or(line.len());
    let words = words(&line[..line.floor_char_boundary(point)]);
    let breaks = var("COMP_WORDBREAKS");
    let kept = kept(words.last().map_or("", String::as_str), &breaks);
    for candidate in candidates(words.into_iter().map(OsString::from).collect())? {
        let value = candidate.get_value().to_string_lossy().into_owned();
        // What a shell would take apart, or a terminal obey, is not offered.
        if let Some(rest) = value.get(kept..).filter(|rest| !rest.chars().any(char::is_control)) {
            writeln!(out, "{}", escaped(rest))?;
        }
    }
    Ok(())
}

/// The words of a line as bash breaks them, the last being the one that is completed.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut word: Option<String> = None;
    let mut quote = None;
    let mut chars = line.chars();
    while let Some(char) = chars.next() {
        match (char, quote) {
            (end, Some(begun)) if end == begun => quote = None,
            ('\\', None | Some('"')) => word.get_or_insert_default().extend(chars.next()),
            ('\'' | '"', None) => {
                quote = Some(char);
                word.get_or_insert_default();
            }
            (space, None) if space.is_whitespace() => words.extend(word.take()),
            (char, _) => word.get_or_insert_default().push(char),
        }
    }
    words.push(word.unwrap_or_default());
    words
}

/// Bytes of `word` that bash keeps: up to the last character at which it breaks words.
fn kept(word: &str, breaks: &str) -> usize {
    let breaks = |char: char| breaks.contains(char) && !matches!(char, '\'' | '"');
    word.rfind(breaks).map_or(0, |at| at + word[at..].chars().next().map_or(0, char::len_utf8))
}

/// `text` as it has to be typed.
fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for char in text.chars() {
        if char.is_whitespace() || r#"'"\$`!*?[](){}<>|&;#"#.contains(char) {
            escaped.push('\\');
        }
        escaped.push(char);
    }
    escaped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_broken_as_bash_breaks_them() {
        for (line, broken) in [
            ("", &[""][..]),
            ("resus ", &["resus", ""]),
            ("resus logs nightly@la", &["resus", "logs", "nightly@la"]),
            (r#"resus  run "a b" 'c d' e\ f "g"#, &["resus", "run", "a b", "c d", "e f", "g"]),
            ("resus run --set games=", &["resus", "run", "--set", "games="]),
        ] {
            assert_eq!(words(line), broken, "{line}");
        }
    }

    #[test]
    fn bash_keeps_what_stands_before_its_breaks() {
        let breaks = " \t\n\"'@><=;|&(:";
        for (word, rest) in
            [("nightly@la", "la"), ("games=", ""), ("nightly:ck-1", "ck-1"), ("plain", "plain")]
        {
            assert_eq!(&word[kept(word, breaks)..], rest, "{word}");
        }
        assert_eq!(kept("nightly@la", " \t\n"), 0);
    }

    #[test]
    fn what_the_shell_would_interpret_is_escaped() {
        assert_eq!(escaped("a b$(c)"), r"a\ b\$\(c\)");
        assert_eq!(escaped("nightly@latest"), "nightly@latest");
    }
}
