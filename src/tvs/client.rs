//! The asking end: one question over one connection.

use std::time::Duration;

use thiserror::Error;

use crate::time::Time;
use crate::wire::WireError;
use crate::wire::tvs::{
    Answer, Command, Duplicates, HEADER_LEN, Header, Message, Request, STATUS_FOUND, Tags,
};

/// How a client asks.
#[derive(Clone, Copy, Debug)]
pub struct ClientSettings {
    /// The tags that no source shows (settings `tvs.query_issuer_tag`, `tvs.query_serial_tag`).
    pub tags: Tags,
    /// What an answer with an element twice is.
    pub duplicates: Duplicates,
    /// From the request to the whole answer.
    pub answer_within: Duration,
}

impl Default for ClientSettings {
    /// Ten seconds for an answer, the choice of the open `tvsc`; what phones wait is not known.
    fn default() -> Self {
        Self {
            tags: Tags::default(),
            duplicates: Duplicates::default(),
            answer_within: Duration::from_secs(10),
        }
    }
}

/// One question over one connection that is already up.
///
/// Write what [`poll_transmit`](Self::poll_transmit) gives, in one write (real servers want the
/// header in one piece); feed what arrives to [`handle_bytes`](Self::handle_bytes), the end of the
/// connection to [`handle_end`](Self::handle_end), and call
/// [`handle_timeout`](Self::handle_timeout) when [`next_timeout`](Self::next_timeout) has come.
/// [`poll_outcome`](Self::poll_outcome) then gives the answer or the error, once.
#[derive(Debug)]
pub struct Exchange {
    settings: ClientSettings,
    command: Command,
    session: u32,
    request: Option<Vec<u8>>,
    /// What has arrived of the answer, never more than its length field says.
    received: Vec<u8>,
    deadline: Time,
    state: State,
}

#[derive(Debug)]
enum State {
    Waiting,
    Finished(Result<Answer, ExchangeError>),
    /// The outcome was taken.
    Taken,
}

impl Exchange {
    /// Asks `request` under the session number `session`, which the server must echo.
    ///
    /// # Errors
    /// The request does not fit into a message.
    pub fn new(
        request: &Request,
        session: u32,
        settings: ClientSettings,
        now: Time,
    ) -> Result<Self, WireError> {
        let message = Message::from_request(request, session, &settings.tags);
        Ok(Self {
            settings,
            command: message.command,
            session,
            request: Some(message.emit()?),
            received: Vec::new(),
            deadline: now + settings.answer_within,
            state: State::Waiting,
        })
    }

    /// The request, once.
    pub fn poll_transmit(&mut self) -> Option<Vec<u8>> {
        self.request.take()
    }

    /// Takes bytes of the answer, in whatever pieces they come. The answer counts as soon as its
    /// length field is satisfied; what follows is passed over, because whether it has arrived yet
    /// is chance.
    pub fn handle_bytes(&mut self, bytes: &[u8], now: Time) {
        self.handle_timeout(now);
        let mut rest = bytes;
        while matches!(self.state, State::Waiting) && !rest.is_empty() {
            let missing = match self.missing() {
                Ok(missing) => missing,
                Err(error) => return self.finish(Err(error)),
            };
            let (piece, after) = rest.split_at(missing.min(rest.len()));
            self.received.extend_from_slice(piece);
            rest = after;
            match self.missing() {
                Ok(0) => {
                    let answer = self.read_answer();
                    self.finish(answer);
                }
                Ok(_) => {}
                Err(error) => self.finish(Err(error)),
            }
        }
    }

    /// The server has closed, with or without a `close_notify`: real ones send none.
    pub fn handle_end(&mut self, now: Time) {
        self.handle_timeout(now);
        if matches!(self.state, State::Waiting) {
            // A damaged header is reported as soon as it is whole, so only lengths are left here.
            let missing = self.missing().unwrap_or(HEADER_LEN);
            let received = std::mem::take(&mut self.received);
            self.finish(Err(ExchangeError::Closed { received, missing }));
        }
    }

    /// Gives up if the deadline has passed.
    pub fn handle_timeout(&mut self, now: Time) {
        if now >= self.deadline && matches!(self.state, State::Waiting) {
            let received = std::mem::take(&mut self.received);
            self.finish(Err(ExchangeError::Deadline { received }));
        }
    }

    /// When the machine wants to be woken; `None` once it has an outcome.
    pub fn next_timeout(&self) -> Option<Time> {
        matches!(self.state, State::Waiting).then_some(self.deadline)
    }

    /// The answer, or why there is none. Given once.
    pub fn poll_outcome(&mut self) -> Option<Result<Answer, ExchangeError>> {
        match std::mem::replace(&mut self.state, State::Taken) {
            State::Finished(outcome) => Some(outcome),
            other => {
                self.state = other;
                None
            }
        }
    }

    /// Bytes that the answer still needs: of its header, then of the whole.
    fn missing(&self) -> Result<usize, ExchangeError> {
        if self.received.len() < HEADER_LEN {
            return Ok(HEADER_LEN - self.received.len());
        }
        let header = Header::parse(&self.received)?;
        let expected = self.command.response();
        if Some(header.command) != expected {
            return Err(ExchangeError::Command {
                sent: self.command,
                received: header.command,
            });
        }
        if header.session != self.session {
            let (sent, received) = (self.session, header.session);
            return Err(ExchangeError::Session { sent, received });
        }
        Ok(header.message_len().saturating_sub(self.received.len()))
    }

    fn read_answer(&self) -> Result<Answer, ExchangeError> {
        let message = Message::parse(&self.received, &self.settings.tags)?;
        let answer = message.answer(&self.settings.tags, self.settings.duplicates)?;
        // The phone has only names and a serial: without the certificate it cannot check anything.
        let lacking = answer.certificate.as_ref().is_none_or(Vec::is_empty);
        if self.command == Command::QueryRequest && answer.status == STATUS_FOUND && lacking {
            return Err(ExchangeError::NoCertificate);
        }
        Ok(answer)
    }

    fn finish(&mut self, outcome: Result<Answer, ExchangeError>) {
        self.state = State::Finished(outcome);
    }
}

/// Why a question has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ExchangeError {
    /// The answer is not what the format says.
    #[error("malformed answer: {0}")]
    Malformed(#[from] WireError),
    /// The answer is to another kind of question.
    #[error("command {} answers no request of command {}", received.number(), sent.number())]
    Command {
        /// What was asked.
        sent: Command,
        /// What came back.
        received: Command,
    },
    /// The answer is to another session.
    #[error("the answer is for session {received:#010x}, asked was {sent:#010x}")]
    Session {
        /// The number in the request.
        sent: u32,
        /// The number in the answer.
        received: u32,
    },
    /// The server found the certificate and did not send it.
    #[error("the answer says found and holds no certificate")]
    NoCertificate,
    /// The server closed before the answer was whole. `tvsd` does that for every request that it
    /// cannot read.
    #[error("the server closed after {} bytes, at least {missing} more were due", received.len())]
    Closed {
        /// What had arrived.
        received: Vec<u8>,
        /// Bytes that were missing: of the header, or of the message once its length was known.
        missing: usize,
    },
    /// The answer was not whole in time.
    #[error("no whole answer in time, {} bytes had arrived", received.len())]
    Deadline {
        /// What had arrived.
        received: Vec<u8>,
    },
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::tvs::STATUS_UNKNOWN;

    const NOW: Time = Time::from_millis(1_000);

    fn query() -> Request {
        Request::Query {
            device: b"CP-8861-SEP001122334455".to_vec(),
            subject: b"CN=a".to_vec(),
            issuer: b"CN=b".to_vec(),
            serial: vec![7],
        }
    }

    fn found() -> Answer {
        Answer {
            status: STATUS_FOUND,
            certificate: Some(vec![0x30; 40]),
            roles: Some(vec![0, 3]),
            ttl_secs: Some(86_400),
        }
    }

    fn reply(answer: &Answer, session: u32) -> Vec<u8> {
        let tags = Tags::default();
        Message::from_answer(answer, Command::QueryResponse, session, &tags)
            .emit()
            .unwrap()
    }

    fn exchange() -> Exchange {
        let mut exchange = Exchange::new(&query(), 1001, ClientSettings::default(), NOW).unwrap();
        let request = exchange.poll_transmit().unwrap();
        assert_eq!(Header::parse(&request).unwrap().session, 1001);
        assert_eq!(exchange.poll_transmit(), None, "one write");
        exchange
    }

    fn outcome(bytes: &[u8]) -> Option<Result<Answer, ExchangeError>> {
        let mut exchange = exchange();
        exchange.handle_bytes(bytes, NOW);
        exchange.poll_outcome()
    }

    #[test]
    fn the_answer_counts_without_a_close() {
        let mut exchange = exchange();
        let bytes = reply(&found(), 1001);
        exchange.handle_bytes(&bytes[..bytes.len() - 1], NOW);
        assert_eq!(exchange.poll_outcome(), None);
        exchange.handle_bytes(&bytes[bytes.len() - 1..], NOW);
        assert_eq!(exchange.next_timeout(), None);
        exchange.handle_end(NOW);
        assert_eq!(exchange.poll_outcome(), Some(Ok(found())));
        assert_eq!(exchange.poll_outcome(), None, "given once");
    }

    #[test]
    fn the_answer_may_be_split_anywhere_and_be_followed_by_more() {
        let bytes = [reply(&found(), 1001), b"more".to_vec()].concat();
        for first in 0..=bytes.len() {
            for second in [first, bytes.len()] {
                let mut exchange = exchange();
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    exchange.handle_bytes(piece, NOW);
                }
                assert_eq!(
                    exchange.poll_outcome(),
                    Some(Ok(found())),
                    "split at {first}"
                );
            }
        }
        let mut exchange = exchange();
        bytes
            .iter()
            .for_each(|byte| exchange.handle_bytes(&[*byte], NOW));
        assert_eq!(exchange.poll_outcome(), Some(Ok(found())));
    }

    #[test]
    fn missing_roles_and_life_time_are_data() {
        let bare = Answer {
            roles: None,
            ttl_secs: None,
            ..found()
        };
        assert_eq!(outcome(&reply(&bare, 1001)), Some(Ok(bare)));
        let unknown = Answer::unknown();
        assert_eq!(unknown.status, STATUS_UNKNOWN);
        assert_eq!(outcome(&reply(&unknown, 1001)), Some(Ok(unknown)));
    }

    #[test]
    fn an_answer_to_something_else_is_refused() {
        assert_eq!(
            outcome(&reply(&found(), 1002)),
            Some(Err(ExchangeError::Session {
                sent: 1001,
                received: 1002
            }))
        );
        let mut bytes = reply(&found(), 1001);
        bytes[2] = 2;
        let sent = Command::QueryRequest;
        let received = Command::VerifyResponse;
        assert_eq!(
            outcome(&bytes),
            Some(Err(ExchangeError::Command { sent, received }))
        );
        bytes[1] = 2;
        let Some(Err(ExchangeError::Malformed(error))) = outcome(&bytes) else {
            panic!()
        };
        assert_eq!(error.to_string(), "offset 1: version: found 2, expected 1");
        for certificate in [None, Some(Vec::new())] {
            let hit = Answer {
                certificate,
                ..found()
            };
            assert_eq!(
                outcome(&reply(&hit, 1001)),
                Some(Err(ExchangeError::NoCertificate))
            );
        }
    }

    #[test]
    fn an_early_close_says_what_was_read() {
        let bytes = reply(&found(), 1001);
        for cut in 0..bytes.len() {
            let mut exchange = exchange();
            exchange.handle_bytes(&bytes[..cut], NOW);
            exchange.handle_end(NOW);
            let missing = if cut < HEADER_LEN {
                HEADER_LEN
            } else {
                bytes.len()
            } - cut;
            let received = bytes[..cut].to_vec();
            assert_eq!(
                exchange.poll_outcome(),
                Some(Err(ExchangeError::Closed { received, missing }))
            );
        }
    }

    #[test]
    fn the_deadline_holds_whatever_dribbles_in() {
        let bytes = reply(&found(), 1001);
        let mut exchange = exchange();
        let deadline = exchange.next_timeout().unwrap();
        assert_eq!(deadline, NOW + ClientSettings::default().answer_within);
        exchange.handle_bytes(&bytes[..3], NOW);
        exchange.handle_timeout(NOW);
        assert_eq!(
            exchange.next_timeout(),
            Some(deadline),
            "bytes do not move it"
        );
        exchange.handle_bytes(&bytes[3..], deadline);
        let received = bytes[..3].to_vec();
        assert_eq!(
            exchange.poll_outcome(),
            Some(Err(ExchangeError::Deadline { received }))
        );
    }

    #[test]
    fn a_damaged_answer_is_an_outcome() {
        let bytes = reply(&found(), 1001);
        for bit in 0..bytes.len() * 8 {
            let mut damaged = bytes.clone();
            damaged[bit / 8] ^= 1 << (bit % 8);
            let mut exchange = exchange();
            exchange.handle_bytes(&damaged, NOW);
            exchange.handle_end(NOW);
            match exchange.poll_outcome().unwrap() {
                Ok(answer) => assert!(answer != found() || bit / 8 == 3, "bit {bit}"),
                Err(error) => assert!(!error.to_string().is_empty()),
            }
        }
    }
}
