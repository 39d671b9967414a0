//! The world: phones, nodes, and what is on its way between them.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use crate::cluster::{Lab, NodeId, Service};
use crate::event::{Event, Kind};
use crate::phone::power::{BootEnd, Booted, Booting, Cut};
use crate::phone::{ConnectFailure, Flash, Output, Phone, TvsInput};
use crate::tftp::{Answer, FileError, FileSource, Server, ServerConfig, Transfer};
use crate::time::Time;
use crate::tvs::{CertificateSource, Found, ServerExchange};

/// One way through the network.
pub const LATENCY: Duration = Duration::from_millis(1);

/// Ports of a node's transfers begin here, those of a phone's there.
const FIRST_NODE_PORT: u16 = 32_768;
const FIRST_PHONE_PORT: u16 = 49_152;

/// The request port of TFTP.
const TFTP_PORT: u16 = 69;

/// No boot takes longer; every machine in it has a deadline far below.
const LONGEST_BOOT: Duration = Duration::from_secs(3_600);

/// The simulated world.
#[derive(Debug)]
pub struct World {
    lab: Arc<Mutex<Lab>>,
    now: Time,
    seq: u64,
    queue: BinaryHeap<Reverse<(Time, u64, usize)>>,
    /// What the queue's entries stand for; taken out when their time has come.
    happenings: BTreeMap<usize, Happening>,
    next_happening: usize,
    phones: Vec<Running>,
    servers: BTreeMap<NodeId, Server>,
    transfers: BTreeMap<SocketAddr, Sending>,
    next_port: u16,
    /// TVS connections by phone and number.
    connections: BTreeMap<(usize, u32), Connection>,
    events: Vec<Event>,
}

#[derive(Debug)]
struct Running {
    phone: Option<Phone>,
    flash: Flash,
    cut: Option<Cut>,
    device: String,
    address: Ipv4Addr,
    end: BootEnd,
    used: Vec<crate::trust::rules::Key>,
    wake: Option<Time>,
}

#[derive(Debug)]
struct Sending {
    node: NodeId,
    transfer: Box<Transfer>,
}

#[derive(Debug)]
struct Connection {
    node: NodeId,
    exchange: ServerExchange,
}

#[derive(Debug)]
enum Happening {
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
            seq: 0,
            queue: BinaryHeap::new(),
            happenings: BTreeMap::new(),
            next_happening: 0,
            phones: Vec::new(),
            servers: BTreeMap::new(),
            transfers: BTreeMap::new(),
            next_port: FIRST_NODE_PORT,
            connections: BTreeMap::new(),
            events: Vec::new(),
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
        let end = self.now + LONGEST_BOOT;
        self.servers.clear();
        self.transfers.clear();
        self.connections.clear();
        self.queue.clear();
        self.happenings.clear();
        self.phones.clear();
        for (i, b) in phones.into_iter().enumerate() {
            let device = b.setup.identity.device.clone();
            let phone = Phone::boot(b.setup, &b.flash, self.now);
            let index = u32::try_from(i).unwrap_or(u32::MAX);
            self.phones.push(Running {
                phone: Some(phone),
                flash: b.flash,
                cut: b.cut,
                device,
                address: Ipv4Addr::from(u32::from(Ipv4Addr::new(10, 0, 0, 1)).wrapping_add(index)),
                end: BootEnd::Overdue,
                used: Vec::new(),
                wake: None,
            });
            self.drive(i);
        }
        self.tell(events);
        while let Some(Reverse((at, _, id))) = self.queue.pop() {
            if at > end || self.phones.iter().all(|p| p.phone.is_none()) {
                break;
            }
            self.now = self.now.max(at);
            if let Some(happening) = self.happenings.remove(&id) {
                self.happen(happening);
            }
            self.tell(events);
        }
        self.phones
            .drain(..)
            .map(|p| Booted {
                flash: p.flash,
                used: p.used,
                end: p.end,
            })
            .collect()
    }

    fn tell(&mut self, events: &mut dyn FnMut(Event)) {
        for event in self.events.drain(..) {
            events(event);
        }
    }

    fn schedule(&mut self, at: Time, happening: Happening) {
        let id = self.next_happening;
        self.next_happening += 1;
        self.happenings.insert(id, happening);
        self.queue.push(Reverse((at, self.seq, id)));
        self.seq += 1;
    }

    fn after(&mut self, trips: u32, happening: Happening) {
        self.schedule(self.now + LATENCY * trips, happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::WakePhone(i) => {
                let Some(p) = self.phones.get_mut(i) else {
                    return;
                };
                p.wake = None;
                if let Some(phone) = p.phone.as_mut() {
                    phone.handle_timeout(self.now);
                }
                self.drive(i);
            }
            Happening::WakeTransfer(end) => {
                if let Some(s) = self.transfers.get_mut(&end) {
                    s.transfer.handle_timeout(self.now);
                    self.drive_transfer(end);
                }
            }
            Happening::ToNode { from, to, bytes } => self.at_node(from, to, &bytes),
            Happening::ToPhone {
                phone,
                transfer,
                from,
                bytes,
            } => {
                if let Some(p) = self.phone(phone) {
                    p.0.handle_datagram(p.1, transfer, from, &bytes);
                }
                self.drive(phone);
            }
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
            } => {
                if let Some(p) = self.phone(phone) {
                    p.0.handle_tvs(p.1, connection, input);
                }
                self.drive(phone);
            }
            Happening::RegisterAtNode { phone, host } => {
                let accepted = {
                    let lab = lock(&self.lab);
                    lab.host(&host)
                        .is_some_and(|n| lab.serves(n, Service::CallManager))
                };
                self.after(1, Happening::Registered { phone, accepted });
            }
            Happening::Registered { phone, accepted } => {
                if let Some(p) = self.phone(phone) {
                    p.0.handle_registered(p.1, accepted);
                }
                self.drive(phone);
            }
        }
    }

    fn phone(&mut self, index: usize) -> Option<(&mut Phone, Time)> {
        let now = self.now;
        Some((self.phones.get_mut(index)?.phone.as_mut()?, now))
    }

    /// Does what a phone wants done.
    fn drive(&mut self, i: usize) {
        while let Some(output) = self.phones[i].phone.as_mut().and_then(Phone::poll_output) {
            let p = &mut self.phones[i];
            match output {
                Output::Datagram {
                    transfer,
                    to,
                    payload,
                } => {
                    let port = FIRST_PHONE_PORT.wrapping_add(transfer as u16);
                    let from = SocketAddr::new(IpAddr::V4(p.address), port);
                    self.after(
                        1,
                        Happening::ToNode {
                            from,
                            to,
                            bytes: payload,
                        },
                    );
                }
                Output::CloseTransfer { .. } => {}
                Output::TvsConnect {
                    connection,
                    host,
                    port: _,
                    pins,
                } => {
                    // TCP and TLS take a round trip each; the answer is the last way back.
                    self.after(
                        3,
                        Happening::TvsUp {
                            phone: i,
                            connection,
                            host,
                            pins,
                        },
                    );
                }
                Output::TvsWrite { connection, bytes } => {
                    self.after(
                        1,
                        Happening::TvsRequest {
                            phone: i,
                            connection,
                            bytes,
                        },
                    );
                }
                Output::TvsClose { connection } => {
                    self.connections.remove(&(i, connection));
                }
                Output::Flash { number, operation } => {
                    let text = Cut::carry_out(p.cut.as_ref(), &mut p.flash, number, &operation);
                    if let Some(text) = text {
                        let actor = p.device.clone();
                        let kind = Kind::PowerCut { text };
                        self.events.push(Event {
                            at: self.now,
                            actor,
                            kind,
                        });
                        self.over(i, BootEnd::PowerCut);
                    }
                }
                Output::Register { host } => {
                    self.after(1, Happening::RegisterAtNode { phone: i, host });
                }
                Output::Event(event) => self.events.push(*event),
            }
        }
        let Some(phone) = self.phones[i].phone.as_ref() else {
            return;
        };
        if phone.is_over() {
            return self.over(i, BootEnd::Done);
        }
        let wanted = phone.next_timeout();
        let p = &mut self.phones[i];
        if let Some(at) = wanted.filter(|&at| p.wake.is_none_or(|w| at < w)) {
            p.wake = Some(at);
            self.schedule(at.max(self.now), Happening::WakePhone(i));
        }
    }

    fn over(&mut self, i: usize, end: BootEnd) {
        let p = &mut self.phones[i];
        if let Some(phone) = p.phone.take() {
            p.used = phone.settings().used();
            p.end = end;
        }
    }

    /// A datagram reached the nodes' side.
    fn at_node(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let IpAddr::V4(address) = to.ip() else { return };
        let lab = Arc::clone(&self.lab);
        let guard = lock(&lab);
        let Some(node) = guard
            .at(address)
            .filter(|&n| guard.serves(n, Service::Tftp))
        else {
            return;
        };
        if to.port() != TFTP_PORT {
            drop(guard);
            if let Some(s) = self.transfers.get_mut(&to) {
                s.transfer.handle_datagram(self.now, from, bytes);
                self.drive_transfer(to);
            }
            return;
        }
        let actor = guard.name(node).to_owned();
        drop(guard);
        let server = self
            .servers
            .entry(node)
            .or_insert_with(|| Server::new(ServerConfig::default()));
        let files = NodeFiles { lab: &lab, node };
        match server.handle_request(self.now, from, bytes, &files) {
            Answer::Transfer(transfer) => {
                let end = SocketAddr::new(to.ip(), self.next_port);
                self.next_port = self.next_port.checked_add(1).unwrap_or(FIRST_NODE_PORT);
                self.transfers.insert(end, Sending { node, transfer });
                self.drive_transfer(end);
            }
            Answer::Refused(refusal) => {
                let asked = refusal
                    .asked
                    .as_ref()
                    .map(|a| a.file.escape_ascii().to_string());
                self.served(actor, asked.unwrap_or_default(), from, refusal.text);
                let end = SocketAddr::new(to.ip(), self.next_port);
                self.send_to_phone(end, refusal.transmit.to, refusal.transmit.payload);
            }
            Answer::Ignored(_) => {}
        }
    }

    fn drive_transfer(&mut self, end: SocketAddr) {
        let mut out = Vec::new();
        let Some(s) = self.transfers.get_mut(&end) else {
            return;
        };
        while let Some(t) = s.transfer.poll_transmit() {
            out.push(t);
        }
        let wake = s.transfer.next_timeout();
        let node = s.node;
        let id = s.transfer.id();
        let answered = s.transfer.is_answered();
        let delivery = s.transfer.outcome().cloned();
        let file = s.transfer.asked().file.escape_ascii().to_string();
        let peer = s.transfer.peer();
        for t in out {
            self.send_to_phone(end, t.to, t.payload);
        }
        if let Some(server) = self.servers.get_mut(&node) {
            if answered {
                server.handle_answered(id);
            }
            if delivery.is_some() {
                server.handle_ended(id);
            }
        }
        if let Some(delivery) = delivery {
            self.transfers.remove(&end);
            let actor = lock(&self.lab).name(node).to_owned();
            self.served(actor, file, peer, delivery.to_string());
        } else if let Some(at) = wake {
            self.schedule(at.max(self.now), Happening::WakeTransfer(end));
        }
    }

    fn served(&mut self, actor: String, file: String, client: SocketAddr, result: String) {
        let client = self.client_name(client);
        let kind = Kind::Served {
            file,
            client,
            result,
        };
        self.events.push(Event {
            at: self.now,
            actor,
            kind,
        });
    }

    fn client_name(&self, client: SocketAddr) -> String {
        let phone = self
            .phones
            .iter()
            .find(|p| IpAddr::V4(p.address) == client.ip());
        phone.map_or_else(|| client.to_string(), |p| p.device.clone())
    }

    fn send_to_phone(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let phone = self
            .phones
            .iter()
            .position(|p| IpAddr::V4(p.address) == to.ip());
        let Some(phone) = phone else { return };
        let transfer = u32::from(to.port().wrapping_sub(FIRST_PHONE_PORT));
        self.after(
            1,
            Happening::ToPhone {
                phone,
                transfer,
                from,
                bytes,
            },
        );
    }

    fn tvs_up(&mut self, phone: usize, connection: u32, host: &str, pins: &[Arc<[u8]>]) {
        let lab = Arc::clone(&self.lab);
        let guard = lock(&lab);
        let refused = |text: &str| TvsInput::Failed(ConnectFailure::Refused(text.into()));
        let input = match guard.host(host) {
            None => refused("no such host"),
            // A node that is off answers nothing: the phone's own time runs out.
            Some(node) if !guard.is_on(node) => return,
            Some(node) if !guard.serves(node, Service::Tvs) => refused("connection refused"),
            Some(node) => match guard.tvs_identity(node) {
                None => refused("the node has no TVS certificate"),
                Some(own) if pins.iter().any(|p| **p == *own.certificate) => {
                    let exchange = ServerExchange::new(guard.tvs_settings(), self.now);
                    let open = Connection { node, exchange };
                    self.connections.insert((phone, connection), open);
                    let tls = match guard.tls_stand_in(node) {
                        Some(old) => format!("TLS modelled, stands in for {old}"),
                        None => "TLS modelled".to_owned(),
                    };
                    TvsInput::Connected {
                        certificate: own.certificate.to_vec(),
                        tls,
                    }
                }
                Some(own) => TvsInput::Failed(ConnectFailure::NotPinned {
                    presented: own.certificate.to_vec(),
                }),
            },
        };
        drop(guard);
        self.after(
            1,
            Happening::TvsToPhone {
                phone,
                connection,
                input,
            },
        );
    }

    fn tvs_request(&mut self, phone: usize, connection: u32, bytes: &[u8]) {
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        let lab = Arc::clone(&self.lab);
        let source = NodeCertificates {
            lab: &lab,
            node: c.node,
        };
        c.exchange.handle_bytes(bytes, &source, self.now);
        let answer = c.exchange.poll_transmit();
        let finished = c.exchange.is_finished();
        let node = c.node;
        let mut told = Vec::new();
        while let Some(event) = c.exchange.poll_event() {
            told.push(format!("{event}"));
        }
        let actor = lock(&lab).name(node).to_owned();
        let client = self
            .phones
            .get(phone)
            .map(|p| p.device.clone())
            .unwrap_or_default();
        for result in told {
            let kind = Kind::TvsServed {
                client: client.clone(),
                result,
            };
            self.events.push(Event {
                at: self.now,
                actor: actor.clone(),
                kind,
            });
        }
        if let Some(bytes) = answer {
            let input = TvsInput::Bytes(bytes);
            self.after(
                1,
                Happening::TvsToPhone {
                    phone,
                    connection,
                    input,
                },
            );
        }
        if finished {
            self.connections.remove(&(phone, connection));
            let input = TvsInput::Closed;
            self.after(
                1,
                Happening::TvsToPhone {
                    phone,
                    connection,
                    input,
                },
            );
        }
    }
}

fn lock(lab: &Mutex<Lab>) -> MutexGuard<'_, Lab> {
    // A panic elsewhere must not hide behind a second one here.
    lab.lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

struct NodeFiles<'a> {
    lab: &'a Mutex<Lab>,
    node: NodeId,
}

impl FileSource for NodeFiles<'_> {
    fn open(&self, name: &str) -> Result<Arc<[u8]>, FileError> {
        lock(self.lab).open(self.node, name)
    }
}

struct NodeCertificates<'a> {
    lab: &'a Mutex<Lab>,
    node: NodeId,
}

impl CertificateSource for NodeCertificates<'_> {
    fn query(&self, subject: &[u8], issuer: &[u8], serial: &[u8], _now: Time) -> Option<Found> {
        lock(self.lab).query(self.node, subject, issuer, serial)
    }

    fn verify(&self, certificate: &[u8], _now: Time) -> Option<Found> {
        lock(self.lab).verify(self.node, certificate)
    }
}
