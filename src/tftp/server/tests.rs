use super::*;

fn peer() -> SocketAddr {
    SocketAddr::from(([10, 0, 0, 1], 50_000))
}

fn files() -> BTreeMap<String, Arc<[u8]>> {
    BTreeMap::from([
        ("file".to_owned(), Arc::from(vec![7; 1_000])),
        ("Cisco/phone.cfg".to_owned(), Arc::from(&b"a\nb\rc\r\n"[..])),
    ])
}

fn rrq(file: &str, rest: &str) -> Vec<u8> {
    format!("\0\u{1}{file}\0{rest}").into_bytes()
}

fn ask(datagram: &[u8]) -> Answer {
    Server::new(ServerConfig::default()).handle_request(Time::ZERO, peer(), datagram, &files())
}

fn refusal(datagram: &[u8]) -> (u16, String) {
    match ask(datagram) {
        Answer::Refused(refusal) => {
            assert_eq!(refusal.transmit.to, peer());
            let Ok(Packet::Error(error)) = Packet::parse(&refusal.transmit.payload) else {
                panic!("not an error: {refusal:?}")
            };
            assert_eq!(
                (error.code, error.text()),
                (refusal.code, refusal.text.as_bytes())
            );
            (refusal.code.0, refusal.text)
        }
        other => panic!("{datagram:?}: {other:?}"),
    }
}

/// The first datagram that a request gets.
fn first(datagram: &[u8]) -> Vec<u8> {
    match ask(datagram) {
        Answer::Transfer(mut transfer) => transfer.poll_transmit().expect("an answer").payload,
        other => panic!("{datagram:?}: {other:?}"),
    }
}

#[test]
fn names_stay_inside_the_root() {
    for outside in [
        "../secret",
        "..",
        "sub/../file",
        "/../file",
        "//file",
        "a\\b",
        "..\\file",
        "C:/file",
        "/c:file",
        "sub/..",
    ] {
        assert_eq!(refusal(&rrq(outside, "octet\0")).0, 2, "{outside}");
    }
    for missing in [
        "nothing",
        "/nothing",
        "..file",
        "a..b/c",
        "FILE",
        "00:11:22.cfg",
    ] {
        assert_eq!(refusal(&rrq(missing, "octet\0")).0, 1, "{missing}");
    }
    assert_eq!(refusal(b"\0\x01\xff\xfe\0octet\0").0, 1);
    for empty in ["", "/"] {
        assert_eq!(
            refusal(&rrq(empty, "octet\0")),
            (4, "No file name".to_owned())
        );
    }
    for inside in ["file", "/file"] {
        assert!(first(&rrq(inside, "OCTET\0")).starts_with(&[0, 3, 0, 1, 7]));
    }
    assert!(first(&rrq("/Cisco/phone.cfg", "octet\0")).starts_with(b"\0\x03\0\x01a\n"));
}

#[test]
fn what_is_not_a_read_request_is_refused_or_ignored() {
    assert_eq!(refusal(b"\0\x02file\0octet\0").0, 2);
    for malformed in [
        &b"\0\x01file"[..],
        b"\0\x01file\0octet",
        b"\0\x01f\0octet\0tsize\0",
        b"\0\x07xx",
    ] {
        let (code, text) = refusal(malformed);
        assert_eq!(code, 4);
        assert!(text.starts_with("Malformed request: offset "), "{text}");
    }
    assert_eq!(refusal(&rrq(&"a".repeat(600), "octet\0")).0, 4);
    for mode in ["mail", "MAIL", "xyz", ""] {
        assert_eq!(refusal(&rrq("file", &format!("{mode}\0"))).0, 4, "{mode}");
    }
    for late in [
        &b"\0\x03\0\x01x"[..],
        b"\0\x04\0\x01",
        b"\0\x06tsize\x000\0",
    ] {
        assert_eq!(refusal(late).0, 5);
    }
    assert!(matches!(
        ask(b"\0\x05\0\x05Unknown\0"),
        Answer::Ignored(Ignored::Error)
    ));
    assert!(matches!(
        ask(b"\0\x01\0"),
        Answer::Ignored(Ignored::TooShort)
    ));
}

#[test]
fn the_source_says_why_not() {
    struct Never(FileError);
    impl FileSource for Never {
        fn open(&self, _: &str) -> Result<Arc<[u8]>, FileError> {
            Err(self.0.clone())
        }
    }
    for (error, code, text) in [
        (FileError::NotFound, 1, "File not found"),
        (FileError::AccessDenied, 2, "Access violation"),
        (
            FileError::Other("node\0stopped".to_owned()),
            0,
            "node stopped",
        ),
    ] {
        let mut server = Server::new(ServerConfig::default());
        let request = rrq("file", "octet\0");
        let answer = server.handle_request(Time::ZERO, peer(), &request, &Never(error));
        let Answer::Refused(refusal) = answer else {
            panic!("{text}")
        };
        assert_eq!((refusal.code.0, refusal.text.as_str()), (code, text));
        assert_eq!(server.transfers(), 0);
    }
}

/// `asked` as `name value ...`; the same for the OACK, or None for DATA at once.
fn oack(asked: &str, mode: &str, limits: OptionLimits) -> Option<String> {
    let config = ServerConfig {
        options: limits,
        ..ServerConfig::default()
    };
    let rest = format!(
        "{mode}\0{}",
        asked
            .split(' ')
            .map(|s| format!("{s}\0"))
            .collect::<String>()
    );
    let request = rrq("file", &rest);
    let answer = Server::new(config).handle_request(Time::ZERO, peer(), &request, &files());
    let Answer::Transfer(mut transfer) = answer else {
        panic!("{asked}: {answer:?}")
    };
    let first = transfer.poll_transmit().expect("an answer").payload;
    let Ok(Packet::OptionAck(options)) = Packet::parse(&first) else {
        assert!(first.starts_with(&[0, 3, 0, 1]));
        return None;
    };
    let words = options.iter().flat_map(|(name, value)| [name, value]);
    Some(
        words
            .map(|word| String::from_utf8_lossy(word))
            .collect::<Vec<_>>()
            .join(" "),
    )
}

#[test]
fn options_are_acknowledged_as_the_rfcs_say() {
    let all = ServerConfig::default().options;
    let none = OptionLimits {
        blksize: None,
        windowsize: None,
        timeout_secs: None,
        tsize: false,
    };
    let small = OptionLimits {
        blksize: Some(2_263),
        windowsize: Some(4),
        ..all
    };
    let cases: &[(&str, &str, OptionLimits, Option<&str>)] = &[
        // The client's order and spelling.
        (
            "TSize 0 BLKSIZE 1428",
            "octet",
            all,
            Some("TSize 1000 BLKSIZE 1428"),
        ),
        (
            "timeout 006 tsize 0",
            "octet",
            all,
            Some("timeout 006 tsize 1000"),
        ),
        // Lowered, not raised.
        ("blksize 65465", "octet", all, Some("blksize 65464")),
        ("blksize 99999999", "octet", all, Some("blksize 65464")),
        (
            "blksize 65464 windowsize 9",
            "octet",
            small,
            Some("blksize 2263 windowsize 4"),
        ),
        ("blksize 8", "octet", all, Some("blksize 8")),
        // Outside the RFC: left out.
        ("blksize 7", "octet", all, None),
        ("blksize abc", "octet", all, None),
        ("timeout 0", "octet", all, None),
        ("timeout 256", "octet", all, None),
        ("windowsize 0", "octet", all, None),
        (
            "windowsize 70000 blksize 7",
            "octet",
            all,
            Some("windowsize 64"),
        ),
        (
            "timeout 3",
            "octet",
            OptionLimits {
                timeout_secs: Some(2),
                ..all
            },
            None,
        ),
        // Not known: DATA at once, no empty OACK.
        ("multicast yes utimeout 5", "octet", all, None),
        ("multicast yes tsize 0", "octet", all, Some("tsize 1000")),
        (
            "tsize 0 blksize 1428 windowsize 4 timeout 1",
            "octet",
            none,
            None,
        ),
        // The size of a translated file is not told.
        ("tsize 0", "netascii", all, None),
        ("tsize 0 blksize 9", "NetAscii", all, Some("blksize 9")),
        // Twice: the last one counts.
        (
            "blksize 9 tsize 0 BLKSIZE 10",
            "octet",
            all,
            Some("tsize 1000 BLKSIZE 10"),
        ),
    ];
    for (asked, mode, limits, expected) in cases {
        assert_eq!(
            oack(asked, mode, *limits).as_deref(),
            *expected,
            "{asked} in {mode}"
        );
    }
}

#[test]
fn netascii_is_translated() {
    assert_eq!(
        first(&rrq("Cisco/phone.cfg", "netascii\0")),
        b"\0\x03\0\x01a\r\nb\r\0c\r\0\r\n"
    );
}

#[test]
fn a_repeated_request_starts_nothing_until_it_was_answered() {
    let mut server = Server::new(ServerConfig::default());
    let request = rrq("file", "octet\0");
    let ask = |server: &mut Server, from, request: &[u8]| {
        server.handle_request(Time::ZERO, from, request, &files())
    };
    let Answer::Transfer(one) = ask(&mut server, peer(), &request) else {
        panic!("refused")
    };
    let again = ask(&mut server, peer(), &request);
    assert!(matches!(again, Answer::Ignored(Ignored::Duplicate)));
    // Another port, or another request, is not a repetition.
    let other = SocketAddr::from(([10, 0, 0, 1], 50_001));
    assert!(matches!(
        ask(&mut server, other, &request),
        Answer::Transfer(_)
    ));
    let Answer::Transfer(two) = ask(&mut server, peer(), &rrq("/file", "octet\0")) else {
        panic!("refused")
    };
    assert_eq!(server.transfers(), 3);
    // The older transfer being answered says nothing about the newer request.
    server.handle_answered(one.id());
    let again = ask(&mut server, peer(), &rrq("/file", "octet\0"));
    assert!(matches!(again, Answer::Ignored(Ignored::Duplicate)));
    server.handle_answered(two.id());
    assert!(matches!(
        ask(&mut server, peer(), &rrq("/file", "octet\0")),
        Answer::Transfer(_)
    ));
    server.handle_ended(one.id());
    server.handle_ended(two.id());
    assert_eq!(server.transfers(), 2);
    server.handle_ended(one.id());
    assert_eq!(server.transfers(), 2);
}

#[test]
fn one_transfer_too_many_is_told_so() {
    let config = ServerConfig {
        max_transfers: 2,
        ..ServerConfig::default()
    };
    let mut server = Server::new(config);
    let mut ask = |port| {
        let from = SocketAddr::from(([10, 0, 0, 1], port));
        let request = rrq("file", "octet\0");
        (
            server.handle_request(Time::ZERO, from, &request, &files()),
            server.transfers(),
        )
    };
    let (Answer::Transfer(_), 1) = ask(1) else {
        panic!("refused")
    };
    let (Answer::Transfer(_), 2) = ask(2) else {
        panic!("refused")
    };
    let (Answer::Refused(refusal), 2) = ask(3) else {
        panic!("not refused")
    };
    assert_eq!(
        (refusal.code.0, refusal.text.as_str()),
        (0, "Server busy, try later")
    );
    // A repetition of what is under way is still only that.
    assert!(matches!(ask(1).0, Answer::Ignored(Ignored::Duplicate)));
}

#[test]
fn a_transfer_without_a_port_is_refused_as_busy() {
    let mut server = Server::new(ServerConfig::default());
    let request = rrq("file", "octet\0");
    let Answer::Transfer(transfer) = server.handle_request(Time::ZERO, peer(), &request, &files())
    else {
        panic!("refused")
    };
    let refusal = server.handle_unserved(&transfer);
    assert_eq!((refusal.code.0, refusal.transmit.to), (0, peer()));
    assert_eq!(server.transfers(), 0);
    let again = server.handle_request(Time::ZERO, peer(), &request, &files());
    assert!(matches!(again, Answer::Transfer(_)));
}
