//! The curves of one run: a bounded series per metric, with the work that a resume undid marked.

use crate::ids::Attempt;
use crate::telemetry::coalescer::METRIC_NAME_BYTES_MAX;
use crate::telemetry::series::{POINTS_MIN, Point, Series};
use std::collections::BTreeMap;

/// Memory that the curves of one run may take, in bytes: some 900 points of each of eight
/// metrics, and a hundred runs in 25 MiB.
pub const HISTORY_BYTES_MAX: usize = 256 * 1024;
/// Most metrics of which a curve is kept.
pub const NAMES_MAX: usize = 64;
/// Most points of one curve, however much room there is: more than a wide screen has columns.
pub const SERIES_POINTS_MAX: usize = 2_048;
/// What a curve takes besides its points: its name, its fixed fields, its place in the map.
const SERIES_BYTES: usize = 512;

/// Points of each curve by name, oldest first.
pub type Curves = BTreeMap<String, Vec<Point>>;

/// Curves of one run. Points arrive in order; those of an attempt that is over are not taken.
#[derive(Debug, Clone, PartialEq)]
pub struct History {
    points_max: usize,
    attempt: Attempt,
    curves: BTreeMap<String, Series>,
    left_out: u64,
}

impl Default for History {
    fn default() -> Self {
        Self::new(HISTORY_BYTES_MAX)
    }
}

impl History {
    /// Empty, for at most `bytes_max` bytes of memory. Less than [`NAMES_MAX`] curves of
    /// [`POINTS_MIN`] points need is rounded up to that.
    #[must_use]
    pub fn new(bytes_max: usize) -> Self {
        let points_max = bytes_max.saturating_sub(NAMES_MAX * SERIES_BYTES) / size_of::<Point>();
        Self { points_max, attempt: Attempt(0), curves: BTreeMap::new(), left_out: 0 }
    }

    /// Adds a sample of `name`, taken by `attempt` when `x` was done. One that is not finite is
    /// no point of a curve and is left out without a count.
    pub fn push(&mut self, name: &str, attempt: Attempt, x: f64, value: f64, unix_ms: u64) {
        if !x.is_finite() || !value.is_finite() {
            return;
        }
        if attempt < self.attempt {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        self.attempt = attempt;
        if !self.curves.contains_key(name) && !self.begin_curve(name) {
            self.left_out = self.left_out.saturating_add(1);
            return;
        }
        if let Some(series) = self.curves.get_mut(name) {
            series.push(Point { x, value, unix_ms, attempt, rolled_back: false });
        }
    }

    fn begin_curve(&mut self, name: &str) -> bool {
        if self.curves.len() >= NAMES_MAX || name.len() > METRIC_NAME_BYTES_MAX {
            return false;
        }
        // Shares go by powers of two: the curves are thinned six times at most, not 64 times.
        let curves = (self.curves.len() + 1).next_power_of_two();
        let share = (self.points_max / curves).clamp(POINTS_MIN, SERIES_POINTS_MAX);
        for series in self.curves.values_mut() {
            series.set_points_max(share);
        }
        self.curves.insert(name.to_owned(), Series::new(share));
        true
    }

    /// An attempt began where `x` had been done: at its checkpoint, or at 0. What earlier
    /// attempts did beyond it was done for nothing; it stays in the curve and is marked.
    pub fn resumed(&mut self, attempt: Attempt, x: f64) {
        self.attempt = self.attempt.max(attempt);
        for series in self.curves.values_mut() {
            series.roll_back(attempt, x);
        }
    }

    /// The curves as they are kept on disk and handed out: points by name, oldest first.
    #[must_use]
    pub fn curves(&self) -> Curves {
        let curve = |(name, series): (&String, &Series)| (name.clone(), series.points().collect());
        self.curves.iter().map(curve).collect()
    }

    /// The history that had these curves, thinned further if they are more than it keeps.
    #[must_use]
    pub fn of_curves(curves: Curves) -> Self {
        let mut history = Self::default();
        for (name, points) in curves {
            if !history.begin_curve(&name) {
                continue;
            }
            let Some(series) = history.curves.get_mut(&name) else { continue };
            for point in points.into_iter().filter(|point| point.x.is_finite() && point.value.is_finite()) {
                history.attempt = history.attempt.max(point.attempt);
                series.push(point);
            }
        }
        history
    }

    /// Names of the curves, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.curves.keys().map(String::as_str)
    }

    /// The curve of a metric.
    #[must_use]
    pub fn curve(&self, name: &str) -> Option<&Series> {
        self.curves.get(name)
    }

    /// Samples refused: of an attempt that is over, or of one name too many or too long.
    #[must_use]
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// Memory taken, in bytes, counted from above.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let points: usize = self.curves.values().map(Series::capacity).sum();
        points * size_of::<Point>() + self.curves.len() * SERIES_BYTES
    }
}
