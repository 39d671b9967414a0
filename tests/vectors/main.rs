//! The vectors of an independent writer (`testdata/vectors`): every entry of the index gets the
//! outcome that the index expects, is described as the index describes it, and is written back
//! byte for byte.

#![allow(clippy::unwrap_used, reason = "a test may")]

#[path = "../support/mod.rs"]
mod support;

mod description;
mod encrypted;
mod outcomes;
mod policies;
mod write_back;

use rsa::Pkcs1v15Sign;
use rsa::pkcs1::DecodeRsaPrivateKey;
use rsa::pkcs8::DecodePrivateKey;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use serde_json::Value;
use trustline::trust::own_signature::OwnSignatureFault;
use trustline::trust::signature::{SignatureFault, digest_of};
use trustline::wire::{Digest, Header};

use support::{Entry, entries, vector};

pub(crate) fn accepted() -> impl Iterator<Item = Entry> {
    entries()
        .into_iter()
        .filter(|e| e.text("expect") == "accept")
}

pub(crate) fn keys() -> Vec<Value> {
    let index: Value = serde_json::from_slice(&vector("index.json")).unwrap();
    index["keys"].as_array().unwrap().clone()
}

/// The bytes that `emit` makes of `header`, signed with the key of that name.
pub(crate) fn signed_again(
    header: &mut Header<Vec<u8>>,
    key: &str,
    emit: impl Fn(&Header<Vec<u8>>) -> Vec<u8>,
) -> Vec<u8> {
    let bytes = emit(header);
    let span = header.signature_span();
    let message = [&bytes[..span.start], &bytes[span.end..]].concat();
    let signature = sign(key, header.digest(), &message);
    assert_eq!(signature.len(), header.signature().len());
    header.set_signature(signature);
    emit(header)
}

/// RSASSA-PKCS1-v1_5 by the crate that the code under test does not use for such keys.
pub(crate) fn sign(key: &str, digest: Digest, message: &[u8]) -> Vec<u8> {
    let pem = vector(&format!("keys/{key}.pem"));
    let key = match PrivateKeyDer::from_pem_slice(&pem).unwrap() {
        PrivateKeyDer::Pkcs1(der) => {
            rsa::RsaPrivateKey::from_pkcs1_der(der.secret_pkcs1_der()).unwrap()
        }
        PrivateKeyDer::Pkcs8(der) => {
            rsa::RsaPrivateKey::from_pkcs8_der(der.secret_pkcs8_der()).unwrap()
        }
        _ => panic!("not an RSA key"),
    };
    let prefix = match digest {
        Digest::Sha1 => unhex("3021300906052b0e03021a05000414"),
        Digest::Sha512 => unhex("3051300d060960864801650304020305000440"),
        other => panic!("{other}"),
    };
    let hashed = digest_of(digest, message).unwrap();
    let scheme = Pkcs1v15Sign {
        hash_len: Some(hashed.len()),
        prefix: prefix.into(),
    };
    key.sign(scheme, &hashed).unwrap()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

pub(crate) fn unhex(text: &str) -> Vec<u8> {
    let text = if text.len() % 2 == 1 {
        format!("0{text}")
    } else {
        text.to_owned()
    };
    (0..text.len())
        .step_by(2)
        .map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap())
        .collect()
}

/// The fault of the signature itself, if the rest holds.
pub(crate) fn signature_fault(fault: &OwnSignatureFault) -> Option<SignatureFault> {
    match fault {
        OwnSignatureFault::Signature { fault, .. } => Some(*fault),
        _ => None,
    }
}
