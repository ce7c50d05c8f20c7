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
    let piece = masked(&Secrets::of(&run.spec), offset, max, read)?;
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

/// A piece in which every byte of a secret is a `*`, whether the secret lies within it, over its
/// edges, or is just being printed: as much is read around it as the longest one takes.
fn masked<E>(
    secrets: &Secrets,
    offset: u64,
    max: u32,
    read: impl Fn(u64, u32) -> Result<Piece, E>,
) -> Result<Piece, E> {
    if secrets.is_empty() || max == 0 {
        return read(offset, max);
    }
    let around = u32::try_from(secrets.bytes_max()).unwrap_or(u32::MAX);
    let before = u32::try_from(offset.min(u64::from(around))).unwrap_or(around);
    let wide = max.saturating_add(before).saturating_add(around);
    let mut piece = read(offset.saturating_sub(u64::from(before)), wide)?;
    secrets.mask_bytes(&mut piece.bytes);
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
        let whole = b"one ******** two **************** ****";
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        for offset in 0..=text.len() {
            for max in 0..text.len() as u32 + 2 {
                let got =
                    masked(&secrets, offset as u64, max, |at, max| piece(file.path(), at, max)).unwrap();
                let end = (offset + max as usize).min(text.len());
                assert_eq!(got.bytes, &whole[offset..end], "{max} from {offset}");
                assert_eq!((got.offset, got.length), (offset as u64, text.len() as u64));
            }
        }
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
