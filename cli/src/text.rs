//! Numbers, times and words as people read them. Pure: nothing here writes anything.

pub(crate) mod bar;
pub(crate) mod columns;
pub(crate) mod duration;
pub(crate) mod nearest;
pub(crate) mod number;
pub(crate) mod paint;
pub(crate) mod share;
pub(crate) mod size;
pub(crate) mod table;
