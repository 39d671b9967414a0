//! `trustline provision ca`: the authority of multiplatform phones and their servers.

use std::path::PathBuf;

use clap::{Args as ClapArgs, Subcommand, ValueEnum};

use crate::cli::args::{TEMPLATE, parse_date};
use crate::cli::exit_code::{self, ExitCode};
use crate::cli::failure::Failure;
use crate::cli::output::Output;
use crate::time::UnixSeconds;

/// Examples of `provision ca`.
pub const EXAMPLES: &str = "\
Examples:
  trustline provision ca init --dir authority
  trustline provision ca sign provserver.csr --dir authority --out provserver.crt
  trustline provision ca device 000e08abcdef --dir authority --serial 88012BA01234";

const INIT_EXAMPLES: &str = "\
Examples:
  trustline provision ca init --dir authority
  trustline provision ca init --dir authority --name \"Example Telco\"";

const SIGN_EXAMPLES: &str = "\
Examples, the server's own key and request first:
  openssl req -new -out provserver.csr
  trustline provision ca sign provserver.csr --dir authority
  trustline provision ca sign provserver.csr --dir authority --profile mpp113 --min-rsa 2048";

const DEVICE_EXAMPLES: &str = "\
Examples:
  trustline provision ca device 000e08abcdef --dir authority
  trustline provision ca device 00:0E:08:AB:CD:EF --dir authority --product CP-8841-3PCC --serial 88012BA01234 --out phone";

/// Arguments of `provision ca`.
#[derive(Debug, ClapArgs)]
#[command(subcommand_required = true, arg_required_else_help = true)]
pub struct CaArgs {
    /// What to do
    #[command(subcommand)]
    pub command: CaCommand,
}

/// The commands of `provision ca`.
#[derive(Debug, Subcommand)]
pub enum CaCommand {
    /// Make the two roots: one for servers, one for phones
    #[command(help_template = TEMPLATE, before_help = INIT_EXAMPLES, after_help = exit_code::HELP)]
    Init(InitArgs),
    /// Sign a server's request
    #[command(help_template = TEMPLATE, before_help = SIGN_EXAMPLES, after_help = exit_code::HELP)]
    Sign(SignArgs),
    /// Make a phone's certificate and its key
    #[command(help_template = TEMPLATE, before_help = DEVICE_EXAMPLES, after_help = exit_code::HELP)]
    Device(DeviceArgs),
}

/// Digests of a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SignWith {
    /// SHA-1, which the vendor's portal still offers
    Sha1,
    /// SHA-256
    Sha256,
    /// SHA-512
    Sha512,
}

/// What a server's certificate looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Form {
    /// The name is in the subject alone, as phones of the Sipura line compare it
    Sipura,
    /// The request's alternative names come along, as firmware from 11.3 on compares them first
    Mpp113,
}

/// Arguments of `provision ca init`.
#[derive(Debug, ClapArgs)]
pub struct InitArgs {
    /// The folder to write: a new or an empty one
    #[arg(long, value_name = "DIR", default_value = "authority")]
    pub dir: PathBuf,
    /// Whose authority it is; stands in both subjects
    #[arg(long, value_name = "NAME", default_value = "trustline lab")]
    pub name: String,
    /// Bits of the roots' keys
    #[arg(long, value_name = "BITS", default_value = "2048", value_parser = ["1024", "2048", "4096"])]
    pub bits: String,
    /// Days that the roots are valid
    #[arg(long, value_name = "DAYS", default_value_t = 7_300, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,
    /// The authority's clock, such as 2026-03-01T09:00:00Z [default: now]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
}

/// Arguments of `provision ca sign`.
#[derive(Debug, ClapArgs)]
pub struct SignArgs {
    /// The request, PEM or DER
    #[arg(value_name = "REQUEST")]
    pub request: PathBuf,
    /// The authority's folder, as `ca init` made it
    #[arg(long, value_name = "DIR", default_value = "authority")]
    pub dir: PathBuf,
    /// The certificate to write [default: the request's name with .crt]
    #[arg(long, value_name = "FILE")]
    pub out: Option<PathBuf>,
    /// Days that the certificate is valid
    #[arg(long, value_name = "DAYS", default_value_t = 365, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,
    /// The smallest RSA key that is signed
    #[arg(long, value_name = "BITS", default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(512..=16_384))]
    pub min_rsa: u32,
    /// The digest of the signature
    #[arg(long, value_enum, default_value_t = SignWith::Sha256)]
    pub digest: SignWith,
    /// What the certificate looks like
    #[arg(long, value_enum, default_value_t = Form::Sipura)]
    pub profile: Form,
    /// The authority's clock, such as 2026-03-01T09:00:00Z [default: now]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
}

/// Arguments of `provision ca device`.
#[derive(Debug, ClapArgs)]
pub struct DeviceArgs {
    /// The phone's MAC address, with or without separators
    #[arg(value_name = "MAC")]
    pub mac: String,
    /// The authority's folder, as `ca init` made it
    #[arg(long, value_name = "DIR", default_value = "authority")]
    pub dir: PathBuf,
    /// The product name
    #[arg(long, value_name = "NAME", default_value = "CP-8832-3PCC")]
    pub product: String,
    /// The serial number [default: one made from the MAC address]
    #[arg(long, value_name = "SERIAL")]
    pub serial: Option<String>,
    /// The folder for `MAC.crt` and `MAC.key` [default: devices in the authority's folder]
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Bits of the key
    #[arg(long, value_name = "BITS", default_value = "2048", value_parser = ["1024", "2048", "4096"])]
    pub bits: String,
    /// Days that the certificate is valid
    #[arg(long, value_name = "DAYS", default_value_t = 3_650, value_parser = clap::value_parser!(u32).range(1..=36_500))]
    pub days: u32,
    /// The authority's clock, such as 2026-03-01T09:00:00Z [default: now]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
}

/// Does what was asked for.
pub(super) fn run(_args: &CaArgs, _output: &Output) -> Result<ExitCode, Failure> {
    Err(Failure::new(ExitCode::Usage, "not built"))
}
