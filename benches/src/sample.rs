//! Samples of durations and what is said about them.

use std::time::Duration;

use serde_json::{Map, Value, json};

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

    /// Adds those of another.
    pub fn join(&mut self, other: Self) {
        self.microseconds.extend(other.microseconds);
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.microseconds.len()
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

    /// As [`Sample::quantile_us`], in milliseconds, to a hundredth.
    #[must_use]
    pub fn quantile_ms(&self, share: f64) -> Option<f64> {
        self.quantile_us(share).map(|us| (us / 10.0).round() / 100.0)
    }

    /// Median, p95 and maximum in milliseconds, added to a result as `<name>_p50_ms` and so on.
    pub fn tell_ms(&self, name: &str, result: &mut Map<String, Value>) {
        for (quantile, share) in [("p50", 0.5), ("p95", 0.95), ("max", 1.0)] {
            result.insert(format!("{name}_{quantile}_ms"), json!(self.quantile_ms(share)));
        }
    }

    /// As [`Sample::tell_ms`], with p99 instead of p95.
    pub fn tell_tail_ms(&self, name: &str, result: &mut Map<String, Value>) {
        for (quantile, share) in [("p50", 0.5), ("p99", 0.99), ("max", 1.0)] {
            result.insert(format!("{name}_{quantile}_ms"), json!(self.quantile_ms(share)));
        }
    }

    /// How many milliseconds a quantile is longer than the same one of others together, at least
    /// 0; `None` of nothing.
    #[must_use]
    pub fn beyond_ms(&self, share: f64, others: &[&Self]) -> Option<f64> {
        let theirs: Option<f64> = others.iter().map(|other| other.quantile_us(share)).sum();
        let beyond = (self.quantile_us(share)? - theirs?).max(0.0);
        Some((beyond / 10.0).round() / 100.0)
    }

    /// How many times longer the median is than another's, to a hundredth; `None` of nothing.
    #[must_use]
    pub fn median_to(&self, other: &Self) -> Option<f64> {
        match (self.quantile_us(0.5), other.quantile_us(0.5)) {
            (Some(ours), Some(theirs)) if theirs > 0.0 => Some((ours / theirs * 100.0).round() / 100.0),
            _ => None,
        }
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

    #[test]
    fn figures_are_named_and_compared() {
        let (mut ours, mut theirs) = (Sample::default(), Sample::default());
        assert_eq!(ours.median_to(&theirs), None);
        for ms in [1, 2, 6] {
            ours.add(Duration::from_millis(ms));
            theirs.add(Duration::from_millis(ms * 4));
        }
        let mut result = Map::new();
        ours.tell_ms("restart", &mut result);
        let told = json!({"restart_p50_ms": 2.0, "restart_p95_ms": 6.0, "restart_max_ms": 6.0});
        assert_eq!(Value::Object(result), told);
        assert_eq!(theirs.median_to(&ours), Some(4.0));
        let mut tail = Map::new();
        theirs.tell_tail_ms("bare", &mut tail);
        assert_eq!(
            Value::Object(tail),
            json!({"bare_p50_ms": 8.0, "bare_p99_ms": 24.0, "bare_max_ms": 24.0})
        );
    }

    #[test]
    fn what_is_beyond_others_is_what_remains() {
        let sample = |ms: u64| {
            let mut sample = Sample::default();
            sample.add(Duration::from_millis(ms));
            sample
        };
        let (mut ours, one, other) = (sample(9), sample(2), sample(3));
        ours.join(sample(10));
        assert_eq!(ours.len(), 2);
        assert_eq!(ours.beyond_ms(0.5, &[&one, &other]), Some(4.0));
        assert_eq!(one.beyond_ms(0.99, &[&ours]), Some(0.0));
        assert_eq!(ours.beyond_ms(0.5, &[&Sample::default()]), None);
    }
}
