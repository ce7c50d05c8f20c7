//! The workload by itself: `cargo run --release -p othello-trainer --example train -- --help`.

use std::process::ExitCode;

fn main() -> ExitCode {
    othello_trainer::main(std::env::args_os().skip(1))
}
