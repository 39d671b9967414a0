//! Trust stores: where a cluster keeps other clusters' certificates.

use std::fmt;
use std::sync::Arc;

use super::x509::{CertificateKind, PublicCertificate};

/// A trust store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TrustStore {
    /// Who may sign lists; `utils ctl update` puts its certificates into the CTL.
    PhoneSast,
    /// Foreign CallManagers.
    CallManager,
    /// Who issues phone certificates. Stays on the node where it was filled.
    Capf,
    /// Foreign HTTPS services.
    Tomcat,
}

impl TrustStore {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::PhoneSast, Self::CallManager, Self::Capf, Self::Tomcat];

    /// CUCM's name of the store.
    pub fn name(self) -> &'static str {
        match self {
            Self::PhoneSast => "Phone-SAST-trust",
            Self::CallManager => "CallManager-trust",
            Self::Capf => "CAPF-trust",
            Self::Tomcat => "tomcat-trust",
        }
    }

    /// The store with this name, whatever its case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|s| s.name().eq_ignore_ascii_case(name))
    }

    /// True if what is put into the store on one node reaches the others. An import into
    /// CAPF-trust stays where it was made (Cisco security guide 12.5(1)SU3).
    pub fn replicates(self) -> bool {
        self != Self::Capf
    }

    /// The stores into which a bulk import puts a certificate (Cisco 215539; of certificates with
    /// EC keys assumed: CallManager-ECDSA shares CallManager-trust, Cisco security guide, and
    /// `bulk.ecdsa_store` can change that). TVS certificates and
    /// phones' are not imported.
    pub fn of_bulk_import(kind: CertificateKind) -> &'static [Self] {
        match kind {
            CertificateKind::CallManager | CertificateKind::ItlRecovery => {
                &[Self::PhoneSast, Self::CallManager]
            }
            CertificateKind::Capf | CertificateKind::CallManagerEcdsa => &[Self::CallManager],
            CertificateKind::Tomcat | CertificateKind::TomcatEcdsa => &[Self::Tomcat],
            CertificateKind::Tvs | CertificateKind::Token | CertificateKind::Lsc => &[],
        }
    }
}

impl fmt::Display for TrustStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What became of a certificate that was put into a store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Trusted {
    /// It is new.
    Added,
    /// It took the place of one with the same subject that began earlier.
    Replaced {
        /// The one that is gone.
        old: Arc<PublicCertificate>,
    },
    /// It was dropped: one with the same subject begins later, or at the same time.
    DroppedOlder {
        /// The one that stays.
        existing: Arc<PublicCertificate>,
    },
    /// It was there already.
    AlreadyThere,
}

/// The certificates of one store, in the order of their arrival.
#[derive(Clone, Debug, Default)]
pub struct Store {
    certificates: Vec<Arc<PublicCertificate>>,
}

impl Store {
    /// Puts a certificate into the store. A store has one certificate of a subject: of two with
    /// the same name the one whose validity begins later stays (Cisco security guide 12.5(1)SU3).
    pub fn trust(&mut self, certificate: Arc<PublicCertificate>) -> Trusted {
        let same_name = self
            .certificates
            .iter_mut()
            .find(|c| c.subject_text == certificate.subject_text);
        let Some(existing) = same_name else {
            self.certificates.push(certificate);
            return Trusted::Added;
        };
        if existing.der == certificate.der {
            return Trusted::AlreadyThere;
        }
        if certificate.not_before <= existing.not_before {
            return Trusted::DroppedOlder {
                existing: Arc::clone(existing),
            };
        }
        Trusted::Replaced {
            old: std::mem::replace(existing, certificate),
        }
    }

    /// The certificates, in the order of their arrival.
    pub fn certificates(&self) -> &[Arc<PublicCertificate>] {
        &self.certificates
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate(subject: &str, serial: u8, not_before: u64) -> Arc<PublicCertificate> {
        Arc::new(PublicCertificate {
            der: vec![serial],
            subject_text: subject.into(),
            issuer_text: subject.into(),
            serial: vec![serial],
            not_before,
            not_after: not_before + 1,
            public_key: Vec::new(),
            signature: Vec::new(),
        })
    }

    #[test]
    fn of_two_with_the_same_name_the_newer_stays() {
        let mut store = Store::default();
        let first = certificate("CN=a", 1, 100);
        assert_eq!(store.trust(Arc::clone(&first)), Trusted::Added);
        assert_eq!(store.trust(Arc::clone(&first)), Trusted::AlreadyThere);
        for not_before in [99, 100] {
            let dropped = store.trust(certificate("CN=a", 2, not_before));
            let existing = Arc::clone(&first);
            assert_eq!(dropped, Trusted::DroppedOlder { existing });
        }
        let newer = certificate("CN=a", 3, 101);
        let old = first;
        assert_eq!(store.trust(Arc::clone(&newer)), Trusted::Replaced { old });
        assert_eq!(store.trust(certificate("CN=b", 4, 1)), Trusted::Added);
        assert_eq!(store.certificates()[0], newer);
        assert_eq!(store.certificates().len(), 2);
    }

    #[test]
    fn names_and_bulk_targets() {
        for store in TrustStore::ALL {
            assert_eq!(TrustStore::from_name(store.name()), Some(store));
        }
        assert_eq!(TrustStore::from_name("phone-trust"), None);
        assert_eq!(
            TrustStore::of_bulk_import(CertificateKind::Capf),
            [TrustStore::CallManager]
        );
    }
}
