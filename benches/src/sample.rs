//! Samples of durations and what is said about them.

use std::time::Duration;

/// Durations of the same thing done again and again.
#[derive(Debug, Default)]
pub struct Sample {
    microseconds: Vec<f64>,
}

impl Sample {
    /// Adds one.
    pub fn add(&mut self, took: Duration) {
        self.microseconds.push(took.as_secs_f64() * 1e6);
    }

    /// The duration in microseconds that a share of all does not exceed (nearest rank), e.g.
    /// 0.99 for p99; rounded to a tenth. `None` of nothing.
    #[must_use]
    pub fn quantile_us(&self, share: f64) -> Option<f64> {
        let mut sorted = self.microseconds.clone();
        sorted.sort_by(f64::total_cmp);
        let rank = (share * sorted.len() as f64).ceil() as usize;
        sorted.get(rank.clamp(1, sorted.len().max(1)) - 1).map(|us| (us * 10.0).round() / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_values_that_occurred() {
        let mut sample = Sample::default();
        assert_eq!(sample.quantile_us(0.5), None);
        for us in (1..=100).rev() {
            sample.add(Duration::from_micros(us));
        }
        let of = |share| sample.quantile_us(share);
        assert_eq!((of(0.0), of(0.5), of(0.99), of(1.0)), (Some(1.0), Some(50.0), Some(99.0), Some(100.0)));
    }
}
