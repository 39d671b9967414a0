use std::time::Duration;

use super::*;
use crate::check::evidence::{Node, Side};
use crate::event::{FileFacts, SignerFacts};
use crate::time::Time;

fn sides() -> Sides {
    let node = |name: &str, last: u8| Node {
        name: name.into(),
        address: Some(Ipv4Addr::new(10, 1, 1, last)),
        ..Node::default()
    };
    let side = |name: &str, nodes| Side {
        name: name.into(),
        nodes,
        ..Side::default()
    };
    Sides::of(vec![
        side("src", vec![node("src-pub", 1)]),
        side("dst", vec![node("dst-pub", 2), node("dst-sub", 3)]),
    ])
}

fn event(seconds: u64, kind: Kind) -> Event {
    Event {
        at: Time::ZERO + Duration::from_secs(seconds),
        actor: "SEP001122334401".into(),
        kind,
    }
}

/// A list in two requests, and a question.
fn boot(server: &str, tvs: Option<&str>) -> Vec<Event> {
    let requested = |file: &str| Kind::Requested {
        file: file.into(),
        server: server.into(),
        transport: "http".into(),
        options: String::new(),
        secure: false,
    };
    let mut events = vec![
        event(0, requested("CTLSEP001122334401.tlv")),
        event(1, requested("ITLSEP001122334401.tlv")),
        event(
            1,
            Kind::Downloaded {
                facts: FileFacts {
                    file: "ITLSEP001122334401.tlv".into(),
                    bytes: 6_000,
                    sha1: String::new(),
                    sha256: String::new(),
                },
                server: server.into(),
                transport: "http".into(),
                status: 100,
            },
        ),
    ];
    if let Some(tvs) = tvs {
        let signer = SignerFacts {
            subject: "CN=dst-pub".into(),
            issuer: "CN=dst-pub".into(),
            serial: "01".into(),
        };
        events.push(event(
            3,
            Kind::TvsAsked {
                server: tvs.into(),
                message: 3,
                bytes: 100,
                session: 1,
                signer,
            },
        ));
    }
    events
}

#[test]
fn each_node_is_asked_by_its_phones() {
    let through = boot("10.1.1.2", Some("src-pub:2445"));
    let direct = boot("10.1.1.3:6970", None);
    let demands = [
        Demand {
            phones: 900,
            events: &through,
            is_cut_off: false,
        },
        Demand {
            phones: 100,
            events: &direct,
            is_cut_off: false,
        },
    ];
    let load = load(&sides(), &demands, &Settings::default(), &Rates::default());
    let found: Vec<_> = load
        .nodes
        .iter()
        .map(|n| {
            (
                n.node.as_str(),
                n.requests,
                n.downloads,
                n.bytes,
                n.tvs_questions,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("src-pub", 0, 0, 0, 900),
            ("dst-pub", 1_800, 900, 5_400_000, 0),
            ("dst-sub", 200, 100, 600_000, 0),
        ]
    );
    assert_eq!(load.phones, 1_000);
    // TVS gives 10 a second, a phone waits 5 s, and nine of ten ask it: 50 of 55.
    assert_eq!(load.batch, 55);
    assert_eq!(load.batches, 19);
    // 120 s until they ask, 3 s of boot, and 49 questions at 10 a second: 128, in steps of 30.
    assert_eq!(load.pause_secs, 150);
    assert!(
        load.basis.contains("10 TVS questions (assumed)"),
        "{}",
        load.basis
    );
}

#[test]
fn a_stated_rate_counts_and_is_said_to_be_stated() {
    let mut rates = Rates::default();
    rates.state("tvs=100").unwrap();
    let events = boot("10.1.1.2", Some("src-pub:2445"));
    let demand = Demand {
        phones: 10_000,
        events: &events,
        is_cut_off: true,
    };
    let found = load(&sides(), &[demand], &Settings::default(), &rates);
    // Files are the narrow place now: 50 a second, 5 s.
    assert_eq!((found.batch, found.batches), (250, 40));
    assert!(
        found.basis.contains("100 TVS questions (stated)"),
        "{}",
        found.basis
    );
    assert!(
        found.basis.contains("10000 phones ask for more"),
        "{}",
        found.basis
    );
    for wrong in ["tvs", "tvs=0", "tvs=x", "tftpd=5", "tvs=99999999", ""] {
        let error = rates.state(wrong).unwrap_err();
        assert!(error.contains("expected"), "{wrong}: {error}");
    }
    assert!(
        rates
            .state("tftpd=5")
            .unwrap_err()
            .contains("did you mean tftp?")
    );
}

#[test]
fn few_phones_are_one_batch_and_none_are_none() {
    let events = boot("10.1.1.2", None);
    let demand = Demand {
        phones: 5,
        events: &events,
        is_cut_off: false,
    };
    let rates = Rates::default();
    let few = load(&sides(), &[demand], &Settings::default(), &rates);
    assert_eq!((few.batch, few.batches, few.pause_secs), (5, 1, 0));
    let none = load(&sides(), &[], &Settings::default(), &rates);
    assert_eq!((none.phones, none.batch, none.batches), (0, 0, 0));
    let huge = Demand {
        phones: u64::MAX / 4,
        ..demand
    };
    let huge = load(&sides(), &[huge], &Settings::default(), &rates);
    assert_eq!(huge.batch, 250);
}

#[test]
fn a_stranger_is_no_node() {
    let events = boot("192.0.2.7", Some("nobody:2445"));
    let demand = Demand {
        phones: 7,
        events: &events,
        is_cut_off: false,
    };
    let found = load(&sides(), &[demand], &Settings::default(), &Rates::default());
    assert!(found.nodes.is_empty());
    assert_eq!(found.batch, 7);
}

#[test]
fn a_second_reset_is_not_at_the_same_time() {
    let boot_event = |seconds| {
        event(
            seconds,
            Kind::Boot {
                cause: "reset".into(),
                option_150: Vec::new(),
                ctl_sha1: None,
                itl_sha1: None,
            },
        )
    };
    let mut events = vec![boot_event(0)];
    events.extend(boot("10.1.1.2", None));
    events.push(boot_event(600));
    events.extend(boot("10.1.1.2", None));
    let demand = Demand {
        phones: 1,
        events: &events,
        is_cut_off: false,
    };
    let found = load(&sides(), &[demand], &Settings::default(), &Rates::default());
    assert_eq!(found.nodes[0].requests, 2);
}

/// Of whom nothing is known is counted too: what it will ask for is not there to be seen.
#[test]
fn phones_of_whom_nothing_is_known_are_among_all() {
    let boot = boot("10.1.1.2:6970", Some("src-pub:2445"));
    let known = Demand {
        phones: 1_000,
        events: &boot,
        is_cut_off: false,
    };
    let unread = Demand {
        phones: 500,
        events: &[],
        is_cut_off: true,
    };
    let of =
        |demands: &[Demand<'_>]| load(&sides(), demands, &Settings::default(), &Rates::default());
    let (alone, all) = (of(&[known]), of(&[known, unread]));
    assert_eq!((all.phones, all.batch), (1_500, alone.batch));
    assert!(all.batches > alone.batches, "{all:?}");
    assert!(
        all.basis.contains("500 phones ask for more"),
        "{}",
        all.basis
    );
    // Where nobody is known there is nothing to reckon with.
    assert_eq!(of(&[unread]).batches, 0);
}
