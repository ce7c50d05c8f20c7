//! Whether a safetensors file is as long as its header says. Format: 8 bytes with the header's length,
//! little-endian; the header, a JSON object that maps each tensor's name to its type, shape and place in
//! the data; the data. <https://github.com/huggingface/safetensors>

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, MapAccess, Visitor};

/// Bytes of the header's length.
pub(super) const LENGTH_BYTES: u64 = 8;
/// The format's own limit of its header.
pub(super) const HEADER_MAX: u64 = 100_000_000;

/// What the header says of the file's length.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Length {
    /// That it is what it is.
    Right,
    /// That there must be more.
    Short {
        /// The length it will have.
        of: u64,
    },
    /// Nothing that a file could be.
    Wrong(String),
}

/// Compares the places of all tensors with the size of the file. They must cover the data without a gap
/// and without overlapping.
pub(super) fn measure(header: &[u8], size: u64) -> Length {
    let Places(mut places) = match serde_json::from_slice(header) {
        Ok(places) => places,
        Err(error) => return Length::Wrong(format!("its header is no JSON of tensors: {error}")),
    };
    places.sort_unstable();
    let mut end = 0;
    for (from, to) in places {
        if from != end || to < from {
            return Length::Wrong(format!("its tensors do not join at byte {end} of the data"));
        }
        end = to;
    }
    let before = LENGTH_BYTES.saturating_add(header.len() as u64);
    let of = before.saturating_add(end);
    match size.cmp(&of) {
        std::cmp::Ordering::Equal => Length::Right,
        std::cmp::Ordering::Less => Length::Short { of },
        std::cmp::Ordering::Greater => {
            Length::Wrong(format!("{} bytes follow behind the last tensor", size - of))
        }
    }
}

/// Where each tensor lies in the data, from one byte up to but without another.
struct Places(Vec<(u64, u64)>);

#[derive(Deserialize)]
struct Tensor {
    data_offsets: (u64, u64),
}

impl<'de> Deserialize<'de> for Places {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Header)
    }
}

struct Header;

impl<'de> Visitor<'de> for Header {
    type Value = Places;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of tensors")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Places, A::Error> {
        let mut places = Vec::new();
        while let Some(name) = map.next_key::<Cow<'de, str>>()? {
            if name == "__metadata__" {
                map.next_value::<IgnoredAny>()?;
            } else {
                places.push(map.next_value::<Tensor>()?.data_offsets);
            }
        }
        Ok(Places(places))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = br#"{"__metadata__":{"format":"pt"},
        "b":{"dtype":"F32","shape":[2],"data_offsets":[4,12]},
        "a\u0062":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},
        "empty":{"dtype":"F32","shape":[0],"data_offsets":[12,12]}}   "#;

    #[test]
    fn the_tensors_tell_how_long_the_file_is() {
        let whole = 8 + HEADER.len() as u64 + 12;
        assert_eq!(measure(HEADER, whole), Length::Right);
        assert_eq!(measure(HEADER, whole - 1), Length::Short { of: whole });
        assert!(matches!(measure(HEADER, whole + 1), Length::Wrong(why) if why.starts_with("1 bytes")));
    }

    #[test]
    fn tensors_that_overlap_or_leave_a_gap_are_wrong() {
        for header in [
            r#"{"a":{"data_offsets":[0,4]},"b":{"data_offsets":[5,8]}}"#,
            r#"{"a":{"data_offsets":[0,4]},"b":{"data_offsets":[3,8]}}"#,
            r#"{"a":{"data_offsets":[1,4]}}"#,
            r#"{"a":{"data_offsets":[0,-4]}}"#,
            r#"{"a":{}}"#,
            r#"{"a":{"data_offsets":[0,4]}"#,
            "[]",
            "",
        ] {
            assert!(matches!(measure(header.as_bytes(), 100), Length::Wrong(_)), "{header}");
        }
    }

    #[test]
    fn a_file_that_no_disk_holds_is_short() {
        let header = format!(r#"{{"a":{{"data_offsets":[0,{}]}}}}"#, u64::MAX);
        assert_eq!(measure(header.as_bytes(), 100), Length::Short { of: u64::MAX });
    }
}
