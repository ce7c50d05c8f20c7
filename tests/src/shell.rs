//! Commands in lines of shell, as documents and help texts show them: which words a program would
//! be given. What a shell would put in place of `$(…)` is one word that stands for it.

use std::iter::Peekable;
use std::str::Chars;

/// Stands for the output of another command.
const OUTPUT: &str = "OUTPUT";
/// What may stand before a command.
const BEFORE: [&str; 8] = ["!", "if", "while", "until", "then", "do", "else", "time"];

/// The commands of `text` that start `program`, in the order in which they begin.
#[must_use]
pub fn commands(text: &str, program: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    read(&mut text.chars().peekable(), &mut found);
    found.retain(|words| words.first().is_some_and(|word| word == program));
    found
}

/// A command as it is read.
#[derive(Default)]
struct Reading {
    words: Vec<String>,
    word: Option<String>,
    /// The next word is the name of a file.
    is_redirect: bool,
}

impl Reading {
    fn push(&mut self, char: char) {
        self.word.get_or_insert_default().push(char);
    }

    fn end_word(&mut self) {
        if let Some(word) = self.word.take()
            && !std::mem::take(&mut self.is_redirect)
        {
            let (name, is_assignment) = word.split_once('=').map_or(("", false), |(name, _)| (name, true));
            let is_name = !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            let is_first = self.words.is_empty();
            if !(is_first && (BEFORE.contains(&word.as_str()) || is_assignment && is_name)) {
                self.words.push(word);
            }
        }
    }

    fn end(&mut self, found: &mut Vec<Vec<String>>) {
        self.end_word();
        self.is_redirect = false;
        if !self.words.is_empty() {
            found.push(std::mem::take(&mut self.words));
        }
    }
}

fn read(chars: &mut Peekable<Chars<'_>>, found: &mut Vec<Vec<String>>) {
    let mut reading = Reading::default();
    while let Some(char) = chars.next() {
        match char {
            '#' if reading.word.is_none() => while chars.next_if(|next| *next != '\n').is_some() {},
            '\n' | ';' | '|' | '&' => reading.end(found),
            space if space.is_whitespace() => reading.end_word(),
            '\\' => match chars.next() {
                Some('\n') | None => {}
                Some(next) => reading.push(next),
            },
            '\'' => {
                reading.word.get_or_insert_default();
                while let Some(next) = chars.next_if(|next| *next != '\'') {
                    reading.push(next);
                }
                chars.next();
            }
            '"' => quoted(chars, &mut reading, found),
            '$' | '<' if chars.next_if_eq(&'(').is_some() => {
                read(chars, found);
                reading.word.get_or_insert_default().push_str(OUTPUT);
            }
            '<' | '>' => {
                // 2>&1: a number before it is no word, and nothing behind it is one.
                if reading.word.as_ref().is_some_and(|word| word.bytes().all(|byte| byte.is_ascii_digit())) {
                    reading.word = None;
                }
                reading.end_word();
                while chars.next_if(|next| matches!(next, '>' | '&')).is_some() {}
                reading.is_redirect = true;
            }
            '(' => read(chars, found),
            ')' => break,
            char => reading.push(char),
        }
    }
    reading.end(found);
}

fn quoted(chars: &mut Peekable<Chars<'_>>, reading: &mut Reading, found: &mut Vec<Vec<String>>) {
    reading.word.get_or_insert_default();
    while let Some(char) = chars.next() {
        match char {
            '"' => return,
            '\\' => chars.next().into_iter().for_each(|next| reading.push(next)),
            '$' if chars.next_if_eq(&'(').is_some() => {
                read(chars, found);
                reading.word.get_or_insert_default().push_str(OUTPUT);
            }
            char => reading.push(char),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Vec<String> {
        commands(text, "resus").into_iter().map(|words| words.join("|")).collect()
    }

    #[test]
    fn commands_are_found_wherever_they_stand() {
        for (text, found) in [
            ("resus ps -a   # all", &["resus|ps|-a"][..]),
            ("resus ps; resus logs -f @latest", &["resus|ps", "resus|logs|-f|@latest"]),
            ("resus wait n && ./evaluate.sh", &["resus|wait|n"]),
            ("resus stop $(resus ps -q)", &["resus|ps|-q", "resus|stop|OUTPUT"]),
            (
                "RUN=$(resus run -d -- ./t.sh) && resus wait $RUN",
                &["resus|run|-d|--|./t.sh", "resus|wait|$RUN"],
            ),
            ("source <(resus completion bash)", &["resus|completion|bash"]),
            ("A=1 resus ps --json | jq '.a | .b' > x 2>&1", &["resus|ps|--json"]),
            ("kill -9 \"$(resus ps -q)\"", &["resus|ps|-q"]),
            ("resus run -- sh -c 'a; b' \"c d\"", &["resus|run|--|sh|-c|a; b|c d"]),
            ("resus logs n --attempt 1 > f.log", &["resus|logs|n|--attempt|1"]),
            ("if ! resus wait n; then echo resus; fi", &["resus|wait|n"]),
            ("echo 'resus ps'; # resus ps", &[]),
            ("resus run \\\n  othello", &["resus|run|othello"]),
        ] {
            assert_eq!(typed(text), found, "{text}");
        }
    }
}
