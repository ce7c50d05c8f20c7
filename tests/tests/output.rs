//! What workers print, and how much of it is kept.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::Home;
use std::os::unix::fs::MetadataExt;

/// Kept of an attempt's output (`shim/src/output.rs`).
const CAP: u64 = 64 << 20;
/// The cap is kept in whole blocks, and the file system's own blocks describe the file.
const SLACK: u64 = 64 * 1024;
/// The last number that is printed: about 78 MB of numbers.
const LAST: u64 = 10_000_000;

fn numbers(from: u64) -> Vec<u8> {
    use std::io::Write;
    let mut text = Vec::new();
    for number in from..=LAST {
        writeln!(text, "{number}").unwrap();
    }
    text
}

#[test]
fn of_endless_output_the_newest_is_shown_and_the_rest_takes_no_room() {
    let home = Home::new();
    let last = LAST.to_string();
    let id = home.submit(&["--", "seq", "1", &last]);
    home.resus(&["wait", &id]).expect_code(0);

    let printed = numbers(1);
    let output = std::fs::metadata(home.run_dir(&id).join("attempts/0001/output.log")).unwrap();
    assert_eq!(output.len(), printed.len() as u64, "every byte has its offset");
    assert!(output.len() > CAP + SLACK);
    let allocated = output.blocks() * 512;
    assert!(allocated <= CAP + SLACK, "{allocated} bytes are allocated");

    let shown = home.resus(&["logs", &id]).expect_code(0).stdout.into_bytes();
    assert!(shown.len() as u64 >= CAP, "{} bytes are shown", shown.len());
    assert!(!shown.contains(&0), "what is freed is shown as zeros");
    assert!(printed.ends_with(&shown), "what is shown is not the end of what was printed");

    let tail = home.resus(&["logs", "-n", "3", &id]).expect_code(0).stdout.into_bytes();
    assert_eq!(tail, numbers(LAST - 2));
}
