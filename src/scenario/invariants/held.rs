//! A list as the laws read it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, UnparsedPublicKey,
};
use x509_cert::certificate::{CertificateInner, Raw};
use x509_cert::der::Decode;

use crate::wire::header::{same_serial, without_nul};
use crate::wire::{Digest, Role, Strictness, TrustList};

/// What the names of a signer are compared with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Names {
    /// The names in a record, byte for byte.
    OfRecord,
    /// The names in a record's certificate.
    OfCertificate,
}

/// A list in flash.
#[derive(Debug)]
pub(super) struct Held {
    bytes: Arc<[u8]>,
    list: TrustList<Vec<u8>>,
    /// Certificates, and whether the signature was made by their key.
    checked: Mutex<BTreeMap<Box<[u8]>, bool>>,
}

/// The lists of a run. Many phones hold the same few, so each is read once, and its signature checked
/// once by each certificate.
#[derive(Debug, Default)]
pub(super) struct Lists {
    known: BTreeMap<Arc<[u8]>, Option<Arc<Held>>>,
}

impl Lists {
    /// More than a run publishes; a megabyte at usual sizes.
    const LIMIT: usize = 128;

    /// [`Held::read`].
    pub(super) fn read(&mut self, bytes: &Arc<[u8]>) -> Option<Arc<Held>> {
        if let Some(known) = self.known.get(bytes) {
            return known.clone();
        }
        if self.known.len() >= Self::LIMIT {
            self.known.clear();
        }
        let read = Held::read(bytes).map(Arc::new);
        self.known.insert(Arc::clone(bytes), read.clone());
        read
    }
}

impl Held {
    /// Certificates that are remembered of a list: three times what one can hold.
    const MAX_CHECKED: usize = 128;

    /// Reads a list; none if these bytes are not a whole one.
    pub(super) fn read(bytes: &Arc<[u8]>) -> Option<Self> {
        let tolerant = Strictness {
            refuse_duplicates: false,
            ..Strictness::default()
        };
        let list = TrustList::parse(bytes, &tolerant).ok()?.to_owned();
        let bytes = Arc::clone(bytes);
        Some(Self {
            bytes,
            list,
            checked: Mutex::default(),
        })
    }

    /// Issuer and serial number of the signer that the header names.
    pub(super) fn signer(&self) -> (&[u8], &[u8]) {
        let [_, issuer, serial] = self.list.header.signer();
        (issuer, serial)
    }

    pub(super) fn digest(&self) -> Digest {
        self.list.header.digest()
    }

    /// True if the list's signature was made by the key of this certificate.
    pub(super) fn is_signed_by(&self, certificate: &[u8]) -> bool {
        let checked = || self.checked.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(is_signed) = checked().get(certificate) {
            return *is_signed;
        }
        let is_signed = self.verify_by(certificate);
        let mut checked = checked();
        if checked.len() < Self::MAX_CHECKED {
            checked.insert(certificate.into(), is_signed);
        }
        is_signed
    }

    fn verify_by(&self, certificate: &[u8]) -> bool {
        let span = self.list.header.signature_span();
        let parts = (self.bytes.get(..span.start), self.bytes.get(span.end..));
        let (Some(before), Some(after)) = parts else {
            return false;
        };
        let Some(key) = rsa_key(certificate) else {
            return false;
        };
        let Some(algorithm) = algorithm(self.digest()) else {
            return false;
        };
        let message = [before, after].concat();
        let key = UnparsedPublicKey::new(algorithm, key);
        key.verify(&message, self.list.header.signature()).is_ok()
    }

    /// Certificates of the records with a role that is `wanted`.
    pub(super) fn certificates(
        &self,
        wanted: impl Fn(Role) -> bool,
    ) -> impl Iterator<Item = &[u8]> {
        let records = self.list.records.iter();
        records
            .filter(move |record| wanted(record.role()))
            .filter_map(|record| record.certificate())
    }

    /// True if a record with a certificate and with a role that is `wanted` is the one that this
    /// issuer and serial number mean: by the bytes of the record's own names, or by what its
    /// certificate says.
    pub(super) fn names(
        &self,
        issuer: &[u8],
        serial: &[u8],
        by: Names,
        wanted: impl Fn(Role) -> bool,
    ) -> bool {
        let mut wanted = self.list.records.iter().filter(|r| wanted(r.role()));
        wanted.any(|record| {
            let Some(certificate) = record.certificate() else {
                return false;
            };
            match by {
                Names::OfRecord => {
                    record.issuer() == Some(issuer)
                        && record.serial().is_some_and(|s| same_serial(s, serial))
                }
                Names::OfCertificate => is_named(certificate, issuer, serial),
            }
        })
    }

    /// True without a certificate for TFTP and without one for TVS: the empty list of a rollback.
    pub(super) fn is_blank(&self) -> bool {
        let filled = |role| signs_files(role) || role == Role::Tvs;
        self.certificates(filled).next().is_none()
    }
}

/// A role that signs trust lists.
pub(super) fn signs_lists(role: Role) -> bool {
    role == Role::Sast
}

/// A role that signs configuration files.
pub(super) fn signs_files(role: Role) -> bool {
    role == Role::Tftp || role == Role::CcmTftp
}

/// True if the certificate is the one that issuer text and serial number name. The parts of the
/// text are joined in one of two ways, so they are compared without their order of joining.
pub(super) fn is_named(certificate: &[u8], issuer: &[u8], serial: &[u8]) -> bool {
    let Ok(parsed) = CertificateInner::<Raw>::from_der(certificate) else {
        return false;
    };
    let tbs = parsed.tbs_certificate();
    if !same_serial(tbs.serial_number().as_bytes(), serial) {
        return false;
    }
    let parts = |text: &str| -> Vec<String> {
        let mut parts: Vec<_> = text
            .split([';', ','])
            .map(|part| part.trim().to_owned())
            .collect();
        parts.sort();
        parts
    };
    let named = String::from_utf8_lossy(without_nul(issuer)).into_owned();
    parts(&named) == parts(&tbs.issuer().to_string())
}

fn rsa_key(certificate: &[u8]) -> Option<Vec<u8>> {
    let parsed = CertificateInner::<Raw>::from_der(certificate).ok()?;
    let key = &parsed
        .tbs_certificate()
        .subject_public_key_info()
        .subject_public_key;
    key.as_bytes().map(<[u8]>::to_vec)
}

fn algorithm(digest: Digest) -> Option<&'static RsaParameters> {
    match digest {
        Digest::Sha1 => Some(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        Digest::Sha256 => Some(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        Digest::Sha512 => Some(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
        Digest::Other(_) => None,
    }
}
