//! The nodes' side of TVS, and the connections to it.

use std::sync::{Arc, Mutex};

use super::link::{InOrder, Segment};
use super::tls::Tls;
use super::witness::Seen;
use super::world::{Happening, World, lock};
use crate::cluster::{Lab, NodeId, Service};
use crate::event::Kind;
use crate::phone::{ConnectFailure, TvsInput};
use crate::time::Time;
use crate::tvs::{CertificateSource, Found, ServerExchange, ServerSettings};

/// What a phone is told whose connection broke because a segment came damaged.
const DAMAGED: &str = "a record was damaged on the way";

/// A connection that a phone has begun to open and has not closed.
#[derive(Debug)]
pub(super) struct Connection {
    /// Whose; `None` if the phone's configuration names a host that nobody has.
    node: Option<NodeId>,
    to_node: InOrder,
    to_phone: InOrder,
    /// Certificates that the server may have.
    pins: Vec<Arc<[u8]>>,
    /// The node's end, once TLS is up.
    exchange: Option<ServerExchange>,
    /// Both ends of real TLS, where the world has it.
    tls: Option<Box<Tls>>,
    /// What the phone has written; kept for a witness alone.
    written: Vec<u8>,
}

impl Connection {
    /// The node at its other end.
    pub(super) fn node(&self) -> Option<NodeId> {
        self.node
    }

    pub(super) fn pins(&self) -> &[Arc<[u8]>] {
        &self.pins
    }

    pub(super) fn tls(&mut self) -> &mut Tls {
        self.tls.get_or_insert_default()
    }

    /// The node's end begins to listen.
    pub(super) fn begin(&mut self, settings: ServerSettings, now: Time) {
        self.exchange = Some(ServerExchange::new(settings, now));
    }
}

impl World {
    /// A phone begins to open a connection.
    pub(super) fn tvs_connect(
        &mut self,
        phone: usize,
        connection: u32,
        host: &str,
        pins: Vec<Arc<[u8]>>,
    ) {
        let node = lock(&self.lab).host(host);
        let opening = Connection {
            node,
            to_node: InOrder::default(),
            to_phone: InOrder::default(),
            pins,
            exchange: None,
            tls: None,
            written: Vec::new(),
        };
        self.connections.insert((phone, connection), opening);
        if self.has_real_tls {
            let there = self.segment(phone, node);
            let tcp = Happening::TlsTcp { phone, connection };
            return self.tvs_to_node(phone, connection, there, tcp);
        }
        // TCP and TLS take a round trip each; the answer is the last way back.
        let there = self.segment(phone, node);
        let there = there.then(|| self.segment(phone, node));
        let there = there.then(|| self.segment(phone, node));
        self.tvs_to_node(
            phone,
            connection,
            there,
            Happening::TvsUp { phone, connection },
        );
    }

    /// A phone writes.
    pub(super) fn tvs_write(&mut self, phone: usize, connection: u32, bytes: Vec<u8>) {
        if self.has_real_tls {
            return self.tls_write(phone, connection, &bytes);
        }
        let Some(node) = self.connections.get(&(phone, connection)).map(|c| c.node) else {
            return;
        };
        let there = self.segment(phone, node);
        let request = Happening::TvsRequest {
            phone,
            connection,
            bytes,
        };
        self.tvs_to_node(phone, connection, there, request);
    }

    /// Carries a segment of the phone's to the node.
    pub(super) fn tvs_to_node(
        &mut self,
        phone: usize,
        connection: u32,
        segment: Segment,
        happening: Happening,
    ) {
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        match segment {
            Segment::Arrives(after) => {
                let at = c.to_node.read_at(self.now + after);
                self.schedule(at, happening);
            }
            // The node says so, and closes.
            Segment::Damaged(after) => {
                let node = c.node;
                let back = self.segment(phone, node);
                if let Segment::Arrives(back) | Segment::Damaged(back) = back {
                    self.tvs_breaks(phone, connection, self.now + after + back);
                }
            }
            Segment::Lost => {}
        }
    }

    /// The handshake has reached the node.
    pub(super) fn tvs_up(&mut self, phone: usize, connection: u32) {
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        let refused = |text: &str| TvsInput::Failed(ConnectFailure::Refused(text.into()));
        let node = c.node;
        let input = {
            let lab = lock(&self.lab);
            match node {
                None => refused("no such host"),
                // A node that is off answers nothing: the phone's own time runs out.
                Some(node) if !lab.is_on(node) => return,
                Some(node) if !lab.serves(node, Service::Tvs) => refused("connection refused"),
                Some(node) => match lab.tvs_identity(node) {
                    None => refused("the node has no TVS certificate"),
                    Some(own) if c.pins.iter().any(|p| **p == *own.certificate) => {
                        c.begin(lab.tvs_settings(), self.now);
                        let tls = match lab.tls_stand_in(node) {
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
            }
        };
        let failed = matches!(input, TvsInput::Failed(_));
        self.tvs_to_phone(phone, connection, node, input);
        if failed {
            self.connections.remove(&(phone, connection));
        }
    }

    /// Bytes of a request have reached the node.
    pub(super) fn tvs_request(&mut self, phone: usize, connection: u32, bytes: &[u8]) {
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        let (Some(node), Some(exchange)) = (c.node, c.exchange.as_mut()) else {
            return;
        };
        let lab = Arc::clone(&self.lab);
        let source = NodeCertificates { lab: &lab, node };
        exchange.handle_bytes(bytes, &source, self.now);
        let answer = exchange.poll_transmit();
        let finished = exchange.is_finished();
        let mut told = Vec::new();
        while let Some(event) = exchange.poll_event() {
            told.push(event.to_string());
        }
        let client = self
            .phones
            .get(phone)
            .map(|p| p.device.clone())
            .unwrap_or_default();
        if self.is_watched {
            c.written.extend_from_slice(bytes);
            if finished {
                self.seen.push(Seen::Tvs {
                    at: self.now,
                    device: client.clone(),
                    node,
                    request: std::mem::take(&mut c.written),
                    answer: answer.clone().unwrap_or_default(),
                });
            }
        }
        if !self.is_unheard {
            let actor = lock(&lab).name(node).to_owned();
            for result in told {
                let client = client.clone();
                self.event(actor.clone(), Kind::TvsServed { client, result });
            }
        }
        if let Some(bytes) = answer.as_ref().filter(|_| self.has_real_tls) {
            self.tls_answer(phone, connection, bytes);
        } else if let Some(bytes) = answer {
            self.tvs_to_phone(phone, connection, Some(node), TvsInput::Bytes(bytes));
        }
        if finished {
            self.tvs_to_phone(phone, connection, Some(node), TvsInput::Closed);
            // The phone's end of TLS has still to read what is on its way.
            if let Some(c) = self.connections.get_mut(&(phone, connection)) {
                c.exchange = None;
            }
            if !self.has_real_tls {
                self.connections.remove(&(phone, connection));
            }
        }
    }

    /// The node's end says something.
    pub(super) fn tvs_to_phone(
        &mut self,
        phone: usize,
        connection: u32,
        node: Option<NodeId>,
        input: TvsInput,
    ) {
        let arriving = Happening::TvsToPhone {
            phone,
            connection,
            input,
        };
        self.tvs_carry(phone, connection, node, arriving);
    }

    /// Carries a segment of the node's to the phone.
    pub(super) fn tvs_carry(
        &mut self,
        phone: usize,
        connection: u32,
        node: Option<NodeId>,
        arriving: Happening,
    ) {
        let segment = self.segment(phone, node);
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        match segment {
            Segment::Arrives(after) => {
                let at = c.to_phone.read_at(self.now + after);
                self.schedule(at, arriving);
            }
            Segment::Damaged(after) => {
                let at = c.to_phone.read_at(self.now + after);
                self.tvs_breaks(phone, connection, at);
            }
            Segment::Lost => {}
        }
    }

    /// The phone sees at this time that its connection broke; the node's end is gone by then.
    fn tvs_breaks(&mut self, phone: usize, connection: u32, at: Time) {
        self.connections.remove(&(phone, connection));
        let input = TvsInput::Failed(ConnectFailure::Tls(DAMAGED.into()));
        let broken = Happening::TvsToPhone {
            phone,
            connection,
            input,
        };
        self.schedule(at, broken);
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
