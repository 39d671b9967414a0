//! DHCP: what is read can be written, and both ends under a script of datagrams that are lost,
//! repeated, changed, made up or late.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::time::Duration;

use super::Script;
use trustline::dhcp::{
    Client, ClientConfig, ClientEvent, MAX_MESSAGE, Mac, Message, MessageKind, Operation, Scope,
    Server, ServerConfig,
};
use trustline::rng::Rng;
use trustline::time::Time;

const MAC: Mac = Mac([0, 0x11, 0x22, 0x33, 0x44, 1]);
/// Addresses of the pool.
const POOL: u8 = 4;
/// Datagrams that wait on the way. What comes on top is lost.
const MAX_WAITING: usize = 64;
/// What one call may send or tell.
const MAX_BURST: usize = 4;

pub(super) fn message(data: &[u8]) {
    let Ok(message) = Message::parse(data) else {
        return;
    };
    let size: usize = message.options.iter().map(|(_, value)| value.len()).sum();
    assert!(size <= data.len());
    for (code, _) in message.options.iter() {
        message.options.addresses(code);
        message.options.text(code);
        message.options.number(code);
    }
    let bytes = message.to_bytes();
    // An option without a value is not written, so it is compared as if it were not there.
    let filled = message.options.iter();
    let filled: Vec<_> = filled.filter(|(_, value)| !value.is_empty()).collect();
    if bytes.len() <= MAX_MESSAGE {
        let again = Message::parse(&bytes).expect("what was written is read");
        assert!(again.options.iter().eq(filled));
        assert_eq!(again.yiaddr, message.yiaddr);
        assert_eq!((again.kind, again.xid), (message.kind, message.xid));
    }
}

pub(super) fn messages() -> Vec<Vec<u8>> {
    let mut offer = Message::new(Operation::Reply, MessageKind::Offer, 7, MAC);
    offer.yiaddr = Ipv4Addr::new(10, 99, 1, 100);
    offer.options.set(66, *b"tftp.lab\0");
    offer.options.set(150, [10, 99, 1, 1, 10, 99, 1, 2]);
    offer.options.set(51, 3_600_u32.to_be_bytes());
    let mut overloaded = offer.to_bytes();
    overloaded[108..116].copy_from_slice(b"\x96\x02\x0a\0\x96\x02\0\x01");
    overloaded.truncate(240);
    overloaded.extend_from_slice(b"\x35\x01\x05\x34\x01\x03\xff");
    let mut nested = overloaded.clone();
    nested[108..116].copy_from_slice(b"\x96\x02\x0a\0\x34\x01\x02\xff");
    let mut relayed = overloaded.clone();
    relayed.splice(240..240, *b"\x52\x04\x01\x02ab");
    vec![offer.to_bytes(), overloaded, nested, relayed]
}

pub(super) fn scripts() -> Vec<Vec<u8>> {
    let mut with_noise = vec![1, 0, 0, 7, 250];
    with_noise.extend_from_slice(&messages()[0][..250]);
    vec![
        vec![0; 12],
        [[0, 0, 0, 0, 8, 9, 0, 0, 6, 200].as_slice(), &[3, 1, 4, 10]].concat(),
        with_noise,
        vec![6, 255, 4, 4, 6, 255, 6, 255],
    ]
}

struct Ends {
    now: Time,
    client: Client,
    server: Server,
    to_server: Vec<Vec<u8>>,
    to_client: Vec<Vec<u8>>,
    /// Nobody changed a byte on the way or made a datagram up.
    is_honest: bool,
}

pub(super) fn both_ends(data: &[u8]) {
    let mut script = Script(data);
    let address = |last| Ipv4Addr::new(10, 99, 1, last);
    let config = ServerConfig {
        address: address(1),
        mask: Ipv4Addr::new(255, 255, 255, 0),
        pool: (address(100), address(100 + POOL - 1)),
        lease_secs: 1 + u32::from(script.byte()) * 17,
        scope: Scope {
            option_150: vec![address(1), address(2)],
            ..Scope::default()
        },
        answers: BTreeMap::new(),
    };
    let phone = ClientConfig::of_phone(MAC, "SEP001122334401", "CP-8861");
    let mut ends = Ends {
        now: Time::ZERO,
        client: Client::new(phone, Rng::new(1), Time::ZERO),
        server: Server::new(config).expect("the configuration makes sense"),
        to_server: Vec::new(),
        to_client: Vec::new(),
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
        match input % 12 {
            0..=2 => {
                self.deliver_to_server(false);
                self.poll();
                self.deliver_to_client(false);
            }
            3 => self.deliver_to_server(true),
            4 => drop(self.to_server.pop()),
            5 => {
                let (at, mask) = (usize::from(script.byte()), script.byte());
                let waiting = match input / 12 % 2 {
                    0 => &mut self.to_client,
                    _ => &mut self.to_server,
                };
                // Most of a message's meaning is in its first bytes and in its options.
                if let Some(byte) = waiting.first_mut().and_then(|d| d.get_mut(at)) {
                    *byte ^= mask;
                    self.is_honest = false;
                }
            }
            6 => {
                let seconds = u64::from(script.byte()) * 16;
                self.pass(Duration::from_secs(seconds));
            }
            7 => {
                let count = usize::from(script.byte());
                let made_up = script.take(count).to_vec();
                self.is_honest = false;
                match input / 12 % 2 {
                    0 => self.client.handle_datagram(self.now, &made_up),
                    _ => drop(self.server.handle_datagram(self.now, &made_up)),
                }
            }
            8 => self.client.renew(self.now),
            9 => {
                let scope = Scope {
                    option_150: vec![Ipv4Addr::LOCALHOST; usize::from(script.byte() % 64)],
                    ..Scope::default()
                };
                assert_eq!(self.server.set_scope(scope), Ok(()));
            }
            10 => self.deliver_to_client(true),
            _ => {
                if script.byte() > 200 {
                    self.client.release(self.now);
                }
            }
        }
    }

    /// Time passes, and nothing arrives meanwhile.
    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        let mut alarms = 0;
        while let Some(due) = self.client.next_timeout().filter(|due| *due <= until) {
            alarms += 1;
            assert!(alarms < 200, "it wakes without end");
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            self.poll();
        }
        self.now = until;
    }

    fn deliver_to_server(&mut self, twice: bool) {
        if self.to_server.is_empty() {
            return;
        }
        let datagram = self.to_server.remove(0);
        for _ in 0..=usize::from(twice) {
            let reply = self.server.handle_datagram(self.now, &datagram);
            self.to_client.extend(reply.map(|r| r.payload));
        }
    }

    fn deliver_to_client(&mut self, twice: bool) {
        if self.to_client.is_empty() {
            return;
        }
        let datagram = self.to_client.remove(0);
        for _ in 0..=usize::from(twice) {
            self.client.handle_datagram(self.now, &datagram);
        }
    }

    fn poll(&mut self) {
        let sent: Vec<_> = std::iter::from_fn(|| self.client.poll_transmit()).collect();
        let told: Vec<_> = std::iter::from_fn(|| self.client.poll_event()).collect();
        assert!(
            sent.len() <= MAX_BURST && told.len() <= MAX_BURST,
            "a flood"
        );
        self.to_server.extend(sent.into_iter().map(|t| t.payload));
        self.to_server.truncate(MAX_WAITING);
        self.to_client.truncate(MAX_WAITING);
        while self.server.poll_event().is_some() {}
        assert!(self.server.clients() <= usize::from(POOL));
        for event in told {
            if let ClientEvent::Bound(lease) | ClientEvent::Renewed(lease) = event {
                assert!(lease.option_150.len() * 4 <= MAX_MESSAGE);
                assert!(1 <= lease.renew_secs && lease.renew_secs <= lease.rebind_secs);
                assert!(lease.rebind_secs <= lease.lease_secs);
                if self.is_honest {
                    assert_eq!(self.server.address_of(MAC), Some(lease.address));
                }
            }
        }
    }

    /// Whatever came before, a client that hears no more either ends or has a lease for ever.
    fn end(mut self) {
        for _ in 0..1_000 {
            let Some(due) = self.client.next_timeout() else {
                let lease = self.client.lease();
                assert!(self.client.is_over() || lease.is_some_and(|l| l.lease_secs == u32::MAX));
                return;
            };
            self.now = self.now.max(due);
            self.client.handle_timeout(self.now);
            self.poll();
            self.to_server.clear();
        }
        panic!("it never ends");
    }
}
