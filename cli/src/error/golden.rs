//! Every way in which a command fails, as people and programs meet it, as a file in `cli/testdata`.

use super::*;
use crate::client::far::FarError;
use crate::golden;
use crate::render::sample::page;
use std::collections::BTreeSet;

/// What the kinds of failures are called. A new one is a line here and a failure below.
const NAMES: [&str; 22] = [
    "usage",
    "settings",
    "state",
    "place",
    "lock",
    "start",
    "client",
    "system",
    "service",
    "systemd",
    "timed-out",
    "not-reached",
    "unknown-code",
    "interrupted",
    "left",
    "still-there",
    "checkpoint",
    "foreign",
    "no-beginning",
    "unwritten",
    "convert",
    "output-lost-io",
];

fn name(error: &CliError) -> &'static str {
    match error {
        CliError::Usage { .. } => "usage",
        CliError::Settings(_) => "settings",
        CliError::State(_) => "state",
        CliError::Place(_) => "place",
        CliError::Lock(_) => "lock",
        CliError::Start(_) => "start",
        CliError::Client(_) => "client",
        CliError::System(_) => "system",
        CliError::Service(_) => "service",
        CliError::Systemd(_) => "systemd",
        CliError::TimedOut { .. } => "timed-out",
        CliError::NotReached { .. } => "not-reached",
        CliError::UnknownCode { .. } => "unknown-code",
        CliError::Interrupted { .. } => "interrupted",
        CliError::Left { .. } => "left",
        CliError::StillThere { .. } => "still-there",
        CliError::Checkpoint { .. } => "checkpoint",
        CliError::Foreign { .. } => "foreign",
        CliError::NoBeginning { .. } => "no-beginning",
        CliError::Unwritten { .. } => "unwritten",
        CliError::Convert(_) => "convert",
        CliError::Output(_) | CliError::Lost(_) | CliError::Io { .. } => "output-lost-io",
    }
}

fn full() -> io::Error {
    io::Error::from_raw_os_error(28)
}

fn run() -> String {
    "8c1d9e77".to_owned()
}

/// Failures about runs and files.
fn of_runs() -> Vec<CliError> {
    let path = || PathBuf::from("/ck/ck-000150.prsm");
    vec![
        CliError::Usage {
            what: "nothing to change: no setting is given".into(),
            next: "resus configure RUN".into(),
        },
        CliError::TimedOut { run: run(), missing: "has not ended", waited: Duration::from_secs(90) },
        CliError::NotReached {
            run: run(),
            what: "has ended meanwhile".into(),
            next: "resus why 8c1d9e77".into(),
        },
        CliError::UnknownCode { code: "CUDA_OM\u{1b}[2J".into(), next: "resus explain CUDA_OOM".into() },
        CliError::Interrupted { run: run(), is_stopping: true },
        CliError::Interrupted { run: run(), is_stopping: false },
        CliError::Left { is_handed_in: true },
        CliError::Left { is_handed_in: false },
        CliError::Checkpoint { path: path(), refusal: Refusal::SymbolicLink },
        CliError::Checkpoint { path: path(), refusal: Refusal::ShortHeader { found: 3, expected: 64 } },
        CliError::Foreign { path: path(), looks_like: Some("a PyTorch file"), wish: "show" },
        CliError::NoBeginning {
            checkpoint: "nightly:ck-000150".into(),
            why: "it is damaged".into(),
            next: Some("resus checkpoints nightly".into()),
            exit: ExitCode::Damaged,
        },
        CliError::Unwritten { path: path(), why: "it is there already".into(), exit: ExitCode::Refused },
        CliError::Convert(ConvertError::Exists { path: path() }),
        CliError::Convert(ConvertError::NotFinite),
        CliError::Convert(ConvertError::Version(9)),
        CliError::Output(full()),
        CliError::Io { what: "write", path: path(), source: full() },
    ]
}

/// Failures about daemons and this machine.
fn of_daemons() -> Vec<CliError> {
    let state = || PathBuf::from("/home/ann/.local/state/resus");
    let problem = Problem {
        kind: "urn:resus:refused".into(),
        title: "Not possible now".into(),
        status: 409,
        detail: "run 8c1d9e77 is done: it can't be paused".into(),
        hint: Some("what is possible now: resus retry RUN".into()),
        exit_code: ExitCode::Refused,
    };
    vec![
        CliError::Settings(SettingsError::Read { path: "/home/ann/resus.toml".into(), source: full() }),
        CliError::State(StateError::NoHome),
        CliError::State(StateError::Exposed { path: state(), mode: 0o777 }),
        CliError::Place(PlaceError::Unsafe {
            path: "/run/user/1000/resus".into(),
            why: "it is a link".into(),
        }),
        CliError::Lock(LockError::Held { folder: state(), holder: None }),
        CliError::Start(StartError::Spawn { source: full() }),
        CliError::Start(StartError::Slow { log_tail: vec!["the last line".into()] }),
        CliError::Client(ClientError::Nobody { source: io::Error::from_raw_os_error(2) }),
        CliError::Client(ClientError::Silent { pid: Some(4242), waited: Duration::from_secs(3) }),
        CliError::Client(ClientError::Silent { pid: None, waited: Duration::from_secs(3) }),
        CliError::Client(ClientError::Broken { source: full().into() }),
        CliError::Client(ClientError::Foreign { what: "an unknown phase".into() }),
        CliError::Client(ClientError::Refused(Box::new(problem))),
        CliError::Client(ClientError::Far(FarError::NoDaemon {
            namespace: "team".into(),
            link: "lab:4222".into(),
        })),
        CliError::Client(ClientError::Far(FarError::Several { nodes: vec!["a".into(), "b".into()] })),
        CliError::System(resus_actors::system::StartError::NotReady),
        CliError::Service(ServiceError::NoHome),
        CliError::Service(ServiceError::NotOurs { path: "/etc/resus.service".into() }),
        CliError::Systemd(ToolError::Missing("systemctl".into())),
        CliError::StillThere { pid: 4242, waited: Duration::from_secs(10) },
    ]
}

#[test]
fn failures_are_told_as_they_were() {
    let mut text = String::new();
    let mut seen = BTreeSet::new();
    for error in of_runs().into_iter().chain(of_daemons()) {
        seen.insert(name(&error));
        let told = error.told().text(&page(80));
        let problem = serde_json::to_string(&error.problem()).unwrap();
        assert!(!told.contains('\u{1b}') && !problem.contains('\u{1b}'), "{told}");
        assert!(told.starts_with("error: "), "{told}");
        text.push_str(&format!("## {} (exit {})\n{told}{problem}\n\n", name(&error), error.exit().code()));
    }
    golden::check("errors.txt", &text);
    assert_eq!(seen, NAMES.into_iter().collect());
}

/// The files of `folder` and of those below it.
fn sources(folder: PathBuf) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { sources(path) } else { vec![path] }).collect()
}

#[test]
fn every_type_of_problem_can_be_explained() {
    use resus_core::lexicon::{Found, look_up};
    let mut kinds: BTreeSet<String> =
        ExitCode::ALL.into_iter().map(|exit| format!("urn:resus:{}", kind(exit))).collect();
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/..");
    let files =
        ["actors/src", "panel/src", "bus/src"].map(|folder| sources(format!("{root}/{folder}").into()));
    for file in files.concat() {
        let text = std::fs::read_to_string(&file).unwrap();
        // Elsewhere these are other tuples.
        let is_table = ["problem.rs", "answer.rs"].iter().any(|name| file.ends_with(name));
        let in_table = if is_table { "=> (\"" } else { "problem(\"" };
        for before in ["problem(\"", in_table, "urn:resus:"] {
            let found = text.split(before).skip(1).filter_map(|rest| {
                let end = rest.find(|char: char| !(char.is_ascii_lowercase() || char == '-'))?;
                (end > 2 && matches!(rest.as_bytes()[end], b'"')).then(|| rest[..end].to_owned())
            });
            kinds.extend(found.map(|kind| format!("urn:resus:{kind}")));
        }
    }
    for known in ["quarantined", "too-slow", "unread"] {
        assert!(kinds.contains(&format!("urn:resus:{known}")), "{kinds:?}");
    }
    for kind in kinds {
        assert!(
            matches!(look_up(std::slice::from_ref(&kind)), Found::Entries(_)),
            "{kind}: core/src/lexicon"
        );
    }
}
