//! What looks like a secret, whoever's it is: by the name before it, or by its form. Pure. It rather
//! masks too much: a bundle is for strangers.

/// Words of names whose values are secret. `PWD` is a folder, `tokens` and a `seed` are numbers of a
/// training.
const WORDS: [&str; 18] = [
    "token",
    "secret",
    "secrets",
    "key",
    "apikey",
    "password",
    "passwd",
    "pass",
    "passphrase",
    "pw",
    "pat",
    "credential",
    "credentials",
    "creds",
    "auth",
    "cookie",
    "jwt",
    "dsn",
];
/// Last words of names whose values say only where a secret is.
const PLACES: [&str; 5] = ["file", "path", "dir", "folder", "sock"];
/// Ends of words that are as telling.
const ENDS: [&str; 6] = ["token", "secret", "password", "passwd", "apikey", "accesskey"];
/// Beginnings of tokens of well-known services, each with what its documents call it.
const PREFIXES: [&str; 17] = [
    "hf_",
    "ghp_",
    "gho_",
    "ghs_",
    "ghu_",
    "github_pat_",
    "glpat-",
    "sk-",
    "pk-",
    "xoxb-",
    "xoxp-",
    "AKIA",
    "ASIA",
    "AIza",
    "npm_",
    "eyJ",
    "SU",
];
/// Characters behind such a beginning from which on it is a token.
const TOKEN_MIN: usize = 12;
/// Characters of the seed of an NKey behind `SU`.
const SEED_MIN: usize = 50;

/// Whether the value of something with this name is a secret: `HF_TOKEN`, `api-key`, `dbPassword`.
pub(super) fn is_secret_name(name: &str) -> bool {
    let mut words = vec![String::new()];
    let mut was_small = false;
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && was_small) {
            words.push(String::new());
        }
        was_small = c.is_lowercase();
        if let Some(word) = words.last_mut().filter(|_| c.is_alphanumeric()) {
            word.extend(c.to_lowercase());
        }
    }
    if words.last().is_some_and(|word| PLACES.contains(&word.as_str())) {
        return false;
    }
    words.iter().any(|word| WORDS.contains(&word.as_str()) || ENDS.iter().any(|end| word.ends_with(end)))
}

/// Whether the next word of a command line is a secret.
pub(super) fn is_secret_option(word: &str) -> bool {
    word.starts_with('-') && !word.contains('=') && is_secret_name(word)
}

/// `text` with `mask` in place of what looks like a secret.
pub(super) fn without_secrets(text: &str, mask: &str) -> String {
    if text.contains("-----BEGIN") && text.contains("PRIVATE KEY") {
        return mask.to_owned();
    }
    let text = assignments(&urls(text, mask), mask);
    tokens(&text, mask)
}

/// `scheme://user:password@host`, and `scheme://token@host`.
fn urls(text: &str, mask: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some((before, behind)) = rest.split_once("://") {
        out.push_str(before);
        out.push_str("://");
        let end =
            behind.find(|c: char| c.is_whitespace() || "/?#\"'<>,;)".contains(c)).unwrap_or(behind.len());
        // A password may hold what ends an address elsewhere; the name of a host holds no `@`.
        let wide = behind.find(|c: char| c.is_whitespace() || "\"'<>,".contains(c)).unwrap_or(behind.len());
        let at = |end: usize| behind.get(..end).and_then(|part| part.rfind('@'));
        let at = at(end).or_else(|| {
            let at = at(wide)?;
            // `https://host/path@version` has no password before its path.
            behind.get(..end)?.contains(':').then_some(at)
        });
        match at.and_then(|at| behind.get(at..)) {
            Some(host) => {
                out.push_str(mask);
                rest = host;
            }
            None => rest = behind,
        }
    }
    out.push_str(rest);
    out
}

/// A character of a name.
fn is_named(c: char) -> bool {
    c.is_alphanumeric() || "_-.".contains(c)
}

/// `TOKEN=x`, `token: x`, `"token": "x"`, `--token x`, `Authorization: Bearer x`.
fn assignments(text: &str, mask: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_named) {
        let (between, from) = rest.split_at(start);
        let end = from.find(|c| !is_named(c)).unwrap_or(from.len());
        let (name, behind) = from.split_at(end);
        out.push_str(between);
        out.push_str(name);
        rest = behind;
        let is_scheme = ["Bearer", "bearer", "Basic"].contains(&name);
        if !is_scheme && !is_secret_name(name) && name != "Authorization" {
            continue;
        }
        let Some(value) = begin(behind, name.starts_with('-') || is_scheme) else { continue };
        let (glue, value) = behind.split_at(value);
        let end = length(value, glue);
        let (value, behind) = value.split_at(end);
        // What follows names the kind of secret, which comes behind.
        if ["Bearer", "bearer", "Basic"].contains(&value) || value == mask || value.is_empty() {
            continue;
        }
        out.push_str(glue);
        out.push_str(mask);
        rest = behind;
    }
    out.push_str(rest);
    out
}

/// Where the value begins behind a name: behind `=` or `:`, or, of an option, behind a space.
fn begin(text: &str, is_option: bool) -> Option<usize> {
    let quotes = |c: char| "\"'\\".contains(c);
    let spaces = |text: &str| text.len() - text.trim_start_matches([' ', '\t']).len();
    let name_quotes = text.len() - text.trim_start_matches(quotes).len();
    let behind = text.get(name_quotes..)?;
    let space = spaces(behind);
    let glue = match behind.get(space..)?.chars().next()? {
        '=' | ':' => space + 1,
        '-' => return None,
        _ if is_option && space > 0 => space,
        _ => return None,
    };
    let value = behind.get(glue..)?;
    let space = spaces(value);
    let quoted = value.get(space..)?;
    let quote = quoted.len() - quoted.trim_start_matches(quotes).len();
    Some(name_quotes + glue + space + quote)
}

/// How long a value is: to the quote that ends it, or to a space or a separator.
fn length(value: &str, glue: &str) -> usize {
    let quote = glue.chars().next_back().filter(|c| "\"'".contains(*c));
    let ends = |c: char| match quote {
        Some(quote) => c == quote || c == '\n' || c == '\\',
        None => c.is_whitespace() || "\"',;&)]}".contains(c),
    };
    value.find(ends).unwrap_or(value.len())
}

/// Words that begin as tokens of well-known services do.
fn tokens(text: &str, mask: &str) -> String {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let mut out = String::new();
    let mut rest = text;
    while let Some(start) = rest.find(is_token) {
        let (between, from) = rest.split_at(start);
        let end = from.find(|c| !is_token(c)).unwrap_or(from.len());
        let (word, behind) = from.split_at(end);
        let looks_like = PREFIXES.iter().any(|prefix| {
            let rest = word.strip_prefix(prefix).unwrap_or_default();
            match *prefix {
                "SU" => {
                    rest.len() >= SEED_MIN && rest.bytes().all(|b| matches!(b, b'A'..=b'Z' | b'2'..=b'7'))
                }
                _ => rest.len() >= TOKEN_MIN,
            }
        });
        out.push_str(between);
        out.push_str(if looks_like { mask } else { word });
        rest = behind;
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_secrets_are_known_and_others_left() {
        for secret in [
            "HF_TOKEN",
            "WANDB_API_KEY",
            "AWS_SECRET_ACCESS_KEY",
            "RESUS_NATS_PASSWORD",
            "db-password",
            "dbPassword",
            "apiKey",
            "GITHUB_PAT",
            "PGPASSWORD",
            "AUTH",
            "accesskey",
            "NPM_CONFIG__AUTHTOKEN",
        ] {
            assert!(is_secret_name(secret), "{secret}");
        }
        for plain in [
            "KEYBOARD",
            "PATH",
            "PWD",
            "OLDPWD",
            "seed",
            "monkey",
            "AUTHOR",
            "tokenizer",
            "max_tokens",
            "password_file",
            "SSH_AUTH_SOCK",
            "compass",
            "",
        ] {
            assert!(!is_secret_name(plain), "{plain}");
        }
        assert!(
            is_secret_option("--api-key") && !is_secret_option("--api-key=x") && !is_secret_option("key")
        );
    }

    #[test]
    fn what_looks_like_a_secret_goes() {
        for (text, expected) in [
            ("nats://ann:s3@h:4222,tls://t0k@h/x", "nats://***@h:4222,tls://***@h/x"),
            ("see https://h/a@2 and mail a@b", "see https://h/a@2 and mail a@b"),
            ("postgres://u:p/w#1@h/db", "postgres://***@h/db"),
            ("HF_TOKEN=abc next", "HF_TOKEN=*** next"),
            ("password: 'two words', x", "password: '***', x"),
            (r#"{"token": "x", "lr": 1}"#, r#"{"token": "***", "lr": 1}"#),
            (r#"said \"token\": \"x\" so"#, r#"said \"token\": \"***\" so"#),
            ("run --api-key abc --lr 1", "run --api-key *** --lr 1"),
            ("run --password --lr 1", "run --password --lr 1"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("curl?key=abc&x=1", "curl?key=***&x=1"),
            ("the key is lost; a token was", "the key is lost; a token was"),
            ("hf_0123456789abcdef sk-short", "*** sk-short"),
            ("risk-averse-training-run", "risk-averse-training-run"),
            ("-----BEGIN RSA PRIVATE KEY-----\nx", "***"),
            ("épée: naïve", "épée: naïve"),
        ] {
            assert_eq!(without_secrets(text, "***"), expected);
        }
        let seed = format!("seed SU{} end", "A".repeat(56));
        assert_eq!(without_secrets(&seed, "***"), "seed *** end");
    }

    #[test]
    fn any_text_is_read() {
        for text in
            ["token=", "key:", "://", "a://@", "--key ", "\"key\"", "key=\"", "=", "token=é", "key: \\"]
        {
            let _any = without_secrets(text, "***");
        }
    }
}
