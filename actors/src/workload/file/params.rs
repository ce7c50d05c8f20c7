//! The parameters of a `workload.toml`.

use super::{Item, Param, Source, get, number, quoted};
use crate::workload::value::expected;
use resus_core::api::ParamKind;
use resus_core::nearest::nearest;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

const PARAM_KEYS: [&str; 7] = ["flag", "type", "min", "max", "choices", "default", "summary"];

impl Source<'_> {
    /// The parameters by name; those that are wrong are told, and left out.
    pub(super) fn params(&mut self, item: &Item<'_>) -> BTreeMap<String, Param> {
        let mut params = BTreeMap::new();
        let Some(table) = self.table_of(item, "params") else { return params };
        let mut flags = Vec::new();
        for (key, value) in table {
            let name = key.get_ref().as_ref();
            self.param_name(name, key.span());
            let Some(param) = self.param(name, key.span(), value) else { continue };
            flags.push((key.span().start, key.span(), param.flag.trim_end_matches('=').to_owned()));
            params.insert(name.to_owned(), param);
        }
        flags.sort_by_key(|(start, _, _)| *start);
        for (index, (_, span, flag)) in flags.iter().enumerate() {
            if flags.iter().take(index).any(|(_, _, earlier)| earlier == flag) {
                self.fault(
                    span.clone(),
                    format!("the flag {flag} belongs to another parameter already"),
                    None,
                );
            }
        }
        params
    }

    fn param_name(&mut self, name: &str, span: Range<usize>) {
        let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if name.contains('.') {
            let fault =
                format!("parameter {name:?}: names with a dot are those of settings (--set retry.max=3)");
            self.fault(span, fault, None);
        } else if name.is_empty() || !name.chars().all(fits) {
            let fault = format!("parameter {name:?}: a name has the letters a to z, digits and _ only");
            self.fault(span, fault, None);
        }
    }

    fn param(&mut self, name: &str, key: Range<usize>, item: &Item<'_>) -> Option<Param> {
        let table = self.table_of(item, &format!("the parameter {name}"))?;
        self.unknown_keys(table, &PARAM_KEYS, &format!("{name}."));
        let of = format!("{name}.");
        let flag = self.needed(table, "flag", key.clone(), &of).and_then(|item| self.flag(item, name));
        let kind = self.needed(table, "type", key.clone(), &of).and_then(|item| self.kind(item, name));
        let summary = self
            .needed(table, "summary", key, &of)
            .and_then(|item| self.summary(item, &format!("{name}.summary")));
        let bound = |source: &mut Self, key| get(table, key).and_then(|item| source.bound(item, name, key));
        let (min, max) = (bound(self, "min"), bound(self, "max"));
        let choices = get(table, "choices").and_then(|item| self.choices(item, name)).unwrap_or_default();
        let kind = kind?;
        self.fit_of_bounds(table, name, kind, (min, max));
        let mut param = Param {
            flag: flag?,
            kind,
            min,
            max,
            choices,
            default: None,
            summary: summary.unwrap_or_default(),
        };
        param.default = get(table, "default").and_then(|item| self.default(item, name, &param));
        Some(param)
    }

    fn flag(&mut self, item: &Item<'_>, name: &str) -> Option<String> {
        let text = self.text_of(item, &format!("{name}.flag"))?;
        let bare = text.strip_suffix('=').unwrap_or(&text);
        let is_flag = !bare.trim_start_matches('-').is_empty() && bare.starts_with('-');
        if !is_flag || bare.contains(|c: char| c == '=' || c.is_whitespace() || c.is_control()) {
            let fault = format!("{name}.flag is no flag such as --{name} (or --{name}=, for one argument)");
            self.fault(item.span(), fault, None);
            return None;
        }
        Some(text)
    }

    fn kind(&mut self, item: &Item<'_>, name: &str) -> Option<ParamKind> {
        let text = self.text_of(item, &format!("{name}.type"))?;
        let known = ParamKind::ALL.into_iter().find(|kind| kind.as_str() == text);
        if known.is_none() {
            let words = ParamKind::ALL.map(ParamKind::as_str);
            let near = nearest(&text, words.into_iter()).map(quoted);
            self.fault(item.span(), format!("{name}.type is one of {}", words.join(", ")), near);
        }
        known
    }

    fn bound(&mut self, item: &Item<'_>, name: &str, key: &str) -> Option<f64> {
        let number = number(item.get_ref()).filter(|number| number.is_finite());
        if number.is_none() {
            self.fault(item.span(), format!("{name}.{key} is a number"), None);
        }
        number
    }

    fn choices(&mut self, item: &Item<'_>, name: &str) -> Option<Vec<String>> {
        let what = format!("{name}.choices");
        let choices = self.texts(item, &what)?;
        let is_twice =
            choices.iter().enumerate().any(|(at, choice)| choices.iter().take(at).any(|c| c == choice));
        if choices.is_empty() || is_twice {
            self.fault(item.span(), format!("{what} are texts, at least one, each once"), None);
            return None;
        }
        Some(choices)
    }

    /// What says how large a value may be has to fit its kind.
    fn fit_of_bounds(
        &mut self,
        table: &DeTable<'_>,
        name: &str,
        kind: ParamKind,
        (min, max): (Option<f64>, Option<f64>),
    ) {
        let misplaced: &[&str] = match kind {
            ParamKind::Integer | ParamKind::Number => &["choices"],
            ParamKind::Text => &["min", "max"],
            ParamKind::Switch => &["min", "max", "choices"],
        };
        for key in misplaced {
            if let Some(item) = get(table, key) {
                let fault = format!("{name}.{key} means nothing for a {}", kind.as_str());
                self.fault(item.span(), fault, None);
            }
        }
        if let (Some(min), Some(max), Some(item)) = (min, max, get(table, "min"))
            && min > max
        {
            self.fault(item.span(), format!("{name}.min is {min}, above its max {max}"), None);
        }
    }

    fn default(&mut self, item: &Item<'_>, name: &str, param: &Param) -> Option<String> {
        let text = match (param.kind, item.get_ref()) {
            (ParamKind::Text, DeValue::String(text)) => Some(text.as_ref().to_owned()),
            (ParamKind::Switch, DeValue::Boolean(yes)) => Some(yes.to_string()),
            (ParamKind::Integer, DeValue::Integer(integer)) => {
                i64::from_str_radix(integer.as_str(), integer.radix()).ok().map(|number| number.to_string())
            }
            (ParamKind::Number, value) => number(value).map(|number| number.to_string()),
            (ParamKind::Text | ParamKind::Switch | ParamKind::Integer, _) => None,
        };
        match text.filter(|text| param.arguments(text).is_ok()) {
            Some(text) => Some(text),
            None => {
                self.fault(item.span(), format!("{name}.default: expected {}", expected(param)), None);
                None
            }
        }
    }
}
