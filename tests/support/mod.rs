//! What the tests over `testdata/vectors` share.

#![allow(
    dead_code,
    unreachable_pub,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "each test file has its own copy and uses its part, and a test may read files"
)]

use std::fmt;
use std::path::PathBuf;

use serde_json::Value;
use trustline::trust::certificate::Certificate;
use trustline::trust::decrypt::{DecryptFault, DeviceKey, decrypt};
use trustline::trust::own_signature::{OwnSignatureFault, check_list};
use trustline::trust::signature::{Policy, SignatureCheck, SignatureFault};
use trustline::wire::{SignedFile, Strictness, TrustList, WireError};

/// The bytes of a file under `testdata/vectors`.
pub fn vector(name: &str) -> Vec<u8> {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("testdata/vectors")
        .join(name);
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// One entry of `index.json`.
pub struct Entry(pub Value);

impl Entry {
    pub fn text(&self, key: &str) -> &str {
        self.0[key].as_str().unwrap_or_default()
    }

    pub fn file(&self) -> &str {
        self.text("file")
    }

    pub fn is_list(&self) -> bool {
        self.text("kind") == "tlv"
    }

    pub fn bytes(&self) -> Vec<u8> {
        vector(self.file())
    }

    /// The certificate under which a signed file of this entry holds.
    pub fn signer_certificate(&self) -> Vec<u8> {
        vector(&format!("keys/{}.der", self.text("signer")))
    }

    /// The device key that opens an encrypted file of this entry.
    pub fn device_key(&self) -> DeviceKey {
        let name = if self.file().contains("d-lsc-1024") {
            "keys/d-lsc-1024.pem"
        } else {
            "keys/d-lsc.pem"
        };
        DeviceKey::from_pem(&vector(name)).unwrap()
    }
}

/// All entries of `index.json`.
pub fn entries() -> Vec<Entry> {
    let index: Value = serde_json::from_slice(&vector("index.json")).unwrap();
    let entries = index["vectors"].as_array().unwrap();
    entries.iter().cloned().map(Entry).collect()
}

/// Why a file is not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    Wire(WireError),
    Own(OwnSignatureFault),
    Signature(SignatureFault),
    Decrypt(DecryptFault),
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Wire(fault) => fault.fmt(f),
            Self::Own(fault) => fault.fmt(f),
            Self::Signature(fault) => fault.fmt(f),
            Self::Decrypt(fault) => fault.fmt(f),
        }
    }
}

/// The choices of a firmware that a verdict depends on.
#[derive(Clone, Copy, Default)]
pub struct Choices {
    pub strictness: Strictness,
    pub policy: Policy,
}

/// Judges a list by itself: the index of the signer's record.
pub fn judge_list(
    bytes: &[u8],
    choices: &Choices,
    check: &mut SignatureCheck,
) -> Result<usize, Fault> {
    let list = TrustList::parse(bytes, &choices.strictness).map_err(Fault::Wire)?;
    check_list(&list, bytes, &choices.policy, check).map_err(Fault::Own)
}

/// Judges a signed file under `signer`, a certificate in DER.
pub fn judge_file(
    bytes: &[u8],
    signer: &[u8],
    choices: &Choices,
    check: &mut SignatureCheck,
) -> Result<(), Fault> {
    let file = SignedFile::parse(bytes, &choices.strictness).map_err(Fault::Wire)?;
    let certificate = Certificate::parse(signer).unwrap();
    let header = &file.header;
    check
        .verify(
            &choices.policy,
            header.digest(),
            &certificate,
            bytes,
            header.signature_span(),
            header.signature(),
        )
        .map_err(Fault::Signature)
}

/// Judges any entry, an encrypted file up to its plain text.
pub fn judge(entry: &Entry, choices: &Choices) -> Result<(), Fault> {
    let bytes = entry.bytes();
    let check = &mut SignatureCheck::new();
    if entry.is_list() {
        return judge_list(&bytes, choices, check).map(|_| ());
    }
    judge_file(&bytes, &entry.signer_certificate(), choices, check)?;
    let file = SignedFile::parse(&bytes, &choices.strictness).map_err(Fault::Wire)?;
    if file.encryption().is_some() {
        decrypt(&file, &entry.device_key()).map_err(Fault::Decrypt)?;
    }
    Ok(())
}
