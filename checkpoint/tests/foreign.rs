//! Checkpoints of other frameworks: what is listed, and when they are complete.

#![expect(clippy::unwrap_used, reason = "the helpers of a test fail it the way the test does")]

mod foreign_files;

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use foreign_files::{hugging_face, safetensors, zip};
use resus_checkpoint::foreign::{Completeness, DEPTH_MAX, ForeignRefusal, completeness, heads, look};
use resus_checkpoint::{Compression, Draft, Element, Meta, Section, save};
use resus_disk::Real;

fn judge(path: &Path) -> Completeness {
    let listing = look(&Real, path).unwrap();
    completeness(&listing, &heads(&Real, &listing).unwrap(), None)
}

/// As after a settle interval in which nothing happened.
fn judge_settled(path: &Path) -> Completeness {
    let listing = look(&Real, path).unwrap();
    completeness(&listing, &heads(&Real, &listing).unwrap(), Some(&listing))
}

fn growing(why: &str) -> Completeness {
    Completeness::Growing { why: why.to_owned() }
}

#[test]
fn formats_that_tell_their_end_are_complete_with_it_and_at_no_length_before() {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in [("a.pt", zip(b"weights")), ("a.safetensors", safetensors(b"weights"))] {
        let path = folder.path().join(name);
        for length in 0..bytes.len() {
            fs::write(&path, &bytes[..length]).unwrap();
            let judged = judge(&path);
            assert!(matches!(judged, Completeness::Growing { .. }), "{name} {length}: {judged:?}");
        }
        fs::write(&path, &bytes).unwrap();
        assert_eq!(judge(&path), Completeness::Complete, "{name}");
    }
}

#[test]
fn safetensors_are_known_without_their_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    let bytes = safetensors(b"0123456789");
    fs::write(&path, &bytes).unwrap();
    assert_eq!(judge(&path), Completeness::Complete);
    fs::write(&path, &bytes[..bytes.len() - 1]).unwrap();
    let why = format!("it has {} of {} bytes", bytes.len() - 1, bytes.len());
    assert_eq!(judge_settled(&path), growing(&why));
}

#[test]
fn what_more_writing_cannot_mend_is_broken_once_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.safetensors");
    let mut bytes = safetensors(b"weights");
    bytes.push(0);
    fs::write(&path, &bytes).unwrap();
    let why = "1 bytes follow behind the last tensor".to_owned();
    assert_eq!(judge(&path), Completeness::Growing { why: why.clone() });
    assert_eq!(judge_settled(&path), Completeness::Broken { why });
}

#[test]
fn our_own_format_is_read_to_its_end() {
    let folder = tempfile::tempdir().unwrap();
    let part: &[u8] = b"tables";
    let section =
        Section { name: "a", element: Element::Bytes, parts: &[part], compression: Compression::None };
    let draft = Draft { games: 1, unix_time: 0, meta: &Meta::default(), sections: &[section] };
    let saved = save(folder.path(), "ck.prsm", &draft).unwrap().path;
    assert_eq!(judge(&saved), Completeness::Complete);
    let mut bytes = fs::read(&saved).unwrap();
    bytes.pop();
    fs::write(&saved, bytes).unwrap();
    assert!(matches!(judge_settled(&saved), Completeness::Broken { .. }));
}

#[test]
fn a_format_we_do_not_know_is_complete_when_nothing_changes() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("a.npy");
    fs::write(&path, "one").unwrap();
    let before = look(&Real, &path).unwrap();
    assert_eq!(judge(&path), growing("it was looked at only once"));
    fs::write(&path, "one more").unwrap();
    let now = look(&Real, &path).unwrap();
    let read = heads(&Real, &now).unwrap();
    assert_eq!(completeness(&now, &read, Some(&before)), growing("it is still changing"));
    assert_eq!(completeness(&now, &read, Some(&now)), Completeness::Complete);
}

#[test]
fn an_index_asks_for_every_shard() {
    let folder = tempfile::tempdir().unwrap();
    let root = hugging_face(folder.path());
    assert_eq!(judge_settled(&root), Completeness::Complete);
    let shard = root.join("model-2-of-2.safetensors");
    let bytes = fs::read(&shard).unwrap();
    fs::remove_file(&shard).unwrap();
    let why = "model.safetensors.index.json: model-2-of-2.safetensors, which it lists, is not there";
    assert_eq!(judge_settled(&root), growing(why));
    fs::write(&shard, &bytes[..bytes.len() - 1]).unwrap();
    let why = format!("model-2-of-2.safetensors: it has {} of {} bytes", bytes.len() - 1, bytes.len());
    assert_eq!(judge_settled(&root), growing(&why));
}

#[test]
fn an_index_that_is_still_being_written_is_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let root = hugging_face(folder.path());
    let index = root.join("model.safetensors.index.json");
    let text = fs::read(&index).unwrap();
    for length in 1..text.len() {
        fs::write(&index, &text[..length]).unwrap();
        assert!(matches!(judge_settled(&root), Completeness::Growing { .. }), "{length} bytes");
    }
}

#[test]
fn a_pointer_asks_for_what_it_names() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("deepspeed");
    fs::create_dir_all(root.join("global_step500")).unwrap();
    fs::write(root.join("global_step500/mp_rank_00.pt"), zip(b"weights")).unwrap();
    fs::write(root.join("latest"), "global_step600\n").unwrap();
    assert_eq!(judge_settled(&root), growing("latest: global_step600, which it names, is not there"));
    fs::write(root.join("latest"), "global_step500").unwrap();
    assert_eq!(judge_settled(&root), Completeness::Complete);
}

#[test]
fn a_folder_of_whole_files_is_not_complete_before_it_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("step-5");
    fs::create_dir(&root).unwrap();
    fs::write(root.join("model-1-of-2.safetensors"), safetensors(b"one and")).unwrap();
    let before = look(&Real, &root).unwrap();
    assert_eq!(judge(&root), growing("it was looked at only once"));
    fs::write(root.join("model-2-of-2.safetensors"), safetensors(b"two")).unwrap();
    let now = look(&Real, &root).unwrap();
    let judged = completeness(&now, &heads(&Real, &now).unwrap(), Some(&before));
    assert_eq!(judged, growing("it is still changing"));
    assert_eq!(judge_settled(&root), Completeness::Complete);
}

#[test]
fn an_empty_file_is_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("empty.pt");
    fs::write(&path, "").unwrap();
    assert_eq!(judge_settled(&path), growing("it is empty"));
}

#[test]
fn an_empty_folder_is_not_complete() {
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(judge_settled(folder.path()), growing("it holds no file yet"));
}

#[test]
fn links_that_may_lead_out_pipes_and_sockets_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("root");
    fs::create_dir_all(root.join("sub")).unwrap();
    for to in ["/etc/passwd", "../outside", "sub/../../outside", ".."] {
        let link = root.join("link");
        symlink(to, &link).unwrap();
        let refusal = look(&Real, &root).unwrap_err();
        assert!(matches!(refusal, ForeignRefusal::LinkOut { .. }), "{to}: {refusal}");
        fs::remove_file(link).unwrap();
    }
    let pipe = root.join("sub/pipe");
    rustix::fs::mkfifoat(rustix::fs::CWD, &pipe, rustix::fs::Mode::RUSR).unwrap();
    for path in [&root, &pipe] {
        assert!(matches!(look(&Real, path), Err(ForeignRefusal::Special { path }) if path == pipe));
    }
    fs::remove_file(&pipe).unwrap();
    let _socket = std::os::unix::net::UnixListener::bind(&pipe).unwrap();
    assert!(matches!(look(&Real, &root), Err(ForeignRefusal::Special { .. })));
}

#[test]
fn a_path_that_is_a_link_gone_or_crooked_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let link = folder.path().join("link");
    symlink(folder.path(), &link).unwrap();
    assert!(matches!(look(&Real, &link), Err(ForeignRefusal::RootLink)));
    assert!(matches!(look(&Real, &folder.path().join("nothing")), Err(ForeignRefusal::Gone)));
    for crooked in ["ck", "/tmp/../etc"] {
        assert!(matches!(look(&Real, Path::new(crooked)), Err(ForeignRefusal::Crooked)), "{crooked}");
    }
}

#[test]
fn folders_may_lie_only_so_deep() {
    let folder = tempfile::tempdir().unwrap();
    let deep: PathBuf = (0..DEPTH_MAX).map(|_| "d").collect();
    fs::create_dir_all(folder.path().join(&deep)).unwrap();
    fs::write(folder.path().join(&deep).join("a"), "x").unwrap();
    assert_eq!(look(&Real, folder.path()).unwrap().files.len(), 1);
    fs::create_dir(folder.path().join(&deep).join("d")).unwrap();
    assert!(matches!(look(&Real, folder.path()), Err(ForeignRefusal::TooDeep { .. })));
}
