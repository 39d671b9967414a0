//! What arrives at UDP ports 67 and 68 may be anything.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use trustline::dhcp::{
    Client, ClientConfig, ClientEvent, Ignored, Mac, Message, MessageError, MessageKind, Scope,
    Server, ServerConfig,
};
use trustline::rng::Rng;
use trustline::time::Time;

const MAC: Mac = Mac([0, 0x11, 0x22, 0x33, 0x44, 1]);
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 99, 1, 1);

fn server() -> Server {
    Server::new(ServerConfig {
        address: SERVER,
        mask: Ipv4Addr::new(255, 255, 255, 0),
        pool: (Ipv4Addr::new(10, 99, 1, 100), Ipv4Addr::new(10, 99, 1, 200)),
        lease_secs: 3_600,
        scope: Scope {
            option_150: vec![SERVER, Ipv4Addr::new(10, 99, 1, 2)],
            option_66: Some("tftp.lab".into()),
            ..Scope::default()
        },
        answers: BTreeMap::new(),
    })
    .unwrap()
}

fn client() -> Client {
    let config = ClientConfig::of_phone(MAC, "SEP001122334401", "CP-8861");
    Client::new(config, Rng::new(1), Time::ZERO)
}

/// The acknowledgement that a client with a REQUEST out waits for, and that client.
fn waiting(server: &mut Server) -> (Client, Vec<u8>) {
    let mut client = client();
    let discover = client.poll_transmit().unwrap().payload;
    let offer = server.handle_datagram(Time::ZERO, &discover).unwrap();
    client.handle_datagram(Time::ZERO, &offer.payload);
    let request = client.poll_transmit().unwrap().payload;
    let ack = server.handle_datagram(Time::ZERO, &request).unwrap();
    while client.poll_event().is_some() {}
    (client, ack.payload)
}

#[test]
fn a_megabyte_of_noise_changes_nothing() {
    let mut server = server();
    let mut rng = Rng::new(3);
    let (mut client, ack) = waiting(&mut server);
    let mut left: usize = 1 << 20;
    while left > 0 {
        let length = usize::try_from(rng.below(1_600)).unwrap();
        let mut noise = vec![0; length];
        rng.fill(&mut noise);
        // Half of it begins like an answer to the question.
        if rng.chance(500) {
            let head = length.min(244);
            noise[..head].copy_from_slice(&ack[..head]);
        }
        left = left.saturating_sub(length.max(1));
        client.handle_datagram(Time::ZERO, &noise);
        let told: Vec<_> = std::iter::from_fn(|| client.poll_event()).collect();
        assert!(matches!(told[..], [ClientEvent::Ignored(_)]), "{told:?}");
        assert_eq!(client.poll_transmit(), None);
        server.handle_datagram(Time::ZERO, &noise);
        while server.poll_event().is_some() {}
    }
    assert_eq!(server.clients(), 1);
    client.handle_datagram(Time::ZERO, &ack);
    assert_eq!(client.lease().unwrap().option_150.len(), 2);
}

#[test]
fn an_acknowledgement_cut_or_flipped_anywhere_is_taken_or_dropped() {
    let (_, ack) = waiting(&mut server());
    for length in 0..ack.len() {
        let (mut client, ack) = waiting(&mut server());
        client.handle_datagram(Time::ZERO, &ack[..length]);
        let told = client.poll_event().unwrap();
        match client.lease() {
            Some(lease) => assert!(lease.lease_secs > 0),
            None => assert!(
                matches!(told, ClientEvent::Ignored(_)),
                "{length}: {told:?}"
            ),
        }
        if length < 240 {
            let short = Ignored::Malformed(MessageError::TooShort { actual: length });
            assert_eq!(told, ClientEvent::Ignored(short));
        }
    }
    for bit in 0..ack.len() * 8 {
        let (mut client, mut ack) = waiting(&mut server());
        ack[bit / 8] ^= 1 << (bit % 8);
        client.handle_datagram(Time::ZERO, &ack);
        if let Some(lease) = client.lease() {
            assert!(lease.renew_secs >= 1 && lease.rebind_secs <= lease.lease_secs);
        }
        assert!(client.poll_event().is_some() && client.poll_event().is_none());
    }
}

#[test]
fn a_crowd_of_made_up_phones_fills_the_pool_and_no_more() {
    let mut server = server();
    let discover = client().poll_transmit().unwrap().payload;
    let mut message = Message::parse(&discover).unwrap();
    let mut offers = 0;
    for n in 0..50_000_u32 {
        let [a, b, c, d] = n.to_be_bytes();
        message.mac = Mac([2, 0, a, b, c, d]);
        let reply = server.handle_datagram(Time::ZERO, &message.to_bytes());
        offers += usize::from(reply.is_some());
        while server.poll_event().is_some() {}
    }
    assert_eq!((offers, server.clients()), (101, 101));
    // A minute later nobody has taken an offer, and a real phone gets one.
    let minute = Time::from_millis(60_000);
    let offer = server.handle_datagram(minute, &discover).unwrap();
    let offer = Message::parse(&offer.payload).unwrap();
    assert_eq!(offer.kind, MessageKind::Offer);
    assert_eq!(server.clients(), 101);
}
