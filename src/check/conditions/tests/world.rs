//! Two clusters of the lab as whoever looked at them found them.

use super::super::*;
use crate::check::evidence::{
    Door, FileReply, FileService, Known, Node, Parameters, Side, SignerKey, TvsReply, TvsService,
};
use crate::check::predict::Subject;
use crate::check::rehearsal::Gap;
use crate::cluster::{
    CertificateKind, Cluster, ClusterMode, ClusterSettings, ClusterSpec, KeyPool, NodeSpec,
    PublicCertificate, Release, Service, TrustStore,
};
use crate::phone::flash::CONFIG;
use crate::phone::profile::Profile;
use crate::phone::{BootCause, DeviceIdentity, Flash, Identity, Pace, PhoneSetup};
use crate::time::Time;
use crate::tvs::Found;
use crate::wire::phone_config::SecurityMode;
use crate::wire::{Digest, Strictness, TrustList};
use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::{Arc, OnceLock};

/// 2020-03-01T09:00:00Z, when the lab's certificates are dated.
pub(super) const DATE: u64 = 1_583_053_200;
pub(super) const DEVICE: &str = "SEP001122334401";
pub(super) const OTHER: &str = "SEP001122334402";

/// Two clusters that were looked at, in good order but for the exchange of certificates: each of a
/// publisher and a subscriber that both run everything.
pub(super) struct World {
    pub(super) sides: Sides,
    pub(super) plan: Move,
    pub(super) subjects: Vec<Subject>,
    /// Phones of which nobody knows what they hold.
    pub(super) unread: Vec<&'static str>,
    /// The destination's signers, by node.
    pub(super) signers: BTreeMap<String, SignerKey>,
    pub(super) capf: Arc<PublicCertificate>,
}

pub(super) fn cluster(id: &str, release: Release, mode: ClusterMode, third: u8) -> Cluster {
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

pub(super) fn side(cluster: &mut Cluster) -> Side {
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
        ..Side::default()
    }
}

pub(super) fn node(cluster: &mut Cluster, spec: &NodeSpec) -> Node {
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
        callmanager_ports: BTreeMap::new(),
        certificates,
        listed: Vec::new(),
        stores: stores.into_iter().collect(),
    }
}

pub(super) fn subject(device: &str, profile: &str, sides: &Sides) -> Subject {
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

pub(super) fn made(release: Release, mode: ClusterMode) -> World {
    let mut src = cluster("src", Release::V11_5_1, mode, 1);
    let mut dst = cluster("dst", release, mode, 2);
    let sides = Sides::of(vec![side(&mut src), side(&mut dst)]);
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
        unread: Vec::new(),
        signers,
        capf: Arc::clone(&capf.public),
        sides,
    }
}

type Made = (
    Sides,
    Move,
    BTreeMap<String, SignerKey>,
    Arc<PublicCertificate>,
);

/// Up to 11.5 each TFTP node signs with its own key.
pub(super) fn world() -> World {
    static MADE: OnceLock<Made> = OnceLock::new();
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
        unread: Vec::new(),
        signers: signers.clone(),
        capf: Arc::clone(capf),
    }
}

impl World {
    pub(super) fn vouch(&mut self, tvs: usize, signer: &str, roles: &[u8]) {
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
    pub(super) fn exchanged(mut self) -> Self {
        for tvs in 0..2 {
            for signer in self.signers.clone().keys() {
                self.vouch(tvs, signer, &[0, 3]);
            }
        }
        self
    }

    pub(super) fn src(&mut self, n: usize) -> &mut Node {
        &mut self.sides.sides[0].nodes[n]
    }

    pub(super) fn dst(&mut self, n: usize) -> &mut Node {
        &mut self.sides.sides[1].nodes[n]
    }

    pub(super) fn ask(&self) -> Vec<Condition> {
        self.ask_at(DATE)
    }

    pub(super) fn ask_at(&self, now: u64) -> Vec<Condition> {
        let known = self.subjects.iter().map(|s| Asked {
            name: s.setup.identity.device.clone(),
            model: s.setup.identity.model.clone(),
            subject: Ok(Box::new(s.clone())),
        });
        let unread = self.unread.iter().map(|name| Asked {
            name: (*name).to_owned(),
            model: String::new(),
            subject: Err(Gap {
                what: format!("the ITL that {name} holds"),
                why: "no input has it".into(),
            }),
        });
        let phones: Vec<_> = known.chain(unread).collect();
        all(&self.sides, &self.plan, &phones, now, &[])
    }

    /// The worst state of a condition, and its texts and fixes.
    pub(super) fn of(&self, name: &str) -> (State, String) {
        of(&self.ask(), name)
    }
}

pub(super) fn of(all: &[Condition], name: &str) -> (State, String) {
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
pub(super) fn serve(node: &mut Node, name: &str, reply: Known<FileReply>) {
    for service in [&mut node.tftp, &mut node.http] {
        service.replies.insert(name.into(), reply.clone());
    }
}

/// The parameter was not read, and these nodes of the source serve an ITL without TFTP and TVS.
pub(super) fn blank(w: &mut World, nodes: &[usize]) {
    w.sides.sides[0].parameters.prepare_for_rollback = Known::not_looked_at();
    for &n in nodes {
        let bytes = served(w.src(n), "ITLFile.tlv");
        let list = changed(&bytes, |list| list.records.clear());
        serve(w.src(n), "ITLFile.tlv", file(list));
    }
}

/// The destination's HTTP says 503 to everything, and its TFTP never answered.
pub(super) fn overloaded(w: &mut World) {
    for n in 0..2 {
        let node = w.dst(n);
        for service in [&mut node.tftp, &mut node.http] {
            service.replies.clear();
        }
        node.tftp.others = Known::No("timed out".into());
        node.http.others = Known::Yes(FileReply::Status(503));
    }
}

pub(super) fn file(bytes: impl Into<Arc<[u8]>>) -> Known<FileReply> {
    Known::Yes(FileReply::File(bytes.into()))
}

pub(super) fn served(node: &Node, name: &str) -> Arc<[u8]> {
    match node.tftp.reply(name) {
        Known::Yes(FileReply::File(bytes)) => Arc::clone(bytes),
        other => panic!("{name}: {other:?}"),
    }
}

/// The list with another header element, records kept; its signature breaks.
pub(super) fn changed(bytes: &[u8], change: impl FnOnce(&mut TrustList<Vec<u8>>)) -> Vec<u8> {
    let mut list = TrustList::parse(bytes, &Strictness::default())
        .unwrap()
        .to_owned();
    change(&mut list);
    list.emit().unwrap()
}

pub(super) fn sign_with(w: &mut World, digest: Digest) {
    for n in 0..2 {
        let bytes = served(w.dst(n), "ITLFile.tlv");
        let list = changed(&bytes, |list| set_digest(list, digest));
        serve(w.dst(n), "ITLFile.tlv", file(list));
    }
}

pub(super) fn set_digest(list: &mut TrustList<Vec<u8>>, digest: Digest) {
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
    pub(super) fn capfs(&self) -> Vec<Arc<PublicCertificate>> {
        let own = self.sides.sides[0]
            .nodes
            .iter()
            .flat_map(|n| &n.certificates);
        let capf = own.filter(|(kind, _)| kind == "CAPF");
        capf.map(|(_, c)| Arc::clone(c)).collect()
    }

    /// The phone has an LSC of the source: any certificate that names its CAPF as issuer, so here the
    /// CAPF's own.
    pub(super) fn give_lsc(&mut self) {
        self.subjects[0].setup.identity.certificate = Some(DeviceIdentity {
            kind: "LSC",
            certificate: self.capf.der.as_slice().into(),
            key: Arc::default(),
        });
    }
}
