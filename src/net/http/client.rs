//! One file over one connection.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Empty};
use hyper::body::{Body, Bytes, Incoming};
use hyper::client::conn::http1;
use hyper::ext::ReasonPhrase;
use hyper::{Request, header};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;

use super::path;
use crate::net::tls::{ClientTls, TlsFailure, TlsInfo};
use crate::phone::HttpFailure;

/// Bytes of the head of an answer, at most. Real ones have a few hundred.
const MAX_HEAD: usize = 64 * 1024;

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// The words behind it.
    pub reason: String,
    /// The body; empty unless the status is 200.
    pub body: Vec<u8>,
}

/// A connection over which one file may be asked for. Dropping it closes it.
#[derive(Debug)]
pub struct Connection {
    sender: http1::SendRequest<Empty<Bytes>>,
    /// Passes bytes between hyper and the socket.
    driver: JoinHandle<()>,
    host: SocketAddr,
    tls: Option<TlsInfo>,
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Connects to a server, over TLS where there is a configuration for it. `within` is for all of it.
///
/// # Errors
/// Nobody listens, TLS fails, or the time is over.
pub async fn connect(
    address: SocketAddr,
    tls: Option<&ClientTls>,
    within: Duration,
) -> Result<Connection, HttpFailure> {
    let opened = connect_or_kind(address, tls, within).await;
    opened.map_err(|(failure, _)| failure)
}

/// The same, and where TCP fails, how: a refusal of the host is told from a network without a way.
///
/// # Errors
/// As for [`connect`].
pub(crate) async fn connect_or_kind(
    address: SocketAddr,
    tls: Option<&ClientTls>,
    within: Duration,
) -> Result<Connection, (HttpFailure, Option<io::ErrorKind>)> {
    let opening = async {
        let tcp = TcpStream::connect(address).await.map_err(|e| {
            let kind = e.kind();
            (HttpFailure::Refused(kind.to_string()), Some(kind))
        })?;
        // Every write is a whole request; waiting for more only costs time. A socket that refuses
        // works all the same.
        let _ = tcp.set_nodelay(true);
        let Some(tls) = tls else {
            return Connection::open(tcp, address, None).await.map_err(only);
        };
        let name = ServerName::IpAddress(address.ip().into());
        let handshake = TlsConnector::from(tls.config()).connect(name, tcp);
        let stream = handshake.await;
        let stream = stream.map_err(|e| only(HttpFailure::Tls(TlsFailure::of(&e).to_string())))?;
        let info = TlsInfo::of(stream.get_ref().1);
        let opened = Connection::open(stream, address, Some(info)).await;
        opened.map_err(only)
    };
    timeout(within, opening)
        .await
        .unwrap_or(Err(only(HttpFailure::TimedOut)))
}

/// A failure after TCP.
fn only(failure: HttpFailure) -> (HttpFailure, Option<io::ErrorKind>) {
    (failure, None)
}

impl Connection {
    async fn open(
        stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
        host: SocketAddr,
        tls: Option<TlsInfo>,
    ) -> Result<Self, HttpFailure> {
        let (sender, connection) = http1::Builder::new()
            .max_buf_size(MAX_HEAD)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(|e| failure(&e))?;
        // Its error is also that of the request.
        let driver = tokio::spawn(async {
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            driver,
            host,
            tls,
        })
    }

    /// What TLS negotiated, and the server's certificate; none without TLS.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_ref()
    }

    /// Asks for `path`, which begins with a slash; what a path may not hold is escaped. `within` is for the whole answer.
    ///
    /// # Errors
    /// No whole answer came, or not in time, or its body has more than `max_bytes`.
    pub async fn get(
        mut self,
        path: &str,
        max_bytes: usize,
        within: Duration,
    ) -> Result<Answer, HttpFailure> {
        let request = Request::get(&*path::escape(path))
            .header(header::HOST, self.host.to_string())
            .header(header::ACCEPT, "*/*")
            .header(header::CONNECTION, "close")
            .body(Empty::new())
            .map_err(|e| {
                HttpFailure::Refused(format!("no request can be made of this name: {e}"))
            })?;
        let asking = async {
            let response = self.sender.send_request(request).await;
            let response = response.map_err(|e| failure(&e))?;
            let status = response.status();
            let written = response.extensions().get::<ReasonPhrase>();
            let reason = match written {
                Some(phrase) => String::from_utf8_lossy(phrase.as_bytes()).into_owned(),
                None => status.canonical_reason().unwrap_or_default().to_owned(),
            };
            let body = if status.as_u16() == 200 {
                read(response.into_body(), max_bytes).await?
            } else {
                Vec::new()
            };
            let status = status.as_u16();
            Ok(Answer {
                status,
                reason,
                body,
            })
        };
        timeout(within, asking)
            .await
            .unwrap_or(Err(HttpFailure::TimedOut))
    }
}

async fn read(mut body: Incoming, max_bytes: usize) -> Result<Vec<u8>, HttpFailure> {
    let too_large = HttpFailure::TooLarge { limit: max_bytes };
    if body.size_hint().lower() > max_bytes as u64 {
        return Err(too_large);
    }
    let mut bytes = Vec::new();
    while let Some(frame) = body.frame().await {
        // The head of the answer has come.
        let frame = frame.map_err(|e| match failure(&e) {
            HttpFailure::NoAnswer => HttpFailure::CutOff { bytes: bytes.len() },
            other => other,
        })?;
        let Some(data) = frame.data_ref() else {
            continue;
        };
        if data.len() > max_bytes - bytes.len() {
            return Err(too_large);
        }
        bytes.extend_from_slice(data);
    }
    Ok(bytes)
}

fn failure(error: &hyper::Error) -> HttpFailure {
    if error.is_parse() {
        return HttpFailure::Protocol(error.to_string());
    }
    let inner = std::error::Error::source(error).and_then(|e| e.downcast_ref::<io::Error>());
    match inner.map(TlsFailure::of) {
        Some(TlsFailure::Closed(_)) | None => HttpFailure::NoAnswer,
        Some(other) => HttpFailure::Tls(other.to_string()),
    }
}
