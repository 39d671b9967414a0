//! The two roots of a provisioning authority, and what it signs.
//!
//! One root stands behind provisioning servers and is in every phone; the other stands behind
//! phones, and providers put it into their servers. The vendor's portal signs a server's request
//! with the first one; phones get their certificates from the second one when they are made. This
//! authority stands in for both, so its roots say that they are a lab's.
//!
//! Chance and the clock are the caller's: the same terms give the same bytes.

use der::asn1::ObjectIdentifier;
use der::{Tag, TagNumber};
use ring::digest;
use thiserror::Error;

use super::device::{Device, MacAttribute, NoDevice};
use super::request::Request;
use super::usage::{End, Usage};
use crate::time::UnixSeconds;
use crate::trust::certificate::{Certificate, CertificateError, Dates, Der, public_key_of};
use crate::wire::Digest;
use crate::wire::der::{bits, context, extension, node, oid_der, time};

/// Bytes of a serial number: 16, as the certificates of clusters have them.
pub const SERIAL_BYTES: usize = 16;

/// An RSA key that signs certificates.
pub trait Signer {
    /// Why it cannot sign.
    type Error: std::error::Error;

    /// The public key as `SubjectPublicKeyInfo` in DER.
    fn spki(&self) -> &[u8];

    /// The public key as in the BIT STRING of [`Self::spki`].
    fn public_key(&self) -> &[u8];

    /// RSASSA-PKCS1-v1_5 over `message`.
    ///
    /// # Errors
    /// The key cannot sign with this digest.
    fn sign(&self, digest: Digest, message: &[u8]) -> Result<Vec<u8>, Self::Error>;
}

/// Which of the two roots.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Root {
    /// It signs provisioning servers. Every phone has its certificate.
    Server,
    /// It signs phones. Every provisioning server has its certificate.
    Client,
}

impl Root {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Server, Self::Client];

    /// Its common name. The guides call the roots "Provisioning Server Root Authority" and "Cisco
    /// Client Certificate Root Authority".
    pub fn common_name(self) -> &'static str {
        match self {
            Self::Server => "Lab Provisioning Server Root Authority",
            Self::Client => "Lab Client Certificate Root Authority",
        }
    }

    /// Its subject, a DER Name: whose authority it is, and which root.
    pub fn subject(self, authority: &str) -> Vec<u8> {
        let parts = [("2.5.4.10", authority), ("2.5.4.3", self.common_name())];
        let parts = parts.map(|(oid, value)| {
            let oid = oid_der(ObjectIdentifier::new_unwrap(oid));
            let value = node(Tag::Utf8String, &[value.as_bytes()]);
            node(Tag::Set, &[&node(Tag::Sequence, &[&oid, &value])])
        });
        node(Tag::Sequence, &parts.each_ref().map(Vec::as_slice))
    }
}

/// What a certificate of a server looks like.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerForm {
    /// X.509 version 1: the name is in the subject alone. `openssl x509 -req`, the usual way to sign
    /// a request, makes them so (measured); what the vendor's portal makes is not known.
    #[default]
    Sipura,
    /// X.509 version 3, with the alternative names that the request asks for: firmware from 11.3 on
    /// compares these first (documented).
    Mpp113,
}

/// What every certificate needs beside its subject and its key.
#[derive(Clone, Copy, Debug)]
pub struct Terms {
    /// Random bytes for the serial number.
    pub serial: [u8; SERIAL_BYTES],
    /// Start of validity.
    pub not_before: UnixSeconds,
    /// End of validity.
    pub not_after: UnixSeconds,
    /// Digest of the signature.
    pub digest: Digest,
}

impl Terms {
    /// The content of the INTEGER: positive, and without leading zero bytes.
    fn serial(&self) -> [u8; SERIAL_BYTES] {
        let mut serial = self.serial;
        serial[0] = (serial[0] & 0x7f) | 0x40;
        serial
    }
}

/// Why nothing is signed.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum IssueError<E: std::error::Error> {
    /// Nobody here signs with this digest.
    #[error("certificates are not signed with {0}, expected SHA-1, SHA-256 or SHA-512")]
    Digest(Digest),
    /// The key cannot sign.
    #[error("the root's key cannot sign: {0}")]
    Key(E),
    /// The key is not the root's.
    #[error("the root's key does not belong to its certificate")]
    OtherKey,
    /// The root's certificate cannot be read.
    #[error("the root's certificate is damaged: {0}")]
    Root(#[from] CertificateError),
    /// The root is not valid at the start of the certificate.
    #[error(
        "the root's certificate is not valid at that date: make another authority, or check the clock"
    )]
    RootDates,
    /// The certificate would be valid longer than its root.
    #[error(
        "the root's certificate ends before that: at most {days} days are left; ask for fewer with \
         --days"
    )]
    OutlivesRoot {
        /// Whole days up to the root's end.
        days: u64,
    },
}

/// What a certificate is, if it is not a server's, which is signed anew at any time; for a sentence.
pub fn not_a_servers(certificate: &Certificate<'_>) -> Option<&'static str> {
    if certificate.issuer == certificate.subject {
        return Some("is a root's certificate");
    }
    match Usage::of(certificate) {
        Ok(usage) if usage.against_signing(End::Server).is_none() => {
            return Some("is an authority's certificate");
        }
        _ => {}
    }
    let phone = Device::of_subject(certificate.subject, None);
    match phone {
        Ok(_) | Err(NoDevice::Agent { .. } | NoDevice::Another { .. }) => {
            Some("is a phone's certificate")
        }
        Err(_) => None,
    }
}

/// A root's certificate, signed with its own key.
///
/// # Errors
/// The key cannot sign with the digest of the terms.
pub fn root<S: Signer>(
    root: Root,
    authority: &str,
    key: &S,
    terms: &Terms,
) -> Result<Vec<u8>, IssueError<S::Error>> {
    let subject = root.subject(authority);
    let constraints = node(Tag::Sequence, &[&node(Tag::Boolean, &[&[0xff]])]);
    let extensions = [
        extension(oid::BASIC_CONSTRAINTS, true, &constraints),
        // keyCertSign and cRLSign.
        extension(oid::KEY_USAGE, true, &bits(1, &[0x06])),
        key_id_extension(&key_id(key.public_key())),
    ];
    let parts = Parts {
        issuer: &subject,
        subject: &subject,
        spki: key.spki(),
        extensions: &extensions,
    };
    sign(&parts, key, terms)
}

/// A root with its key, ready to sign.
#[derive(Clone, Copy, Debug)]
pub struct Issuer<'a, S> {
    root: Certificate<'a>,
    key: &'a S,
}

impl<'a, S: Signer> Issuer<'a, S> {
    /// The root whose certificate (DER) and key these are.
    ///
    /// # Errors
    /// The certificate cannot be read, or the key is another one's.
    pub fn new(certificate: &'a [u8], key: &'a S) -> Result<Self, IssueError<S::Error>> {
        let root = Certificate::parse(certificate)?;
        if root.spki != key.spki() {
            return Err(IssueError::OtherKey);
        }
        Ok(Self { root, key })
    }

    /// A server's certificate, in DER: the request's subject and key as they stand. Whether the
    /// request may be signed is [`Request::check`]'s to say.
    ///
    /// # Errors
    /// The root cannot sign it under these terms.
    pub fn server(
        &self,
        request: &Request<'_>,
        form: ServerForm,
        terms: &Terms,
    ) -> Result<Vec<u8>, IssueError<S::Error>> {
        let mut extensions = Vec::new();
        if form == ServerForm::Mpp113 {
            extensions.extend(self.leaf_extensions(oid::SERVER_AUTH, request.spki));
            if let Some(names) = request.alternative_names {
                extensions.push(extension(oid::ALTERNATIVE_NAMES, false, names));
            }
        }
        self.issue(request.subject, request.spki, &extensions, terms)
    }

    /// A certificate of version 1, in DER, for a server of the lab that sends no request: its
    /// subject has this common name alone, whatever it is.
    ///
    /// # Errors
    /// The root cannot sign it under these terms.
    pub fn lab_server(
        &self,
        common_name: &str,
        spki: &[u8],
        terms: &Terms,
    ) -> Result<Vec<u8>, IssueError<S::Error>> {
        let oid = oid_der(ObjectIdentifier::new_unwrap("2.5.4.3"));
        let value = node(Tag::Utf8String, &[common_name.as_bytes()]);
        let pair = node(Tag::Sequence, &[&oid, &value]);
        let subject = node(Tag::Sequence, &[&node(Tag::Set, &[&pair])]);
        self.issue(&subject, spki, &[], terms)
    }

    /// A phone's certificate, in DER, for the public key in `spki`.
    ///
    /// # Errors
    /// The root cannot sign it under these terms.
    pub fn device(
        &self,
        device: &Device,
        mac_in: MacAttribute,
        spki: &[u8],
        terms: &Terms,
    ) -> Result<Vec<u8>, IssueError<S::Error>> {
        let extensions = self.leaf_extensions(oid::CLIENT_AUTH, spki);
        self.issue(&device.subject(mac_in), spki, &extensions, terms)
    }

    fn leaf_extensions(&self, purpose: &str, spki: &[u8]) -> Vec<Vec<u8>> {
        let purpose = oid_der(ObjectIdentifier::new_unwrap(purpose));
        let id = Tag::ContextSpecific {
            constructed: false,
            number: TagNumber(0),
        };
        let issuer_id = node(id, &[&key_id(self.key.public_key())]);
        let issuer_id = node(Tag::Sequence, &[&issuer_id]);
        // What stands in the BIT STRING at the end; a key that could be read has one.
        let key = public_key_of(&mut Der::new(spki));
        let mut all = vec![
            extension(oid::BASIC_CONSTRAINTS, true, &node(Tag::Sequence, &[])),
            // digitalSignature and keyEncipherment.
            extension(oid::KEY_USAGE, true, &bits(5, &[0xa0])),
            extension(
                oid::EXTENDED_KEY_USAGE,
                false,
                &node(Tag::Sequence, &[&purpose]),
            ),
            extension(oid::AUTHORITY_KEY_ID, false, &issuer_id),
        ];
        if let Some(form) = key.ok().and_then(|key| key.list_form()) {
            all.push(key_id_extension(&key_id(form)));
        }
        all
    }

    fn issue(
        &self,
        subject: &[u8],
        spki: &[u8],
        extensions: &[Vec<u8>],
        terms: &Terms,
    ) -> Result<Vec<u8>, IssueError<S::Error>> {
        let dates = Dates::of(&self.root);
        if !dates.contain(terms.not_before) {
            return Err(IssueError::RootDates);
        }
        if !dates.contain(terms.not_after) {
            let end = u64::try_from(dates.not_after).unwrap_or(0);
            let days = end.saturating_sub(terms.not_before) / 86_400;
            return Err(IssueError::OutlivesRoot { days });
        }
        let parts = Parts {
            issuer: self.root.subject,
            subject,
            spki,
            extensions,
        };
        sign(&parts, self.key, terms)
    }
}

/// What differs from certificate to certificate, each in DER.
struct Parts<'a> {
    issuer: &'a [u8],
    subject: &'a [u8],
    spki: &'a [u8],
    /// None of them: version 1.
    extensions: &'a [Vec<u8>],
}

fn sign<S: Signer>(
    parts: &Parts<'_>,
    key: &S,
    terms: &Terms,
) -> Result<Vec<u8>, IssueError<S::Error>> {
    let algorithm = match terms.digest {
        Digest::Sha1 => "1.2.840.113549.1.1.5",
        Digest::Sha256 => "1.2.840.113549.1.1.11",
        Digest::Sha512 => "1.2.840.113549.1.1.13",
        other @ Digest::Other(_) => return Err(IssueError::Digest(other)),
    };
    let algorithm = oid_der(ObjectIdentifier::new_unwrap(algorithm));
    let algorithm = node(Tag::Sequence, &[&algorithm, &node(Tag::Null, &[])]);
    let validity = [time(terms.not_before), time(terms.not_after)];
    let (version, extensions) = match parts.extensions {
        [] => (Vec::new(), Vec::new()),
        all => {
            let all = node(Tag::Sequence, &[&all.concat()]);
            let version = node(Tag::Integer, &[&[2]]);
            (node(context(0), &[&version]), node(context(3), &[&all]))
        }
    };
    let content = node(
        Tag::Sequence,
        &[
            &version,
            &node(Tag::Integer, &[&terms.serial()]),
            &algorithm,
            parts.issuer,
            &node(Tag::Sequence, &validity.each_ref().map(Vec::as_slice)),
            parts.subject,
            parts.spki,
            &extensions,
        ],
    );
    let signature = key.sign(terms.digest, &content);
    let signature = signature.map_err(IssueError::Key)?;
    Ok(node(
        Tag::Sequence,
        &[&content, &algorithm, &bits(0, &signature)],
    ))
}

/// SHA-1 of the public key (RFC 5280, 4.2.1.2, method 1): a name, not a protection.
fn key_id(public_key: &[u8]) -> Vec<u8> {
    let id = digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, public_key);
    id.as_ref().to_vec()
}

fn key_id_extension(id: &[u8]) -> Vec<u8> {
    extension(oid::SUBJECT_KEY_ID, false, &node(Tag::OctetString, &[id]))
}

/// Extensions and purposes (RFC 5280, 4.2.1).
mod oid {
    pub(super) const SUBJECT_KEY_ID: &str = "2.5.29.14";
    pub(super) const KEY_USAGE: &str = "2.5.29.15";
    pub(super) const ALTERNATIVE_NAMES: &str = "2.5.29.17";
    pub(super) const BASIC_CONSTRAINTS: &str = "2.5.29.19";
    pub(super) const AUTHORITY_KEY_ID: &str = "2.5.29.35";
    pub(super) const EXTENDED_KEY_USAGE: &str = "2.5.29.37";
    pub(super) const SERVER_AUTH: &str = "1.3.6.1.5.5.7.3.1";
    pub(super) const CLIENT_AUTH: &str = "1.3.6.1.5.5.7.3.2";
}
