//! The page of bulk certificate management.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::model::BulkButton;
use super::super::super::words::{BulkKind, Service, Store};
use super::world::{Certificate, ClusterId, Kind, NodeId, World};
use super::{Open, Unsupported};

/// Seconds that any certificate is valid for at least; five years are the usual ones (cluster 2).
const SHORTEST_LIFE: u64 = 4 * 365 * 86_400;

/// The directory on the SFTP server, and what of the page counts.
#[derive(Clone, Debug, Default)]
pub(super) struct Bulk {
    /// The clusters whose form is filled in.
    pub(super) forms: BTreeSet<ClusterId>,
    /// The type that is exchanged; one for all actions.
    kind: Option<BulkKind>,
    exported: BTreeMap<ClusterId, BTreeSet<Certificate>>,
    consolidated: Option<BTreeSet<Certificate>>,
}

/// One press of a button.
pub(super) struct Press {
    pub(super) button: BulkButton,
    pub(super) cluster: ClusterId,
    pub(super) node: Option<NodeId>,
    pub(super) kind: BulkKind,
}

/// Where an import puts a certificate: CAPF goes to CallManager-trust, the signers to both.
pub(super) fn stores_of(kind: Kind) -> &'static [Store] {
    match kind {
        Kind::CallManager | Kind::ItlRecovery => &[Store::PhoneSastTrust, Store::CallManagerTrust],
        Kind::Capf => &[Store::CallManagerTrust],
        Kind::Tomcat => &[Store::TomcatTrust],
        Kind::Tvs | Kind::Token => &[],
    }
}

impl Bulk {
    /// Does what a button does; whether an import was done.
    pub(super) fn press(
        &mut self,
        world: &mut World<'_>,
        press: &Press,
        open: Open,
    ) -> Result<bool, Unsupported> {
        let cluster = press.cluster;
        let publisher = world.clusters[cluster].publisher;
        let there = !world.clusters[cluster].has_itl_recovery_type();
        if press.node.is_some_and(|node| node != publisher)
            || (press.kind == BulkKind::ItlRecovery && there)
        {
            // The page is on the publisher alone, and the type is not offered: nothing happens.
            return Ok(false);
        }
        if !self.forms.contains(&cluster) {
            return Err(Unsupported::new("bulk management before its SFTP form"));
        }
        if !world.nodes[publisher].powered {
            return Err(Unsupported::new(
                "bulk management of a publisher that is off",
            ));
        }
        if *self.kind.get_or_insert(press.kind) != press.kind {
            return Err(Unsupported::new("bulk management with several types"));
        }
        match press.button {
            BulkButton::Export => {
                let carried = carried(world, cluster, press.kind, open);
                self.exported.insert(cluster, carried);
            }
            // The buttons are there once two clusters have exported, and for the import also once
            // somebody has consolidated.
            BulkButton::Consolidate if self.exported.len() < 2 => {}
            BulkButton::Consolidate => {
                self.consolidated = Some(self.exported.values().flatten().copied().collect());
            }
            BulkButton::Import => {
                let Some(certificates) = self.consolidated.clone() else {
                    return Ok(false);
                };
                if world.nodes[publisher].ahead.unsigned_abs() > SHORTEST_LIFE {
                    return Err(Unsupported::new("a bulk import of expired certificates"));
                }
                for certificate in certificates {
                    import(world, cluster, certificate, open)?;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }
}

fn carried(
    world: &World<'_>,
    cluster: ClusterId,
    kind: BulkKind,
    open: Open,
) -> BTreeSet<Certificate> {
    let kinds: &[Kind] = match kind {
        BulkKind::All => &[
            Kind::CallManager,
            Kind::ItlRecovery,
            Kind::Capf,
            Kind::Tomcat,
        ],
        BulkKind::Tftp if open.tftp_carries_itl_recovery => &[Kind::CallManager, Kind::ItlRecovery],
        BulkKind::Tftp => &[Kind::CallManager],
        BulkKind::Capf => &[Kind::Capf],
        BulkKind::ItlRecovery => &[Kind::ItlRecovery],
        BulkKind::Tomcat => &[Kind::Tomcat],
    };
    let nodes = &world.clusters[cluster].nodes;
    let all = kinds
        .iter()
        .flat_map(|kind| nodes.iter().map(|n| (*n, *kind)));
    all.filter(|(node, kind)| exists(world, *node, *kind))
        .map(|(node, kind)| world.own(node, kind))
        .collect()
}

/// Whether `node` has a certificate of `kind`.
pub(super) fn exists(world: &World<'_>, node: NodeId, kind: Kind) -> bool {
    match kind {
        Kind::CallManager => true,
        Kind::ItlRecovery => world.clusters[world.nodes[node].cluster].has_itl_recovery(),
        Kind::Tvs => world.nodes[node].has(Service::Tvs),
        Kind::Capf => {
            let cluster = &world.clusters[world.nodes[node].cluster];
            cluster.has_capf_everywhere() || cluster.publisher == node
        }
        Kind::Tomcat => true,
        Kind::Token => false,
    }
}

fn import(
    world: &mut World<'_>,
    into: ClusterId,
    certificate: Certificate,
    open: Open,
) -> Result<(), Unsupported> {
    let from = world.nodes[certificate.subject.node].cluster;
    if from == into && !open.import_takes_own {
        return Ok(());
    }
    if !world.clusters[into].tokenless() && world.clusters[from].tokenless() {
        // CSCuy43181: a release below 10.5.2 cannot read what 10.5.2 and newer export.
        return Err(Unsupported::new(
            "a bulk import into a release before 10.5.2",
        ));
    }
    for &store in stores_of(certificate.subject.kind) {
        world.import(into, store, certificate)?;
    }
    Ok(())
}
