//! Both ends of a TFTP download under a script: datagrams that are lost, repeated, changed, made
//! up or late.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use super::Script;
use trustline::tftp::{
    Answer, Client, ClientConfig, Outcome, RequestOptions, Server, ServerConfig, Transfer, Transmit,
};
use trustline::time::Time;

const FILE: &str = "file";
const MAX_BYTES: usize = 4_000;
/// Datagrams that wait on the way. What comes on top is lost.
const MAX_WAITING: usize = 256;
/// Windows of 16 at most, and an answer to a stranger.
const MAX_BURST: usize = 32;

fn end(port: u16) -> SocketAddr {
    let host = if port == CLIENT { 1 } else { 2 };
    SocketAddr::from(([10, 0, 0, host], port))
}

const CLIENT: u16 = 50_000;
const REQUESTS: u16 = 69;
const FIRST_TRANSFER: u16 = 20_000;

struct Datagram {
    from: SocketAddr,
    to: SocketAddr,
    bytes: Vec<u8>,
}

struct Ends {
    now: Time,
    client: Client,
    server: Server,
    files: BTreeMap<String, Arc<[u8]>>,
    transfers: BTreeMap<u16, Box<Transfer>>,
    next_port: u16,
    waiting: Vec<Datagram>,
    outcome: Option<Outcome>,
    /// Nobody changed a byte on the way or made a datagram up.
    is_honest: bool,
}

pub(super) fn both_ends(data: &[u8]) {
    let mut script = Script(data);
    let flags = script.byte();
    let size = usize::from(script.byte()) * 21;
    let content: Vec<u8> = (0..size).map(|i| (i % 251) as u8).collect();
    let config = ClientConfig {
        options: RequestOptions {
            tsize: flags & 1 != 0,
            blksize: (flags & 2 != 0).then(|| 8 + u16::from(script.byte())),
            windowsize: (flags & 4 != 0).then(|| 1 + u16::from(script.byte() % 16)),
            ..RequestOptions::default()
        },
        max_bytes: MAX_BYTES,
        ..ClientConfig::default()
    };
    let name: &[u8] = if flags & 8 == 0 { b"file" } else { b"../other" };
    let mut ends = Ends {
        now: Time::ZERO,
        client: Client::get(name, end(REQUESTS), config, Time::ZERO),
        server: Server::new(ServerConfig::default()),
        files: BTreeMap::from([(FILE.to_owned(), content.into())]),
        transfers: BTreeMap::new(),
        next_port: FIRST_TRANSFER,
        waiting: Vec::new(),
        outcome: None,
        is_honest: true,
    };
    ends.poll();
    while let Some(input) = script.next() {
        ends.input(input, &mut script);
        ends.poll();
    }
    ends.end();
}

impl Ends {
    fn input(&mut self, input: u8, script: &mut Script<'_>) {
        match input % 8 {
            // The one that waits longest arrives, or another one overtakes it.
            0..=2 if !self.waiting.is_empty() => {
                let at = match input % 8 {
                    2 => usize::from(script.byte()) % self.waiting.len(),
                    _ => 0,
                };
                let datagram = self.waiting.remove(at);
                self.arrive(&datagram);
            }
            // It arrives twice.
            3 if !self.waiting.is_empty() => {
                let datagram = self.waiting.remove(0);
                self.arrive(&datagram);
                self.poll();
                self.arrive(&datagram);
            }
            4 if !self.waiting.is_empty() => {
                self.waiting.remove(0);
            }
            5 => {
                let (at, mask) = (usize::from(script.byte()), script.byte());
                if let Some(byte) = self.waiting.first_mut().and_then(|d| d.bytes.get_mut(at)) {
                    *byte ^= mask;
                    self.is_honest = false;
                }
            }
            6 => {
                self.now += Duration::from_millis(u64::from(script.byte()) * 50);
                self.wake();
            }
            7 => {
                let (from, to) = match input >> 3 & 3 {
                    0 => (CLIENT, REQUESTS),
                    1 => (CLIENT, FIRST_TRANSFER),
                    2 => (FIRST_TRANSFER, CLIENT),
                    // A stranger.
                    _ => (FIRST_TRANSFER + 9, CLIENT),
                };
                let count = usize::from(script.byte());
                self.is_honest = false;
                let bytes = script.take(count).to_vec();
                self.arrive(&Datagram {
                    from: end(from),
                    to: end(to),
                    bytes,
                });
            }
            _ => {}
        }
    }

    fn arrive(&mut self, d: &Datagram) {
        match d.to.port() {
            CLIENT => self.client.handle_datagram(self.now, d.from, &d.bytes),
            REQUESTS => {
                let answer = self
                    .server
                    .handle_request(self.now, d.from, &d.bytes, &self.files);
                match answer {
                    Answer::Transfer(transfer) => {
                        self.transfers.insert(self.next_port, transfer);
                        self.next_port += 1;
                    }
                    Answer::Refused(refusal) => self.send(REQUESTS, refusal.transmit),
                    Answer::Ignored(_) => {}
                }
            }
            port => {
                if let Some(transfer) = self.transfers.get_mut(&port) {
                    transfer.handle_datagram(self.now, d.from, &d.bytes);
                }
            }
        }
    }

    fn wake(&mut self) {
        self.client.handle_timeout(self.now);
        for transfer in self.transfers.values_mut() {
            transfer.handle_timeout(self.now);
        }
    }

    fn send(&mut self, from: u16, transmit: Transmit) {
        if self.waiting.len() < MAX_WAITING {
            self.waiting.push(Datagram {
                from: end(from),
                to: transmit.to,
                bytes: transmit.payload,
            });
        }
    }

    fn poll(&mut self) {
        let mut burst = 0;
        while let Some(transmit) = self.client.poll_transmit() {
            burst += 1;
            assert!(burst <= MAX_BURST, "the client sends without end");
            self.send(CLIENT, transmit);
        }
        while self.client.poll_event().is_some() {}
        if let Some(outcome) = self.client.poll_outcome() {
            assert!(self.outcome.replace(outcome).is_none(), "one outcome");
        }
        for port in self.transfers.keys().copied().collect::<Vec<_>>() {
            let mut burst = 0;
            while let Some(t) = self
                .transfers
                .get_mut(&port)
                .and_then(|t| t.poll_transmit())
            {
                burst += 1;
                assert!(burst <= MAX_BURST + 64, "the server sends without end");
                self.send(port, t);
            }
            let transfer = &self.transfers[&port];
            if transfer.is_answered() {
                self.server.handle_answered(transfer.id());
            }
            if transfer.outcome().is_some() {
                self.server.handle_ended(transfer.id());
                self.transfers.remove(&port);
            }
        }
    }

    /// Whatever came before, time alone ends both.
    fn end(mut self) {
        self.waiting.clear();
        // A deadline each, and repeats of which the schedule allows few.
        for _ in 0..1_000 {
            let timers = self.transfers.values().filter_map(|t| t.next_timeout());
            let Some(at) = timers.chain(self.client.next_timeout()).min() else {
                break;
            };
            self.now = self.now.max(at);
            self.wake();
            self.poll();
            self.waiting.clear();
        }
        assert_eq!(self.client.next_timeout(), None, "the client ends");
        assert!(self.transfers.is_empty(), "every transfer ends");
        assert_eq!(self.server.transfers(), 0, "the server forgets them");
        let outcome = self.outcome.expect("the client has an outcome");
        if let Outcome::Done(bytes) = outcome {
            assert!(bytes.len() <= MAX_BYTES);
            assert!(!self.is_honest || *bytes == *self.files[FILE]);
        }
    }
}
