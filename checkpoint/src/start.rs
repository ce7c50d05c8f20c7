//! The fixed header of version 3: 80 bytes, of which the first 32 are those of all versions.

use crate::header::{FLAG_SEALED, HEADER_BYTES, Header};
use crate::meta::META_BYTES_MAX;
use crate::refusal::Refusal;

/// Size of the fixed header.
pub(crate) const START_BYTES: usize = 80;
/// The most bytes that header, metadata and tables may have together.
pub(crate) const HEAD_BYTES_MAX: u64 = 16 << 20;
/// Sections begin at multiples of this.
pub(crate) const ALIGNMENT: u64 = 64;
/// Size of a section's entry without its name.
pub(crate) const SECTION_BYTES: usize = 32;
/// Size of a chunk's entry.
pub(crate) const CHUNK_BYTES: usize = 8;
/// The sizes of chunks that are read: powers of two in this range.
pub(crate) const CHUNK_SIZES: std::ops::RangeInclusive<u32> = 512..=16 << 20;

/// The fixed header, whose numbers say how the rest of the head is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Start {
    pub header: Header,
    pub file_bytes: u64,
    pub data_offset: u64,
    pub meta_bytes: u32,
    pub sections_bytes: u32,
    pub section_count: u32,
    pub chunk_count: u32,
    pub chunk_bytes: u32,
    pub tables_crc: u32,
}

impl Start {
    pub(crate) fn encode(&self) -> [u8; START_BYTES] {
        let mut bytes = [0; START_BYTES];
        bytes[..HEADER_BYTES].copy_from_slice(&self.header.encode());
        bytes[32..40].copy_from_slice(&self.file_bytes.to_le_bytes());
        bytes[40..48].copy_from_slice(&self.data_offset.to_le_bytes());
        let numbers =
            [self.meta_bytes, self.sections_bytes, self.section_count, self.chunk_count, self.chunk_bytes];
        for (place, number) in bytes[48..68].chunks_exact_mut(4).zip(numbers) {
            place.copy_from_slice(&number.to_le_bytes());
        }
        // Bytes 68 to 71 are zero.
        bytes[72..76].copy_from_slice(&self.tables_crc.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..76]);
        bytes[76..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    pub(crate) fn decode(bytes: &[u8; START_BYTES]) -> Result<Self, Refusal> {
        let header = Header::decode(&std::array::from_fn(|index| bytes[index]))?;
        let (expected, found) = (number(bytes, 76), crc32fast::hash(&bytes[..76]));
        if expected != found {
            return Err(Refusal::HeaderDamaged { expected, found });
        }
        let start = Self {
            header,
            file_bytes: long(bytes, 32),
            data_offset: long(bytes, 40),
            meta_bytes: number(bytes, 48),
            sections_bytes: number(bytes, 52),
            section_count: number(bytes, 56),
            chunk_count: number(bytes, 60),
            chunk_bytes: number(bytes, 64),
            tables_crc: number(bytes, 72),
        };
        let refuse = |what| Err(Refusal::Contradiction { what });
        match start {
            Self { header, .. } if header.version != 3 => refuse("a version before 3 has no such header"),
            Self { header, .. } if header.flags & FLAG_SEALED == 0 => refuse("version 3 is always sealed"),
            _ if number(bytes, 68) != 0 => refuse("the reserved bytes of the header are not zero"),
            _ if !is_chunk_size(start.chunk_bytes) => {
                refuse("the chunk size is no power of two from 512 to 16777216")
            }
            _ if start.meta_bytes as usize > META_BYTES_MAX => refuse("the metadata is larger than 1 MiB"),
            _ if start.tables_end() > HEAD_BYTES_MAX => refuse("the tables are larger than 16 MiB"),
            _ if start.tables_end().next_multiple_of(ALIGNMENT) != start.data_offset => {
                refuse("the data does not begin behind the tables")
            }
            _ => Ok(start),
        }
    }

    /// Where the last table ends. Cannot overflow: four 32-bit numbers, one of them times eight.
    pub(crate) fn tables_end(&self) -> u64 {
        let chunks = u64::from(self.chunk_count) * CHUNK_BYTES as u64;
        START_BYTES as u64 + u64::from(self.meta_bytes) + u64::from(self.sections_bytes) + chunks
    }
}

/// Whether chunks may have that size.
pub(crate) fn is_chunk_size(bytes: u32) -> bool {
    bytes.is_power_of_two() && CHUNK_SIZES.contains(&bytes)
}

fn number(bytes: &[u8; START_BYTES], offset: usize) -> u32 {
    u32::from_le_bytes(std::array::from_fn(|index| bytes[offset + index]))
}

fn long(bytes: &[u8; START_BYTES], offset: usize) -> u64 {
    u64::from_le_bytes(std::array::from_fn(|index| bytes[offset + index]))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Start = Start {
        header: Header { version: 3, flags: FLAG_SEALED, crc: 1, games: 2, unix_time: 3 },
        file_bytes: 1000,
        data_offset: 192,
        meta_bytes: 6,
        sections_bytes: 40,
        section_count: 1,
        chunk_count: 2,
        chunk_bytes: 512,
        tables_crc: 9,
    };

    fn what(start: Start) -> &'static str {
        match Start::decode(&start.encode()) {
            Err(Refusal::Contradiction { what }) => what,
            result => panic!("{result:?}"),
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        assert_eq!(Start::decode(&START.encode()).unwrap(), START);
    }

    #[test]
    fn every_bit_of_a_header_is_protected() {
        let bytes = START.encode();
        for bit in 0..START_BYTES * 8 {
            let mut bytes = bytes;
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(Start::decode(&bytes).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn numbers_that_contradict_each_other_are_refused_though_their_checksum_is_right() {
        assert!(what(Start { chunk_bytes: 768, ..START }).contains("chunk size"));
        assert!(what(Start { chunk_bytes: 256, ..START }).contains("chunk size"));
        assert!(what(Start { meta_bytes: 2 << 20, ..START }).contains("1 MiB"));
        assert!(what(Start { chunk_count: u32::MAX, ..START }).contains("16 MiB"));
        assert!(what(Start { sections_bytes: u32::MAX, ..START }).contains("16 MiB"));
        assert!(what(Start { data_offset: 256, ..START }).contains("behind the tables"));
        assert!(what(Start { header: Header { flags: 0, ..START.header }, ..START }).contains("sealed"));
        assert!(what(Start { header: Header { version: 2, ..START.header }, ..START }).contains("before 3"));
    }
}
