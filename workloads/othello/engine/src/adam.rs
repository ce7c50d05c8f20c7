//! Adam (Kingma and Ba, 2015) for sparse tables: one step counter per entry.
//!
//! A position touches 56 of a quarter of a million entries, so a global step count would leave rare
//! entries without their start-up correction. Each entry counts its own steps instead.

/// Decay of the mean of gradients.
const BETA_1: f32 = 0.9;
/// Decay of the mean of squared gradients.
const BETA_2: f32 = 0.999;
/// Keeps the step finite where no gradient was ever seen, in discs.
const EPSILON: f32 = 1e-8;
/// After so many steps the start-up correction is 1 to within a millionth.
const CORRECTED_STEPS: usize = 16_384;

/// One weight with its optimiser state. All in discs, except the counter.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
#[repr(C)]
pub struct Entry {
    /// The weight.
    pub weight: f32,
    /// Running mean of gradients.
    pub mean: f32,
    /// Running mean of squared gradients.
    pub square: f32,
    /// Steps taken, at most [`u32::MAX`].
    pub steps: u32,
}

/// The start-up correction by number of steps, without the learning rate.
#[derive(Debug)]
pub struct Adam {
    corrections: Vec<f32>,
}

impl Adam {
    /// Tabulates the corrections.
    pub fn new() -> Self {
        let (beta_1, beta_2) = (f64::from(BETA_1), f64::from(BETA_2));
        let corrections = (1..=CORRECTED_STEPS as i32)
            .map(|step| ((1.0 - beta_2.powi(step)).sqrt() / (1.0 - beta_1.powi(step))) as f32)
            .collect();
        Self { corrections }
    }

    /// `entry` after one step of size `rate` along `error` (target minus value).
    #[inline]
    pub fn stepped(&self, entry: Entry, error: f32, rate: f32) -> Entry {
        let last = self.corrections.len() - 1;
        let correction = self.corrections[(entry.steps as usize).min(last)];
        let mean = BETA_1 * entry.mean + (1.0 - BETA_1) * error;
        let square = BETA_2 * entry.square + (1.0 - BETA_2) * (error * error);
        Entry {
            weight: entry.weight + rate * correction * mean / (square.sqrt() + EPSILON),
            mean,
            square,
            steps: entry.steps.saturating_add(1),
        }
    }
}

impl Default for Adam {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Algorithm 1 of the paper, in double precision.
    fn reference(errors: &[f64], rate: f64) -> f64 {
        let (mut weight, mut mean, mut square) = (0.0, 0.0, 0.0);
        for (step, error) in (1..).zip(errors) {
            mean = 0.9 * mean + 0.1 * error;
            square = 0.999 * square + 0.001 * error * error;
            let corrected_mean = mean / (1.0 - 0.9f64.powi(step));
            let corrected_square = square / (1.0 - 0.999f64.powi(step));
            weight += rate * corrected_mean / (corrected_square.sqrt() + 1e-8);
        }
        weight
    }

    #[test]
    fn steps_follow_the_published_algorithm() {
        let adam = Adam::new();
        let errors: Vec<f64> = (0..500).map(|step| f64::from(step % 7) - 2.5).collect();
        let entry =
            errors.iter().fold(Entry::default(), |entry, &error| adam.stepped(entry, error as f32, 0.025));
        let expected = reference(&errors, 0.025);
        assert!((f64::from(entry.weight) - expected).abs() < 1e-3, "{entry:?} {expected}");
        assert_eq!(entry.steps, 500);
    }

    #[test]
    fn the_first_step_is_the_learning_rate_whatever_the_error() {
        for error in [0.01, -3.0, 64.0] {
            let weight = Adam::new().stepped(Entry::default(), error, 0.025).weight;
            assert!((weight.abs() - 0.025).abs() < 1e-5 && weight.signum() == error.signum(), "{weight}");
        }
    }

    #[test]
    fn an_entry_at_the_end_of_its_counter_still_steps() {
        let old = Entry { weight: 1.0, mean: 0.0, square: 1.0, steps: u32::MAX };
        let new = Adam::new().stepped(old, 1.0, 0.01);
        assert!(new.weight > old.weight);
        assert_eq!(new.steps, u32::MAX);
    }
}
