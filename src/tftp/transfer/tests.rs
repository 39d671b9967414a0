use std::collections::BTreeMap;

use super::*;
use crate::tftp::{Answer, Server};
use crate::wire::tftp::error_packet;

fn peer() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 50_000))
}

fn transfer(size: usize, options: &str, config: ServerConfig) -> Box<Transfer> {
    let files = BTreeMap::from([("f".to_owned(), Arc::<[u8]>::from(vec![7; size]))]);
    let request = format!("\0\u{1}f\0octet\0{options}");
    match Server::new(config).handle_request(Time::ZERO, peer(), request.as_bytes(), &files) {
        Answer::Transfer(transfer) => transfer,
        other => panic!("{other:?}"),
    }
}

/// The numbers of the blocks that are sent now.
fn blocks(transfer: &mut Transfer) -> Vec<u16> {
    std::iter::from_fn(|| transfer.poll_transmit())
        .map(|transmit| {
            assert_eq!(transmit.to, peer());
            match Packet::parse(&transmit.payload) {
                Ok(Packet::Data { block, .. }) => block,
                other => panic!("{other:?}"),
            }
        })
        .collect()
}

fn ack(transfer: &mut Transfer, block: u16) -> Vec<u16> {
    transfer.handle_datagram(
        Time::from_millis(1),
        peer(),
        &Packet::Ack { block }.to_bytes(),
    );
    blocks(transfer)
}

fn expire(transfer: &mut Transfer) {
    let wake = transfer.next_timeout().expect("not over");
    transfer.handle_timeout(wake);
}

#[test]
fn repeated_and_future_acknowledgements_send_nothing() {
    let mut transfer = transfer(2_000, "", ServerConfig::default());
    assert_eq!(blocks(&mut transfer), [1]);
    for senseless in [0, 2, 7, 60_000, 65_535] {
        assert!(ack(&mut transfer, senseless).is_empty(), "ACK {senseless}");
    }
    assert!(!transfer.is_answered());
    assert_eq!(ack(&mut transfer, 1), [2]);
    assert!(transfer.is_answered());
    assert!(ack(&mut transfer, 1).is_empty());
    assert!(ack(&mut transfer, 1).is_empty());
    assert_eq!(ack(&mut transfer, 2), [3]);
    assert_eq!(ack(&mut transfer, 3), [4]);
    assert!(ack(&mut transfer, 4).is_empty());
    assert_eq!(transfer.outcome(), Some(&Delivery::Delivered));
    assert_eq!(transfer.next_timeout(), None);
    assert_eq!(transfer.retransmissions(), 0);
}

#[test]
fn silence_repeats_with_growing_waits_and_ends() {
    let mut transfer = transfer(600, "", ServerConfig::default());
    let mut at = Vec::new();
    let mut sent = blocks(&mut transfer);
    while let Some(wake) = transfer.next_timeout() {
        at.push(wake.as_micros() / 1_000_000);
        transfer.handle_timeout(Time::from_micros(wake.as_micros() - 1));
        assert!(blocks(&mut transfer).is_empty(), "too early");
        transfer.handle_timeout(wake);
        sent.extend(blocks(&mut transfer));
    }
    assert_eq!(at, [1, 3, 7, 15, 31, 47]);
    assert_eq!(sent, [1; 6]);
    assert_eq!(
        transfer.outcome(),
        Some(&Delivery::TimedOut {
            acknowledged: 0,
            blocks: 2
        })
    );
    assert_eq!(transfer.retransmissions(), 5);
    // Late, and too late.
    assert!(ack(&mut transfer, 1).is_empty());
}

#[test]
fn the_agreed_time_out_is_kept() {
    let mut transfer = transfer(600, "timeout\x003\0", ServerConfig::default());
    assert!(
        transfer
            .poll_transmit()
            .unwrap()
            .payload
            .starts_with(&[0, 6])
    );
    assert_eq!(transfer.next_timeout(), Some(Time::from_millis(3_000)));
    expire(&mut transfer);
    assert!(
        transfer
            .poll_transmit()
            .unwrap()
            .payload
            .starts_with(&[0, 6])
    );
    assert_eq!(transfer.next_timeout(), Some(Time::from_millis(6_000)));
}

#[test]
fn an_oack_waits_for_ack_0() {
    let mut transfer = transfer(
        600,
        "blksize\x00100\0windowsize\x003\0",
        ServerConfig::default(),
    );
    let oack = transfer.poll_transmit().unwrap().payload;
    assert_eq!(oack, b"\0\x06blksize\x00100\0windowsize\x003\0");
    assert_eq!(transfer.poll_transmit(), None);
    assert!(ack(&mut transfer, 1).is_empty());
    expire(&mut transfer);
    assert_eq!(transfer.poll_transmit().unwrap().payload, oack);
    assert_eq!(ack(&mut transfer, 0), [1, 2, 3]);
    assert!(ack(&mut transfer, 0).is_empty());
}

#[test]
fn windows_go_on_where_the_client_says() {
    let mut transfer = transfer(
        1_000,
        "blksize\x00100\0windowsize\x004\0",
        ServerConfig::default(),
    );
    transfer.poll_transmit();
    assert_eq!(ack(&mut transfer, 0), [1, 2, 3, 4]);
    // RFC 7440: from inside the window, on from there.
    assert_eq!(ack(&mut transfer, 2), [3, 4, 5, 6]);
    assert!(ack(&mut transfer, 2).is_empty());
    assert!(ack(&mut transfer, 1).is_empty());
    assert!(ack(&mut transfer, 7).is_empty());
    expire(&mut transfer);
    assert_eq!(blocks(&mut transfer), [3, 4, 5, 6]);
    assert_eq!(ack(&mut transfer, 6), [7, 8, 9, 10]);
    // 1,000 bytes are ten whole blocks and an empty one.
    assert_eq!(ack(&mut transfer, 10), [11]);
    assert!(ack(&mut transfer, 11).is_empty());
    assert_eq!(transfer.outcome(), Some(&Delivery::Delivered));
}

#[test]
fn strangers_get_error_5_and_change_nothing() {
    let mut transfer = transfer(600, "", ServerConfig::default());
    assert_eq!(blocks(&mut transfer), [1]);
    let same_host = SocketAddr::from(([10, 0, 0, 1], 50_001));
    let same_port = SocketAddr::from(([10, 0, 0, 3], 50_000));
    for stranger in [same_host, same_port] {
        transfer.handle_datagram(Time::ZERO, stranger, &Packet::Ack { block: 1 }.to_bytes());
        let transmit = transfer.poll_transmit().expect("an error");
        assert_eq!(transmit.to, stranger);
        assert!(transmit.payload.starts_with(&[0, 5, 0, 5]));
        let error = error_packet(ErrorCode::NOT_DEFINED, "stop");
        transfer.handle_datagram(Time::ZERO, stranger, &error);
        assert_eq!(transfer.poll_transmit(), None);
        assert_eq!(transfer.outcome(), None);
    }
    assert_eq!(ack(&mut transfer, 1), [2]);
}

#[test]
fn the_clients_error_ends_it() {
    let mut transfer = transfer(600, "", ServerConfig::default());
    blocks(&mut transfer);
    let error = error_packet(ErrorCode::DISK_FULL, "full");
    transfer.handle_datagram(Time::ZERO, peer(), &error);
    let refused = Delivery::Refused {
        code: ErrorCode::DISK_FULL,
        text: b"full".to_vec(),
    };
    assert_eq!(transfer.outcome(), Some(&refused));
    assert_eq!(transfer.poll_transmit(), None);
}

#[test]
fn a_crawling_client_meets_the_deadline() {
    let mut transfer = transfer(1 << 20, "", ServerConfig::default());
    let mut now = Time::ZERO;
    let mut block = 1;
    blocks(&mut transfer);
    while transfer.outcome().is_none() {
        now += Duration::from_millis(900);
        transfer.handle_datagram(now, peer(), &Packet::Ack { block }.to_bytes());
        transfer.handle_timeout(now);
        block += 1;
        blocks(&mut transfer);
    }
    assert!(matches!(
        transfer.outcome(),
        Some(Delivery::TimedOut { .. })
    ));
    assert!(now.since(Time::ZERO) < ServerConfig::default().deadline + Duration::from_secs(1));
}
