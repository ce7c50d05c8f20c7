//! Pieces of what a worker printed, from the file it prints to.

use resus_core::api::OutputChunk;
use resus_core::moment::rfc3339;
use resus_core::run::Run;
use resus_core::secret::Secrets;
use resus_store::StateDir;
use rustix::fs::{SeekFrom, seek};
use rustix::io::Errno;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Name of an attempt's output file, as the shim opens it.
const OUTPUT_FILE: &str = "output.log";

/// Why output could not be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OutputError {
    #[error("run {run} has no attempt {attempt}; its newest is {newest}")]
    NoSuchAttempt { run: String, attempt: u32, newest: u32 },
    #[error("the output of attempt {attempt} can't be read: {source}")]
    Read { attempt: u32, source: io::Error },
    #[error(transparent)]
    Run(#[from] resus_store::BadRunId),
}

/// Reads at most `max` bytes of an attempt's output from `offset` on, or from the first byte
/// that is still kept: see [`OutputChunk::offset`]. An offset at the end gives an empty piece;
/// so does an attempt that has printed nothing yet.
pub(crate) fn read(
    state: &StateDir,
    run: &Run,
    attempt: Option<u32>,
    offset: u64,
    max: u32,
) -> Result<(OutputChunk, Vec<u8>), OutputError> {
    let newest = run.attempt.0;
    let attempt = attempt.unwrap_or(newest);
    if attempt == 0 || attempt > newest {
        return Err(OutputError::NoSuchAttempt { run: run.id.short().to_owned(), attempt, newest });
    }
    // Asked before reading: whatever was printed before the end is then read.
    let complete = attempt < newest || run.phase.is_terminal() || !run.phase.has_worker();
    let path = state.attempt(run.id.as_str(), attempt)?.join(OUTPUT_FILE);
    let read =
        |offset, max| piece(&path, offset, max).map_err(|source| OutputError::Read { attempt, source });
    let piece = masked(&Secrets::of(&run.spec), offset, max, !complete, read)?;
    let pruned = run.output_pruned.as_ref().filter(|pruned| attempt <= pruned.upto.0);
    let Piece { offset, bytes, length } = piece;
    let next_offset = offset.saturating_add(bytes.len() as u64);
    let chunk = OutputChunk {
        attempt,
        newest_attempt: newest,
        offset,
        next_offset,
        length,
        complete: complete && next_offset >= length,
        run_ended: run.phase.is_terminal(),
        pruned_at: pruned.map(|pruned| rfc3339(pruned.at_unix_ms)),
    };
    Ok((chunk, bytes))
}

/// Bytes of a file, where they are, and how long the file is.
#[derive(Debug, Default, PartialEq, Eq)]
struct Piece {
    offset: u64,
    bytes: Vec<u8>,
    length: u64,
}

/// A piece in which every byte of a secret is a `*`, whether the secret lies within it or over its
/// edges: as much is read around it as the longest one takes. While more `may_come`, what may
/// become a secret is kept back, as if it had not been printed yet: once it was told, it can't be
/// taken back.
fn masked<E>(
    secrets: &Secrets,
    offset: u64,
    max: u32,
    may_come: bool,
    read: impl Fn(u64, u32) -> Result<Piece, E>,
) -> Result<Piece, E> {
    if secrets.is_empty() {
        return read(offset, max);
    }
    let around = u32::try_from(secrets.bytes_max()).unwrap_or(u32::MAX);
    let before = u32::try_from(offset.min(u64::from(around))).unwrap_or(around);
    let wide = max.saturating_add(before).saturating_add(around);
    let begin = offset.saturating_sub(u64::from(before));
    let mut piece = read(begin, wide)?;
    let end = piece.offset.saturating_add(piece.bytes.len() as u64);
    let begun = if may_come { secrets.begun(&piece.bytes) } else { 0 };
    secrets.mask_bytes(&mut piece.bytes, piece.offset > 0);
    if begun > 0 && end >= piece.length {
        piece.bytes.truncate(piece.bytes.len().saturating_sub(begun));
        piece.length = end.saturating_sub(begun as u64);
    }
    let lead = offset.saturating_sub(piece.offset);
    let lead = usize::try_from(lead).unwrap_or(usize::MAX).min(piece.bytes.len());
    piece.bytes.drain(..lead);
    piece.bytes.truncate(usize::try_from(max).unwrap_or(usize::MAX));
    piece.offset = piece.offset.max(offset);
    Ok(piece)
}

fn piece(path: &Path, offset: u64, max: u32) -> io::Result<Piece> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Ok(Piece { offset, ..Piece::default() });
        }
        Err(error) => return Err(error),
    };
    let length = file.metadata()?.len();
    let begin = kept_from(&file, offset, length)?;
    let wanted = length.saturating_sub(begin).min(u64::from(max));
    let mut bytes = vec![0; usize::try_from(wanted).unwrap_or(0)];
    let read = file.read_at(&mut bytes, begin)?;
    bytes.truncate(read);
    // What was freed while we read would be zeros. The rest was there then if it is now.
    let kept = kept_from(&file, begin, length)?;
    let lost = usize::try_from(kept - begin).unwrap_or(usize::MAX).min(bytes.len());
    bytes.drain(..lost);
    Ok(Piece { offset: kept, bytes, length })
}

/// The first offset from `offset` on whose bytes are kept. The shim frees what is too old by
/// punching a hole at the beginning of the file; nothing else makes holes in it.
fn kept_from(file: &File, offset: u64, length: u64) -> io::Result<u64> {
    if offset >= length {
        return Ok(offset);
    }
    match seek(file, SeekFrom::Data(offset)) {
        Ok(data) => Ok(data),
        // There is no data up to the end: nothing was kept.
        Err(Errno::NXIO) => Ok(length),
        // A file system that knows no holes has none.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(offset),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustix::fs::{FallocateFlags, fallocate};

    const BLOCK: u64 = 4096;

    /// A file of eight blocks, `a` to `h`, with the first `freed` blocks punched out.
    fn file_of_blocks(freed: u64) -> tempfile::NamedTempFile {
        let file = tempfile::NamedTempFile::new().unwrap();
        let text: Vec<u8> = (b'a'..=b'h').flat_map(|letter| vec![letter; 4096]).collect();
        std::fs::write(file.path(), text).unwrap();
        if freed > 0 {
            let hole = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
            fallocate(file.as_file(), hole, 0, freed * BLOCK).unwrap();
        }
        file
    }

    #[test]
    fn an_offset_in_the_freed_head_goes_on_at_the_first_kept_byte() {
        let file = file_of_blocks(3);
        for offset in [0, 1, 2 * BLOCK, 3 * BLOCK - 1, 3 * BLOCK] {
            let piece = piece(file.path(), offset, 10).unwrap();
            assert_eq!((piece.offset, piece.length), (3 * BLOCK, 8 * BLOCK), "from {offset}");
            assert_eq!(piece.bytes, b"dddddddddd");
        }
    }

    #[test]
    fn secrets_are_masked_however_the_output_is_cut() {
        let text = b"one hunter22 two hunter22hunter22 hunt";
        let secrets = Secrets::from_values(["hunter22"].into_iter());
        let whole = b"one ******** two **************** hunt";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        for offset in 0..=text.len() {
            for max in 0..text.len() as u32 + 2 {
                let got = masked(&secrets, offset as u64, max, false, |at, max| piece(file.path(), at, max))
                    .unwrap();
                let end = (offset + max as usize).min(text.len());
                assert_eq!(got.bytes, &whole[offset..end], "{max} from {offset}");
                assert_eq!((got.offset, got.length), (offset as u64, text.len() as u64));
            }
        }
    }

    /// A generator without a crate: splitmix64.
    fn next(state: &mut u64) -> usize {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = *state;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) as usize
    }

    #[test]
    fn who_follows_sees_what_who_comes_later_sees() {
        let secrets = Secrets::from_values(["ababaab", "bbabab", "aabbaabbab"].into_iter());
        let mut seed = 11;
        let mut held = 0;
        for trial in 0..2_000 {
            let text: Vec<u8> = (0..80).map(|_| b"aab-"[next(&mut seed) % 3 + trial % 2]).collect();
            let mut whole = text.clone();
            secrets.mask_bytes(&mut whole, false);
            let (mut seen, mut printed) = (Vec::new(), 0);
            while printed < text.len() || seen.len() < text.len() {
                printed = text.len().min(printed + next(&mut seed) % 9);
                let read = |at: u64, max: u32| {
                    let begin = printed.min(at as usize);
                    let bytes = text[begin..printed.min(begin + max as usize)].to_vec();
                    Ok::<_, ()>(Piece { offset: at, bytes, length: printed as u64 })
                };
                let max = 1 + (next(&mut seed) % 12) as u32;
                let may_come = printed < text.len();
                let got = masked(&secrets, seen.len() as u64, max, may_come, read).unwrap();
                assert!(got.offset + got.bytes.len() as u64 <= got.length.max(got.offset));
                held += usize::from(got.length < printed as u64);
                seen.extend(got.bytes);
            }
            assert!(seen == whole, "{}", String::from_utf8_lossy(&seen));
        }
        assert!(held > 1_000, "{held}: nothing was ever ambiguous");
    }

    #[test]
    fn text_that_only_begins_as_a_secret_does_is_told_in_the_end() {
        let secrets = Secrets::from_values(["hunter22"].into_iter());
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "nter22 a good hunt").unwrap();
        let all =
            |may_come| masked(&secrets, 0, 99, may_come, |at, max| piece(file.path(), at, max)).unwrap();
        let (living, ended) = (all(true), all(false));
        assert_eq!((living.bytes.as_slice(), living.length), (&b"nter22 a good "[..], 14));
        assert_eq!((ended.bytes.as_slice(), ended.length), (&b"nter22 a good hunt"[..], 18));
    }

    #[test]
    fn a_whole_file_is_read_from_where_it_is_asked_for() {
        let file = file_of_blocks(0);
        let piece_at = |offset, max| piece(file.path(), offset, max).unwrap();
        assert_eq!(piece_at(BLOCK - 1, 2).bytes, b"ab");
        assert_eq!(piece_at(8 * BLOCK - 1, 9).bytes, b"h");
        for offset in [8 * BLOCK, 9 * BLOCK] {
            assert_eq!(piece_at(offset, 9), Piece { offset, bytes: Vec::new(), length: 8 * BLOCK });
        }
    }

    #[test]
    fn where_nothing_was_kept_there_is_nothing_to_read() {
        let file = file_of_blocks(8);
        let piece = piece(file.path(), BLOCK, 10).unwrap();
        assert_eq!(piece, Piece { offset: 8 * BLOCK, bytes: Vec::new(), length: 8 * BLOCK });
    }

    #[test]
    fn a_file_that_is_not_there_yet_is_empty() {
        let folder = tempfile::tempdir().unwrap();
        let piece = piece(&folder.path().join(OUTPUT_FILE), 5, 10).unwrap();
        assert_eq!(piece, Piece { offset: 5, bytes: Vec::new(), length: 0 });
    }
}
