//! Whatever stands in a file: no panic, places within the text, and what is refused changes
//! nothing.

use super::*;
use crate::settings::fault::Place;
use crate::settings::keys::{KEYS, Reach};
use crate::settings::layers::{Layers, Value};
use crate::settings::project::Project;
use crate::settings::reload::Live;
use std::collections::BTreeMap;

/// Documents of a test.
const DOCUMENTS: u64 = 12_000;

/// Numbers that look random and are the same every time (xorshift64*, Vigna 2016).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).expect("31 bits") % sides
    }

    fn one_of<'t>(&mut self, all: &[&'t str]) -> &'t str {
        all[self.roll(all.len())]
    }
}

const PIECES: &[&str] = &[
    "[",
    "]",
    "[[",
    "\n",
    "=",
    "\"",
    "'",
    "'''",
    "\"\"\"",
    "#",
    ".",
    ",",
    "{",
    "}",
    "retry",
    "max",
    "bus",
    "url",
    " ",
    "1",
    "-1",
    "0x",
    "1e9",
    "nan",
    "inf",
    "true",
    "\u{1b}",
    "\0",
    "\u{feff}",
    "ä",
    "\u{202e}",
    "\\u0000",
    "\r",
    "1979-05-27",
    "9223372036854775808",
    "retry.max = 1\n",
    "[retry]\n",
    "\"1h\"",
    "stop = {grace = '1s'}\n",
];
const VALUES: &[&str] = &[
    "0",
    "1",
    "5",
    "-1",
    "4294967296",
    "18446744073709551616",
    "2.0",
    "0.5",
    "-0.0",
    "1e300",
    "nan",
    "true",
    "false",
    "\"\"",
    "\"1s\"",
    "\"0s\"",
    "\"1h30m\"",
    "\"400d\"",
    "\"9999w\"",
    "\"1%\"",
    "\"100%\"",
    "\"0.05%\"",
    "\"64KiB\"",
    "\"20 GiB\"",
    "\"0B\"",
    "\"loss\"",
    "\"auc:max\"",
    "\"auc:odd\"",
    "\"local\"",
    "\"nats://ann:s3cret@h\"",
    "\"/etc/x\"",
    "\"x\"",
    "\"gpu-a1\"",
    "[]",
    "[1]",
    "{}",
    "{a=1}",
    "1979-05-27",
    "\"\\u001b[31m\"",
    "''",
    "",
];

/// A document: random bytes, pieces of TOML, our own file with a few changes, or random keys.
fn document(dice: &mut Dice, defaults: &BTreeMap<&'static str, Value>) -> Vec<u8> {
    match dice.roll(8) {
        0 => (0..dice.roll(200)).map(|_| u8::try_from(dice.roll(256)).expect("a byte")).collect(),
        1 | 2 => (0..dice.roll(40)).map(|_| dice.one_of(PIECES)).collect::<String>().into_bytes(),
        3 => {
            let mut bytes = DEFAULT.as_bytes().to_vec();
            for _ in 0..=dice.roll(4) {
                let at = dice.roll(bytes.len());
                match dice.roll(3) {
                    0 => drop(bytes.remove(at)),
                    1 => bytes[at] = u8::try_from(dice.roll(256)).expect("a byte"),
                    _ => drop(bytes.splice(at..at, dice.one_of(PIECES).bytes())),
                }
            }
            bytes
        }
        _ => {
            let lines = (0..=dice.roll(6)).map(|_| {
                let key = &KEYS[dice.roll(KEYS.len())];
                // Every second value is one of its key, so that whole documents fit now and then.
                let own = defaults.get(key.name).map_or("", |value| value.written.toml.as_str());
                let value = if dice.roll(2) == 0 { own } else { dice.one_of(VALUES) };
                match dice.roll(10) {
                    0 => format!("{} = {value}\n", key.last()),
                    1 => format!("[{}]\n{}x = {value}\n", key.section(), key.last()),
                    _ => format!("{} = {value}\n", key.name),
                }
            });
            lines.collect::<String>().into_bytes()
        }
    }
}

fn within(place: Place, text: &str) -> bool {
    let lines: Vec<&str> = text.split('\n').collect();
    let line = lines.get(place.line.wrapping_sub(1));
    line.is_some_and(|line| (1..=line.chars().count() + 1).contains(&place.column))
}

/// The faults of `layers` with the place of each in `text`.
fn judged(layers: Layers, text: &str) -> Option<Layers> {
    match layers.checked() {
        Ok(layers) => Some(layers),
        Err(SettingsError::Invalid { documents }) => {
            assert!(!documents.is_empty());
            for fault in documents.iter().flat_map(|document| &document.faults) {
                let place = fault.place.expect("a document's faults have places");
                assert!(within(place, text), "{fault:?} in {text:?}");
            }
            let told = SettingsError::Invalid { documents }.details().join("");
            assert!(!told.contains("s3cret"), "{told}");
            assert!(!told.chars().any(char::is_control), "{told:?}");
            None
        }
        Err(other) => panic!("{other:?}"),
    }
}

#[test]
fn no_document_ends_us_and_what_is_refused_changes_nothing() {
    let mut dice = Dice(0x5EED);
    let defaults = Layers::defaults().values;
    let mut live = Live::new(Settings::built_in().expect("valid"), None, None, String::new());
    let (mut taken, mut refused, mut projects) = (0, 0, 0);
    for n in 0..DOCUMENTS {
        let text = String::from_utf8_lossy(&document(&mut dice, &defaults)).into_owned();
        let before = live.clone();
        let read = Settings::built_in().expect("valid").with_file(&text, "/f".into());
        let mut layers = Layers::defaults();
        layers.user(&text, Path::new("/f"));
        let user = judged(layers, &text);
        assert_eq!(user.is_some(), read.is_ok(), "both ways to read a file agree: {text:?}");
        match live.take(read.map(|settings| (settings, None)), n.to_string()) {
            Ok(_) => taken += 1,
            Err(error) => {
                refused += 1;
                assert_eq!(live.now, before.now);
                let told = live.view.refused.as_ref().expect("told");
                assert_eq!((&told.faults, told.at.as_str()), (&error.details(), n.to_string().as_str()));
            }
        }
        let mut layers = Layers::defaults();
        layers.project(Project::Ours("/f".into(), text.clone()));
        if let Some(project) = judged(layers, &text) {
            projects += 1;
            let base = Settings::built_in().expect("valid");
            let stays = KEYS.iter().filter(|key| key.reach != Reach::Runs);
            assert!(stays.into_iter().all(|key| (key.same)(&base, &project.settings)), "{text:?}");
            let policy = project.of_project().over(base.policy);
            assert_eq!(policy, project.settings.policy, "what the daemon is told is what was read");
        }
    }
    assert!(taken > 500 && refused > 5_000 && projects > 300, "{taken} {refused} {projects}");
}
