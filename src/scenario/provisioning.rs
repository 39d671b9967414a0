//! Multiplatform phones and provisioning servers in a scenario: `[provisioning]`.
//!
//! They need no cluster. The machine of a resync is the one of `provision resync`; around it are
//! servers and DNS with certificates that the lab's authority signs: tables in virtual time, where
//! TLS is modelled unless the scenario says `tls = "real"`, and real servers on loopback sockets.
//! Addresses are the scenario's on both.

mod around;
mod run;
mod world;

use std::net::IpAddr;

use super::diagnostic::Located;
use super::words::{CertificateDemand, ClientCertificate, ProvisioningAuthority};
use crate::dhcp::Mac;
use crate::provisioning::settings::Settings;
use crate::time::UnixSeconds;

pub(super) use run::run;

/// The word for a resync that takes every profile.
pub const PROVISIONED: &str = "provisioned";

/// What real ends did in the rounds of resyncs: nothing in a world of tables with modelled TLS.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Carried {
    /// Questions that reached a DNS server.
    pub questions: usize,
    /// TLS handshakes that servers finished.
    pub handshakes: usize,
}

/// What `[provisioning]` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Provisioning {
    /// Names and their addresses.
    pub dns: Vec<(String, Vec<IpAddr>)>,
    /// The servers, at port 443.
    pub servers: Vec<Server>,
    /// The phones.
    pub phones: Vec<Phone>,
    /// The rounds: in each, every phone resyncs once.
    pub rounds: Vec<Round>,
}

/// `[[provisioning.server]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Server {
    /// What rounds call it.
    pub name: Located<String>,
    /// Its address.
    pub address: Located<IpAddr>,
    /// The common name of its certificate.
    pub common_name: String,
    /// Who signed that; the phones' unless given.
    pub authority: ProvisioningAuthority,
    /// Start of its validity; a month before the scenario's date unless given.
    pub valid_from: Option<UnixSeconds>,
    /// Its end; a year after the scenario's date unless given.
    pub valid_to: Option<UnixSeconds>,
    /// Bits of its RSA key: 1024, 2048 or 4096; 2048 unless given.
    pub bits: usize,
    /// The name of another server whose certificate it shows instead.
    pub shows: Option<Located<String>>,
    /// What it does about phones' certificates; an error page unless given.
    pub demand: CertificateDemand,
    /// What it gives.
    pub profiles: Vec<ProfileFile>,
}

/// A profile on a server.
#[derive(Clone, Debug, PartialEq)]
pub struct ProfileFile {
    /// Its path, with a slash.
    pub path: String,
    /// The pass phrase that it is encrypted with.
    pub key: Option<String>,
}

/// `[[provisioning.phone]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Phone {
    /// Its MAC address, as rounds name it.
    pub mac: Located<Mac>,
    /// Its product; CP-8832-3PCC unless given.
    pub product: String,
    /// Its rule.
    pub rule: String,
    /// Its client certificate; its own unless given.
    pub certificate: ClientCertificate,
    /// Parameters that it has before.
    pub parameters: Vec<(String, String)>,
    /// What the sources leave open, as this phone does it.
    pub settings: Settings,
}

/// `[[provisioning.resync]]`.
#[derive(Clone, Debug, PartialEq)]
pub struct Round {
    /// Servers that are down.
    pub down: Vec<Located<String>>,
    /// Names that have other addresses now.
    pub dns: Vec<(String, Vec<IpAddr>)>,
    /// True if DNS does not answer.
    pub dns_down: bool,
    /// The phones' clock, if it is not the scenario's date.
    pub date: Option<UnixSeconds>,
    /// What comes out, by phone: [`PROVISIONED`], or the deciding reason. A phone that is not named
    /// must be provisioned.
    pub expected: Vec<(Mac, Located<String>)>,
}
