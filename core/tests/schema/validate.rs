//! A validator for the words of JSON Schema that our schemas use. It refuses words that it does
//! not know, and fields that are not listed, and remembers which listed fields it has met.

use resus_core::ids::{RunId, Slug};
use resus_core::moment::parse_timestamp;
use resus_core::schema::documents;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

static DOCUMENTS: LazyLock<BTreeMap<String, Value>> =
    LazyLock::new(|| documents().into_iter().map(|document| (document.file, document.schema)).collect());

/// Whether fields that are not listed are put up with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Unlisted {
    /// As a reader does.
    Ignored,
    /// As a test of what we write does.
    Refused,
}

pub struct Schemas {
    documents: &'static BTreeMap<String, Value>,
    unlisted: Unlisted,
    /// `file#field.field` of listed fields that some value had.
    pub met: BTreeSet<String>,
}

impl Schemas {
    pub fn new(unlisted: Unlisted) -> Self {
        Self { documents: &DOCUMENTS, unlisted, met: BTreeSet::new() }
    }

    /// What does not fit, with its place; nothing if all does.
    pub fn check(&mut self, file: &str, value: &Value) -> Vec<String> {
        let schema = self.document(file);
        let mut faults = Vec::new();
        let listed = self.listed(schema);
        self.at(schema, value, &format!("{file}#"), &listed, &mut faults);
        faults
    }

    /// All listed fields of a document, as [`Schemas::met`] names them.
    pub fn fields_of(&self, file: &str) -> BTreeSet<String> {
        let mut fields = BTreeSet::new();
        collect(&self.documents[file], &format!("{file}#"), &mut fields);
        fields
    }

    fn document(&self, file: &str) -> &'static Value {
        self.documents.get(file).unwrap_or_else(|| panic!("no schema {file}"))
    }

    /// Names of fields that the schema lists, also by way of those it refers to.
    fn listed<'a>(&self, schema: &'a Value) -> BTreeSet<&'a str> {
        let own = schema.get("properties").and_then(Value::as_object).into_iter().flat_map(Map::keys);
        let mut names: BTreeSet<&str> = own.map(String::as_str).collect();
        for other in schema.get("allOf").and_then(Value::as_array).into_iter().flatten() {
            names.extend(self.listed(self.resolved(other)));
        }
        names
    }

    fn resolved<'a>(&self, schema: &'a Value) -> &'a Value {
        schema.get("$ref").and_then(Value::as_str).map_or(schema, |file| self.document(file))
    }

    fn at(
        &mut self,
        schema: &Value,
        value: &Value,
        place: &str,
        listed: &BTreeSet<&str>,
        faults: &mut Vec<String>,
    ) {
        for (word, rule) in schema.as_object().unwrap_or_else(|| panic!("{place}: no object: {schema}")) {
            let fits = match word.as_str() {
                "$schema" | "title" | "description" => true,
                "$ref" => {
                    let file = rule.as_str().unwrap();
                    let found = self.check(file, value);
                    faults.extend(found.iter().map(|fault| format!("{place} -> {fault}")));
                    true
                }
                "allOf" => {
                    for part in rule.as_array().unwrap() {
                        let part = self.resolved(part);
                        self.at(part, value, place, listed, faults);
                    }
                    true
                }
                "anyOf" => rule.as_array().unwrap().iter().any(|part| {
                    let mut found = Vec::new();
                    let listed = self.listed(part);
                    self.at(part, value, place, &listed, &mut found);
                    found.is_empty()
                }),
                "properties" => {
                    self.properties(rule, value, place, faults);
                    true
                }
                "required" => {
                    let names = rule.as_array().unwrap().iter().map(|name| name.as_str().unwrap());
                    let missing: Vec<_> =
                        names.filter(|name| value.is_object() && value.get(name).is_none()).collect();
                    missing.is_empty()
                }
                "additionalProperties" if rule.is_object() => {
                    for of_it in value.as_object().into_iter().flat_map(Map::values) {
                        self.at(rule, of_it, place, &self.listed(rule), faults);
                    }
                    true
                }
                "items" => {
                    for item in value.as_array().into_iter().flatten() {
                        self.at(rule, item, place, &self.listed(rule), faults);
                    }
                    true
                }
                _ => simple(word, rule, value),
            };
            if !fits {
                faults.push(format!("{place}: {word} {rule}: {value}"));
            }
        }
        let is_strict = self.unlisted == Unlisted::Refused && schema.get("properties").is_some();
        let is_closed = schema.get("additionalProperties") == Some(&Value::Bool(false));
        if is_strict || is_closed {
            for name in value.as_object().into_iter().flat_map(Map::keys) {
                if !listed.contains(name.as_str()) {
                    faults.push(format!("{place}.{name} is not listed"));
                }
            }
        }
    }

    fn properties(&mut self, rule: &Value, value: &Value, place: &str, faults: &mut Vec<String>) {
        for (name, schema) in rule.as_object().unwrap() {
            let Some(field) = value.get(name) else { continue };
            let place = format!("{place}.{name}");
            if !field.is_null() || !accepts_null(schema) {
                self.met.insert(place.clone());
            }
            let listed = self.listed(schema);
            self.at(schema, field, &place, &listed, faults);
        }
    }
}

fn accepts_null(schema: &Value) -> bool {
    let kinds =
        [schema].into_iter().chain(schema.get("anyOf").and_then(Value::as_array).into_iter().flatten());
    kinds.filter_map(|kind| kind.get("type")).any(|kind| {
        kind == "null" || kind.as_array().is_some_and(|kinds| kinds.iter().any(|kind| kind == "null"))
    })
}

fn collect(schema: &Value, place: &str, fields: &mut BTreeSet<String>) {
    for (name, of_it) in schema.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let place = format!("{place}.{name}");
        fields.insert(place.clone());
        collect(of_it, &place, fields);
    }
    for part in schema.get("anyOf").and_then(Value::as_array).into_iter().flatten() {
        collect(part, place, fields);
    }
    for word in ["items", "additionalProperties"] {
        if let Some(part) = schema.get(word).filter(|part| part.is_object()) {
            collect(part, place, fields);
        }
    }
}

fn simple(word: &str, rule: &Value, value: &Value) -> bool {
    let number = || rule.as_u64().unwrap() as f64;
    let size = || usize::try_from(rule.as_u64().unwrap()).unwrap();
    match word {
        "type" => match rule.as_array() {
            Some(kinds) => kinds.iter().any(|kind| is_of(kind.as_str().unwrap(), value)),
            None => is_of(rule.as_str().unwrap(), value),
        },
        "const" => rule == value,
        "enum" => rule.as_array().unwrap().contains(value),
        "minimum" => value.as_f64().is_none_or(|n| n >= number()),
        "maximum" => value.as_f64().is_none_or(|n| n <= number()),
        "maxLength" => value.as_str().is_none_or(|text| text.chars().count() <= size()),
        "maxProperties" => value.as_object().is_none_or(|names| names.len() <= size()),
        "minItems" => value.as_array().is_none_or(|items| items.len() >= size()),
        "maxItems" => value.as_array().is_none_or(|items| items.len() <= size()),
        "additionalProperties" => rule == &Value::Bool(false),
        "format" => {
            assert_eq!(rule, "date-time");
            value.as_str().is_none_or(|text| text.ends_with('Z') && parse_timestamp(value).is_some())
        }
        "pattern" => value.as_str().is_none_or(|text| match rule.as_str().unwrap() {
            "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$" => RunId::new(text).is_ok(),
            "^[a-z0-9-]{1,48}$" => Slug::new(text).is_ok(),
            other => panic!("a pattern that the tests do not know: {other}"),
        }),
        other => panic!("a word that the tests do not know: {other}"),
    }
}

fn is_of(kind: &str, value: &Value) -> bool {
    match kind {
        "string" => value.is_string(),
        "number" => value.is_number(),
        "integer" => value.is_u64() || value.is_i64(),
        "boolean" => value.is_boolean(),
        "object" => value.is_object(),
        "array" => value.is_array(),
        "null" => value.is_null(),
        other => panic!("no type {other}"),
    }
}

#[test]
fn the_validator_finds_what_does_not_fit() {
    let mut schemas = Schemas::new(Unlisted::Refused);
    let good = serde_json::json!({"status": "done", "epoch": 1, "total_epochs": 1.5, "loss": 0, "message": "", "timestamp": 7});
    assert_eq!(schemas.check("snapshot_v1.json", &good), [""; 0]);
    for (field, bad) in
        [("status", "fine".into()), ("epoch", Value::Null), ("timestamp", (-1).into()), ("more", 1.into())]
    {
        let mut value = good.clone();
        value[field] = bad;
        assert_eq!(schemas.check("snapshot_v1.json", &value).len(), 1, "{value}");
    }
    let mut value = good.clone();
    value.as_object_mut().unwrap().remove("loss");
    assert_eq!(schemas.check("snapshot_v1.json", &value).len(), 1);
    value = good;
    value["message"] = "x".repeat(257).into();
    assert_eq!(schemas.check("snapshot_v1.json", &value).len(), 1);
}
