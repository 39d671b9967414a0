//! TLS 1.0 to 1.2 with every suite that OpenSSL still has, for TVS of old releases: rustls has
//! neither TLS below 1.2 nor suites without forward secrecy, and those servers may have nothing
//! else.
//!
//! Trust is what it is with rustls: the server's certificate is one of the pinned ones, byte for
//! byte, and the server proves that it holds its key. OpenSSL reads and writes the socket itself,
//! which never blocks: where it would, it says so, and the task waits. Nothing is buffered here.

use std::io::{self, Read, Write};
use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use ::openssl::error::ErrorStack;
use ::openssl::pkey::PKey;
use ::openssl::ssl::{
    self, ErrorCode, Ssl, SslContext, SslMethod, SslMode, SslOptions, SslRef, SslSessionCacheMode,
    SslStream, SslVerifyMode, SslVersion,
};
use ::openssl::x509::{X509, X509StoreContextRef};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

use super::{Identity, SetupError, TlsFailure, TlsInfo};

/// Level 0 lets SHA-1 and short keys in, without which OpenSSL 3 has no TLS below 1.2. `DEFAULT`
/// leaves out what proves nothing: suites without a certificate.
const CIPHERS: &str = "DEFAULT@SECLEVEL=0";

/// `SSL_OP_LEGACY_SERVER_CONNECT`: lets servers in that know nothing of RFC 5746, as those of
/// OpenSSL 0.9.8 do. It is about renegotiation, and there is none here.
const LEGACY_SERVER_CONNECT: SslOptions = SslOptions::from_bits_retain(0x4);

/// Which TLS versions a [`LegacyTls`] offers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LegacyVersions {
    /// 1.0, 1.1 and 1.2.
    UpTo12,
    /// 1.0 alone, as firmware that has nothing newer.
    Only10,
}

/// A phone's end for servers that rustls cannot speak to. Cheap to clone.
#[derive(Clone)]
pub struct LegacyTls {
    context: SslContext,
    pins: Arc<[Vec<u8>]>,
}

impl LegacyTls {
    /// Trusts exactly the certificates `pins` (DER), compared byte for byte. `identity` (LSC or
    /// MIC) is presented if the server asks for a certificate.
    ///
    /// # Errors
    /// OpenSSL cannot use the identity's certificate or key, or they do not belong together; or it
    /// was built without what this needs.
    pub fn new(
        pins: Vec<Vec<u8>>,
        identity: Option<&Identity>,
        versions: LegacyVersions,
    ) -> Result<Self, SetupError> {
        let context = context(versions).map_err(|e| SetupError::Legacy(text(&e)))?;
        let context = match identity {
            Some(identity) => present(context, identity).map_err(|e| SetupError::Key(text(&e)))?,
            None => context,
        };
        Ok(Self {
            context: context.build(),
            pins: pins.into(),
        })
    }

    /// The handshake over a connection. It has no deadline of its own.
    ///
    /// # Errors
    /// The server's certificate is not pinned, or TLS failed otherwise.
    pub async fn connect(&self, tcp: TcpStream) -> Result<LegacyStream, TlsFailure> {
        let presented = Arc::new(OnceLock::new());
        let mut ssl = Ssl::new(&self.context).map_err(|e| TlsFailure::Protocol(text(&e)))?;
        let (pins, seen) = (Arc::clone(&self.pins), Arc::clone(&presented));
        ssl.set_verify_callback(SslVerifyMode::PEER, move |_, store| {
            is_pinned(store, &pins, &seen)
        });
        let tls = SslStream::new(ssl, Socket(tcp));
        let mut stream = LegacyStream {
            tls: tls.map_err(|e| TlsFailure::Protocol(text(&e)))?,
        };
        let handshake = std::future::poll_fn(|cx| stream.poll_step(cx, SslStream::connect));
        let done = handshake.await;
        let presented = presented.get().cloned().unwrap_or_default();
        // Whatever OpenSSL made of it: without a pinned certificate there is no connection.
        if !presented.is_empty() && !self.pins.contains(&presented) {
            return Err(TlsFailure::NotPinned { presented });
        }
        done.map_err(|failure| failure.in_handshake(presented))?;
        match stream.peer_certificate() {
            Some(certificate) if self.pins.contains(&certificate) => Ok(stream),
            Some(presented) => Err(TlsFailure::NotPinned { presented }),
            None => Err(TlsFailure::Protocol("the server has no certificate".into())),
        }
    }
}

impl std::fmt::Debug for LegacyTls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LegacyTls {{ {} pins }}", self.pins.len())
    }
}

fn context(versions: LegacyVersions) -> Result<ssl::SslContextBuilder, ErrorStack> {
    let mut context = SslContext::builder(SslMethod::tls_client())?;
    let newest = match versions {
        LegacyVersions::UpTo12 => SslVersion::TLS1_2,
        LegacyVersions::Only10 => SslVersion::TLS1,
    };
    // The system's openssl.cnf may forbid all of this, for programs that do not say otherwise.
    context.set_min_proto_version(Some(SslVersion::TLS1))?;
    context.set_max_proto_version(Some(newest))?;
    context.clear_options(SslOptions::NO_TLSV1 | SslOptions::NO_TLSV1_1 | SslOptions::NO_TLSV1_2);
    context.set_cipher_list(CIPHERS)?;
    // Phones resume nothing, and a server has no reason to negotiate anew over one question.
    context.set_session_cache_mode(SslSessionCacheMode::OFF);
    context
        .set_options(SslOptions::NO_TICKET | SslOptions::NO_RENEGOTIATION | LEGACY_SERVER_CONNECT);
    // A write that waits may come again from another place in memory.
    context.set_mode(
        SslMode::AUTO_RETRY | SslMode::ACCEPT_MOVING_WRITE_BUFFER | SslMode::ENABLE_PARTIAL_WRITE,
    );
    Ok(context)
}

fn present(
    mut context: ssl::SslContextBuilder,
    identity: &Identity,
) -> Result<ssl::SslContextBuilder, ErrorStack> {
    let certificate = X509::from_der(&identity.certificate)?;
    let key = PKey::private_key_from_pkcs8(&identity.key)?;
    context.set_certificate(&certificate)?;
    context.set_private_key(&key)?;
    context.check_private_key()?;
    Ok(context)
}

/// Stands in for every check of OpenSSL's own: no chain, no name, no dates. It is asked for each
/// thing that OpenSSL finds wrong with a chain, and for each certificate that is fine; the answer
/// is always that of the first certificate, the server's.
fn is_pinned(
    store: &mut X509StoreContextRef,
    pins: &[Vec<u8>],
    presented: &OnceLock<Vec<u8>>,
) -> bool {
    let first = store.chain().and_then(|chain| chain.get(0));
    let Some(certificate) = first.and_then(|c| c.to_der().ok()) else {
        return false;
    };
    let presented = presented.get_or_init(|| certificate);
    pins.contains(presented)
}

/// A connection whose handshake is done.
#[derive(Debug)]
pub struct LegacyStream {
    tls: SslStream<Socket>,
}

impl LegacyStream {
    /// What was negotiated.
    pub fn info(&self) -> TlsInfo {
        let ssl = self.tls.ssl();
        TlsInfo {
            version: version(ssl),
            suite: ssl.current_cipher().map_or("unknown", |c| c.name()),
            peer_certificate: self.peer_certificate(),
        }
    }

    fn peer_certificate(&self) -> Option<Vec<u8>> {
        self.tls.ssl().peer_certificate()?.to_der().ok()
    }

    /// Carries out one operation of OpenSSL, which may wait for the socket several times.
    fn poll_step<T>(
        &mut self,
        cx: &mut Context<'_>,
        mut act: impl FnMut(&mut SslStream<Socket>) -> Result<T, ssl::Error>,
    ) -> Poll<Result<T, Failure>> {
        loop {
            // What another operation on this thread left behind would be taken for this one's.
            drop(ErrorStack::get());
            let error = match act(&mut self.tls) {
                Ok(done) => return Poll::Ready(Ok(done)),
                Err(error) => error,
            };
            let Socket(tcp) = self.tls.get_ref();
            let waited = match error.code() {
                ErrorCode::WANT_READ => ready!(tcp.poll_read_ready(cx)),
                ErrorCode::WANT_WRITE => ready!(tcp.poll_write_ready(cx)),
                _ => return Poll::Ready(Err(Failure::of(&error))),
            };
            if let Err(error) = waited {
                return Poll::Ready(Err(Failure::Closed(error.kind())));
            }
        }
    }
}

impl AsyncRead for LegacyStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let unfilled = buffer.initialize_unfilled();
        match ready!(this.poll_step(cx, |tls| tls.ssl_read(unfilled))) {
            Ok(count) => {
                buffer.advance(count);
                Poll::Ready(Ok(()))
            }
            Err(Failure::Farewell) => Poll::Ready(Ok(())),
            Err(failure) => Poll::Ready(Err(failure.into())),
        }
    }
}

impl AsyncWrite for LegacyStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(self.get_mut().poll_step(cx, |tls| tls.ssl_write(bytes)));
        Poll::Ready(written.map_err(Into::into))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Says farewell and closes this side; it does not wait for the server's farewell.
    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        // A connection that has failed takes no farewell, and is closed all the same.
        let _ = ready!(this.poll_step(cx, SslStream::shutdown));
        Pin::new(&mut this.tls.get_mut().0).poll_shutdown(cx)
    }
}

/// The socket as OpenSSL sees it.
#[derive(Debug)]
struct Socket(TcpStream);

impl Read for Socket {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.0.try_read(buffer).map_err(never_to_be_tried_again)
    }
}

impl Write for Socket {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.try_write(bytes).map_err(never_to_be_tried_again)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// `openssl` takes a socket without a connection for one that has to wait, which would be for ever.
fn never_to_be_tried_again(error: io::Error) -> io::Error {
    match error.kind() {
        io::ErrorKind::NotConnected => io::ErrorKind::ConnectionAborted.into(),
        _ => error,
    }
}

/// Why an operation failed.
enum Failure {
    /// The peer said farewell.
    Farewell,
    /// The connection was closed without one, or broke.
    Closed(io::ErrorKind),
    /// A signature of the peer's does not fit its certificate.
    Signature,
    /// An alert of the peer's.
    Alert(u8),
    /// Anything else, in OpenSSL's words.
    Other(String),
}

impl Failure {
    fn of(error: &ssl::Error) -> Self {
        /// `ERR_LIB_SSL`.
        const SSL: i32 = 20;
        /// `SSL_R_BAD_SIGNATURE`.
        const BAD_SIGNATURE: i32 = 123;
        /// `SSL_R_UNEXPECTED_EOF_WHILE_READING`, from OpenSSL 3 on.
        const UNEXPECTED_EOF: i32 = 294;
        /// `SSL_AD_REASON_OFFSET`: an alert of the peer's is its number above this.
        const ALERT: i32 = 1_000;

        let Some(stack) = error.ssl_error() else {
            return match (error.code(), error.io_error()) {
                (_, Some(error)) => Self::Closed(error.kind()),
                (ErrorCode::ZERO_RETURN, None) => Self::Farewell,
                (_, None) => Self::Closed(io::ErrorKind::UnexpectedEof),
            };
        };
        let reasons = stack.errors().iter();
        for error in reasons.filter(|e| e.library_code() == SSL) {
            match error.reason_code() {
                BAD_SIGNATURE => return Self::Signature,
                UNEXPECTED_EOF => return Self::Closed(io::ErrorKind::UnexpectedEof),
                reason => {
                    if let Ok(alert) = u8::try_from(reason - ALERT) {
                        return Self::Alert(alert);
                    }
                }
            }
        }
        Self::Other(text(stack))
    }

    /// The same for the user; `presented` is the certificate of the peer.
    fn in_handshake(self, presented: Vec<u8>) -> TlsFailure {
        match self {
            Self::Farewell => TlsFailure::Closed(io::ErrorKind::UnexpectedEof),
            Self::Closed(kind) => TlsFailure::Closed(kind),
            Self::Signature => TlsFailure::WrongKey { presented },
            Self::Alert(code) => TlsFailure::Alert {
                code,
                name: format!("{:?}", rustls::AlertDescription::from(code)),
            },
            Self::Other(text) => TlsFailure::Protocol(text),
        }
    }
}

impl From<Failure> for io::Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Closed(kind) => kind.into(),
            // After the handshake nobody presents a certificate any more.
            other => Self::other(other.in_handshake(Vec::new())),
        }
    }
}

/// What OpenSSL says, in its own words.
fn text(stack: &ErrorStack) -> String {
    let reason = stack.errors().iter().find_map(|e| e.reason());
    reason.unwrap_or("OpenSSL gives no reason").to_owned()
}

fn version(ssl: &SslRef) -> &'static str {
    match ssl.version2() {
        Some(SslVersion::TLS1) => "TLS 1.0",
        Some(SslVersion::TLS1_1) => "TLS 1.1",
        Some(SslVersion::TLS1_2) => "TLS 1.2",
        _ => "unknown",
    }
}
