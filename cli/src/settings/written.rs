//! A value as somebody wrote it: what it is, and where it stands. What may be a secret is not kept.

use crate::settings::fault::Place;
use crate::settings::keys::Key;
use serde_json::{Value, json};
use toml::de::DeValue;

/// A value of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Written {
    /// As TOML, in one line; fit for a terminal.
    pub toml: String,
    /// The same as JSON; numbers that JSON has no form for are texts.
    pub json: Value,
    /// Where it stands in its file; `None` = it is an argument.
    pub place: Option<Place>,
}

impl Written {
    /// The value `value` of `key`, whose text in its file is `source`.
    pub(super) fn of(key: &Key, value: &DeValue<'_>, source: &str, place: Place) -> Self {
        let (toml, json) = match value {
            DeValue::String(text) => {
                let text = masked(key, text);
                (quoted(&text), Value::String(text))
            }
            DeValue::Boolean(yes) => (yes.to_string(), json!(yes)),
            DeValue::Integer(number) => {
                let whole = u64::from_str_radix(number.as_str(), number.radix()).ok();
                (source.to_owned(), whole.map_or_else(|| json!(source), |whole| json!(whole)))
            }
            DeValue::Float(number) => {
                let float = number.as_str().parse::<f64>().ok().filter(|float| float.is_finite());
                (source.to_owned(), float.map_or_else(|| json!(source), |float| json!(float)))
            }
            // No key has such a value.
            DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => (quoted(source), json!(source)),
        };
        Self { toml, json, place: Some(place) }
    }
}

/// The text of a value without what may be a password: who we are stands before the `@` of an
/// address.
fn masked(key: &Key, text: &str) -> String {
    if key.name != "bus.url" {
        return text.to_owned();
    }
    let mask = |address: &str| match address.rsplit_once('@') {
        Some((before, host)) => {
            let scheme = before.find("://").and_then(|at| before.get(..at + 3)).unwrap_or("");
            format!("{scheme}***@{host}")
        }
        None => address.to_owned(),
    };
    // A comma may be part of a password, and then what follows it is one as well.
    match text.rfind('@') {
        Some(at) if text.get(..at).is_some_and(|before| !before.contains(',')) => mask(text),
        Some(_) => "***".to_owned(),
        None => text.to_owned(),
    }
}

/// A basic string of TOML: nothing in it breaks the line or drives a terminal.
pub(crate) fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            '\n' => quoted.push_str("\\n"),
            '\r' => quoted.push_str("\\r"),
            '\t' => quoted.push_str("\\t"),
            c if resus_core::text::visible(c.encode_utf8(&mut [0; 4])).starts_with("\\u{") => {
                quoted.push_str(&format!("\\U{:08X}", u32::from(c)));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::keys::find;

    #[test]
    fn a_password_in_an_address_is_not_kept() {
        let key = find("bus.url").expect("a key");
        for (text, shown) in [
            ("auto", "auto"),
            ("nats://h:4222,nats://h2", "nats://h:4222,nats://h2"),
            ("nats://ann:s3cret@h:4222", "nats://***@h:4222"),
            ("ann:s3cret@h", "***@h"),
            ("tls://ann:s3:/@cret@h", "tls://***@h"),
            ("nats://ann:s3,cret@h", "***"),
            ("nats://t@h,nats://s3cret@h2", "***"),
        ] {
            assert_eq!(masked(key, text), shown);
        }
    }

    #[test]
    fn a_text_is_written_so_that_it_reads_back_and_drives_no_terminal() {
        for text in ["", "a b", "\"\\", "a\nb\tc\r", "\u{1b}[31m\u{202e}x\u{7f}\u{85}", "größe"] {
            let line = quoted(text);
            assert!(!line.chars().any(char::is_control) && !line.contains('\u{202e}'), "{line:?}");
            let read: toml::Table = toml::from_str(&format!("a = {line}")).expect(&line);
            assert_eq!(read["a"].as_str(), Some(text));
        }
    }
}
