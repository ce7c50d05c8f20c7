//! What was changed on a disk, in order, and which of it would survive a power cut.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use crate::faulty::tree::{Node, Number, Place, Tree, put};

/// What a disk writes as a whole or not at all.
const SECTOR_BYTES: u64 = 512;

/// One change, or one wish that changes be durable.
#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Something that has no name yet.
    Born(Number, Node),
    Write {
        file: Number,
        at: u64,
        bytes: Arc<[u8]>,
    },
    Resize {
        file: Number,
        size: u64,
    },
    /// Names that change together or not at all.
    Names(Vec<(Place, Option<Number>)>),
    /// The medium of a file holds other bytes from here on, whatever was written to it before.
    Rot {
        file: Number,
        bytes: Arc<[u8]>,
    },
    /// Of a file or a folder. `done` is false for one that failed: what it was to bring to disk is in
    /// doubt for ever.
    Sync {
        what: Number,
        done: bool,
    },
}

/// A part of a step that may or may not be found after a power cut.
#[derive(Clone, Debug)]
pub(super) struct Doubt {
    pub step: usize,
    pub part: Part,
    /// Doubts before this one without which this one cannot be found.
    pub needs: Vec<usize>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Part {
    /// These of a write's bytes: what of it lies in one sector.
    Bytes(Range<usize>),
    /// The new size of the file.
    Size,
    Names,
}

/// What the syncs among some steps have made of them.
pub(super) struct Judgement {
    pub doubts: Vec<Doubt>,
    /// Step → its size is on disk.
    certain_sizes: Vec<bool>,
    /// Step → its bytes, or its names, are on disk.
    certain: Vec<bool>,
}

/// The first sync of `what` behind `step`: whether there is one, and whether it was done.
fn first_sync(steps: &[Step], step: usize, what: Number) -> Option<bool> {
    syncs(steps, step, what).next()
}

/// The syncs of `what` behind `step`: whether each was done.
fn syncs(steps: &[Step], step: usize, what: Number) -> impl Iterator<Item = bool> {
    steps.iter().skip(step + 1).filter_map(move |later| match later {
        Step::Sync { what: synced, done } => (*synced == what).then_some(*done),
        Step::Born(..) | Step::Write { .. } | Step::Resize { .. } | Step::Names(_) | Step::Rot { .. } => None,
    })
}

impl Judgement {
    /// Judges `steps`, done on a disk that held `base`.
    pub(super) fn of(base: &Tree, steps: &[Step]) -> Self {
        let mut certain = vec![false; steps.len()];
        let mut certain_sizes = vec![false; steps.len()];
        for (index, step) in steps.iter().enumerate() {
            match step {
                Step::Write { file, .. } | Step::Resize { file, .. } => {
                    certain[index] = first_sync(steps, index, *file) == Some(true);
                    certain_sizes[index] = syncs(steps, index, *file).any(|done| done);
                }
                Step::Names(changes) => {
                    certain[index] = changes
                        .iter()
                        .any(|((folder, _), _)| first_sync(steps, index, *folder) == Some(true));
                }
                Step::Born(..) | Step::Sync { .. } | Step::Rot { .. } => certain[index] = true,
            }
        }
        let needs = needs_of_names(steps);
        for index in (0..steps.len()).rev() {
            if certain[index] {
                needs[index].iter().for_each(|needed| certain[*needed] = true);
            }
        }
        let doubts = Doubts::of(base, steps, &needs, &certain, &certain_sizes);
        Self { doubts, certain_sizes, certain }
    }

    /// What is found of `steps` on a disk that held `base`, if `kept` says which doubts are found.
    pub(super) fn build(&self, base: &Tree, steps: &[Step], kept: &[bool]) -> Tree {
        let mut found: BTreeMap<usize, Vec<&Part>> = BTreeMap::new();
        for (doubt, kept) in self.doubts.iter().zip(kept) {
            if *kept {
                found.entry(doubt.step).or_default().push(&doubt.part);
            }
        }
        let mut tree = base.clone();
        let mut sizes: BTreeMap<Number, u64> = BTreeMap::new();
        for (index, step) in steps.iter().enumerate() {
            let parts = found.get(&index).map(Vec::as_slice).unwrap_or_default();
            let size_found = self.certain_sizes[index] || parts.contains(&&Part::Size);
            match step {
                Step::Born(number, node) => tree.add(*number, node.clone()),
                Step::Names(changes) => {
                    if self.certain[index] || parts.contains(&&Part::Names) {
                        changes.iter().for_each(|(place, number)| tree.set_name(place, *number));
                    }
                }
                Step::Write { file, at, bytes } => {
                    let Some(content) = tree.bytes_mut(*file) else { continue };
                    let size = sizes.entry(*file).or_insert(content.len() as u64);
                    let start = usize::try_from(*at).unwrap_or(usize::MAX);
                    if self.certain[index] {
                        put(content, start, bytes);
                    }
                    for part in parts {
                        if let Part::Bytes(range) = part {
                            put(content, start.saturating_add(range.start), &bytes[range.clone()]);
                        }
                    }
                    if size_found {
                        *size = (*size).max(at.saturating_add(bytes.len() as u64));
                    }
                    tree.touch(*file, index as u64);
                }
                Step::Resize { file, size: wanted } => {
                    let Some(content) = tree.bytes_mut(*file) else { continue };
                    let size = sizes.entry(*file).or_insert(content.len() as u64);
                    if size_found {
                        content.truncate(usize::try_from(*wanted).unwrap_or(usize::MAX));
                        *size = *wanted;
                    }
                }
                Step::Rot { file, bytes } => {
                    tree.add(*file, Node::File(bytes.to_vec()));
                    sizes.insert(*file, bytes.len() as u64);
                }
                Step::Sync { .. } => {}
            }
        }
        for (file, size) in sizes {
            if let Some(content) = tree.bytes_mut(file) {
                content.resize(usize::try_from(size).unwrap_or(usize::MAX), 0);
            }
        }
        tree
    }
}

/// Collects what is in doubt.
struct Doubts<'a> {
    base: &'a Tree,
    found: Vec<Doubt>,
    /// Step → its doubt.
    of_names: BTreeMap<usize, usize>,
    files: BTreeMap<Number, FileDoubts>,
}

#[derive(Default)]
struct FileDoubts {
    /// Its size so far, as its users see it.
    size: u64,
    /// The last change of its size that is in doubt.
    last_size: Option<usize>,
    /// The last one that made it shorter. What is written behind a cut is in new blocks: it is not found
    /// where the old ones still are.
    last_cut: Option<usize>,
}

impl<'a> Doubts<'a> {
    fn of(
        base: &'a Tree,
        steps: &[Step],
        needs: &[Vec<usize>],
        certain: &[bool],
        certain_sizes: &[bool],
    ) -> Vec<Doubt> {
        let (found, of_names, files) = (Vec::new(), BTreeMap::new(), BTreeMap::new());
        let mut doubts = Self { base, found, of_names, files };
        for (index, step) in steps.iter().enumerate() {
            match step {
                Step::Write { file, at, bytes } => {
                    if !certain[index] {
                        doubts.bytes(index, *file, *at, bytes.len());
                    }
                    let end = at.saturating_add(bytes.len() as u64);
                    if end > doubts.file(*file).size {
                        doubts.size(index, *file, end, certain_sizes[index]);
                    }
                }
                Step::Resize { file, size } => doubts.size(index, *file, *size, certain_sizes[index]),
                Step::Names(_) if !certain[index] => doubts.names(index, &needs[index]),
                Step::Names(_) | Step::Born(..) | Step::Sync { .. } | Step::Rot { .. } => {}
            }
        }
        doubts.found
    }

    fn file(&mut self, file: Number) -> &mut FileDoubts {
        let size = || self.base.bytes(file).map_or(0, |bytes| bytes.len() as u64);
        self.files.entry(file).or_insert_with(|| FileDoubts { size: size(), ..FileDoubts::default() })
    }

    fn bytes(&mut self, step: usize, file: Number, at: u64, count: usize) {
        let needs: Vec<usize> = self.file(file).last_cut.into_iter().collect();
        let parts = sectors(at, count).map(Part::Bytes);
        self.found.extend(parts.map(|part| Doubt { step, part, needs: needs.clone() }));
    }

    fn size(&mut self, step: usize, file: Number, size: u64, is_certain: bool) {
        let doubt = self.found.len();
        let file = self.file(file);
        let cuts = size < file.size;
        file.size = size;
        if !is_certain {
            let needs = file.last_size.replace(doubt).into_iter().collect();
            if cuts {
                file.last_cut = Some(doubt);
            }
            self.found.push(Doubt { step, part: Part::Size, needs });
        }
    }

    fn names(&mut self, step: usize, needs: &[usize]) {
        let needs = needs.iter().filter_map(|need| self.of_names.get(need).copied()).collect();
        self.of_names.insert(step, self.found.len());
        self.found.push(Doubt { step, part: Part::Names, needs });
    }
}

/// For each step that changes names, those before it that changed one of the same names last.
fn needs_of_names(steps: &[Step]) -> Vec<Vec<usize>> {
    let mut last: BTreeMap<&Place, usize> = BTreeMap::new();
    let mut needs = vec![Vec::new(); steps.len()];
    for (index, step) in steps.iter().enumerate() {
        if let Step::Names(changes) = step {
            for (place, _) in changes {
                needs[index].extend(last.insert(place, index).filter(|before| *before != index));
            }
        }
    }
    needs
}

/// The parts of a write that lie in one sector each, as ranges of its bytes.
fn sectors(at: u64, count: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    std::iter::from_fn(move || {
        if start >= count {
            return None;
        }
        let within = at.saturating_add(start as u64) % SECTOR_BYTES;
        let room = usize::try_from(SECTOR_BYTES - within).unwrap_or(usize::MAX);
        let end = start.saturating_add(room).min(count);
        let range = start..end;
        start = end;
        Some(range)
    })
}
