//! How much a benchmark does.

/// How much is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Enough for figures that mean something.
    Full,
    /// Enough to show that it works; its figures mean nothing.
    Quick,
}

impl Extent {
    /// The amount for it.
    pub fn choose<T>(self, full: T, quick: T) -> T {
        match self {
            Self::Full => full,
            Self::Quick => quick,
        }
    }
}
