use super::*;
use std::fs;
use std::path::Path;

const LIMITS: Limits = Limits { file_bytes_max: 100, open_max: 2 };

fn message(run: &str, body: &str) -> Message {
    let subject = subject::event(
        &resus_core::ids::Slug::nearest("ns", "ns"),
        &resus_core::ids::Slug::nearest("w", "w"),
        &RunId::new(run).unwrap(),
        resus_core::pulse::v2::EventType::Status,
    );
    Message { subject: subject.into(), id: Some("id".into()), body: body.into() }
}

/// A bus over folders below one; a run has a folder when it was made.
fn files(root: &Path, limits: Limits) -> RunFiles {
    let root = root.to_owned();
    RunFiles::new(move |run| Some(root.join(run.as_str())).filter(|folder| folder.exists()), limits)
}

fn root_with(runs: &[&str]) -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    for run in runs {
        fs::create_dir(root.path().join(run)).unwrap();
    }
    root
}

fn read(root: &Path, name: &str) -> String {
    fs::read_to_string(root.join(name)).unwrap_or_default()
}

#[tokio::test]
async fn a_full_file_becomes_the_older_one_and_no_line_is_torn() {
    let root = root_with(&["r"]);
    let bus = files(root.path(), LIMITS);
    let line = |n: usize| format!("{n:029}");
    // Lines of 30 bytes: three fit. A batch turns the file over in its midst.
    bus.publish(&[message("r", &line(1)), message("r", &line(2))]).await.unwrap();
    bus.publish(&(3..=5).map(|n| message("r", &line(n))).collect::<Vec<_>>()).await.unwrap();
    let lines = |from: usize, to: usize| (from..=to).map(|n| line(n) + "\n").collect::<String>();
    assert_eq!(read(root.path(), "r/pulse.1.jsonl"), lines(1, 3));
    assert_eq!(read(root.path(), "r/pulse.jsonl"), lines(4, 5));
    bus.publish(&(6..=10).map(|n| message("r", &line(n))).collect::<Vec<_>>()).await.unwrap();
    assert_eq!(read(root.path(), "r/pulse.1.jsonl"), lines(7, 9));
    assert_eq!(read(root.path(), "r/pulse.jsonl"), lines(10, 10));
    assert_eq!(fs::read_dir(root.path().join("r")).unwrap().count(), 2);
}

#[tokio::test]
async fn a_torn_last_line_is_cut_off_when_the_file_is_opened() {
    let long = "x".repeat(200_000);
    for (left, whole) in [
        ("{\"n\":1}\n{\"n\":", "{\"n\":1}\n"),
        ("{\"n\":", ""),
        ("", ""),
        ("{\"n\":1}\n", "{\"n\":1}\n"),
        (&format!("1\n{long}"), "1\n"),
        (&long, ""),
    ] {
        let root = root_with(&["r"]);
        fs::write(root.path().join("r/pulse.jsonl"), left).unwrap();
        let bus = files(root.path(), Limits::default());
        bus.publish(&[message("r", "2")]).await.unwrap();
        assert_eq!(read(root.path(), "r/pulse.jsonl"), format!("{whole}2\n"));
    }
}

#[tokio::test]
async fn a_full_disk_is_the_bus_away_and_later_it_goes_on() {
    let root = root_with(&["r", "s"]);
    let bus = files(root.path(), LIMITS);
    // Writing to /dev/full fails as on a disk without room.
    let file = root.path().join("r/pulse.jsonl");
    std::os::unix::fs::symlink("/dev/full", &file).unwrap();
    let batch = [message("s", "1"), message("s", "2"), message("r", "3"), message("s", "4")];
    let error = bus.publish(&batch).await.unwrap_err();
    assert_eq!(error.taken, 2);
    let Trouble::Away(reason) = &error.trouble else { panic!("{error:?}") };
    assert!(reason.contains("r/pulse.jsonl") && reason.contains("No space left"), "{reason}");
    fs::remove_file(&file).unwrap();
    bus.publish(&batch[error.taken..]).await.unwrap();
    assert_eq!(read(root.path(), "r/pulse.jsonl"), "3\n");
    // Behind what was taken a line may be told twice.
    assert_eq!(read(root.path(), "s/pulse.jsonl"), "1\n2\n4\n4\n");
}

#[tokio::test]
async fn a_run_without_a_folder_is_refused_and_the_others_are_not() {
    let root = root_with(&["r", "s"]);
    let bus = files(root.path(), LIMITS);
    bus.publish(&[message("r", "1"), message("s", "2")]).await.unwrap();
    fs::remove_dir_all(root.path().join("r")).unwrap();
    let error = bus.publish(&[message("s", "3"), message("r", "4")]).await.unwrap_err();
    assert_eq!((error.taken, &error.trouble), (1, &Trouble::Refused("run r has no folder".into())));
    assert_eq!(read(root.path(), "s/pulse.jsonl"), "2\n3\n");
    // One that the resolver still knows, but that is not there.
    let stale = RunFiles::new(|_| Some("/nonexistent/folder".into()), LIMITS);
    assert_eq!(
        stale.publish(&[message("r", "1")]).await,
        Err(error).map_err(|e| PublishError { taken: 0, ..e })
    );
}

#[tokio::test]
async fn no_more_files_are_open_than_may_be_and_a_closed_one_goes_on() {
    let root = root_with(&["a", "b", "c"]);
    let bus = files(root.path(), LIMITS);
    for n in 0..3 {
        for run in ["a", "b", "c"] {
            bus.publish(&[message(run, &n.to_string())]).await.unwrap();
            assert!(bus.open.lock().unwrap().files.len() <= 2);
        }
    }
    for run in ["a", "b", "c"] {
        assert_eq!(read(root.path(), &format!("{run}/pulse.jsonl")), "0\n1\n2\n");
    }
}

#[tokio::test]
async fn a_file_that_was_moved_away_is_begun_anew() {
    let root = root_with(&["r"]);
    let bus = files(root.path(), LIMITS);
    bus.publish(&[message("r", "1")]).await.unwrap();
    fs::rename(root.path().join("r/pulse.jsonl"), root.path().join("taken")).unwrap();
    bus.publish(&[message("r", "2")]).await.unwrap();
    assert_eq!(
        (read(root.path(), "taken"), read(root.path(), "r/pulse.jsonl")),
        ("1\n".into(), "2\n".into())
    );
}

#[tokio::test]
async fn what_can_never_be_a_line_is_refused() {
    let root = root_with(&["r"]);
    let bus = files(root.path(), LIMITS);
    let exact = "x".repeat(99);
    bus.publish(&[message("r", &exact), message("r", &exact)]).await.unwrap();
    let error = bus.publish(&[message("r", &"x".repeat(100))]).await.unwrap_err();
    assert_eq!(error.trouble, Trouble::TooLarge { bytes: 101, bytes_max: 100 });
    let error = bus.publish(&[message("r", "{\n}")]).await.unwrap_err();
    assert!(matches!(error.trouble, Trouble::Refused(_)), "{error:?}");
    let elsewhere = Message { subject: "somewhere.else".into(), ..message("r", "1") };
    let error = bus.publish(&[message("r", "1"), elsewhere]).await.unwrap_err();
    assert!(error.taken == 1 && matches!(error.trouble, Trouble::Refused(_)), "{error:?}");
}

#[tokio::test]
async fn only_the_owner_may_read_it() {
    use std::os::unix::fs::PermissionsExt;
    let root = root_with(&["r"]);
    files(root.path(), LIMITS).publish(&[message("r", "1")]).await.unwrap();
    let mode = fs::metadata(root.path().join("r/pulse.jsonl")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
