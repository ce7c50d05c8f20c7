//! Every benchmark of the daemon runs, in a small way, against the real program. What takes how
//! long is not looked at, only that it was measured, and that nothing is left behind.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::OnceLock;

use serde_json::Value;

const BENCH: &str = env!("CARGO_BIN_EXE_resus-bench");

/// `$RESUS_BIN` if set (as `cargo xtask test` does), else built here once, beside the benchmarks.
fn resus() -> &'static Path {
    static PROGRAM: OnceLock<PathBuf> = OnceLock::new();
    PROGRAM.get_or_init(|| match std::env::var_os("RESUS_BIN") {
        Some(path) => path.into(),
        None => {
            let build = Command::new(env!("CARGO")).args(["build", "--package", "resus"]).status().unwrap();
            assert!(build.success());
            Path::new(BENCH).with_file_name("resus")
        }
    })
}

fn run(name: &str, folder: &Path, program: &Path) -> Output {
    Command::new(BENCH).arg(name).arg(folder).arg("quick").env("RESUS_BIN", program).output().unwrap()
}

/// Processes whose command line or environment names the folder.
fn left_behind(folder: &Path) -> Vec<String> {
    let mark = folder.to_str().unwrap();
    let read = |path: PathBuf| fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    let folders = fs::read_dir("/proc").unwrap().map(|entry| entry.unwrap().path());
    folders
        .filter_map(|process| {
            Some((read(process.join("cmdline")).ok()?, read(process.join("environ")).ok()?))
        })
        .filter(|(command, environment)| command.contains(mark) || environment.contains(mark))
        .map(|(command, _)| command)
        .collect()
}

/// Runs a benchmark in a small way and returns its result.
fn measured(name: &str) -> Value {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    let output = run(name, folder.path(), resus());
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let result: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(result["bench"], name);
    assert!(result["met"].is_boolean() && result["load"].is_number(), "{result}");
    let goals = result["goal"].as_object().unwrap();
    assert!(!goals.is_empty());
    for figure in goals.keys() {
        assert!(result[figure].as_f64().is_some_and(|value| value >= 0.0), "{figure}: {result}");
    }
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "{name} leaves files behind");
    assert_eq!(left_behind(folder.path()), [""; 0], "{name} leaves processes behind");
    result
}

#[test]
fn a_restart_is_timed_beside_the_bare_loop() {
    let result = measured("restart");
    assert_eq!(result["kills"], 4);
    assert!(result["bare_p50_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_storm_of_restarts_is_timed_until_all_are_back() {
    assert!(measured("restart-storm")["bare_p50_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn nothing_is_lost_or_doubled_when_workers_are_adopted() {
    let result = measured("adopt");
    for figure in ["dead", "doubled", "lines_lost", "lines_doubled"] {
        assert_eq!((&result[figure], &result[format!("shims_killed_{figure}")]), (&0.into(), &0.into()));
    }
    assert_eq!(result["exit_codes_lost"], 0);
    assert!(result["lines"].as_u64().unwrap() > 0 && result["shims_killed_lines"].as_u64().unwrap() > 0);
}

#[test]
fn a_start_is_timed_beside_bare_spawns() {
    assert!(measured("start")["bare_100_p50_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn the_footprint_is_that_of_daemon_and_shims() {
    let result = measured("footprint");
    assert!(result["pss_1_mib"].as_f64().unwrap() > result["daemon_1_mib"].as_f64().unwrap());
}

#[test]
fn silence_is_measured_beside_the_daemon_awake() {
    let line = measured("silence");
    assert!(line["silent_p50_ms"].as_f64().unwrap() > line["awake_p50_ms"].as_f64().unwrap(), "{line}");
}

#[test]
fn a_command_is_timed_beside_a_process_that_does_nothing() {
    assert!(measured("cli")["true_1_p50_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn output_is_weighed_beside_a_pump() {
    assert!(measured("logs")["pump_cpu_ms_per_mib"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_hang_is_timed_from_the_end_of_patience_and_leaves_evidence() {
    let result = measured("hang");
    assert_eq!(result["hangs"], 2);
    assert!(result["bare_p50_ms"].as_f64().unwrap() > 0.0);
    assert!(result["with_evidence_max_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn a_pause_is_timed_for_a_worker_that_is_told_and_for_one_that_is_frozen() {
    let result = measured("pause");
    for figure in ["pause_p50_ms", "resume_p50_ms", "freeze_p50_ms", "thaw_p50_ms", "bare_p50_ms"] {
        assert!(result[figure].as_f64().unwrap() > 0.0, "{figure}: {result}");
    }
    assert!(result["checkpoint_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn telemetry_is_counted_beside_a_plain_loop() {
    let result = measured("ingest");
    for figure in ["lines_per_s", "plain_lines_per_s", "daemon_cpu_us_per_line", "file_mib"] {
        assert!(result[figure].as_f64().unwrap() > 0.0, "{figure}: {result}");
    }
}

#[test]
fn an_event_is_timed_until_a_subscriber_has_it() {
    let result = measured("event-latency");
    for figure in ["stage_p50_ms", "fdatasync_p50_ms", "progress_p50_ms"] {
        assert!(result[figure].as_f64().unwrap() > 0.0, "{figure}: {result}");
    }
}

#[test]
fn the_bus_is_measured_beside_the_client_library_and_loses_nothing() {
    let result = measured("bus");
    for figure in [
        "progress_p50_ms",
        "progress_raw_p50_ms",
        "stage_p50_ms",
        "stage_raw_p50_ms",
        "fdatasync_p50_ms",
        "control_p50_ms",
        "control_raw_p50_ms",
        "events_per_s",
        "raw_events_per_s",
        "messages_per_s",
        "appends_per_s",
    ] {
        assert!(result[figure].as_f64().unwrap() > 0.0, "{figure}: {result}");
    }
    for figure in ["lost", "doubled", "reordered"] {
        assert_eq!(result[figure], 0, "{figure}: {result}");
    }
    assert_eq!(result["waiting_events"], 200);
}

#[test]
fn checkpoints_are_measured_beside_bare_files_and_no_damage_goes_unseen() {
    let result = measured("checkpoint");
    for figure in [
        "save_p50_ms",
        "bare_save_p50_ms",
        "read_back_p50_ms",
        "stall_p50_ms",
        "bare_copy_p50_ms",
        "load_p50_ms",
        "bare_load_p50_ms",
        "verify_gb_per_s",
        "verify_one_thread_gb_per_s",
        "pass_one_thread_gb_per_s",
        "tables_zstd_ratio",
        "noise_plain_ratio",
    ] {
        assert!(result[figure].as_f64().unwrap() > 0.0, "{figure}: {result}");
    }
    let number = |figure: &str| result[figure].as_u64().unwrap();
    assert_eq!(number("flips_small"), 8 * number("small_bytes"));
    assert_eq!(number("truncations"), number("small_bytes"));
    assert_eq!((number("flips_medium"), number("flips_large"), number("kills")), (40, 8, 4));
    for unseen in ["flips_small", "flips_medium", "flips_large", "truncations"] {
        assert_eq!(number(&format!("{unseen}_accepted")), 0, "{result}");
    }
    let phases = ["kills_before_any_file", "kills_unfinished_file", "kills_new_in_place"];
    assert_eq!(phases.map(number).iter().sum::<u64>(), 4 + number("kills_behind_save"));
    assert_eq!((number("kills_without_good"), number("kills_torn")), (0, 0));
}

#[test]
fn a_bench_that_cannot_measure_fails_and_leaves_nothing() {
    for (program, word) in [("/no/such/program", "build it first"), ("/bin/false", "ended with")] {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
        let output = run("start", folder.path(), Path::new(program));
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{told}");
        assert!(told.contains(word), "{told}");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert_eq!(left_behind(folder.path()), [""; 0]);
    }
}
