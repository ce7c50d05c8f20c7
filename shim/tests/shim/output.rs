//! What a worker prints, and how much of it is kept.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::PathBuf;

use resus_shim::evidence;

use crate::rig::{Client, Rig, wait_until};

const CAP: u64 = 1 << 20;
const PRINTED: u64 = 10 * CAP;
/// The cap is kept in whole blocks, and the file system's own blocks describe the file.
const SLACK: u64 = 16 * 1024;

/// A rig whose shim keeps `cap` bytes of output.
fn capped(cap: u64) -> (Rig, Client) {
    let mut rig = Rig::without_shim();
    let mut command = rig.shim_command(&[]);
    command.args(["--output-cap", &cap.to_string()]);
    rig.start_as(&mut command);
    let client = rig.client();
    (rig, client)
}

/// A shell command that prints [`PRINTED`] bytes.
fn printing() -> String {
    format!("seq 1 2000000 | head -c {PRINTED}")
}

/// The same bytes.
fn printed() -> Vec<u8> {
    let mut bytes: Vec<u8> = (1..2_000_000).flat_map(|number| format!("{number}\n").into_bytes()).collect();
    bytes.truncate(usize::try_from(PRINTED).unwrap());
    bytes
}

fn output_path(rig: &Rig) -> PathBuf {
    rig.attempt_dir(1).join(evidence::OUTPUT_LOG)
}

fn allocated(rig: &Rig) -> u64 {
    fs::metadata(output_path(rig)).unwrap().blocks() * 512
}

/// The newest bytes are where they were printed.
fn assert_newest_kept(rig: &Rig) {
    let file = File::open(output_path(rig)).unwrap();
    assert_eq!(file.metadata().unwrap().len(), PRINTED);
    let mut newest = vec![0; usize::try_from(CAP).unwrap()];
    file.read_exact_at(&mut newest, PRINTED - CAP).unwrap();
    assert!(printed().ends_with(&newest), "the newest bytes are others than those printed");
}

#[test]
fn a_living_worker_keeps_its_newest_output_and_no_more_room_than_the_cap() {
    let (rig, mut client) = capped(CAP);
    let script = format!("{}; while ! [ -e go ]; do sleep 0.01; done", printing());
    client.started(&rig.script(1, &script));
    wait_until("all to be printed", || {
        fs::metadata(output_path(&rig)).is_ok_and(|output| output.len() == PRINTED)
    });
    wait_until("what is too old to be freed", || allocated(&rig) <= CAP + SLACK);
    assert_newest_kept(&rig);
    fs::write(rig.path("go"), "").unwrap();
    assert_eq!(client.exited().exit.code, Some(0));
    assert_newest_kept(&rig);
}

#[test]
fn the_cap_holds_at_the_end_of_a_worker_that_only_just_printed() {
    let (rig, mut client) = capped(CAP);
    client.started(&rig.script(1, &printing()));
    assert_eq!(client.exited().exit.code, Some(0));
    assert!(allocated(&rig) <= CAP + SLACK, "{} bytes are allocated", allocated(&rig));
    assert_newest_kept(&rig);
}

#[test]
fn everything_is_kept_where_no_cap_is_wanted() {
    let (rig, mut client) = capped(0);
    client.started(&rig.script(1, &printing()));
    assert_eq!(client.exited().exit.code, Some(0));
    assert!(fs::read(output_path(&rig)).unwrap() == printed(), "something is missing");
}

#[test]
fn a_small_cap_holds_too() {
    const SMALL: u64 = 64 * 1024;
    let (rig, mut client) = capped(SMALL);
    let script = format!("{}; while ! [ -e go ]; do sleep 0.01; done", printing());
    client.started(&rig.script(1, &script));
    wait_until("what is too old to be freed", || {
        let length = fs::metadata(output_path(&rig)).map_or(0, |output| output.len());
        length == PRINTED && allocated(&rig) <= SMALL + SLACK
    });
    fs::write(rig.path("go"), "").unwrap();
    assert_eq!(client.exited().exit.code, Some(0));
    let kept = usize::try_from(SMALL).unwrap();
    assert!(fs::read(output_path(&rig)).unwrap().ends_with(&printed()[printed().len() - kept..]));
}
