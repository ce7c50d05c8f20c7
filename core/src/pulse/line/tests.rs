use super::*;
use crate::checkpoint::{CheckpointRef, Health};

fn said_by(line: &str) -> Said {
    parse(line.as_bytes()).unwrap().said
}

#[test]
fn words_and_telemetry_take_their_lanes() {
    assert_eq!(
        said_by(r#"{"event_type":"stage_change","payload":{"new_stage":"evaluation"}}"#),
        Said::Word(Word::StageChange { previous_stage: None, new_stage: "evaluation".into() })
    );
    let Said::Telemetry(Telemetry::Progress(p)) =
        said_by(r#"{"event_type":"progress","payload":{"unit":"game","done":5,"total":10,"loss":0.5}}"#)
    else {
        panic!("progress expected")
    };
    assert_eq!((p.amount(), p.amount_total(), p.loss), (Some(5.0), Some(10.0), Some(0.5)));
}

#[test]
fn numbers_that_are_not_finite_are_absent_not_zero() {
    let Said::Telemetry(Telemetry::Metric { metrics, .. }) =
        said_by(r#"{"event_type":"metric","payload":{"metrics":{"loss":null,"lr":0.1,"x":"no"}}}"#)
    else {
        panic!("metric expected")
    };
    assert_eq!(metrics, Numbers::from([("loss".into(), None), ("lr".into(), Some(0.1))]));
}

#[test]
fn what_does_not_fit_is_refused_with_the_field_named() {
    let cases: [(&str, &str); 9] = [
        ("", "JSON"),
        ("[1]", "JSON"),
        (r#"{"event_type":"progress""#, "JSON"),
        (r#"{"event_type":"dance"}"#, "dance"),
        (r#"{"payload":{}}"#, "event_type"),
        (r#"{"event_type":"stage_change","payload":{}}"#, "new_stage"),
        (r#"{"event_type":"run_complete","payload":{"status":"great"}}"#, "status"),
        (r#"{"event_type":"checkpoint","payload":{"action":"saved","path":"x"}}"#, "path"),
        (r#"{"event_type":"status","payload":{"status":7}}"#, "status"),
    ];
    for (line, word) in cases {
        let error = parse(line.as_bytes()).unwrap_err().to_string();
        assert!(error.contains(word), "{line}: {error}");
    }
    assert!(matches!(parse(&vec![b' '; EVENT_BYTES_MAX + 1]), Err(LineError::TooLong { .. })));
    assert!(parse(b"\xff\xfe{}").is_err());
    assert!(parse("[".repeat(60_000).as_bytes()).is_err());
}

#[test]
fn an_unknown_error_code_is_kept_as_unknown() {
    let Said::Word(Word::Error(error)) =
        said_by(r#"{"event_type":"error","payload":{"error_code":"weird code","message":"m\u001b[2J"}}"#)
    else {
        panic!("error expected")
    };
    assert_eq!((error.error_code, error.message.as_str()), (Code::unknown(), "m\\u{1b}[2J"));
}

#[test]
fn the_optional_fields_of_the_protocol_are_kept() {
    let Said::Word(Word::TargetComplete { best_auc, models_trained, duration_seconds, .. }) = said_by(
        r#"{"event_type":"target_complete","payload":{"target":"t","status":"success","best_auc":0.9,"models_trained":3,"duration_seconds":1.5}}"#,
    ) else {
        panic!("target_complete expected")
    };
    assert_eq!((best_auc, models_trained, duration_seconds), (Some(0.9), Some(3), Some(1.5)));
    let Said::Word(Word::RunComplete { duration_seconds, epochs_completed, .. }) = said_by(
        r#"{"event_type":"run_complete","payload":{"status":"success","duration_seconds":2,"epochs_completed":7}}"#,
    ) else {
        panic!("run_complete expected")
    };
    assert_eq!((duration_seconds, epochs_completed), (Some(2.0), Some(7.0)));
    let Said::Word(Word::CheckpointSaved(saved)) = said_by(
        r#"{"event_type":"checkpoint","payload":{"action":"saved","path":"/ck/a.pt","epoch":4,"duration_s":0.25}}"#,
    ) else {
        panic!("checkpoint expected")
    };
    assert_eq!((saved.epoch, saved.step, saved.duration_s), (Some(4.0), Some(4.0), Some(0.25)));
    let Said::Telemetry(Telemetry::Progress(progress)) =
        said_by(r#"{"event_type":"progress","payload":{"unit":"target","current_target":"nasdaq"}}"#)
    else {
        panic!("progress expected")
    };
    assert_eq!(progress.current_target.as_deref(), Some("nasdaq"));
}

#[test]
fn an_errors_details_are_kept_within_their_size() {
    let told = |details: &Value, count: &Value| {
        let line = serde_json::json!({
            "event_type": "error", "payload": {"error_code": "APP_X", "details": details, "count": count},
        });
        let Said::Word(Word::Error(error)) = said_by(&line.to_string()) else { panic!("error expected") };
        (error.details, error.count)
    };
    let small = serde_json::json!({"exception": "ValueError", "rank": 3});
    assert_eq!(told(&small, &3.into()), (Some(small.clone()), 3));
    for (count, read) in [(Value::Null, 1), (0.into(), 1), (u64::MAX.into(), u32::MAX), ("9".into(), 1)] {
        assert_eq!(told(&small, &count).1, read);
    }
    assert_eq!(told(&serde_json::json!("text"), &1.into()).0, None, "details are an object");
    let long = format!("{}the end", "ä".repeat(10_000));
    let (cut, _) = told(&serde_json::json!({"traceback_tail": long}), &1.into());
    let tail = cut.as_ref().and_then(|cut| cut.get("traceback_tail")).and_then(Value::as_str).unwrap();
    assert!(tail.starts_with('…') && tail.ends_with("the end") && tail.len() <= DETAIL_TEXT_BYTES_MAX + 3);
    let many: Map<String, Value> = (0..9).map(|n| (format!("t{n}"), "x".repeat(4_000).into())).collect();
    let (left, _) = told(&Value::Object(many), &1.into());
    assert!(left.unwrap().get("left_out_bytes").and_then(Value::as_u64).unwrap() > 36_000);
}

#[test]
fn older_emitters_are_understood() {
    let ours = |text: &str| said_by(text);
    let same: [(&str, &str); 9] = [
        (
            r#"{"event_type":"stage_change","run_id":"x","timestamp":"2026-01-21T19:32:13.024320+00:00","previous_stage":null,"new_stage":"training"}"#,
            r#"{"event_type":"stage_change","payload":{"new_stage":"training"}}"#,
        ),
        (
            r#"{"event_type":"progress","run_id":"x","stage":"ranking","progress_pct":40,"current_target":"a","targets_complete":2,"targets_total":5,"message":"m"}"#,
            r#"{"event_type":"progress","payload":{"unit":"target","done":2,"total":5,"stage":"ranking","current_target":"a","message":"m"}}"#,
        ),
        (
            r#"{"event_type":"progress","stage":"init","progress_pct":40.5,"targets_complete":0,"targets_total":0}"#,
            r#"{"event_type":"progress","payload":{"unit":"percent","done":40.5,"total":100,"stage":"init"}}"#,
        ),
        (
            r#"{"event_type":"target_complete","target":"a","status":"success","models_trained":3,"best_auc":0.7,"duration_seconds":1.5}"#,
            r#"{"event_type":"target_complete","payload":{"target":"a","status":"success","models_trained":3,"best_auc":0.7,"duration_seconds":1.5}}"#,
        ),
        (
            r#"{"event_type":"error","error_message":"no memory","error_type":"cuda_oom","recoverable":false,"target":"a"}"#,
            r#"{"event_type":"error","payload":{"error_code":"CUDA_OOM","message":"no memory","is_retryable":false,"target":"a"}}"#,
        ),
        (
            r#"{"event_type":"error","error_message":"odd","error_type":"odd thing","recoverable":true}"#,
            r#"{"event_type":"error","payload":{"error_code":"APP_ODD_THING","message":"odd","is_retryable":true}}"#,
        ),
        (
            r#"{"event_type":"status_changed","training_id":"t","payload":{"status":"preparing","message":"m"}}"#,
            r#"{"event_type":"status","payload":{"status":"preparing","message":"m"}}"#,
        ),
        (
            r#"{"event_type":"completed","payload":{"epochs_completed":3,"final_loss":0.5,"duration_seconds":9}}"#,
            r#"{"event_type":"run_complete","payload":{"status":"success","epochs_completed":3,"final_loss":0.5,"duration_seconds":9}}"#,
        ),
        (
            r#"{"event_type":"cancelled","payload":{"reason":"user_request"}}"#,
            r#"{"event_type":"run_complete","payload":{"status":"cancelled","message":"user_request"}}"#,
        ),
    ];
    for (theirs, expected) in same {
        assert_eq!(ours(theirs), ours(expected), "{theirs}");
    }
    let draft = said_by(
        r#"{"event_type":"metric","payload":{"step":7,"loss":0.5,"tokens_per_second":12,"note":"x"}}"#,
    );
    let metrics = Numbers::from([("loss".into(), Some(0.5)), ("tokens_per_second".into(), Some(12.0))]);
    assert_eq!(draft, Said::Telemetry(Telemetry::Metric { step: Some(7.0), metrics }));
}

fn saved(payload: &str) -> CheckpointRef {
    let line = format!(r#"{{"event_type":"checkpoint","payload":{payload},"timestamp":1795000000}}"#);
    let Said::Word(Word::CheckpointSaved(checkpoint)) = said_by(&line) else { panic!("a checkpoint") };
    checkpoint
}

#[test]
fn a_checkpoint_is_said_with_its_results_and_its_health() {
    let all = saved(
        r#"{"action":"saved","path":"/c/step-12/","step":12,"health":"finite","loss":0.5,"metrics":{"auc":0.7,"x":"no"}}"#,
    );
    assert_eq!((all.checkpoint_id.as_str(), all.path.as_str()), ("step-12", "/c/step-12/"));
    assert_eq!((all.health, all.saved_unix_ms), (Health::Finite, Some(1_795_000_000_000)));
    assert_eq!(all.metrics, Numbers::from([("auc".into(), Some(0.7)), ("loss".into(), Some(0.5))]));
    let few = saved(r#"{"action":"saved","path":"/c/a","health":"splendid","loss":"low"}"#);
    assert_eq!((few.health, few.metrics.len()), (Health::Unknown, 0));
}

#[test]
fn only_the_ending_of_a_file_is_cut_off_its_name() {
    for (path, id) in [
        ("/c/step-12.pt", "step-12"),
        ("/c/model.v2.SafeTensors", "model.v2"),
        ("/c/net.msgpack", "net"),
        ("/c/ckpt.100", "ckpt.100"),
        ("/c/ckpt.200/", "ckpt.200"),
        ("/c/loss=0.25", "loss=0.25"),
        ("/c/.pt", ".pt"),
    ] {
        assert_eq!(saved(&format!(r#"{{"action":"saved","path":"{path}"}}"#)).checkpoint_id, id);
    }
}

#[test]
fn with_a_loss_that_is_not_finite_a_checkpoint_is_not_healthy_whatever_it_says() {
    for results in [r#""loss":null"#, r#""metrics":{"loss":null}"#] {
        let payload = format!(r#"{{"action":"saved","path":"/c/a","health":"finite",{results}}}"#);
        let poisoned = saved(&payload);
        assert_eq!((poisoned.health, poisoned.metrics.get("loss")), (Health::NotFinite, Some(&None)));
    }
    let said = saved(r#"{"action":"saved","path":"/c/a","health":"not_finite","loss":0.5}"#);
    assert!(said.is_poisoned());
}

#[test]
fn the_loss_finds_a_place_among_any_number_of_metrics() {
    let many: Vec<_> = (0..100).map(|n| format!(r#""m{n:02}":1"#)).collect();
    let payload =
        format!(r#"{{"action":"saved","path":"/c/a","loss":0.5,"metrics":{{{}}}}}"#, many.join(","));
    let metrics = saved(&payload).metrics;
    assert_eq!((metrics.len(), metrics.get("loss")), (METRICS_MAX, Some(&Some(0.5))));
}
