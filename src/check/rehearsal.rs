//! One boot of a phone against what was read: the phone's own machine asks, and each answer is one
//! that a server gave when it was looked at. What nobody looked at ends the boot as a [`Gap`].

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use super::evidence::{At, Door, FileReply, FileService, Known, Sides, SignerKey, TvsReply};
use super::registration;
use crate::cluster::PublicCertificate;
use crate::event::{Event, Kind};
use crate::phone::flash::CONFIG;
use crate::phone::power::LONGEST_BOOT;
use crate::phone::{
    ConnectFailure, Flash, HTTPS_PORT, HttpFailure, HttpInput, Output, Phone, PhoneSetup, TvsInput,
};
use crate::tftp::{Answer, FileError, FileSource, Server, ServerConfig, Transfer};
use crate::time::Time;
use crate::trust::rules::Key;
use crate::tvs::{CertificateSource, Found, ServerExchange, ServerSettings};
use crate::wire::phone_config::PhoneConfig;

/// Every message takes this long. It is short against each time-out, and decides nothing.
const ON_ITS_WAY: Duration = Duration::from_millis(1);
/// Where a phone's transfers have their ports, and its address.
const PHONE: Ipv4Addr = Ipv4Addr::new(10, 0, 0, 1);
const FIRST_PHONE_PORT: u16 = 49_152;
const FIRST_NODE_PORT: u16 = 32_768;
const TFTP_PORT: u16 = 69;

/// Something that a phone's fate hangs on and that nobody read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Gap {
    /// What is missing: `ITLFile.tlv of dst-pub`.
    pub what: String,
    /// Why it was not read.
    pub why: String,
}

/// What a boot came to.
#[derive(Clone, Debug)]
pub struct Rehearsed {
    /// What the phone told.
    pub events: Vec<Event>,
    /// Its flash.
    pub flash: Flash,
    /// The cluster that gave it the configuration that it took, if it took one in this boot.
    pub configured_by: Option<usize>,
    /// What it needed that nobody read: the boot ended there, and nothing can be said.
    pub gap: Option<Gap>,
    /// True if it came to its end.
    pub is_over: bool,
    /// The rules that it used.
    pub used: Vec<Key>,
    /// Those of them whose watched other choice could have made a difference.
    pub felt: Vec<Key>,
    /// How long it took.
    pub took: Duration,
}

/// Boots a phone. TVS names issuer and serial by the tags of the phone's own settings.
pub fn boot(sides: &Sides, setup: PhoneSetup, flash: Flash, start: Time) -> Rehearsed {
    let tvs = ServerSettings {
        tags: setup.settings.tvs_tags(),
        ..ServerSettings::default()
    };
    let device = setup.identity.device.clone();
    let mut servers = setup.option_150.iter();
    let network = servers.find_map(|address| sides.at(*address));
    let network = network.map(|at| at.0);
    let mut phone = Phone::boot(setup, &flash, start);
    if !sides.stand_ins.is_empty() {
        phone.take_stand_ins(Arc::clone(&sides.stand_ins));
    }
    let mut stage = Stage {
        sides,
        network,
        device,
        phone,
        flash,
        now: start,
        tvs,
        queue: BTreeMap::new(),
        arranged: 0,
        servers: BTreeMap::new(),
        transfers: BTreeMap::new(),
        next_port: FIRST_NODE_PORT,
        connections: BTreeMap::new(),
        http: BTreeMap::new(),
        configured_by: None,
        events: Vec::new(),
        gap: Mutex::new(None),
    };
    stage.run(start + LONGEST_BOOT);
    Rehearsed {
        is_over: stage.phone.is_over(),
        used: stage.phone.settings().used(),
        felt: stage.phone.settings().felt(),
        took: stage.now.since(start),
        configured_by: stage.configured_by,
        events: stage.events,
        flash: stage.flash,
        gap: stage.gap.into_inner().unwrap_or_default(),
    }
}

enum Happening {
    Wake,
    WakeTransfer(SocketAddr),
    ToNode {
        from: SocketAddr,
        to: SocketAddr,
        bytes: Vec<u8>,
    },
    ToPhone {
        transfer: u32,
        from: SocketAddr,
        bytes: Vec<u8>,
    },
    Tvs {
        connection: u32,
        input: TvsInput,
    },
    Http {
        request: u32,
        input: HttpInput,
    },
    Registered(crate::cluster::Registration),
}

struct Stage<'a> {
    sides: &'a Sides,
    /// The cluster that option 150 names.
    network: Option<usize>,
    device: String,
    phone: Phone,
    flash: Flash,
    now: Time,
    tvs: ServerSettings,
    queue: BTreeMap<(Time, u64), Happening>,
    arranged: u64,
    servers: BTreeMap<At, Server>,
    transfers: BTreeMap<SocketAddr, (At, Box<Transfer>)>,
    next_port: u16,
    connections: BTreeMap<u32, (At, ServerExchange)>,
    http: BTreeMap<u32, (At, bool)>,
    configured_by: Option<usize>,
    events: Vec<Event>,
    gap: Mutex<Option<Gap>>,
}

impl Stage<'_> {
    fn run(&mut self, end: Time) {
        self.drive();
        while !self.phone.is_over() && !self.has_gap() {
            let Some(((at, _), happening)) = self.queue.pop_first() else {
                return;
            };
            if at > end {
                return;
            }
            self.now = self.now.max(at);
            self.happen(happening);
            self.drive();
        }
    }

    fn has_gap(&mut self) -> bool {
        self.gap.get_mut().is_ok_and(|gap| gap.is_some())
    }

    fn miss(&mut self, what: String, why: &str) {
        if let Ok(gap) = self.gap.get_mut() {
            gap.get_or_insert_with(|| Gap {
                what,
                why: why.to_owned(),
            });
        }
    }

    fn later(&mut self, after: Duration, happening: Happening) {
        self.queue
            .insert((self.now + after, self.arranged), happening);
        self.arranged += 1;
    }

    fn soon(&mut self, happening: Happening) {
        self.later(ON_ITS_WAY, happening);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake => self.phone.handle_timeout(self.now),
            Happening::WakeTransfer(end) => {
                if let Some((_, transfer)) = self.transfers.get_mut(&end) {
                    transfer.handle_timeout(self.now);
                    self.drive_transfer(end);
                }
            }
            Happening::ToNode { from, to, bytes } => self.at_node(from, to, &bytes),
            Happening::ToPhone {
                transfer,
                from,
                bytes,
            } => self.phone.handle_datagram(self.now, transfer, from, &bytes),
            Happening::Tvs { connection, input } => {
                self.phone.handle_tvs(self.now, connection, input);
            }
            Happening::Http { request, input } => self.phone.handle_http(self.now, request, input),
            Happening::Registered(answer) => self.phone.handle_registered(self.now, answer),
        }
    }

    /// Does what the phone wants done.
    fn drive(&mut self) {
        while let Some(output) = self.phone.poll_output() {
            if self.has_gap() {
                return;
            }
            self.carry_out(output);
        }
        if let Some(at) = self.phone.next_timeout() {
            self.later(at.since(self.now), Happening::Wake);
        }
    }

    fn carry_out(&mut self, output: Output) {
        match output {
            Output::Datagram {
                transfer,
                to,
                payload,
            } => {
                // Transfers of a boot are few: the number fits.
                let port = FIRST_PHONE_PORT.wrapping_add(transfer as u16);
                let from = SocketAddr::new(IpAddr::V4(PHONE), port);
                self.soon(Happening::ToNode {
                    from,
                    to,
                    bytes: payload,
                });
            }
            Output::HttpOpen { request, to, tls } => self.http_open(request, to, tls),
            Output::HttpGet {
                request,
                path,
                max_bytes,
            } => self.http_get(request, &path, max_bytes),
            Output::HttpClose { request } => {
                self.http.remove(&request);
            }
            Output::TvsConnect {
                connection,
                host,
                port: _,
                pins,
            } => self.tvs_connect(connection, &host, &pins),
            Output::TvsWrite { connection, bytes } => self.tvs_write(connection, &bytes),
            Output::TvsClose { connection } => {
                self.connections.remove(&connection);
            }
            Output::Flash { operation, .. } => self.flash.apply(&operation),
            Output::Register { host, lsc } => self.register(&host, lsc.as_deref()),
            Output::Event(event) => self.tell(*event),
            // A checked phone is given its servers; it takes no lease.
            Output::CloseTransfer { .. } | Output::Dhcp { .. } | Output::Resolve { .. } => {}
        }
    }

    /// Notes what the phone tells, and whose configuration it takes.
    fn tell(&mut self, event: Event) {
        if let Kind::ConfigAccepted { facts: taken, .. } = &event.kind {
            let mut earlier = self.events.iter().rev();
            let server = earlier.find_map(|e| match &e.kind {
                Kind::Downloaded { facts, server, .. } if facts == taken => Some(server),
                _ => None,
            });
            // Over HTTP with its port.
            let address = server.and_then(|s| s.split(':').next()?.parse().ok());
            let at = address.and_then(|address| self.sides.at(address));
            self.configured_by = at.map(|at| at.0);
        }
        self.events.push(event);
    }

    /// The node that the phone's configuration means by a host; a gap where nobody can tell.
    fn reached(&mut self, host: &str, what: impl FnOnce() -> String) -> Option<At> {
        let (sides, flash) = (self.sides, &self.flash);
        let of_flash = || sides.cluster_of_configuration(flash.get(CONFIG)?);
        let named_by = || self.configured_by.or_else(of_flash);
        match sides.reached(host, named_by, self.network) {
            Ok(Some(at)) => Some(at),
            Ok(None) => {
                self.miss(what(), "it is none of the nodes that were looked at");
                None
            }
            Err(why) => {
                self.miss(what(), &why);
                None
            }
        }
    }

    /// Whether anybody answers there; a gap where nobody knows.
    fn door(&mut self, door: &Known<Door>, what: impl FnOnce() -> String) -> Option<Door> {
        match door {
            Known::Yes(door) => Some(*door),
            Known::No(why) => {
                self.miss(what(), why);
                None
            }
        }
    }
}

/// TFTP.
impl Stage<'_> {
    fn at_node(&mut self, from: SocketAddr, to: SocketAddr, bytes: &[u8]) {
        let IpAddr::V4(address) = to.ip() else { return };
        let sides = self.sides;
        let Some((at, node)) = sides.at(address).and_then(|at| Some((at, sides.node(at)?))) else {
            return self.miss(
                format!("TFTP server {address} of option 150"),
                "it is none of the nodes that were looked at",
            );
        };
        let what = || format!("whether TFTP of {} answers", node.name);
        if self.door(&node.tftp.door, what) != Some(Door::Open) {
            return;
        }
        if to.port() != TFTP_PORT {
            if let Some((_, transfer)) = self.transfers.get_mut(&to) {
                transfer.handle_datagram(self.now, from, bytes);
                self.drive_transfer(to);
            }
            return;
        }
        let files = Files {
            service: &node.tftp,
            node: &node.name,
            device: &self.device,
            gap: &self.gap,
        };
        let server = self
            .servers
            .entry(at)
            .or_insert_with(|| Server::new(ServerConfig::default()));
        match server.handle_request(self.now, from, bytes, &files) {
            Answer::Transfer(transfer) => {
                let end = SocketAddr::new(to.ip(), self.next_port);
                self.next_port = self.next_port.wrapping_add(1).max(FIRST_NODE_PORT);
                self.transfers.insert(end, (at, transfer));
                self.drive_transfer(end);
            }
            Answer::Refused(refusal) => {
                let end = SocketAddr::new(to.ip(), self.next_port);
                let transmit = refusal.transmit;
                self.send_to_phone(end, transmit.to, transmit.payload);
            }
            Answer::Ignored(_) => {}
        }
    }

    fn drive_transfer(&mut self, end: SocketAddr) {
        let Some((at, transfer)) = self.transfers.get_mut(&end) else {
            return;
        };
        let at = *at;
        let out: Vec<_> = std::iter::from_fn(|| transfer.poll_transmit()).collect();
        let (id, answered) = (transfer.id(), transfer.is_answered());
        let (wake, ended) = (transfer.next_timeout(), transfer.outcome().is_some());
        for t in out {
            self.send_to_phone(end, t.to, t.payload);
        }
        if let Some(server) = self.servers.get_mut(&at) {
            if answered {
                server.handle_answered(id);
            }
            if ended {
                server.handle_ended(id);
            }
        }
        if ended {
            self.transfers.remove(&end);
        } else if let Some(wake) = wake {
            self.later(wake.since(self.now), Happening::WakeTransfer(end));
        }
    }

    fn send_to_phone(&mut self, from: SocketAddr, to: SocketAddr, bytes: Vec<u8>) {
        let transfer = u32::from(to.port().wrapping_sub(FIRST_PHONE_PORT));
        self.soon(Happening::ToPhone {
            transfer,
            from,
            bytes,
        });
    }
}

/// HTTP.
impl Stage<'_> {
    fn http_open(&mut self, request: u32, to: SocketAddr, tls: bool) {
        let IpAddr::V4(address) = to.ip() else { return };
        let sides = self.sides;
        let Some((at, node)) = sides.at(address).and_then(|at| Some((at, sides.node(at)?))) else {
            return self.miss(
                format!("TFTP server {address} of option 150"),
                "it is none of the nodes that were looked at",
            );
        };
        let service = if tls { &node.https } else { &node.http };
        let what = || {
            let name = if tls { "HTTPS" } else { "HTTP" };
            format!(
                "whether {name} (port {}) of {} answers",
                to.port(),
                node.name
            )
        };
        debug_assert_eq!(tls, to.port() == HTTPS_PORT);
        let input = match self.door(&service.door, what) {
            None | Some(Door::Silent) => return,
            Some(Door::Refused) => {
                HttpInput::Failed(HttpFailure::Refused("connection refused".into()))
            }
            Some(Door::Open) => {
                self.http.insert(request, (at, tls));
                HttpInput::Connected {
                    certificate: service.certificate.clone(),
                    tls: tls.then(|| "as it was looked at".to_owned()),
                }
            }
        };
        self.soon(Happening::Http { request, input });
    }

    fn http_get(&mut self, request: u32, path: &str, max_bytes: usize) {
        let Some((at, tls)) = self.http.get(&request).copied() else {
            return;
        };
        let Some(node) = self.sides.node(at) else {
            return;
        };
        let service = if tls { &node.https } else { &node.http };
        let name = path.trim_start_matches('/');
        let reply = match looked_up(service, name, &self.device) {
            Ok(reply) => reply,
            Err(why) => return self.miss(format!("{name} of {}", node.name), why),
        };
        let answer = |status: u16, reason: &str, body: &[u8]| HttpInput::Answer {
            status,
            reason: reason.to_owned(),
            body: body.to_vec(),
        };
        let input = match reply {
            FileReply::File(bytes) if bytes.len() > max_bytes => {
                HttpInput::Failed(HttpFailure::TooLarge { limit: max_bytes })
            }
            FileReply::File(bytes) => answer(200, "OK", bytes),
            FileReply::NotFound => answer(404, "Not Found", &[]),
            FileReply::Status(status) => answer(*status, "", &[]),
        };
        self.soon(Happening::Http { request, input });
    }
}

/// TVS.
impl Stage<'_> {
    fn tvs_connect(&mut self, connection: u32, host: &str, pins: &[Arc<[u8]>]) {
        let sides = self.sides;
        let what = || format!("TVS of {host}, which the phone's configuration names");
        let Some(at) = self.reached(host, what) else {
            return;
        };
        let Some(node) = sides.node(at) else { return };
        let what = || format!("whether TVS of {} answers", node.name);
        let failed = |why| TvsInput::Failed(why);
        let input = match self.door(&node.tvs.door, what) {
            None | Some(Door::Silent) => return,
            Some(Door::Refused) => failed(ConnectFailure::Refused("connection refused".into())),
            Some(Door::Open) => match &node.tvs.certificate {
                Known::No(why) => {
                    return self.miss(
                        format!("the certificate that TVS of {} shows", node.name),
                        why,
                    );
                }
                Known::Yes(own) if pins.iter().any(|p| **p == **own) => {
                    let exchange = ServerExchange::new(self.tvs, self.now);
                    self.connections.insert(connection, (at, exchange));
                    TvsInput::Connected {
                        certificate: own.clone(),
                        tls: "as it was looked at".into(),
                    }
                }
                Known::Yes(own) => failed(ConnectFailure::NotPinned {
                    presented: own.clone(),
                }),
            },
        };
        self.soon(Happening::Tvs { connection, input });
    }

    fn tvs_write(&mut self, connection: u32, bytes: &[u8]) {
        let Some((at, exchange)) = self.connections.get_mut(&connection) else {
            return;
        };
        let Some(node) = self.sides.node(*at) else {
            return;
        };
        let source = Vouching {
            tvs: &node.tvs,
            node: &node.name,
            closes: Mutex::new(false),
            gap: &self.gap,
        };
        exchange.handle_bytes(bytes, &source, self.now);
        let answer = exchange.poll_transmit();
        let closes = source.closes.into_inner().unwrap_or(false);
        let finished = exchange.is_finished();
        if let Some(bytes) = answer.filter(|_| !closes) {
            let input = TvsInput::Bytes(bytes);
            self.soon(Happening::Tvs { connection, input });
        }
        if finished {
            self.connections.remove(&connection);
            let input = TvsInput::Closed;
            self.soon(Happening::Tvs { connection, input });
        }
    }

    fn register(&mut self, host: &str, lsc: Option<&[u8]>) {
        let port = match self.phone.config() {
            Some(config) => config.registration_port(host),
            None => PhoneConfig::default().registration_port(host),
        };
        let what = || format!("CallManager of {host}, which the configuration names");
        let Some(at) = self.reached(host, what) else {
            return;
        };
        let (to, settings) = ((at, port), self.phone.settings());
        match registration::answer(self.sides, to, &self.device, lsc, settings) {
            Ok(answer) => self.soon(Happening::Registered(answer)),
            Err(Gap { what, why }) => self.miss(what, &why),
        }
    }
}

/// What is known of a file. Of those that a phone asks for after its configuration nothing hangs, so
/// one that nobody read counts as missing; and a list under a phone's name is the node's list, where
/// nobody asked for it under that name (`facts`: CUCM serves the same bytes).
fn looked_up<'a>(
    service: &'a FileService,
    name: &str,
    device: &str,
) -> Result<&'a FileReply, &'a str> {
    let general = match name.strip_suffix(".tlv").map(|n| n.strip_suffix(device)) {
        Some(Some("CTL")) => Some("CTLFile.tlv"),
        Some(Some("ITL")) => Some("ITLFile.tlv"),
        _ => None,
    };
    let read = service
        .replies
        .get(name)
        .or_else(|| service.replies.get(general?));
    match read.unwrap_or(&service.others) {
        Known::Yes(reply) => Ok(reply),
        Known::No(_) if decides_nothing(name, device) => Ok(&FileReply::NotFound),
        Known::No(why) => Err(why),
    }
}

fn decides_nothing(name: &str, device: &str) -> bool {
    let is_list = name.ends_with(".tlv");
    let is_config = name.starts_with(device) || name.starts_with("XMLDefault.cnf.xml");
    !is_list && !is_config
}

struct Files<'a> {
    service: &'a FileService,
    node: &'a str,
    device: &'a str,
    gap: &'a Mutex<Option<Gap>>,
}

impl FileSource for Files<'_> {
    fn open(&self, name: &str) -> Result<Arc<[u8]>, FileError> {
        match looked_up(self.service, name, self.device) {
            Ok(FileReply::File(bytes)) => Ok(Arc::clone(bytes)),
            Ok(FileReply::NotFound | FileReply::Status(_)) => Err(FileError::NotFound),
            Err(why) => {
                note(self.gap, format!("{name} of {}", self.node), why);
                Err(FileError::NotFound)
            }
        }
    }
}

struct Vouching<'a> {
    tvs: &'a super::evidence::TvsService,
    node: &'a str,
    closes: Mutex<bool>,
    gap: &'a Mutex<Option<Gap>>,
}

impl CertificateSource for Vouching<'_> {
    fn query(&self, subject: &[u8], issuer: &[u8], serial: &[u8], _now: Time) -> Option<Found> {
        let signer = SignerKey::new(issuer, serial);
        match self.tvs.reply(&signer) {
            Known::Yes(TvsReply::Found(found)) => Some(found.clone()),
            Known::Yes(TvsReply::Unknown) => None,
            Known::Yes(TvsReply::Closed) => {
                if let Ok(mut closes) = self.closes.lock() {
                    *closes = true;
                }
                None
            }
            Known::No(why) => {
                let subject = crate::trust::certificate::escape_for_terminal(subject);
                let what = format!("what TVS of {} says of {subject}", self.node);
                note(self.gap, what, why);
                None
            }
        }
    }

    fn verify(&self, certificate: &[u8], now: Time) -> Option<Found> {
        let asked = PublicCertificate::from_der(certificate).ok()?;
        let (subject, issuer) = (asked.subject_text, asked.issuer_text);
        // Another certificate under the same issuer and serial is not the one that TVS knows.
        self.query(subject.as_bytes(), issuer.as_bytes(), &asked.serial, now)
            .filter(|found| found.certificate == certificate)
    }
}

fn note(gap: &Mutex<Option<Gap>>, what: String, why: &str) {
    if let Ok(mut gap) = gap.lock() {
        gap.get_or_insert_with(|| Gap {
            what,
            why: why.to_owned(),
        });
    }
}
