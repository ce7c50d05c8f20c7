//! Tests of the telemetry lane, of folded errors and of PULSE v1: tables and properties.

#![expect(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod coalescer;
mod fold;
mod history;
mod pace;
mod v1_project;
mod v1_reader;
mod v1_writer;
