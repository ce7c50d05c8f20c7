//! Secrets that are known by their looks.

/// Beginnings of tokens, as their issuers document them, and how much must follow.
const ISSUED: [(&str, usize); 24] = [
    ("hf_", 16),
    ("ghp_", 16),
    ("gho_", 16),
    ("ghu_", 16),
    ("ghs_", 16),
    ("ghr_", 16),
    ("github_pat_", 16),
    ("glpat-", 16),
    ("sk-", 20),
    ("pk-", 20),
    ("sk_test_", 16),
    ("sk_live_", 16),
    ("rk_live_", 16),
    ("xoxb-", 16),
    ("xoxp-", 16),
    ("xoxa-", 16),
    ("xapp-", 16),
    ("AKIA", 16),
    ("ASIA", 16),
    ("AIza", 30),
    ("ya29.", 16),
    ("npm_", 16),
    ("pypi-", 16),
    ("eyJ", 40),
];
/// No token is shorter.
const SHORTEST: usize = "hf_".len() + 16;
/// A NATS seed: `S`, the kind, base32.
const SEED_KINDS: &str = "UAOCNX";
const SEED_BYTES: usize = 58;

/// The first piece of `word` that looks like a secret, as a byte range.
pub(super) fn find(word: &str) -> Option<std::ops::Range<usize>> {
    if word.len() < SHORTEST && !word.contains("://") {
        return None;
    }
    let url = url_password(word);
    let issued =
        boundaries(word).filter_map(|at| word.get(at..).and_then(issued).map(|length| at..at + length));
    url.into_iter().chain(issued).min_by_key(|range| range.start)
}

/// Where a token can begin: not within a word.
fn boundaries(word: &str) -> impl Iterator<Item = usize> {
    let mut before = ' ';
    word.char_indices().filter_map(move |(at, c)| {
        let begins = !before.is_ascii_alphanumeric();
        before = c;
        begins.then_some(at)
    })
}

fn is_token(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.' | '+' | '/' | '~')
}

/// How long the token is with which `text` begins.
fn issued(text: &str) -> Option<usize> {
    let token = text.split(|c| !is_token(c)).next().unwrap_or_default();
    let known = ISSUED.iter().any(|(head, rest)| {
        token.strip_prefix(head).is_some_and(|tail| {
            // Words of a language have no digits.
            tail.len() >= *rest && tail.bytes().any(|byte| byte.is_ascii_digit())
        })
    });
    (known || is_seed(token)).then_some(token.len())
}

fn is_seed(token: &str) -> bool {
    let mut chars = token.chars();
    token.len() == SEED_BYTES
        && chars.next() == Some('S')
        && chars.next().is_some_and(|kind| SEED_KINDS.contains(kind))
        && chars.all(|c| c.is_ascii_uppercase() || ('2'..='7').contains(&c))
}

/// The password of `scheme://user:password@host`, or the token of `scheme://token@host`.
fn url_password(word: &str) -> Option<std::ops::Range<usize>> {
    let start = word.find("://")? + "://".len();
    let authority = word.get(start..)?.split(['/', '?', '#']).next()?;
    // A password may hold a slash that nobody escaped: then the last `@` ends it.
    let authority = if authority.contains('@') { authority } else { word.get(start..)? };
    let user = authority.get(..authority.rfind('@')?)?;
    match user.split_once(':') {
        Some((name, password)) if !password.is_empty() => {
            let from = start + name.len() + 1;
            Some(from..from + password.len())
        }
        Some(_) => None,
        // A lone name is a user's, unless it is long and looks random.
        None => {
            let is_token = user.len() >= 20 && user.bytes().any(|byte| byte.is_ascii_digit());
            is_token.then_some(start..start + user.len())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_and_passwords_are_known_by_their_looks() {
        for (word, secret) in [
            ("ghp_0123456789abcdefABCD", "ghp_0123456789abcdefABCD"),
            ("x=hf_abcdefgh12345678,y", "hf_abcdefgh12345678"),
            ("AKIAIOSFODNN7EXAMPLE", "AKIAIOSFODNN7EXAMPLE"),
            ("postgres://me:p4ss:w@db/x", "p4ss:w"),
            ("nats://a:b/c@h:4222", "b/c"),
            ("https://0123456789abcdefghij@h/x", "0123456789abcdefghij"),
        ] {
            assert_eq!(find(word).and_then(|range| word.get(range)), Some(secret), "{word}");
        }
        let plain = "sk-learn-contrib-something hf_model https://host/a nats://me@host eyJx a://b:@c";
        for word in plain.split_whitespace() {
            assert_eq!(find(word), None, "{word}");
        }
    }
}
