use super::*;
use crate::wire::WireErrorKind;
use crate::wire::tftp::error_packet;

const FILE: &[u8] = b"ITLSEP001122334401.tlv";

fn server(port: u16) -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 2], port))
}

fn all_options() -> RequestOptions {
    RequestOptions {
        tsize: true,
        blksize: Some(1_428),
        timeout_secs: Some(2),
        windowsize: Some(4),
    }
}

fn client(options: RequestOptions) -> Client {
    let config = ClientConfig {
        options,
        ..ClientConfig::default()
    };
    let mut client = Client::get(FILE, server(69), config, Time::ZERO);
    let request = client.poll_transmit().expect("a request");
    assert_eq!(request.to, server(69));
    client
}

fn data(block: u16, length: usize) -> Vec<u8> {
    Packet::Data {
        block,
        data: &vec![block as u8; length],
    }
    .to_bytes()
}

/// Gives `datagram` from the server's transfer port, and takes what is sent for it.
fn give(client: &mut Client, datagram: &[u8]) -> Vec<Vec<u8>> {
    give_from(client, server(2_000), datagram)
}

fn give_from(client: &mut Client, from: SocketAddr, datagram: &[u8]) -> Vec<Vec<u8>> {
    client.handle_datagram(Time::from_millis(1), from, datagram);
    std::iter::from_fn(|| client.poll_transmit())
        .map(|transmit| {
            assert_eq!(transmit.to, from, "answers go to who sent");
            transmit.payload
        })
        .collect()
}

fn ack(block: u16) -> Vec<u8> {
    Packet::Ack { block }.to_bytes()
}

fn code(answers: &[Vec<u8>]) -> Option<ErrorCode> {
    match answers {
        [one] => match Packet::parse(one) {
            Ok(Packet::Error(error)) => Some(error.code),
            _ => None,
        },
        _ => None,
    }
}

#[test]
fn requests_are_spelled_as_the_rfcs_do() {
    let config = ClientConfig {
        options: all_options(),
        ..ClientConfig::default()
    };
    let mut client = Client::get(b"f\0hidden", server(69), config, Time::ZERO);
    assert_eq!(
        client.poll_transmit().unwrap().payload,
        b"\0\x01f\0octet\0tsize\x000\0blksize\x001428\0timeout\x002\0windowsize\x004\0"
    );
    assert_eq!(client.max_datagram(), 1_432);
}

#[test]
fn the_first_answer_fixes_the_servers_end() {
    let mut client = client(RequestOptions::default());
    assert_eq!(give(&mut client, &data(1, 512)), [ack(1)]);
    // A second server process that answered a repeated request; another host; the request port.
    for stranger in [
        server(2_001),
        SocketAddr::from(([10, 0, 0, 3], 2_000)),
        server(69),
    ] {
        let answers = give_from(&mut client, stranger, &data(2, 3));
        assert_eq!(code(&answers), Some(ErrorCode::UNKNOWN_TRANSFER));
        // Errors of strangers are neither believed nor answered.
        let error = error_packet(ErrorCode::NOT_FOUND, "File not found");
        assert!(give_from(&mut client, stranger, &error).is_empty());
        assert_eq!(client.poll_outcome(), None);
    }
    assert_eq!(give(&mut client, &data(2, 1)), [ack(2)]);
    let mut file = vec![1; 512];
    file.push(2);
    assert_eq!(client.poll_outcome(), Some(Outcome::Done(file)));
}

#[test]
fn another_host_cannot_answer_the_request() {
    let mut client = client(RequestOptions::default());
    let answers = give_from(
        &mut client,
        SocketAddr::from(([10, 0, 0, 3], 69)),
        &data(1, 1),
    );
    assert_eq!(code(&answers), Some(ErrorCode::UNKNOWN_TRANSFER));
    assert_eq!(give(&mut client, &data(1, 1)), [ack(1)]);
    assert!(matches!(client.poll_outcome(), Some(Outcome::Done(_))));
}

#[test]
fn runts_and_senseless_packets_change_nothing() {
    let mut client = client(all_options());
    // atftpd 0.8.0 sends the first of these instead of a lost first block.
    let acks = [ack(0), ack(1)];
    let early = data(2, 4);
    let nonsense: [&[u8]; 7] = [
        b"\0\x03\0",
        b"",
        b"\0\x09\0\0",
        &acks[0],
        &acks[1],
        &early,
        b"\0\x01f\0octet\0",
    ];
    for datagram in nonsense {
        assert!(give(&mut client, datagram).is_empty(), "{datagram:?}");
    }
    let runt = WireErrorKind::Truncated { needed: 4, left: 3 };
    let event = ClientEvent::Unreadable(WireError::new(0, "packet", runt));
    assert_eq!(client.poll_event(), Some(event));
    assert_eq!(give(&mut client, b"\0\x06blksize\x008\0"), [ack(0)]);
    for datagram in nonsense
        .iter()
        .filter(|datagram| !datagram.starts_with(&[0, 3, 0, 2]))
    {
        assert!(give(&mut client, datagram).is_empty(), "{datagram:?}");
    }
    assert_eq!(give(&mut client, &data(1, 0)), [ack(1)]);
    assert_eq!(client.poll_outcome(), Some(Outcome::Done(Vec::new())));
}

#[test]
fn options_are_taken_as_acknowledged() {
    let mut client = client(all_options());
    let oack = b"\0\x06BLKSIZE\x001000\0timeout\x002\0tsize\x001500\0windowsize\x002\0";
    assert_eq!(give(&mut client, oack), [ack(0)]);
    let negotiated = Negotiated {
        blksize: 1_000,
        windowsize: 2,
        timeout_secs: Some(2),
        tsize: Some(1_500),
    };
    let from = server(2_000);
    assert_eq!(
        client.poll_event(),
        Some(ClientEvent::Answered { from, negotiated })
    );
    // The agreed two seconds, not the half of the configuration.
    assert_eq!(client.next_timeout(), Some(Time::from_millis(2_001)));
    // Our ACK 0 was lost: once more.
    assert_eq!(give(&mut client, oack), [ack(0)]);
    assert!(give(&mut client, &data(1, 1_000)).is_empty());
    assert!(give(&mut client, oack).is_empty());
    assert_eq!(give(&mut client, &data(2, 500)), [ack(2)]);
}

#[test]
fn an_oack_that_was_not_asked_for_is_refused() {
    let none = RequestOptions::default();
    let cases: &[(RequestOptions, &[u8], &str)] = &[
        (
            none,
            b"blksize\x00512\0",
            "option \"blksize\" was not asked for",
        ),
        (
            all_options(),
            b"multicast\0\0",
            "option \"multicast\" was not asked for",
        ),
        (
            all_options(),
            b"blksize\x001429\0",
            "option blksize came back as \"1429\"",
        ),
        (
            all_options(),
            b"blksize\x007\0",
            "option blksize came back as \"7\"",
        ),
        (
            all_options(),
            b"blksize\0abc\0",
            "option blksize came back as \"abc\"",
        ),
        (
            all_options(),
            b"windowsize\x005\0",
            "option windowsize came back as \"5\"",
        ),
        (
            all_options(),
            b"windowsize\x000\0",
            "option windowsize came back as \"0\"",
        ),
        (
            all_options(),
            b"timeout\x001\0",
            "option timeout came back as \"1\"",
        ),
        (
            all_options(),
            b"blksize\x00512",
            "option acknowledgement: offset 10: option value: needs 4 bytes, 3 are left",
        ),
    ];
    for (options, oack, expected) in cases {
        let mut client = client(*options);
        let datagram = [b"\0\x06", *oack].concat();
        let answers = give(&mut client, &datagram);
        assert_eq!(
            code(&answers),
            Some(ErrorCode::OPTION_REFUSED),
            "{expected}"
        );
        let Some(Outcome::Protocol(error)) = client.poll_outcome() else {
            panic!("{expected}")
        };
        assert_eq!(error.to_string(), *expected);
        assert_eq!(client.next_timeout(), None);
    }
}

#[test]
fn error_8_is_answered_with_a_plain_request_once() {
    let mut client = client(all_options());
    let refusal = error_packet(ErrorCode::OPTION_REFUSED, "no");
    client.handle_datagram(Time::from_millis(1), server(2_000), &refusal);
    let again = client.poll_transmit().expect("a second request");
    assert_eq!(again.to, server(69));
    assert_eq!(again.payload, [b"\0\x01", FILE, b"\0octet\0"].concat());
    assert_eq!(
        client.poll_event(),
        Some(ClientEvent::RepeatedWithoutOptions)
    );
    // The same answer to an earlier sending of the first request is late.
    assert!(give(&mut client, &refusal).is_empty());
    assert_eq!(client.poll_outcome(), None);
    assert_eq!(give_from(&mut client, server(2_001), &data(1, 1)), [ack(1)]);
    assert!(matches!(client.poll_outcome(), Some(Outcome::Done(_))));

    // Without options there is nothing to leave out; and a client may be told not to try.
    let told_not_to = ClientConfig {
        options: all_options(),
        repeat_without_options: false,
        ..ClientConfig::default()
    };
    for config in [ClientConfig::default(), told_not_to] {
        let mut client = Client::get(FILE, server(69), config, Time::ZERO);
        client.handle_datagram(Time::ZERO, server(2_000), &refusal);
        let code = ErrorCode::OPTION_REFUSED;
        assert_eq!(
            client.poll_outcome(),
            Some(Outcome::Refused {
                code,
                text: b"no".to_vec()
            })
        );
    }
}

#[test]
fn repeated_blocks_are_acknowledged_again_and_kept_once() {
    let mut client = client(RequestOptions::default());
    assert_eq!(give(&mut client, &data(1, 512)), [ack(1)]);
    assert_eq!(give(&mut client, &data(1, 512)), [ack(1)]);
    assert_eq!(give(&mut client, &data(2, 512)), [ack(2)]);
    assert!(
        give(&mut client, &data(1, 512)).is_empty(),
        "older than the last one"
    );
    assert!(
        give(&mut client, &data(4, 512)).is_empty(),
        "never asked for"
    );
    assert_eq!(give(&mut client, &data(3, 0)), [ack(3)]);
    let Some(Outcome::Done(file)) = client.poll_outcome() else {
        panic!("not done")
    };
    assert_eq!(file.len(), 1_024);
    // Dallying: the last one again, and nothing else.
    assert_eq!(give(&mut client, &data(3, 0)), [ack(3)]);
    assert!(give(&mut client, &data(2, 512)).is_empty());
    let stranger = give_from(&mut client, server(9), &data(3, 0));
    assert_eq!(code(&stranger), Some(ErrorCode::UNKNOWN_TRANSFER));
    let until = client.next_timeout().unwrap();
    client.handle_timeout(until);
    assert_eq!(client.next_timeout(), None);
    assert!(give(&mut client, &data(3, 0)).is_empty());
    assert_eq!(client.poll_outcome(), None, "told once");
}

#[test]
fn windows_are_acknowledged_at_their_end_and_at_a_gap() {
    let asked = RequestOptions {
        windowsize: Some(4),
        ..RequestOptions::default()
    };
    let mut client = client(asked);
    assert_eq!(give(&mut client, b"\0\x06windowsize\x004\0"), [ack(0)]);
    for block in 1..4 {
        assert!(give(&mut client, &data(block, 512)).is_empty());
    }
    assert_eq!(give(&mut client, &data(4, 512)), [ack(4)]);
    assert!(give(&mut client, &data(5, 512)).is_empty());
    // 6 is lost: said once, then the rest of the window is passed over.
    assert_eq!(give(&mut client, &data(7, 512)), [ack(5)]);
    assert!(give(&mut client, &data(8, 512)).is_empty());
    assert!(give(&mut client, &data(6, 512)).is_empty());
    // A half-received window is not acknowledged because of an old block.
    assert!(give(&mut client, &data(6, 512)).is_empty());
    assert_eq!(give(&mut client, &data(7, 3)), [ack(7)]);
    let Some(Outcome::Done(file)) = client.poll_outcome() else {
        panic!("not done")
    };
    assert_eq!(file.len(), 6 * 512 + 3);
}

#[test]
fn a_time_out_repeats_the_last_acknowledgement_then_gives_up() {
    let mut client = client(RequestOptions::default());
    give(&mut client, &data(1, 512));
    let mut repeated = 0;
    while client.poll_outcome().is_none() {
        let wake = client.next_timeout().expect("no outcome yet");
        // Too early: nothing happens.
        client.handle_timeout(Time::from_micros(wake.as_micros() - 1));
        assert_eq!(client.poll_transmit(), None);
        client.handle_timeout(wake);
        if let Some(transmit) = client.poll_transmit() {
            assert_eq!((transmit.to, transmit.payload), (server(2_000), ack(1)));
            repeated += 1;
        }
    }
    assert_eq!(repeated, ClientConfig::default().retransmission.retries);
}

#[test]
fn a_crawling_server_meets_the_deadline() {
    let mut client = client(RequestOptions::default());
    let mut now = Time::ZERO;
    let mut block = 0_u16;
    let end = loop {
        now += Duration::from_millis(400);
        block += 1;
        client.handle_datagram(now, server(2_000), &data(block, 512));
        client.handle_timeout(now);
        if let Some(outcome) = client.poll_outcome() {
            break outcome;
        }
        while client.poll_transmit().is_some() {}
    };
    assert_eq!(end, Outcome::TimedOut);
    assert_eq!(now.since(Time::ZERO), ClientConfig::default().deadline);
}

#[test]
fn a_block_longer_than_agreed_ends_the_transfer() {
    let mut client = client(RequestOptions::default());
    let answers = give(&mut client, &data(1, 513));
    assert_eq!(code(&answers), Some(ErrorCode::ILLEGAL_OPERATION));
    let error = ProtocolError::BlockTooLong {
        blksize: 512,
        actual: 513,
    };
    assert_eq!(error.to_string(), "a block has 513 bytes, 512 were agreed");
    assert_eq!(client.poll_outcome(), Some(Outcome::Protocol(error)));
}

#[test]
fn an_error_in_the_middle_ends_the_transfer_with_its_text() {
    let mut client = client(RequestOptions::default());
    give(&mut client, &data(1, 512));
    // No NUL at the end, and bytes that a terminal should not get raw.
    assert!(give(&mut client, b"\0\x05\0\0disk \x1b[31m").is_empty());
    let text = b"disk \x1b[31m".to_vec();
    let code = ErrorCode::NOT_DEFINED;
    assert_eq!(client.poll_outcome(), Some(Outcome::Refused { code, text }));
    assert_eq!(client.next_timeout(), None);
}
