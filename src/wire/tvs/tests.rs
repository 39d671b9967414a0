use super::*;

const DEVICE: &[u8] = b"CP-8861-SEPB000B4BA0AEE";
const SUBJECT: &[u8] = b"CN=ucm11pub.stormin.local;OU=IST;O=Stormin;L=Brisbane;ST=QLD;C=AU";
const ISSUER: &[u8] = b"CN=stormin-WIN2012-CA";
const SERIAL: &str = "24000000179479B8F124AC3F3B000000000017";
/// The first 50 bytes of the request and of the answer in Cisco 213407.
const QUERY_HEAD: &str = "570103000000 03e9008f010018014350\
    2d383836312d53455042303030423442 41304145450300 42434e3d75636d31317075";
const ANSWER_HEAD: &str = "570104f7000003e905be07000100020 5\
    ab308205a73082048fa0030201020213 240000001794 79b8f124ac3f3b0000000000";

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u32> = text.chars().filter_map(|c| c.to_digit(16)).collect();
    digits.chunks(2).map(|d| (d[0] * 16 + d[1]) as u8).collect()
}

fn recorded_query() -> Request {
    Request::Query {
        device: DEVICE.to_vec(),
        subject: SUBJECT.to_vec(),
        issuer: ISSUER.to_vec(),
        serial: hex(SERIAL),
    }
}

fn parse(bytes: &[u8]) -> Message {
    let message = Message::parse(bytes, &Tags::default()).unwrap();
    assert_eq!(message.emit().unwrap(), bytes, "written back");
    message
}

fn element(tag: u8, value: &[u8]) -> Element {
    Element {
        tag,
        value: value.to_vec(),
    }
}

/// A message of each kind, with certificates of a few bytes.
fn samples() -> Vec<Message> {
    let tags = Tags::default();
    let verify = Request::Verify {
        device: DEVICE.to_vec(),
        certificate: vec![0x30, 1, 0],
    };
    let found = Answer {
        status: STATUS_FOUND,
        certificate: Some(vec![0x30, 1, 0]),
        roles: Some(vec![0, 3]),
        ttl_secs: Some(DEFAULT_TTL_SECS),
    };
    vec![
        Message::from_request(&verify, 1, &tags),
        Message::from_request(&recorded_query(), 1001, &tags),
        Message::from_answer(&found, Command::QueryResponse, 1001, &tags),
        Message::from_answer(&Answer::unknown(), Command::VerifyResponse, 1, &tags),
    ]
}

#[test]
fn the_recorded_query_is_built_byte_for_byte() {
    let message = Message::from_request(&recorded_query(), 1001, &Tags::default());
    let bytes = message.emit().unwrap();
    assert_eq!(bytes.len(), 153);
    assert_eq!(bytes[..50], hex(QUERY_HEAD));
    let back = parse(&bytes)
        .request(&Tags::default(), Duplicates::Refuse)
        .unwrap();
    assert_eq!(back, recorded_query());
}

#[test]
fn the_recorded_answer_has_the_recorded_size() {
    let mut certificate = hex(ANSWER_HEAD)[17..].to_vec();
    certificate.resize(1451, 0xAA);
    let answer = Answer {
        status: STATUS_FOUND,
        certificate: Some(certificate),
        roles: Some(vec![0, 3]),
        ttl_secs: Some(DEFAULT_TTL_SECS),
    };
    let tags = Tags::default();
    let mut message = Message::from_answer(&answer, Command::QueryResponse, 1001, &tags);
    message.reserved = 0xF7;
    let bytes = message.emit().unwrap();
    assert_eq!(bytes.len(), 1480);
    assert_eq!(bytes[..50], hex(ANSWER_HEAD));
    let back = parse(&bytes);
    assert_eq!(back.reserved, 0xF7);
    assert_eq!(back.answer(&tags, Duplicates::Refuse).unwrap(), answer);
}

#[test]
fn the_published_50_bytes_decode_up_to_the_cut() {
    let query = Prefix::read(&hex(QUERY_HEAD), &Tags::default());
    let header = query.header.unwrap();
    assert_eq!(
        (header.command, header.session, header.body_len),
        (Command::QueryRequest, 1001, 143)
    );
    assert_eq!(
        query.elements,
        [element(TAG_DEVICE, b"\x01CP-8861-SEPB000B4BA0AEE")]
    );
    assert_eq!(query.partial, Some(element(TAG_SUBJECT, b"CN=ucm11pu")));
    assert_eq!(
        query.problem.unwrap().to_string(),
        "offset 40: subject: needs 66 bytes, 10 are left"
    );

    let answer = Prefix::read(&hex(ANSWER_HEAD), &Tags::default());
    let header = answer.header.unwrap();
    assert_eq!(
        (
            header.command,
            header.reserved,
            header.session,
            header.body_len
        ),
        (Command::QueryResponse, 0xF7, 1001, 1470)
    );
    assert_eq!(answer.elements, [element(TAG_STATUS, &[0])]);
    assert_eq!(
        answer.partial,
        Some(element(TAG_CERTIFICATE, &hex(ANSWER_HEAD)[17..]))
    );
    assert_eq!(
        answer.problem.unwrap().to_string(),
        "offset 17: certificate: needs 1451 bytes, 33 are left"
    );
}

#[test]
fn the_bytes_of_tvsd_decode() {
    let tags = Tags::default();
    let mut request = hex("57010100 00000001 03f4 01 0018 01");
    request.extend(b"CP-8841-SEP001122334455");
    request.extend(hex("02 03d6 308203d2"));
    request.resize(1022, 0x55);
    let asked = parse(&request).request(&tags, Duplicates::Refuse).unwrap();
    assert_eq!(asked.device(), b"CP-8841-SEP001122334455");
    let Request::Verify { certificate, .. } = asked else {
        panic!("a VERIFY request")
    };
    assert_eq!(certificate.len(), 982);

    type Row = (&'static str, u32, u8, Option<&'static [u8]>, Option<u32>);
    let rows: [Row; 4] = [
        (
            "57010200 00000001 000f 07 0001 00 08 0001 00 09 0004 00015180",
            1,
            0,
            Some(&[0]),
            Some(86_400),
        ),
        (
            "57010200 01020304 0011 07000100 08 0003 000203 09000400015180",
            0x0102_0304,
            0,
            Some(&[0, 2, 3]),
            Some(86_400),
        ),
        (
            "57010200 ffffffff 0015 07000100 08 0007 00010203040715 09000400015180",
            u32::MAX,
            0,
            Some(&[0, 1, 2, 3, 4, 7, 21]),
            Some(86_400),
        ),
        ("57010200 00000001 0004 07 0001 01", 1, 1, None, None),
    ];
    for (text, session, status, roles, ttl_secs) in rows {
        let message = parse(&hex(text));
        assert_eq!(
            (message.command, message.session),
            (Command::VerifyResponse, session)
        );
        let answer = message.answer(&tags, Duplicates::Refuse).unwrap();
        let roles = roles.map(<[u8]>::to_vec);
        assert_eq!(
            answer,
            Answer {
                status,
                certificate: None,
                roles,
                ttl_secs
            }
        );
    }
}

#[test]
fn elements_may_stand_in_any_order_and_unknown_ones_stay() {
    let tags = Tags::default();
    let mut message = Message::from_request(&recorded_query(), 7, &tags);
    message.elements.reverse();
    message.elements.insert(1, element(0x7F, b"new"));
    let back = parse(&message.emit().unwrap());
    assert_eq!(
        back.request(&tags, Duplicates::Refuse).unwrap(),
        recorded_query()
    );
    assert_eq!(back.elements[1], element(0x7F, b"new"));
}

#[test]
fn a_second_element_is_refused_or_wins() {
    let tags = Tags::default();
    let mut message = Message::from_request(&recorded_query(), 7, &tags);
    message.elements.push(element(tags.serial, &[9]));
    let error = message.request(&tags, Duplicates::Refuse).unwrap_err();
    assert_eq!(
        error.to_string(),
        "offset 153: serial: tag 5 stands twice, expected once"
    );
    let Request::Query { serial, .. } = message.request(&tags, Duplicates::LastWins).unwrap()
    else {
        panic!("a query");
    };
    assert_eq!(serial, [9]);
}

#[test]
fn tags_are_an_argument() {
    let tags = Tags {
        issuer: 6,
        serial: 5,
        roles: 10,
        ttl: 11,
    };
    let message = Message::from_request(&recorded_query(), 7, &tags);
    assert_eq!(message.elements[2].tag, 6);
    assert_eq!(
        message.request(&tags, Duplicates::Refuse).unwrap(),
        recorded_query()
    );
    let error = message
        .request(&Tags::default(), Duplicates::Refuse)
        .unwrap_err();
    assert_eq!(error.to_string(), "offset 153: issuer: missing");
    assert_eq!(tags.clash(), None);
    assert_eq!(Tags { issuer: 5, ..tags }.clash(), Some(5));
    assert_eq!(Tags { ttl: 7, ..tags }.clash(), Some(7));
}

#[test]
fn damaged_messages_name_the_place() {
    let rows = [
        (
            "56010200 00000001 0004 07000101",
            "offset 0: message id: found 86, expected 87",
        ),
        (
            "57020200 00000001 0004 07000101",
            "offset 1: version: found 2, expected 1",
        ),
        (
            "57010500 00000001 0004 07000101",
            "offset 2: command: found 5, expected 1 to 4",
        ),
        ("5701", "offset 0: header: needs 10 bytes, 2 are left"),
        (
            "57010200 00000001 0004 07",
            "offset 11: element length: needs 2 bytes, 0 are left",
        ),
        (
            "57010200 00000001 0004",
            "offset 10: element tag: needs 1 bytes, 0 are left",
        ),
        (
            "57010200 00000001 0004 07000201",
            "offset 10: status: length 2 runs past the end of the body, 1 bytes are left",
        ),
        (
            "57010200 00000001 0006 07000101 0800",
            "offset 14: body: 2 bytes that no element accounts for",
        ),
        (
            "57010200 00000001 0004 0700010101",
            "offset 14: message: 1 bytes that no element accounts for",
        ),
    ];
    for (text, expected) in rows {
        let error = Message::parse(&hex(text), &Tags::default()).unwrap_err();
        assert_eq!(error.to_string(), expected, "{text}");
    }
    let rows = [
        ("57010200 00000001 0000", "offset 10: status: missing"),
        (
            "57010200 00000001 0005 0700020101",
            "offset 13: status: has 2 bytes, expected 1",
        ),
        (
            "57010200 00000001 0009 07000100 09000200 01",
            "offset 17: life time: has 2 bytes, expected 4",
        ),
        (
            "57010100 00000001 0000",
            "offset 2: command: found 1, expected an answer: 2 or 4",
        ),
    ];
    for (text, expected) in rows {
        let error = parse(&hex(text)).answer(&Tags::default(), Duplicates::Refuse);
        assert_eq!(error.unwrap_err().to_string(), expected, "{text}");
    }
}

#[test]
fn limits_hold() {
    let tags = Tags::default();
    let mut message = samples().remove(3);
    message.elements = vec![element(0x7F, b""); MAX_ELEMENTS];
    parse(&message.emit().unwrap());
    message.elements.push(element(0x7F, b""));
    let error = Message::parse(&message.emit().unwrap(), &tags).unwrap_err();
    assert_eq!(
        error.to_string(),
        "offset 202: number of elements: 65, the limit is 64"
    );

    message.elements = vec![element(0x7F, &vec![0; 65_532])];
    parse(&message.emit().unwrap());
    message.elements[0].value.push(0);
    assert_eq!(
        message.emit().unwrap_err().to_string(),
        "offset 8: body length: 65536, the limit is 65535"
    );
}

#[test]
fn every_cut_is_reported_where_it_is() {
    for message in samples() {
        let bytes = message.emit().unwrap();
        for cut in 0..bytes.len() {
            let prefix = Prefix::read(&bytes[..cut], &Tags::default());
            let problem = prefix.problem.unwrap();
            assert!(problem.offset <= cut, "cut at {cut}: {problem}");
            assert!(
                matches!(problem.kind, WireErrorKind::Truncated { .. }),
                "cut at {cut}: {problem}"
            );
            assert!(message.elements.starts_with(&prefix.elements));
            assert!(Message::parse(&bytes[..cut], &Tags::default()).is_err());
        }
    }
}

#[test]
fn every_flipped_bit_is_refused_or_written_back() {
    let tags = Tags::default();
    for message in samples() {
        let bytes = message.emit().unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let Ok(read) = Message::parse(&damaged, &tags) else {
                continue;
            };
            assert_eq!(read.emit().unwrap(), damaged, "bit {bit}");
            assert_ne!(read, message, "bit {bit}");
            for duplicates in [Duplicates::Refuse, Duplicates::LastWins] {
                let _ = read.request(&tags, duplicates);
                let _ = read.answer(&tags, duplicates);
            }
        }
    }
}

#[test]
fn one_field_changes_only_its_bytes() {
    let mut message = samples().remove(1);
    let before = message.emit().unwrap();
    message.elements[3].value[0] ^= 0xFF;
    let after = message.emit().unwrap();
    let changed: Vec<usize> = (0..before.len())
        .filter(|&i| before[i] != after[i])
        .collect();
    assert_eq!(changed, [153 - 19]);
}
