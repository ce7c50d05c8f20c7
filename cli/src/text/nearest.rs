//! What somebody who mistyped a name probably meant: the core's, which the daemon asks as well.

pub(crate) use resus_core::nearest::{allowed, distance, nearest};
