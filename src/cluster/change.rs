//! Changes to the services of a running cluster, as data: a driver carries them out when their time
//! has come.

use super::{Cluster, ClusterError, Lab, NodeId, Service, Target};
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

impl Lab {
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
