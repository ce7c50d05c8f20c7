//! The configuration as a JSON Schema, for editors: from the table of keys and the comments of
//! `default.toml`.
//!
//! Draft 07, in words that mean the same in every draft: the TOML servers of editors (taplo, and
//! "Even Better TOML", which is made of it) have known it for years, and newer drafts only in
//! newer versions. A schema can't say all that our own check says (whether a time is too long, or
//! two keys go together); what it refuses, the check refuses too.

use crate::settings::Voice;
use crate::settings::comments;
use crate::settings::keys::{Form, KEYS, Key, Reach};
use crate::settings::layers::Layers;
use serde_json::{Map, Value, json};

const DIALECT: &str = "http://json-schema.org/draft-07/schema#";
/// Numbers with units, as [`crate::text::duration`] reads them.
const TIME: &str = r"^\s*([0-9]*\.?[0-9]*(ms|s|m|h|d|w))+\s*$";
/// A whole number with a unit, as [`crate::text::size`] reads it.
const SIZE: &str = r"^\s*[0-9]+\s*(B|KiB|MiB|GiB)\s*$";
/// A number with a percent sign, as [`crate::text::share`] reads it.
const SHARE: &str = r"^\s*[0-9]+(\.[0-9])?\s*%\s*$";
/// A name, or none.
const NODE: &str = "^([a-z0-9-]{1,48})?$";
/// The whole path of a file, or none.
const PATH: &str = "^(/[^\\u0000]*)?$";

/// The schema of the user's file, or of a project's.
pub(crate) fn schema(voice: Voice) -> Value {
    let defaults = Layers::defaults();
    let mut sections = Map::new();
    for key in KEYS.iter().filter(|key| voice == Voice::User || key.reach == Reach::Runs) {
        let default = defaults.values.get(key.name).map(|value| value.written.json.clone());
        let section = sections
            .entry(key.section())
            .or_insert_with(|| json!({ "type": "object", "additionalProperties": false, "properties": {} }));
        section["properties"][key.last()] = property(key, default);
    }
    let title = match voice {
        Voice::User => "Settings of Resus",
        Voice::Project => "Settings of Resus for a project (resus.toml)",
    };
    json!({
        "$schema": DIALECT,
        "title": title,
        "type": "object",
        "additionalProperties": false,
        "properties": sections,
    })
}

/// The schema as a file.
pub(crate) fn text(voice: Voice) -> String {
    format!("{:#}\n", schema(voice))
}

fn property(key: &Key, default: Option<Value>) -> Value {
    let mut property = of_form(&key.form);
    property["description"] = comments::of(key).into();
    if let Some(default) = default {
        property["default"] = default;
    }
    property
}

fn of_form(form: &Form) -> Value {
    let text = |pattern: &str| json!({ "type": "string", "pattern": pattern });
    let whole = |max: Option<u64>| match max {
        Some(max) => json!({ "type": "integer", "minimum": 0, "maximum": max }),
        None => json!({ "type": "integer", "minimum": 0 }),
    };
    match form {
        Form::Time(_) | Form::TimeOrNever(..) | Form::TimeBetween(..) => text(TIME),
        Form::Count(_) => whole(Some(u32::MAX.into())),
        Form::Number(_) => whole(None),
        Form::Port(_) => whole(Some(u16::MAX.into())),
        Form::Share(_) | Form::Percent(_) => text(SHARE),
        Form::Factor(_) => json!({ "type": "number", "minimum": 0 }),
        Form::Size(..) => text(SIZE),
        Form::Node => text(NODE),
        Form::Flag(_) => json!({ "type": "boolean" }),
        Form::Text(_) => json!({ "type": "string" }),
        Form::File(_) => text(PATH),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    #[test]
    fn the_stored_schema_is_the_generated_one() {
        let path = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../config/schema.json"));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(path, text(Voice::User)).expect("written");
        }
        let stored = std::fs::read_to_string(path).unwrap_or_default();
        assert!(stored == text(Voice::User), "write it anew: UPDATE=1 cargo test -p resus schema");
    }

    #[test]
    fn every_key_is_in_it_with_its_comment_and_default_and_a_projects_has_those_of_runs() {
        let (user, project) = (schema(Voice::User), schema(Voice::Project));
        for key in KEYS {
            let at = |schema: &Value| schema["properties"][key.section()]["properties"][key.last()].clone();
            assert_eq!(at(&user)["description"], comments::of(key));
            assert!(!at(&user)["default"].is_null(), "{}", key.name);
            assert_eq!(at(&project), if key.reach == Reach::Runs { at(&user) } else { Value::Null });
        }
        assert_eq!(project["properties"].as_object().map(Map::len), Some(6));
    }
}
