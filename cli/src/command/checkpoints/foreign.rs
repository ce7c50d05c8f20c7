//! Checkpoints of other frameworks: verified by the manifest that the daemon made of them.

use crate::command::Around;
use crate::counting::Counting;
use crate::error::CliError;
use crate::progress::watched;
use crate::render::verdict::{Fault, Verdict, Whole, chain, changed};
use resus_checkpoint::foreign::{ForeignRefusal, look, recall, verify};
use resus_core::exit::ExitCode;
use resus_core::input::CheckpointRef;
use resus_core::view::RunView;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

/// Compares every byte of `checkpoint`, which lies at `path`, with its manifest.
///
/// # Errors
/// [`CliError`]; that something differs is none.
pub(super) async fn read(
    checkpoint: &CheckpointRef,
    path: PathBuf,
    view: &RunView,
    around: &Around,
) -> Result<Verdict, CliError> {
    let name = checkpoint.checkpoint_id.clone();
    let found = match &checkpoint.digest {
        Some(digest) => compare(&name, digest, &path, view, around).await?,
        None => {
            let reason = "it has not been read back yet: nothing is known to compare it with".to_owned();
            Err(Fault { reason, exit: ExitCode::Refused })
        }
    };
    Ok(Verdict { name, path, found })
}

async fn compare(
    name: &str,
    digest: &str,
    path: &Path,
    view: &RunView,
    around: &Around,
) -> Result<Result<Whole, Fault>, CliError> {
    let folder = match around.here()?.manifests(&view.run_id) {
        Ok(folder) => folder,
        Err(error) => return Ok(Err(unread(&error.to_string()))),
    };
    let disk = Counting::default();
    let manifest = match recall(&disk, &folder, digest) {
        Ok(manifest) => manifest,
        Err(error) => return Ok(Err(unread(&format!("its manifest: {}", chain(&error))))),
    };
    if manifest.root != path {
        return Ok(Err(unread(&format!("its manifest is that of {}", manifest.root.display()))));
    }
    let size_bytes = manifest.total_bytes();
    let reader = disk.clone();
    let work = tokio::task::spawn_blocking(move || {
        let listing = || look(&reader, &manifest.root).ok();
        let before = listing();
        let compared = verify(&reader, &manifest, &AtomicBool::new(false));
        (compared, before == listing())
    });
    let (compared, was_left_alone) = watched(name, size_bytes, &disk, work, around.console).await?;
    let format = "manifest".to_owned();
    let whole = |()| Whole { format, step: None, size_bytes, digest: digest.to_owned(), numbers: None };
    let judged = |refusal| if was_left_alone { fault(&refusal) } else { changed(fault(&refusal)) };
    Ok(compared.map(whole).map_err(judged))
}

/// What could not be compared is not known to be damaged.
fn unread(reason: &str) -> Fault {
    Fault { reason: reason.to_owned(), exit: ExitCode::Refused }
}

fn fault(refusal: &ForeignRefusal) -> Fault {
    let exit = if matches!(refusal, ForeignRefusal::Gone) {
        ExitCode::NotFound
    } else if refusal.is_damage() {
        ExitCode::Damaged
    } else {
        ExitCode::Refused
    };
    Fault { reason: chain(refusal), exit }
}
