//! The way out of a rehearsed phone: what the lab knows of its reason, for the words that a check
//! uses too.

use std::sync::Arc;

use super::judge::Fate;
use super::run::LabPhone;
use crate::check::fix::words::{self, Scene};
use crate::cluster::{CertificateKind, Lab, PublicCertificate, Service, TrustStore};
use crate::event::{Kind, SignerFacts};
use crate::phone::flash::CONFIG;
use crate::trust::search::hex;
use crate::wire::phone_config::PhoneConfig;

/// Certificates that may sign something, or be taken for it.
const SIGNERS: [CertificateKind; 4] = [
    CertificateKind::CallManager,
    CertificateKind::ItlRecovery,
    CertificateKind::Capf,
    CertificateKind::Tvs,
];

/// What to do about the decisive reason.
pub(super) fn way_out(
    fate: &Fate,
    phone: &LabPhone,
    lab: &Lab,
    destination: &str,
    file: Option<&str>,
) -> String {
    let scene = Rehearsed {
        fate,
        phone,
        lab,
        destination,
        file,
    };
    words::way_out(fate.reason(), fate.follows.is_some(), &scene)
}

struct Rehearsed<'a> {
    fate: &'a Fate,
    phone: &'a LabPhone,
    lab: &'a Lab,
    destination: &'a str,
    file: Option<&'a str>,
}

impl Scene for Rehearsed<'_> {
    fn device(&self) -> String {
        self.fate.device.clone()
    }

    fn destination(&self) -> String {
        self.destination.to_owned()
    }

    fn home(&self) -> String {
        let itl = self.fate.itl.as_ref().and_then(|o| o.cluster.clone());
        itl.or_else(|| config_home(self.phone, self.lab))
            .unwrap_or_else(|| self.phone.home.clone())
    }

    fn lsc_home(&self) -> String {
        self.phone.home.clone()
    }

    fn split_home(&self) -> Option<(String, String)> {
        let config = config_home(self.phone, self.lab)?;
        let itl = self.fate.itl.as_ref()?.cluster.clone()?;
        (config != itl).then_some((config, itl))
    }

    fn tvs_nodes(&self, cluster: &str) -> String {
        let cluster = self.lab.clusters().iter().find(|c| c.id() == cluster);
        let nodes = cluster.into_iter().flat_map(|c| c.nodes());
        let names: Vec<_> = nodes
            .filter(|n| n.services.contains(&Service::Tvs))
            .map(|n| n.name.as_str())
            .collect();
        match names.as_slice() {
            [] => "a node that the phone's configuration names".into(),
            names => names.join(" and "),
        }
    }

    fn serving_nodes(&self) -> String {
        let (phone, lab) = (self.phone, self.lab);
        let name = |a: &std::net::Ipv4Addr| {
            lab.at(*a)
                .map_or_else(|| a.to_string(), |id| lab.name(id).to_owned())
        };
        let served = phone.events.iter().rev().find_map(|e| match &e.kind {
            Kind::Downloaded { server, .. } => Some(server.clone()),
            _ => None,
        });
        let by = served.and_then(|s| s.parse().ok()).map(|a| name(&a));
        let all: Vec<_> = phone.servers(lab).iter().map(name).collect();
        by.unwrap_or_else(|| all.join(" and "))
    }

    fn named_nodes(&self) -> String {
        let servers = self.phone.servers(self.lab);
        let names: Vec<_> = servers
            .iter()
            .filter_map(|a| Some(self.lab.name(self.lab.at(*a)?)))
            .collect();
        names.join(" and ")
    }

    fn signer(&self) -> Option<(String, String)> {
        let signer = self.fate.signer.as_ref()?;
        for cluster in self.lab.clusters() {
            for (node, c) in cluster.certificates_to_exchange(&SIGNERS) {
                if is_of(&c.public, signer) {
                    return Some((c.kind.name().to_owned(), node.to_owned()));
                }
            }
        }
        None
    }

    fn is_known_now(&self, cluster: &str) -> bool {
        let (fate, lab) = (self.fate, self.lab);
        let Some(signer) = &fate.signer else {
            return false;
        };
        let Some(certificate) = public_of(lab, signer) else {
            return false;
        };
        let (subject, issuer) = (
            certificate.subject_text.as_bytes(),
            certificate.issuer_text.as_bytes(),
        );
        lab.nodes().into_iter().any(|node| {
            lab.clusters()[node.cluster].id() == cluster
                && lab
                    .query(node, subject, issuer, &certificate.serial)
                    .is_some()
        })
    }

    fn is_imported(&self, cluster: &str) -> bool {
        let Some(signer) = &self.fate.signer else {
            return false;
        };
        let cluster = self.lab.clusters().iter().find(|c| c.id() == cluster);
        let is_there = cluster.and_then(|c| {
            let publisher = c.nodes().find(|n| n.publisher)?;
            let store = c.store(&publisher.name, TrustStore::PhoneSast).ok()?;
            Some(store.iter().any(|c| is_of(c, signer)))
        });
        is_there.unwrap_or(false)
    }

    /// Where one of two stores would be enough, both are named: sources disagree which it is.
    fn stores_without_issuer(&self) -> String {
        let mut clusters = self.lab.clusters().iter();
        let cluster = clusters.find(|c| c.id() == self.destination);
        let shown = self.phone.setup.identity.certificate.as_ref();
        let lsc = shown.and_then(|c| PublicCertificate::from_der(&c.certificate).ok());
        let missing = match (cluster, lsc) {
            (Some(cluster), Some(lsc)) => cluster.stores_without_issuer(&lsc),
            _ => &[TrustStore::Capf, TrustStore::CallManager],
        };
        let names: Vec<_> = missing.iter().map(|s| s.name()).collect();
        names.join(" and ")
    }

    fn is_prepared_for_rollback(&self, cluster: &str) -> bool {
        let cluster = self.lab.clusters().iter().find(|c| c.id() == cluster);
        cluster.is_some_and(|c| c.parameters().prepare_cluster_for_rollback)
    }

    fn file(&self) -> Option<String> {
        self.file.map(str::to_owned)
    }
}

/// The certificate of a signer, if a node has it.
fn public_of(lab: &Lab, signer: &SignerFacts) -> Option<Arc<PublicCertificate>> {
    let all = lab
        .clusters()
        .iter()
        .flat_map(|c| c.certificates_to_exchange(&SIGNERS));
    all.map(|(_, c)| Arc::clone(&c.public))
        .find(|c| is_of(c, signer))
}

/// True if the certificate is the signer's.
fn is_of(certificate: &PublicCertificate, signer: &SignerFacts) -> bool {
    hex(crate::wire::header::serial_number(&certificate.serial)) == signer.serial
        && certificate.issuer_text == signer.issuer
}

/// The cluster whose configuration the phone holds.
fn config_home(phone: &LabPhone, lab: &Lab) -> Option<String> {
    let config = PhoneConfig::parse(phone.flash.get(CONFIG)?).ok()?;
    let node = config
        .callmanager_group
        .iter()
        .find_map(|m| lab.host(&m.host))?;
    Some(lab.clusters()[node.cluster].id().to_owned())
}
