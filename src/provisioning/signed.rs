//! Signatures of certificates and of requests for them.
//!
//! X.509 signs everything alike: a SEQUENCE of what is signed, how, and the signature. Provisioning
//! meets what the lists of a cluster do not: MD5, SHA-384 and EC keys, and roots that must be
//! followed. Everything down to RSA keys of 512 bits can be checked; a policy says what counts.

use md5::{Digest as _, Md5};
use ring::digest;
use ring::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA384_ASN1, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RSA_PKCS1_2048_8192_SHA384, RsaParameters,
    UnparsedPublicKey, VerificationAlgorithm,
};
use rsa::pkcs1::DecodeRsaPublicKey;
use rsa::{Pkcs1v15Sign, RsaPublicKey};
use std::fmt;
use thiserror::Error;

use crate::trust::certificate::{Certificate, CertificateError, Der, PublicKey, der_tag};

/// The largest RSA key that is used, in bits of the modulus.
pub const MAX_RSA_BITS: usize = 8192;

/// A signed structure of X.509, as a view of its DER: a certificate, or a request for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Signed<'a> {
    /// What is signed, with tag and length.
    pub content: &'a [u8],
    /// How it is signed.
    pub algorithm: Algorithm<'a>,
    /// The whole AlgorithmIdentifier of it, which is not signed.
    pub algorithm_der: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

/// How something is signed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm<'a> {
    /// RSASSA-PKCS1-v1_5.
    Rsa(Hash),
    /// ECDSA.
    Ecdsa(Hash),
    /// Another one, which nothing here checks: content of its OBJECT IDENTIFIER.
    Other(&'a [u8]),
}

/// A hash of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Hash {
    /// MD5: the default of `openssl req` when phones with RSA keys of 1024 bits were new.
    Md5,
    /// SHA-1.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Md5 => "MD5",
            Self::Sha1 => "SHA-1",
            Self::Sha256 => "SHA-256",
            Self::Sha384 => "SHA-384",
            Self::Sha512 => "SHA-512",
        })
    }
}

/// Which signatures count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SignaturePolicy {
    /// The smallest modulus, in bits.
    pub min_rsa_bits: usize,
    /// The weakest hash.
    pub weakest: Hash,
}

impl Default for SignaturePolicy {
    /// RSA from 1024 bits up, as the vendor's text has it, and SHA-1, which its portal still
    /// offers. MD5 it offers too, and OpenSSL refuses it for certificates from security level 1 on
    /// (measured): so does this.
    fn default() -> Self {
        Self {
            min_rsa_bits: 1024,
            weakest: Hash::Sha1,
        }
    }
}

/// Why a signature does not count.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum SignatureFault {
    /// It is made in a way that nothing here checks.
    #[error(
        "signed with the algorithm {0}, which cannot be checked here, expected RSA or ECDSA with SHA"
    )]
    Algorithm(String),
    /// Its hash is too weak.
    #[error("signed with {hash}, the weakest allowed is {weakest}")]
    Weak {
        /// The hash.
        hash: Hash,
        /// The policy's.
        weakest: Hash,
    },
    /// The signer's key is of another kind than the signature.
    #[error("the signer's key is of another kind than the signature")]
    Kind,
    /// The signer's key is too small.
    #[error("the signer's RSA key has {bits} bits, the least allowed is {min}")]
    KeyTooSmall {
        /// Bits of the modulus.
        bits: usize,
        /// The policy's bound.
        min: usize,
    },
    /// The signer's key is too large to be used.
    #[error("the signer's RSA key has {bits} bits, the most allowed is {MAX_RSA_BITS}")]
    KeyTooLarge {
        /// Bits of the modulus.
        bits: usize,
    },
    /// It is not a signature of this content by this key.
    #[error("the signature does not match: the content was changed, or another key signed it")]
    Mismatch,
}

impl<'a> Signed<'a> {
    /// Reads the outer structure, which must fill `der` exactly. What is signed is not looked into.
    ///
    /// # Errors
    /// The first place where the bytes are not one.
    pub fn parse(der: &'a [u8]) -> Result<Self, CertificateError> {
        let mut outer = Der::new(der);
        let mut parts = outer.constructed(der_tag::SEQUENCE, "outer structure", "a SEQUENCE")?;
        outer.end("outer structure")?;
        let content = parts.take(der_tag::SEQUENCE, "what is signed", "a SEQUENCE")?;
        let field = "signatureAlgorithm";
        let algorithm = parts.take(der_tag::SEQUENCE, field, "a SEQUENCE")?;
        let oid = Der::new(algorithm.content).take(der_tag::OID, field, "an OBJECT IDENTIFIER")?;
        let signature = parts.bit_string("signatureValue")?.left();
        parts.end("signatureValue")?;
        Ok(Self {
            content: content.whole,
            algorithm: Algorithm::of(oid.content),
            algorithm_der: algorithm.whole,
            signature,
        })
    }

    /// Whether `key` made this signature, and whether it counts.
    ///
    /// # Errors
    /// Why it does not. What the policy refuses comes before what does not match.
    pub fn verify(
        &self,
        key: PublicKey<'_>,
        policy: &SignaturePolicy,
    ) -> Result<(), SignatureFault> {
        let (hash, is_rsa) = match self.algorithm {
            Algorithm::Rsa(hash) => (hash, true),
            Algorithm::Ecdsa(hash) => (hash, false),
            Algorithm::Other(oid) => return Err(SignatureFault::Algorithm(dotted(oid))),
        };
        let weakest = policy.weakest;
        if hash < weakest {
            return Err(SignatureFault::Weak { hash, weakest });
        }
        match key {
            PublicKey::Rsa { pkcs1, bits } if is_rsa => {
                let min = policy.min_rsa_bits;
                if bits < min {
                    return Err(SignatureFault::KeyTooSmall { bits, min });
                }
                if bits > MAX_RSA_BITS {
                    return Err(SignatureFault::KeyTooLarge { bits });
                }
                match ring_rsa(hash, bits) {
                    Some(parameters) => self.by_ring(parameters, pkcs1),
                    None => self.by_rsa(hash, pkcs1),
                }
            }
            PublicKey::Ec { point, curve_oid } if !is_rsa => {
                let algorithm = ring_ecdsa(hash, curve_oid).ok_or_else(|| {
                    let curve = dotted(curve_oid);
                    SignatureFault::Algorithm(format!("ECDSA with {hash} on the curve {curve}"))
                })?;
                self.by_ring(algorithm, point)
            }
            _ => Err(SignatureFault::Kind),
        }
    }

    fn by_ring(
        &self,
        algorithm: &'static dyn VerificationAlgorithm,
        key: &[u8],
    ) -> Result<(), SignatureFault> {
        UnparsedPublicKey::new(algorithm, key)
            .verify(self.content, self.signature)
            .map_err(|_| SignatureFault::Mismatch)
    }

    /// What ring does not check: MD5, and small keys.
    fn by_rsa(&self, hash: Hash, pkcs1: &[u8]) -> Result<(), SignatureFault> {
        let key = RsaPublicKey::from_pkcs1_der(pkcs1).map_err(|_| SignatureFault::Mismatch)?;
        let (hashed, prefix) = hash.of(self.content);
        let scheme = Pkcs1v15Sign {
            hash_len: Some(hashed.len()),
            prefix: prefix.into(),
        };
        key.verify(scheme, &hashed, self.signature)
            .map_err(|_| SignatureFault::Mismatch)
    }
}

/// Whether `issuer` issued the certificate: it has the name that the certificate names, byte for
/// byte, and its key made the signature.
///
/// # Errors
/// None where the name is another's; else why the signature does not count.
pub fn issued_by(
    certificate: &Certificate<'_>,
    issuer: &Certificate<'_>,
    policy: &SignaturePolicy,
) -> Result<(), Option<SignatureFault>> {
    if certificate.issuer != issuer.subject {
        return Err(None);
    }
    // What was read as a certificate is one of these; if not, it is no signature either.
    let signed = Signed::parse(certificate.der).map_err(|_| Some(SignatureFault::Mismatch))?;
    // How it is signed stands in what is signed too (RFC 5280, 4.1.1.2).
    if inner_algorithm(signed.content).is_ok_and(|inner| inner != signed.algorithm_der) {
        return Err(Some(SignatureFault::Mismatch));
    }
    signed.verify(issuer.public_key, policy).map_err(Some)
}

/// The AlgorithmIdentifier of a TBSCertificate, behind its version, if it has one, and its serial
/// number.
fn inner_algorithm(content: &[u8]) -> Result<&[u8], CertificateError> {
    let field = "signature";
    let mut tbs = Der::new(content).constructed(der_tag::SEQUENCE, field, "a SEQUENCE")?;
    loop {
        let element = tbs.any(field)?;
        if element.tag == der_tag::SEQUENCE {
            return Ok(element.whole);
        }
    }
}

impl<'a> Algorithm<'a> {
    fn of(oid: &'a [u8]) -> Self {
        /// 1.2.840.113549.1.1 (RFC 8017, appendix C).
        const PKCS1: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01];
        /// 1.2.840.10045.4.3 (RFC 5758, 3.2).
        const ECDSA_SHA2: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03];
        /// ecdsa-with-SHA1 (RFC 3279, 2.2.3).
        const ECDSA_SHA1: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x01];
        match oid.split_last() {
            Some((4, PKCS1)) => Self::Rsa(Hash::Md5),
            Some((5, PKCS1)) => Self::Rsa(Hash::Sha1),
            Some((11, PKCS1)) => Self::Rsa(Hash::Sha256),
            Some((12, PKCS1)) => Self::Rsa(Hash::Sha384),
            Some((13, PKCS1)) => Self::Rsa(Hash::Sha512),
            Some((2, ECDSA_SHA2)) => Self::Ecdsa(Hash::Sha256),
            Some((3, ECDSA_SHA2)) => Self::Ecdsa(Hash::Sha384),
            Some((4, ECDSA_SHA2)) => Self::Ecdsa(Hash::Sha512),
            _ if oid == ECDSA_SHA1 => Self::Ecdsa(Hash::Sha1),
            _ => Self::Other(oid),
        }
    }
}

impl Hash {
    /// The hash of a message, and what stands before it in an RSA signature: `DigestInfo` of
    /// RFC 8017, 9.2, note 1.
    fn of(self, message: &[u8]) -> (Vec<u8>, &'static [u8]) {
        let ring = |algorithm| digest::digest(algorithm, message).as_ref().to_vec();
        match self {
            Self::Md5 => (
                Md5::digest(message).to_vec(),
                b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
            ),
            Self::Sha1 => (
                ring(&digest::SHA1_FOR_LEGACY_USE_ONLY),
                b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
            ),
            Self::Sha256 => (
                ring(&digest::SHA256),
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            ),
            Self::Sha384 => (
                ring(&digest::SHA384),
                b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
            ),
            Self::Sha512 => (
                ring(&digest::SHA512),
                b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
            ),
        }
    }
}

fn ring_rsa(hash: Hash, bits: usize) -> Option<&'static RsaParameters> {
    match hash {
        _ if bits < 1024 => None,
        Hash::Md5 => None,
        Hash::Sha1 => Some(&RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY),
        Hash::Sha256 => Some(&RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY),
        Hash::Sha384 if bits < 2048 => None,
        Hash::Sha384 => Some(&RSA_PKCS1_2048_8192_SHA384),
        Hash::Sha512 => Some(&RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY),
    }
}

fn ring_ecdsa(hash: Hash, curve_oid: &[u8]) -> Option<&'static dyn VerificationAlgorithm> {
    /// secp256r1, 1.2.840.10045.3.1.7.
    const P256: &[u8] = &[0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    /// secp384r1, 1.3.132.0.34.
    const P384: &[u8] = &[0x2b, 0x81, 0x04, 0x00, 0x22];
    match (curve_oid, hash) {
        (P256, Hash::Sha256) => Some(&ECDSA_P256_SHA256_ASN1),
        (P256, Hash::Sha384) => Some(&ECDSA_P256_SHA384_ASN1),
        (P384, Hash::Sha256) => Some(&ECDSA_P384_SHA256_ASN1),
        (P384, Hash::Sha384) => Some(&ECDSA_P384_SHA384_ASN1),
        _ => None,
    }
}

/// An OBJECT IDENTIFIER's content as people write it; hex where it is none.
pub(super) fn dotted(oid: &[u8]) -> String {
    match der::asn1::ObjectIdentifier::from_bytes(oid) {
        Ok(oid) => oid.to_string(),
        Err(_) => oid.iter().map(|b| format!("{b:02x}")).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOT: &[u8] = include_bytes!("../../testdata/tvs/a-tvs.der");
    const SMALL: &[u8] = include_bytes!("../../testdata/tvs/a-sast-1024.der");

    fn judge(der: &[u8], key: &[u8], policy: SignaturePolicy) -> Result<(), SignatureFault> {
        let key = Certificate::parse(key).unwrap().public_key;
        Signed::parse(der).unwrap().verify(key, &policy)
    }

    #[test]
    fn what_the_policy_refuses_comes_first() {
        let policy = SignaturePolicy::default();
        assert_eq!(judge(ROOT, ROOT, policy), Ok(()));
        assert_eq!(judge(ROOT, SMALL, policy), Err(SignatureFault::Mismatch));
        let strict = SignaturePolicy {
            min_rsa_bits: 2048,
            ..policy
        };
        let small = SignatureFault::KeyTooSmall {
            bits: 1024,
            min: 2048,
        };
        assert_eq!(judge(ROOT, SMALL, strict), Err(small));
        let Algorithm::Rsa(hash) = Signed::parse(ROOT).unwrap().algorithm else {
            panic!("signed with RSA");
        };
        let weakest = Hash::Sha512;
        let modern = SignaturePolicy { weakest, ..strict };
        let weak = SignatureFault::Weak { hash, weakest };
        assert_eq!(judge(ROOT, SMALL, modern), Err(weak));
    }

    #[test]
    fn another_kind_of_key_is_no_mismatch() {
        let ec = include_bytes!("../../testdata/tvs/d-lsc-ec.der");
        let kind = Err(SignatureFault::Kind);
        assert_eq!(judge(ROOT, ec, SignaturePolicy::default()), kind);
    }

    #[test]
    fn an_issuer_has_the_name_and_the_key() {
        let [root, other] = [ROOT, SMALL].map(|der| Certificate::parse(der).unwrap());
        let policy = SignaturePolicy::default();
        assert_eq!(issued_by(&root, &root, &policy), Ok(()));
        assert_eq!(issued_by(&root, &other, &policy), Err(None));
    }

    #[test]
    fn damaged_structures_are_no_panic() {
        let key = Certificate::parse(ROOT).unwrap().public_key;
        for cut in 0..ROOT.len() {
            assert!(Signed::parse(&ROOT[..cut]).is_err());
        }
        for bit in 0..ROOT.len() * 8 {
            let mut damaged = ROOT.to_vec();
            damaged[bit / 8] ^= 1 << (bit % 8);
            if let Ok(signed) = Signed::parse(&damaged) {
                let _ = signed.verify(key, &SignaturePolicy::default());
            }
        }
    }
}
