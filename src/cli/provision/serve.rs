//! `trustline provision serve`: profiles for multiplatform phones over HTTPS.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::cli::args::Format;
use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

/// Examples of `provision serve`.
pub const EXAMPLES: &str = "\
Examples:
  trustline provision serve --dir profiles --ca authority --cert provserver.crt --key privkey.pem
  trustline provision serve --dir profiles --ca spacroot.crt --cert provserver.crt --key privkey.pem --listen 0.0.0.0:443";

/// What becomes of a phone without a certificate that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum ClientAuth {
    /// TLS fails, as with Apache's `SSLVerifyClient require`
    Require,
    /// TLS comes up and every request is answered 400, as with nginx's `ssl_verify_client on`
    #[value(name = "optional-400")]
    Optional400,
}

/// Arguments of `provision serve`.
#[derive(Debug, ClapArgs)]
pub struct ServeArgs {
    /// The folder with the profiles
    #[arg(long, value_name = "DIR")]
    pub dir: PathBuf,
    /// Who signs phones: the folder of an authority, or a file of root certificates in PEM
    #[arg(long, value_name = "DIR|FILE")]
    pub ca: PathBuf,
    /// The server's certificate
    #[arg(long, value_name = "FILE")]
    pub cert: PathBuf,
    /// The server's private key
    #[arg(long, value_name = "FILE")]
    pub key: PathBuf,
    /// Where to listen; port 0 takes any free port
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8443")]
    pub listen: SocketAddr,
    /// What becomes of a phone without a certificate that counts
    #[arg(long, value_enum, default_value_t = ClientAuth::Require)]
    pub client_auth: ClientAuth,
    /// How requests are told
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

/// Serves until it is told to stop.
pub(super) fn run(_args: &ServeArgs, _output: &Output) -> Result<ExitCode, Failure> {
    Err(Failure::new(ExitCode::Usage, "not built"))
}
