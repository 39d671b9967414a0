//! `trustline provision resync`: one multiplatform phone against any server.

use clap::Args as ClapArgs;

use crate::cli::exit_code::ExitCode;
use crate::cli::failure::Failure;
use crate::cli::output::Output;

#[cfg(feature = "provisioning")]
mod life;
#[cfg(feature = "provisioning")]
mod phone;
#[cfg(feature = "provisioning")]
mod tell;

use std::path::PathBuf;

use crate::cli::args::{Format, parse_date};
use crate::dhcp::Mac;
use crate::provisioning::device::{is_plain, mac_of};
use crate::provisioning::name::NameCheck;
use crate::provisioning::rule::Server;
use crate::provisioning::settings::Settings;
use crate::time::UnixSeconds;

/// Examples of `provision resync`.
pub const EXAMPLES: &str = "\
Examples:
  trustline provision resync --once --profile-rule 'https://sprov.callme.com/$MA.xml' \\
      --ca authority/server-root.crt --cert 000e08abcdef.crt --key 000e08abcdef.key
  trustline provision resync --once --profile-rule '[--key \"$SA\"] https://pv.telco.net/$PSN.xml' \\
      --parameter GPP_SA=phrase --ca root.pem --mac 000e08abcdef --dns 127.0.0.1:5353
  trustline provision resync --once --profile-rule 'https://pv.telco.net/a.xml' --ca root.pem \\
      --mac 000e08abcdef --name-check mpp113 --set provision.dates=ignored";

/// The product that a phone is when nobody says.
#[cfg(feature = "provisioning")]
const PRODUCT: &str = "CP-8832-3PCC";

/// Arguments of `provision resync`.
///
/// The phone downloads its profiles by its rules and says, step by step, what it takes and why not.
/// Without --once it then lives on: it resyncs again as the parameters of the profiles say; the line
/// `resync` on stdin or SIGHUP makes it resync at once, and `quit`, the end of stdin, SIGINT or
/// SIGTERM switch it off.
#[derive(Debug, ClapArgs)]
pub struct ResyncArgs {
    /// Profile_Rule; given again: Profile_Rule_B, _C and _D
    #[arg(long, value_name = "RULE", required = true)]
    pub profile_rule: Vec<String>,
    /// The provisioning roots that the phone has, PEM or DER: more than one in one file, or given
    /// again
    #[arg(long, value_name = "FILE", required = true)]
    pub ca: Vec<PathBuf>,
    /// The phone's client certificate, PEM or DER; without it the phone has none
    #[arg(long, value_name = "FILE", requires = "key")]
    pub cert: Option<PathBuf>,
    /// The private key of it, PEM
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub key: Option<PathBuf>,
    /// The phone's MAC address [default: that of the certificate]
    #[arg(long, value_name = "MAC", value_parser = parse_mac)]
    pub mac: Option<Mac>,
    /// Its product name [default: that of the certificate, else CP-8832-3PCC]
    #[arg(long, value_name = "NAME", value_parser = parse_plain)]
    pub product: Option<String>,
    /// Its serial number [default: that of the certificate]
    #[arg(long, value_name = "SERIAL", value_parser = parse_plain)]
    pub serial: Option<String>,
    /// Its firmware
    #[arg(
        long,
        value_name = "VERSION",
        default_value = "sip8832.11-3-2MPP0001-609"
    )]
    pub software: String,
    /// A parameter that the phone has before, such as GPP_A or IKM_HTTP_Encrypt_Content
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_parameter)]
    pub parameter: Vec<(String, String)>,
    /// The server for rules without one, as DHCP option 66 would name it
    #[arg(long, value_name = "HOST[:PORT]", value_parser = parse_server)]
    pub option_66: Option<Server>,
    /// The DNS server to ask, its port 53 unless given [default: as this system is set up]
    #[arg(long, value_name = "ADDRESS[:PORT]", value_parser = parse_dns)]
    pub dns: Option<std::net::SocketAddr>,
    /// Which name of the server's certificate counts [default: sipura]
    #[arg(long, value_name = "CHECK", value_parser = parse_check)]
    pub name_check: Option<NameCheck>,
    /// Change what the sources leave open; `trustline rules provision` lists them
    #[arg(long, value_name = "AREA.NAME=VALUE", value_parser = parse_set)]
    pub set: Vec<(String, String)>,
    /// The phone's clock, such as 2026-03-01T09:00:00Z [default: now]
    #[arg(long, value_name = "DATE", value_parser = parse_date)]
    pub date: Option<UnixSeconds>,
    /// End after one resync
    #[arg(long)]
    pub once: bool,
    /// How it is told: for people, or as one line of JSON each
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
}

fn parse_mac(text: &str) -> Result<Mac, String> {
    mac_of(text).ok_or_else(|| {
        "expected twelve hexadecimal digits, such as 000e08abcdef or 00:0e:08:ab:cd:ef".into()
    })
}

fn parse_plain(text: &str) -> Result<String, String> {
    match is_plain(text) {
        true => Ok(text.to_owned()),
        false => Err("expected letters, digits, hyphens, dots and underscores".into()),
    }
}

fn parse_parameter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("expected NAME=VALUE".into()),
    }
}

fn parse_server(text: &str) -> Result<Server, String> {
    Server::parse(text).map_err(|e| e.to_string())
}

fn parse_dns(text: &str) -> Result<std::net::SocketAddr, String> {
    let with_port = text.parse();
    with_port
        .or_else(|_| text.parse().map(|ip: std::net::IpAddr| (ip, 53).into()))
        .map_err(|_| "expected an address, and :port if it is not 53".into())
}

fn parse_check(text: &str) -> Result<NameCheck, String> {
    [NameCheck::Sipura, NameCheck::Mpp113]
        .into_iter()
        .find(|check| check.word() == text)
        .ok_or_else(|| "expected sipura or mpp113".into())
}

/// The value is checked here, and set again when all are known.
fn parse_set(text: &str) -> Result<(String, String), String> {
    let (key, value) = parse_parameter(text)?;
    let set = Settings::default().set(&key, &value);
    set.map_err(|e| e.to_string())?;
    Ok((key, value))
}

/// Resyncs.
///
/// # Errors
/// What the arguments name cannot be read, or makes no phone.
#[cfg(feature = "provisioning")]
pub(super) fn run(args: &ResyncArgs, output: &Output) -> Result<ExitCode, Failure> {
    life::Life::new(args, output)?.live()
}

/// A build without the feature asks no DNS server.
#[cfg(not(feature = "provisioning"))]
pub(super) fn run(_args: &ResyncArgs, _output: &Output) -> Result<ExitCode, Failure> {
    let text = "this trustline was built without the feature `provisioning`, which resync needs";
    Err(Failure::new(ExitCode::Usage, text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_are_read_as_people_write_them() {
        assert_eq!(parse_dns("10.0.0.1").unwrap().port(), 53);
        assert_eq!(parse_dns("127.0.0.1:5353").unwrap().port(), 5353);
        assert_eq!(parse_dns("[::1]:54").unwrap().port(), 54);
        assert!(parse_dns("dns.example.com").is_err());
        assert!(parse_set("provision.dates=ignored").is_ok());
        assert!(parse_set("provision.dates=x").is_err());
        assert!(parse_set("x").is_err());
        assert_eq!(parse_check("mpp113"), Ok(NameCheck::Mpp113));
        assert!(parse_check("x").is_err());
        assert!(parse_plain("CP-8832-3PCC").is_ok());
        assert!(parse_plain("CP 8832").is_err());
        let parameter = Ok(("GPP_A".to_owned(), "a=b".to_owned()));
        assert_eq!(parse_parameter("GPP_A=a=b"), parameter);
        assert!(parse_parameter("=a").is_err());
    }
}
