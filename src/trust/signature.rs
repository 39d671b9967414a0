//! The signature of a list or a file: RSASSA-PKCS1-v1_5 over the file without its signature
//! element.
//!
//! ring checks keys of 1024 to 8192 bits. It takes one slice, so the two parts around the signature
//! are copied into a scratch buffer: that costs 0.2 % of the check. Smaller keys, which only a
//! firmware profile with a lower bound lets in, are checked by the `rsa` crate.

use std::fmt;
use std::ops::Range;

use ::ring::digest as hash;
use ::ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, UnparsedPublicKey,
};
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use thiserror::Error;

use super::certificate::{Certificate, PublicKey};
use crate::wire::Digest;

/// The largest key that is checked, in bits of the modulus. No source shows a list's signer over
/// 4096 bits: the header's modulus code ends there.
pub const MAX_RSA_BITS: usize = 8192;

/// The smallest key that ring checks, in bits of the modulus.
const RING_MIN_RSA_BITS: usize = 1024;

/// Which signatures a firmware takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// `trust.min_rsa_bits`: the smallest modulus, in bits: 512, 1024 or 2048.
    pub min_rsa_bits: usize,
    /// `trust.digest_sha256`: take digest 2. It is defined, and no source shows a phone that takes
    /// it.
    pub accept_sha256: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_rsa_bits: 1024,
            accept_sha256: false,
        }
    }
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureFault {
    /// The digest is unknown, or the policy refuses it.
    #[error("{0} is not supported, expected SHA-1 or SHA-512")]
    DigestUnsupported(Digest),
    /// The signer's key is of another kind.
    #[error("the signer's key is not an RSA key")]
    KeyNotRsa,
    /// The signer's key is under the policy's bound.
    #[error("the signer's RSA key has {bits} bits, the least allowed is {min}")]
    KeyTooSmall {
        /// Bits of the modulus.
        bits: usize,
        /// The policy's bound.
        min: usize,
    },
    /// The signer's key is over what any reader takes.
    #[error("the signer's RSA key has {bits} bits, the most allowed is {max}")]
    KeyTooLarge {
        /// Bits of the modulus.
        bits: usize,
        /// The bound, [`MAX_RSA_BITS`].
        max: usize,
    },
    /// The signature has another size than the key (RFC 8017 8.2.2).
    #[error("the signature has {signature} bytes, the signer's key has {key}")]
    WrongLength {
        /// Bytes of the signature.
        signature: usize,
        /// Bytes of the modulus.
        key: usize,
    },
    /// The signature is not one of these bytes by this key.
    #[error("the signature does not match: the content was changed, or another key signed it")]
    Mismatch,
}

/// Checks signatures, and keeps its buffer from one check to the next.
#[derive(Default)]
pub struct SignatureCheck {
    scratch: Vec<u8>,
}

impl SignatureCheck {
    /// A checker with an empty buffer; it grows to the largest file that it sees.
    pub fn new() -> Self {
        Self::default()
    }

    /// Checks the signature of `file`: `signature`, by the key of `certificate`, over the digest of
    /// all of `file` but `signature_span`. A span that does not lie in the file is a mismatch.
    ///
    /// # Errors
    /// Why the signature does not hold. What the policy refuses comes before what does not match.
    pub fn verify(
        &mut self,
        policy: &Policy,
        digest: Digest,
        certificate: &Certificate<'_>,
        file: &[u8],
        signature_span: Range<usize>,
        signature: &[u8],
    ) -> Result<(), SignatureFault> {
        let algorithm = Algorithm::of(digest, policy)?;
        let PublicKey::Rsa { pkcs1, bits } = certificate.public_key else {
            return Err(SignatureFault::KeyNotRsa);
        };
        if bits < policy.min_rsa_bits {
            let min = policy.min_rsa_bits;
            return Err(SignatureFault::KeyTooSmall { bits, min });
        }
        if bits > MAX_RSA_BITS {
            let max = MAX_RSA_BITS;
            return Err(SignatureFault::KeyTooLarge { bits, max });
        }
        let key = bits.div_ceil(8);
        if signature.len() != key {
            let signature = signature.len();
            return Err(SignatureFault::WrongLength { signature, key });
        }
        let parts = (
            file.get(..signature_span.start),
            file.get(signature_span.end..),
        );
        let (Some(before), Some(after)) = parts else {
            return Err(SignatureFault::Mismatch);
        };
        self.scratch.clear();
        self.scratch.extend_from_slice(before);
        self.scratch.extend_from_slice(after);
        if bits < RING_MIN_RSA_BITS {
            return verify_small(&algorithm, pkcs1, &self.scratch, signature);
        }
        UnparsedPublicKey::new(algorithm.ring, pkcs1)
            .verify(&self.scratch, signature)
            .map_err(|_| SignatureFault::Mismatch)
    }
}

impl fmt::Debug for SignatureCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignatureCheck").finish_non_exhaustive()
    }
}

/// One digest, as the libraries name it.
struct Algorithm {
    ring: &'static RsaParameters,
    hash: &'static hash::Algorithm,
    /// DER of the DigestInfo before the digest (RFC 8017 9.2, note 1).
    prefix: &'static [u8],
}

impl Algorithm {
    fn of(digest: Digest, policy: &Policy) -> Result<Self, SignatureFault> {
        let (ring, prefix): (_, &[u8]) = match digest {
            Digest::Sha1 => (
                &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
                b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
            ),
            Digest::Sha256 if policy.accept_sha256 => (
                &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            ),
            Digest::Sha512 => (
                &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
                b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
            ),
            Digest::Sha256 | Digest::Other(_) => {
                return Err(SignatureFault::DigestUnsupported(digest));
            }
        };
        let hash = hash_algorithm(digest).ok_or(SignatureFault::DigestUnsupported(digest))?;
        Ok(Self { ring, hash, prefix })
    }
}

fn hash_algorithm(digest: Digest) -> Option<&'static hash::Algorithm> {
    match digest {
        Digest::Sha1 => Some(&hash::SHA1_FOR_LEGACY_USE_ONLY),
        Digest::Sha256 => Some(&hash::SHA256),
        Digest::Sha512 => Some(&hash::SHA512),
        Digest::Other(_) => None,
    }
}

/// The digest of `bytes`: 20, 32 or 64 bytes; none for a digest that no source names.
pub fn digest_of(digest: Digest, bytes: &[u8]) -> Option<Vec<u8>> {
    hash_algorithm(digest).map(|algorithm| hash::digest(algorithm, bytes).as_ref().to_vec())
}

/// The check with a key that ring finds too small.
fn verify_small(
    algorithm: &Algorithm,
    pkcs1: &[u8],
    message: &[u8],
    signature: &[u8],
) -> Result<(), SignatureFault> {
    let key = RsaPublicKey::from_pkcs1_der(pkcs1).map_err(|_| SignatureFault::Mismatch)?;
    let digest = hash::digest(algorithm.hash, message);
    let scheme = Pkcs1v15Sign {
        hash_len: Some(digest.as_ref().len()),
        prefix: algorithm.prefix.into(),
    };
    key.verify(scheme, digest.as_ref(), signature)
        .map_err(|_| SignatureFault::Mismatch)
}
