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
use super::modelled::{StandIns, modelled_signature};
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
    /// `trust.digest_sha512`: take digest 3. Phones without it exist, and no source lists them.
    pub accept_sha512: bool,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            min_rsa_bits: 1024,
            accept_sha256: false,
            accept_sha512: true,
        }
    }
}

/// Why a signature does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum SignatureFault {
    /// The digest is unknown, or the policy refuses it.
    #[error("{0} is not supported, expected {expected}", expected = expected(*.0))]
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

/// What a firmware takes that does not support a digest. SHA-1 it always does.
fn expected(unsupported: Digest) -> &'static str {
    match unsupported {
        Digest::Sha512 => "SHA-1",
        _ => "SHA-1 or SHA-512",
    }
}

/// Checks signatures, and keeps its buffer from one check to the next.
#[derive(Default)]
pub struct SignatureCheck {
    scratch: Vec<u8>,
    is_modelled: bool,
    stand_ins: StandIns,
    /// The last check of a modelled signature; its message is in `scratch`.
    last: Option<Checked>,
}

/// A modelled signature that was checked. Where rules are weighed, the same one is checked under each
/// of their other choices.
struct Checked {
    digest: Digest,
    pkcs1: Vec<u8>,
    signature: Vec<u8>,
    holds: bool,
}

impl SignatureCheck {
    /// A checker with an empty buffer; it grows to the largest file that it sees.
    pub fn new() -> Self {
        Self::default()
    }

    /// A checker for a world whose signatures are modelled: it takes [`modelled_signature`] and no
    /// real one. What a policy refuses it refuses alike.
    pub fn modelled() -> Self {
        Self {
            is_modelled: true,
            ..Self::default()
        }
    }

    /// A checker that takes real signatures, and these modelled ones where they hold.
    pub fn with_stand_ins(stand_ins: StandIns) -> Self {
        Self {
            stand_ins,
            ..Self::default()
        }
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
        let key = certificate.public_key;
        self.verify_by(policy, digest, key, file, signature_span, signature)
    }

    /// [`Self::verify`], by the certificate's key.
    pub(super) fn verify_by(
        &mut self,
        policy: &Policy,
        digest: Digest,
        key: PublicKey<'_>,
        file: &[u8],
        signature_span: Range<usize>,
        signature: &[u8],
    ) -> Result<(), SignatureFault> {
        let algorithm = Algorithm::of(digest, policy)?;
        let PublicKey::Rsa { pkcs1, bits } = key else {
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
        if self.is_modelled || self.stand_ins.contains(signature) {
            return match self.verify_modelled(digest, pkcs1, [before, after], signature) {
                true => Ok(()),
                false => Err(SignatureFault::Mismatch),
            };
        }
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

    fn verify_modelled(
        &mut self,
        digest: Digest,
        pkcs1: &[u8],
        [before, after]: [&[u8]; 2],
        signature: &[u8],
    ) -> bool {
        let is_last = |last: &&Checked| {
            let message = self.scratch.split_at_checked(before.len());
            last.digest == digest
                && last.pkcs1 == pkcs1
                && last.signature == signature
                && message == Some((before, after))
        };
        if let Some(last) = self.last.as_ref().filter(is_last) {
            return last.holds;
        }
        let made = modelled_signature(digest, pkcs1, &[before, after], signature.len());
        let holds = made == signature;
        self.scratch.clear();
        self.scratch.extend_from_slice(before);
        self.scratch.extend_from_slice(after);
        self.last = Some(Checked {
            digest,
            pkcs1: pkcs1.to_vec(),
            signature: signature.to_vec(),
            holds,
        });
        holds
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
            Digest::Sha512 if policy.accept_sha512 => (
                &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
                b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
            ),
            Digest::Sha256 | Digest::Sha512 | Digest::Other(_) => {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Strictness, TrustList};

    const LIST: &[u8] = include_bytes!("../../testdata/vectors/tool/itl-a-v10-sha1.tlv");
    const SIGNER: &[u8] = include_bytes!("../../testdata/vectors/keys/a-sast.der");
    const SMALL_LIST: &[u8] = include_bytes!("../../testdata/vectors/tool/itl-sast512-sha1.tlv");
    const SMALL_SIGNER: &[u8] = include_bytes!("../../testdata/vectors/keys/a-sast-512.der");
    const EC_SIGNER: &[u8] = include_bytes!("../../testdata/vectors/keys/a-sast-ec.der");

    fn verify(
        policy: &Policy,
        digest: Digest,
        signer: &[u8],
        file: &[u8],
        change: impl Fn(&mut Vec<u8>),
    ) -> Result<(), SignatureFault> {
        let list = TrustList::parse(file, &Strictness::default()).unwrap();
        let certificate = Certificate::parse(signer).unwrap();
        let mut signature = list.header.signature().to_vec();
        change(&mut signature);
        let span = list.header.signature_span();
        SignatureCheck::new().verify(policy, digest, &certificate, file, span, &signature)
    }

    #[test]
    fn the_last_modelled_check_answers_for_nothing_but_itself() {
        let parts = |a: &'static str, b: &'static str| [a.as_bytes(), b.as_bytes()];
        let (digest, key, message) = (Digest::Sha1, b"key", parts("mess", "age"));
        let signature = modelled_signature(digest, key, &message, 64);
        let mut other = signature.clone();
        other[3] ^= 1;
        let mut check = SignatureCheck::modelled();
        for _ in 0..2 {
            assert!(check.verify_modelled(digest, key, message, &signature));
            assert!(!check.verify_modelled(Digest::Sha512, key, message, &signature));
            assert!(check.verify_modelled(digest, key, message, &signature));
            assert!(!check.verify_modelled(digest, b"kez", message, &signature));
            assert!(check.verify_modelled(digest, key, message, &signature));
            assert!(!check.verify_modelled(digest, key, message, &other));
            assert!(check.verify_modelled(digest, key, parts("m", "essage"), &signature));
            assert!(!check.verify_modelled(digest, key, parts("mess", "agf"), &signature));
        }
    }

    #[test]
    fn a_signature_holds_for_its_digest_and_key_only() {
        let policy = Policy::default();
        let same = |_: &mut Vec<u8>| {};
        assert_eq!(verify(&policy, Digest::Sha1, SIGNER, LIST, same), Ok(()));
        let mismatch = Err(SignatureFault::Mismatch);
        assert_eq!(
            verify(&policy, Digest::Sha512, SIGNER, LIST, same),
            mismatch
        );
        let other = include_bytes!("../../testdata/vectors/keys/rogue-twin.der");
        assert_eq!(verify(&policy, Digest::Sha1, other, LIST, same), mismatch);
    }

    #[test]
    fn faults_come_in_order_and_name_their_numbers() {
        use SignatureFault as Fault;
        let policy = Policy::default();
        let strict = Policy {
            min_rsa_bits: 2048,
            ..policy
        };
        let same = |_: &mut Vec<u8>| {};
        let cut = |s: &mut Vec<u8>| s.truncate(255);
        let longer = |s: &mut Vec<u8>| s.insert(0, 0);
        let unsupported = |d| Err(Fault::DigestUnsupported(d));
        let without_sha512 = Policy {
            accept_sha512: false,
            ..policy
        };
        let fault = verify(&without_sha512, Digest::Sha512, SIGNER, LIST, same);
        assert_eq!(fault, unsupported(Digest::Sha512));
        assert_eq!(
            fault.unwrap_err().to_string(),
            "SHA-512 is not supported, expected SHA-1"
        );
        for digest in [Digest::Sha256, Digest::Other(4)] {
            // Before the key, which is of a wrong kind too.
            assert_eq!(
                verify(&policy, digest, EC_SIGNER, LIST, cut),
                unsupported(digest)
            );
        }
        let not_rsa = Err(Fault::KeyNotRsa);
        assert_eq!(verify(&policy, Digest::Sha1, EC_SIGNER, LIST, cut), not_rsa);
        let too_small = Fault::KeyTooSmall {
            bits: 512,
            min: 2048,
        };
        assert_eq!(
            verify(&strict, Digest::Sha1, SMALL_SIGNER, LIST, cut),
            Err(too_small)
        );
        for (change, signature) in [(&cut as &dyn Fn(&mut Vec<u8>), 255), (&longer, 257)] {
            let fault = Err(Fault::WrongLength {
                signature,
                key: 256,
            });
            assert_eq!(verify(&policy, Digest::Sha1, SIGNER, LIST, change), fault);
        }
        assert_eq!(
            too_small.to_string(),
            "the signer's RSA key has 512 bits, the least allowed is 2048"
        );
        assert!(verify(&policy, Digest::Sha1, SIGNER, LIST, same).is_ok());
    }

    #[test]
    fn keys_that_are_too_large_are_refused_before_any_arithmetic() {
        let certificate = Certificate {
            public_key: PublicKey::Rsa {
                pkcs1: &[],
                bits: 8193,
            },
            ..Certificate::parse(SIGNER).unwrap()
        };
        let verdict = SignatureCheck::new().verify(
            &Policy::default(),
            Digest::Sha1,
            &certificate,
            LIST,
            0..0,
            &[],
        );
        let fault = SignatureFault::KeyTooLarge {
            bits: 8193,
            max: MAX_RSA_BITS,
        };
        assert_eq!(verdict, Err(fault));
    }

    #[test]
    fn small_keys_are_checked_as_strictly_as_others() {
        let policy = Policy {
            min_rsa_bits: 512,
            ..Policy::default()
        };
        let check = |digest, change: &dyn Fn(&mut Vec<u8>)| {
            verify(&policy, digest, SMALL_SIGNER, SMALL_LIST, change)
        };
        let mismatch = Err(SignatureFault::Mismatch);
        assert_eq!(check(Digest::Sha1, &|_| {}), Ok(()));
        // SHA-512 does not fit into 512 bits.
        assert_eq!(check(Digest::Sha512, &|_| {}), mismatch);
        assert_eq!(check(Digest::Sha1, &|s| s[63] ^= 1), mismatch);
        assert_eq!(check(Digest::Sha1, &|s| s.fill(0xff)), mismatch);
        assert_eq!(check(Digest::Sha1, &|s| s.fill(0)), mismatch);
    }

    #[test]
    fn a_modelled_world_takes_modelled_signatures_alone() {
        let list = TrustList::parse(LIST, &Strictness::default()).unwrap();
        let certificate = Certificate::parse(SIGNER).unwrap();
        let PublicKey::Rsa { pkcs1, .. } = certificate.public_key else {
            panic!("an RSA key");
        };
        let span = list.header.signature_span();
        let message = [&LIST[..span.start], &LIST[span.end..]];
        let made = modelled_signature(Digest::Sha1, pkcs1, &message, 256);
        let check = |policy: &Policy, digest, signature: &[u8]| {
            let mut check = SignatureCheck::modelled();
            check.verify(policy, digest, &certificate, LIST, span.clone(), signature)
        };
        let policy = Policy::default();
        let mismatch = Err(SignatureFault::Mismatch);
        assert_eq!(check(&policy, Digest::Sha1, &made), Ok(()));
        assert_eq!(check(&policy, Digest::Sha512, &made), mismatch);
        assert_eq!(
            check(&policy, Digest::Sha1, list.header.signature()),
            mismatch
        );
        let mut damaged = made.clone();
        damaged[255] ^= 1;
        assert_eq!(check(&policy, Digest::Sha1, &damaged), mismatch);
        let strict = Policy {
            min_rsa_bits: 4096,
            ..policy
        };
        let (bits, min) = (2048, 4096);
        let too_small = Err(SignatureFault::KeyTooSmall { bits, min });
        assert_eq!(check(&strict, Digest::Sha1, &made), too_small);
        // And a real world takes none of them.
        let real = SignatureCheck::new().verify(
            &policy,
            Digest::Sha1,
            &certificate,
            LIST,
            span.clone(),
            &made,
        );
        assert_eq!(real, mismatch);
    }

    #[test]
    fn a_span_outside_the_file_is_a_mismatch() {
        let certificate = Certificate::parse(SIGNER).unwrap();
        let policy = Policy::default();
        let mut check = SignatureCheck::new();
        #[expect(clippy::reversed_empty_ranges, reason = "spans that no header gives")]
        for span in [LIST.len()..LIST.len() + 1, usize::MAX..usize::MAX, 9..3] {
            let signature = [0; 256];
            let verdict = check.verify(
                &policy,
                Digest::Sha1,
                &certificate,
                LIST,
                span.clone(),
                &signature,
            );
            assert_eq!(verdict, Err(SignatureFault::Mismatch), "{span:?}");
        }
    }

    #[test]
    fn digests_have_their_sizes() {
        for (digest, size) in [
            (Digest::Sha1, Some(20)),
            (Digest::Sha256, Some(32)),
            (Digest::Sha512, Some(64)),
            (Digest::Other(0), None),
        ] {
            assert_eq!(digest_of(digest, b"x").map(|d| d.len()), size);
        }
    }
}
