//! The `trustline` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    trustline::cli::main()
}
