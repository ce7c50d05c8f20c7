//! The settings with a real daemon: layers reach the runs, and a living daemon reads its file
//! again, or refuses it as a whole.

use resus_tests::{Home, Said, alive, kill};
use serde_json::{Value, json};
use std::path::Path;

/// Retries that a run may take: what its policy says, as its view shows it.
fn retries(home: &Home, run: &str) -> Value {
    home.view(run)["retries_max"].clone()
}

fn run_in(home: &Home, folder: &Path, args: &[&str]) -> Said {
    let mut command = home.command(args);
    command.current_dir(folder);
    home.run(command)
}

fn daemon(home: &Home) -> Value {
    home.resus(&["daemon", "status", "--json"]).expect_code(0).json()
}

/// A run of a command that ends at once.
fn submit_in(home: &Home, folder: &Path, more: &[&str]) -> String {
    let args: Vec<&str> = ["run", "-d"].iter().chain(more).chain(&["--", "true"]).copied().collect();
    run_in(home, folder, &args).expect_code(0).stdout.trim().to_owned()
}

#[test]
fn a_run_has_the_policy_of_the_project_that_it_is_started_in() {
    let home = Home::new();
    home.configure("[retry]\nmax = 11\n");
    let project = home.path().join("work/project");
    let inner = project.join("src/deep");
    std::fs::create_dir_all(&inner).unwrap();
    std::fs::write(project.join("resus.toml"), "[retry]\nmax = 12\n").unwrap();
    let work = home.path().join("work");
    for (folder, more, expected) in [
        (&work, &[][..], 11),
        (&inner, &[], 12),
        (&inner, &["--set", "retry.max=13"], 13),
        (&inner, &["--retries", "14"], 14),
    ] {
        let run = submit_in(&home, folder, more);
        assert_eq!(retries(&home, &run), expected, "{folder:?} {more:?}");
    }
    let both = run_in(&home, &inner, &["run", "-d", "--retries", "1", "--set", "retry.max=2", "--", "true"]);
    let both = both.expect_code(2);
    assert!(both.stderr.contains("--retries and --set retry.max say the same setting"), "{both:?}");
    let shown = run_in(&home, &inner, &["config", "show", "retry.max", "--origin"]).expect_code(0);
    let at = format!("[retry]\nmax = 12  # {}:2\n", project.join("resus.toml").display());
    assert_eq!(shown.stdout, at);
}

#[test]
fn a_mistake_in_any_layer_keeps_a_run_from_starting() {
    let home = Home::new();
    home.configure("[retry]\nmx = 1\n");
    let work = home.path().join("work");
    std::fs::write(work.join("resus.toml"), "[bus]\nurl = 'nats://ann:s3cret@h'\n").unwrap();
    let said = home.resus(&["run", "-d", "--set", "stop.grace=60", "--", "true"]).expect_code(13);
    for part in ["config.toml:2:1: unknown key retry.mx", "resus.toml:1:2: [bus]", "--set stop.grace=60: "] {
        assert!(said.stderr.contains(part), "{part}: {said:?}");
    }
    assert!(!said.stderr.contains("s3cret"), "{said:?}");
    assert!(!home.state().join("daemon.json").exists(), "and no daemon either");
}

#[test]
fn settings_of_a_run_that_lives_are_set_by_their_keys() {
    let home = Home::new();
    let run = home.submit(&["--", "sleep", "1000"]);
    home.resus(&["configure", &run, "--set", "retry.max=7", "--set", "stop.kill_wait=9s"]).expect_code(0);
    assert_eq!(retries(&home, &run), 7);
    let events = home.resus(&["events", &run, "--json"]).expect_code(0).stdout;
    assert!(events.contains("\"kill_wait_ms\":9000"), "{events}");
    let bad = home.resus(&["configure", &run, "--set", "daemon.idle_exit=1s"]).expect_code(13);
    assert!(bad.stderr.contains("belongs in the user's file"), "{bad:?}");
    home.resus(&["kill", &run]).expect_code(0);
}

#[test]
fn on_sighup_a_bad_file_is_refused_as_a_whole_and_a_good_one_applies() {
    let home = Home::new();
    let work = home.path().join("work");
    home.configure("[retry]\nmax = 3\n");
    let first = submit_in(&home, &work, &[]);
    let pid = home.daemon_pid();
    assert_eq!(
        (retries(&home, &first), daemon(&home)["settings"]["differs"].clone()),
        (json!(3), json!(false))
    );

    home.configure("[retry]\nmax = 4\nwindow = 'soon'\n[daemon]\nlog_kep = 1\n");
    assert_eq!(daemon(&home)["settings"]["differs"], true);
    kill(pid, "HUP");
    let refused = home.wait_for("the refusal", || {
        let settings = daemon(&home)["settings"].clone();
        (!settings["refused"].is_null()).then_some(settings)
    });
    let faults = refused["refused"]["faults"].as_array().unwrap();
    let file = home.path().join("config/resus/config.toml");
    assert!(faults[0].as_str().unwrap().starts_with(&format!("{}:3:10: retry.window", file.display())));
    assert!(faults[1].as_str().unwrap().contains(":5:1: unknown key daemon.log_kep"), "{faults:?}");
    let log = std::fs::read_to_string(home.state().join("daemon.log")).unwrap();
    assert!(log.contains("the settings are refused") && log.contains("daemon.log_kep"), "{log}");
    let people = home.resus(&["daemon", "status"]).expect_code(0).stdout;
    assert!(people.contains("the file was refused") && people.contains("daemon.log_kep"), "{people}");
    let asked = home.resus(&["daemon", "reload"]).expect_code(13);
    assert!(asked.stderr.contains("daemon.log_kep"), "{asked:?}");

    home.configure("[retry]\nmax = 5\n[bus]\nport = 4333\n");
    kill(pid, "HUP");
    let taken = home.wait_for("the new settings", || {
        let settings = daemon(&home)["settings"].clone();
        (settings["waiting"] == json!(["bus.port"])).then_some(settings)
    });
    assert_eq!((&taken["refused"], &taken["differs"]), (&Value::Null, &json!(false)));
    let second = submit_in(&home, &work, &[]);
    assert_eq!((retries(&home, &first), retries(&home, &second)), (json!(3), json!(5)));
    assert_eq!(home.daemon_pid(), pid, "the same daemon all the time");
}

#[test]
fn a_refused_file_leaves_the_old_settings_to_new_runs() {
    let home = Home::new();
    home.configure("[retry]\nmax = 3\n");
    home.resus(&["daemon", "start"]).expect_code(0);
    home.configure("[retry]\nmax = 4\nmx = 1\n");
    home.resus(&["daemon", "reload"]).expect_code(13);
    // The command's own look at the file is spared by another file in its place.
    let mut command = home.command(&["run", "-d", "--", "true"]);
    command.env("RESUS_CONFIG", "/dev/null");
    let run = home.run(command).expect_code(0).stdout.trim().to_owned();
    assert_eq!(retries(&home, &run), 3);
}

#[test]
fn what_applies_at_once_does_so() {
    let home = Home::new();
    home.configure("");
    let steady = ["fake", "--set", "steps=1000000", "--set", "step_ms=20"];
    let first = home.submit(&steady);
    let environment = |run: &str| {
        let workers = home.wait_for("a worker", || Some(home.workers(run)).filter(|found| !found.is_empty()));
        workers.iter().map(|worker| worker.environment.clone()).collect::<String>()
    };
    assert!(environment(&first).contains("PULSE_DISK_SHARE=100"));
    home.configure("[checkpoint]\ndisk_share = '25%'\n[daemon]\nidle_exit = '1s'\n");
    let reply = home.resus(&["daemon", "reload", "--json"]).expect_code(0).json();
    assert_eq!(reply["at_once"], json!(["checkpoint.disk_share", "daemon.idle_exit"]));
    assert_eq!((&reply["for_new_runs"], &reply["needs_restart"]), (&json!([]), &json!([])));
    let second = home.submit(&steady);
    assert!(environment(&second).contains("PULSE_DISK_SHARE=25"));
    let pid = home.daemon_pid();
    home.resus(&["kill", &first, &second]).expect_code(0);
    home.wait_for("the idle daemon's end", || (!alive(pid)).then_some(()));
    let nobody = home.resus(&["daemon", "reload"]).expect_code(12);
    assert!(nobody.stderr.contains("resus daemon start"), "{nobody:?}");
}
