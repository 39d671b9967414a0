//! A cluster: its nodes, stores and phones, and the publishing of lists.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::config::PhoneRecord;
use super::key::KeyPool;
use super::list;
use super::node::{Files, ItlInput, Node};
use super::phone_files::PhoneFiles;
use super::release::{ListSigner, ReleaseProfile, Scope};
use super::serve::{SignedCache, mac_of};
use super::spec::{
    ClusterError, ClusterMode, ClusterSettings, ClusterSpec, NodeSpec, Parameters, Service, clip,
};
use super::store::{Store, TrustStore, Trusted};
use super::x509::{CertificateKind, LabCertificate, PublicCertificate};
use crate::time::UnixSeconds;
use crate::wire::phone_config::SecurityMode;
use crate::wire::{ListKind, Record};

/// A list that was published, kept so that a report can say whose it is.
#[derive(Clone, Debug)]
pub struct Publication {
    /// CTL or ITL.
    pub kind: ListKind,
    /// The TFTP node of an ITL; the publisher for the CTL.
    pub node: String,
    /// When.
    pub at: UnixSeconds,
    /// The bytes.
    pub bytes: Arc<[u8]>,
}

/// An emulated cluster. Same spec, settings, dates, key pool and calls: same bytes.
///
/// What it does not have: CAPF sessions, proxy TFTP. Its certificates with EC keys stand
/// in no list: phones that use them need them in the ITL (Cisco security guide), but no source shows
/// as which record.
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
    pub(super) phones: BTreeMap<[u8; 6], PhoneRecord>,
    pub(super) phone_files: PhoneFiles,
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
            phone_files: PhoneFiles::default(),
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
    pub fn nodes(&self) -> impl Iterator<Item = &NodeSpec> {
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
        let mac = mac_of(device).ok_or_else(|| ClusterError::DeviceName { name: clip(device) })?;
        self.phones.entry(mac).or_default().mode = mode;
        Ok(())
    }

    /// Sets TFTP Encrypted Config in the security profile of a phone. In a cluster that is not in
    /// mixed mode it has no effect. False if the phone is not in the database.
    pub fn set_encrypted_config(&mut self, device: &str, encrypted: bool) -> bool {
        let phone = mac_of(device).and_then(|mac| self.phones.get_mut(&mac));
        phone.is_some_and(|phone| {
            phone.encrypted_config = encrypted;
            true
        })
    }

    /// Records the certificate of a phone, DER, as CAPF does when it has issued or seen it: its
    /// configuration is encrypted for this one. False if the phone is not in the database.
    pub fn record_certificate(&mut self, device: &str, certificate: Option<Arc<[u8]>>) -> bool {
        let phone = mac_of(device).and_then(|mac| self.phones.get_mut(&mac));
        phone.is_some_and(|phone| {
            phone.certificate = certificate;
            true
        })
    }

    /// True if the phone is in the database.
    pub fn has_phone(&self, device: &str) -> bool {
        mac_of(device).is_some_and(|mac| self.phones.contains_key(&mac))
    }

    /// Removes a phone from the database. What was there of it, for
    /// [`Cluster::put_phone_back`]; nothing if it was not there.
    pub fn remove_phone(&mut self, device: &str) -> Option<PhoneRecord> {
        self.phones.remove(&mac_of(device)?)
    }

    /// Adds a phone that was removed, as it was. A phone that is in the database stays as it is.
    ///
    /// # Errors
    /// [`ClusterError::DeviceName`].
    pub fn put_phone_back(
        &mut self,
        device: &str,
        record: PhoneRecord,
    ) -> Result<(), ClusterError> {
        let mac = mac_of(device).ok_or_else(|| ClusterError::DeviceName { name: clip(device) })?;
        self.phones.entry(mac).or_insert(record);
        Ok(())
    }

    /// Puts a certificate into a trust store, as an upload on the publisher does; it reaches all
    /// nodes unless the store stays where it was filled.
    pub fn trust(&mut self, store: TrustStore, certificate: Arc<PublicCertificate>) -> Trusted {
        let result = match store {
            TrustStore::PhoneSast => self.phone_sast_trust.trust(certificate),
            TrustStore::CallManager => self.callmanager_trust.trust(certificate),
            TrustStore::Tomcat => self.tomcat_trust.trust(certificate),
            TrustStore::Capf => {
                let publisher = self.publisher_index();
                self.nodes[publisher].capf_trust.trust(certificate)
            }
        };
        self.database_changed();
        result
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
        let date = publisher.clock(at);
        let stamp = self.list_stamp(ListKind::Ctl, date);
        let bytes: Arc<[u8]> = list::signed_list(signer, &stamp, records.clone())?.into();
        let name = publisher.spec.name.clone();
        self.note(ListKind::Ctl, name, date, &bytes);
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
            let date = node.clock(at);
            let stamp = self.list_stamp(ListKind::Itl, date);
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
                None => Arc::new(self.config_source(callmanager.clone(), base.clone(), date)),
            };
            let files = Files {
                itl: Arc::clone(&itl),
                itl_input,
                ctl: self.ctl.clone(),
                config,
            };
            self.nodes[index].files = Some(files);
            if is_new {
                self.note(ListKind::Itl, name, date, &itl);
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
        self.publications.iter().find(|p| *p.bytes == *list)
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
            bytes: Arc::clone(bytes),
        });
    }
}

pub(in crate::cluster) fn sha256(bytes: &[u8]) -> [u8; 32] {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    let mut out = [0; 32];
    out.copy_from_slice(digest.as_ref());
    out
}
