//! Certificates of one cluster come into the stores of another.

use super::super::draft::StepDraft;
use super::Hand;
use crate::cluster::release::Scope;
use crate::cluster::{CertificateKind, Release};

/// What can be uploaded by hand.
const UPLOADED: [(&str, CertificateKind); 4] = [
    ("CallManager", CertificateKind::CallManager),
    ("ITLRecovery", CertificateKind::ItlRecovery),
    ("CAPF", CertificateKind::Capf),
    ("Tomcat", CertificateKind::Tomcat),
];

impl Hand {
    /// The first two clusters trust each other in full.
    pub(super) fn exchange_all(&mut self) {
        for (from, into) in [(0, 1), (1, 0)] {
            let step = StepDraft::new("trust-certificates")
                .with("from", self.id(from))
                .with("into", self.id(into))
                .with(
                    "certificates",
                    vec!["CallManager".to_owned(), "ITLRecovery".to_owned()],
                );
            self.step(step);
        }
    }

    /// Certificates of one cluster come into the stores of another, or some of them, or none.
    pub(super) fn exchange(&mut self, from: usize, into: usize) {
        let (from_id, into_id) = (self.id(from), self.id(into));
        let step = StepDraft::new("trust-certificates")
            .with("from", from_id.clone())
            .with("into", into_id.clone());
        // What "all" is to a release before 10.5.2 nobody says, so it is mostly said.
        let is_open =
            self.is_since(from, Release::V10_5_2) && !self.is_since(into, Release::V10_5_2);
        let named = || vec!["CallManager".to_owned(), "ITLRecovery".to_owned()];
        let all = if is_open && self.chance(90) {
            step.clone().with("certificates", named())
        } else {
            step.clone()
        };
        match self.rng.below(23) {
            0 => {}
            1..=8 => self.step(all),
            9..=11 => {
                let kinds = self.some(&["CallManager", "ITLRecovery", "CAPF", "Tomcat"]);
                self.step(step.with("certificates", kinds));
            }
            12..=13 => {
                let nodes: Vec<_> = self.draft.clusters[from]
                    .nodes
                    .iter()
                    .map(|n| n.name.clone())
                    .collect();
                let nodes: Vec<&str> = nodes.iter().map(String::as_str).collect();
                let nodes = self.some(&nodes);
                self.step(all.with("nodes", nodes));
            }
            14..=16 => {
                let stores = self.some(&[
                    "Phone-SAST-trust",
                    "CallManager-trust",
                    "CAPF-trust",
                    "tomcat-trust",
                ]);
                self.step(all.with("stores", stores));
            }
            17..=19 => self.upload(from, into),
            // What the exchange carries before 10.5.2 nobody says: tried, but seldom.
            _ if [from, into]
                .iter()
                .all(|&c| self.is_since(c, Release::V10_5_2))
                || self.chance(10) =>
            {
                self.bulk(&from_id, &into_id);
            }
            _ => self.step(all),
        }
    }

    /// Single certificates are uploaded by hand, each into single stores.
    fn upload(&mut self, from: usize, into: usize) {
        let Ok(release) = self.draft.clusters[from].release.parse::<Release>() else {
            return;
        };
        let profile = release.profile();
        let kinds = self.some(&["CallManager", "ITLRecovery", "CAPF", "Tomcat"]);
        for (word, kind) in UPLOADED {
            let scope = profile.scope_of(kind);
            if !kinds.iter().any(|k| k == word) || scope == Scope::Absent {
                continue;
            }
            // A node's own certificate, or those of all nodes.
            let nodes = self.draft.clusters[from].nodes.iter();
            let owners: Vec<_> = nodes
                .filter(|node| scope != Scope::Publisher || node.runs("publisher"))
                .map(|node| node.name.clone())
                .collect();
            let whose = match self.pick(&owners) {
                Some(node) if self.chance(50) => node,
                _ => self.id(from),
            };
            let stores = if self.chance(90) {
                self.some(&["Phone-SAST-trust", "CallManager-trust"])
            } else {
                self.some(&["CAPF-trust", "tomcat-trust"])
            };
            for store in stores {
                let step = StepDraft::new("upload-certificate")
                    .with("from", whose.clone())
                    .with("certificate", word)
                    .with("into", self.id(into))
                    .with("store", store);
                self.step(step);
            }
        }
    }

    /// The pages of bulk certificate management, now and then with a page left out.
    fn bulk(&mut self, from: &str, into: &str) {
        let kind = match self.rng.below(6) {
            0 => "TFTP",
            1 => "ITL_Recovery",
            2 => "Tomcat",
            _ => "All",
        };
        let pages = [
            ("bulk-sftp", from, false),
            ("bulk-sftp", into, false),
            ("bulk-export", from, true),
            ("bulk-export", into, true),
            ("bulk-consolidate", from, true),
            ("bulk-import", into, true),
        ];
        for (verb, cluster, typed) in pages {
            if self.chance(6) {
                continue;
            }
            let step = StepDraft::new(verb).with("cluster", cluster);
            self.step(if typed { step.with("type", kind) } else { step });
        }
    }
}
