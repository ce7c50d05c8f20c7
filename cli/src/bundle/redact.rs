//! Takes out of texts what strangers must not see. Pure.

use crate::bundle::Content;
use crate::bundle::patterns::without_secrets;
use resus_core::secret::{MASK, is_secret_name, mask_argv, mask_key_lines};
use serde_json::Value;

/// Shorter values of secrets are masked where they stand alone only: others words hold them too.
const ANYWHERE_MIN: usize = 6;
/// Shorter values are none: a `1` is everywhere.
const ALONE_MIN: usize = 4;
/// Values of variables such as `USE_AUTH` that say nothing.
const COMMON: [&str; 8] = ["true", "false", "none", "null", "auto", "yes", "enabled", "disabled"];

/// Where a text that was too long ends.
const CUT: char = '…';
/// Longest beginning of a secret that is looked for there, in bytes: no text of ours is longer.
const CUT_MAX: usize = 4096;

/// What is to be taken out.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Known {
    /// Values of secrets.
    pub secrets: Vec<String>,
    /// Home folders.
    pub homes: Vec<String>,
    /// What the user is called.
    pub users: Vec<String>,
    /// What the machine is called.
    pub hosts: Vec<String>,
}

/// Takes out what it knows, and what looks like a secret.
#[derive(Debug)]
pub(super) struct Redactor {
    /// Longest first, in every form in which they may be written.
    anywhere: Vec<String>,
    alone: Vec<String>,
    homes: Vec<String>,
    users: Vec<String>,
    hosts: Vec<String>,
}

impl Redactor {
    /// One that knows `known`.
    pub(super) fn new(known: Known) -> Self {
        let lines = |secret: &String| -> Vec<String> {
            // A key of several lines is often quoted line by line.
            secret.lines().chain([secret.as_str()]).map(|text| text.trim().to_owned()).collect()
        };
        let values = known.secrets.iter().flat_map(lines);
        let mut values: Vec<String> =
            values.filter(|value| !COMMON.contains(&value.to_lowercase().as_str())).collect();
        values.sort_by_key(|value| std::cmp::Reverse(value.len()));
        values.dedup();
        let (long, short): (Vec<_>, Vec<_>) =
            values.into_iter().partition(|value| value.len() >= ANYWHERE_MIN);
        let name = |name: &String| name.len() > 1 && !["root", "localhost", "resus"].contains(&name.as_str());
        let mut hosts: Vec<_> = known.hosts.into_iter().filter(name).collect();
        hosts.sort_by_key(|host| std::cmp::Reverse(host.len()));
        Self {
            anywhere: long.iter().flat_map(|value| forms(value)).collect(),
            alone: short.into_iter().filter(|value| value.len() >= ALONE_MIN).collect(),
            homes: known.homes.into_iter().filter(|home| home.len() > 1 && home.starts_with('/')).collect(),
            users: known.users.into_iter().filter(name).collect(),
            hosts,
        }
    }

    /// A part as it is written.
    pub(super) fn content(&self, content: &Content) -> String {
        match content {
            Content::Document(value) => format!("{:#}\n", self.document(value.clone())),
            Content::Lines(text) => {
                let text = mask_key_lines(text);
                text.lines().map(|line| format!("{}\n", self.line(line))).collect()
            }
        }
    }

    /// A line that may be a document of its own, as those of the daemon's log are.
    fn line(&self, line: &str) -> String {
        match serde_json::from_str(line) {
            Ok(value @ (Value::Object(_) | Value::Array(_))) => self.document(value).to_string(),
            Ok(Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_)) | Err(_) => {
                self.text(line)
            }
        }
    }

    /// A document with its texts redacted one by one.
    fn document(&self, value: Value) -> Value {
        match value {
            Value::String(text) => Value::String(self.text(&text)),
            Value::Array(items) => Value::Array(self.list(items)),
            Value::Object(fields) => {
                let fields = fields.into_iter().map(|(name, value)| {
                    let value = match value {
                        Value::String(text) if is_secret_name(&name) && !text.is_empty() => {
                            Value::String(MASK.to_owned())
                        }
                        other => self.document(other),
                    };
                    (self.values(name), value)
                });
                Value::Object(fields.collect())
            }
            other @ (Value::Null | Value::Bool(_) | Value::Number(_)) => other,
        }
    }

    /// A list, which may be the words of a command: behind `--token` stands one.
    fn list(&self, items: Vec<Value>) -> Vec<Value> {
        let words: Option<Vec<String>> = items.iter().map(|item| item.as_str().map(str::to_owned)).collect();
        match words {
            Some(words) => mask_argv(&words).iter().map(|word| self.text(word).into()).collect(),
            None => items.into_iter().map(|item| self.document(item)).collect(),
        }
    }

    /// A text without secrets and names.
    pub(super) fn text(&self, text: &str) -> String {
        let mut text = without_secrets(&self.values(text.to_owned()));
        for home in &self.homes {
            text = replace_path(&text, home);
        }
        for (names, placeholder) in [(&self.hosts, "<host>"), (&self.users, "<user>")] {
            for name in names {
                text = replace_word(&text, name, placeholder);
            }
        }
        text
    }

    /// A text without the values of secrets.
    fn values(&self, mut text: String) -> String {
        for value in self.anywhere.iter().filter(|value| !value.is_empty()) {
            if text.contains(value.as_str()) {
                text = text.replace(value.as_str(), MASK);
            }
            if text.contains(CUT) {
                text = without_cut(text, value);
            }
        }
        for value in &self.alone {
            text = replace_word(&text, value, MASK);
        }
        text
    }
}

/// A text without the beginnings of `value` that a cut has left.
fn without_cut(mut text: String, value: &str) -> String {
    for (end, _) in
        value.char_indices().take_while(|(end, _)| *end <= CUT_MAX).filter(|(end, _)| *end >= ANYWHERE_MIN)
    {
        let Some(beginning) = value.get(..end).map(|beginning| format!("{beginning}{CUT}")) else { continue };
        if text.contains(&beginning) {
            text = text.replace(&beginning, &format!("{MASK}{CUT}"));
        }
    }
    text
}

/// A value as it is, within quotes, and within an address.
fn forms(value: &str) -> Vec<String> {
    let quoted = Value::String(value.to_owned()).to_string();
    let quoted = quoted.trim_matches('"').to_owned();
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let percent: String = value
        .bytes()
        .map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") })
        .collect();
    let small = percent.to_lowercase();
    let mut forms =
        vec![value.to_owned(), quoted, format!("{value:?}").trim_matches('"').to_owned(), percent];
    // Only the digits of `%2f` may differ; a value of small letters is the same anyway.
    if value.to_lowercase() == value {
        forms.push(small);
    }
    forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
    forms.dedup();
    forms
}

/// `name` where it stands alone.
fn replace_word(text: &str, name: &str, by: &str) -> String {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    replace_where(text, name, by, |before, after| !before.is_some_and(is_part) && !after.is_some_and(is_part))
}

/// A folder where it is one, and not the beginning of another's name.
fn replace_path(text: &str, folder: &str) -> String {
    let goes_on = |c: char| c.is_alphanumeric() || "_-.".contains(c);
    replace_where(text, folder.trim_end_matches('/'), "~", |_, after| !after.is_some_and(goes_on))
}

fn replace_where(
    text: &str,
    what: &str,
    by: &str,
    fits: impl Fn(Option<char>, Option<char>) -> bool,
) -> String {
    let mut out = String::with_capacity(text.len());
    let mut copied = 0;
    for (at, _) in text.match_indices(what) {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + what.len()..).and_then(|text| text.chars().next());
        if fits(before, after) {
            out.push_str(text.get(copied..at).unwrap_or_default());
            out.push_str(by);
            copied = at + what.len();
        }
    }
    out.push_str(text.get(copied..).unwrap_or_default());
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn redactor() -> Redactor {
        let all = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        Redactor::new(Known {
            secrets: all(&[
                "hunter22",
                "a\"b\\c d/é",
                "abcd",
                "1",
                "true",
                "line-one\nline-two",
                "hunter22-longer",
            ]),
            homes: all(&["/home/ann"]),
            users: all(&["ann", "root"]),
            hosts: all(&["gpu-a1.example.org", "gpu-a1", "localhost"]),
        })
    }

    #[test]
    fn values_go_wherever_and_however_they_are_written() {
        let of = |text: &str| redactor().text(text);
        assert_eq!(of("xhunter22x hunter22-longer"), "x***x ***");
        assert_eq!(of(&format!("{:?}", "a\"b\\c d/é")), "\"***\"");
        assert_eq!(of(r#"{"a": "a\"b\\c d/é"}"#), r#"{"a": "***"}"#);
        assert_eq!(of("q=a%22b%5Cc%20d%2F%C3%A9&x"), "q=***&x");
        assert_eq!(of("abcd abcde 1 true"), "*** abcde 1 true", "a short one only where it stands alone");
        assert_eq!(of("> line-two"), "> ***");
        assert_eq!(of("said hunter…, hunt…"), "said ***…, hunt…", "a cut leaves its beginning");
    }

    #[test]
    fn names_and_the_home_folder_are_replaced_where_they_are_meant() {
        let of = |text: &str| redactor().text(text);
        assert_eq!(of("/home/ann/x /home/anna /home/ann"), "~/x /home/anna ~");
        assert_eq!(of("ann@gpu-a1.example.org annual root"), "<user>@<host> annual root");
        assert_eq!(of("gpu-a1: up; gpu-a10 localhost"), "<host>: up; gpu-a10 localhost");
    }

    #[test]
    fn a_key_over_several_lines_goes() {
        let body = "MIIEvQIBADANBgkqhkiG9w0BAQEF\n".repeat(3);
        let text = format!("a\n-----BEGIN PRIVATE KEY-----\n{body}-----END PRIVATE KEY-----\nb\n");
        assert_eq!(redactor().content(&Content::Lines(text)), "a\n***\n***\n***\n***\n***\nb\n");
    }

    #[test]
    fn a_document_stays_one() {
        let value = json!({
            "argv": ["train", "--api-key", "s3", "--lr", "0.1", "--token=s4", "--password", "--flag"],
            "password": "s5", "token": null, "key_count": 3, "said": "at /home/ann by hunter22",
            "hunter22": ["x"],
        });
        let expected = json!({
            "argv": ["train", "--api-key", "***", "--lr", "0.1", "--token=***", "--password", "--flag"],
            "password": "***", "token": null, "key_count": 3, "said": "at ~ by ***",
            "***": ["x"],
        });
        let content = redactor().content(&Content::Document(value.clone()));
        assert_eq!(serde_json::from_str::<Value>(&content).unwrap(), expected);
        let lines = redactor().content(&Content::Lines(format!("{value}\nplain hunter22\n3\n")));
        let lines: Vec<_> = lines.lines().collect();
        assert_eq!(serde_json::from_str::<Value>(lines[0]).unwrap(), expected);
        assert_eq!(lines[1..], ["plain ***", "3"]);
    }
}
