//! The words in which schemas are written.

use super::{Document, file_of_type};
use crate::ids::{ID_BYTES_MAX, SLUG_BYTES_MAX};
use serde_json::{Map, Value, json};

/// The dialect.
const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";

/// A schema, or a part of one.
#[derive(Debug, Clone)]
pub(super) struct Shape(Map<String, Value>);

/// A field of an object.
pub(super) struct Field {
    name: &'static str,
    shape: Shape,
    is_required: bool,
}

/// A field that is always there.
pub(super) fn required(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, is_required: true }
}

/// A field that may be left out.
pub(super) fn optional(name: &'static str, shape: Shape) -> Field {
    Field { name, shape, is_required: false }
}

fn of(members: Value) -> Shape {
    let Value::Object(members) = members else { return Shape(Map::new()) };
    Shape(members)
}

pub(super) fn text() -> Shape {
    of(json!({"type": "string"}))
}

pub(super) fn number() -> Shape {
    of(json!({"type": "number"}))
}

/// A whole number from 0 on.
pub(super) fn whole() -> Shape {
    of(json!({"type": "integer", "minimum": 0}))
}

/// A whole number that fits into 32 bits.
pub(super) fn small() -> Shape {
    of(json!({"type": "integer", "minimum": 0, "maximum": u32::MAX}))
}

/// A whole number of either sign.
pub(super) fn integer() -> Shape {
    of(json!({"type": "integer"}))
}

pub(super) fn flag() -> Shape {
    of(json!({"type": "boolean"}))
}

/// Any JSON object.
pub(super) fn anything() -> Shape {
    of(json!({"type": "object"}))
}

/// One of some words.
pub(super) fn words<'a>(words: impl IntoIterator<Item = &'a str>) -> Shape {
    of(json!({"type": "string", "enum": words.into_iter().collect::<Vec<_>>()}))
}

/// The words of some values of an enum of ours.
pub(super) fn words_of<T: serde::Serialize>(values: impl IntoIterator<Item = T>) -> Shape {
    let words: Vec<Value> = values.into_iter().filter_map(|value| serde_json::to_value(value).ok()).collect();
    of(json!({"type": "string", "enum": words}))
}

/// Exactly this.
pub(super) fn exactly(value: impl Into<Value>) -> Shape {
    of(json!({"const": value.into()}))
}

/// A time, RFC 3339 in UTC.
pub(super) fn time() -> Shape {
    of(json!({"type": "string", "format": "date-time"}))
}

/// An id of ours.
pub(super) fn id() -> Shape {
    of(json!({"type": "string", "pattern": format!("^[A-Za-z0-9][A-Za-z0-9_-]{{0,{}}}$", ID_BYTES_MAX - 1)}))
}

/// A name that fits into an address.
pub(super) fn slug() -> Shape {
    of(json!({"type": "string", "pattern": format!("^[a-z0-9-]{{1,{SLUG_BYTES_MAX}}}$")}))
}

/// Names, each with a number that is null when it was not finite.
pub(super) fn numbers() -> Shape {
    map(number().or_null())
}

/// Names, each with something.
pub(super) fn map(of_each: Shape) -> Shape {
    of(json!({"type": "object", "additionalProperties": of_each.0}))
}

pub(super) fn list(of_each: Shape) -> Shape {
    of(json!({"type": "array", "items": of_each.0}))
}

/// What any of these says.
pub(super) fn either(shapes: impl IntoIterator<Item = Shape>) -> Shape {
    of(json!({"anyOf": shapes.into_iter().map(|shape| shape.0).collect::<Vec<_>>()}))
}

/// What the schema of one of our types says.
pub(super) fn like(name: &str) -> Shape {
    like_file(&file_of_type(name))
}

/// What the schema in a file says.
pub(super) fn like_file(file: &str) -> Shape {
    of(json!({"$ref": file}))
}

/// An object with these fields, and maybe others that a reader is to ignore.
pub(super) fn object(fields: impl IntoIterator<Item = Field>) -> Shape {
    let mut properties = Map::new();
    let mut always = Vec::new();
    for field in fields {
        if field.is_required {
            always.push(field.name);
        }
        properties.insert(field.name.to_owned(), Value::Object(field.shape.0));
    }
    of(json!({"type": "object", "properties": properties, "required": always}))
}

impl Shape {
    /// Says what it is.
    pub(super) fn about(self, what: &str) -> Self {
        self.with("description", what)
    }

    /// At most so many characters. (Limits of ours are in bytes; characters are never more.)
    pub(super) fn longest(self, characters: usize) -> Self {
        self.with("maxLength", characters)
    }

    /// At most so many names.
    pub(super) fn at_most(self, names: usize) -> Self {
        self.with("maxProperties", names)
    }

    /// Exactly so many items.
    pub(super) fn with_exactly(self, items: usize) -> Self {
        self.with("minItems", items).with("maxItems", items)
    }

    /// From `number` on.
    pub(super) fn from(self, number: u64) -> Self {
        self.with("minimum", number)
    }

    /// No other fields than the listed ones: what is unknown is refused.
    pub(super) fn closed(self) -> Self {
        self.with("additionalProperties", false)
    }

    /// Besides what it says, all that another schema says.
    pub(super) fn and_like_file(self, file: &str) -> Self {
        self.with("allOf", json!([{ "$ref": file }]))
    }

    /// This, or null.
    pub(super) fn or_null(mut self) -> Self {
        let is_plain = !["enum", "const", "$ref"].iter().any(|word| self.0.contains_key(*word));
        match self.0.get("type").cloned() {
            Some(kind) if is_plain => self.with("type", json!([kind, "null"])),
            Some(_) | None => {
                let description = self.0.remove("description");
                let either = of(json!({"anyOf": [self.0, {"type": "null"}]}));
                description.into_iter().fold(either, |shape, what| shape.with("description", what))
            }
        }
    }

    fn with(mut self, word: &str, value: impl Into<Value>) -> Self {
        self.0.insert(word.to_owned(), value.into());
        self
    }

    /// A document of its own; `title` is the name of its type.
    pub(super) fn document(self, file: impl Into<String>, title: &str) -> Document {
        let head = [("$schema".to_owned(), DIALECT.into()), ("title".to_owned(), title.into())];
        let schema = Value::Object(head.into_iter().chain(self.0).collect());
        Document { file: file.into(), schema }
    }

    /// A document of its own in the file that [`like`] refers to.
    pub(super) fn document_of_type(self, name: &str) -> Document {
        self.document(file_of_type(name), name)
    }
}
