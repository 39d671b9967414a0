//! The phone configuration, `SEP<MAC>.cnf.xml`: what a phone reads of it for trust, and the same
//! written in CUCM's shape.
//!
//! Sources: elements and ports of the open tools' description and of configuration files that CUCM
//! 12.5 made. CUCM writes `xsi:type` without declaring the prefix, so strict XML readers refuse its
//! files; [`PhoneConfig::parse`] reads them.

mod parse;

use std::fmt::Write as _;

use thiserror::Error;

/// The most that a phone takes of one file, in bytes: 2048 KB.
pub const MAX_BYTES: usize = 2_048 * 1_024;
/// A phone uses at most this many TVS servers.
pub const MAX_TVS: usize = 5;

/// How a phone signals. `deviceSecurityMode`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SecurityMode {
    /// 1.
    #[default]
    NonSecure,
    /// 2: TLS with integrity only.
    Authenticated,
    /// 3: TLS and encrypted media.
    Encrypted,
}

impl SecurityMode {
    /// The number in the file.
    pub fn code(self) -> u8 {
        match self {
            Self::NonSecure => 1,
            Self::Authenticated => 2,
            Self::Encrypted => 3,
        }
    }

    fn from_code(code: u8) -> Option<Self> {
        [Self::NonSecure, Self::Authenticated, Self::Encrypted]
            .into_iter()
            .find(|m| m.code() == code)
    }
}

/// `transportLayerProtocol`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Transport {
    /// 1.
    #[default]
    Tcp,
    /// 2.
    Udp,
    /// 3.
    Tls,
    /// A number that the sources do not name; CUCM 12.5 is seen to write 4.
    Other(u8),
}

impl Transport {
    /// The number in the file.
    pub fn code(self) -> u8 {
        match self {
            Self::Tcp => 1,
            Self::Udp => 2,
            Self::Tls => 3,
            Self::Other(code) => code,
        }
    }

    fn from_code(code: u8) -> Self {
        match code {
            1 => Self::Tcp,
            2 => Self::Udp,
            3 => Self::Tls,
            other => Self::Other(other),
        }
    }
}

/// A member of the CallManager group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Lower is tried first.
    pub priority: u32,
    /// `processNodeName`: host name or address.
    pub host: String,
    /// SCCP port, usually 2000.
    pub ethernet_phone_port: u16,
    /// SIP port, usually 5060.
    pub sip_port: u16,
    /// SIP over TLS, usually 5061.
    pub secured_sip_port: u16,
}

/// A trust verification service that the phone may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TvsServer {
    /// Lower is tried first.
    pub priority: u32,
    /// Host name or address.
    pub host: String,
    /// TCP port, usually 2445.
    pub port: u16,
}

/// A CAPF server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CapfServer {
    /// `processNodeName`: host name or address.
    pub host: String,
    /// TCP port, usually 3804.
    pub port: u16,
}

/// The files that a configuration names. All are fetched from the same server as it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct NamedFiles {
    /// `softKeyFile` of the SIP profile: `SK<uuid>.xml`.
    pub soft_keys: Option<String>,
    /// `dialTemplate` of the SIP profile: the dial plan.
    pub dial_template: Option<String>,
    /// `featurePolicyFile`.
    pub feature_policy: Option<String>,
    /// `userLocale`, `name`: the folder of the phone's language.
    pub user_locale: Option<String>,
    /// `networkLocaleInfo`, `name`: the folder of the country's tones.
    pub network_locale: Option<String>,
}

/// `deviceProtocol` of phones that speak SCCP.
const SCCP: &str = "SCCP";
/// The port of SCCP, where a file names none.
const SCCP_PORT: u16 = 2_000;
/// The port of SIP, where a file names none.
const SIP_PORT: u16 = 5_060;
/// The port of SIP over TLS, where a file names none.
const SECURED_SIP_PORT: u16 = 5_061;

/// What a phone configuration says as far as trust and registration go. An element that is not in
/// the file has its default; strings are without the white space around them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PhoneConfig {
    /// `fullConfig`: false in the signed companion of an encrypted file. Default true.
    pub full_config: bool,
    /// Members of the CallManager group, the one to try first in front.
    pub callmanager_group: Vec<Member>,
    /// TVS servers, the one to ask first in front; at most [`MAX_TVS`].
    pub tvs: Vec<TvsServer>,
    /// `deviceProtocol` is SCCP. Default SIP.
    pub is_sccp: bool,
    /// `loadInformation`: the firmware to run.
    pub load_information: Option<String>,
    /// `versionStamp`: changes with each change of the file.
    pub version_stamp: Option<String>,
    /// `deviceSecurityMode`. Default non-secure.
    pub device_security_mode: SecurityMode,
    /// `transportLayerProtocol`. Default TCP.
    pub transport: Transport,
    /// `capfAuthMode`: how the phone proves itself to CAPF, 1 to 4; 0 in files without CAPF.
    pub capf_auth_mode: Option<u8>,
    /// CAPF servers; those without a name are left out.
    pub capf: Vec<CapfServer>,
    /// `certHash`: MD5 of the phone's certificate, in hex.
    pub cert_hash: Option<String>,
    /// `encrConfig`: the file itself is offered encrypted. Default false.
    pub encr_config: bool,
    /// `TLSResumptionTimer`, in seconds.
    pub tls_resumption_secs: Option<u32>,
    /// The files that it names.
    pub files: NamedFiles,
}

impl Default for PhoneConfig {
    fn default() -> Self {
        Self {
            full_config: true,
            callmanager_group: Vec::new(),
            tvs: Vec::new(),
            is_sccp: false,
            load_information: None,
            version_stamp: None,
            device_security_mode: SecurityMode::default(),
            transport: Transport::default(),
            capf_auth_mode: None,
            capf: Vec::new(),
            cert_hash: None,
            encr_config: false,
            tls_resumption_secs: None,
            files: NamedFiles::default(),
        }
    }
}

/// Why a file is no phone configuration.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ConfigError {
    /// The file is larger than a phone takes.
    #[error("{actual} bytes, the limit is {limit}")]
    TooLarge {
        /// The limit.
        limit: usize,
        /// The file's size.
        actual: usize,
    },
    /// The file is not UTF-8.
    #[error("offset {offset}: expected UTF-8")]
    NotUtf8 {
        /// Where the first bad byte stands.
        offset: usize,
    },
    /// The file is not well-formed XML, or has a document type, which may hide entities.
    #[error("line {line}: not well-formed XML: {problem}")]
    Xml {
        /// Line, from 1.
        line: u32,
        /// What the XML reader says.
        problem: String,
    },
    /// The outermost element is another one.
    #[error("line {line}: outermost element is `{found}`, expected `device` or `Default`")]
    Root {
        /// Line, from 1.
        line: u32,
        /// The element found.
        found: String,
    },
    /// An element or attribute has a value that it cannot have.
    #[error("line {line}: {element}: found `{found}`, expected {expected}")]
    Value {
        /// Line, from 1.
        line: u32,
        /// The element or attribute.
        element: &'static str,
        /// What stands there, at most 40 characters of it.
        found: String,
        /// What could stand there.
        expected: &'static str,
    },
}

impl PhoneConfig {
    /// The TCP port at which a phone with this configuration registers with the CallManager `host`, by
    /// its protocol and its security mode: the one of that member of the group, else the usual one.
    /// None for SCCP over TLS, whose port the file does not name.
    pub fn registration_port(&self, host: &str) -> Option<u16> {
        let is_host = |m: &&Member| m.host.eq_ignore_ascii_case(host);
        let member = self.callmanager_group.iter().find(is_host);
        match (self.device_security_mode, self.is_sccp) {
            (SecurityMode::NonSecure, false) => Some(member.map_or(SIP_PORT, |m| m.sip_port)),
            (SecurityMode::NonSecure, true) => {
                Some(member.map_or(SCCP_PORT, |m| m.ethernet_phone_port))
            }
            (_, false) => Some(member.map_or(SECURED_SIP_PORT, |m| m.secured_sip_port)),
            (_, true) => None,
        }
    }

    /// The file, in CUCM's order of elements. Characters that XML cannot hold are written as U+FFFD.
    pub fn emit(&self) -> String {
        let mut out = String::with_capacity(2_048);
        out.push_str("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<device>\n");
        element(&mut out, "fullConfig", flag(self.full_config));
        let protocol = if self.is_sccp { SCCP } else { "SIP" };
        element(&mut out, "deviceProtocol", protocol);
        out.push_str("<devicePool>\n");
        callmanager_group(&mut out, &self.callmanager_group);
        out.push_str("</devicePool>\n<TVS>\n<members>\n");
        for server in &self.tvs {
            // Writing to a string does not fail.
            let _ = writeln!(out, "<member priority=\"{}\">", server.priority);
            element(&mut out, "port", &server.port.to_string());
            element(&mut out, "address", &server.host);
            out.push_str("</member>\n");
        }
        out.push_str("</members>\n</TVS>\n");
        sip_profile(&mut out, &self.files);
        let policy = self.files.feature_policy.as_deref();
        optional(&mut out, "featurePolicyFile", policy);
        optional(
            &mut out,
            "loadInformation",
            self.load_information.as_deref(),
        );
        optional(&mut out, "versionStamp", self.version_stamp.as_deref());
        locale(&mut out, "userLocale", self.files.user_locale.as_deref());
        let network = self.files.network_locale.as_deref();
        locale(&mut out, "networkLocaleInfo", network);
        let mode = self.device_security_mode.code().to_string();
        element(&mut out, "deviceSecurityMode", &mode);
        let transport = self.transport.code().to_string();
        element(&mut out, "transportLayerProtocol", &transport);
        self.emit_enrolment(&mut out);
        let timer = self.tls_resumption_secs.map(|s| s.to_string());
        optional(&mut out, "TLSResumptionTimer", timer.as_deref());
        out.push_str("</device>\n");
        out
    }

    /// The signed companion of an encrypted file: what a phone needs to see whether it can open that
    /// file, and to get another certificate if not (the open `enccnf` writes the same elements).
    /// Its `certHash` is written even where it is blank.
    pub fn emit_companion(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<device>\n");
        element(&mut out, "fullConfig", flag(false));
        // IPv4, which is all that this configuration holds addresses of.
        element(&mut out, "ipAddressMode", "0");
        let load = self.load_information.as_deref();
        element(&mut out, "loadInformation", load.unwrap_or_default());
        let companion = Self {
            cert_hash: Some(self.cert_hash.clone().unwrap_or_default()),
            ..self.clone()
        };
        companion.emit_enrolment(&mut out);
        out.push_str("</device>\n");
        out
    }

    /// How the phone gets a certificate, and whether its configuration is encrypted for it.
    fn emit_enrolment(&self, out: &mut String) {
        let auth_mode = self.capf_auth_mode.map(|m| m.to_string());
        optional(out, "capfAuthMode", auth_mode.as_deref());
        out.push_str("<capfList>\n");
        for server in &self.capf {
            out.push_str("<capf>\n");
            element(out, "phonePort", &server.port.to_string());
            element(out, "processNodeName", &server.host);
            out.push_str("</capf>\n");
        }
        out.push_str("</capfList>\n");
        optional(out, "certHash", self.cert_hash.as_deref());
        element(out, "encrConfig", flag(self.encr_config));
    }

    /// `XMLDefault.cnf.xml`: what a phone without an entry in the database gets, the CallManager
    /// group only.
    pub fn emit_default(&self) -> String {
        let mut out = String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Default>\n");
        callmanager_group(&mut out, &self.callmanager_group);
        out.push_str("</Default>\n");
        out
    }
}

fn callmanager_group(out: &mut String, members: &[Member]) {
    out.push_str("<callManagerGroup>\n<members>\n");
    for member in members {
        // Writing to a string does not fail.
        let _ = writeln!(out, "<member priority=\"{}\">", member.priority);
        out.push_str("<callManager>\n");
        element(out, "name", &member.host);
        out.push_str("<ports>\n");
        let ports = [
            ("ethernetPhonePort", member.ethernet_phone_port),
            ("sipPort", member.sip_port),
            ("securedSipPort", member.secured_sip_port),
        ];
        for (name, port) in ports {
            element(out, name, &port.to_string());
        }
        out.push_str("</ports>\n");
        element(out, "processNodeName", &member.host);
        out.push_str("</callManager>\n</member>\n");
    }
    out.push_str("</members>\n</callManagerGroup>\n");
}

fn sip_profile(out: &mut String, files: &NamedFiles) {
    if files.dial_template.is_none() && files.soft_keys.is_none() {
        return;
    }
    out.push_str("<sipProfile>\n");
    optional(out, "dialTemplate", files.dial_template.as_deref());
    optional(out, "softKeyFile", files.soft_keys.as_deref());
    out.push_str("</sipProfile>\n");
}

fn locale(out: &mut String, name: &str, folder: Option<&str>) {
    if let Some(folder) = folder {
        let _ = writeln!(out, "<{name}>");
        element(out, "name", folder);
        let _ = writeln!(out, "</{name}>");
    }
}

fn optional(out: &mut String, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        element(out, name, value);
    }
}

fn element(out: &mut String, name: &str, value: &str) {
    let _ = write!(out, "<{name}>");
    for c in value.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&apos;"),
            // A bare carriage return would be read back as a line feed.
            '\r' => out.push_str("&#13;"),
            '\t' | '\n' => out.push(c),
            '\0'..='\x1f' | '\u{fffe}' | '\u{ffff}' => out.push('\u{fffd}'),
            c => out.push(c),
        }
    }
    let _ = writeln!(out, "</{name}>");
}

fn flag(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let config = PhoneConfig {
            is_sccp: false,
            full_config: false,
            callmanager_group: vec![Member {
                priority: 0,
                host: "a&b<c>\"'".into(),
                ethernet_phone_port: 1,
                sip_port: 2,
                secured_sip_port: 65_535,
            }],
            tvs: vec![TvsServer {
                priority: 3,
                host: "127.0.0.1".into(),
                port: 2_445,
            }],
            load_information: Some("a\rb\tc".into()),
            version_stamp: Some("1-2".into()),
            device_security_mode: SecurityMode::Encrypted,
            transport: Transport::Tls,
            capf_auth_mode: Some(2),
            capf: vec![CapfServer {
                host: "pub".into(),
                port: 3_804,
            }],
            cert_hash: Some("00ff".into()),
            encr_config: true,
            tls_resumption_secs: Some(3_600),
            files: NamedFiles {
                soft_keys: Some("SKa9bea76c.xml".into()),
                dial_template: Some("dialplan.xml".into()),
                feature_policy: Some("FP.xml".into()),
                user_locale: Some("English_United_Kingdom".into()),
                network_locale: Some("United_Kingdom".into()),
            },
        };
        assert_eq!(PhoneConfig::parse(config.emit().as_bytes()), Ok(config));
    }

    #[test]
    fn characters_that_xml_cannot_hold_are_replaced() {
        let config = PhoneConfig {
            load_information: Some("a\0b\u{1b}".into()),
            ..PhoneConfig::default()
        };
        let read = PhoneConfig::parse(config.emit().as_bytes()).unwrap();
        assert_eq!(read.load_information.as_deref(), Some("a\u{fffd}b\u{fffd}"));
    }

    #[test]
    fn the_companion_says_how_to_open_the_file() {
        let mut config = PhoneConfig {
            callmanager_group: vec![Member {
                priority: 0,
                host: "pub".into(),
                ethernet_phone_port: 2_000,
                sip_port: 5_060,
                secured_sip_port: 5_061,
            }],
            capf_auth_mode: Some(3),
            capf: vec![CapfServer {
                host: "pub".into(),
                port: 3_804,
            }],
            cert_hash: Some("00ff".into()),
            encr_config: true,
            ..PhoneConfig::default()
        };
        let read = PhoneConfig::parse(config.emit_companion().as_bytes()).unwrap();
        let expected = PhoneConfig {
            full_config: false,
            callmanager_group: Vec::new(),
            ..config.clone()
        };
        assert_eq!(read, expected);
        config.cert_hash = None;
        let text = config.emit_companion();
        assert!(text.contains("<certHash></certHash>"));
        let read = PhoneConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(read.cert_hash, None);
    }

    #[test]
    fn protocol_and_security_mode_say_the_port() {
        let mut config = PhoneConfig {
            callmanager_group: vec![Member {
                priority: 0,
                host: "pub".into(),
                ethernet_phone_port: 1,
                sip_port: 2,
                secured_sip_port: 3,
            }],
            ..PhoneConfig::default()
        };
        assert_eq!(config.registration_port("PUB"), Some(2));
        assert_eq!(config.registration_port("10.0.0.1"), Some(SIP_PORT));
        config.device_security_mode = SecurityMode::Encrypted;
        assert_eq!(config.registration_port("pub"), Some(3));
        config.is_sccp = true;
        assert_eq!(config.registration_port("pub"), None);
        config.device_security_mode = SecurityMode::NonSecure;
        assert_eq!(config.registration_port("pub"), Some(1));
        let read = PhoneConfig::parse(config.emit().as_bytes()).unwrap();
        assert!(read.is_sccp);
    }

    #[test]
    fn the_default_file_has_the_group_only() {
        let config = PhoneConfig {
            callmanager_group: vec![Member {
                priority: 0,
                host: "pub".into(),
                ethernet_phone_port: 2_000,
                sip_port: 5_060,
                secured_sip_port: 5_061,
            }],
            ..PhoneConfig::default()
        };
        let text = config.emit_default();
        assert!(text.contains("<processNodeName>pub</processNodeName>"));
        assert!(!text.contains("TVS"));
        let read = PhoneConfig::parse(text.as_bytes()).unwrap();
        assert_eq!(read, config);
    }
}
