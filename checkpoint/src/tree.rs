//! The digest of a file that is written from front to back, except for its front, which comes last.

use std::borrow::Cow;

use rayon::prelude::*;

use crate::digest::{Node, SLAB_BYTES, SlabHash, root};

/// The slabs behind the front. Slabs that a batch of bytes fills are hashed by several threads.
#[derive(Debug, Default)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    open: Option<SlabHash>,
}

impl Tree {
    /// Takes the bytes that follow those it took before; `at` is where they lie in the file, and at first
    /// the beginning of a slab.
    pub(crate) fn take(&mut self, mut at: u64, pieces: &[Cow<'_, [u8]>]) {
        let mut work: Vec<(SlabHash, Vec<&[u8]>)> =
            self.open.take().map(|hash| (hash, Vec::new())).into_iter().collect();
        for piece in pieces {
            let mut bytes = piece.as_ref();
            while !bytes.is_empty() {
                let index = at / SLAB_BYTES;
                let here = usize::try_from((index + 1) * SLAB_BYTES - at).unwrap_or(usize::MAX);
                let (now, rest) = bytes.split_at(here.min(bytes.len()));
                match work.last_mut() {
                    Some((hash, slices)) if hash.index() == index => slices.push(now),
                    _ => work.push((SlabHash::new(index), vec![now])),
                }
                at += now.len() as u64;
                bytes = rest;
            }
        }
        let hash = |(mut hash, slices): (SlabHash, Vec<&[u8]>)| {
            slices.into_iter().for_each(|slice| hash.update(slice));
            hash
        };
        let hashes: Vec<SlabHash> = work.into_par_iter().map(hash).collect();
        for hash in hashes {
            if hash.end() % SLAB_BYTES == 0 {
                self.nodes.push(hash.node(false));
            } else {
                self.open = Some(hash);
            }
        }
    }

    /// The digest of `front` followed by what was taken.
    pub(crate) fn finish(mut self, front: &[u8]) -> Node {
        if let Some(open) = self.open.take() {
            self.nodes.push(open.node(false));
        }
        let only = self.nodes.is_empty() && front.len() as u64 <= SLAB_BYTES;
        let slab_bytes = usize::try_from(SLAB_BYTES).unwrap_or(usize::MAX);
        let nodes = front.chunks(slab_bytes).enumerate().map(|(index, bytes)| {
            let mut hash = SlabHash::new(index as u64);
            hash.update(bytes);
            hash.node(only)
        });
        let nodes: Vec<Node> = nodes.chain(self.nodes).collect();
        root(&nodes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_does_not_depend_on_how_the_bytes_come() {
        let slab = SLAB_BYTES as usize;
        let bytes: Vec<u8> = (0..3 * slab + 12_345).map(|n| (n % 253) as u8).collect();
        let expected = *blake3::hash(&bytes).as_bytes();
        for (front, batch, piece) in
            [(slab, slab, slab), (2 * slab, 3_000_000, 1_000_000), (slab, 5_000_000, 77_777)]
        {
            let mut tree = Tree::default();
            let mut at = front as u64;
            for batch in bytes[front..].chunks(batch) {
                let pieces: Vec<Cow<'_, [u8]>> = batch.chunks(piece).map(Cow::Borrowed).collect();
                tree.take(at, &pieces);
                at += batch.len() as u64;
            }
            assert_eq!(tree.finish(&bytes[..front]), expected);
        }
        assert_eq!(Tree::default().finish(&bytes[..1000]), *blake3::hash(&bytes[..1000]).as_bytes());
        assert_eq!(Tree::default().finish(&bytes), expected);
    }
}
