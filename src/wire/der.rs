//! Writing DER: the few elements that certificates are made of.

use std::time::Duration;

use der::asn1::{GeneralizedTime, ObjectIdentifier, UtcTime};
use der::{Any, Encode, Tag, TagNumber};

use crate::time::UnixSeconds;

/// Tag, length, and the parts one after the other.
pub(crate) fn node(tag: Tag, parts: &[&[u8]]) -> Vec<u8> {
    Any::new(tag, parts.concat())
        .and_then(|any| any.to_der())
        .expect("a certificate is far below DER's limit of 256 MiB")
}

/// The constructed context-specific tag of this number.
pub(crate) fn context(number: u32) -> Tag {
    Tag::ContextSpecific {
        constructed: true,
        number: TagNumber(number),
    }
}

/// An OBJECT IDENTIFIER.
pub(crate) fn oid_der(oid: ObjectIdentifier) -> Vec<u8> {
    node(Tag::ObjectIdentifier, &[oid.as_bytes()])
}

/// A BIT STRING whose last byte has `unused` bits that do not count.
pub(crate) fn bits(unused: u8, bytes: &[u8]) -> Vec<u8> {
    node(Tag::BitString, &[&[unused], bytes])
}

/// `UTCTime` up to 2049, `GeneralizedTime` after (RFC 5280, 4.1.2.5), and never past its last
/// second, 9999-12-31T23:59:59Z.
pub(crate) fn time(at: UnixSeconds) -> Vec<u8> {
    const LAST: u64 = 253_402_300_799;
    let since = Duration::from_secs(at.min(LAST));
    let encoded = match UtcTime::from_unix_duration(since) {
        Ok(time) => time.to_der(),
        Err(_) => GeneralizedTime::from_unix_duration(since).and_then(|t| t.to_der()),
    };
    encoded.expect("every second up to the last has a form")
}

/// An extension of a certificate (RFC 5280, 4.1): `value` is the DER of what the OID names.
pub(crate) fn extension(oid: &str, is_critical: bool, value: &[u8]) -> Vec<u8> {
    const TRUE: &[u8] = &[0xff];
    let value = node(Tag::OctetString, &[value]);
    let oid = oid_der(ObjectIdentifier::new_unwrap(oid));
    if is_critical {
        let critical = node(Tag::Boolean, &[TRUE]);
        node(Tag::Sequence, &[&oid, &critical, &value])
    } else {
        node(Tag::Sequence, &[&oid, &value])
    }
}
