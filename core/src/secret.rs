//! What is secret in a request to run something, and texts without it.
//!
//! A worker's environment and arguments hold passwords and tokens. The real ones are needed in
//! three places only: in the ledger (to start the next attempt), in the worker, and on the way
//! between. Whatever is shown, logged or published passes through here first. What is secret is
//! told by names (`HF_TOKEN`, `--api-key`) and by looks (`ghp_…`, `postgres://user:password@`):
//! a secret with neither can't be known.

mod looks;
mod name;
mod pem;
mod said;
mod scan;

pub use name::is_secret_name;
pub use pem::mask_key_lines;

use crate::spec::Spec;
use crate::text::one_line;
use std::borrow::Cow;
use std::fmt;

/// Stands where a secret was.
pub const MASK: &str = "***";
/// Shorter values are not looked for in texts: they would be found everywhere.
pub const VALUE_BYTES_MIN: usize = 6;
/// Most of a secret that may be seen where a text was cut within it.
const CUT_BYTES_MAX: usize = 3;
/// Longest piece of a secret that is looked for: a page of key material is known by its lines.
const FORM_BYTES_MAX: usize = 4096;

/// `argv` with every secret masked.
#[must_use]
pub fn mask_argv(argv: &[String]) -> Vec<String> {
    scan::arguments(argv, &mut |_| {})
}

/// The arguments of `spec` as they may be shown: also what is secret by another argument, or by a
/// variable, is masked in each.
#[must_use]
pub fn shown_argv(spec: &Spec) -> Vec<String> {
    let secrets = Secrets::of(spec);
    mask_argv(&spec.argv).iter().map(|arg| secrets.mask(arg).into_owned()).collect()
}

/// A text with what looks like a secret masked: a shell line, an address, an error message.
#[must_use]
pub fn mask_text(text: &str) -> String {
    scan::text(text, &mut |_| {})
}

/// The names of an environment: its values are nobody's business.
#[must_use]
pub fn names_of(env: &[(String, String)]) -> Vec<&str> {
    env.iter().map(|(name, _)| name.as_str()).collect()
}

/// The secrets of one run, to be found again in what its worker says.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Longest first: one may be part of another.
    forms: Vec<String>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({})", self.forms.len())
    }
}

impl Secrets {
    /// The secrets in a run's environment and arguments, as far as they are at least
    /// [`VALUE_BYTES_MIN`] long.
    #[must_use]
    pub fn of(spec: &Spec) -> Self {
        let mut found = Vec::new();
        for (name, value) in &spec.env {
            if name::is_secret(name, value) {
                found.push(value.clone());
            } else {
                scan::text(value, &mut |secret| found.push(secret.to_owned()));
            }
        }
        scan::arguments(&spec.argv, &mut |secret| found.push(secret.to_owned()));
        Self::from_values(found.iter().map(String::as_str))
    }

    /// These values, each also in the form that [`one_line`] gives it, and line by line.
    pub fn from_values<'v>(values: impl Iterator<Item = &'v str>) -> Self {
        let mut forms = Vec::new();
        for value in values {
            let value = value.trim();
            // The fences of key files are no secret, and in every message about them.
            let lines = value.lines().map(str::trim).filter(|line| !line.starts_with("-----"));
            let whole = one_line(value, FORM_BYTES_MAX);
            let all = lines.map(str::to_owned).chain([whole]);
            forms.extend(all.filter(|form| (VALUE_BYTES_MIN..=FORM_BYTES_MAX).contains(&form.len())));
        }
        forms.sort_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms }
    }

    /// Whether there is nothing to look for.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.forms.is_empty()
    }

    /// Bytes of the longest one: so much around a piece has to be looked at, too.
    #[must_use]
    pub fn bytes_max(&self) -> usize {
        self.forms.first().map_or(0, String::len)
    }

    /// `text` with [`MASK`] for every secret in it, also for one that is cut (`…`) at its end.
    #[must_use]
    pub fn mask<'t>(&self, text: &'t str) -> Cow<'t, str> {
        let mut masked = Cow::Borrowed(text);
        for form in &self.forms {
            if masked.contains(form.as_str()) {
                masked = masked.replace(form.as_str(), MASK).into();
            }
        }
        if let Some(whole) = masked.strip_suffix('…') {
            let cut =
                self.forms.iter().map(|form| begun(form.as_bytes(), whole.as_bytes())).max().unwrap_or(0);
            let kept = whole.len().saturating_sub(cut);
            if cut > CUT_BYTES_MAX && whole.is_char_boundary(kept) {
                masked = format!("{}{MASK}…", whole.get(..kept).unwrap_or_default()).into();
            }
        }
        masked
    }

    /// How many bytes at the end of `bytes` may become a secret: they are the beginning of one.
    #[must_use]
    pub fn begun(&self, bytes: &[u8]) -> usize {
        self.forms.iter().map(|form| begun(form.as_bytes(), bytes)).max().unwrap_or(0)
    }

    /// Puts a `*` for every byte of a secret. If something `is_gone` before `bytes`, so it does for the
    /// end of one at their beginning, if more than three bytes are there.
    pub fn mask_bytes(&self, bytes: &mut [u8], is_gone: bool) {
        let mut hidden = Vec::new();
        for form in self.forms.iter().map(String::as_bytes) {
            let mut at = 0;
            while let Some(found) = bytes.get(at..).and_then(|rest| find(rest, form)) {
                hidden.push(at + found..at + found + form.len());
                at += found + 1;
            }
            let ended = ended(form, bytes);
            if is_gone && ended > CUT_BYTES_MAX {
                hidden.push(0..ended);
            }
        }
        for range in hidden {
            if let Some(secret) = bytes.get_mut(range) {
                secret.fill(b'*');
            }
        }
    }
}

fn find(bytes: &[u8], form: &[u8]) -> Option<usize> {
    let first = form.first()?;
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| byte == first)?;
        if bytes.get(at..)?.starts_with(form) {
            return Some(at);
        }
        at += 1;
    }
}

/// How many bytes at the end of `bytes` are the beginning, and no more than that, of `form`.
fn begun(form: &[u8], bytes: &[u8]) -> usize {
    let most = form.len().saturating_sub(1).min(bytes.len());
    (1..=most).rev().find(|length| form.get(..*length).is_some_and(|head| bytes.ends_with(head))).unwrap_or(0)
}

/// How many bytes at the beginning of `bytes` are the end, and no more than that, of `form`.
fn ended(form: &[u8], bytes: &[u8]) -> usize {
    let most = form.len().saturating_sub(1).min(bytes.len());
    let tail = |length: &usize| form.get(form.len() - *length..).is_some_and(|tail| bytes.starts_with(tail));
    (1..=most).rev().find(tail).unwrap_or(0)
}

#[cfg(test)]
mod tests;
