//! What lies between a phone and a node: time, and chance.
//!
//! Each pair of a phone and a node has a link of its own with a stream of chance of its own, seeded
//! by the world's seed and both names. So adding a phone reshuffles nobody else's luck.
//!
//! - A **datagram** (TFTP) may be lost, come twice, come late, or come with one bit flipped: the
//!   kind of damage that a UDP checksum does not see, because a switch made it before it computed
//!   the checksum anew.
//! - A **segment** of a connection (TVS, registration) that is lost is sent again by TCP, so it is a
//!   delay; one that comes twice or late is put in order by TCP, so it is nothing or a delay; one
//!   that comes damaged fails the record's MAC, so it breaks the connection. Nobody ever reads wrong
//!   bytes.
//! - Over a **partition** nothing arrives, in neither direction, and nobody is told.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::cluster::NodeId;
use crate::rng::Rng;
use crate::time::Time;

/// One way through the network, unless a link says otherwise.
pub const LATENCY: Duration = Duration::from_millis(1);

/// The time before TCP sends a segment again the first time (RFC 6298, 2.1 and 2.4); it doubles
/// each time (5.5).
const FIRST_RETRANSMISSION: Duration = Duration::from_secs(1);
/// How often TCP sends a segment again before it gives the connection up: for 127 s, over the 100 s
/// of RFC 1122, 4.2.3.5.
const RETRANSMISSIONS: u32 = 6;

/// A share in thousandths, up to 1,000.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PerMille(u16);

impl PerMille {
    /// Never.
    pub const NONE: Self = Self(0);
    /// Always.
    pub const ALL: Self = Self(1_000);

    /// This share; all of it from 1,000 on.
    pub fn new(per_mille: u16) -> Self {
        Self(per_mille.min(1_000))
    }

    /// This many percent; all of it from 100 on.
    pub fn percent(percent: u16) -> Self {
        Self::new(percent.saturating_mul(10))
    }

    /// In thousandths.
    pub fn get(self) -> u16 {
        self.0
    }
}

/// What happens to what goes over a link, in both directions alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Link {
    /// One way takes at least this long.
    pub latency: Duration,
    /// And up to this much longer, evenly spread.
    pub jitter: Duration,
    /// How many are lost.
    pub loss: PerMille,
    /// How many come twice.
    pub duplicate: PerMille,
    /// How many take the way three times as long, so that later ones overtake them.
    pub reorder: PerMille,
    /// How many come damaged.
    pub corrupt: PerMille,
    /// Nothing arrives at all.
    pub partition: bool,
    /// This many datagrams are lost, the first from when the link is set.
    pub lose_first: u16,
}

impl Default for Link {
    /// [`LATENCY`], and nothing left to chance.
    fn default() -> Self {
        Self {
            latency: LATENCY,
            jitter: Duration::ZERO,
            loss: PerMille::NONE,
            duplicate: PerMille::NONE,
            reorder: PerMille::NONE,
            corrupt: PerMille::NONE,
            partition: false,
            lose_first: 0,
        }
    }
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Segment {
    /// It arrives after this time.
    Arrives(Duration),
    /// What arrives after this time is damaged.
    Damaged(Duration),
    /// It never arrives.
    Lost,
}

impl Segment {
    /// One segment after another that answers it, or follows it.
    pub(super) fn then(self, next: impl FnOnce() -> Self) -> Self {
        let Self::Arrives(first) = self else {
            return self;
        };
        match next() {
            Self::Arrives(second) => Self::Arrives(first + second),
            Self::Damaged(second) => Self::Damaged(first + second),
            Self::Lost => Self::Lost,
        }
    }
}

/// The links of a world.
#[derive(Debug)]
pub(super) struct Links {
    seed: u64,
    /// Those that were ever set, by device and node.
    set: BTreeMap<String, BTreeMap<NodeId, State>>,
}

#[derive(Debug)]
struct State {
    link: Link,
    /// It goes on when the link is set anew.
    luck: Rng,
}

impl Links {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            seed,
            set: BTreeMap::new(),
        }
    }

    /// Sets the link between a phone and a node; `name` is the node's.
    pub(super) fn set(&mut self, device: &str, node: NodeId, name: &str, link: Link) {
        let of_phone = self.set.entry(device.to_owned()).or_default();
        match of_phone.get_mut(&node) {
            Some(state) => state.link = link,
            None => {
                let luck = Rng::stream(self.seed, &format!("{device} {name}"));
                of_phone.insert(node, State { link, luck });
            }
        }
    }

    /// Makes every link the default again.
    pub(super) fn clear(&mut self) {
        for state in self.set.values_mut().flat_map(BTreeMap::values_mut) {
            state.link = Link::default();
        }
    }

    /// True if every link of a phone is the default one.
    pub(super) fn are_default(&self, device: &str) -> bool {
        let set = self.set.get(device);
        let mut set = set.into_iter().flat_map(BTreeMap::values);
        set.all(|state| state.link == Link::default())
    }

    fn state(&mut self, device: &str, node: Option<NodeId>) -> Option<&mut State> {
        self.set.get_mut(device)?.get_mut(&node?)
    }

    /// A datagram between the two, either way: what arrives of it, and after which time. To no node
    /// at all the way is the default one.
    pub(super) fn datagram(
        &mut self,
        device: &str,
        node: Option<NodeId>,
        bytes: Vec<u8>,
        mut arrive: impl FnMut(Duration, Vec<u8>),
    ) {
        match self.state(device, node) {
            None => arrive(LATENCY, bytes),
            Some(state) => state.datagram(bytes, arrive),
        }
    }

    /// A segment of a connection between the two, either way.
    pub(super) fn segment(&mut self, device: &str, node: Option<NodeId>) -> Segment {
        match self.state(device, node) {
            None => Segment::Arrives(LATENCY),
            Some(state) => state.segment(),
        }
    }
}

impl State {
    fn datagram(&mut self, mut bytes: Vec<u8>, mut arrive: impl FnMut(Duration, Vec<u8>)) {
        if self.link.partition {
            return;
        }
        // Each kind of chance is drawn for every datagram, so that setting one does not shuffle
        // the others.
        let lost = self.happens(self.link.loss);
        let twice = self.happens(self.link.duplicate);
        let late = self.happens(self.link.reorder);
        let damaged = self.happens(self.link.corrupt);
        let bit = self.luck.below(bytes.len() as u64 * 8);
        let (first, second) = (self.way(), self.way());
        let is_first = self.link.lose_first > 0;
        self.link.lose_first = self.link.lose_first.saturating_sub(1);
        if lost || is_first {
            return;
        }
        if twice {
            arrive(second, bytes.clone());
        }
        // Below the length in bits, which memory holds.
        let bit = usize::try_from(bit).unwrap_or(0);
        if damaged && let Some(byte) = bytes.get_mut(bit / 8) {
            *byte ^= 1 << (bit % 8);
        }
        arrive(if late { first * 3 } else { first }, bytes);
    }

    fn segment(&mut self) -> Segment {
        if self.link.partition {
            return Segment::Lost;
        }
        let late = self.happens(self.link.reorder);
        let damaged = self.happens(self.link.corrupt);
        let way = self.way();
        let mut waited = Duration::ZERO;
        let mut sent = 0;
        while self.happens(self.link.loss) {
            if sent == RETRANSMISSIONS {
                return Segment::Lost;
            }
            waited += FIRST_RETRANSMISSION * (1 << sent);
            sent += 1;
        }
        let after = waited + if late { way * 3 } else { way };
        if damaged {
            Segment::Damaged(after)
        } else {
            Segment::Arrives(after)
        }
    }

    fn happens(&mut self, share: PerMille) -> bool {
        self.luck.chance(u64::from(share.get()))
    }

    /// The time of one way.
    fn way(&mut self) -> Duration {
        let jitter = u64::try_from(self.link.jitter.as_micros()).unwrap_or(u64::MAX);
        let more = self.luck.below(jitter.saturating_add(1));
        self.link.latency + Duration::from_micros(more)
    }
}

/// Keeps the segments of one direction of a connection in order, as TCP does.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct InOrder {
    last: Time,
}

impl InOrder {
    /// When a segment is read that would arrive at `at` by itself.
    pub(super) fn read_at(&mut self, at: Time) -> Time {
        self.last = self.last.max(at);
        self.last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId {
        cluster: 0,
        node: 0,
    };

    fn links(seed: u64, link: Link) -> Links {
        let mut links = Links::new(seed);
        links.set("SEP1", NODE, "pub", link);
        links
    }

    fn arrivals(links: &mut Links, device: &str, count: usize) -> Vec<Vec<(Duration, Vec<u8>)>> {
        let one = |_| {
            let mut all = Vec::new();
            links.datagram(device, Some(NODE), vec![0; 8], |at, bytes| {
                all.push((at, bytes));
            });
            all
        };
        (0..count).map(one).collect()
    }

    #[test]
    fn the_default_link_leaves_nothing_to_chance() {
        let mut links = links(1, Link::default());
        for device in ["SEP1", "SEP2"] {
            for all in arrivals(&mut links, device, 100) {
                assert_eq!(all, [(LATENCY, vec![0; 8])]);
            }
            assert_eq!(links.segment(device, Some(NODE)), Segment::Arrives(LATENCY));
        }
    }

    #[test]
    fn shares_are_about_what_they_say() {
        let share = PerMille::percent(20);
        let total = 10_000;
        let near = |n: usize| (1_800..2_200).contains(&n);
        let loss = Link {
            loss: share,
            ..Link::default()
        };
        let all = arrivals(&mut links(1, loss), "SEP1", total);
        assert!(near(all.iter().filter(|a| a.is_empty()).count()));
        let twice = Link {
            duplicate: share,
            ..Link::default()
        };
        let all = arrivals(&mut links(1, twice), "SEP1", total);
        assert!(near(all.iter().filter(|a| a.len() == 2).count()));
        let late = Link {
            reorder: share,
            ..Link::default()
        };
        let all = arrivals(&mut links(1, late), "SEP1", total);
        assert!(near(all.iter().filter(|a| a[0].0 == LATENCY * 3).count()));
        let damaged = Link {
            corrupt: share,
            ..Link::default()
        };
        let all = arrivals(&mut links(1, damaged), "SEP1", total);
        let flipped = all.iter().map(|a| {
            let bits: u32 = a[0].1.iter().map(|b| b.count_ones()).sum();
            assert!(bits <= 1, "one bit at most");
            bits as usize
        });
        assert!(near(flipped.sum()));
    }

    #[test]
    fn one_kind_of_chance_does_not_shuffle_another() {
        let loss = Link {
            loss: PerMille::percent(30),
            ..Link::default()
        };
        let both = Link {
            duplicate: PerMille::percent(30),
            jitter: Duration::from_millis(5),
            ..loss
        };
        let lost = |link| {
            let all = arrivals(&mut links(7, link), "SEP1", 500);
            all.iter().map(Vec::is_empty).collect::<Vec<_>>()
        };
        assert_eq!(lost(loss), lost(both));
    }

    #[test]
    fn each_link_has_luck_of_its_own_and_the_seed_decides_it() {
        let link = Link {
            loss: PerMille::percent(50),
            ..Link::default()
        };
        let one = arrivals(&mut links(1, link), "SEP1", 64);
        assert_eq!(one, arrivals(&mut links(1, link), "SEP1", 64));
        assert_ne!(one, arrivals(&mut links(2, link), "SEP1", 64));
        let mut two = links(1, link);
        two.set("SEP0", NODE, "pub", link);
        assert_ne!(one, arrivals(&mut two, "SEP0", 64));
        assert_eq!(one, arrivals(&mut two, "SEP1", 64));
    }

    #[test]
    fn nothing_crosses_a_partition_or_a_link_that_loses_all() {
        let partition = Link {
            partition: true,
            ..Link::default()
        };
        let lossy = Link {
            loss: PerMille::ALL,
            ..Link::default()
        };
        for link in [partition, lossy] {
            let mut links = links(1, link);
            let all = arrivals(&mut links, "SEP1", 100);
            assert!(all.iter().all(Vec::is_empty));
            assert_eq!(links.segment("SEP1", Some(NODE)), Segment::Lost);
        }
    }

    #[test]
    fn a_lost_segment_is_a_delay_and_order_is_kept() {
        let link = Link {
            loss: PerMille::percent(50),
            ..Link::default()
        };
        let mut links = links(1, link);
        let mut seen = Vec::new();
        for _ in 0..1_000 {
            if let Segment::Arrives(after) = links.segment("SEP1", Some(NODE)) {
                seen.push((after - LATENCY).as_secs());
            }
        }
        for waited in [0, 1, 3, 7] {
            assert!(seen.contains(&waited), "{waited} s were never waited");
        }
        let mut order = InOrder::default();
        assert_eq!(order.read_at(Time::from_millis(9)), Time::from_millis(9));
        assert_eq!(order.read_at(Time::from_millis(3)), Time::from_millis(9));
    }
}
