//! How fast saving, verifying and loading are beside what the disk and the memory can do at all:
//! `cargo run --release -p resus-checkpoint --example speed -- FOLDER`. The folder must exist; files of
//! 285 MB are written to it and removed again.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

use resus_checkpoint::{
    CHUNK_BYTES, Compression, Draft, Element, Meta, SaveOptions, Section, load, save_with, verify,
};

const SECTION_BYTES: [usize; 3] = [57_000_000, 114_000_000, 114_000_000];
const ROUNDS: usize = 7;

fn main() -> Result<(), Box<dyn Error>> {
    let folder = std::env::args_os().nth(1).ok_or("usage: speed FOLDER")?;
    let folder = Path::new(&folder);
    let state: Vec<Vec<u8>> = SECTION_BYTES.iter().map(|bytes| floats(*bytes)).collect();
    let meta = Meta::default();
    let parts: Vec<[&[u8]; 1]> = state.iter().map(|bytes| [bytes.as_slice()]).collect();
    let sections: Vec<Section<'_>> = parts
        .iter()
        .zip(["a", "b", "c"])
        .map(|(parts, name)| Section { name, element: Element::F32, parts, compression: Compression::None })
        .collect();
    let draft = Draft { games: 1, unix_time: 1, meta: &meta, sections: &sections };
    let options = SaveOptions { read_back: false, chunk_bytes: CHUNK_BYTES, ..SaveOptions::default() };
    let bytes: usize = SECTION_BYTES.iter().sum();
    let path = folder.join("speed.prsm");
    let mut figures = [const { Vec::new() }; 6];
    for _ in 0..ROUNDS {
        figures[0].push(timed(|| bare_save(folder, &state))?);
        figures[1].push(timed(|| Ok(save_with(&options, folder, "speed.prsm", &draft)?))?);
        let with_read_back = SaveOptions { read_back: true, ..options.clone() };
        figures[2].push(timed(|| Ok(save_with(&with_read_back, folder, "speed.prsm", &draft)?))?);
        fs::read(&path)?;
        figures[3].push(timed(|| Ok(verify(&path)?))?);
        figures[4].push(timed(|| Ok(fs::read(&path)?))?);
        figures[5].push(timed(|| Ok(load(&path)?))?);
    }
    fs::remove_file(&path)?;
    let names = ["write + fsync", "save, no read-back", "save", "verify, warm", "read, warm", "load, warm"];
    for (name, times) in names.iter().zip(&mut figures) {
        times.sort_unstable_by(f64::total_cmp);
        let (best, median) = (times[0], times[ROUNDS / 2]);
        println!(
            "{name:20} best {:6.1} ms  median {:6.1} ms  {:5.2} GB/s",
            best * 1e3,
            median * 1e3,
            bytes as f64 / median / 1e9
        );
    }
    Ok(())
}

/// Bytes of small floats.
fn floats(bytes: usize) -> Vec<u8> {
    let mut state = 88_172_645_463_325_252_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 * 1e-9
    };
    (0..bytes / 4).flat_map(|_| next().to_le_bytes()).collect()
}

fn timed<T>(work: impl FnOnce() -> Result<T, Box<dyn Error>>) -> Result<f64, Box<dyn Error>> {
    let start = Instant::now();
    let result = work()?;
    let seconds = start.elapsed().as_secs_f64();
    drop(result);
    Ok(seconds)
}

fn bare_save(folder: &Path, state: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
    let (temp, path) = (folder.join("bare.tmp"), folder.join("bare"));
    let mut file = File::create(&temp)?;
    for bytes in state {
        file.write_all(bytes)?;
    }
    file.sync_all()?;
    fs::rename(temp, &path)?;
    File::open(folder)?.sync_all()?;
    fs::remove_file(path)?;
    Ok(())
}
