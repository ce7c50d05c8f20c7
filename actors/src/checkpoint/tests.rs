//! Jobs with files, each in folders of its own.

mod acting;
mod checking;
mod crashing;
mod picking;
mod pruning;
mod restoring;
mod support;
