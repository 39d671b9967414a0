//! Keys of the emulated clusters, and signing with them.

mod pool;

pub use pool::KeyPool;

use std::borrow::Cow;
use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use der::Encode;
use der::asn1::BitString;
use p384::ecdsa::signature::Signer as _;
use p384::ecdsa::{DerSignature, SigningKey};
use ring::{digest, rand::SystemRandom, signature};
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::pkcs8::spki::SubjectPublicKeyInfo;
use rsa::pkcs8::{DecodePrivateKey, EncodePrivateKey, EncodePublicKey, PrivateKeyInfoRef};
use rsa::rand_core::TryCryptoRng;
use rsa::traits::PublicKeyParts;
use rsa::{Pkcs1v15Sign, RsaPrivateKey};
use thiserror::Error;

use super::x509::Issued;
use crate::provisioning::authority::Signer;
use crate::trust::modelled::modelled_signature;
use crate::wire::Digest;

/// Sizes of RSA keys that a trust list's modulus code can name and a phone takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum KeyBits {
    /// 1024 bits, as in the published lists of 10.5.
    B1024,
    /// 2048 bits.
    #[default]
    B2048,
    /// 4096 bits.
    B4096,
}

impl KeyBits {
    /// Number of bits.
    pub fn bits(self) -> usize {
        match self {
            Self::B1024 => 1024,
            Self::B2048 => 2048,
            Self::B4096 => 4096,
        }
    }

    /// The size with this number of bits.
    pub fn from_bits(bits: usize) -> Option<Self> {
        Self::ALL.into_iter().find(|b| b.bits() == bits)
    }

    /// All of them, in the order of the variants.
    const ALL: [Self; 3] = [Self::B1024, Self::B2048, Self::B4096];

    /// The ready-made keys of this size: PKCS#8 structures in a row.
    fn pool(self) -> &'static [u8] {
        match self {
            Self::B1024 => include_bytes!("../../testdata/keys/rsa-1024.der"),
            Self::B2048 => include_bytes!("../../testdata/keys/rsa-2048.der"),
            Self::B4096 => include_bytes!("../../testdata/keys/rsa-4096.der"),
        }
    }
}

/// Why a key cannot be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// The bytes are not a key in PKCS#8.
    #[error("not an RSA or P-384 private key in PKCS#8")]
    NotPkcs8,
    /// The key has a size that no list can name.
    #[error("the key has {0} bits, expected 1024, 2048 or 4096")]
    Size(usize),
    /// Nobody signs with this digest.
    #[error("cannot sign with {0}, expected SHA-1, SHA-256 or SHA-512")]
    Digest(Digest),
    /// Lists are signed with RSA keys only.
    #[error("an EC key signs no list, expected an RSA key")]
    NotRsa,
    /// The key does not fit itself: its numbers are not of one key.
    #[error("the key's numbers do not belong together")]
    Inconsistent,
}

/// A private key, RSA or P-384, with its public forms at hand. It remembers what it signed, so that a lab
/// which is built again under one other rule signs only what is new.
pub struct PrivateKey {
    pkcs8: Cow<'static, [u8]>,
    algorithm: Algorithm,
    list_form: Vec<u8>,
    spki: Vec<u8>,
    made: Mutex<Signatures>,
    /// The certificates that it signed, see [`super::x509`].
    pub(super) issued: Mutex<Issued>,
}

enum Algorithm {
    Rsa {
        rsa: Box<RsaPrivateKey>,
        /// Loaded where ring takes the key: it signs twice as fast, but neither with SHA-1 nor
        /// below 2048 bits.
        fast: Option<signature::RsaKeyPair>,
        bits: KeyBits,
    },
    P384(SigningKey),
    /// An RSA key whose signatures are modelled.
    Modelled(KeyBits),
}

impl PrivateKey {
    /// Loads a key from PKCS#8 in DER.
    ///
    /// # Errors
    /// [`KeyError`] if it is not an RSA key of 1024, 2048 or 4096 bits.
    pub fn from_pkcs8(der: impl Into<Cow<'static, [u8]>>) -> Result<Self, KeyError> {
        let pkcs8 = der.into();
        let rsa = RsaPrivateKey::from_pkcs8_der(&pkcs8).map_err(|_| KeyError::NotPkcs8)?;
        let size = rsa.size() * 8;
        let bits = KeyBits::from_bits(size).ok_or(KeyError::Size(size))?;
        let public = rsa.to_public_key();
        let list_form = public
            .to_pkcs1_der()
            .map_err(|_| KeyError::NotPkcs8)?
            .as_bytes()
            .to_vec();
        let spki = public
            .to_public_key_der()
            .map_err(|_| KeyError::NotPkcs8)?
            .as_bytes()
            .to_vec();
        let fast = signature::RsaKeyPair::from_pkcs8(&pkcs8).ok();
        Ok(Self {
            pkcs8,
            algorithm: Algorithm::Rsa {
                rsa: Box::new(rsa),
                fast,
                bits,
            },
            list_form,
            spki,
            made: Mutex::default(),
            issued: Mutex::default(),
        })
    }

    /// A new RSA key, whose secrecy is that of `chance`: about 10 ms, 100 ms and 1.5 s with
    /// optimisation, with a long tail.
    ///
    /// # Errors
    /// None that a generator which varies gives.
    pub fn generate(
        bits: KeyBits,
        chance: &mut impl TryCryptoRng<Error = Infallible>,
    ) -> Result<Self, KeyError> {
        let rsa = RsaPrivateKey::new(chance, bits.bits()).map_err(|_| KeyError::Inconsistent)?;
        let der = rsa.to_pkcs8_der().map_err(|_| KeyError::NotPkcs8)?;
        Self::from_pkcs8(der.as_bytes().to_vec())
    }

    /// The RSA key with its public forms, for modelled signatures: its private numbers are not
    /// loaded, so to take it costs next to nothing.
    ///
    /// # Errors
    /// As [`Self::from_pkcs8`], as far as it looks.
    pub fn modelled_from_pkcs8(der: impl Into<Cow<'static, [u8]>>) -> Result<Self, KeyError> {
        let pkcs8 = der.into();
        let not_pkcs8 = |_| KeyError::NotPkcs8;
        let info = PrivateKeyInfoRef::try_from(&*pkcs8).map_err(|_| KeyError::NotPkcs8)?;
        let numbers = pkcs1::RsaPrivateKey::try_from(info.private_key.as_bytes());
        let public = numbers.map_err(|_| KeyError::NotPkcs8)?.public_key();
        let size = public.modulus.as_bytes().len() * 8;
        let bits = KeyBits::from_bits(size).ok_or(KeyError::Size(size))?;
        let list_form = public.to_der().map_err(not_pkcs8)?;
        let spki = SubjectPublicKeyInfo {
            algorithm: pkcs1::ALGORITHM_ID,
            subject_public_key: BitString::from_bytes(&list_form).map_err(not_pkcs8)?,
        };
        let spki = spki.to_der().map_err(not_pkcs8)?;
        Ok(Self {
            pkcs8,
            algorithm: Algorithm::Modelled(bits),
            list_form,
            spki,
            made: Mutex::default(),
            issued: Mutex::default(),
        })
    }

    /// Loads a P-384 key from PKCS#8 in DER.
    ///
    /// # Errors
    /// [`KeyError::NotPkcs8`] if it is not one.
    pub fn p384_from_pkcs8(der: impl Into<Cow<'static, [u8]>>) -> Result<Self, KeyError> {
        let pkcs8 = der.into();
        let key = SigningKey::from_pkcs8_der(&pkcs8).map_err(|_| KeyError::NotPkcs8)?;
        let public = key.verifying_key();
        let spki = public
            .to_public_key_der()
            .map_err(|_| KeyError::NotPkcs8)?
            .as_bytes()
            .to_vec();
        Ok(Self {
            pkcs8,
            list_form: public.to_sec1_point(false).as_bytes().to_vec(),
            spki,
            algorithm: Algorithm::P384(key),
            made: Mutex::default(),
            issued: Mutex::default(),
        })
    }

    /// With an RSA key RSASSA-PKCS1-v1_5 over `message`, as many bytes as the modulus has. A P-384
    /// key signs with SHA-384 whatever `digest` says, by RFC 6979: no chance in it, and in DER. The
    /// same message is signed once, as long as it is among the newest that the key remembers.
    ///
    /// # Errors
    /// [`KeyError::Digest`] for a digest without a name; [`KeyError::Inconsistent`] for a key
    /// whose numbers do not belong together.
    pub fn sign(&self, digest: Digest, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        if let Algorithm::Modelled(bits) = self.algorithm {
            digest_info(digest).ok_or(KeyError::Digest(digest))?;
            let size = bits.bits() / 8;
            return Ok(modelled_signature(
                digest,
                &self.list_form,
                &[message],
                size,
            ));
        }
        let id = Signatures::id(digest, message);
        if let Some(made) = lock(&self.made).by_id.get(&id) {
            return Ok(made.clone());
        }
        let signature = self.sign_anew(digest, message)?;
        lock(&self.made).keep(id, &signature);
        Ok(signature)
    }

    fn sign_anew(&self, digest: Digest, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        let fast: Option<&dyn signature::RsaEncoding> = match digest {
            Digest::Sha256 => Some(&signature::RSA_PKCS1_SHA256),
            Digest::Sha512 => Some(&signature::RSA_PKCS1_SHA512),
            _ => None,
        };
        let (rsa, ring_key) = match &self.algorithm {
            Algorithm::Rsa { rsa, fast, .. } => (rsa, fast),
            Algorithm::P384(key) => {
                let made: DerSignature =
                    key.try_sign(message).map_err(|_| KeyError::Inconsistent)?;
                return Ok(made.as_bytes().to_vec());
            }
            Algorithm::Modelled(_) => return Err(KeyError::Inconsistent),
        };
        if let (Some(key), Some(encoding)) = (ring_key, fast) {
            let mut out = vec![0; key.public().modulus_len()];
            // The generator only blinds the computation; PKCS#1 v1.5 gives the same bytes always.
            key.sign(encoding, &SystemRandom::new(), message, &mut out)
                .map_err(|_| KeyError::Inconsistent)?;
            return Ok(out);
        }
        let (algorithm, prefix) = digest_info(digest).ok_or(KeyError::Digest(digest))?;
        let hash = digest::digest(algorithm, message);
        let padding = Pkcs1v15Sign {
            hash_len: Some(hash.as_ref().len()),
            prefix: prefix.into(),
        };
        rsa.sign(padding, hash.as_ref())
            .map_err(|_| KeyError::Inconsistent)
    }

    /// PKCS#8 in DER.
    pub fn pkcs8(&self) -> &[u8] {
        &self.pkcs8
    }

    /// The public key as a list's PUBLICKEY has it: of RSA the PKCS#1 `RSAPublicKey` in DER (140,
    /// 270 or 526 bytes), of P-384 the uncompressed point (97 bytes).
    pub fn list_form(&self) -> &[u8] {
        &self.list_form
    }

    /// The public key as `SubjectPublicKeyInfo` in DER.
    pub fn spki(&self) -> &[u8] {
        &self.spki
    }

    /// The size of an RSA key; none of another.
    pub fn bits(&self) -> Option<KeyBits> {
        match &self.algorithm {
            Algorithm::Rsa { bits, .. } | Algorithm::Modelled(bits) => Some(*bits),
            Algorithm::P384(_) => None,
        }
    }
}

impl Signer for PrivateKey {
    type Error = KeyError;

    fn spki(&self) -> &[u8] {
        &self.spki
    }

    fn public_key(&self) -> &[u8] {
        &self.list_form
    }

    fn sign(&self, digest: Digest, message: &[u8]) -> Result<Vec<u8>, KeyError> {
        match self.algorithm {
            Algorithm::P384(_) => Err(KeyError::NotRsa),
            _ => Self::sign(self, digest, message),
        }
    }
}

/// The size only: a log must not show a private key, not even a published one.
impl fmt::Debug for PrivateKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PrivateKey")
            .field("bits", &self.bits())
            .finish_non_exhaustive()
    }
}

/// The algorithm of a digest, and what stands before the hash in a signature: `DigestInfo` of
/// RFC 8017, 9.2, note 1.
fn digest_info(digest: Digest) -> Option<(&'static digest::Algorithm, &'static [u8])> {
    const SHA1: &[u8] = &[
        0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e, 0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14,
    ];
    const SHA256: &[u8] = &[
        0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01,
        0x05, 0x00, 0x04, 0x20,
    ];
    const SHA512: &[u8] = &[
        0x30, 0x51, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x03,
        0x05, 0x00, 0x04, 0x40,
    ];
    match digest {
        Digest::Sha1 => Some((&digest::SHA1_FOR_LEGACY_USE_ONLY, SHA1)),
        Digest::Sha256 => Some((&digest::SHA256, SHA256)),
        Digest::Sha512 => Some((&digest::SHA512, SHA512)),
        Digest::Other(_) => None,
    }
}

/// The newest signatures of a key. Neither PKCS#1 v1.5 nor RFC 6979 has chance in it: a signature that is remembered
/// is the one that would be made.
#[derive(Default)]
struct Signatures {
    by_id: BTreeMap<SignatureId, Vec<u8>>,
    /// Oldest first.
    order: VecDeque<SignatureId>,
}

/// The digest's code and the message's SHA-256.
type SignatureId = (u8, [u8; 32]);

impl Signatures {
    /// A quarter of a megabyte with a key of 2048 bits: the lists and the configurations of a
    /// scenario, not of a fleet.
    const LIMIT: usize = 1_024;

    fn id(digest: Digest, message: &[u8]) -> SignatureId {
        (digest.code(), super::state::sha256(message))
    }

    fn keep(&mut self, id: SignatureId, signature: &[u8]) {
        // Two threads may have made the same.
        if self.by_id.contains_key(&id) {
            return;
        }
        if self.order.len() >= Self::LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.by_id.remove(&oldest);
        }
        self.order.push_back(id);
        self.by_id.insert(id, signature.to_vec());
    }
}

pub(super) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // At worst a panic elsewhere left an entry out, which is then made again.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use rsa::RsaPublicKey;
    use rsa::pkcs1::DecodeRsaPublicKey;

    use super::*;

    #[test]
    fn a_key_remembers_a_bounded_number_of_signatures() {
        let pkcs8 = KeyPool::new(1).take(KeyBits::B1024).pkcs8().to_vec();
        let key = PrivateKey::from_pkcs8(pkcs8).unwrap();
        let id = |n: usize| Signatures::id(Digest::Sha1, &n.to_be_bytes());
        let known = |n: usize| lock(&key.made).by_id.contains_key(&id(n));
        let first = key.sign(Digest::Sha1, &0_usize.to_be_bytes()).unwrap();
        assert!(known(0));
        for n in 1..=Signatures::LIMIT {
            lock(&key.made).keep(id(n), b"made");
            lock(&key.made).keep(id(n), b"made");
        }
        assert_eq!(lock(&key.made).by_id.len(), Signatures::LIMIT);
        assert_eq!(lock(&key.made).order.len(), Signatures::LIMIT);
        assert!(!known(0) && known(1) && known(Signatures::LIMIT));
        // What is forgotten is made again, what is known is not.
        assert_eq!(key.sign(Digest::Sha1, &0_usize.to_be_bytes()), Ok(first));
        assert_eq!(
            key.sign(Digest::Sha1, &9_usize.to_be_bytes()),
            Ok(b"made".to_vec())
        );
        // Another digest of the same message is another signature.
        let sha512 = key.sign(Digest::Sha512, &9_usize.to_be_bytes()).unwrap();
        assert_eq!(sha512.len(), 128);
    }

    #[test]
    fn signatures_of_every_size_and_digest_hold() {
        let mut pool = KeyPool::new(1);
        for bits in [KeyBits::B1024, KeyBits::B2048, KeyBits::B4096] {
            let key = pool.take(bits);
            let public = RsaPublicKey::from_pkcs1_der(key.list_form()).unwrap();
            for digest in [Digest::Sha1, Digest::Sha256, Digest::Sha512] {
                let made = key.sign(digest, b"list").unwrap();
                assert_eq!(made.len(), bits.bits() / 8);
                assert_eq!(
                    made,
                    key.sign_anew(digest, b"list").unwrap(),
                    "no chance in the bytes"
                );
                let (algorithm, prefix) = digest_info(digest).unwrap();
                let check = |message: &[u8]| {
                    let hash = digest::digest(algorithm, message);
                    let padding = Pkcs1v15Sign {
                        hash_len: Some(hash.as_ref().len()),
                        prefix: prefix.into(),
                    };
                    public.verify(padding, hash.as_ref(), &made).is_ok()
                };
                assert!(check(b"list"));
                assert!(!check(b"lisT"));
            }
            assert_eq!(
                key.sign(Digest::Other(4), b""),
                Err(KeyError::Digest(Digest::Other(4)))
            );
        }
    }

    #[test]
    fn what_is_no_key_is_refused() {
        let of = |b: &'static [u8]| PrivateKey::from_pkcs8(b).map(|_| ()).unwrap_err();
        assert_eq!(of(b""), KeyError::NotPkcs8);
        assert_eq!(of(b"0\x82\x04\xbc"), KeyError::NotPkcs8);
    }
}
