//! The certificates of a cluster's nodes, its tokens, and its phones' LSCs.

use super::key::{KeyBits, KeyPool};
use super::node::Node;
use super::release::{ListSigner, Scope};
use super::spec::{ClusterError, check_host_name};
use super::state::Cluster;
use super::x509::{self, CertificateKind, LabCertificate, Name, Request};
use crate::rng::Rng;
use crate::time::UnixSeconds;

impl Cluster {
    pub(super) fn make_certificates(
        &mut self,
        at: UnixSeconds,
        keys: &mut KeyPool,
    ) -> Result<(), ClusterError> {
        use CertificateKind::{
            CallManager, CallManagerEcdsa, Capf, ItlRecovery, Tomcat, TomcatEcdsa, Tvs,
        };
        const ORDER: [CertificateKind; 7] = [
            CallManager,
            Tvs,
            Capf,
            Tomcat,
            ItlRecovery,
            CallManagerEcdsa,
            TomcatEcdsa,
        ];
        for index in 0..self.nodes.len() {
            for kind in ORDER {
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
        match self.profile.scope_of(kind) {
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
            // Cisco's security guide says that it differs from the host name, and shows
            // `<host>-EC-ms.<domain>` of a multi-server certificate: the rest is inferred, and of
            // tomcat-ECDSA assumed.
            CertificateKind::CallManagerEcdsa | CertificateKind::TomcatEcdsa => {
                format!("{host}-EC")
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
        let key = match kind {
            // The curve is assumed: no source says which is the default.
            CertificateKind::CallManagerEcdsa | CertificateKind::TomcatEcdsa => keys.take_p384(),
            _ => keys.take(bits),
        };
        Ok(x509::self_signed(&request, key)?)
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
        check_host_name(common_name)?;
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

    pub(super) fn stream(&self, name: &str) -> Rng {
        Rng::stream(self.seed, &format!("{}/{name}", self.spec.id))
    }
}

/// A year has 365 days here, as in `openssl -days`.
fn years_after(at: UnixSeconds, years: u32) -> UnixSeconds {
    at.saturating_add(u64::from(years) * 365 * 86_400)
}
