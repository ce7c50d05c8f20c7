//! Writes a checkpoint again in another version of the format.

use std::io;
use std::path::{Path, PathBuf};

use crate::header::{FLAG_SEALED, Header};
use crate::load::{Checkpoint, load_with};
use crate::meta::{Health, Meta};
use crate::old;
use crate::pace::{Hurry, Pace};
use crate::plan::Plan;
use crate::refusal::Refusal;
use crate::save::{SaveError, SaveOptions, Saved, commit, commit_v3};
use crate::section::{Compression, Draft, Section};
use crate::temp::Place;

/// What to write.
#[derive(Clone, Debug)]
pub struct ConvertOptions {
    /// How to save, and on which disk; what is read lies on the same one. Not [`SaveOptions::taken`]:
    /// `replace` says it.
    pub save: SaveOptions,
    /// The version to write: 3, or 2 for a checkpoint of one section.
    pub version: u32,
    /// How to store all sections, in version 3. Version 2 is written uncompressed.
    pub compression: Compression,
    /// Metadata for version 3; none: what the file has, and for older ones its games as the step.
    pub meta: Option<Meta>,
    /// Whether a file that is there already is replaced.
    pub replace: bool,
}

impl Default for ConvertOptions {
    fn default() -> Self {
        Self {
            save: SaveOptions::default(),
            version: crate::header::VERSION,
            compression: Compression::None,
            meta: None,
            replace: false,
        }
    }
}

impl ConvertOptions {
    fn place(&self) -> Place {
        if self.replace { Place::Named } else { Place::Free }
    }
}

/// Why a checkpoint was not converted. What was there before is as it was.
#[derive(Debug, thiserror::Error)]
pub enum ConvertError {
    /// The checkpoint to convert is not whole.
    #[error("{} is refused", path.display())]
    Refused {
        /// The checkpoint.
        path: PathBuf,
        /// What is wrong with it.
        #[source]
        refusal: Refusal,
    },
    /// The version is not one that is written.
    #[error("format version {0} is not written: only 2 and 3 are")]
    Version(u32),
    /// Version 2 has one payload.
    #[error("format version 2 holds one section, and the checkpoint has {sections}")]
    Sections {
        /// How many there are.
        sections: usize,
    },
    /// Version 2 has no word for the health of a state, and whoever reads it would take it for a good one.
    #[error("the state holds numbers that are not finite, which format version 2 cannot say")]
    NotFinite,
    /// There is a file of the new name, and it was not to be replaced.
    #[error("{} is there already", path.display())]
    Exists {
        /// The new name.
        path: PathBuf,
    },
    /// The path does not end in a name.
    #[error("{} does not end in a file name", path.display())]
    Name {
        /// The path as given.
        path: PathBuf,
    },
    /// The new file could not be saved.
    #[error("failed to save the converted checkpoint")]
    Save(#[source] SaveError),
}

/// Reads the checkpoint `from`, of any version, and saves it as `to` in that of `options`, with the same
/// games and time. It is held in memory meanwhile. Both may be one file, if it may be replaced.
///
/// # Errors
/// See [`ConvertError`].
pub fn convert(from: &Path, to: &Path, options: &ConvertOptions) -> Result<Saved, ConvertError> {
    let bad_name = || ConvertError::Name { path: to.to_owned() };
    let name = to.file_name().and_then(|name| name.to_str()).ok_or_else(bad_name)?;
    let folder = match to.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        Some(_) | None => Path::new("."),
    };
    if !options.replace && options.save.disk.look_at(to).is_ok() {
        return Err(ConvertError::Exists { path: to.to_owned() });
    }
    let checkpoint = load_with(&*options.save.disk, from, u64::MAX)
        .map_err(|refusal| ConvertError::Refused { path: from.to_owned(), refusal })?;
    let saved = match options.version {
        2 => save_v2(folder, name, &checkpoint, options)?,
        3 => save_v3(folder, name, &checkpoint, options),
        version => return Err(ConvertError::Version(version)),
    };
    saved.map_err(|error| match error {
        SaveError::Rename { source, .. }
            if !options.replace && source.kind() == io::ErrorKind::AlreadyExists =>
        {
            ConvertError::Exists { path: to.to_owned() }
        }
        error => ConvertError::Save(error),
    })
}

fn save_v2(
    folder: &Path,
    name: &str,
    checkpoint: &Checkpoint,
    options: &ConvertOptions,
) -> Result<Result<Saved, SaveError>, ConvertError> {
    let [section] = checkpoint.sections.as_slice() else {
        return Err(ConvertError::Sections { sections: checkpoint.sections.len() });
    };
    let metas = checkpoint.meta.iter().chain(&options.meta);
    if metas.into_iter().any(|meta| meta.health == Health::NotFinite) {
        return Err(ConvertError::NotFinite);
    }
    let Header { games, unix_time, .. } = checkpoint.header;
    let header = Header { version: 2, flags: FLAG_SEALED, crc: 0, games, unix_time };
    let hurry = Hurry::default();
    let pace = Pace { share_percent: options.save.disk_share_percent, hurry: &hurry };
    Ok(commit(&options.save, folder, name, options.place(), |file| {
        old::write(file, header, &section.bytes, pace)
    }))
}

fn save_v3(
    folder: &Path,
    name: &str,
    checkpoint: &Checkpoint,
    options: &ConvertOptions,
) -> Result<Saved, SaveError> {
    let Header { games, unix_time, .. } = checkpoint.header;
    let guessed = || Meta { step: games, ..Meta::default() };
    let meta = options.meta.clone().or_else(|| checkpoint.meta.clone()).unwrap_or_else(guessed);
    let parts: Vec<[&[u8]; 1]> =
        checkpoint.sections.iter().map(|section| [section.bytes.as_slice()]).collect();
    let sections: Vec<Section<'_>> = checkpoint
        .sections
        .iter()
        .zip(&parts)
        .map(|(section, parts)| Section {
            name: &section.name,
            element: section.element,
            parts,
            compression: options.compression,
        })
        .collect();
    let draft = Draft { games, unix_time, meta: &meta, sections: &sections };
    let plan = Plan::new(&draft, options.save.chunk_bytes)?;
    let pace = Pace { share_percent: options.save.disk_share_percent, hurry: &Hurry::default() };
    commit_v3(&options.save, folder, name, options.place(), &plan, pace)
}
