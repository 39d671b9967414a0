//! Decisions that are remembered. Phones of a fleet that hold the same lists are offered the same
//! files: the signature of each needs checking once.
//!
//! Nothing is taken on the caller's word. An entry holds all that its decision was made from, and
//! counts only for a question that is equal in all of it: the file byte for byte, the installed
//! lists, the TVS answers, the settings. So there is nothing to invalidate, and no hash that two
//! files could share.

use std::sync::Arc;

use super::decide::{Decision, ListQuestion, decide_list};
use super::installed::{InForce, InstalledList};
use super::rules::{Key, Settings, UsedRules};
use super::signature::SignatureCheck;
use super::vouch::Vouch;
use crate::time::UnixSeconds;
use crate::wire::ListKind;

/// Remembers what [`decide_list`] said, for a bounded number of questions; the oldest is forgotten
/// first.
///
/// It holds a copy of every file it remembers, so at most the capacity times `list.max_bytes`. The
/// search walks one word an entry: a capacity of some hundreds costs nothing beside the comparison
/// of the file.
#[derive(Debug)]
pub struct DecisionCache {
    capacity: usize,
    /// One for each entry, in the same order.
    fingerprints: Vec<u64>,
    entries: Vec<Entry>,
    /// The entry to be replaced once all are taken.
    oldest: usize,
}

/// A decision, and all that it was made from.
#[derive(Debug)]
struct Entry {
    kind: ListKind,
    bytes: Box<[u8]>,
    ctl: Option<Held>,
    itl: Option<Held>,
    vouches: Vec<Vouch>,
    settings: Settings,
    known_version: (u8, u8),
    now: UnixSeconds,
    decision: Arc<Decision>,
    used: UsedRules,
}

/// An installed list. Its bytes stay alive, so that an equal address means equal bytes.
#[derive(Debug)]
struct Held {
    bytes: Arc<[u8]>,
    is_new: bool,
}

impl DecisionCache {
    /// An empty cache for at most `capacity` decisions. With 0 nothing is remembered.
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            fingerprints: Vec::new(),
            entries: Vec::new(),
            oldest: 0,
        }
    }

    /// What [`decide_list`] says, made anew only if the same question was not answered before. The
    /// rules that the decision rests on count as used either way.
    pub fn decide(&mut self, q: &ListQuestion<'_>, check: &mut SignatureCheck) -> Arc<Decision> {
        let fingerprint = fingerprint(q);
        let known = self
            .fingerprints
            .iter()
            .zip(&self.entries)
            .find(|(f, entry)| **f == fingerprint && entry.answers(q));
        if let Some((_, entry)) = known {
            q.settings.mark_used(entry.used);
            return Arc::clone(&entry.decision);
        }
        let before = q.settings.take_used();
        let decision = Arc::new(decide_list(q, check));
        let used = q.settings.take_used();
        q.settings.mark_used(before);
        q.settings.mark_used(used);
        let limit = u64::try_from(q.settings.peek(Key::ListMaxBytes)).unwrap_or(0);
        if q.bytes.len() as u64 <= limit {
            self.keep(fingerprint, Entry::new(q, Arc::clone(&decision), used));
        }
        decision
    }

    /// Decisions that are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// True if nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    fn keep(&mut self, fingerprint: u64, entry: Entry) {
        if self.entries.len() < self.capacity {
            self.fingerprints.push(fingerprint);
            self.entries.push(entry);
        } else if let Some(place) = self.entries.get_mut(self.oldest) {
            *place = entry;
            self.fingerprints[self.oldest] = fingerprint;
            self.oldest = (self.oldest + 1) % self.capacity;
        }
    }
}

impl Entry {
    fn new(q: &ListQuestion<'_>, decision: Arc<Decision>, used: UsedRules) -> Self {
        let InForce { ctl, itl } = q.in_force;
        Self {
            kind: q.kind,
            bytes: q.bytes.into(),
            ctl: ctl.map(Held::new),
            itl: itl.map(Held::new),
            vouches: q.vouches.to_vec(),
            settings: q.settings.clone(),
            known_version: q.known_version,
            now: q.now,
            decision,
            used,
        }
    }

    /// Whether the decision is the one for `q`. The cheap comparisons stand first.
    fn answers(&self, q: &ListQuestion<'_>) -> bool {
        self.kind == q.kind
            && self.known_version == q.known_version
            && self.is_decided_alike_at(q.now)
            && is_held(self.ctl.as_ref(), q.in_force.ctl)
            && is_held(self.itl.as_ref(), q.in_force.itl)
            && self.settings.has_values_of(q.settings)
            && self.vouches.len() == q.vouches.len()
            && self.vouches.iter().zip(q.vouches).all(|(a, b)| alike(a, b))
            && *self.bytes == *q.bytes
    }

    /// The clock counts only by the dates of the signer's certificate.
    fn is_decided_alike_at(&self, now: UnixSeconds) -> bool {
        self.now == now
            || self
                .decision
                .signer_dates
                .is_none_or(|dates| dates.contain(self.now) == dates.contain(now))
    }
}

impl Held {
    fn new(list: &InstalledList) -> Self {
        Self {
            bytes: Arc::clone(&list.bytes),
            is_new: list.is_new,
        }
    }
}

fn is_held(held: Option<&Held>, list: Option<&InstalledList>) -> bool {
    match (held, list) {
        (None, None) => true,
        (Some(held), Some(list)) => {
            held.is_new == list.is_new && same_bytes(&held.bytes, &list.bytes)
        }
        _ => false,
    }
}

fn same_bytes(a: &Arc<[u8]>, b: &Arc<[u8]>) -> bool {
    Arc::ptr_eq(a, b) || **a == **b
}

/// Whether two answers are the same to a decision, which does not see when they run out.
fn alike(a: &Vouch, b: &Vouch) -> bool {
    let Vouch {
        signer,
        certificate,
        roles,
        ttl_secs,
        expires: _,
        server,
    } = a;
    *signer == b.signer
        && same_bytes(certificate, &b.certificate)
        && *roles == b.roles
        && *ttl_secs == b.ttl_secs
        && *server == b.server
}

/// A few words of a file, to tell most files apart. Equality is decided by comparison.
fn fingerprint(q: &ListQuestion<'_>) -> u64 {
    /// The multiplier of SplitMix64: odd, and its bits are well mixed.
    const MULTIPLIER: u64 = 0xbf58_476d_1ce4_e5b9;
    let mut hash = q.bytes.len() as u64;
    let mut add = |at: usize| {
        if let Some(Ok(word)) = q.bytes.get(at..at + 8).map(<[u8; 8]>::try_from) {
            hash = (hash ^ u64::from_le_bytes(word)).wrapping_mul(MULTIPLIER);
            hash ^= hash >> 32;
        }
    };
    // The signature stands in the first 512 bytes of a usual list, and takes at least 128.
    (0..512).step_by(64).for_each(&mut add);
    let stride = q.bytes.len() / 8;
    (1..8).map(|i| i * stride).for_each(&mut add);
    hash
}
