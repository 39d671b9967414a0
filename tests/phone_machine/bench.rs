//! A phone on a bench, in an honest network that a test may meddle with.

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use trustline::cluster::{Lab, NodeId, Registration, Service};
use trustline::event::Kind;
use trustline::phone::flash::CONFIG;
use trustline::phone::{
    BootCause, ConnectFailure, Flash, HTTP_PORT, HttpFailure, HttpInput, Output, Pace, Phone,
    PhoneSetup, TvsInput,
};
use trustline::scenario::model::Action;
use trustline::scenario::run::rehearse;
use trustline::scenario::{self, Network, Rules};
use trustline::time::Time;
use trustline::trust::rules::{self, AppDialRules, HttpFirst};
use trustline::tvs::{CertificateSource, Found, ServerExchange};
use trustline::wire::tftp::Packet;

pub(crate) const CTL: &str = "CTLFile.tlv";
pub(crate) const ITL: &str = "ITLFile.tlv";

/// Every boot ends within this time, whatever the network does: three downloads of 23.5 s from
/// each of two servers, and two questions to three servers of 10 s each.
pub(crate) const LONGEST: Duration = Duration::from_secs(3 * 2 * 24 + 2 * 3 * 10);

/// What reaches the phone.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    Datagram {
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
    Dhcp(Vec<u8>),
    Resolved(String, Option<Ipv4Addr>),
    Registered(Registration),
}

/// Sees what the phone wants done and what the honest network answers, and changes the answers.
pub(crate) type Meddle<'a> = dyn FnMut(&Output, &mut Vec<Input>) + 'a;

/// A phone at its bench.
pub(crate) struct Bench {
    pub(crate) lab: Arc<Mutex<Lab>>,
    pub(crate) phone: Phone,
    pub(crate) device: String,
    pub(crate) flash: Flash,
    pub(crate) now: Time,
    /// Files under way, by transfer.
    pub(crate) files: BTreeMap<u32, Arc<[u8]>>,
    pub(crate) connections: BTreeMap<u32, (NodeId, ServerExchange)>,
    /// HTTP requests, with their node and whether they are over TLS.
    pub(crate) requests: BTreeMap<u32, (NodeId, bool)>,
    pub(crate) events: Vec<Kind>,
    /// When a question to TVS was sent, and when a connection to TVS was closed by the phone.
    pub(crate) tvs_times: (Vec<Time>, Vec<Time>),
    /// Time between an input and the next.
    pub(crate) pace: Duration,
}

pub(crate) fn lock(lab: &Mutex<Lab>) -> MutexGuard<'_, Lab> {
    lab.lock().unwrap()
}

pub(crate) struct Certificates<'a>(&'a Mutex<Lab>, NodeId);

impl CertificateSource for Certificates<'_> {
    fn query(&self, subject: &[u8], issuer: &[u8], serial: &[u8], _: Time) -> Option<Found> {
        lock(self.0).query(self.1, subject, issuer, serial)
    }

    fn verify(&self, certificate: &[u8], _: Time) -> Option<Found> {
        lock(self.0).verify(self.1, certificate)
    }
}

/// A phone that is about to migrate, and the world around it.
pub(crate) struct Before {
    pub(crate) lab: Arc<Mutex<Lab>>,
    pub(crate) setup: PhoneSetup,
    pub(crate) old: Flash,
}

impl Before {
    /// The first phone of a scenario, up to its last reset.
    pub(crate) fn of(name: &str) -> Self {
        Self::phone_of(name, 0)
    }

    pub(crate) fn phone_of(name: &str, phone: usize) -> Self {
        let file = format!("{}/scenarios/{name}.toml", env!("CARGO_MANIFEST_DIR"));
        let text = std::fs::read_to_string(&file).unwrap();
        let mut scenario = scenario::parse(&file, &text, &Rules).unwrap();
        let last = scenario.steps.pop().unwrap();
        assert!(matches!(last.action, Action::ResetPhones { .. }));
        let rehearsed = rehearse(&scenario, Network::Sim, Pace::Real, None, &mut |_| {}).unwrap();
        let phone = &rehearsed.phones[phone];
        let mut setup = phone.setup.clone();
        setup.cause = BootCause::Reset;
        // A test of DHCP says so.
        setup.dhcp = None;
        setup.option_150 = phone.servers(&rehearsed.lab());
        let mut before = Self {
            lab: Arc::clone(&rehearsed.lab),
            setup,
            old: phone.flash.clone(),
        };
        // A test of HTTP says so.
        before.set("http.first", HttpFirst::No as i64);
        // As does one of the files that no configuration names.
        before.set("phone.app_dial_rules", AppDialRules::LeaveOut as i64);
        before
    }

    pub(crate) fn set(&mut self, name: &str, value: i64) {
        self.setup
            .settings
            .choose(rules::find(name).unwrap(), value);
    }

    pub(crate) fn boot(&self) -> Bench {
        self.boot_from(self.old.clone())
    }

    pub(crate) fn boot_from(&self, flash: Flash) -> Bench {
        let setup = self.setup.clone();
        Bench {
            lab: Arc::clone(&self.lab),
            device: setup.identity.device.clone(),
            phone: Phone::boot(setup, &flash, Time::ZERO),
            flash,
            now: Time::ZERO,
            files: BTreeMap::new(),
            connections: BTreeMap::new(),
            requests: BTreeMap::new(),
            events: Vec::new(),
            tvs_times: Default::default(),
            pace: Duration::from_millis(1),
        }
    }

    /// The lists and the configuration that an honest boot ends with.
    pub(crate) fn new_flash(&self) -> Flash {
        let mut bench = self.boot();
        bench.run(&mut |_, _| {});
        bench.flash
    }
}

impl Bench {
    /// Runs to the end of the boot.
    pub(crate) fn run(&mut self, meddle: &mut Meddle<'_>) {
        let mut inbox = VecDeque::new();
        for _ in 0..100_000 {
            while let Some(output) = self.phone.poll_output() {
                let mut replies = self.honest(&output);
                meddle(&output, &mut replies);
                inbox.extend(replies);
            }
            if self.phone.is_over() {
                assert!(
                    self.now.since(Time::ZERO) < LONGEST,
                    "ended only at {}",
                    self.now
                );
                return;
            }
            match inbox.pop_front() {
                Some(input) => {
                    self.now += self.pace;
                    self.feed(input);
                }
                None => {
                    let wake = self.phone.next_timeout();
                    self.now = self.now.max(wake.expect("the phone waits for nothing"));
                    self.phone.handle_timeout(self.now);
                }
            }
        }
        panic!("the boot does not end");
    }

    pub(crate) fn feed(&mut self, input: Input) {
        match input {
            Input::Datagram {
                transfer,
                from,
                bytes,
            } => {
                self.phone.handle_datagram(self.now, transfer, from, &bytes);
            }
            Input::Tvs { connection, input } => {
                self.phone.handle_tvs(self.now, connection, input);
            }
            Input::Http { request, input } => self.phone.handle_http(self.now, request, input),
            Input::Dhcp(bytes) => self.phone.handle_dhcp(self.now, &bytes),
            Input::Resolved(host, address) => {
                self.phone.handle_resolved(self.now, &host, address);
            }
            Input::Registered(answer) => self.phone.handle_registered(self.now, answer),
        }
    }

    /// What an honest network answers.
    pub(crate) fn honest(&mut self, output: &Output) -> Vec<Input> {
        match output {
            Output::Datagram {
                transfer,
                to,
                payload,
            } => self.tftp(*transfer, *to, payload),
            Output::Dhcp { to: _, payload } => {
                let answer = lock(&self.lab).ask_dhcp(self.now, payload);
                answer.map(Input::Dhcp).into_iter().collect()
            }
            Output::Resolve { host } => {
                let lab = lock(&self.lab);
                let address = lab.host(host).map(|node| lab.address(node));
                vec![Input::Resolved(host.clone(), address)]
            }
            Output::HttpOpen { request, to, tls } => {
                assert_eq!(*tls, to.port() != HTTP_PORT);
                let input = self.http_open(*request, *to, *tls);
                vec![http(*request, input)]
            }
            Output::HttpGet {
                request,
                path,
                max_bytes,
            } => {
                let (node, tls) = self.requests[request];
                let answer = lock(&self.lab).http(node, path, tls);
                assert!(answer.body().len() <= *max_bytes);
                let input = HttpInput::Answer {
                    status: answer.status(),
                    reason: answer.reason().into(),
                    body: answer.body().to_vec(),
                };
                vec![http(*request, input)]
            }
            Output::HttpClose { request } => {
                self.requests.remove(request);
                Vec::new()
            }
            Output::TvsConnect {
                connection,
                host,
                pins,
                ..
            } => {
                let lab = lock(&self.lab);
                let node = lab.host(host).filter(|&n| lab.serves(n, Service::Tvs));
                let input = match node {
                    None => TvsInput::Failed(ConnectFailure::Refused("refused".into())),
                    Some(node) => {
                        let certificate = lab.tvs_identity(node).unwrap().certificate;
                        let exchange = ServerExchange::new(lab.tvs_settings(), self.now);
                        self.connections.insert(*connection, (node, exchange));
                        let certificate = certificate.to_vec();
                        if pins.iter().any(|p| **p == *certificate) {
                            TvsInput::Connected {
                                certificate,
                                tls: "bench".into(),
                            }
                        } else {
                            let presented = certificate;
                            TvsInput::Failed(ConnectFailure::NotPinned { presented })
                        }
                    }
                };
                vec![Input::Tvs {
                    connection: *connection,
                    input,
                }]
            }
            Output::TvsWrite { connection, bytes } => {
                self.tvs_times.0.push(self.now);
                let Some((node, exchange)) = self.connections.get_mut(connection) else {
                    return Vec::new();
                };
                let source = Certificates(&self.lab, *node);
                exchange.handle_bytes(bytes, &source, self.now);
                let answer = exchange.poll_transmit().map(TvsInput::Bytes);
                let inputs = answer.into_iter().chain([TvsInput::Closed]);
                let connection = *connection;
                inputs
                    .map(|input| Input::Tvs { connection, input })
                    .collect()
            }
            Output::Flash { operation, .. } => {
                self.flash.apply(operation);
                Vec::new()
            }
            Output::Register { host, lsc } => {
                let answer = lock(&self.lab).register(host, &self.device, lsc.as_deref());
                vec![Input::Registered(answer)]
            }
            Output::Event(event) => {
                self.events.push(event.kind.clone());
                Vec::new()
            }
            Output::TvsClose { .. } => {
                self.tvs_times.1.push(self.now);
                Vec::new()
            }
            Output::CloseTransfer { .. } => Vec::new(),
        }
    }

    fn http_open(&mut self, request: u32, to: SocketAddr, tls: bool) -> HttpInput {
        let lab = lock(&self.lab);
        let std::net::IpAddr::V4(address) = to.ip() else {
            panic!()
        };
        let node = lab.at(address).filter(|&n| lab.serves(n, Service::Tftp));
        let identity = node.and_then(|n| lab.https_identity(n)).filter(|_| tls);
        match node {
            Some(node) if identity.is_some() == tls => {
                self.requests.insert(request, (node, tls));
                HttpInput::Connected {
                    certificate: identity.map(|i| i.certificate.to_vec()),
                    tls: tls.then(|| "bench".into()),
                }
            }
            _ => HttpInput::Failed(HttpFailure::Refused("refused".into())),
        }
    }

    pub(crate) fn tftp(&mut self, transfer: u32, to: SocketAddr, payload: &[u8]) -> Vec<Input> {
        let block = match Packet::parse(payload).unwrap() {
            Packet::ReadRequest(request) => {
                assert_eq!(to.port(), 69);
                let name = String::from_utf8(request.file.to_vec()).unwrap();
                let mut lab = lock(&self.lab);
                let std::net::IpAddr::V4(address) = to.ip() else {
                    panic!()
                };
                let Some(node) = lab.at(address).filter(|&n| lab.serves(n, Service::Tftp)) else {
                    return Vec::new();
                };
                match lab.open(node, &name) {
                    Ok(bytes) => {
                        self.files.insert(transfer, bytes);
                        1
                    }
                    Err(_) => {
                        return vec![datagram(transfer, to, b"\0\x05\0\x01File not found\0")];
                    }
                }
            }
            Packet::Ack { block } => block + 1,
            // It says why it gives up; nobody answers that.
            _ => return Vec::new(),
        };
        let start = (usize::from(block) - 1) * 512;
        let rest = self.files.get(&transfer).and_then(|f| f.get(start..));
        let packet = rest.map(|rest| {
            let data = &rest[..rest.len().min(512)];
            datagram(transfer, to, &data_packet(block, data))
        });
        packet.into_iter().collect()
    }

    pub(crate) fn count(&self, wanted: impl Fn(&Kind) -> bool) -> usize {
        self.events.iter().filter(|k| wanted(k)).count()
    }

    pub(crate) fn asked_tvs(&self) -> usize {
        self.count(|k| matches!(k, Kind::TvsAsked { .. }))
    }

    pub(crate) fn shows(&self, text: &str) -> bool {
        self.count(|k| matches!(k, Kind::Status { text: t, .. } if t == text)) > 0
    }

    /// The codes of TVS servers that were of no help.
    pub(crate) fn tvs_failures(&self) -> Vec<&'static str> {
        let code = |k: &Kind| match k {
            Kind::TvsFailed { reason, .. } => Some(reason.code),
            _ => None,
        };
        self.events.iter().filter_map(code).collect()
    }

    pub(crate) fn requested(&self) -> Vec<&str> {
        let mut files = Vec::new();
        for kind in &self.events {
            if let Kind::Requested { file, .. } = kind {
                files.push(file.as_str());
            }
        }
        files
    }

    /// Checks that the lists are those before the boot.
    pub(crate) fn assert_untouched(&self, before: &Before, what: &str) {
        for name in [CTL, ITL] {
            assert!(
                self.flash.get(name) == before.old.get(name),
                "{what}: {name} changed"
            );
        }
    }

    /// Checks that each list is one of two, both trusted.
    pub(crate) fn assert_old_or_new(&self, before: &Before, new: &Flash, what: &str) {
        for name in [CTL, ITL, CONFIG] {
            let now = self.flash.get(name);
            assert!(
                now == before.old.get(name) || now == new.get(name),
                "{what}: {name} was not trusted"
            );
        }
    }

    pub(crate) fn assert_migrated(&self, new: &Flash, what: &str) {
        for name in [CTL, ITL, CONFIG] {
            assert!(
                self.flash.get(name) == new.get(name),
                "{what}: {name} is not the new one"
            );
        }
    }
}

pub(crate) fn data_packet(block: u16, data: &[u8]) -> Vec<u8> {
    [&[0, 3][..], &block.to_be_bytes(), data].concat()
}

/// A datagram from a server's transfer port.
pub(crate) fn datagram(transfer: u32, server: SocketAddr, bytes: &[u8]) -> Input {
    let from = SocketAddr::new(server.ip(), 40_000);
    Input::Datagram {
        transfer,
        from,
        bytes: bytes.to_vec(),
    }
}

/// What happens to a request.
pub(crate) fn http(request: u32, input: HttpInput) -> Input {
    Input::Http { request, input }
}

pub(crate) fn is_tvs(input: &Input) -> bool {
    matches!(input, Input::Tvs { .. })
}
