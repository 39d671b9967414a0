//! Downloads: one file at a time, from the first server that answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::boot::Phone;
#[cfg(feature = "planted-defects")]
use super::flash::{self, GAVE_UP};
use super::http::{HttpRequest, HttpSaid};
use super::identity::Pace;
use super::output::Output;
use crate::event::Kind;
use crate::tftp::{Client, ClientConfig, ClientEvent, Outcome, RequestOptions, Retransmission};
use crate::time::Time;
#[cfg(feature = "planted-defects")]
use crate::trust::planted::Defect;
use crate::trust::rules::{HttpFirst, Key, TftpBackoff, TftpOptions};
use crate::wire::tftp::ErrorCode;

/// The request port of TFTP.
const TFTP_PORT: u16 = 69;

/// No setting makes a transfer end before this for lack of time.
const SHORTEST_DEADLINE: Duration = Duration::from_secs(1);

/// The downloader's status of a whole file, and of a missing one (EMCC technote).
const STATUS_DONE: u32 = 100;
const STATUS_NOT_FOUND: u32 = 2;

/// What the status screen says of a failed download (8800 Administration Guide, status messages).
const SIZE_ERROR: &str = "CFG TFTP Size Error";
const ACCESS_ERROR: &str = "TFTP access error";
pub(super) const OTHER_ERROR: &str = "TFTP error";

/// How a file comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Transport {
    Tftp,
    Http,
    Https,
}

impl Transport {
    /// For events.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Tftp => "tftp",
            Self::Http => "http",
            Self::Https => "https",
        }
    }

    /// What the status screen adds to the name of a file.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Tftp => "",
            Self::Http => "(HTTP)",
            Self::Https => "(HTTPS)",
        }
    }
}

/// A download under way.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) file: String,
    pub(super) secure: bool,
    pub(super) way: Way,
}

/// What brings the file.
#[derive(Debug)]
pub(super) enum Way {
    Tftp(Box<TftpTransfer>),
    Http(HttpRequest),
}

impl Way {
    pub(super) fn transport(&self) -> Transport {
        match self {
            Self::Tftp(_) => Transport::Tftp,
            Self::Http(http) if http.is_tls() => Transport::Https,
            Self::Http(_) => Transport::Http,
        }
    }
}

/// A file's way over TFTP.
#[derive(Debug)]
pub(super) struct TftpTransfer {
    transfer: u32,
    client: Client,
    started: Time,
}

impl TftpTransfer {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.client.next_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.client.handle_timeout(now);
    }
}

impl Download {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        match &self.way {
            Way::Tftp(transfer) => transfer.next_timeout(),
            Way::Http(http) => http.next_timeout(),
        }
    }

    pub(super) fn tftp(&mut self) -> Option<&mut TftpTransfer> {
        match &mut self.way {
            Way::Tftp(transfer) => Some(transfer),
            Way::Http(_) => None,
        }
    }
}

/// What came of a download.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The whole file.
    File {
        bytes: Vec<u8>,
        transport: Transport,
    },
    /// The server that answered has no such file.
    NotFound,
    /// No server gave an answer, or none that can be used.
    Failed(String),
}

impl Phone {
    /// Starts to fetch `file` from the current server, over what this phone tries first.
    pub(super) fn fetch(&mut self, file: String, secure: bool, now: Time) {
        self.http_said = HttpSaid::default();
        let first = if self.setup.settings.word::<HttpFirst>() == HttpFirst::No {
            Transport::Tftp
        } else if secure && self.wants_own_config() && self.wants_https() {
            Transport::Https
        } else {
            Transport::Http
        };
        self.fetch_over(first, file, secure, now);
    }

    /// Starts to fetch `file` from the current server.
    pub(super) fn fetch_over(
        &mut self,
        transport: Transport,
        file: String,
        secure: bool,
        now: Time,
    ) {
        #[cfg(feature = "planted-defects")]
        if self.gave_up {
            self.fetched = Some(Fetched::Failed("a defect was planted".into()));
            return;
        }
        let Some(&server) = self.setup.option_150.get(self.server) else {
            self.fetched = Some(Fetched::Failed("option 150 names no server".into()));
            return;
        };
        let config = (transport == Transport::Tftp).then(|| self.tftp_config());
        let options = config.as_ref().map(|c| options_text(&c.options));
        self.event(
            now,
            Kind::Requested {
                file: file.clone(),
                server: server.to_string(),
                transport: transport.as_str().into(),
                options: options.unwrap_or_else(|| "none".into()),
                secure,
            },
        );
        let Some(config) = config else {
            let is_tls = transport == Transport::Https;
            return self.open_http(file, secure, server, is_tls, now);
        };
        let transfer = self.next_transfer;
        self.next_transfer += 1;
        let address = SocketAddr::new(IpAddr::V4(server), TFTP_PORT);
        let client = Client::get(file.as_bytes(), address, config, now);
        self.download = Some(Download {
            file,
            secure,
            way: Way::Tftp(Box::new(TftpTransfer {
                transfer,
                client,
                started: now,
            })),
        });
        self.pump_download(now);
    }

    /// A datagram came for a transfer.
    pub fn handle_datagram(&mut self, now: Time, transfer: u32, from: SocketAddr, bytes: &[u8]) {
        let current = self.download.as_mut().and_then(Download::tftp);
        let mut all = current.into_iter().chain(&mut self.lingering);
        if let Some(t) = all.find(|t| t.transfer == transfer) {
            t.client.handle_datagram(now, from, bytes);
        }
        self.pump_download(now);
        self.advance(now);
    }

    /// Takes from the clients what they want to send and what came of them.
    pub(super) fn pump_download(&mut self, now: Time) {
        for t in &mut self.lingering {
            drain(t, &mut self.outputs);
        }
        let (over, still) = self
            .lingering
            .drain(..)
            .partition(|t| t.client.next_timeout().is_none());
        self.lingering = still;
        for t in &over as &Vec<TftpTransfer> {
            self.outputs.push_back(Output::CloseTransfer {
                transfer: t.transfer,
            });
        }
        let (file, secure, mut t) = match self.download.take() {
            Some(Download {
                file,
                secure,
                way: Way::Tftp(transfer),
            }) => (file, secure, transfer),
            other => {
                self.download = other;
                return;
            }
        };
        drain(&mut t, &mut self.outputs);
        if now.since(t.started) >= SHORTEST_DEADLINE {
            self.setup.settings.feel(Key::TftpDeadline);
        }
        while let Some(event) = t.client.poll_event() {
            if let ClientEvent::Retransmitted { attempt } = event {
                self.overdue();
                let file = file.clone();
                self.event(now, Kind::Retransmitted { file, attempt });
            }
        }
        match t.client.poll_outcome() {
            None => {
                self.download = Some(Download {
                    file,
                    secure,
                    way: Way::Tftp(t),
                });
            }
            Some(outcome) => {
                self.lingering.push(*t);
                self.ended(file, secure, outcome, now);
            }
        }
    }

    /// A server took longer than the rules let it.
    fn overdue(&self) {
        self.setup.settings.feel(Key::TftpRetries);
        self.setup.settings.feel(Key::TftpBackoff);
        self.setup.settings.feel(Key::TftpBackoffMax);
    }

    fn ended(&mut self, file: String, secure: bool, outcome: Outcome, now: Time) {
        if outcome == Outcome::TimedOut {
            self.overdue();
            if self.counts_as_missing_over_http() {
                return self.not_found(file, self.http_said.with("TFTP", "no answer"), now);
            }
        }
        let shown = match &outcome {
            Outcome::TimedOut => self.setup.profile.texts.value.tftp_timeout,
            Outcome::TooLarge { .. } => SIZE_ERROR,
            Outcome::Refused { code, .. } if *code == ErrorCode::ACCESS_VIOLATION => ACCESS_ERROR,
            _ => OTHER_ERROR,
        };
        let failure = match outcome {
            Outcome::Done(bytes) => return self.downloaded(file, bytes, Transport::Tftp, now),
            ref o @ Outcome::Refused { ref text, .. } if o.is_not_found() => {
                return self.not_found(file, text.escape_ascii().to_string(), now);
            }
            Outcome::Refused { code, text } => {
                format!(
                    "the server refused: error {}, {}",
                    code.0,
                    text.escape_ascii()
                )
            }
            Outcome::TimedOut => "no answer".into(),
            Outcome::TooLarge { limit, actual } => {
                format!("the file has {actual} bytes, the phone downloads at most {limit}")
            }
            Outcome::Protocol(error) => format!("the server broke the protocol: {error}"),
        };
        let failure = self.http_said.with("TFTP", &failure);
        self.download_failed(file, secure, failure, shown, now);
    }

    /// The server that is asked, for events.
    pub(super) fn server_text(&self) -> String {
        let server = self.setup.option_150.get(self.server);
        server.map(Ipv4Addr::to_string).unwrap_or_default()
    }

    /// A file is whole.
    pub(super) fn downloaded(
        &mut self,
        file: String,
        bytes: Vec<u8>,
        transport: Transport,
        now: Time,
    ) {
        let told = Kind::Downloaded {
            facts: self.facts(&file, &bytes),
            server: self.server_text(),
            transport: transport.as_str().into(),
            status: STATUS_DONE,
        };
        self.event(now, told);
        self.download_failures.clear();
        self.fetched = Some(Fetched::File { bytes, transport });
    }

    /// The server that answered has no such file.
    pub(super) fn not_found(&mut self, file: String, text: String, now: Time) {
        let told = Kind::NotFound {
            server: self.server_text(),
            text,
            status: STATUS_NOT_FOUND,
            meaning: meaning_of_missing(&file).to_owned(),
            file,
        };
        self.event(now, told);
        self.download_failures.clear();
        self.fetched = Some(Fetched::NotFound);
    }

    /// The server was of no help; the next one is asked. `shown` is for the status screen, should it
    /// be the last.
    pub(super) fn download_failed(
        &mut self,
        file: String,
        secure: bool,
        failure: String,
        shown: &str,
        now: Time,
    ) {
        let server = self.server_text();
        self.download_failures.push(format!("{server}: {failure}"));
        let told = Kind::DownloadFailed {
            file: file.clone(),
            server,
            text: failure,
        };
        self.event(now, told);
        self.server += 1;
        if self.server < self.setup.option_150.len() {
            self.fetch(file, secure, now);
        } else {
            // The next file begins with the first server again.
            self.server = 0;
            #[cfg(feature = "planted-defects")]
            if self.setup.settings.has(Defect::Retry) {
                for operation in flash::replace(GAVE_UP, Vec::new().into()) {
                    self.flash(now, operation);
                }
            }
            self.status(now, shown);
            let all = std::mem::take(&mut self.download_failures).join("; ");
            self.fetched = Some(Fetched::Failed(all));
        }
    }

    fn tftp_config(&self) -> ClientConfig {
        let s = &self.setup.settings;
        let mut first = Duration::from_millis(s.count(Key::TftpTimeout));
        // These matter once an answer is overdue.
        let backoff = s.read_ahead(|s| s.word::<TftpBackoff>());
        let longest = s.read_ahead(|s| s.count(Key::TftpBackoffMax));
        let longest = Duration::from_millis(longest);
        let retries = s.read_ahead(|s| s.count(Key::TftpRetries));
        // And this, once the whole takes long.
        let deadline = s.read_ahead(|s| s.count(Key::TftpDeadline));
        // Sooner, but for as long: three or four doublings more make up for a tenth.
        let is_fast = self.setup.pace == Pace::Fast;
        if is_fast {
            first /= 10;
        }
        let max = match backoff {
            TftpBackoff::Double => longest,
            TftpBackoff::Constant => first,
        };
        let retries = u32::try_from(retries).unwrap_or(u32::MAX);
        let retries = match (is_fast, backoff) {
            (false, _) => retries,
            (true, TftpBackoff::Double) => retries.saturating_add(4),
            (true, TftpBackoff::Constant) => retries.saturating_mul(10).saturating_add(9),
        };
        let options = match s.word::<TftpOptions>() {
            TftpOptions::None => RequestOptions::default(),
            TftpOptions::Tsize => RequestOptions {
                tsize: true,
                ..RequestOptions::default()
            },
            TftpOptions::TsizeBlksize => RequestOptions {
                tsize: true,
                blksize: Some(1_428),
                ..RequestOptions::default()
            },
        };
        ClientConfig {
            options,
            retransmission: Retransmission {
                first,
                min: first,
                max,
                retries,
            },
            max_bytes: self.setup.profile.max_download.value,
            deadline: Duration::from_millis(deadline),
            ..ClientConfig::default()
        }
    }
}

fn drain(t: &mut TftpTransfer, outputs: &mut std::collections::VecDeque<Output>) {
    while let Some(sent) = t.client.poll_transmit() {
        outputs.push_back(Output::Datagram {
            transfer: t.transfer,
            to: sent.to,
            payload: sent.payload,
        });
    }
}

fn options_text(options: &RequestOptions) -> String {
    let mut parts = Vec::new();
    if options.tsize {
        parts.push("tsize".to_owned());
    }
    if let Some(n) = options.blksize {
        parts.push(format!("blksize {n}"));
    }
    if parts.is_empty() {
        "none".into()
    } else {
        parts.join(", ")
    }
}

fn meaning_of_missing(file: &str) -> &'static str {
    if file.starts_with("CTLSEP") {
        "normal in a non-secure cluster"
    } else if file.starts_with("ITLSEP") {
        "ITLFile.tlv is asked next"
    } else if file == "ITLFile.tlv" {
        "this TFTP server has no ITL; the installed one stays"
    } else if file.ends_with(".enc.sgn") {
        "it is not encrypted on this server"
    } else if file.starts_with("SEP") {
        "the phone is not in this cluster's database"
    } else if file.starts_with("XMLDefault") {
        "the installed one stays"
    } else {
        "the phone goes on without it"
    }
}
