//! Files over HTTP and HTTPS: one connection a file, and TFTP where it brings nothing.
//!
//! The driver opens connections and speaks HTTP; what a status means, how long to wait, and whether
//! an HTTPS server may be asked at all, is decided here. Over HTTPS comes the configuration alone,
//! from a server whose EC certificate is in an installed list with a TFTP role or is vouched for by
//! TVS; its body is the unsigned file, although the name ends in `.sgn` (usecallmanager.nz).

use std::net::SocketAddr;

use super::boot::Phone;
use super::download::{Download, OTHER_ERROR, Transport, Way};
use super::output::Output;
use super::tvs::{Asked, Waiting};
use crate::event::Kind;
use crate::time::Time;
use crate::trust::certificate::{Certificate, PublicKey};
use crate::trust::reason::{Code, Reason};
use crate::trust::rules::{
    HttpFallbackOn, HttpMissingAlone, HttpsConfig, Key, TvsRoleRequired, Word,
};
use crate::trust::search::{SignerId, hex};
use crate::wire::Role;

/// The port of HTTP, and of HTTPS (CUCM port usage guide).
pub const HTTP_PORT: u16 = 6970;
/// The port of HTTPS.
pub const HTTPS_PORT: u16 = 6971;

/// From this signer version of the installed ITL on, the configuration is asked for over HTTPS.
const HTTPS_FROM: (u8, u8) = (1, 1);

/// What happens to a request that [`Output::HttpOpen`] began.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpInput {
    /// The connection is up; over TLS the server holds the key of its certificate.
    Connected {
        /// The server's certificate, DER; none without TLS.
        certificate: Option<Vec<u8>>,
        /// Protocol version and cipher suite; none without TLS.
        tls: Option<String>,
    },
    /// The answer is whole.
    Answer {
        /// The status code.
        status: u16,
        /// The words behind it.
        reason: String,
        /// The body; nobody looks at it unless the status is 200.
        body: Vec<u8>,
    },
    /// It came to nothing. Nothing more is said about the request.
    Failed(HttpFailure),
}

/// Why a request came to nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HttpFailure {
    /// Nobody listens there, or the network says so; or no request can be made.
    Refused(String),
    /// The server closed without an answer.
    NoAnswer,
    /// The server closed in the middle of the body.
    CutOff {
        /// That many bytes had come.
        bytes: usize,
    },
    /// Nothing came in time.
    TimedOut,
    /// TLS failed.
    Tls(String),
    /// The body has more bytes than were asked for at most.
    TooLarge {
        /// That many were.
        limit: usize,
    },
    /// The answer is no HTTP.
    Protocol(String),
}

/// A request under way.
#[derive(Debug)]
pub(super) struct HttpRequest {
    request: u32,
    is_tls: bool,
    state: State,
}

#[derive(Debug)]
enum State {
    /// The connection is not up.
    Opening { until: Time },
    /// TVS is asked about the server; the connection may break meanwhile.
    Vouching { broken: Option<HttpFailure> },
    /// The file is asked for.
    Getting { until: Time },
}

/// What HTTP and HTTPS said about a file before TFTP has its turn.
#[derive(Debug, Default)]
pub(super) struct HttpSaid {
    /// One part a transport.
    parts: Vec<String>,
    /// The status of the last answer.
    status: Option<u16>,
}

impl HttpSaid {
    fn add(&mut self, transport: Transport, status: Option<u16>, text: &str) {
        let transport = transport.as_str().to_ascii_uppercase();
        self.parts.push(format!("{transport}: {text}"));
        self.status = status;
    }

    /// All that was said, and last what another transport says; alone, that needs no name.
    pub(super) fn with(&self, transport: &str, text: &str) -> String {
        match self.parts.as_slice() {
            [] => text.to_owned(),
            parts => format!("{}, {transport}: {text}", parts.join(", ")),
        }
    }

    fn text(&self) -> String {
        self.parts.join(", ")
    }

    /// True if the server says itself that it has no such file. CUCM was seen to say both.
    fn says_missing(&self) -> bool {
        matches!(self.status, Some(404 | 503))
    }
}

impl HttpRequest {
    pub(super) fn is_tls(&self) -> bool {
        self.is_tls
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        match self.state {
            State::Opening { until } | State::Getting { until } => Some(until),
            // TVS has deadlines of its own.
            State::Vouching { .. } => None,
        }
    }
}

impl Phone {
    /// True if the configuration is to be asked for over HTTPS.
    pub(super) fn wants_https(&self) -> bool {
        let itl = self.in_force().itl;
        let version = itl.and_then(|l| l.list.header.signer_version());
        version.is_some_and(|v| v >= HTTPS_FROM)
            && self.setup.settings.word::<HttpsConfig>() == HttpsConfig::Yes
    }

    /// Opens a connection for a file. [`Self::tell_request`] has told of it.
    pub(super) fn open_http(
        &mut self,
        file: String,
        secure: bool,
        server: std::net::Ipv4Addr,
        is_tls: bool,
        now: Time,
    ) {
        let request = self.next_transfer;
        self.next_transfer += 1;
        let until = now + self.http_wait();
        self.download = Some(Download {
            file,
            secure,
            way: Way::Http(HttpRequest {
                request,
                is_tls,
                state: State::Opening { until },
            }),
        });
        let port = if is_tls { HTTPS_PORT } else { HTTP_PORT };
        self.outputs.push_back(Output::HttpOpen {
            request,
            to: SocketAddr::from((server, port)),
            tls: is_tls,
        });
    }

    /// How long a phase of a request may take. The rule counts as used only where it runs out, or
    /// nearly does.
    fn http_wait(&self) -> std::time::Duration {
        let millis = self.setup.settings.peek(Key::HttpTimeout);
        std::time::Duration::from_millis(u64::try_from(millis).unwrap_or(0))
    }

    fn http(&mut self) -> Option<&mut HttpRequest> {
        match self.download.as_mut() {
            Some(Download {
                way: Way::Http(http),
                ..
            }) => Some(http),
            _ => None,
        }
    }

    /// Something happened to a request.
    pub fn handle_http(&mut self, now: Time, request: u32, input: HttpInput) {
        let Some(http) = self.http().filter(|h| h.request == request) else {
            return;
        };
        let is_tls = http.is_tls;
        if let Some(until) = http.next_timeout() {
            let settings = &self.setup.settings;
            settings.waited(Key::HttpTimeout, until.since(now));
        }
        let Some(http) = self.http() else { return };
        match (input, &mut http.state) {
            (HttpInput::Connected { .. }, State::Opening { .. }) if !is_tls => self.get(now),
            (HttpInput::Connected { certificate, tls }, State::Opening { .. }) => {
                self.check_server(certificate.unwrap_or_default(), tls, now);
            }
            (
                HttpInput::Answer {
                    status,
                    reason,
                    body,
                },
                State::Getting { .. },
            ) => self.http_answered(status, &reason, body, now),
            (HttpInput::Failed(why), State::Vouching { broken }) => *broken = Some(why),
            (HttpInput::Failed(why), _) => self.http_failed(None, &why.text(), now),
            // A driver says these things once, and in order.
            _ => {}
        }
        self.advance(now);
    }

    /// Time has passed.
    pub(super) fn http_timeout(&mut self, now: Time) {
        let Some(http) = self.http() else { return };
        if http.next_timeout().is_some_and(|t| t <= now) {
            self.setup.settings.count(Key::HttpTimeout);
            self.close_http();
            self.http_failed(None, &HttpFailure::TimedOut.text(), now);
        }
    }

    /// Asks for the file on a connection that is up.
    fn get(&mut self, now: Time) {
        let until = now + self.http_wait();
        let max_bytes = self.setup.profile.max_download.value;
        let Some(download) = self.download.as_mut() else {
            return;
        };
        if let Way::Http(http) = &mut download.way {
            http.state = State::Getting { until };
            self.outputs.push_back(Output::HttpGet {
                request: http.request,
                path: format!("/{}", download.file),
                max_bytes,
            });
        }
    }

    fn close_http(&mut self) {
        if let Some(http) = self.http() {
            let request = http.request;
            self.outputs.push_back(Output::HttpClose { request });
        }
    }

    /// TLS with a server is up: decides whether it may serve the configuration.
    fn check_server(&mut self, certificate: Vec<u8>, tls: Option<String>, now: Time) {
        let server = self.http_server();
        let parsed = Certificate::parse(&certificate);
        let serial = parsed.as_ref().map(|c| hex(c.serial)).unwrap_or_default();
        let other_key = match parsed.as_ref().map(|c| c.public_key) {
            Ok(PublicKey::Rsa { .. }) => Some("an RSA key"),
            Ok(PublicKey::Other) => Some("a key that is neither EC nor RSA"),
            Ok(PublicKey::Ec { .. }) | Err(_) => None,
        };
        let signer = parsed.as_ref().map(|c| SignerId::of_certificate(c));
        let holder = self.in_force().file_server(&certificate);
        let told = Kind::HttpsConnected {
            server: server.clone(),
            tls: tls.unwrap_or_default(),
            serial: serial.clone(),
            found_in: holder.map_or_else(|| "none".into(), |l| l.label()),
        };
        let is_held = holder.is_some();
        self.event(now, told);
        let refusal = match (signer, other_key) {
            (Err(error), _) => Some(format!("its certificate cannot be read: {error}")),
            (Ok(_), Some(key)) => Some(format!(
                "its certificate, serial {serial}, has {key}; phones want an EC one"
            )),
            (Ok(_), None) if is_held || self.is_vouched_for(&certificate, now) => None,
            (Ok(signer), None) => {
                if let Some(http) = self.http() {
                    http.state = State::Vouching { broken: None };
                }
                let waiting = Waiting::HttpsServer { certificate };
                return self.ask_tvs(waiting, signer, now);
            }
        };
        match refusal {
            None => self.get(now),
            Some(text) => {
                self.close_http();
                self.http_failed(None, &text, now);
            }
        }
    }

    /// True if a TVS answer that is still kept lets the owner of this certificate serve files.
    fn is_vouched_for(&self, certificate: &[u8], now: Time) -> bool {
        let kept = self.live_vouches(None, now);
        kept.iter()
            .filter(|v| *v.certificate == *certificate)
            .any(|v| self.may_serve(&v.roles))
    }

    /// Whether the roles of a TVS answer are those of a file server.
    fn may_serve(&self, roles: &[Role]) -> bool {
        roles.iter().copied().any(Role::signs_files)
            || self.setup.settings.word::<TvsRoleRequired>() == TvsRoleRequired::No
    }

    /// TVS was asked about the server.
    pub(super) fn server_judged(&mut self, asked: Asked, now: Time) {
        let Some(http) = self.http() else { return };
        let State::Vouching { broken } = &mut http.state else {
            return;
        };
        if let Some(why) = broken.take() {
            return self.http_failed(None, &why.text(), now);
        }
        let text = match asked.answer {
            Some(answer) if self.may_serve(&answer.roles) => return self.get(now),
            Some(answer) => format!(
                "TVS {} gives its certificate {}, not TFTP",
                answer.server,
                crate::wire::join_roles(&answer.roles)
            ),
            None => asked.reasons.last().map_or_else(
                || "nobody vouches for its certificate".to_owned(),
                Reason::text,
            ),
        };
        self.close_http();
        let reason = Reason::new(
            Code::HttpsCertificateUnknown,
            format!("the HTTPS server is not trusted: {text}"),
        );
        self.http_failed(None, &reason.text(), now);
    }

    fn http_server(&self) -> String {
        let is_tls = matches!(
            self.download,
            Some(Download {
                way: Way::Http(HttpRequest { is_tls: true, .. }),
                ..
            })
        );
        let port = if is_tls { HTTPS_PORT } else { HTTP_PORT };
        format!("{}:{port}", self.server_text())
    }

    fn http_answered(&mut self, status: u16, reason: &str, body: Vec<u8>, now: Time) {
        self.close_http();
        let max = self.setup.profile.max_download.value;
        if status != 200 {
            let reason = crate::trust::certificate::escape_for_terminal(reason.as_bytes());
            let text = format!("{status} {reason}");
            return self.http_failed(Some(status), text.trim_end(), now);
        }
        if body.len() > max {
            let text = HttpFailure::TooLarge { limit: max }.text();
            return self.http_failed(None, &text, now);
        }
        let Some(download) = self.download.take() else {
            return;
        };
        let transport = download.way.transport();
        self.downloaded(download.file, body, transport, now);
    }

    /// The request brought no file: TFTP, or HTTP after HTTPS, has its turn.
    fn http_failed(&mut self, status: Option<u16>, text: &str, now: Time) {
        let Some(download) = self.download.take() else {
            return;
        };
        let transport = download.way.transport();
        let then = match transport {
            Transport::Https => Some(Transport::Http),
            _ if self.falls_back_after(status) => Some(Transport::Tftp),
            _ => None,
        };
        let server = self.server_text();
        self.http_said.add(transport, status, text);
        let Download { file, secure, .. } = download;
        self.event(
            now,
            Kind::HttpFailed {
                file: file.clone(),
                server: server.clone(),
                transport: transport.as_str().into(),
                status,
                text: text.to_owned(),
                then: then.map(|t| t.as_str().to_owned()),
            },
        );
        match then {
            Some(next) => self.fetch_over(next, file, secure, now),
            None if status == Some(404) => self.not_found(file, text.to_owned(), now),
            None => {
                let text = self.http_said.text();
                self.download_failed(file, secure, text, OTHER_ERROR, now);
            }
        }
    }

    /// Whether a file counts as missing that HTTP said is not there, where TFTP says nothing. The
    /// rule counts as used only then.
    pub(super) fn counts_as_missing_over_http(&self) -> bool {
        self.http_said.says_missing()
            && self.setup.settings.word::<HttpMissingAlone>() == HttpMissingAlone::Missing
    }

    /// Whether the same server is asked over TFTP. The rule counts as used only where its choices
    /// differ.
    fn falls_back_after(&self, status: Option<u16>) -> bool {
        let rule = HttpFallbackOn::from_index(self.setup.settings.peek(Key::HttpFallbackOn));
        if matches!(status, Some(404 | 503)) && rule != HttpFallbackOn::AnyError {
            // Which of both a cluster says of a missing file, it says by this rule.
            self.setup.settings.feel(Key::HttpMissing);
        }
        match status {
            None | Some(500..=599) => true,
            Some(_) => self.setup.settings.word::<HttpFallbackOn>() == HttpFallbackOn::AnyError,
        }
    }
}

impl HttpFailure {
    /// For events: what happened, in lower case and without a full stop.
    pub fn text(&self) -> String {
        let escape = |text: &str| crate::trust::certificate::escape_for_terminal(text.as_bytes());
        match self {
            Self::Refused(text) => escape(text),
            Self::NoAnswer => "the server closed without an answer".into(),
            Self::CutOff { bytes } => {
                format!("the server closed in the middle of the file, after {bytes} bytes")
            }
            Self::TimedOut => "no answer in time".into(),
            Self::Tls(text) => format!("TLS failed: {}", escape(text)),
            Self::TooLarge { limit } => {
                format!("the file has more than the {limit} bytes that the phone downloads")
            }
            Self::Protocol(text) => format!("the server broke HTTP: {}", escape(text)),
        }
    }
}
