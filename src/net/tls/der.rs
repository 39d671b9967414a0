//! The two fields of a certificate that TLS needs, found by walking its outer structure. Full
//! parsers refuse what is normal here: version 1, serials of any length and sign, unknown critical
//! extensions.

/// SubjectPublicKeyInfo of a certificate, whole.
pub(super) fn spki(certificate: &[u8]) -> Option<&[u8]> {
    tbs_field(certificate, 5)
}

/// Subject of a certificate: the Name, whole.
pub(super) fn subject(certificate: &[u8]) -> Option<&[u8]> {
    tbs_field(certificate, 4)
}

/// The field `index` of the certificate's TBSCertificate, counted from the serial number: serial,
/// signature algorithm, issuer, validity, subject, public key.
fn tbs_field(certificate: &[u8], index: usize) -> Option<&[u8]> {
    const SEQUENCE: u8 = 0x30;
    const VERSION: u8 = 0xA0;
    let (certificate, _) = Value::read(certificate)?;
    let (tbs, _) = Value::read(certificate.content_of(SEQUENCE)?)?;
    let mut rest = tbs.content_of(SEQUENCE)?;
    let (first, after) = Value::read(rest)?;
    if first.tag == VERSION {
        rest = after;
    }
    for _ in 0..index {
        rest = Value::read(rest)?.1;
    }
    let (field, _) = Value::read(rest)?;
    field.content_of(SEQUENCE)?;
    Some(field.whole)
}

/// One DER value.
struct Value<'a> {
    tag: u8,
    whole: &'a [u8],
    content: &'a [u8],
}

impl<'a> Value<'a> {
    /// The value at the start of `bytes`, and what follows it. Lengths above 65,535 are refused:
    /// no certificate in a trust list is that long.
    fn read(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let (&tag, rest) = bytes.split_first()?;
        let (&first, rest) = rest.split_first()?;
        let (length, rest) = match first {
            0..=0x7F => (usize::from(first), rest),
            0x81 => (usize::from(*rest.first()?), rest.get(1..)?),
            0x82 => {
                let (bytes, rest) = rest.split_first_chunk::<2>()?;
                (usize::from(u16::from_be_bytes(*bytes)), rest)
            }
            _ => return None,
        };
        let content = rest.get(..length)?;
        let (whole, after) = bytes.split_at(bytes.len() - rest.len() + length);
        Some((
            Self {
                tag,
                whole,
                content,
            },
            after,
        ))
    }

    fn content_of(&self, tag: u8) -> Option<&'a [u8]> {
        (self.tag == tag).then_some(self.content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn damaged_certificates_are_no_panic() {
        let certificate = include_bytes!("../../../testdata/tvs/a-tvs.der");
        assert!(spki(certificate).is_some_and(|key| key.starts_with(&[0x30, 0x82, 0x01, 0x22])));
        assert!(
            subject(certificate).is_some_and(|name| name.windows(10).any(|w| w == b"tvs1.a.lab"))
        );
        for cut in 0..certificate.len() {
            assert_eq!(spki(&certificate[..cut]), None);
        }
        for bit in 0..certificate.len() * 8 {
            let mut damaged = certificate.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let _ = (spki(&damaged), subject(&damaged));
        }
    }

    #[test]
    fn version_1_has_no_version_field() {
        let certificate = include_bytes!("../../../testdata/tvs/v1.der");
        assert!(spki(certificate).is_some_and(|key| key.starts_with(&[0x30, 0x82, 0x01, 0x22])));
    }
}
