//! Files: strangers, rubbish, silence, nothing at all.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::time::Duration;

use trustline::cluster::Parameter;
use trustline::event::Kind;
use trustline::phone::Flash;
use trustline::phone::Output;
use trustline::phone::flash::CONFIG;
use trustline::rng::Rng;
use trustline::time::Time;
use trustline::wire::tftp::Packet;

use crate::bench::{Before, ITL, Input, data_packet, datagram, lock};

#[test]
fn an_honest_bench_migrates_the_phone() {
    for name in ["non-secure-migration", "secure-migration"] {
        let before = Before::of(name);
        let mut bench = before.boot();
        bench.run(&mut |_, _| {});
        assert_ne!(bench.flash.get(ITL), before.old.get(ITL));
        assert_eq!(bench.asked_tvs(), 1);
        assert!(bench.shows("Trust List updated"));
        assert_eq!(
            bench.requested(),
            [
                "CTLSEP001122334401.tlv",
                "ITLSEP001122334401.tlv",
                "SEP001122334401.cnf.xml.sgn"
            ]
        );
    }
}

/// Files come from whoever answers first, and then from nobody else.
#[test]
fn strangers_are_not_listened_to() {
    let before = Before::of("secure-migration");
    let new = before.new_flash();
    let stranger: SocketAddr = (Ipv4Addr::new(203, 0, 113, 7), 40_000).into();
    let mut other_port = 50_000;
    let mut bench = before.boot();
    bench.run(&mut |output, replies| {
        let Output::Datagram {
            transfer,
            to,
            payload,
        } = output
        else {
            return;
        };
        // A stranger is told that its port is unknown; to that it does not answer.
        if payload[1] == 5 {
            return;
        }
        let is_request = payload[1] == 1;
        for bytes in [
            &data_packet(1, b"mine")[..],
            b"\0\x05\0\x01gone\0",
            b"",
            b"\xff",
        ] {
            let input = |from| Input::Datagram {
                transfer: *transfer,
                from,
                bytes: bytes.to_vec(),
            };
            replies.insert(0, input(stranger));
            // A second port of the right host counts as a stranger once the first has answered.
            other_port += 1;
            if !is_request {
                replies.insert(0, input(SocketAddr::new(to.ip(), other_port)));
            }
            let unknown = Input::Datagram {
                transfer: transfer.wrapping_add(1_000),
                from: *to,
                bytes: bytes.to_vec(),
            };
            replies.insert(0, unknown);
        }
    });
    bench.assert_migrated(&new, "strangers");
}

#[test]
fn rubbish_instead_of_every_file_installs_nothing() {
    let before = Before::of("secure-migration");
    for seed in 0..50 {
        let mut rng = Rng::new(seed);
        let mut bench = before.boot();
        bench.run(&mut |_, replies| {
            for reply in replies.iter_mut() {
                let Input::Datagram { bytes, .. } = reply else {
                    continue;
                };
                let kept = rng.below(5) as usize;
                let header = bytes[..kept.min(bytes.len())].to_vec();
                bytes.resize(rng.below(520) as usize, 0);
                rng.fill(bytes);
                let n = header.len().min(bytes.len());
                bytes[..n].copy_from_slice(&header[..n]);
            }
        });
        bench.assert_untouched(&before, &format!("seed {seed}"));
        assert!(bench.shows("Trust List update failed"), "seed {seed}");
    }
}

#[test]
fn a_file_that_never_ends_is_given_up() {
    let before = Before::of("non-secure-migration");
    let mut bench = before.boot();
    bench.run(&mut |output, replies| {
        if let Output::Datagram {
            transfer,
            to,
            payload,
        } = output
        {
            let block = match Packet::parse(payload).unwrap() {
                Packet::ReadRequest(_) => 1,
                Packet::Ack { block } => block.wrapping_add(1),
                // The phone says why it gives up; nobody answers that.
                _ => {
                    replies.clear();
                    return;
                }
            };
            *replies = vec![datagram(*transfer, *to, &data_packet(block, &[0x41; 512]))];
        }
    });
    bench.assert_untouched(&before, "endless");
    let too_large = |k: &Kind| match k {
        Kind::DownloadFailed { text, .. } => text.contains("at most 2097152"),
        _ => false,
    };
    assert!(bench.count(too_large) > 0);
}

#[test]
fn empty_files_install_nothing() {
    let before = Before::of("secure-migration");
    let empty = |output: &Output, replies: &mut Vec<Input>| {
        if let Output::Datagram {
            transfer,
            to,
            payload,
        } = output
        {
            let is_request = payload[1] == 1;
            replies.clear();
            replies.extend(is_request.then(|| datagram(*transfer, *to, &data_packet(1, b""))));
        }
    };
    let mut bench = before.boot();
    bench.run(&mut |o, r| empty(o, r));
    bench.assert_untouched(&before, "empty files");
    assert_eq!(bench.asked_tvs(), 0);
    assert!(bench.shows("Trust List update failed"));

    // A phone without lists is none the wiser, and asks for the plain configuration.
    let mut bench = before.boot_from(Flash::default());
    bench.run(&mut |o, r| empty(o, r));
    assert!(bench.shows("No Trust List installed"));
    assert_eq!(bench.requested().last(), Some(&"SEP001122334401.cnf.xml"));
    assert!(bench.flash.get(ITL).is_none() && bench.flash.get(CONFIG).is_none());
}

#[test]
fn without_option_150_nothing_is_asked_and_the_old_group_is_tried() {
    let mut before = Before::of("secure-migration");
    before.setup.option_150.clear();
    let mut bench = before.boot();
    let mut datagrams = 0;
    bench.run(&mut |output, _| {
        datagrams += usize::from(matches!(output, Output::Datagram { .. }));
    });
    assert_eq!(datagrams, 0);
    bench.assert_untouched(&before, "no option 150");
    let home = |k: &Kind| matches!(k, Kind::Registered { server: Some(server), .. } if server == "src-pub");
    assert_eq!(bench.count(home), 1);

    // With nothing in flash there is nowhere to go, and that is an end too.
    let mut bench = before.boot_from(Flash::default());
    bench.run(&mut |_, _| {});
    assert_eq!(
        bench.count(|k| matches!(k, Kind::Registered { server: None, .. })),
        1
    );
}

#[test]
fn a_silent_first_server_is_left_for_the_second() {
    let mut before = Before::of("non-secure-migration");
    let new = before.new_flash();
    let silent = Ipv4Addr::new(203, 0, 113, 9);
    before.setup.option_150.insert(0, silent);
    let mut bench = before.boot();
    bench.run(&mut |_, _| {});
    bench.assert_migrated(&new, "second server");
    // Only the first file waits for it: 0.5, 1, 2, 4, 8 and 8 s.
    let waited = bench.now.since(Time::ZERO);
    assert!(waited >= Duration::from_millis(23_500) && waited < Duration::from_secs(26));
    let of_silent = |k: &Kind| match k {
        Kind::Requested { server, .. } => *server == silent.to_string(),
        _ => false,
    };
    assert_eq!(bench.count(of_silent), 1);
    let again = |k: &Kind| matches!(k, Kind::Retransmitted { .. });
    assert_eq!(bench.count(again), 5);
}

/// A phone in nobody's database, without a list that asks for signed files, takes the default
/// configuration, and registers where auto-registration lets it.
#[test]
fn the_default_configuration_is_the_last_resort() {
    let before = Before::of("non-secure-migration");
    {
        let mut lab = lock(&before.lab);
        let cluster = lab.cluster_mut(1).unwrap();
        cluster.remove_phone("SEP001122334401");
        let enabled = Parameter::AutoRegistration(true);
        cluster.set_parameter(enabled, 1_583_053_200).unwrap();
    }
    let mut bench = before.boot_from(Flash::default());
    bench.run(&mut |output, replies| {
        // A TFTP server without trust lists.
        if let Output::Datagram {
            transfer,
            to,
            payload,
        } = output
            && let Packet::ReadRequest(request) = Packet::parse(payload).unwrap()
            && request.file.ends_with(b".tlv")
        {
            *replies = vec![datagram(*transfer, *to, b"\0\x05\0\x01File not found\0")];
        }
    });
    assert_eq!(
        bench.requested(),
        [
            "CTLSEP001122334401.tlv",
            "ITLSEP001122334401.tlv",
            "ITLFile.tlv",
            "SEP001122334401.cnf.xml",
            "XMLDefault.cnf.xml"
        ]
    );
    assert!(bench.shows("No Trust List installed"));
    let registered = |k: &Kind| matches!(k, Kind::Registered { server: Some(server), .. } if server == "dst-pub");
    assert_eq!(bench.count(registered), 1);
}
