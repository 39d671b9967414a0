//! TVS: hostile servers, torn connections, and who is asked at all.

use std::time::Duration;

use trustline::cluster::CertificateKind;
use trustline::event::Kind;
use trustline::phone::ConnectFailure;
use trustline::phone::Output;
use trustline::phone::TvsInput;
use trustline::phone::flash::CONFIG;
use trustline::wire::phone_config::PhoneConfig;
use trustline::wire::tvs::Answer;
use trustline::wire::tvs::Command;
use trustline::wire::tvs::Message;
use trustline::wire::tvs::Tags;

use crate::bench::{Before, Bench, CTL, Input, is_tvs, lock};

/// What a hostile TVS, or the network before it, makes of the n-th thing that it says.
fn meddle_with_tvs(before: &Before, nth: usize, mut change: impl FnMut(&mut Vec<Input>)) -> Bench {
    let mut seen = 0;
    let mut bench = before.boot();
    bench.run(&mut |_, replies| {
        if replies.iter().any(is_tvs) {
            seen += 1;
            if seen == nth {
                change(replies);
            }
        }
    });
    bench
}

/// Recording R2: the connection is closed 20 ms after the request, by the phone.
#[test]
fn the_phone_closes_the_connection_with_the_answer() {
    let before = Before::of("recording-7821-emcc");
    let mut bench = before.boot();
    bench.pace = Duration::from_millis(20);
    bench.run(&mut |_, replies| {
        // The server leaves it open.
        replies.retain(|i| {
            !matches!(
                i,
                Input::Tvs {
                    input: TvsInput::Closed,
                    ..
                }
            )
        });
    });
    let (asked, closed) = &bench.tvs_times;
    assert_eq!((asked.len(), closed.len()), (1, 1));
    assert_eq!(closed[0].since(asked[0]), Duration::from_millis(20));
    assert!(bench.shows("Trust List Updated"));
}

#[test]
fn a_connection_that_closes_at_any_moment_goes_to_the_next_server() {
    let before = Before::of("secure-migration");
    let new = before.new_flash();
    let failed = TvsInput::Failed(ConnectFailure::Tls("torn down".into()));
    for nth in 1..=2 {
        for end in [TvsInput::Closed, failed.clone()] {
            for keep in 0..=1 {
                let bench = meddle_with_tvs(&before, nth, |replies| {
                    let connection = connection_of(replies);
                    replies.truncate(keep);
                    replies.push(Input::Tvs {
                        connection,
                        input: end.clone(),
                    });
                    // Whatever it says afterwards is not heard.
                    replies.push(Input::Tvs {
                        connection,
                        input: TvsInput::Closed,
                    });
                });
                bench.assert_migrated(&new, &format!("{nth}, {end:?}, {keep}"));
            }
        }
    }
}

fn connection_of(replies: &[Input]) -> u32 {
    let of = |r: &Input| match r {
        Input::Tvs { connection, .. } => Some(*connection),
        _ => None,
    };
    replies.iter().find_map(of).unwrap()
}

#[test]
fn an_answer_cut_at_any_byte_installs_nothing_by_itself() {
    let before = Before::of("non-secure-migration");
    let new = before.new_flash();
    for cut in (0..900).step_by(37) {
        let bench = meddle_with_tvs(&before, 2, |replies| {
            let Input::Tvs {
                input: TvsInput::Bytes(bytes),
                ..
            } = &mut replies[0]
            else {
                panic!()
            };
            bytes.truncate(cut);
        });
        assert_eq!(bench.tvs_failures(), ["tvs-no-answer"], "{cut}");
        bench.assert_migrated(&new, "the second server answers");
    }
}

/// An answer of the destination's own making, as a server would send it.
fn answer(session: u32, answer: &Answer) -> Vec<u8> {
    let message = Message::from_answer(answer, Command::QueryResponse, session, &Tags::default());
    message.emit().unwrap()
}

/// The certificate of a node, DER.
fn certificate(before: &Before, cluster: usize, node: &str, kind: CertificateKind) -> Vec<u8> {
    let lab = lock(&before.lab);
    lab.clusters()[cluster]
        .certificate(node, kind)
        .unwrap()
        .public
        .der
        .clone()
}

/// What a server says in a session.
type Says<'a> = &'a dyn Fn(u32) -> Vec<u8>;

/// Every server answers this in place of what it knows.
fn every_answer(before: &Before, bytes: Says<'_>) -> Bench {
    let mut bench = before.boot();
    let mut session = 1_000;
    bench.run(&mut |output, replies| {
        if let Output::TvsWrite { connection, .. } = output {
            session += 1;
            let input = TvsInput::Bytes(bytes(session));
            *replies = vec![Input::Tvs {
                connection: *connection,
                input,
            }];
        }
    });
    bench
}

#[test]
fn answers_that_are_not_right_install_nothing() {
    let before = Before::of("secure-migration");
    let right = certificate(&before, 1, "dst-pub", CertificateKind::CallManager);
    let wrong = certificate(&before, 1, "dst-pub", CertificateKind::Tvs);
    let own = certificate(&before, 0, "src-pub", CertificateKind::CallManager);
    let full = |certificate: &[u8], roles: &[u8]| Answer {
        status: 0,
        certificate: Some(certificate.to_vec()),
        roles: Some(roles.to_vec()),
        ttl_secs: Some(86_400),
    };
    let good = full(&right, &[0, 3]);
    let miss = Answer {
        status: 1,
        certificate: None,
        roles: None,
        ttl_secs: None,
    };
    let found_but_empty = Answer {
        certificate: None,
        ..good.clone()
    };
    // A miss that carries the certificate all the same is a miss.
    let two_minds = Answer {
        status: 1,
        ..good.clone()
    };
    let cases: [(&str, Says<'_>, &str); 12] = [
        ("miss", &|s| answer(s, &miss), "signer-unknown-to-tvs"),
        (
            "miss with a certificate",
            &|s| answer(s, &two_minds),
            "signer-unknown-to-tvs",
        ),
        (
            "wrong certificate",
            &|s| answer(s, &full(&wrong, &[0, 3])),
            "tvs-wrong-certificate",
        ),
        (
            "own certificate",
            &|s| answer(s, &full(&own, &[0, 3])),
            "tvs-wrong-certificate",
        ),
        (
            "rubbish for one",
            &|s| answer(s, &full(b"\x30\x03abc", &[0])),
            "tvs-wrong-certificate",
        ),
        (
            "found, none sent",
            &|s| answer(s, &found_but_empty),
            "tvs-answer-malformed",
        ),
        (
            "another session",
            &|s| answer(s + 1, &good),
            "tvs-answer-malformed",
        ),
        (
            "session of before",
            &|s| answer(s - 1, &good),
            "tvs-answer-malformed",
        ),
        ("rubbish", &|_| vec![0x41; 64], "tvs-answer-malformed"),
        ("no message", &|_| vec![0; 10], "tvs-answer-malformed"),
        (
            "a request",
            &|s| {
                let mut bytes = answer(s, &good);
                bytes[2] = 3;
                bytes
            },
            "tvs-answer-malformed",
        ),
        (
            "an answer to VERIFY",
            &|s| {
                let mut bytes = answer(s, &good);
                bytes[2] = 2;
                bytes
            },
            "tvs-answer-malformed",
        ),
    ];
    for (what, bytes, code) in cases {
        let bench = every_answer(&before, bytes);
        bench.assert_untouched(&before, what);
        assert!(bench.shows("Trust List update failed"), "{what}");
        // CTL, ITL and configuration ask both servers each.
        assert_eq!(bench.tvs_failures(), [code; 6], "{what}");
    }
    for (what, roles) in [
        ("no role", &[][..]),
        ("TFTP only", &[3][..]),
        ("odd", &[200, 21][..]),
    ] {
        let bench = every_answer(&before, &|s| answer(s, &full(&right, roles)));
        bench.assert_untouched(&before, what);
    }
    // The bench itself is not what refuses.
    let bench = every_answer(&before, &|s| answer(s, &good));
    assert_ne!(bench.flash.get(CTL), before.old.get(CTL));
}

#[test]
fn bytes_for_other_connections_are_not_heard() {
    let before = Before::of("certificates-not-imported");
    let right = certificate(&before, 1, "dst-pub", CertificateKind::CallManager);
    let good = Answer {
        status: 0,
        certificate: Some(right),
        roles: Some(vec![0, 3]),
        ttl_secs: Some(86_400),
    };
    let mut bench = before.boot();
    bench.run(&mut |output, replies| {
        if let Output::TvsWrite { connection, .. } = output {
            for other in [
                connection.wrapping_sub(1),
                connection + 1,
                connection + 1_000,
                u32::MAX,
            ] {
                for session in 1_001..1_005 {
                    let input = TvsInput::Bytes(answer(session, &good));
                    replies.insert(
                        0,
                        Input::Tvs {
                            connection: other,
                            input,
                        },
                    );
                }
            }
        }
    });
    bench.assert_untouched(&before, "other connections");
    assert_eq!(bench.tvs_failures(), ["signer-unknown-to-tvs"; 4]);
}

/// An answer that comes before the question was asked is nobody's.
#[test]
fn an_early_answer_does_not_count() {
    let before = Before::of("certificates-not-imported");
    let right = certificate(&before, 1, "dst-pub", CertificateKind::CallManager);
    let good = Answer {
        status: 0,
        certificate: Some(right),
        roles: Some(vec![0, 3]),
        ttl_secs: Some(86_400),
    };
    let mut bench = before.boot();
    bench.run(&mut |output, replies| {
        if let Output::TvsConnect { connection, .. } = output {
            for session in 1_001..1_005 {
                let input = TvsInput::Bytes(answer(session, &good));
                let early = Input::Tvs {
                    connection: *connection,
                    input,
                };
                replies.insert(0, early.clone());
                replies.push(early);
            }
        }
    });
    bench.assert_untouched(&before, "early answer");
}

#[test]
fn a_server_that_is_not_in_the_list_is_never_asked() {
    let before = Before::of("non-secure-migration");
    let foreign = certificate(&before, 1, "dst-pub", CertificateKind::Tvs);
    // The driver reports it up, against what the phone told it to pin.
    let mut bench = before.boot();
    let mut writes = 0;
    bench.run(&mut |output, replies| {
        writes += usize::from(matches!(output, Output::TvsWrite { .. }));
        for reply in replies {
            if let Input::Tvs {
                input: TvsInput::Connected { certificate, .. },
                ..
            } = reply
            {
                certificate.clone_from(&foreign);
            }
        }
    });
    assert_eq!(writes, 0);
    bench.assert_untouched(&before, "foreign TVS");
    assert_eq!(bench.tvs_failures(), ["tvs-certificate-not-in-list"; 4]);
    let checked = |k: &Kind| match k {
        Kind::TvsCertificateChecked {
            role: 21, found_in, ..
        } => found_in == "none",
        _ => false,
    };
    assert_eq!(bench.count(checked), 4);
}

#[test]
fn a_connection_that_comes_up_twice_is_asked_once() {
    let before = Before::of("secure-migration");
    let new = before.new_flash();
    let mut bench = before.boot();
    bench.run(&mut |_, replies| {
        for reply in std::mem::take(replies) {
            if is_tvs(&reply) {
                replies.push(reply.clone());
            }
            replies.push(reply);
        }
    });
    bench.assert_migrated(&new, "twice");
    assert_eq!(bench.asked_tvs(), 1);
}

#[test]
fn tvs_servers_are_tried_by_priority() {
    let before = Before::of("certificates-not-imported");
    let mut flash = before.old.clone();
    let mut config = PhoneConfig::parse(flash.get(CONFIG).unwrap()).unwrap();
    let extra = config.tvs[0].clone();
    config.tvs[0].priority = 3;
    config.tvs[1].priority = 1;
    for (priority, host) in [
        (0, "nowhere.example"),
        (2, "203.0.113.1"),
        (4, "too.far.example"),
    ] {
        config.tvs.push(trustline::wire::phone_config::TvsServer {
            priority,
            host: host.into(),
            ..extra.clone()
        });
    }
    flash.put(CONFIG, config.emit().into_bytes().into());
    let mut bench = before.boot_from(flash);
    let mut hosts = Vec::new();
    bench.run(&mut |output, _| {
        if let Output::TvsConnect { host, port, .. } = output {
            assert_eq!(*port, 2445);
            hosts.push(host.clone());
        }
    });
    // Three are tried (setting `tvs.max_servers`), for the ITL and for the configuration.
    let order = ["nowhere.example", "src-sub", "203.0.113.1"];
    assert_eq!(hosts, [order, order].concat());
}
