//! Tests of the ledger and the state folder against real files, processes and threads.

mod append;
mod cursors;
mod damage;
mod files;
mod folder;
mod group_commit;
mod history;
mod kill;
mod lock;
mod reading;
mod stalls;
mod support;
mod torn;
