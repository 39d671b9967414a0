//! What of a lab phones can see. Under two settings that come to the same face a phone lives
//! through the same boot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::config::PhoneRecord;
use super::lab::{Answers, Lab};
use super::node::{Damage, DamagedFile, Files, Node};
use super::serve::served;
use super::spec::Service;
use super::state::Cluster;
use super::tvs::Entry;
use super::x509::{CertificateKind, PublicCertificate};
use crate::time::UnixSeconds;
use crate::wire::Digest;
use crate::wire::phone_config::{NamedFiles, PhoneConfig};

/// All that decides what the nodes of a lab answer to a phone: files, TVS, registrations.
#[derive(Debug, PartialEq, Eq)]
pub struct Face {
    answers: Answers,
    clusters: Vec<ClusterFace>,
}

#[derive(Debug, PartialEq, Eq)]
struct ClusterFace {
    knows_all_phones: bool,
    phones: BTreeMap<[u8; 6], PhoneRecord>,
    auto_registration: bool,
    /// Files that configurations name, as far as nodes have them, and who signs them.
    phone_files: (NamedFiles, Option<Arc<PublicCertificate>>),
    /// For TVS, which reads its records.
    ctl: Option<Arc<[u8]>>,
    /// For registrations.
    callmanager_trust: Vec<Arc<PublicCertificate>>,
    nodes: Vec<NodeFace>,
}

#[derive(Debug, PartialEq, Eq)]
struct NodeFace {
    is_on: bool,
    stopped: BTreeSet<Service>,
    own: Vec<(CertificateKind, Arc<PublicCertificate>)>,
    capf_trust: Vec<Arc<PublicCertificate>>,
    tvs: Vec<Entry>,
    files: Option<FilesFace>,
    damage: BTreeMap<DamagedFile, Damage>,
    http_status: BTreeMap<Option<DamagedFile>, u16>,
}

#[derive(Debug, PartialEq, Eq)]
struct FilesFace {
    itl: Arc<[u8]>,
    ctl: Option<Arc<[u8]>>,
    signer: Arc<PublicCertificate>,
    digest: Digest,
    at: UnixSeconds,
    base: PhoneConfig,
    version_stamp: String,
    is_mixed: bool,
    seed: u64,
}

impl Lab {
    /// What phones can see of it now.
    pub fn face(&self) -> Face {
        Face {
            answers: self.answers(),
            clusters: self.clusters().iter().map(ClusterFace::of).collect(),
        }
    }
}

// All fields are named, so that a new one is not forgotten here.

impl ClusterFace {
    fn of(cluster: &Cluster) -> Self {
        let Cluster {
            // What these decide shows in the nodes' files and in what their TVS have loaded; but for
            // auto-registration, which is for registrations.
            spec,
            settings,
            profile: _,
            seed: _,
            nodes,
            tokens: _,
            phone_sast_trust: _,
            callmanager_trust,
            tomcat_trust: _,
            ctl,
            // What `ctl` is made of.
            ctl_records: _,
            phones,
            phone_files,
            publications: _,
            signed: _,
        } = cluster;
        let signer = phone_files.signer.as_ref();
        Self {
            knows_all_phones: settings.lists_for_unknown_phones,
            phones: phones.clone(),
            auto_registration: spec.parameters.auto_registration,
            phone_files: (
                phone_files.installed.clone(),
                signer.map(|s| Arc::clone(&s.public)),
            ),
            ctl: ctl.clone(),
            callmanager_trust: callmanager_trust.certificates().to_vec(),
            nodes: nodes.iter().map(NodeFace::of).collect(),
        }
    }
}

impl NodeFace {
    fn of(node: &Node) -> Self {
        let Node {
            // Names, addresses and services are the scenario's.
            spec: _,
            certificates,
            generations: _,
            capf_trust,
            // It shows in what the node publishes.
            clock_ahead: _,
            is_on,
            stopped,
            tvs,
            // Of these two, what is served.
            files: _,
            kept: _,
            damage,
            http_status,
        } = node;
        let own = certificates.iter();
        Self {
            is_on: *is_on,
            stopped: stopped.clone(),
            own: own.map(|(k, c)| (*k, Arc::clone(&c.public))).collect(),
            capf_trust: capf_trust.certificates().to_vec(),
            tvs: tvs.clone(),
            files: served(node).map(FilesFace::of),
            damage: damage.clone(),
            http_status: http_status.clone(),
        }
    }
}

impl FilesFace {
    fn of(files: &Files) -> Self {
        let config = &files.config;
        Self {
            itl: Arc::clone(&files.itl),
            ctl: files.ctl.clone(),
            signer: Arc::clone(&config.signer.public),
            digest: config.digest,
            at: config.at,
            base: config.base.clone(),
            version_stamp: config.version_stamp.clone(),
            is_mixed: config.is_mixed,
            seed: config.seed,
        }
    }
}
