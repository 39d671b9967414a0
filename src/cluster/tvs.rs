//! What a node's TVS knows: the certificates of the database, then those of the CTL file.
//!
//! Order and key (serial and issuer): the traces of Cisco 118893 and 213407. The roles per store
//! are inferred from the two recorded answers, SAST with TFTP for an imported CallManager and SAST
//! with CCM+TFTP for an own one.

use std::sync::Arc;

use super::spec::{RolesOfStore, Service};
use super::state::Cluster;
use super::store::Store;
use super::x509::{CertificateKind, PublicCertificate};
use crate::wire::header::{same_serial, without_nul};
use crate::wire::{Record, Role};

/// Where a TVS found a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TvsCache {
    /// `CertificateDBCache`: own certificates and trust stores.
    Database,
    /// `CertificateCTLCache`: the CTL file on disk.
    CtlFile,
}

/// A positive answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TvsAnswer {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// What it may do, by code, lowest first.
    pub roles: Vec<Role>,
    /// How long the phone may keep the answer, in seconds.
    pub ttl_secs: u32,
    /// Where it was found.
    pub found_in: TvsCache,
}

/// A certificate that a TVS has loaded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    certificate: Arc<PublicCertificate>,
    roles: Vec<Role>,
}

impl Cluster {
    /// What the node's TVS answers to a QUERY. The key is issuer and serial; the subject is not
    /// looked at (Cisco 118893). The parts of the issuer may be joined by `;` or by `,`. None if
    /// the certificate is not known, or the service does not run.
    pub fn tvs_query(
        &self,
        node: &str,
        _subject: &[u8],
        issuer: &[u8],
        serial: &[u8],
    ) -> Option<TvsAnswer> {
        self.look_up(
            node,
            |c| same_serial(&c.serial, serial) && same_issuer(c.issuer_text.as_bytes(), issuer),
            |r| {
                r.serial().is_some_and(|s| same_serial(s, serial))
                    && r.issuer().is_some_and(|i| same_issuer(i, issuer))
            },
        )
    }

    /// What the node's TVS answers to a VERIFY of this certificate.
    pub fn tvs_verify(&self, node: &str, certificate: &[u8]) -> Option<TvsAnswer> {
        self.look_up(
            node,
            |c| c.der == certificate,
            |r| r.certificate() == Some(certificate),
        )
    }

    /// The certificate and private key (PKCS#8) with which the node's TVS speaks TLS. None for a
    /// node without TVS.
    pub fn tvs_identity(&self, node: &str) -> Option<(&[u8], &[u8])> {
        let node = self.node(node).ok().filter(|n| n.has(Service::Tvs))?;
        let tvs = node.certificates.get(&CertificateKind::Tvs)?;
        Some((&tvs.public.der, tvs.key.pkcs8()))
    }

    fn look_up(
        &self,
        node: &str,
        is_entry: impl Fn(&PublicCertificate) -> bool,
        is_record: impl Fn(&Record<Vec<u8>>) -> bool,
    ) -> Option<TvsAnswer> {
        let node = self.node(node).ok().filter(|n| n.is_up(Service::Tvs))?;
        if let Some(entry) = node.tvs.iter().find(|e| is_entry(&e.certificate)) {
            return Some(self.answer(
                entry.certificate.der.clone(),
                entry.roles.clone(),
                TvsCache::Database,
            ));
        }
        // The CTL file is read again when it changes, restart or not.
        let mut certificate = None;
        let mut roles = Vec::new();
        for record in self.ctl_records.iter().filter(|r| is_record(r)) {
            if let Some(der) = record.certificate() {
                certificate.get_or_insert_with(|| der.to_vec());
                roles.push(record.role());
            }
        }
        Some(self.answer(certificate?, roles, TvsCache::CtlFile))
    }

    fn answer(&self, certificate: Vec<u8>, mut roles: Vec<Role>, found_in: TvsCache) -> TvsAnswer {
        roles.sort_by_key(|r| r.code());
        roles.dedup();
        TvsAnswer {
            certificate,
            roles,
            ttl_secs: self.settings.tvs_ttl_secs,
            found_in,
        }
    }

    /// Loads what the database says now into the TVS of a node, as its start does.
    pub(super) fn load_tvs(&mut self, index: usize) {
        self.nodes[index].tvs = self.database(index);
    }

    pub(super) fn load_tvs_everywhere(&mut self) {
        for index in 0..self.nodes.len() {
            self.load_tvs(index);
        }
    }

    /// Every TVS sees a changed certificate or store at once, unless it needs a restart.
    pub(super) fn database_changed(&mut self) {
        if !self.settings.tvs_restart_needed {
            self.load_tvs_everywhere();
        }
    }

    /// The database as the node sees it: own certificates of all nodes, then the trust stores. A
    /// certificate that is there several times has all the roles.
    fn database(&self, index: usize) -> Vec<Entry> {
        let file_role = if self.is_mixed() {
            Role::CcmTftp
        } else {
            Role::Tftp
        };
        let mut entries = Vec::new();
        for own in self.nodes.iter().flat_map(|n| n.certificates.values()) {
            let roles: &[Role] = match own.kind {
                CertificateKind::CallManager => &[Role::Sast, file_role],
                // Assumed: it serves files over HTTPS and signs no list.
                CertificateKind::CallManagerEcdsa => &[file_role],
                CertificateKind::ItlRecovery => &[Role::Sast],
                CertificateKind::Capf => &[Role::Capf],
                CertificateKind::Tvs => &[Role::Tvs],
                // Assumed: no source shows what TVS says of tomcat's certificates.
                CertificateKind::Tomcat | CertificateKind::TomcatEcdsa => &[Role::AppServer],
                CertificateKind::Token | CertificateKind::Lsc => &[],
            };
            add(&mut entries, &own.public, roles);
        }
        let from_callmanager_trust: &[Role] = match self.settings.roles_of_store {
            RolesOfStore::ByStore => &[Role::Tftp],
            RolesOfStore::CallManagerTrustGivesBoth => &[Role::Sast, Role::Tftp],
        };
        let stores: [(&Store, &[Role]); 4] = [
            (&self.phone_sast_trust, &[Role::Sast]),
            (&self.callmanager_trust, from_callmanager_trust),
            (&self.nodes[index].capf_trust, &[Role::Capf]),
            (&self.tomcat_trust, &[Role::AppServer]),
        ];
        for (store, roles) in stores {
            for certificate in store.certificates() {
                add(&mut entries, certificate, roles);
            }
        }
        entries
    }
}

fn add(entries: &mut Vec<Entry>, certificate: &Arc<PublicCertificate>, roles: &[Role]) {
    match entries.iter_mut().find(|e| e.certificate == *certificate) {
        Some(entry) => entry.roles.extend(roles),
        None => entries.push(Entry {
            certificate: Arc::clone(certificate),
            roles: roles.to_vec(),
        }),
    }
}

/// True if two issuer names are the same text, whether their parts are joined by `;` or by `,`
/// with or without a blank.
fn same_issuer(ours: &[u8], asked: &[u8]) -> bool {
    let (ours, asked) = (without_nul(ours), without_nul(asked));
    ours == asked || parts(ours).eq(parts(asked))
}

fn parts(name: &[u8]) -> impl Iterator<Item = &[u8]> {
    name.split(|b| matches!(b, b';' | b','))
        .map(|part| part.strip_prefix(b" ").unwrap_or(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn issuers_are_compared_as_text() {
        assert!(same_issuer(b"CN=a;OU=b", b"CN=a;OU=b\0"));
        assert!(same_issuer(b"CN=a;OU=b", b"CN=a,OU=b"));
        assert!(same_issuer(b"CN=a;OU=b", b"CN=a, OU=b"));
        assert!(!same_issuer(b"CN=a;OU=b", b"CN=a;OU=bb"));
        assert!(!same_issuer(b"CN=a;OU=b", b"CN=a"));
        assert!(!same_issuer(b"CN=a;OU=b", b""));
    }
}
