//! What of a lab phones can see. Under two settings that come to the same face a phone lives
//! through the same boot.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::lab::{Answers, Lab};
use super::node::{Damage, DamagedFile, Files, Node};
use super::serve::served;
use super::spec::Service;
use super::state::Cluster;
use super::tvs::Entry;
use super::x509::{CertificateKind, PublicCertificate};
use crate::time::UnixSeconds;
use crate::wire::Digest;
use crate::wire::phone_config::{PhoneConfig, SecurityMode};

/// All that decides what the nodes of a lab answer to a phone: files, TVS, registrations.
#[derive(Debug, PartialEq, Eq)]
pub struct Face {
    answers: Answers,
    clusters: Vec<ClusterFace>,
}

#[derive(Debug, PartialEq, Eq)]
struct ClusterFace {
    knows_all_phones: bool,
    phones: BTreeMap<[u8; 6], SecurityMode>,
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

impl ClusterFace {
    fn of(cluster: &Cluster) -> Self {
        Self {
            knows_all_phones: cluster.settings.lists_for_unknown_phones,
            phones: cluster.phones.clone(),
            ctl: cluster.ctl.clone(),
            callmanager_trust: cluster.callmanager_trust.certificates().to_vec(),
            nodes: cluster.nodes.iter().map(NodeFace::of).collect(),
        }
    }
}

impl NodeFace {
    fn of(node: &Node) -> Self {
        let own = node.certificates.iter();
        Self {
            is_on: node.is_on,
            stopped: node.stopped.clone(),
            own: own.map(|(k, c)| (*k, Arc::clone(&c.public))).collect(),
            capf_trust: node.capf_trust.certificates().to_vec(),
            tvs: node.tvs.clone(),
            files: served(node).map(FilesFace::of),
            damage: node.damage.clone(),
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
        }
    }
}
