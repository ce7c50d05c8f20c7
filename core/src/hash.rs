//! A hash that is the same on every machine and in every version: decisions depend on it.

/// FNV-1a, 64 bit (constants from the algorithm's reference, draft-eastlake-fnv).
#[must_use]
pub(crate) fn fnv1a(bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}
