//! Asking TVS: which servers, one question each, failover, and keeping the answer.
//!
//! The servers are those of the *installed* configuration, and their certificates are looked for
//! in the *installed* lists with role 21 (Cisco 213407): a change of option 150 reaches neither.

use std::sync::Arc;
use std::time::Duration;

use super::boot::{Phone, Stage};
use super::download::Transport;
use super::identity::Pace;
use super::output::Output;
use crate::event::Kind;
use crate::time::Time;
use crate::trust::certificate::Certificate;
use crate::trust::reason::{Code, Reason};
use crate::trust::rules::{
    DuplicateElements, Key, TvsCacheFlush, TvsCacheSurvivesBoot, TvsNegativeCache,
};
use crate::trust::search::{SignerId, hex};
use crate::trust::vouch::{self, Vouch};
use crate::tvs::{ClientSettings, Exchange, ExchangeError};
use crate::wire::tvs::{Answer, Duplicates, HEADER_LEN, Request, STATUS_FOUND};
use crate::wire::{ListKind, Role, join_roles};

/// Kept answers beyond this push the oldest out, so that no flood of lists fills the memory. One
/// boot keeps three at most.
const MAX_KEPT_ANSWERS: usize = 64;

/// What waits for TVS.
#[derive(Debug)]
pub(super) enum Waiting {
    /// A new list.
    List { kind: ListKind, bytes: Arc<[u8]> },
    /// A configuration.
    Config {
        file: String,
        bytes: Arc<[u8]>,
        transport: Transport,
    },
    /// A file that the configuration names.
    NamedFile { file: String, bytes: Arc<[u8]> },
    /// An HTTPS server with this certificate, DER.
    HttpsServer { certificate: Vec<u8> },
}

/// Why a TVS connection did not come up.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ConnectFailure {
    /// Nobody listens there, or the network says so.
    Refused(String),
    /// No TLS in time.
    TimedOut,
    /// The server's certificate is not among those that the phone holds.
    NotPinned {
        /// The certificate that the server showed, DER.
        presented: Vec<u8>,
    },
    /// TLS failed otherwise.
    Tls(String),
}

/// What happens on a TVS connection.
#[derive(Clone, Debug)]
pub enum TvsInput {
    /// TLS is up.
    Connected {
        /// The server's certificate, DER.
        certificate: Vec<u8>,
        /// Protocol version and cipher suite.
        tls: String,
    },
    /// It did not come up.
    Failed(ConnectFailure),
    /// Bytes came.
    Bytes(Vec<u8>),
    /// The server closed.
    Closed,
}

/// The stage of a boot in which TVS is asked about one signer.
#[derive(Debug)]
pub(super) struct TvsStage {
    waiting: Waiting,
    signer: SignerId,
    servers: Vec<(String, u16)>,
    /// Index of the next server.
    next: usize,
    connection: u32,
    /// When the phone first looked at this connection; it looks every 0.5 s from there.
    started: Time,
    state: State,
    reasons: Vec<Reason>,
    /// The answer to this question. It counts for the file that waits, even if its life time lets
    /// nothing be kept.
    answer: Option<Vouch>,
}

/// What asking TVS came to: an answer, and why servers were of no help.
#[derive(Debug, Default)]
pub(super) struct Asked {
    pub(super) answer: Option<Vouch>,
    pub(super) reasons: Vec<Reason>,
}

#[derive(Debug)]
enum State {
    Connecting {
        deadline: Time,
    },
    /// TLS is up; the phone notices when it next looks.
    Up {
        at: Time,
        certificate: Vec<u8>,
        tls: String,
    },
    Asking(Box<Exchange>),
    /// The question is settled; the phone goes on when it next looks.
    Settled {
        at: Time,
    },
}

impl TvsStage {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Connecting { deadline } => Some(*deadline),
            State::Up { at, .. } | State::Settled { at } => Some(*at),
            State::Asking(exchange) => exchange.next_timeout(),
        }
    }

    fn server(&self) -> String {
        let current = self.next.checked_sub(1).and_then(|i| self.servers.get(i));
        current
            .map(|(host, port)| format!("{host}:{port}"))
            .unwrap_or_default()
    }
}

impl Phone {
    /// Begins to ask about the signer of a file, or about the owner of a server's certificate.
    pub(super) fn ask_tvs(&mut self, waiting: Waiting, signer: SignerId, now: Time) {
        let mut servers: Vec<_> = self.config.iter().flat_map(|c| &c.tvs).collect();
        servers.sort_by_key(|s| s.priority);
        let servers: Vec<_> = self.setup.settings.weigh(|s| {
            let max = usize::try_from(s.count(Key::TvsMaxServers)).unwrap_or(0);
            let first = servers.iter().take(max);
            first.map(|s| (s.host.clone(), s.port)).collect()
        });
        let reason = if self.in_force().tvs_certificates().is_empty() {
            let text = "no installed list has a TVS certificate, so no TVS can be asked";
            Some(Reason::new(Code::NoTvsInList, text))
        } else if servers.is_empty() {
            let text = "the installed configuration names no TVS server";
            Some(Reason::new(Code::NoTvsInConfiguration, text))
        } else {
            None
        };
        let known_as_unknown = || {
            self.unknown_signers.contains(&signer).then(|| {
                let text = format!("no TVS knew {signer} earlier in this boot");
                Reason::new(Code::SignerUnknownToTvs, text)
            })
        };
        if let Some(reason) = reason.or_else(known_as_unknown) {
            let asked = Asked {
                answer: None,
                reasons: vec![reason],
            };
            return self.judge_again(waiting, asked, now);
        }
        self.tvs = Some(TvsStage {
            waiting,
            signer,
            servers,
            next: 0,
            connection: 0,
            started: now,
            state: State::Settled { at: now },
            reasons: Vec::new(),
            answer: None,
        });
        self.ask_next_server(now);
    }

    fn ask_next_server(&mut self, now: Time) {
        let deadline = now + self.millis(Key::TvsConnectTimeout);
        let in_force = self.in_force();
        let pins = in_force
            .tvs_certificates()
            .iter()
            .map(|(_, c)| Arc::from(*c))
            .collect();
        let Some(stage) = self.tvs.as_mut() else {
            return;
        };
        let Some((host, port)) = stage.servers.get(stage.next).cloned() else {
            stage.state = State::Settled { at: now };
            return self.tvs_timeout(now);
        };
        stage.next += 1;
        let connection = self.next_connection;
        stage.connection = connection;
        stage.started = now;
        stage.state = State::Connecting { deadline };
        self.next_connection += 1;
        self.event(
            now,
            Kind::TvsConnecting {
                server: format!("{host}:{port}"),
            },
        );
        self.outputs.push_back(Output::TvsConnect {
            connection,
            host,
            port,
            pins,
        });
    }

    /// Something happened on a TVS connection.
    pub fn handle_tvs(&mut self, now: Time, connection: u32, input: TvsInput) {
        let poll = self.look(now);
        let Some(stage) = self.tvs.as_mut().filter(|s| s.connection == connection) else {
            return;
        };
        match (input, &mut stage.state) {
            (TvsInput::Connected { certificate, tls }, State::Connecting { .. }) => {
                stage.state = State::Up {
                    at: poll,
                    certificate,
                    tls,
                };
                if poll <= now {
                    self.tvs_timeout(now);
                }
            }
            (TvsInput::Failed(why), State::Connecting { .. }) => {
                let reason = self.connect_reason(why);
                self.server_failed(reason, now);
            }
            (
                TvsInput::Closed | TvsInput::Failed(_),
                State::Connecting { .. } | State::Up { .. },
            ) => {
                let server = stage.server();
                let text = format!("TVS {server} closed before it was asked");
                self.server_failed(Reason::new(Code::TvsNoAnswer, text).at(server), now);
            }
            (TvsInput::Bytes(bytes), State::Asking(exchange)) => {
                exchange.handle_bytes(&bytes, now);
                self.take_answer(now);
            }
            (TvsInput::Closed | TvsInput::Failed(_), State::Asking(exchange)) => {
                exchange.handle_end(now);
                self.take_answer(now);
            }
            _ => {}
        }
        self.advance(now);
    }

    /// When the phone next looks at its connection.
    fn look(&self, now: Time) -> Time {
        let every = self.millis(Key::TvsPoll);
        let Some(stage) = self.tvs.as_ref() else {
            return now;
        };
        if self.setup.pace == Pace::Fast || every.is_zero() {
            return now;
        }
        let passed = now.since(stage.started).as_micros();
        let looks = passed / every.as_micros() + 1;
        stage.started + every * u32::try_from(looks).unwrap_or(u32::MAX)
    }

    /// Time has passed for the connection.
    pub(super) fn tvs_timeout(&mut self, now: Time) {
        let Some(stage) = self.tvs.as_mut() else {
            return;
        };
        if stage.next_timeout().is_none_or(|t| t > now) {
            return;
        }
        match &mut stage.state {
            State::Connecting { .. } => {
                self.close_tvs();
                let reason = self.connect_reason(ConnectFailure::TimedOut);
                self.server_failed(reason, now);
            }
            State::Up {
                certificate, tls, ..
            } => {
                let (certificate, tls) = (std::mem::take(certificate), std::mem::take(tls));
                self.ask_server(&certificate, tls, now);
            }
            State::Asking(exchange) => {
                exchange.handle_timeout(now);
                self.take_answer(now);
            }
            State::Settled { .. } => {
                if let Some(stage) = self.tvs.take() {
                    self.keep_unknown(&stage);
                    let asked = Asked {
                        answer: stage.answer,
                        reasons: stage.reasons,
                    };
                    self.judge_again(stage.waiting, asked, now);
                }
            }
        }
    }

    /// Checks who answered, and asks.
    fn ask_server(&mut self, certificate: &[u8], tls: String, now: Time) {
        let Some(server) = self.tvs.as_ref().map(TvsStage::server) else {
            return;
        };
        let offered = self
            .setup
            .identity
            .certificate
            .as_ref()
            .map_or("none", |c| c.kind);
        let tls = match self.setup.profile.tls.value {
            Some(old) if tls.starts_with(old) => tls,
            // The driver names what stands in for the server's TLS; this is the phone's.
            Some(old) => match tls.split_once("stands in for ") {
                Some((_, servers)) if servers == old => tls,
                Some(_) => format!("{tls} and {old}"),
                None => format!("{tls}, stands in for {old}"),
            },
            None => tls,
        };
        let client_certificate = offered.into();
        self.event(
            now,
            Kind::TvsConnected {
                server: server.clone(),
                tls,
                client_certificate,
            },
        );
        let in_force = self.in_force();
        let pins = in_force.tvs_certificates();
        let found_in = pins
            .iter()
            .find(|(_, c)| *c == certificate)
            .map(|(l, _)| l.label());
        let serial = Certificate::parse(certificate)
            .map(|c| hex(c.serial))
            .unwrap_or_default();
        let found = found_in.is_some();
        let checked = Kind::TvsCertificateChecked {
            server,
            role: Role::Tvs.code(),
            serial,
            found_in: found_in.unwrap_or_else(|| "none".into()),
        };
        self.event(now, checked);
        if !found {
            self.close_tvs();
            let why = ConnectFailure::NotPinned {
                presented: certificate.to_vec(),
            };
            let reason = self.connect_reason(why);
            return self.server_failed(reason, now);
        }
        self.send_question(now);
    }

    fn send_question(&mut self, now: Time) {
        let s = &self.setup.settings;
        let tags = s.tvs_tags();
        let duplicates = match s.word::<DuplicateElements>() {
            DuplicateElements::Refuse => Duplicates::Refuse,
            DuplicateElements::LastWins => Duplicates::LastWins,
        };
        let answer_within = self.millis(Key::TvsAnswerTimeout);
        let settings = ClientSettings {
            tags,
            duplicates,
            answer_within,
        };
        let device = self.setup.identity.tvs_name().into_bytes();
        let session = self.next_session;
        self.next_session += 1;
        let Some(stage) = self.tvs.as_mut() else {
            return;
        };
        let (server, signer) = (stage.server(), stage.signer.clone());
        let request = match &stage.waiting {
            // Of a signer the phone has the names alone, of a server the certificate.
            Waiting::HttpsServer { certificate } => Request::Verify {
                device,
                certificate: certificate.clone(),
            },
            Waiting::List { .. } | Waiting::Config { .. } | Waiting::NamedFile { .. } => {
                Request::Query {
                    device,
                    subject: signer.subject.clone(),
                    issuer: signer.issuer.clone(),
                    serial: signer.serial.clone(),
                }
            }
        };
        let mut exchange = match Exchange::new(&request, session, settings, now) {
            Ok(exchange) => exchange,
            Err(error) => {
                let text = format!("the question about {signer} does not fit a message: {error}");
                let reason = Reason::new(Code::TvsNoAnswer, text).at(server);
                return self.server_failed(reason, now);
            }
        };
        let bytes = exchange.poll_transmit().unwrap_or_default();
        stage.state = State::Asking(Box::new(exchange));
        let connection = stage.connection;
        self.tvs_asked += 1;
        let asked = Kind::TvsAsked {
            server,
            message: request.command().number(),
            bytes: bytes.len(),
            session,
            signer: signer.facts(),
        };
        self.event(now, asked);
        self.outputs
            .push_back(Output::TvsWrite { connection, bytes });
    }

    /// Closes the current connection.
    fn close_tvs(&mut self) {
        if let Some(stage) = &self.tvs {
            let connection = stage.connection;
            self.outputs.push_back(Output::TvsClose { connection });
        }
    }

    fn take_answer(&mut self, now: Time) {
        let Some(stage) = self.tvs.as_mut() else {
            return;
        };
        let State::Asking(exchange) = &mut stage.state else {
            return;
        };
        let Some(outcome) = exchange.poll_outcome() else {
            return;
        };
        let server = stage.server();
        self.close_tvs();
        match outcome {
            Ok(answer) => self.answered(answer, server, now),
            Err(error) => {
                let code = match error {
                    ExchangeError::Closed { .. } | ExchangeError::Deadline { .. } => {
                        Code::TvsNoAnswer
                    }
                    _ => Code::TvsAnswerMalformed,
                };
                let text = format!("TVS {server} gave no answer: {error}");
                self.server_failed(Reason::new(code, text).at(server), now);
            }
        }
    }

    fn answered(&mut self, answer: Answer, server: String, now: Time) {
        let Some(stage) = self.tvs.as_ref() else {
            return;
        };
        let signer = stage.signer.clone();
        let asked = match &stage.waiting {
            Waiting::HttpsServer { certificate } => Some(certificate.clone()),
            Waiting::List { .. } | Waiting::Config { .. } | Waiting::NamedFile { .. } => None,
        };
        let roles: Vec<Role> = answer
            .roles
            .iter()
            .flatten()
            .map(|&code| Role::from_code(u16::from(code)))
            .collect();
        let ttl_secs = answer.ttl_secs.unwrap_or(0);
        let told = Kind::TvsAnswered {
            server: server.clone(),
            bytes: answer_size(&answer),
            status: answer.status,
            roles: join_roles(&roles),
            ttl: ttl_secs,
        };
        self.event(now, told);
        // The answer to a VERIFY does not repeat the certificate.
        let certificate = match asked.clone().or(answer.certificate) {
            Some(certificate) if answer.status == STATUS_FOUND => certificate,
            _ => {
                let text = format!("TVS {server} does not know {signer}");
                let reason = Reason::new(Code::SignerUnknownToTvs, text).at(server);
                return self.server_failed(reason, now);
            }
        };
        if asked.is_none()
            && let Err(reason) = vouch::check_answer(&signer, &certificate, &server)
        {
            return self.server_failed(reason, now);
        }
        let vouch = Vouch {
            signer,
            certificate: certificate.into(),
            roles,
            ttl_secs,
            expires: now + Duration::from_secs(u64::from(ttl_secs)),
            server,
        };
        if ttl_secs > 0 {
            self.keep(vouch.clone(), now);
        }
        let at = self.look(now);
        if let Some(stage) = self.tvs.as_mut() {
            stage.answer = Some(vouch);
            stage.state = State::Settled { at };
        }
        self.tvs_timeout(now);
    }

    /// Keeps an answer for its time.
    fn keep(&mut self, vouch: Vouch, now: Time) {
        let (serial, ttl) = (hex(&vouch.signer.serial), vouch.ttl_secs);
        self.vouches
            .retain(|v| !v.is_for(&vouch.signer) && v.expires > now);
        let excess = (self.vouches.len() + 1).saturating_sub(MAX_KEPT_ANSWERS);
        self.vouches.drain(..excess);
        self.vouches.push(vouch);
        self.event(now, Kind::TvsCached { serial, ttl });
        let survives = TvsCacheSurvivesBoot::Yes;
        if self.setup.settings.word::<TvsCacheSurvivesBoot>() == survives {
            self.save_notes(now);
        }
    }

    /// Takes kept answers out of flash before a new list comes there, where the rule throws them away:
    /// a power cut behind the list must not leave them beside it.
    pub(super) fn flush_kept_notes(&mut self, now: Time) {
        let is_kept = !self.notes.tvs_answers.is_empty();
        if is_kept && self.setup.settings.word::<TvsCacheFlush>() == TvsCacheFlush::Yes {
            self.notes.tvs_answers.clear();
            self.write_notes(now);
        }
    }

    /// Keeps that no TVS knows the signer, if that is what asking came to and such answers are kept.
    fn keep_unknown(&mut self, stage: &TvsStage) {
        let last = stage.reasons.last().map(|r| r.code);
        if stage.answer.is_none()
            && last == Some(Code::SignerUnknownToTvs)
            && self.setup.settings.word::<TvsNegativeCache>() == TvsNegativeCache::Yes
        {
            self.unknown_signers.push(stage.signer.clone());
        }
    }

    fn server_failed(&mut self, reason: Reason, now: Time) {
        let Some(stage) = self.tvs.as_mut() else {
            return;
        };
        stage.reasons.push(reason.clone());
        let server = stage.server();
        self.event(
            now,
            Kind::TvsFailed {
                server,
                reason: reason.facts(),
            },
        );
        self.ask_next_server(now);
    }

    fn connect_reason(&self, why: ConnectFailure) -> Reason {
        let server = self.tvs.as_ref().map(TvsStage::server).unwrap_or_default();
        let (code, text) = match why {
            ConnectFailure::Refused(text) => (
                Code::TvsUnreachable,
                format!("TVS {server} cannot be reached: {text}"),
            ),
            ConnectFailure::TimedOut => (
                Code::TvsUnreachable,
                format!("TVS {server} did not answer in time"),
            ),
            ConnectFailure::NotPinned { presented } => {
                let serial = Certificate::parse(&presented)
                    .map_or_else(|_| "unreadable".into(), |c| hex(c.serial));
                let text = format!(
                    "the certificate of TVS {server}, serial {serial}, is no TVS record of the installed lists"
                );
                (Code::TvsCertificateNotInList, text)
            }
            ConnectFailure::Tls(text) => (
                Code::TvsHandshakeFailed,
                format!("TLS with TVS {server} failed: {text}"),
            ),
        };
        Reason::new(code, text).at(server)
    }

    /// Judges the file that waited, with what TVS said.
    fn judge_again(&mut self, waiting: Waiting, asked: Asked, now: Time) {
        match waiting {
            Waiting::List { kind, bytes } => self.judge_list(kind, bytes, Some(asked), now),
            Waiting::Config {
                file,
                bytes,
                transport,
            } => {
                debug_assert!(matches!(self.stage, Stage::Config { .. }));
                self.judge_config(file, bytes, transport, Some(asked), now);
            }
            Waiting::NamedFile { file, bytes } => {
                self.judge_named_file(file, bytes, Some(asked), now);
            }
            Waiting::HttpsServer { .. } => self.server_judged(asked, now),
        }
    }
}

/// Bytes of an answer on the wire.
fn answer_size(answer: &Answer) -> usize {
    let element = |n: Option<usize>| n.map_or(0, |n| 3 + n);
    HEADER_LEN
        + element(Some(1))
        + element(answer.certificate.as_ref().map(Vec::len))
        + element(answer.roles.as_ref().map(Vec::len))
        + element(answer.ttl_secs.map(|_| 4))
}
