//! Real TLS over simulated bytes: both ends are rustls, with the configurations and the verifier of
//! the driver on sockets; the world carries their records as it carries everything else.
//!
//! Each flight is one segment of the link. Keys and signatures of TLS are random, so packets differ
//! between runs; what phones and nodes tell does not.

use std::io::{self, Read, Write};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection};

use super::world::{Happening, World, lock};
use crate::cluster::{NodeId, Service, TlsIdentity};
use crate::event::Kind;
use crate::net::tls::{ClientTls, Identity, ServerTls, TlsFailure, TlsInfo, TlsOptions};
use crate::phone::{ConnectFailure, DeviceIdentity, TvsInput};

/// The two ends of a connection, as far as they exist.
#[derive(Debug, Default)]
pub(super) struct Tls {
    phone: Option<ClientConnection>,
    node: Option<ServerConnection>,
}

/// What came out of bytes that an end has read.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// What it writes back.
    pub(super) flight: Vec<u8>,
    /// What the other end's application said.
    pub(super) plain: Vec<u8>,
    /// The other end has said goodbye.
    pub(super) closed: bool,
    pub(super) failure: Option<TlsFailure>,
}

impl World {
    /// A phone's TCP connection has reached the node.
    pub(super) fn tls_tcp(&mut self, phone: usize, connection: u32) {
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        let node = c.node();
        let refusal = {
            let lab = lock(&self.lab);
            match node {
                None => Some("no such host"),
                // A node that is off answers nothing: the phone's own time runs out.
                Some(node) if !lab.is_on(node) => return,
                Some(node) if !lab.serves(node, Service::Tvs) => Some("connection refused"),
                Some(node) => match lab.tvs_identity(node).and_then(server) {
                    None => Some("the node has no TVS certificate"),
                    Some(end) => {
                        c.begin(lab.tvs_settings(), self.now);
                        c.tls().node = Some(end);
                        None
                    }
                },
            }
        };
        match refusal {
            Some(text) => {
                let why = ConnectFailure::Refused(text.into());
                self.tvs_to_phone(phone, connection, node, TvsInput::Failed(why));
                self.connections.remove(&(phone, connection));
            }
            None => {
                let open = Happening::TlsOpen { phone, connection };
                self.tvs_carry(phone, connection, node, open);
            }
        }
    }

    /// TCP is up on the phone's side: it begins the handshake.
    pub(super) fn tls_open(&mut self, phone: usize, connection: u32) {
        let identity = self.phones.get(phone).and_then(|p| p.identity.clone());
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        let mut end = match client(c.pins(), identity) {
            Ok(end) => end,
            Err(text) => {
                let why = ConnectFailure::Tls(text);
                self.connections.remove(&(phone, connection));
                return self.tls_tell(phone, connection, TvsInput::Failed(why));
            }
        };
        let mut hello = Vec::new();
        flush(&mut end, &mut hello);
        c.tls().phone = Some(end);
        self.tls_to_node(phone, connection, hello);
    }

    /// The phone's application writes.
    pub(super) fn tls_write(&mut self, phone: usize, connection: u32, bytes: &[u8]) {
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        let Some(end) = c.tls().phone.as_mut() else {
            return;
        };
        // Into memory: it cannot fail.
        let _ = end.writer().write_all(bytes);
        let mut flight = Vec::new();
        flush(end, &mut flight);
        self.tls_to_node(phone, connection, flight);
    }

    /// A flight has reached the node.
    pub(super) fn tls_at_node(&mut self, phone: usize, connection: u32, bytes: &[u8]) {
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        let node = c.node();
        let Some(end) = c.tls().node.as_mut() else {
            return;
        };
        let taken = take(end, bytes);
        self.tls_to_phone(phone, connection, node, taken.flight);
        if let Some(failure) = taken.failure {
            self.tls_refused(phone, node, &failure);
            if let Some(c) = self.connections.get_mut(&(phone, connection)) {
                c.tls().node = None;
            }
            return self.tvs_to_phone(phone, connection, node, TvsInput::Closed);
        }
        if !taken.plain.is_empty() {
            self.tvs_request(phone, connection, &taken.plain);
        }
    }

    /// The node's application answers, and closes as real servers do, without a goodbye.
    pub(super) fn tls_answer(&mut self, phone: usize, connection: u32, bytes: &[u8]) {
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        let node = c.node();
        let Some(end) = c.tls().node.as_mut() else {
            return;
        };
        // Into memory: it cannot fail.
        let _ = end.writer().write_all(bytes);
        let mut flight = Vec::new();
        flush(end, &mut flight);
        self.tls_to_phone(phone, connection, node, flight);
    }

    /// A flight has reached the phone.
    pub(super) fn tls_at_phone(&mut self, phone: usize, connection: u32, bytes: &[u8]) {
        let Some(c) = self.connections.get_mut(&(phone, connection)) else {
            return;
        };
        let Some(end) = c.tls().phone.as_mut() else {
            return;
        };
        let before = end.is_handshaking();
        let taken = take(end, bytes);
        let is_up = before && !end.is_handshaking();
        let info = TlsInfo::of(end);
        self.tls_to_node(phone, connection, taken.flight);
        if let Some(failure) = taken.failure {
            self.connections.remove(&(phone, connection));
            let why = match failure {
                TlsFailure::NotPinned { presented } => ConnectFailure::NotPinned { presented },
                other => ConnectFailure::Tls(other.to_string()),
            };
            return self.tls_tell(phone, connection, TvsInput::Failed(why));
        }
        if is_up {
            let input = self.connected(phone, connection, info);
            self.tls_tell(phone, connection, input);
        }
        if !taken.plain.is_empty() {
            self.tls_tell(phone, connection, TvsInput::Bytes(taken.plain));
        }
        if taken.closed {
            self.tls_tell(phone, connection, TvsInput::Closed);
        }
    }

    fn connected(&self, phone: usize, connection: u32, info: TlsInfo) -> TvsInput {
        let c = self.connections.get(&(phone, connection));
        let node = c.and_then(super::tvs::Connection::node);
        let stand_in = node.and_then(|n| lock(&self.lab).tls_stand_in(n));
        let (version, suite) = (info.version, info.suite);
        TvsInput::Connected {
            certificate: info.peer_certificate.unwrap_or_default(),
            tls: match stand_in {
                Some(old) => format!("{version} {suite}, stands in for {old}"),
                None => format!("{version} {suite}"),
            },
        }
    }

    fn tls_tell(&mut self, phone: usize, connection: u32, input: TvsInput) {
        self.reach_phone(phone, |p, now| p.handle_tvs(now, connection, input));
    }

    fn tls_refused(&mut self, phone: usize, node: Option<NodeId>, failure: &TlsFailure) {
        let Some(node) = node else { return };
        let actor = lock(&self.lab).name(node).to_owned();
        let client = self.phones.get(phone).map(|p| p.device.clone());
        let client = client.unwrap_or_default();
        let result = format!("handshake failed: {failure:?}");
        self.event(actor, Kind::TvsServed { client, result });
    }

    fn tls_to_node(&mut self, phone: usize, connection: u32, bytes: Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let Some(node) = self.connections.get(&(phone, connection)).map(|c| c.node()) else {
            return;
        };
        let segment = self.segment(phone, node);
        let flight = Happening::TlsToNode {
            phone,
            connection,
            bytes,
        };
        self.tvs_to_node(phone, connection, segment, flight);
    }

    fn tls_to_phone(
        &mut self,
        phone: usize,
        connection: u32,
        node: Option<NodeId>,
        bytes: Vec<u8>,
    ) {
        if !bytes.is_empty() {
            let flight = Happening::TlsToPhone {
                phone,
                connection,
                bytes,
            };
            self.tvs_carry(phone, connection, node, flight);
        }
    }
}

fn server(own: TlsIdentity) -> Option<ServerConnection> {
    let identity = Identity {
        certificate: own.certificate.to_vec(),
        key: own.key.to_vec(),
    };
    let tls = ServerTls::new(&identity, true, TlsOptions::default()).ok()?;
    ServerConnection::new(tls.config()).ok()
}

fn client(pins: &[Arc<[u8]>], own: Option<DeviceIdentity>) -> Result<ClientConnection, String> {
    let identity = own.map(|i| Identity {
        certificate: i.certificate.to_vec(),
        key: i.key.to_vec(),
    });
    let pins = pins.iter().map(|p| p.to_vec()).collect();
    let tls = ClientTls::new(pins, identity.as_ref(), TlsOptions::default())
        .map_err(|e| e.to_string())?;
    // Nobody looks at the name: the peer is known by its certificate.
    let name = ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
    ClientConnection::new(tls.config(), name).map_err(|e| e.to_string())
}

/// Lets an end read a flight, and collects what comes of it.
pub(super) fn take<D>(
    end: &mut (impl std::ops::DerefMut<Target = rustls::ConnectionCommon<D>> + 'static),
    mut bytes: &[u8],
) -> Taken
where
    D: rustls::SideData,
{
    let mut taken = Taken::default();
    while !bytes.is_empty() && taken.failure.is_none() {
        match end.read_tls(&mut bytes) {
            Ok(0) => break,
            Ok(_) => {}
            Err(error) => {
                taken.failure = Some(TlsFailure::of(&error));
                break;
            }
        }
        match end.process_new_packets() {
            Ok(state) => {
                taken.closed |= state.peer_has_closed();
                let mut plain = vec![0; state.plaintext_bytes_to_read()];
                if end.reader().read_exact(&mut plain).is_ok() {
                    taken.plain.append(&mut plain);
                }
            }
            Err(error) => {
                let error = io::Error::new(io::ErrorKind::InvalidData, error);
                taken.failure = Some(TlsFailure::of(&error));
            }
        }
    }
    // A failure writes an alert.
    flush(end, &mut taken.flight);
    taken
}

/// Takes what an end has to write.
pub(super) fn flush<D>(
    end: &mut (impl std::ops::DerefMut<Target = rustls::ConnectionCommon<D>> + 'static),
    flight: &mut Vec<u8>,
) where
    D: rustls::SideData,
{
    while end.wants_write() {
        // Into memory: it cannot fail.
        if end.write_tls(flight).is_err() {
            break;
        }
    }
}
