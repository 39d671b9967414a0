//! Whether a certificate is one for TLS clients.

use super::extension::{BIT_STRING, EXTENDED_KEY_USAGE, KEY_USAGE, extensions};
use crate::trust::certificate::{Certificate, CertificateError, Der, der_tag};

/// id-kp-clientAuth (RFC 5280, 4.2.1.12).
const CLIENT_AUTH: &[u8] = &[0x2b, 6, 1, 5, 5, 7, 3, 2];

/// Bits of a key usage: digitalSignature, the first one, and keyAgreement, the fifth.
const SIGNS_OR_AGREES: u8 = 0x80 | 0x08;

/// Why a certificate is not one for TLS clients; none where it is, as one without extensions is,
/// such as those of old phones. The rules are those of OpenSSL's purpose `sslclient`, by which nginx
/// and Apache judge (measured with OpenSSL 3.0): anyExtendedKeyUsage alone is not enough.
///
/// # Errors
/// An extension that cannot be read.
pub(super) fn against_client(
    certificate: &Certificate<'_>,
) -> Result<Option<&'static str>, CertificateError> {
    let mut against = None;
    for extension in extensions(certificate)? {
        let value = Der::new(extension.value);
        against = against.or(match extension.oid {
            KEY_USAGE => against_usage(value)?,
            EXTENDED_KEY_USAGE => against_purposes(value)?,
            _ => None,
        });
    }
    Ok(against)
}

fn against_usage(mut value: Der<'_>) -> Result<Option<&'static str>, CertificateError> {
    let bits = value.take(BIT_STRING, "keyUsage", "a BIT STRING")?;
    // The first byte counts the bits that are not used.
    let first = bits.content.get(1).copied().unwrap_or(0);
    let allows = first & SIGNS_OR_AGREES != 0;
    Ok((!allows).then_some("its key usage allows no signatures, with which a phone shows its key"))
}

fn against_purposes(mut value: Der<'_>) -> Result<Option<&'static str>, CertificateError> {
    let field = "extKeyUsage";
    let mut purposes = value.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
    let mut allows = false;
    while !purposes.is_empty() {
        let purpose = purposes.take(der_tag::OID, field, "an OBJECT IDENTIFIER")?;
        allows |= purpose.content == CLIENT_AUTH;
    }
    Ok((!allows).then_some("its extended key usage has no clientAuth"))
}

#[cfg(test)]
mod tests {
    use super::super::extension::OCTET_STRING;
    use super::*;

    /// For servers, clients and IPsec; signs, and more.
    const ALL: &[u8] = include_bytes!("../../testdata/tvs/a-tvs.der");
    /// Of version 1.
    const PLAIN: &[u8] = include_bytes!("../../testdata/tvs/v-expired.der");

    fn against(der: &[u8]) -> Option<&'static str> {
        against_client(&Certificate::parse(der).unwrap()).unwrap()
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
    fn a_purpose_that_is_said_must_be_a_clients() {
        assert_eq!(against(ALL), None);
        assert_eq!(against(PLAIN), None, "nothing is said");
        // Its purpose for clients becomes one for code.
        let before = [1, 6, 8, 0x2b, 6, 1, 5, 5, 7, 3];
        let eku = changed(&before, 0, &[3]);
        assert!(eku != ALL && against(&eku).unwrap().contains("no clientAuth"));
    }

    #[test]
    fn a_usage_that_is_said_must_allow_signatures() {
        // Behind the OCTET STRING, the BIT STRING, and the count of bits that are not used.
        for (usage, is_fine) in [(0x80, true), (0x08, true), (0x20, false), (0, false)] {
            let der = changed(KEY_USAGE, 5, &[usage]);
            assert_eq!(against(&der).is_none(), is_fine, "{usage:#x}");
        }
    }

    #[test]
    fn what_cannot_be_read_counts_for_nothing() {
        // A BIT STRING that is none, and purposes that are none.
        for der in [
            changed(KEY_USAGE, 2, &[OCTET_STRING]),
            changed(EXTENDED_KEY_USAGE, 2, &[OCTET_STRING]),
        ] {
            let read = Certificate::parse(&der).unwrap();
            assert!(against_client(&read).is_err());
        }
    }
}
