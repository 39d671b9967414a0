//! What a certificate may be used for, by its extensions: the same judge for both ends of TLS.
//!
//! The rules are those of OpenSSL's purposes `sslserver` and `sslclient`, by which nginx, Apache and
//! libcurl judge (measured with OpenSSL 3.0: anyExtendedKeyUsage alone is not enough). A certificate
//! that says nothing may be used for either, as those of version 1 are, which openssl x509 -req makes.
//! Netscape's certificate type counts where it stands, and Netscape's and Microsoft's purposes for
//! stronger encryption are a server's, as with OpenSSL. Stricter in one thing: name constraints are not applied, so that an authority that
//! has them is refused, whatever they permit.

use std::net::IpAddr;

use super::extension::{BIT_STRING, BOOLEAN, extensions, is_version_1};
use super::signed::dotted;
use crate::trust::certificate::{Certificate, CertificateError, Der, der_tag};

/// Contents of OBJECT IDENTIFIERs (RFC 5280, 4.2.1).
const KEY_USAGE: &[u8] = &[0x55, 0x1d, 15];
const ALTERNATIVE_NAME: &[u8] = &[0x55, 0x1d, 17];
const BASIC_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 19];
const NAME_CONSTRAINTS: &[u8] = &[0x55, 0x1d, 30];
const EXTENDED_KEY_USAGE: &[u8] = &[0x55, 0x1d, 37];
/// cRLDistributionPoints, certificatePolicies, policyMappings, policyConstraints and
/// inhibitAnyPolicy: nobody looks for a list of revoked certificates or asks for a policy, so that
/// they cannot speak against a certificate.
const HARMLESS: [&[u8]; 5] = [
    &[0x55, 0x1d, 31],
    &[0x55, 0x1d, 32],
    &[0x55, 0x1d, 33],
    &[0x55, 0x1d, 36],
    &[0x55, 0x1d, 54],
];
/// id-kp-serverAuth and id-kp-clientAuth.
const SERVER_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 1];
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// nsSGC and msSGC: servers with which exported browsers might use strong encryption.
const SERVER_GATED: [&[u8]; 2] = [
    &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 4, 1],
    &[0x2b, 6, 1, 4, 1, 0x82, 0x37, 10, 3, 3],
];
/// Netscape's certificate type.
const CERTIFICATE_TYPE: &[u8] = &[0x60, 0x86, 0x48, 1, 0x86, 0xf8, 0x42, 1, 1];

const INTEGER: u8 = 0x02;
/// dNSName and iPAddress of a GeneralName.
const DNS_NAME: u8 = 0x82;
const IP_ADDRESS: u8 = 0x87;

/// Bits in the first byte of a key usage.
const DIGITAL_SIGNATURE: u8 = 0x80;
const KEY_ENCIPHERMENT: u8 = 0x20;
const KEY_AGREEMENT: u8 = 0x08;
const KEY_CERT_SIGN: u8 = 0x04;

/// Bits in the first byte of a certificate type.
const TYPE_CLIENT: u8 = 0x80;
const TYPE_SERVER: u8 = 0x40;
const TYPE_AUTHORITY: u8 = 0x04;

/// The end of TLS that a certificate is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    Server,
    Client,
}

/// What a certificate's extensions say.
#[derive(Debug)]
pub(super) struct Usage {
    /// dNSName; none for one that is not ASCII.
    pub(super) dns: Vec<Option<String>>,
    /// iPAddress.
    pub(super) addresses: Vec<IpAddr>,
    /// Authorities that may stand between this one and the certificate that is shown, at most.
    pub(super) path_length: Option<usize>,
    /// The first extension that must be understood, and is not.
    pub(super) unknown: Option<String>,
    /// `CA:TRUE` or `CA:FALSE`; none where nothing is said.
    is_authority: Option<bool>,
    /// Of version 1, in its own name: a root of the old kind, which cannot say what it is.
    is_old_root: bool,
    /// The first byte of the key usage.
    key_usage: Option<u8>,
    /// The first byte of the certificate type.
    certificate_type: Option<u8>,
    /// The ends of TLS that the extended key usage names.
    purposes: Option<Vec<End>>,
}

impl Usage {
    /// # Errors
    /// One of these extensions that cannot be read, or stands there twice.
    pub(super) fn of(certificate: &Certificate<'_>) -> Result<Self, CertificateError> {
        let mut found = Self {
            dns: Vec::new(),
            addresses: Vec::new(),
            path_length: None,
            unknown: None,
            is_authority: None,
            is_old_root: is_version_1(certificate)? && certificate.issuer == certificate.subject,
            key_usage: None,
            certificate_type: None,
            purposes: None,
        };
        let all = extensions(certificate)?;
        for (at, extension) in all.iter().enumerate() {
            // RFC 5280, 4.2: which of two should count?
            if all[..at].iter().any(|before| before.oid == extension.oid) {
                return Err(Der::new(&[]).fail("extensions", "one of a kind"));
            }
            let is_known = found.read(extension.oid, extension.value)?;
            let must_be_known = extension.is_critical || extension.oid == NAME_CONSTRAINTS;
            if must_be_known && !is_known && found.unknown.is_none() {
                found.unknown = Some(dotted(extension.oid));
            }
        }
        Ok(found)
    }

    /// Why a certificate is not one for this end; none where it is.
    pub(super) fn against(&self, end: End) -> Option<&'static str> {
        let (bits, usage) = match end {
            End::Client => (
                DIGITAL_SIGNATURE | KEY_AGREEMENT,
                "its key usage allows no signatures, with which a phone shows its key",
            ),
            End::Server => (
                DIGITAL_SIGNATURE | KEY_ENCIPHERMENT | KEY_AGREEMENT,
                "its key usage allows neither signatures nor the encipherment of keys",
            ),
        };
        if self.key_usage.is_some_and(|allowed| allowed & bits == 0) {
            return Some(usage);
        }
        let (bit, kind) = match end {
            End::Client => (
                TYPE_CLIENT,
                "its Netscape certificate type has no SSL client",
            ),
            End::Server => (
                TYPE_SERVER,
                "its Netscape certificate type has no SSL server",
            ),
        };
        if self.certificate_type.is_some_and(|bits| bits & bit == 0) {
            return Some(kind);
        }
        self.against_purpose(end)
    }

    /// Why a certificate may not sign one for this end; none where it may.
    pub(super) fn against_signing(&self, end: End) -> Option<&'static str> {
        if self.key_usage.is_some_and(|bits| bits & KEY_CERT_SIGN == 0) {
            return Some("its key usage does not allow to sign certificates");
        }
        let is_authority = match self.is_authority {
            Some(says) => says,
            // The key usage allows it, or the type does.
            None => {
                let of_type = self.certificate_type.unwrap_or(0) & TYPE_AUTHORITY != 0;
                self.is_old_root || self.key_usage.is_some() || of_type
            }
        };
        if !is_authority {
            return Some("it is no authority (CA:TRUE)");
        }
        self.against_purpose(end)
    }

    fn against_purpose(&self, end: End) -> Option<&'static str> {
        let purposes = self.purposes.as_ref()?;
        let why = match end {
            End::Server => "its extended key usage has no serverAuth",
            End::Client => "its extended key usage has no clientAuth",
        };
        (!purposes.contains(&end)).then_some(why)
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
                let mut is_authority = false;
                if constraints.peek() == Some(BOOLEAN) {
                    let flag = constraints.take(BOOLEAN, field, "a BOOLEAN")?;
                    is_authority = flag.content.iter().any(|&b| b != 0);
                }
                self.is_authority = Some(is_authority);
                if constraints.peek() == Some(INTEGER) {
                    let before = constraints;
                    let length = constraints.take(INTEGER, field, "an INTEGER")?.content;
                    let length = small(length);
                    let expected = "a path length from 0 up, in its shortest form";
                    let length = length.ok_or_else(|| before.fail(field, expected))?;
                    self.path_length = Some(length);
                }
            }
            KEY_USAGE => self.key_usage = Some(first_byte(value, "keyUsage")?),
            CERTIFICATE_TYPE => self.certificate_type = Some(first_byte(value, "nsCertType")?),
            EXTENDED_KEY_USAGE => {
                let field = "extKeyUsage";
                let mut purposes = value.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
                let found = self.purposes.insert(Vec::new());
                while !purposes.is_empty() {
                    let purpose = purposes.take(der_tag::OID, field, "an OBJECT IDENTIFIER")?;
                    match purpose.content {
                        SERVER_AUTH => found.push(End::Server),
                        CLIENT_AUTH => found.push(End::Client),
                        other if SERVER_GATED.contains(&other) => found.push(End::Server),
                        _ => {}
                    }
                }
            }
            other => return Ok(HARMLESS.contains(&other)),
        }
        Ok(true)
    }
}

/// The first eight bits of a BIT STRING; those that are not there count as unset.
fn first_byte(mut value: Der<'_>, field: &'static str) -> Result<u8, CertificateError> {
    // The first byte says how many bits at the end are none.
    let bits = value.take(BIT_STRING, field, "a BIT STRING")?.content;
    Ok(bits.get(1).copied().unwrap_or(0))
}

/// The content of an INTEGER that is not negative and in its shortest form; what is longer than any
/// chain is the largest number.
fn small(content: &[u8]) -> Option<usize> {
    match *content {
        [] | [0x80..=0xff, ..] | [0, 0..0x80, ..] => None,
        [one] => Some(usize::from(one)),
        [0, one] => Some(usize::from(one)),
        _ => Some(usize::MAX),
    }
}

/// An address out of an iPAddress; none of another length.
pub(super) fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(v4.into());
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}

#[cfg(test)]
mod tests {
    use super::super::extension::OCTET_STRING;
    use super::*;

    /// For servers, clients and IPsec; signs, and more.
    const ALL: &[u8] = include_bytes!("../../testdata/tvs/a-tvs.der");
    /// Of version 1, signed by itself.
    const PLAIN: &[u8] = include_bytes!("../../testdata/tvs/v-expired.der");

    fn usage(der: &[u8]) -> Result<Usage, CertificateError> {
        Usage::of(&Certificate::parse(der).unwrap())
    }

    /// With the bytes behind `after` changed.
    fn changed(after: &[u8], skip: usize, to: &[u8]) -> Vec<u8> {
        let mut der = ALL.to_vec();
        let at = der.windows(after.len()).position(|w| w == after).unwrap();
        let at = at + after.len() + skip;
        der[at..at + to.len()].copy_from_slice(to);
        der
    }

    #[test]
    fn a_purpose_that_is_said_must_be_that_of_the_end() {
        for der in [ALL, PLAIN] {
            let read = usage(der).unwrap();
            for end in [End::Server, End::Client] {
                assert_eq!(read.against(end), None);
                assert_eq!(read.against_signing(end), None);
            }
        }
        // One purpose becomes one for code.
        let before = [1, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3];
        let der = changed(&before, 0, &[3]);
        assert_ne!(der, ALL);
        let read = usage(&der).unwrap();
        let refused = [End::Server, End::Client].map(|end| read.against(end));
        assert_eq!(refused.iter().flatten().count(), 1, "{refused:?}");
        assert_eq!(
            refused,
            [End::Server, End::Client].map(|end| read.against_signing(end))
        );
    }

    #[test]
    fn netscapes_type_and_server_gated_purposes_count() {
        for (bits, client, server, signing) in [
            (0x80, true, false, false),
            (0x40, false, true, false),
            (0xc0, true, true, false),
            (0x04, false, false, true),
        ] {
            let mut read = usage(ALL).unwrap();
            (read.is_authority, read.key_usage) = (None, None);
            let is_known = read.read(CERTIFICATE_TYPE, &[BIT_STRING, 2, 0, bits]);
            assert!(is_known.unwrap());
            assert_eq!(read.against(End::Client).is_none(), client, "{bits:#x}");
            assert_eq!(read.against(End::Server).is_none(), server, "{bits:#x}");
            let signs = read.against_signing(End::Server).is_none();
            assert_eq!(signs, signing, "{bits:#x}");
        }
        for purpose in SERVER_GATED {
            let length = u8::try_from(purpose.len()).unwrap();
            let head = [der_tag::SEQUENCE, length + 2, der_tag::OID, length];
            let mut read = usage(PLAIN).unwrap();
            let value = [&head[..], purpose].concat();
            assert!(read.read(EXTENDED_KEY_USAGE, &value).unwrap());
            assert_eq!(read.against(End::Server), None);
            assert!(read.against(End::Client).is_some());
        }
    }

    #[test]
    fn a_usage_that_is_said_must_allow_it() {
        // Behind the OCTET STRING, the BIT STRING, and the count of bits that are not used.
        for (bits, client, server, signing) in [
            (0x80, true, true, false),
            (0x08, true, true, false),
            (0x20, false, true, false),
            (0x04, false, false, true),
            (0, false, false, false),
        ] {
            let read = usage(&changed(KEY_USAGE, 5, &[bits])).unwrap();
            assert_eq!(read.against(End::Client).is_none(), client, "{bits:#x}");
            assert_eq!(read.against(End::Server).is_none(), server, "{bits:#x}");
            let signs = read.against_signing(End::Client).is_none();
            assert_eq!(signs, signing, "{bits:#x}");
        }
    }

    #[test]
    fn what_cannot_be_read_counts_for_nothing() {
        // A BIT STRING that is none, and purposes that are none.
        for der in [
            changed(KEY_USAGE, 2, &[OCTET_STRING]),
            changed(EXTENDED_KEY_USAGE, 2, &[OCTET_STRING]),
        ] {
            assert!(usage(&der).is_err());
        }
    }

    #[test]
    fn path_lengths_are_whole_numbers() {
        for (content, expected) in [
            (&[0][..], Some(0)),
            (&[0x7f], Some(127)),
            (&[0, 0x80], Some(128)),
            (&[1, 0], Some(usize::MAX)),
            (&[], None),
            (&[0, 0], None),
            (&[0, 0x7f], None),
            (&[0xff], None),
            (&[0x80, 0], None),
        ] {
            assert_eq!(small(content), expected, "{content:?}");
        }
    }
}
