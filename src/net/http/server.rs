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
use hyper::{Request, Response, StatusCode, header};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::path;
use crate::cluster::HttpAnswer;
use crate::net::tls::{ServerTls, TlsFailure, TlsInfo};

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

/// What answers requests, and knows who asks.
pub trait Site: Send + Sync {
    /// The answer to a request. Called on a connection's own task.
    fn reply(&self, asked: &Asked<'_>) -> Reply;

    /// TLS came up with a client, which may or may not ask for something.
    fn handshake_done(&self) {}

    /// No TLS came up with this client: why, or nothing where the time was over.
    fn handshake_failed(&self, peer: SocketAddr, failure: Option<TlsFailure>);

    /// The system gave no connection, for want of descriptors or memory.
    fn accept_failed(&self, error: io::ErrorKind);
}

/// A request.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// The client.
    pub peer: SocketAddr,
    /// What TLS negotiated with it, and its certificate; none without TLS.
    pub tls: Option<&'a TlsInfo>,
    /// The method, in capitals.
    pub method: &'a str,
    /// The path, which begins with a slash, without a query.
    pub path: &'a str,
    /// The User-Agent, as far as it is text.
    pub agent: Option<&'a str>,
}

/// An answer to a request.
#[derive(Clone, Debug)]
pub struct Reply {
    /// The status code.
    pub status: u16,
    /// The kind of the body.
    pub content_type: &'static str,
    /// The methods that are allowed, where another one was used.
    pub allow: Option<&'static str>,
    /// The body; of an answer to HEAD its size is told and it stays here.
    pub body: Arc<[u8]>,
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

/// Hands out files on `listener`, over TLS where there is a configuration for it, until `shutdown` is
/// ready, as [`serve_site`] does.
pub async fn serve(
    listener: TcpListener,
    tls: Option<ServerTls>,
    files: Arc<dyn Files>,
    limits: Limits,
    shutdown: impl Future<Output = ()>,
) {
    let site = Arc::new(FileSite(files));
    serve_site(listener, tls, site, limits, shutdown).await;
}

/// Answers on `listener`, over TLS where there is a configuration for it, until `shutdown` is ready.
/// Then it stops listening, lets answers under way end for a moment, and closes everything.
pub async fn serve_site(
    listener: TcpListener,
    tls: Option<ServerTls>,
    site: Arc<dyn Site>,
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
                site.accept_failed(error.kind());
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let client = Client {
            site: Arc::clone(&site),
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
    site: Arc<dyn Site>,
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
            return self.answer(tcp, None).await;
        };
        let (config, refused) = tls.for_client();
        let handshake = TlsAcceptor::from(config).accept(tcp);
        let failure = match timeout(self.limits.head_within, handshake).await {
            Ok(Ok(stream)) => {
                let info = TlsInfo::of(stream.get_ref().1);
                self.site.handshake_done();
                return self.answer(stream, Some(info)).await;
            }
            Ok(Err(error)) => Some(refused.take().unwrap_or_else(|| TlsFailure::of(&error))),
            Err(_) => None,
        };
        self.site.handshake_failed(self.peer, failure);
    }

    async fn answer(self, stream: impl AsyncRead + AsyncWrite + Unpin, tls: Option<TlsInfo>) {
        let Self {
            site,
            peer,
            limits,
            mut stopped,
        } = self;
        let service = service_fn(|request| {
            let response = respond(&*site, peer, tls.as_ref(), &request);
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
    site: &dyn Site,
    peer: SocketAddr,
    tls: Option<&TlsInfo>,
    request: &Request<Incoming>,
) -> Response<Full<Bytes>> {
    let agent = request.headers().get(header::USER_AGENT);
    let reply = site.reply(&Asked {
        peer,
        tls,
        method: request.method().as_str(),
        path: request.uri().path(),
        agent: agent.and_then(|agent| agent.to_str().ok()),
    });
    let mut response = Response::new(Full::default());
    let headers = response.headers_mut();
    // As CUCM answers (EMCC technote).
    headers.insert(
        header::CACHE_CONTROL,
        header::HeaderValue::from_static("no-store"),
    );
    let content_type = header::HeaderValue::from_static(reply.content_type);
    headers.insert(header::CONTENT_TYPE, content_type);
    if let Some(allow) = reply.allow {
        headers.insert(header::ALLOW, header::HeaderValue::from_static(allow));
    }
    // What is no status code is a bug of whoever answers; nothing is found there.
    let status = StatusCode::from_u16(reply.status);
    *response.status_mut() = status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    *response.body_mut() = Full::new(Bytes::from_owner(reply.body));
    response
}

/// Files as a site: whoever asks gets them.
struct FileSite(Arc<dyn Files>);

impl Site for FileSite {
    fn reply(&self, asked: &Asked<'_>) -> Reply {
        let content_type = "*/*";
        if !matches!(asked.method, "GET" | "HEAD") {
            return Reply {
                status: StatusCode::METHOD_NOT_ALLOWED.as_u16(),
                content_type,
                allow: Some("GET, HEAD"),
                body: Arc::default(),
            };
        }
        let path = path::unescape(asked.path);
        let answer = self.0.get(&path);
        let status = answer.status();
        let body = match &answer {
            HttpAnswer::Found(bytes) => Arc::clone(bytes),
            HttpAnswer::Status(_) => Arc::default(),
        };
        self.0.told(ServerEvent::Answered {
            peer: asked.peer,
            path: path.into_owned(),
            answer,
        });
        Reply {
            status,
            content_type,
            allow: None,
            body,
        }
    }

    fn handshake_failed(&self, peer: SocketAddr, failure: Option<TlsFailure>) {
        self.0.told(ServerEvent::HandshakeFailed { peer, failure });
    }

    fn accept_failed(&self, error: io::ErrorKind) {
        self.0.told(ServerEvent::AcceptFailed(error));
    }
}
