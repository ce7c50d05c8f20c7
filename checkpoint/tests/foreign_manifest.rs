//! What a manifest finds, and how manifests are kept.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

mod foreign_files;

use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use foreign_files::{hugging_face, zip};
use resus_checkpoint::foreign::{
    ForeignRefusal, Form, KeepError, Manifest, digest, forget, heads, keep, kept, look, recall, verify,
};
use resus_disk::Real;

static GO_ON: AtomicBool = AtomicBool::new(false);

fn manifest_of(path: &Path) -> Manifest {
    digest(&Real, &look(&Real, path).unwrap(), &GO_ON).unwrap()
}

fn refused(manifest: &Manifest) -> ForeignRefusal {
    verify(&Real, manifest, &GO_ON).unwrap_err()
}

#[test]
fn a_manifest_names_every_file_with_its_digest() {
    let folder = tempfile::tempdir().unwrap();
    let root = hugging_face(folder.path());
    fs::create_dir(root.join("optimizer")).unwrap();
    fs::write(root.join("optimizer").join(OsStr::from_bytes(b"m\xff.bin")), "moments").unwrap();
    symlink("../config.json", root.join("optimizer/config")).unwrap();
    let manifest = manifest_of(&root);
    let names: Vec<_> = manifest.files.iter().map(|file| file.name.as_str()).collect();
    assert_eq!(
        names,
        [
            "config.json",
            "model-1-of-2.safetensors",
            "model-2-of-2.safetensors",
            "model.safetensors.index.json",
            "optimizer/m\\xff.bin",
        ]
    );
    assert_eq!(manifest.files[0].blake3, blake3::hash(b"{}").to_hex().as_str());
    assert_eq!(
        (manifest.links[0].name.as_str(), &*manifest.links[0].to),
        ("optimizer/config", "../config.json")
    );
    assert_eq!(manifest.form, Form::Folder);
    verify(&Real, &manifest, &GO_ON).unwrap();
    assert_eq!(manifest_of(&root), manifest, "made again it is the same");
}

#[test]
fn every_flipped_bit_of_a_file_is_found() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    let bytes = zip(b"a few weights");
    fs::write(&path, &bytes).unwrap();
    let manifest = manifest_of(&path);
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(&path, bytes).unwrap();
        assert!(matches!(refused(&manifest), ForeignRefusal::Digest { name, .. } if name == "a.pt"), "{bit}");
    }
    for length in 0..bytes.len() {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(matches!(refused(&manifest), ForeignRefusal::Size { found, .. } if found == length as u64));
    }
    fs::remove_file(&path).unwrap();
    assert!(matches!(refused(&manifest), ForeignRefusal::Gone));
}

#[test]
fn what_becomes_of_a_folder_after_its_manifest_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = hugging_face(folder.path());
    symlink("config.json", root.join("link")).unwrap();
    let manifest = manifest_of(&root);
    let is_named = |told: &str| {
        let refusal = refused(&manifest);
        assert!(refusal.is_damage(), "{refusal}");
        assert_eq!(refusal.to_string(), told);
    };
    // An extra file is no damage, and does not hide any.
    fs::write(root.join("notes.txt"), "new").unwrap();
    fs::remove_file(root.join("link")).unwrap();
    is_named("link is missing");
    symlink("notes.txt", root.join("link")).unwrap();
    is_named("link is not the link that it was");
    fs::remove_file(root.join("link")).unwrap();
    symlink("config.json", root.join("link")).unwrap();

    let config = root.join("config.json");
    fs::write(&config, "{ }").unwrap();
    is_named("config.json has 3 bytes, not 2");
    fs::remove_file(&config).unwrap();
    is_named("config.json is missing");
    symlink("notes.txt", &config).unwrap();
    is_named("config.json is not the file that it was");
    fs::remove_file(&config).unwrap();
    fs::create_dir(&config).unwrap();
    is_named("config.json is not the file that it was");
}

#[test]
fn what_came_into_a_folder_after_its_manifest_is_refused_and_is_no_damage() {
    let folder = tempfile::tempdir().unwrap();
    let root = hugging_face(folder.path());
    fs::create_dir(root.join("optimizer")).unwrap();
    fs::write(root.join("optimizer/a.bin"), "moments").unwrap();
    symlink("config.json", root.join("link")).unwrap();
    let manifest = manifest_of(&root);
    fs::write(root.join(".lock"), "hidden").unwrap();
    fs::create_dir_all(root.join(".cache/deep")).unwrap();
    fs::write(root.join(".cache/deep/a"), "hidden, too").unwrap();
    fs::create_dir(root.join("empty")).unwrap();
    verify(&Real, &manifest, &GO_ON).unwrap();
    let is_refused = |name: &str| {
        let refusal = refused(&manifest);
        assert!(!refusal.is_damage(), "{refusal}");
        assert_eq!(refusal.to_string(), format!("holds {name}, which was not there when it was catalogued"));
        fs::remove_file(root.join(name)).unwrap();
        verify(&Real, &manifest, &GO_ON).unwrap();
    };
    for name in ["model-3-of-3.safetensors", "optimizer/b.bin", "empty/x"] {
        fs::write(root.join(name), "late").unwrap();
        is_refused(name);
    }
    symlink("config.json", root.join("second-link")).unwrap();
    is_refused("second-link");
    rustix::fs::mkfifoat(rustix::fs::CWD, root.join("pipe"), rustix::fs::Mode::RUSR).unwrap();
    is_refused("pipe");
}

#[test]
fn a_single_file_is_whatever_lies_beside_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    fs::write(&path, zip(b"weights")).unwrap();
    let manifest = manifest_of(&path);
    fs::write(folder.path().join("b.pt"), "another").unwrap();
    verify(&Real, &manifest, &GO_ON).unwrap();
}

#[test]
fn manifests_get_their_own_folder_and_none_around_it() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    fs::write(&path, zip(b"weights")).unwrap();
    let manifest = manifest_of(&path);
    let refused = keep(&Real, &folder.path().join("run/manifests"), &manifest).unwrap_err();
    assert!(matches!(refused, KeepError::Io { what: "make", .. }), "{refused}");
    assert!(!folder.path().join("run").exists());
    fs::create_dir(folder.path().join("run")).unwrap();
    keep(&Real, &folder.path().join("run/manifests"), &manifest).unwrap();
}

#[test]
fn a_folder_on_the_way_that_became_a_link_is_not_followed() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("sub")).unwrap();
    fs::write(root.join("sub/a.pt"), zip(b"weights")).unwrap();
    let manifest = manifest_of(&root);
    fs::rename(root.join("sub"), folder.path().join("elsewhere")).unwrap();
    symlink("../elsewhere", root.join("sub")).unwrap();
    assert_eq!(refused(&manifest).to_string(), "sub/a.pt is not the file that it was");
}

#[test]
fn a_file_that_changes_under_the_reader_makes_no_manifest() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    fs::write(&path, zip(b"weights")).unwrap();
    let listing = look(&Real, &path).unwrap();
    fs::write(&path, zip(b"other weights")).unwrap();
    assert!(
        matches!(digest(&Real, &listing, &GO_ON), Err(ForeignRefusal::Changed { name }) if name == "a.pt")
    );
    assert!(matches!(heads(&Real, &listing), Err(ForeignRefusal::Changed { .. })));
}

#[test]
fn a_reader_that_is_not_wanted_any_more_stops() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    fs::write(&path, zip(b"weights")).unwrap();
    let cancel = AtomicBool::new(true);
    let listing = look(&Real, &path).unwrap();
    assert!(matches!(digest(&Real, &listing, &cancel), Err(ForeignRefusal::Cancelled)));
    assert!(matches!(verify(&Real, &manifest_of(&path), &cancel), Err(ForeignRefusal::Cancelled)));
}

#[test]
fn a_kept_manifest_is_found_by_its_digest_and_a_damaged_one_is_not_believed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.pt");
    fs::write(&path, zip(b"weights")).unwrap();
    let manifests = folder.path().join("manifests");
    assert!(kept(&Real, &manifests).unwrap().is_empty());
    let manifest = manifest_of(&path);
    let known = keep(&Real, &manifests, &manifest).unwrap();
    assert_eq!(known, manifest.digest());
    assert_eq!(recall(&Real, &manifests, &known).unwrap(), manifest);
    assert_eq!(kept(&Real, &manifests).unwrap(), std::slice::from_ref(&known));

    let [file] =
        &fs::read_dir(&manifests).unwrap().map(|entry| entry.unwrap().path()).collect::<Vec<_>>()[..]
    else {
        panic!("something was left behind")
    };
    let bytes = fs::read(file).unwrap();
    for bit in 0..bytes.len() * 8 {
        let mut bytes = bytes.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        fs::write(file, bytes).unwrap();
        assert!(matches!(recall(&Real, &manifests, &known), Err(KeepError::Damaged { .. })), "bit {bit}");
    }
    assert_eq!(keep(&Real, &manifests, &manifest).unwrap(), known, "kept again it is whole again");
    assert_eq!(recall(&Real, &manifests, &known).unwrap(), manifest);
    forget(&Real, &manifests, &known).unwrap();
    assert!(matches!(recall(&Real, &manifests, &known), Err(KeepError::Gone)));
}

#[test]
fn a_whole_manifest_of_another_checkpoint_is_not_the_one_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let manifests = folder.path().join("manifests");
    let [one, two] = ["one", "two"].map(|name| {
        let path = folder.path().join(name);
        fs::write(&path, name).unwrap();
        keep(&Real, &manifests, &manifest_of(&path)).unwrap()
    });
    let file = |known: &str| manifests.join(format!("{}.manifest", &known["manifest:blake3:".len()..]));
    fs::copy(file(&one), file(&two)).unwrap();
    assert!(matches!(recall(&Real, &manifests, &two), Err(KeepError::Damaged { .. })));
    assert!(matches!(recall(&Real, &manifests, "blake3:../../x"), Err(KeepError::NotOne { .. })));
}
