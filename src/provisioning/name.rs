//! The name in a server's certificate.
//!
//! Two ways of comparing. `sipura` is the provisioning guides': the common name holds the server's
//! full name alone, or followed by a slash and more, such as `pv.telco.net/mailto:admin@telco.net`;
//! what counts is the part before the first slash. No subject alternative name, no wildcard, and
//! the URL's host is not compared: the DNS check takes its place. `mpp113` is what firmware 11.3
//! with libcurl does: a dNSName counts before the common name, and must be the URL's host.
//!
//! Sources: Cisco's 8832 and 7832 guides (HTTPS provisioning); Sipwise's notes for the missing
//! wildcard; OpenSSL's `X509_check_host` for `mpp113`. Case does not count, in the sense of
//! ASCII: inferred, as for every DNS name.

use std::fmt;
use std::net::IpAddr;

use thiserror::Error;

use crate::trust::certificate::{attributes, escape_for_terminal};

/// Content of the OBJECT IDENTIFIER 2.5.4.3, commonName.
const COMMON_NAME: &[u8] = &[0x55, 4, 3];

/// Bytes of a host name, and of one part of it, at most (RFC 1035 2.3.4).
pub(super) const MAX_NAME: usize = 253;
pub(super) const MAX_LABEL: usize = 63;

/// How the name is compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum NameCheck {
    /// The common name up to the first slash; the URL's host does not count.
    #[default]
    Sipura,
    /// A dNSName, or the common name where there is none; must be the URL's host.
    Mpp113,
}

impl NameCheck {
    /// As settings and arguments write it.
    pub fn word(self) -> &'static str {
        match self {
            Self::Sipura => "sipura",
            Self::Mpp113 => "mpp113",
        }
    }
}

impl fmt::Display for NameCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The names that a certificate gives its holder.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// Common names of the subject, in its order. None for a value that is no text.
    pub common: Vec<Option<String>>,
    /// dNSName of the subject alternative name. None for one that is no ASCII.
    pub dns: Vec<Option<String>>,
    /// iPAddress of the subject alternative name, of 4 or 16 bytes.
    pub addresses: Vec<IpAddr>,
}

impl Names {
    /// The names of a subject (a DER Name) without alternative names.
    pub fn of_subject(subject: &[u8]) -> Self {
        let common = attributes(subject)
            .filter(|attribute| attribute.oid == COMMON_NAME)
            .map(|attribute| attribute.text())
            .collect();
        Self {
            common,
            ..Self::default()
        }
    }
}

/// Why a certificate's name is not taken.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NameFault {
    /// The subject has no common name.
    #[error("the subject has no common name")]
    None,
    /// Two common names or more: which one counts nobody says.
    #[error("the subject has {0} common names, expected one")]
    Several(usize),
    /// The value is no text.
    #[error("the common name is no text")]
    NotText,
    /// Nothing before the slash.
    #[error("the common name {0:?} has nothing before the slash, expected the server's full name")]
    Empty(String),
    /// A NUL, with which another name can be made to look like this one.
    #[error("the name \"{}\" holds a NUL byte: a forgery", escape_for_terminal(.0.as_bytes()))]
    Nul(String),
    /// A wildcard, which this check does not know.
    #[error("the name {0:?} is a wildcard, which the sipura check does not take")]
    Wildcard(String),
    /// What stands before the slash is no host name.
    #[error("{0:?} is no host name: expected letters, digits, hyphens and dots, and no address")]
    NotAHost(String),
    /// Another name than the URL's host.
    #[error("the certificate is for {}, the URL names {host:?}", one_of(.names))]
    Other {
        /// The names that were compared.
        names: Vec<String>,
        /// The URL's host.
        host: String,
    },
}

impl NameFault {
    /// Its stable code.
    pub fn code(&self) -> &'static str {
        match self {
            Self::None | Self::NotText | Self::Empty(_) => "name-missing",
            Self::Several(_) => "name-ambiguous",
            Self::Nul(_) | Self::NotAHost(_) => "name-malformed",
            Self::Wildcard(_) => "name-wildcard",
            Self::Other { .. } => "name-mismatch",
        }
    }
}

fn one_of(names: &[String]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("{name:?}")).collect();
    quoted.join(", ")
}

/// The host name that the certificate stands for, as DNS is asked for it: in lower case, without a
/// dot at the end.
///
/// # Errors
/// Why the certificate's name is not taken.
pub fn check(check: NameCheck, names: &Names, url_host: &str) -> Result<String, NameFault> {
    match check {
        NameCheck::Sipura => sipura(names),
        NameCheck::Mpp113 => mpp113(names, url_host),
    }
}

fn sipura(names: &Names) -> Result<String, NameFault> {
    let common = match names.common.as_slice() {
        [] => return Err(NameFault::None),
        [one] => one.as_ref().ok_or(NameFault::NotText)?,
        several => return Err(NameFault::Several(several.len())),
    };
    if common.contains('\0') {
        return Err(NameFault::Nul(common.clone()));
    }
    // The first slash ends the name; whatever follows, further slashes too, is information.
    let host = common.split('/').next().unwrap_or_default();
    if host.is_empty() {
        return Err(NameFault::Empty(common.clone()));
    }
    if host.contains('*') {
        return Err(NameFault::Wildcard(host.to_owned()));
    }
    host_name(host).ok_or_else(|| NameFault::NotAHost(host.to_owned()))
}

/// libcurl over OpenSSL: an address is compared with iPAddress entries, a name with dNSName
/// entries, and with the common names only where there is no dNSName at all.
fn mpp113(names: &Names, url_host: &str) -> Result<String, NameFault> {
    let other = |names: Vec<String>| NameFault::Other {
        names,
        host: url_host.to_owned(),
    };
    if let Ok(address) = url_host.parse::<IpAddr>() {
        // A common name is never compared with an address.
        if names.addresses.contains(&address) {
            return Ok(address.to_string());
        }
        let mut all: Vec<_> = names.addresses.iter().map(IpAddr::to_string).collect();
        all.extend(texts(&names.common));
        all.extend(texts(&names.dns));
        return Err(other(all));
    }
    let patterns = if names.dns.is_empty() {
        &names.common
    } else {
        &names.dns
    };
    if patterns.is_empty() {
        return Err(NameFault::None);
    }
    let host = host_name(url_host).ok_or_else(|| NameFault::NotAHost(url_host.to_owned()))?;
    let patterns = texts(patterns);
    if patterns.iter().any(|pattern| matches(pattern, &host)) {
        return Ok(host);
    }
    match patterns.iter().find(|pattern| pattern.contains('\0')) {
        Some(forged) => Err(NameFault::Nul(forged.clone())),
        None => Err(other(patterns)),
    }
}

fn texts(names: &[Option<String>]) -> Vec<String> {
    names.iter().flatten().cloned().collect()
}

/// Whether a certificate's name, perhaps `*.domain`, stands for `host`, which is in lower case.
fn matches(pattern: &str, host: &str) -> bool {
    let Some(domain) = pattern.strip_prefix("*.") else {
        return host_name(pattern).is_some_and(|name| name == host);
    };
    // RFC 6125 6.4.3: the wildcard is the whole leftmost part, for one part, and what follows it
    // has a dot, so that `*.com` stands for nothing.
    let (Some(domain), Some((first, rest))) = (host_name(domain), host.split_once('.')) else {
        return false;
    };
    !first.is_empty() && domain.contains('.') && domain == rest
}

/// A host name in lower case without the dot at its end; none for what is no host name. An
/// address is none either: a certificate's common name is looked up.
fn host_name(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let is_label = |label: &str| {
        let fits = (1..=MAX_LABEL).contains(&label.len());
        let is_fine = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
        fits && label.bytes().all(is_fine) && !label.starts_with('-') && !label.ends_with('-')
    };
    let is_name =
        name.len() <= MAX_NAME && name.parse::<IpAddr>().is_err() && name.split('.').all(is_label);
    is_name.then(|| name.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tlv(tag: u8, content: &[u8]) -> Vec<u8> {
        let mut out = vec![tag, u8::try_from(content.len()).unwrap()];
        out.extend_from_slice(content);
        out
    }

    /// A subject with one RDN for each type and value.
    fn subject(attributes: &[(&[u8], u8, &[u8])]) -> Vec<u8> {
        let rdns: Vec<u8> = attributes
            .iter()
            .flat_map(|(oid, tag, value)| {
                let pair = [tlv(0x06, oid), tlv(*tag, value)].concat();
                tlv(0x31, &tlv(0x30, &pair))
            })
            .collect();
        tlv(0x30, &rdns)
    }

    fn common(name: &str) -> Names {
        Names::of_subject(&subject(&[(COMMON_NAME, 0x0c, name.as_bytes())]))
    }

    fn with_dns(common: &str, dns: &[&str]) -> Names {
        Names {
            dns: dns.iter().map(|name| Some((*name).to_owned())).collect(),
            ..self::common(common)
        }
    }

    #[test]
    fn sipura_takes_the_name_before_the_first_slash() {
        for (name, expected) in [
            // The three of the guide.
            ("sprov.callme.com", Ok("sprov.callme.com")),
            ("pv.telco.net/mailto:admin@telco.net", Ok("pv.telco.net")),
            ("prof.voice.com/info@voice.com", Ok("prof.voice.com")),
            // Look-alikes: each stands for exactly what is before the slash, and DNS decides.
            (
                "pv.telco.net.evil.example/pv.telco.net",
                Ok("pv.telco.net.evil.example"),
            ),
            ("evil.example/pv.telco.net", Ok("evil.example")),
            ("pv.telco.net/", Ok("pv.telco.net")),
            ("pv.telco.net//x", Ok("pv.telco.net")),
            ("pv.telco.net/a/b", Ok("pv.telco.net")),
            ("PV.Telco.NET/x", Ok("pv.telco.net")),
            ("pv.telco.net.", Ok("pv.telco.net")),
            ("pv.telco.net./x", Ok("pv.telco.net")),
            ("telco", Ok("telco")),
            ("pv_1.telco.net", Ok("pv_1.telco.net")),
            ("/pv.telco.net", Err("name-missing")),
            ("", Err("name-missing")),
            ("/", Err("name-missing")),
            ("//pv.telco.net", Err("name-missing")),
            ("pv.telco.net\0.evil.example", Err("name-malformed")),
            ("pv.telco.net/\0", Err("name-malformed")),
            ("*.telco.net", Err("name-wildcard")),
            ("pv.*.net/x", Err("name-wildcard")),
            // An address is no name: DNS could not be asked for it.
            ("10.0.0.1", Err("name-malformed")),
            ("10.0.0.1/x", Err("name-malformed")),
            (" pv.telco.net", Err("name-malformed")),
            ("pv.telco.net /x", Err("name-malformed")),
            ("pv..telco.net", Err("name-malformed")),
            (".telco.net", Err("name-malformed")),
            ("pv.telco.net..", Err("name-malformed")),
            (".", Err("name-malformed")),
            ("-pv.telco.net", Err("name-malformed")),
            ("https://pv.telco.net/x", Err("name-malformed")),
            ("pv.telco.net:443", Err("name-malformed")),
            ("pv.telco.net\\/x", Err("name-malformed")),
            // A letter that looks like a latin one.
            ("pv.t\u{435}lco.net", Err("name-malformed")),
        ] {
            let found = check(NameCheck::Sipura, &common(name), "other.example");
            let found = found.as_deref().map_err(NameFault::code);
            assert_eq!(found, expected, "{name:?}");
        }
        let long = format!("{}.net", "a".repeat(64));
        assert!(check(NameCheck::Sipura, &common(&long), "x").is_err());
    }

    #[test]
    fn strings_of_every_kind_are_names() {
        let wide: Vec<u8> = "pv.telco.net/x"
            .encode_utf16()
            .flat_map(u16::to_be_bytes)
            .collect();
        for (tag, value) in [
            (0x0c, &b"pv.telco.net/x"[..]),
            (0x13, b"pv.telco.net/x"),
            (0x14, b"pv.telco.net/x"),
            (0x16, b"pv.telco.net/x"),
            (0x1e, &wide),
        ] {
            let names = Names::of_subject(&subject(&[(COMMON_NAME, tag, value)]));
            let found = check(NameCheck::Sipura, &names, "");
            assert_eq!(found.as_deref(), Ok("pv.telco.net"), "tag {tag:x}");
        }
        for (tag, value) in [(0x02, &b"\x05"[..]), (0x0c, b"\xff"), (0x1e, b"a")] {
            let names = Names::of_subject(&subject(&[(COMMON_NAME, tag, value)]));
            let found = check(NameCheck::Sipura, &names, "");
            assert_eq!(found, Err(NameFault::NotText), "tag {tag:x}");
        }
    }

    #[test]
    fn the_subject_has_exactly_one_common_name() {
        const EMAIL: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1];
        // In one line this prints as CN=pv.telco.net/emailAddress=..., and is two RDNs.
        let two = subject(&[
            (COMMON_NAME, 0x0c, b"pv.telco.net"),
            (EMAIL, 0x16, b"admin@telco.net"),
        ]);
        let found = check(NameCheck::Sipura, &Names::of_subject(&two), "");
        assert_eq!(found.as_deref(), Ok("pv.telco.net"));
        let several = subject(&[
            (COMMON_NAME, 0x0c, b"evil.example"),
            (COMMON_NAME, 0x0c, b"pv.telco.net"),
        ]);
        let found = check(NameCheck::Sipura, &Names::of_subject(&several), "");
        assert_eq!(found, Err(NameFault::Several(2)));
        let none = subject(&[(&[0x55, 4, 10], 0x0c, b"pv.telco.net")]);
        let found = check(NameCheck::Sipura, &Names::of_subject(&none), "");
        assert_eq!(found, Err(NameFault::None));
        // A dNSName does not count.
        let names = Names {
            common: Vec::new(),
            ..with_dns("", &["pv.telco.net"])
        };
        assert_eq!(check(NameCheck::Sipura, &names, ""), Err(NameFault::None));
    }

    #[test]
    fn mpp113_compares_with_the_urls_host() {
        for (name, dns, host, is_taken) in [
            ("pv.telco.net", &[][..], "pv.telco.net", true),
            ("PV.telco.net", &[], "pv.TELCO.net", true),
            ("pv.telco.net.", &[], "pv.telco.net", true),
            ("pv.telco.net", &[], "pv.telco.net.", true),
            // The guides' form is no name for a TLS library.
            ("pv.telco.net/x@telco.net", &[], "pv.telco.net", false),
            ("other.net", &[], "pv.telco.net", false),
            ("*.telco.net", &[], "pv.telco.net", true),
            ("*.telco.net", &[], "a.pv.telco.net", false),
            ("*.telco.net", &[], "telco.net", false),
            ("*.net", &[], "telco.net", false),
            ("p*.telco.net", &[], "pv.telco.net", false),
            ("*", &[], "telco", false),
            // With a dNSName the common name is not looked at.
            ("pv.telco.net", &["other.net"], "pv.telco.net", false),
            (
                "other.net",
                &["a.net", "pv.telco.net"],
                "pv.telco.net",
                true,
            ),
            ("pv.telco.net\0.evil.example", &[], "pv.telco.net", false),
            ("10.0.0.1", &[], "10.0.0.1", false),
        ] {
            let found = check(NameCheck::Mpp113, &with_dns(name, dns), host);
            assert_eq!(
                found.is_ok(),
                is_taken,
                "{name:?} {dns:?} {host}: {found:?}"
            );
        }
        let names = Names {
            addresses: vec!["10.0.0.1".parse().unwrap()],
            ..common("pv.telco.net")
        };
        let found = check(NameCheck::Mpp113, &names, "10.0.0.1");
        assert_eq!(found.as_deref(), Ok("10.0.0.1"));
        assert!(check(NameCheck::Mpp113, &names, "10.0.0.2").is_err());
    }
}
