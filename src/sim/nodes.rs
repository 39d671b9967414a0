//! The nodes' side of TFTP.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use super::world::{Happening, World, lock};
use crate::cluster::{Lab, NodeId, Service};
use crate::event::Kind;
use crate::tftp::{Answer, FileError, FileSource, Server, ServerConfig, Transfer};

/// Ports of a node's transfers begin here.
const FIRST_NODE_PORT: u16 = 32_768;
/// The request port of TFTP.
const TFTP_PORT: u16 = 69;

/// The TFTP services of all nodes.
#[derive(Debug)]
pub(super) struct Nodes {
    servers: BTreeMap<NodeId, Server>,
    transfers: BTreeMap<SocketAddr, Sending>,
    next_port: u16,
}

impl Default for Nodes {
    fn default() -> Self {
        Self {
            servers: BTreeMap::new(),
            transfers: BTreeMap::new(),
            next_port: FIRST_NODE_PORT,
        }
    }
}

/// A transfer under way.
#[derive(Debug)]
struct Sending {
    node: NodeId,
    transfer: Box<Transfer>,
}

impl Nodes {
    /// Forgets what phones of an earlier boot asked for.
    pub(super) fn forget_transfers(&mut self) {
        self.servers.clear();
        self.transfers.clear();
    }
}

impl World {
    /// A datagram reached the nodes' side.
    pub(super) fn at_node(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
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
            if let Some(s) = self.nodes.transfers.get_mut(&to) {
                s.transfer.handle_datagram(self.now, from, bytes);
                self.drive_transfer(to);
            }
            return;
        }
        let actor = guard.name(node).to_owned();
        drop(guard);
        let server = self
            .nodes
            .servers
            .entry(node)
            .or_insert_with(|| Server::new(ServerConfig::default()));
        let files = NodeFiles { lab: &lab, node };
        match server.handle_request(self.now, from, bytes, &files) {
            Answer::Transfer(transfer) => {
                let end = self.new_port(to.ip());
                self.nodes.transfers.insert(end, Sending { node, transfer });
                self.drive_transfer(end);
            }
            Answer::Refused(refusal) => {
                let asked = refusal
                    .asked
                    .as_ref()
                    .map(|a| a.file.escape_ascii().to_string());
                self.served(actor, asked.unwrap_or_default(), from, refusal.text);
                let end = SocketAddr::new(to.ip(), self.nodes.next_port);
                self.send_to_phone(end, refusal.transmit.to, refusal.transmit.payload);
            }
            Answer::Ignored(_) => {}
        }
    }

    fn new_port(&mut self, address: IpAddr) -> SocketAddr {
        let port = self.nodes.next_port;
        self.nodes.next_port = port.checked_add(1).unwrap_or(FIRST_NODE_PORT);
        SocketAddr::new(address, port)
    }

    pub(super) fn wake_transfer(&mut self, end: SocketAddr) {
        if let Some(s) = self.nodes.transfers.get_mut(&end) {
            s.transfer.handle_timeout(self.now);
            self.drive_transfer(end);
        }
    }

    /// The node's transfers end, and its service begins anew if it ever does. Nobody tells the
    /// phones: what they still send is not answered.
    pub(super) fn break_transfers(&mut self, node: NodeId, why: &str) {
        self.nodes.servers.remove(&node);
        let of_node = self.nodes.transfers.iter().filter(|(_, s)| s.node == node);
        let broken: Vec<_> = of_node.map(|(end, _)| *end).collect();
        for end in broken {
            let Some(s) = self.nodes.transfers.remove(&end) else {
                continue;
            };
            let actor = lock(&self.lab).name(node).to_owned();
            let file = s.transfer.asked().file.escape_ascii().to_string();
            let result = format!("broken off: {why}");
            self.served(actor, file, s.transfer.peer(), result);
        }
    }

    fn drive_transfer(&mut self, end: SocketAddr) {
        let mut out = Vec::new();
        let Some(s) = self.nodes.transfers.get_mut(&end) else {
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
        if let Some(server) = self.nodes.servers.get_mut(&node) {
            if answered {
                server.handle_answered(id);
            }
            if delivery.is_some() {
                server.handle_ended(id);
            }
        }
        if let Some(delivery) = delivery {
            self.nodes.transfers.remove(&end);
            let actor = lock(&self.lab).name(node).to_owned();
            self.served(actor, file, peer, delivery.to_string());
        } else if let Some(at) = wake {
            self.schedule(at, Happening::WakeTransfer(end));
        }
    }

    fn served(&mut self, actor: String, file: String, client: SocketAddr, result: String) {
        if self.is_unheard {
            return;
        }
        let client = self.client_name(client);
        let kind = Kind::Served {
            file,
            client,
            transport: "tftp".into(),
            result,
        };
        self.event(actor, kind);
    }
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
