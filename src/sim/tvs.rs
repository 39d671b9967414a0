//! The nodes' side of TVS, with TLS modelled.

use std::sync::{Arc, Mutex};

use super::witness::Seen;
use super::world::{Happening, World, lock};
use crate::cluster::{Lab, NodeId, Service};
use crate::event::Kind;
use crate::phone::{ConnectFailure, TvsInput};
use crate::time::Time;
use crate::tvs::{CertificateSource, Found, ServerExchange};

/// A connection that is up.
#[derive(Debug)]
pub(super) struct Connection {
    node: NodeId,
    exchange: ServerExchange,
    /// What the phone has written; kept for a witness alone.
    written: Vec<u8>,
}

impl World {
    pub(super) fn tvs_up(&mut self, phone: usize, connection: u32, host: &str, pins: &[Arc<[u8]>]) {
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
                    let open = Connection {
                        node,
                        exchange: ServerExchange::new(guard.tvs_settings(), self.now),
                        written: Vec::new(),
                    };
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
        self.tvs_to_phone(phone, connection, input);
    }

    pub(super) fn tvs_request(&mut self, phone: usize, connection: u32, bytes: &[u8]) {
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
        let actor = lock(&lab).name(node).to_owned();
        for result in told {
            let client = client.clone();
            self.event(actor.clone(), Kind::TvsServed { client, result });
        }
        if let Some(bytes) = answer {
            self.tvs_to_phone(phone, connection, TvsInput::Bytes(bytes));
        }
        if finished {
            self.connections.remove(&(phone, connection));
            self.tvs_to_phone(phone, connection, TvsInput::Closed);
        }
    }

    fn tvs_to_phone(&mut self, phone: usize, connection: u32, input: TvsInput) {
        let arriving = Happening::TvsToPhone {
            phone,
            connection,
            input,
        };
        self.after(1, arriving);
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
