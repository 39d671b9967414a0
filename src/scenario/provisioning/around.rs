//! What is around the phones of a round: tables in virtual time, servers on loopback sockets.

use super::world::{Made, World};
use super::{Carried, Round};
use crate::provisioning::resync::{End, Happening, Resync};
use crate::scenario::driver::Network;
use crate::scenario::run::RunError;
use crate::scenario::words::Tls;
use crate::sim::provisioning::Surroundings;
use crate::time::UnixSeconds;

#[cfg(feature = "provisioning")]
use crate::net::provisioning::lab::Lab;

/// One of the two.
pub(super) enum Around<'w> {
    Sim(Surroundings<'w>),
    #[cfg(feature = "provisioning")]
    Loopback(Lab),
}

impl<'w> Around<'w> {
    /// The surroundings of a round, while the servers' clocks say `now`. On sockets TLS is real,
    /// whatever `tls` says.
    ///
    /// # Errors
    /// No sockets, or a program that was built without them; a key that is none for TLS.
    pub(super) fn start(
        network: Network,
        world: &'w World,
        round: &Round,
        now: UnixSeconds,
        tls: Tls,
    ) -> Result<Self, RunError> {
        match network {
            Network::Sim => Ok(Self::Sim(world.around(round, now, tls)?)),
            #[cfg(feature = "provisioning")]
            Network::Loopback => Ok(Self::Loopback(world.lab(round, now)?)),
            #[cfg(not(feature = "provisioning"))]
            Network::Loopback => Err(RunError::NeedsFeature("provisioning")),
        }
    }

    /// What was really carried so far.
    pub(super) fn carried(&self) -> Carried {
        match self {
            Self::Sim(around) => Carried {
                questions: 0,
                handshakes: around.handshakes.get(),
            },
            #[cfg(feature = "provisioning")]
            Self::Loopback(lab) => Carried {
                questions: lab.questions(),
                handshakes: lab.handshakes(),
            },
        }
    }

    /// Runs a resync of phone number `index` (from 0) to its end.
    ///
    /// # Errors
    /// The sockets' resolver cannot be set up.
    pub(super) fn run(
        &self,
        world: &World,
        index: usize,
        resync: &mut Resync,
        tell: impl FnMut(Happening),
    ) -> Result<End, RunError> {
        let phone = world.phone(index).map(Made::identity);
        match self {
            Self::Sim(around) => Ok(around.run(resync, phone.as_ref(), tell)),
            #[cfg(feature = "provisioning")]
            Self::Loopback(lab) => Ok(lab.run(resync, phone, tell)?),
        }
    }
}
