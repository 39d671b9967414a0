//! A cluster: its nodes, stores and phones, and the publishing of lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::key::{KeyBits, KeyPool};
use super::list::{self, Stamp};
use super::node::{ConfigSource, Files, ItlInput, Node};
use super::release::{ListSigner, ReleaseProfile, Scope};
use super::serve::SignedCache;
use super::spec::{
    BlankItl, ClusterError, ClusterMode, ClusterSettings, ClusterSpec, Parameters, Service, clip,
};
use super::store::{Store, TrustStore, Trusted};
use super::x509::{self, CertificateKind, LabCertificate, Name, PublicCertificate, Request};
use crate::rng::Rng;
use crate::time::UnixSeconds;
use crate::wire::phone_config::{
    CapfServer, MAX_TVS, Member, PhoneConfig, SecurityMode, TvsServer,
};
use crate::wire::{Digest, ListKind, Record, Role};

/// A list that was published, kept so that a report can say whose it is.
#[derive(Clone, Debug)]
pub struct Publication {
    /// CTL or ITL.
    pub kind: ListKind,
    /// The TFTP node of an ITL; the publisher for the CTL.
    pub node: String,
    /// When.
    pub at: UnixSeconds,
    /// SHA-256 of the bytes.
    pub sha256: [u8; 32],
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

/// An emulated cluster. Same spec, settings, dates, key pool and calls: same bytes.
///
/// What it does not have: certificates with EC keys (CallManager-ECDSA, tomcat-ECDSA), encrypted
/// configurations, proxy TFTP.
#[derive(Debug)]
pub struct Cluster {
    pub(super) spec: ClusterSpec,
    pub(super) settings: ClusterSettings,
    pub(super) profile: ReleaseProfile,
    pub(super) seed: u64,
    pub(super) nodes: Vec<Node>,
    /// Security tokens, where the release signs its CTL with them.
    pub(super) tokens: Vec<LabCertificate>,
    pub(super) phone_sast_trust: Store,
    pub(super) callmanager_trust: Store,
    pub(super) tomcat_trust: Store,
    pub(super) ctl: Option<Arc<[u8]>>,
    pub(super) ctl_records: Vec<Record<Vec<u8>>>,
    /// Phones in the database, by MAC address.
    pub(super) phones: BTreeMap<[u8; 6], SecurityMode>,
    pub(super) publications: Vec<Publication>,
    pub(super) signed: SignedCache,
}

impl Cluster {
    /// A cluster with all services running, its certificates made and its files published, the CTL
    /// included if it is in mixed mode.
    ///
    /// # Errors
    /// [`ClusterError`] if the spec names nodes that are not there, or has not one publisher.
    pub fn new(
        spec: ClusterSpec,
        settings: ClusterSettings,
        date: UnixSeconds,
        keys: &mut KeyPool,
        seed: u64,
    ) -> Result<Self, ClusterError> {
        spec.check()?;
        let mut cluster = Self {
            nodes: spec.nodes.iter().cloned().map(Node::new).collect(),
            profile: spec.release.profile(),
            spec,
            settings,
            seed,
            tokens: Vec::new(),
            phone_sast_trust: Store::default(),
            callmanager_trust: Store::default(),
            tomcat_trust: Store::default(),
            ctl: None,
            ctl_records: Vec::new(),
            phones: BTreeMap::new(),
            publications: Vec::new(),
            signed: SignedCache::default(),
        };
        let installed = date.saturating_sub(u64::from(settings.installed_days_ago) * 86_400);
        cluster.make_certificates(installed, keys)?;
        if cluster.is_mixed() {
            cluster.update_ctl(date)?;
        } else {
            cluster.publish(date)?;
        }
        cluster.load_tvs_everywhere();
        Ok(cluster)
    }

    /// The cluster's name.
    pub fn id(&self) -> &str {
        &self.spec.id
    }

    /// What its release does.
    pub fn profile(&self) -> &ReleaseProfile {
        &self.profile
    }

    /// The settings it runs with.
    pub fn settings(&self) -> &ClusterSettings {
        &self.settings
    }

    /// The enterprise parameters as they are now.
    pub fn parameters(&self) -> Parameters {
        self.spec.parameters
    }

    /// Its mode.
    pub fn mode(&self) -> ClusterMode {
        self.spec.mode
    }

    /// Its nodes, in the spec's order.
    pub fn nodes(&self) -> impl Iterator<Item = &super::NodeSpec> {
        self.nodes.iter().map(|n| &n.spec)
    }

    /// A node's certificate. A certificate that the publisher makes for the whole cluster is every
    /// node's; one that only the publisher has is not.
    pub fn certificate(&self, node: &str, kind: CertificateKind) -> Option<&LabCertificate> {
        let node = self.nodes.iter().find(|n| n.spec.name == node)?;
        self.certificate_of(node, kind)
    }

    pub(super) fn certificate_of<'a>(
        &'a self,
        node: &'a Node,
        kind: CertificateKind,
    ) -> Option<&'a LabCertificate> {
        let is_shared = kind == CertificateKind::ItlRecovery
            && self.profile.itl_recovery.value == Scope::Cluster;
        let holder = if is_shared { self.publisher() } else { node };
        holder.certificates.get(&kind)
    }

    /// Adds a phone to the database, or changes its security mode. In a cluster that is not in
    /// mixed mode every phone is non-secure, whatever its mode here.
    ///
    /// # Errors
    /// [`ClusterError::DeviceName`].
    pub fn add_phone(&mut self, device: &str, mode: SecurityMode) -> Result<(), ClusterError> {
        let mac = super::serve::mac_of(device)
            .ok_or_else(|| ClusterError::DeviceName { name: clip(device) })?;
        self.phones.insert(mac, mode);
        Ok(())
    }

    /// Removes a phone from the database. True if it was there.
    pub fn remove_phone(&mut self, device: &str) -> bool {
        super::serve::mac_of(device).is_some_and(|mac| self.phones.remove(&mac).is_some())
    }

    /// Puts a certificate into a trust store, as an upload on the publisher does; it reaches all
    /// nodes unless the store stays where it was filled.
    pub fn trust(&mut self, store: TrustStore, certificate: Arc<PublicCertificate>) -> Trusted {
        match store {
            TrustStore::PhoneSast => self.phone_sast_trust.trust(certificate),
            TrustStore::CallManager => self.callmanager_trust.trust(certificate),
            TrustStore::Tomcat => self.tomcat_trust.trust(certificate),
            TrustStore::Capf => {
                let publisher = self.publisher_index();
                self.nodes[publisher].capf_trust.trust(certificate)
            }
        }
    }

    /// What a store holds on a node.
    ///
    /// # Errors
    /// [`ClusterError::UnknownNode`].
    pub fn store(
        &self,
        node: &str,
        store: TrustStore,
    ) -> Result<&[Arc<PublicCertificate>], ClusterError> {
        let node = self.node(node)?;
        let store = match store {
            TrustStore::PhoneSast => &self.phone_sast_trust,
            TrustStore::CallManager => &self.callmanager_trust,
            TrustStore::Tomcat => &self.tomcat_trust,
            TrustStore::Capf => &node.capf_trust,
        };
        Ok(store.certificates())
    }

    /// `utils ctl update CTLFile`: builds the CTL from the certificates and from Phone-SAST-trust
    /// as they are now, and hands it to all nodes. Nothing else changes a CTL.
    ///
    /// # Errors
    /// [`ClusterError::NotMixed`], or that the list cannot be made.
    pub fn update_ctl(&mut self, at: UnixSeconds) -> Result<(), ClusterError> {
        if !self.is_mixed() {
            return Err(ClusterError::NotMixed {
                cluster: self.spec.id.clone(),
            });
        }
        let records = self.make_ctl_records();
        let publisher = self.publisher();
        let signer = match self.profile.ctl_signer.value {
            ListSigner::Token => self.tokens.first(),
            other => self.certificate_of(publisher, other.certificate_kind()),
        };
        let Some(signer) = signer else {
            return Err(self.no_certificate(publisher, self.profile.ctl_signer.value));
        };
        let stamp = self.list_stamp(ListKind::Ctl, at);
        let bytes: Arc<[u8]> = list::signed_list(signer, &stamp, records.clone())?.into();
        let name = publisher.spec.name.clone();
        self.note(ListKind::Ctl, name, at, &bytes);
        self.ctl = Some(bytes);
        self.ctl_records = records;
        self.publish(at)
    }

    /// Brings what the running TFTP nodes serve up to date: the ITL where what it is made of has
    /// changed, the configuration, and the CTL as it was last built.
    ///
    /// # Errors
    /// [`ClusterError::Publish`] if a list cannot be made.
    pub fn publish(&mut self, at: UnixSeconds) -> Result<(), ClusterError> {
        let base = self.base_config();
        for index in 0..self.nodes.len() {
            let node = &self.nodes[index];
            if !node.is_on || !node.has(Service::Tftp) {
                continue;
            }
            let name = node.spec.name.clone();
            let signer_kind = self.profile.itl_signer.value;
            let (Some(signer), Some(callmanager)) = (
                self.certificate_of(node, signer_kind.certificate_kind()),
                self.certificate_of(node, CertificateKind::CallManager),
            ) else {
                return Err(self.no_certificate(node, signer_kind));
            };
            let stamp = self.list_stamp(ListKind::Itl, at);
            let input = ItlInput {
                signer: Arc::clone(&signer.public),
                digest: stamp.digest,
                records: self.itl_records(node),
            };
            let old = node.files.as_ref();
            let unchanged = old.filter(|f| *f.itl_input == input);
            let (itl, itl_input, is_new) = match unchanged {
                Some(files) => (Arc::clone(&files.itl), Arc::clone(&files.itl_input), false),
                None => {
                    let bytes = list::signed_list(signer, &stamp, input.records.clone())?;
                    (bytes.into(), Arc::new(input), true)
                }
            };
            let config = match old.filter(|f| self.is_current(&f.config, callmanager, &base)) {
                Some(files) => Arc::clone(&files.config),
                None => Arc::new(self.config_source(callmanager.clone(), base.clone(), at)),
            };
            let files = Files {
                itl: Arc::clone(&itl),
                itl_input,
                ctl: self.ctl.clone(),
                config,
            };
            self.nodes[index].files = Some(files);
            if is_new {
                self.note(ListKind::Itl, name, at, &itl);
            }
        }
        Ok(())
    }

    /// Every list that was published, oldest first.
    pub fn publications(&self) -> &[Publication] {
        &self.publications
    }

    /// The publication of these bytes: which node's list a phone holds. None for another
    /// cluster's, and for a damaged one.
    pub fn owner_of(&self, list: &[u8]) -> Option<&Publication> {
        self.owner_of_sha256(&sha256(list))
    }

    /// The same, by the list's SHA-256.
    pub fn owner_of_sha256(&self, sha256: &[u8; 32]) -> Option<&Publication> {
        self.publications.iter().find(|p| p.sha256 == *sha256)
    }

    pub(super) fn is_mixed(&self) -> bool {
        self.spec.mode == ClusterMode::Mixed
    }

    pub(super) fn node(&self, name: &str) -> Result<&Node, ClusterError> {
        Ok(&self.nodes[self.node_index(name)?])
    }

    pub(super) fn node_index(&self, name: &str) -> Result<usize, ClusterError> {
        let found = self.nodes.iter().position(|n| n.spec.name == name);
        found.ok_or_else(|| ClusterError::UnknownNode {
            cluster: self.spec.id.clone(),
            node: clip(name),
        })
    }

    pub(super) fn publisher_index(&self) -> usize {
        // The spec was checked: there is one.
        let publisher = self.nodes.iter().position(|n| n.spec.publisher);
        publisher.unwrap_or_default()
    }

    pub(super) fn publisher(&self) -> &Node {
        &self.nodes[self.publisher_index()]
    }

    fn no_certificate(&self, node: &Node, signer: ListSigner) -> ClusterError {
        ClusterError::NoCertificate {
            node: node.spec.name.clone(),
            kind: signer.certificate_kind(),
            release: self.profile.release,
        }
    }

    fn note(&mut self, kind: ListKind, node: String, at: UnixSeconds, bytes: &Arc<[u8]>) {
        self.publications.push(Publication {
            kind,
            node,
            at,
            sha256: sha256(bytes),
            bytes: Arc::clone(bytes),
        });
    }
}

/// Certificates.
impl Cluster {
    fn make_certificates(
        &mut self,
        at: UnixSeconds,
        keys: &mut KeyPool,
    ) -> Result<(), ClusterError> {
        use CertificateKind::{CallManager, Capf, ItlRecovery, Tomcat, Tvs};
        for index in 0..self.nodes.len() {
            for kind in [CallManager, Tvs, Capf, Tomcat, ItlRecovery] {
                if self.makes(&self.nodes[index], kind) {
                    let made = self.make_certificate(index, kind, at, keys)?;
                    self.nodes[index].certificates.insert(kind, made);
                }
            }
        }
        let uses_tokens = self.profile.ctl_signer.value == ListSigner::Token;
        if uses_tokens && self.is_mixed() {
            // Two: the one that signs and its spare, as in the CTLs of Cisco 118892.
            for number in 0..2 {
                let token = self.make_token(number, at, keys)?;
                self.tokens.push(token);
            }
        }
        Ok(())
    }

    /// True if the node makes a certificate of this kind itself.
    pub(super) fn makes(&self, node: &Node, kind: CertificateKind) -> bool {
        let scope = match kind {
            CertificateKind::CallManager | CertificateKind::Tvs | CertificateKind::Tomcat => {
                Scope::EachNode
            }
            CertificateKind::Capf => self.profile.capf.value,
            CertificateKind::ItlRecovery => self.profile.itl_recovery.value,
            CertificateKind::Token | CertificateKind::Lsc => Scope::Absent,
        };
        match scope {
            Scope::Absent => false,
            Scope::EachNode => true,
            Scope::Publisher | Scope::Cluster => node.spec.publisher,
        }
    }

    /// Makes a node's certificate with a key and a serial of its own.
    pub(super) fn make_certificate(
        &self,
        index: usize,
        kind: CertificateKind,
        at: UnixSeconds,
        keys: &mut KeyPool,
    ) -> Result<LabCertificate, ClusterError> {
        let node = &self.nodes[index];
        let generation = node.generations.get(&kind).copied().unwrap_or(0);
        let host = &node.spec.name;
        let common_name = match kind {
            CertificateKind::ItlRecovery => format!("ITLRECOVERY_{host}"),
            CertificateKind::Capf => {
                let id = self.stream(&format!("{host}/capf")).next_u64() >> 32;
                format!("CAPF-{id:08x}")
            }
            // No source shows the CN of TVS and tomcat: assumed to be the host too.
            _ => host.clone(),
        };
        let (bits, years) = match kind {
            CertificateKind::ItlRecovery => (
                self.settings.signer_key_bits,
                self.profile.itl_recovery_validity_years.value,
            ),
            CertificateKind::CallManager => (
                self.settings.signer_key_bits,
                self.profile.validity_years.value,
            ),
            _ => (KeyBits::B2048, self.profile.validity_years.value),
        };
        let mut rng = self.stream(&format!("{host}/{kind}/{generation}"));
        let request = Request {
            kind,
            subject: Name::new(common_name, &self.spec.id),
            host,
            serial: x509::serial(&mut rng, self.profile.serial_bytes.value),
            not_before: at,
            not_after: years_after(at, years),
            digest: self.profile.certificate_digest.value,
        };
        Ok(x509::self_signed(&request, keys.take(bits))?)
    }

    /// A security token: 1024 bits and a serial of 10 bytes, as in Cisco 118892.
    fn make_token(
        &self,
        number: u32,
        at: UnixSeconds,
        keys: &mut KeyPool,
    ) -> Result<LabCertificate, ClusterError> {
        let mut rng = self.stream(&format!("token/{number}"));
        let id = rng.next_u64() >> 32;
        let request = Request {
            kind: CertificateKind::Token,
            subject: Name::new(format!("SAST-ADN{id:08x}"), "IPCBU"),
            host: "token",
            serial: x509::serial(&mut rng, 10),
            not_before: at,
            not_after: years_after(at, self.profile.validity_years.value),
            digest: self.profile.certificate_digest.value,
        };
        Ok(x509::self_signed(&request, keys.take(KeyBits::B1024))?)
    }

    /// A phone's LSC, issued by the publisher's CAPF.
    ///
    /// # Errors
    /// [`ClusterError::HostName`] for a common name that needs escapes.
    pub fn issue_lsc(
        &self,
        common_name: &str,
        at: UnixSeconds,
        keys: &mut KeyPool,
    ) -> Result<LabCertificate, ClusterError> {
        super::spec::check_host_name(common_name)?;
        let publisher = self.publisher();
        let capf = self
            .certificate_of(publisher, CertificateKind::Capf)
            .ok_or_else(|| ClusterError::NoCertificate {
                node: publisher.spec.name.clone(),
                kind: CertificateKind::Capf,
                release: self.profile.release,
            })?;
        let mut rng = self.stream(&format!("lsc/{common_name}/{at}"));
        let request = Request {
            kind: CertificateKind::Lsc,
            subject: Name::new(common_name, &self.spec.id),
            host: common_name,
            serial: x509::serial(&mut rng, self.profile.serial_bytes.value),
            not_before: at,
            not_after: years_after(at, self.profile.validity_years.value),
            digest: self.profile.certificate_digest.value,
        };
        let key = keys.take(KeyBits::B2048);
        Ok(x509::issued_by(&request, key, &capf.subject, &capf.key)?)
    }

    fn stream(&self, name: &str) -> Rng {
        Rng::stream(self.seed, &format!("{}/{name}", self.spec.id))
    }
}

/// What lists and configurations are made of.
impl Cluster {
    fn list_stamp(&self, kind: ListKind, at: UnixSeconds) -> Stamp<'static> {
        let digest = if self.settings.digest_applies_to_lists {
            self.file_digest()
        } else {
            self.profile.digest.value
        };
        let own = self.settings.signer_version;
        Stamp {
            version: self.profile.header_version.value,
            signer_version: own.or(self.profile.signer_version.value),
            digest,
            file_name: kind.file_name(),
            at,
        }
    }

    fn file_digest(&self) -> Digest {
        let set = self.spec.parameters.tftp_file_signature_algorithm;
        set.unwrap_or(self.profile.digest.value)
    }

    /// Records of a TFTP node's ITL. Which ones: security guide 14SU2 and Cisco's Preferred
    /// Architecture. Their order is assumed: the signer, other anchors, the file signer, CAPF, TVS.
    fn itl_records(&self, node: &Node) -> Vec<Record<Vec<u8>>> {
        let file_role = if self.is_mixed() {
            Role::CcmTftp
        } else {
            Role::Tftp
        };
        let anchor_order = match self.profile.itl_signer.value {
            ListSigner::ItlRecovery => [CertificateKind::ItlRecovery, CertificateKind::CallManager],
            _ => [CertificateKind::CallManager, CertificateKind::ItlRecovery],
        };
        let recovery_is_shared = self.profile.itl_recovery.value == Scope::Cluster;
        let mut records = Vec::new();
        for kind in anchor_order {
            let is_publishers = kind == CertificateKind::ItlRecovery && recovery_is_shared;
            let holder = if is_publishers {
                self.publisher()
            } else {
                node
            };
            records.extend(self.record_of(holder, kind, Role::Sast));
        }
        records.extend(self.file_record(node, CertificateKind::CallManager, file_role));
        for capf in self.nodes.iter().filter(|n| n.has(Service::Capf)) {
            records.extend(self.record_of(capf, CertificateKind::Capf, Role::Capf));
        }
        for tvs in self.nodes.iter().filter(|n| n.has(Service::Tvs)) {
            records.extend(self.file_record(tvs, CertificateKind::Tvs, Role::Tvs));
        }
        records
    }

    fn record_of(
        &self,
        holder: &Node,
        kind: CertificateKind,
        role: Role,
    ) -> Option<Record<Vec<u8>>> {
        let certificate = self.certificate_of(holder, kind)?;
        Some(list::record(
            &certificate.public,
            Some(kind),
            role,
            holder.place(),
        ))
    }

    /// A record that the rollback parameter blanks.
    fn file_record(
        &self,
        holder: &Node,
        kind: CertificateKind,
        role: Role,
    ) -> Option<Record<Vec<u8>>> {
        if !self.spec.parameters.prepare_cluster_for_rollback {
            return self.record_of(holder, kind, role);
        }
        match self.settings.blank_itl {
            BlankItl::NoRecords => None,
            BlankItl::EmptyRecords => Some(list::empty_record(
                role,
                &holder.spec.name,
                holder.spec.address,
            )),
        }
    }

    /// Records of the CTL. The order of the first is that of Cisco 118893; it varies after them, so
    /// the rest is assumed: CAPF, the other nodes, the second anchor of 10.5 to 11.5, imports.
    fn make_ctl_records(&self) -> Vec<Record<Vec<u8>>> {
        let publisher = self.publisher();
        let mut records = Vec::new();
        let mut late_anchor = None;
        for (index, anchor) in self.profile.ctl_anchors.value.iter().enumerate() {
            match anchor {
                ListSigner::Token => {
                    let kind = Some(CertificateKind::Token);
                    let tokens = self.tokens.iter();
                    records.extend(tokens.map(|t| list::record(&t.public, kind, Role::Sast, None)));
                }
                ListSigner::ItlRecovery if index > 0 => {
                    late_anchor =
                        self.record_of(publisher, CertificateKind::ItlRecovery, Role::Sast);
                }
                other => {
                    records.extend(self.record_of(publisher, other.certificate_kind(), Role::Sast));
                }
            }
        }
        let signals = |n: &&Node| n.has(Service::CallManager) || n.has(Service::Tftp);
        let ccm = |n: &Node| self.record_of(n, CertificateKind::CallManager, Role::CcmTftp);
        records.extend(Some(publisher).filter(signals).and_then(ccm));
        for capf in self.nodes.iter().filter(|n| n.has(Service::Capf)) {
            records.extend(self.record_of(capf, CertificateKind::Capf, Role::Capf));
        }
        let others = self.nodes.iter().filter(|n| !n.spec.publisher);
        records.extend(others.filter(signals).filter_map(ccm));
        records.extend(late_anchor);
        let imported = self.phone_sast_trust.certificates().iter();
        records.extend(imported.map(|c| list::record(c, None, Role::Sast, None)));
        records
    }

    /// The configuration that all phones share.
    fn base_config(&self) -> PhoneConfig {
        let group = self.spec.callmanager_group.iter();
        let group: Vec<&Node> = group.filter_map(|name| self.node(name).ok()).collect();
        let callmanager_group = (0..).zip(&group).map(|(priority, node)| Member {
            priority,
            host: node.spec.name.clone(),
            ethernet_phone_port: 2_000,
            sip_port: 5_060,
            secured_sip_port: 5_061,
        });
        // The address, not the name: a lab has no DNS.
        let tvs = group.iter().filter(|n| n.has(Service::Tvs)).take(MAX_TVS);
        let tvs = (0..).zip(tvs).map(|(priority, node)| TvsServer {
            priority,
            host: node.spec.address.to_string(),
            port: node.spec.tvs_port,
        });
        let capf = self.nodes.iter().filter(|n| n.has(Service::Capf));
        PhoneConfig {
            callmanager_group: callmanager_group.collect(),
            tvs: tvs.collect(),
            capf: capf
                .map(|node| CapfServer {
                    host: node.spec.name.clone(),
                    port: 3_804,
                })
                .collect(),
            ..PhoneConfig::default()
        }
    }

    fn config_source(
        &self,
        signer: LabCertificate,
        base: PhoneConfig,
        at: UnixSeconds,
    ) -> ConfigSource {
        // CUCM's stamp is the time and a random UUID; here the cluster's name and the time decide.
        let tail = self.stream(&format!("stamp/{at}")).next_u64();
        ConfigSource {
            signer,
            digest: self.file_digest(),
            at,
            base,
            version_stamp: format!("{at}-{tail:016x}"),
            is_mixed: self.is_mixed(),
        }
    }

    fn is_current(
        &self,
        source: &ConfigSource,
        signer: &LabCertificate,
        base: &PhoneConfig,
    ) -> bool {
        source.signer.public == signer.public
            && source.digest == self.file_digest()
            && source.base == *base
    }
}

/// A year has 365 days here, as in `openssl -days`.
fn years_after(at: UnixSeconds, years: u32) -> UnixSeconds {
    at.saturating_add(u64::from(years) * 365 * 86_400)
}

pub(super) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}
