//! A cluster out of files: certificates without their keys, and trust stores. It takes part in an
//! exchange of certificates; it publishes nothing and answers no phone.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::bulk::{BulkSettings, ImportTarget, Importer, NodeCertificate, Page, Refusal, Unit};
use super::release::Release;
use super::spec::{
    ClusterError, ClusterMode, ClusterSettings, ClusterSpec, NodeSpec, Service, clip,
};
use super::store::{Store, TrustStore, Trusted};
use super::x509::{CertificateKind, PublicCertificate};
use crate::time::UnixSeconds;

/// A node's own certificate, without its key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OwnCertificate {
    /// The node.
    pub node: String,
    /// What it is for.
    pub kind: CertificateKind,
    /// The certificate.
    pub certificate: Arc<PublicCertificate>,
}

/// A cluster out of files.
#[derive(Clone, Debug)]
pub struct SavedCluster {
    spec: ClusterSpec,
    settings: ClusterSettings,
    own: Vec<OwnCertificate>,
    stores: BTreeMap<TrustStore, Store>,
}

impl SavedCluster {
    /// A cluster with these certificates and empty stores, all its services running.
    ///
    /// # Errors
    /// [`ClusterError`] if the spec names nodes that are not there, or has not one publisher.
    pub fn new(
        spec: ClusterSpec,
        settings: ClusterSettings,
        own: Vec<OwnCertificate>,
    ) -> Result<Self, ClusterError> {
        spec.check()?;
        if let Some(stray) = own
            .iter()
            .find(|c| !spec.nodes.iter().any(|n| n.name == c.node))
        {
            return Err(ClusterError::UnknownNode {
                cluster: spec.id.clone(),
                node: clip(&stray.node),
            });
        }
        Ok(Self {
            spec,
            settings,
            own,
            stores: BTreeMap::new(),
        })
    }

    /// The cluster's name.
    pub fn id(&self) -> &str {
        &self.spec.id
    }

    /// Its release.
    pub fn release(&self) -> Release {
        self.spec.release
    }

    /// Its mode.
    pub fn mode(&self) -> ClusterMode {
        self.spec.mode
    }

    /// Its nodes, in the spec's order.
    pub fn nodes(&self) -> &[NodeSpec] {
        &self.spec.nodes
    }

    /// The name of its publisher.
    pub fn publisher(&self) -> &str {
        // The spec was checked: there is one.
        let publisher = self.spec.nodes.iter().find(|n| n.publisher);
        publisher.map_or("", |n| n.name.as_str())
    }

    /// Its nodes' own certificates.
    pub fn own(&self) -> &[OwnCertificate] {
        &self.own
    }

    /// What a store holds; of CAPF-trust, what the publisher's does.
    pub fn store(&self, store: TrustStore) -> &[Arc<PublicCertificate>] {
        self.stores.get(&store).map_or(&[], Store::certificates)
    }

    /// What it can export: of each kind that an exchange carries every node's own certificate, one
    /// that all nodes share once, as the publisher's.
    pub fn certificates_to_exchange(&self) -> Vec<NodeCertificate> {
        let mut all: Vec<NodeCertificate> = Vec::new();
        let (publisher, others): (Vec<_>, Vec<_>) =
            self.spec.nodes.iter().partition(|n| n.publisher);
        for node in publisher.into_iter().chain(others) {
            for kind in Unit::ALL.map(Unit::kind) {
                let of_node = self.own.iter().filter(|c| c.node == node.name);
                for own in of_node.filter(|c| c.kind == kind) {
                    let der = &own.certificate.der;
                    if all.iter().any(|c| c.kind == kind && c.der == *der) {
                        continue;
                    }
                    all.push(NodeCertificate {
                        node: own.node.clone(),
                        kind,
                        der: der.clone(),
                    });
                }
            }
        }
        all
    }

    /// Bulk Certificate Management on a node.
    ///
    /// # Errors
    /// [`Refusal::NotThePublisher`] for any node but the publisher.
    pub fn page(&self, node: &str, settings: BulkSettings) -> Result<Page, Refusal> {
        if node != self.publisher() {
            return Err(Refusal::NotThePublisher {
                node: node.to_owned(),
                publisher: self.publisher().to_owned(),
            });
        }
        Ok(Page::new(self.id(), self.release(), settings))
    }

    /// The cluster as the one that imports, at this time.
    pub fn importer(&self, now: UnixSeconds) -> Importer {
        Importer {
            cluster: self.id().to_owned(),
            release: self.release(),
            own: self.own.iter().map(|c| c.certificate.der.clone()).collect(),
            now,
        }
    }
}

impl ImportTarget for SavedCluster {
    fn trust(&mut self, store: TrustStore, certificate: Arc<PublicCertificate>) -> Trusted {
        self.stores.entry(store).or_default().trust(certificate)
    }

    fn runs(&self, service: Service) -> bool {
        self.spec
            .nodes
            .iter()
            .any(|n| n.services.contains(&service))
    }

    fn is_mixed(&self) -> bool {
        self.spec.mode == ClusterMode::Mixed
    }

    fn tvs_restart_needed(&self) -> bool {
        self.settings.tvs_restart_needed
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::net::Ipv4Addr;

    use super::*;
    use crate::cluster::bulk::{ConsolidatedFile, apply, certificates_of, plan_import};
    use crate::cluster::release::BulkType;
    use crate::cluster::{Cluster, KeyPool, Parameters};

    const DATE: UnixSeconds = 1_583_053_200;

    fn spec(id: &str, release: Release) -> ClusterSpec {
        let node = |name: &str, publisher, last| NodeSpec {
            name: format!("{id}-{name}"),
            publisher,
            services: BTreeSet::from([Service::Tftp, Service::Tvs]),
            address: Ipv4Addr::new(127, 0, 1, last),
            tvs_port: 2_445,
        };
        ClusterSpec {
            id: id.into(),
            release,
            mode: ClusterMode::NonSecure,
            // The publisher stands last, and comes first in an export all the same.
            nodes: vec![node("sub", false, 2), node("pub", true, 1)],
            callmanager_group: Vec::new(),
            parameters: Parameters::default(),
        }
    }

    fn saved(cluster: &Cluster) -> SavedCluster {
        let id = cluster.id().to_owned();
        let mut own = Vec::new();
        for node in cluster.nodes() {
            for kind in CertificateKind::OF_NODE {
                if let Some(c) = cluster.certificate(&node.name, kind) {
                    own.push(OwnCertificate {
                        node: node.name.clone(),
                        kind,
                        certificate: Arc::clone(&c.public),
                    });
                }
            }
        }
        let spec = spec(&id, cluster.profile().release);
        SavedCluster::new(spec, ClusterSettings::default(), own).unwrap()
    }

    #[test]
    fn it_exports_and_imports_what_the_cluster_would() {
        let mut keys = KeyPool::new(1);
        let mut make = |id, release| {
            let settings = ClusterSettings::default();
            Cluster::new(spec(id, release), settings, DATE, &mut keys, 1).unwrap()
        };
        let mut src = make("src", Release::V10_5_2);
        let dst = make("dst", Release::V12_5);
        let (mut saved_src, saved_dst) = (saved(&src), saved(&dst));
        let key = |c: &NodeCertificate| (c.kind, c.node.clone());
        for (cluster, saved) in [(&src, &saved_src), (&dst, &saved_dst)] {
            let (mut one, mut other) = (certificates_of(cluster), saved.certificates_to_exchange());
            one.sort_by_key(key);
            other.sort_by_key(key);
            assert_eq!(one, other);
            assert_eq!(
                saved.importer(DATE).own.iter().collect::<BTreeSet<_>>(),
                saved.own().iter().map(|c| &c.certificate.der).collect()
            );
        }
        let file = ConsolidatedFile {
            name: "consolidated_itlrecovery.p12".into(),
            unit: Some(Unit::ItlRecovery),
            entries: saved_dst
                .certificates_to_exchange()
                .into_iter()
                .filter(|c| c.kind == CertificateKind::ItlRecovery)
                .map(|c| crate::cluster::bulk::p12::P12Entry {
                    alias: Some("dst/dst-pub/ITLRecovery/12.5".into()),
                    der: c.der,
                })
                .collect(),
        };
        let settings = BulkSettings::default();
        let plan = plan_import(&[file], &saved_src.importer(DATE), &settings).unwrap();
        let (real, on_file) = (apply(&mut src, &plan), apply(&mut saved_src, &plan));
        assert_eq!(real, on_file);
        for store in TrustStore::ALL {
            assert_eq!(src.store("src-pub", store).unwrap(), saved_src.store(store));
        }
        assert_eq!(saved_src.store(TrustStore::PhoneSast).len(), 1);
    }

    #[test]
    fn the_page_is_the_publishers_and_nodes_are_known() {
        let spec = spec("src", Release::V14);
        let settings = ClusterSettings::default();
        let cluster = SavedCluster::new(spec.clone(), settings, Vec::new()).unwrap();
        let page = cluster.page("src-pub", BulkSettings::default()).unwrap();
        assert!(page.types().contains(&BulkType::ItlRecovery));
        assert_eq!(
            cluster
                .page("src-sub", BulkSettings::default())
                .unwrap_err(),
            Refusal::NotThePublisher {
                node: "src-sub".into(),
                publisher: "src-pub".into()
            }
        );
        let stray = OwnCertificate {
            node: "elsewhere".into(),
            kind: CertificateKind::Tvs,
            certificate: Arc::new(PublicCertificate {
                der: Vec::new(),
                subject_text: String::new(),
                issuer_text: String::new(),
                serial: Vec::new(),
                not_before: 0,
                not_after: 0,
                public_key: Vec::new(),
                signature: Vec::new(),
            }),
        };
        assert!(matches!(
            SavedCluster::new(spec, settings, vec![stray]),
            Err(ClusterError::UnknownNode { .. })
        ));
    }
}
