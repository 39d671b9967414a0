//! Changes that come while phones boot, and what breaks with a service that stops.

use std::time::Duration;

use super::link::Link;
use super::world::{Happening, World, lock};
use crate::cluster::{Change, ClusterError, NodeId, Service, Turn};
use crate::event::Kind;
use crate::phone::TvsInput;
use crate::time::Time;

/// Who does what is planned, for events.
const LAB: &str = "lab";

/// What is done.
#[derive(Clone, Debug)]
pub enum Act {
    /// A service or a node changes.
    Change(Change),
    /// Links are set, by device and node.
    SetLinks(Vec<(String, NodeId)>, Link),
    /// Every link is the default one again.
    ClearLinks,
}

/// A change that waits for the next boot.
#[derive(Clone, Debug)]
pub struct Planned {
    /// How long after the start of that boot.
    pub after: Duration,
    /// The step's verb, for the event that tells of it.
    pub verb: String,
    /// What it does, as a sentence.
    pub text: String,
    /// What is done.
    pub act: Act,
}

/// The plans of a world.
#[derive(Debug, Default)]
pub(super) struct Plans {
    /// For the next boot.
    waiting: Vec<Planned>,
    /// With their time, the next one last.
    timed: Vec<(Time, Planned)>,
    /// Why one could not be carried out.
    failed: Option<ClusterError>,
}

impl World {
    /// Plans a change for the next boot.
    pub fn plan(&mut self, planned: Planned) {
        self.plans.waiting.push(planned);
    }

    /// True if something waits for the next boot.
    pub fn has_plans(&self) -> bool {
        !self.plans.waiting.is_empty()
    }

    /// Takes back what waits for the next boot.
    pub fn forget_plans(&mut self) {
        self.plans.waiting.clear();
    }

    /// True if every link of a phone is the default one.
    pub fn has_whole_links(&self, device: &str) -> bool {
        self.links.are_default(device)
    }

    /// Sets the link between a phone and a node.
    pub fn set_link(&mut self, device: &str, node: NodeId, link: Link) {
        let name = lock(&self.lab).name(node).to_owned();
        self.links.set(device, node, &name, link);
    }

    /// Makes every link the default again.
    pub fn clear_links(&mut self) {
        self.links.clear();
    }

    /// Gives every waiting plan its time, and arranges all.
    pub(super) fn arrange_plans(&mut self) {
        let waiting = std::mem::take(&mut self.plans.waiting).into_iter().rev();
        let mut timed: Vec<_> = waiting.map(|p| (self.now + p.after, p)).collect();
        // Those that an earlier boot did not come to were planned before.
        timed.append(&mut self.plans.timed);
        // Stable, so that of two at one time the earlier step comes first.
        timed.sort_by_key(|(at, _)| std::cmp::Reverse(*at));
        self.plans.timed = timed;
        let times: Vec<_> = self.plans.timed.iter().map(|(at, _)| *at).collect();
        for at in times {
            self.schedule(at, Happening::Plan);
        }
    }

    /// Carries out what is planned for later than the last boot took: the world waits for it.
    pub(super) fn finish_plans(&mut self) {
        while let Some((at, _)) = self.plans.timed.last() {
            self.now = self.now.max(*at);
            self.carry_out_plan();
        }
    }

    /// The time of a plan has come.
    pub(super) fn carry_out_plan(&mut self) {
        let Some((_, planned)) = self.plans.timed.pop() else {
            return;
        };
        let Planned {
            verb, text, act, ..
        } = planned;
        self.event(LAB.to_owned(), Kind::Step { verb, text });
        self.act(act);
    }

    /// Does it at once.
    pub fn act(&mut self, act: Act) {
        match act {
            Act::SetLinks(links, link) => {
                for (device, node) in links {
                    self.set_link(&device, node, link);
                }
            }
            Act::ClearLinks => self.clear_links(),
            Act::Change(change) => self.change(&change),
        }
    }

    /// Why a plan could not be carried out, once.
    pub(super) fn failed_plan(&mut self) -> Option<ClusterError> {
        self.plans.failed.take()
    }

    fn change(&mut self, change: &Change) {
        let nodes = {
            let mut lab = lock(&self.lab);
            if let Err(error) = lab.apply(change) {
                self.plans.failed.get_or_insert(error);
                return;
            }
            lab.nodes_of(change)
        };
        for node in nodes {
            match change.turn {
                Turn::Stop(service) | Turn::Restart(service) => self.break_service(node, service),
                Turn::Off => {
                    self.break_transfers(node, "the node was switched off");
                    self.break_http(node, false);
                    // Nobody is left to say goodbye: the phones' own time runs out.
                    self.connections.retain(|_, c| c.node() != Some(node));
                }
                Turn::Start(_) | Turn::On => {}
            }
        }
    }

    /// What a process does that ends: its sockets close.
    fn break_service(&mut self, node: NodeId, service: Service) {
        match service {
            Service::Tftp => {
                self.break_transfers(node, "the service stopped");
                self.break_http(node, true);
            }
            Service::Tvs => {
                let of_node = self
                    .connections
                    .iter()
                    .filter(|(_, c)| c.node() == Some(node));
                let broken: Vec<_> = of_node.map(|(key, _)| *key).collect();
                for (phone, connection) in broken {
                    self.tvs_to_phone(phone, connection, Some(node), TvsInput::Closed);
                    self.connections.remove(&(phone, connection));
                }
            }
            // Phones register in one message and its answer; there is nothing to break.
            Service::CallManager | Service::Capf => {}
        }
    }
}
