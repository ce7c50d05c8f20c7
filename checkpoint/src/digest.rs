//! BLAKE3 of a file whose pieces come in any order. BLAKE3 is a tree: the hash of every aligned piece of
//! a power of two of bytes (a slab) is a node of it, so threads can work on different slabs, and the
//! result is the plain hash that `b3sum` computes.

use blake3::hazmat::{HasherExt, Mode, merge_subtrees_non_root, merge_subtrees_root};

/// Bytes of a slab.
pub(crate) const SLAB_BYTES: u64 = 4 << 20;

/// Size of a digest.
pub(crate) const DIGEST_BYTES: usize = 32;

/// A node of the tree, or its root.
pub(crate) type Node = [u8; DIGEST_BYTES];

/// The hash of one slab, while its bytes come in order.
#[derive(Clone, Debug)]
pub(crate) struct SlabHash {
    index: u64,
    hasher: blake3::Hasher,
}

impl SlabHash {
    pub(crate) fn new(index: u64) -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.set_input_offset(index * SLAB_BYTES);
        Self { index, hasher }
    }

    /// Takes the next bytes. The caller stays within the slab.
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// Number of the slab within the file.
    pub(crate) fn index(&self) -> u64 {
        self.index
    }

    /// Where in the file the next byte lies.
    pub(crate) fn end(&self) -> u64 {
        self.index * SLAB_BYTES + self.hasher.count()
    }

    /// The node of a slab that has at least one byte. `only`: there is no other slab in the file.
    pub(crate) fn node(&self, only: bool) -> Node {
        if only { *self.hasher.finalize().as_bytes() } else { self.hasher.finalize_non_root() }
    }
}

/// The digest of the file with these slabs, in order; there is at least one.
pub(crate) fn root(nodes: &[Node]) -> Node {
    match nodes {
        [] => *blake3::hash(&[]).as_bytes(),
        [only] => *only,
        nodes => {
            let (left, right) = nodes.split_at(left_len(nodes.len()));
            *merge_subtrees_root(&subtree(left), &subtree(right), Mode::Hash).as_bytes()
        }
    }
}

fn subtree(nodes: &[Node]) -> Node {
    match nodes {
        [only] => *only,
        nodes => {
            let (left, right) = nodes.split_at(left_len(nodes.len()));
            merge_subtrees_non_root(&subtree(left), &subtree(right), Mode::Hash)
        }
    }
}

/// The left subtree takes the largest power of two that leaves something for the right one (BLAKE3
/// paper, section 2.1). `count` is at least 2.
fn left_len(count: usize) -> usize {
    count.div_ceil(2).next_power_of_two()
}

/// A digest as PULSE writes it: `blake3:` and 64 hexadecimal digits.
pub(crate) fn in_words(digest: &Node) -> String {
    format!("blake3:{}", blake3::Hash::from_bytes(*digest).to_hex())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_left_subtree_is_the_largest_power_of_two_below() {
        let found: Vec<usize> = (2..=9).map(left_len).collect();
        assert_eq!(found, [1, 2, 2, 4, 4, 4, 4, 8]);
    }

    #[test]
    fn hashed_in_slabs_is_hashed_plainly() {
        let slab = usize::try_from(SLAB_BYTES).unwrap();
        let bytes: Vec<u8> = (0..5 * slab + 1).map(|n| (n % 251) as u8).collect();
        for length in [1, 1024, slab - 1, slab, slab + 1, 3 * slab, 4 * slab + 7, 5 * slab + 1] {
            let bytes = &bytes[..length];
            let slabs: Vec<&[u8]> = bytes.chunks(slab).collect();
            let nodes: Vec<Node> = slabs
                .iter()
                .enumerate()
                .map(|(index, bytes)| {
                    let mut hash = SlabHash::new(index as u64);
                    hash.update(bytes);
                    hash.node(slabs.len() == 1)
                })
                .collect();
            assert_eq!(root(&nodes), *blake3::hash(bytes).as_bytes(), "{length} bytes");
        }
    }
}
