//! The emulated phone does what a real one was recorded to do, in the same order.
//!
//! Recording R1: an 8861 moves between two mixed-mode clusters, 10.5.2 to 11.0 (Cisco 213407).
//! Recording R2: a 7821 of a visited cluster takes its home cluster's ITL (Cisco EMCC technote).
//! What cannot be equal is the names, and with them the sizes of the messages; those are computed
//! from the names here by the recording's own arithmetic.

#![allow(clippy::disallowed_methods, reason = "reads its own test data")]
#![allow(clippy::unwrap_used, reason = "a test fails where its own premises do")]

use std::time::Duration;

use trustline::cluster::CertificateKind;
use trustline::event::{Event, Kind};
use trustline::phone::Pace;
use trustline::scenario::run::{Rehearsed, rehearse};
use trustline::scenario::{self, Network, Rules};
use trustline::time::Time;

fn rehearsed(name: &str) -> Rehearsed {
    let file = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&file).unwrap();
    let scenario = scenario::parse(&file, &text, &Rules).unwrap();
    rehearse(&scenario, Network::Sim, Pace::Real, None, &mut |_| {}).unwrap()
}

/// Goes through events in order.
struct Tape<'a> {
    events: &'a [Event],
    at: usize,
}

impl<'a> Tape<'a> {
    /// The next event that `wanted` knows, and when it happened; others before it are passed over.
    fn find<T>(&mut self, what: &str, wanted: impl Fn(&'a Kind) -> Option<T>) -> (Time, T) {
        while let Some(event) = self.events.get(self.at) {
            self.at += 1;
            if let Some(found) = wanted(&event.kind) {
                return (event.at, found);
            }
        }
        panic!("{what} did not come in this order");
    }

    /// The same, where it has to be the very next event.
    fn next<T>(&mut self, what: &str, wanted: impl Fn(&'a Kind) -> Option<T>) -> (Time, T) {
        let event = &self.events[self.at];
        self.at += 1;
        let found = wanted(&event.kind);
        (
            event.at,
            found.unwrap_or_else(|| panic!("{what} comes here, not {event:?}")),
        )
    }
}

fn fetched(kind: &Kind, prefix: &str) -> Option<()> {
    match kind {
        Kind::Downloaded {
            facts, status: 100, ..
        } => facts.file.starts_with(prefix).then_some(()),
        _ => None,
    }
}

fn millis(n: u64) -> Duration {
    Duration::from_millis(n)
}

#[test]
fn the_secure_migration_follows_recording_r1() {
    let rehearsed = rehearsed("secure-migration");
    for phone in &rehearsed.phones {
        check_r1(&rehearsed, &phone.events[phone.last_boot..]);
    }
}

fn check_r1(rehearsed: &Rehearsed, events: &[Event]) {
    let mut tape = Tape { events, at: 0 };

    // 1: the CTL comes from the destination; its signer is in neither installed list.
    tape.find("the CTL's download", |k| fetched(k, "CTLSEP"));
    let (_, signer) = tape.next("the look-up of its signer", |k| match k {
        Kind::SignerLookedUp {
            signer,
            found_in,
            searched,
            ..
        } => {
            assert_eq!(found_in, "nowhere");
            assert!(searched.contains("installed CTL"), "{searched}");
            assert!(searched.contains("installed ITL"), "{searched}");
            Some(signer)
        }
        _ => None,
    });

    // 2: TCP and TLS to the source's TVS, port 2445. Connect at .395, noticed at .908: the phone
    // looks every 0.5 s. It presents its LSC.
    let (connecting, ()) = tape.next("the connection", |k| match k {
        Kind::TvsConnecting { server } => (server == "src-pub:2445").then_some(()),
        _ => None,
    });
    let (connected, ()) = tape.next("the handshake", |k| match k {
        Kind::TvsConnected {
            client_certificate, ..
        } => (client_certificate == "LSC").then_some(()),
        _ => None,
    });
    assert_eq!(connected.since(connecting), millis(500));

    // 3: the certificate is checked with role 21 against the installed list.
    tape.next("the check of the certificate", |k| match k {
        Kind::TvsCertificateChecked {
            role: 21, found_in, ..
        } => (found_in == "installed ITL").then_some(()),
        _ => None,
    });

    // 4: the request, message type 3, in one write. 153 bytes there: a header of 10, the device's
    // name with a byte before it, subject and issuer with a NUL behind, the raw serial.
    let (asked, ()) = tape.next("the request", |k| match k {
        Kind::TvsAsked {
            message: 3,
            bytes,
            session: 0x3e9,
            signer: asked,
            ..
        } => {
            assert_eq!(asked, signer);
            let device = 1 + "CP-8861-SEPB000B4BA0AEE".len();
            let names = signer.subject.len() + 1 + signer.issuer.len() + 1;
            let serial = signer.serial.len() / 2;
            assert_eq!(*bytes, 10 + 4 * 3 + device + names + serial);
            Some(())
        }
        _ => None,
    });
    assert_eq!(asked, connected);

    // 5: the answer, message type 4. 1480 bytes there with a certificate of 1451; roles 0 and 3.
    let lab = rehearsed.lab();
    let certificate = lab.clusters()[1]
        .certificate("dst-pub", CertificateKind::CallManager)
        .unwrap();
    let (answered, ()) = tape.next("the answer", |k| match k {
        Kind::TvsAnswered {
            bytes,
            status: 0,
            roles,
            ttl,
            ..
        } => {
            assert_eq!(*bytes, 1_480 - 1_451 + certificate.public.der.len());
            assert_eq!(roles, "SAST, TFTP");
            assert_eq!(*ttl, 86_400);
            Some(())
        }
        _ => None,
    });
    assert!(answered.since(asked) <= millis(4));

    // 6: kept for 24 hours.
    let (cached, ()) = tape.next("the cache", |k| match k {
        Kind::TvsCached {
            serial,
            ttl: 86_400,
        } => (*serial == signer.serial).then_some(()),
        _ => None,
    });

    // 7: about 0.5 s later the hash is compared; two warnings; the list is replaced.
    let (compared, ()) = tape.next("the comparison", |k| match k {
        Kind::HashCompared {
            file,
            matches: true,
            ..
        } => file.starts_with("CTLSEP").then_some(()),
        _ => None,
    });
    let waited = compared.since(cached);
    assert!(waited > millis(480) && waited <= millis(500), "{waited:?}");
    for text in [
        "early exit from parser loop; old version header?",
        "hdr ver 1.2 (knows only upto 1.1)",
    ] {
        tape.next("the warning", |k| match k {
            Kind::HeaderNote { text: found, .. } => (found == text).then_some(()),
            _ => None,
        });
    }
    let (installed, ()) = tape.find("the new CTL", |k| match k {
        Kind::ListInstalled { list, how, .. } => (list == "CTL" && how == "tvs").then_some(()),
        _ => None,
    });
    assert_eq!(installed, compared);

    // 8: the ITL comes from the destination.
    let (downloaded, ()) = tape.find("the ITL's download", |k| fetched(k, "ITLSEP"));

    // 9: its hash matches by the CTL just installed, at once and without TVS.
    tape.next("the look-up of its signer", |k| match k {
        Kind::SignerLookedUp { found_in, .. } => (found_in == "new CTL").then_some(()),
        _ => None,
    });
    let (compared, ()) = tape.next("the comparison", |k| match k {
        Kind::HashCompared {
            file,
            matches: true,
            ..
        } => file.starts_with("ITLSEP").then_some(()),
        _ => None,
    });
    assert!(compared.since(downloaded) <= millis(10));
    tape.find("the new ITL", |k| match k {
        Kind::ListInstalled { list, how, .. } => (list == "ITL" && how == "signer").then_some(()),
        _ => None,
    });
    tape.find("the end of the stage", |k| match k {
        Kind::TrustStageEnded { rc: 8, fail_reason } => (fail_reason == "Success").then_some(()),
        _ => None,
    });
    let count = |wanted: fn(&Kind) -> bool| events.iter().filter(|e| wanted(&e.kind)).count();
    assert_eq!(count(|k| matches!(k, Kind::TvsAsked { .. })), 1);
    assert_eq!(count(|k| matches!(k, Kind::TvsConnecting { .. })), 1);
}

#[test]
fn the_visit_follows_recording_r2() {
    let rehearsed = rehearsed("recording-7821-emcc");
    let phone = &rehearsed.phones[0];
    let events = &phone.events[phone.last_boot..];
    let mut tape = Tape { events, at: 0 };
    let asked = |k: &Kind, prefix: &str, over: &str| match k {
        Kind::Requested {
            file, transport, ..
        } => {
            assert!(file.starts_with(prefix), "{file}");
            assert_eq!(transport, over);
            Some(())
        }
        _ => None,
    };

    // 1: the CTL over HTTP, 503.
    tape.find("the CTL over HTTP", |k| asked(k, "CTLSEP", "http"));
    tape.next("503", |k| match k {
        Kind::HttpFailed {
            status: Some(503),
            text,
            then,
            ..
        } => {
            assert_eq!(text, "503 Service Unavailable");
            (then.as_deref() == Some("tftp")).then_some(())
        }
        _ => None,
    });

    // 2: over TFTP; the first packet is lost and sent again after 0.5 s; error 1, status 2.
    let (sent, ()) = tape.next("the CTL over TFTP", |k| asked(k, "CTLSEP", "tftp"));
    let (again, ()) = tape.next("the retransmission", |k| match k {
        Kind::Retransmitted { attempt: 1, .. } => Some(()),
        _ => None,
    });
    assert_eq!(again.since(sent), millis(500));
    tape.next("error 1", |k| match k {
        Kind::NotFound { text, status, .. } => {
            assert_eq!(*status, 2);
            (text == "File not found").then_some(())
        }
        _ => None,
    });

    // 3: the ITL over HTTP, status 100.
    tape.find("the ITL over HTTP", |k| asked(k, "ITLSEP", "http"));
    tape.next("the ITL", |k| fetched(k, "ITLSEP"));

    // 4: notes on the header, before the search for the signer.
    let notes: Vec<_> = std::iter::from_fn(|| {
        let event = &tape.events[tape.at];
        let Kind::HeaderNote { text, .. } = &event.kind else {
            return None;
        };
        tape.at += 1;
        Some(text.as_str())
    })
    .collect();
    assert_eq!(
        notes,
        [
            "start of pad ('T' 0x0d) at TLV 15",
            "hdr ver 1.2 (knows only upto 1.1)",
            "skipping 1 trail bytes (pad and/or unknown TLVs)",
        ]
    );

    // 5: TVS of the visited cluster: one request, and an answer. That the phone then closes the
    // connection, 20 ms after the request, shows tests/phone_machine/tvs.rs: events do not tell it.
    tape.next("the look-up of the signer", |k| match k {
        Kind::SignerLookedUp { found_in, .. } => (found_in == "nowhere").then_some(()),
        _ => None,
    });
    let (asking, ()) = tape.find("the question", |k| match k {
        Kind::TvsAsked {
            server, message: 3, ..
        } => (server == "vis-pub:2445").then_some(()),
        _ => None,
    });
    let (answered, ()) = tape.next("the answer", |k| match k {
        Kind::TvsAnswered { status: 0, .. } => Some(()),
        _ => None,
    });
    assert!(answered.since(asking) <= millis(20));

    // 6: 0.5 s later the hash is compared, and the list replaced.
    let (compared, ()) = tape.find("the comparison", |k| match k {
        Kind::HashCompared { matches: true, .. } => Some(()),
        _ => None,
    });
    let waited = compared.since(answered);
    assert!(waited > millis(480) && waited <= millis(500), "{waited:?}");
    tape.find("the new ITL", |k| match k {
        Kind::ListInstalled { list, how, .. } => (list == "ITL" && how == "tvs").then_some(()),
        _ => None,
    });

    // 7: result code 8; only then the configuration.
    tape.find("the end of the stage", |k| match k {
        Kind::TrustStageEnded { rc: 8, fail_reason } => (fail_reason == "Success").then_some(()),
        _ => None,
    });

    // 8: the configuration as a secure file, so `.sgn` is added; HTTP.
    tape.next("the configuration", |k| match k {
        Kind::Requested {
            file,
            transport,
            secure: true,
            ..
        } => {
            assert_eq!(transport, "http");
            file.ends_with(".cnf.xml.sgn").then_some(())
        }
        _ => None,
    });
    tape.next("the configuration's download", |k| fetched(k, "SEP"));
    tape.find("its status line", |k| match k {
        Kind::Status { text, .. } => text.ends_with(".cnf.xml.sgn(HTTP)").then_some(()),
        _ => None,
    });

    // 9: the soft keys that it names, as a secure file too; HTTP.
    tape.find("the soft keys", |k| match k {
        Kind::Requested {
            file,
            transport,
            secure: true,
            ..
        } => {
            assert_eq!(transport, "http");
            (file.starts_with("SK") && file.ends_with(".xml.sgn")).then_some(())
        }
        _ => None,
    });
    tape.next("the soft keys' download", |k| fetched(k, "SK"));
    tape.find("that they are taken", |k| match k {
        Kind::NamedFileAccepted { what, .. } => (what == "soft keys").then_some(()),
        _ => None,
    });

    // 10: the phone registers.
    tape.find("the registration", |k| match k {
        Kind::Registered { server, .. } => (server.as_deref() == Some("home-pub")).then_some(()),
        _ => None,
    });
}
