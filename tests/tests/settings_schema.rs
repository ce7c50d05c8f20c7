//! The schema of the settings says what our own check says, as far as a schema can.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use resus_tests::Home;
use resus_tests::clients::python;
use serde_json::Value;
use std::io::Write;
use std::path::Path;
use std::process::Stdio;

/// Values of every kind, with the units and limits of every form.
const VALUES: &[&str] = &[
    "0",
    "1",
    "100",
    "65535",
    "65536",
    "4294967295",
    "4294967296",
    "-1",
    "2.0",
    "0.5",
    "-0.5",
    "true",
    "false",
    "''",
    "'1s'",
    "'0s'",
    "'250ms'",
    "'1h30m'",
    "'0.5s'",
    "'7d'",
    "'soon'",
    "'1'",
    "'1%'",
    "'0.5%'",
    "'100%'",
    "'150%'",
    "'1.25%'",
    "'64KiB'",
    "'10 MiB'",
    "'1GiB'",
    "'10MB'",
    "'0B'",
    "'loss'",
    "'auc:max'",
    "'/etc/x'",
    "'etc/x'",
    "'gpu-a1'",
    "'GPU'",
    "'local'",
    "'managed'",
    "'nats://h:4222'",
    "'http://h:8222'",
    "[]",
    "{}",
    "1979-05-27",
];

/// What a schema can't say: how long a time is, which texts are addresses, what goes together.
const BEYOND_A_SCHEMA: &[&str] = &[
    // To JSON, 2.0 is a whole number.
    "2.0 is not a",
    "is not between",
    "is neither",
    "is not of the form",
    "needs ",
    "is not a metric",
    "the address of a NATS server",
    "says who we are",
    "whose password?",
    "is not a factor",
    "is not 1 to 48",
    "not a whole share",
    "is not a time such as",
    "is not a share from",
    "is not a size such as",
];

/// A document for each key and each value, and some that are wrong as a whole.
fn corpus(defaults: &Value) -> Vec<String> {
    let mut documents: Vec<String> = [
        "",
        "[retry]\n",
        "retry = 1\n",
        "[nothing]\nx = 1\n",
        "max = 1\n",
        "[retry]\nmx = 1\n",
        "[[retry]]\nmax = 1\n",
        "retry.max = 1\nstop.grace = '1s'\n",
    ]
    .map(str::to_owned)
    .to_vec();
    for (section, keys) in defaults.as_object().unwrap() {
        for key in keys.as_object().unwrap().keys() {
            documents.extend(VALUES.iter().map(|value| format!("[{section}]\n{key} = {value}\n")));
        }
    }
    documents
}

fn judged_by_the_schema(schema: &Path, documents: &[String]) -> Vec<Option<bool>> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("clients/check_settings.py");
    let mut command = python();
    let mut child =
        command.arg(script).arg(schema).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let list = serde_json::to_vec(documents).unwrap();
    let mut input = child.stdin.take().unwrap();
    let writer = std::thread::spawn(move || input.write_all(&list).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.status.success());
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Our own check of each document: its faults.
fn judged_by_us(home: &Home, kind: &str, documents: &[String]) -> Vec<Vec<String>> {
    let folder = home.path().join("work/corpus");
    std::fs::create_dir_all(&folder).unwrap();
    let mut args = vec!["config".to_owned(), "check".into(), "--json".into(), "--as".into(), kind.to_owned()];
    for (n, text) in documents.iter().enumerate() {
        let path = folder.join(format!("{n}.toml"));
        std::fs::write(&path, text).unwrap();
        args.push(path.display().to_string());
    }
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let said = home.resus(&args).expect_code(13);
    let problem: Value = serde_json::from_str(&said.stderr).unwrap();
    let mut faults = vec![Vec::new(); documents.len()];
    for line in problem["detail"].as_str().unwrap().lines() {
        let behind = line.strip_prefix(folder.to_str().unwrap()).unwrap().trim_start_matches('/');
        let (number, what) = behind.split_once(".toml:").unwrap();
        faults[number.parse::<usize>().unwrap()].push(what.to_owned());
    }
    faults
}

#[test]
fn the_schema_and_our_own_check_agree() {
    let home = Home::new();
    let stored = Path::new(env!("CARGO_MANIFEST_DIR")).join("../config/schema.json");
    let printed = home.resus(&["config", "schema"]).expect_code(0).stdout;
    assert_eq!(printed, std::fs::read_to_string(&stored).unwrap());
    let project = home.path().join("project.json");
    std::fs::write(&project, home.resus(&["config", "schema", "--project"]).expect_code(0).stdout).unwrap();
    let defaults = home.resus(&["config", "show", "--json"]).expect_code(0).json();
    let documents = corpus(&defaults);
    assert!(documents.len() > 2_000, "{}", documents.len());
    for (kind, schema) in [("user", &stored), ("project", &project)] {
        let (theirs, ours) =
            (judged_by_the_schema(schema, &documents), judged_by_us(&home, kind, &documents));
        let (mut both, mut neither, mut ours_alone) = (0, 0, 0);
        for ((text, fits), faults) in documents.iter().zip(theirs).zip(ours) {
            match (fits, faults.is_empty()) {
                (Some(true), true) => both += 1,
                (Some(false) | None, false) => neither += 1,
                (Some(true), false) => {
                    let is_beyond = |fault: &String| BEYOND_A_SCHEMA.iter().any(|what| fault.contains(what));
                    assert!(faults.iter().all(is_beyond), "{kind}: {text:?}: {faults:?}");
                    ours_alone += 1;
                }
                (Some(false) | None, true) => panic!("{kind}: the schema refuses what is right: {text:?}"),
            }
        }
        assert!(both > 150 && neither > 1_000 && ours_alone < both, "{kind}: {both} {neither} {ours_alone}");
    }
}

#[test]
fn our_own_file_and_the_starters_fit() {
    let home = Home::new();
    let defaults = home.resus(&["config", "defaults"]).expect_code(0).stdout;
    home.resus(&["config", "init"]).expect_code(0);
    home.resus(&["config", "init", "--user"]).expect_code(0);
    let users = home.path().join("config/resus/schema.json");
    let beside = "./resus.schema.json".to_owned();
    for (name, schema, file, place) in [
        ("schema.json", users.clone(), "config/resus/config.toml", format!("file://{}", users.display())),
        ("resus.schema.json", home.path().join("work/resus.schema.json"), "work/resus.toml", beside),
    ] {
        let starter = std::fs::read_to_string(home.path().join(file)).unwrap();
        assert!(starter.starts_with(&format!("#:schema {place}\n")), "{starter}");
        let bare = |line: &str| {
            line.strip_prefix('#').filter(|rest| !rest.starts_with([' ', ':'])).unwrap_or(line).to_owned()
        };
        let full: String = starter.lines().map(|line| bare(line) + "\n").collect();
        let mut documents = vec![starter, full];
        documents.extend((name == "schema.json").then(|| defaults.clone()));
        assert!(judged_by_the_schema(&schema, &documents).iter().all(|fits| *fits == Some(true)), "{name}");
    }
    let again = home.resus(&["config", "init"]).expect_code(11);
    assert!(again.stderr.contains("it is there already"), "{again:?}");
    assert!(
        home.resus(&["config", "check"]).expect_code(0).stderr.contains("resus.toml (project's settings)")
    );
}
