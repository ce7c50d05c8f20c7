//! Packs and unpacks one chunk.

use crate::section::Compression;

/// Zstandard's quickest level that still gains on random floats; higher ones gain next to nothing.
const ZSTD_LEVEL: i32 = 1;

/// The packed form of `raw`; none if it would not be smaller, then the chunk is stored as it is.
pub(crate) fn pack(compression: Compression, raw: &[u8]) -> Option<Vec<u8>> {
    let packed = match compression {
        Compression::None => return None,
        Compression::Lz4 => lz4_flex::block::compress(raw),
        Compression::Zstd => zstd::bulk::compress(raw, ZSTD_LEVEL).ok()?,
    };
    (packed.len() < raw.len()).then_some(packed)
}

/// Unpacks `stored` into `raw`; whether it filled it exactly. A chunk as long as it is raw is not packed.
pub(crate) fn unpack(compression: Compression, stored: &[u8], raw: &mut [u8]) -> bool {
    if stored.len() == raw.len() {
        raw.copy_from_slice(stored);
        return true;
    }
    let unpacked = match compression {
        Compression::None => None,
        Compression::Lz4 => lz4_flex::block::decompress_into(stored, raw).ok(),
        Compression::Zstd => zstd::bulk::decompress_to_buffer(stored, raw).ok(),
    };
    unpacked == Some(raw.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PACKING: [Compression; 2] = [Compression::Lz4, Compression::Zstd];

    #[test]
    fn what_was_packed_is_unpacked_to_its_length_only() {
        let raw: Vec<u8> = (0..9000_u32).map(|n| (n / 90) as u8).collect();
        for compression in PACKING {
            let packed = pack(compression, &raw).unwrap();
            assert!(packed.len() < raw.len() / 4, "{compression:?}");
            let mut unpacked = vec![0; raw.len()];
            assert!(unpack(compression, &packed, &mut unpacked));
            assert_eq!(unpacked, raw);
            for wrong in [raw.len() - 1, raw.len() + 1, 1 << 20] {
                assert!(!unpack(compression, &packed, &mut vec![0; wrong]), "{compression:?} {wrong}");
            }
        }
    }

    #[test]
    fn what_cannot_be_made_smaller_is_left_as_it_is() {
        let raw = blake3::hash(b"noise");
        for compression in [Compression::None, Compression::Lz4, Compression::Zstd] {
            assert_eq!(pack(compression, raw.as_bytes()), None);
            let mut same = [0; 32];
            assert!(unpack(compression, raw.as_bytes(), &mut same));
            assert_eq!(same, *raw.as_bytes());
        }
    }

    #[test]
    fn garbage_is_refused() {
        let mut raw = vec![0; 4096];
        for compression in PACKING {
            for length in 0..64 {
                let garbage: Vec<u8> = (0..length).map(|n| (n * 37) as u8).collect();
                assert!(!unpack(compression, &garbage, &mut raw));
            }
        }
    }
}
