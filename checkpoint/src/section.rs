//! What a checkpoint is made of.

use crate::meta::Meta;

/// What the bytes of a section are. All numbers are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Element {
    /// The workload's own bytes.
    Bytes,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 64 bits.
    U64,
    /// Signed, 8 bits.
    I8,
    /// Signed, 16 bits.
    I16,
    /// Signed, 32 bits.
    I32,
    /// Signed, 64 bits.
    I64,
    /// IEEE 754 half precision.
    F16,
    /// The upper half of an [`Element::F32`].
    BF16,
    /// IEEE 754 single precision.
    F32,
    /// IEEE 754 double precision.
    F64,
}

impl Element {
    /// All of them; the place is the number in the file.
    const ALL: [Self; 13] = [
        Self::Bytes,
        Self::U8,
        Self::U16,
        Self::U32,
        Self::U64,
        Self::I8,
        Self::I16,
        Self::I32,
        Self::I64,
        Self::F16,
        Self::BF16,
        Self::F32,
        Self::F64,
    ];

    /// Size of one element.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::Bytes | Self::U8 | Self::I8 => 1,
            Self::U16 | Self::I16 | Self::F16 | Self::BF16 => 2,
            Self::U32 | Self::I32 | Self::F32 => 4,
            Self::U64 | Self::I64 | Self::F64 => 8,
        }
    }

    /// Its name in lower case: `f32`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes",
            Self::U8 => "u8",
            Self::U16 => "u16",
            Self::U32 => "u32",
            Self::U64 => "u64",
            Self::I8 => "i8",
            Self::I16 => "i16",
            Self::I32 => "i32",
            Self::I64 => "i64",
            Self::F16 => "f16",
            Self::BF16 => "bf16",
            Self::F32 => "f32",
            Self::F64 => "f64",
        }
    }

    /// The number that stands for it in a file.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// What a number in a file stands for.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// How the chunks of a section are stored.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Compression {
    /// As they are.
    #[default]
    None,
    /// LZ4 blocks: quick where nothing can be gained.
    Lz4,
    /// Zstandard frames, level 1: smaller.
    Zstd,
}

impl Compression {
    /// All of them; the place is the number in the file.
    const ALL: [Self; 3] = [Self::None, Self::Lz4, Self::Zstd];

    /// Its name in lower case: `zstd`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Lz4 => "lz4",
            Self::Zstd => "zstd",
        }
    }

    /// The one of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|compression| compression.name() == name)
    }

    /// The number that stands for it in a file.
    pub(crate) fn code(self) -> u8 {
        self as u8
    }

    /// What a number in a file stands for.
    pub(crate) fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }
}

/// A named piece of the state, to be saved.
#[derive(Clone, Copy, Debug)]
pub struct Section<'a> {
    /// Name, unique within the checkpoint: 1 to 255 bytes.
    pub name: &'a str,
    /// What the bytes are.
    pub element: Element,
    /// The bytes: these slices joined.
    pub parts: &'a [&'a [u8]],
    /// How to store them.
    pub compression: Compression,
}

impl Section<'_> {
    /// Bytes of all parts together.
    #[must_use]
    pub fn raw_bytes(&self) -> u64 {
        self.parts.iter().fold(0, |sum, part| sum + part.len() as u64)
    }
}

/// A checkpoint to be saved.
#[derive(Clone, Copy, Debug)]
pub struct Draft<'a> {
    /// How far the training is: games played, or steps where nothing is played.
    pub games: u64,
    /// Now, in seconds since 1970.
    pub unix_time: i64,
    /// What else is known about the state.
    pub meta: &'a Meta,
    /// The state.
    pub sections: &'a [Section<'a>],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_and_compression_has_the_number_that_is_read_as_it() {
        for (code, element) in Element::ALL.iter().enumerate() {
            assert_eq!(usize::from(element.code()), code);
            assert_eq!(Element::from_code(element.code()), Some(*element));
        }
        for (code, compression) in Compression::ALL.into_iter().enumerate() {
            assert_eq!(usize::from(compression.code()), code);
            assert_eq!(Compression::from_code(compression.code()), Some(compression));
            assert_eq!(Compression::from_name(compression.name()), Some(compression));
        }
        assert_eq!((Element::from_code(13), Compression::from_code(3)), (None, None));
    }
}
