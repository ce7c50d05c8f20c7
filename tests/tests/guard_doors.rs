//! Names by which one could leave the state folder, arguments by which one could start something
//! else, and who may open what there is.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_core::ids::Slug;
use resus_tests::hostile::{generated, picked};
use resus_tests::{Home, NatsClient, NatsServer, program};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A file outside the state folder that nobody may be led to.
const TREASURE: &str = "treasure-0c1d";

/// Ways out, as ids.
fn ways_out(home: &Home) -> Vec<String> {
    let mut ways: Vec<String> = [
        "..",
        ".",
        "../..",
        "..%2f..%2fetc%2fpasswd",
        "%2e%2e%2f",
        "%252e%252e%252f",
        "..%5c..",
        "%00",
        "a%00b",
        "a%2fb",
        "..%c0%af",
        "%ff%fe",
        "-rf",
        "--help",
        "~root",
        "$HOME",
        "`id`",
        "a;b",
        "a|b",
        "CON",
        "nul",
        "%2e",
        "..;/",
        "%u002e%u002e",
        "\u{ff0e}\u{ff0e}\u{ff0f}",
        "latest",
        "@latest",
        "x@latest",
        "*",
        "?",
        "[a]",
        "a b",
        "0001/../../x",
    ]
    .map(str::to_owned)
    .to_vec();
    let outside = home.path().join(TREASURE);
    let outside = outside.to_str().unwrap();
    ways.extend([
        outside.to_owned(),
        outside.replace('/', "%2f"),
        outside.replace('/', "%252f"),
        format!("../../{TREASURE}"),
    ]);
    ways.extend((0..6).map(|depth| format!("{}{TREASURE}", "..%2f".repeat(depth))));
    ways.extend([63, 64, 65, 4096, 60_000].map(|length| "x".repeat(length)));
    ways
}

/// A text as one segment of an address.
fn escaped(text: &str) -> String {
    text.bytes()
        .map(
            |byte| {
                if byte.is_ascii_alphanumeric() {
                    char::from(byte).to_string()
                } else {
                    format!("%{byte:02x}")
                }
            },
        )
        .collect()
}

/// Every file that a traced daemon opened, made, moved or removed by a name.
fn opened(trace: &Path) -> Vec<String> {
    let text = fs::read_to_string(trace).unwrap();
    let quoted = |line: &str| line.split('"').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>();
    text.lines()
        .filter(|line| !line.contains("ENOENT") && !line.contains("execve"))
        .flat_map(quoted)
        .collect()
}

#[test]
fn no_name_leads_out_of_the_state_folder() {
    let home = Home::new();
    fs::write(home.path().join(TREASURE), "secret").unwrap();
    let id = home.submit(&["--name", "the-one", "--", "true"]);
    home.resus(&["wait", &id]).expect_code(0);
    home.resus(&["daemon", "stop"]).expect_code(0);
    if Command::new("strace").arg("-V").stdout(Stdio::null()).status().is_err() {
        eprintln!("skipped 1: strace is not installed");
        assert!(std::env::var_os("CI").is_none(), "CI must have strace");
        return;
    }
    let trace = home.path().join("trace");
    let calls = "trace=open,openat,openat2,creat,mkdir,mkdirat,unlink,unlinkat,rename,renameat,renameat2,link,linkat,symlink,symlinkat";
    let trace_text = trace.to_str().unwrap();
    let args = [
        "-f",
        "-qq",
        "-I2",
        "--seccomp-bpf",
        "-s",
        "9999",
        "-e",
        calls,
        "-o",
        trace_text,
        program().to_str().unwrap(),
        "daemon",
        "run",
    ];
    let mut daemon = home
        .command_of(Path::new("strace"), &args)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    home.wait_for("the daemon", || (home.resus(&["daemon", "status"]).code == 0).then_some(()));
    let ways = ways_out(&home);
    let mut asked = 0;
    for way in ways
        .iter()
        .cloned()
        .chain(picked().iter().map(|text| escaped(text)))
        .chain(generated(100, 3).iter().map(|text| escaped(text)))
    {
        let of_run = ["", "/events", "/output?attempt=1", "/checkpoints", "/story", "/curves"];
        let all = of_run.iter().map(|rest| ("GET", format!("/v2/runs/{way}{rest}"), None));
        let body = json!({"verb": "stop", "by": way});
        let posts = [("POST", format!("/v2/runs/{way}/command"), Some(body))];
        let within = json!({"checkpoint": way, "by": "x"});
        let named = [
            ("POST", format!("/v2/runs/{id}/restore"), Some(within.clone())),
            ("POST", format!("/v2/runs/{id}/pin"), Some(within)),
        ];
        for (method, target, body) in all.chain(posts).chain(named) {
            let (status, answer) = home.http(method, &target, body.as_ref());
            // `@latest` is the run there is.
            let is_name = way.contains("latest") || target.contains(&id) || way == "*";
            assert!(
                (400..500).contains(&status) || is_name || status == 0,
                "{method} {target}: {status} {answer}"
            );
            assert!(!answer.contains("secret"), "{target}: {answer}");
            asked += 1;
        }
    }
    for attempt in ["0", "-1", "99999999999", "..%2f..", "1%2f..", "0001", "1e3", "%00"] {
        let (status, _) = home.http("GET", &format!("/v2/runs/{id}/output?attempt={attempt}"), None);
        assert!((400..500).contains(&status) || attempt == "0001", "attempt {attempt}: {status}");
    }
    for way in &ways {
        let submission = json!({"command": ["true"], "cwd": "/", "env": [], "name": way, "command_id": way});
        let (status, answer) = home.http("POST", "/v2/runs", Some(&submission));
        assert!((400..500).contains(&status) || !answer.contains(".."), "{way}: {status} {answer}");
    }
    home.resus(&["daemon", "stop"]).expect_code(0);
    // It traces the shims, too, and they may live on.
    resus_tests::kill(daemon.id(), "TERM");
    daemon.wait().unwrap();
    assert!(asked > 3000, "{asked}");
    let opened = opened(&trace);
    assert!(opened.len() > 50, "{opened:?}");
    let own = home.path().to_str().unwrap().to_owned();
    for path in &opened {
        assert!(
            !path.contains(TREASURE) && !path.contains("..") && !path.contains('\0'),
            "the daemon opened {path:?}"
        );
        let ours = ["state/", "run/", "config/"]
            .iter()
            .any(|folder| format!("{path}/").starts_with(&format!("{own}/{folder}")));
        let system = ["/proc", "/sys", "/dev", "/etc", "/lib", "/usr", "/tmp/tokio", "/run"]
            .iter()
            .any(|folder| path.starts_with(folder));
        assert!(ours || system || !path.starts_with('/') || path == &own, "the daemon opened {path:?}");
    }
}

#[test]
fn names_that_come_through_the_bus_lead_nowhere_either() {
    let server = NatsServer::with_jetstream();
    let home = Home::new();
    home.configure(&format!("[daemon]\nnode = \"gpu-a1\"\n[bus]\nurl = \"{}\"\n", server.url()));
    fs::write(home.path().join("home").join(TREASURE), "secret").unwrap();
    home.resus(&["daemon", "start"]).expect_code(0);
    let said = home.wait_for("the bus", || {
        let said = home.resus(&["daemon", "status", "--json"]);
        said.stdout.contains("\"connected\"").then_some(said)
    });
    assert!(said.code == 0);
    let mut client = NatsClient::open(server.port());
    let (namespace, node) = (Slug::new("default").unwrap(), Slug::new("gpu-a1").unwrap());
    let address = |verb: &str| resus_bus::subject::control_verb(&namespace, &node, verb);
    for way in ways_out(&home).iter().filter(|way| way.len() < 5000) {
        for verb in ["state", "events", "why", "logs", "checkpoints", "stop", "restore"] {
            let body = json!({"run": way, "training_id": way, "checkpoint": way});
            let answer = client.request(&address(verb), &body);
            let text = String::from_utf8_lossy(&answer.body).into_owned();
            assert!(!text.contains("secret"), "{verb} {way}: {text}");
        }
    }
    // What is started from there gets the small environment of the daemon, not all of it.
    let answer = client.request(
        &address("start"),
        &json!({"workload": "fake", "params": {"steps": "100000", "step_ms": "20"}}),
    );
    let id = answer.json()["run_id"].as_str().map(str::to_owned);
    let id = id.unwrap_or_else(|| panic!("{:?}", String::from_utf8_lossy(&answer.body)));
    let _running = home.until_phase(&id, "running");
    let worker = home.workers(&id).into_iter().next().unwrap();
    let allowed = [
        "PATH",
        "HOME",
        "USER",
        "LOGNAME",
        "LANG",
        "LC_ALL",
        "TZ",
        "TMPDIR",
        "LD_LIBRARY_PATH",
        "CUDA_VISIBLE_DEVICES",
        "XDG_CACHE_HOME",
        "NOTIFY_SOCKET",
        "WATCHDOG_USEC",
    ];
    for variable in worker.environment.lines() {
        let name = variable.split('=').next().unwrap();
        assert!(allowed.contains(&name) || name.starts_with("PULSE_"), "{variable}");
    }
}

#[test]
fn a_worker_is_started_with_exactly_what_was_asked_for() {
    let home = Home::new();
    let out = home.path().join("args");
    let mut texts = picked();
    texts.extend(generated(3000, 5));
    texts.push("x".repeat(100_000));
    let script = "for arg; do printf '%s\\0' \"$arg\"; done > \"$OUT\"; env -0 > \"$OUT.env\"";
    let variables: Vec<Value> =
        texts.iter().enumerate().take(1000).map(|(n, text)| json!([format!("V{n}"), text])).collect();
    let mut env = vec![json!(["OUT", out]), json!(["PATH", "/usr/bin:/bin"])];
    env.extend(variables.clone());
    home.resus(&["daemon", "start"]).expect_code(0);
    let command: Vec<&str> =
        ["sh", "-c", script, "sh"].into_iter().chain(texts.iter().map(String::as_str)).collect();
    let submission = json!({"command": command, "cwd": home.path().join("work"), "env": env});
    let (status, answer) = home.http("POST", "/v2/runs", Some(&submission));
    assert_eq!(status, 201, "{}", &answer[..answer.len().min(500)]);
    let id = serde_json::from_str::<Value>(&answer).unwrap()["run_id"].as_str().unwrap().to_owned();
    home.resus(&["wait", &id]).expect_code(0);
    let got = fs::read(&out).unwrap();
    let mut expected = Vec::new();
    for text in &texts {
        expected.extend(text.as_bytes());
        expected.push(0);
    }
    assert!(got == expected, "the arguments differ: {} and {} bytes", got.len(), expected.len());
    let got = String::from_utf8(fs::read(home.path().join("args.env")).unwrap()).unwrap();
    for variable in &variables {
        let line = format!("{}={}", variable[0].as_str().unwrap(), variable[1].as_str().unwrap());
        assert!(got.split('\0').any(|had| had == line), "{line:?} is missing");
    }
    // A NUL can't be given to anybody, and is refused, not cut.
    for submission in [
        json!({"command": ["true", "a\u{0}b"], "cwd": "/", "env": []}),
        json!({"command": ["true"], "cwd": "/", "env": [["A", "\u{0}"]]}),
    ] {
        let (status, answer) = home.http("POST", "/v2/runs", Some(&submission));
        assert!((400..500).contains(&status), "{status} {answer}");
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
        found.push(entry.path());
        if entry.file_type().unwrap().is_dir() {
            walk(&entry.path(), found);
        }
    }
}

#[test]
fn nobody_else_can_open_what_there_is_whatever_the_umask() {
    let home = Home::new();
    let server_port = resus_tests::Port::free();
    let nats = resus_tests::Version::Newest.program();
    home.configure(&format!(
        "[bus]\nurl = 'managed'\nport = {}\nserver = '{}'\n",
        server_port.number(),
        nats.display()
    ));
    let open = |args: &[&str]| {
        let shell = ["-c", "umask 000; exec \"$0\" \"$@\"", program().to_str().unwrap()];
        let all: Vec<&str> = shell.iter().chain(args).copied().collect();
        home.run(home.command_of(Path::new("sh"), &all))
    };
    let flags = ["run", "-d", "fake", "--backoff", "10ms", "--set", "steps=8", "--set", "step_ms=5"];
    let more = ["--set", "checkpoint_every=2", "--set", "crash_at=5", "--set", "print=2"];
    let id = open(&[&flags[..], &more[..]].concat()).expect_code(0).stdout.trim().to_owned();
    open(&["wait", &id]);
    let id =
        open(&["run", "-d", "--", "sh", "-c", "echo x; sleep 1000"]).expect_code(0).stdout.trim().to_owned();
    let _running = home.until_phase(&id, "running");
    for args in [
        &["ps"][..],
        &["why", &id],
        &["doctor"],
        &["context", "add", "far", "nats://127.0.0.1:1"],
        &["checkpoints", &id],
    ] {
        let _said = open(args);
    }
    let mut all = vec![home.state()];
    walk(&home.state(), &mut all);
    walk(&home.path().join("run"), &mut all);
    assert!(all.len() > 30, "{all:?}");
    let us = fs::metadata(home.path()).unwrap().uid();
    for path in &all {
        let Ok(meta) = fs::symlink_metadata(path) else { continue };
        let mode = meta.permissions().mode() & 0o7777;
        // What the NATS server makes has its modes, in a folder that is closed to others.
        let is_servers = path.starts_with(home.state().join("nats"))
            && !["conf", "password"].iter().any(|end| path.extension().is_some_and(|found| found == *end));
        if is_servers && *path != home.state().join("nats") {
            continue;
        }
        assert!(mode & 0o077 == 0 && meta.uid() == us, "{} has mode {mode:o}", path.display());
        assert!(!meta.is_dir() || mode == 0o700, "{} has mode {mode:o}", path.display());
    }
    open(&["kill", &id]);
}

#[test]
fn a_folder_that_somebody_has_prepared_is_refused() {
    for squat in ["link", "open"] {
        let home = Home::new();
        // Where the runtime folder would be is known once a daemon had it.
        home.resus(&["daemon", "start"]).expect_code(0);
        let runtime = home.socket().parent().unwrap().to_path_buf();
        home.resus(&["daemon", "stop"]).expect_code(0);
        fs::remove_dir_all(&runtime).unwrap();
        let elsewhere = home.path().join("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        match squat {
            "link" => symlink(&elsewhere, &runtime).unwrap(),
            _ => {
                fs::create_dir(&runtime).unwrap();
                fs::set_permissions(&runtime, fs::Permissions::from_mode(0o777)).unwrap();
            }
        }
        let said = home.resus(&["daemon", "start"]);
        assert!(said.code != 0, "{squat}: {said:?}");
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "{squat}: something was put there");
        assert!(said.stderr.contains("not safe to use"), "{squat}: {said:?}");
        fs::remove_file(&runtime).or_else(|_| fs::remove_dir(&runtime)).unwrap();
    }
    let home = Home::new();
    home.resus(&["daemon", "start"]).expect_code(0);
    let elsewhere = home.path().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    let runs = home.state().join("runs");
    let _there = fs::remove_dir_all(&runs);
    symlink(&elsewhere, &runs).unwrap();
    let said = home.resus(&["run", "-d", "--retries", "0", "--", "true"]);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0, "{said:?}");
    fs::remove_file(&runs).unwrap();
}
