//! What can be wrong, and the condition that must tell.

use super::super::*;
use super::world::*;
use crate::check::evidence::{Door, FileReply, Known};
use crate::cluster::TrustStore;
use crate::phone::Flash;
use crate::phone::profile::Profile;
use crate::trust::rules::{Key, LscTrustedBy};
use crate::wire::Digest;
use std::net::Ipv4Addr;
use std::sync::Arc;

pub(super) type Change = fn(&mut World);

/// What is done to a world in good order, the condition that must tell, its state, and a word of what it
/// must say.
pub(super) const TABLE: &[(&str, Change, &str, State, &str)] = &[
    (
        "TVS of one node is stopped",
        |w| w.src(1).tvs.door = Known::Yes(Door::Refused),
        "nodes-reachable",
        State::Bad,
        "TVS refuses",
    ),
    (
        "TVS of one node was not looked at",
        |w| w.src(1).tvs.door = Known::not_looked_at(),
        "nodes-reachable",
        State::Unknown,
        "nobody looked",
    ),
    (
        "CallManager is silent",
        |w| w.dst(1).callmanager = Known::Yes(Door::Silent),
        "nodes-reachable",
        State::Bad,
        "CallManager does not answer",
    ),
    (
        "a port at which phones register is closed",
        |w| {
            let node = w.dst(0);
            node.callmanager_ports = [
                (5_060, Known::Yes(Door::Refused)),
                (5_061, Known::Yes(Door::Open)),
            ]
            .into();
        },
        "nodes-reachable",
        State::Bad,
        "closed at TCP 5060, where phones register | start Cisco CallManager, and open TCP 5060",
    ),
    (
        "nobody knocked at a port at which phones register",
        |w| w.dst(0).callmanager_ports = [(5_061, Known::Yes(Door::Open))].into(),
        "nodes-reachable",
        State::Unknown,
        "nobody knocked at TCP port 5060",
    ),
    (
        "a port that phones do not need is closed",
        |w| {
            let node = w.dst(0);
            node.callmanager_ports = [
                (5_060, Known::Yes(Door::Open)),
                (5_061, Known::Yes(Door::Refused)),
            ]
            .into();
        },
        "nodes-reachable",
        State::Good,
        "CallManager answers",
    ),
    (
        "CallManager of the destination is closed, and no configuration of it was read",
        |w| {
            for n in 0..2 {
                let node = w.dst(n);
                node.callmanager = Known::Yes(Door::Refused);
                for s in [&mut node.tftp, &mut node.http] {
                    s.replies.retain(|name, _| !name.contains(".cnf.xml"));
                }
            }
        },
        "nodes-reachable",
        State::Unknown,
        "no configuration was read that says",
    ),
    (
        "TVS of the destination is not needed",
        |w| w.dst(1).tvs.door = Known::Yes(Door::Refused),
        "nodes-reachable",
        State::Note,
        "does not need it",
    ),
    (
        "HTTP is not needed",
        |w| w.dst(1).http.door = Known::Yes(Door::Refused),
        "nodes-reachable",
        State::Note,
        "does not need it",
    ),
    (
        "no node at all",
        |w| w.sides.sides.clear(),
        "nodes-reachable",
        State::Unknown,
        "no node",
    ),
    (
        "first entry does not answer",
        |w| w.dst(0).tftp.door = Known::Yes(Door::Silent),
        "option-150",
        State::Bad,
        "asks the next entry",
    ),
    (
        "entry is a stranger",
        |w| w.plan.option_150.push(Ipv4Addr::new(192, 0, 2, 1)),
        "option-150",
        State::Unknown,
        "192.0.2.1",
    ),
    (
        "entry of the old cluster",
        |w| {
            let own = w.src(0).address.unwrap();
            w.plan.option_150.insert(0, own);
        },
        "option-150",
        State::Bad,
        "belongs to src",
    ),
    (
        "no entry",
        |w| w.plan.option_150.clear(),
        "option-150",
        State::Bad,
        "no server",
    ),
    (
        "a third entry",
        |w| {
            let own = w.dst(0).address.unwrap();
            w.plan.option_150.push(own);
        },
        "option-150",
        State::Note,
        "dhcp.max_servers",
    ),
    (
        "entry without ITL",
        |w| serve(w.dst(1), "ITLFile.tlv", Known::Yes(FileReply::NotFound)),
        "option-150",
        State::Bad,
        "has no ITL",
    ),
    (
        "entry with a web page",
        |w| serve(w.dst(1), "ITLFile.tlv", file(*b"<html>")),
        "option-150",
        State::Bad,
        "no list",
    ),
    (
        "a phone without lists",
        |w| w.subjects[1].flash = Flash::default(),
        "phones-lists",
        State::Note,
        "takes the first one",
    ),
    (
        "no phone",
        |w| w.subjects.clear(),
        "phones-lists",
        State::Unknown,
        "not known",
    ),
    (
        "a phone with a damaged list",
        |w| {
            let mut bytes = served(w.src(0), "ITLFile.tlv").to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            w.subjects[1].flash.put("ITLFile.tlv", bytes.into());
        },
        "phones-lists",
        State::Bad,
        "SEP001122334402",
    ),
    (
        "a phone with garbage",
        |w| w.subjects[1].flash.put("ITLFile.tlv", (*b"garbage").into()),
        "phones-lists",
        State::Bad,
        "is no trust list",
    ),
    (
        "a phone with a list of other days",
        |w| {
            let other = served(w.dst(0), "ITLFile.tlv");
            w.subjects[1].flash.put("ITLFile.tlv", other);
        },
        "phones-lists",
        State::Note,
        "any more",
    ),
    (
        "TVS shows another certificate",
        |w| {
            let other = w.dst(0).tvs.certificate.clone();
            w.src(0).tvs.certificate = other;
        },
        "tvs-certificates",
        State::Bad,
        "hang up",
    ),
    (
        "TVS's certificate was not read",
        |w| w.src(0).tvs.certificate = Known::No("TLS 1.0 only".into()),
        "tvs-certificates",
        State::Unknown,
        "TLS 1.0 only",
    ),
    (
        "TVS is a stranger",
        |w| w.src(1).name = "elsewhere".into(),
        "tvs-certificates",
        State::Unknown,
        "none of the nodes",
    ),
    (
        "rollback parameter is on",
        |w| w.sides.sides[0].parameters.prepare_for_rollback = Known::Yes(true),
        "rollback-parameter",
        State::Bad,
        "without the empty ITL",
    ),
    (
        "rollback parameter is off, and a list that would show it was not read",
        |w| {
            w.sides.sides[0].parameters.prepare_for_rollback = Known::Yes(false);
            serve(w.src(1), "ITLFile.tlv", Known::No("timed out".into()));
        },
        "rollback-parameter",
        State::Unknown,
        "whether src-sub still serve",
    ),
    (
        "rollback parameter not read, lists say it",
        |w| w.sides.sides[0].parameters.prepare_for_rollback = Known::not_looked_at(),
        "rollback-parameter",
        State::Note,
        "it was not read; the ITL of src-pub and src-sub holds",
    ),
    (
        "rollback parameter not read, an empty list shows it",
        |w| blank(w, &[0, 1]),
        "rollback-parameter",
        State::Bad,
        "it was not read, and the empty ITL of src-pub and src-sub shows it as True, and",
    ),
    (
        "rollback parameter not read, one list is empty and one is full",
        |w| blank(w, &[1]),
        "rollback-parameter",
        State::Bad,
        "it was not read, and the empty ITL of src-sub shows it as True, but src-pub serve a full",
    ),
    (
        "one list of several was not read: dates",
        |w| serve(w.dst(1), "ITLFile.tlv", Known::No("timed out".into())),
        "certificate-dates",
        State::Unknown,
        "not read: ITL of dst-sub",
    ),
    (
        "the certificate of one TVS was not read: dates",
        |w| w.src(1).tvs.certificate = Known::not_looked_at(),
        "certificate-dates",
        State::Unknown,
        "not read: TVS of src-sub",
    ),
    (
        "one list of several was not read: digests",
        |w| serve(w.dst(1), "ITLFile.tlv", Known::No("timed out".into())),
        "digests",
        State::Unknown,
        "not read: ITL of dst-sub",
    ),
    (
        "one list of several was not read: signers",
        |w| serve(w.dst(1), "ITLFile.tlv", Known::No("timed out".into())),
        "signers-known-to-tvs",
        State::Unknown,
        "not read: ITL of dst-sub",
    ),
    (
        "configurations of one node were not read: signers",
        |w| {
            let node = w.dst(1);
            for s in [&mut node.tftp, &mut node.http] {
                s.replies.retain(|name, _| !name.contains(".cnf.xml"));
            }
        },
        "configuration-signers",
        State::Unknown,
        "no signed configuration of dst-sub was read",
    ),
    (
        "one list of several was not read: sizes",
        |w| serve(w.dst(1), "ITLFile.tlv", Known::No("timed out".into())),
        "list-sizes",
        State::Unknown,
        "not read: ITL of dst-sub",
    ),
    (
        "configurations of one node of several were not read",
        |w| {
            let node = w.dst(1);
            for s in [&mut node.tftp, &mut node.http] {
                s.replies.retain(|name, _| !name.contains(".cnf.xml"));
            }
        },
        "centralized-tftp",
        State::Unknown,
        "no configuration of dst-sub was read",
    ),
    (
        "a TVS that phones ask was not looked at",
        |w| w.src(1).name = "elsewhere".into(),
        "signers-known-to-tvs",
        State::Unknown,
        "what TVS of src-sub says is not known (it is none of the nodes",
    ),
    (
        "rollback parameter not read, nor lists",
        |w| {
            w.sides.sides[0].parameters.prepare_for_rollback = Known::not_looked_at();
            for n in 0..2 {
                serve(w.src(n), "ITLFile.tlv", Known::not_looked_at());
            }
        },
        "rollback-parameter",
        State::Unknown,
        "Enterprise Parameters",
    ),
    (
        "a list of the destination is damaged",
        |w| {
            let mut bytes = served(w.dst(1), "ITLFile.tlv").to_vec();
            *bytes.last_mut().unwrap() ^= 1;
            serve(w.dst(1), "ITLFile.tlv", file(bytes));
        },
        "destination-lists",
        State::Bad,
        "ITL of dst-sub",
    ),
    (
        "a list of the destination was not read",
        |w| serve(w.dst(1), "ITLFile.tlv", Known::No("timed out".into())),
        "destination-lists",
        State::Unknown,
        "timed out",
    ),
    (
        "HTTP is overloaded and TFTP dead: there may be a CTL",
        overloaded,
        "destination-lists",
        State::Unknown,
        "HTTP said 503, which says nothing of the file, and TFTP did not tell (timed out)",
    ),
    (
        "HTTP is overloaded and TFTP dead: there may be an ITL",
        overloaded,
        "option-150",
        State::Unknown,
        "HTTP said 503",
    ),
    (
        "HTTP is overloaded and TFTP dead: there may be phones",
        overloaded,
        "phones-at-destination",
        State::Unknown,
        "HTTP said 503",
    ),
    (
        "HTTP says 503 of a CTL, and TFTP that there is none",
        |w| {
            for n in 0..2 {
                let status = Known::Yes(FileReply::Status(503));
                w.dst(n).http.replies.insert("CTLFile.tlv".into(), status);
            }
        },
        "destination-lists",
        State::Good,
        "CTL of dst-pub: there is none",
    ),
    (
        "two lists of one node",
        |w| {
            let other = served(w.dst(0), "ITLFile.tlv");
            serve(w.dst(1), "ITLSEP001122334401.tlv", file(other));
        },
        "destination-lists",
        State::Note,
        "another one",
    ),
    (
        "the subscriber's signer was not imported",
        |w| {
            let key = w.signers["dst-sub"].clone();
            for n in 0..2 {
                w.src(n).tvs.replies.remove(&key);
            }
        },
        "signers-known-to-tvs",
        State::Bad,
        "only some certificates",
    ),
    (
        "one TVS does not know it",
        |w| {
            let key = w.signers["dst-pub"].clone();
            w.src(1).tvs.replies.remove(&key);
        },
        "signers-known-to-tvs",
        State::Bad,
        "TVS of src-pub knows it; TVS of src-sub does not",
    ),
    (
        "TVS was not restarted",
        |w| {
            let key = w.signers["dst-pub"].clone();
            let own = w.dst(0).certificates.clone();
            let stored = own.into_iter().map(|(_, c)| c).collect::<Vec<_>>();
            let node = w.src(1);
            node.tvs.replies.remove(&key);
            node.stores
                .insert(TrustStore::PhoneSast, Known::Yes(stored));
        },
        "signers-known-to-tvs",
        State::Bad,
        "restart TVS on src-sub: Phone-SAST-trust there holds",
    ),
    (
        "a TVS knows it without the role",
        |w| w.vouch(1, "dst-pub", &[3]),
        "signers-known-to-tvs",
        State::Bad,
        "without the role SAST",
    ),
    (
        "a TVS was not asked",
        |w| {
            let key = w.signers["dst-pub"].clone();
            w.src(1)
                .tvs
                .replies
                .insert(key, Known::No("unreachable".into()));
        },
        "signers-known-to-tvs",
        State::Unknown,
        "unreachable",
    ),
    (
        "whether any TVS runs is not known",
        |w| {
            for n in 0..2 {
                w.src(n).tvs.door = Known::not_looked_at();
            }
        },
        "signers-known-to-tvs",
        State::Unknown,
        "runs is not known",
    ),
    (
        "a node that option 150 does not name",
        |w| {
            w.plan.option_150.pop();
            let key = w.signers["dst-sub"].clone();
            for n in 0..2 {
                w.src(n).tvs.replies.remove(&key);
            }
        },
        "signers-known-to-tvs",
        State::Note,
        "does not name dst-sub",
    ),
    (
        "the phones hold the destination's list",
        |w| {
            let lists = served(w.dst(0), "ITLFile.tlv");
            for s in &mut w.subjects {
                s.flash.put("ITLFile.tlv", Arc::clone(&lists));
            }
            let key = w.signers["dst-pub"].clone();
            for n in 0..2 {
                w.src(n).tvs.replies.remove(&key);
            }
        },
        "signers-known-to-tvs",
        State::Good,
        "no TVS is asked",
    ),
    (
        "configurations of another signer",
        |w| {
            let other = served(w.src(0), "SEP001122334401.cnf.xml.sgn");
            serve(w.dst(0), "SEP001122334401.cnf.xml.sgn", file(other));
        },
        "configuration-signers",
        State::Bad,
        "refuse the configuration",
    ),
    (
        "no configuration was read",
        |w| {
            for n in 0..2 {
                let node = w.dst(n);
                for s in [&mut node.tftp, &mut node.http] {
                    s.replies.retain(|name, _| !name.contains(".cnf.xml"));
                }
            }
        },
        "configuration-signers",
        State::Unknown,
        "no signed configuration",
    ),
    (
        "SHA-256 in a list",
        |w| sign_with(w, Digest::Sha256),
        "digests",
        State::Bad,
        "SHA-256",
    ),
    (
        "SHA-512 and 8800 phones",
        |w| sign_with(w, Digest::Sha512),
        "digests",
        State::Good,
        "SHA-512",
    ),
    (
        "SHA-1 and a phone of an unknown model",
        |w| {
            sign_with(w, Digest::Sha1);
            w.subjects[0].taken.model = true;
        },
        "digests",
        State::Good,
        "SHA-1, which this firmware knows",
    ),
    (
        "SHA-512 and 7900 phones",
        |w| {
            sign_with(w, Digest::Sha512);
            w.subjects[0].setup.settings = Profile::named("7900").unwrap().settings();
            w.subjects[0].setup.profile = Profile::named("7900").unwrap();
        },
        "digests",
        State::Note,
        "no source says",
    ),
    (
        "a list over the limit",
        |w| {
            w.subjects[0]
                .setup
                .settings
                .set(Key::ListMaxBytes, 4_096, Basis::Documented);
        },
        "list-sizes",
        State::Bad,
        "at most 4096",
    ),
    (
        "a list near the limit",
        |w| {
            let size = served(w.dst(0), "ITLFile.tlv").len() as i64;
            w.subjects[0]
                .setup
                .settings
                .set(Key::ListMaxBytes, size + 10, Basis::Documented);
        },
        "list-sizes",
        State::Note,
        "near",
    ),
    (
        "a phone that B does not know",
        |w| {
            for n in 0..2 {
                let node = w.dst(n);
                for s in [&mut node.tftp, &mut node.http] {
                    s.replies.retain(|name, _| !name.starts_with(OTHER));
                }
            }
        },
        "phones-at-destination",
        State::Bad,
        "SEP001122334402",
    ),
    (
        "with auto-registration",
        |w| {
            w.sides.sides[1].parameters.auto_registration = Known::Yes(true);
            for n in 0..2 {
                let node = w.dst(n);
                for s in [&mut node.tftp, &mut node.http] {
                    s.replies.retain(|name, _| !name.starts_with(OTHER));
                }
            }
        },
        "phones-at-destination",
        State::Note,
        "new numbers",
    ),
    (
        "nobody looked whether B knows it",
        |w| {
            for n in 0..2 {
                let node = w.dst(n);
                for s in [&mut node.tftp, &mut node.http] {
                    s.replies.retain(|name, _| !name.starts_with(OTHER));
                    s.others = Known::not_looked_at();
                }
            }
        },
        "phones-at-destination",
        State::Unknown,
        "ConfigFileCacheList",
    ),
    (
        "nobody has an LSC for sure",
        |_| {},
        "lsc-issuer",
        State::Note,
        "if any register over TLS",
    ),
    (
        "a phone has an LSC",
        |w| w.give_lsc(),
        "lsc-issuer",
        State::Bad,
        "SEP001122334401",
    ),
    (
        "and its CAPF is trusted",
        |w| {
            w.give_lsc();
            let capf = w.capfs();
            for n in 0..2 {
                w.dst(n)
                    .stores
                    .insert(TrustStore::CallManager, Known::Yes(capf.clone()));
            }
        },
        "lsc-issuer",
        State::Note,
        "in one of CAPF-trust and CallManager-trust alone",
    ),
    (
        "and in both stores",
        |w| {
            w.give_lsc();
            let capf = w.capfs();
            for n in 0..2 {
                for store in [TrustStore::CallManager, TrustStore::Capf] {
                    w.dst(n).stores.insert(store, Known::Yes(capf.clone()));
                }
            }
        },
        "lsc-issuer",
        State::Good,
        "each CallManager",
    ),
    (
        "and in a store that is taken not to count",
        |w| {
            w.give_lsc();
            let capf = w.capfs();
            let rule = LscTrustedBy::CapfTrust as i64;
            let settings = &mut w.subjects[0].setup.settings;
            settings.set(Key::LscTrustedBy, rule, Basis::Assumed);
            for n in 0..2 {
                w.dst(n)
                    .stores
                    .insert(TrustStore::CallManager, Known::Yes(capf.clone()));
            }
        },
        "lsc-issuer",
        State::Bad,
        "not in CAPF-trust of dst-pub and dst-sub",
    ),
    (
        "and on one node only",
        |w| {
            w.give_lsc();
            let capf = Arc::clone(&w.capf);
            w.dst(0)
                .stores
                .insert(TrustStore::Capf, Known::Yes(vec![capf]));
        },
        "lsc-issuer",
        State::Bad,
        "CAPF-trust or CallManager-trust of dst-sub: SEP001122334401 would be refused",
    ),
    (
        "and no store was read",
        |w| {
            w.give_lsc();
            for n in 0..2 {
                w.dst(n).stores.clear();
            }
        },
        "lsc-issuer",
        State::Unknown,
        "were not read",
    ),
    (
        "a central TFTP",
        |w| {
            let other = served(w.src(0), "SEP001122334401.cnf.xml");
            serve(w.dst(0), "SEP001122334409.cnf.xml", file(other));
        },
        "centralized-tftp",
        State::Note,
        "central TFTP",
    ),
    (
        "a list of the other cluster",
        |w| {
            let other = served(w.src(0), "ITLFile.tlv");
            serve(w.dst(0), "ITLFile.tlv", file(other));
        },
        "centralized-tftp",
        State::Bad,
        "not by its own cluster",
    ),
    (
        "no TVS ever vouched",
        |w| {
            for n in 0..2 {
                w.src(n).tvs.replies.clear();
            }
        },
        "stale-tvs-answers",
        State::Unknown,
        "24 hours",
    ),
    (
        "answers are kept for a day",
        |_| {},
        "stale-tvs-answers",
        State::Note,
        "up to 24 h",
    ),
];
