//! The same state as other frameworks would write it: a ZIP archive as `torch.save` makes, a safetensors
//! file, a folder with several files. In place, piece by piece and without a sync, as those do; but never
//! over one that is there.
//!
//! A checkpoint is believed if it is, byte by byte, what its state would be written as.

mod safetensors;
mod zip;

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use crate::script::Shape;
use crate::state::{STATE_BYTES, State};

/// Numbers beside the state, so that there is something to write slowly.
const FILL: usize = 8 * 1024;
/// So much of a file is written at a time: small ones, such as JSON, are there at once.
const PIECE_BYTES: usize = 16 * 1024;
/// The file of a folder that holds the state …
const FIRST_SHARD: &str = "model-00001-of-00002.safetensors";
/// … and the one that holds the rest.
const SECOND_SHARD: &str = "model-00002-of-00002.safetensors";
/// One checkpoint is written so often at most.
const NAMES_TRIED: u32 = 10_000;
/// A pickle of an empty dictionary: nothing of ours ever loads one.
const PICKLE: &[u8] = b"\x80\x02}q\x00.";

/// A file of a checkpoint.
struct Part {
    /// Its place below the checkpoint's own path; empty for a checkpoint that is one file.
    name: &'static str,
    bytes: Vec<u8>,
    /// Where the state begins in it, if it is the file that has it.
    state_at: Option<usize>,
}

/// What `state` is written as.
fn parts(shape: Shape, state: &State) -> Vec<Part> {
    match shape {
        // Our own format has a library that writes it.
        Shape::Prsm => Vec::new(),
        Shape::Torch => vec![torch(state)],
        Shape::Safetensors => vec![Part { name: "", ..tensors(&[counters(state), fill(state)]) }],
        Shape::Folder => vec![
            // What names the others comes last, as `save_pretrained` does it: before, every file may be whole
            // and the folder is not.
            Part { name: FIRST_SHARD, ..tensors(&[counters(state)]) },
            Part { name: SECOND_SHARD, state_at: None, ..tensors(&[fill(state)]) },
            Part { name: "trainer_state.json", bytes: trainer_state(state).into(), state_at: None },
            Part { name: "model.safetensors.index.json", bytes: index().into(), state_at: None },
        ],
    }
}

fn torch(state: &State) -> Part {
    let (counters, fill) = (state.to_bytes(), fill(state).data);
    let entries: [(&str, &[u8]); 5] = [
        ("archive/data.pkl", PICKLE),
        ("archive/byteorder", b"little"),
        ("archive/data/0", &counters),
        ("archive/data/1", &fill),
        ("archive/version", b"3\n"),
    ];
    let (bytes, places) = zip::archive(&entries);
    Part { name: "", bytes, state_at: places.get(2).copied() }
}

fn tensors(tensors: &[safetensors::Tensor]) -> Part {
    let (bytes, data_at) = safetensors::file(tensors);
    Part { name: "", bytes, state_at: Some(data_at) }
}

fn counters(state: &State) -> safetensors::Tensor {
    let data = state.to_bytes().to_vec();
    safetensors::Tensor { name: "state", dtype: "U8", element_bytes: 1, data }
}

fn fill(state: &State) -> safetensors::Tensor {
    let data = state.weight().to_le_bytes().repeat(FILL);
    safetensors::Tensor { name: "weight", dtype: "F64", element_bytes: 8, data }
}

fn index() -> String {
    format!("{{\"weight_map\":{{\"state\":\"{FIRST_SHARD}\",\"weight\":\"{SECOND_SHARD}\"}}}}\n")
}

fn trainer_state(state: &State) -> String {
    format!("{{\"global_step\":{}}}\n", state.step)
}

/// The name of the checkpoint `id` in this shape.
pub(crate) fn file_name(shape: Shape, id: &str) -> String {
    match shape {
        Shape::Prsm => format!("{id}.prsm"),
        Shape::Torch => format!("{id}.pt"),
        Shape::Safetensors => format!("{id}.safetensors"),
        Shape::Folder => id.to_owned(),
    }
}

/// Where the checkpoint `id` is written in `folder`: a name that nothing has, which is `ID.2`, `ID.3` and so
/// on where an attempt before was at the same step.
pub(crate) fn free_path(folder: &Path, shape: Shape, id: &str) -> io::Result<PathBuf> {
    for number in 1..=NAMES_TRIED {
        let id = if number == 1 { id.to_owned() } else { format!("{id}.{number}") };
        let path = folder.join(file_name(shape, &id));
        match path.symlink_metadata() {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(path),
            found => found.map(drop)?,
        }
    }
    Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("{NAMES_TRIED} checkpoints are called {id}")))
}

/// The name by which the checkpoint at `path` is known: without its ending, but with its number.
pub(crate) fn id_of(path: &Path) -> String {
    let name = match shape_of(path) {
        Shape::Folder => path.file_name(),
        Shape::Prsm | Shape::Torch | Shape::Safetensors => path.file_stem(),
    };
    name.unwrap_or_default().to_string_lossy().into_owned()
}

/// What lies at `path`, going by its name; [`Shape::Prsm`] for all that is not of another framework.
pub(crate) fn shape_of(path: &Path) -> Shape {
    match path.extension().and_then(|ending| ending.to_str()) {
        Some("pt") => Shape::Torch,
        Some("safetensors") => Shape::Safetensors,
        // The number of a folder whose name was taken.
        Some(ending) if ending.bytes().all(|byte| byte.is_ascii_digit()) => Shape::Folder,
        Some(_) => Shape::Prsm,
        None => Shape::Folder,
    }
}

/// The file of the checkpoint at `path` in which a damage hurts.
pub(crate) fn heart_of(path: &Path) -> PathBuf {
    match shape_of(path) {
        Shape::Folder => path.join(SECOND_SHARD),
        Shape::Prsm | Shape::Torch | Shape::Safetensors => path.to_owned(),
    }
}

/// Reads a state back. `None`: what lies there is not, or not only, what that state is written as.
pub(crate) fn read(path: &Path) -> io::Result<Option<State>> {
    let shape = shape_of(path);
    let of_nothing = parts(shape, &State::default());
    let mut found = Vec::new();
    let mut state = None;
    for part in &of_nothing {
        // One byte more than it can be, so that a longer one shows.
        let limit = part.bytes.len() as u64 + 32;
        let mut bytes = Vec::new();
        File::open(place(path, part.name))?.take(limit).read_to_end(&mut bytes)?;
        if let Some(at) = part.state_at {
            state = bytes.get(at..).and_then(<[u8]>::first_chunk::<STATE_BYTES>).and_then(State::from_bytes);
        }
        found.push(bytes);
    }
    let is_it = |state: &State| parts(shape, state).iter().map(|part| &part.bytes).eq(found.iter());
    Ok(state.filter(is_it))
}

fn place(path: &Path, name: &str) -> PathBuf {
    if name.is_empty() { path.to_owned() } else { path.join(name) }
}

/// A checkpoint that is being written.
pub(crate) struct Writing {
    path: PathBuf,
    /// Pieces that are left, the next one last: the file, whether it begins there, and bytes.
    left: Vec<(PathBuf, bool, Vec<u8>)>,
    pieces: usize,
    size_bytes: u64,
}

impl Writing {
    /// Makes the folder, if it is one, and nothing else yet. Nothing may lie there: what does is not touched.
    pub(crate) fn begin(path: PathBuf, shape: Shape, state: &State) -> io::Result<Self> {
        if shape == Shape::Folder {
            fs::create_dir(&path)?;
        }
        let parts = parts(shape, state);
        let size_bytes = parts.iter().map(|part| part.bytes.len() as u64).sum();
        let mut left = Vec::new();
        for part in &parts {
            for (number, piece) in part.bytes.chunks(PIECE_BYTES).enumerate() {
                left.push((place(&path, part.name), number == 0, piece.to_vec()));
            }
        }
        left.reverse();
        Ok(Self { path, pieces: left.len(), left, size_bytes })
    }

    /// Writes the next piece. `false`: there is none.
    pub(crate) fn write(&mut self) -> io::Result<bool> {
        let Some((path, is_first, piece)) = self.left.pop() else { return Ok(false) };
        let mut options = OpenOptions::new();
        if is_first {
            options.write(true).create_new(true);
        } else {
            options.append(true);
        }
        options.open(path)?.write_all(&piece)?;
        Ok(true)
    }

    /// Where it lies.
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// How many pieces it is written in.
    pub(crate) fn pieces(&self) -> usize {
        self.pieces
    }

    /// Whether so much is written that it looks begun, and so little that it is not whole.
    pub(crate) fn is_half_done(&self) -> bool {
        self.left.len() <= self.pieces / 2
    }

    /// Its size when it is whole.
    pub(crate) fn size_bytes(&self) -> u64 {
        self.size_bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHAPES: [Shape; 3] = [Shape::Torch, Shape::Safetensors, Shape::Folder];

    fn after(steps: u64) -> State {
        let mut state = State::default();
        (0..steps).for_each(|_| state.advance());
        state
    }

    fn begun(folder: &Path, shape: Shape, state: &State) -> Writing {
        Writing::begin(free_path(folder, shape, "step-000007").unwrap(), shape, state).unwrap()
    }

    fn written(folder: &Path, shape: Shape, state: &State) -> PathBuf {
        let mut writing = begun(folder, shape, state);
        while writing.write().unwrap() {}
        writing.path().to_owned()
    }

    #[test]
    fn a_state_is_read_back_from_every_shape_poisoned_or_not() {
        let folder = tempfile::tempdir().unwrap();
        for shape in SHAPES {
            let mut state = after(7);
            assert_eq!(read(&written(folder.path(), shape, &state)).unwrap(), Some(state), "{shape:?}");
            state.poison();
            assert_eq!(read(&written(folder.path(), shape, &state)).unwrap(), Some(state), "{shape:?}");
        }
    }

    #[test]
    fn what_is_half_written_is_not_read() {
        let folder = tempfile::tempdir().unwrap();
        for shape in SHAPES {
            let mut writing = begun(folder.path(), shape, &after(7));
            let mut pieces = 0;
            while !matches!(read(writing.path()), Ok(Some(_))) {
                assert!(writing.write().unwrap(), "{shape:?} is never whole");
                pieces += 1;
            }
            assert_eq!(pieces, writing.pieces(), "{shape:?}: whole with its last piece only");
        }
    }

    #[test]
    fn a_checkpoint_that_is_there_is_not_written_over() {
        for shape in SHAPES {
            let folder = tempfile::tempdir().unwrap();
            let (first, second) = (after(7), after(8));
            let paths = [&first, &second, &first].map(|state| written(folder.path(), shape, state));
            assert_eq!(
                paths.each_ref().map(|path| id_of(path)),
                ["step-000007", "step-000007.2", "step-000007.3"]
            );
            assert!(paths.iter().all(|path| shape_of(path) == shape), "{shape:?}");
            assert_eq!(read(&paths[0]).unwrap(), Some(first), "{shape:?}");
            assert_eq!(read(&paths[1]).unwrap(), Some(second), "{shape:?}");
            let over = Writing::begin(paths[0].clone(), shape, &second).and_then(|mut over| over.write());
            assert_eq!(over.unwrap_err().kind(), io::ErrorKind::AlreadyExists, "{shape:?}");
            assert_eq!(read(&paths[0]).unwrap(), Some(first), "{shape:?}");
        }
    }

    #[test]
    fn no_changed_byte_is_taken_for_a_state() {
        let folder = tempfile::tempdir().unwrap();
        for shape in SHAPES {
            let path = written(folder.path(), shape, &after(7));
            let heart = heart_of(&path);
            let whole = fs::read(&heart).unwrap();
            for at in (0..whole.len()).step_by(397) {
                let mut bytes = whole.clone();
                bytes[at] ^= 1;
                fs::write(&heart, bytes).unwrap();
                assert_eq!(read(&path).unwrap(), None, "{shape:?} at {at}");
            }
            fs::write(&heart, [&whole[..], b"more"].concat()).unwrap();
            assert_eq!(read(&path).unwrap(), None, "{shape:?} with more");
        }
    }

    #[test]
    fn a_file_is_of_the_shape_that_its_name_says() {
        for shape in [Shape::Prsm, Shape::Torch, Shape::Safetensors, Shape::Folder] {
            assert_eq!(shape_of(Path::new(&file_name(shape, "step-000001"))), shape);
        }
    }
}
