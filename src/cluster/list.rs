//! Signed bytes in Cisco's shape: the header and the records of lists, signed files.
//!
//! Order of elements, `;` between the parts of a name, DNSNAME and IPADDRESS: `show ctl` of Cisco
//! 118892 and 118893. What a signature covers (the file without the signature element): the open
//! tools' files.

use std::net::Ipv4Addr;

use thiserror::Error;

use super::key::{KeyBits, KeyError};
use super::x509::{CertificateKind, LabCertificate, PublicCertificate};
use crate::time::UnixSeconds;
use crate::trust::decrypt::Encrypted;
use crate::wire::element::{Element, header_tag as h, record_tag as r};
use crate::wire::header::with_nul;
use crate::wire::{Digest, Header, Record, Role, SignedFile, TrustList, WireError};

/// Why a list or a signed file could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum PublishError {
    /// Something is longer than the format can say.
    #[error("the file cannot be written: {0}")]
    Wire(#[from] WireError),
    /// The signer's key cannot sign it.
    #[error("the file cannot be signed: {0}")]
    Key(#[from] KeyError),
}

/// What a header says beside the signer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Stamp<'a> {
    /// Header version.
    pub(super) version: (u8, u8),
    /// Signer version element, if there is one.
    pub(super) signer_version: Option<(u8, u8)>,
    /// Digest of the signature.
    pub(super) digest: Digest,
    /// Name inside the file.
    pub(super) file_name: &'a str,
    /// When it was signed; written as 32 bits, which end in 2106.
    pub(super) at: UnixSeconds,
}

/// A header with a signature of zeros, padded to a multiple of four bytes. Inferred: `show ctl`
/// shows that there is padding, not where; the end is the open tools' place. `more` are elements for
/// behind the timestamp.
fn header(
    signer: &LabCertificate,
    stamp: &Stamp<'_>,
    more: Vec<Element<Vec<u8>>>,
) -> Result<Header<Vec<u8>>, KeyError> {
    let public = &signer.public;
    let bits = signer.key.bits().ok_or(KeyError::NotRsa)?;
    let modulus = match bits {
        KeyBits::B1024 => 1,
        KeyBits::B2048 => 2,
        KeyBits::B4096 => 3,
    };
    let pair = |(major, minor): (u8, u8)| vec![major, minor];
    let mut elements = vec![
        Element::value(h::VERSION, pair(stamp.version)),
        Element::value(h::HEADER_LENGTH, vec![0, 0]),
    ];
    elements.extend(
        stamp
            .signer_version
            .map(|v| Element::value(h::SIGNER_VERSION, pair(v))),
    );
    elements.extend([
        Element::container(
            h::SIGNER_ID,
            vec![
                Element::value(h::SIGNER_NAME, with_nul(&public.subject_text)),
                Element::value(h::SERIAL_NUMBER, public.serial.clone()),
                Element::value(h::CA_NAME, with_nul(&public.issuer_text)),
            ],
        ),
        Element::container(
            h::SIGNATURE_INFO,
            vec![
                Element::value(h::DIGEST_ALGORITHM, vec![stamp.digest.code()]),
                Element::container(
                    h::SIGNATURE_ALGORITHM_INFO,
                    vec![
                        Element::value(h::SIGNATURE_ALGORITHM, vec![0]),
                        Element::value(h::SIGNATURE_MODULUS, vec![modulus]),
                    ],
                ),
            ],
        ),
        Element::value(h::SIGNATURE, vec![0; bits.bits() / 8]),
        Element::value(h::FILE_NAME, with_nul(stamp.file_name)),
        Element::value(h::TIMESTAMP, timestamp(stamp.at).to_be_bytes()),
    ]);
    elements.extend(more);
    let mut header = Header { elements };
    let missing = header.length().next_multiple_of(4) - header.length();
    if missing > 0 {
        header.elements.push(Element::padding(missing));
    }
    Ok(header)
}

/// A moment in the 32 bits of a header; the last second of 2106 for all that comes later.
pub(super) fn timestamp(at: UnixSeconds) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

/// A record with a certificate. `host` and `address` are the node's; an imported certificate has
/// neither, and a token's record no SIGNATURE (Cisco 118892).
pub fn record(
    certificate: &PublicCertificate,
    kind: Option<CertificateKind>,
    role: Role,
    place: Option<(&str, Ipv4Addr)>,
) -> Record<Vec<u8>> {
    let host = place.map_or("", |(host, _)| host);
    let mut elements = vec![
        Element::value(r::DNS_NAME, with_nul(host)),
        Element::value(r::SUBJECT_NAME, with_nul(&certificate.subject_text)),
        Element::value(r::FUNCTION, role.code().to_be_bytes()),
        Element::value(r::ISSUER_NAME, with_nul(&certificate.issuer_text)),
        Element::value(r::SERIAL_NUMBER, certificate.serial.clone()),
        Element::value(r::PUBLIC_KEY, certificate.public_key.clone()),
    ];
    if kind != Some(CertificateKind::Token) {
        elements.push(Element::value(r::SIGNATURE, certificate.signature.clone()));
    }
    elements.push(Element::value(r::CERTIFICATE, certificate.der.clone()));
    elements.extend(place.map(|(_, ip)| Element::value(r::IP_ADDRESS, ip.octets())));
    Record { elements }
}

/// A record without certificate: DNSNAME, FUNCTION, IPADDRESS (Cisco 118892; 33 bytes there).
pub(super) fn empty_record(role: Role, host: &str, address: Ipv4Addr) -> Record<Vec<u8>> {
    Record {
        elements: vec![
            Element::value(r::DNS_NAME, with_nul(host)),
            Element::value(r::FUNCTION, role.code().to_be_bytes()),
            Element::value(r::IP_ADDRESS, address.octets()),
        ],
    }
}

/// A signed list.
///
/// # Errors
/// [`PublishError`] if it is too long for the format or the key does not sign.
pub(super) fn signed_list(
    signer: &LabCertificate,
    stamp: &Stamp<'_>,
    records: Vec<Record<Vec<u8>>>,
) -> Result<Vec<u8>, PublishError> {
    let mut list = TrustList {
        header: header(signer, stamp, Vec::new())?,
        records,
        trailing: Vec::new(),
    };
    let message = without_signature(list.emit()?, &list.header);
    let signature = signer.key.sign(stamp.digest, &message)?;
    list.header.set_signature(signature);
    Ok(list.emit()?)
}

/// A file that waits for its signature. Its message is its identity: same message, same bytes.
pub(super) struct Unsigned {
    file: SignedFile<Vec<u8>>,
    digest: Digest,
    /// What is signed.
    pub(super) message: Vec<u8>,
}

impl Unsigned {
    /// A `.sgn` around `body`.
    ///
    /// # Errors
    /// [`PublishError`] if it is too long for the format.
    pub(super) fn new(
        signer: &LabCertificate,
        stamp: &Stamp<'_>,
        body: &[u8],
    ) -> Result<Self, PublishError> {
        let file = SignedFile {
            header: header(signer, stamp, Vec::new())?,
            body: body.to_vec(),
        };
        Self::of(file, stamp)
    }

    /// A `.enc.sgn` around what was encrypted. The signature covers the cipher text.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub(super) fn encrypted(
        signer: &LabCertificate,
        stamp: &Stamp<'_>,
        encrypted: Encrypted,
    ) -> Result<Self, PublishError> {
        let file = SignedFile {
            header: header(signer, stamp, encrypted.elements)?,
            body: encrypted.body,
        };
        Self::of(file, stamp)
    }

    fn of(file: SignedFile<Vec<u8>>, stamp: &Stamp<'_>) -> Result<Self, PublishError> {
        let message = without_signature(file.emit()?, &file.header);
        Ok(Self {
            file,
            digest: stamp.digest,
            message,
        })
    }

    /// The signed file.
    ///
    /// # Errors
    /// [`PublishError`] if the key does not sign.
    pub(super) fn sign(mut self, signer: &LabCertificate) -> Result<Vec<u8>, PublishError> {
        let signature = signer.key.sign(self.digest, &self.message)?;
        self.file.header.set_signature(signature);
        Ok(self.file.emit()?)
    }
}

fn without_signature(mut bytes: Vec<u8>, header: &Header<Vec<u8>>) -> Vec<u8> {
    bytes.drain(header.signature_span());
    bytes
}
