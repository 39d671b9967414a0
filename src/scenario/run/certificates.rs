//! Certificates that steps carry from cluster to cluster: by a page's button, by hand, by name.

use std::sync::Arc;

use super::{LAB, LabPhone, Run, StepError, lock};
use crate::cluster::{CertificateKind, Cluster, ClusterError, Lab, TrustStore, bulk};
use crate::event::Kind;
use crate::phone::BootCause;
use crate::scenario::diagnostic::Located;
use crate::scenario::exchange::{Done, Press};
use crate::scenario::expect::Checked;
use crate::scenario::judge::registered_with;
use crate::scenario::model::{self, Action};
use crate::scenario::steps;
use crate::scenario::words::{BulkResult, ClosedWord};

impl Run<'_> {
    /// Tells what an action on a page came to, and checks it against what the step says: what is
    /// not done although nothing else is said fails the rehearsal.
    pub(super) fn pressed(
        &mut self,
        press: &Press<'_>,
        wanted: Option<&Located<BulkResult>>,
        done: Done,
    ) -> Result<(), StepError> {
        let cluster = press.cluster;
        for kind in done.events {
            self.tell(cluster, kind);
        }
        let expected = wanted.map_or(BulkResult::Done, |w| w.value).as_str();
        let failed = (expected != done.result).then(|| format!("{}: {}", done.result, done.text));
        self.unreached |= done.not_opened && failed.is_some();
        if wanted.is_some() || failed.is_some() {
            self.checked.push(Checked {
                text: format!(
                    "step {}: {} of {cluster} {expected}",
                    self.step,
                    press.action()
                ),
                failed,
            });
        }
        if done.resets_phones {
            let text = if self.boots_nobody() {
                format!("an import resets the phones of {cluster} (admin guide 14): reset yours")
            } else {
                format!(
                    "the phones of {cluster} reset by themselves after an import (admin guide 14)"
                )
            };
            let verb = "reset-phones".into();
            self.tell(LAB, Kind::Step { verb, text });
            // A cluster can reset the phones alone that are registered with it.
            let is_registered = |_: usize, p: &LabPhone, lab: &Lab| {
                registered_with(p, lab).is_some_and(|registered| registered == cluster)
            };
            self.boot_where(&is_registered, BootCause::Reset)?;
        }
        Ok(())
    }

    pub(super) fn trust_certificates(&mut self, action: &Action) -> Result<(), ClusterError> {
        let Action::TrustCertificates {
            from,
            into,
            certificates,
            nodes,
            stores,
        } = action
        else {
            return Ok(());
        };
        let mut told = Vec::new();
        {
            let mut lab = lock(&self.lab);
            let (Some(from), Some(into)) = (
                lab.cluster_index(&from.value),
                lab.cluster_index(&into.value),
            ) else {
                return Ok(());
            };
            let kinds: Vec<_> = match certificates {
                Some(list) => list.iter().map(|c| steps::certificate_kind(*c)).collect(),
                None => steps::BULK_CERTIFICATES.to_vec(),
            };
            let from = &lab.clusters()[from];
            let carried: Vec<_> = match nodes {
                None => from.certificates_to_exchange(&kinds),
                Some(nodes) => {
                    let nodes: Vec<_> = nodes.iter().map(|n| n.value.as_str()).collect();
                    from.certificates_of_nodes(&nodes, &kinds)
                }
            }
            .into_iter()
            .map(|(_, c)| (c.kind, Arc::clone(&c.public)))
            .collect();
            let Some(cluster) = lab.cluster_mut(into) else {
                return Ok(());
            };
            for (kind, public) in carried {
                for store in steps::stores(kind, stores.as_deref()) {
                    let result = cluster.trust(store, Arc::clone(&public));
                    told.push(steps::trusted(store, &public, &result));
                }
            }
        }
        let actor = into.value.clone();
        for kind in told {
            self.tell(&actor, kind);
        }
        Ok(())
    }
}

/// Uploads a certificate of a node, or of each node of a cluster, into a store of another cluster.
/// That there is one was checked when the file was read.
pub(super) fn upload(
    lab: &mut Lab,
    from: &str,
    kind: CertificateKind,
    into: &str,
    store: model::Store,
) -> Vec<Kind> {
    let node = lab.host(from);
    let source = node
        .map(|n| n.cluster)
        .or_else(|| lab.cluster_index(from))
        .map(|i| &lab.clusters()[i]);
    let (Some(source), Some(index)) = (source, lab.cluster_index(into)) else {
        return Vec::new();
    };
    let certificates = match node {
        Some(_) => source.certificates_of_nodes(&[from], &[kind]),
        None => source.certificates_to_exchange(&[kind]),
    };
    let ders: Vec<_> = certificates
        .into_iter()
        .map(|(_, c)| c.public.der.clone())
        .collect();
    // Phone-SAST-trust is what makes a TVS vouch for signers of lists.
    let is_one_way =
        store == model::Store::PhoneSastTrust && !vouches_for(source, &lab.clusters()[index]);
    let Some(cluster) = lab.cluster_mut(index) else {
        return Vec::new();
    };
    let store = steps::trust_store(store);
    let uploaded = ders
        .iter()
        .filter_map(|der| bulk::upload(cluster, der, store).ok());
    uploaded.map(|u| steps::uploaded(&u, is_one_way)).collect()
}

/// True if the stores of a cluster hold a signer of lists of another one.
fn vouches_for(cluster: &Cluster, other: &Cluster) -> bool {
    let signers = [CertificateKind::CallManager, CertificateKind::ItlRecovery];
    let Some(publisher) = cluster.nodes().find(|n| n.publisher) else {
        return false;
    };
    let held = cluster.store(&publisher.name, TrustStore::PhoneSast);
    let held = held.unwrap_or_default();
    let signers = other.certificates_to_exchange(&signers);
    signers.iter().any(|(_, c)| held.contains(&c.public))
}
