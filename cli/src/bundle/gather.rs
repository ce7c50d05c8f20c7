//! What goes into a bundle. Everything has a bound, and what is missing is left out: a bundle is most
//! needed where things do not work.

use crate::bundle::{Content, Part, Wish};
use crate::client::{Client, ClientError};
use crate::command::config::applying;
use crate::command::doctor::document;
use crate::daemon::handshake::OWN_PROGRAM;
use crate::daemon::record::{Record, build_id};
use crate::daemon::start::locate;
use crate::doctor::disk_probe::mount;
use crate::doctor::examine::Findings;
use crate::doctor::machine::config_file;
use crate::error::CliError;
use resus_core::api::StoryLine;
use resus_core::view::RunView;
use rustix::system::uname;
use serde_json::{Value, json};
use std::env;
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;
use std::time::Duration;

/// Runs whose stories are told.
const RUNS_MAX: usize = 10;
/// Events of a run that are told, from the newest backwards.
const EVENTS_MAX: u64 = 1000;
/// Bytes of the daemon's log, from its end.
const LOG_BYTES: u64 = 512 << 10;
/// Bytes of the output of a run, from its end.
const OUTPUT_BYTES: u32 = 64 << 10;

/// All parts of a bundle.
///
/// # Errors
/// [`CliError`]: the run that is wished for can't be told of.
pub(super) async fn parts(findings: &Findings, wish: &Wish) -> Result<Vec<Part>, CliError> {
    let part = |name: &str, what, content| Part { name: name.to_owned(), what, content };
    let mut parts = vec![
        part("doctor.json", "what resus doctor found", Content::Document(document(&findings.checks))),
        part("versions.json", "versions of command and daemon", Content::Document(versions(findings))),
        part("system.json", "kernel, distribution, memory, mounts", Content::Document(system(findings))),
        part("environment.txt", "names of variables, no values", Content::Lines(names())),
    ];
    parts.push(match applying() {
        Ok(settings) => {
            part("settings.json", "settings that apply, and where they are from", Content::Document(settings))
        }
        Err(error) => {
            let why = [vec![error.to_string()], error.details()].concat().join("\n");
            part("settings.missing.txt", "why there are no settings", Content::Lines(why))
        }
    });
    if let Some(state) = &findings.state {
        match tail(&state.daemon_log(), LOG_BYTES) {
            Ok(log) => parts.push(part("daemon.log", "the end of the daemon's log", Content::Lines(log))),
            Err(error) => {
                let why = Content::Lines(error.to_string());
                parts.push(part("daemon.log.missing.txt", "why there is no log", why));
            }
        }
        if let Some(list) = &findings.runs {
            let list = serde_json::to_value(list).unwrap_or(Value::Null);
            parts.push(part("ps.json", "all runs", Content::Document(list)));
        }
        let client = locate(state);
        for view in told_of(findings, wish, &client).await? {
            parts.extend(run(&client, &view, wish.with_output).await);
        }
    } else if let Some(run) = &wish.run {
        return Err(no_daemon(run));
    }
    Ok(parts)
}

fn no_daemon(run: &str) -> CliError {
    CliError::Usage {
        what: format!("nobody can be asked about {run}: the state folder does not answer"),
        next: "resus doctor --bundle, without --run".to_owned(),
    }
}

/// The runs that are told of.
async fn told_of(findings: &Findings, wish: &Wish, client: &Client) -> Result<Vec<RunView>, ClientError> {
    match &wish.run {
        Some(run) => Ok(vec![client.run(run).await?.0]),
        None => Ok(findings.runs.iter().flat_map(|list| &list.runs).take(RUNS_MAX).cloned().collect()),
    }
}

/// What is told of a run.
async fn run(client: &Client, view: &RunView, with_output: bool) -> Vec<Part> {
    let id = &view.run_id;
    let mut parts = Vec::new();
    let mut add =
        |name: &str, what, content| parts.push(Part { name: format!("runs/{id}/{name}"), what, content });
    match story(client, view).await {
        Ok(lines) => {
            let lines = serde_json::to_value(lines).unwrap_or(Value::Null);
            add("story.json", "what happened to the run", Content::Document(lines));
        }
        Err(error) => add("story.missing.txt", "why there is no story", Content::Lines(error.to_string())),
    }
    if with_output {
        match output(client, id).await {
            Ok(text) => add("output.txt", "the end of what the worker printed", Content::Lines(text)),
            Err(error) => {
                add("output.missing.txt", "why there is no output", Content::Lines(error.to_string()))
            }
        }
    }
    parts
}

async fn story(client: &Client, view: &RunView) -> Result<Vec<StoryLine>, ClientError> {
    let mut seq = view.seq.saturating_sub(EVENTS_MAX);
    let mut lines = Vec::new();
    while seq < view.seq {
        let page = client.story(&view.run_id, seq).await?;
        let Some(newest) = page.iter().map(StoryLine::seq).max() else { break };
        seq = newest;
        lines.extend(page);
    }
    Ok(lines)
}

async fn output(client: &Client, run: &str) -> Result<String, ClientError> {
    let now = Duration::ZERO;
    let length = client.output(run, None, 0, 1, now).await?.chunk.length;
    let from = length.saturating_sub(u64::from(OUTPUT_BYTES));
    let bytes = client.output(run, None, from, OUTPUT_BYTES, now).await?.bytes;
    let whole = if from > 0 { after_line(&bytes) } else { &bytes };
    Ok(String::from_utf8_lossy(whole).into_owned())
}

/// What lies behind the first end of a line: half a line may begin with half a secret.
fn after_line(bytes: &[u8]) -> &[u8] {
    let end = bytes.iter().position(|byte| *byte == b'\n').map_or(bytes.len(), |at| at + 1);
    bytes.get(end..).unwrap_or_default()
}

fn tail(path: &Path, bytes_max: u64) -> io::Result<String> {
    let mut file = File::open(path)?;
    let from = file.metadata()?.len().saturating_sub(bytes_max);
    file.seek(SeekFrom::Start(from))?;
    let mut bytes = Vec::new();
    file.take(bytes_max).read_to_end(&mut bytes)?;
    let whole = if from > 0 { after_line(&bytes) } else { &bytes };
    Ok(String::from_utf8_lossy(whole).into_owned())
}

fn versions(findings: &Findings) -> Value {
    let record = findings.state.as_ref().and_then(Record::read);
    let build = build_id(Path::new(OWN_PROGRAM)).ok();
    let target = format!("{}-{}", env::consts::ARCH, env::consts::OS);
    json!({
        "resus": env!("CARGO_PKG_VERSION"),
        "build_id": build,
        "target": target,
        "daemon": findings.daemon,
        "last_daemon": record,
    })
}

fn system(findings: &Findings) -> Value {
    let kernel = uname();
    let said = |text: &std::ffi::CStr| text.to_string_lossy().into_owned();
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let distribution = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    let memory = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let memory: Vec<_> = memory.lines().take(3).collect();
    let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    let state = findings.state.as_ref().map(|state| state.path().to_owned());
    let folders = state.into_iter().chain(findings.runtime.clone()).chain(config_file());
    let mounts: Vec<_> = folders
        .filter_map(|path| {
            let mount = mount(&path, &mounts)?;
            let (path, at) = (path.display().to_string(), mount.at.display().to_string());
            Some(json!({"path": path, "mount": at, "kind": mount.kind, "options": mount.options}))
        })
        .collect();
    let kernel = [kernel.sysname(), kernel.release(), kernel.version(), kernel.machine()].map(said);
    let distribution = distribution.map(|name| name.trim_matches('"'));
    let processors = std::thread::available_parallelism().map(usize::from).ok();
    json!({
        "kernel": kernel,
        "distribution": distribution,
        "processors": processors,
        "memory": memory,
        "mounts": mounts,
    })
}

fn names() -> String {
    let mut names: Vec<_> = env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned()).collect();
    names.sort();
    names.iter().map(|name| format!("{name}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_begins_with_a_whole_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        fs::write(&path, "token=s3cret\none\ntwo\n").unwrap();
        assert_eq!(tail(&path, 100).unwrap(), "token=s3cret\none\ntwo\n");
        assert_eq!(tail(&path, 14).unwrap(), "one\ntwo\n");
        assert_eq!(tail(&path, 3).unwrap(), "", "no whole line");
        assert!(tail(&folder.path().join("none"), 1).is_err());
    }
}
