//! The shim: the tiny parent process of one run's workers.
//!
//! Workers must outlive the daemon, so the daemon is not their parent: a shim is. It starts
//! a run's attempts on order, one at a time and never two of the same, records how each
//! ended, kills what one leaves behind, and starts the daemon again if that dies. It is one
//! thread around one `poll`: [`main`] is its whole life, [`protocol`] what it can be asked.
//!
//! The daemon's side uses [`protocol`], [`evidence`] and [`identity`].

#[cfg(not(target_os = "linux"))]
compile_error!("the shim needs Linux: pidfd, subreaper and /proc hold its promises");

pub mod clock;
pub mod evidence;
pub mod identity;
pub mod protocol;

mod adopted;
mod args;
mod family;
mod freeze;
mod lock;
mod log;
mod machine;
mod notify;
mod output;
mod peers;
mod proc;
mod records;
mod recover;
mod revive;
mod server;
mod spawn;
mod start;
mod sweep;
#[expect(unsafe_code, reason = "signal dispositions, wait4 and clone have no safe interface")]
mod sys;
mod tree;
mod wire;

use std::ffi::OsString;
use std::process::ExitCode;
use std::time::Instant;

use crate::args::Args;
use crate::identity::ProcessId;
use crate::log::note;
use crate::machine::{About, Machine};
use crate::peers::Peers;
use crate::server::{Ears, Server};
use crate::tree::Tree;

/// The build of this shim, as told in [`protocol::Hello`].
pub const BUILD: &str = env!("CARGO_PKG_VERSION");

/// It left as it should, or another shim serves this run already.
pub const EXIT_OK: u8 = 0;
/// It could not start, or its loop broke; the reason is in `shim.log` or on stderr.
pub const EXIT_FAILED: u8 = 1;
/// Its command line is wrong.
pub const EXIT_USAGE: u8 = 2;

/// The whole life of a shim. `args` are those after the program's name and the word `shim`:
/// `--run-id ID --run-dir DIR --socket PATH --control PATH [--notify PATH]
/// [--revive JSON_ARGV] [--output-cap BYTES]`, with absolute paths and existing folders. Of
/// what an attempt prints the newest bytes are kept, 64 MiB by default; 0 = everything.
///
/// To be called first thing in a process of one thread: it closes every descriptor above
/// stderr and changes session, signals, umask, working folder and stdio.
///
/// Ends with [`EXIT_OK`], [`EXIT_FAILED`] or [`EXIT_USAGE`].
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let args = match args::parse(args) {
        Ok(args) => args,
        Err(error) => {
            note!("{error}");
            return EXIT_USAGE.into();
        }
    };
    match live(args) {
        Ok(()) => EXIT_OK.into(),
        Err(error) => {
            note!("{error}");
            EXIT_FAILED.into()
        }
    }
}

fn live(args: Args) -> Result<(), Box<dyn std::error::Error>> {
    let Some(footing) = start::start(&args)? else { return Ok(()) };
    let boot_id = identity::boot_id()?;
    let shim = ProcessId::of(std::process::id())?;
    let (settled, adopted) =
        recover::settled(&args.run_dir, &boot_id, |found| recover::hold(found, shim, args.output_cap))?;
    let about =
        About { build: BUILD.to_owned(), run_id: args.run_id, shim_pid: shim.pid, boot_id: boot_id.clone() };
    let machine = Machine::new(about, settled, args.revive.is_some(), 0);
    let tree = Tree::new(args.run_dir, boot_id, shim, footing.umask, args.output_cap, adopted);
    let ears =
        Ears { peers: Peers::new(footing.sockets), notify: footing.notify, signals: footing.signals.into() };
    Server::new(machine, tree, ears, args.revive, Instant::now()).run()?;
    // The sockets go last, while nobody else can have bound them.
    drop(footing.place);
    Ok(())
}
