//! The three extensions that matter: alternative names, whether it is an authority, and what for.

use std::net::IpAddr;

use crate::provisioning::signed::Signed;
use crate::trust::certificate::{Certificate, CertificateError, Der, der_tag};

/// Contents of OBJECT IDENTIFIERs (RFC 5280, 4.2.1).
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
const ANY_PURPOSE: &[u8] = &[0x55, 0x1d, 37, 0];
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];

const BOOLEAN: u8 = 0x01;
const OCTET_STRING: u8 = 0x04;
/// Explicit tag 3 of a TBSCertificate.
const EXTENSIONS: u8 = 0xa3;
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
    /// No extended key usage, or one for servers.
    pub(super) allows_server: bool,
}

impl Extensions {
    /// # Errors
    /// An extension of these three that cannot be read.
    pub(super) fn of(certificate: &Certificate<'_>) -> Result<Self, CertificateError> {
        let mut found = Self {
            dns: Vec::new(),
            addresses: Vec::new(),
            is_authority: false,
            allows_server: true,
        };
        let field = "extensions";
        let content = Signed::parse(certificate.der)?.content;
        let mut tbs = Der::new(content).constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
        while !tbs.is_empty() {
            let element = tbs.any(field)?;
            if element.tag != EXTENSIONS {
                continue;
            }
            let mut all = Der::new(element.content);
            let mut all = all.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
            while !all.is_empty() {
                let mut one = all.constructed(der_tag::SEQUENCE, field, "an Extension")?;
                let oid = one.take(der_tag::OID, field, "an OBJECT IDENTIFIER")?;
                if one.peek() == Some(BOOLEAN) {
                    one.take(BOOLEAN, field, "a BOOLEAN")?;
                }
                let value = one.take(OCTET_STRING, field, "an OCTET STRING")?;
                found.read(oid.content, value.content)?;
            }
        }
        Ok(found)
    }

    fn read(&mut self, oid: &[u8], value: &[u8]) -> Result<(), CertificateError> {
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
            _ => {}
        }
        Ok(())
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
