//! Our client against our server over a link that loses, repeats, delays and overtakes, with a
//! clock that jumps to the next thing to do. Every run follows from its seed.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use trustline::rng::Rng;
use trustline::tftp::{
    Answer, Client, ClientConfig, ClientEvent, Delivery, Outcome, RequestOptions, Retransmission,
    Rollover, Server, ServerConfig, Transfer, Transmit,
};
use trustline::time::Time;
use trustline::wire::tftp::{ErrorCode, Packet};

/// What a link does to each datagram, in parts of 1,000, and how long it takes.
#[derive(Clone, Copy)]
struct Link {
    lost: u64,
    repeated: u64,
    /// Delays are spread from `delay_us` to `delay_us + jitter_us`, so that datagrams overtake.
    delay_us: u64,
    jitter_us: u64,
}

const PERFECT: Link = Link {
    lost: 0,
    repeated: 0,
    delay_us: 100,
    jitter_us: 0,
};

/// When it arrives, the order of sending, from where, to where, what.
type Flight = (Time, u64, SocketAddr, SocketAddr, Vec<u8>);

/// One client and one server.
struct Pair {
    now: Time,
    rng: Rng,
    link: Link,
    client: Client,
    server: Server,
    files: BTreeMap<String, Arc<[u8]>>,
    transfers: BTreeMap<u16, Box<Transfer>>,
    next_port: u16,
    wire: BinaryHeap<Reverse<Flight>>,
    sequence: u64,
    outcome: Option<Outcome>,
    deliveries: Vec<Delivery>,
    events: Vec<ClientEvent>,
    /// Every datagram that an end gave to the link.
    sent: Vec<(SocketAddr, Vec<u8>)>,
}

fn end(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, if port == CLIENT { 1 } else { 2 }], port))
}

const CLIENT: u16 = 50_000;
const REQUESTS: u16 = 69;

/// Content that differs at every place, so that a block in the wrong place shows.
fn content(size: usize) -> Arc<[u8]> {
    let mut bytes = vec![0; size];
    Rng::new(size as u64).fill(&mut bytes);
    bytes.into()
}

impl Pair {
    fn new(seed: u64, link: Link, size: usize, client: ClientConfig, server: ServerConfig) -> Self {
        let files = BTreeMap::from([("file".to_owned(), content(size))]);
        Self {
            now: Time::ZERO,
            rng: Rng::stream(seed, "link"),
            link,
            client: Client::get(b"file", end(REQUESTS), client, Time::ZERO),
            server: Server::new(server),
            files,
            transfers: BTreeMap::new(),
            next_port: 20_000,
            wire: BinaryHeap::new(),
            sequence: 0,
            outcome: None,
            deliveries: Vec::new(),
            events: Vec::new(),
            sent: Vec::new(),
        }
    }

    fn send(&mut self, from: u16, transmit: Transmit) {
        self.sent.push((end(from), transmit.payload.clone()));
        if self.rng.chance(self.link.lost) {
            return;
        }
        let copies = if self.rng.chance(self.link.repeated) {
            2
        } else {
            1
        };
        for _ in 0..copies {
            let delay = self.link.delay_us + self.rng.below(self.link.jitter_us + 1);
            self.sequence += 1;
            self.wire.push(Reverse((
                self.now + Duration::from_micros(delay),
                self.sequence,
                end(from),
                transmit.to,
                transmit.payload.clone(),
            )));
        }
    }

    /// Takes everything that the machines have to give.
    fn drain(&mut self) {
        while let Some(transmit) = self.client.poll_transmit() {
            self.send(CLIENT, transmit);
        }
        while let Some(event) = self.client.poll_event() {
            self.events.push(event);
        }
        if let Some(outcome) = self.client.poll_outcome() {
            assert_eq!(self.outcome.replace(outcome), None, "one outcome");
        }
        for port in self.transfers.keys().copied().collect::<Vec<_>>() {
            while let Some(transmit) = self.transfers.get_mut(&port).unwrap().poll_transmit() {
                self.send(port, transmit);
            }
            let transfer = &self.transfers[&port];
            if transfer.is_answered() {
                self.server.handle_answered(transfer.id());
            }
            if let Some(delivery) = transfer.outcome() {
                self.deliveries.push(delivery.clone());
                self.server.handle_ended(transfer.id());
                self.transfers.remove(&port);
            }
        }
    }

    /// Goes on to the next thing that happens; false if nothing will.
    fn step(&mut self) -> bool {
        self.drain();
        let arrival = self.wire.peek().map(|entry| entry.0.0);
        let timers = self
            .transfers
            .values()
            .filter_map(|transfer| transfer.next_timeout());
        let wake = timers.chain(self.client.next_timeout()).min();
        let Some(next) = arrival.into_iter().chain(wake).min() else {
            return false;
        };
        self.now = self.now.max(next);
        if arrival == Some(next) {
            let Reverse((_, _, from, to, payload)) = self.wire.pop().unwrap();
            self.deliver(from, to, &payload);
        } else {
            self.client.handle_timeout(self.now);
            for transfer in self.transfers.values_mut() {
                transfer.handle_timeout(self.now);
            }
        }
        true
    }

    fn deliver(&mut self, from: SocketAddr, to: SocketAddr, payload: &[u8]) {
        match to.port() {
            CLIENT => self.client.handle_datagram(self.now, from, payload),
            REQUESTS => match self
                .server
                .handle_request(self.now, from, payload, &self.files)
            {
                Answer::Transfer(transfer) => {
                    self.next_port += 1;
                    self.transfers.insert(self.next_port, transfer);
                }
                Answer::Refused(refusal) => self.send(REQUESTS, refusal.transmit),
                Answer::Ignored(_) => {}
            },
            port => {
                if let Some(transfer) = self.transfers.get_mut(&port) {
                    transfer.handle_datagram(self.now, from, payload);
                }
            }
        }
    }

    /// Runs to the end, which must come within `steps`.
    fn run(&mut self, steps: usize) {
        for _ in 0..steps {
            if !self.step() {
                assert!(self.outcome.is_some(), "nothing more to do, and no outcome");
                assert_eq!(self.server.transfers(), 0);
                return;
            }
        }
        panic!("still going after {steps} steps at {}", self.now);
    }

    fn data_sent(&self) -> usize {
        self.sent
            .iter()
            .filter(|(_, bytes)| bytes.starts_with(&[0, 3]))
            .count()
    }

    fn retransmissions(&self) -> usize {
        let again = |event: &&ClientEvent| matches!(event, ClientEvent::Retransmitted { .. });
        self.events.iter().filter(again).count()
    }
}

fn client(options: RequestOptions) -> ClientConfig {
    ClientConfig {
        options,
        ..ClientConfig::default()
    }
}

fn options(blksize: Option<u16>, windowsize: Option<u16>) -> RequestOptions {
    RequestOptions {
        blksize,
        windowsize,
        tsize: true,
        timeout_secs: None,
    }
}

#[test]
fn every_size_and_option_over_a_perfect_link() {
    for blksize in [8_u16, 9, 512, 1_428, 65_464] {
        for windowsize in [None, Some(1), Some(2), Some(7), Some(64)] {
            let block = usize::from(blksize);
            for size in [
                0,
                1,
                block - 1,
                block,
                block + 1,
                2 * block,
                7 * block,
                15 * block + 3,
            ] {
                let config = client(options(Some(blksize), windowsize));
                let mut pair = Pair::new(1, PERFECT, size, config, ServerConfig::default());
                pair.run(10_000);
                let what = format!("{size} bytes, blksize {blksize}, windowsize {windowsize:?}");
                assert_eq!(
                    pair.outcome,
                    Some(Outcome::Done(content(size).to_vec())),
                    "{what}"
                );
                assert_eq!(pair.deliveries, [Delivery::Delivered], "{what}");
                // Not one block too many, the empty last one included.
                assert_eq!(pair.data_sent(), size / block + 1, "{what}");
                assert_eq!(pair.retransmissions(), 0, "{what}");
            }
        }
    }
}

#[test]
fn without_options_there_is_no_oack() {
    let config = client(RequestOptions::default());
    let mut pair = Pair::new(1, PERFECT, 6_702, config, ServerConfig::default());
    pair.run(1_000);
    assert_eq!(pair.outcome, Some(Outcome::Done(content(6_702).to_vec())));
    assert_eq!(pair.sent[0].1, b"\x00\x01file\0octet\0");
    // 14 blocks and their acknowledgements.
    assert_eq!(pair.sent.len(), 1 + 2 * 14);
}

#[test]
fn block_numbers_roll_over() {
    let size = 8 * 65_536 + 8 * 300 + 5;
    for server_rollover in [Rollover::Zero, Rollover::One] {
        for client_rollover in [None, Some(server_rollover)] {
            for windowsize in [None, Some(5)] {
                let config = ClientConfig {
                    rollover: client_rollover,
                    ..client(options(Some(8), windowsize))
                };
                let server = ServerConfig {
                    rollover: server_rollover,
                    ..ServerConfig::default()
                };
                let mut pair = Pair::new(1, PERFECT, size, config, server);
                pair.run(1_000_000);
                assert!(
                    pair.outcome == Some(Outcome::Done(content(size).to_vec())),
                    "{server_rollover:?} {client_rollover:?} {windowsize:?}"
                );
                assert_eq!(pair.data_sent(), size / 8 + 1);
            }
        }
    }
    // Who insists on the other number is stuck at the turn, and ends.
    let config = ClientConfig {
        rollover: Some(Rollover::One),
        ..client(options(Some(8), None))
    };
    let mut pair = Pair::new(1, PERFECT, size, config, ServerConfig::default());
    pair.run(1_000_000);
    assert_eq!(pair.outcome, Some(Outcome::TimedOut));
    assert_eq!(
        pair.deliveries,
        [Delivery::TimedOut {
            acknowledged: 65_535,
            blocks: size as u64 / 8 + 1
        }]
    );
}

/// Thousands of bad links. Every download ends in bounded time; what ends as done is the file, byte
/// for byte; and with this patience nearly all do.
#[test]
fn bad_links_never_damage_a_file() {
    let mut failed = 0;
    const RUNS: u64 = 4_000;
    for seed in 0..RUNS {
        let mut rng = Rng::stream(seed, "case");
        let blksize = [8, 64, 511, 512, 1_428][rng.below(5) as usize];
        let blocks = rng.below(40) as usize;
        let size = match rng.below(4) {
            0 => blocks * blksize,
            1 => 0,
            _ => rng.below((blocks * blksize) as u64 + 1) as usize,
        };
        let wanted = RequestOptions {
            blksize: (blksize != 512).then_some(blksize as u16),
            windowsize: rng.chance(700).then(|| 1 + rng.below(8) as u16),
            tsize: rng.chance(500),
            timeout_secs: rng.chance(200).then_some(1),
        };
        let link = Link {
            lost: rng.below(250),
            repeated: rng.below(250),
            delay_us: 50,
            jitter_us: [0, 1_000, 300_000][rng.below(3) as usize],
        };
        let patient = Retransmission {
            first: Duration::from_millis(500),
            min: Duration::from_millis(100),
            max: Duration::from_secs(4),
            retries: 12,
        };
        let config = ClientConfig {
            retransmission: patient,
            dally: Duration::from_secs(8),
            deadline: Duration::from_secs(600),
            ..client(wanted)
        };
        let server = ServerConfig {
            retransmission: patient,
            deadline: Duration::from_secs(600),
            ..ServerConfig::default()
        };
        let mut pair = Pair::new(seed, link, size, config, server);
        pair.run(200_000);
        match pair.outcome.take().unwrap() {
            Outcome::Done(bytes) => assert!(bytes == *content(size), "seed {seed}: damaged"),
            Outcome::TimedOut => failed += 1,
            other => panic!("seed {seed}: {other:?}"),
        }
    }
    assert!(
        failed * 100 < RUNS,
        "{failed} of {RUNS} downloads timed out"
    );
}

/// Each datagram arrives twice, none is lost. A server with the Sorcerer's Apprentice in it sends
/// nearly every block twice; ours sends each once, in windows too.
#[test]
fn no_sorcerers_apprentice() {
    let twice = Link {
        repeated: 1_000,
        ..PERFECT
    };
    for windowsize in [None, Some(1), Some(4), Some(8)] {
        let config = client(options(Some(512), windowsize));
        let mut pair = Pair::new(7, twice, 512 * 150, config, ServerConfig::default());
        pair.run(10_000);
        assert_eq!(
            pair.outcome,
            Some(Outcome::Done(content(512 * 150).to_vec()))
        );
        assert_eq!(pair.data_sent(), 151, "windowsize {windowsize:?}");
        assert_eq!(pair.retransmissions(), 0);
        // The repeated request started no second transfer.
        assert_eq!(pair.deliveries, [Delivery::Delivered]);
    }
}

/// Overtaking alone must not start a doubling that never ends.
#[test]
fn overtaking_in_windows_stays_cheap() {
    for seed in 0..200 {
        let link = Link {
            jitter_us: 2_000,
            ..PERFECT
        };
        let config = client(options(Some(512), Some(8)));
        let mut pair = Pair::new(seed, link, 512 * 200, config, ServerConfig::default());
        pair.run(100_000);
        assert_eq!(
            pair.outcome,
            Some(Outcome::Done(content(512 * 200).to_vec())),
            "{seed}"
        );
        // RFC 7440 makes the client report each gap; each report costs at most a window. What
        // must not happen is that the cost multiplies.
        assert!(
            pair.data_sent() < 201 * 8,
            "seed {seed}: {} blocks sent",
            pair.data_sent()
        );
    }
}

#[test]
fn a_silent_server_is_asked_as_often_as_configured() {
    let dead = Link {
        lost: 1_000,
        ..PERFECT
    };
    let mut pair = Pair::new(1, dead, 1, ClientConfig::default(), ServerConfig::default());
    let mut asked_at = Vec::new();
    while pair.outcome.is_none() {
        let before = pair.sent.len();
        pair.drain();
        if pair.sent.len() > before {
            asked_at.push(pair.now.as_micros() / 1_000);
        }
        pair.step();
    }
    // 0.5 s as in the trace of the 7821; then doubled, up to 8 s.
    assert_eq!(asked_at, [0, 500, 1_500, 3_500, 7_500, 15_500]);
    assert_eq!(pair.outcome, Some(Outcome::TimedOut));
    assert_eq!(pair.now, Time::from_millis(23_500));
    assert!(pair.sent.iter().all(|(_, bytes)| *bytes == pair.sent[0].1));
}

#[test]
fn a_missing_file_and_a_large_one() {
    let config = ClientConfig {
        max_bytes: 5_000,
        ..client(options(None, None))
    };
    let mut pair = Pair::new(1, PERFECT, 5_001, config, ServerConfig::default());
    pair.files.clear();
    pair.run(100);
    let missing = pair.outcome.unwrap();
    assert!(missing.is_not_found());
    let text = b"File not found".to_vec();
    assert_eq!(
        missing,
        Outcome::Refused {
            code: ErrorCode::NOT_FOUND,
            text
        }
    );

    // By tsize, before a byte has travelled; without it, at the block that is too much. Both tell
    // the server.
    for (tsize, blocks, actual) in [(true, 0, 5_001), (false, 10, 5_001)] {
        let config = ClientConfig {
            max_bytes: 5_000,
            ..client(RequestOptions {
                tsize,
                ..RequestOptions::default()
            })
        };
        let mut pair = Pair::new(1, PERFECT, 5_001, config, ServerConfig::default());
        pair.run(100);
        assert_eq!(
            pair.outcome,
            Some(Outcome::TooLarge {
                limit: 5_000,
                actual
            })
        );
        assert_eq!(pair.data_sent(), blocks);
        assert!(matches!(
            pair.deliveries[..],
            [Delivery::Refused {
                code: ErrorCode::DISK_FULL,
                ..
            }]
        ));
    }
    let config = ClientConfig {
        max_bytes: 5_000,
        ..client(options(None, None))
    };
    let mut pair = Pair::new(1, PERFECT, 5_000, config, ServerConfig::default());
    pair.run(100);
    assert_eq!(pair.outcome, Some(Outcome::Done(content(5_000).to_vec())));
}

/// The last acknowledgement is lost: who dallies repeats it, who does not leaves the server alone.
#[test]
fn dallying_saves_the_servers_verdict() {
    for (dally, delivered) in [(Duration::from_secs(3), true), (Duration::ZERO, false)] {
        let config = ClientConfig {
            dally,
            ..client(RequestOptions::default())
        };
        let mut pair = Pair::new(1, PERFECT, 700, config, ServerConfig::default());
        while pair.outcome.is_none() {
            assert!(pair.step());
            pair.link.lost = 0;
            // The block that ends the file is about to arrive.
            if pair
                .sent
                .last()
                .is_some_and(|(_, bytes)| bytes.starts_with(&[0, 3, 0, 2]))
            {
                pair.link.lost = 1_000;
            }
            pair.drain();
        }
        pair.link.lost = 0;
        pair.run(100);
        let expected = if delivered {
            Delivery::Delivered
        } else {
            Delivery::TimedOut {
                acknowledged: 1,
                blocks: 2,
            }
        };
        assert_eq!(pair.deliveries, [expected]);
        assert_eq!(pair.outcome, Some(Outcome::Done(content(700).to_vec())));
    }
}

/// Rubbish, cut and flipped datagrams between the real ones, from the peer and from strangers:
/// nothing panics, everything ends, and what came from strangers changes nothing.
#[test]
fn hostile_datagrams() {
    for seed in 0..500 {
        let mut rng = Rng::stream(seed, "hostile");
        let from_peer = seed % 2 == 0;
        let config = client(options(Some(64), Some(4)));
        let mut pair = Pair::new(seed, PERFECT, 64 * 20 + 3, config, ServerConfig::default());
        for _ in 0..100_000 {
            if !pair.step() {
                break;
            }
            let mut bytes = match rng.below(3) {
                0 => {
                    let mut bytes = vec![0; rng.below(80) as usize];
                    rng.fill(&mut bytes);
                    bytes
                }
                _ => pair.sent[rng.below(pair.sent.len() as u64) as usize]
                    .1
                    .clone(),
            };
            if !bytes.is_empty() {
                let bit = rng.below(bytes.len() as u64 * 8) as usize;
                bytes[bit / 8] ^= 1 << (bit % 8);
                bytes.truncate(rng.below(bytes.len() as u64 + 1) as usize);
            }
            let transfer = pair.transfers.keys().next().copied();
            let to = [CLIENT, REQUESTS, transfer.unwrap_or(REQUESTS)][rng.below(3) as usize];
            let from = match (from_peer, to) {
                (false, _) => SocketAddr::from(([10, 9, 9, 9], 1_000 + (seed as u16))),
                (true, CLIENT) => end(transfer.unwrap_or(REQUESTS)),
                (true, _) => end(CLIENT),
            };
            pair.deliver(from, end(to), &bytes);
        }
        assert!(pair.outcome.is_some(), "seed {seed}");
        if !from_peer {
            assert_eq!(
                pair.outcome,
                Some(Outcome::Done(content(64 * 20 + 3).to_vec()))
            );
        }
    }
}

/// The trace can be read back: every datagram that either machine ever sends is a whole packet.
#[test]
fn everything_sent_is_well_formed() {
    let link = Link {
        lost: 100,
        repeated: 100,
        delay_us: 50,
        jitter_us: 1_000,
    };
    for seed in 0..50 {
        let config = client(options(Some(100), Some(3)));
        let mut pair = Pair::new(seed, link, 3_000, config, ServerConfig::default());
        pair.run(100_000);
        for (_, bytes) in &pair.sent {
            assert_eq!(Packet::parse(bytes).unwrap().to_bytes(), *bytes);
        }
    }
}
