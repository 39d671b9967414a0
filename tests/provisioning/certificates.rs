//! Certificates of any shape, made here so that they need no authority's consent.

use std::sync::{Arc, LazyLock, Mutex};

use md5::{Digest as _, Md5};
use ring::digest;
use rsa::pkcs8::DecodePrivateKey as _;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use trustline::cluster::key::{KeyBits, KeyPool, PrivateKey};
use trustline::time::UnixSeconds;

/// 2026-03-01T09:00:00Z.
pub(crate) const NOW: UnixSeconds = 1_772_355_600;

pub(crate) const YEAR: UnixSeconds = 365 * 86_400;

static POOL: LazyLock<Mutex<KeyPool>> = LazyLock::new(|| Mutex::new(KeyPool::new(1)));

pub(crate) fn key(bits: KeyBits) -> Arc<PrivateKey> {
    POOL.lock().unwrap().take(bits)
}

fn tlv(tag: u8, parts: &[&[u8]]) -> Vec<u8> {
    let content = parts.concat();
    let mut out = vec![tag];
    match content.len() {
        short @ 0..0x80 => out.push(u8::try_from(short).unwrap()),
        long => {
            out.push(0x82);
            out.extend_from_slice(&u16::try_from(long).unwrap().to_be_bytes());
            if long < 0x100 {
                out.truncate(1);
                out.extend_from_slice(&[0x81, u8::try_from(long).unwrap()]);
            }
        }
    }
    out.extend_from_slice(&content);
    out
}

/// A Name with these types (the last byte under 2.5.4) and values, one RDN each.
pub(crate) fn name(parts: &[(u8, &str)]) -> Vec<u8> {
    let rdns: Vec<u8> = parts
        .iter()
        .flat_map(|(kind, value)| {
            let kind = tlv(0x06, &[&[0x55, 4, *kind]]);
            tlv(
                0x31,
                &[&tlv(0x30, &[&kind, &tlv(0x0c, &[value.as_bytes()])])],
            )
        })
        .collect();
    tlv(0x30, &[&rdns])
}

pub(crate) const CN: u8 = 3;

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha256,
}

/// What a certificate is to say.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) subject: Vec<u8>,
    pub(crate) key: Arc<PrivateKey>,
    pub(crate) not_before: UnixSeconds,
    pub(crate) not_after: UnixSeconds,
    pub(crate) hash: Hash,
    /// Extensions in DER; none of them: version 1.
    pub(crate) extensions: Vec<Vec<u8>>,
}

impl Draft {
    pub(crate) fn of(common: &str) -> Self {
        Self {
            subject: name(&[(CN, common)]),
            key: key(KeyBits::B2048),
            not_before: NOW - YEAR,
            not_after: NOW + YEAR,
            hash: Hash::Sha256,
            extensions: Vec::new(),
        }
    }

    pub(crate) fn authority(common: &str) -> Self {
        let mut draft = Self::of(common);
        draft.not_after = NOW + 10 * YEAR;
        draft.with(ca())
    }

    pub(crate) fn with(mut self, extension: Vec<u8>) -> Self {
        self.extensions.push(extension);
        self
    }

    pub(crate) fn self_signed(&self) -> Vec<u8> {
        self.signed(&self.subject, &self.key)
    }

    pub(crate) fn by(&self, issuer: &Self) -> Vec<u8> {
        self.signed(&issuer.subject, &issuer.key)
    }

    /// Signed by `key`, in the name of `issuer`.
    pub(crate) fn signed(&self, issuer: &[u8], key: &PrivateKey) -> Vec<u8> {
        let oid = match self.hash {
            Hash::Md5 => 4,
            Hash::Sha1 => 5,
            Hash::Sha256 => 11,
        };
        let oid = tlv(0x06, &[&[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, oid]]);
        let algorithm = tlv(0x30, &[&oid, &[5, 0]]);
        let (version, extensions) = match self.extensions.as_slice() {
            [] => (Vec::new(), Vec::new()),
            all => {
                let all = tlv(0x30, &[&all.concat()]);
                (tlv(0xa0, &[&[2, 1, 2]]), tlv(0xa3, &[&all]))
            }
        };
        let time = |at: UnixSeconds| {
            let at = der::DateTime::from_unix_duration(std::time::Duration::from_secs(at)).unwrap();
            let text = at.to_string().replace(['-', ':', 'T'], "");
            tlv(0x18, &[text.as_bytes()])
        };
        let validity = tlv(0x30, &[&time(self.not_before), &time(self.not_after)]);
        let tbs = tlv(
            0x30,
            &[
                &version,
                &[2, 1, 7],
                &algorithm,
                issuer,
                &validity,
                &self.subject,
                self.key.spki(),
                &extensions,
            ],
        );
        let signature = sign(self.hash, key, &tbs);
        tlv(0x30, &[&tbs, &algorithm, &tlv(0x03, &[&[0], &signature])])
    }
}

fn sign(hash: Hash, key: &PrivateKey, message: &[u8]) -> Vec<u8> {
    let (hashed, prefix): (Vec<u8>, &[u8]) = match hash {
        Hash::Md5 => (
            Md5::digest(message).to_vec(),
            b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
        ),
        Hash::Sha1 => (
            digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message)
                .as_ref()
                .to_vec(),
            b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
        ),
        Hash::Sha256 => (
            digest::digest(&digest::SHA256, message).as_ref().to_vec(),
            b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
        ),
    };
    let scheme = Pkcs1v15Sign {
        hash_len: Some(hashed.len()),
        prefix: prefix.into(),
    };
    let key = RsaPrivateKey::from_pkcs8_der(key.pkcs8()).unwrap();
    key.sign(scheme, &hashed).unwrap()
}

fn extension(kind: u8, value: &[u8]) -> Vec<u8> {
    tlv(
        0x30,
        &[&tlv(0x06, &[&[0x55, 0x1d, kind]]), &tlv(0x04, &[value])],
    )
}

/// `CA:TRUE`.
pub(crate) fn ca() -> Vec<u8> {
    extension(19, &tlv(0x30, &[&[1, 1, 0xff]]))
}

pub(crate) fn dns_names(names: &[&str]) -> Vec<u8> {
    let all: Vec<u8> = names
        .iter()
        .flat_map(|n| tlv(0x82, &[n.as_bytes()]))
        .collect();
    extension(17, &tlv(0x30, &[&all]))
}

/// An alternative name that is an IPv4 address.
pub(crate) fn address_name(address: [u8; 4]) -> Vec<u8> {
    extension(17, &tlv(0x30, &[&tlv(0x87, &[&address])]))
}

/// `CA:TRUE` with a path length.
pub(crate) fn ca_above(length: u8) -> Vec<u8> {
    extension(19, &tlv(0x30, &[&[1, 1, 0xff], &[2, 1, length]]))
}

/// A key usage: its first byte, digitalSignature being 0x80 and keyCertSign 0x04.
pub(crate) fn usage(bits: u8) -> Vec<u8> {
    extension(15, &[3, 2, 0, bits])
}

/// An extension that nobody knows.
pub(crate) fn unknown(is_critical: bool) -> Vec<u8> {
    null(99, is_critical)
}

/// An extension of this kind that says nothing.
pub(crate) fn null(kind: u8, is_critical: bool) -> Vec<u8> {
    let oid = tlv(0x06, &[&[0x55, 0x1d, kind]]);
    let critical: &[u8] = if is_critical { &[1, 1, 0xff] } else { &[] };
    tlv(0x30, &[&oid, critical, &tlv(0x04, &[&[5, 0]])])
}

/// `CA:FALSE`.
pub(crate) fn no_ca() -> Vec<u8> {
    extension(19, &tlv(0x30, &[]))
}

/// `CA:TRUE` with a path length in these bytes.
pub(crate) fn ca_with(length: &[u8]) -> Vec<u8> {
    extension(19, &tlv(0x30, &[&[1, 1, 0xff], &tlv(2, &[length])]))
}

/// An extended key usage: 1 for servers, 2 for clients.
pub(crate) fn purpose(purpose: u8) -> Vec<u8> {
    let oid = tlv(0x06, &[&[0x2b, 6, 1, 5, 5, 7, 3, purpose]]);
    extension(37, &tlv(0x30, &[&oid]))
}
