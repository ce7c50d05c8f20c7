//! Whether the writer of a checkpoint is done. Pure.

use std::ffi::OsStr;

use super::heads::{Head, Heads};
use super::look::{Form, Listed, Listing};
use super::name::escape;

/// Whether a checkpoint is all there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Completeness {
    /// It is.
    Complete,
    /// Not yet, or it cannot be told yet.
    Growing {
        /// What is missing.
        why: String,
    },
    /// It is not, has not changed since the look before, and more writing would not help.
    Broken {
        /// What is wrong.
        why: String,
    },
}

/// Judges `listing` by the `heads` of its files and by the look `before`, which the caller took a settle
/// interval earlier.
///
/// Formats that tell their own end are believed (zip, safetensors, PRSM); an index (`*.index.json` of a
/// Hugging Face folder) and a pointer (`latest` of a DeepSpeed folder) ask for the files that they name;
/// everything else counts as done when nothing has changed since the look before. A folder has to stay
/// unchanged in any case: that all of its files are whole does not tell that none is still to come.
#[must_use]
pub fn completeness(listing: &Listing, heads: &Heads, before: Option<&Listing>) -> Completeness {
    let has_settled = before == Some(listing);
    if listing.files.is_empty() {
        return Completeness::Growing { why: "it holds no file yet".to_owned() };
    }
    if listing.files.iter().all(|file| file.entry.size == 0) {
        return Completeness::Growing { why: "it is empty".to_owned() };
    }
    let mut wrong = None;
    let mut is_silent = listing.form == Form::Folder;
    for file in &listing.files {
        match missing(listing, file, heads.get(&file.name)) {
            Missing::Nothing => {}
            Missing::Knowledge => is_silent = true,
            Missing::Bytes(why) => return Completeness::Growing { why: told(listing, file, &why) },
            Missing::Hope(why) => wrong = wrong.or(Some(told(listing, file, &why))),
        }
    }
    match wrong {
        Some(why) if has_settled => Completeness::Broken { why },
        Some(why) => Completeness::Growing { why },
        None if is_silent && !has_settled => {
            let why = if before.is_some() { "it is still changing" } else { "it was looked at only once" };
            Completeness::Growing { why: why.to_owned() }
        }
        None => Completeness::Complete,
    }
}

/// What a file lacks.
enum Missing {
    Nothing,
    /// Whether it is done can be seen only from its not changing.
    Knowledge,
    Bytes(String),
    Hope(String),
}

fn missing(listing: &Listing, file: &Listed, head: Option<&Head>) -> Missing {
    match head {
        None | Some(Head::Silent) => Missing::Knowledge,
        Some(Head::Whole) => Missing::Nothing,
        Some(Head::Short { why }) => Missing::Bytes(why.clone()),
        Some(Head::Wrong { why }) => Missing::Hope(why.clone()),
        // A single file is announced without what lies beside it.
        Some(Head::Index { .. } | Head::Pointer { .. }) if listing.form == Form::File => Missing::Nothing,
        Some(Head::Index { shards }) => match shards.iter().find(|shard| !is_beside(listing, file, shard)) {
            Some(shard) => Missing::Bytes(format!("{shard}, which it lists, is not there")),
            None => Missing::Nothing,
        },
        Some(Head::Pointer { to }) if is_beside(listing, file, to) => Missing::Nothing,
        Some(Head::Pointer { to }) => Missing::Bytes(format!("{to}, which it names, is not there")),
    }
}

/// Whether there is something of that name in the same folder as `file`. The lists are sorted.
fn is_beside(listing: &Listing, file: &Listed, name: &str) -> bool {
    let folder = file.name.rfind('/').map_or("", |end| &file.name[..=end]);
    let name = format!("{folder}{}", escape(OsStr::new(name)));
    listing.files.binary_search_by(|file| file.name.cmp(&name)).is_ok()
        || listing.links.binary_search_by(|link| link.name.cmp(&name)).is_ok()
        || listing.folders.binary_search(&name).is_ok()
}

fn told(listing: &Listing, file: &Listed, why: &str) -> String {
    match listing.form {
        Form::File => why.to_owned(),
        Form::Folder => format!("{}: {why}", file.name),
    }
}
