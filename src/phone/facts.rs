//! What events tell of a file: its name, its size and its digests.

use std::sync::{Mutex, PoisonError};

use sha1::{Digest as _, Sha1};

use super::boot::Phone;
use super::known::{Known, fingerprint};
use crate::event::FileFacts;
use crate::trust::signature::digest_of;
use crate::wire::Digest;

/// Name, size and digests of a file.
pub fn file_facts(file: &str, bytes: &[u8]) -> FileFacts {
    let [sha1, sha256] = digests(bytes);
    FileFacts {
        file: file.to_owned(),
        bytes: bytes.len(),
        sha1,
        sha256,
    }
}

impl Phone {
    /// The facts of a file, as the phone's events have them.
    pub(super) fn facts(&self, file: &str, bytes: &[u8]) -> FileFacts {
        if self.has_digests {
            return file_facts(file, bytes);
        }
        FileFacts {
            file: file.to_owned(),
            bytes: bytes.len(),
            sha1: String::new(),
            sha256: String::new(),
        }
    }
}

/// SHA-1 and SHA-256 of a file in hex. Many phones are given the same few files, and every event
/// about one has its digests: so those of the newest files are kept.
fn digests(bytes: &[u8]) -> [String; 2] {
    /// The lists and the configurations of a scenario, not of a fleet: at usual sizes a megabyte.
    const LIMIT: usize = 256;
    static KNOWN: Mutex<Known<[String; 2]>> = Mutex::new(Known::new(LIMIT));
    let lock = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
    let fingerprint = fingerprint(bytes);
    if let Some(known) = lock().get(fingerprint, bytes) {
        return known;
    }
    let digests = [
        // Of the two at hand this one uses the processor's own instructions.
        lower_hex(&Sha1::digest(bytes)),
        lower_hex(&digest_of(Digest::Sha256, bytes).unwrap_or_default()),
    ];
    lock().keep(fingerprint, bytes, &digests);
    digests
}

fn lower_hex(bytes: &[u8]) -> String {
    const DIGITS: [u8; 16] = *b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|b| [b >> 4, b & 15]);
    digits.map(|d| char::from(DIGITS[usize::from(d)])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_has_its_digests_each_time() {
        for _ in 0..2 {
            let facts = file_facts("a", b"abc");
            assert_eq!((facts.file.as_str(), facts.bytes), ("a", 3));
            assert_eq!(facts.sha1, "a9993e364706816aba3e25717850c26c9cd0d89d");
            assert_eq!(
                facts.sha256,
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
            );
            let facts = file_facts("b", b"");
            assert_eq!(facts.sha1, "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        }
    }
}
