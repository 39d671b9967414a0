//! What a CallManager says to a phone that registers.

use super::lab::Lab;
use super::spec::{LscTrustedBy, Service};
use super::state::Cluster;
use super::store::TrustStore;
use super::x509::{CertificateKind, PublicCertificate};
use crate::trust::reason::{Code, Reason};

/// The answer to a phone that registers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Registration {
    /// It is registered.
    Accepted,
    /// No CallManager answers.
    NoAnswer,
    /// CallManager does not know the phone, or does not take the certificate that it shows.
    Refused(Reason),
    /// The driver does not register: it speaks no SIP, and asked nobody.
    NotTried,
}

impl Lab {
    /// A phone registers with the node of this host name or address. `lsc` is the certificate that
    /// it shows, DER; none for a phone that registers without TLS or with the one that it was made
    /// with. Without auto-registration a phone that is not in the database is rejected (6901 and
    /// 6911 Administration Guide).
    pub fn register(&self, host: &str, device: &str, lsc: Option<&[u8]>) -> Registration {
        let Some(id) = self
            .host(host)
            .filter(|&n| self.serves(n, Service::CallManager))
        else {
            return Registration::NoAnswer;
        };
        let cluster = &self.clusters()[id.cluster];
        let node = self.name(id);
        if !cluster.has_phone(device) && !cluster.parameters().auto_registration {
            let text = format!(
                "{device} is not in the database of {}, and auto-registration is disabled",
                cluster.id()
            );
            return Registration::Refused(Reason::new(Code::PhoneNotInDatabase, text).at(node));
        }
        match lsc.map(PublicCertificate::from_der) {
            None => Registration::Accepted,
            Some(Ok(lsc)) if cluster.trusts_issuer(node, &lsc) => Registration::Accepted,
            Some(lsc) => {
                let issuer = lsc.map_or_else(|e| e.to_string(), |lsc| lsc.issuer_text);
                let text =
                    format!("CallManager of {node} does not trust {issuer}, which issued the LSC");
                Registration::Refused(Reason::new(Code::LscNotTrusted, text).at(node))
            }
        }
    }
}

impl Lab {
    /// True if the answer to a registration with this LSC hangs on which store counts: another
    /// choice of the rule would have another one.
    pub fn hangs_on_lsc_store(&self, host: &str, lsc: &[u8]) -> bool {
        let (Some(id), Ok(lsc)) = (self.host(host), PublicCertificate::from_der(lsc)) else {
            return false;
        };
        let cluster = &self.clusters()[id.cluster];
        let in_store = |store| cluster.holds_issuer(self.name(id), store, &lsc);
        !cluster.has_issued(&lsc) && in_store(TrustStore::Capf) != in_store(TrustStore::CallManager)
    }
}

impl Cluster {
    /// True if CallManager on the node trusts who issued this LSC: a CAPF of the cluster, or one in
    /// a store that counts.
    fn trusts_issuer(&self, node: &str, lsc: &PublicCertificate) -> bool {
        let mut stores = self.stores_of_issuers().iter();
        self.has_issued(lsc) || stores.any(|&store| self.holds_issuer(node, store, lsc))
    }

    /// True if a CAPF of the cluster issued this LSC.
    fn has_issued(&self, lsc: &PublicCertificate) -> bool {
        let own = self.certificates_to_exchange(&[CertificateKind::Capf]);
        own.iter()
            .any(|(_, c)| c.public.subject_text == lsc.issuer_text)
    }

    /// True if a store holds the certificate of who issued this LSC.
    fn holds_issuer(&self, node: &str, store: TrustStore, lsc: &PublicCertificate) -> bool {
        let held = self.store(node, store).unwrap_or_default();
        held.iter().any(|c| c.subject_text == lsc.issuer_text)
    }

    /// The stores in which the certificate of another cluster's CAPF makes CallManager trust the
    /// LSC that it issued; of several one is enough.
    fn stores_of_issuers(&self) -> &'static [TrustStore] {
        match self.settings().lsc_trusted_by {
            LscTrustedBy::EitherStore => &[TrustStore::Capf, TrustStore::CallManager],
            LscTrustedBy::CallManagerTrust => &[TrustStore::CallManager],
            LscTrustedBy::CapfTrust => &[TrustStore::Capf],
        }
    }

    /// The stores that lack the certificate of who issued this LSC; of several one is enough. None
    /// if every node that is to run CallManager trusts it.
    pub fn stores_without_issuer(&self, lsc: &PublicCertificate) -> &'static [TrustStore] {
        let mut callmanagers = self
            .nodes()
            .filter(|n| n.services.contains(&Service::CallManager));
        // A node refuses where no store that counts has it.
        match callmanagers.all(|n| self.trusts_issuer(&n.name, lsc)) {
            true => &[],
            false => self.stores_of_issuers(),
        }
    }
}
