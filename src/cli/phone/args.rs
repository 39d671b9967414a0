//! The arguments of `phone`.

use std::path::PathBuf;

use clap::{Args as ClapArgs, ValueEnum};

use crate::cli::args::{Format, Pace, Setting, parse_setting, profile_names};

/// Examples of `phone`.
pub const EXAMPLES: &str = "\
Examples:
  trustline phone --mac 001122334455 --model CP-8861 --flash pilot --tftp 10.0.0.5 --tftp 10.0.0.6 --once
  trustline phone --mac 001122334455 --model CP-8861 --flash pilot --dhcp eth0 --once
  trustline phone --mac 001122334455 --model CP-8861 --flash pilot --tftp dst-pub.example.com --once \\
      --installed source/ITLFile.tlv --config source/SEP001122334455.cnf.xml.sgn
  trustline phone --mac 001122334455 --model CP-8861 --flash pilot --tftp dst-pub --lab ready.json --once";

/// The longest model that is taken: real ones have at most 15 characters.
const MAX_MODEL: usize = 32;

/// Arguments of `phone`.
///
/// The phone boots, downloads its trust lists and its configuration, asks TVS, and says what it
/// takes and why. It speaks no SIP: it says which CallManager it would turn to, and does not try.
/// Without --once it then waits: the line `reset` on stdin or SIGHUP resets it, and `quit`, the end
/// of stdin, SIGINT or SIGTERM switch it off. A stdin that was never there says nothing. A phone with
/// --dhcp renews its lease meanwhile, and when told `renew`; other servers that the renewal names
/// are stored at once and used at the next boot (setting dhcp.act_at_once).
#[derive(Debug, ClapArgs)]
pub struct PhoneArgs {
    /// The phone's MAC address
    #[arg(long, value_name = "MAC", value_parser = parse_device)]
    pub mac: Device,
    /// Its model, which decides the firmware family
    #[arg(long, value_name = "MODEL", value_parser = parse_model)]
    pub model: String,
    /// The firmware family [default: that of the model]
    #[arg(long, value_name = "FAMILY", value_parser = profile_names())]
    pub profile: Option<String>,
    /// The folder of its flash, kept between runs: CTLFile.tlv, ITLFile.tlv, config.xml and
    /// state.json, as in phones/SEP.../after of `rehearse --keep`
    #[arg(long, value_name = "DIR")]
    pub flash: PathBuf,
    /// A TFTP server, as option 150 would name it; up to two. A port other than 69 is passed beside
    /// the option, which has no room for it
    #[arg(long, value_name = "HOST[:PORT]", required_unless_present = "dhcp")]
    pub tftp: Vec<String>,
    /// Take the servers from DHCP on this interface: option 150, else option 66. With --tftp too,
    /// those count, as Alternate TFTP does on a phone. The interface keeps the addresses that it
    /// has and needs one that reaches the servers: the phone asks with its own MAC address, and
    /// what it is given is for the phone alone. A switch that compares hardware addresses (DHCP
    /// snooping) lets that through only if the interface has this MAC address too. Needs root, or
    /// cap_net_bind_service and cap_net_raw
    #[arg(long, value_name = "INTERFACE")]
    pub dhcp: Option<String>,
    /// End after one boot
    #[arg(long)]
    pub once: bool,
    /// Put these lists into an empty flash first: a CTL, an ITL or both, such as those of the
    /// cluster that the phone comes from
    #[arg(long, value_name = "LIST", num_args = 1..=2)]
    pub installed: Vec<PathBuf>,
    /// Put this configuration into an empty flash first, signed or not: it names the TVS servers
    /// that the phone asks
    #[arg(long, value_name = "XML")]
    pub config: Option<PathBuf>,
    /// Erase a flash that holds something else than --installed and --config say
    #[arg(long)]
    pub force_seed: bool,
    /// The phone's LSC and its private key, PEM: shown to TVS
    #[arg(long, num_args = 2, value_names = ["CERT", "KEY"])]
    pub lsc: Vec<PathBuf>,
    /// The line that `trustline serve` prints when it is ready, in a file: where the lab's ports
    /// really are. --tftp may then name a node
    #[arg(long, value_name = "FILE")]
    pub lab: Option<PathBuf>,
    /// When a TVS that is not a lab's is spoken to in TLS 1.0 or 1.1, or with a suite such as
    /// AES256-SHA, as old releases of CUCM want it; needs a build with the feature legacy-tls
    #[arg(long, value_enum, default_value_t = LegacyTls::WhenRefused, value_name = "WHEN")]
    pub legacy_tls: LegacyTls,
    /// Change a rule; `trustline rules` lists them
    #[arg(long, value_name = "AREA.NAME=VALUE", value_parser = parse_setting)]
    pub set: Vec<Setting>,
    /// How fast the phone's own waiting goes by
    #[arg(long, value_enum, default_value_t = Pace::Real)]
    pub pace: Pace,
    /// How events are written: for people, or as one line of JSON each
    #[arg(long, value_enum, default_value_t = Format::Human)]
    pub format: Format,
    /// Print every event
    #[arg(long, short)]
    pub verbose: bool,
}

/// When a TVS is spoken to in old TLS. What the firmware speaks is a line of its profile; this is
/// what trustline may use in its place against real servers. Nothing that is rehearsed hangs on it,
/// so it is an option of this command and no rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LegacyTls {
    /// When the server has nothing in common with TLS 1.2 and 1.3 of today
    WhenRefused,
    /// When the firmware family has nothing newer than TLS 1.0, and then that alone
    ByProfile,
    /// Never
    Never,
}

/// A device name: `SEP` and twelve upper hex digits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Device(pub String);

pub(in crate::cli) fn parse_device(text: &str) -> Result<Device, String> {
    let mac = match text.get(..3) {
        Some(sep) if sep.eq_ignore_ascii_case("SEP") => &text[3..],
        _ => text,
    };
    let digits: String = mac
        .chars()
        .filter(|c| !matches!(c, ':' | '-' | '.'))
        .collect();
    if digits.len() == 12 && digits.bytes().all(|b| b.is_ascii_hexdigit()) {
        Ok(Device(format!("SEP{}", digits.to_ascii_uppercase())))
    } else {
        Err("expected twelve hexadecimal digits, such as 001122334455 or 00:11:22:33:44:55".into())
    }
}

pub(in crate::cli) fn parse_model(text: &str) -> Result<String, String> {
    let is_fine = |b: u8| b.is_ascii_alphanumeric() || b == b'-';
    match text.len() {
        1..=MAX_MODEL if text.bytes().all(is_fine) => Ok(text.to_owned()),
        _ => Err("expected a model such as CP-8861".into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mac_is_read_as_people_write_it() {
        let device = Ok(Device("SEP00112233AABB".into()));
        for text in [
            "00112233aabb",
            "00:11:22:33:AA:BB",
            "00-11-22-33-aa-bb",
            "0011.2233.aabb",
            "sep00112233AABB",
        ] {
            assert_eq!(parse_device(text), device, "{text}");
        }
        for text in [
            "",
            "SEP",
            "00112233aab",
            "00112233aabbc",
            "0011223344gg",
            "é11",
        ] {
            assert!(parse_device(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_model_is_a_word() {
        assert_eq!(parse_model("CP-8861"), Ok("CP-8861".into()));
        for text in ["", "CP 8861", "CP-8861\u{1b}[m", &"8".repeat(33)] {
            assert!(parse_model(text).is_err(), "{text}");
        }
    }
}
