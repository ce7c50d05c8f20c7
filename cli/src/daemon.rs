//! The daemon's life: how it is found, started, run and logged.

pub(crate) mod journal;
pub(crate) mod journal_line;
pub(crate) mod record;
pub(crate) mod serve;
pub(crate) mod start;
