//! The pool that keys come from: ready-made ones first, then generated ones.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, LazyLock, Mutex, OnceLock};

use p384::ecdsa::SigningKey;
use rsa::pkcs8::EncodePrivateKey;

use super::{KeyBits, KeyError, PrivateKey, lock};
use crate::rng::{Rng, Seeded};

/// A key that is compiled in. It is loaded when first taken, once a process: to load a key costs
/// as much as to sign with it.
struct ReadyMade {
    pkcs8: &'static [u8],
    load: fn(&'static [u8]) -> Result<PrivateKey, KeyError>,
    loaded: OnceLock<Arc<PrivateKey>>,
}

impl ReadyMade {
    fn key(&self) -> Arc<PrivateKey> {
        let load = || (self.load)(self.pkcs8).map(Arc::new);
        // A test loads each of them.
        let key = self.loaded.get_or_init(|| load().expect("lab keys load"));
        Arc::clone(key)
    }
}

/// A row of keys for each of [`KeyBits::ALL`].
type Rows = [Vec<ReadyMade>; 3];

/// The ready-made keys.
static READY_MADE: LazyLock<Rows> = LazyLock::new(|| rows(PrivateKey::from_pkcs8));

/// The same keys for modelled signatures.
static MODELLED: LazyLock<Rows> = LazyLock::new(|| rows(PrivateKey::modelled_from_pkcs8));

fn rows(load: fn(&'static [u8]) -> Result<PrivateKey, KeyError>) -> Rows {
    KeyBits::ALL.map(|bits| {
        let ready = |pkcs8| ReadyMade {
            pkcs8,
            load,
            loaded: OnceLock::new(),
        };
        split(bits.pool()).into_iter().map(ready).collect()
    })
}

/// The ready-made P-384 keys: PKCS#8 structures in a row, all of one size.
static READY_MADE_P384: LazyLock<Vec<ReadyMade>> = LazyLock::new(|| {
    let ready = |pkcs8| ReadyMade {
        pkcs8,
        load: |pkcs8| PrivateKey::p384_from_pkcs8(pkcs8),
        loaded: OnceLock::new(),
    };
    P384_POOL.chunks_exact(P384_SIZE).map(ready).collect()
});

const P384_POOL: &[u8] = include_bytes!("../../../testdata/keys/ec-p384.der");

/// Bytes of a P-384 key as OpenSSL writes it in PKCS#8.
const P384_SIZE: usize = 185;

/// Keys that pools generated. The first stay: a lab that is built again asks for the same again.
static GENERATED: Mutex<BTreeMap<GeneratedId, Generated>> = Mutex::new(BTreeMap::new());

/// The pool's seed and the sizes that it generated up to this key: these decide the key.
type GeneratedId = (u64, Vec<KeyBits>);

struct Generated {
    key: Arc<PrivateKey>,
    /// The pool's generator after it made the key.
    after: Rng,
}

/// How many generated keys a process remembers, and up to which one those of a pool.
const MAX_GENERATED: usize = 128;

/// Hands out keys in a fixed order and none twice: first the ready-made ones, from a place that
/// the seed picks, then generated ones. Same seed and same calls, same keys.
pub struct KeyPool {
    seed: u64,
    shelves: [Shelf; 3],
    is_modelled: bool,
    /// Sizes of the keys that were generated, in order.
    generated: Vec<KeyBits>,
    rng: Rng,
    p384: Shelf,
    /// Apart from `rng`: RSA keys are the same whether or not EC keys are taken.
    p384_rng: Rng,
}

struct Shelf {
    keys: &'static [ReadyMade],
    start: usize,
    taken: usize,
}

impl KeyPool {
    /// A pool whose order starts where `seed` says. Use one for a whole lab, so that no two
    /// certificates share a key.
    pub fn new(seed: u64) -> Self {
        Self::of(seed, &READY_MADE, false)
    }

    /// The same keys for modelled signatures.
    pub fn modelled(seed: u64) -> Self {
        Self::of(seed, &MODELLED, true)
    }

    fn of(seed: u64, ready_made: &'static Rows, is_modelled: bool) -> Self {
        let mut rng = Rng::stream(seed, "key-pool");
        let shelves = ready_made.each_ref().map(|keys| {
            let start = rng.below(keys.len() as u64) as usize;
            Shelf {
                keys,
                start,
                taken: 0,
            }
        });
        let mut p384_rng = Rng::stream(seed, "key-pool-p384");
        let keys = READY_MADE_P384.as_slice();
        let p384 = Shelf {
            keys,
            start: p384_rng.below(keys.len() as u64) as usize,
            taken: 0,
        };
        Self {
            seed,
            shelves,
            is_modelled,
            generated: Vec::new(),
            rng,
            p384,
            p384_rng,
        }
    }

    /// The next key of this size. After the ready-made ones (16 of 1024 bits, 64 of 2048, 8 of
    /// 4096) it is generated: about 10 ms, 100 ms and 1.5 s with optimisation, with a long tail.
    pub fn take(&mut self, bits: KeyBits) -> Arc<PrivateKey> {
        let shelf = &mut self.shelves[bits as usize];
        let index = shelf.taken;
        shelf.taken += 1;
        if index < shelf.keys.len() {
            return shelf.keys[(shelf.start + index) % shelf.keys.len()].key();
        }
        let key = self.beyond(bits);
        if self.is_modelled {
            let modelled = PrivateKey::modelled_from_pkcs8(key.pkcs8().to_vec());
            return modelled.map_or(key, Arc::new);
        }
        key
    }

    /// The next P-384 key. After the 16 ready-made ones it is generated, in about a millisecond.
    pub fn take_p384(&mut self) -> Arc<PrivateKey> {
        let shelf = &mut self.p384;
        let index = shelf.taken;
        shelf.taken += 1;
        if index < shelf.keys.len() {
            return shelf.keys[(shelf.start + index) % shelf.keys.len()].key();
        }
        Arc::new(generate_p384(&mut self.p384_rng))
    }

    /// A key for which there is none ready.
    fn beyond(&mut self, bits: KeyBits) -> Arc<PrivateKey> {
        // What is loaded here was encoded a moment ago.
        let make = |rng: &mut Rng| Arc::new(generate(bits, rng).expect("generated keys load"));
        if self.generated.len() == MAX_GENERATED {
            return make(&mut self.rng);
        }
        self.generated.push(bits);
        let id = (self.seed, self.generated.clone());
        if let Some(known) = lock(&GENERATED).get(&id) {
            self.rng = known.after.clone();
            return Arc::clone(&known.key);
        }
        let key = make(&mut self.rng);
        let mut known = lock(&GENERATED);
        if known.len() < MAX_GENERATED {
            let (key, after) = (Arc::clone(&key), self.rng.clone());
            known.insert(id, Generated { key, after });
        }
        key
    }

    /// How many ready-made keys of this size are left.
    pub fn left(&self, bits: KeyBits) -> usize {
        let shelf = &self.shelves[bits as usize];
        shelf.keys.len().saturating_sub(shelf.taken)
    }
}

/// No keys, as for [`PrivateKey`].
impl fmt::Debug for KeyPool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPool").finish_non_exhaustive()
    }
}

/// A generated key. The generator is seeded and no secret: so are the keys of a lab.
fn generate(bits: KeyBits, rng: &mut Rng) -> Result<PrivateKey, KeyError> {
    PrivateKey::generate(bits, &mut Seeded(rng))
}

/// A generated P-384 key.
fn generate_p384(rng: &mut Rng) -> PrivateKey {
    loop {
        let mut secret = [0; 48];
        rng.fill(&mut secret);
        // Of 2^190 numbers one is not below the curve's order or is zero: the next is taken.
        let Ok(key) = SigningKey::from_slice(&secret) else {
            continue;
        };
        let made = key
            .to_pkcs8_der()
            .map_err(|_| KeyError::NotPkcs8)
            .and_then(|der| PrivateKey::p384_from_pkcs8(der.as_bytes().to_vec()));
        // What is loaded here was encoded a moment ago.
        return made.expect("generated keys load");
    }
}

/// The PKCS#8 structures in a row, by the length that each begins with: 30 82 and two bytes.
fn split(mut row: &'static [u8]) -> Vec<&'static [u8]> {
    let mut keys = Vec::new();
    while let [0x30, 0x82, high, low, ..] = *row {
        let size = 4 + usize::from(u16::from_be_bytes([high, low]));
        let Some((key, rest)) = row.split_at_checked(size) else {
            break;
        };
        keys.push(key);
        row = rest;
    }
    keys
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use ring::signature;

    use super::super::Algorithm;
    use super::*;
    use crate::wire::Digest;

    #[test]
    fn every_ready_made_key_loads_and_none_is_twice() {
        for (bits, count, public) in [
            (KeyBits::B1024, 16, 140),
            (KeyBits::B2048, 64, 270),
            (KeyBits::B4096, 8, 526),
        ] {
            let mut pool = KeyPool::new(3);
            assert_eq!(pool.left(bits), count);
            let mut seen = BTreeSet::new();
            for _ in 0..count {
                let key = pool.take(bits);
                assert_eq!(key.bits(), Some(bits));
                assert_eq!(key.list_form().len(), public);
                assert!(seen.insert(key.spki().to_vec()));
            }
            assert_eq!(pool.left(bits), 0);
            let used: usize = split(bits.pool()).iter().map(|k| k.len()).sum();
            assert_eq!(used, bits.pool().len(), "nothing is left over");
        }
    }

    #[test]
    fn seed_picks_the_start_and_exhaustion_generates_the_same_keys() {
        let first = |seed| KeyPool::new(seed).take(KeyBits::B2048).pkcs8().to_vec();
        assert_eq!(first(1), first(1));
        assert!((2..9).any(|seed| first(seed) != first(1)));
        let beyond = |seed| {
            let mut pool = KeyPool::new(seed);
            pool.shelves[0].taken = 16;
            (
                pool.take(KeyBits::B1024).pkcs8().to_vec(),
                pool.take(KeyBits::B1024).pkcs8().to_vec(),
            )
        };
        let (one, two) = beyond(1);
        assert_eq!(beyond(1), (one.clone(), two.clone()), "remembered");
        assert_ne!(one, two);
        assert_ne!(one, beyond(2).0);
        // The same as without a memory, whatever else was generated between.
        let mut rng = KeyPool::new(1).rng;
        for made in [one, two] {
            let again = generate(KeyBits::B1024, &mut rng).unwrap();
            assert_eq!(again.pkcs8(), made);
        }
        let mut pool = KeyPool::new(1);
        pool.shelves[0].taken = 16;
        pool.take(KeyBits::B1024);
        let mut rng = KeyPool::new(1).rng;
        generate(KeyBits::B1024, &mut rng).unwrap();
        assert_eq!(pool.rng.next_u64(), rng.next_u64(), "it goes on alike");
    }

    #[test]
    fn modelled_keys_are_the_same_keys_and_sign_as_long() {
        let (mut real, mut modelled) = (KeyPool::new(7), KeyPool::modelled(7));
        for bits in KeyBits::ALL {
            let (key, model) = (real.take(bits), modelled.take(bits));
            assert_eq!(key.bits(), model.bits());
            assert_eq!(key.list_form(), model.list_form());
            assert_eq!(key.spki(), model.spki());
            assert_eq!(key.pkcs8(), model.pkcs8());
            let made = model.sign(Digest::Sha512, b"list").unwrap();
            assert_eq!(made.len(), bits.bits() / 8);
            assert_ne!(made, key.sign(Digest::Sha512, b"list").unwrap());
            let fault = Err(KeyError::Digest(Digest::Other(4)));
            assert_eq!(model.sign(Digest::Other(4), b""), fault);
        }
        for pool in [&mut real, &mut modelled] {
            pool.shelves[KeyBits::B1024 as usize].taken = 16;
        }
        let generated = |pool: &mut KeyPool| pool.take(KeyBits::B1024);
        let (key, model) = (generated(&mut real), generated(&mut modelled));
        assert_eq!(key.spki(), model.spki());
        assert!(matches!(
            model.algorithm,
            Algorithm::Modelled(KeyBits::B1024)
        ));
        let fault = PrivateKey::modelled_from_pkcs8(P384_POOL[..P384_SIZE].to_vec());
        assert_eq!(fault.map(|_| ()).unwrap_err(), KeyError::NotPkcs8);
    }

    #[test]
    fn pools_share_the_loaded_keys() {
        let key = || KeyPool::new(7).take(KeyBits::B2048);
        assert!(Arc::ptr_eq(&key(), &key()));
    }

    #[test]
    fn p384_keys_load_differ_and_sign_alike_every_time() {
        assert_eq!(P384_POOL.len() % P384_SIZE, 0, "nothing is left over");
        let take = || {
            let mut pool = KeyPool::new(3);
            let keys: Vec<_> = (0..18).map(|_| pool.take_p384()).collect();
            // The RSA keys do not depend on it.
            assert_eq!(pool.rng.next_u64(), KeyPool::new(3).rng.next_u64());
            keys
        };
        let (keys, again) = (take(), take());
        let spkis: BTreeSet<_> = keys.iter().map(|k| k.spki().to_vec()).collect();
        assert_eq!(spkis.len(), 18);
        for (key, again) in keys.iter().zip(&again).skip(14) {
            assert_eq!(key.pkcs8(), again.pkcs8());
            let made = key.sign_anew(Digest::Sha256, b"text").unwrap();
            assert_eq!(made, again.sign_anew(Digest::Sha256, b"text").unwrap());
            assert_eq!((key.bits(), key.list_form().len()), (None, 97));
            let by_ring = signature::UnparsedPublicKey::new(
                &signature::ECDSA_P384_SHA384_ASN1,
                key.list_form(),
            );
            assert!(by_ring.verify(b"text", &made).is_ok());
            assert!(by_ring.verify(b"texT", &made).is_err());
        }
    }
}
