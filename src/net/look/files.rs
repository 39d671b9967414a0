//! Files: TFTP, HTTP and HTTPS of one node.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use super::{Door, MOST_FAILURES, Turns, seconds};
use crate::net::http as web;
use crate::net::tftp as datagrams;
use crate::net::tls::{ClientTls, TlsOptions};
use crate::phone::HttpFailure;
use crate::tftp::{ClientConfig, ClientEvent, Outcome};
use crate::trust::certificate::escape_for_terminal;

/// The largest file that is taken, in bytes: what a phone takes.
const MAX_BYTES: usize = crate::wire::phone_config::MAX_BYTES;
/// The longest text of a server that is repeated.
const MAX_TEXT: usize = 80;

/// What became of a request for a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FileAnswer {
    /// The file.
    File(Vec<u8>),
    /// The server has no such file: error 1 of TFTP.
    NotFound,
    /// Another status of HTTP than 200.
    Status(u16),
    /// No whole answer: why, in words for a person.
    Failed(String),
}

/// What was seen of a file service.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FilesSeen {
    /// Whether anybody answers; why that is not known.
    pub door: Result<Door, String>,
    /// The certificate that the server shows, DER; over TLS alone.
    pub certificate: Option<Vec<u8>>,
    /// What it said, by the name that was asked for.
    pub files: BTreeMap<String, FileAnswer>,
}

impl FilesSeen {
    fn nothing() -> Self {
        Self {
            door: Err("there was no time left to look".into()),
            certificate: None,
            files: BTreeMap::new(),
        }
    }

    /// Files that were asked for are as lost as those before them.
    fn give_up(&mut self, names: &[String], why: &str) {
        for name in names {
            let lost = || FileAnswer::Failed(why.to_owned());
            self.files.entry(name.clone()).or_insert_with(lost);
        }
    }
}

/// Asks a TFTP server for files, one after the other. A server of which nothing comes for the first of
/// them is [`Door::Silent`]; one that sends blocks, only not all of them in time, is not.
pub async fn tftp(at: SocketAddr, names: &[String], within: Duration, turns: &Turns) -> FilesSeen {
    let config = ClientConfig {
        max_bytes: MAX_BYTES,
        // The server repeats its last block to nobody for a while, which costs it nothing.
        dally: Duration::ZERO,
        deadline: within,
        ..ClientConfig::default()
    };
    let mut seen = FilesSeen::nothing();
    let mut failures = 0;
    for (n, name) in names.iter().enumerate() {
        if turns.take().await.is_none() {
            seen.give_up(&names[n..], "the time for this node was over");
            return seen;
        }
        let mut is_heard = false;
        let heard = |event| {
            let is_nobody = matches!(
                event,
                ClientEvent::Retransmitted { .. } | ClientEvent::Stranger { .. }
            );
            is_heard |= !is_nobody;
        };
        let outcome = datagrams::get_watched(name.as_bytes(), at, config, heard).await;
        let is_late = matches!(outcome, Ok(Outcome::TimedOut));
        let (door, answer) = match outcome {
            Ok(Outcome::Done(bytes)) => (Ok(Door::Open), FileAnswer::File(bytes)),
            Ok(outcome) if outcome.is_not_found() => (Ok(Door::Open), FileAnswer::NotFound),
            Ok(Outcome::Refused { code, text }) => {
                let text = shortened(&text);
                let why = format!("TFTP error {}: {text}", code.0);
                (Ok(Door::Open), FileAnswer::Failed(why))
            }
            Ok(Outcome::TooLarge { limit, .. }) => {
                let why = format!("larger than the {limit} bytes that a phone takes");
                (Ok(Door::Open), FileAnswer::Failed(why))
            }
            Ok(Outcome::Protocol(error)) => {
                let why = format!("what came is not TFTP: {error:?}");
                (Ok(Door::Open), FileAnswer::Failed(why))
            }
            Ok(Outcome::TimedOut) => {
                let why = format!("not whole within {}", seconds(within));
                let door = match is_heard {
                    true => Door::Open,
                    false => Door::Silent,
                };
                (Ok(door), FileAnswer::Failed(why))
            }
            Err(error) => {
                // Over UDP nobody refuses.
                let door = Door::of_failure(error.kind()).map(|_| Door::Silent);
                (door, FileAnswer::Failed(error.to_string()))
            }
        };
        failures = match door {
            Ok(Door::Open) if !is_late => 0,
            _ => failures + 1,
        };
        if seen.door != Ok(Door::Open) {
            seen.door = door;
        }
        seen.files.insert(name.clone(), answer);
        if failures >= MOST_FAILURES {
            let why = format!("not asked for: {failures} requests in a row had no whole answer");
            seen.give_up(names, &why);
            return seen;
        }
    }
    seen
}

/// Asks an HTTP server for files, each over a connection of its own, as phones do.
pub async fn http(at: SocketAddr, names: &[String], within: Duration, turns: &Turns) -> FilesSeen {
    web_files(at, None, names, within, turns).await
}

/// The same over HTTPS; the certificate is read and judged by nobody. Without a name it is only
/// looked at.
pub async fn https(at: SocketAddr, names: &[String], within: Duration, turns: &Turns) -> FilesSeen {
    match ClientTls::any(None, TlsOptions::default()) {
        Ok(tls) => web_files(at, Some(&tls), names, within, turns).await,
        Err(error) => FilesSeen {
            door: Err(error.to_string()),
            ..FilesSeen::nothing()
        },
    }
}

async fn web_files(
    at: SocketAddr,
    tls: Option<&ClientTls>,
    names: &[String],
    within: Duration,
    turns: &Turns,
) -> FilesSeen {
    let mut seen = FilesSeen::nothing();
    let mut failures = 0;
    let looks = names.iter().map(Some);
    let looks: Vec<_> = match names {
        [] => vec![None],
        _ => looks.collect(),
    };
    for name in looks {
        if turns.take().await.is_none() {
            seen.give_up(names, "the time for this node was over");
            return seen;
        }
        let connection = match web::connect_or_kind(at, tls, within).await {
            Ok(connection) => connection,
            Err((failure, kind)) => {
                let why = text(&failure, within);
                failures += 1;
                if seen.door != Ok(Door::Open) {
                    seen.door = match (&failure, kind) {
                        (_, Some(kind)) => Door::of_failure(kind),
                        (HttpFailure::TimedOut, _) => Ok(Door::Silent),
                        // Somebody answers, and not with what a phone could speak to.
                        _ => Err(why.clone()),
                    };
                }
                if failures >= MOST_FAILURES || seen.door != Ok(Door::Open) {
                    seen.give_up(names, &why);
                    return seen;
                }
                if let Some(name) = name {
                    seen.files.insert(name.clone(), FileAnswer::Failed(why));
                }
                continue;
            }
        };
        seen.door = Ok(Door::Open);
        if let Some(shown) = connection.tls().and_then(|t| t.peer_certificate.clone()) {
            seen.certificate = Some(shown);
        }
        let Some(name) = name else { return seen };
        let answer = match connection.get(&format!("/{name}"), MAX_BYTES, within).await {
            Ok(answer) => match answer.status {
                200 => FileAnswer::File(answer.body),
                status => FileAnswer::Status(status),
            },
            Err(failure) => FileAnswer::Failed(text(&failure, within)),
        };
        failures = match &answer {
            FileAnswer::Failed(_) => failures + 1,
            _ => 0,
        };
        seen.files.insert(name.clone(), answer);
        if failures >= MOST_FAILURES {
            let why = format!("not asked for: {failures} requests in a row had no whole answer");
            seen.give_up(names, &why);
            return seen;
        }
    }
    seen
}

fn text(failure: &HttpFailure, within: Duration) -> String {
    match failure {
        HttpFailure::Refused(why) => why.clone(),
        HttpFailure::NoAnswer => "closed without an answer".into(),
        HttpFailure::CutOff { bytes } => format!("cut off after {bytes} bytes"),
        HttpFailure::TimedOut => format!("not whole within {}", seconds(within)),
        HttpFailure::Tls(why) => why.clone(),
        HttpFailure::TooLarge { limit } => {
            format!("larger than the {limit} bytes that a phone takes")
        }
        HttpFailure::Protocol(why) => format!("what came is not HTTP: {why}"),
    }
}

/// A text of the server, as it may be printed.
fn shortened(text: &[u8]) -> String {
    let cut = &text[..text.len().min(MAX_TEXT)];
    match escape_for_terminal(cut) {
        empty if empty.is_empty() => "no text".into(),
        shown => shown,
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::wire::tftp::{ErrorCode, Packet, error_packet};

    const WITHIN: Duration = Duration::from_millis(400);

    fn turns() -> Turns {
        Turns::new(1_000.0, Duration::from_secs(60))
    }

    fn names(all: &[&str]) -> Vec<String> {
        all.iter().map(ToString::to_string).collect()
    }

    /// Answers each request over TFTP with what `reply` gives, from the port that it came to.
    async fn tftp_server(reply: fn(&[u8]) -> Option<Vec<u8>>) -> SocketAddr {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let at = socket.local_addr().unwrap();
        tokio::spawn(async move {
            let mut buffer = [0; 2_048];
            while let Ok((n, from)) = socket.recv_from(&mut buffer).await {
                if let Some(bytes) = reply(&buffer[..n]) {
                    socket.send_to(&bytes, from).await.unwrap();
                }
            }
        });
        at
    }

    /// Takes connections, reads what comes first and writes `reply`; without one it stays mute.
    async fn web_server(reply: Option<&'static [u8]>) -> SocketAddr {
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
        at
    }

    #[tokio::test]
    async fn a_file_that_is_not_there_is_an_answer() {
        let at = tftp_server(|request| match Packet::parse(request) {
            Ok(Packet::ReadRequest(r)) if r.file == b"there" => {
                let block = 1;
                let data = b"bytes";
                Some(Packet::Data { block, data }.to_bytes())
            }
            Ok(Packet::ReadRequest(r)) if r.file == b"secret" => {
                Some(error_packet(ErrorCode::ACCESS_VIOLATION, "no\u{1b}[m"))
            }
            Ok(Packet::ReadRequest(_)) => Some(error_packet(ErrorCode::NOT_FOUND, "none")),
            _ => None,
        })
        .await;
        let all = names(&["gone", "there", "secret"]);
        let seen = tftp(at, &all, WITHIN, &turns()).await;
        assert_eq!(seen.door, Ok(Door::Open));
        assert_eq!(seen.files["gone"], FileAnswer::NotFound);
        assert_eq!(seen.files["there"], FileAnswer::File(b"bytes".to_vec()));
        let FileAnswer::Failed(why) = &seen.files["secret"] else {
            panic!("{:?}", seen.files["secret"]);
        };
        assert!(why.starts_with("TFTP error 2: no"), "{why}");
        assert!(!why.contains('\u{1b}'), "{why}");
    }

    /// Neither a server that says nothing nor one that stops in the middle holds it up, and neither
    /// is asked for all that is left.
    #[tokio::test]
    async fn tftp_that_says_nothing_or_stops_ends_in_time() {
        let mute = tftp_server(|_| None).await;
        let stops = tftp_server(|request| match Packet::parse(request) {
            Ok(Packet::ReadRequest(_)) => {
                let (block, data) = (1, &[7; 512][..]);
                Some(Packet::Data { block, data }.to_bytes())
            }
            _ => None,
        })
        .await;
        let all = names(&["a", "b", "c", "d"]);
        for (at, door) in [(mute, Door::Silent), (stops, Door::Open)] {
            let turns = turns();
            let seen = tftp(at, &all, WITHIN, &turns).await;
            assert_eq!(seen.door, Ok(door));
            assert_eq!(seen.files.len(), 4);
            assert!(
                seen.files
                    .values()
                    .all(|f| matches!(f, FileAnswer::Failed(_)))
            );
            assert_eq!(turns.taken(), 2);
        }
    }

    #[tokio::test]
    async fn http_is_what_the_server_says() {
        let page = web_server(Some(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>")).await;
        let seen = http(page, &names(&["ITLFile.tlv"]), WITHIN, &turns()).await;
        assert_eq!(seen.door, Ok(Door::Open));
        let html = FileAnswer::File(b"<html>".to_vec());
        assert_eq!(seen.files["ITLFile.tlv"], html);

        let forbidden = web_server(Some(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")).await;
        let seen = http(forbidden, &names(&["a"]), WITHIN, &turns()).await;
        assert_eq!(seen.files["a"], FileAnswer::Status(403));
    }

    #[tokio::test]
    async fn strange_servers_end_in_time() {
        let all = names(&["a", "b", "c"]);
        let not_http = web_server(Some(b"SSH-2.0-OpenSSH_9.2\r\n")).await;
        let mute = web_server(None).await;
        let trickle = web_server(Some(b"HTTP/1.1 200 OK\r\nContent-Length: 60000\r\n\r\nx")).await;
        for at in [not_http, mute, trickle] {
            let turns = turns();
            let seen = http(at, &all, WITHIN, &turns).await;
            assert_eq!(seen.door, Ok(Door::Open));
            assert!(
                seen.files
                    .values()
                    .all(|f| matches!(f, FileAnswer::Failed(_)))
            );
            assert_eq!((seen.files.len(), turns.taken()), (3, 2));
        }
        // Over TLS each of them fails before it is asked.
        for at in [not_http, mute] {
            let seen = https(at, &[], WITHIN, &turns()).await;
            assert_ne!(seen.door, Ok(Door::Open), "{seen:?}");
            assert_eq!(seen.certificate, None);
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_once_the_time_is_over() {
        let at = web_server(None).await;
        let over = Turns::new(1_000.0, Duration::ZERO);
        let all = names(&["a"]);
        for seen in [
            tftp(at, &all, WITHIN, &over).await,
            http(at, &all, WITHIN, &over).await,
        ] {
            assert!(seen.door.is_err());
            assert!(matches!(seen.files["a"], FileAnswer::Failed(_)));
        }
    }
}
