//! Workloads of users: made, checked, run by path and by name, refused where they are not theirs
//! alone; and nothing is lost or added between what is typed and what is executed.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, Said, kill};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
}

/// A folder with a workload in it.
fn put(folder: &Path, toml: &str) -> PathBuf {
    fs::create_dir_all(folder).unwrap();
    mode(folder, 0o755);
    let file = folder.join("workload.toml");
    fs::write(&file, toml).unwrap();
    mode(&file, 0o644);
    file
}

/// The folder of the user's workloads.
fn user(home: &Home) -> PathBuf {
    home.path().join("config/resus/workloads")
}

fn runs(home: &Home) -> usize {
    let list = home.resus(&["ps", "-a", "--json"]).expect_code(0).json();
    list["runs"].as_array().or(list.as_array()).unwrap().len()
}

/// A refusal as a program reads it.
fn problem(said: &Said) -> Value {
    serde_json::from_str(said.stderr.lines().last().unwrap()).unwrap_or_else(|_| panic!("{said:?}"))
}

#[test]
fn a_new_training_runs_at_once_and_survives_the_death_of_its_worker() {
    let home = Home::new();
    home.resus(&["workload", "new", "mine", "--python"]).expect_code(0);
    let again = home.resus(&["workload", "new", "mine"]).expect_code(11);
    assert!(again.stderr.contains("nothing in it was touched"), "{again:?}");
    let checked = home.resus(&["workload", "check", "mine/", "--json"]).expect_code(0).json();
    assert_eq!(checked["warnings"], json!([]), "{checked}");
    let quiet = home.submit(&["./mine", "--set", "steps=600", "--set", "step_ms=0"]);
    let sets = ["--set", "steps=600", "--set", "step_ms=5", "--set", "checkpoint_every=50"];
    let id = home.submit(&[&["./mine", "--backoff", "0s"][..], &sets].concat());
    let _ = home.wait_for("a verified checkpoint", || {
        let list = home.resus(&["checkpoints", &id, "--json"]);
        let list: Value = serde_json::from_str(&list.stdout).ok()?;
        list["checkpoints"].as_array()?.iter().find(|c| c["state"] == "verified").cloned()
    });
    let run = home.view(&id);
    assert_eq!((&run["workload"], &run["name"]), (&json!("mine"), &json!("mine")));
    kill(u32::try_from(run["pid"].as_u64().unwrap()).unwrap(), "KILL");
    home.resus(&["wait", &id]).expect_code(0);
    home.resus(&["wait", &quiet]).expect_code(0);
    let (run, quiet) = (home.view(&id), home.view(&quiet));
    assert_eq!((&run["attempt"], &quiet["attempt"]), (&json!(2), &json!(1)));
    assert_eq!(run["metrics"]["held_out"], quiet["metrics"]["held_out"], "bit for bit");
    let retried = home.events(&id).into_iter().find(|e| e["payload"]["action"] == "retried").unwrap();
    assert!(retried["payload"]["from_checkpoint"].is_string(), "{retried}");
}

#[test]
fn a_new_training_of_a_shell_speaks_pulse_by_printf_and_goes_on_as_well() {
    let home = Home::new();
    let made =
        home.resus(&["workload", "new", "shelly", "--shell", "--user", "--json"]).expect_code(0).json();
    assert_eq!(made["folder"], json!(user(&home).join("shelly")));
    let id = home.submit(&["shelly", "--backoff", "0s", "--set", "rounds=12", "--set", "pause_s=0.05"]);
    let run =
        home.until(&id, "a checkpoint", |run| run["progress"]["done"].as_f64().is_some_and(|d| d >= 3.0));
    kill(u32::try_from(run["pid"].as_u64().unwrap()).unwrap(), "KILL");
    home.resus(&["wait", &id]).expect_code(0);
    let run = home.view(&id);
    assert_eq!((&run["attempt"], &run["refused_lines"]), (&json!(2), &json!(0)), "{run}");
    assert!(run["metrics"]["held_out"].as_f64().unwrap() < 0.1, "{run}");
    let output = home.resus(&["logs", &id]).expect_code(0).stdout;
    assert!(output.contains("round 12 held-out error"), "{output}");
}

#[test]
fn workloads_of_the_user_are_found_by_name_listed_shown_and_refused_with_all_their_faults() {
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    // Behind the back of the daemon, which runs already.
    let good = "name = \"good\"\nsummary = \"Says where it is.\"\nargv = [\"sh\", \"{workload}/go.sh\"]\ncontract = \"opaque\"\ncwd = \"{workload}\"\n[params]\nn = { flag = \"-n\", type = \"integer\", min = 1, max = 5, default = 2, summary = \"Times.\" }";
    put(&user(&home).join("good"), good);
    fs::write(user(&home).join("good/go.sh"), "pwd; printf '%s\\n' \"$*\"").unwrap();
    mode(&user(&home).join("good/go.sh"), 0o644);
    let bad = put(&user(&home).join("bad"), "name = \"bad\"\nargv = []\nwhat = 1\n");
    put(&user(&home).join("othello"), &good.replace("\"good\"", "\"othello\""));
    let list = home.resus(&["workload", "ls"]).expect_code(0).stdout;
    for part in ["good", "Says where it is.", "built in", &format!("broken: {}:1:1: ", bad.display())] {
        assert!(list.contains(part), "{part}: {list}");
    }
    let shown = home.resus(&["workload", "show", "good"]).expect_code(0).stdout;
    assert!(shown.contains("integer 1 to 5") && shown.contains("Times."), "{shown}");
    let id = home.submit(&["good"]);
    home.resus(&["wait", &id]).expect_code(0);
    let output = home.resus(&["logs", &id]).expect_code(0).stdout;
    assert_eq!(output, format!("{}\n-n 2\n", user(&home).join("good").display()));
    for command in [
        &["run", "bad"][..],
        &["run", "-n", "bad"],
        &["workload", "check", "bad"],
        &["workload", "show", "bad"],
    ] {
        let said = home.resus(command).expect_code(13);
        assert_eq!(said.stderr.matches(&format!("{}:", bad.display())).count(), 4, "{said:?}");
    }
    for (set, hint) in
        [("n=9", "n=9: expected a whole number from 1 to 5"), ("m=1", "--set n=1 in place of --set m=1")]
    {
        let said = home.resus(&["run", "good", "--set", set]).expect_code(2);
        assert!(said.stderr.contains(hint), "{said:?}");
    }
    assert_eq!(runs(&home), 1, "what was refused is not recorded");
}

#[test]
fn what_somebody_else_could_have_written_is_not_run() {
    let home = Home::new();
    let folder = home.path().join("work/mine");
    let file = put(&folder, "name = \"mine\"\nsummary = \"\"\nargv = [\"true\"]\ncontract = \"opaque\"\n");
    for path in [&folder, &file] {
        let before = fs::metadata(path).unwrap().permissions();
        mode(path, 0o777);
        let said = home.resus(&["run", "-d", "./mine"]).expect_code(13);
        assert!(said.stderr.contains(&format!("chmod o-w {}", path.display())), "{said:?}");
        fs::set_permissions(path, before).unwrap();
        let changed = std::os::unix::fs::chown(path, Some(65534), None);
        assert!(changed.is_ok(), "only root can give a file away: run this test as root, as CI does");
        let said = home.resus(&["run", "-d", "./mine"]).expect_code(13);
        assert!(said.stderr.contains("belongs to user 65534"), "{said:?}");
        std::os::unix::fs::chown(path, Some(0), None).unwrap();
    }
    let id = home.submit(&["./mine/workload.toml"]);
    home.resus(&["wait", &id]).expect_code(0);
}

/// Values that a shell, a parser of flags, a formatter or a terminal might take for something else.
const CORPUS: &[&str] = &[
    "",
    " ",
    "two words",
    "it's",
    "\"quoted\"",
    "$(touch pwned)",
    "`touch pwned`",
    "; touch pwned",
    "| touch pwned",
    "a && touch pwned",
    "$HOME",
    "${PATH}",
    "~",
    "*",
    "?",
    "[a-z]",
    "{a,b}",
    "!!",
    "#c",
    "\\",
    "\\n",
    "%s%n",
    "%00",
    "line\nbreak",
    "tab\there",
    "\r",
    "\u{7f}",
    "\u{1b}[31m",
    "\u{202e}abc",
    "ä→🦀",
    "-",
    "--",
    "-x",
    "--flag",
    "--set",
    "--text=1",
    "-9",
    "=",
    "a=b",
    "=a",
    "{resus}",
    "{workload}",
    "{workload}/../x",
    "../../etc/passwd",
    "/dev/null",
    "> pwned",
    "2>&1",
    "<(id)",
    "'; DROP TABLE runs; --",
    "null",
    "true",
    "0x10",
    "1e400",
    "\u{feff}bom",
    " lead",
    "trail ",
];

#[test]
fn what_is_executed_is_what_was_asked_for_byte_for_byte() {
    let home = Home::new();
    let folder = home.path().join("work/echo");
    put(
        &folder,
        "name = \"echo\"\nsummary = \"\"\nargv = [\"sh\", \"{workload}/echo.sh\"]\ncontract = \"opaque\"\n[params]\n\
         long = { flag = \"--long\", type = \"text\", summary = \"\" }\n\
         one = { flag = \"--one=\", type = \"text\", summary = \"\" }\n\
         short = { flag = \"-s\", type = \"text\", summary = \"\" }\n",
    );
    fs::write(folder.join("echo.sh"), "printf '%s\\0' \"$@\" > \"$OUT_FILE\"").unwrap();
    mode(&folder.join("echo.sh"), 0o644);
    let env = |out: &Path| json!([["PATH", std::env::var("PATH").unwrap()], ["OUT_FILE", out]]);
    home.resus(&["daemon", "start"]).expect_code(0);
    let mut submitted = Vec::new();
    for (index, value) in CORPUS.iter().enumerate() {
        let out = home.path().join(format!("out-{index}"));
        let submission = json!({
            "workload_path": folder, "params": {"long": value, "one": value, "short": value},
            "cwd": home.path().join("work"), "env": env(&out),
        });
        let (status, body) = home.http("POST", "/v2/runs", Some(&submission));
        assert_eq!(status, 201, "{value:?}: {body}");
        let view: Value = serde_json::from_str(&body).unwrap();
        submitted.push((value, out, view["run_id"].as_str().unwrap().to_owned()));
    }
    for (value, out, id) in submitted {
        home.resus(&["wait", &id]).expect_code(0);
        let bytes = fs::read(&out).unwrap();
        let text = String::from_utf8(bytes).unwrap();
        let got: Vec<_> = text.split_terminator('\0').map(str::to_owned).collect();
        let long = match value.starts_with('-') {
            true => vec![format!("--long={value}")],
            false => vec!["--long".to_owned(), (*value).to_owned()],
        };
        let rest = [format!("--one={value}"), "-s".to_owned(), (*value).to_owned()];
        assert_eq!(got, [&long[..], &rest].concat(), "{value:?}");
    }
    assert!(!home.path().join("work/pwned").exists() && !folder.join("pwned").exists());
    let nul = json!({"workload_path": folder, "params": {"long": "a\0b"}, "cwd": "/", "env": []});
    assert_eq!(home.http("POST", "/v2/runs", Some(&nul)).0, 422);
    // The same through the command line.
    let set = "long=$(touch pwned) 'x'\n--y";
    let plan = home.resus(&["run", "./echo", "-n", "--set", set, "--json"]).expect_code(0).json();
    assert_eq!(plan["argv"].as_array().unwrap().last().unwrap(), &set["long=".len()..]);
}

#[test]
fn a_dry_run_is_refused_like_the_run_shows_what_it_would_be_and_records_nothing() {
    let home = Home::new();
    home.configure("[retry]\nmax = 9\n");
    let mut dry =
        home.command(&["run", "-n", "--grace", "5s", "--name", "x", "--", "sh", "-c", "echo 'a b'"]);
    dry.env("SECRET_TOKEN", "s3cret-value");
    let said = home.run(dry).expect_code(0);
    let work = home.path().join("work");
    for part in [
        "sh -c 'echo '\\''a b'\\'''",
        work.to_str().unwrap(),
        "stop.grace = \"5s\" by this command",
        "retry.max = 9 by the daemon's configuration",
        "variables",
    ] {
        assert!(said.stdout.contains(part), "{part}: {said:?}");
    }
    assert!(!format!("{said:?}").contains("s3cret-value"));
    let missing = home.resus(&["run", "-n", "--", "no-such-program"]).expect_code(0);
    assert!(missing.stderr.contains("warning: no program no-such-program"), "{missing:?}");
    for args in [
        &["othelo"][..],
        &["othello", "--set", "games=0"],
        &["othello", "--set", "gmaes=1"],
        &["othello", "--name", "No Name"],
        &["othello", "--keep", "0"],
        &["./nothing"],
    ] {
        let [dry, real] = [&["--json", "run", "-n"][..], &["--json", "run", "-d"]]
            .map(|run| home.resus(&[run, args].concat()));
        assert_eq!((dry.code, problem(&dry)), (real.code, problem(&real)), "{args:?}");
        assert_ne!(real.code, 0, "{args:?}");
    }
    assert_eq!(runs(&home), 0);
}
