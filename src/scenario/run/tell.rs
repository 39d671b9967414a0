//! What a run tells of its clusters.

use std::sync::Arc;

use super::{LAB, Run, lock};
use crate::event::Kind;
use crate::time::UnixSeconds;
use crate::wire::{ListKind, Strictness, TrustList};

impl Run<'_> {
    /// Tells what is run, and on what.
    pub(super) fn tell_start(&mut self) {
        let scenario = self.scenario;
        let started = Kind::RunStarted {
            name: scenario.name.value.clone(),
            source: scenario.source.value.clone(),
            seed: scenario.seed,
            network: self.driver.network().as_str().into(),
            clusters: scenario.clusters.len(),
            phones: self.phones.len(),
            date: date_text(scenario.date.value),
        };
        self.tell(LAB, started);
    }

    /// Tells which nodes there are.
    pub(super) fn tell_nodes(&mut self) {
        let mut nodes = Vec::new();
        {
            let lab = lock(&self.lab);
            for cluster in lab.clusters() {
                for n in cluster.nodes() {
                    let kind = Kind::Node {
                        cluster: cluster.id().to_owned(),
                        release: cluster.profile().release.to_string(),
                        mode: cluster.mode().to_string(),
                        address: n.address.to_string(),
                        services: n.services.iter().map(|s| s.name().to_owned()).collect(),
                        tls_stand_in: cluster.profile().tvs_tls.value.map(ToOwned::to_owned),
                    };
                    nodes.push((n.name.clone(), kind));
                }
            }
        }
        for (name, kind) in nodes {
            self.tell(&name, kind);
        }
    }

    /// Tells of the lists that were published since the last time.
    pub(super) fn tell_publications(&mut self) {
        if !self.is_heard {
            return;
        }
        let mut new = Vec::new();
        {
            let lab = lock(&self.lab);
            for (cluster, told) in lab.clusters().iter().zip(&mut self.told) {
                let all = cluster.publications();
                for p in all.get(*told..).unwrap_or_default() {
                    new.push((p.node.clone(), p.kind, Arc::clone(&p.bytes)));
                }
                *told = all.len();
            }
        }
        for (node, kind, bytes) in new {
            if let Some(event) = published(kind, &bytes) {
                self.tell(&node, event);
            }
        }
    }
}

fn published(kind: ListKind, bytes: &[u8]) -> Option<Kind> {
    let list = TrustList::parse(bytes, &Strictness::default()).ok()?;
    Some(Kind::Published {
        list: kind.to_string(),
        facts: crate::phone::file_facts(kind.file_name(), bytes),
        signer: crate::trust::search::SignerId::of(&list.header).facts(),
        records: list.records.len(),
    })
}

/// A date as RFC 3339 writes it.
fn date_text(seconds: UnixSeconds) -> String {
    der::DateTime::from_unix_duration(std::time::Duration::from_secs(seconds))
        .map_or_else(|_| seconds.to_string(), |d| d.to_string())
}
