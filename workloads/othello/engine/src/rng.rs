//! A small deterministic random number generator: SplitMix64 (Steele, Lea and Flood, 2014).
//!
//! Training must give the same bits on every machine and for every thread count, so each game draws from
//! a generator of its own, keyed by the run's seed and the game's number, never from a shared one.

/// The odd constant nearest to 2^64 divided by the golden ratio: the step of the SplitMix64 counter.
const GOLDEN_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// A SplitMix64 generator: 64 bits of state, period 2^64.
#[derive(Clone, Debug)]
pub struct Rng {
    state: u64,
}

impl Rng {
    /// The generator of stream `stream` under `seed`: for example one stream per game.
    pub fn for_stream(seed: u64, stream: u64) -> Self {
        Self { state: mix(mix(seed ^ GOLDEN_STEP).wrapping_add(stream)) }
    }

    /// The next 64 uniform bits.
    #[inline]
    pub fn next_u64(&mut self) -> u64 {
        self.state = self.state.wrapping_add(GOLDEN_STEP);
        mix(self.state)
    }

    /// A number in `0..bound`; 0 when `bound` is 0. Multiply-shift: the bias is below 2^-32.
    #[inline]
    pub fn below(&mut self, bound: u32) -> u32 {
        let high = self.next_u64() >> 32;
        ((high * u64::from(bound)) >> 32) as u32
    }

    /// True with probability `probability` (clamped to 0..=1 by comparison).
    #[inline]
    pub fn chance(&mut self, probability: f32) -> bool {
        // 24 bits are exactly representable in an f32.
        let unit = (self.next_u64() >> 40) as f32 / (1u32 << 24) as f32;
        unit < probability
    }

    /// One of the squares set in `set`, each equally likely; `None` when the set is empty.
    #[inline]
    pub fn pick(&mut self, set: u64) -> Option<u8> {
        let mut rest = set;
        for _ in 0..self.below(set.count_ones()) {
            rest &= rest.wrapping_sub(1);
        }
        (rest != 0).then(|| rest.trailing_zeros() as u8)
    }
}

/// The SplitMix64 finaliser: a bijection on 64 bits in which every input bit reaches every output bit.
#[inline]
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_sequence_of_splitmix64_is_reproduced() {
        let mut rng = Rng { state: 1_234_567 };
        let first: Vec<u64> = (0..3).map(|_| rng.next_u64()).collect();
        assert_eq!(first, [6_457_827_717_110_365_317, 3_203_168_211_198_807_973, 9_817_491_932_198_370_423]);
    }

    #[test]
    fn streams_of_one_seed_differ_and_repeat() {
        let draw = |stream| Rng::for_stream(7, stream).next_u64();
        assert_ne!(draw(0), draw(1));
        assert_eq!(draw(1), draw(1));
    }

    #[test]
    fn every_square_of_a_set_is_picked_about_equally_often() {
        let set = (1 << 3) | (1 << 17) | (1 << 63);
        let mut rng = Rng::for_stream(1, 1);
        let mut counts = [0u32; 64];
        for _ in 0..30_000 {
            counts[usize::from(rng.pick(set).expect("the set is not empty"))] += 1;
        }
        for square in [3, 17, 63] {
            assert!((9_500..10_500).contains(&counts[square]), "square {square}: {}", counts[square]);
        }
        assert_eq!(counts.iter().sum::<u32>(), 30_000);
    }

    #[test]
    fn nothing_is_picked_from_an_empty_set() {
        assert_eq!(Rng::for_stream(1, 1).pick(0), None);
    }
}
