//! Lists and files that nobody signed yet: with a signature that stands in for the one that a cluster's
//! key would make. Nobody has these keys; what a phone does with the file hangs on whose it is alone.

use std::sync::Arc;

use crate::cluster::PublicCertificate;
use crate::trust::certificate::{Certificate, PublicKey};
use crate::trust::modelled::modelled_signature;
use crate::wire::element::{Body, Element, header_tag as tag};
use crate::wire::header::with_nul;
use crate::wire::{Digest, Header, Record, SignedFile, TrustList};

/// A file that was made.
pub(super) struct Made {
    /// All of it.
    pub(super) bytes: Arc<[u8]>,
    /// The signature that stands in.
    pub(super) signature: Vec<u8>,
}

/// A list with these records, and for the rest with the header of another one. None for a signer
/// without an RSA key, and for what the format cannot say.
pub(super) fn list(
    like: &TrustList<&[u8]>,
    records: Vec<Record<Vec<u8>>>,
    signer: &PublicCertificate,
    digest: Digest,
) -> Option<Made> {
    let list = TrustList {
        header: like.header.to_owned(),
        records,
        trailing: Vec::new(),
    };
    let start = list.header.length();
    let bytes = list.emit().ok()?;
    sign(list.header, bytes.get(start..)?, signer, digest)
}

/// A signed file with this name and body, and for the rest with the header of another one.
pub(super) fn file(
    like: &SignedFile<&[u8]>,
    name: &str,
    body: &[u8],
    signer: &PublicCertificate,
    digest: Digest,
) -> Option<Made> {
    let mut header = like.header.to_owned();
    set(&mut header.elements, tag::FILE_NAME, &with_nul(name));
    sign(header, body, signer, digest)
}

fn sign(
    mut header: Header<Vec<u8>>,
    rest: &[u8],
    signer: &PublicCertificate,
    digest: Digest,
) -> Option<Made> {
    let certificate = Certificate::parse(&signer.der).ok()?;
    let PublicKey::Rsa { pkcs1, bits } = certificate.public_key else {
        return None;
    };
    let size = bits.div_ceil(8);
    let modulus = match bits {
        512 => 0,
        1024 => 1,
        2048 => 2,
        4096 => 3,
        _ => return None,
    };
    let values: [(u8, &[u8]); 5] = [
        (tag::SIGNER_NAME, &with_nul(&signer.subject_text)),
        (tag::SERIAL_NUMBER, &signer.serial),
        (tag::CA_NAME, &with_nul(&signer.issuer_text)),
        (tag::DIGEST_ALGORITHM, &[digest.code()]),
        (tag::SIGNATURE_MODULUS, &[modulus]),
    ];
    for (tag, value) in values {
        set(&mut header.elements, tag, value);
    }
    header.set_signature(vec![0; size]);
    let mut message = Vec::new();
    header.emit(&mut message).ok()?;
    message.drain(header.signature_span());
    let signature = modelled_signature(digest, pkcs1, &[&message, rest], size);
    header.set_signature(signature.clone());
    let mut bytes = Vec::new();
    header.emit(&mut bytes).ok()?;
    bytes.extend_from_slice(rest);
    Some(Made {
        bytes: bytes.into(),
        signature,
    })
}

/// Replaces the value of an element wherever it stands.
fn set(elements: &mut [Element<Vec<u8>>], tag: u8, value: &[u8]) {
    for element in elements {
        match &mut element.body {
            Body::Value(old) if element.tag == tag => *old = value.to_vec(),
            Body::Elements(inner) => set(inner, tag, value),
            Body::Value(_) | Body::Padding(_) => {}
        }
    }
}
