//! Two clusters, looked at from outside.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::sync::Arc;

use trustline::check::answer::{Action, Group};
use trustline::check::evidence::{
    Door, FileReply, FileService, Known, Node, Parameters, Side, Sides, SignerKey, TvsReply,
    TvsService,
};
use trustline::check::fix::{Certificates, Changed, Ground};
use trustline::check::groups::{Asked, groups};
use trustline::check::predict::{Move, Prediction, Subject, Taken, predict};
use trustline::cluster::{
    CertificateKind, Cluster, ClusterMode, ClusterSettings, ClusterSpec, FileAnswer, HttpAnswer,
    KeyPool, NodeSpec, Parameter, Release, Service, Target, TrustStore,
};
use trustline::phone::{BootCause, Flash, Identity, Pace, PhoneSetup, Profile};
use trustline::time::Time;
use trustline::trust::rules::Settings;
use trustline::tvs::Found;
use trustline::wire::phone_config::SecurityMode;
use trustline::wire::{Digest, SignedFile, Strictness, TrustList};

/// 2020-03-01T09:00:00Z.
pub(crate) const DATE: u64 = 1_583_053_200;
pub(crate) const DEVICE: &str = "SEP001122334401";

/// Two clusters, `src` and `dst`, with a publisher and a subscriber each.
pub(crate) struct Lab {
    keys: Option<KeyPool>,
    pub(crate) clusters: [Cluster; 2],
    pub(crate) devices: Vec<String>,
    /// Nodes that do not answer at all.
    pub(crate) off: BTreeSet<String>,
    pub(crate) rules: Settings,
    /// How often phones are reset at most.
    pub(crate) resets: usize,
}

pub(crate) struct Kind {
    pub(crate) release: Release,
    pub(crate) mode: ClusterMode,
    pub(crate) settings: ClusterSettings,
    /// TFTP File Signature Algorithm; without a value the release's default.
    pub(crate) digest: Option<Digest>,
}

impl Kind {
    pub(crate) fn new(release: Release, mode: ClusterMode) -> Self {
        Self {
            release,
            mode,
            settings: ClusterSettings::default(),
            digest: None,
        }
    }
}

fn spec(id: &str, number: u8, kind: &Kind) -> ClusterSpec {
    use Service::{CallManager, Capf, Tftp, Tvs};
    let node = |name: &str, publisher, services: &[Service], last| NodeSpec {
        name: format!("{id}-{name}"),
        publisher,
        services: services.iter().copied().collect(),
        address: Ipv4Addr::new(127, 1, number, last),
        tvs_port: 2_445,
    };
    ClusterSpec {
        id: id.into(),
        release: kind.release,
        mode: kind.mode,
        nodes: vec![
            node("pub", true, &[CallManager, Tftp, Tvs, Capf], 1),
            node("sub", false, &[CallManager, Tftp, Tvs], 2),
        ],
        callmanager_group: vec![format!("{id}-sub"), format!("{id}-pub")],
        parameters: trustline::cluster::Parameters {
            tftp_file_signature_algorithm: kind.digest,
            ..Default::default()
        },
    }
}

impl Lab {
    pub(crate) fn new(src: &Kind, dst: &Kind) -> Self {
        Self::with_phones(src, dst, &[DEVICE.to_owned()])
    }

    pub(crate) fn non_secure(src: Release, dst: Release) -> Self {
        let mode = ClusterMode::NonSecure;
        Self::new(&Kind::new(src, mode), &Kind::new(dst, mode))
    }

    pub(crate) fn with_phones(src: &Kind, dst: &Kind, devices: &[String]) -> Self {
        let mut keys = KeyPool::new(1);
        let mut make = |id, number, kind: &Kind| {
            let spec = spec(id, number, kind);
            let mut cluster = Cluster::new(spec, kind.settings, DATE, &mut keys, 1).unwrap();
            for device in devices {
                cluster.add_phone(device, SecurityMode::NonSecure).unwrap();
            }
            cluster
        };
        let clusters = [make("src", 1, src), make("dst", 2, dst)];
        Self {
            keys: Some(keys),
            clusters,
            devices: devices.to_vec(),
            off: BTreeSet::new(),
            rules: Settings::default(),
            resets: 3,
        }
    }

    /// The keys that nobody has yet, once.
    pub(crate) fn keys(&mut self) -> KeyPool {
        self.keys.take().unwrap()
    }

    pub(crate) fn src(&mut self) -> &mut Cluster {
        &mut self.clusters[0]
    }

    pub(crate) fn dst(&mut self) -> &mut Cluster {
        &mut self.clusters[1]
    }

    /// An upload by hand of a certificate of the destination into a store of the source.
    pub(crate) fn import(&mut self, node: &str, kind: CertificateKind, stores: &[TrustStore]) {
        let of_node = self.clusters[1].certificate(node, kind).unwrap();
        let certificate = Arc::clone(&of_node.public);
        for &store in stores {
            self.clusters[0].trust(store, Arc::clone(&certificate));
        }
    }

    /// What is seen from outside now.
    pub(crate) fn sides(&mut self) -> Sides {
        let mut sides = Sides::default();
        for cluster in &mut self.clusters {
            let specs: Vec<_> = cluster.nodes().cloned().collect();
            let nodes = specs
                .iter()
                .map(|n| node(cluster, n, &self.devices, &self.off));
            let nodes = nodes.collect();
            let parameters = cluster.parameters();
            sides.sides.push(Side {
                name: cluster.id().to_owned(),
                nodes,
                parameters: Parameters {
                    auto_registration: Known::Yes(parameters.auto_registration),
                    prepare_for_rollback: Known::Yes(parameters.prepare_cluster_for_rollback),
                    cached_files: Known::not_looked_at(),
                },
                ..Side::default()
            });
        }
        self.ask_tvs(&mut sides);
        sides
    }

    fn ask_tvs(&self, sides: &mut Sides) {
        let mut signers = BTreeSet::new();
        for (_, node) in sides.nodes() {
            for reply in node.tftp.replies.values() {
                if let Known::Yes(FileReply::File(bytes)) = reply {
                    signers.extend(signer(bytes));
                }
            }
        }
        for (side, cluster) in sides.sides.iter_mut().zip(&self.clusters) {
            for node in &mut side.nodes {
                if node.tvs.door != Known::Yes(Door::Open) {
                    continue;
                }
                for s in &signers {
                    let answer = cluster.tvs_query(&node.name, b"", &s.issuer, &s.serial);
                    let reply = answer.map_or(TvsReply::Unknown, |a| {
                        let byte = |r: &trustline::wire::Role| u8::try_from(r.code()).unwrap();
                        TvsReply::Found(Found {
                            certificate: a.certificate,
                            roles: a.roles.iter().map(byte).collect(),
                            ttl_secs: a.ttl_secs,
                        })
                    });
                    node.tvs.replies.insert(s.clone(), Known::Yes(reply));
                }
            }
        }
    }

    /// The TFTP nodes with these names, in option 150.
    pub(crate) fn to(&self, names: &[&str]) -> Move {
        let nodes = || self.clusters.iter().flat_map(Cluster::nodes);
        let address = |name: &&str| nodes().find(|n| n.name == **name).unwrap().address;
        Move {
            option_150: names.iter().map(address).collect(),
            resets: self.resets,
        }
    }

    /// A phone that has just booted at home for the first time.
    pub(crate) fn phone(&mut self) -> Subject {
        let device = &self.devices[0].clone();
        self.at_home(subject(device))
    }

    /// A phone out of its box boots at home.
    pub(crate) fn at_home(&mut self, new: Subject) -> Subject {
        let sides = self.sides();
        let home = self.to(&["src-pub"]);
        let at_home = predict(&sides, &new, &home);
        assert!(at_home.follows(), "{:?}", at_home.reasons);
        Subject {
            before: at_home.flash.clone(),
            flash: at_home.flash,
            ..new
        }
    }

    /// What a check says of one phone.
    pub(crate) fn check(&mut self, phone: &Subject, to: &[&str]) -> Group {
        let sides = self.sides();
        self.check_of(&sides, phone, to)
    }

    pub(crate) fn check_of(&self, sides: &Sides, phone: &Subject, to: &[&str]) -> Group {
        let mut all = groups(sides, &[asked(phone)], &self.to(to), &self.rules);
        assert_eq!(all.len(), 1);
        all.remove(0)
    }

    /// What becomes of a phone as things stand.
    pub(crate) fn moved(&mut self, phone: &Subject, to: &[&str]) -> Prediction {
        let plan = self.to(to);
        predict(&self.sides(), phone, &plan)
    }
}

/// Fixes, made to the clusters themselves.
impl Lab {
    /// What a check says of one phone that does not follow: a fix that is proven and that makes the
    /// phone follow when an engineer carries it out. No action on a certificate or a phone can be
    /// left out.
    pub(crate) fn mended(mut self, phone: &Subject, to: &[&str]) -> Group {
        let group = self.check(phone, to);
        assert!(!group.fate.follows(), "{group:#?}");
        let fix = group.fix.clone().unwrap();
        assert!(fix.proven, "{fix:#?}");
        let whole = self.resets_with(&fix.actions, phone, to);
        for left_out in 0..fix.actions.len() {
            let mut fewer = fix.actions.clone();
            let is_precaution = match fewer.remove(left_out) {
                // A store's change may count at once, and TVS need not feel the rollback parameter;
                // nobody is told to rely on it.
                Action::Restart { service, .. } => fewer.iter().any(|a| match a {
                    Action::Import { .. } => true,
                    Action::SetParameter { .. } => service == "TVS",
                    _ => false,
                }),
                // Of two stores one may be enough; sources disagree which.
                Action::Import { certificate, .. } => certificate.kind == "CAPF",
                _ => false,
            };
            if is_precaution {
                continue;
            }
            let with = self.resets_with(&fewer, phone, to);
            let can_be = with.is_some_and(|resets| Some(resets) <= whole);
            assert!(!can_be, "{left_out} of {fix:#?} can be left out");
        }
        let mut plan = self.to(to);
        let mut phone = phone.clone();
        for action in &fix.actions {
            self.carry_out(action, &mut plan, &mut phone);
        }
        let followed = predict(&self.sides(), &phone, &plan);
        assert!(followed.follows(), "{fix:#?}: {:?}", followed.reasons);
        group
    }

    /// After how many resets the phone follows with these actions made to what was read.
    fn resets_with(&mut self, actions: &[Action], phone: &Subject, to: &[&str]) -> Option<usize> {
        let sides = self.sides();
        let certificates = Certificates::read(&sides);
        let ground = Ground {
            certificates: &certificates,
            rules: &self.rules,
        };
        let changed = Changed::nothing(&sides, phone, &self.to(to)).make(actions, ground)?;
        let after = predict(&changed.sides, &changed.subject, &changed.plan);
        after.follows().then_some(after.resets)
    }

    fn cluster(&mut self, id: &str) -> &mut Cluster {
        self.clusters.iter_mut().find(|c| c.id() == id).unwrap()
    }

    /// Makes what an action says to the clusters themselves, or to the phone.
    pub(crate) fn carry_out(&mut self, action: &Action, plan: &mut Move, phone: &mut Subject) {
        match action {
            Action::Import {
                certificate,
                from,
                into,
                store,
            } => {
                let kind = CertificateKind::from_name(&certificate.kind).unwrap();
                let of_node = self.cluster(from).certificate(&certificate.node, kind);
                let public = Arc::clone(&of_node.unwrap().public);
                assert_eq!(public.subject_text, certificate.subject);
                let store = TrustStore::from_name(store).unwrap();
                self.cluster(into).trust(store, public);
            }
            Action::Restart {
                service,
                cluster,
                nodes,
            } => {
                let service = trustline::check::fix::service(service).unwrap();
                for node in nodes {
                    let target = Target::Node(node);
                    self.cluster(cluster)
                        .restart_service(target, service)
                        .unwrap();
                }
            }
            Action::SetOption150 { nodes } => {
                let names: Vec<_> = nodes.iter().map(String::as_str).collect();
                *plan = self.to(&names);
            }
            Action::HomeFirst { cluster } => {
                let sides = self.sides();
                let side = sides.sides.iter().find(|s| s.name == *cluster).unwrap();
                let nodes = trustline::check::fix::servers_of(side).into_iter();
                let names: Vec<_> = nodes.map(|n| side.nodes[n].name.as_str()).collect();
                let home = predict(&sides, phone, &self.to(&names));
                phone.flash = home.flash;
            }
            Action::EraseLists => phone.flash.erase(),
            Action::SetParameter {
                cluster,
                parameter,
                value,
            } => {
                let parameter = match (parameter.as_str(), value.as_str()) {
                    ("prepare-cluster-for-rollback", "false") => {
                        Parameter::PrepareClusterForRollback(false)
                    }
                    ("tftp-file-signature-algorithm", "sha1") => {
                        Parameter::TftpFileSignatureAlgorithm(Digest::Sha1)
                    }
                    other => panic!("{other:?}"),
                };
                let cluster = self.cluster(cluster);
                cluster.set_parameter(parameter, DATE + 120).unwrap();
            }
            Action::AddPhones { cluster } => {
                let device = phone.setup.identity.device.clone();
                let cluster = self.cluster(cluster);
                cluster.add_phone(&device, SecurityMode::NonSecure).unwrap();
            }
        }
    }
}

pub(crate) fn asked(phone: &Subject) -> Asked {
    Asked {
        name: phone.setup.identity.device.clone(),
        model: phone.setup.identity.model.clone(),
        subject: Ok(Box::new(phone.clone())),
    }
}

/// A phone out of its box.
pub(crate) fn subject(device: &str) -> Subject {
    let profile = Profile::named("8800").unwrap();
    Subject {
        setup: PhoneSetup {
            identity: Identity {
                device: device.into(),
                model: "CP-8861".into(),
                certificate: None,
            },
            profile,
            settings: profile.settings(),
            pace: Pace::Fast,
            clock: DATE,
            clock_ahead: 0,
            option_150: Vec::new(),
            dhcp: None,
            cause: BootCause::Reset,
        },
        before: Flash::default(),
        flash: Flash::default(),
        earlier: Vec::new(),
        now: Time::ZERO,
        taken: Taken::default(),
    }
}

fn signer(bytes: &[u8]) -> Option<SignerKey> {
    let strictness = Strictness::default();
    let of = |header: &trustline::wire::Header<&[u8]>| {
        let [_, issuer, serial] = header.signer();
        SignerKey::new(issuer, serial)
    };
    TrustList::parse(bytes, &strictness)
        .map(|list| of(&list.header))
        .or_else(|_| SignedFile::parse(bytes, &strictness).map(|file| of(&file.header)))
        .ok()
}

fn node(
    cluster: &mut Cluster,
    spec: &NodeSpec,
    devices: &[String],
    off: &BTreeSet<String>,
) -> Node {
    let name = spec.name.as_str();
    let is_off = off.contains(name);
    let up = |cluster: &Cluster, service, shut| {
        Known::Yes(match (is_off, cluster.is_up(name, service)) {
            (true, _) => Door::Silent,
            (false, true) => Door::Open,
            (false, false) => shut,
        })
    };
    let service = |door| FileService {
        door,
        ..FileService::default()
    };
    let mut tftp = service(up(cluster, Service::Tftp, Door::Silent));
    let mut http = service(up(cluster, Service::Tftp, Door::Refused));
    let https = service(Known::Yes(if is_off {
        Door::Silent
    } else {
        Door::Refused
    }));
    let mut files: Vec<String> = ["CTLFile.tlv", "ITLFile.tlv", "XMLDefault.cnf.xml"]
        .map(str::to_owned)
        .to_vec();
    files.push("XMLDefault.cnf.xml.sgn".into());
    for device in devices {
        for (prefix, suffix) in [
            ("CTL", ".tlv"),
            ("ITL", ".tlv"),
            ("", ".cnf.xml"),
            ("", ".cnf.xml.sgn"),
            ("", ".cnf.xml.enc.sgn"),
        ] {
            files.push(format!("{prefix}{device}{suffix}"));
        }
    }
    if tftp.door == Known::Yes(Door::Open) {
        for file in files {
            let reply = match cluster.file(name, &file) {
                FileAnswer::Found(bytes) => FileReply::File(bytes),
                FileAnswer::NotFound => FileReply::NotFound,
            };
            tftp.replies.insert(file.clone(), Known::Yes(reply));
            let reply = match cluster.http(name, &format!("/{file}"), false) {
                HttpAnswer::Found(bytes) => FileReply::File(bytes),
                HttpAnswer::Status(status) => FileReply::Status(status),
            };
            http.replies.insert(file, Known::Yes(reply));
        }
    }
    let own = CertificateKind::OF_NODE.iter().filter_map(|&kind| {
        let own = cluster.certificate(name, kind)?;
        Some((kind.name().to_owned(), Arc::clone(&own.public)))
    });
    let certificates = own.collect();
    let stores = TrustStore::ALL.iter().map(|&store| {
        let held = cluster.store(name, store).unwrap();
        (store, Known::Yes(held.to_vec()))
    });
    let stores: BTreeMap<_, _> = stores.collect();
    let tvs = cluster.tvs_identity(name).map(|(own, _)| own.to_vec());
    Node {
        name: spec.name.clone(),
        address: Some(spec.address),
        tftp,
        http,
        https,
        tvs: TvsService {
            port: Some(spec.tvs_port),
            door: up(cluster, Service::Tvs, Door::Refused),
            certificate: tvs.map_or_else(Known::not_looked_at, Known::Yes),
            ..TvsService::default()
        },
        callmanager: up(cluster, Service::CallManager, Door::Refused),
        callmanager_ports: BTreeMap::new(),
        certificates,
        listed: Vec::new(),
        stores,
    }
}
