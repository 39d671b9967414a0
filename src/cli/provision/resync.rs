//! `trustline provision resync`: one multiplatform phone against any server.

use clap::Args as ClapArgs;

use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Examples of `provision resync`.
pub const EXAMPLES: &str = "Examples:";

/// Arguments of `provision resync`.
#[derive(Debug, ClapArgs)]
pub struct ResyncArgs {}

/// Resyncs.
pub(super) fn run(_args: &ResyncArgs, _output: &Output) -> Result<ExitCode, Failure> {
    Err(Failure::new(ExitCode::Usage, "not built"))
}
