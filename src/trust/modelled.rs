//! Signatures that stand for real ones: in a world whose bytes nobody keeps, where signing and
//! checking with RSA would be most of the work and none of the question.
//!
//! A modelled signature is a hash of the public key, the digest and the message, as long as the real
//! one would be. It holds for just these three, as the real one does, and anybody could make it: so
//! nothing but a checker that was told to takes it.

use std::collections::BTreeSet;
use std::sync::Arc;

use ring::digest::{Context, SHA256};

use crate::wire::Digest;

/// Modelled signatures of files that somebody would sign if something were changed, and that nobody
/// can sign: beside these, a checker takes real ones alone.
pub type StandIns = Arc<BTreeSet<Vec<u8>>>;

/// The modelled signature of a message in parts by the key with this `RSAPublicKey`: `size` bytes.
pub fn modelled_signature(digest: Digest, pkcs1: &[u8], message: &[&[u8]], size: usize) -> Vec<u8> {
    let mut hash = Context::new(&SHA256);
    hash.update(&[digest.code()]);
    // DER says its own length, so key and message cannot run into each other.
    hash.update(pkcs1);
    for part in message {
        hash.update(part);
    }
    let hash = hash.finish();
    hash.as_ref().iter().copied().cycle().take(size).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_hangs_on_key_digest_and_message_and_on_nothing_else() {
        let made = modelled_signature(Digest::Sha1, b"key", &[b"mess", b"age"], 256);
        let other = |digest, key: &[u8], message: &[u8]| {
            assert_ne!(made, modelled_signature(digest, key, &[message], 256));
        };
        assert_eq!(made.len(), 256);
        assert_eq!(
            made,
            modelled_signature(Digest::Sha1, b"key", &[b"message"], 256)
        );
        other(Digest::Sha512, b"key", b"message");
        other(Digest::Sha1, b"kez", b"message");
        other(Digest::Sha1, b"key", b"messagf");
    }
}
