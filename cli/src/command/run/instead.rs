//! What somebody meant who wrote a program where `resus run` takes a workload, or a parameter of a
//! workload where it takes an option.

use crate::error::CliError;
use crate::help;
use crate::render::shell;
use std::collections::BTreeSet;
use std::env;
use std::ffi::OsStr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// What runs a script, by the end of its name.
const INTERPRETERS: [(&str, &str); 6] =
    [("py", "python"), ("sh", "sh"), ("bash", "bash"), ("pl", "perl"), ("rb", "ruby"), ("jl", "julia")];

/// Refuses a file or a script that is given as a workload.
///
/// # Errors
/// [`CliError::Usage`] with the command that runs it.
pub(super) fn refuse_program(word: &str) -> Result<(), CliError> {
    let path = Path::new(word);
    let end = path.extension().and_then(OsStr::to_str).unwrap_or_default();
    let interpreter = INTERPRETERS.iter().find(|(known, _)| *known == end).map(|(_, program)| *program);
    let is_file = path.is_file() && end != "toml";
    if path.is_dir() || !(is_file || interpreter.is_some()) {
        return Ok(());
    }
    // The shell finds what has a `/` in its name here, and everything else on the PATH.
    let here = if word.contains('/') { word.to_owned() } else { format!("./{word}") };
    let argv = match interpreter.filter(|_| !is_executable(path)) {
        Some(program) => vec![program.to_owned(), word.to_owned()],
        None => vec![here],
    };
    Err(CliError::Usage {
        what: format!("{word} is a program, and no workload"),
        next: format!("resus run -- {}", shell::command(&argv, usize::MAX)),
    })
}

/// A command line that does what `words`, which were refused, seem to mean.
pub(crate) fn instead(words: &[String]) -> Option<String> {
    let at = words.iter().position(|word| word == "run")?;
    meant(words.get(at + 1..)?, is_on_path)
}

/// The same for the words behind `run`.
fn meant(words: &[String], is_program: impl Fn(&str) -> bool) -> Option<String> {
    let known = Options::of_run();
    let typed = |words: Vec<String>| Some(format!("resus run {}", shell::command(&words, usize::MAX)));
    if let Some(end) = words.iter().position(|word| word == "--") {
        // A word before the -- and a command behind it: -n is --dry-run, and the name was meant.
        let (before, command) = words.split_at(end);
        let (options, rest) = known.leading(before);
        let ([name], [.., last]) = (rest, options) else { return None };
        let options = options.strip_suffix(&["-n".to_owned()]).filter(|_| last == "-n")?;
        let named = ["--name".to_owned(), name.clone()];
        return typed([options, &named, command].concat());
    }
    let (options, rest) = known.leading(words);
    let (first, behind) = rest.split_first().filter(|(first, _)| !first.starts_with('-'))?;
    let is_command = behind.first().is_some_and(|word| !word.starts_with('-')) || is_program(first);
    if is_command {
        return typed([options, &["--".to_owned()], rest].concat());
    }
    let behind = known.as_parameters(behind)?;
    typed([options, std::slice::from_ref(first), &behind].concat())
}

/// The options of `resus run`, as they are typed.
struct Options {
    alone: BTreeSet<String>,
    with_value: BTreeSet<String>,
}

impl Options {
    fn of_run() -> Self {
        let (mut alone, mut with_value) = (BTreeSet::new(), BTreeSet::new());
        let mut root = help::command();
        root.build();
        for arg in root.find_subcommand("run").into_iter().flat_map(|run| run.get_arguments()) {
            let takes =
                arg.get_action().takes_values() && arg.get_num_args().is_some_and(|n| n.takes_values());
            let names = if takes { &mut with_value } else { &mut alone };
            names.extend(arg.get_long().map(|long| format!("--{long}")));
            names.extend(arg.get_short().map(|short| format!("-{short}")));
        }
        Self { alone, with_value }
    }

    /// How many words the known option at the start of `words` takes; 0 = there is none.
    fn taken(&self, words: &[String]) -> usize {
        let Some(first) = words.first() else { return 0 };
        match first.split_once('=') {
            Some((name, _)) if self.with_value.contains(name) => 1,
            None if self.with_value.contains(first) => words.len().min(2),
            None if self.alone.contains(first) => 1,
            Some(_) | None => 0,
        }
    }

    /// The known options that `words` begin with, and the rest.
    fn leading<'w>(&self, words: &'w [String]) -> (&'w [String], &'w [String]) {
        let mut end = 0;
        while let taken @ 1.. = self.taken(words.get(end..).unwrap_or_default()) {
            end += taken;
        }
        words.split_at(end)
    }

    /// `words` with every option that is not known as a parameter; `None` if there is none, or one
    /// has no value.
    fn as_parameters(&self, mut words: &[String]) -> Option<Vec<String>> {
        let (mut meant, mut is_changed) = (Vec::new(), false);
        while !words.is_empty() {
            let (options, rest) = self.leading(words);
            meant.extend_from_slice(options);
            let Some((first, behind)) = rest.split_first() else { break };
            let (name, value, behind) = match first.strip_prefix("--")?.split_once('=') {
                Some((name, value)) => (name.to_owned(), value.to_owned(), behind),
                None => {
                    let (value, behind) =
                        behind.split_first().filter(|(value, _)| !value.starts_with('-'))?;
                    (first.trim_start_matches('-').to_owned(), value.clone(), behind)
                }
            };
            meant.extend(["--set".to_owned(), format!("{}={value}", name.replace('-', "_"))]);
            (words, is_changed) = (behind, true);
        }
        is_changed.then_some(meant)
    }
}

fn is_on_path(word: &str) -> bool {
    let places = env::var_os("PATH").unwrap_or_default();
    word.contains('/') || env::split_paths(&places).any(|folder| is_executable(&folder.join(word)))
}

fn is_executable(path: &Path) -> bool {
    path.metadata().is_ok_and(|meta| meta.is_file() && meta.permissions().mode() & 0o111 != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn what_was_meant_is_said_where_it_is_clear() {
        for (typed, expected) in [
            ("python train.py --epochs 3", Some("resus run -- python train.py --epochs 3")),
            ("-d --name x python -c pass", Some("resus run -d --name x -- python -c pass")),
            ("othello --games 500", Some("resus run othello --set games=500")),
            (
                "othello -d --games=500 --eval-every 3",
                Some("resus run othello -d --set games=500 --set eval_every=3"),
            ),
            ("-n othello -- x y", Some("resus run --name othello -- x y")),
            ("othello -- x", None),
            ("othello --games", None),
            ("--nmae x", None),
            ("", None),
        ] {
            let words: Vec<String> = typed.split_whitespace().map(str::to_owned).collect();
            assert_eq!(meant(&words, |word| word == "python").as_deref(), expected, "{typed}");
        }
        let words = ["resus", "run", "./a b", "'c'"].map(str::to_owned);
        assert_eq!(instead(&words).as_deref(), Some("resus run -- './a b' ''\\''c'\\'''"));
        assert_eq!(instead(&["resus".to_owned(), "ps".to_owned()]), None);
    }

    #[test]
    fn a_program_is_no_workload() {
        let temp = tempfile::tempdir().unwrap();
        let file = |name: &str, mode: u32| {
            let path = temp.path().join(name);
            fs::write(&path, "").unwrap();
            fs::set_permissions(&path, PermissionsExt::from_mode(mode)).unwrap();
            path.display().to_string()
        };
        let (long, crash, data) = (file("long.sh", 0o755), file("crash.py", 0o644), file("data", 0o755));
        for (word, next) in [
            (long.as_str(), format!("resus run -- {long}")),
            (&crash, format!("resus run -- python {crash}")),
            (&data, format!("resus run -- {data}")),
            ("nowhere.py", "resus run -- python nowhere.py".to_owned()),
        ] {
            let error = refuse_program(word).unwrap_err();
            assert_eq!(error.told().next, Some(next), "{word}");
            assert!(error.to_string().ends_with("is a program, and no workload"), "{error}");
        }
        let workload = file("workload.toml", 0o644);
        for word in ["othello", "./nowhere", &workload, &temp.path().display().to_string()] {
            assert!(refuse_program(word).is_ok(), "{word}");
        }
    }
}
