//! Goes over arguments and texts, word by word, and masks what is secret in them.

use super::name::{is_secret, is_secret_name};
use super::{MASK, looks, pem};

/// Told every secret that is found.
type Sink<'s> = dyn FnMut(&str) + 's;

/// Words between a name and its secret: `Authorization: Bearer …`.
const SCHEMES: [&str; 4] = ["bearer", "basic", "token", "digest"];

/// The arguments, masked.
pub(super) fn arguments(argv: &[String], found: &mut Sink<'_>) -> Vec<String> {
    let mut name: Option<&str> = None;
    let mut masked = Vec::with_capacity(argv.len());
    for arg in argv {
        let is_value = name.is_some_and(|name| !arg.starts_with("--") && is_secret(name, arg));
        if is_value {
            found(arg);
            masked.push(MASK.to_owned());
        } else {
            masked.push(argument(arg, found));
        }
        name = Some(arg.as_str()).filter(|arg| !is_value && arg.starts_with('-') && is_secret_name(arg));
        if arg.contains(['=', ' ']) {
            name = None;
        }
    }
    masked
}

/// One argument: `--name=value` may hold anything behind the `=`, else it is read as a text.
fn argument(arg: &str, found: &mut Sink<'_>) -> String {
    match arg.split_once('=') {
        Some((name, value)) if is_name(name) && is_secret(name, value) => {
            found(value);
            format!("{name}={MASK}")
        }
        Some(_) | None => text(arg, found),
    }
}

fn is_name(name: &str) -> bool {
    !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || "-_.+/".contains(c))
}

fn is_gap(c: char) -> bool {
    c.is_whitespace() || "'\"`;|&()<>{}[],".contains(c)
}

/// A text, masked.
pub(super) fn text(text: &str, found: &mut Sink<'_>) -> String {
    let mut masked = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(key) = pem::find(rest) {
        masked.push_str(&words(rest.get(..key.start).unwrap_or_default(), found));
        found(rest.get(key.clone()).unwrap_or_default());
        masked.push_str(MASK);
        rest = rest.get(key.end..).unwrap_or_default();
    }
    masked + &words(rest, found)
}

/// A text without a whole key in it, masked.
fn words(text: &str, found: &mut Sink<'_>) -> String {
    let mut masked = String::with_capacity(text.len());
    // What the next word is the value of.
    let mut name: Option<&str> = None;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if is_gap(c) {
            masked.push(c);
            rest = rest.get(c.len_utf8()..).unwrap_or_default();
            let quoted = rest.split(c).next().filter(|_| matches!(c, '\'' | '"'));
            if let (Some(of), Some(value)) = (name, quoted)
                && is_secret(of, value.trim())
                && !value.trim_matches([' ', ':', '=']).is_empty()
                && rest.len() > value.len()
            {
                // A quoted value may hold blanks.
                found(value);
                masked.push_str(MASK);
                rest = rest.get(value.len()..).unwrap_or_default();
                name = None;
            }
            continue;
        }
        let word = rest.split(is_gap).next().unwrap_or_default();
        rest = rest.get(word.len()..).unwrap_or_default();
        name = one(word, name, &mut masked, found);
    }
    masked
}

/// A word behind a name, if one waits for its value; returns the name that waits thereafter.
fn one<'w>(
    word: &'w str,
    name: Option<&'w str>,
    masked: &mut String,
    found: &mut Sink<'_>,
) -> Option<&'w str> {
    if word.chars().all(|c| c == ':' || c == '=') {
        masked.push_str(word);
        return name;
    }
    let is_scheme = SCHEMES.iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
    if is_scheme && (name.is_some() || word.eq_ignore_ascii_case("bearer")) {
        masked.push_str(word);
        return name.or(Some("bearer"));
    }
    if let Some(name) = name
        && !word.starts_with("--")
        && is_secret(name, word)
    {
        found(word);
        masked.push_str(MASK);
        return None;
    }
    if let Some((name, value)) = word.split_once(['=', ':'])
        && is_name(name)
        && is_secret_name(name)
    {
        let (head, value) = word.split_at(word.len() - value.len());
        masked.push_str(head);
        if is_secret(name, value) && !value.starts_with("//") {
            found(value);
            masked.push_str(MASK);
            return None;
        }
        masked.push_str(&looked(value, found));
        return value.is_empty().then_some(name);
    }
    masked.push_str(&looked(word, found));
    // A flag, or a name in quotes as JSON has them: `"api_key": "…"`. A bare word is a word.
    let is_name = word.starts_with('-') || masked.len() > word.len() && before_is_quote(masked, word);
    Some(word).filter(|word| is_name && is_secret_name(word))
}

fn before_is_quote(masked: &str, word: &str) -> bool {
    masked.strip_suffix(word).is_some_and(|before| before.ends_with(['"', '\'']))
}

/// A word without what looks like a secret.
fn looked(word: &str, found: &mut Sink<'_>) -> String {
    let mut masked = String::new();
    let mut rest = word;
    while let Some(range) = looks::find(rest) {
        let (head, tail) = (rest.get(..range.start), rest.get(range.end..));
        found(rest.get(range).unwrap_or_default());
        masked.push_str(head.unwrap_or_default());
        masked.push_str(MASK);
        rest = tail.unwrap_or_default();
    }
    masked + rest
}
