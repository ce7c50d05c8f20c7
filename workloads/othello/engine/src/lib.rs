//! Othello as a learning problem: the rules on bitboards, a pattern evaluation, self-play, and
//! temporal-difference learning.
//!
//! Portable scalar code, and deterministic: the same configuration gives the same weights, bit for bit,
//! for any number of threads. Knows nothing of files, processes, or whoever supervises a training run.
//!
//! From the bottom up: [`board`] and [`perft`]; [`pattern`], [`view`] and [`classes`]; [`eval`] and
//! [`solve`]; [`selfplay`], [`adam`] and [`learn`]; [`session`]; [`player`] and [`arena`].

pub mod adam;
pub mod arena;
pub mod board;
pub mod classes;
pub mod eval;
pub mod learn;
pub mod pattern;
pub mod perft;
pub mod player;
pub mod rng;
pub mod selfplay;
pub mod session;
pub mod solve;
pub mod text;
pub mod view;
