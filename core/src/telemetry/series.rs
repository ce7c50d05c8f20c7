//! A curve in bounded memory: every so many samples make one bucket, of which the lowest and
//! the highest are kept; when the series is full, neighbouring buckets become one.

use crate::ids::Attempt;
use serde::{Deserialize, Serialize};

/// One sample of a curve.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Point {
    /// Amount done.
    pub x: f64,
    /// The value there; finite.
    pub value: f64,
    /// When the worker said it, Unix ms. For people; order is the order in the series.
    pub unix_ms: u64,
    /// The attempt that it is from.
    pub attempt: Attempt,
    /// A later attempt resumed before it, so the work that it measures was done again.
    #[serde(default, skip_serializing_if = "is_not")]
    pub rolled_back: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
fn is_not(flag: &bool) -> bool {
    !flag
}

/// Fewest points that a series is thinned to.
pub const POINTS_MIN: usize = 8;

/// Samples of a bucket that is still being filled.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Open {
    samples: u64,
    low: Point,
    high: Point,
    low_is_older: bool,
}

impl Open {
    fn new(point: Point) -> Self {
        Self { samples: 1, low: point, high: point, low_is_older: true }
    }

    fn take(&mut self, point: Point) {
        self.samples = self.samples.saturating_add(1);
        if point.value < self.low.value {
            self.low = point;
            self.low_is_older = false;
        } else if point.value >= self.high.value {
            self.high = point;
            self.low_is_older = true;
        }
    }

    fn pair(&self) -> [Point; 2] {
        if self.low_is_older { [self.low, self.high] } else { [self.high, self.low] }
    }
}

/// A bounded series in the order of arrival. The first, the newest, the lowest and the highest
/// sample are always in it; whatever was left out lies between the two kept of its bucket.
#[derive(Debug, Clone, PartialEq)]
pub struct Series {
    points_max: usize,
    /// Samples per bucket: 2, 4, 8, …
    stride: u64,
    /// Two points per full bucket, in the order of arrival.
    full: Vec<Point>,
    open: Option<Open>,
    first: Option<Point>,
    newest: Option<Point>,
    samples: u64,
}

impl Series {
    /// An empty series of at most `points_max` points, at least [`POINTS_MIN`].
    #[must_use]
    pub fn new(points_max: usize) -> Self {
        Self {
            points_max: points_max.max(POINTS_MIN),
            stride: 2,
            full: Vec::new(),
            open: None,
            first: None,
            newest: None,
            samples: 0,
        }
    }

    /// Adds a sample; one that is not finite is not a point of a curve and is left out.
    pub fn push(&mut self, point: Point) {
        if !point.x.is_finite() || !point.value.is_finite() {
            return;
        }
        self.samples = self.samples.saturating_add(1);
        self.first.get_or_insert(point);
        self.newest = Some(point);
        let open = match self.open.take() {
            None => Open::new(point),
            Some(mut open) => {
                open.take(point);
                open
            }
        };
        if open.samples >= self.stride && self.full.len() + 2 > self.full_max() {
            self.halve();
        }
        if open.samples < self.stride {
            // Either still filling, or half of a bucket since buckets became twice as wide.
            self.open = Some(open);
            return;
        }
        self.make_room();
        self.full.extend(open.pair());
    }

    /// Lowers (or raises) the number of points that are kept.
    pub fn set_points_max(&mut self, points_max: usize) {
        self.points_max = points_max.max(POINTS_MIN);
        while self.full.len() > self.full_max() {
            self.halve();
        }
        if self.full.capacity() > self.full_max() {
            self.full.shrink_to(self.full_max());
        }
    }

    /// Points of full buckets: all but the first, the open pair and the newest. A multiple of
    /// four, so that a full series halves evenly.
    fn full_max(&self) -> usize {
        self.points_max.saturating_sub(4) / 4 * 4
    }

    /// Grows by doubling like any vector, but not past the cap.
    fn make_room(&mut self) {
        if self.full.capacity() < self.full.len() + 2 {
            let wanted = (self.full.len() * 2).clamp(4, self.full_max().max(4));
            self.full.reserve_exact(wanted.saturating_sub(self.full.len()).max(2));
        }
    }

    /// Makes one bucket of every two.
    fn halve(&mut self) {
        let mut kept = 0;
        let mut from = 0;
        while from < self.full.len() {
            let upto = (from + 4).min(self.full.len());
            let four = self.full.get(from..upto).unwrap_or_default();
            for point in extremes(four).into_iter().flatten() {
                if let Some(slot) = self.full.get_mut(kept) {
                    *slot = point;
                    kept += 1;
                }
            }
            from = upto;
        }
        self.full.truncate(kept);
        self.stride = self.stride.saturating_mul(2);
    }

    /// Marks what an attempt that resumed at `x` did away with.
    pub fn roll_back(&mut self, attempt: Attempt, x: f64) {
        let mark = |point: &mut Point| point.rolled_back |= point.attempt < attempt && point.x > x;
        self.full.iter_mut().for_each(mark);
        self.first.iter_mut().for_each(mark);
        self.newest.iter_mut().for_each(mark);
        if let Some(open) = &mut self.open {
            mark(&mut open.low);
            mark(&mut open.high);
        }
    }

    /// The curve, oldest first.
    pub fn points(&self) -> impl Iterator<Item = Point> + '_ {
        let open = self.open.iter().flat_map(|open| {
            let [older, newer] = open.pair();
            [Some(older), (older != newer).then_some(newer)].into_iter().flatten()
        });
        let last_kept = match &self.open {
            Some(open) => Some(open.pair()[1]),
            None => self.full.last().copied(),
        };
        let first_kept = self.full.first().copied().or_else(|| self.open.map(|open| open.pair()[0]));
        let first = self.first.filter(|first| Some(*first) != first_kept);
        let newest = self.newest.filter(|newest| Some(*newest) != last_kept);
        first.into_iter().chain(self.full.iter().copied()).chain(open).chain(newest)
    }

    /// The newest sample.
    #[must_use]
    pub fn newest(&self) -> Option<Point> {
        self.newest
    }

    /// Samples taken in so far, kept or not.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.samples
    }

    /// Samples that two points of the older part stand for: the resolution.
    #[must_use]
    pub fn stride(&self) -> u64 {
        self.stride
    }

    /// Points that there is memory for.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.full.capacity() + 4
    }
}

/// The lowest and the highest of neighbouring points in their order; of equal ones the outer.
fn extremes(points: &[Point]) -> [Option<Point>; 2] {
    let lowest = points.iter().enumerate().min_by(|(_, a), (_, b)| a.value.total_cmp(&b.value));
    let highest = points.iter().enumerate().max_by(|(_, a), (_, b)| a.value.total_cmp(&b.value));
    match (lowest, highest) {
        (Some((at_low, low)), Some((at_high, high))) if low.value < high.value => {
            if at_low < at_high {
                [Some(*low), Some(*high)]
            } else {
                [Some(*high), Some(*low)]
            }
        }
        (Some(_) | None, Some(_) | None) => {
            [points.first().copied(), points.last().copied().filter(|_| points.len() > 1)]
        }
    }
}
