//! The two drivers under one name, so that a scenario runs on either.

use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::model::{Scenario, Tls};
use crate::cluster::{Lab, NodeId};
use crate::event::Event;
use crate::net::loopback::{Loopback, NodeAddresses};
use crate::phone::power::{Booted, Booting};
use crate::sim::{Witness, World};
use crate::time::Time;

/// Where a scenario runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Network {
    /// On loopback sockets, in real time.
    Loopback,
    /// In virtual time.
    Sim,
}

impl Network {
    /// For events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Loopback => "loopback",
            Self::Sim => "sim",
        }
    }
}

/// A driver of the machines.
#[derive(Debug)]
pub(super) enum Driver {
    Loopback(Box<Loopback>),
    Sim(Box<World>),
}

impl Driver {
    pub(super) fn start(
        network: Network,
        lab: Arc<Mutex<Lab>>,
        scenario: &Scenario,
    ) -> io::Result<Self> {
        Ok(match network {
            Network::Loopback => Self::Loopback(Box::new(Loopback::start(lab)?)),
            Network::Sim => Self::Sim(Box::new(world(lab, scenario))),
        })
    }

    /// In virtual time, with modelled signatures, where nobody hears of anything.
    pub(super) fn for_trials(lab: Arc<Mutex<Lab>>, scenario: &Scenario) -> Self {
        let world = world(lab, scenario).with_modelled_signatures().unheard();
        Self::Sim(Box::new(world))
    }

    pub(super) fn network(&self) -> Network {
        match self {
            Self::Loopback(_) => Network::Loopback,
            Self::Sim(_) => Network::Sim,
        }
    }

    /// The sockets, where there are any.
    pub(super) fn loopback(&mut self) -> Option<&mut Loopback> {
        match self {
            Self::Loopback(l) => Some(l),
            Self::Sim(_) => None,
        }
    }

    /// Where the services of a node really are; nowhere in virtual time.
    pub(super) fn addresses(&self, id: NodeId) -> NodeAddresses {
        match self {
            Self::Loopback(l) => l.addresses(id),
            Self::Sim(_) => NodeAddresses::default(),
        }
    }

    pub(super) fn now(&self) -> Time {
        match self {
            Self::Loopback(l) => l.now(),
            Self::Sim(w) => w.now(),
        }
    }

    pub(super) fn wait(&mut self, duration: Duration) {
        match self {
            Self::Loopback(l) => l.wait(duration),
            Self::Sim(w) => w.wait(duration),
        }
    }

    /// The world, where there is one: it has links, and plans what comes in the middle of a boot.
    pub(super) fn world(&mut self) -> Option<&mut World> {
        match self {
            Self::Loopback(_) => None,
            Self::Sim(w) => Some(w),
        }
    }

    /// Follows what a step changed in the lab.
    pub(super) fn follow(&mut self) -> io::Result<()> {
        match self {
            Self::Loopback(l) => l.follow(),
            Self::Sim(_) => Ok(()),
        }
    }

    /// Boots phones; a witness sees what happens in virtual time.
    pub(super) fn boot(
        &mut self,
        phones: Vec<Booting>,
        events: &mut dyn FnMut(Event),
        witness: Option<&mut dyn Witness>,
    ) -> Vec<Booted> {
        match self {
            Self::Loopback(l) => l.boot(phones, events),
            Self::Sim(w) => w.boot_watched(phones, events, witness),
        }
    }
}

fn world(lab: Arc<Mutex<Lab>>, scenario: &Scenario) -> World {
    let world = World::new(lab, scenario.seed);
    match scenario.tls {
        Tls::Modelled => world,
        Tls::Real => world.with_real_tls(),
    }
}
