//! A trainer that does nothing but save, for tests that kill it and fail its system calls.
//!
//! * `trainer FOLDER save STEP BYTES` saves one step.
//! * `trainer FOLDER retain KEEP` removes what is older than the newest KEEP.
//! * `trainer FOLDER newest` loads the newest step and says `newest STEP`.
//! * `trainer FOLDER loop BYTES` goes on from the newest step, saving and retaining three, until killed.
//!
//! After each save it says `saved STEP`; the loop says `began` before the first. It ends with code 1 if something failed.

#![expect(clippy::unwrap_used, reason = "what it shares with the tests fails as they do")]

#[path = "../tests/storage/keeper.rs"]
mod keeper;

use std::error::Error;
use std::io::{self, Write};
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        [folder, "save", step, bytes] => save(Path::new(folder), step.parse()?, bytes.parse()?),
        [folder, "retain", keep] => {
            let removed = keeper::retain(Path::new(folder), keep.parse()?)?;
            println!("removed {removed}, {} load", keeper::good(Path::new(folder)).len());
            Ok(())
        }
        [folder, "newest"] => {
            let step = keeper::newest(Path::new(folder)).ok_or("there is none")?;
            println!("newest {step}");
            Ok(())
        }
        [folder, "loop", bytes] => {
            let folder = Path::new(folder);
            resus_checkpoint::remove_leftovers(folder)?;
            let first = keeper::newest(folder).map_or(1, |step| step + 1);
            say("began")?;
            for step in first.. {
                save(folder, step, bytes.parse()?)?;
                keeper::retain(folder, 3)?;
            }
            Ok(())
        }
        _ => Err("usage: trainer FOLDER save STEP BYTES | retain KEEP | newest | loop BYTES".into()),
    }
}

fn save(folder: &Path, step: u64, bytes: usize) -> Result<(), Box<dyn Error>> {
    keeper::save(folder, step, bytes)?;
    Ok(say(&format!("saved {step}"))?)
}

/// In one system call, so that a listener never hears half of it.
fn say(line: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{line}\n").as_bytes())?;
    out.flush()
}
