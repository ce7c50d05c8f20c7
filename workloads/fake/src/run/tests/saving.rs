//! What is found of the checkpoints of an attempt, in their place and in what was said of them.

use super::*;
use crate::script::{NanAt, Shape};
use crate::state::State;
use resus_checkpoint::{Health, Verified, verify};

#[test]
fn each_announced_checkpoint_is_there_and_whole() {
    let stage = Stage::new();
    let played = stage.play(1, &Script { checkpoint_every: Some(5), ..quick(12) });
    let announced = played.payloads("checkpoint");
    let steps: Vec<&Value> = announced.iter().map(|payload| &payload["step"]).collect();
    assert_eq!(steps, [5, 10]);
    for payload in announced {
        let verified = verify(Path::new(payload["path"].as_str().unwrap())).unwrap();
        assert_eq!(payload["digest"], verified.digest);
        assert_eq!((&payload["health"], payload["loss"].as_f64()), (&"finite".into(), loss_of(&verified)));
        assert_eq!(payload["size_bytes"], verified.size_bytes);
    }
}

fn loss_of(verified: &Verified) -> Option<f64> {
    verified.meta.as_ref().and_then(|meta| meta.metrics.get("loss").copied())
}

const FOREIGN: [Shape; 3] = [Shape::Torch, Shape::Safetensors, Shape::Folder];

/// The place of the announced checkpoint.
fn path_of(payload: &Value) -> PathBuf {
    PathBuf::from(payload["path"].as_str().unwrap())
}

#[test]
fn a_run_of_any_shape_goes_on_from_what_it_announced_to_the_same_end() {
    let expected = Stage::new().play(1, &quick(20));
    for shape in FOREIGN {
        let stage = Stage::new();
        let script = Script { shape, ..crashing(13, false) };
        let said = stage.play(1, &script);
        let newest = said.payloads("checkpoint")[1];
        assert_eq!((&newest["step"], &newest["health"]), (&10.into(), &"finite".into()));
        let environment = Environment { resume_from: Some(path_of(newest)), ..stage.environment(2) };
        let resumed = play(environment, &script);
        assert_eq!(resumed.payloads("progress")[0]["session_start"], 10.0, "{shape:?}");
        assert_eq!(resumed.digest(), expected.digest(), "{shape:?}");
    }
}

#[test]
fn a_foreign_checkpoint_that_is_announced_when_it_is_done_is_whole() {
    for shape in FOREIGN {
        let stage = Stage::new();
        let played = stage.play(1, &Script { shape, checkpoint_every: Some(5), ..quick(5) });
        let said = played.payloads("checkpoint")[0];
        let path = path_of(said);
        assert_eq!(State::resume(&path).unwrap().step, 5, "{shape:?}");
        let files: Vec<PathBuf> = match shape {
            Shape::Folder => std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()).collect(),
            Shape::Prsm | Shape::Torch | Shape::Safetensors => vec![path],
        };
        let size: u64 = files.iter().map(|file| file.metadata().unwrap().len()).sum();
        assert_eq!(said["size_bytes"], size, "{shape:?}");
    }
}

#[test]
fn a_foreign_checkpoint_can_be_announced_early_and_left_half_written() {
    for shape in FOREIGN {
        let crash =
            Crash { step: 5, how: CrashHow::Exit(9), times: Some(1), corrupt_last: false, in_save: true };
        let script = Script {
            shape,
            announce_early: true,
            crash: Some(crash),
            checkpoint_every: Some(5),
            ..quick(10)
        };
        let stage = Stage::new();
        let played = stage.play(1, &script);
        assert_eq!(played.ending, Ending::Crash(CrashHow::Exit(9)), "{shape:?}");
        let said = played.payloads("checkpoint");
        assert_eq!((said.len(), said[0].get("size_bytes")), (1, None), "{shape:?}");
        assert!(path_of(said[0]).exists() && State::resume(&path_of(said[0])).is_err(), "{shape:?}");
        let late = Stage::new().play(1, &Script { announce_early: false, ..script.clone() });
        assert!(late.payloads("checkpoint").is_empty(), "{shape:?}: not whole, not announced");
        // The next attempt writes it under another name, and leaves it as it is.
        let again = stage.play(2, &script);
        assert_eq!(again.ending, Ending::Exit(0), "{shape:?}");
        let said_again = again.payloads("checkpoint");
        let second = said_again.iter().find(|payload| payload["checkpoint_id"] == "step-000005.2").unwrap();
        assert!(State::resume(&path_of(second)).is_ok(), "{shape:?}");
        assert!(State::resume(&path_of(said[0])).is_err(), "{shape:?}");
    }
}

#[test]
fn an_attempt_that_repeats_a_step_announces_its_own_checkpoint_and_leaves_the_first() {
    let stage = Stage::new();
    for (attempt, id) in [(1, "step-000005"), (2, "step-000005.2")] {
        let from_the_start = Environment { resume_from: None, ..stage.environment(attempt) };
        let played = play(from_the_start, &Script { checkpoint_every: Some(5), ..quick(5) });
        let said = played.payloads("checkpoint")[0];
        assert_eq!(said["checkpoint_id"], id);
        assert_eq!(path_of(said).file_name().unwrap().to_str().unwrap(), format!("{id}.prsm"));
        assert_eq!(said["digest"], verify(&path_of(said)).unwrap().digest);
    }
}

#[test]
fn a_damaged_foreign_checkpoint_is_not_resumed_from() {
    for shape in FOREIGN {
        let stage = Stage::new();
        let said = stage.play(1, &Script { shape, ..crashing(8, true) });
        let path = path_of(said.payloads("checkpoint")[0]);
        let environment = Environment { resume_from: Some(path), ..stage.environment(2) };
        let played = play(environment, &quick(20));
        assert_eq!(played.payloads("error")[0]["error_code"], "CHECKPOINT_CORRUPT", "{shape:?}");
    }
}

fn breaking(step: u64, after: u64, is_hidden: bool) -> Script {
    let nan = NanAt { step, after, is_hidden, times: Some(1) };
    Script { nan: Some(nan), checkpoint_every: Some(5), ..quick(20) }
}

#[test]
fn numbers_that_break_are_told_and_poison_the_checkpoints_from_there_on() {
    let stage = Stage::new();
    let played = stage.play(1, &breaking(8, 4, false));
    assert_eq!((played.ending, played.last_step()), (Ending::Exit(1), Some(12)));
    let error = played.payloads("error")[0];
    assert_eq!((&error["error_code"], &error["fatal"]), (&"NAN_LOSS".into(), &true.into()));
    assert_eq!(error["is_retryable"], true);
    let said = played.payloads("checkpoint");
    let health: Vec<&Value> = said.iter().map(|payload| &payload["health"]).collect();
    assert_eq!(health, ["finite", "not_finite"]);
    assert_eq!(said[1]["loss"], Value::Null);
    let metas: Vec<Health> =
        said.iter().map(|payload| verify(&path_of(payload)).unwrap().meta.unwrap().health).collect();
    assert_eq!(metas, [Health::Finite, Health::NotFinite]);
}

#[test]
fn broken_numbers_come_back_with_their_checkpoint_and_not_with_the_one_before() {
    let stage = Stage::new();
    let script = breaking(8, 4, false);
    let said = stage.play(1, &script);
    let [healthy, poisoned] = [0, 1].map(|n| Some(path_of(said.payloads("checkpoint")[n])));
    let again = play(Environment { resume_from: poisoned, ..stage.environment(2) }, &script);
    assert_eq!(again.payloads("error")[0]["error_code"], "NAN_LOSS");
    let well = play(Environment { resume_from: healthy, ..stage.environment(3) }, &script);
    assert_eq!((well.ending, well.digest()), (Ending::Exit(0), Stage::new().play(1, &quick(20)).digest()));
}

#[test]
fn health_can_be_hidden() {
    let stage = Stage::new();
    let played = stage.play(1, &breaking(5, 0, true));
    let said = played.payloads("checkpoint")[0];
    assert_eq!((said.get("health"), said.get("loss")), (None, None));
    assert_eq!(verify(&path_of(said)).unwrap().meta.unwrap().health, Health::Unknown);
    assert_eq!((played.ending, played.last_step()), (Ending::Exit(1), Some(5)));
}
