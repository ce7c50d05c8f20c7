//! Reads a configuration document into [`Settings`] and collects every fault on the way.

use crate::settings::Settings;
use crate::settings::fault::{Fault, Place};
use crate::settings::{keys, nearest, value};
use resus_core::ids::Slug;
use resus_core::spec::{Contract, Spec, SpecError};
use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

/// A configuration document and what was found in it.
pub(super) struct Source<'t> {
    text: &'t str,
    faults: Vec<Fault>,
    /// Where the value of each key stands, in bytes.
    spans: BTreeMap<&'static str, Range<usize>>,
}

impl<'t> Source<'t> {
    /// The document `text`.
    pub(super) fn new(text: &'t str) -> Self {
        Self { text, faults: Vec::new(), spans: BTreeMap::new() }
    }

    /// Applies the document to `settings` and returns its faults in the order of the text.
    pub(super) fn apply(mut self, settings: &mut Settings) -> Vec<Fault> {
        let (document, errors) = DeTable::parse_recoverable(self.text);
        for error in errors {
            self.fault(error.span().unwrap_or(0..0), error.message().to_owned(), None);
        }
        for (name, item) in document.get_ref() {
            let (span, name) = (name.span(), name.get_ref().as_ref());
            match item.get_ref() {
                DeValue::Table(table) if keys::is_section(name) => self.section(name, table, settings),
                DeValue::Table(_) => {
                    let hint = nearest::section(name).map(|near| format!("[{near}]"));
                    self.fault(span, format!("unknown section [{name}]"), hint);
                }
                _ => self.unknown_key(name, span),
            }
        }
        self.out_of_range(settings);
        for (name, what) in settings.bus.contradictions() {
            let span = self.spans.get(name).cloned().unwrap_or(0..0);
            self.fault(span, what, None);
        }
        self.faults.sort_by_key(|fault| fault.place);
        self.faults
    }

    fn section(&mut self, section: &str, table: &DeTable<'_>, settings: &mut Settings) {
        for (name, item) in table {
            let full = format!("{section}.{}", name.get_ref());
            let Some(key) = keys::find(&full) else {
                self.unknown_key(&full, name.span());
                continue;
            };
            match value::put(settings, &key.form, item.get_ref()) {
                Ok(()) => drop(self.spans.insert(key.name, item.span())),
                Err(wrong) => self.fault(item.span(), format!("{full}: {wrong}"), None),
            }
        }
    }

    /// Ranges are those of a run's spec, so that what is accepted here is accepted there.
    fn out_of_range(&mut self, settings: &Settings) {
        let probe = Spec {
            resume: resus_core::spec::Resume::Auto,
            workload: Slug::nearest("probe", "probe"),
            name: Slug::nearest("probe", "probe"),
            argv: vec!["probe".to_owned()],
            cwd: "/".to_owned(),
            env: Vec::new(),
            contract: Contract::Opaque,
            policy: settings.policy.clone(),
            flow: None,
            exit_codes: BTreeMap::new(),
        };
        for error in probe.validate().err().unwrap_or_default() {
            let (name, what) = match error {
                SpecError::Range { key, value, min, max } => {
                    let [value, min, max] = [value, min, max].map(|number| value::show(key, number));
                    (key, format!("{value} is not between {min} and {max}"))
                }
                SpecError::Setting { key, reason } => (key, reason),
                other @ (SpecError::NoCommand
                | SpecError::Nul { .. }
                | SpecError::EnvName { .. }
                | SpecError::Cwd { .. }
                | SpecError::TooLarge { .. }
                | SpecError::ResumePath { .. }) => {
                    self.fault(0..0, other.to_string(), None);
                    continue;
                }
            };
            let span = self.spans.get(name).cloned().unwrap_or(0..0);
            self.fault(span, format!("{name}: {what}"), None);
        }
    }

    fn unknown_key(&mut self, name: &str, span: Range<usize>) {
        let hint = nearest::key(name).map(str::to_owned);
        self.fault(span, format!("unknown key {name}"), hint);
    }

    fn fault(&mut self, span: Range<usize>, message: String, nearest: Option<String>) {
        self.faults.push(Fault { place: Place::of(self.text, span.start), message, nearest });
    }
}
