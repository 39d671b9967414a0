//! RSA keys of 1024 bits and SHA-1 signatures, as old phones and old clusters have them. ring
//! verifies both and signs with neither, so the signing side is the `rsa` crate.

use ::ring::digest;
use ::ring::signature::{
    RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY, RsaParameters, UnparsedPublicKey,
};
use rsa::RsaPrivateKey;
use rsa::pkcs1v15::Pkcs1v15Sign;
use rsa::pkcs8::DecodePrivateKey;
use rustls::pki_types::{
    AlgorithmIdentifier, InvalidSignature, SignatureVerificationAlgorithm, alg_id,
};
use rustls::sign::{Signer, SigningKey};
use rustls::{SignatureAlgorithm, SignatureScheme};
use std::fmt;
use webpki::ring as ring_algs;

use super::verify::Mapping;

/// PKCS#1 v1.5 alone, down to 1024 bits.
pub(super) const MAPPING: Mapping = &[
    (SignatureScheme::RSA_PKCS1_SHA512, &[&SHA512]),
    (SignatureScheme::RSA_PKCS1_SHA256, &[&SHA256]),
    (SignatureScheme::RSA_PKCS1_SHA1, &[&SHA1]),
];

/// [`MAPPING`], and ECDSA.
pub(super) static WITH_ECDSA: Mapping = &[
    (
        SignatureScheme::ECDSA_NISTP384_SHA384,
        &[ring_algs::ECDSA_P384_SHA384, ring_algs::ECDSA_P256_SHA384],
    ),
    (
        SignatureScheme::ECDSA_NISTP256_SHA256,
        &[ring_algs::ECDSA_P256_SHA256, ring_algs::ECDSA_P384_SHA256],
    ),
    (SignatureScheme::RSA_PKCS1_SHA512, &[&SHA512]),
    (SignatureScheme::RSA_PKCS1_SHA256, &[&SHA256]),
    (SignatureScheme::RSA_PKCS1_SHA1, &[&SHA1]),
];

static SHA512: ShortRsa = ShortRsa {
    parameters: &RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
    signature: alg_id::RSA_PKCS1_SHA512,
};
static SHA256: ShortRsa = ShortRsa {
    parameters: &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
    signature: alg_id::RSA_PKCS1_SHA256,
};
static SHA1: ShortRsa = ShortRsa {
    parameters: &RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
    // sha1WithRSAEncryption, 1.2.840.113549.1.1.5, with NULL.
    signature: AlgorithmIdentifier::from_slice(
        b"\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x01\x05\x05\x00",
    ),
};

/// Verifies RSA PKCS#1 v1.5 from 1024 bits up.
struct ShortRsa {
    parameters: &'static RsaParameters,
    signature: AlgorithmIdentifier,
}

impl fmt::Debug for ShortRsa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShortRsa({:?})", self.parameters)
    }
}

impl SignatureVerificationAlgorithm for ShortRsa {
    fn verify_signature(
        &self,
        public_key: &[u8],
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), InvalidSignature> {
        UnparsedPublicKey::new(self.parameters, public_key)
            .verify(message, signature)
            .map_err(|_| InvalidSignature)
    }

    fn public_key_alg_id(&self) -> AlgorithmIdentifier {
        alg_id::RSA_ENCRYPTION
    }

    fn signature_alg_id(&self) -> AlgorithmIdentifier {
        self.signature
    }
}

/// A private key that is too short for ring.
pub(super) struct ShortRsaKey(RsaPrivateKey);

impl ShortRsaKey {
    pub(super) fn from_pkcs8(der: &[u8]) -> Option<Self> {
        RsaPrivateKey::from_pkcs8_der(der).ok().map(Self)
    }
}

impl fmt::Debug for ShortRsaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ShortRsaKey(not shown)")
    }
}

impl SigningKey for ShortRsaKey {
    fn choose_scheme(&self, offered: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        let hash = HASHES.iter().find(|hash| offered.contains(&hash.scheme))?;
        Some(Box::new(ShortRsaSigner {
            key: self.0.clone(),
            hash,
        }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        SignatureAlgorithm::RSA
    }
}

struct ShortRsaSigner {
    key: RsaPrivateKey,
    hash: &'static Hash,
}

impl fmt::Debug for ShortRsaSigner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ShortRsaSigner({:?})", self.hash.scheme)
    }
}

impl Signer for ShortRsaSigner {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let digest = digest::digest(self.hash.algorithm, message);
        let padding = Pkcs1v15Sign {
            hash_len: Some(digest.as_ref().len()),
            prefix: self.hash.prefix.into(),
        };
        let signature = self.key.sign(padding, digest.as_ref());
        signature.map_err(|error| rustls::Error::General(error.to_string()))
    }

    fn scheme(&self) -> SignatureScheme {
        self.hash.scheme
    }
}

/// A digest, and the DigestInfo that stands before it in a PKCS#1 v1.5 signature (RFC 8017, 9.2).
struct Hash {
    scheme: SignatureScheme,
    algorithm: &'static digest::Algorithm,
    prefix: &'static [u8],
}

static HASHES: [Hash; 3] = [
    Hash {
        scheme: SignatureScheme::RSA_PKCS1_SHA512,
        algorithm: &digest::SHA512,
        prefix: b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
    },
    Hash {
        scheme: SignatureScheme::RSA_PKCS1_SHA256,
        algorithm: &digest::SHA256,
        prefix: b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
    },
    Hash {
        scheme: SignatureScheme::RSA_PKCS1_SHA1,
        algorithm: &digest::SHA1_FOR_LEGACY_USE_ONLY,
        prefix: b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
    },
];
