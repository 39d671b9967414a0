//! TVS of one node: the certificate that it shows, and what it says of signers.

use std::net::SocketAddr;
use std::time::Duration;

use super::{Door, MOST_FAILURES, Turns, seconds};
use crate::net::tls::{Identity, TlsFailure};
use crate::net::tvs::{
    ALLOW_LEGACY, AskError, Connection, Deadlines, DialError, LEGACY_BUILT_IN, Phase, TvsTls, dial,
};
use crate::tvs::{ClientSettings, ExchangeError};
use crate::wire::tvs::{Answer, Request, STATUS_FOUND, STATUS_UNKNOWN};

/// A signer that TVS is asked about, named as in the header of the file that it signed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Question {
    /// Issuer name, without the closing NUL.
    pub issuer: Vec<u8>,
    /// Serial number, as the file has it.
    pub serial: Vec<u8>,
    /// Subject name, without the closing NUL.
    pub subject: Vec<u8>,
}

/// As whom TVS is asked.
#[derive(Clone, Debug)]
pub struct AskedAs {
    /// `CP-8861-SEP001122334455`.
    pub device: String,
    /// Certificates of TVS that the phone's lists hold, DER: it speaks to no other server.
    pub pins: Vec<Vec<u8>>,
    /// Its certificate, which TVS may ask for.
    pub identity: Option<Identity>,
    /// How questions are written.
    pub settings: ClientSettings,
}

/// What TVS said of a signer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TvsAnswer {
    /// It vouches for it.
    Found {
        /// The certificate, DER.
        certificate: Vec<u8>,
        /// Role numbers.
        roles: Vec<u8>,
        /// How long a phone may keep the answer, in seconds.
        ttl_secs: u32,
    },
    /// It does not know it.
    Unknown,
    /// It closed without an answer.
    Closed,
    /// There is no answer: why, in words for a person.
    Failed(String),
}

/// What was seen of a TVS.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TvsSeen {
    /// Whether anybody answers; why that is not known.
    pub door: Result<Door, String>,
    /// The certificate that it shows, DER, pinned or not; why that is not known.
    pub certificate: Result<Vec<u8>, String>,
    /// What it said, in the order of the questions.
    pub answers: Vec<TvsAnswer>,
}

impl TvsSeen {
    fn new() -> Self {
        let why = "there was no time left to look";
        Self {
            door: Err(why.into()),
            certificate: Err(why.into()),
            answers: Vec::new(),
        }
    }

    /// Questions that were not answered until now have no answer.
    fn give_up(mut self, questions: &[Question], why: &str) -> Self {
        let lost = || TvsAnswer::Failed(why.to_owned());
        self.answers.resize_with(questions.len(), lost);
        self
    }
}

/// Asks a TVS each question, each over a connection of its own as phones do; without one it is only
/// connected to. A TVS whose certificate is not pinned shows it, and is asked nothing: no phone would.
pub async fn tvs(
    at: SocketAddr,
    questions: &[Question],
    asked_as: &AskedAs,
    within: Duration,
    turns: &Turns,
) -> TvsSeen {
    let mut seen = TvsSeen::new();
    let mut failures = 0;
    let deadlines = Deadlines {
        connect: within,
        handshake: within,
        total: within.saturating_mul(2),
    };
    for n in 0..questions.len().max(1) {
        if turns.take().await.is_none() {
            return seen.give_up(questions, "the time for this node was over");
        }
        let identity = asked_as.identity.as_ref();
        let tls = TvsTls::LegacyIfRefused;
        let dialled = dial(at, asked_as.pins.clone(), identity, tls, deadlines).await;
        let connection = match dialled {
            Ok(dialled) => dialled.connection,
            Err(error) => {
                let why = failed(&mut seen, error, within);
                failures += 1;
                // What fails once it has answered may have been chance.
                if failures >= MOST_FAILURES || seen.answers.is_empty() {
                    return seen.give_up(questions, &why);
                }
                seen.answers.push(TvsAnswer::Failed(why));
                continue;
            }
        };
        seen.door = Ok(Door::Open);
        let shown = connection.info().peer_certificate.clone();
        seen.certificate = shown.ok_or_else(|| "it shows no certificate".into());
        let Some(question) = questions.get(n) else {
            return seen;
        };
        let answer = ask(connection, question, n, asked_as, within).await;
        failures = match &answer {
            TvsAnswer::Failed(_) => failures + 1,
            _ => 0,
        };
        seen.answers.push(answer);
        if failures >= MOST_FAILURES {
            let why = format!("not asked: {failures} questions in a row had no answer that tells");
            return seen.give_up(questions, &why);
        }
    }
    seen
}

async fn ask(
    connection: Connection,
    question: &Question,
    number: usize,
    asked_as: &AskedAs,
    within: Duration,
) -> TvsAnswer {
    let request = Request::Query {
        device: asked_as.device.clone().into_bytes(),
        subject: question.subject.clone(),
        issuer: question.issuer.clone(),
        serial: question.serial.clone(),
    };
    // As phones count them, from 1001 on (Cisco 213407).
    const FIRST_SESSION: u32 = 1_001;
    let session = FIRST_SESSION.wrapping_add(u32::try_from(number).unwrap_or_default());
    let settings = ClientSettings {
        answer_within: within,
        ..asked_as.settings
    };
    match connection.ask(&request, session, settings).await {
        Ok(answer) => said(answer),
        Err(AskError::Exchange(ExchangeError::Closed { received, .. })) if received.is_empty() => {
            TvsAnswer::Closed
        }
        Err(AskError::Exchange(ExchangeError::Deadline { .. })) => {
            TvsAnswer::Failed(format!("no whole answer within {}", seconds(within)))
        }
        Err(error) => TvsAnswer::Failed(error.to_string()),
    }
}

/// What an answer says of the signer.
fn said(answer: Answer) -> TvsAnswer {
    match (answer.status, answer.certificate) {
        (STATUS_FOUND, Some(certificate)) => TvsAnswer::Found {
            certificate,
            roles: answer.roles.unwrap_or_default(),
            ttl_secs: answer.ttl_secs.unwrap_or_default(),
        },
        (STATUS_UNKNOWN, _) => TvsAnswer::Unknown,
        // It may be a fault of the server that is gone at the next question.
        (status, _) => TvsAnswer::Failed(format!(
            "it answers with status {status}, which is neither found nor unknown"
        )),
    }
}

/// Notes what a connection that did not come up says of the server, and gives why in words.
fn failed(seen: &mut TvsSeen, error: DialError, within: Duration) -> String {
    let (door, why) = match error {
        DialError::Failed(AskError::Tls(TlsFailure::NotPinned { presented })) => {
            seen.certificate = Ok(presented);
            let why = "it shows a certificate that is in none of the lists that were read";
            seen.door = Ok(Door::Open);
            return why.into();
        }
        DialError::Failed(AskError::Connect(kind)) => (Door::of_failure(kind), kind.to_string()),
        DialError::Failed(AskError::Timeout(Phase::Connect)) => {
            let why = format!("no connection within {}", seconds(within));
            (Ok(Door::Silent), why)
        }
        DialError::Failed(AskError::Timeout(Phase::Handshake)) => {
            let why = format!(
                "it takes the connection and does not come to TLS within {}",
                seconds(within)
            );
            (Ok(Door::Open), why)
        }
        error @ DialError::TooOld { .. } if !LEGACY_BUILT_IN => {
            (Ok(Door::Open), format!("{error}: {ALLOW_LEGACY}"))
        }
        other => (Ok(Door::Open), other.to_string()),
    };
    if seen.door != Ok(Door::Open) {
        seen.door = door;
    }
    if seen.certificate.is_err() {
        seen.certificate = Err(why.clone());
    }
    why
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::TcpListener;

    use super::*;

    const WITHIN: Duration = Duration::from_millis(400);

    fn asked_as() -> AskedAs {
        AskedAs {
            device: "CP-8861-SEP001122334455".into(),
            pins: vec![vec![0x30]],
            identity: None,
            settings: ClientSettings::default(),
        }
    }

    async fn look(at: SocketAddr) -> TvsSeen {
        let question = Question {
            issuer: b"CN=a".to_vec(),
            serial: vec![7],
            subject: b"CN=a".to_vec(),
        };
        let turns = Turns::new(1_000.0, Duration::from_secs(60));
        let questions = [question.clone(), question];
        let seen = tvs(at, &questions, &asked_as(), WITHIN, &turns).await;
        assert_eq!(seen.answers.len(), 2);
        assert!(
            seen.answers
                .iter()
                .all(|a| matches!(a, TvsAnswer::Failed(_)))
        );
        assert!(seen.certificate.is_err());
        seen
    }

    #[tokio::test]
    async fn nobody_is_refused_and_strange_ones_are_open() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        drop(listener);
        assert_eq!(look(at).await.door, Ok(Door::Refused));
    }

    #[tokio::test]
    async fn a_server_that_says_nothing_or_something_else_ends_in_time() {
        for reply in [None, Some(&b"HTTP/1.0 400 Bad Request\r\n\r\n"[..])] {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
            let at = listener.local_addr().unwrap();
            tokio::spawn(async move {
                let mut open = Vec::new();
                while let Ok((mut stream, _)) = listener.accept().await {
                    let mut buffer = [0; 1_024];
                    if let Some(reply) = reply {
                        let _ = stream.read(&mut buffer).await;
                        let _ = stream.write_all(reply).await;
                    }
                    open.push(stream);
                }
            });
            assert_eq!(look(at).await.door, Ok(Door::Open));
        }
    }

    #[test]
    fn only_the_status_for_it_says_that_a_signer_is_unknown() {
        assert_eq!(said(Answer::unknown()), TvsAnswer::Unknown);
        let odd = Answer {
            status: 7,
            ..Answer::unknown()
        };
        let TvsAnswer::Failed(why) = said(odd) else {
            panic!("status 7 is taken for an answer");
        };
        assert!(why.contains("status 7"), "{why}");
    }

    /// `protocol_version`, as a server of TLS 1.0 alone sends it.
    #[cfg(not(feature = "legacy-tls"))]
    #[tokio::test]
    async fn old_tls_names_the_feature() {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = listener.local_addr().unwrap();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut buffer = [0; 1_024];
                let _ = stream.read(&mut buffer).await;
                let _ = stream.write_all(&[21, 3, 1, 0, 2, 2, 70]).await;
            }
        });
        let seen = look(at).await;
        assert_eq!(seen.door, Ok(Door::Open));
        let why = seen.certificate.unwrap_err();
        assert!(why.contains("--features legacy-tls"), "{why}");
    }
}
