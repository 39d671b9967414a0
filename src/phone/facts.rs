//! What events tell of a file: its name, its size and its digests.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use sha1::{Digest as _, Sha1};

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

/// SHA-1 and SHA-256 of a file in hex. Many phones are given the same few files, and every event
/// about one has its digests: so those of the newest files are kept.
fn digests(bytes: &[u8]) -> [String; 2] {
    static KNOWN: Mutex<Known> = Mutex::new(Known::new());
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

/// The digests of files that were seen lately.
struct Known {
    files: BTreeMap<u64, (Box<[u8]>, [String; 2])>,
    /// Oldest first.
    order: VecDeque<u64>,
}

impl Known {
    /// The lists and the configurations of a scenario, not of a fleet: at usual sizes a megabyte.
    const LIMIT: usize = 256;
    /// A larger file is digested each time.
    const MAX_BYTES: usize = 65_536;

    const fn new() -> Self {
        Self {
            files: BTreeMap::new(),
            order: VecDeque::new(),
        }
    }

    /// The digests of just these bytes.
    fn get(&self, fingerprint: u64, bytes: &[u8]) -> Option<[String; 2]> {
        let (known, digests) = self.files.get(&fingerprint)?;
        (**known == *bytes).then(|| digests.clone())
    }

    fn keep(&mut self, fingerprint: u64, bytes: &[u8], digests: &[String; 2]) {
        if bytes.len() > Self::MAX_BYTES {
            return;
        }
        let entry = (bytes.into(), digests.clone());
        if self.files.insert(fingerprint, entry).is_some() {
            return;
        }
        self.order.push_back(fingerprint);
        if self.order.len() > Self::LIMIT
            && let Some(oldest) = self.order.pop_front()
        {
            self.files.remove(&oldest);
        }
    }
}

/// Tells most files apart, in a fraction of a digest's time. Equality is decided by comparison.
fn fingerprint(bytes: &[u8]) -> u64 {
    /// The multiplier of SplitMix64: odd, and its bits are well mixed.
    const MULTIPLIER: u64 = 0xbf58_476d_1ce4_e5b9;
    let mix = |hash: u64, word: u64| {
        let hash = (hash ^ word).wrapping_mul(MULTIPLIER);
        hash ^ hash >> 32
    };
    let (words, rest) = bytes.as_chunks::<8>();
    let hash = mix(0, bytes.len() as u64);
    let hash = words
        .iter()
        .fold(hash, |hash, word| mix(hash, u64::from_le_bytes(*word)));
    rest.iter()
        .fold(hash, |hash, byte| mix(hash, u64::from(*byte)))
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

    #[test]
    fn what_is_known_is_bounded_and_compared() {
        let mut known = Known::new();
        let digests = |n: usize| [n.to_string(), String::new()];
        for n in 0..=Known::LIMIT {
            known.keep(n as u64, &n.to_be_bytes(), &digests(n));
        }
        assert_eq!((known.files.len(), known.order.len()), (256, 256));
        assert_eq!(known.get(0, &0_usize.to_be_bytes()), None, "the oldest");
        assert_eq!(known.get(7, &7_usize.to_be_bytes()), Some(digests(7)));
        // Another file with the same fingerprint.
        assert_eq!(known.get(7, &8_usize.to_be_bytes()), None);
        known.keep(7, b"other", &digests(9));
        assert_eq!(known.get(7, b"other"), Some(digests(9)));
        assert_eq!(known.order.len(), 256);
        known.keep(1_000, &[0; Known::MAX_BYTES + 1], &digests(1));
        assert_eq!(known.files.len(), 256);
    }

    #[test]
    fn every_byte_and_the_length_count_for_a_fingerprint() {
        let file = [7_u8; 21];
        for i in 0..file.len() {
            let mut other = file;
            other[i] ^= 1;
            assert_ne!(fingerprint(&file), fingerprint(&other), "byte {i}");
        }
        assert_ne!(fingerprint(&[0; 8]), fingerprint(&[0; 16]));
    }
}
