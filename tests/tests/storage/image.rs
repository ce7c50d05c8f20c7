//! The content of a disk, and everything that was ever written to it, in order: any part of that can
//! be what a power cut leaves.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// Content is kept in blocks of this size.
const BLOCK_BYTES: u64 = 4096;
/// What a disk writes as a whole or not at all.
const SECTOR_BYTES: usize = 512;

/// The content of a disk. Copies share what they have in common.
#[derive(Clone, Default)]
pub struct Image {
    blocks: BTreeMap<u64, Arc<Vec<u8>>>,
}

impl Image {
    pub fn read(&self, at: u64, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        for (block, within, range) in pieces(at, count) {
            if let Some(content) = self.blocks.get(&block) {
                let end = within + range.len();
                bytes[range].copy_from_slice(&content[within..end]);
            }
        }
        bytes
    }

    pub fn write(&mut self, at: u64, bytes: &[u8]) {
        for (block, within, range) in pieces(at, bytes.len()) {
            let content = self.blocks.entry(block).or_insert_with(|| Arc::new(vec![0; BLOCK_BYTES as usize]));
            let end = within + range.len();
            Arc::make_mut(content)[within..end].copy_from_slice(&bytes[range]);
        }
    }
}

/// The blocks that a range touches: block, offset within it, range of the bytes.
fn pieces(at: u64, count: usize) -> impl Iterator<Item = (u64, usize, std::ops::Range<usize>)> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= count {
            return None;
        }
        let place = at + start as u64;
        let within = (place % BLOCK_BYTES) as usize;
        let end = count.min(start + BLOCK_BYTES as usize - within);
        let range = start..end;
        start = end;
        Some((place / BLOCK_BYTES, within, range))
    })
}

/// Something the disk was told.
#[derive(Clone)]
pub enum Record {
    Write { at: u64, bytes: Arc<[u8]> },
    Flush,
}

/// How the disk behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mood {
    Well,
    /// Every write and flush fails.
    Fails,
    /// Flushes are confirmed and not done.
    Lies,
    /// Every write and flush takes so long.
    Slow(Duration),
}

/// A disk that remembers.
pub struct Recorder {
    pub size: u64,
    pub now: Image,
    base: Image,
    log: Vec<Record>,
    pub mood: Mood,
    /// Requests that failed or were lied about.
    pub struck: usize,
}

impl Recorder {
    pub fn new(size: u64) -> Self {
        Self::holding(Image::default(), size)
    }

    pub fn holding(image: Image, size: u64) -> Self {
        Self { size, now: image.clone(), base: image, log: Vec::new(), mood: Mood::Well, struck: 0 }
    }

    /// Forgets how it came to its content.
    pub fn settle(&mut self) {
        self.base = self.now.clone();
        self.log.clear();
    }

    /// How much it was told since.
    pub fn told(&self) -> usize {
        self.log.len()
    }

    /// Takes a write. False if it fails.
    pub fn write(&mut self, at: u64, bytes: &[u8]) -> bool {
        if self.mood == Mood::Fails {
            self.struck += 1;
            return false;
        }
        self.now.write(at, bytes);
        self.log.push(Record::Write { at, bytes: bytes.into() });
        true
    }

    /// Takes a flush. False if it fails.
    pub fn flush(&mut self) -> bool {
        match self.mood {
            Mood::Well | Mood::Slow(_) => self.log.push(Record::Flush),
            Mood::Lies => self.struck += 1,
            Mood::Fails => {
                self.struck += 1;
                return false;
            }
        }
        true
    }

    /// What a power cut leaves after the first `told` records. Without a seed all of it is on disk;
    /// with one, of what no flush covers some is lost and some is torn.
    pub fn after_power_cut(&self, told: usize, seed: Option<u64>) -> Image {
        let records = &self.log[..told];
        let covered = records.iter().rposition(|record| matches!(record, Record::Flush)).unwrap_or(0);
        let mut image = self.base.clone();
        let mut chance = Chance(seed.unwrap_or(0) ^ told as u64);
        for (index, record) in records.iter().enumerate() {
            let Record::Write { at, bytes } = record else { continue };
            let kept = match seed {
                Some(_) if index > covered => chance.kept(bytes.len()),
                Some(_) | None => bytes.len(),
            };
            image.write(*at, &bytes[..kept]);
        }
        image
    }

    /// How much of the first `told` records no flush covers.
    pub fn unflushed(&self, told: usize) -> usize {
        self.log[..told].iter().rev().take_while(|record| matches!(record, Record::Write { .. })).count()
    }
}

/// A small generator of pseudo-random numbers (splitmix64).
pub struct Chance(pub u64);

impl Chance {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// How many bytes of a write are found: none, all, or some sectors from the front.
    fn kept(&mut self, bytes: usize) -> usize {
        match self.next() % 8 {
            0..4 => bytes,
            4..7 => 0,
            _ => (self.next() as usize % (bytes / SECTOR_BYTES + 1)) * SECTOR_BYTES,
        }
    }
}

#[test]
fn what_was_flushed_is_found_and_the_rest_in_part() {
    let mut disk = Recorder::new(1 << 20);
    assert!(disk.write(100, &[1; 5000]) && disk.flush());
    for at in 0..64 {
        assert!(disk.write(8192 + at * 512, &[2; 512]));
    }
    let image = disk.after_power_cut(disk.told(), None);
    assert_eq!(image.read(99, 5002), [&[0][..], &[1; 5000], &[0]].concat());
    assert_eq!(image.read(8192, 64 * 512), vec![2; 64 * 512]);
    assert_eq!(disk.unflushed(disk.told()), 64);
    let image = disk.after_power_cut(disk.told(), Some(1));
    assert_eq!(image.read(100, 5000), [1; 5000]);
    let found = image.read(8192, 64 * 512).iter().filter(|byte| **byte == 2).count() / 512;
    assert!((8..56).contains(&found), "{found}");
    assert_eq!(disk.after_power_cut(2, Some(1)).read(8192, 512), [0; 512]);
}

#[test]
fn a_disk_in_a_mood_says_what_it_does() {
    let mut disk = Recorder::new(1 << 20);
    disk.mood = Mood::Lies;
    assert!(disk.write(0, &[1; 512]) && disk.flush());
    assert_eq!(disk.unflushed(disk.told()), 1, "the flush was not done");
    disk.mood = Mood::Fails;
    assert!(!disk.write(0, &[2; 512]) && !disk.flush());
    assert_eq!(disk.now.read(0, 1), [1]);
    assert_eq!(disk.struck, 3);
}
