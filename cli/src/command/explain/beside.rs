//! Words that are no codes of Resus and that people meet beside them: signals, what kinds of runs are
//! called, keys of the settings.

use crate::settings::comments;
use crate::settings::keys;
use serde::Serialize;

/// What there is to say about such a word.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Beside {
    /// What kind of word it is.
    pub group: &'static str,
    /// As it is shown.
    pub code: String,
    /// What it means, as sentences.
    pub meaning: String,
    /// Commands to type, `RUN` being the run.
    pub commands: Vec<String>,
}

/// What people call a code that has another name.
const OTHER_NAMES: [(&str, &str); 6] = [
    ("cuda", "CUDA_OOM"),
    ("oom", "CUDA_OOM"),
    ("lost", "TRAINING_LOST"),
    ("hang", "HUNG"),
    ("hanging", "HUNG"),
    ("notfound", "COMMAND_NOT_FOUND"),
];

/// Signals that end workers: number, name, and who sends them.
const SIGNALS: [(u8, &str, &str); 8] = [
    (1, "SIGHUP", "Its terminal or session has ended."),
    (2, "SIGINT", "Somebody pressed Ctrl-C, or asked it to end."),
    (6, "SIGABRT", "It gave up by itself: an assertion or an exception in native code."),
    (7, "SIGBUS", "It read memory that is not there, such as a mapped file that became shorter."),
    (8, "SIGFPE", "It divided whole numbers by zero, in native code."),
    (
        9,
        "SIGKILL",
        "The kernel was out of memory, or 'resus kill', a stop that took too long, or somebody's \
                    kill -9 ended it. It could save nothing.",
    ),
    (11, "SIGSEGV", "It crashed in native code: a bug there, or a library that does not fit."),
    (15, "SIGTERM", "It was asked to end: by a stop, or by whoever shuts the machine down."),
];
/// An exit code above this stands for a signal.
const SIGNAL_BASE: u8 = 128;

/// The code that is meant by `word`, in lower case without separators.
pub(super) fn other_name(word: &str) -> Option<&'static str> {
    OTHER_NAMES.iter().find(|(known, _)| *known == word).map(|(_, code)| *code)
}

/// What `typed` is, if it is such a word.
pub(super) fn look_up(typed: &str) -> Option<Beside> {
    let typed = typed.trim();
    if let Some(key) = keys::find(typed) {
        let commands =
            vec!["resus config show --origin".to_owned(), format!("resus run --set {}=…", key.name)];
        let meaning = comments::of(key);
        return Some(Beside { group: "setting", code: key.name.to_owned(), meaning, commands });
    }
    let word = typed.to_uppercase();
    let last = word.rsplit(' ').next().unwrap_or_default();
    if last == "OPAQUE" {
        let meaning = "A program that does not speak PULSE. Resus keeps it alive all the same: it starts it again when \
                       it fails, and stops it by SIGTERM. It can't be asked for a checkpoint, and its progress is not \
                       known.";
        let commands = vec!["resus logs -f RUN".to_owned()];
        return Some(Beside {
            group: "word",
            code: "opaque".to_owned(),
            meaning: meaning.to_owned(),
            commands,
        });
    }
    let number = last.parse::<u8>().ok().and_then(|code| code.checked_sub(SIGNAL_BASE));
    let (number, name, cause) =
        SIGNALS.into_iter().find(|(known, name, _)| Some(*known) == number || *name == last)?;
    let meaning = format!(
        "Signal {number} ended the worker; as an exit code that is {}. {cause}",
        SIGNAL_BASE + number
    );
    let commands = vec!["resus why RUN".to_owned(), "resus logs RUN".to_owned()];
    Some(Beside { group: "signal", code: name.to_owned(), meaning, commands })
}

#[cfg(test)]
mod tests {
    use super::*;
    use resus_core::lexicon::{self, Found};

    #[test]
    fn what_people_meet_beside_codes_is_known() {
        for (typed, group, code, word) in [
            ("SIGKILL", "signal", "SIGKILL", "out of memory"),
            ("137", "signal", "SIGKILL", "exit code that is 137"),
            ("exit 143", "signal", "SIGTERM", "Signal 15"),
            ("opaque", "word", "opaque", "PULSE"),
            ("retry.max", "setting", "retry.max", "."),
        ] {
            let found = look_up(typed).unwrap();
            assert_eq!((found.group, found.code.as_str()), (group, code), "{typed}");
            assert!(found.meaning.contains(word), "{}", found.meaning);
        }
        for typed in ["", "FOO", "retry", "127", "sig", "99"] {
            assert_eq!(look_up(typed), None, "{typed}");
        }
    }

    #[test]
    fn every_other_name_is_that_of_a_code_and_of_no_other() {
        for (name, code) in OTHER_NAMES {
            assert!(matches!(lexicon::look_up(&[code.to_owned()]), Found::Entries(_)), "{code}");
            assert_eq!(lexicon::look_up(&[name.to_owned()]), Found::Nothing, "{name}");
        }
    }
}
