//! The answering end: one connection, one request.

use std::collections::VecDeque;
use std::time::Duration;

use thiserror::Error;

use crate::time::Time;
use crate::wire::tvs::{
    Answer, Command, Duplicates, HEADER_LEN, Header, Message, Request, STATUS_FOUND, Tags,
};
use crate::wire::{WireError, WireErrorKind};

/// Where a server looks certificates up: the trust stores of a node.
pub trait CertificateSource: Send + Sync {
    /// The certificate with this issuer and serial. Names are as trust lists write them, the serial
    /// is the raw content of the INTEGER. Real servers look up issuer and serial alone; the subject
    /// is there for the log.
    fn query(&self, subject: &[u8], issuer: &[u8], serial: &[u8], now: Time) -> Option<Found>;

    /// The roles of this certificate (DER).
    fn verify(&self, certificate: &[u8], now: Time) -> Option<Found>;
}

/// A certificate that a server vouches for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The certificate, DER.
    pub certificate: Vec<u8>,
    /// Role numbers, one byte each.
    pub roles: Vec<u8>,
    /// How long the phone may keep the answer, in seconds.
    pub ttl_secs: u32,
}

/// What a query for an unknown certificate gets (setting `tvs.miss`). What CUCM does is not known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Miss {
    /// Status 1 and nothing else, as `tvsd` answers a VERIFY.
    #[default]
    StatusOnly,
    /// No answer: the connection is closed.
    Close,
}

/// How a server answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ServerSettings {
    /// The tags that no source shows (settings `tvs.query_issuer_tag`, `tvs.query_serial_tag`).
    pub tags: Tags,
    /// What a request with an element twice is.
    pub duplicates: Duplicates,
    /// What a query for an unknown certificate gets.
    pub miss: Miss,
    /// The header's reserved byte in answers: 0 from `tvsd`, `F7` from a CUCM 10.5 (Cisco 213407).
    pub reserved: u8,
    /// From the start of the connection to the whole request.
    pub request_within: Duration,
    /// Largest request body, in bytes. Its length field ends at 65,535.
    pub max_body: u16,
}

impl Default for ServerSettings {
    /// Ten seconds for a request, as `tvsd -t`; bodies of any size that the length field can say.
    fn default() -> Self {
        Self {
            tags: Tags::default(),
            duplicates: Duplicates::default(),
            miss: Miss::default(),
            reserved: 0,
            request_within: Duration::from_secs(10),
            max_body: u16::MAX,
        }
    }
}

/// One connection that is already up, and its one request.
///
/// Feed what arrives to [`handle_bytes`](Self::handle_bytes), the end of the connection to
/// [`handle_end`](Self::handle_end), and call [`handle_timeout`](Self::handle_timeout) when
/// [`next_timeout`](Self::next_timeout) has come. Write what
/// [`poll_transmit`](Self::poll_transmit) gives, and close when
/// [`is_finished`](Self::is_finished): a request that cannot be read is closed without a word, as
/// `tvsd` does, and the reason is an event.
#[derive(Debug)]
pub struct ServerExchange {
    settings: ServerSettings,
    /// What has arrived of the request, never more than its length field says.
    received: Vec<u8>,
    deadline: Time,
    finished: bool,
    answer: Option<Vec<u8>>,
    /// At most two: what was asked, and how it ended.
    events: VecDeque<ServerEvent>,
}

impl ServerExchange {
    /// A connection that came up at `now`.
    pub fn new(settings: ServerSettings, now: Time) -> Self {
        Self {
            settings,
            received: Vec::new(),
            deadline: now + settings.request_within,
            finished: false,
            answer: None,
            events: VecDeque::new(),
        }
    }

    /// Takes bytes of the request, in whatever pieces they come. What follows the request is passed
    /// over: one connection has one.
    pub fn handle_bytes(&mut self, bytes: &[u8], source: &dyn CertificateSource, now: Time) {
        self.handle_timeout(now);
        let mut rest = bytes;
        while !self.finished && !rest.is_empty() {
            let missing = match self.missing() {
                Ok(missing) => missing,
                Err(reason) => return self.refuse(reason),
            };
            let (piece, after) = rest.split_at(missing.min(rest.len()));
            self.received.extend_from_slice(piece);
            rest = after;
            match self.missing() {
                Ok(0) => self.serve(source, now),
                Ok(_) => {}
                Err(reason) => self.refuse(reason),
            }
        }
    }

    /// The client has closed.
    pub fn handle_end(&mut self, now: Time) {
        self.handle_timeout(now);
        if !self.finished {
            self.refuse(RefuseReason::Closed {
                received: self.received.len(),
            });
        }
    }

    /// Gives up if the deadline has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        if now >= self.deadline && !self.finished {
            self.refuse(RefuseReason::Deadline {
                received: self.received.len(),
            });
        }
    }

    /// When the machine wants to be woken; `None` once it has finished.
    pub fn next_timeout(&self) -> Option<Time> {
        (!self.finished).then_some(self.deadline)
    }

    /// The answer, once.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.answer.take()
    }

    /// What happened, in order.
    pub fn poll_event(&mut self) -> Option<ServerEvent> {
        self.events.pop_front()
    }

    /// True when nothing more will be read: write what is left, then close.
    pub fn is_finished(&self) -> bool {
        self.finished
    }

    /// Bytes that the request still needs: of its header, then of the whole.
    fn missing(&self) -> Result<usize, RefuseReason> {
        if self.received.len() < HEADER_LEN {
            return Ok(HEADER_LEN - self.received.len());
        }
        let header = Header::parse(&self.received)?;
        if header.command.response().is_none() {
            return Err(RefuseReason::NotARequest(header.command));
        }
        if header.body_len > self.settings.max_body {
            let limit = usize::from(self.settings.max_body);
            let kind = WireErrorKind::TooLarge {
                limit,
                actual: usize::from(header.body_len),
            };
            return Err(WireError::new(8, "body length", kind).into());
        }
        Ok(header.message_len().saturating_sub(self.received.len()))
    }

    fn serve(&mut self, source: &dyn CertificateSource, now: Time) {
        if let Err(reason) = self.answer(source, now) {
            self.refuse(reason);
        }
        self.finished = true;
        // An answered connection may linger until the client closes; it need not hold this.
        self.received = Vec::new();
    }

    fn answer(&mut self, source: &dyn CertificateSource, now: Time) -> Result<(), RefuseReason> {
        let ServerSettings {
            tags,
            duplicates,
            miss,
            reserved,
            ..
        } = self.settings;
        let message = Message::parse(&self.received, &tags)?;
        let request = message.request(&tags, duplicates)?;
        let found = match &request {
            Request::Query {
                subject,
                issuer,
                serial,
                ..
            } => source.query(subject, issuer, serial, now),
            Request::Verify { certificate, .. } => source.verify(certificate, now),
        };
        let response = request.response();
        self.events.push_back(ServerEvent::Asked {
            session: message.session,
            request,
        });
        let query = response == Command::QueryResponse;
        let answer = match found {
            Some(found) => Answer {
                status: STATUS_FOUND,
                // Who asks with VERIFY has the certificate already.
                certificate: query.then_some(found.certificate),
                roles: Some(found.roles),
                ttl_secs: Some(found.ttl_secs),
            },
            None if query && miss == Miss::Close => return Err(RefuseReason::Unknown),
            None => Answer::unknown(),
        };
        let mut reply = Message::from_answer(&answer, response, message.session, &tags);
        reply.reserved = reserved;
        let bytes = reply.emit().map_err(RefuseReason::AnswerTooLarge)?;
        let length = bytes.len();
        self.answer = Some(bytes);
        self.events.push_back(ServerEvent::Answered {
            session: message.session,
            status: answer.status,
            roles: answer.roles.unwrap_or_default(),
            bytes: length,
        });
        Ok(())
    }

    fn refuse(&mut self, reason: RefuseReason) {
        self.finished = true;
        self.received = Vec::new();
        self.events.push_back(ServerEvent::Refused(reason));
    }
}

/// What happened on a connection.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A request was read.
    Asked {
        /// The client's session number.
        session: u32,
        /// What it asks.
        request: Request,
    },
    /// An answer was given.
    Answered {
        /// The client's session number.
        session: u32,
        /// 0 for a certificate that is known.
        status: u8,
        /// Its roles; empty if it is not known.
        roles: Vec<u8>,
        /// Size of the answer, in bytes.
        bytes: usize,
    },
    /// The connection gets no answer.
    Refused(RefuseReason),
}

/// For a log.
impl std::fmt::Display for ServerEvent {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Asked { request, .. } => {
                let message = request.command().number();
                write!(
                    f,
                    "asked, message type {message}, by {}",
                    request.device().escape_ascii()
                )
            }
            Self::Answered {
                status,
                roles,
                bytes,
                ..
            } => {
                write!(
                    f,
                    "answered with status {status}, roles {roles:?}, {bytes} bytes"
                )
            }
            Self::Refused(reason) => write!(f, "not answered: {reason}"),
        }
    }
}

/// Why a connection gets no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RefuseReason {
    /// The request is not what the format says.
    #[error("malformed request: {0}")]
    Malformed(#[from] WireError),
    /// The message is an answer.
    #[error("command {} is no request", .0.number())]
    NotARequest(Command),
    /// The certificate is not known, and [`Miss::Close`] says to close then.
    #[error("the certificate is not known")]
    Unknown,
    /// What was found does not fit into a message.
    #[error("the answer does not fit: {0}")]
    AnswerTooLarge(WireError),
    /// The client closed before its request was whole.
    #[error("the client closed after {received} bytes of its request")]
    Closed {
        /// Bytes that had arrived.
        received: usize,
    },
    /// The request was not whole in time.
    #[error("no whole request in time, {received} bytes had arrived")]
    Deadline {
        /// Bytes that had arrived.
        received: usize,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Time = Time::from_millis(1_000);

    /// Knows the serial 7 of `CN=b`, and every certificate that starts with 30.
    struct Store;

    impl CertificateSource for Store {
        fn query(&self, _: &[u8], issuer: &[u8], serial: &[u8], _: Time) -> Option<Found> {
            (issuer == b"CN=b" && serial == [7]).then(found)
        }

        fn verify(&self, certificate: &[u8], _: Time) -> Option<Found> {
            certificate.starts_with(&[0x30]).then(found)
        }
    }

    fn found() -> Found {
        Found {
            certificate: vec![0x30; 40],
            roles: vec![0, 3],
            ttl_secs: 86_400,
        }
    }

    fn query(serial: u8) -> Request {
        Request::Query {
            device: b"CP-8861-SEP001122334455".to_vec(),
            subject: b"CN=a".to_vec(),
            issuer: b"CN=b".to_vec(),
            serial: vec![serial],
        }
    }

    fn bytes(request: &Request) -> Vec<u8> {
        Message::from_request(request, 1001, &Tags::default())
            .emit()
            .unwrap()
    }

    fn serve(settings: ServerSettings, bytes: &[u8]) -> ServerExchange {
        let mut server = ServerExchange::new(settings, NOW);
        server.handle_bytes(bytes, &Store, NOW);
        server
    }

    fn answer(server: &mut ServerExchange) -> Answer {
        let message = Message::parse(&server.poll_transmit().unwrap(), &Tags::default()).unwrap();
        assert_eq!(message.session, 1001);
        message
            .answer(&Tags::default(), Duplicates::Refuse)
            .unwrap()
    }

    fn events(server: &mut ServerExchange) -> Vec<ServerEvent> {
        std::iter::from_fn(|| server.poll_event()).collect()
    }

    fn reason(server: &mut ServerExchange) -> RefuseReason {
        assert!(server.is_finished());
        assert_eq!(server.poll_transmit(), None, "not a byte");
        let Some(ServerEvent::Refused(reason)) = events(server).pop() else {
            panic!()
        };
        reason
    }

    #[test]
    fn a_query_gets_certificate_roles_and_life_time() {
        let mut server = serve(ServerSettings::default(), &bytes(&query(7)));
        assert!(server.is_finished());
        let Found {
            certificate,
            roles,
            ttl_secs,
        } = found();
        assert_eq!(
            answer(&mut server),
            Answer {
                status: STATUS_FOUND,
                certificate: Some(certificate),
                roles: Some(roles.clone()),
                ttl_secs: Some(ttl_secs)
            }
        );
        assert_eq!(
            events(&mut server),
            [
                ServerEvent::Asked {
                    session: 1001,
                    request: query(7)
                },
                ServerEvent::Answered {
                    session: 1001,
                    status: 0,
                    roles,
                    bytes: 10 + 4 + 43 + 5 + 7
                },
            ]
        );
    }

    #[test]
    fn a_verify_gets_roles_and_life_time_alone() {
        let verify = |first| Request::Verify {
            device: b"d".to_vec(),
            certificate: vec![first; 9],
        };
        let mut server = serve(ServerSettings::default(), &bytes(&verify(0x30)));
        let reply = server.poll_transmit().unwrap();
        assert_eq!(
            reply,
            b"\x57\x01\x02\x00\x00\x00\x03\xe9\x00\x10\x07\x00\x01\x00\
              \x08\x00\x02\x00\x03\x09\x00\x04\x00\x01\x51\x80"
        );
        // A VERIFY miss is always status 1: tvsd does that, and `miss` is about queries.
        let settings = ServerSettings {
            miss: Miss::Close,
            ..ServerSettings::default()
        };
        let mut server = serve(settings, &bytes(&verify(0x31)));
        assert_eq!(answer(&mut server), Answer::unknown());
    }

    #[test]
    fn a_miss_is_a_status_or_a_close() {
        let mut server = serve(ServerSettings::default(), &bytes(&query(8)));
        assert_eq!(answer(&mut server), Answer::unknown());
        let settings = ServerSettings {
            miss: Miss::Close,
            ..ServerSettings::default()
        };
        let mut server = serve(settings, &bytes(&query(8)));
        assert_eq!(reason(&mut server), RefuseReason::Unknown);
    }

    #[test]
    fn a_request_may_be_split_anywhere_and_be_followed_by_another() {
        let bytes = [bytes(&query(7)), bytes(&query(8))].concat();
        for first in 0..bytes.len() {
            let mut server = serve(ServerSettings::default(), &bytes[..first]);
            server.handle_bytes(&bytes[first..], &Store, NOW);
            assert_eq!(answer(&mut server).status, STATUS_FOUND, "split at {first}");
            assert_eq!(server.poll_transmit(), None, "one request a connection");
        }
        let mut server = serve(ServerSettings::default(), &[]);
        bytes
            .iter()
            .for_each(|byte| server.handle_bytes(&[*byte], &Store, NOW));
        assert_eq!(answer(&mut server).status, STATUS_FOUND);
    }

    #[test]
    fn the_reserved_byte_is_a_setting() {
        let settings = ServerSettings {
            reserved: 0xF7,
            ..ServerSettings::default()
        };
        let mut server = serve(settings, &bytes(&query(7)));
        assert_eq!(server.poll_transmit().unwrap()[3], 0xF7);
    }

    #[test]
    fn what_cannot_be_read_is_closed_without_a_word() {
        let good = bytes(&query(7));
        for cut in 0..good.len() {
            let mut server = serve(ServerSettings::default(), &good[..cut]);
            assert!(!server.is_finished());
            server.handle_end(NOW);
            assert_eq!(reason(&mut server), RefuseReason::Closed { received: cut });
        }
        for bit in 0..good.len() * 8 {
            let mut damaged = good.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let mut server = serve(ServerSettings::default(), &damaged);
            server.handle_end(NOW);
            assert!(server.is_finished(), "bit {bit}");
            assert!(!events(&mut server).is_empty());
        }
        let mut server = serve(ServerSettings::default(), b"GET / HTTP/1.0\r\n");
        let malformed = reason(&mut server);
        assert_eq!(
            malformed.to_string(),
            "malformed request: offset 0: message id: found 71, expected 87"
        );
        let mut server = serve(
            ServerSettings::default(),
            &[0x57, 1, 4, 0, 0, 0, 0, 1, 0, 0],
        );
        assert_eq!(
            reason(&mut server),
            RefuseReason::NotARequest(Command::QueryResponse)
        );
    }

    #[test]
    fn the_deadline_holds_whatever_dribbles_in() {
        let good = bytes(&query(7));
        let mut server = serve(ServerSettings::default(), &good[..3]);
        let deadline = server.next_timeout().unwrap();
        assert_eq!(deadline, NOW + ServerSettings::default().request_within);
        let just_before = Time::from_micros(deadline.as_micros() - 1);
        server.handle_bytes(&good[3..5], &Store, just_before);
        server.handle_bytes(&good[5..], &Store, deadline);
        assert_eq!(reason(&mut server), RefuseReason::Deadline { received: 5 });
    }

    #[test]
    fn sizes_are_limited() {
        let settings = ServerSettings {
            max_body: 40,
            ..ServerSettings::default()
        };
        let mut server = serve(settings, &bytes(&query(7))[..HEADER_LEN]);
        assert!(reason(&mut server).to_string().ends_with("the limit is 40"));

        struct Huge;
        impl CertificateSource for Huge {
            fn query(&self, _: &[u8], _: &[u8], _: &[u8], _: Time) -> Option<Found> {
                Some(Found {
                    certificate: vec![0; 70_000],
                    roles: vec![0],
                    ttl_secs: 1,
                })
            }
            fn verify(&self, _: &[u8], _: Time) -> Option<Found> {
                None
            }
        }
        let mut server = ServerExchange::new(ServerSettings::default(), NOW);
        server.handle_bytes(&bytes(&query(7)), &Huge, NOW);
        assert!(matches!(
            reason(&mut server),
            RefuseReason::AnswerTooLarge(_)
        ));
    }
}
