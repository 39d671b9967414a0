//! What lists and configurations are made of.

use super::list::{self, Stamp};
use super::node::{ConfigSource, Node};
use super::release::{ListSigner, Scope};
use super::spec::{BlankItl, ServerNames, Service};
use super::state::Cluster;
use super::x509::{CertificateKind, LabCertificate};
use crate::time::UnixSeconds;
use crate::wire::phone_config::{CapfServer, MAX_TVS, Member, PhoneConfig, TvsServer};
use crate::wire::{Digest, ListKind, Record, Role};

impl Cluster {
    pub(super) fn list_stamp(&self, kind: ListKind, at: UnixSeconds) -> Stamp<'static> {
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
    pub(super) fn itl_records(&self, node: &Node) -> Vec<Record<Vec<u8>>> {
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
        if self.settings.https_record
            && self
                .certificate_of(node, CertificateKind::CallManagerEcdsa)
                .is_some()
        {
            records.extend(self.file_record(node, CertificateKind::CallManagerEcdsa, file_role));
        }
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
    pub(super) fn make_ctl_records(&self) -> Vec<Record<Vec<u8>>> {
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
    pub(super) fn base_config(&self) -> PhoneConfig {
        let group = self.spec.callmanager_group.iter();
        let group: Vec<&Node> = group.filter_map(|name| self.node(name).ok()).collect();
        let callmanager_group = (0..).zip(&group).map(|(priority, node)| Member {
            priority,
            host: self.name_for_phones(node),
            ethernet_phone_port: 2_000,
            sip_port: 5_060,
            secured_sip_port: 5_061,
        });
        // The CallManager group as it is, whatever its members run (Cisco 215539, notes; Cisco
        // 118893): a member without TVS is asked in vain.
        let tvs = (0..).zip(group.iter().take(MAX_TVS));
        let tvs = tvs.map(|(priority, node)| TvsServer {
            priority,
            host: self.name_for_phones(node),
            port: node.spec.tvs_port,
        });
        let capf = self.nodes.iter().filter(|n| {
            n.has(Service::Capf) && self.certificate_of(n, CertificateKind::Capf).is_some()
        });
        PhoneConfig {
            callmanager_group: callmanager_group.collect(),
            tvs: tvs.collect(),
            capf: capf
                .map(|node| CapfServer {
                    host: self.name_for_phones(node),
                    port: 3_804,
                })
                .collect(),
            files: self.phone_files.named.clone(),
            ..PhoneConfig::default()
        }
    }

    /// How a phone configuration names the node. By host name, who runs the lab knows where it is.
    fn name_for_phones(&self, node: &Node) -> String {
        match self.settings.server_names {
            ServerNames::HostName => node.spec.name.clone(),
            ServerNames::Address => node.spec.address.to_string(),
        }
    }

    pub(super) fn config_source(
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
            seed: self.stream(&format!("encryption/{at}")).next_u64(),
        }
    }

    pub(super) fn is_current(
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
