//! What looks like a secret, whoever's it is: what [`resus_core::secret`] knows, and beyond it what a
//! bundle meets: keys in full, quotes within quotes, the queries of addresses. Pure.

use resus_core::secret::{MASK, is_secret_name, mask_text};

/// `text` without what looks like a secret.
pub(super) fn without_secrets(text: &str) -> String {
    // A document within a text has its quotes escaped.
    let plain = text.replace("\\\"", "\"");
    queries(&mask_text(&plain))
}

/// `…?token=x&a=b` without the values of names that say that they are secret.
fn queries(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(['?', '&']) {
        let (before, from) = rest.split_at(at + 1);
        out.push_str(before);
        rest = from;
        let name =
            from.split(|c: char| !(c.is_alphanumeric() || "_-.".contains(c))).next().unwrap_or_default();
        let Some(value) = from.strip_prefix(name).and_then(|behind| behind.strip_prefix('=')) else {
            continue;
        };
        if !is_secret_name(name) {
            continue;
        }
        let end =
            value.find(|c: char| c.is_whitespace() || "&#\"'<>,;)]}".contains(c)).unwrap_or(value.len());
        out.push_str(&format!("{name}={MASK}"));
        rest = value.get(end..).unwrap_or_default();
    }
    out + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_looks_like_a_secret_goes() {
        for (text, expected) in [
            ("nats://ann:s3@h:4222,tls://h/x", "nats://ann:***@h:4222,tls://h/x"),
            ("see https://h/a@2 and mail a@b", "see https://h/a@2 and mail a@b"),
            ("postgres://u:p/w#1@h/db", "postgres://u:***@h/db"),
            ("HF_TOKEN=abc next", "HF_TOKEN=*** next"),
            ("password: 'two words', x", "password: '***', x"),
            (r#"{"token": "x", "lr": 1}"#, r#"{"token": "***", "lr": 1}"#),
            (r#"said \"token\": \"x\" so"#, r#"said "token": "***" so"#),
            ("run --api-key abc --lr 1", "run --api-key *** --lr 1"),
            ("run --password --lr 1", "run --password --lr 1"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("curl?key=abc&x=1", "curl?key=***&x=1"),
            ("https://h/x?a=1&api_key=b/c d", "https://h/x?a=1&api_key=*** d"),
            ("what? a & b", "what? a & b"),
            ("the key is lost; a token was", "the key is lost; a token was"),
            ("hf_0123456789abcdef sk-short", "*** sk-short"),
            ("risk-averse-training-run", "risk-averse-training-run"),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", "***"),
            ("épée: naïve", "épée: naïve"),
        ] {
            assert_eq!(without_secrets(text), expected);
        }
        let seed = format!("seed SU{} end", "A".repeat(56));
        assert_eq!(without_secrets(&seed), "seed *** end");
    }

    #[test]
    fn any_text_is_read() {
        for text in [
            "token=",
            "key:",
            "://",
            "a://@",
            "--key ",
            "\"key\"",
            "key=\"",
            "=",
            "?token=é",
            "&key=",
            "key: \\",
        ] {
            let _any = without_secrets(text);
        }
    }
}
