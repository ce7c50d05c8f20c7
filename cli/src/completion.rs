//! Completion in shells: the script that `resus completion` writes calls this program again, with
//! the line as it stands, and shows what it answers. Runs, checkpoints and workloads are those that
//! there are. It is silent about failures, starts no daemon, and gives up soon.

mod bash;
mod kinds;
mod live;

use crate::console::Console;
use crate::help;
use clap::Command;
use clap_complete::engine::{CompletionCandidate, complete};
use clap_complete::env::{Elvish, EnvCompleter, Fish, Powershell, Zsh};
use std::env;
use std::ffi::OsString;
use std::io;
use std::panic::{self, AssertUnwindSafe};
use std::path::PathBuf;
use std::sync::Arc;

/// Set by the script: which shell asks.
const VAR: &str = "RESUS_COMPLETE";
/// Stands before the words of the line.
const WORDS: &str = "--";

/// Shells whose scripts come with the library; that of bash is ours, because names of runs have
/// characters at which bash breaks words.
fn shell(name: &str) -> Option<&'static dyn EnvCompleter> {
    match name {
        "zsh" => Some(&Zsh),
        "fish" => Some(&Fish),
        "elvish" => Some(&Elvish),
        "powershell" => Some(&Powershell),
        _ => None,
    }
}

/// The script of `name` that lets `program` complete.
///
/// # Errors
/// None in practice: it is written into memory. `Ok(None)`: there is no such shell.
pub(crate) fn script(name: &str, program: &str) -> io::Result<Option<String>> {
    if name == bash::NAME {
        return Ok(Some(bash::script(VAR, program)));
    }
    let Some(shell) = shell(name) else { return Ok(None) };
    let mut script = Vec::new();
    shell.write_registration(VAR, "resus", "resus", program, &mut script)?;
    Ok(Some(String::from_utf8_lossy(&script).into_owned()))
}

/// Whether a shell's script has started this process.
pub(crate) fn is_asked() -> bool {
    env::var_os(VAR).is_some_and(|shell| !shell.is_empty())
}

/// Writes what may stand where the cursor is; nothing if that can't be told.
pub(crate) fn answer(words: impl Iterator<Item = OsString>) {
    // Whatever goes wrong, somebody is about to type on.
    panic::set_hook(Box::new(|_| ()));
    let asked = panic::catch_unwind(AssertUnwindSafe(|| asked(words)));
    if let Ok(Some(text)) = asked {
        Console::hand_out(&String::from_utf8_lossy(&text));
    }
}

/// The answer in the form in which the shell reads it.
fn asked(words: impl Iterator<Item = OsString>) -> Option<Vec<u8>> {
    let shell_name = env::var(VAR).ok()?;
    let mut text = Vec::new();
    if shell_name == bash::NAME {
        bash::answer(&mut text).ok()?;
        return Some(text);
    }
    let shell = shell(&shell_name)?;
    let words: Vec<OsString> = words.skip_while(|word| word != WORDS).skip(1).collect();
    if words.is_empty() {
        return None;
    }
    let mut command = command(&words);
    shell.write_complete(&mut command, words, current_dir().as_deref(), &mut text).ok()?;
    Some(text)
}

/// What may stand in place of the last of `words`.
///
/// # Errors
/// As the library's.
fn candidates(words: Vec<OsString>) -> io::Result<Vec<CompletionCandidate>> {
    let last = words.len().saturating_sub(1);
    let is_option = words.last().is_some_and(|word| word.to_string_lossy().starts_with('-'));
    let mut command = command(&words);
    let mut found = complete(&mut command, words, last, current_dir().as_deref())?;
    // Options are shown to who begins one, or where nothing else can stand.
    let is_one = |candidate: &CompletionCandidate| candidate.get_value().to_string_lossy().starts_with('-');
    if !is_option && found.iter().any(|candidate| !is_one(candidate)) {
        found.retain(|candidate| !is_one(candidate));
    }
    Ok(found)
}

/// The command line, whose arguments know what can stand for them.
fn command(words: &[OsString]) -> Command {
    let live = Arc::new(live::Live::new(words));
    kinds::attach(help::command(), &live)
}

fn current_dir() -> Option<PathBuf> {
    env::current_dir().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(line: &str) -> Vec<String> {
        let words = line.split(' ').map(OsString::from).collect();
        let found = candidates(words).unwrap();
        found.iter().map(|candidate| candidate.get_value().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn verbs_options_and_values_are_completed() {
        assert_eq!(names("resus stat"), ["status"]);
        assert!(names("resus daemon re").contains(&"restart".to_owned()));
        assert!(names("resus logs --fol").contains(&"--follow".to_owned()));
        assert_eq!(names("resus ps --color al"), ["always"]);
        assert_eq!(names("resus explain CUDA"), ["CUDA_OOM"]);
        assert_eq!(names("resus man checkpoints ver"), ["verify"]);
        assert_eq!(names("resus events r --type check"), ["checkpoint"]);
        assert_eq!(names("resus completion f"), ["fish"]);
    }

    #[test]
    fn workloads_and_what_can_be_set_of_them_are_completed() {
        assert_eq!(names("resus run oth"), ["othello"]);
        assert_eq!(names("resus run othello --set gam"), ["games="]);
        assert!(names("resus run --set retry.m").contains(&"retry.max=".to_owned()));
        assert!(names("resus run --set gam").is_empty(), "nobody said of which workload");
        assert_eq!(names("resus config show --set stop.g"), ["stop.grace="]);
        assert_eq!(names("resus rerun r --set watchdog.he"), ["watchdog.heartbeat_timeout="]);
        assert_eq!(names("resus workload show oth"), ["othello"]);
    }

    #[test]
    fn a_workload_in_a_folder_is_completed_as_a_path_and_so_is_what_can_be_set_of_it() {
        let temp = tempfile::tempdir().unwrap();
        let folder = temp.path().join("mine");
        std::fs::create_dir(&folder).unwrap();
        let file = include_str!("../../workloads/templates/shell/workload.toml").replace("@NAME@", "mine");
        std::fs::write(folder.join("workload.toml"), file).unwrap();
        let begun = temp.path().join("mi").display().to_string();
        for line in ["run", "workload show", "workload check"] {
            let found = names(&format!("resus {line} {begun}"));
            assert_eq!(found, [format!("{}/", folder.display())], "{line}");
        }
        let found = names(&format!("resus run {} --set ", folder.display()));
        assert!(found.iter().any(|name| !name.contains('.')), "{found:?}");
    }

    #[test]
    fn what_a_terminal_would_obey_is_no_candidate_and_is_made_visible_in_the_help() {
        use clap_complete::engine::CompletionCandidate;
        let help = |text: &str| Some(text.to_owned().into());
        let mut found = vec![
            CompletionCandidate::new("a\u{1b}]0;x\u{7}"),
            CompletionCandidate::new("b").help(help("says \u{1b}[2J\u{202e}")),
        ];
        kinds::harmless(&mut found);
        let [candidate] = found.as_slice() else { panic!("{found:?}") };
        let shown = candidate.get_help().unwrap().to_string();
        assert_eq!(shown, "says \\u{1b}[2J\\u{202e}");
        let temp = tempfile::tempdir().unwrap();
        std::fs::write(temp.path().join("a\u{1b}[2Jb"), "").unwrap();
        let found = names(&format!("resus run {}/", temp.path().display()));
        assert!(!found.iter().any(|name| name.contains('\u{1b}')), "{found:?}");
    }

    #[test]
    fn what_can_be_removed_shown_and_explained_is_completed() {
        assert_eq!(names("resus prune lo"), ["logs"]);
        assert_eq!(names("resus prune --status lo"), ["lost"]);
        assert_eq!(names("resus config show watchdog.he"), ["watchdog.heartbeat_timeout"]);
        assert_eq!(names("resus config show retr")[0], "retry");
        assert_eq!(names("resus explain urn:resus:rem"), ["urn:resus:removed"]);
        assert!(names("resus attach --pass").contains(&"--passthrough".to_owned()));
    }

    #[test]
    fn options_stay_away_where_something_else_can_stand() {
        assert!(names("resus daemon ").iter().all(|name| !name.starts_with('-')));
        assert!(names("resus ps ").contains(&"--all".to_owned()));
    }

    #[test]
    fn every_shell_has_a_script_that_calls_this_program() {
        for name in ["bash", "zsh", "fish", "elvish", "powershell"] {
            let script = script(name, "/opt/re sus/resus").unwrap().unwrap();
            assert!(script.contains(VAR) && script.contains("/opt/re sus/resus"), "{name}: {script}");
        }
        assert_eq!(script("tcsh", "resus").unwrap(), None);
    }
}
