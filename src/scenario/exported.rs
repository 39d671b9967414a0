//! An emulated cluster as whoever looks at it from outside finds it: what its nodes serve and answer
//! now. It is what `check` would read of a live one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use crate::check::evidence::{
    Door, FileReply, FileService, Known, Node, Parameters, Side, Sides, SignerKey, TvsReply,
    TvsService,
};
use crate::check::places::signer_of;
use crate::check::predict::{Subject, Taken};
use crate::cluster::{
    CertificateKind, FileAnswer, HttpAnswer, Lab, NodeId, PublicCertificate, Service, TrustStore,
};
use crate::scenario::model::{Action, Scenario};
use crate::scenario::run::{self, LabPhone, RunError};
use crate::tvs::Miss;
use crate::wire::{SignedFile, Strictness};

/// The clusters of a scenario and its phones, before any of them is sent elsewhere.
#[derive(Debug)]
pub struct Looked {
    /// What the clusters show.
    pub sides: Sides,
    /// Each phone, with the id of the cluster that it is in.
    pub phones: Vec<(String, Subject)>,
}

/// Runs a scenario in virtual time up to its first step that boots phones or tells them other
/// servers, and looks at what there is then.
///
/// # Errors
/// A step before it that the clusters cannot carry out.
pub fn before_move(scenario: &Scenario) -> Result<Looked, RunError> {
    let rehearsed = run::until(scenario, |action| {
        matches!(
            action,
            Action::SetOption150 { .. }
                | Action::SetOption66 { .. }
                | Action::RenewLeases { .. }
                | Action::ResetPhones { .. }
                | Action::EraseLists { .. }
                | Action::FactoryReset { .. }
        )
    })?;
    let device = |p: &LabPhone| p.setup.identity.device.clone();
    let devices: Vec<_> = rehearsed.phones.iter().map(device).collect();
    let sides = sides(&mut rehearsed.lab(), &devices);
    let subject = |p: &LabPhone| Subject {
        setup: p.setup.clone(),
        before: p.flash.clone(),
        flash: p.flash.clone(),
        earlier: p.home_events.clone(),
        now: rehearsed.now,
        taken: Taken::default(),
    };
    let phones = rehearsed.phones.iter();
    let phones = phones.map(|p| (p.home.clone(), subject(p))).collect();
    Ok(Looked { sides, phones })
}

/// Looks at every cluster of a lab, for these devices.
pub fn sides(lab: &mut Lab, devices: &[String]) -> Sides {
    let mut sides = Sides::default();
    for index in 0..lab.clusters().len() {
        let of_cluster = |n: &NodeId| n.cluster == index;
        let nodes: Vec<_> = lab.nodes().into_iter().filter(of_cluster).collect();
        let nodes = nodes.into_iter().map(|id| node(lab, id, devices)).collect();
        let cluster = &lab.clusters()[index];
        sides.sides.push(Side {
            name: cluster.id().to_owned(),
            nodes,
            parameters: Parameters {
                auto_registration: Known::Yes(cluster.parameters().auto_registration),
                prepare_for_rollback: Known::Yes(cluster.parameters().prepare_cluster_for_rollback),
                cached_files: Known::not_looked_at(),
            },
            ..Side::default()
        });
    }
    ask_tvs(lab, &mut sides);
    sides
}

fn node(lab: &mut Lab, id: NodeId, devices: &[String]) -> Node {
    let name = lab.name(id).to_owned();
    let is_on = lab.is_on(id);
    let door = |serves: bool, closed: Door| {
        Known::Yes(match (is_on, serves) {
            (false, _) => Door::Silent,
            (true, true) => Door::Open,
            (true, false) => closed,
        })
    };
    let serves = lab.serves(id, Service::Tftp);
    let https = lab.https_identity(id).map(|i| i.certificate.to_vec());
    let https_door = door(serves && https.is_some(), Door::Refused);
    let services = [
        // Nobody says of UDP that nobody listens.
        FileService {
            door: door(serves, Door::Silent),
            ..FileService::default()
        },
        FileService {
            door: door(serves, Door::Refused),
            ..FileService::default()
        },
        FileService {
            door: https_door,
            certificate: https,
            ..FileService::default()
        },
    ];
    let [mut tftp, mut http, mut https] = services;
    if let (true, Some(cluster)) = (serves, lab.cluster_mut(id.cluster)) {
        let mut names = files(devices);
        // What configurations name has names of its own.
        names.extend(cluster.published(&name).into_iter().map(|(name, _)| name));
        for file in names {
            let reply = match cluster.file(&name, &file) {
                FileAnswer::Found(bytes) => FileReply::File(bytes),
                FileAnswer::NotFound => FileReply::NotFound,
            };
            tftp.replies.insert(file.clone(), Known::Yes(reply));
            for (service, is_tls) in [(&mut http, false), (&mut https, true)] {
                let reply = match cluster.http(&name, &format!("/{file}"), is_tls) {
                    HttpAnswer::Found(bytes) => FileReply::File(bytes),
                    HttpAnswer::Status(status) => FileReply::Status(status),
                };
                service.replies.insert(file.clone(), Known::Yes(reply));
            }
        }
    }
    let cluster = &lab.clusters()[id.cluster];
    let certificates = CertificateKind::OF_NODE.iter().filter_map(|&kind| {
        let c = cluster.certificate(&name, kind)?;
        Some((kind.name().to_owned(), Arc::clone(&c.public)))
    });
    let stores = TrustStore::ALL.iter().filter_map(|&store| {
        let held = cluster.store(&name, store).ok()?;
        Some((store, Known::Yes(held.to_vec())))
    });
    let certificates = certificates.collect();
    let stores: BTreeMap<_, _> = stores.collect();
    let is_callmanager = lab.serves(id, Service::CallManager);
    Node {
        address: Some(lab.address(id)),
        tftp,
        http,
        https,
        tvs: TvsService {
            port: cluster.nodes().nth(id.node).map(|n| n.tvs_port),
            door: door(lab.serves(id, Service::Tvs), Door::Refused),
            certificate: match lab.tvs_identity(id) {
                Some(own) => Known::Yes(own.certificate.to_vec()),
                None => Known::No("the node has no TVS certificate".into()),
            },
            ..TvsService::default()
        },
        callmanager: door(is_callmanager, Door::Refused),
        callmanager_ports: BTreeMap::new(),
        certificates,
        listed: Vec::new(),
        stores,
        name,
    }
}

/// The names that phones ask for.
fn files(devices: &[String]) -> BTreeSet<String> {
    let general = [
        "CTLFile.tlv",
        "ITLFile.tlv",
        "XMLDefault.cnf.xml",
        "XMLDefault.cnf.xml.sgn",
        "AppDialRules.xml",
        "AppDialRules.xml.sgn",
    ];
    let of_device = |device: &String| {
        [
            format!("CTL{device}.tlv"),
            format!("ITL{device}.tlv"),
            format!("{device}.cnf.xml"),
            format!("{device}.cnf.xml.sgn"),
            format!("{device}.cnf.xml.enc.sgn"),
        ]
    };
    let general = general.into_iter().map(str::to_owned);
    general.chain(devices.iter().flat_map(of_device)).collect()
}

/// Asks every TVS about every signer that phones can meet.
fn ask_tvs(lab: &Lab, sides: &mut Sides) {
    let signers = signers(sides);
    let not_known = match lab.tvs_settings().miss {
        Miss::StatusOnly => TvsReply::Unknown,
        Miss::Close => TvsReply::Closed,
    };
    for id in lab.nodes() {
        let at = crate::check::evidence::At(id.cluster, id.node);
        let Some(node) = sides.node_mut(at) else {
            continue;
        };
        if node.tvs.door != Known::Yes(Door::Open) {
            continue;
        }
        for signer in &signers {
            let found = lab.query(id, b"", &signer.issuer, &signer.serial);
            let reply = found.map_or_else(|| not_known.clone(), TvsReply::Found);
            node.tvs.replies.insert(signer.clone(), Known::Yes(reply));
        }
    }
}

/// Whoever signs a file that nodes serve, or shows a certificate over HTTPS.
pub fn signers(sides: &Sides) -> BTreeSet<SignerKey> {
    let mut signers = BTreeSet::new();
    for (_, node) in sides.nodes() {
        for service in [&node.tftp, &node.http, &node.https] {
            for reply in service.replies.values() {
                let Known::Yes(FileReply::File(bytes)) = reply else {
                    continue;
                };
                signers.extend(signer_of(bytes).or_else(|| signer_of_file(bytes)));
            }
        }
        let shown = node.https.certificate.as_deref();
        let shown = shown.and_then(|der| PublicCertificate::from_der(der).ok());
        signers.extend(shown.map(|c| SignerKey::of(&c)));
    }
    signers
}

fn signer_of_file(bytes: &[u8]) -> Option<SignerKey> {
    let file = SignedFile::parse(bytes, &Strictness::default()).ok()?;
    let [_, issuer, serial] = file.header.signer();
    Some(SignerKey::new(issuer, serial))
}
