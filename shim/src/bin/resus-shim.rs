//! The shim as a program of its own; `resus shim …` is the same entry in the one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    resus_shim::main(std::env::args_os().skip(1))
}
