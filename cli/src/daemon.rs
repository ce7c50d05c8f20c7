//! The daemon's life: how it is found, started, run, logged, ended, and kept over reboots.

pub(crate) mod bus;
pub(crate) mod halt;
pub(crate) mod handshake;
pub(crate) mod journal;
pub(crate) mod journal_line;
pub(crate) mod record;
pub(crate) mod reload;
pub(crate) mod serve;
pub(crate) mod service;
pub(crate) mod start;
pub(crate) mod unit;
pub(crate) mod voice;
