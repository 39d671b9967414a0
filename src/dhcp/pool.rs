//! The addresses of the lab's server, and who has them.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use super::Mac;
use crate::time::Time;

/// Who has which address until when. As large as its range of addresses at most.
#[derive(Debug)]
pub(super) struct Pool {
    first: u32,
    last: u32,
    /// The first address that was never given, past `last` when all were.
    fresh: u64,
    bindings: BTreeMap<Mac, Binding>,
    owners: BTreeMap<u32, Mac>,
    /// Every binding by its end, so that the longest over is found at once.
    ends: BTreeSet<(Time, Mac)>,
    /// Addresses that are never given by themselves: reserved ones, and declined ones.
    barred: BTreeSet<u32>,
}

#[derive(Clone, Copy, Debug)]
struct Binding {
    address: u32,
    until: Time,
}

impl Pool {
    /// A pool of the addresses from `first` to `last`, without `reserved`.
    pub(super) fn new(
        first: Ipv4Addr,
        last: Ipv4Addr,
        reserved: impl Iterator<Item = Ipv4Addr>,
    ) -> Self {
        let (first, last) = (first.to_bits(), last.to_bits());
        Self {
            first,
            last,
            fresh: u64::from(first),
            bindings: BTreeMap::new(),
            owners: BTreeMap::new(),
            ends: BTreeSet::new(),
            barred: reserved.map(Ipv4Addr::to_bits).collect(),
        }
    }

    /// How many have an address, or had one that nobody else has since.
    pub(super) fn len(&self) -> usize {
        self.bindings.len()
    }

    /// The address that `mac` has or had last.
    pub(super) fn address_of(&self, mac: Mac) -> Option<Ipv4Addr> {
        self.bindings.get(&mac).map(|b| b.address.into())
    }

    /// An address for `mac` until `until` at least: the one it had, the one that it would like, or any.
    /// None if all are taken.
    pub(super) fn take(
        &mut self,
        mac: Mac,
        wish: Option<Ipv4Addr>,
        now: Time,
        until: Time,
    ) -> Option<Ipv4Addr> {
        let (address, until) = match self.bindings.get(&mac) {
            // An offer to a client that has a lease does not shorten it.
            Some(binding) => (binding.address, binding.until.max(until)),
            None => {
                let wish = wish.filter(|w| self.is_free(*w, now));
                let address = wish.map(Ipv4Addr::to_bits).or_else(|| self.any(now))?;
                (address, until)
            }
        };
        self.give(mac, address, until);
        Some(address.into())
    }

    /// Whether nobody has `address`, which is one of the pool.
    pub(super) fn is_free(&self, address: Ipv4Addr, now: Time) -> bool {
        let address = address.to_bits();
        let owner = self.owners.get(&address).and_then(|m| self.bindings.get(m));
        (self.first..=self.last).contains(&address)
            && !self.barred.contains(&address)
            && owner.is_none_or(|b| b.until <= now)
    }

    /// `mac` gives its address back.
    pub(super) fn release(&mut self, mac: Mac) {
        if let Some(binding) = self.bindings.get(&mac).copied() {
            // Kept for when it comes again, and the first to be given to others.
            self.give(mac, binding.address, Time::ZERO);
        }
    }

    /// `mac` says that somebody else uses its address: nobody gets it any more.
    pub(super) fn decline(&mut self, mac: Mac) {
        if let Some(binding) = self.bindings.remove(&mac) {
            self.ends.remove(&(binding.until, mac));
            self.owners.remove(&binding.address);
            self.barred.insert(binding.address);
        }
    }

    /// An address that nobody has.
    fn any(&mut self, now: Time) -> Option<u32> {
        while self.fresh <= u64::from(self.last) {
            let address = u32::try_from(self.fresh).ok()?;
            self.fresh += 1;
            if !self.barred.contains(&address) && !self.owners.contains_key(&address) {
                return Some(address);
            }
        }
        let (until, mac) = *self.ends.first()?;
        (until <= now).then(|| self.bindings.get(&mac).map(|b| b.address))?
    }

    fn give(&mut self, mac: Mac, address: u32, until: Time) {
        if let Some(earlier) = self.owners.insert(address, mac)
            && let Some(binding) = self.bindings.remove(&earlier)
        {
            self.ends.remove(&(binding.until, earlier));
        }
        if let Some(old) = self.bindings.insert(mac, Binding { address, until }) {
            self.ends.remove(&(old.until, mac));
        }
        self.ends.insert((until, mac));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ip(last: u8) -> Ipv4Addr {
        Ipv4Addr::new(10, 0, 0, last)
    }

    fn mac(last: u8) -> Mac {
        Mac([2, 0, 0, 0, 0, last])
    }

    const NOW: Time = Time::from_millis(1_000);
    const LATER: Time = Time::from_millis(9_000);

    #[test]
    fn each_has_its_own_and_keeps_it() {
        let mut pool = Pool::new(ip(10), ip(13), [ip(11)].into_iter());
        assert_eq!(pool.take(mac(1), None, NOW, LATER), Some(ip(10)));
        // 11 is reserved, 13 is free and asked for, 12 is what is left.
        assert_eq!(pool.take(mac(2), Some(ip(13)), NOW, LATER), Some(ip(13)));
        assert_eq!(pool.take(mac(3), Some(ip(11)), NOW, LATER), Some(ip(12)));
        assert_eq!(pool.take(mac(4), None, NOW, LATER), None);
        assert_eq!(pool.take(mac(1), Some(ip(13)), NOW, LATER), Some(ip(10)));
        assert_eq!(pool.len(), 3);
        assert!(!pool.is_free(ip(14), LATER));
    }

    #[test]
    fn what_is_over_is_given_to_others_the_longest_first() {
        let mut pool = Pool::new(ip(10), ip(11), std::iter::empty());
        pool.take(mac(1), None, Time::ZERO, NOW);
        pool.take(mac(2), None, Time::ZERO, LATER);
        pool.release(mac(2));
        assert_eq!(pool.take(mac(3), None, NOW, LATER), Some(ip(11)));
        assert_eq!(pool.address_of(mac(2)), None);
        // It comes back before anybody else.
        assert_eq!(pool.take(mac(1), None, NOW, LATER), Some(ip(10)));
        assert_eq!(pool.take(mac(2), None, NOW, LATER), None);
        pool.decline(mac(3));
        pool.release(mac(1));
        assert_eq!(pool.take(mac(4), Some(ip(11)), NOW, LATER), Some(ip(10)));
        assert_eq!((pool.len(), pool.ends.len(), pool.owners.len()), (1, 1, 1));
    }
}
