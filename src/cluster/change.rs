//! Changes to the services of a running cluster, as data: a driver carries them out when their time
//! has come.

use std::collections::BTreeSet;

use super::{Cluster, ClusterError, DamagedFile, Lab, NodeId, Service, Target};
use crate::time::UnixSeconds;

/// What becomes of a service, or of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// The service stops.
    Stop(Service),
    /// The service starts.
    Start(Service),
    /// The service stops and starts at once.
    Restart(Service),
    /// The node is switched off.
    Off,
    /// The node is switched on.
    On,
}

/// A change to one node, or to all nodes of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Index of the cluster.
    pub cluster: usize,
    /// Name of the node; `None` is all nodes of the cluster.
    pub node: Option<String>,
    /// What becomes of it.
    pub turn: Turn,
    /// When a node that is switched on publishes: the lab's date, before the node's own clock.
    pub at: UnixSeconds,
}

/// What is wrong with the files of a node, until its TFTP starts again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum FileFault {
    /// They are old ones.
    Old,
    /// This one is damaged.
    Damaged(DamagedFile),
}

impl Lab {
    /// What is wrong with the files that nodes serve.
    pub fn file_faults(&self) -> BTreeSet<(NodeId, FileFault)> {
        let clusters = self.clusters().iter().enumerate();
        let nodes = clusters.flat_map(|(cluster, c)| {
            let nodes = c.nodes.iter().enumerate();
            nodes.map(move |(node, n)| (NodeId { cluster, node }, n))
        });
        nodes
            .flat_map(|(id, node)| {
                let old = node.kept.as_ref().map(|_| FileFault::Old);
                let damaged = node.damage.keys().map(|file| FileFault::Damaged(*file));
                old.into_iter().chain(damaged).map(move |f| (id, f))
            })
            .collect()
    }

    /// Carries a change out.
    ///
    /// # Errors
    /// What the cluster says: no such node, no such service there, a list that cannot be made.
    pub fn apply(&mut self, change: &Change) -> Result<(), ClusterError> {
        match self.cluster_mut(change.cluster) {
            Some(cluster) => cluster.apply(change),
            None => Ok(()),
        }
    }

    /// The nodes that a change is about.
    pub fn nodes_of(&self, change: &Change) -> Vec<NodeId> {
        let mut nodes = self.nodes();
        nodes.retain(|&id| {
            let named = change.node.as_ref().is_none_or(|n| n == self.name(id));
            id.cluster == change.cluster && named
        });
        nodes
    }
}

impl Cluster {
    fn apply(&mut self, change: &Change) -> Result<(), ClusterError> {
        let target = change.node.as_deref().map_or(Target::All, Target::Node);
        match change.turn {
            Turn::Stop(service) => self.stop_service(target, service),
            Turn::Start(service) => self.start_service(target, service),
            Turn::Restart(service) => self.restart_service(target, service),
            Turn::Off => self.switch_off(target),
            Turn::On => self.switch_on(target, change.at),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cluster::{
        ClusterMode, ClusterSettings, ClusterSpec, Damage, KeyPool, NodeSpec, Parameters, Release,
    };
    use crate::trust::rules::Settings;

    const AT: UnixSeconds = 1_583_053_200;

    fn lab(tftp_start_mends: bool) -> Lab {
        let node = |name: &str, last| NodeSpec {
            name: name.into(),
            publisher: last == 1,
            services: [Service::Tftp, Service::Tvs].into(),
            address: [127, 1, 1, last].into(),
            tvs_port: 2_445,
        };
        let spec = ClusterSpec {
            id: "src".into(),
            release: Release::V11_5_1,
            mode: ClusterMode::NonSecure,
            nodes: vec![node("pub", 1), node("sub", 2)],
            callmanager_group: Vec::new(),
            parameters: Parameters::default(),
        };
        let settings = ClusterSettings {
            tftp_start_mends,
            ..ClusterSettings::default()
        };
        let cluster = Cluster::new(spec, settings, AT, &mut KeyPool::new(1), 1).unwrap();
        Lab::new(vec![cluster], &Settings::default())
    }

    #[test]
    fn faults_of_files_end_where_tftp_starts() {
        let damaged = FileFault::Damaged(DamagedFile::Itl);
        for (mends, turn, left) in [
            (true, Turn::Restart(Service::Tftp), vec![]),
            (false, Turn::Restart(Service::Tftp), vec![damaged]),
            (true, Turn::Off, vec![FileFault::Old, damaged]),
            (
                true,
                Turn::Restart(Service::Tvs),
                vec![FileFault::Old, damaged],
            ),
        ] {
            let mut lab = lab(mends);
            assert!(lab.file_faults().is_empty());
            let cluster = lab.cluster_mut(0).unwrap();
            for node in ["pub", "sub"] {
                cluster.keep_old_files(node).unwrap();
                let how = Damage::Empty;
                cluster.damage_file(node, DamagedFile::Itl, how).unwrap();
            }
            lab.apply(&Change {
                cluster: 0,
                node: Some("sub".into()),
                turn,
                at: AT,
            })
            .unwrap();
            let of = |node: usize| {
                let all = lab.file_faults().into_iter();
                let own = all.filter(|(id, _)| id.node == node);
                own.map(|(_, fault)| fault).collect::<Vec<_>>()
            };
            assert_eq!(of(0), [FileFault::Old, damaged], "{turn:?}");
            assert_eq!(of(1), left, "{turn:?}");
        }
    }
}
