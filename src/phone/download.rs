//! Downloads: one file at a time, from the first server that answers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::time::Duration;

use super::boot::{Output, Phone};
use super::facts::file_facts;
use super::identity::Pace;
use crate::event::Kind;
use crate::tftp::{Client, ClientConfig, ClientEvent, Outcome, RequestOptions, Retransmission};
use crate::time::Time;
use crate::trust::rules::{Key, TftpBackoff, TftpOptions};
use crate::wire::tftp::ErrorCode;

/// The request port of TFTP.
const TFTP_PORT: u16 = 69;

/// The downloader's status of a whole file, and of a missing one (EMCC technote).
const STATUS_DONE: u32 = 100;
const STATUS_NOT_FOUND: u32 = 2;

/// What the status screen says of a failed download (8800 Administration Guide, status messages).
const SIZE_ERROR: &str = "CFG TFTP Size Error";
const ACCESS_ERROR: &str = "TFTP access error";
const OTHER_ERROR: &str = "TFTP error";

/// A download under way.
#[derive(Debug)]
pub(super) struct Download {
    pub(super) transfer: u32,
    file: String,
    secure: bool,
    client: Client,
}

/// What came of a download.
#[derive(Debug)]
pub(super) enum Fetched {
    /// The whole file.
    File(Vec<u8>),
    /// The server that answered has no such file.
    NotFound,
    /// No server gave an answer, or none that can be used.
    Failed(String),
}

impl Phone {
    /// Starts to fetch `file` from the current server.
    pub(super) fn fetch(&mut self, file: String, secure: bool, now: Time) {
        let Some(&server) = self.setup.option_150.get(self.server) else {
            self.fetched = Some(Fetched::Failed("option 150 names no server".into()));
            return;
        };
        let transfer = self.next_transfer;
        self.next_transfer += 1;
        let config = self.tftp_config();
        self.event(
            now,
            Kind::Requested {
                file: file.clone(),
                server: server.to_string(),
                transport: "tftp".into(),
                options: options_text(&config.options),
                secure,
            },
        );
        let address = SocketAddr::new(IpAddr::V4(server), TFTP_PORT);
        let client = Client::get(file.as_bytes(), address, config, now);
        self.download = Some(Download {
            transfer,
            file,
            secure,
            client,
        });
        self.pump_download(now);
    }

    /// A datagram came for a transfer.
    pub fn handle_datagram(&mut self, now: Time, transfer: u32, from: SocketAddr, bytes: &[u8]) {
        if let Some(d) = self.download.as_mut().filter(|d| d.transfer == transfer) {
            d.client.handle_datagram(now, from, bytes);
        } else if let Some(d) = self.lingering.iter_mut().find(|d| d.transfer == transfer) {
            d.client.handle_datagram(now, from, bytes);
        }
        self.pump_download(now);
        self.advance(now);
    }

    /// Takes from the clients what they want to send and what came of them.
    pub(super) fn pump_download(&mut self, now: Time) {
        for d in &mut self.lingering {
            drain(d, &mut self.outputs);
        }
        let (over, still) = self
            .lingering
            .drain(..)
            .partition(|d| d.client.next_timeout().is_none());
        self.lingering = still;
        for d in &over as &Vec<Download> {
            self.outputs.push_back(Output::CloseTransfer {
                transfer: d.transfer,
            });
        }
        let Some(mut d) = self.download.take() else {
            return;
        };
        drain(&mut d, &mut self.outputs);
        while let Some(event) = d.client.poll_event() {
            if let ClientEvent::Retransmitted { attempt } = event {
                self.overdue();
                let file = d.file.clone();
                self.event(now, Kind::Retransmitted { file, attempt });
            }
        }
        match d.client.poll_outcome() {
            None => self.download = Some(d),
            Some(outcome) => {
                let (file, secure) = (d.file.clone(), d.secure);
                self.lingering.push(d);
                self.ended(file, secure, outcome, now);
            }
        }
    }

    /// A server took longer than the rules let it.
    fn overdue(&self) {
        self.setup.settings.feel(Key::TftpRetries);
        self.setup.settings.feel(Key::TftpBackoff);
    }

    fn ended(&mut self, file: String, secure: bool, outcome: Outcome, now: Time) {
        if outcome == Outcome::TimedOut {
            self.overdue();
        }
        let server = self
            .setup
            .option_150
            .get(self.server)
            .map(Ipv4Addr::to_string)
            .unwrap_or_default();
        let shown = match &outcome {
            Outcome::TimedOut => self.setup.profile.texts.value.tftp_timeout,
            Outcome::TooLarge { .. } => SIZE_ERROR,
            Outcome::Refused { code, .. } if *code == ErrorCode::ACCESS_VIOLATION => ACCESS_ERROR,
            _ => OTHER_ERROR,
        };
        let failure = match outcome {
            Outcome::Done(bytes) => {
                let facts = file_facts(&file, &bytes);
                self.event(
                    now,
                    Kind::Downloaded {
                        facts,
                        server,
                        status: STATUS_DONE,
                    },
                );
                self.download_failures.clear();
                self.fetched = Some(Fetched::File(bytes));
                return;
            }
            ref o @ Outcome::Refused { ref text, .. } if o.is_not_found() => {
                let meaning = meaning_of_missing(&file).to_owned();
                let text = text.escape_ascii().to_string();
                let status = STATUS_NOT_FOUND;
                self.event(
                    now,
                    Kind::NotFound {
                        file,
                        server,
                        text,
                        status,
                        meaning,
                    },
                );
                self.download_failures.clear();
                self.fetched = Some(Fetched::NotFound);
                return;
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
        let text = failure.clone();
        self.event(
            now,
            Kind::DownloadFailed {
                file: file.clone(),
                server: server.clone(),
                text,
            },
        );
        self.download_failures.push(format!("{server}: {failure}"));
        self.server += 1;
        if self.server < self.setup.option_150.len() {
            self.fetch(file, secure, now);
        } else {
            // The next file begins with the first server again.
            self.server = 0;
            self.status(now, shown);
            let all = std::mem::take(&mut self.download_failures).join("; ");
            self.fetched = Some(Fetched::Failed(all));
        }
    }

    fn tftp_config(&self) -> ClientConfig {
        let s = &self.setup.settings;
        let mut first = Duration::from_millis(s.count(Key::TftpTimeout));
        // Both matter once an answer is overdue.
        let backoff = s.read_ahead(|s| s.word::<TftpBackoff>());
        let retries = s.read_ahead(|s| s.count(Key::TftpRetries));
        // Sooner, but for as long: three or four doublings more make up for a tenth.
        let is_fast = self.setup.pace == Pace::Fast;
        let longest = first * 16;
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
            ..ClientConfig::default()
        }
    }
}

fn drain(d: &mut Download, outputs: &mut std::collections::VecDeque<Output>) {
    while let Some(t) = d.client.poll_transmit() {
        outputs.push_back(Output::Datagram {
            transfer: d.transfer,
            to: t.to,
            payload: t.payload,
        });
    }
}

impl Download {
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.client.next_timeout()
    }

    pub(super) fn handle_timeout(&mut self, now: Time) {
        self.client.handle_timeout(now);
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
    } else if file.starts_with("SEP") {
        "the phone is not in this cluster's database"
    } else {
        "the installed one stays"
    }
}
