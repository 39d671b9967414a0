//! All clusters of a lab together: who has which address and name, and what each node answers.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::sync::Arc;

use super::segment::Segment;
use super::{
    Cluster, ClusterSettings, FileAnswer, HttpAnswer, HttpMissing, LscTrustedBy, Service,
    SignedDefault,
};
use crate::tftp::FileError;
use crate::trust::rules::{Settings, TvsMiss};
use crate::tvs::{Found, Miss, ServerSettings};

/// One node of one cluster, by index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeId {
    /// Index of the cluster.
    pub cluster: usize,
    /// Index of the node in its cluster.
    pub node: usize,
}

/// What a server speaks TLS with.
#[derive(Clone, Debug)]
pub struct TlsIdentity {
    /// Its certificate, DER.
    pub certificate: Arc<[u8]>,
    /// Its private key, PKCS#8. A lab key.
    pub key: Arc<[u8]>,
}

/// The clusters of a lab.
#[derive(Debug)]
pub struct Lab {
    clusters: Vec<Cluster>,
    nodes: BTreeMap<NodeId, (String, Ipv4Addr)>,
    by_address: BTreeMap<Ipv4Addr, NodeId>,
    by_name: BTreeMap<String, NodeId>,
    tvs: ServerSettings,
    /// The DHCP server of the phones' segment, if there is one.
    pub(super) segment: Option<Segment>,
    /// Every content that a node served under a name, in order.
    served: BTreeMap<(NodeId, String), Vec<Arc<[u8]>>>,
    /// How many names `served` may have.
    most_served: usize,
}

impl Lab {
    /// A lab of these clusters. Names and addresses of nodes are unique over all of them.
    pub fn new(clusters: Vec<Cluster>, settings: &Settings) -> Self {
        let mut nodes = BTreeMap::new();
        let mut by_address = BTreeMap::new();
        let mut by_name = BTreeMap::new();
        for (cluster, c) in clusters.iter().enumerate() {
            for (node, n) in c.nodes().enumerate() {
                let id = NodeId { cluster, node };
                nodes.insert(id, (n.name.clone(), n.address));
                by_address.insert(n.address, id);
                by_name.insert(n.name.clone(), id);
            }
        }
        Self {
            clusters,
            nodes,
            by_address,
            by_name,
            tvs: answers_of_tvs(settings),
            segment: None,
            served: BTreeMap::new(),
            most_served: usize::MAX,
        }
    }

    /// The clusters.
    pub fn clusters(&self) -> &[Cluster] {
        &self.clusters
    }

    /// A cluster, to change it.
    pub fn cluster_mut(&mut self, index: usize) -> Option<&mut Cluster> {
        self.clusters.get_mut(index)
    }

    /// Index of the cluster with this id.
    pub fn cluster_index(&self, id: &str) -> Option<usize> {
        self.clusters.iter().position(|c| c.id() == id)
    }

    /// Every node.
    pub fn nodes(&self) -> Vec<NodeId> {
        self.nodes.keys().copied().collect()
    }

    /// The node with this address.
    pub fn at(&self, address: Ipv4Addr) -> Option<NodeId> {
        self.by_address.get(&address).copied()
    }

    /// The node that a host name or a dotted address means.
    pub fn host(&self, host: &str) -> Option<NodeId> {
        self.by_name
            .get(host)
            .copied()
            .or_else(|| self.at(host.parse().ok()?))
    }

    /// The node's name.
    pub fn name(&self, id: NodeId) -> &str {
        self.nodes.get(&id).map_or("", |(name, _)| name)
    }

    /// The node's address.
    pub fn address(&self, id: NodeId) -> Ipv4Addr {
        self.nodes
            .get(&id)
            .map_or(Ipv4Addr::UNSPECIFIED, |(_, address)| *address)
    }

    /// True if the node is switched on.
    pub fn is_on(&self, id: NodeId) -> bool {
        self.clusters[id.cluster].is_on(id.node)
    }

    /// True if the node is switched on and runs the service.
    pub fn serves(&self, id: NodeId, service: Service) -> bool {
        self.clusters[id.cluster].is_up(self.name(id), service)
    }

    /// Remembers what was served under this many names of nodes' files at most. Lists are served
    /// under the name of any phone, so whoever asks would make a lab grow that runs for long.
    pub fn remember_at_most(&mut self, names: usize) {
        self.most_served = names;
    }

    /// A file of the node.
    ///
    /// # Errors
    /// [`FileError::NotFound`] if the node has none of that name.
    pub fn open(&mut self, id: NodeId, name: &str) -> Result<Arc<[u8]>, FileError> {
        let node = self.name(id).to_owned();
        match self.clusters[id.cluster].file(&node, name) {
            FileAnswer::Found(bytes) => {
                self.note_served(id, name, &bytes);
                Ok(bytes)
            }
            FileAnswer::NotFound => Err(FileError::NotFound),
        }
    }

    /// What the node answers to a GET over HTTP, or over HTTPS.
    pub fn http(&mut self, id: NodeId, path: &str, is_tls: bool) -> HttpAnswer {
        let node = self.name(id).to_owned();
        let answer = self.clusters[id.cluster].http(&node, path, is_tls);
        if let (HttpAnswer::Found(bytes), false) = (&answer, is_tls) {
            self.note_served(id, path.trim_start_matches('/'), bytes);
        }
        answer
    }

    fn note_served(&mut self, id: NodeId, name: &str, bytes: &Arc<[u8]>) {
        let key = (id, name.to_owned());
        if self.served.len() < self.most_served || self.served.contains_key(&key) {
            let versions = self.served.entry(key).or_default();
            if versions.last() != Some(bytes) {
                versions.push(Arc::clone(bytes));
            }
        }
    }

    /// What the node speaks HTTPS with for its files. None where nothing listens: without TFTP, and
    /// in releases without an EC certificate of CallManager.
    pub fn https_identity(&self, id: NodeId) -> Option<TlsIdentity> {
        if !self.serves(id, Service::Tftp) {
            return None;
        }
        let (certificate, key) = self.clusters[id.cluster].https_identity(self.name(id))?;
        Some(TlsIdentity {
            certificate: certificate.into(),
            key: key.into(),
        })
    }

    /// Every content that a node served under a name, in order, as far as it is remembered.
    pub fn served(&self) -> impl Iterator<Item = (NodeId, &str, &[Arc<[u8]>])> {
        self.served
            .iter()
            .map(|((id, name), versions)| (*id, name.as_str(), versions.as_slice()))
    }

    /// What the node's TVS speaks TLS with. None for a node without TVS.
    pub fn tvs_identity(&self, id: NodeId) -> Option<TlsIdentity> {
        let (certificate, key) = self.clusters[id.cluster].tvs_identity(self.name(id))?;
        Some(TlsIdentity {
            certificate: certificate.into(),
            key: key.into(),
        })
    }

    /// The TLS that the node's TVS really speaks, where another stands in for it.
    pub fn tls_stand_in(&self, id: NodeId) -> Option<&'static str> {
        self.clusters[id.cluster].profile().tvs_tls.value
    }

    /// How the TVS of this lab answer.
    pub fn tvs_settings(&self) -> ServerSettings {
        self.tvs
    }

    /// How the lab answers phones, in so far as nothing that it publishes hangs on it.
    pub fn answers(&self) -> Answers {
        let settings = self.clusters.first().map(Cluster::settings).copied();
        Answers::new(self.tvs, &settings.unwrap_or_default())
    }

    /// Lets the lab answer in another way from now on.
    pub fn set_answers(&mut self, answers: Answers) {
        self.tvs = answers.tvs;
        for cluster in &mut self.clusters {
            answers.apply(&mut cluster.settings);
        }
    }

    /// What the node's TVS knows of a signer.
    pub fn query(&self, id: NodeId, subject: &[u8], issuer: &[u8], serial: &[u8]) -> Option<Found> {
        let answer = self.clusters[id.cluster].tvs_query(self.name(id), subject, issuer, serial)?;
        Some(found(&answer))
    }

    /// What the node's TVS knows of a certificate.
    pub fn verify(&self, id: NodeId, certificate: &[u8]) -> Option<Found> {
        let answer = self.clusters[id.cluster].tvs_verify(self.name(id), certificate)?;
        Some(found(&answer))
    }
}

impl Cluster {
    /// True if the node with this index is switched on.
    fn is_on(&self, index: usize) -> bool {
        self.nodes.get(index).is_some_and(|n| n.is_on)
    }
}

/// How the clusters of a lab answer phones: all that they decide anew with each answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answers {
    tvs: ServerSettings,
    tvs_ttl_secs: u32,
    lsc_trusted_by: LscTrustedBy,
    http_missing: HttpMissing,
    signed_default: SignedDefault,
}

impl Answers {
    /// What of these settings is about answers.
    pub fn new(tvs: ServerSettings, settings: &ClusterSettings) -> Self {
        Self {
            tvs,
            tvs_ttl_secs: settings.tvs_ttl_secs,
            lsc_trusted_by: settings.lsc_trusted_by,
            http_missing: settings.http_missing,
            signed_default: settings.signed_default,
        }
    }

    /// Puts them into the settings of a cluster.
    pub fn apply(&self, settings: &mut ClusterSettings) {
        settings.tvs_ttl_secs = self.tvs_ttl_secs;
        settings.lsc_trusted_by = self.lsc_trusted_by;
        settings.http_missing = self.http_missing;
        settings.signed_default = self.signed_default;
    }
}

/// How the TVS of a lab with these rules answer; marks the rules as used.
pub fn answers_of_tvs(settings: &Settings) -> ServerSettings {
    ServerSettings {
        tags: settings.tvs_tags(),
        miss: match settings.word::<TvsMiss>() {
            TvsMiss::StatusOnly => Miss::StatusOnly,
            TvsMiss::Close => Miss::Close,
        },
        ..ServerSettings::default()
    }
}

fn found(answer: &super::TvsAnswer) -> Found {
    let one_byte = |r: &crate::wire::Role| u8::try_from(r.code()).ok();
    Found {
        certificate: answer.certificate.clone(),
        roles: answer.roles.iter().filter_map(one_byte).collect(),
        ttl_secs: answer.ttl_secs,
    }
}
