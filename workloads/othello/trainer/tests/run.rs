//! Whole runs in this process, as a supervisor sees them: events, exit codes, checkpoints.

#![expect(clippy::unwrap_used, reason = "a harness that cannot go on ends its test")]

mod harness;

use std::fs;

use harness::{Desk, args};
use resus_checkpoint::{Health, Loaded};
use serde_json::json;

#[test]
fn a_whole_run_is_told_from_its_first_status_to_its_last_word() {
    let desk = Desk::new();
    let ended = desk.run("--games 300 --batch 64 --checkpoint-every 128 --eval-games 60 --threads 2");
    assert_eq!(ended.code, 0, "{}", ended.errors);
    let said: Vec<String> = ended
        .class_a()
        .map(|event| {
            let payload = &event["payload"];
            let detail = ["status", "new_stage", "action", "error_code"]
                .iter()
                .find_map(|key| payload[key].as_str().map(str::to_owned));
            format!("{} {}", event["event_type"].as_str().unwrap(), detail.unwrap_or_default())
        })
        .filter(|line| line != "checkpoint saved")
        .collect();
    assert_eq!(
        said,
        [
            "status preparing",
            "status running",
            "stage_change selfplay",
            "stage_change evaluation",
            "run_complete success"
        ]
    );
    let last = ended.last("run_complete");
    for name in ["win_rate_random", "win_rate_positional", "win_rate_positional_low"] {
        let value = last["metrics"][name].as_f64().unwrap_or_else(|| panic!("{name}: {last}"));
        assert!((0.0..=1.0).contains(&value));
    }
    assert_eq!(last["metrics"]["games"], 300.0);
    let progress = ended.last("progress");
    assert_eq!(
        (&progress["unit"], &progress["done"], &progress["total"]),
        (&json!("game"), &json!(300.0), &json!(300.0))
    );
    assert!(ended.out.contains("against the positional player: "), "{}", ended.out);
    assert_eq!(ended.last("checkpoint")["step"], 300);
    assert!(desk.checkpoint(300).is_file());
}

#[test]
fn any_number_of_threads_gives_the_same_checkpoint() {
    let state = |threads: u32| {
        let desk = Desk::new();
        let line = format!("--games 400 --batch 150 --eval-games 0 --threads {threads}");
        assert_eq!(desk.run(&line).code, 0);
        desk.state(400)
    };
    let one = state(1);
    assert_eq!(one, state(2));
    assert_eq!(one, state(3));
}

#[test]
fn a_run_resumed_from_any_of_its_checkpoints_ends_with_the_same_bits() {
    let flags = "--games 500 --batch 64 --checkpoint-every 64 --eval-games 0";
    let whole = Desk::new();
    assert_eq!(whole.run(flags).code, 0);
    let mut resumed = 0;
    for path in whole.checkpoints() {
        let games = resus_checkpoint::peek(&path).unwrap().header.games;
        let desk = Desk::new();
        let ended = desk.run(&format!("{flags} --resume-from {}", path.display()));
        assert_eq!(ended.code, 0, "{}", ended.errors);
        assert_eq!(ended.last("progress")["session_start"], games as f64);
        if games < 500 {
            assert_eq!(desk.state(500), whole.state(500), "from {games} games");
            resumed += 1;
        } else {
            assert!(desk.checkpoints().is_empty(), "nothing is left to save");
        }
    }
    assert!(resumed > 0, "no checkpoint before the last");
}

/// A checkpoint of the program as it was before format version 3, after the first of two games.
const OF_VERSION_2: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/v2-after-1-of-2-games.prsm");

#[test]
fn a_run_resumed_from_a_checkpoint_of_version_2_ends_with_the_same_bits() {
    let flags = "--games 2 --batch 1 --eval-games 0 --checkpoint-every 1";
    assert_eq!(resus_checkpoint::peek(OF_VERSION_2.as_ref()).unwrap().header.version, 2);
    let resumed = Desk::new();
    let ended = resumed.run_resuming(flags, OF_VERSION_2.as_ref());
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert_eq!(ended.last("progress")["session_start"], 1.0);
    let undisturbed = Desk::new();
    undisturbed.run(flags);
    assert_eq!(resumed.state(2), undisturbed.state(2));
}

#[test]
fn packed_checkpoints_are_smaller_and_hold_the_same() {
    let flags = "--games 128 --batch 64 --eval-games 0";
    let plain = Desk::new();
    plain.run(flags);
    let size = |desk: &Desk| fs::metadata(desk.checkpoint(128)).unwrap().len();
    for packing in ["lz4", "zstd"] {
        let packed = Desk::new();
        assert_eq!(packed.run(&format!("{flags} --compress-checkpoints {packing}")).code, 0);
        assert_eq!(packed.state(128), plain.state(128));
        assert!(size(&packed) < size(&plain), "{packing}: {} of {} bytes", size(&packed), size(&plain));
    }
}

#[test]
fn a_checkpoint_says_its_step_its_loss_and_that_it_is_healthy() {
    let desk = Desk::new();
    desk.run("--games 64 --batch 64 --eval-games 0");
    let meta = resus_checkpoint::peek(&desk.checkpoint(64)).unwrap().meta.unwrap();
    assert_eq!((meta.step, meta.health), (64, Health::Finite));
    assert!(meta.metrics.get("loss").is_some_and(|loss| *loss > 0.0), "{meta:?}");
    assert!(meta.writer.starts_with("othello-trainer "), "{}", meta.writer);
}

#[test]
fn the_supervisor_s_word_is_taken_where_the_command_line_says_nothing() {
    let flags = "--games 200 --batch 100 --checkpoint-every 100 --eval-games 0";
    let first = Desk::new();
    first.run(flags);
    let from = first.checkpoint(200);
    let second = Desk::new();
    let ended = second.run_resuming(flags, &from);
    assert_eq!(ended.last("progress")["session_start"], 200.0);
}

#[test]
fn a_stop_leaves_a_checkpoint_says_cancelled_and_the_rest_can_be_done_later() {
    let flags = "--games 400 --batch 64 --eval-games 50";
    let desk = Desk::new();
    let ended = desk.run_commanded(flags, &["stop"]);
    assert_eq!(ended.code, 0, "{}", ended.errors);
    assert_eq!(ended.last("run_complete")["status"], "cancelled");
    assert_eq!(ended.last("run_complete")["metrics"]["games"], 64.0, "the batch under way is finished");
    assert_eq!(ended.last("checkpoint")["step"], 64);
    let later = Desk::new();
    assert_eq!(later.run_resuming(flags, &desk.checkpoint(64)).code, 0);
    let undisturbed = Desk::new();
    undisturbed.run(flags);
    assert_eq!(later.state(400), undisturbed.state(400));
}

#[test]
fn a_pause_saves_and_holds_until_resumed_and_changes_nothing() {
    let flags = "--games 300 --batch 64 --eval-games 0";
    let desk = Desk::new();
    let ended = desk.run_commanded(flags, &["pause", "resume"]);
    let statuses: Vec<&str> = ended.all("status").filter_map(|payload| payload["status"].as_str()).collect();
    assert_eq!(statuses, ["preparing", "running", "paused", "running"]);
    assert!(desk.checkpoint(64).is_file());
    assert_eq!(ended.last("run_complete")["status"], "success");
    let undisturbed = Desk::new();
    undisturbed.run(flags);
    assert_eq!(desk.state(300), undisturbed.state(300));
}

/// The bytes of a section.
fn section<'a>(state: &'a mut [Loaded], name: &str) -> &'a mut Vec<u8> {
    &mut state.iter_mut().find(|section| section.name == name).unwrap().bytes
}

/// Asks for the place, which a pause alone does not give free.
const RELEASE: &str = r#"{"cmd":"pause","release":true}"#;

#[test]
fn a_pause_with_release_leaves_at_a_checkpoint_and_the_rest_can_be_done_later() {
    let flags = "--games 300 --batch 64 --eval-games 0";
    for commands in [&[RELEASE][..], &["pause", RELEASE]] {
        let desk = Desk::new();
        let ended = desk.run_commanded(flags, commands);
        assert_eq!(ended.code, 3, "{}", ended.errors);
        assert_eq!(
            (ended.last("status")["status"].as_str(), ended.last("checkpoint")["step"].as_u64()),
            (Some("paused"), Some(64))
        );
        assert_eq!(ended.all("run_complete").count(), 0, "it is not over");
        let later = Desk::new();
        assert_eq!(later.run_resuming(flags, &desk.checkpoint(64)).code, 0);
        let undisturbed = Desk::new();
        undisturbed.run(flags);
        assert_eq!(later.state(300), undisturbed.state(300));
    }
}

#[test]
fn a_stop_counts_more_than_a_release_and_no_release_is_none() {
    let flags = "--games 300 --batch 64 --eval-games 0";
    let ended = Desk::new().run_commanded(flags, &[RELEASE, "stop"]);
    assert_eq!((ended.code, &ended.last("run_complete")["status"]), (0, &json!("cancelled")));
    let ended = Desk::new().run_commanded(flags, &[r#"{"cmd":"pause","release":false}"#, "resume"]);
    assert_eq!((ended.code, &ended.last("run_complete")["status"]), (0, &json!("success")));
}

#[test]
fn a_stop_while_held_is_obeyed() {
    let desk = Desk::new();
    let ended = desk.run_commanded("--games 300 --batch 64", &["pause", "stop"]);
    assert_eq!((ended.code, &ended.last("run_complete")["status"]), (0, &json!("cancelled")));
}

#[test]
fn a_checkpoint_asked_for_is_saved_and_the_run_goes_on() {
    let desk = Desk::new();
    let ended = desk.run_commanded("--games 300 --batch 64 --eval-games 0", &["checkpoint"]);
    let steps: Vec<u64> = ended.all("checkpoint").filter_map(|payload| payload["step"].as_u64()).collect();
    assert_eq!(steps, [64, 300]);
}

#[test]
fn a_bad_flag_is_permanent_and_named() {
    let desk = Desk::new();
    let ended = desk.run("--games many");
    assert_eq!(ended.code, 125);
    let error = ended.last("error");
    assert_eq!((&error["error_code"], &error["is_retryable"]), (&json!("CONFIG_INVALID"), &json!(false)));
    let message = error["message"].as_str().unwrap();
    assert_eq!(message, "--games many is not allowed: it takes a whole number from 1 to 1000000000");
    assert_eq!(ended.errors, format!("error: {message}\n"));
    assert_eq!(ended.last("run_complete")["status"], "failed");
}

#[test]
fn a_checkpoint_of_other_settings_is_refused_for_good_with_both_named() {
    let desk = Desk::new();
    desk.run("--games 64 --batch 64 --eval-games 0");
    let path = desk.checkpoint(64);
    let ended = Desk::new().run_resuming("--games 64 --batch 32 --eval-games 0", &path);
    assert_eq!(ended.code, 125);
    let error = ended.last("error");
    assert_eq!(error["error_code"], "CHECKPOINT_VERSION_MISMATCH");
    let message = error["message"].as_str().unwrap();
    assert!(message.contains(".prsm was written with configuration "), "{message}");
    assert!(message.ends_with("batch 64 → 32"), "{message}");
}

#[test]
fn a_checkpoint_of_another_layout_is_refused_for_good_with_both_versions() {
    let desk = Desk::new();
    desk.run("--games 64 --batch 64 --eval-games 0");
    let mut state = desk.state(64);
    section(&mut state, "othello-layout")[0] = 7;
    let path = desk.save("other.prsm", &state);
    let ended = Desk::new().run_resuming("--games 64 --batch 64 --eval-games 0", &path);
    assert_eq!(
        (ended.code, &ended.last("error")["error_code"]),
        (125, &json!("CHECKPOINT_VERSION_MISMATCH"))
    );
    assert!(
        ended.errors.contains("layout version 7; this program reads versions 1 and 2"),
        "{}",
        ended.errors
    );
}

#[test]
fn a_damaged_checkpoint_is_worth_a_retry_and_a_missing_one_is_not() {
    let desk = Desk::new();
    desk.run("--games 64 --batch 64 --eval-games 0");
    let path = desk.checkpoint(64);
    let mut bytes = fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(&path, bytes).unwrap();
    let damaged = desk.run_resuming("--games 64", &path);
    assert_eq!((damaged.code, &damaged.last("error")["error_code"]), (75, &json!("CHECKPOINT_CORRUPT")));
    let missing = desk.run("--games 64 --resume-from /nowhere/at-all.prsm");
    assert_eq!((missing.code, &missing.last("error")["error_code"]), (125, &json!("CHECKPOINT_NOT_FOUND")));
}

#[test]
fn a_weight_that_is_no_number_is_reported_and_repaired() {
    let flags = "--games 128 --batch 64 --checkpoint-every 64 --eval-games 0";
    let desk = Desk::new();
    desk.run_commanded(flags, &["stop"]);
    let mut state = desk.state(64);
    section(&mut state, "weights")[..4].copy_from_slice(&f32::NAN.to_le_bytes());
    let path = desk.save("poisoned.prsm", &state);
    let healed = Desk::new();
    let ended = healed.run_resuming(flags, &path);
    assert_eq!(ended.code, 0);
    let error = ended.all("error").next().expect("an error was said");
    assert_eq!((&error["error_code"], &error["fatal"]), (&json!("NAN_LOSS"), &json!(false)));
    let again = Desk::new().run_resuming(flags, &healed.checkpoint(128));
    assert_eq!((again.code, again.all("error").count()), (0, 0), "nothing of it is left");
}

#[test]
fn a_folder_that_cannot_be_is_refused_for_good() {
    let desk = Desk::new();
    let file = desk.save("a-file", &[]);
    let ended = desk.run(&format!("--games 64 --checkpoint-dir {}", file.join("below").display()));
    assert_eq!((ended.code, &ended.last("error")["error_code"]), (125, &json!("CONFIG_INVALID")));
}

/// Takes as long as a save waits before its second try.
#[test]
fn a_last_checkpoint_that_cannot_be_saved_is_worth_a_retry() {
    let desk = Desk::new();
    // A folder that is there, and in which nobody can create a file.
    let ended = desk.run("--games 64 --batch 64 --eval-games 0 --checkpoint-dir /proc");
    assert_eq!(ended.code, 75, "{}", ended.errors);
    let codes: Vec<_> = ended.all("error").map(|error| error["error_code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["CHECKPOINT_SAVE_FAILED"; 3], "the first try, the second, and the end");
    assert!(ended.out.contains("to be tried again in 5 s"), "{}", ended.out);
    assert_eq!(ended.last("run_complete")["status"], "failed");
}

#[test]
fn without_a_supervisor_it_trains_the_same_and_talks_to_people() {
    let folder = tempfile::tempdir().unwrap();
    let pulse = resus_sdk::Pulse::new(resus_sdk::Environment::default());
    let (mut out, mut errors) = (Vec::new(), Vec::new());
    let line = format!("--games 128 --batch 64 --eval-games 20 --checkpoint-dir {}", folder.path().display());
    assert_eq!(othello_trainer::run(args(&line), &pulse, &mut out, &mut errors), 0);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("saved ") && out.contains("against the random player: "), "{out}");
    assert!(out.contains("done: 128 of 128 games"), "{out}");
    assert!(errors.is_empty());
}

#[test]
fn help_is_printed_and_nothing_is_trained() {
    let desk = Desk::new();
    let ended = desk.run("--help");
    assert_eq!(ended.code, 0);
    assert!(ended.out.contains("--resume-from"), "{}", ended.out);
    assert!(ended.events.is_empty());
}
