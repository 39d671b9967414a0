//! The extensions that matter: alternative names, whether it is an authority, for how long a path,
//! and what for. Another one that is critical makes a certificate unusable (RFC 5280, 4.2).

use std::net::IpAddr;

use crate::provisioning::extension::{
    BIT_STRING, BOOLEAN, EXTENDED_KEY_USAGE, KEY_USAGE, extensions,
};
use crate::provisioning::signed::dotted;
use crate::trust::certificate::{Certificate, CertificateError, Der, der_tag};

/// Contents of OBJECT IDENTIFIERs (RFC 5280, 4.2.1).
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
/// certificatePolicies, policyMappings, policyConstraints and inhibitAnyPolicy: nobody asks for a
/// policy, so that they cannot speak against a certificate.
const POLICIES: [&[u8]; 4] = [
    &[0x55, 0x1d, 32],
    &[0x55, 0x1d, 33],
    &[0x55, 0x1d, 36],
    &[0x55, 0x1d, 54],
];
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 37, 0];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

const INTEGER: u8 = 0x02;
/// keyCertSign, in the first byte of a KeyUsage.
const KEY_CERT_SIGN: u8 = 0x04;
/// dNSName and iPAddress of a GeneralName.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// What a certificate's extensions say.
#[derive(Debug)]
pub(super) struct Extensions {
    /// dNSName; none for one that is not ASCII.
    pub(super) dns: Vec<Option<String>>,
    /// iPAddress.
    pub(super) addresses: Vec<IpAddr>,
    /// `CA:TRUE`. A certificate of version 1 cannot say it.
    pub(super) is_authority: bool,
    /// No key usage, or one for signing certificates.
    pub(super) may_sign: bool,
    /// Authorities that may stand between this one and the server, at most.
    pub(super) path_length: Option<usize>,
    /// No extended key usage, or one for servers.
    pub(super) allows_server: bool,
    /// The first critical extension that nothing here understands.
    pub(super) unknown: Option<String>,
}

impl Extensions {
    /// # Errors
    /// One of these extensions that cannot be read.
    pub(super) fn of(certificate: &Certificate<'_>) -> Result<Self, CertificateError> {
        let mut found = Self {
            dns: Vec::new(),
            addresses: Vec::new(),
            is_authority: false,
            may_sign: true,
            path_length: None,
            allows_server: true,
            unknown: None,
        };
        for extension in extensions(certificate)? {
            let is_known = found.read(extension.oid, extension.value)?;
            if extension.is_critical && !is_known && found.unknown.is_none() {
                found.unknown = Some(dotted(extension.oid));
            }
        }
        Ok(found)
    }

    /// False for an extension that is none of those that matter.
    fn read(&mut self, oid: &[u8], value: &[u8]) -> Result<bool, CertificateError> {
        let mut value = Der::new(value);
        match oid {
            ALTERNATIVE_NAME => {
                let field = "subjectAltName";
                let mut names = value.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
                while !names.is_empty() {
                    let name = names.any(field)?;
                    match name.tag {
                        DNS_NAME => {
                            let text = std::str::from_utf8(name.content).ok();
                            let text = text.filter(|text| text.is_ascii());
                            self.dns.push(text.map(str::to_owned));
                        }
                        IP_ADDRESS => self.addresses.extend(address(name.content)),
                        _ => {}
                    }
                }
            }
            BASIC_CONSTRAINTS => {
                let field = "basicConstraints";
                let mut constraints = value.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
                if constraints.peek() == Some(BOOLEAN) {
                    let flag = constraints.take(BOOLEAN, field, "a BOOLEAN")?;
                    self.is_authority = flag.content.iter().any(|&b| b != 0);
                }
                if constraints.peek() == Some(INTEGER) {
                    let length = constraints.take(INTEGER, field, "an INTEGER")?.content;
                    // Whatever is longer than any chain bounds nothing.
                    self.path_length = match length {
                        [one] => Some(usize::from(*one)),
                        _ => None,
                    };
                }
            }
            KEY_USAGE => {
                let field = "keyUsage";
                // The first byte says how many bits at the end are none.
                let bits = value.take(BIT_STRING, field, "a BIT STRING")?.content;
                self.may_sign = bits.get(1).is_some_and(|byte| byte & KEY_CERT_SIGN != 0);
            }
            EXTENDED_KEY_USAGE => {
                let field = "extKeyUsage";
                let mut purposes = value.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
                self.allows_server = false;
                while !purposes.is_empty() {
                    let purpose = purposes.take(der_tag::OID, field, "an OBJECT IDENTIFIER")?;
                    self.allows_server |= [ANY_PURPOSE, SERVER_AUTH].contains(&purpose.content);
                }
            }
            other => return Ok(POLICIES.contains(&other)),
        }
        Ok(true)
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
