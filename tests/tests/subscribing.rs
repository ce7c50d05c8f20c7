//! What `docs/SUBSCRIBE.md` shows is what happens: every example is run as it stands there, with
//! a server, a daemon and a run of the test's own in place of the page's.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::clients::{node_modules, python};
use resus_tests::proxy::{Cut, Kind, Proxy};
use resus_tests::{Home, NatsServer, PATIENCE, example};
use serde_json::Value;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// What the page says where every reader has something else.
const PAGE_HOST: &str = "127.0.0.1";
const PAGE_PORT: &str = "4222";
const PAGE_RUN: &str = "0193a5c2-7c11-7aa0-9f00-3f2b8c1d9e77";

/// A block of code of the page.
struct Example {
    section: String,
    language: String,
    code: String,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn examples() -> Vec<Example> {
    let page = fs::read_to_string(root().join("docs/SUBSCRIBE.md")).unwrap();
    let (mut examples, mut section, mut open) = (Vec::new(), String::new(), None);
    for line in page.lines() {
        match (line.strip_prefix("```"), &mut open) {
            (Some(language), None) => {
                let (section, language) = (section.clone(), language.to_owned());
                open = Some(Example { section, language, code: String::new() });
            }
            (Some(_), Some(_)) => examples.extend(open.take()),
            (None, Some(example)) => example.code.push_str(&format!("{line}\n")),
            (None, None) => {
                if let Some(title) = line.strip_prefix("## ") {
                    title.clone_into(&mut section);
                }
            }
        }
    }
    examples
}

/// The examples of a section that are programs, each in the languages that are expected.
fn of_section(section: &str, languages: &[&str]) -> Vec<Example> {
    let found: Vec<_> =
        examples().into_iter().filter(|e| e.section == section && e.language != "console").collect();
    assert_eq!(found.iter().map(|e| e.language.as_str()).collect::<Vec<_>>(), languages, "{section}");
    found
}

/// A server, and a daemon that speaks on it.
struct Rig {
    home: Home,
    server: NatsServer,
}

impl Rig {
    fn new() -> Self {
        let (home, server) = (Home::new(), NatsServer::with_jetstream());
        home.configure(&format!("[bus]\nurl = \"{}\"\n", server.url()));
        Self { home, server }
    }

    /// A run that says much, for longer than any test.
    fn trains(&self) -> String {
        let run = self.home.submit(&[
            "fake",
            "--set",
            "steps=1000000",
            "--set",
            "step_ms=20",
            "--set",
            "checkpoint_every=20",
        ]);
        let _so_far = self.home.until_done(&run, 5.0);
        run
    }

    /// Starts an example.
    fn run(&self, example: &Example, run: &str) -> Speaking {
        Self::run_at(self.server.port(), example, run)
    }

    /// Starts an example that speaks to a port.
    fn run_at(port: u16, example: &Example, run: &str) -> Speaking {
        let code = example.code.replace(PAGE_RUN, run);
        let code = code.replace(&format!("{PAGE_HOST}:{PAGE_PORT}"), &format!("{PAGE_HOST}:{port}"));
        let code = code.replace(&format!("{PAGE_HOST}/{PAGE_PORT}"), &format!("{PAGE_HOST}/{port}"));
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| {
            let path = folder.path().join(name);
            fs::write(&path, &code).unwrap();
            path
        };
        let mut command = match example.language.as_str() {
            "bash" => Command::new("bash"),
            "python" => python(),
            "javascript" => {
                std::os::unix::fs::symlink(node_modules(), folder.path().join("node_modules")).unwrap();
                Command::new("node")
            }
            "rust" => Command::new(example_program(&example.code)),
            other => panic!("the page has an example in {other}: say here how it is run"),
        };
        match example.language.as_str() {
            "rust" => command.args([&format!("nats://{PAGE_HOST}:{port}"), run]),
            "javascript" => command.arg(file("example.mjs")),
            _ => command.arg(file("example")),
        };
        Speaking::start(command, folder)
    }
}

/// The program that a Rust example is kept as.
fn example_program(code: &str) -> PathBuf {
    let kept = fs::read_dir(root().join("bus/examples")).unwrap().map(|entry| entry.unwrap().path());
    let same = kept.into_iter().find(|path| fs::read_to_string(path).unwrap() == code);
    let path = same.unwrap_or_else(|| panic!("no file in bus/examples is like this one:\n{code}"));
    example(path.file_stem().unwrap().to_str().unwrap())
}

/// A program that says lines; it ends with this value.
struct Speaking {
    child: Child,
    folder: tempfile::TempDir,
    lines: Receiver<String>,
}

impl Speaking {
    fn start(mut command: Command, folder: tempfile::TempDir) -> Self {
        let errors = fs::File::create(folder.path().join("stderr")).unwrap();
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).try_for_each(|line| sender.send(line)).ok()
        });
        Self { child, folder, lines }
    }

    fn line(&self) -> String {
        self.lines.recv_timeout(PATIENCE).unwrap_or_else(|error| {
            let errors = fs::read_to_string(self.folder.path().join("stderr")).unwrap_or_default();
            panic!("nothing more is said ({error}): {errors}")
        })
    }

    fn json(&self) -> Value {
        let line = self.line();
        serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}"))
    }
}

impl Drop for Speaking {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn every_program_on_the_page_is_in_a_section_that_is_run() {
    let sections = ["Live events", "Joining late", "Commands"];
    let all = examples();
    assert_eq!(all.iter().filter(|e| e.language != "console").count(), 11);
    for example in all {
        assert!(sections.contains(&example.section.as_str()), "{}: {}", example.section, example.code);
        // Whoever copies it can put in their own address.
        assert!(example.code.contains(PAGE_RUN) || ["console", "rust"].contains(&example.language.as_str()));
    }
}

#[test]
fn live_events_are_heard_in_every_language() {
    let rig = Rig::new();
    let (run, other) = (rig.trains(), rig.trains());
    for example in of_section("Live events", &["bash", "python", "javascript"]) {
        let program = rig.run(&example, &run);
        let (mut facts, mut telemetry) = (0, 0);
        while facts < 3 || telemetry < 3 {
            let event = program.json();
            assert_eq!((&event["v"], event["training_id"].as_str()), (&2.into(), Some(run.as_str())));
            assert_ne!(event["training_id"], other.as_str());
            facts += usize::from(event["seq"].is_u64());
            telemetry += usize::from(event["tick"].is_u64());
        }
    }
}

#[test]
fn whoever_joins_late_misses_nothing_in_any_language() {
    let rig = Rig::new();
    let run = rig.trains();
    for example in of_section("Joining late", &["bash", "python", "javascript", "rust"]) {
        let program = rig.run(&example, &run);
        let state = program.json();
        assert!(state["v1"].is_object() && state["training_id"] == run.as_str(), "{state}");
        assert!(state["seq"].as_u64().unwrap() > 3, "{state}");
        let mut facts = Vec::new();
        while facts.len() < 5 {
            // (A state may be read again for telemetry that was left out.)
            facts.extend(Some(program.json()).filter(|event| event["event_id"].is_string()));
        }
        // From the state on, they are those of the ledger, each once.
        let first = state["seq"].as_u64().unwrap() + 1;
        let ledger = rig.home.events(&run);
        let expected = ledger.iter().filter(|event| event["seq"].as_u64().unwrap() >= first).take(5);
        // (Not every language writes a number as it was.)
        let parts = |event: &Value| ["event_id", "timestamp", "event_type"].map(|part| event[part].clone());
        let heard: Vec<_> = facts.iter().map(parts).collect();
        assert_eq!(heard, expected.map(parts).collect::<Vec<_>>(), "{}", example.language);
    }
}

#[test]
fn a_follower_whose_connection_breaks_reads_the_state_again_and_misses_nothing() {
    let rig = Rig::new();
    let run = rig.trains();
    let proxy = Proxy::start(([127, 0, 0, 1], rig.server.port()).into(), 1);
    let [_, _, _, example] = &of_section("Joining late", &["bash", "python", "javascript", "rust"])[..]
    else {
        panic!("four examples")
    };
    let program = Rig::run_at(proxy.address().port(), example, &run);
    let (mut seq, mut cuts, mut facts, mut has_state) = (0, 0, 0, false);
    while cuts < 2 || !has_state || facts < 3 {
        let said = program.json();
        let Some(number) = said["seq"].as_u64() else { continue };
        if said["v1"].is_object() {
            // Also read for telemetry that was left out, so there may be more of them than cuts.
            assert!(number >= seq, "{said}");
            has_state = true;
        } else {
            assert_eq!(number, seq + 1, "{said}");
            facts += 1;
        }
        seq = number;
        if cuts < 2 && has_state && facts >= 3 {
            (cuts, facts, has_state) = (cuts + 1, 0, false);
            if cuts == 1 {
                proxy.cut(Cut::Reset);
            } else {
                proxy.refuse(true);
                proxy.cut(Cut::Close);
                until_refused(&proxy);
                proxy.refuse(false);
            }
        }
    }
}

fn until_refused(proxy: &Proxy) {
    let deadline = Instant::now() + PATIENCE;
    while proxy.injected().of(Kind::Refused) == 0 {
        assert!(Instant::now() < deadline, "nobody comes back");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn a_command_is_given_and_answered_in_every_language() {
    let rig = Rig::new();
    for example in of_section("Commands", &["bash", "python", "javascript", "rust"]) {
        let run = rig.trains();
        let answer = rig.run(&example, &run).json();
        assert_eq!(
            (&answer["changed"], answer["run"]["run_id"].as_str()),
            (&true.into(), Some(run.as_str()))
        );
        let paused = rig.home.until_phase(&run, "paused");
        assert!(paused["pause"]["requested_by"].is_string(), "{paused}");
        rig.home.resus(&["kill", &run]).expect_code(0);
    }
}

#[test]
fn everything_on_the_wire_fits_its_schema_and_has_an_address_of_the_asyncapi_document() {
    let rig = Rig::new();
    let mut check = python();
    check.arg(root().join("tests/clients/check_wire.py")).arg(root()).arg(rig.server.url());
    let check = Speaking::start(check, tempfile::tempdir().unwrap());
    assert_eq!(check.line(), "listening");
    let run = rig.trains();
    let short = rig.home.submit(&["fake", "--set", "steps=20", "--set", "step_ms=1"]);
    let _done = rig.home.until_phase(&short, "done");
    let failing = rig.home.submit(&["--retries", "0", "--", "false"]);
    let _failed = rig.home.until_phase(&failing, "failed");
    rig.home.resus(&["pause", &run]).expect_code(0);
    rig.home.resus(&["stop", &run]).expect_code(0);
    let mut missing: Vec<&str> = vec![
        "status",
        "worker",
        "checkpoint",
        "error",
        "run_complete",
        "progress",
        "metric",
        "heartbeat",
        "state_snapshot",
        "snapshot_v1",
        "node",
    ];
    while !missing.is_empty() {
        let heard = check.line();
        missing.retain(|kind| *kind != heard);
    }
    let _over = rig.home.until_phase(&run, "cancelled");
}
