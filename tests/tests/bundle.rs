//! `resus doctor --bundle`: what a stranger may read of a machine with secrets on it.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::{Home, NatsOptions, NatsServer, Said, Version};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

/// What must not be in a bundle: each comes into it by another way, and each holds the word `canary`.
const OWN: &str = "canary-own-variable-1";
const OF_RUN: &str = "canary\"of\\run 2";
const ARGUMENT: &str = "canary-argument-3";
const WORD: &str = "canary-word-4";
const URL: &str = "canary-url-5";
const TOKEN_FILE: &str = "canary-token-file-6";
const PRINTED: &str = "canary-printed-7";
const KNOWN_FORM: &str = "hf_canary0123456789";
const USER: &str = "zaphod-canary";

/// The files of a bundle, by their names.
fn unpacked(home: &Home, bundle: &Path) -> BTreeMap<String, String> {
    let folder = home.path().join("unpacked");
    let _absent = fs::remove_dir_all(&folder);
    fs::create_dir(&folder).unwrap();
    let status = Command::new("tar").arg("-xzf").arg(bundle).arg("-C").arg(&folder).status().unwrap();
    assert!(status.success());
    let mut files = BTreeMap::new();
    let mut folders = vec![folder.clone()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap().map(|entry| entry.unwrap().path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else {
                let name = entry.strip_prefix(folder.join("resus-bundle")).unwrap().display().to_string();
                assert_eq!(fs::metadata(&entry).unwrap().permissions().mode() & 0o777, 0o600, "{name}");
                files.insert(name, fs::read_to_string(&entry).unwrap());
            }
        }
    }
    files
}

fn bundle(home: &Home, args: &[&str]) -> Said {
    let mut command = home.command(&[&["doctor", "--bundle"], args].concat());
    command.env("MY_API_KEY", OWN).env("USER", USER);
    home.run(command)
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[test]
fn a_bundle_helps_and_holds_no_secret() {
    let home = Home::new();
    let config = format!("authorization {{ token: \"{TOKEN_FILE}\" }}\n");
    let server = NatsServer::start(Version::Newest, NatsOptions { config, ..NatsOptions::default() });
    let token = home.path().join("token");
    fs::write(&token, TOKEN_FILE).unwrap();
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).unwrap();
    home.configure(&format!("[bus]\nurl = '{}'\ntoken_file = '{}'\n", server.url(), token.display()));
    // What the worker knows, it prints: a masked word is one that was found.
    let script = format!(
        "echo mark-of-output; printf '%s\\n' \"$DB_PASSWORD\"; echo password={PRINTED}; echo {KNOWN_FORM}; echo at $HOME; \
         echo on $(uname -n) by $USER; echo nats://ann:{URL}@h; exec sleep 1000"
    );
    let mut run = home.command(&["run", "-d", "--name", "birds", "--", "sh", "-c", &script]);
    run.args(["sh", "--api-key", WORD, &format!("--token={ARGUMENT}"), &format!("nats://a:{URL}@h/x")]);
    run.env("DB_PASSWORD", OF_RUN).env("USER", USER);
    let id = home.run(run).expect_code(0).stdout.trim().to_owned();
    let _running = home.until_phase(&id, "running");
    home.wait_for("output", || {
        let said = home.resus(&["logs", &id]);
        said.stdout.contains("nats://ann").then_some(())
    });
    let path = home.path().join("work/b.tar.gz");
    let said = bundle(&home, &["b.tar.gz", "--with-output"]).expect_code(0);
    assert_eq!(said.stdout, "b.tar.gz\n");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let files = unpacked(&home, &path);
    for name in [
        "README.txt",
        "doctor.json",
        "versions.json",
        "system.json",
        "environment.txt",
        "daemon.log",
        "ps.json",
    ] {
        assert!(files.contains_key(name), "{name}: {:?}", files.keys());
        assert!(name == "README.txt" || said.stderr.contains(name), "{name}: {said:?}");
    }
    // It is of use: the documents are documents, and the story and the output are told.
    let document = |name: &str| serde_json::from_str::<Value>(&files[name]).unwrap();
    assert!(document("doctor.json")["checks"].as_array().unwrap().len() > 20);
    assert_eq!(document("ps.json")["runs"][0]["run_id"], id.as_str());
    assert!(!document(&format!("runs/{id}/story.json")).as_array().unwrap().is_empty());
    let output = &files[&format!("runs/{id}/output.txt")];
    // The daemon has put a star for every byte of what it knows; the rest is the bundle's.
    let stars = |line: &str| if line.bytes().all(|byte| byte == b'*') { "***" } else { line }.to_owned();
    let lines: Vec<String> = output.lines().map(stars).collect();
    assert_eq!(lines[..5], ["mark-of-output", "***", "password=***", "***", "at ~"], "{output}");
    assert!(files["environment.txt"].contains("MY_API_KEY\n"), "{:?}", files["environment.txt"]);
    let (home_folder, host) = (home.path().join("home").display().to_string(), host());
    for (name, text) in &files {
        for private in ["canary", home_folder.as_str()] {
            let at = text.find(private).map(|at| text.get(at.saturating_sub(60)..at + 40));
            assert_eq!(at, None, "{private} in {name}");
        }
        let words = |c: char| !c.is_alphanumeric() && !"_-.".contains(c);
        assert!(host == "localhost" || !text.split(words).any(|word| word == host), "{host} in {name}");
    }
    let again = bundle(&home, &["b.tar.gz"]);
    assert_eq!(again.code, 11, "it was written over: {again:?}");
}

#[test]
fn a_bundle_is_of_use_without_a_daemon_and_of_one_run_with_it() {
    let home = Home::new();
    let said = bundle(&home, &["--json"]).expect_code(0);
    assert!(!home.state().exists());
    let file = said.json()["file"].as_str().unwrap().to_owned();
    assert!(file.starts_with("resus-bundle-") && file.ends_with(".tar.gz"), "{file}");
    let files = unpacked(&home, &home.path().join("work").join(&file));
    let names: Vec<_> =
        said.json()["entries"].as_array().unwrap().iter().map(|e| e["name"].clone()).collect();
    assert!(names.iter().all(|name| files.contains_key(name.as_str().unwrap())), "{names:?}");
    assert_eq!(bundle(&home, &["c.tar.gz", "--run", "x"]).code, 12, "nobody to ask");
    let [one, two] = ["one", "two"].map(|name| home.submit(&["--name", name, "--", "echo", name]));
    for id in [&one, &two] {
        let _done = home.until_phase(id, "done");
    }
    assert_eq!(bundle(&home, &["c.tar.gz", "--run", "none"]).code, 10);
    assert!(!home.path().join("work/c.tar.gz").exists());
    let said = bundle(&home, &["c.tar.gz", "--run", "one"]).expect_code(0);
    assert!(said.stderr.contains(&one) && !said.stderr.contains(&two), "{said:?}");
    let files = unpacked(&home, &home.path().join("work/c.tar.gz"));
    assert!(!files.keys().any(|name| name.ends_with("output.txt")), "outputs are asked for: {files:?}");
}
