//! The machine that downloads one file.

use std::collections::VecDeque;
use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use super::blocks::{MAX_WINDOWSIZE, Rollover};
use super::timing::{Retransmission, Timer};
use super::{Negotiated, Transmit, ack, answer_to_stranger, same_end};
use crate::time::Time;
use crate::wire::WireError;
use crate::wire::tftp::{
    self as wire, ErrorCode, KnownOption, MIN_BLKSIZE, Options, Packet, Request, number,
};

/// Which options a request asks for. The default asks for none, as the phones in the published
/// captures do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RequestOptions {
    /// Ask for the size of the file.
    pub tsize: bool,
    /// Ask for blocks of this many bytes, 8 to 65464.
    pub blksize: Option<u16>,
    /// Ask the server to wait this many seconds before a retransmission, 1 to 255.
    pub timeout_secs: Option<u8>,
    /// Ask for this many blocks before an acknowledgement, 1 to [`MAX_WINDOWSIZE`].
    pub windowsize: Option<u16>,
}

/// How a client behaves. What phones do beyond the first retransmission after 0.5 s and the limit
/// of 2048 KB is not documented: the phone sets it by its profile and by rules.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientConfig {
    /// The options of the request.
    pub options: RequestOptions,
    /// When the request, or the last acknowledgement, goes out again.
    pub retransmission: Retransmission,
    /// The largest file that is taken, in bytes.
    pub max_bytes: usize,
    /// How long the client stays after its last acknowledgement, to repeat it if the server did
    /// not get it (RFC 1350 section 6). Zero: it leaves at once.
    pub dally: Duration,
    /// The longest that a download may take, however steadily it crawls.
    pub deadline: Duration,
    /// The block number after 65535; None takes what the server does.
    pub rollover: Option<Rollover>,
    /// After ERROR 8 ask once more, without options (RFC 2347).
    pub repeat_without_options: bool,
}

impl Default for ClientConfig {
    /// A phone's documented figures (first retransmission 0.5 s after the request, 2048 KB at
    /// most, as the 7821 of Cisco's EMCC note logs), no options, and for the rest a patient
    /// client's.
    fn default() -> Self {
        Self {
            options: RequestOptions::default(),
            retransmission: Retransmission {
                first: Duration::from_millis(500),
                min: Duration::from_millis(500),
                max: Duration::from_secs(8),
                retries: 5,
            },
            max_bytes: 2_048 * 1_024,
            dally: Duration::from_secs(1),
            deadline: Duration::from_secs(120),
            rollover: None,
            repeat_without_options: true,
        }
    }
}

/// How a download ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The whole file.
    Done(Vec<u8>),
    /// The server said no, at the start or in between.
    Refused {
        /// The error's code.
        code: ErrorCode,
        /// Its text, as sent. Show it with [`slice::escape_ascii`].
        text: Vec<u8>,
    },
    /// No answer to the request or to an acknowledgement, often enough; or the deadline passed.
    TimedOut,
    /// The file has more bytes than [`ClientConfig::max_bytes`].
    TooLarge {
        /// The limit, in bytes.
        limit: usize,
        /// What the server announced, or what had arrived and was one block too many.
        actual: u64,
    },
    /// The server broke the protocol.
    Protocol(ProtocolError),
}

impl Outcome {
    /// True if the server has no such file: ERROR 1, which phones take as a normal answer.
    pub fn is_not_found(&self) -> bool {
        matches!(
            self,
            Self::Refused {
                code: ErrorCode::NOT_FOUND,
                ..
            }
        )
    }
}

/// How the server broke the protocol.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ProtocolError {
    /// It acknowledged an option that was not asked for (RFC 2347).
    OptionNotAsked {
        /// The option's name, as sent.
        name: Vec<u8>,
    },
    /// It acknowledged an option with a value that the request does not allow.
    OptionValue {
        /// The option.
        option: KnownOption,
        /// The value, as sent.
        value: Vec<u8>,
    },
    /// Its acknowledgement of options cannot be read.
    OptionAck(WireError),
    /// A block has more bytes than agreed.
    BlockTooLong {
        /// Bytes in a block, as agreed.
        blksize: u16,
        /// Bytes that came.
        actual: usize,
    },
}

impl fmt::Display for ProtocolError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OptionNotAsked { name } => {
                write!(f, "option \"{}\" was not asked for", name.escape_ascii())
            }
            Self::OptionValue { option, value } => {
                write!(
                    f,
                    "option {} came back as \"{}\"",
                    option.name(),
                    value.escape_ascii()
                )
            }
            Self::OptionAck(error) => write!(f, "option acknowledgement: {error}"),
            Self::BlockTooLong { blksize, actual } => {
                write!(f, "a block has {actual} bytes, {blksize} were agreed")
            }
        }
    }
}

/// What happened on the way, for a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ClientEvent {
    /// The last packet went out again for lack of an answer.
    Retransmitted {
        /// Counts from 1, and anew after each progress.
        attempt: u32,
    },
    /// The server answered, from this address and with these values. Without options, the defaults.
    Answered {
        /// The server's end of the transfer.
        from: SocketAddr,
        /// What holds from now on.
        negotiated: Negotiated,
    },
    /// The server refused the options, and the client asks again without.
    RepeatedWithoutOptions,
    /// A datagram came from someone outside the transfer, and was answered with ERROR 5 unless it
    /// was an error itself.
    Stranger {
        /// Who sent it.
        from: SocketAddr,
    },
    /// A datagram of the server could not be read, and was dropped.
    Unreadable(WireError),
}

/// Downloads one file in octet mode.
///
/// After each `handle_*`, poll [`Self::poll_transmit`], [`Self::poll_event`] and
/// [`Self::poll_outcome`] until each gives None. The outcome comes as soon as it is known; the
/// machine may go on repeating its last acknowledgement until [`Self::next_timeout`] is None. It can
/// be dropped at any time.
#[derive(Debug)]
pub struct Client {
    config: ClientConfig,
    server: SocketAddr,
    file: Vec<u8>,
    /// The options of the request under way.
    asked: RequestOptions,
    /// It is the second one, without options.
    repeated: bool,
    state: State,
    body: Vec<u8>,
    timer: Timer,
    deadline: Time,
    transmits: VecDeque<Transmit>,
    events: VecDeque<ClientEvent>,
    outcome: Option<Outcome>,
}

#[derive(Debug)]
enum State {
    /// The request is out.
    Requested,
    /// The server's end is known.
    Receiving(Receiving),
    /// The file is whole; the last acknowledgement may have to be repeated.
    Dallying {
        peer: SocketAddr,
        last: u16,
        until: Time,
    },
    /// Nothing more to do.
    Over,
}

#[derive(Debug)]
struct Receiving {
    peer: SocketAddr,
    blksize: u16,
    windowsize: u64,
    /// Blocks in order so far.
    received: u64,
    /// Of these, how many no acknowledgement has gone out for.
    unacked: u64,
    /// A gap was reported, and nothing in order has come since.
    gap_reported: bool,
    rollover: Option<Rollover>,
}

impl Receiving {
    fn rollover(&self) -> Rollover {
        self.rollover.unwrap_or(Rollover::Zero)
    }

    fn ack(&mut self) -> Transmit {
        self.unacked = 0;
        ack(self.peer, self.rollover().number(self.received))
    }
}

impl Client {
    /// Asks `server` (its request port) for `file`. The name goes out up to its first NUL; a name
    /// that makes the request longer than 512 bytes is sent all the same and up to the server to
    /// refuse.
    pub fn get(file: &[u8], server: SocketAddr, config: ClientConfig, now: Time) -> Self {
        let file = file
            .split(|byte| *byte == 0)
            .next()
            .unwrap_or_default()
            .to_vec();
        let mut asked = config.options;
        asked.windowsize = asked
            .windowsize
            .map(|blocks| blocks.clamp(1, MAX_WINDOWSIZE));
        asked.blksize = asked
            .blksize
            .map(|size| size.clamp(MIN_BLKSIZE, wire::MAX_BLKSIZE));
        asked.timeout_secs = asked.timeout_secs.map(|secs| secs.max(1));
        let mut client = Self {
            config,
            server,
            file,
            asked,
            repeated: false,
            state: State::Requested,
            body: Vec::new(),
            timer: Timer::new(config.retransmission, now),
            deadline: now + config.deadline,
            transmits: VecDeque::new(),
            events: VecDeque::new(),
            outcome: None,
        };
        client.send_request();
        client
    }

    /// Takes a datagram that arrived at `now`. Anything may arrive.
    pub fn handle_datagram(&mut self, now: Time, from: SocketAddr, datagram: &[u8]) {
        let known = match &self.state {
            // Any port of the server may answer: it is the server's end from then on.
            State::Requested => from.ip() == self.server.ip(),
            State::Receiving(Receiving { peer, .. }) | State::Dallying { peer, .. } => {
                same_end(*peer, from)
            }
            State::Over => return,
        };
        if !known {
            self.transmits.extend(answer_to_stranger(from, datagram));
            self.events.push_back(ClientEvent::Stranger { from });
            return;
        }
        match Packet::parse(datagram) {
            Ok(packet) => self.handle_packet(now, from, packet),
            // Without its options a transfer cannot go on; anything else may come again, whole.
            Err(error) if is_option_ack(datagram) && matches!(self.state, State::Requested) => {
                self.refuse_options(from, ProtocolError::OptionAck(error));
            }
            Err(error) => self.events.push_back(ClientEvent::Unreadable(error)),
        }
    }

    /// Looks at the time. Too early does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        match &self.state {
            State::Over => return,
            State::Dallying { until, .. } => {
                if now >= *until {
                    self.state = State::Over;
                }
                return;
            }
            State::Requested | State::Receiving(_) => {}
        }
        if now >= self.deadline {
            return self.finish(Outcome::TimedOut);
        }
        if now < self.timer.due() {
            return;
        }
        let Some(attempt) = self.timer.expire(now) else {
            return self.finish(Outcome::TimedOut);
        };
        self.events
            .push_back(ClientEvent::Retransmitted { attempt });
        if let State::Receiving(receiving) = &mut self.state {
            receiving.gap_reported = false;
            self.transmits.push_back(receiving.ack());
        } else {
            self.send_request();
        }
    }

    /// The next datagram to send.
    pub fn poll_transmit(&mut self) -> Option<Transmit> {
        self.transmits.pop_front()
    }

    /// The next thing worth telling.
    pub fn poll_event(&mut self) -> Option<ClientEvent> {
        self.events.pop_front()
    }

    /// How the download ended, once.
    pub fn poll_outcome(&mut self) -> Option<Outcome> {
        self.outcome.take()
    }

    /// When to call [`Self::handle_timeout`]; None when there is nothing more to do.
    pub fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Requested | State::Receiving(_) => Some(self.timer.due().min(self.deadline)),
            State::Dallying { until, .. } => Some(*until),
            State::Over => None,
        }
    }

    /// The longest datagram that the server may send under the options asked for, in bytes. A
    /// driver's buffer needs one byte more, so that a longer one does not pass for this one.
    pub fn max_datagram(&self) -> usize {
        let blksize = self.config.options.blksize.unwrap_or(wire::DEFAULT_BLKSIZE);
        // Without options, or after ERROR 8, the default size holds.
        usize::from(blksize.max(wire::DEFAULT_BLKSIZE)) + wire::MIN_PACKET
    }

    fn handle_packet(&mut self, now: Time, from: SocketAddr, packet: Packet<'_>) {
        match (packet, &mut self.state) {
            (Packet::Error(_), State::Dallying { .. }) => {}
            // The answer to an earlier sending of the request that had options.
            (Packet::Error(error), State::Requested)
                if self.repeated && error.code == ErrorCode::OPTION_REFUSED => {}
            (Packet::Error(error), _) => {
                if self.may_repeat(error.code) {
                    self.repeated = true;
                    self.asked = RequestOptions::default();
                    self.state = State::Requested;
                    self.events.push_back(ClientEvent::RepeatedWithoutOptions);
                    self.timer.restart(now);
                    self.send_request();
                } else {
                    let text = error.text().to_vec();
                    self.finish(Outcome::Refused {
                        code: error.code,
                        text,
                    });
                }
            }
            (Packet::OptionAck(options), State::Requested) => {
                match accept_options(&options, self.asked) {
                    Ok(negotiated) => self.start(now, from, negotiated),
                    Err(error) => self.refuse_options(from, error),
                }
            }
            // Our ACK 0 was lost.
            (Packet::OptionAck(_), State::Receiving(receiving)) if receiving.received == 0 => {
                self.transmits.push_back(receiving.ack());
            }
            (Packet::Data { block: 1, data }, State::Requested) => {
                self.begin(now, from, Negotiated::DEFAULT);
                self.handle_data(now, 1, data);
            }
            (Packet::Data { block, data }, State::Receiving(_)) => {
                self.handle_data(now, block, data);
            }
            (Packet::Data { block, .. }, State::Dallying { peer, last, .. }) if block == *last => {
                self.transmits.push_back(ack(*peer, block));
            }
            // Late, repeated or senseless here: it changes nothing.
            (
                Packet::Data { .. }
                | Packet::OptionAck(_)
                | Packet::Ack { .. }
                | Packet::ReadRequest(_)
                | Packet::WriteRequest(_),
                _,
            ) => {}
        }
    }

    fn handle_data(&mut self, now: Time, block: u16, data: &[u8]) {
        let State::Receiving(receiving) = &mut self.state else {
            return;
        };
        let expected = receiving.received + 1;
        if receiving.rollover.is_none() && expected == 65_536 {
            receiving.rollover = match block {
                0 => Some(Rollover::Zero),
                1 => Some(Rollover::One),
                _ => None,
            };
        }
        let rollover = receiving.rollover();
        match rollover.ahead(block, expected) {
            Some(0) => {}
            // A gap in the window: say where to go on, once (RFC 7440 section 4).
            Some(ahead) if ahead < receiving.windowsize => {
                if !receiving.gap_reported {
                    receiving.gap_reported = true;
                    self.transmits.push_back(receiving.ack());
                }
                return;
            }
            // The last block again: our ACK may be lost. While a window is half received no ACK
            // was due yet, and one now would make the server send the half once more.
            _ if receiving.received > 0
                && receiving.unacked == 0
                && block == rollover.number(receiving.received) =>
            {
                self.transmits.push_back(receiving.ack());
                return;
            }
            _ => return,
        }
        if data.len() > usize::from(receiving.blksize) {
            let error = ProtocolError::BlockTooLong {
                blksize: receiving.blksize,
                actual: data.len(),
            };
            let peer = receiving.peer;
            return self.abort(
                peer,
                ErrorCode::ILLEGAL_OPERATION,
                "Block longer than agreed",
                Outcome::Protocol(error),
            );
        }
        let size = self.body.len() + data.len();
        if size > self.config.max_bytes {
            let peer = receiving.peer;
            return self.refuse_size(peer, size as u64);
        }
        self.body.extend_from_slice(data);
        receiving.received = expected;
        receiving.unacked += 1;
        receiving.gap_reported = false;
        self.timer.progress(now);
        let last = data.len() < usize::from(receiving.blksize);
        if last || receiving.unacked >= receiving.windowsize {
            self.transmits.push_back(receiving.ack());
        }
        if last {
            let peer = receiving.peer;
            self.outcome = Some(Outcome::Done(std::mem::take(&mut self.body)));
            self.state = if self.config.dally.is_zero() {
                State::Over
            } else {
                State::Dallying {
                    peer,
                    last: block,
                    until: now + self.config.dally,
                }
            };
        }
    }

    /// The options are agreed: the server waits for ACK 0.
    fn start(&mut self, now: Time, from: SocketAddr, negotiated: Negotiated) {
        if let Some(size) = negotiated.tsize
            && usize::try_from(size).map_or(true, |size| size > self.config.max_bytes)
        {
            return self.refuse_size(from, size);
        }
        if let Some(secs) = negotiated.timeout_secs {
            self.timer.agree(Duration::from_secs(u64::from(secs)));
        }
        self.begin(now, from, negotiated);
        self.transmits.push_back(ack(from, 0));
    }

    fn begin(&mut self, now: Time, from: SocketAddr, negotiated: Negotiated) {
        self.timer.progress(now);
        self.events
            .push_back(ClientEvent::Answered { from, negotiated });
        self.state = State::Receiving(Receiving {
            peer: from,
            blksize: negotiated.blksize,
            windowsize: u64::from(negotiated.windowsize),
            received: 0,
            unacked: 0,
            gap_reported: false,
            rollover: self.config.rollover,
        });
    }

    fn may_repeat(&self, code: ErrorCode) -> bool {
        let nothing_received = match &self.state {
            State::Requested => true,
            State::Receiving(receiving) => receiving.received == 0,
            State::Dallying { .. } | State::Over => false,
        };
        code == ErrorCode::OPTION_REFUSED
            && self.config.repeat_without_options
            && self.asked != RequestOptions::default()
            && nothing_received
    }

    fn send_request(&mut self) {
        let payload = request_bytes(&self.file, self.asked);
        self.transmits.push_back(Transmit {
            to: self.server,
            payload,
        });
    }

    fn refuse_options(&mut self, peer: SocketAddr, error: ProtocolError) {
        let outcome = Outcome::Protocol(error);
        self.abort(
            peer,
            ErrorCode::OPTION_REFUSED,
            "Option not as asked for",
            outcome,
        );
    }

    fn refuse_size(&mut self, peer: SocketAddr, actual: u64) {
        let outcome = Outcome::TooLarge {
            limit: self.config.max_bytes,
            actual,
        };
        self.abort(peer, ErrorCode::DISK_FULL, "File too large", outcome);
    }

    fn abort(&mut self, peer: SocketAddr, code: ErrorCode, text: &str, outcome: Outcome) {
        self.transmits.push_back(Transmit {
            to: peer,
            payload: wire::error_packet(code, text),
        });
        self.finish(outcome);
    }

    fn finish(&mut self, outcome: Outcome) {
        self.state = State::Over;
        self.body = Vec::new();
        self.outcome = Some(outcome);
    }
}

fn is_option_ack(datagram: &[u8]) -> bool {
    datagram.starts_with(&[0, 6])
}

fn request_bytes(file: &[u8], asked: RequestOptions) -> Vec<u8> {
    let blksize = asked.blksize.map(|size| size.to_string());
    let timeout = asked.timeout_secs.map(|secs| secs.to_string());
    let windowsize = asked.windowsize.map(|blocks| blocks.to_string());
    let values = [
        (KnownOption::Tsize, asked.tsize.then_some("0")),
        (KnownOption::Blksize, blksize.as_deref()),
        (KnownOption::Timeout, timeout.as_deref()),
        (KnownOption::Windowsize, windowsize.as_deref()),
    ];
    let mut options = Options::new();
    for (option, value) in values {
        if let Some(value) = value {
            options.push(option.name().as_bytes(), value.as_bytes());
        }
    }
    Packet::ReadRequest(Request {
        file,
        mode: b"octet",
        options,
    })
    .to_bytes()
}

/// What holds after this OACK, if it keeps to what was asked.
fn accept_options(
    options: &Options<'_>,
    asked: RequestOptions,
) -> Result<Negotiated, ProtocolError> {
    let mut negotiated = Negotiated::DEFAULT;
    for (name, value) in options.iter() {
        let not_asked = || ProtocolError::OptionNotAsked {
            name: name.to_vec(),
        };
        let option = KnownOption::named(name).ok_or_else(not_asked)?;
        let bad_value = || ProtocolError::OptionValue {
            option,
            value: value.to_vec(),
        };
        let value = number(value).ok_or_else(bad_value)?;
        match option {
            KnownOption::Tsize => {
                asked.tsize.then_some(()).ok_or_else(not_asked)?;
                negotiated.tsize = Some(value);
            }
            // The server may lower what was asked for, never raise it (RFC 2348, 7440).
            KnownOption::Blksize => {
                let most = asked.blksize.ok_or_else(not_asked)?;
                negotiated.blksize = within(value, MIN_BLKSIZE, most).ok_or_else(bad_value)?;
            }
            KnownOption::Windowsize => {
                let most = asked.windowsize.ok_or_else(not_asked)?;
                negotiated.windowsize = within(value, 1, most).ok_or_else(bad_value)?;
            }
            // Exactly, or not at all (RFC 2349).
            KnownOption::Timeout => {
                let secs = asked.timeout_secs.ok_or_else(not_asked)?;
                (value == u64::from(secs))
                    .then_some(())
                    .ok_or_else(bad_value)?;
                negotiated.timeout_secs = Some(secs);
            }
        }
    }
    Ok(negotiated)
}

fn within(value: u64, least: u16, most: u16) -> Option<u16> {
    u16::try_from(value)
        .ok()
        .filter(|value| (least..=most).contains(value))
}

#[cfg(test)]
mod tests;
