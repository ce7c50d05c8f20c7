//! Reads a configuration document into [`Settings`] and collects every fault on the way.

use crate::settings::Settings;
use crate::settings::fault::{Fault, Place};
use crate::settings::written::Written;
use crate::settings::{keys, nearest, value};
use resus_core::spec::{SpecError, policy_faults};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// Whose words they are, which decides what they may be about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Voice {
    /// The user's, or our own: about everything.
    User,
    /// A project's: about runs only.
    Project,
}

/// A configuration document and what was found in it.
pub(super) struct Source<'t> {
    text: &'t str,
    voice: Voice,
    faults: Vec<Fault>,
    /// Where the value of each key stands, in bytes.
    spans: BTreeMap<&'static str, Range<usize>>,
    written: BTreeMap<&'static str, Written>,
}

/// What a document says.
#[derive(Debug, Default)]
pub(super) struct Reading {
    /// Its faults, in the order of the text.
    pub faults: Vec<Fault>,
    /// The values of the keys that it names, as far as each is one.
    pub written: BTreeMap<&'static str, Written>,
}

impl<'t> Source<'t> {
    /// The document `text`.
    pub(super) fn new(text: &'t str, voice: Voice) -> Self {
        Self { text, voice, faults: Vec::new(), spans: BTreeMap::new(), written: BTreeMap::new() }
    }

    /// Applies the document to `settings`.
    pub(super) fn apply(mut self, settings: &mut Settings) -> Reading {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.fault(error.span().unwrap_or(0..0), error.message().to_owned(), None);
        }
        for (name, item) in document.get_ref() {
            let (span, name) = (name.span(), name.get_ref().as_ref());
            match item.get_ref() {
                DeValue::Table(table) if keys::is_section(name) => self.section(name, span, table, settings),
                DeValue::Table(_) => {
                    let hint = nearest::section(name).map(|near| format!("[{near}]"));
                    self.fault(span, format!("unknown section [{name}]"), hint);
                }
                _ => self.unknown_key(name, span),
            }
        }
        for (names, what) in contradictions(settings) {
            // What this document does not name is another one's fault, and told there.
            let Some(span) = names.iter().find_map(|name| self.spans.get(name)) else { continue };
            self.fault(span.clone(), what, None);
        }
        self.faults.sort_by_key(|fault| fault.place);
        Reading { faults: self.faults, written: self.written }
    }

    fn section(&mut self, section: &str, span: Range<usize>, table: &DeTable<'_>, settings: &mut Settings) {
        if self.voice == Voice::Project
            && let Some(why) = keys::section_not_of_runs(section)
        {
            return self.fault(span, why, None);
        }
        for (name, item) in table {
            let full = format!("{section}.{}", name.get_ref());
            let Some(key) = keys::find(&full) else {
                self.unknown_key(&full, name.span());
                continue;
            };
            let not_allowed = if self.voice == Voice::Project { key.not_of_runs() } else { None };
            if let Some(why) = not_allowed {
                self.fault(name.span(), why, None);
                continue;
            }
            match value::put(settings, &key.form, item.get_ref()) {
                Ok(()) => {
                    let place = Place::of(self.text, item.span().start);
                    let source = self.text.get(item.span()).unwrap_or_default();
                    self.written.insert(key.name, Written::of(key, item.get_ref(), source, place));
                    self.spans.insert(key.name, item.span());
                }
                Err(wrong) => self.fault(item.span(), format!("{full}: {wrong}"), None),
            }
        }
    }

    fn unknown_key(&mut self, name: &str, span: Range<usize>) {
        let hint = nearest::key(name).map(str::to_owned);
        self.fault(span, format!("unknown key {name}"), hint);
    }

    fn fault(&mut self, span: Range<usize>, message: String, nearest: Option<String>) {
        self.faults.push(Fault { place: Some(Place::of(self.text, span.start)), message, nearest });
    }
}

/// Values that are outside their range or don't go together, each with the keys that may be at
/// fault, the nearest first. Ranges are those of a run's spec, so that what is accepted here is
/// accepted there.
pub(super) fn contradictions(settings: &Settings) -> Vec<(Vec<&'static str>, String)> {
    let of_policy = policy_faults(&settings.policy).into_iter().map(|error| match error {
        SpecError::Range { key, value, min, max } => {
            let [value, min, max] = [value, min, max].map(|number| value::show(key, number));
            (vec![key], format!("{key}: {value} is not between {min} and {max}"))
        }
        SpecError::Setting { key, reason } => {
            (vec![key, "checkpoint.best_metric"], format!("{key}: {reason}"))
        }
        other @ (SpecError::NoCommand
        | SpecError::Nul { .. }
        | SpecError::EnvName { .. }
        | SpecError::Cwd { .. }
        | SpecError::TooLarge { .. }
        | SpecError::ResumePath { .. }) => (Vec::new(), other.to_string()),
    });
    let of_bus = settings.bus.contradictions().into_iter().map(|(key, what)| (vec![key], what));
    of_policy.chain(of_bus).collect()
}
