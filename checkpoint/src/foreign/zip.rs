//! Whether a ZIP archive, as `torch.save` writes it, has its end.

/// Bytes of the record at the end, without its comment.
const END_BYTES: usize = 22;
const END: [u8; 4] = *b"PK\x05\x06";
/// How a ZIP archive starts.
pub(super) const START: [u8; 4] = *b"PK\x03\x04";
/// Where the record at the end can begin, counted from the end: its comment is at most 65,535 bytes.
pub(super) const TAIL_BYTES: usize = END_BYTES + u16::MAX as usize;

/// Whether `tail`, the last bytes of a file of `size` bytes ([`TAIL_BYTES`], or all of them), ends with
/// the record that is written last, and the directory which that names lies before it.
pub(super) fn is_ended(tail: &[u8], size: u64) -> bool {
    let Some(last) = tail.len().checked_sub(END_BYTES) else { return false };
    (0..=last).rev().any(|start| {
        let before = size.saturating_sub((tail.len() - start) as u64);
        is_last_record(&tail[start..], before)
    })
}

/// Whether `record`, of at least [`END_BYTES`] bytes, is the last one of an archive which has `before`
/// bytes before it.
fn is_last_record(record: &[u8], before: u64) -> bool {
    let number = |offset: usize, bytes: usize| {
        record[offset..offset + bytes].iter().rev().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte))
    };
    if !record.starts_with(&END) || number(20, 2) != (record.len() - END_BYTES) as u64 {
        return false;
    }
    let (directory_bytes, directory_at) = (number(12, 4), number(16, 4));
    // All ones means that a larger record, before this one, has the real number.
    let is_long = [directory_bytes, directory_at].contains(&u64::from(u32::MAX));
    is_long || directory_bytes + directory_at <= before
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(comment: &[u8]) -> Vec<u8> {
        let mut bytes = START.to_vec();
        bytes.extend([7; 96]);
        bytes.extend(END);
        bytes.extend([0; 8]);
        bytes.extend(40_u32.to_le_bytes());
        bytes.extend(60_u32.to_le_bytes());
        bytes.extend((comment.len() as u16).to_le_bytes());
        bytes.extend(comment);
        bytes
    }

    fn is_whole(bytes: &[u8]) -> bool {
        is_ended(&bytes[bytes.len().saturating_sub(TAIL_BYTES)..], bytes.len() as u64)
    }

    #[test]
    fn an_archive_ends_with_its_record() {
        assert!(is_whole(&archive(b"")));
        assert!(is_whole(&archive(b"a comment")));
        assert!(is_whole(&archive(&[1; 65_535])));
    }

    #[test]
    fn no_beginning_of_an_archive_has_its_end() {
        for bytes in [archive(b""), archive(b"a comment")] {
            for length in 0..bytes.len() {
                assert!(!is_whole(&bytes[..length]), "{length} of {}", bytes.len());
            }
        }
    }

    #[test]
    fn a_directory_that_is_not_there_yet_is_no_end() {
        let mut bytes = archive(b"");
        let place = bytes.len() - 6;
        bytes[place] = 61;
        assert!(!is_whole(&bytes));
        bytes[place..place + 4].copy_from_slice(&[0xff; 4]);
        assert!(is_whole(&bytes), "the larger record has the number");
    }
}
