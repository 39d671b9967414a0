use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

use super::*;
use crate::check::answer::Fate;
use crate::check::evidence::{
    Door, FileReply, FileService, Known, Node, Parameters, Side, SignerKey, TvsReply, TvsService,
};
use crate::cluster::{
    CertificateKind, Cluster, ClusterMode, ClusterSettings, ClusterSpec, KeyPool, NodeSpec,
    Release, Service, TrustStore,
};
use crate::phone::flash::CONFIG;
use crate::phone::profile::Profile;
use crate::phone::{BootCause, DeviceIdentity, Flash, Identity, Pace, PhoneSetup};
use crate::time::Time;
use crate::trust::rules::{Key, LscTrustedBy};
use crate::tvs::Found;
use crate::wire::phone_config::SecurityMode;
use crate::wire::{Digest, Strictness, TrustList};

/// 2020-03-01T09:00:00Z, when the lab's certificates are dated.
const DATE: u64 = 1_583_053_200;
const DEVICE: &str = "SEP001122334401";
const OTHER: &str = "SEP001122334402";

/// Two clusters that were looked at, in good order but for the exchange of certificates: each of a
/// publisher and a subscriber that both run everything.
struct World {
    sides: Sides,
    plan: Move,
    subjects: Vec<Subject>,
    /// The destination's signers, by node.
    signers: BTreeMap<String, SignerKey>,
    capf: Arc<crate::cluster::PublicCertificate>,
}

fn cluster(id: &str, release: Release, mode: ClusterMode, third: u8) -> Cluster {
    use Service::{CallManager, Capf, Tftp, Tvs};
    let node = |name: String, publisher: bool, services: &[Service], last: u8| NodeSpec {
        name,
        publisher,
        services: services.iter().copied().collect::<BTreeSet<_>>(),
        address: Ipv4Addr::new(10, 1, third, last),
        tvs_port: 2_445,
    };
    let spec = ClusterSpec {
        id: id.into(),
        release,
        mode,
        callmanager_group: vec![format!("{id}-sub"), format!("{id}-pub")],
        nodes: vec![
            node(
                format!("{id}-pub"),
                true,
                &[CallManager, Tftp, Tvs, Capf],
                1,
            ),
            node(format!("{id}-sub"), false, &[CallManager, Tftp, Tvs], 2),
        ],
        parameters: crate::cluster::Parameters::default(),
    };
    let mut keys = KeyPool::new(u64::from(third));
    let settings = ClusterSettings::default();
    let seed = u64::from(third);
    let mut cluster = Cluster::new(spec, settings, DATE, &mut keys, seed).unwrap();
    for device in [DEVICE, OTHER] {
        cluster.add_phone(device, SecurityMode::NonSecure).unwrap();
    }
    cluster
}

fn side(cluster: &mut Cluster) -> Side {
    let specs: Vec<NodeSpec> = cluster.nodes().cloned().collect();
    let nodes = specs.iter().map(|spec| node(cluster, spec)).collect();
    Side {
        name: cluster.id().to_owned(),
        nodes,
        parameters: Parameters {
            auto_registration: Known::Yes(false),
            prepare_for_rollback: Known::Yes(false),
            cached_files: Known::not_looked_at(),
        },
        failures: Vec::new(),
    }
}

fn node(cluster: &mut Cluster, spec: &NodeSpec) -> Node {
    let served = cluster.published(&spec.name);
    let reply = |bytes: Arc<[u8]>| Known::Yes(FileReply::File(bytes));
    let files = FileService {
        door: Known::Yes(Door::Open),
        concluded: false,
        certificate: None,
        replies: served
            .into_iter()
            .map(|(name, bytes)| (name, reply(bytes)))
            .collect(),
        others: Known::Yes(FileReply::NotFound),
    };
    let kinds = [
        CertificateKind::CallManager,
        CertificateKind::ItlRecovery,
        CertificateKind::Capf,
    ];
    let certificates = kinds.into_iter().filter_map(|kind| {
        let own = cluster.certificate(&spec.name, kind)?;
        Some((kind.to_string(), Arc::clone(&own.public)))
    });
    let certificates = certificates.collect();
    let identity = cluster
        .tvs_identity(&spec.name)
        .map(|(der, _)| der.to_vec());
    let stores = TrustStore::ALL.map(|store| {
        let held = cluster.store(&spec.name, store).unwrap().to_vec();
        (store, Known::Yes(held))
    });
    Node {
        name: spec.name.clone(),
        address: Some(spec.address),
        http: files.clone(),
        tftp: files,
        https: FileService::default(),
        tvs: TvsService {
            port: None,
            door: Known::Yes(Door::Open),
            certificate: Known::Yes(identity.unwrap()),
            replies: BTreeMap::new(),
            others: Known::Yes(TvsReply::Unknown),
            derived: false,
        },
        callmanager: Known::Yes(Door::Open),
        certificates,
        stores: stores.into_iter().collect(),
    }
}

fn subject(device: &str, profile: &str, sides: &Sides) -> Subject {
    let profile = Profile::named(profile).unwrap();
    let home = &sides.sides[0].nodes[0];
    let file = |name: &str| match home.tftp.reply(name) {
        Known::Yes(FileReply::File(bytes)) => Some(Arc::clone(bytes)),
        _ => None,
    };
    let mut flash = Flash::default();
    for name in ["CTLFile.tlv", "ITLFile.tlv"] {
        if let Some(bytes) = file(name) {
            flash.put(name, bytes);
        }
    }
    flash.put(CONFIG, file(&format!("{device}.cnf.xml")).unwrap());
    Subject {
        setup: PhoneSetup {
            identity: Identity {
                device: device.into(),
                model: "CP-8861".into(),
                certificate: None,
            },
            profile,
            settings: profile.settings(),
            pace: Pace::Real,
            clock: DATE,
            clock_ahead: 0,
            option_150: Vec::new(),
            dhcp: None,
            cause: BootCause::Reset,
        },
        before: flash.clone(),
        flash,
        earlier: Vec::new(),
        now: Time::ZERO,
        taken: crate::check::predict::Taken::default(),
    }
}

fn made(release: Release, mode: ClusterMode) -> World {
    let mut src = cluster("src", Release::V11_5_1, mode, 1);
    let mut dst = cluster("dst", release, mode, 2);
    let sides = Sides {
        sides: vec![side(&mut src), side(&mut dst)],
    };
    let plan = Move {
        option_150: sides.sides[1]
            .nodes
            .iter()
            .filter_map(|n| n.address)
            .collect(),
        resets: 3,
    };
    let subjects = [DEVICE, OTHER]
        .map(|device| subject(device, "8800", &sides))
        .to_vec();
    let signer = |node: &Node| match node.tftp.reply("ITLFile.tlv") {
        Known::Yes(FileReply::File(bytes)) => crate::check::places::signer_of(bytes).unwrap(),
        _ => panic!("no ITL"),
    };
    let signers = sides.sides[1]
        .nodes
        .iter()
        .map(|n| (n.name.clone(), signer(n)));
    let signers = signers.collect();
    let capf = src.certificate("src-pub", CertificateKind::Capf).unwrap();
    World {
        plan,
        subjects,
        signers,
        capf: Arc::clone(&capf.public),
        sides,
    }
}

/// Up to 11.5 each TFTP node signs with its own key.
fn world() -> World {
    static MADE: OnceLock<(
        Sides,
        Move,
        BTreeMap<String, SignerKey>,
        Arc<crate::cluster::PublicCertificate>,
    )> = OnceLock::new();
    let (sides, plan, signers, capf) = MADE.get_or_init(|| {
        let w = made(Release::V11_5_1, ClusterMode::NonSecure);
        (w.sides, w.plan, w.signers, w.capf)
    });
    let subjects = [DEVICE, OTHER]
        .map(|device| subject(device, "8800", sides))
        .to_vec();
    World {
        sides: sides.clone(),
        plan: plan.clone(),
        subjects,
        signers: signers.clone(),
        capf: Arc::clone(capf),
    }
}

impl World {
    fn vouch(&mut self, tvs: usize, signer: &str, roles: &[u8]) {
        let key = self.signers[signer].clone();
        let found = Found {
            certificate: vec![0x30],
            roles: roles.to_vec(),
            ttl_secs: 86_400,
        };
        self.src(tvs)
            .tvs
            .replies
            .insert(key, Known::Yes(TvsReply::Found(found)));
    }

    /// Certificates were exchanged, all of them.
    fn exchanged(mut self) -> Self {
        for tvs in 0..2 {
            for signer in self.signers.clone().keys() {
                self.vouch(tvs, signer, &[0, 3]);
            }
        }
        self
    }

    fn src(&mut self, n: usize) -> &mut Node {
        &mut self.sides.sides[0].nodes[n]
    }

    fn dst(&mut self, n: usize) -> &mut Node {
        &mut self.sides.sides[1].nodes[n]
    }

    fn ask(&self) -> Vec<Condition> {
        self.ask_at(DATE)
    }

    fn ask_at(&self, now: u64) -> Vec<Condition> {
        all(&self.sides, &self.plan, &self.subjects, now, &[])
    }

    /// The worst state of a condition, and its texts and fixes.
    fn of(&self, name: &str) -> (State, String) {
        of(&self.ask(), name)
    }
}

fn of(all: &[Condition], name: &str) -> (State, String) {
    let named: Vec<_> = all.iter().filter(|c| c.name == name).collect();
    assert!(!named.is_empty(), "{name} is not among the conditions");
    let rank = |s: State| match s {
        State::Good => 0,
        State::Note => 1,
        State::Unknown => 2,
        State::Bad => 3,
    };
    let state = named
        .iter()
        .map(|c| c.state)
        .max_by_key(|s| rank(*s))
        .unwrap();
    let text = |c: &&Condition| {
        let fix = c.fix.as_deref().unwrap_or("-");
        format!("{:?} {}: {} | {fix}", c.state, c.about, c.text)
    };
    (state, named.iter().map(text).collect::<Vec<_>>().join("\n"))
}

/// Replaces what both transports of a node say of a file.
fn serve(node: &mut Node, name: &str, reply: Known<FileReply>) {
    for service in [&mut node.tftp, &mut node.http] {
        service.replies.insert(name.into(), reply.clone());
    }
}

fn file(bytes: impl Into<Arc<[u8]>>) -> Known<FileReply> {
    Known::Yes(FileReply::File(bytes.into()))
}

fn served(node: &Node, name: &str) -> Arc<[u8]> {
    match node.tftp.reply(name) {
        Known::Yes(FileReply::File(bytes)) => Arc::clone(bytes),
        other => panic!("{name}: {other:?}"),
    }
}

/// The list with another header element, records kept; its signature breaks.
fn changed(bytes: &[u8], change: impl FnOnce(&mut TrustList<Vec<u8>>)) -> Vec<u8> {
    let mut list = TrustList::parse(bytes, &Strictness::default())
        .unwrap()
        .to_owned();
    change(&mut list);
    list.emit().unwrap()
}

#[test]
fn a_world_in_good_order_has_nothing_bad_and_nothing_unknown() {
    let all = world().exchanged().ask();
    let names: Vec<&str> = {
        let mut names: Vec<_> = all.iter().map(|c| c.name).collect();
        names.dedup();
        names
    };
    assert_eq!(names, NAMES);
    for c in &all {
        // Without groups nobody says who needs the source.
        if c.name != "source-stays-up" {
            assert!(matches!(c.state, State::Good | State::Note), "{c:?}");
        }
        let is_clear = c.state == State::Good || c.state == State::Note || c.fix.is_some();
        assert!(is_clear, "{c:?}");
        assert!(["documented", "inferred", "assumed"].contains(&c.basis));
    }
}

type Change = fn(&mut World);

/// What is done to a world in good order, the condition that must tell, its state, and a word of what it
/// must say.
const TABLE: &[(&str, Change, &str, State, &str)] = &[
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
        "rollback parameter not read, lists say it",
        |w| w.sides.sides[0].parameters.prepare_for_rollback = Known::not_looked_at(),
        "rollback-parameter",
        State::Good,
        "not in force",
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
                .set(Key::ListMaxBytes, 4_096, Basis::Documented)
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
        "if there are any",
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

fn sign_with(w: &mut World, digest: Digest) {
    for n in 0..2 {
        let bytes = served(w.dst(n), "ITLFile.tlv");
        let list = changed(&bytes, |list| set_digest(list, digest));
        serve(w.dst(n), "ITLFile.tlv", file(list));
    }
}

fn set_digest(list: &mut TrustList<Vec<u8>>, digest: Digest) {
    use crate::wire::element::{Body, Element};
    fn set(elements: &mut [Element<Vec<u8>>], code: u8) {
        for e in elements {
            match &mut e.body {
                Body::Value(value)
                    if e.tag == crate::wire::element::header_tag::DIGEST_ALGORITHM =>
                {
                    *value = vec![code];
                }
                Body::Elements(inner) => set(inner, code),
                _ => {}
            }
        }
    }
    set(&mut list.header.elements, digest.code());
}

impl World {
    /// Each node before 14 has its own.
    fn capfs(&self) -> Vec<Arc<crate::cluster::PublicCertificate>> {
        let own = self.sides.sides[0]
            .nodes
            .iter()
            .flat_map(|n| &n.certificates);
        let capf = own.filter(|(kind, _)| kind == "CAPF");
        capf.map(|(_, c)| Arc::clone(c)).collect()
    }

    /// The phone has an LSC of the source: any certificate that names its CAPF as issuer, so here the
    /// CAPF's own.
    fn give_lsc(&mut self) {
        self.subjects[0].setup.identity.certificate = Some(DeviceIdentity {
            kind: "LSC",
            certificate: self.capf.der.as_slice().into(),
            key: Arc::default(),
        });
    }
}

#[test]
fn each_condition_tells_of_its_own_trouble() {
    let mut wrong = Vec::new();
    for (what, change, name, state, word) in TABLE {
        let mut world = world().exchanged();
        change(&mut world);
        let (found, text) = world.of(name);
        if found != *state || !text.contains(word) {
            wrong.push(format!(
                "{what}: expected {state:?} with {word:?}, found {found:?}\n{text}"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
}

#[test]
fn every_condition_has_a_bad_or_unknown_case() {
    for name in NAMES {
        // These two depend on dates and fates and have tests of their own; names are a remark at most.
        if ["certificate-dates", "source-stays-up", "dns-names"].contains(name) {
            continue;
        }
        let has = TABLE
            .iter()
            .any(|(_, _, n, state, _)| n == name && matches!(state, State::Bad | State::Unknown));
        assert!(has, "{name}");
    }
}

#[test]
fn what_nobody_read_is_never_good() {
    let empty = World {
        sides: Sides {
            sides: vec![Side::default(), Side::default()],
        },
        plan: Move {
            option_150: vec![Ipv4Addr::new(10, 1, 2, 1)],
            resets: 1,
        },
        subjects: Vec::new(),
        ..world()
    };
    for c in empty.ask() {
        assert_eq!(c.state, State::Unknown, "{c:?}");
        assert!(c.fix.is_some(), "{c:?}");
    }
    // A node of which only the name is known.
    let mut blind = world();
    for side in &mut blind.sides.sides {
        for node in &mut side.nodes {
            *node = Node {
                name: node.name.clone(),
                address: node.address,
                ..Node::default()
            };
        }
        side.parameters = Parameters::default();
    }
    for c in blind.ask() {
        let of_phones = [
            "phones-lists",
            "certificate-dates",
            "dns-names",
            "lsc-issuer",
        ];
        if !of_phones.contains(&c.name) {
            assert!(matches!(c.state, State::Unknown | State::Note), "{c:?}");
            assert!(
                c.state == State::Unknown || c.name == "nodes-reachable",
                "{c:?}"
            );
        }
    }
}

#[test]
fn dates_are_looked_at_before_they_end() {
    let world = world().exchanged();
    let certificates = world.sides.nodes().flat_map(|(_, n)| &n.certificates);
    let end = certificates.map(|(_, c)| c.not_after).min().unwrap();
    let at = |now| of(&world.ask_at(now), "certificate-dates");
    assert_eq!(at(DATE).0, State::Good);
    let (soon, text) = at(end - 20 * 86_400);
    assert_eq!(soon, State::Note, "{text}");
    assert!(text.contains("within 30 days"), "{text}");
    let (over, text) = at(end + 20 * 86_400);
    assert_eq!(over, State::Bad, "{text}");
    assert!(text.contains("phone.ignores_expiry"), "{text}");
    assert!(text.contains("expired on 2025-"), "{text}");
    let (early, text) = at(0);
    assert_eq!(early, State::Bad, "{text}");
    assert!(text.contains("clocks"), "{text}");
    // Far dates do not overflow.
    assert_eq!(at(u64::MAX).0, State::Bad);
}

#[test]
fn in_mixed_mode_the_new_ctl_speaks_for_the_itl() {
    let mut world = made(Release::V12_5, ClusterMode::Mixed);
    for tvs in 0..2 {
        world.vouch(tvs, "dst-pub", &[0]);
    }
    let (state, text) = world.of("signers-known-to-tvs");
    assert_eq!(state, State::Good, "{text}");
    // One ITLRecovery signs all: one line.
    assert_eq!(text.lines().count(), 1, "{text}");
    assert!(text.contains("ITLRecovery of dst-pub"), "{text}");
    let (state, text) = world.of("rollback-parameter");
    assert_eq!(state, State::Good, "{text}");
    world.sides.sides[0].parameters.prepare_for_rollback = Known::Yes(true);
    let (state, text) = world.of("rollback-parameter");
    assert_eq!(state, State::Bad, "{text}");
    assert!(text.contains("phones hold a CTL"), "{text}");
}

#[test]
fn hosts_that_are_names_are_told() {
    let (state, text) = world().of("dns-names");
    assert_eq!(state, State::Note, "{text}");
    assert!(text.contains("dst-pub and dst-sub"), "{text}");
    let mut world = world();
    for subject in &mut world.subjects {
        subject.flash = Flash::default();
    }
    let (state, text) = world.of("dns-names");
    assert_eq!(state, State::Unknown, "{text}");
}

#[test]
fn the_source_stays_up_for_those_who_need_it() {
    let group = |fate| Group {
        phones: vec![DEVICE.into(), OTHER.into()],
        models: Vec::new(),
        fate,
        resets: 1,
        reasons: Vec::new(),
        signer: None,
        missing: None,
        rests_on: None,
        fix: None,
        back: None,
        status: Vec::new(),
    };
    let state = |fates: &[Fate]| {
        let groups: Vec<_> = fates.iter().map(|f| group(*f)).collect();
        phones::source_stays_up("src", &groups)
    };
    assert_eq!(state(&[Fate::FollowsDirectly]).state, State::Good);
    let through = state(&[Fate::FollowsDirectly, Fate::FollowsThroughTvs]);
    assert_eq!(through.state, State::Note);
    assert!(
        through.text.contains("2 phones follow through its TVS"),
        "{}",
        through.text
    );
    assert_eq!(state(&[Fate::Stranded]).state, State::Note);
    assert_eq!(
        state(&[Fate::FollowsDirectly, Fate::Unknown]).state,
        State::Unknown
    );
    assert_eq!(state(&[]).state, State::Unknown);
}
