//! Files over HTTP and HTTPS: refusals, silence, and servers that nobody trusts.

use std::time::Duration;

use trustline::cluster::CertificateKind;
use trustline::event::Kind;
use trustline::phone::flash::CONFIG;
use trustline::phone::{HttpFailure, HttpInput, Output};
use trustline::time::Time;
use trustline::trust::rules::{HttpFallbackOn, HttpFirst, HttpMissingAlone};

use crate::bench::{Before, Bench, ITL, Input, LONGEST, http, lock};

fn over_http(scenario: &str) -> Before {
    let mut before = Before::of(scenario);
    before.set("http.first", HttpFirst::Yes as i64);
    before
}

/// How each file was asked for, in order.
fn ways(bench: &Bench) -> Vec<String> {
    let way = |k: &Kind| match k {
        Kind::Requested {
            file, transport, ..
        } => Some(format!("{transport} {}", &file[..3])),
        _ => None,
    };
    bench.events.iter().filter_map(way).collect()
}

/// What the phone was told of failed requests.
fn failures(bench: &Bench) -> Vec<&str> {
    let text = |k: &'_ Kind| matches!(k, Kind::HttpFailed { .. });
    let all = bench.events.iter().filter(|k| text(k));
    all.filter_map(|k| match k {
        Kind::HttpFailed { text, .. } => Some(text.as_str()),
        _ => None,
    })
    .collect()
}

#[test]
fn files_come_over_http_and_what_is_missing_over_neither() {
    let before = over_http("non-secure-migration");
    let mut bench = before.boot();
    bench.run(&mut |_, _| {});
    assert_ne!(bench.flash.get(ITL), before.old.get(ITL));
    assert_eq!(
        ways(&bench),
        ["http CTL", "tftp CTL", "http ITL", "http SEP"]
    );
    assert_eq!(failures(&bench), ["503 Service Unavailable"]);
    assert!(bench.shows("SEP001122334401.cnf.xml.sgn(HTTP)"));
    assert!(bench.requests.is_empty(), "every connection is closed");
}

#[test]
fn whatever_goes_wrong_over_http_tftp_follows() {
    let new = over_http("secure-migration").new_flash();
    let all = [
        HttpFailure::Refused("no".into()),
        HttpFailure::NoAnswer,
        HttpFailure::CutOff { bytes: 7 },
        HttpFailure::TimedOut,
        HttpFailure::Tls("odd".into()),
        HttpFailure::TooLarge { limit: 7 },
        HttpFailure::Protocol("\u{1b}[2J".into()),
    ];
    for why in all {
        for at_get in [false, true] {
            let before = over_http("secure-migration");
            let mut bench = before.boot();
            bench.run(&mut |output, replies| {
                let request = match output {
                    Output::HttpOpen { request, .. } if !at_get => *request,
                    Output::HttpGet { request, .. } if at_get => *request,
                    _ => return,
                };
                *replies = vec![http(request, HttpInput::Failed(why.clone()))];
            });
            bench.assert_migrated(&new, &why.text());
            assert_eq!(ways(&bench).len(), 6, "each file twice");
            assert!(failures(&bench).iter().all(|t| !t.contains('\u{1b}')));
        }
    }
}

#[test]
fn a_silent_server_costs_its_time_and_no_more() {
    let mut before = over_http("secure-migration");
    before.set("http.timeout_ms", 2_000);
    let new = before.new_flash();
    for is_up in [false, true] {
        let mut bench = before.boot();
        bench.run(&mut |output, replies| match output {
            Output::HttpOpen { .. } if !is_up => replies.clear(),
            Output::HttpGet { .. } => replies.clear(),
            _ => {}
        });
        bench.assert_migrated(&new, "silence");
        assert_eq!(failures(&bench), ["no answer in time"; 3]);
        let waited = bench.now.since(Time::ZERO);
        assert!(waited >= Duration::from_secs(6) && waited < LONGEST / 2);
    }
}

#[test]
fn what_is_said_out_of_turn_changes_nothing() {
    let before = over_http("secure-migration");
    let new = before.new_flash();
    let forged = || HttpInput::Answer {
        status: 200,
        reason: "OK".into(),
        body: b"mine".to_vec(),
    };
    let mut bench = before.boot();
    bench.run(&mut |output, replies| match output {
        Output::HttpOpen { request, .. } => {
            replies.insert(0, http(*request, forged()));
            replies.insert(1, http(request + 1, forged()));
            let again = replies.last().cloned();
            replies.extend(again);
        }
        Output::HttpGet { request, .. } => {
            replies.push(http(*request, forged()));
            replies.push(http(*request, HttpInput::Failed(HttpFailure::NoAnswer)));
        }
        _ => {}
    });
    bench.assert_migrated(&new, "out of turn");
    assert_eq!(failures(&bench), Vec::<&str>::new());
}

#[test]
fn a_body_that_is_too_large_is_not_taken() {
    let before = over_http("secure-migration");
    let mut bench = before.boot();
    bench.run(&mut |output, replies| {
        if let Output::HttpGet {
            request, max_bytes, ..
        } = output
        {
            let body = vec![0; max_bytes + 1];
            let reason = "OK".into();
            let input = HttpInput::Answer {
                status: 200,
                reason,
                body,
            };
            *replies = vec![http(*request, input)];
        }
    });
    assert_eq!(failures(&bench).len(), 3);
    bench.assert_migrated(&before.new_flash(), "too large");
}

/// `http.fallback_on`: what follows a status.
#[test]
fn the_rule_says_after_which_status_tftp_follows() {
    for (choice, status, expected) in [
        (HttpFallbackOn::AnyError, 404, vec!["http ITL", "tftp ITL"]),
        (
            HttpFallbackOn::ServerError,
            404,
            vec!["http ITL", "http ITL"],
        ),
        (HttpFallbackOn::ServerError, 403, vec!["http ITL"]),
        (
            HttpFallbackOn::ServerError,
            500,
            vec!["http ITL", "tftp ITL"],
        ),
        (
            HttpFallbackOn::ServerError,
            599,
            vec!["http ITL", "tftp ITL"],
        ),
        (HttpFallbackOn::AnyError, 204, vec!["http ITL", "tftp ITL"]),
    ] {
        let mut before = over_http("secure-migration");
        before.set("http.fallback_on", choice as i64);
        let mut bench = before.boot();
        bench.run(&mut |output, replies| {
            if let Output::HttpGet { request, path, .. } = output
                && path.contains("ITL")
            {
                let input = HttpInput::Answer {
                    status,
                    reason: String::new(),
                    body: Vec::new(),
                };
                *replies = vec![http(*request, input)];
            }
        });
        let ways = ways(&bench);
        let itl: Vec<_> = ways.iter().filter(|w| w.ends_with("ITL")).collect();
        assert_eq!(itl, expected, "{choice:?} {status}");
    }
}

/// A non-secure destination says 503 over HTTP for the CTL, and its UDP port 69 is closed.
#[test]
fn what_http_said_is_kept_where_tftp_says_nothing() {
    let said = "HTTP: 503 Service Unavailable, TFTP: no answer";
    for choice in [HttpMissingAlone::Failed, HttpMissingAlone::Missing] {
        let mut before = over_http("non-secure-migration");
        before.set("http.missing_alone", choice as i64);
        let mut bench = before.boot();
        bench.run(&mut |output, replies| {
            if matches!(output, Output::Datagram { .. }) {
                replies.clear();
            }
        });
        let failed =
            bench.count(|k| matches!(k, Kind::DownloadFailed { text, .. } if text == said));
        let missing = bench.count(|k| matches!(k, Kind::NotFound { text, .. } if text == said));
        let settled = bench.count(|k| matches!(k, Kind::BootEnded { settled: true, .. }));
        let expected = match choice {
            HttpMissingAlone::Failed => (1, 0, 0),
            HttpMissingAlone::Missing => (0, 1, 1),
        };
        assert_eq!((failed, missing, settled), expected, "{choice:?}");
    }
}

/// HTTP forbids the file, so TFTP's silence is a failure under either choice.
#[test]
fn what_is_forbidden_is_not_missing() {
    let mut before = over_http("non-secure-migration");
    before.set("http.missing_alone", HttpMissingAlone::Missing as i64);
    let mut bench = before.boot();
    bench.run(&mut |output, replies| {
        if matches!(output, Output::Datagram { .. }) {
            replies.clear();
        }
        for reply in replies {
            if let Input::Http {
                input: HttpInput::Answer { status, reason, .. },
                ..
            } = reply
                && *status == 503
            {
                *status = 403;
                "Forbidden".clone_into(reason);
            }
        }
    });
    let said = "HTTP: 403 Forbidden, TFTP: no answer";
    assert_eq!(
        bench.count(|k| matches!(k, Kind::DownloadFailed { text, .. } if text == said)),
        1
    );
}

/// A phone at the destination, whose ITL has signer version 1.1 and names the HTTPS server.
fn over_https() -> Before {
    over_http("https-record")
}

#[test]
fn a_server_of_the_list_hands_out_the_unsigned_configuration() {
    let before = over_https();
    let mut bench = before.boot();
    bench.run(&mut |_, _| {});
    assert_eq!(ways(&bench)[3..], ["https SEP"]);
    let config = bench.flash.get(CONFIG).unwrap();
    assert!(config.starts_with(b"<"), "not signed");
    assert!(bench.shows("SEP001122334401.cnf.xml.sgn(HTTPS)"));
    let mut without = over_https();
    without.set("https.config", 1);
    let mut bench = without.boot();
    bench.run(&mut |_, _| {});
    assert_eq!(ways(&bench)[3..], ["http SEP"]);
}

/// Lets the HTTPS server show another certificate.
fn showing(certificate: Vec<u8>) -> Bench {
    let before = over_https();
    let mut bench = before.boot();
    bench.run(&mut |output, replies| {
        let Output::HttpOpen {
            request, tls: true, ..
        } = output
        else {
            return;
        };
        let input = HttpInput::Connected {
            certificate: Some(certificate.clone()),
            tls: Some("forged".into()),
        };
        *replies = vec![http(*request, input)];
    });
    bench
}

/// The same certificate with a key of another kind: id-ecPublicKey becomes an identifier that
/// nobody has given away.
fn of_another_kind(mut certificate: Vec<u8>) -> Vec<u8> {
    let ec_key = [0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01];
    let at = certificate.windows(ec_key.len()).position(|w| w == ec_key);
    certificate[at.unwrap() + ec_key.len() - 1] = 0x7f;
    certificate
}

#[test]
fn a_server_that_nobody_knows_is_asked_for_nothing() {
    let lab = over_https().lab;
    let of = |node: &str, kind| {
        let lab = lock(&lab);
        let id = lab.host(node).unwrap();
        let certificate = lab.clusters()[id.cluster].certificate(node, kind);
        certificate.unwrap().public.der.clone()
    };
    for (certificate, why) in [
        (
            of("dst-pub", CertificateKind::TomcatEcdsa),
            "is not trusted",
        ),
        (
            of("dst-pub", CertificateKind::CallManager),
            "has an RSA key",
        ),
        (
            of_another_kind(of("dst-pub", CertificateKind::TomcatEcdsa)),
            "neither EC nor RSA",
        ),
        (b"rubbish".to_vec(), "cannot be read"),
        (Vec::new(), "cannot be read"),
    ] {
        let bench = showing(certificate);
        assert_eq!(ways(&bench)[3..], ["https SEP", "http SEP"], "{why}");
        let failures = failures(&bench);
        let last = failures.last().unwrap();
        assert!(last.contains(why), "{last}");
        assert!(bench.shows("SEP001122334401.cnf.xml.sgn(HTTP)"));
    }
}

#[test]
fn a_connection_that_breaks_while_tvs_is_asked_is_over() {
    // With the second reset the destination's TVS is asked about the server.
    let before = over_http("https-by-tvs");
    for breaks in [false, true] {
        let mut bench = before.boot();
        let mut open = None;
        bench.run(&mut |output, replies| match output {
            Output::HttpOpen {
                request, tls: true, ..
            } => open = Some(*request),
            Output::TvsConnect { .. } if breaks => {
                if let Some(request) = open {
                    let broken = HttpInput::Failed(HttpFailure::NoAnswer);
                    replies.insert(0, http(request, broken));
                }
            }
            _ => {}
        });
        assert_eq!(bench.asked_tvs(), 1);
        let last = ways(&bench).pop().unwrap();
        assert_eq!(last, if breaks { "http SEP" } else { "https SEP" });
        assert_eq!(
            bench
                .events
                .iter()
                .filter(|k| matches!(k, Kind::ConfigAccepted { .. }))
                .count(),
            1
        );
    }
}

#[test]
fn rubbish_over_https_is_not_applied() {
    let before = over_https();
    let mut bench = before.boot();
    bench.run(&mut |output, replies| {
        for input in replies {
            if let (
                Output::HttpGet { path, .. },
                Input::Http {
                    input: HttpInput::Answer { body, .. },
                    ..
                },
            ) = (output, input)
                && path.contains("cnf")
            {
                *body = b"<device><callManager".to_vec();
            }
        }
    });
    assert_eq!(bench.flash.get(CONFIG), before.old.get(CONFIG));
    let refused = |k: &Kind| match k {
        Kind::ConfigRefused { reasons, .. } => reasons.last().map(|r| r.code),
        _ => None,
    };
    let codes: Vec<_> = bench.events.iter().filter_map(refused).collect();
    assert_eq!(codes, ["config-malformed"]);
}
