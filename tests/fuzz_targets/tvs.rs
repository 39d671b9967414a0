//! Both ends of a TVS exchange under a script: bytes in pieces, changed, cut off, late.

use std::time::Duration;

use super::Script;
use trustline::time::Time;
use trustline::tvs::{
    CertificateSource, ClientSettings, Exchange, ExchangeError, Found, Miss, ServerExchange,
    ServerSettings,
};
use trustline::wire::tvs::{Answer, DEFAULT_TTL_SECS, HEADER_LEN, Request};

/// Knows every certificate whose serial begins with a 7.
struct Sevens;

impl Sevens {
    fn found() -> Found {
        Found {
            certificate: b"a certificate".to_vec(),
            roles: vec![0, 4],
            ttl_secs: DEFAULT_TTL_SECS,
        }
    }
}

impl CertificateSource for Sevens {
    fn query(&self, _: &[u8], _: &[u8], serial: &[u8], _: Time) -> Option<Found> {
        serial.starts_with(&[7]).then(Self::found)
    }

    fn verify(&self, certificate: &[u8], _: Time) -> Option<Found> {
        certificate.starts_with(&[7]).then(Self::found)
    }
}

/// Both ends, what is between them, and what they have done.
struct Ends {
    now: Time,
    client: Exchange,
    server: ServerExchange,
    to_server: Vec<u8>,
    to_client: Vec<u8>,
    answers: u32,
    outcome: Option<Result<Answer, ExchangeError>>,
    /// Nobody changed a byte on the way or made one up.
    is_honest: bool,
}

pub(super) fn both_ends(data: &[u8]) {
    let mut script = Script(data);
    let settings = ServerSettings {
        miss: if script.byte() & 1 == 0 {
            Miss::StatusOnly
        } else {
            Miss::Close
        },
        ..ServerSettings::default()
    };
    let text = |script: &mut Script<'_>| {
        let length = usize::from(script.byte());
        script.take(length).to_vec()
    };
    let device = text(&mut script);
    let request = if script.byte() & 1 == 0 {
        Request::Query {
            device,
            subject: text(&mut script),
            issuer: text(&mut script),
            serial: text(&mut script),
        }
    } else {
        Request::Verify {
            device,
            certificate: text(&mut script),
        }
    };
    let Ok(client) = Exchange::new(&request, 5, ClientSettings::default(), Time::ZERO) else {
        return;
    };
    let mut ends = Ends {
        now: Time::ZERO,
        client,
        server: ServerExchange::new(settings, Time::ZERO),
        to_server: Vec::new(),
        to_client: Vec::new(),
        answers: 0,
        outcome: None,
        is_honest: true,
    };
    while let Some(input) = script.next() {
        ends.input(input, &mut script);
        ends.poll();
    }
    ends.end();
}

impl Ends {
    fn input(&mut self, input: u8, script: &mut Script<'_>) {
        match input % 8 {
            0 | 1 => {
                let count = usize::from(script.byte()).min(self.to_server.len());
                let piece: Vec<_> = self.to_server.drain(..count).collect();
                self.server.handle_bytes(&piece, &Sevens, self.now);
            }
            2 | 3 => {
                let count = usize::from(script.byte()).min(self.to_client.len());
                let piece: Vec<_> = self.to_client.drain(..count).collect();
                self.client.handle_bytes(&piece, self.now);
            }
            4 => {
                let count = usize::from(script.byte());
                let made_up = script.take(count);
                self.is_honest = false;
                if input & 8 == 0 {
                    self.server.handle_bytes(made_up, &Sevens, self.now);
                } else {
                    self.client.handle_bytes(made_up, self.now);
                }
            }
            5 => {
                let (at, mask) = (usize::from(script.byte()), script.byte());
                let bytes = if input & 8 == 0 {
                    &mut self.to_server
                } else {
                    &mut self.to_client
                };
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= mask;
                    self.is_honest = false;
                }
            }
            6 => {
                self.now += Duration::from_millis(u64::from(script.byte()) * 100);
                self.client.handle_timeout(self.now);
                self.server.handle_timeout(self.now);
            }
            _ if input & 8 == 0 => self.server.handle_end(self.now),
            _ => self.client.handle_end(self.now),
        }
    }

    fn poll(&mut self) {
        if let Some(bytes) = self.client.poll_transmit() {
            self.to_server.extend(bytes);
        }
        if let Some(bytes) = self.server.poll_transmit() {
            self.answers += 1;
            assert!(self.server.is_finished() && bytes.len() >= HEADER_LEN);
            self.to_client.extend(bytes);
        }
        let mut events = 0;
        while let Some(event) = self.server.poll_event() {
            events += 1;
            assert!(!event.to_string().is_empty());
        }
        assert!(events <= 2, "a connection has one request");
        if let Some(outcome) = self.client.poll_outcome() {
            assert!(self.outcome.replace(outcome).is_none(), "one outcome");
        }
        assert!(self.answers <= 1, "one answer");
        assert_eq!(
            self.server.next_timeout().is_none(),
            self.server.is_finished()
        );
        assert_eq!(self.client.next_timeout().is_none(), self.outcome.is_some());
    }

    /// Whatever came before, the deadlines end both.
    fn end(mut self) {
        self.poll();
        for _ in 0..2 {
            let wake = [self.client.next_timeout(), self.server.next_timeout()];
            let Some(at) = wake.into_iter().flatten().max() else {
                break;
            };
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now);
            self.server.handle_timeout(self.now);
            self.poll();
        }
        assert!(self.server.is_finished(), "the server ends");
        let outcome = self.outcome.expect("the client ends");
        if let Ok(answer) = outcome
            && self.is_honest
            && let Some(certificate) = answer.certificate
        {
            assert_eq!(certificate, Sevens::found().certificate);
        }
    }
}
