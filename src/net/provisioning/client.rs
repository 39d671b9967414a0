//! Drives the machine of a resync on real sockets. It holds no rule.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::{HeaderMap, Method, header};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;

use super::dns::Dns;
use super::tls::PhoneTls;
use crate::net::tls::{Identity, TlsFailure};
use crate::provisioning::resync::{
    Answer, Connect, ConnectFault, End, Fault, Happening, Request, Resync, Step,
};
use crate::provisioning::verify::Trusted;

/// Bytes of the head of an answer, at most.
const MAX_HEAD: usize = 64 * 1024;

/// Bytes that are read of the page that comes with a failure.
const MAX_PAGE: usize = 4 * 1024;

/// How long a page that comes with a failure is waited for, and how long before the end of the time
/// for an answer that ends. It only explains, so any time would do.
const PAGE_WAIT: Duration = Duration::from_secs(2);
const PAGE_MARGIN: Duration = Duration::from_millis(100);

/// A phone's sockets, and its certificate.
pub struct Client {
    dns: Dns,
    identity: Option<Identity>,
    /// Where the servers of a lab really are; none for a phone in the world.
    lab: Option<Arc<BTreeMap<SocketAddr, SocketAddr>>>,
}

impl Client {
    /// A phone that asks `dns`, and presents `identity` to servers that demand one.
    pub fn new(dns: Dns, identity: Option<Identity>) -> Self {
        let lab = None;
        Self { dns, identity, lab }
    }

    /// The same phone in a lab whose servers are at other addresses than it knows: nobody listens at
    /// those that are not among these.
    #[must_use]
    pub fn in_lab(mut self, addresses: Arc<BTreeMap<SocketAddr, SocketAddr>>) -> Self {
        self.lab = Some(addresses);
        self
    }

    /// Runs a resync to its end. `tell` hears what happens.
    pub async fn run(&self, resync: &mut Resync, mut tell: impl FnMut(Happening)) -> End {
        let mut connection = None;
        loop {
            match resync.poll() {
                Some(Step::Tell(happening)) => tell(happening),
                Some(Step::Resolve {
                    host,
                    peer,
                    aaaa,
                    within,
                }) => {
                    let found = self.dns.look_up(&host, peer, aaaa, within).await;
                    resync.handle_lookup(found);
                }
                Some(Step::Connect(connect)) => {
                    connection = None;
                    let opened = self.connect(&connect).await;
                    resync.handle_connection(opened.map(|(opened, trusted)| {
                        connection = Some(opened);
                        trusted
                    }));
                }
                Some(Step::Send(request)) => {
                    let asked = match connection.take() {
                        Some(connection) => ask(connection, &request).await,
                        None => Err(Fault::NoAnswer("the connection is closed".into())),
                    };
                    resync.handle_answer(asked);
                }
                Some(Step::End(end)) => return end,
                // Every step has been answered, so there is always a next one.
                None => unreachable!("a resync waits for nothing that it was not given"),
            }
        }
    }

    async fn connect(
        &self,
        connect: &Connect,
    ) -> Result<(Connection, Option<Trusted>), ConnectFault> {
        timeout(connect.within, self.open(connect))
            .await
            .unwrap_or_else(|_| {
                let why = format!("no connection within {} s", connect.within.as_secs());
                Err(ConnectFault::Unreachable(why))
            })
    }

    async fn open(&self, connect: &Connect) -> Result<(Connection, Option<Trusted>), ConnectFault> {
        let unreachable = |e: io::Error| ConnectFault::Unreachable(e.kind().to_string());
        let address = match &self.lab {
            None => connect.address,
            Some(lab) => *lab
                .get(&connect.address)
                .ok_or_else(|| unreachable(io::ErrorKind::ConnectionRefused.into()))?,
        };
        let tcp = TcpStream::connect(address).await.map_err(unreachable)?;
        // Every write is a whole request; a socket that refuses this works all the same.
        let _ = tcp.set_nodelay(true);
        let Some((host, checker)) = &connect.tls else {
            let connection = Connection::open(tcp).await;
            return connection.map(|c| (c, None)).map_err(ConnectFault::Tls);
        };
        let phone = PhoneTls::new(connect, host, checker, self.identity.as_ref())?;
        let handshake = TlsConnector::from(phone.config()).connect(phone.name(), tcp);
        let shaken = handshake.await.map_err(|e| TlsFailure::of(&e));
        let (stream, trusted) = phone.outcome(shaken)?;
        let connection = Connection::open(stream).await.map_err(ConnectFault::Tls)?;
        Ok((connection, Some(trusted)))
    }
}

/// A connection over which one request goes. Dropping it closes it.
struct Connection {
    sender: http1::SendRequest<Full<Bytes>>,
    /// Passes bytes between hyper and the socket.
    driver: JoinHandle<()>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Connection {
    async fn open(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ) -> Result<Self, String> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| e.to_string())?;
        // Its error is also that of the request.
        let driver = tokio::spawn(async {
            let _ = connection.await;
        });
        Ok(Self { sender, driver })
    }
}

async fn ask(mut connection: Connection, request: &Request) -> Result<Answer, Fault> {
    let within = request.within;
    let started = Instant::now();
    let asking = async {
        let method = match request.method {
            "POST" => Method::POST,
            _ => Method::GET,
        };
        let mut message = hyper::Request::builder().method(method).uri(&request.path);
        for (name, value) in &request.headers {
            message = message.header(*name, value);
        }
        let body = Full::new(Bytes::from(request.body.clone()));
        let message = message.body(body);
        let message = message.map_err(|e| Fault::NoAnswer(format!("no request: {e}")))?;
        let response = connection.sender.send_request(message).await;
        let response = response.map_err(|e| failure(&e))?;
        let mut answer = head(response.status().as_u16(), response.headers());
        let body = response.into_body();
        if (200..=299).contains(&answer.status) {
            answer.body = whole(body, request.max_bytes).await?;
            return Ok(answer);
        }
        // The status is known; a page that does not come must not take its place.
        let end = started + within.saturating_sub(PAGE_MARGIN);
        let late = timeout_at(
            end.min(Instant::now() + PAGE_WAIT),
            beginning(body, &mut answer.body),
        );
        let _ = late.await;
        Ok(answer)
    };
    let waited = timeout(within, asking).await;
    waited.unwrap_or_else(|_| Err(late(within)))
}

fn late(within: Duration) -> Fault {
    Fault::NoAnswer(format!("not within {} s", within.as_secs()))
}

fn head(status: u16, headers: &HeaderMap) -> Answer {
    let text = |name: &header::HeaderName| {
        let value = headers.get(name)?;
        Some(String::from_utf8_lossy(value.as_bytes()).into_owned())
    };
    let challenges = [header::WWW_AUTHENTICATE, header::PROXY_AUTHENTICATE];
    let challenges = challenges.iter().flat_map(|name| headers.get_all(name));
    Answer {
        status,
        location: text(&header::LOCATION),
        challenges: challenges
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect(),
        content_encoding: text(&header::CONTENT_ENCODING),
        body: Vec::new(),
    }
}

async fn whole(mut body: Incoming, limit: usize) -> Result<Vec<u8>, Fault> {
    if body.size_hint().lower() > limit as u64 {
        return Err(Fault::TooLarge { limit });
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|e| failure(&e))?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if data.len() > limit - bytes.len() {
            return Err(Fault::TooLarge { limit });
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

/// The beginning of a page that only explains: what does not come does not matter.
async fn beginning(mut body: Incoming, bytes: &mut Vec<u8>) {
    while let Some(Ok(frame)) = body.frame().await {
        bytes.extend_from_slice(frame.data_ref().map_or(&[], |data| &data[..]));
        if bytes.len() >= MAX_PAGE {
            bytes.truncate(MAX_PAGE);
            break;
        }
    }
}

fn failure(error: &hyper::Error) -> Fault {
    let inner = std::error::Error::source(error).and_then(|e| e.downcast_ref::<io::Error>());
    match inner.map(TlsFailure::of) {
        Some(TlsFailure::Alert { code, name }) => Fault::Alert { code, name },
        Some(TlsFailure::Closed(kind)) => Fault::NoAnswer(kind.to_string()),
        Some(other) => Fault::Tls(other.to_string()),
        None => Fault::NoAnswer(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    use super::*;

    /// What a phone that waits 5 s takes from a server that says this, and then nothing more.
    async fn answered(said: &'static [u8]) -> Result<Answer, Fault> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let _ = stream.read(&mut [0; 1024]).await;
            stream.write_all(said).await.unwrap();
            // Until the phone closes.
            let _ = stream.read_to_end(&mut Vec::new()).await;
        });
        let stream = TcpStream::connect(address).await.unwrap();
        let request = Request {
            method: "GET",
            path: "/a".into(),
            headers: vec![("host", "127.0.0.1".into())],
            body: Vec::new(),
            max_bytes: 100,
            within: Duration::from_secs(5),
        };
        let answer = ask(Connection::open(stream).await.unwrap(), &request).await;
        server.await.unwrap();
        answer
    }

    #[tokio::test]
    async fn a_page_that_stalls_leaves_its_status() {
        let head = b"HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\n";
        assert_eq!(
            answered(head).await.map(|a| (a.status, a.body)),
            Ok((404, Vec::new()))
        );
        let moved = b"HTTP/1.1 302 Found\r\nLocation: /b\r\nContent-Length: 100\r\n\r\nhalf a";
        let answer = answered(moved).await.unwrap();
        assert_eq!(answer.location.as_deref(), Some("/b"));
        assert_eq!(answer.body, b"half a");
    }

    #[tokio::test]
    async fn a_profile_that_stalls_is_no_answer() {
        let head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n<flat-profile>";
        let fault = answered(head).await.unwrap_err();
        assert_eq!(fault.code(), "no-answer");
    }
}
