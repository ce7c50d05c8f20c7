//! The file to start from: every key with its comment, commented out.

use crate::settings::Voice;
use crate::settings::comments::{Line, lines};
use crate::settings::keys::{Reach, section_not_of_runs};
use std::fmt::Write;
use std::path::Path;

/// What the schema of a project's file is called.
pub(crate) const PROJECT_SCHEMA: &str = "resus.schema.json";

/// The starter of a user's or a project's file, whose schema lies at `schema`. A project's lies beside
/// it, so that the line means the same to everybody who has the project.
pub(crate) fn starter(voice: Voice, schema: &Path) -> String {
    let place = match voice {
        Voice::User => address(schema),
        Voice::Project => format!("./{PROJECT_SCHEMA}"),
    };
    let mut text = format!("#:schema {place}\n{}", head(voice));
    // Comments count once it is known whether what they are about is wanted.
    let (mut held, mut wanted) = (String::new(), false);
    for line in lines() {
        match line {
            Line::Section(name) => {
                held.clear();
                wanted = voice == Voice::User || section_not_of_runs(name).is_none();
                if wanted {
                    let _ = write!(text, "\n[{name}]\n");
                }
            }
            Line::Comment(words) => {
                let _ = writeln!(held, "# {words}");
            }
            Line::Key(key, line) => {
                if wanted && (voice == Voice::User || key.reach == Reach::Runs) {
                    let _ = writeln!(text, "{held}#{line}");
                }
                held.clear();
            }
            Line::Empty => held.clear(),
        }
    }
    text
}

fn head(voice: Voice) -> &'static str {
    match voice {
        Voice::User => {
            "# Settings of Resus, for everything you run on this machine. Remove the '#' before a key to set it;\n\
             # what is not set stays at its default, which is shown. A resus.toml in a project and --set come\n\
             # before this file. Afterwards: resus config check, and resus daemon reload.\n"
        }
        Voice::Project => {
            "# Settings of Resus for the runs that are started in this folder or below it. Remove the '#' before\n\
             # a key to set it; what is not set is as in your own settings. What is typed with --set comes\n\
             # before this file. Afterwards: resus config check. The first line is for editors.\n\
             # What it names is written anew by: resus config schema --project > resus.schema.json\n"
        }
    }
}

/// The address of a file (RFC 8089): what could end it or begin something else is encoded.
fn address(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt;
    let mut address = String::from("file://");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'/' | b'.' | b'-' | b'_' | b'~' => {
                address.push(char::from(*byte));
            }
            byte => {
                let _ = write!(address, "%{byte:02X}");
            }
        }
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::keys::KEYS;
    use crate::settings::layers::Layers;
    use crate::settings::project::Project;

    /// The text as somebody leaves it who wants every key.
    fn uncommented(text: &str) -> String {
        let bare = |line: &str| match line.strip_prefix('#') {
            Some(rest) if !rest.starts_with([' ', ':']) => rest.to_owned(),
            _ => line.to_owned(),
        };
        text.lines().map(|line| bare(line) + "\n").collect()
    }

    #[test]
    fn a_starter_sets_nothing_and_every_key_in_it_is_one() {
        for (voice, keys) in [
            (Voice::User, KEYS.len()),
            (Voice::Project, KEYS.iter().filter(|key| key.reach == Reach::Runs).count()),
        ] {
            let text = starter(voice, Path::new("/c d/schema.json"));
            let place = match voice {
                Voice::User => "file:///c%20d/schema.json",
                Voice::Project => "./resus.schema.json",
            };
            assert!(text.starts_with(&format!("#:schema {place}\n# ")), "{text}");
            for (text, named) in [(text.clone(), 0), (uncommented(&text), keys)] {
                let mut layers = Layers::defaults();
                layers.user("", Path::new("/u"));
                match voice {
                    Voice::User => layers.user(&text, Path::new("/f")),
                    Voice::Project => layers.project(Project::Ours("/f".into(), text)),
                }
                let layers = layers.checked().expect("valid");
                let of_file = layers.values.values().filter(|value| value.origin.words(None) == "/f");
                assert_eq!(of_file.count(), named, "{voice:?}");
            }
        }
    }
}
