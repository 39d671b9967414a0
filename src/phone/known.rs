//! What was found out about files that were seen lately.

use std::collections::{BTreeMap, VecDeque};

/// What is known of files. Many phones are given the same few, one after the other.
pub(super) struct Known<T> {
    files: BTreeMap<u64, (Box<[u8]>, T)>,
    /// Oldest first.
    order: VecDeque<u64>,
    /// Of how many files, the newest.
    limit: usize,
}

impl<T: Clone> Known<T> {
    /// Nothing is kept of a larger file.
    const MAX_BYTES: usize = 65_536;

    pub(super) const fn new(limit: usize) -> Self {
        Self {
            files: BTreeMap::new(),
            order: VecDeque::new(),
            limit,
        }
    }

    /// What is known of just these bytes.
    pub(super) fn get(&self, fingerprint: u64, bytes: &[u8]) -> Option<T> {
        let (known, found) = self.files.get(&fingerprint)?;
        (**known == *bytes).then(|| found.clone())
    }

    pub(super) fn keep(&mut self, fingerprint: u64, bytes: &[u8], found: &T) {
        if bytes.len() > Self::MAX_BYTES {
            return;
        }
        let entry = (bytes.into(), found.clone());
        if self.files.insert(fingerprint, entry).is_some() {
            return;
        }
        self.order.push_back(fingerprint);
        if self.order.len() > self.limit
            && let Some(oldest) = self.order.pop_front()
        {
            self.files.remove(&oldest);
        }
    }
}

/// Tells most files apart, in a fraction of a digest's time. Equality is decided by comparison.
pub(crate) fn fingerprint(bytes: &[u8]) -> u64 {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_known_is_bounded_and_compared() {
        let mut known = Known::new(256);
        let digests = |n: usize| [n.to_string(), String::new()];
        for n in 0..=256_usize {
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
        known.keep(
            1_000,
            &[0; Known::<[String; 2]>::MAX_BYTES + 1],
            &digests(1),
        );
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
