//! What another program's file looks like from its first bytes.

/// How files of other programs begin, and what to call them.
const STARTS: [(&[u8], &str); 11] = [
    (b"PK\x03\x04", "a zip file, as torch.save and Keras write"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file"),
    (b"\x93NUMPY", "a NumPy array"),
    (b"GGUF", "a GGUF model"),
    (b"SQLite format 3\0", "an SQLite database"),
    (b"\x1f\x8b", "a gzip file"),
    (b"\x28\xb5\x2f\xfd", "a zstd file"),
    (b"\x80\x02", "a Python pickle"),
    (b"\x80\x03", "a Python pickle"),
    (b"\x80\x04", "a Python pickle"),
    (b"\x80\x05", "a Python pickle"),
];

/// The largest header that safetensors itself allows.
const SAFETENSORS_HEADER_MAX: u64 = 100_000_000;

/// What a file that is none of ours seems to be. A guess, for a message only.
pub(crate) fn looks_like(start: &[u8]) -> Option<&'static str> {
    if let Some((_, what)) = STARTS.iter().find(|(magic, _)| start.starts_with(magic)) {
        return Some(what);
    }
    if let Some((length, [b'{', ..])) = start.split_first_chunk::<8>()
        && u64::from_le_bytes(*length) <= SAFETENSORS_HEADER_MAX
    {
        return Some("a safetensors file");
    }
    let zeros = !start.is_empty() && start.iter().all(|byte| *byte == 0);
    zeros.then_some("a file of which nothing but zeros came to disk")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_other_programs_are_called_by_their_names() {
        for (start, word) in [
            (&b"PK\x03\x04\0\0"[..], "torch"),
            (b"\x40\0\0\0\0\0\0\0{\"a\"", "safetensors"),
            (b"\x89HDF\r\n\x1a\n", "HDF5"),
            (b"\x80\x02}q", "pickle"),
            (b"\x1f\x8b\x08", "gzip"),
            (&[0; 32], "zeros"),
        ] {
            assert!(looks_like(start).unwrap().contains(word), "{word}");
        }
        assert_eq!(looks_like(b"hello, world, hello"), None);
        assert_eq!(looks_like(b""), None);
    }
}
