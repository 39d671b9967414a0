//! Seeing a world from outside: bytes and state, not the phone's own opinion.

use std::sync::Arc;

use crate::cluster::{Lab, NodeId};
use crate::event::Event;
use crate::phone::power::BootEnd;
use crate::phone::{Flash, PhoneSetup};
use crate::time::Time;

/// Sees everything that a world does. Each method is called in the order in which things happen,
/// between the events; one that is not written sees nothing.
pub trait Witness {
    /// The clusters are built (step 0), or a step changed them; step numbers count from 1. A step
    /// that boots phones is seen after these boots.
    fn lab(&mut self, _at: Time, _step: usize, _lab: &Lab) {}

    /// Phones are about to start their boots together, and this is what they will meet.
    fn boots(&mut self, _at: Time, _lab: &mut Lab) {}

    /// A phone starts a boot with this setup and this flash.
    fn boot(&mut self, _at: Time, _device: &str, _setup: &PhoneSetup, _flash: &Flash) {}

    /// A flash operation was carried out, or cut: the flash before and after.
    fn flash(&mut self, _at: Time, _device: &str, _before: &Flash, _after: &Flash, _cut: bool) {}

    /// A TVS node dealt with a request of a phone; both as they are inside TLS. The answer is empty
    /// where the node closed without one.
    fn tvs(&mut self, _at: Time, _device: &str, _node: NodeId, _request: &[u8], _answer: &[u8]) {}

    /// A phone asks for a file over HTTPS, from a node that showed this certificate.
    fn https(&mut self, _at: Time, _device: &str, _certificate: &[u8]) {}

    /// A boot is over.
    fn over(&mut self, _at: Time, _device: &str, _end: BootEnd, _flash: &Flash) {}

    /// An event was told.
    fn event(&mut self, _event: &Event) {}
}

/// What has happened and is still to be told, in order. What only a witness sees is kept only when
/// there is one.
#[derive(Debug)]
pub(super) enum Seen {
    Event(Box<Event>),
    Boot {
        at: Time,
        setup: Box<PhoneSetup>,
        flash: Flash,
    },
    Flash {
        at: Time,
        device: String,
        before: Flash,
        after: Flash,
        cut: bool,
    },
    Tvs {
        at: Time,
        device: String,
        node: NodeId,
        request: Vec<u8>,
        answer: Vec<u8>,
    },
    Https {
        at: Time,
        device: String,
        certificate: Arc<[u8]>,
    },
    Over {
        at: Time,
        device: String,
        end: BootEnd,
        flash: Flash,
    },
}

impl Seen {
    /// Shows it to the witness.
    pub(super) fn show(&self, witness: &mut dyn Witness) {
        match self {
            Self::Event(event) => witness.event(event),
            Self::Boot { at, setup, flash } => {
                witness.boot(*at, &setup.identity.device, setup, flash);
            }
            Self::Flash {
                at,
                device,
                before,
                after,
                cut,
            } => witness.flash(*at, device, before, after, *cut),
            Self::Tvs {
                at,
                device,
                node,
                request,
                answer,
            } => witness.tvs(*at, device, *node, request, answer),
            Self::Https {
                at,
                device,
                certificate,
            } => witness.https(*at, device, certificate),
            Self::Over {
                at,
                device,
                end,
                flash,
            } => witness.over(*at, device, *end, flash),
        }
    }
}
