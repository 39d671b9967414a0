//! The nodes' side of HTTP and HTTPS, and the connections to it: TCP takes a round trip, TLS
//! another, a request and its answer one more. Where TLS is modelled, the certificate is shown and
//! nothing is encrypted; real TLS takes the same times.

use rustls::pki_types::ServerName;

use super::link::{InOrder, Segment};
use super::session::Session;
use super::witness::Seen;
use super::world::{Happening, World, lock};
use crate::cluster::{NodeId, Service, TlsIdentity};
use crate::event::Kind;
use crate::net::tls::{ClientTls, Identity, ServerTls, TlsOptions};
use crate::phone::{HttpFailure, HttpInput};
use crate::time::Time;

/// A connection that a phone has begun to open and has not closed.
#[derive(Debug)]
pub(super) struct HttpConnection {
    /// Whose; `None` where nobody has the address.
    node: Option<NodeId>,
    is_tls: bool,
    /// Real TLS, once it is up.
    session: Option<Box<Session>>,
    to_node: InOrder,
    to_phone: InOrder,
}

impl World {
    /// A phone begins to open a connection to the node, if there is one.
    pub(super) fn http_open(
        &mut self,
        phone: usize,
        request: u32,
        node: Option<NodeId>,
        is_tls: bool,
    ) {
        let opening = HttpConnection {
            node,
            is_tls,
            session: None,
            to_node: InOrder::default(),
            to_phone: InOrder::default(),
        };
        self.http.insert((phone, request), opening);
        let mut there = self.segment(phone, node);
        if is_tls {
            there = there.then(|| self.segment(phone, node));
            there = there.then(|| self.segment(phone, node));
        }
        self.http_to_node(phone, request, there, Happening::HttpUp { phone, request });
    }

    /// A phone asks for a file.
    pub(super) fn http_get(&mut self, phone: usize, request: u32, path: String, max_bytes: usize) {
        let Some(node) = self.http.get(&(phone, request)).map(|c| c.node) else {
            return;
        };
        let there = self.segment(phone, node);
        let asked = Happening::HttpRequest {
            phone,
            request,
            path,
            max_bytes,
        };
        self.http_to_node(phone, request, there, asked);
    }

    /// The connection has reached the node.
    pub(super) fn http_up(&mut self, phone: usize, request: u32) {
        let Some(c) = self.http.get(&(phone, request)) else {
            return;
        };
        let (node, is_tls) = (c.node, c.is_tls);
        let refused = || HttpInput::Failed(HttpFailure::Refused("connection refused".into()));
        let plain = HttpInput::Connected {
            certificate: None,
            tls: None,
        };
        let mut session = None;
        let input = {
            let lab = lock(&self.lab);
            match node {
                // A node that is off answers nothing: the phone's own time runs out.
                None => return,
                Some(node) if !lab.is_on(node) => return,
                Some(node) if !lab.serves(node, Service::Tftp) => refused(),
                Some(node) if is_tls => match lab.https_identity(node) {
                    None => refused(),
                    Some(own) if self.has_real_tls => match shaken(own) {
                        Ok(up) => {
                            let info = session.insert(Box::new(up)).info();
                            HttpInput::Connected {
                                certificate: info.peer_certificate,
                                tls: Some(format!("{} {}", info.version, info.suite)),
                            }
                        }
                        Err(why) => HttpInput::Failed(HttpFailure::Tls(why)),
                    },
                    Some(own) => HttpInput::Connected {
                        certificate: Some(own.certificate.to_vec()),
                        tls: Some("TLS modelled".into()),
                    },
                },
                Some(_) => plain,
            }
        };
        if let Some(c) = self.http.get_mut(&(phone, request)) {
            c.session = session;
        }
        self.http_say(phone, request, node, input);
    }

    /// A request has reached the node.
    pub(super) fn http_asked(&mut self, phone: usize, request: u32, path: &str, max_bytes: usize) {
        let Some(c) = self.http.get(&(phone, request)) else {
            return;
        };
        let (Some(node), is_tls) = (c.node, c.is_tls) else {
            return;
        };
        let (actor, answer, certificate) = {
            let mut lab = lock(&self.lab);
            if !lab.serves(node, Service::Tftp) {
                return;
            }
            let identity = lab.https_identity(node).filter(|_| is_tls);
            let certificate = identity.map(|i| i.certificate);
            let answer = lab.http(node, path, is_tls);
            (lab.name(node).to_owned(), answer, certificate)
        };
        let client = self.phones.get(phone).map(|p| p.device.clone());
        let client = client.unwrap_or_default();
        if let Some(certificate) = certificate.filter(|_| self.is_watched) {
            self.seen.push(Seen::Https {
                at: self.now,
                device: client.clone(),
                certificate,
            });
        }
        if !self.is_unheard {
            let transport = if is_tls { "https" } else { "http" };
            let told = Kind::Served {
                file: path.trim_start_matches('/').to_owned(),
                client,
                transport: transport.into(),
                result: answer.to_string(),
            };
            self.event(actor, told);
        }
        let c = self.http.get_mut(&(phone, request));
        let input = if answer.body().len() > max_bytes {
            HttpInput::Failed(HttpFailure::TooLarge { limit: max_bytes })
        } else {
            let session = c.and_then(|c| c.session.as_mut());
            let body = match session {
                Some(session) => carried(session, path, answer.body()),
                // Nothing is told in plain where TLS is real.
                None if is_tls && self.has_real_tls => Err("there is no session".to_owned()),
                None => Ok(answer.body().to_vec()),
            };
            match body {
                Ok(body) => HttpInput::Answer {
                    status: answer.status(),
                    reason: answer.reason().to_owned(),
                    body,
                },
                Err(why) => HttpInput::Failed(HttpFailure::Tls(why)),
            }
        };
        self.http_say(phone, request, Some(node), input);
    }

    /// The connections of a node end: the phones see it, unless the node is gone.
    pub(super) fn break_http(&mut self, node: NodeId, is_told: bool) {
        let of_node = self.http.iter().filter(|(_, c)| c.node == Some(node));
        let broken: Vec<_> = of_node.map(|(key, _)| *key).collect();
        for (phone, request) in broken {
            if is_told {
                let input = HttpInput::Failed(HttpFailure::NoAnswer);
                self.http_say(phone, request, Some(node), input);
            }
            self.http.remove(&(phone, request));
        }
    }

    /// Carries a segment of the phone's to the node.
    fn http_to_node(&mut self, phone: usize, request: u32, segment: Segment, asked: Happening) {
        let Some(c) = self.http.get_mut(&(phone, request)) else {
            return;
        };
        match segment {
            Segment::Arrives(after) => {
                let at = c.to_node.read_at(self.now + after);
                self.schedule(at, asked);
            }
            // The node says so, and closes.
            Segment::Damaged(after) => {
                let node = c.node;
                let back = self.segment(phone, node);
                if let Segment::Arrives(back) | Segment::Damaged(back) = back {
                    self.http_breaks(phone, request, self.now + after + back);
                }
            }
            Segment::Lost => {}
        }
    }

    /// The node's end says something, and closes if it is a failure.
    fn http_say(&mut self, phone: usize, request: u32, node: Option<NodeId>, input: HttpInput) {
        let segment = self.segment(phone, node);
        let Some(c) = self.http.get_mut(&(phone, request)) else {
            return;
        };
        let is_last = matches!(input, HttpInput::Failed(_));
        match segment {
            Segment::Arrives(after) => {
                let at = c.to_phone.read_at(self.now + after);
                let arriving = Happening::HttpToPhone {
                    phone,
                    request,
                    input,
                };
                self.schedule(at, arriving);
                if is_last {
                    self.http.remove(&(phone, request));
                }
            }
            Segment::Damaged(after) => {
                let at = c.to_phone.read_at(self.now + after);
                self.http_breaks(phone, request, at);
            }
            Segment::Lost => {}
        }
    }

    /// The phone sees at this time that its connection broke.
    fn http_breaks(&mut self, phone: usize, request: u32, at: Time) {
        let Some(c) = self.http.remove(&(phone, request)) else {
            return;
        };
        let text = "what came was damaged on the way".to_owned();
        let why = if c.is_tls {
            HttpFailure::Tls(text)
        } else {
            HttpFailure::Protocol(text)
        };
        let input = HttpInput::Failed(why);
        let broken = Happening::HttpToPhone {
            phone,
            request,
            input,
        };
        self.schedule(at, broken);
    }
}

/// The handshake of a phone, which judges the certificate later, with a node.
fn shaken(own: TlsIdentity) -> Result<Session, String> {
    let identity = Identity {
        certificate: own.certificate.to_vec(),
        key: own.key.to_vec(),
    };
    let options = TlsOptions::default();
    let phone = ClientTls::any(None, options).map_err(|e| e.to_string())?;
    let server = ServerTls::new(&identity, false, options).map_err(|e| e.to_string())?;
    // Nobody looks at the name: the peer is known by its certificate.
    let name = ServerName::IpAddress(std::net::IpAddr::from([127, 0, 0, 1]).into());
    Session::open(phone.config(), name, &server).map_err(|e| e.to_string())
}

/// The body of an answer to a request for this path, as it comes to the phone through real TLS.
fn carried(session: &mut Session, path: &str, body: &[u8]) -> Result<Vec<u8>, String> {
    let asked = session.carry_to_server(path.as_bytes());
    if asked.map_err(|e| e.to_string())? != path.as_bytes() {
        return Err("the request was changed on its way".into());
    }
    session.carry_to_phone(body).map_err(|e| e.to_string())
}
