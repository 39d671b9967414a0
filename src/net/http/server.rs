//! Files on a listener.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::path;
use crate::cluster::HttpAnswer;
use crate::net::tls::{ServerTls, TlsFailure};

/// What a server may spend on its clients.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Connections at the same time; more wait to be accepted.
    pub connections: usize,
    /// For a TLS handshake, and for the head of a request.
    pub head_within: Duration,
    /// For a connection, whatever it does.
    pub connection_within: Duration,
    /// For answers under way when the server stops.
    pub linger: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 512,
            head_within: Duration::from_secs(10),
            connection_within: Duration::from_secs(120),
            linger: Duration::from_millis(500),
        }
    }
}

/// What a server hands out.
pub trait Files: Send + Sync {
    /// The answer to a GET of this path, which begins with a slash, with its escapes read. Called on a connection's own
    /// task.
    fn get(&self, path: &str) -> HttpAnswer;

    /// Told of what happens.
    fn told(&self, event: ServerEvent);
}

/// What a server did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ServerEvent {
    /// A request was answered.
    Answered {
        /// The client.
        peer: SocketAddr,
        /// The path that was asked for.
        path: String,
        /// The answer.
        answer: HttpAnswer,
    },
    /// No TLS came up.
    HandshakeFailed {
        /// The client.
        peer: SocketAddr,
        /// Why; nothing where the time was over.
        failure: Option<TlsFailure>,
    },
    /// The system gave no connection, for want of descriptors or memory.
    AcceptFailed(io::ErrorKind),
}

/// Wait after a failed accept, so that it is neither a busy loop nor an end.
const ACCEPT_PAUSE: Duration = Duration::from_millis(20);
/// Bytes of the head of a request, at most. Real ones have a few hundred.
const MAX_HEAD: usize = 16 * 1024;

/// Answers on `listener`, over TLS where there is a configuration for it, until `shutdown` is ready.
/// Then it stops listening, lets answers under way end for a moment, and closes everything.
pub async fn serve(
    listener: TcpListener,
    tls: Option<ServerTls>,
    files: Arc<dyn Files>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let slots = Arc::new(Semaphore::new(limits.connections.max(1)));
    let (stop, stopped) = watch::channel(());
    let mut tasks = JoinSet::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let slot = tokio::select! {
            () = &mut shutdown => break,
            slot = Arc::clone(&slots).acquire_owned() => slot,
        };
        let accepted = tokio::select! {
            () = &mut shutdown => break,
            accepted = listener.accept() => accepted,
        };
        // Finished connections are let go of, so that the set does not grow.
        while tasks.try_join_next().is_some() {}
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(error) => {
                files.told(ServerEvent::AcceptFailed(error.kind()));
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let client = Client {
            files: Arc::clone(&files),
            peer,
            limits,
            stopped: stopped.clone(),
        };
        let tls = tls.clone();
        tasks.spawn(async move {
            let _slot = slot;
            let work = client.work(stream, tls);
            let _ = timeout(limits.connection_within, work).await;
        });
    }
    drop(listener);
    // Every connection waits for this.
    drop(stop);
    let ending = async { while tasks.join_next().await.is_some() {} };
    let _ = timeout(limits.linger, ending).await;
    tasks.shutdown().await;
}

/// A connection.
struct Client {
    files: Arc<dyn Files>,
    peer: SocketAddr,
    limits: Limits,
    stopped: watch::Receiver<()>,
}

impl Client {
    async fn work(self, tcp: TcpStream, tls: Option<ServerTls>) {
        // Every write is a whole answer; waiting for more only costs time. A socket that refuses
        // works all the same.
        let _ = tcp.set_nodelay(true);
        let Some(tls) = tls else {
            return self.answer(tcp).await;
        };
        let handshake = TlsAcceptor::from(tls.config()).accept(tcp);
        let failure = match timeout(self.limits.head_within, handshake).await {
            Ok(Ok(stream)) => return self.answer(stream).await,
            Ok(Err(error)) => Some(TlsFailure::of(&error)),
            Err(_) => None,
        };
        let peer = self.peer;
        self.files
            .told(ServerEvent::HandshakeFailed { peer, failure });
    }

    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Unpin) {
        let Self {
            files,
            peer,
            limits,
            mut stopped,
        } = self;
        let service = service_fn(|request| {
            let response = respond(&*files, peer, &request);
            async { Ok::<_, Infallible>(response) }
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(limits.head_within)
            .max_buf_size(MAX_HEAD)
            .serve_connection(TokioIo::new(stream), service);
        let mut connection = std::pin::pin!(connection);
        // What breaks is the client's own concern: it asks again, or another server.
        tokio::select! {
            _ = &mut connection => return,
            // The sender goes when the server stops.
            _ = stopped.changed() => {}
        }
        connection.as_mut().graceful_shutdown();
        let _ = connection.await;
    }
}

fn respond(
    files: &dyn Files,
    peer: SocketAddr,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    // As CUCM answers (EMCC technote).
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    headers.insert(
        header::CONTENT_TYPE,
        header::HeaderValue::from_static("*/*"),
    );
    if !matches!(*request.method(), Method::GET | Method::HEAD) {
        headers.insert(header::ALLOW, header::HeaderValue::from_static("GET, HEAD"));
        *response.status_mut() = StatusCode::METHOD_NOT_ALLOWED;
        return response;
    }
    let path = path::unescape(request.uri().path());
    let answer = files.get(&path);
    // What is no status code is a bug of whoever hands files out; nothing is found there.
    let status = StatusCode::from_u16(answer.status());
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    if let HttpAnswer::Found(bytes) = &answer {
        *response.body_mut() = Full::new(Bytes::from_owner(Arc::clone(bytes)));
    }
    files.told(ServerEvent::Answered {
        peer,
        path: path.into_owned(),
        answer,
    });
    response
}
