//! The `certroll` program: parse, call, print, exit.

use std::process::ExitCode;

fn main() -> ExitCode {
    certroll::cli::main()
}
