//! The world: its clock, and what is on its way.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::http::HttpConnection;
use super::link::{Links, Segment};
use super::nodes::Nodes;
use super::phones::Running;
use super::planned::Plans;
use super::tvs::Connection;
use super::witness::{Seen, Witness};
use crate::cluster::{ClusterError, Lab, NodeId, Registration};
use crate::event::{Event, Kind};
use crate::phone::power::{Booted, Booting, LONGEST_BOOT};
use crate::phone::{HttpInput, TvsInput};
use crate::time::Time;
use crate::trust::rules::Key;

/// The simulated world.
#[derive(Debug)]
pub struct World {
    pub(super) lab: Arc<Mutex<Lab>>,
    pub(super) now: Time,
    /// What is to happen, by time and by the order in which it was arranged.
    queue: BTreeMap<(Time, u64), Happening>,
    arranged: u64,
    pub(super) phones: Vec<Running>,
    /// Phones whose boot is not over.
    pub(super) booting: usize,
    pub(super) links: Links,
    /// True if TLS is done, not modelled.
    pub(super) has_real_tls: bool,
    /// True if the lab's signatures are modelled, too.
    pub(super) has_modelled_signatures: bool,
    /// True if nobody hears what the nodes tell, nor looks at the digests that phones tell of files.
    pub(super) is_unheard: bool,
    pub(super) plans: Plans,
    pub(super) nodes: Nodes,
    /// TVS connections by phone and number.
    pub(super) connections: BTreeMap<(usize, u32), Connection>,
    /// HTTP connections by phone and request.
    pub(super) http: BTreeMap<(usize, u32), HttpConnection>,
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
    /// A TCP connection for real TLS reaches the node.
    TlsTcp {
        phone: usize,
        connection: u32,
    },
    /// TCP is up on the phone's side.
    TlsOpen {
        phone: usize,
        connection: u32,
    },
    TlsToNode {
        phone: usize,
        connection: u32,
        bytes: Vec<u8>,
    },
    TlsToPhone {
        phone: usize,
        connection: u32,
        bytes: Vec<u8>,
    },
    /// An HTTP connection has reached the node.
    HttpUp {
        phone: usize,
        request: u32,
    },
    HttpRequest {
        phone: usize,
        request: u32,
        path: String,
        max_bytes: usize,
    },
    HttpToPhone {
        phone: usize,
        request: u32,
        input: HttpInput,
    },
    DhcpAtServer {
        phone: usize,
        bytes: Vec<u8>,
    },
    DhcpToPhone {
        phone: usize,
        bytes: Vec<u8>,
    },
    Resolved {
        phone: usize,
        host: String,
    },
    RegisterAtNode {
        phone: usize,
        attempt: u32,
        host: String,
        lsc: Option<Arc<[u8]>>,
    },
    Registered {
        phone: usize,
        attempt: u32,
        answer: Registration,
    },
    /// The next plan's time has come.
    Plan,
}

impl World {
    /// A world around this lab, at its start. All chance comes from `seed`.
    pub fn new(lab: Arc<Mutex<Lab>>, seed: u64) -> Self {
        Self {
            lab,
            now: Time::ZERO,
            queue: BTreeMap::new(),
            arranged: 0,
            phones: Vec::new(),
            booting: 0,
            links: Links::new(seed),
            has_real_tls: false,
            has_modelled_signatures: false,
            is_unheard: false,
            plans: Plans::default(),
            nodes: Nodes::default(),
            connections: BTreeMap::new(),
            http: BTreeMap::new(),
            seen: Vec::new(),
            is_watched: false,
        }
    }

    /// Does TLS with rustls over simulated bytes, in place of the model of it.
    pub fn with_real_tls(mut self) -> Self {
        self.has_real_tls = true;
        self
    }

    /// For a lab with the keys of [`crate::cluster::KeyPool::modelled`]: phones take its signatures, and no real
    /// ones.
    pub fn with_modelled_signatures(mut self) -> Self {
        self.has_modelled_signatures = true;
        self
    }

    /// For a run whose events nobody is shown: nodes tell nothing, and what phones tell of files has no
    /// digests.
    pub fn unheard(mut self) -> Self {
        self.is_unheard = true;
        self
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
        if let Some(witness) = witness.as_deref_mut() {
            witness.boots(self.now, &mut lock(&self.lab));
        }
        let end = self.now + LONGEST_BOOT;
        self.nodes.forget_transfers();
        self.connections.clear();
        self.http.clear();
        self.queue.clear();
        self.phones.clear();
        self.booting = 0;
        self.arrange_plans();
        for (index, booting) in phones.into_iter().enumerate() {
            self.start_phone(index, booting);
        }
        self.tell(events, &mut witness);
        while let Some(((at, _), happening)) = self.queue.pop_first() {
            if at > end || self.booting == 0 {
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

    /// Lets the world come to everything that is planned and for which the last boot was too short.
    ///
    /// # Errors
    /// Why a plan, of this or of the last boots, could not be carried out.
    pub fn settle(
        &mut self,
        events: &mut dyn FnMut(Event),
        mut witness: Option<&mut dyn Witness>,
    ) -> Result<(), ClusterError> {
        self.finish_plans();
        self.tell(events, &mut witness);
        self.failed_plan().map_or(Ok(()), Err)
    }

    fn tell(&mut self, events: &mut dyn FnMut(Event), witness: &mut Option<&mut dyn Witness>) {
        for seen in self.seen.drain(..) {
            if let Some(witness) = witness {
                seen.show(*witness);
            }
            if let Seen::Event(event) = seen {
                events(*event);
            }
        }
    }

    /// An event of the world itself.
    pub(super) fn event(&mut self, actor: String, kind: Kind) {
        let at = self.now;
        self.seen
            .push(Seen::Event(Box::new(Event { at, actor, kind })));
    }

    pub(super) fn schedule(&mut self, at: Time, happening: Happening) {
        self.queue
            .insert((at.max(self.now), self.arranged), happening);
        self.arranged += 1;
    }

    /// What becomes of a segment between a phone and a node.
    pub(super) fn segment(&mut self, phone: usize, node: Option<NodeId>) -> Segment {
        match self.phones.get(phone) {
            Some(p) => self.links.segment(&p.device, node),
            None => Segment::Lost,
        }
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
            } => self.reach_phone(phone, |p, now| {
                p.handle_datagram(now, transfer, from, &bytes);
            }),
            Happening::TvsUp { phone, connection } => self.tvs_up(phone, connection),
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
            } => self.reach_phone(phone, |p, now| p.handle_tvs(now, connection, input)),
            Happening::TlsTcp { phone, connection } => self.tls_tcp(phone, connection),
            Happening::TlsOpen { phone, connection } => self.tls_open(phone, connection),
            Happening::TlsToNode {
                phone,
                connection,
                bytes,
            } => self.tls_at_node(phone, connection, &bytes),
            Happening::TlsToPhone {
                phone,
                connection,
                bytes,
            } => self.tls_at_phone(phone, connection, &bytes),
            Happening::HttpUp { phone, request } => self.http_up(phone, request),
            Happening::HttpRequest {
                phone,
                request,
                path,
                max_bytes,
            } => self.http_asked(phone, request, &path, max_bytes),
            Happening::HttpToPhone {
                phone,
                request,
                input,
            } => self.reach_phone(phone, |p, now| p.handle_http(now, request, input)),
            Happening::DhcpAtServer { phone, bytes } => self.dhcp_asked(phone, &bytes),
            Happening::DhcpToPhone { phone, bytes } => {
                self.reach_phone(phone, |p, now| p.handle_dhcp(now, &bytes));
            }
            Happening::Resolved { phone, host } => self.resolved(phone, &host),
            Happening::RegisterAtNode {
                phone,
                attempt,
                host,
                lsc,
            } => self.register_at_node(phone, attempt, &host, lsc.as_deref()),
            Happening::Registered {
                phone,
                attempt,
                answer,
            } => self.registered(phone, attempt, answer),
            Happening::Plan => self.carry_out_plan(),
        }
    }
}

impl World {
    /// A phone registers: one message and its answer.
    pub(super) fn register(&mut self, phone: usize, host: String, lsc: Option<Arc<[u8]>>) {
        let Some(running) = self.phones.get_mut(phone) else {
            return;
        };
        running.attempt += 1;
        let attempt = running.attempt;
        let node = lock(&self.lab).host(&host);
        let arriving = Happening::RegisterAtNode {
            phone,
            attempt,
            host,
            lsc,
        };
        let segment = self.segment(phone, node);
        self.registration(phone, attempt, segment, arriving);
    }

    fn register_at_node(&mut self, phone: usize, attempt: u32, host: &str, lsc: Option<&[u8]>) {
        let device = self.phones.get(phone).map_or("", |p| p.device.as_str());
        let (node, answer) = {
            let lab = lock(&self.lab);
            if lsc.is_some_and(|lsc| lab.hangs_on_lsc_store(host, lsc))
                && let Some(running) = self.phones.get(phone)
            {
                running.feel(Key::LscTrustedBy);
            }
            (lab.host(host), lab.register(host, device, lsc))
        };
        let arriving = Happening::Registered {
            phone,
            attempt,
            answer,
        };
        let segment = self.segment(phone, node);
        self.registration(phone, attempt, segment, arriving);
    }

    fn registration(&mut self, phone: usize, attempt: u32, segment: Segment, arriving: Happening) {
        match segment {
            Segment::Arrives(after) => self.schedule(self.now + after, arriving),
            Segment::Damaged(after) => {
                let broken = Happening::Registered {
                    phone,
                    attempt,
                    answer: Registration::NoAnswer,
                };
                self.schedule(self.now + after, broken);
            }
            Segment::Lost => {}
        }
    }

    fn registered(&mut self, phone: usize, attempt: u32, answer: Registration) {
        // What answers an attempt that the phone has given up comes too late.
        let current = self.phones.get(phone).map(|p| p.attempt);
        if current == Some(attempt) {
            self.reach_phone(phone, |p, now| p.handle_registered(now, answer));
        }
    }
}

pub(super) fn lock(lab: &Mutex<Lab>) -> MutexGuard<'_, Lab> {
    // A panic elsewhere must not hide behind a second one here.
    lab.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
