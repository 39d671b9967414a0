//! A phone's end on a real socket.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use rustls::pki_types::ServerName;
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, timeout_at};
use tokio_rustls::TlsConnector;

use super::stream::ClientStream;
use crate::net::clock::Clock;
#[cfg(feature = "legacy-tls")]
use crate::net::tls::LegacyTls;
use crate::net::tls::{ClientTls, TlsFailure, TlsInfo};
use crate::tvs::{ClientSettings, Exchange, ExchangeError};
use crate::wire::WireError;
use crate::wire::tvs::{Answer, Request};

/// How long a client waits. How long real phones do is not known; without a limit on the handshake
/// a client of an overloaded `tvsd` waits for half a minute.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    /// For the TCP connection.
    pub connect: Duration,
    /// For the TLS handshake.
    pub handshake: Duration,
    /// For everything, the answer included; the answer's own limit is
    /// [`ClientSettings::answer_within`].
    pub total: Duration,
}

impl Default for Deadlines {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(5),
            handshake: Duration::from_secs(10),
            total: Duration::from_secs(20),
        }
    }
}

/// Connects, asks one question and closes.
///
/// # Errors
/// What [`connect`] and [`Connection::ask`] say.
pub async fn ask(
    addr: SocketAddr,
    tls: &ClientTls,
    request: &Request,
    session: u32,
    settings: ClientSettings,
    deadlines: Deadlines,
) -> Result<(Answer, TlsInfo), AskError> {
    let connection = connect(addr, tls, deadlines).await?;
    let info = connection.info().clone();
    let answer = connection.ask(request, session, settings).await?;
    Ok((answer, info))
}

/// Connects to a server and checks that its certificate is one of the pinned ones.
///
/// # Errors
/// No connection, no handshake in time, a certificate that is not pinned (the error holds it),
/// another failure of TLS.
pub async fn connect(
    addr: SocketAddr,
    tls: &ClientTls,
    deadlines: Deadlines,
) -> Result<Connection, AskError> {
    let (tcp, give_up) = open(addr, deadlines).await?;
    let by = give_up.min(Instant::now() + deadlines.handshake);
    let name = ServerName::IpAddress(addr.ip().into());
    let handshake = TlsConnector::from(tls.config()).connect(name, tcp);
    let stream = match timeout_at(by, handshake).await {
        Ok(done) => done.map_err(|e| AskError::Tls(TlsFailure::of(&e)))?,
        Err(_) => return Err(AskError::Timeout(Phase::Handshake)),
    };
    let info = TlsInfo::of(stream.get_ref().1);
    Ok(Connection {
        stream: ClientStream::Rustls(Box::new(stream)),
        info,
        give_up,
    })
}

/// The same as [`connect`], with the TLS of old servers.
///
/// # Errors
/// As [`connect`].
#[cfg(feature = "legacy-tls")]
pub async fn connect_legacy(
    addr: SocketAddr,
    tls: &LegacyTls,
    deadlines: Deadlines,
) -> Result<Connection, AskError> {
    let (tcp, give_up) = open(addr, deadlines).await?;
    let by = give_up.min(Instant::now() + deadlines.handshake);
    let stream = match timeout_at(by, tls.connect(tcp)).await {
        Ok(done) => done.map_err(AskError::Tls)?,
        Err(_) => return Err(AskError::Timeout(Phase::Handshake)),
    };
    let info = stream.info();
    Ok(Connection {
        stream: ClientStream::Legacy(Box::new(stream)),
        info,
        give_up,
    })
}

/// A TCP connection, and when the whole question must be over.
async fn open(addr: SocketAddr, deadlines: Deadlines) -> Result<(TcpStream, Instant), AskError> {
    let start = Instant::now();
    let give_up = start + deadlines.total;
    let by = give_up.min(start + deadlines.connect);
    let tcp = match timeout_at(by, TcpStream::connect(addr)).await {
        Ok(connected) => connected.map_err(|e| AskError::Connect(e.kind()))?,
        Err(_) => return Err(AskError::Timeout(Phase::Connect)),
    };
    // Every write is a whole flight or message; waiting for more only costs time. A socket that
    // refuses works all the same.
    let _ = tcp.set_nodelay(true);
    Ok((tcp, give_up))
}

/// A connection whose server is the one that the list names; one question may be asked over it.
#[derive(Debug)]
pub struct Connection {
    stream: ClientStream,
    info: TlsInfo,
    give_up: Instant,
}

impl Connection {
    /// What was negotiated, and the server's certificate.
    pub const fn info(&self) -> &TlsInfo {
        &self.info
    }

    /// The stream, for a caller that moves the bytes itself.
    pub fn into_stream(self) -> ClientStream {
        self.stream
    }

    /// Asks, and closes when the answer is there: it does not wait for the server to close.
    ///
    /// # Errors
    /// A request that does not fit into a message, no whole answer in time, an answer that is none
    /// to this question, a TLS alert.
    pub async fn ask(
        self,
        request: &Request,
        session: u32,
        settings: ClientSettings,
    ) -> Result<Answer, AskError> {
        let Self {
            mut stream,
            give_up,
            ..
        } = self;
        let clock = Clock::start();
        let left = give_up.saturating_duration_since(Instant::now());
        let answer_within = settings.answer_within.min(left);
        let settings = ClientSettings {
            answer_within,
            ..settings
        };
        let mut exchange = Exchange::new(request, session, settings, clock.now())?;
        if let Some(bytes) = exchange.poll_transmit() {
            let write = async {
                stream.write_all(&bytes).await?;
                stream.flush().await
            };
            // A server that has refused the connection has said why: reading tells more than the
            // failed write, and a write that does not end in time leaves nothing to read.
            let _ = timeout_at(give_up, write).await;
        }
        let mut buffer = [0; 4096];
        let outcome = loop {
            if let Some(outcome) = exchange.poll_outcome() {
                break outcome;
            }
            let by = exchange
                .next_timeout()
                .map_or(give_up, |time| clock.instant(time));
            match timeout_at(by, stream.read(&mut buffer)).await {
                Err(_) => exchange.handle_timeout(clock.now()),
                Ok(Ok(0)) => exchange.handle_end(clock.now()),
                Ok(Ok(n)) => exchange.handle_bytes(&buffer[..n], clock.now()),
                // Real servers end without a close_notify, which TLS reports as an error.
                Ok(Err(e)) => match TlsFailure::of(&e) {
                    TlsFailure::Closed(_) => exchange.handle_end(clock.now()),
                    failure => return Err(AskError::Tls(failure)),
                },
            }
        };
        // The answer counts whether or not the farewell arrives.
        let _ = timeout_at(give_up, stream.shutdown()).await;
        Ok(outcome?)
    }
}

/// Which part of a question was running.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The TCP connection.
    Connect,
    /// The TLS handshake.
    Handshake,
}

/// Why there is no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum AskError {
    /// No TCP connection: refused, unreachable.
    #[error("no connection: {0}")]
    Connect(io::ErrorKind),
    /// Connection or handshake took too long; an answer that does is
    /// [`ExchangeError::Deadline`].
    #[error("no {} in time", match .0 { Phase::Connect => "connection", Phase::Handshake => "TLS handshake" })]
    Timeout(Phase),
    /// TLS failed; [`TlsFailure::NotPinned`] holds the certificate that is not in the list.
    #[error(transparent)]
    Tls(TlsFailure),
    /// The server was reached, and gave no answer to this question.
    #[error(transparent)]
    Exchange(#[from] ExchangeError),
    /// The request does not fit into a message.
    #[error("the request cannot be written: {0}")]
    Request(#[from] WireError),
}
