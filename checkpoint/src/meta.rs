//! What a checkpoint says about the training besides its numbers, and how that lies in the file: a
//! version byte, then bincode 2 in its standard configuration.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Version of the metadata block.
const META_VERSION: u8 = 1;
/// The most bytes of metadata a file may have.
pub(crate) const META_BYTES_MAX: usize = 1 << 20;

/// What the writer knows about the state it saved.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Meta {
    /// Training step of the state.
    pub step: u64,
    /// Epochs done, where the training counts them.
    pub epoch: Option<f64>,
    /// Whether the state's numbers are finite.
    pub health: Health,
    /// Figures by name, such as the loss at that step.
    pub metrics: BTreeMap<String, f64>,
    /// The program that wrote it, for people: `othello-trainer 0.1.0`.
    pub writer: String,
}

/// Whether a checkpoint's numbers are finite. A state that verifies may still be poisoned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Health {
    /// Nobody looked.
    #[default]
    Unknown,
    /// All numbers are finite.
    Finite,
    /// Some number is infinite or not a number.
    NotFinite,
}

impl Meta {
    /// The block as stored; none if it would be larger than a file may have.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let body = bincode::serde::encode_to_vec(self, bincode::config::standard()).ok()?;
        let block = [&[META_VERSION], &body[..]].concat();
        (block.len() <= META_BYTES_MAX).then_some(block)
    }

    /// Reads a stored block; none if it is of another version, is cut, or has bytes too many.
    pub(crate) fn decode(block: &[u8]) -> Option<Self> {
        let (version, body) = block.split_first()?;
        if *version != META_VERSION {
            return None;
        }
        let config = bincode::config::standard().with_limit::<META_BYTES_MAX>();
        let (meta, read) = bincode::serde::decode_from_slice(body, config).ok()?;
        (read == body.len()).then_some(meta)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_read_again_and_nothing_else_is() {
        let meta = Meta {
            step: 70_000,
            epoch: Some(1.5),
            health: Health::NotFinite,
            metrics: BTreeMap::from([("loss".to_owned(), f64::INFINITY)]),
            writer: "test".to_owned(),
        };
        let block = meta.encode().unwrap();
        assert_eq!(Meta::decode(&block).unwrap(), meta);
        for cut in 0..block.len() {
            assert_eq!(Meta::decode(&block[..cut]), None, "{cut} bytes");
        }
        assert_eq!(Meta::decode(&[&block[..], &[0]].concat()), None);
        assert_eq!(Meta::decode(&[&[2], &block[1..]].concat()), None);
    }

    #[test]
    fn the_stored_bytes_are_those_of_the_format() {
        assert_eq!(Meta::default().encode().unwrap(), [1, 0, 0, 0, 0, 0]);
    }

    #[test]
    fn a_length_that_is_claimed_is_not_believed() {
        // A map that says it has 2^64 - 1 entries.
        let block = [&[1, 0, 0, 0, 253][..], &[0xff; 8]].concat();
        assert_eq!(Meta::decode(&block), None);
    }

    #[test]
    fn metadata_without_measure_is_not_stored() {
        assert_eq!(Meta { writer: "x".repeat(META_BYTES_MAX), ..Meta::default() }.encode(), None);
    }
}
