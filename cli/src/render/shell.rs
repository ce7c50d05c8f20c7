//! A run's command, as one could paste it into a shell.

use crate::text::columns::width;
use resus_core::text::is_hidden;

/// The words of `argv`, quoted for a POSIX shell (`$'…'`, of its 2024 edition, for what can't be
/// shown). Lines longer than `columns` are continued, between words, with a backslash.
pub(crate) fn command(argv: &[String], columns: usize) -> String {
    let mut text = String::new();
    let mut column = 0;
    for word in argv.iter().map(|word| quoted(word)) {
        let needed = width(&word) + " \\".len();
        if column > 0 && column + 1 + needed > columns {
            text.push_str(" \\\n");
            column = 0;
        } else if column > 0 {
            text.push(' ');
            column += 1;
        }
        column += width(&word);
        text.push_str(&word);
    }
    text
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_alphanumeric() || "-_./=:,@%+".contains(c);
    if word.chars().any(is_hidden) {
        return format!("$'{}'", word.chars().map(escaped).collect::<String>());
    }
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// As in `$'…'`. Three octal digits are read by every shell and end by themselves, unlike `\xHH`.
fn escaped(c: char) -> String {
    match c {
        '\n' => "\\n".to_owned(),
        '\t' => "\\t".to_owned(),
        '\r' => "\\r".to_owned(),
        '\'' | '\\' => format!("\\{c}"),
        c if is_hidden(c) => c.encode_utf8(&mut [0; 4]).bytes().map(|byte| format!("\\{byte:03o}")).collect(),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    fn argv(words: &[&str]) -> Vec<String> {
        words.iter().map(|word| (*word).to_owned()).collect()
    }

    #[test]
    fn a_command_can_be_pasted() {
        let command = |words: &[&str]| command(&argv(words), usize::MAX);
        assert_eq!(
            command(&["python", "train.py", "--name", "it's", "a b", ""]),
            r"python train.py --name 'it'\''s' 'a b' ''"
        );
        assert_eq!(command(&["sh", "-c", "a\nb\u{1b}1'\\"]), r"sh -c $'a\nb\0331\'\\'");
        assert_eq!(command(&["\u{202e}x"]), r"$'\342\200\256x'");
    }

    #[test]
    fn long_commands_go_on_in_the_next_line() {
        let words = argv(&["python", "train.py", "--data", "/a/b", "two words"]);
        assert_eq!(command(&words, 20), "python train.py \\\n--data /a/b \\\n'two words'");
    }

    #[test]
    fn a_shell_reads_the_same_words_back() {
        let words = argv(&["a b", "it's", "", "$HOME `id` \"q\" \\", "x;y|z&", "*", "~", "#c", "!h", "-n"]);
        for columns in [10, 30, usize::MAX] {
            let script = format!("printf '%s\\037' {}", command(&words, columns));
            let said = Command::new("sh").arg("-c").arg(&script).output().unwrap();
            let read: Vec<_> =
                std::str::from_utf8(&said.stdout).unwrap().split_terminator('\u{1f}').collect();
            assert_eq!(read, words, "{script}");
        }
    }
}
