//! The world: its clock, and what is on its way.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::nodes::Nodes;
use super::phones::Running;
use super::tvs::Connection;
use super::witness::{Seen, Witness};
use crate::cluster::{Lab, Service};
use crate::event::{Event, Kind};
use crate::phone::TvsInput;
use crate::phone::power::{Booted, Booting, LONGEST_BOOT};
use crate::time::Time;

/// One way through the network.
pub const LATENCY: Duration = Duration::from_millis(1);

/// The simulated world.
#[derive(Debug)]
pub struct World {
    pub(super) lab: Arc<Mutex<Lab>>,
    pub(super) now: Time,
    /// What is to happen, by time and by the order in which it was arranged.
    queue: BTreeMap<(Time, u64), Happening>,
    arranged: u64,
    pub(super) phones: Vec<Running>,
    pub(super) nodes: Nodes,
    /// TVS connections by phone and number.
    pub(super) connections: BTreeMap<(usize, u32), Connection>,
    /// What has happened and is not yet told.
    pub(super) seen: Vec<Seen>,
    /// True while there is a witness.
    pub(super) is_watched: bool,
}

/// Something that will happen.
#[derive(Debug)]
pub(super) enum Happening {
    WakePhone(usize),
    WakeTransfer(SocketAddr),
    ToNode {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    ToPhone {
        phone: usize,
        transfer: u32,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    TvsUp {
        phone: usize,
        connection: u32,
        host: String,
        pins: Vec<Arc<[u8]>>,
    },
    TvsRequest {
        phone: usize,
        connection: u32,
        bytes: Vec<u8>,
    },
    TvsToPhone {
        phone: usize,
        connection: u32,
        input: TvsInput,
    },
    RegisterAtNode {
        phone: usize,
        host: String,
    },
    Registered {
        phone: usize,
        accepted: bool,
    },
}

impl World {
    /// A world around this lab, at its start.
    pub fn new(lab: Arc<Mutex<Lab>>) -> Self {
        Self {
            lab,
            now: Time::ZERO,
            queue: BTreeMap::new(),
            arranged: 0,
            phones: Vec::new(),
            nodes: Nodes::default(),
            connections: BTreeMap::new(),
            seen: Vec::new(),
            is_watched: false,
        }
    }

    /// The world's clock.
    pub fn now(&self) -> Time {
        self.now
    }

    /// Lets time pass while nobody does anything.
    pub fn wait(&mut self, duration: Duration) {
        self.now += duration;
    }

    /// Starts these phones together and runs until each boot is over. Events come in the order in
    /// which they happen.
    pub fn boot(&mut self, phones: Vec<Booting>, events: &mut dyn FnMut(Event)) -> Vec<Booted> {
        self.boot_watched(phones, events, None)
    }

    /// [`Self::boot`] before a witness.
    pub fn boot_watched(
        &mut self,
        phones: Vec<Booting>,
        events: &mut dyn FnMut(Event),
        mut witness: Option<&mut dyn Witness>,
    ) -> Vec<Booted> {
        self.is_watched = witness.is_some();
        let end = self.now + LONGEST_BOOT;
        self.nodes.forget_transfers();
        self.connections.clear();
        self.queue.clear();
        self.phones.clear();
        for (index, booting) in phones.into_iter().enumerate() {
            self.start_phone(index, booting);
        }
        self.tell(events, &mut witness);
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > end || self.phones.iter().all(Running::is_over) {
                break;
            }
            self.now = self.now.max(at);
            self.happen(happening);
            self.tell(events, &mut witness);
        }
        self.give_up();
        self.tell(events, &mut witness);
        self.phones.drain(..).map(Running::booted).collect()
    }

    fn tell(&mut self, events: &mut dyn FnMut(Event), witness: &mut Option<&mut dyn Witness>) {
        for seen in self.seen.drain(..) {
            if let Some(witness) = witness {
                seen.show(*witness);
            }
            if let Seen::Event(event) = seen {
                events(event);
            }
        }
    }

    /// An event of the world itself.
    pub(super) fn event(&mut self, actor: String, kind: Kind) {
        let at = self.now;
        self.seen.push(Seen::Event(Event { at, actor, kind }));
    }

    pub(super) fn schedule(&mut self, at: Time, happening: Happening) {
        self.queue
            .insert((at.max(self.now), self.arranged), happening);
        self.arranged += 1;
    }

    pub(super) fn after(&mut self, trips: u32, happening: Happening) {
        self.schedule(self.now + LATENCY * trips, happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::WakePhone(i) => self.wake_phone(i),
            Happening::WakeTransfer(end) => self.wake_transfer(end),
            Happening::ToNode { from, to, bytes } => self.at_node(from, to, &bytes),
            Happening::ToPhone {
                phone,
                transfer,
                from,
                bytes,
            } => self.to_phone(phone, |p, now| {
                p.handle_datagram(now, transfer, from, &bytes);
            }),
            Happening::TvsUp {
                phone,
                connection,
                host,
                pins,
            } => {
                self.tvs_up(phone, connection, &host, &pins);
            }
            Happening::TvsRequest {
                phone,
                connection,
                bytes,
            } => {
                self.tvs_request(phone, connection, &bytes);
            }
            Happening::TvsToPhone {
                phone,
                connection,
                input,
            } => self.to_phone(phone, |p, now| p.handle_tvs(now, connection, input)),
            Happening::RegisterAtNode { phone, host } => {
                let accepted = {
                    let lab = lock(&self.lab);
                    lab.host(&host)
                        .is_some_and(|n| lab.serves(n, Service::CallManager))
                };
                self.after(1, Happening::Registered { phone, accepted });
            }
            Happening::Registered { phone, accepted } => {
                self.to_phone(phone, |p, now| p.handle_registered(now, accepted));
            }
        }
    }
}

pub(super) fn lock(lab: &Mutex<Lab>) -> MutexGuard<'_, Lab> {
    // A panic elsewhere must not hide behind a second one here.
    lab.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
