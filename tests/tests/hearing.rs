//! What a worker says is heard, whatever becomes of its file; what it is asked, it does.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, alive, kill};
use serde_json::{Value, json};
use std::fs;
use std::io::Write;

fn pid_of(run: &Value) -> u32 {
    u32::try_from(run["pid"].as_u64().unwrap()).unwrap()
}

fn command(home: &Home, id: &str, verb: &str) -> (u16, Value) {
    let body = json!({ "verb": verb, "by": "test" });
    let (status, text) = home.http("POST", &format!("/v2/runs/{id}/command"), Some(&body));
    (status, serde_json::from_str(&text).unwrap())
}

fn asked(home: &Home, id: &str, verb: &str) {
    let (status, reply) = command(home, id, verb);
    assert!((200..300).contains(&status), "{verb}: {status} {reply}");
}

fn trains(home: &Home, more: &[&str]) -> String {
    let mut args = vec!["fake", "--set", "step_ms=5", "--set", "checkpoint_every=1000"];
    args.extend(if more.is_empty() { &["--set", "steps=100000"] } else { more });
    home.submit(&args)
}

fn state_of(pid: u32) -> char {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    stat.rsplit(')').next().unwrap().trim().chars().next().unwrap()
}

/// Stopped, or a parent that waits for the exec of a child which is stopped (vfork).
fn can_not_run(pid: u32) -> bool {
    matches!(state_of(pid), 'T' | 'D')
}

#[test]
fn a_worker_that_speaks_pulse_saves_holds_and_goes_on_where_it_was() {
    let home = Home::new();
    let id = trains(&home, &[]);
    let before = home.until_done(&id, 3.0);
    asked(&home, &id, "pause");
    let held = home.until(&id, "the pause", |run| run["phase"] == "paused");
    assert_eq!((&held["status"], &held["pid"]), (&json!("paused"), &before["pid"]));
    assert_ne!(state_of(pid_of(&held)), 'T', "it holds by itself, nobody froze it");
    let verified = home.until(&id, "the checkpoint", |run| run["checkpoint"].is_object());
    let done = held["progress"]["done"].as_f64().unwrap();
    assert_eq!(verified["checkpoint"]["step"].as_f64().unwrap(), done, "what was done is saved");
    // Asked again, nothing happens.
    asked(&home, &id, "pause");
    asked(&home, &id, "resume");
    let after = home.until_done(&id, done + 3.0);
    assert_eq!((&after["phase"], &after["pid"]), (&json!("running"), &before["pid"]));
    assert_eq!((&after["attempt"], &after["failures"]), (&json!(1), &json!(0)));
    asked(&home, &id, "kill");
    let _run = home.until_phase(&id, "cancelled");
}

#[test]
fn any_program_is_frozen_and_thawed_with_all_it_started() {
    let home = Home::new();
    let id = home.submit(&[
        "--",
        "sh",
        "-c",
        "setsid sh -c 'echo $$ > away; while :; do sleep 0.05; done' & wait",
    ]);
    let _run = home.until_phase(&id, "running");
    let away = home.path().join("work/away");
    let away: u32 = home.wait_for("the descendant", || fs::read_to_string(&away).ok()?.trim().parse().ok());
    asked(&home, &id, "pause");
    let frozen = home.until_phase(&id, "paused");
    assert!(can_not_run(pid_of(&frozen)) && can_not_run(away));
    // A frozen worker stays frozen whatever becomes of the daemon.
    home.kill_daemon();
    let again = home.until(&id, "the worker again", |run| run["pid"] == frozen["pid"]);
    assert!(again["phase"] == "paused" && can_not_run(away));
    asked(&home, &id, "resume");
    let _run = home.until_phase(&id, "running");
    home.wait_for("the thaw", || (!can_not_run(away)).then_some(()));
    // Nor does it keep anybody from being stopped.
    asked(&home, &id, "pause");
    let _run = home.until_phase(&id, "paused");
    asked(&home, &id, "stop");
    let _run = home.until_phase(&id, "cancelled");
    assert!(!alive(away) && !alive(pid_of(&frozen)));
}

#[test]
fn a_released_run_leaves_no_worker_and_resumes_from_its_checkpoint() {
    let home = Home::new();
    let id = trains(&home, &[]);
    let before = home.until_done(&id, 3.0);
    asked(&home, &id, "release");
    let released = home.until(&id, "the release", |run| run["phase"] == "paused" && run["pid"].is_null());
    assert!(!alive(pid_of(&before)));
    let done = released["progress"]["done"].as_f64().unwrap();
    // It stays so, daemon or not.
    home.kill_daemon();
    home.resus(&["ps"]).expect_code(0);
    assert_eq!(home.view(&id)["phase"], "paused");
    asked(&home, &id, "resume");
    let after = home.until_done(&id, done + 1.0);
    assert_eq!((&after["attempt"], &after["failures"]), (&json!(2), &json!(0)));
    assert_eq!(after["resumed_from"]["step"].as_f64().unwrap(), done);
    asked(&home, &id, "kill");
    let _run = home.until_phase(&id, "cancelled");
}

#[test]
fn a_checkpoint_is_made_when_it_is_asked_for_and_refused_where_nobody_listens() {
    let home = Home::new();
    let id = trains(&home, &[]);
    let _run = home.until_done(&id, 2.0);
    asked(&home, &id, "checkpoint");
    let _run = home.until(&id, "a checkpoint", |run| run["checkpoint"].is_object());
    asked(&home, &id, "kill");
    let deaf = home.submit(&["--", "sleep", "1000"]);
    let _run = home.until_phase(&deaf, "running");
    let (status, problem) = command(&home, &deaf, "checkpoint");
    assert_eq!(status, 409, "{problem}");
    asked(&home, &deaf, "kill");
    let _run = home.until_phase(&deaf, "cancelled");
}

#[test]
fn too_many_errors_pause_the_run_with_a_checkpoint_and_their_pattern() {
    let home = Home::new();
    let id = trains(&home, &["--set", "steps=100000", "--set", "error_at=5:APP_BAD_SAMPLE:every=5"]);
    let paused = home.until_phase(&id, "paused");
    assert_eq!(paused["pause"]["cause"], "error_rate");
    let _run = home.until(&id, "the checkpoint", |run| run["checkpoint"].is_object());
    let events = home.events(&id);
    let told = events.iter().find(|e| e["payload"]["error_code"] == "ERROR_RATE_EXCEEDED").unwrap();
    assert!(told.to_string().contains("APP_BAD_SAMPLE"), "{told}");
    let said: Vec<u64> = events
        .iter()
        .filter(|e| e["payload"]["error_code"] == "APP_BAD_SAMPLE")
        .map(|e| e["payload"]["count"].as_u64().unwrap())
        .collect();
    assert!(said.len() < 10 && said.iter().sum::<u64>() > 10, "not folded, or lost: {said:?}");
    // Who has seen it may go on; the count begins anew.
    let done = paused["progress"]["done"].as_f64().unwrap();
    asked(&home, &id, "resume");
    let _run = home.until_done(&id, done + 10.0);
    asked(&home, &id, "kill");
    let _run = home.until_phase(&id, "cancelled");
}

/// A worker that writes its own events: `$1` is appended for each line of `script`.
fn writes(home: &Home, script: &str) -> String {
    home.submit(&["--retries", "0", "--", "sh", "-c", script])
}

const SAY: &str = r#"say() { printf '{"event_type":"stage_change","payload":{"new_stage":"%s"}}\n' "$1" >> "$PULSE_EVENTS"; }; "#;

fn stages(home: &Home, id: &str) -> Vec<String> {
    let events = home.events(id);
    let stages = events.iter().filter(|e| e["event_type"] == "stage_change");
    stages.map(|e| e["payload"]["new_stage"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn a_file_that_is_cut_renamed_or_replaced_loses_no_word_and_doubles_none() {
    let home = Home::new();
    let wait = |file: &str| format!("while ! [ -e {file} ]; do sleep 0.01; done; ");
    let script = [
        SAY,
        "say a; ",
        &wait("cut"),
        ": > \"$PULSE_EVENTS\"; say b; say c; ",
        &wait("rename"),
        "say d; mv \"$PULSE_EVENTS\" old; say e; ",
        &wait("end"),
        "say f",
    ]
    .concat();
    let id = writes(&home, &script);
    let heard = |expected: &[&str]| {
        home.wait_for(&format!("{expected:?}"), || (stages(&home, &id) == expected).then_some(()));
    };
    let go = |file: &str| fs::write(home.path().join("work").join(file), "").unwrap();
    heard(&["a"]);
    go("cut");
    heard(&["a", "b", "c"]);
    home.kill_daemon();
    home.resus(&["ps"]).expect_code(0);
    go("rename");
    heard(&["a", "b", "c", "d", "e"]);
    go("end");
    heard(&["a", "b", "c", "d", "e", "f"]);
}

#[test]
fn garbage_in_the_file_is_counted_and_what_follows_is_heard() {
    let home = Home::new();
    let script = [
        SAY,
        r#"say a; head -c 200000 /dev/urandom | tr -d '\n' >> "$PULSE_EVENTS"; echo >> "$PULSE_EVENTS"; "#,
        r#"printf '%s\n' '{"event_type":' '[]' '{"event_type":"stage_change"}' '{"event_type":"nonsense","payload":{}}' >> "$PULSE_EVENTS"; "#,
        r#"printf '{"a":' >> "$PULSE_EVENTS"; head -c 5000 /dev/zero | tr '\0' '[' >> "$PULSE_EVENTS"; echo >> "$PULSE_EVENTS"; "#,
        "say b; while ! [ -e end ]; do sleep 0.01; done",
    ]
    .concat();
    let id = writes(&home, &script);
    home.wait_for("what follows", || (stages(&home, &id) == ["a", "b"]).then_some(()));
    let run = home.view(&id);
    assert_eq!((&run["phase"], &run["refused_lines"]), (&json!("running"), &json!(6)));
    fs::write(home.path().join("work/end"), "").unwrap();
    let _run = home.until(&id, "the end", |run| run["ended_at"].is_string());
}

#[test]
fn a_program_that_knows_systemd_is_heard_and_a_stranger_is_not() {
    let home = Home::new();
    // It stays until it was heard: whose a datagram of a process is that has left, nobody can tell.
    let notify = "import os, socket, time\ns = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
        s.connect(os.environ['NOTIFY_SOCKET'])\ns.send(b'READY=1\\nSTATUS=epoch 2 of 3')\n\
        s.send(b'X_PULSE={\"event_type\":\"stage_change\",\"payload\":{\"new_stage\":\"by notify\"}}')\n\
        while not os.path.exists('end'): time.sleep(0.01)\n";
    let program = home.path().join("work/notify.py");
    fs::create_dir_all(program.parent().unwrap()).unwrap();
    fs::File::create(&program).unwrap().write_all(notify.as_bytes()).unwrap();
    let id = writes(&home, "echo \"$NOTIFY_SOCKET\" > where; python3 notify.py");
    let _run = home.until(&id, "the message", |run| run["message"] == "epoch 2 of 3");
    home.wait_for("the word", || (stages(&home, &id) == ["by notify"]).then_some(()));
    let place = fs::read_to_string(home.path().join("work/where")).unwrap();
    let stranger = std::os::unix::net::UnixDatagram::unbound().unwrap();
    stranger
        .send_to(
            b"X_PULSE={\"event_type\":\"stage_change\",\"payload\":{\"new_stage\":\"forged\"}}",
            place.trim(),
        )
        .unwrap();
    fs::write(home.path().join("work/end"), "").unwrap();
    let _run = home.until(&id, "the end", |run| run["ended_at"].is_string());
    assert_eq!(stages(&home, &id), ["by notify"]);
}

#[test]
fn readers_of_v1_see_every_run_in_its_six_keys() {
    let home = Home::new();
    let id = trains(&home, &["--set", "steps=150"]);
    let file = home.run_dir(&id).join("training_status.json");
    let status = |text: &str| {
        let value: Value = serde_json::from_str(text).unwrap_or_else(|error| panic!("torn: {error}: {text}"));
        let keys: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
        let mut expected = ["status", "epoch", "total_epochs", "loss", "message", "timestamp"];
        let order: Vec<usize> =
            expected.iter().map(|key| text.find(&format!("\"{key}\"")).unwrap()).collect();
        assert!(order.is_sorted(), "the order of the keys: {text}");
        expected.sort_unstable();
        let mut keys = keys;
        keys.sort_unstable();
        assert_eq!(keys, expected);
        assert!(value["timestamp"].is_u64() && value["loss"].is_number());
        value["status"].as_str().unwrap().to_owned()
    };
    let mut seen = Vec::new();
    home.wait_for("the end", || {
        // Never torn, however often it is read.
        let now = status(&fs::read_to_string(&file).ok()?);
        if seen.last() != Some(&now) {
            seen.push(now);
        }
        (seen.last().is_some_and(|last| last == "done")).then_some(())
    });
    assert!(seen.ends_with(&["running".to_owned(), "done".to_owned()]), "{seen:?}");
    // It is a view: clearing it away harms nothing.
    kill(home.daemon_pid(), "TERM");
}

#[test]
fn a_worker_that_knows_only_the_v1_file_is_followed_to_its_end() {
    let home = Home::new();
    let script = r#"
        put() { printf '{"status":"%s","epoch":%s,"total_epochs":3.0,"loss":0.25,"message":"epoch %s/3","timestamp":%s}' \
                "$1" "$2" "$2" "$(date +%s)" > "$PULSE_STATUS.tmp" && mv "$PULSE_STATUS.tmp" "$PULSE_STATUS"; }
        put running 1.0; while ! [ -e end ]; do sleep 0.01; done; put done 3.0"#;
    let id = writes(&home, script);
    let run = home.until(&id, "its progress", |run| run["progress"]["done"] == 1.0);
    assert_eq!((&run["phase"], &run["message"]), (&json!("running"), &json!("epoch 1.0/3")));
    fs::write(home.path().join("work/end"), "").unwrap();
    let run = home.until(&id, "the end", |run| run["ended_at"].is_string());
    assert_eq!((&run["phase"], &run["progress"]["loss"]), (&json!("done"), &json!(0.25)));
    assert_eq!(run["ended_why"], "WORKER_COMPLETE");
}

#[test]
fn a_flood_is_read_in_bounded_memory_and_no_word_in_it_is_lost() {
    let home = Home::new();
    let flood = "import os\n\
        with open(os.environ['PULSE_EVENTS'], 'a') as events:\n    \
            for n in range(100):\n        \
                line = '{\"event_type\":\"progress\",\"payload\":{\"unit\":\"step\",\"done\":%d,\"total\":100}}\\n' % n\n        \
                events.write(line * 3000)\n        \
                events.write('x' * 100000)\n        \
                events.write('\\n{\"event_type\":\"stage_change\",\"payload\":{\"new_stage\":\"%d\"}}\\n' % n)\n";
    fs::create_dir_all(home.path().join("work")).unwrap();
    fs::write(home.path().join("work/flood.py"), flood).unwrap();
    let id = writes(&home, "python3 flood.py; while ! [ -e end ]; do sleep 0.01; done");
    let expected: Vec<String> = (0..100).map(|n| n.to_string()).collect();
    home.wait_for("every word", || (stages(&home, &id) == expected).then_some(()));
    let run = home.view(&id);
    assert_eq!((&run["refused_lines"], &run["phase"]), (&json!(100), &json!("running")));
    let status = fs::read_to_string(format!("/proc/{}/status", home.daemon_pid())).unwrap();
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    let peak_kib: u64 = peak.trim().trim_end_matches(" kB").parse().unwrap();
    // The flood is 40 MB; what is in flight is a few pieces of 64 KiB.
    assert!(peak_kib < 100 * 1024, "{peak_kib} KiB");
    let events = fs::metadata(home.run_dir(&id).join("attempts/0001/events.jsonl")).unwrap();
    assert!(std::os::unix::fs::MetadataExt::blocks(&events) * 512 < 20_000_000, "its head was not freed");
    fs::write(home.path().join("work/end"), "").unwrap();
    let _run = home.until(&id, "the end", |run| run["ended_at"].is_string());
}

#[test]
fn a_worker_that_closes_its_output_is_not_taken_for_dead() {
    let home = Home::new();
    let id = writes(
        &home,
        &[SAY, "exec >&- 2>&-; say a; while ! [ -e end ]; do sleep 0.01; done; say b; exit 7"].concat(),
    );
    home.wait_for("its word", || (stages(&home, &id) == ["a"]).then_some(()));
    assert_eq!(home.view(&id)["phase"], "running");
    fs::write(home.path().join("work/end"), "").unwrap();
    let run = home.until(&id, "the end", |run| run["ended_at"].is_string());
    assert_eq!((&run["last_exit"]["code"], stages(&home, &id).len()), (&json!(7), 2));
}

fn curve(home: &Home, id: &str) -> Vec<Value> {
    let (status, text) = home.http("GET", &format!("/v2/runs/{id}/curves"), None);
    assert_eq!(status, 200, "{text}");
    serde_json::from_str::<Value>(&text).unwrap()["loss"].as_array().unwrap().clone()
}

#[test]
fn a_curve_goes_on_over_attempts_and_daemons_and_marks_what_was_undone() {
    let home = Home::new();
    let id = home.submit(&[
        "--backoff",
        "0s",
        "fake",
        "--set",
        "steps=60",
        "--set",
        "step_ms=20",
        "--set",
        "checkpoint_every=10",
        "--set",
        "crash_at=26",
        "--set",
        "crash_times=1",
    ]);
    let _run = home.until(&id, "attempt 2 beyond the crash", |run| {
        run["attempt"] == 2 && run["progress"]["done"].as_f64().is_some_and(|done| done >= 30.0)
    });
    home.resus(&["daemon", "stop"]).expect_code(0);
    home.resus(&["wait", &id]).expect_code(0);
    let points = curve(&home, &id);
    let of = |attempt: u32| points.iter().filter(move |point| point["attempt"] == attempt);
    let undone: Vec<f64> = of(1)
        .filter(|point| point["rolled_back"] == true)
        .map(|point| point["x"].as_f64().unwrap())
        .collect();
    assert!(!undone.is_empty() && undone.iter().all(|x| (20.0..26.0).contains(x)), "{undone:?}");
    assert!(of(2).all(|point| point["rolled_back"].is_null() && point["x"].as_f64().unwrap() > 20.0));
    assert_eq!(points.last().unwrap()["x"], 60.0);
    // Ended and written down, another daemon later it is the same. (A daemon that is killed before
    // that takes the newest points along.)
    let on_disk =
        || serde_json::from_slice::<Value>(&fs::read(home.run_dir(&id).join("curves.json")).ok()?).ok();
    home.wait_for("the curves on disk", || (on_disk()?["loss"].as_array()? == &points).then_some(()));
    home.kill_daemon();
    home.resus(&["ps"]).expect_code(0);
    assert_eq!(curve(&home, &id), points);
}
