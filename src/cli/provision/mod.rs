//! `trustline provision`: multiplatform phones, their provisioning server and its authority.

pub mod ca;
pub mod resync;
pub mod serve;

mod files;
mod key;

use clap::{Args as ClapArgs, Subcommand};

use super::args::TEMPLATE;
use super::exit_code::{self, ExitCode};
use super::output::Output;

/// Examples of `provision`.
pub const EXAMPLES: &str = "\
Examples, a provisioning server of one's own and a phone that resyncs with it:
  trustline provision ca init --dir authority
  openssl req -new -out provserver.csr
  trustline provision ca sign provserver.csr --dir authority --out provserver.crt
  trustline provision ca device 000e08abcdef --dir authority
  trustline provision serve --dir profiles --ca authority --cert provserver.crt --key privkey.pem";

/// Arguments of `provision`.
#[derive(Debug, ClapArgs)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct ProvisionArgs {
    /// What to do
    #[command(subcommand)]
    pub command: ProvisionCommand,
}

/// The commands of `provision`.
#[derive(Debug, Subcommand)]
pub enum ProvisionCommand {
    /// Be the certificate authority that phones and provisioning servers need
    #[command(help_template = TEMPLATE, before_help = ca::EXAMPLES, after_help = exit_code::HELP)]
    Ca(ca::CaArgs),
    /// Give profiles to phones over HTTPS, to each its own
    #[command(help_template = TEMPLATE, before_help = serve::EXAMPLES, after_help = exit_code::HELP)]
    Serve(serve::ServeArgs),
    /// Be one multiplatform phone that resyncs with a provisioning server
    #[command(help_template = TEMPLATE, before_help = resync::EXAMPLES, after_help = exit_code::HELP)]
    Resync(resync::ResyncArgs),
}

/// Does what was asked for.
pub fn run(args: &ProvisionArgs, output: &Output) -> ExitCode {
    let done = match &args.command {
        ProvisionCommand::Ca(args) => ca::run(args, output),
        ProvisionCommand::Serve(args) => serve::run(args, output),
        ProvisionCommand::Resync(args) => resync::run(args, output),
    };
    done.unwrap_or_else(|failure| {
        failure.tell(output);
        failure.code
    })
}
