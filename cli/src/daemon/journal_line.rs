//! A line of the daemon's log as people read it.

use serde_json::Value;

/// `04:13:46 WARN message key=value …` of one JSON line; a line that is none (what the process
/// said before it could log) as it is. Control characters are made visible.
pub(crate) fn readable(line: &str) -> String {
    let shown = serde_json::from_str(line).ok().and_then(|value: Value| fields(&value));
    resus_core::text::visible(shown.as_deref().unwrap_or(line))
}

fn fields(line: &Value) -> Option<String> {
    let level = line.get("level")?.as_str()?;
    let stamp = line.get("timestamp")?.as_str()?;
    let fields = line.get("fields")?.as_object()?;
    // The seconds are enough for people; the day is told once per file by whoever shows it.
    let time = stamp.get(11..19).unwrap_or(stamp);
    let mut text = format!("{time} {level:<5}");
    if let Some(message) = fields.get("message").and_then(Value::as_str) {
        text.push(' ');
        text.push_str(message);
    }
    for (key, value) in fields.iter().filter(|(key, _)| key.as_str() != "message") {
        match value.as_str() {
            Some(plain) => text.push_str(&format!(" {key}={plain}")),
            None => text.push_str(&format!(" {key}={value}")),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_line_becomes_a_sentence() {
        let line = r#"{"timestamp":"2026-11-22T04:13:46.123456Z","level":"WARN","fields":{"message":"slow","run":"r1","ms":12},"target":"resus"}"#;
        assert_eq!(readable(line), "04:13:46 WARN  slow ms=12 run=r1");
    }

    #[test]
    fn what_is_no_log_line_stays_visible_and_harmless() {
        for line in ["thread panicked", "{}", "{\"level\":1}", "", "{\"timestamp\":\"é\",\"level\":\"X\"}"] {
            assert_eq!(readable(line), line);
        }
        assert_eq!(readable("\x1b[2J"), "\\u{1b}[2J");
    }
}
