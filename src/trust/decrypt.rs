//! Encrypted configuration files (`.enc.sgn`): the body's key wrapped with the phone's RSA key,
//! the body in AES-128-CBC, and a digest of the plain text in the signed header.
//!
//! Source: the files of the open tools, which real phones take. The signature covers the cipher
//! text and is checked before this; the digest here says that the right key opened it.

use std::fmt;

use aes::Aes128;
use cbc::cipher::{Array, BlockModeDecrypt, BlockModeEncrypt, KeyIvInit};
use rsa::pkcs1::{DecodeRsaPrivateKey, DecodeRsaPublicKey};
use rsa::pkcs8::DecodePrivateKey;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Encrypt, RsaPrivateKey, RsaPublicKey};
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject;
use thiserror::Error;

use super::certificate::{Certificate, PublicKey};
use super::signature::digest_of;
use crate::rng::{Rng, Seeded};
use crate::wire::element::{Element, header_tag as tag};
use crate::wire::{Digest, SignedFile};

/// Bytes of an AES-128 key, and of a block.
const BLOCK: usize = 16;

/// The byte that fills the plain text up to whole blocks.
const PADDING: u8 = 0x0d;

/// The private key of a phone: of its LSC or MIC.
pub struct DeviceKey(RsaPrivateKey);

/// A device key that cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DeviceKeyError {
    /// There is no PEM section with a private key.
    #[error(
        "no private key in the file, expected PEM with BEGIN PRIVATE KEY or BEGIN RSA PRIVATE KEY"
    )]
    NoKey,
    /// The key is of another kind: only RSA keys unwrap.
    #[error("the private key is not an RSA key, and only RSA keys open encrypted files")]
    NotRsa,
    /// The key's numbers do not make an RSA key.
    #[error("the RSA private key is damaged")]
    Damaged,
}

impl DeviceKey {
    /// The first private key in `pem`, in PKCS#8 or PKCS#1. Certificates beside it are skipped.
    ///
    /// # Errors
    /// If there is none, or it is no RSA key.
    pub fn from_pem(pem: &[u8]) -> Result<Self, DeviceKeyError> {
        let key = PrivateKeyDer::from_pem_slice(pem).map_err(|_| DeviceKeyError::NoKey)?;
        match key {
            PrivateKeyDer::Pkcs1(der) => RsaPrivateKey::from_pkcs1_der(der.secret_pkcs1_der())
                .map(Self)
                .map_err(|_| DeviceKeyError::Damaged),
            PrivateKeyDer::Pkcs8(der) => Self::from_pkcs8(der.secret_pkcs8_der()),
            _ => Err(DeviceKeyError::NotRsa),
        }
    }

    /// The private key in `der`, PKCS#8, as a phone has it.
    ///
    /// # Errors
    /// If it is no RSA key, or a damaged one.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, DeviceKeyError> {
        let key = RsaPrivateKey::from_pkcs8_der(der).map_err(|error| match error {
            rsa::pkcs8::Error::PublicKey(_) => DeviceKeyError::NotRsa,
            _ => DeviceKeyError::Damaged,
        })?;
        Ok(Self(key))
    }

    /// Bytes of the modulus, and so of a key that it can unwrap.
    pub fn size(&self) -> usize {
        self.0.size()
    }
}

/// Says the size, never the key.
impl fmt::Debug for DeviceKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceKey(RSA {})", self.size() * 8)
    }
}

/// Why an encrypted file does not open.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum DecryptFault {
    /// The header says nothing about encryption.
    #[error("the file is not encrypted")]
    NotEncrypted,
    /// The wrapped key has another size than the device key.
    #[error(
        "the wrapped key has {wrapped} bytes, the device key opens {key}: another phone's file"
    )]
    WrappedKeyLength {
        /// Bytes of the wrapped key.
        wrapped: usize,
        /// Bytes of the device key's modulus.
        key: usize,
    },
    /// The device key does not unwrap the key.
    #[error("the device key does not open the wrapped key: another phone's file")]
    WrongDeviceKey,
    /// What was wrapped is not an AES-128 key.
    #[error("the wrapped key opens to {actual} bytes, expected 16")]
    BodyKeyLength {
        /// Bytes found.
        actual: usize,
    },
    /// The body is not made of whole blocks.
    #[error("the encrypted body has {actual} bytes, expected a multiple of 16 above 0")]
    BodyLength {
        /// Bytes found.
        actual: usize,
    },
    /// The header's padding count is out of range.
    #[error("the header counts {actual} padding bytes, expected 1 to 16")]
    PaddingCount {
        /// The count found.
        actual: u16,
    },
    /// The plain text does not end in padding.
    #[error("the plain text ends in other bytes than padding, expected {count} bytes of 0d")]
    PaddingBytes {
        /// The header's count.
        count: u16,
    },
    /// The digest of the plain text is one that no source names.
    #[error("{0} of the plain text is not supported, expected SHA-1, SHA-256 or SHA-512")]
    DigestUnsupported(Digest),
    /// The plain text has another digest than the header says.
    #[error("the plain text does not have the digest that the header gives")]
    DigestMismatch,
}

/// Opens an encrypted file. The signature of `file` must have been checked before.
///
/// # Errors
/// The first step that fails.
pub fn decrypt(file: &SignedFile<&[u8]>, key: &DeviceKey) -> Result<Vec<u8>, DecryptFault> {
    let encryption = file.encryption().ok_or(DecryptFault::NotEncrypted)?;
    let digest = encryption.plain_digest_algorithm;
    if matches!(digest, Digest::Other(_)) {
        return Err(DecryptFault::DigestUnsupported(digest));
    }
    let wrapped = encryption.wrapped_key;
    if wrapped.len() != key.size() {
        let (wrapped, key) = (wrapped.len(), key.size());
        return Err(DecryptFault::WrappedKeyLength { wrapped, key });
    }
    let body_key =
        (key.0.decrypt(Pkcs1v15Encrypt, wrapped)).map_err(|_| DecryptFault::WrongDeviceKey)?;
    let Ok(body_key) = <[u8; BLOCK]>::try_from(body_key.as_slice()) else {
        let actual = body_key.len();
        return Err(DecryptFault::BodyKeyLength { actual });
    };
    let mut plain = file.body.to_vec();
    let (blocks, rest) = Array::slice_as_chunks_mut(&mut plain);
    if blocks.is_empty() || !rest.is_empty() {
        let actual = file.body.len();
        return Err(DecryptFault::BodyLength { actual });
    }
    let count = encryption.padding;
    if !(1..=BLOCK).contains(&usize::from(count)) {
        return Err(DecryptFault::PaddingCount { actual: count });
    }
    cbc::Decryptor::<Aes128>::new(&body_key.into(), &encryption.iv.into()).decrypt_blocks(blocks);
    let text = plain.len() - usize::from(count);
    if plain[text..].iter().any(|&b| b != PADDING) {
        return Err(DecryptFault::PaddingBytes { count });
    }
    plain.truncate(text);
    if digest_of(digest, &plain).as_deref() != Some(encryption.plain_digest) {
        return Err(DecryptFault::DigestMismatch);
    }
    Ok(plain)
}

/// What a configuration's `certHash` says of a certificate: its MD5, in lower hex (security guide
/// 12.5; the open `enccnf` writes it so). It only tells certificates apart; nothing is trusted for it.
pub fn certificate_hash(der: &[u8]) -> String {
    use md5::Digest as _;
    let digest = md5::Md5::digest(der);
    digest.iter().map(|b| format!("{b:02x}")).collect()
}

/// What [`encrypt`] makes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Encrypted {
    /// Elements 16, 26 and 27 for the header, after the timestamp and before the padding.
    pub elements: Vec<Element<Vec<u8>>>,
    /// The body: the cipher text.
    pub body: Vec<u8>,
}

/// Why a file cannot be encrypted for a phone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum EncryptFault {
    /// The phone's certificate has a key of another kind, or a damaged one.
    #[error("the phone's certificate has no usable RSA key, and only RSA keys wrap")]
    KeyNotRsa,
    /// The phone's key is too small to wrap an AES key.
    #[error("the phone's RSA key is too small to wrap an AES key")]
    KeyTooSmall,
    /// The digest is one that no source names.
    #[error("{0} is not supported, expected SHA-1, SHA-256 or SHA-512")]
    DigestUnsupported(Digest),
}

/// Encrypts `plain` for the phone that holds `device`'s key. The body's key and initialisation
/// vector are given; `rng` fills the padding of the wrapped key. The same arguments give the same
/// bytes, which is what an emulated cluster wants and a real one must not do.
///
/// # Errors
/// If the phone's key cannot wrap, or the digest is unknown.
pub fn encrypt(
    plain: &[u8],
    device: &Certificate<'_>,
    body_key: [u8; BLOCK],
    iv: [u8; BLOCK],
    digest: Digest,
    rng: &mut Rng,
) -> Result<Encrypted, EncryptFault> {
    let plain_digest = digest_of(digest, plain).ok_or(EncryptFault::DigestUnsupported(digest))?;
    let PublicKey::Rsa { pkcs1, .. } = device.public_key else {
        return Err(EncryptFault::KeyNotRsa);
    };
    let key = RsaPublicKey::from_pkcs1_der(pkcs1).map_err(|_| EncryptFault::KeyNotRsa)?;
    let wrapped = key
        .encrypt(&mut Seeded(rng), Pkcs1v15Encrypt, &body_key)
        .map_err(|_| EncryptFault::KeyTooSmall)?;

    let count = BLOCK - plain.len() % BLOCK;
    let mut body = plain.to_vec();
    body.resize(plain.len() + count, PADDING);
    let (blocks, _) = Array::slice_as_chunks_mut(&mut body);
    cbc::Encryptor::<Aes128>::new(&body_key.into(), &iv.into()).encrypt_blocks(blocks);

    // Both are small: a block, and a modulus of at most 8192 bits.
    let count = [0, count as u8];
    let bits = ((wrapped.len() * 8) as u16).to_be_bytes();
    let information = Element::container(
        tag::ENCRYPTION_INFO,
        vec![
            Element::container(
                tag::BODY_CIPHER,
                vec![
                    Element::value(tag::BODY_ALGORITHM, [0]),
                    Element::value(tag::BODY_IV, iv),
                    Element::value(tag::BODY_PADDING, count),
                ],
            ),
            Element::container(
                tag::KEY_WRAP,
                vec![
                    Element::value(tag::KEY_ALGORITHM, [0]),
                    Element::value(tag::KEY_BITS, bits),
                    Element::value(tag::KEY_FORMAT, [1]),
                    Element::value(tag::WRAPPED_KEY, wrapped),
                ],
            ),
        ],
    );
    let elements = vec![
        information,
        Element::value(tag::PLAIN_DIGEST_ALGORITHM, [digest.code()]),
        Element::value(tag::PLAIN_DIGEST, plain_digest),
    ];
    Ok(Encrypted { elements, body })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::Header;
    use crate::wire::element::find_mut;

    const PEM: &[u8] = include_bytes!("../../testdata/vectors/keys/d-lsc.pem");
    const DER: &[u8] = include_bytes!("../../testdata/vectors/keys/d-lsc.der");

    fn encrypted(plain: &[u8], digest: Digest) -> SignedFile<Vec<u8>> {
        let device = Certificate::parse(DER).unwrap();
        let mut rng = Rng::new(1);
        let made = encrypt(plain, &device, [7; 16], [9; 16], digest, &mut rng).unwrap();
        let header = Header {
            elements: made.elements,
        };
        SignedFile {
            header,
            body: made.body,
        }
    }

    fn open(file: &SignedFile<Vec<u8>>) -> Result<Vec<u8>, DecryptFault> {
        open_with(file, PEM)
    }

    fn open_with(file: &SignedFile<Vec<u8>>, pem: &[u8]) -> Result<Vec<u8>, DecryptFault> {
        let elements = file.header.elements.iter().map(borrowed).collect();
        let header = Header { elements };
        let body = file.body.as_slice();
        let key = DeviceKey::from_pem(pem).unwrap();
        decrypt(&SignedFile { header, body }, &key)
    }

    fn borrowed(element: &Element<Vec<u8>>) -> Element<&[u8]> {
        use crate::wire::element::Body;
        let body = match &element.body {
            Body::Value(value) => Body::Value(value.as_slice()),
            Body::Elements(inner) => Body::Elements(inner.iter().map(borrowed).collect()),
            Body::Padding(n) => Body::Padding(*n),
        };
        Element {
            tag: element.tag,
            body,
        }
    }

    fn changed(tag: u8, change: impl Fn(&mut Vec<u8>)) -> Result<Vec<u8>, DecryptFault> {
        let mut file = encrypted(b"<device/>", Digest::Sha1);
        change(find_mut(&mut file.header.elements, tag).unwrap());
        open(&file)
    }

    #[test]
    fn what_is_encrypted_opens() {
        for length in [0, 1, 15, 16, 17, 553] {
            for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
                let plain = vec![PADDING; length];
                let file = encrypted(&plain, digest);
                // At least one byte of padding, so a whole block more where the text fills one.
                assert_eq!(file.body.len(), (length / 16 + 1) * 16);
                assert_eq!(open(&file), Ok(plain));
            }
        }
        let again = encrypted(b"x", Digest::Sha1);
        assert_eq!(again, encrypted(b"x", Digest::Sha1));
    }

    #[test]
    fn each_step_has_its_fault() {
        use DecryptFault as Fault;
        let digest = |code| changed(tag::PLAIN_DIGEST_ALGORITHM, |v| *v = vec![code]);
        assert_eq!(digest(9), Err(Fault::DigestUnsupported(Digest::Other(9))));
        assert_eq!(digest(3), Err(Fault::DigestMismatch));
        let short = changed(tag::WRAPPED_KEY, |v| v.truncate(255));
        let fault = Fault::WrappedKeyLength {
            wrapped: 255,
            key: 256,
        };
        assert_eq!(short, Err(fault));
        for value in [0, 0xff] {
            let wrong = changed(tag::WRAPPED_KEY, |v| v.fill(value));
            assert_eq!(wrong, Err(Fault::WrongDeviceKey));
        }
        for count in [0, 17, 0x0d0d] {
            let padding = changed(tag::BODY_PADDING, |v| *v = u16::to_be_bytes(count).to_vec());
            assert_eq!(padding, Err(Fault::PaddingCount { actual: count }));
        }
        // Nine bytes of text, seven of padding: fewer gives another text, more is no padding.
        let fewer = changed(tag::BODY_PADDING, |v| v[1] = 6);
        assert_eq!(fewer, Err(Fault::DigestMismatch));
        let more = changed(tag::BODY_PADDING, |v| v[1] = 8);
        assert_eq!(more, Err(Fault::PaddingBytes { count: 8 }));
        let vector = changed(tag::BODY_IV, |v| v[0] ^= 1);
        assert_eq!(vector, Err(Fault::DigestMismatch));
        for length in [0, 15, 17] {
            let mut file = encrypted(b"<device/>", Digest::Sha1);
            file.body.resize(length, 0);
            assert_eq!(open(&file), Err(Fault::BodyLength { actual: length }));
        }
        let other = include_bytes!("../../testdata/vectors/keys/a-tftp.pem");
        let file = encrypted(b"<device/>", Digest::Sha1);
        assert_eq!(open_with(&file, other), Err(Fault::WrongDeviceKey));
    }

    #[test]
    fn a_key_of_another_size_is_not_taken() {
        // Some other makers wrap AES-256 keys; a phone's body cipher is AES-128.
        let key = RsaPublicKey::from(&DeviceKey::from_pem(PEM).unwrap().0);
        for length in [0, 15, 32] {
            let mut rng = Rng::new(1);
            let wrapped = key
                .encrypt(&mut Seeded(&mut rng), Pkcs1v15Encrypt, &vec![1; length])
                .unwrap();
            let opened = changed(tag::WRAPPED_KEY, |v| v.clone_from(&wrapped));
            assert_eq!(opened, Err(DecryptFault::BodyKeyLength { actual: length }));
        }
    }

    #[test]
    fn device_keys_of_other_kinds_are_refused() {
        let ec = include_bytes!("../../testdata/vectors/keys/d-lsc-ec.pem");
        let ec8 = include_bytes!("../../testdata/vectors/keys/a-tftp-ec256.pem");
        for (pem, fault) in [
            (&b""[..], DeviceKeyError::NoKey),
            (DER, DeviceKeyError::NoKey),
            (ec, DeviceKeyError::NotRsa),
            (ec8, DeviceKeyError::NotRsa),
            (
                b"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n",
                DeviceKeyError::Damaged,
            ),
            (
                b"-----BEGIN RSA PRIVATE KEY-----\nMAA=\n-----END RSA PRIVATE KEY-----\n",
                DeviceKeyError::Damaged,
            ),
        ] {
            assert_eq!(DeviceKey::from_pem(pem).unwrap_err(), fault);
        }
        let key = DeviceKey::from_pem(PEM).unwrap();
        assert_eq!(format!("{key:?}"), "DeviceKey(RSA 2048)");
        let no_key = DeviceKey::from_pkcs8(b"0");
        assert_eq!(no_key.unwrap_err(), DeviceKeyError::Damaged);
        let ec = include_bytes!("../../testdata/vectors/keys/d-lsc-ec.der");
        let ec = Certificate::parse(ec).unwrap();
        let fault = encrypt(b"", &ec, [0; 16], [0; 16], Digest::Sha1, &mut Rng::new(1));
        assert_eq!(fault, Err(EncryptFault::KeyNotRsa));
    }
}
