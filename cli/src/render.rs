//! What people see of runs. Pure: a view or an event in, text out. Everything that a worker
//! said is made harmless here ([`resus_core::text::one_line`]).

pub(crate) mod bus;
pub(crate) mod checkpoints;
pub(crate) mod comparison;
pub(crate) mod explain;
pub(crate) mod header;
pub(crate) mod health;
#[cfg(test)]
mod hostile;
pub(crate) mod live;
pub(crate) mod narrate;
pub(crate) mod nats;
pub(crate) mod next;
pub(crate) mod outline;
pub(crate) mod page;
pub(crate) mod parts;
pub(crate) mod pause;
pub(crate) mod plan;
pub(crate) mod ps;
pub(crate) mod pulse;
pub(crate) mod reason;
pub(crate) mod shell;
pub(crate) mod status;
pub(crate) mod story;
pub(crate) mod summary;
pub(crate) mod verdict;
pub(crate) mod why;
pub(crate) mod workloads;

pub(crate) mod removing;
#[cfg(test)]
pub(crate) mod sample;
