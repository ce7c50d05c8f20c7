//! Canaries: secrets of every kind, through a whole life, looked for in everything that is said and
//! in every file.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, NatsClient, Port, Version, processes_of};
use serde_json::json;
use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// In a variable, in an argument by its name, by its looks, in an address, within a script.
const CANARIES: [&str; 5] = [
    "cnry-env-8f3a61",
    "cnry-arg-77be02",
    "ghp_cnry00112233445566778899",
    "cnry-url-5d91c4",
    "cnry-script-19aa3e",
];
/// Says all of them in every way, one in two pieces with a pause between them.
const WORKER: &str = r#"
say() { printf '{"event_type":"%s","payload":%s}\n' "$1" "$2" >> "$PULSE_EVENTS"; }
all="$HF_TOKEN $2 $3 $4"
say status "{\"status\":\"running\",\"message\":\"m $all\"}"
say progress "{\"unit\":\"step\",\"step\":5,\"total_steps\":9,\"stage\":\"s $HF_TOKEN\",\"message\":\"p $all\",\"current_target\":\"t $2\"}"
say metric "{\"step\":5,\"metrics\":{\"n $HF_TOKEN\":1}}"
say error "{\"error_code\":\"E\",\"message\":\"e $all\",\"details\":{\"k $2\":[\"$all\"]}}"
say "$HF_TOKEN" "{}"
echo "out $all"; printf 'half %s' "${HF_TOKEN%3a61}"; [ -n "$STAY" ] && sleep 0.5; echo "${HF_TOKEN#cnry-env-8f}"
[ -n "$STAY" ] && while :; do sleep 0.1; done
say error "{\"error_code\":\"E\",\"message\":\"f $all\",\"fatal\":true}"
exit 3
"#;

/// What of the canaries is in `text`; of one as long as that, a piece is enough.
fn found(text: &str) -> Option<&'static str> {
    CANARIES.into_iter().find(|canary| text.contains(&canary[..canary.len() - 2]))
}

#[track_caller]
fn clean(what: &str, text: &str) {
    let Some(canary) = found(text) else { return };
    let at = text.find(&canary[..canary.len() - 2]).unwrap();
    let start = (at.saturating_sub(200)..=at).find(|at| text.is_char_boundary(*at)).unwrap();
    panic!("{what} tells {canary}: {}", text[start..].chars().take(400).collect::<String>());
}

fn command(home: &Home, args: &[&str]) -> Command {
    let mut command = home.command(args);
    command.env("HF_TOKEN", CANARIES[0]);
    command
}

fn submit(home: &Home, flags: &[&str], stay: bool) -> String {
    let url = format!("postgres://me:{}@db.example/x", CANARIES[3]);
    let script = format!("# WANDB_API_KEY={}\n{WORKER}", CANARIES[4]);
    let worker = [
        "--",
        "sh",
        "-c",
        &script,
        "--api-key",
        CANARIES[1],
        CANARIES[2],
        CANARIES[3],
        "--token",
        CANARIES[1],
        &url,
    ];
    // `$0` is a flag whose value is the first argument.
    let worker: Vec<&str> =
        worker.iter().enumerate().map(|(n, word)| if n == 4 { "--password" } else { *word }).collect();
    let all: Vec<&str> = ["run", "-d"].iter().chain(flags).chain(&worker).copied().collect();
    let mut command = command(home, &all);
    if stay {
        command.env("STAY", "1");
    }
    let said = home.run(command).expect_code(0);
    clean("resus run", &format!("{said:?}"));
    said.stdout.trim().to_owned()
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        match entry.file_type().unwrap() {
            kind if kind.is_dir() => walk(&entry.path(), files),
            kind if kind.is_file() => files.push(entry.path()),
            _ => {}
        }
    }
}

/// Where a secret may be: the run's spec, what the worker itself wrote.
fn may_hold(path: &Path) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    name.starts_with("ledger.db") || ["output.log", "events.jsonl"].contains(&name)
}

fn files_are_clean(home: &Home) {
    let mut files = Vec::new();
    walk(&home.state(), &mut files);
    walk(&home.path().join("run"), &mut files);
    assert!(files.len() > 12, "{files:?}");
    for file in files.iter().filter(|file| !may_hold(file)) {
        clean(&file.display().to_string(), &String::from_utf8_lossy(&fs::read(file).unwrap()));
    }
    // Its own file is the worker's: there it is, or this test looks at nothing.
    let mut own = files.iter().filter(|file| file.ends_with("attempts/0001/output.log"));
    assert!(own.any(|file| found(&fs::read_to_string(file).unwrap()).is_some()), "{files:?}");
}

/// Every command that tells something of the run.
fn commands_are_clean(home: &Home, id: &str) {
    let node = ["ps", "status", "why", "events", "logs", "checkpoints", "doctor", "nats", "daemon"];
    for what in node {
        for json in [false, true] {
            let mut args = match what {
                "ps" | "doctor" => vec![what],
                "nats" => vec!["nats", "info"],
                "daemon" => vec!["daemon", "logs"],
                _ => vec![what, id],
            };
            args.extend(json.then_some("--json"));
            clean(&args.join(" "), &format!("{:?}", home.run(command(home, &args))));
        }
    }
    for (rest, body) in [
        ("", None),
        ("/events", None),
        ("/story", None),
        ("/checkpoints", None),
        ("/curves", None),
        ("/output", None),
        ("/nowhere", None),
    ] {
        let (_, answer) = home.http("GET", &format!("/v2/runs/{id}{rest}"), body);
        clean(rest, &answer);
    }
    for target in ["/v2/runs", "/v2/daemon"] {
        clean(target, &home.http("GET", target, None).1);
    }
    // In pieces of any size: nobody can put one together.
    for size in [1_u64, 5, 11] {
        let mut whole = String::new();
        for offset in (0..400).step_by(usize::try_from(size).unwrap()) {
            whole += &home
                .http("GET", &format!("/v2/runs/{id}/output?attempt=1&offset={offset}&max={size}"), None)
                .1;
        }
        clean("pieces of output", &whole);
    }
}

/// The same once more: shown by the command and over HTTP.
fn reruns_are_clean(home: &Home, id: &str) {
    let again = |args: &[&str]| home.run(command(home, &[&["rerun", id], args].concat())).expect_code(0);
    for args in [&["-n"][..], &["-n", "--json"], &["-d", "--name", "again"], &["-d", "--json"]] {
        let said = again(args);
        assert!(
            format!("{said:?}").contains(if args.contains(&"again") { "again" } else { "***" }),
            "{said:?}"
        );
        clean(&format!("rerun {args:?}"), &format!("{said:?}"));
    }
    let target = format!("/v2/runs/{id}/rerun");
    let (code, answer) = home.http("POST", &target, Some(&json!({"dry_run": true})));
    assert!(code < 300 && answer.contains("***"), "{code} {answer}");
    clean(&target, &answer);
}

#[test]
fn a_canary_is_told_nobody_through_a_whole_life() {
    let home = Home::new();
    let port = Port::free();
    let server = Version::Newest.program();
    home.configure(&format!(
        "[bus]\nurl = 'managed'\nport = {}\nserver = '{}'\n[errors]\nmax_share = '0%'\n",
        port.number(),
        server.display()
    ));
    // The daemon is started by a command that has the secret in its own environment.
    home.run(command(&home, &["ps"])).expect_code(0);
    home.wait_for("the bus", || {
        home.resus(&["daemon", "status", "--json"]).stdout.contains("\"connected\"").then_some(())
    });
    let password = fs::read_to_string(home.state().join("nats/viewer.password")).unwrap();
    let mut listener =
        NatsClient::connect(port.number(), &json!({"user": "viewer", "pass": password.trim_end()})).unwrap();
    listener.subscribe("pulse.>");
    let _heard = listener.settle();
    // Crashes, is retried, fails.
    let id = submit(&home, &["--retries", "1", "--backoff", "50ms"], false);
    home.resus(&["wait", &id]).expect_code(20);
    commands_are_clean(&home, &id);
    reruns_are_clean(&home, &id);
    // Lives, is paused and goes on, outlives its daemon, hangs.
    let live = submit(&home, &["--name", "live"], true);
    let said = home.until(&live, "its message", |run| {
        run["message"].as_str().is_some_and(|message| message.starts_with("p "))
    });
    assert!(said["message"].as_str().unwrap().contains("***"), "{said}");
    assert_eq!(said["argv"][4], "***", "{said}");
    for args in [["pause", &live], ["resume", &live]] {
        clean(args[0], &format!("{:?}", home.resus(&args)));
    }
    let daemon = home.daemon_pid();
    for process in processes_of(home.path()) {
        let is_ours = process.pid == daemon || process.command.contains("resus-shim");
        if is_ours {
            clean(
                &format!("ps of {}", process.pid),
                &format!("{}\n{}", process.command, process.environment),
            );
        }
    }
    let worker = home.workers(&live).into_iter().next().unwrap();
    assert!(worker.environment.contains(CANARIES[0]), "the worker has what it needs");
    home.kill_daemon();
    commands_are_clean(&home, &live);
    home.resus(&["kill", &live]).expect_code(0);
    home.resus(&["wait", &live]).expect_code(21);
    // What everybody on the bus has heard: all of it, once it has heard of a run that is younger.
    let marker = home.submit(&["--name", "marker", "--", "true"]);
    home.resus(&["wait", &marker]).expect_code(0);
    let mut heard = String::new();
    let is_last =
        |text: &str| text.contains(".ledger.") && text.contains(&marker) && text.contains("\"done\"");
    while let Some(message) = listener.next(resus_tests::PATIENCE) {
        let text = format!("{} {}\n", message.subject, String::from_utf8_lossy(&message.body));
        heard += &text;
        if is_last(&text) {
            break;
        }
    }
    assert!(heard.lines().any(is_last), "the marker is not heard: {}", heard.len());
    assert!(heard.contains("***") && heard.contains(&id), "{}", heard.len());
    clean("the bus", &heard);
    assert!(!heard.contains(password.trim_end()));
    let all = format!(
        "{:?}{:?}{:?}",
        home.resus(&["doctor"]),
        home.resus(&["nats", "info", "--json"]),
        home.resus(&["daemon", "logs"])
    );
    assert!(!all.contains(password.trim_end()), "{all}");
    files_are_clean(&home);
}

#[test]
fn the_evidence_of_a_hang_holds_no_secret() {
    let home = Home::new();
    let id = submit(&home, &["--retries", "0", "--progress-timeout", "1s"], true);
    home.resus(&["wait", &id]).expect_code(20);
    let evidence = home.run_dir(&id).join("attempts/0001/hang.txt");
    let text = fs::read_to_string(&evidence).unwrap();
    assert!(text.contains("== process") && text.contains("--password ***"), "{text}");
    files_are_clean(&home);
}

#[test]
fn a_daemon_leaves_no_core_and_workers_keep_the_users_limit() {
    let home = Home::new();
    let unlimited = |program: &Path, args: &[&str]| {
        let shell = ["-c", "ulimit -S -c unlimited || exit 9; exec \"$0\" \"$@\"", program.to_str().unwrap()];
        let all: Vec<&str> = shell.iter().chain(args).copied().collect();
        home.command_of(Path::new("sh"), &all).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap()
    };
    let end = |mut child: Child| {
        resus_tests::kill(child.id(), "QUIT");
        child.wait().unwrap()
    };
    let sleeper = unlimited(Path::new("sleep"), &["1000"]);
    home.wait_for("exec", || {
        fs::read_to_string(format!("/proc/{}/comm", sleeper.id())).ok().filter(|name| name.trim() == "sleep")
    });
    let others_dump = end(sleeper).core_dumped();
    let daemon = unlimited(resus_tests::program(), &["daemon", "run"]);
    home.wait_for("the daemon", || (home.resus(&["daemon", "status"]).code == 0).then_some(()));
    let id = home.submit(&["--", "sleep", "1000"]);
    let _running = home.until_phase(&id, "running");
    let worker = home.workers(&id).into_iter().next().unwrap().pid;
    let limits = fs::read_to_string(format!("/proc/{worker}/limits")).unwrap();
    let limit = limits.lines().find(|line| line.starts_with("Max core")).unwrap();
    assert!(limit.contains("unlimited"), "the user's limit: {limit}");
    let ended = end(daemon);
    assert!(!ended.success() && !ended.core_dumped(), "{ended:?}");
    home.resus(&["kill", &id]).expect_code(0);
    if !others_dump {
        eprintln!("skipped 1: nobody's core is dumped on this machine");
    }
}
