//! The telemetry lane: what a worker says often and what may be superseded. Nothing here
//! waits, nothing grows without bound, and only values that a newer one replaces are lost.

pub mod beats;
pub mod budget;
pub mod coalescer;
pub mod history;
pub mod pace;
pub mod refresh;
pub mod series;
