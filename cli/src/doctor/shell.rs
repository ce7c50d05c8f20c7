//! What a user's shell makes of `resus`.

use crate::doctor::Check;
use crate::doctor::tool::find_in;
use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Shells that a completion is made for.
const SHELLS: [&str; 3] = ["bash", "zsh", "fish"];
/// What a start-up file says that loads the completion by itself.
const LOADS: &str = "resus completion";

/// What `PATH` leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reached {
    /// This program.
    pub us: PathBuf,
    /// The first `resus` in `PATH`.
    pub first: Option<PathBuf>,
    /// Whether both are the same file.
    pub is_us: bool,
}

/// The user's shell.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Shell {
    /// `$SHELL`.
    pub path: Option<String>,
    /// Where its completion is.
    pub completion: Option<PathBuf>,
}

/// Looks for `name` in the folders of `path`.
pub(crate) fn reached(us: PathBuf, name: &str, path: Option<&std::ffi::OsStr>) -> Reached {
    let folders: Vec<_> = path.map(|path| env::split_paths(path).collect()).unwrap_or_default();
    let first = find_in(name, &folders);
    let place = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let is_us = first.as_deref().is_some_and(|first| place(first).is_some() && place(first) == place(&us));
    Reached { us, first, is_us }
}

/// The shell `path` of a user with this home and this data folder (`$XDG_DATA_HOME`).
pub(crate) fn shell(path: Option<String>, home: Option<&Path>, data: Option<&Path>) -> Shell {
    let name = path.as_deref().map(name).unwrap_or_default().to_owned();
    let completion = home.and_then(|home| {
        let data = data.map_or_else(|| home.join(".local/share"), Path::to_owned);
        completion(&name, home, &data)
    });
    Shell { path, completion }
}

fn completion(shell: &str, home: &Path, data: &Path) -> Option<PathBuf> {
    let beneath = |folder: &str| -> Vec<PathBuf> {
        vec![Path::new("/usr/share").join(folder), Path::new("/usr/local/share").join(folder)]
    };
    let (files, start_ups) = match shell {
        "bash" => {
            let mut files = beneath("bash-completion/completions/resus");
            files.extend([
                data.join("bash-completion/completions/resus"),
                "/etc/bash_completion.d/resus".into(),
            ]);
            (files, vec![home.join(".bashrc"), home.join(".bash_profile")])
        }
        "zsh" => {
            let mut files = beneath("zsh/site-functions/_resus");
            files.extend([".zfunc/_resus", ".zsh/completions/_resus"].map(|file| home.join(file)));
            (files, vec![home.join(".zshrc")])
        }
        "fish" => {
            let mut files = beneath("fish/vendor_completions.d/resus.fish");
            files.extend([
                data.join("fish/vendor_completions.d/resus.fish"),
                home.join(".config/fish/completions/resus.fish"),
            ]);
            (files, vec![home.join(".config/fish/config.fish")])
        }
        _ => return None,
    };
    let loads = |file: &PathBuf| fs::read_to_string(file).is_ok_and(|text| text.contains(LOADS));
    files.into_iter().find(|file| file.is_file()).or_else(|| start_ups.into_iter().find(loads))
}

fn name(shell: &str) -> &str {
    shell.rsplit('/').next().unwrap_or(shell)
}

/// Whether who types `resus` gets this program.
pub(crate) fn path(found: &Reached) -> Check {
    const WHAT: &str = "path";
    let us = found.us.display();
    match &found.first {
        Some(_) if found.is_us => Check::good(WHAT, format!("resus in PATH is this program, {us}")),
        Some(first) => {
            let said = format!("resus in PATH is {}, and this is {us}", first.display());
            Check::warning(WHAT, said, "put the folder of the right one first in PATH, or remove the other")
        }
        None => {
            let folder = found.us.parent().unwrap_or(Path::new("/")).display();
            let said = format!("there is no resus in PATH; this is {us}");
            Check::warning(WHAT, said, &format!("export PATH=\"$PATH:{folder}\""))
        }
    }
}

/// Whether the shell knows how to complete our commands.
pub(crate) fn completion_of(found: &Shell) -> Check {
    const WHAT: &str = "completion";
    let shell = found.path.as_deref().map(name).filter(|name| !name.is_empty());
    match (shell, &found.completion) {
        (None, _) => Check::good(WHAT, "SHELL is not set: no shell to complete for"),
        (Some(shell), Some(file)) => Check::good(WHAT, format!("{shell}: {}", file.display())),
        (Some(shell), None) if SHELLS.contains(&shell) => {
            let to = match shell {
                "bash" => "~/.local/share/bash-completion/completions/resus",
                "zsh" => "~/.zfunc/_resus",
                _ => "~/.config/fish/completions/resus.fish",
            };
            Check::good(WHAT, format!("{shell}: not installed (optional)"))
                .with_fix(format!("resus completion {shell} > {to}"))
        }
        (Some(shell), None) => Check::good(WHAT, format!("{shell}: there is none for this shell")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Mark::{Good, Warning};
    use resus_tests::write_program;

    #[test]
    fn another_program_in_the_path_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let [here, there] = ["here", "there"].map(|name| folder.path().join(name));
        for folder in [&here, &there] {
            fs::create_dir(folder).unwrap();
            write_program(&folder.join("resus"), b"#!/bin/sh\n");
        }
        let us = here.join("resus");
        let of = |folders: &[&Path]| {
            let joined = env::join_paths(folders).unwrap();
            path(&reached(us.clone(), "resus", Some(&joined)))
        };
        assert_eq!(of(&[&here, &there]).mark, Good);
        std::os::unix::fs::symlink(&us, folder.path().join("resus")).unwrap();
        assert_eq!(of(&[folder.path(), &there]).mark, Good, "through a link");
        let other = of(&[&there, &here]);
        assert!(other.mark == Warning && other.said.contains("/there/resus"), "{other:?}");
        let none = path(&reached(us.clone(), "resus", None));
        assert_eq!(none.fix, Some(format!("export PATH=\"$PATH:{}\"", here.display())));
    }

    #[test]
    fn a_completion_is_found_where_shells_look() {
        let home = tempfile::tempdir().unwrap();
        let of = |path: &str| completion_of(&shell(Some(path.to_owned()), Some(home.path()), None));
        for (name, file) in [
            ("bash", ".local/share/bash-completion/completions/resus"),
            ("zsh", ".zfunc/_resus"),
            ("fish", ".config/fish/completions/resus.fish"),
        ] {
            let path = format!("/usr/bin/{name}");
            let missing = of(&path);
            assert!(missing.fix.is_some_and(|fix| fix.ends_with(file)), "{name}");
            let file = home.path().join(file);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, "").unwrap();
            let found = of(&path);
            assert!(found.fix.is_none() && found.said.starts_with(name), "{found:?}");
        }
        let other = tempfile::tempdir().unwrap();
        fs::write(other.path().join(".bashrc"), "source <(resus completion bash)\n").unwrap();
        assert!(shell(Some("bash".to_owned()), Some(other.path()), None).completion.is_some());
        assert_eq!(completion_of(&shell(Some("/bin/tcsh".to_owned()), None, None)).fix, None);
        assert_eq!(completion_of(&shell(None, None, None)).mark, Good);
    }
}
