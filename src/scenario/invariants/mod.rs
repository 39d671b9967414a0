//! Laws that hold in every simulated run, whatever the scenario: checked after every event, from
//! outside, on bytes. They are written a second time, beside the phone's decisions and without
//! calling them: lists are read through [`crate::wire`], keys through `x509-cert`, and signatures
//! are checked by `ring`. So a slip in the decisions does not hide itself here.
//!
//! One law needs more than the run: that phones come home once nothing fails any more
//! ([`after_faults()`]). Only a scenario with disturbances pays for it, with two more runs.
//!
//! A broken law is a bug of this program, never an outcome of a scenario.

mod after_faults;
mod answers;
mod held;
mod law;
mod phone;
mod terms;

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::cluster::{Lab, NodeId};
use crate::event::Event;
use crate::phone::power::BootEnd;
use crate::phone::{Flash, PhoneSetup};
use crate::sim::Witness;
use crate::time::Time;

pub use after_faults::{AfterFaults, LeftOut, TRIES, after_faults};
pub use law::{Broken, Law};
pub use terms::MOOT;

use held::Lists;
use phone::WatchedPhone;

/// Broken laws that are kept; a run that breaks more has shown enough.
const MAX_BROKEN: usize = 100;

/// Watches a simulated run and notes every law that it breaks.
#[derive(Debug, Default)]
pub struct Laws {
    phones: BTreeMap<String, WatchedPhone>,
    /// The certificate that each node's TVS shows.
    tvs: BTreeMap<NodeId, Arc<[u8]>>,
    lists: Lists,
    broken: Vec<Broken>,
}

impl Laws {
    /// Nothing seen yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// The laws that were broken, in order.
    pub fn into_broken(self) -> Vec<Broken> {
        self.broken
    }

    fn note(&mut self, found: Vec<Broken>) {
        let room = MAX_BROKEN.saturating_sub(self.broken.len());
        self.broken.extend(found.into_iter().take(room));
    }

    /// Lets the phone look at what happened, if it is known.
    fn at_phone(
        &mut self,
        at: Time,
        device: &str,
        look: impl FnOnce(&mut WatchedPhone, &mut Lists, &mut Vec<(Law, String)>),
    ) {
        let Some(phone) = self.phones.get_mut(device) else {
            return;
        };
        let mut found = Vec::new();
        look(phone, &mut self.lists, &mut found);
        if !found.is_empty() {
            let broken = found.into_iter().map(|(law, text)| Broken {
                law,
                at,
                device: device.to_owned(),
                text,
            });
            let broken = broken.collect();
            self.note(broken);
        }
    }
}

impl Witness for Laws {
    fn lab(&mut self, _at: Time, _step: usize, lab: &Lab) {
        for node in lab.nodes() {
            if let Some(identity) = lab.tvs_identity(node) {
                self.tvs.insert(node, identity.certificate);
            }
        }
    }

    fn boot(&mut self, at: Time, device: &str, setup: &PhoneSetup, flash: &Flash) {
        self.phones.entry(device.to_owned()).or_default();
        self.at_phone(at, device, |phone, lists, found| {
            phone.boot(setup, flash, lists, found);
        });
    }

    fn flash(&mut self, at: Time, device: &str, before: &Flash, after: &Flash, cut: bool) {
        self.at_phone(at, device, |phone, lists, found| {
            phone.flash(at, before, after, cut, lists, found);
        });
    }

    fn tvs(&mut self, at: Time, device: &str, node: NodeId, request: &[u8], answer: &[u8]) {
        let certificate = self.tvs.get(&node).cloned();
        self.at_phone(at, device, |phone, _, found| {
            phone.tvs(at, certificate.as_ref(), request, answer, found);
        });
    }

    fn https(&mut self, at: Time, device: &str, certificate: &[u8]) {
        self.at_phone(at, device, |phone, _, found| {
            phone.https(at, certificate, found);
        });
    }

    fn over(&mut self, at: Time, device: &str, end: BootEnd, flash: &Flash) {
        self.at_phone(at, device, |phone, _, found| {
            phone.over(at, end, flash, found);
        });
    }

    fn event(&mut self, event: &Event) {
        let at = event.at;
        self.at_phone(at, &event.actor, |phone, _, found| {
            phone.event(event, found);
        });
    }
}
