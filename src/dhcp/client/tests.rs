use super::*;
use crate::dhcp::{Reply, Scope, Server, ServerConfig, ServerEvent};

const MAC: Mac = Mac([0, 0x11, 0x22, 0x33, 0x44, 1]);
const TFTP: [Ipv4Addr; 2] = [Ipv4Addr::new(10, 99, 1, 1), Ipv4Addr::new(10, 99, 1, 2)];

fn server_with(change: impl FnOnce(&mut ServerConfig)) -> Server {
    let mut config = ServerConfig {
        address: Ipv4Addr::new(10, 99, 1, 1),
        mask: Ipv4Addr::new(255, 255, 255, 0),
        pool: (Ipv4Addr::new(10, 99, 1, 100), Ipv4Addr::new(10, 99, 1, 110)),
        lease_secs: 3_600,
        scope: Scope {
            option_150: TFTP.to_vec(),
            option_66: Some("tftp.lab".into()),
            ..Scope::default()
        },
        answers: std::collections::BTreeMap::new(),
    };
    change(&mut config);
    Server::new(config).unwrap()
}

/// A client and the servers of its segment; nothing is lost, and the clock jumps to what is next.
struct Pair {
    client: Client,
    servers: Vec<Server>,
    now: Time,
    events: Vec<ClientEvent>,
    sent: Vec<(Time, Ipv4Addr, Message)>,
}

impl Pair {
    fn new(servers: Vec<Server>) -> Self {
        Self::seeded(1, servers)
    }

    fn seeded(seed: u64, servers: Vec<Server>) -> Self {
        let config = ClientConfig::of_phone(MAC, "SEP001122334401", "CP-7911G");
        let now = Time::from_millis(5);
        let mut pair = Self {
            client: Client::new(config, Rng::new(seed), now),
            servers,
            now,
            events: Vec::new(),
            sent: Vec::new(),
        };
        pair.run();
        pair
    }

    /// Until nobody has anything to say at this moment.
    fn run(&mut self) {
        let mut steps = 0;
        loop {
            while let Some(event) = self.client.poll_event() {
                self.events.push(event);
            }
            let Some(t) = self.client.poll_transmit() else {
                return;
            };
            steps += 1;
            assert!(steps < 100, "it talks without end");
            let message = Message::parse(&t.payload).unwrap();
            let is_for = |s: &Server| t.to.is_broadcast() || t.to == s.address();
            let replies: Vec<Reply> = self
                .servers
                .iter_mut()
                .filter(|s| is_for(s))
                .filter_map(|s| s.handle_datagram(self.now, &t.payload))
                .collect();
            self.sent.push((self.now, t.to, message));
            for reply in replies {
                self.client.handle_datagram(self.now, &reply.payload);
            }
        }
    }

    /// To the client's next alarm.
    fn step(&mut self) {
        let due = self.client.next_timeout().expect("it waits for something");
        assert!(due > self.now, "the clock goes on");
        self.now = due;
        self.client.handle_timeout(due);
        self.run();
    }

    fn bound(&self) -> &Lease {
        self.client.lease().expect("it has a lease")
    }

    fn kinds(&self) -> Vec<MessageKind> {
        self.sent.iter().map(|(_, _, m)| m.kind).collect()
    }
}

fn is_renewed(event: &ClientEvent) -> bool {
    matches!(event, ClientEvent::Renewed(_))
}

#[test]
fn a_phone_takes_a_lease_with_both_servers_of_option_150() {
    let pair = Pair::new(vec![server_with(|_| {})]);
    let lease = pair.bound();
    assert_eq!(lease.address, Ipv4Addr::new(10, 99, 1, 100));
    assert_eq!(lease.option_150, TFTP);
    assert_eq!(lease.option_66.as_deref(), Some("tftp.lab"));
    assert_eq!(lease.mask, Some(Ipv4Addr::new(255, 255, 255, 0)));
    assert_eq!(pair.kinds(), [MessageKind::Discover, MessageKind::Request]);
    let (_, to, discover) = &pair.sent[0];
    assert!(to.is_broadcast() && discover.broadcast);
    let options = &discover.options;
    assert_eq!(options.get(61).unwrap(), [1, 0, 0x11, 0x22, 0x33, 0x44, 1]);
    assert_eq!(options.get(12).unwrap(), b"SEP001122334401");
    let class = b"Cisco Systems, Inc. IP Phone CP-7911G\0";
    assert_eq!(options.get(60).unwrap(), class);
    assert_eq!(options.get(55).unwrap(), [1, 66, 6, 3, 15, 150, 35]);
    assert!(matches!(pair.events[0], ClientEvent::Offered { .. }));
    assert!(matches!(pair.events[1], ClientEvent::Bound(_)));
    // T1 of 3,600 s.
    let half = Time::from_millis(5) + Duration::from_secs(1_800);
    assert_eq!(pair.client.next_timeout(), Some(half));
}

#[test]
fn a_second_offer_disturbs_nothing() {
    // As Kea does with two addresses on one interface: two servers, two leases.
    let other = Ipv4Addr::new(10, 99, 1, 9);
    let second = server_with(|c| {
        c.address = other;
        c.pool.0 = Ipv4Addr::new(10, 99, 1, 105);
        c.scope.option_150 = vec![other];
    });
    let pair = Pair::new(vec![server_with(|_| {}), second]);
    assert_eq!(pair.bound().option_150, TFTP);
    assert!(
        pair.events
            .contains(&ClientEvent::Ignored(Ignored::NotAsked))
    );

    // The same server answers the DISCOVER once more, with another address, instead of the ACK.
    let config = ClientConfig::of_phone(MAC, "SEP001122334401", "CP-7911G");
    let mut client = Client::new(config, Rng::new(1), Time::ZERO);
    let mut server = server_with(|_| {});
    let discover = client.poll_transmit().unwrap().payload;
    let offer = server.handle_datagram(Time::ZERO, &discover).unwrap();
    client.handle_datagram(Time::ZERO, &offer.payload);
    let mut forged = Message::parse(&offer.payload).unwrap();
    forged.yiaddr = Ipv4Addr::new(10, 99, 1, 101);
    client.handle_datagram(Time::ZERO, &forged.to_bytes());
    forged.kind = MessageKind::Ack;
    client.handle_datagram(Time::ZERO, &forged.to_bytes());
    forged.yiaddr = Ipv4Addr::new(10, 99, 1, 100);
    set_address(&mut forged, option::SERVER_ID, other);
    client.handle_datagram(Time::ZERO, &forged.to_bytes());
    forged.kind = MessageKind::Nak;
    client.handle_datagram(Time::ZERO, &forged.to_bytes());
    forged.xid ^= 1;
    client.handle_datagram(Time::ZERO, &forged.to_bytes());
    assert_eq!(client.lease(), None);
    let said: Vec<_> = std::iter::from_fn(|| client.poll_event()).collect();
    let offered = ClientEvent::Offered {
        server: server.address(),
        address: Ipv4Addr::new(10, 99, 1, 100),
    };
    let ignored = [
        Ignored::NotAsked,
        Ignored::OtherAddress(Ipv4Addr::new(10, 99, 1, 101)),
        Ignored::OtherServer(other),
        Ignored::OtherServer(other),
        Ignored::NotAsked,
    ];
    let expected: Vec<_> = std::iter::once(offered)
        .chain(ignored.map(ClientEvent::Ignored))
        .collect();
    assert_eq!(said, expected);
    let request = client.poll_transmit().unwrap().payload;
    let ack = server.handle_datagram(Time::ZERO, &request).unwrap();
    client.handle_datagram(Time::ZERO, &ack.payload);
    assert!(client.lease().is_some());
}

#[test]
fn nobody_answers_so_it_backs_off_and_ends() {
    let mut pair = Pair::new(Vec::new());
    while !pair.client.is_over() {
        pair.step();
    }
    assert_eq!(pair.kinds(), [MessageKind::Discover; 4]);
    let waits: Vec<_> = pair
        .sent
        .windows(2)
        .map(|w| w[1].0.since(w[0].0).as_secs_f64())
        .collect();
    for (wait, base) in waits.iter().zip([4.0, 8.0, 16.0]) {
        assert!((wait - base).abs() <= 1.0, "{waits:?}");
    }
    // One transaction, and a field that says how long it has taken.
    let (first, last) = (&pair.sent[0].2, &pair.sent[3].2);
    assert_eq!(first.xid, last.xid);
    assert!(first.secs == 0 && last.secs >= 25);
    assert_eq!(pair.events.last(), Some(&ClientEvent::NoAnswer));
    assert_eq!(pair.client.next_timeout(), None);
    // Other phones do it at other times.
    let mut other = Pair::seeded(2, Vec::new());
    other.step();
    assert_ne!(other.sent[1].0, pair.sent[1].0);
}

#[test]
fn a_changed_option_150_arrives_with_the_renewal() {
    let mut pair = Pair::new(vec![server_with(|_| {})]);
    let moved = vec![Ipv4Addr::new(10, 99, 2, 1)];
    let scope = Scope {
        option_150: moved.clone(),
        ..Scope::default()
    };
    pair.servers[0].set_scope(scope).unwrap();
    pair.step();
    assert!(pair.events.last().is_some_and(is_renewed));
    assert_eq!(pair.bound().option_150, moved);
    let (at, to, request) = pair.sent.last().unwrap();
    assert_eq!(*at, Time::from_millis(5) + Duration::from_secs(1_800));
    assert_eq!(*to, Ipv4Addr::new(10, 99, 1, 1));
    assert_eq!(request.ciaddr, Ipv4Addr::new(10, 99, 1, 100));
    assert_eq!(
        (request.options.get(50), request.options.get(54)),
        (None, None)
    );
    assert_eq!(request.options.get(55).unwrap(), PHONE_PARAMETERS);

    // And at once, if somebody says so.
    pair.servers[0].set_scope(Scope::default()).unwrap();
    pair.client.renew(pair.now);
    pair.run();
    assert!(pair.bound().option_150.is_empty());
}

#[test]
fn without_the_address_it_renews_as_after_a_restart() {
    let mut pair = Pair::new(vec![server_with(|_| {})]);
    pair.client.config.holds_address = false;
    pair.step();
    assert!(pair.events.last().is_some_and(is_renewed));
    let (_, to, request) = pair.sent.last().unwrap();
    assert!(to.is_broadcast() && request.broadcast);
    assert_eq!(request.ciaddr, Ipv4Addr::UNSPECIFIED);
    assert_eq!(request.options.address(50), Some(pair.bound().address));
}

#[test]
fn a_lease_is_renewed_then_rebound_then_lost() {
    let mut pair = Pair::new(vec![server_with(|_| {})]);
    let mut server = pair.servers.pop().unwrap();
    let bound = pair.now;
    while !pair.events.contains(&ClientEvent::Expired) {
        pair.step();
    }
    let asked: Vec<_> = pair.sent[2..]
        .iter()
        .map(|(at, to, m)| (at.since(bound).as_secs(), to.is_broadcast(), m.kind))
        .collect();
    let request = MessageKind::Request;
    let expected = [
        (1_800, false, request),
        (2_475, false, request),
        (2_812, false, request),
        (2_981, false, request),
        (3_065, false, request),
        (3_125, false, request),
        (3_150, true, request),
        (3_375, true, request),
        (3_487, true, request),
        (3_547, true, request),
        (3_600, true, MessageKind::Discover),
    ];
    assert_eq!(asked, expected);
    assert_eq!(pair.client.lease(), None);

    // Rebinding, another server may answer, and then it is the one to ask.
    let mut pair = Pair::new(vec![server]);
    server = server_with(|c| c.address = Ipv4Addr::new(10, 99, 1, 2));
    pair.servers = vec![server];
    while !pair.events.iter().any(is_renewed) {
        pair.step();
    }
    assert_eq!(pair.bound().server, Ipv4Addr::new(10, 99, 1, 2));
}

#[test]
fn a_renewal_that_nobody_answers_leaves_the_lease() {
    let mut pair = Pair::new(vec![server_with(|_| {})]);
    pair.servers.clear();
    pair.client.renew(pair.now);
    pair.run();
    while !pair.events.contains(&ClientEvent::RenewalUnanswered) {
        pair.step();
    }
    assert!(pair.now < Time::from_millis(65_000));
    assert_eq!(pair.bound().option_150, TFTP);
    let half = Time::from_millis(5) + Duration::from_secs(1_800);
    assert_eq!(pair.client.next_timeout(), Some(half));
    // A lease of minutes still goes its way.
    let short = server_with(|c| c.lease_secs = 8);
    let mut pair = Pair::new(vec![short]);
    pair.servers.clear();
    while !pair.events.contains(&ClientEvent::Expired) {
        pair.step();
    }
    assert_eq!(pair.sent.len(), 5);
}

/// A client whose lease another client took, at its `wait`th second.
fn resumed(wait: u64, servers: Vec<Server>) -> Pair {
    let first = Pair::new(vec![server_with(|_| {})]);
    let times = first.client.times().unwrap();
    let lease = Lease::remembered(first.bound().address, first.bound().server);
    let config = ClientConfig::of_phone(MAC, "SEP001122334401", "CP-7911G");
    let now = first.now + Duration::from_secs(wait);
    let mut pair = Pair {
        client: Client::resuming(config, lease, times, Rng::new(2), now),
        servers,
        now,
        events: Vec::new(),
        sent: Vec::new(),
    };
    pair.run();
    pair
}

#[test]
fn a_lease_goes_on_with_another_client() {
    let start = Time::from_millis(5);
    let after = |seconds| start + Duration::from_secs(seconds);
    // Before T1 it waits.
    let early = resumed(10, Vec::new());
    assert_eq!(early.sent, []);
    assert_eq!(early.client.next_timeout(), Some(after(1_800)));
    // At T1 it asks the server of the lease, and as long as nobody answers it stays where it was.
    let mut unheard = resumed(1_800, Vec::new());
    assert_eq!(unheard.kinds(), [MessageKind::Request]);
    assert_eq!(unheard.sent[0].1, TFTP[0]);
    let times = unheard.client.times().unwrap();
    assert_eq!((times.next, times.expires), (after(2_475), after(3_600)));
    unheard.step();
    assert_eq!(
        unheard.client.times().unwrap().next,
        after(2_812) + Duration::from_millis(500)
    );
    // The server knows the phone, whichever client asks for it.
    let known = Pair::new(vec![server_with(|_| {})]);
    let renewed = resumed(1_800, known.servers);
    assert!(renewed.events.iter().any(is_renewed));
    assert_eq!(renewed.bound().option_150, TFTP);
    assert_eq!(renewed.client.times().unwrap().renew, after(3_600));
    // After T2 it asks everybody, and after the end it begins anew.
    assert!(resumed(3_150, Vec::new()).sent[0].1.is_broadcast());
    let over = resumed(3_600, vec![server_with(|_| {})]);
    assert_eq!(over.events[0], ClientEvent::Expired);
    assert_eq!(over.kinds(), [MessageKind::Discover, MessageKind::Request]);
    assert_eq!(over.bound().option_150, TFTP);
}

#[test]
fn a_server_that_refuses_everything_is_asked_at_leisure() {
    let mut pair = Pair::new(vec![server_with(|_| {})]);
    let mut client = std::mem::replace(
        &mut pair.client,
        Client::new(
            ClientConfig::of_phone(MAC, "SEP001122334401", "CP-7911G"),
            Rng::new(3),
            pair.now,
        ),
    );
    // A refusal while renewing takes the lease.
    client.renew(pair.now);
    let request = Message::parse(&client.poll_transmit().unwrap().payload).unwrap();
    let mut nak = Message::new(Operation::Reply, MessageKind::Nak, request.xid, MAC);
    set_address(&mut nak, option::SERVER_ID, Ipv4Addr::new(10, 99, 1, 1));
    nak.options.set(option::TEXT, *b"gone");
    client.handle_datagram(pair.now, &nak.to_bytes());
    let refused = ClientEvent::Refused {
        server: Ipv4Addr::new(10, 99, 1, 1),
        text: Some("gone".into()),
    };
    assert_eq!(client.poll_event(), Some(refused));
    assert_eq!(client.poll_transmit(), None);
    assert_eq!(client.lease(), None);
    assert!(client.next_timeout().unwrap() > pair.now);

    // Offers, and then NAKs for ever.
    let mut client = std::mem::replace(&mut pair.client, client);
    let mut sent = 0;
    while !client.is_over() {
        while let Some(t) = client.poll_transmit() {
            sent += 1;
            let asked = Message::parse(&t.payload).unwrap();
            let kind = match asked.kind {
                MessageKind::Discover => MessageKind::Offer,
                _ => MessageKind::Nak,
            };
            let mut reply = Message::new(Operation::Reply, kind, asked.xid, MAC);
            reply.yiaddr = Ipv4Addr::new(10, 99, 1, 77);
            set_address(&mut reply, option::SERVER_ID, Ipv4Addr::new(10, 99, 1, 1));
            client.handle_datagram(pair.now, &reply.to_bytes());
        }
        if let Some(due) = client.next_timeout() {
            assert!(due > pair.now);
            pair.now = due;
            client.handle_timeout(due);
        }
    }
    assert_eq!(sent, 8);
}

#[test]
fn it_gives_its_lease_back() {
    let mut pair = Pair::new(vec![server_with(|_| {})]);
    while pair.servers[0].poll_event().is_some() {}
    pair.client.release(pair.now);
    pair.run();
    let (_, to, release) = pair.sent.last().unwrap();
    assert_eq!((release.kind, *to), (MessageKind::Release, TFTP[0]));
    assert_eq!(release.ciaddr, Ipv4Addr::new(10, 99, 1, 100));
    assert!(pair.client.is_over() && pair.client.lease().is_none());
    let released = ServerEvent::Released { mac: MAC };
    assert_eq!(pair.servers[0].poll_event(), Some(released));
    pair.client.release(pair.now);
    assert_eq!(pair.client.poll_transmit(), None);
}

#[test]
fn a_lease_without_end_waits_for_nothing() {
    let pair = Pair::new(vec![server_with(|c| c.lease_secs = u32::MAX)]);
    assert_eq!(pair.bound().lease_secs, u32::MAX);
    assert_eq!(pair.client.next_timeout(), None);
}

#[test]
fn answers_that_no_phone_can_use_are_dropped() {
    let config = ClientConfig::of_phone(MAC, "SEP001122334401", "CP-7911G");
    let mut client = Client::new(config, Rng::new(1), Time::ZERO);
    let xid = client.xid;
    let mut reply = Message::new(Operation::Reply, MessageKind::Offer, xid, MAC);
    let said = |client: &mut Client, m: &Message| {
        client.handle_datagram(Time::ZERO, &m.to_bytes());
        let Some(ClientEvent::Ignored(ignored)) = client.poll_event() else {
            panic!("it was not ignored");
        };
        ignored
    };
    assert_eq!(said(&mut client, &reply), Ignored::NoServerId);
    set_address(&mut reply, option::SERVER_ID, TFTP[0]);
    for bad in ["0.0.0.0", "255.255.255.255", "224.0.0.1", "127.0.0.1"] {
        reply.yiaddr = bad.parse().unwrap();
        assert_eq!(
            said(&mut client, &reply),
            Ignored::UnusableAddress(reply.yiaddr)
        );
    }
    let mut own = reply.clone();
    own.operation = Operation::Request;
    assert_eq!(said(&mut client, &own), Ignored::NotAsked);
    own = reply.clone();
    own.mac = Mac([9; 6]);
    assert_eq!(said(&mut client, &own), Ignored::NotAsked);
    reply.yiaddr = Ipv4Addr::new(10, 0, 0, 9);
    client.handle_datagram(Time::ZERO, &reply.to_bytes());
    assert!(matches!(
        client.poll_event(),
        Some(ClientEvent::Offered { .. })
    ));
    reply.kind = MessageKind::Ack;
    assert_eq!(said(&mut client, &reply), Ignored::NoLeaseTime);
    assert!(!said(&mut client, &own).to_string().is_empty());
}
