//! The few fields of an X.509 certificate that a phone looks at.
//!
//! Certificates in trust lists are of every age and make: version 1 and 3, serial numbers that are
//! zero, negative or longer than a standard allows, extensions nobody knows. So this walks the DER
//! itself, copies nothing, and looks at nothing that a decision does not use: neither the
//! extensions nor the certificate's own signature. Names are opaque bytes here; [`name_text`] and
//! [`same_name`] read them.

use std::fmt;

use thiserror::Error;

pub use super::name::{Attribute, attributes, escape_for_terminal, name_text, same_name};
use crate::time::UnixSeconds;

/// DER tags that the walk meets (X.690 8.1.2).
pub(crate) mod der_tag {
    pub(crate) const INTEGER: u8 = 0x02;
    pub(crate) const BIT_STRING: u8 = 0x03;
    pub(crate) const OID: u8 = 0x06;
    pub(crate) const UTC_TIME: u8 = 0x17;
    pub(crate) const GENERALIZED_TIME: u8 = 0x18;
    pub(crate) const SEQUENCE: u8 = 0x30;
    pub(crate) const SET: u8 = 0x31;
    /// The version, explicit tag 0.
    pub(crate) const VERSION: u8 = 0xa0;
}

/// 1.2.840.113549.1.1.1, rsaEncryption.
const OID_RSA: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01];
/// 1.2.840.10045.2.1, id-ecPublicKey.
const OID_EC: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];

/// A certificate, as a view of its DER.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Certificate<'a> {
    /// The whole certificate.
    pub der: &'a [u8],
    /// Serial number: the content of the INTEGER, so with a leading 00 where the top bit is set.
    /// Compare with [`crate::wire::header::same_serial`].
    pub serial: &'a [u8],
    /// Issuer: a DER Name.
    pub issuer: &'a [u8],
    /// Subject: a DER Name.
    pub subject: &'a [u8],
    /// Start of validity, in seconds since 1970-01-01T00:00:00Z; negative before.
    pub not_before: i64,
    /// End of validity, in seconds since 1970-01-01T00:00:00Z; negative before.
    pub not_after: i64,
    /// SubjectPublicKeyInfo, DER.
    pub spki: &'a [u8],
    /// The key in it.
    pub public_key: PublicKey<'a>,
    /// The certificate's own signature, which nothing here checks.
    pub signature: &'a [u8],
}

/// A certificate's public key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PublicKey<'a> {
    /// RSA.
    Rsa {
        /// RSAPublicKey of PKCS#1, DER: the form of a list's PUBLICKEY.
        pkcs1: &'a [u8],
        /// Bits of the modulus.
        bits: usize,
    },
    /// Elliptic curve.
    Ec {
        /// The point of X9.62, uncompressed: the form of a list's PUBLICKEY.
        point: &'a [u8],
        /// Content of the curve's OBJECT IDENTIFIER.
        curve_oid: &'a [u8],
    },
    /// Any other key; nothing can be checked with it.
    Other,
}

impl<'a> PublicKey<'a> {
    /// The key as a list's PUBLICKEY has it; none for a key of another kind.
    pub fn list_form(&self) -> Option<&'a [u8]> {
        match *self {
            Self::Rsa { pkcs1, .. } => Some(pkcs1),
            Self::Ec { point, .. } => Some(point),
            Self::Other => None,
        }
    }
}

/// When a certificate is valid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dates {
    /// First second, since 1970-01-01T00:00:00Z; negative before.
    pub not_before: i64,
    /// Last second, since 1970-01-01T00:00:00Z; negative before.
    pub not_after: i64,
}

impl Dates {
    /// The dates of a certificate.
    pub fn of(certificate: &Certificate<'_>) -> Self {
        Self {
            not_before: certificate.not_before,
            not_after: certificate.not_after,
        }
    }

    /// True between the dates, and on them.
    pub fn contain(self, now: UnixSeconds) -> bool {
        let now = i64::try_from(now).unwrap_or(i64::MAX);
        (self.not_before..=self.not_after).contains(&now)
    }
}

/// Bytes that are not a certificate, and where.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("offset {offset} of the certificate: {field}: expected {expected}")]
pub struct CertificateError {
    /// Bytes from the certificate's start.
    pub offset: usize,
    /// The field that was being read.
    pub field: &'static str,
    /// What the format wants there.
    pub expected: &'static str,
}

impl<'a> Certificate<'a> {
    /// Reads a certificate of any version. The outer SEQUENCE must fill `der` exactly.
    ///
    /// # Errors
    /// The first place where the bytes are not a certificate.
    pub fn parse(der: &'a [u8]) -> Result<Self, CertificateError> {
        use der_tag as tag;

        let mut outer = Der::new(der);
        let mut certificate = outer.constructed(tag::SEQUENCE, "certificate", "a SEQUENCE")?;
        outer.end("certificate")?;

        let mut tbs = certificate.constructed(tag::SEQUENCE, "tbsCertificate", "a SEQUENCE")?;
        certificate.take(tag::SEQUENCE, "signatureAlgorithm", "a SEQUENCE")?;
        let signature = certificate.bit_string("signatureValue")?.left;
        certificate.end("certificate")?;

        if tbs.peek() == Some(tag::VERSION) {
            tbs.take(tag::VERSION, "version", "a version")?;
        }
        let serial = tbs
            .take(tag::INTEGER, "serialNumber", "an INTEGER")?
            .content;
        if serial.is_empty() {
            return Err(tbs.fail("serialNumber", "at least one byte"));
        }
        tbs.take(tag::SEQUENCE, "signature", "a SEQUENCE")?;
        let issuer = tbs.take(tag::SEQUENCE, "issuer", "a Name")?.whole;
        let mut validity = tbs.constructed(tag::SEQUENCE, "validity", "a SEQUENCE")?;
        let not_before = validity.time("notBefore")?;
        let not_after = validity.time("notAfter")?;
        validity.end("validity")?;
        let subject = tbs.take(tag::SEQUENCE, "subject", "a Name")?.whole;
        let mut key = tbs;
        let spki = tbs
            .take(tag::SEQUENCE, "subjectPublicKeyInfo", "a SEQUENCE")?
            .whole;
        let public_key = public_key_of(&mut key)?;
        // Unique identifiers and extensions: any of them, as long as they are whole.
        while !tbs.is_empty() {
            tbs.any("extensions")?;
        }
        Ok(Self {
            der,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            spki,
            public_key,
            signature,
        })
    }
}

/// The key of the SubjectPublicKeyInfo that comes next.
pub(crate) fn public_key_of<'a>(tbs: &mut Der<'a>) -> Result<PublicKey<'a>, CertificateError> {
    use der_tag as tag;

    let field = "subjectPublicKeyInfo";
    let mut spki = tbs.constructed(tag::SEQUENCE, field, "a SEQUENCE")?;
    let mut algorithm = spki.constructed(tag::SEQUENCE, field, "an AlgorithmIdentifier")?;
    let oid = algorithm
        .take(tag::OID, field, "an OBJECT IDENTIFIER")?
        .content;
    let key = spki.bit_string(field)?;
    spki.end(field)?;
    if oid == OID_RSA {
        return Ok(PublicKey::Rsa {
            pkcs1: key.left,
            bits: key.modulus_bits()?,
        });
    }
    if oid == OID_EC && algorithm.peek() == Some(tag::OID) {
        let curve_oid = algorithm.take(tag::OID, field, "a curve")?.content;
        return Ok(PublicKey::Ec {
            point: key.left,
            curve_oid,
        });
    }
    Ok(PublicKey::Other)
}

/// One DER element.
#[derive(Clone, Copy)]
pub(crate) struct Tlv<'a> {
    pub(crate) tag: u8,
    /// Tag, length and content.
    pub(crate) whole: &'a [u8],
    pub(crate) content: &'a [u8],
}

/// A cursor over DER. It never goes into itself: every container gets a cursor of its own.
#[derive(Clone, Copy)]
pub(crate) struct Der<'a> {
    left: &'a [u8],
    /// Offset of the end of `left` from the start of the whole.
    end: usize,
}

impl<'a> Der<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            left: bytes,
            end: bytes.len(),
        }
    }

    #[cold]
    pub(crate) fn fail(&self, field: &'static str, expected: &'static str) -> CertificateError {
        CertificateError {
            offset: self.end - self.left.len(),
            field,
            expected,
        }
    }

    /// What is not read yet.
    #[inline]
    pub(crate) fn left(&self) -> &'a [u8] {
        self.left
    }

    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.left.is_empty()
    }

    #[inline]
    pub(crate) fn peek(&self) -> Option<u8> {
        self.left.first().copied()
    }

    #[inline]
    pub(crate) fn end(&self, field: &'static str) -> Result<(), CertificateError> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(self.fail(field, "nothing after the last element"))
        }
    }

    /// The next element, of any tag of one byte.
    #[inline]
    pub(crate) fn any(&mut self, field: &'static str) -> Result<Tlv<'a>, CertificateError> {
        match self.peek().and_then(|tag| self.usual(tag)) {
            Some(element) => Ok(element),
            None => self.unusual(field),
        }
    }

    /// The next element, if it has `tag`, is whole, and its length has one of the three forms that
    /// usual certificates have. A certificate has some twenty elements and a list up to forty
    /// certificates, all of which a decision walks: so this is inlined, and what is slow or wrong
    /// is left to [`Self::unusual`].
    #[inline(always)]
    fn usual(&mut self, tag: u8) -> Option<Tlv<'a>> {
        let (head, length) = match *self.left {
            [t, short, ..] if t == tag && short < 0x80 => (2, usize::from(short)),
            [t, 0x82, high, low, ..] if t == tag && high > 0 => {
                (4, usize::from(u16::from_be_bytes([high, low])))
            }
            [t, 0x81, long, ..] if t == tag && long >= 0x80 => (3, usize::from(long)),
            _ => return None,
        };
        let (whole, left) = self.left.split_at_checked(head + length)?;
        if tag & 0x1f == 0x1f {
            return None;
        }
        self.left = left;
        Some(Tlv {
            tag,
            whole,
            content: &whole[head..],
        })
    }

    /// The next element, however its length is written, or what is wrong with it.
    #[cold]
    fn unusual(&mut self, field: &'static str) -> Result<Tlv<'a>, CertificateError> {
        let rest = self.left;
        let (&tag, after_tag) = rest
            .split_first()
            .ok_or_else(|| self.fail(field, "another element"))?;
        if tag & 0x1f == 0x1f {
            return Err(self.fail(field, "a tag of one byte"));
        }
        let (&first, after_length) = after_tag
            .split_first()
            .ok_or_else(|| self.fail(field, "a length"))?;
        let (length, head) = match first {
            0..=0x7f => (usize::from(first), 2),
            0x81..=0x84 => {
                let n = usize::from(first & 0x7f);
                let digits = after_length
                    .get(..n)
                    .ok_or_else(|| self.fail(field, "a whole length"))?;
                let length = digits.iter().fold(0_u64, |l, &d| l << 8 | u64::from(d));
                // DER: the shortest form only (X.690 10.1).
                if length < 0x80 || digits[0] == 0 {
                    return Err(self.fail(field, "a length in its shortest form"));
                }
                // A length that does not fit is past the end in any case.
                (usize::try_from(length).unwrap_or(usize::MAX), 2 + n)
            }
            _ => return Err(self.fail(field, "a definite length of at most four bytes")),
        };
        let (whole, left) = rest
            .split_at_checked(head.saturating_add(length))
            .ok_or_else(|| self.fail(field, "an element that ends inside its container"))?;
        self.left = left;
        Ok(Tlv {
            tag,
            whole,
            content: &whole[head..],
        })
    }

    /// The next element, which must have `tag`.
    #[inline(always)]
    pub(crate) fn take(
        &mut self,
        tag: u8,
        field: &'static str,
        expected: &'static str,
    ) -> Result<Tlv<'a>, CertificateError> {
        match self.usual(tag) {
            Some(element) => Ok(element),
            None => self.take_unusual(tag, field, expected),
        }
    }

    #[cold]
    fn take_unusual(
        &mut self,
        tag: u8,
        field: &'static str,
        expected: &'static str,
    ) -> Result<Tlv<'a>, CertificateError> {
        let before = *self;
        let element = self.unusual(field)?;
        if element.tag == tag {
            Ok(element)
        } else {
            Err(before.fail(field, expected))
        }
    }

    /// A cursor over the content of the next element, which must have `tag`.
    #[inline(always)]
    pub(crate) fn constructed(
        &mut self,
        tag: u8,
        field: &'static str,
        expected: &'static str,
    ) -> Result<Self, CertificateError> {
        let element = self.take(tag, field, expected)?;
        Ok(Self {
            left: element.content,
            end: self.end - self.left.len(),
        })
    }

    /// A cursor over the bytes of the next element, a BIT STRING of whole bytes.
    #[inline(always)]
    pub(crate) fn bit_string(&mut self, field: &'static str) -> Result<Self, CertificateError> {
        let before = *self;
        let mut inner = self.constructed(der_tag::BIT_STRING, field, "a BIT STRING")?;
        match inner.left.split_first() {
            Some((0, bytes)) => {
                inner.left = bytes;
                Ok(inner)
            }
            _ => Err(before.fail(field, "a BIT STRING of whole bytes")),
        }
    }

    /// Bits of the modulus of an RSAPublicKey that fills the cursor.
    #[inline]
    fn modulus_bits(mut self) -> Result<usize, CertificateError> {
        let field = "RSA public key";
        let mut key = self.constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
        self.end(field)?;
        let before = key;
        let modulus = key.take(der_tag::INTEGER, field, "a modulus")?.content;
        key.take(der_tag::INTEGER, field, "an exponent")?;
        key.end(field)?;
        if modulus.first().is_none_or(|&first| first & 0x80 != 0) {
            return Err(before.fail(field, "a positive modulus"));
        }
        let zeros = modulus.iter().take_while(|&&b| b == 0).count();
        match modulus.get(zeros) {
            Some(first) => Ok((modulus.len() - zeros) * 8 - first.leading_zeros() as usize),
            None => Err(before.fail(field, "a positive modulus")),
        }
    }

    /// A UTCTime or GeneralizedTime, in seconds since 1970.
    fn time(&mut self, field: &'static str) -> Result<i64, CertificateError> {
        let before = *self;
        let element = self.any(field)?;
        let seconds = match element.tag {
            der_tag::UTC_TIME => seconds_of(element.content, 2),
            der_tag::GENERALIZED_TIME => seconds_of(element.content, 4),
            _ => None,
        };
        seconds.ok_or_else(|| before.fail(field, "a UTCTime or GeneralizedTime"))
    }
}

/// Seconds since 1970 of `YY[YY]MMDDhhmm[ss](Z|+hhmm|-hhmm)`. The short and the shifted forms are
/// not DER, but X.509 of 1988 has them.
fn seconds_of(text: &[u8], year_digits: usize) -> Option<i64> {
    let (century, text) = match year_digits {
        2 => (None, text),
        _ => {
            let ([century], rest) = numbers(text)?;
            (Some(century), rest)
        }
    };
    let ([year, month, day, hour, minute], rest) = numbers(text)?;
    let year = match century {
        Some(century) => century * 100 + year,
        // RFC 5280 4.1.2.5.1: 50 to 99 are of the last century.
        None if year < 50 => 2000 + year,
        None => 1900 + year,
    };
    let (second, rest) = match rest {
        [b'0'..=b'9', ..] => {
            let ([second], rest) = numbers(rest)?;
            (second, rest)
        }
        _ => (0, rest),
    };
    let shift = match rest {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), shift @ ..] => {
            let ([hours, minutes], []) = numbers(shift)? else {
                return None;
            };
            if hours >= 24 || minutes >= 60 {
                return None;
            }
            let shift = (hours * 60 + minutes) * 60;
            if *sign == b'+' { -shift } else { shift }
        }
        _ => return None,
    };
    let in_range = (1..=12).contains(&month)
        && (1..=31).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range {
        return None;
    }
    let days = days_since_1970(year, month, day);
    Some(((days * 24 + hour) * 60 + minute) * 60 + second + shift)
}

/// The next `N` numbers of two digits each, and what follows.
#[inline]
fn numbers<const N: usize>(text: &[u8]) -> Option<([i64; N], &[u8])> {
    let (digits, rest) = text.split_at_checked(2 * N)?;
    let (pairs, _) = digits.as_chunks::<2>();
    let mut odd = 0;
    let mut numbers = [0; N];
    for (number, pair) in numbers.iter_mut().zip(pairs) {
        // Both digits in one word: each half is 0 to 9, or 6 more reaches its upper four bits.
        let pair = u32::from(u16::from_le_bytes(*pair)) ^ 0x3030;
        odd |= pair | (pair + 0x0606);
        *number = i64::from((pair * 10 + (pair >> 8)) & 0xff);
    }
    (odd & 0xf0f0 == 0).then_some((numbers, rest))
}

/// Days from 1970-01-01 in the Gregorian calendar. The year starts in March, so that the leap day
/// is the last one.
fn days_since_1970(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    // 719,468 days lie between 0000-03-01 and 1970-01-01.
    era * 146_097 + day_of_era - 719_468
}

/// Bits and kind: `RSA 2048`, `EC P-256`.
impl fmt::Display for PublicKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Rsa { bits, .. } => write!(f, "RSA {bits}"),
            Self::Ec { curve_oid, .. } => match *curve_oid {
                [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07] => f.write_str("EC P-256"),
                [0x2b, 0x81, 0x04, 0x00, 0x22] => f.write_str("EC P-384"),
                [0x2b, 0x81, 0x04, 0x00, 0x23] => f.write_str("EC P-521"),
                _ => f.write_str("EC of another curve"),
            },
            Self::Other => f.write_str("another kind of key"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
        let content = parts.concat();
        let length = u16::try_from(content.len()).unwrap();
        let mut out = vec![tag];
        match length {
            0..=0x7f => out.push(length as u8),
            0x80..=0xff => out.extend([0x81, length as u8]),
            _ => {
                out.push(0x82);
                out.extend(length.to_be_bytes());
            }
        }
        out.extend(content);
        out
    }

    /// A certificate of these parts; what nobody looks at is empty.
    fn certificate(version: &[u8], serial: &[u8], validity: [&[u8]; 2], spki: &[u8]) -> Vec<u8> {
        let name = der(0x30, &[]);
        let algorithm = der(0x30, &[&der(0x06, &[&[0x2a, 0x03]])]);
        let validity = der(0x30, &validity);
        let serial = der(0x02, &[serial]);
        let tbs: [&[u8]; 7] = [version, &serial, &algorithm, &name, &validity, &name, spki];
        let tbs = der(0x30, &tbs);
        der(0x30, &[&tbs, &algorithm, &der(0x03, &[&[0, 0xaa]])])
    }

    fn rsa_spki(modulus: &[u8]) -> Vec<u8> {
        let key = der(0x30, &[&der(0x02, &[modulus]), &der(0x02, &[&[3]])]);
        let algorithm = der(0x30, &[&der(0x06, &[OID_RSA]), &der(0x05, &[])]);
        der(0x30, &[&algorithm, &der(0x03, &[&[0], &key])])
    }

    fn validity() -> [Vec<u8>; 2] {
        [
            der(0x17, &[b"700101000000Z"]),
            der(0x18, &[b"20380119031408Z"]),
        ]
    }

    fn simple(serial: &[u8], spki: &[u8]) -> Vec<u8> {
        let [from, to] = validity();
        certificate(&[], serial, [&from, &to], spki)
    }

    #[test]
    fn versions_and_serials_of_every_kind_are_read() {
        let spki = rsa_spki(&[0x00, 0x80, 0x01]);
        let long = [0xf1; 25];
        for serial in [&[0][..], &[0xff], &[0x00, 0x91], &[0, 0, 1], &long] {
            let v1 = simple(serial, &spki);
            let certificate = Certificate::parse(&v1).unwrap();
            assert_eq!(certificate.serial, serial);
            assert_eq!(certificate.issuer, [0x30, 0]);
            assert_eq!(certificate.spki, spki);
            assert_eq!(certificate.signature, [0xaa]);
            assert_eq!(
                (certificate.not_before, certificate.not_after),
                (0, 1 << 31)
            );
        }
        let [from, to] = validity();
        let v3 = der(0xa0, &[&[2, 1, 2]]);
        let v3 = certificate(&v3, &[1], [&from, &to], &spki);
        assert!(Certificate::parse(&v3).is_ok());
        let empty = simple(&[], &spki);
        let error = Certificate::parse(&empty).unwrap_err();
        assert_eq!(
            (error.field, error.expected),
            ("serialNumber", "at least one byte")
        );
    }

    #[test]
    fn bits_of_a_modulus_are_counted_without_zeros() {
        for (modulus, bits) in [
            (&[0x00, 0xff, 0xff][..], 16),
            (&[0x7f, 0xff], 15),
            (&[0x01], 1),
            (&[0x00, 0x00, 0x80], 8),
        ] {
            let der = simple(&[1], &rsa_spki(modulus));
            let key = Certificate::parse(&der).unwrap().public_key;
            assert!(matches!(key, PublicKey::Rsa { bits: b, .. } if b == bits));
            assert_eq!(key.to_string(), format!("RSA {bits}"));
        }
        for modulus in [&[][..], &[0], &[0, 0], &[0x80]] {
            let der = simple(&[1], &rsa_spki(modulus));
            let error = Certificate::parse(&der).unwrap_err();
            assert_eq!(error.expected, "a positive modulus", "{modulus:?}");
        }
    }

    #[test]
    fn keys_of_other_kinds_are_told() {
        let point = [4, 1, 2];
        let curve = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
        let algorithm = der(0x30, &[&der(0x06, &[OID_EC]), &der(0x06, &[&curve])]);
        let spki = der(0x30, &[&algorithm, &der(0x03, &[&[0], &point])]);
        let ec = simple(&[1], &spki);
        let key = Certificate::parse(&ec).unwrap().public_key;
        assert_eq!(key.list_form(), Some(&point[..]));
        assert_eq!(key.to_string(), "EC P-256");

        let algorithm = der(0x30, &[&der(0x06, &[&[0x2b, 0x65, 0x70]])]);
        let spki = der(0x30, &[&algorithm, &der(0x03, &[&[0], &point])]);
        let other = simple(&[1], &spki);
        let key = Certificate::parse(&other).unwrap().public_key;
        assert_eq!((key, key.list_form()), (PublicKey::Other, None));
    }

    #[test]
    fn times_are_read_in_every_form_of_x509() {
        for (text, digits, seconds) in [
            ("700101000000Z", 2, Some(0)),
            ("691231235959Z", 2, Some(-1)),
            ("491231235959Z", 2, Some(2_524_607_999)),
            ("500101000000Z", 2, Some(-631_152_000)),
            ("000229120000Z", 2, Some(951_825_600)),
            ("0001010000Z", 2, Some(946_684_800)),
            ("000101000000+0100", 2, Some(946_681_200)),
            ("000101000000-0130", 2, Some(946_690_200)),
            ("19700101000000Z", 4, Some(0)),
            ("99991231235959Z", 4, Some(253_402_300_799)),
            ("00000101000000Z", 4, Some(-62_167_219_200)),
            ("700101000000", 2, None),
            ("701301000000Z", 2, None),
            ("700100000000Z", 2, None),
            ("700101240000Z", 2, None),
            ("70010100000xZ", 2, None),
            ("700101000000ZZ", 2, None),
            ("700101000000+2400", 2, None),
            ("", 2, None),
        ] {
            assert_eq!(seconds_of(text.as_bytes(), digits), seconds, "{text}");
        }
    }

    #[test]
    fn numbers_are_two_digits_and_nothing_else() {
        for tens in 0..=u8::MAX {
            for ones in 0..=u8::MAX {
                let digits = tens.is_ascii_digit() && ones.is_ascii_digit();
                let number = || i64::from(tens - b'0') * 10 + i64::from(ones - b'0');
                let expected = digits.then(|| ([number(), 42], &b"Z"[..]));
                assert_eq!(numbers(&[tens, ones, b'4', b'2', b'Z']), expected);
            }
        }
        assert_eq!(numbers::<2>(b"123"), None);
    }

    #[test]
    fn errors_name_the_place() {
        let good = simple(&[1], &rsa_spki(&[0x7f]));
        assert!(Certificate::parse(&good).is_ok());
        let mut longer = good.clone();
        longer.push(0);
        let error = Certificate::parse(&longer).unwrap_err();
        assert_eq!((error.offset, error.field), (good.len(), "certificate"));

        for (bytes, offset, expected) in [
            (&[][..], 0, "another element"),
            (&[0x30], 0, "a length"),
            (&[0x31, 0], 0, "a SEQUENCE"),
            (
                &[0x30, 0x80, 0, 0],
                0,
                "a definite length of at most four bytes",
            ),
            (
                &[0x30, 0x85, 0, 0, 0, 0, 0],
                0,
                "a definite length of at most four bytes",
            ),
            (&[0x30, 0x82, 1], 0, "a whole length"),
            (&[0x30, 0x81, 0x7f], 0, "a length in its shortest form"),
            (
                &[0x30, 0x82, 0x00, 0x80],
                0,
                "a length in its shortest form",
            ),
            (
                &[0x30, 0x84, 0xff, 0xff, 0xff, 0xff],
                0,
                "an element that ends inside its container",
            ),
            (&[0x3f, 0x81, 0], 0, "a tag of one byte"),
            (
                &[0x30, 2, 0x30, 1],
                2,
                "an element that ends inside its container",
            ),
            (&[0x30, 2, 0x30, 0], 4, "another element"),
            (&[0x30, 2, 0x02, 0], 2, "a SEQUENCE"),
        ] {
            let error = Certificate::parse(bytes).unwrap_err();
            assert_eq!(
                (error.offset, error.expected),
                (offset, expected),
                "{bytes:02x?}"
            );
        }
        let text = Certificate::parse(&[0x31, 0]).unwrap_err().to_string();
        assert_eq!(
            text,
            "offset 0 of the certificate: certificate: expected a SEQUENCE"
        );
    }
}
