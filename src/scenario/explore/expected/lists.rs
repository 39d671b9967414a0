//! CTL and ITL: what is in them, who signs them, when they are published.

use std::collections::BTreeSet;
use std::rc::Rc;

use super::super::super::words::{ServedFile, Service, Store};
use super::world::{Certificate, ClusterId, Kind, NodeId, Role, World};

type Records = BTreeSet<(Certificate, Role)>;

/// A CTL or an ITL. Two are the same file if everything is the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct List {
    pub(super) signer: Certificate,
    pub(super) records: Records,
    pub sha512: bool,
    /// The moment of its publication, as the number of the step; a list carries its time.
    published: usize,
}

impl List {
    /// The roles that its records give to `certificate`.
    pub(super) fn roles(&self, certificate: Certificate) -> impl Iterator<Item = Role> + '_ {
        let records = self.records.iter();
        records.filter(move |(c, _)| *c == certificate).map(|r| r.1)
    }

    /// Whether any of its records satisfies `wanted`.
    pub(super) fn has(&self, wanted: impl Fn(Role) -> bool) -> bool {
        self.records.iter().any(|(_, role)| wanted(*role))
    }
}

/// What a TFTP node serves.
#[derive(Clone, Debug)]
pub(super) struct Served {
    pub(super) ctl: Option<Rc<List>>,
    pub(super) itl: Rc<List>,
    pub(super) config_signer: Certificate,
    pub config_sha512: bool,
}

impl World<'_> {
    /// Publishes what has changed on each TFTP node of `cluster`.
    pub(super) fn publish(&mut self, cluster: ClusterId, step: usize) {
        for node in self.clusters[cluster].nodes.clone() {
            if !self.nodes[node].has(Service::Tftp) {
                continue;
            }
            let new = self.identity_list(node, step);
            let old = self.nodes[node].itl.take();
            let same = old.filter(|old| {
                old.signer == new.signer && old.records == new.records && old.sha512 == new.sha512
            });
            if same.is_none() && self.publishing_mends {
                self.nodes[node].damage.clear();
            }
            self.nodes[node].itl = Some(same.unwrap_or_else(|| Rc::new(new)));
        }
    }

    fn identity_list(&self, node: NodeId, step: usize) -> List {
        let cluster = &self.clusters[self.nodes[node].cluster];
        let callmanager = self.own(node, Kind::CallManager);
        let recovery = self.own(node, Kind::ItlRecovery);
        let mut records = Records::from([(callmanager, Role::Sast)]);
        if cluster.has_itl_recovery() {
            records.insert((recovery, Role::Sast));
        }
        for &other in &cluster.nodes {
            if self.nodes[other].has(Service::Capf) {
                records.insert((self.own(other, Kind::Capf), Role::Capf));
            }
        }
        // Prepared for rollback, the TFTP and TVS sections are empty.
        if !cluster.rollback {
            let signs_files = if cluster.mixed {
                Role::CcmTftp
            } else {
                Role::Tftp
            };
            records.insert((callmanager, signs_files));
            for &other in &cluster.nodes {
                if self.nodes[other].has(Service::Tvs) {
                    records.insert((self.own(other, Kind::Tvs), Role::Tvs));
                }
            }
        }
        List {
            signer: if cluster.itl_recovery_signs() {
                recovery
            } else {
                callmanager
            },
            records,
            sha512: cluster.sha512 && self.choices.digest_covers_lists,
            published: step,
        }
    }

    /// Writes the CTL of a mixed cluster, with the other clusters' anchors that it trusts.
    pub(super) fn publish_ctl(&mut self, cluster: ClusterId, step: usize) {
        let own = &self.clusters[cluster];
        if !own.mixed {
            return;
        }
        let publisher = own.publisher;
        let mut records = Records::new();
        for &node in &own.nodes {
            if self.nodes[node].has(Service::Tftp) || self.nodes[node].has(Service::CallManager) {
                records.insert((self.own(node, Kind::CallManager), Role::CcmTftp));
            }
            if self.nodes[node].has(Service::Capf) {
                records.insert((self.own(node, Kind::Capf), Role::Capf));
            }
        }
        let signer = if !own.tokenless() {
            let token = self.own(publisher, Kind::Token);
            records.insert((token, Role::Sast));
            token
        } else {
            let callmanager = self.own(publisher, Kind::CallManager);
            let recovery = self.own(publisher, Kind::ItlRecovery);
            records.insert((callmanager, Role::Sast));
            records.insert((recovery, Role::Sast));
            for (&(store, subject), &generation) in &own.stores {
                if store == Store::PhoneSastTrust {
                    let foreign = Certificate {
                        subject,
                        generation,
                    };
                    records.insert((foreign, Role::Sast));
                }
            }
            if own.itl_recovery_signs() {
                recovery
            } else {
                callmanager
            }
        };
        let list = List {
            signer,
            records,
            sha512: own.sha512 && self.choices.digest_covers_lists,
            published: step,
        };
        self.clusters[cluster].ctl = Some(Rc::new(list));
        if self.publishing_mends {
            for node in self.clusters[cluster].nodes.clone() {
                self.nodes[node].damage.remove(&ServedFile::Ctl);
            }
        }
    }

    /// TFTP starts on `node`: it serves what its cluster has now.
    pub(super) fn start_tftp(&mut self, node: NodeId) {
        self.nodes[node].kept = None;
        if self.choices.tftp_start_mends {
            self.nodes[node].damage.clear();
        }
    }

    /// What `node` serves, if it is a TFTP node.
    pub(super) fn served(&self, node: NodeId) -> Option<Served> {
        let own = &self.nodes[node];
        if let Some(kept) = &own.kept {
            return Some(kept.clone());
        }
        let cluster = &self.clusters[own.cluster];
        Some(Served {
            ctl: cluster.ctl.clone(),
            itl: own.itl.clone()?,
            config_signer: self.own(node, Kind::CallManager),
            config_sha512: cluster.sha512,
        })
    }
}
