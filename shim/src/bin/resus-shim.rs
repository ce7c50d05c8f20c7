//! The shim as a program of its own: `resus` carries it within itself and starts it with the
//! words of `resus shim …`, which is the same entry in the one binary.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut words = std::env::args_os().skip(1).peekable();
    let _word = words.next_if(|word| word == "shim");
    resus_shim::main(words)
}
