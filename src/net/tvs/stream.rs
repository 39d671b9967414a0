//! The bytes inside TLS, whichever library speaks it.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio_rustls::client::TlsStream;

#[cfg(feature = "legacy-tls")]
use crate::net::tls::LegacyStream;

/// A client's end of a connection whose handshake is done.
#[derive(Debug)]
#[non_exhaustive]
pub enum ClientStream {
    /// TLS 1.2 or 1.3.
    Rustls(Box<TlsStream<TcpStream>>),
    /// TLS 1.0 to 1.2, of OpenSSL.
    #[cfg(feature = "legacy-tls")]
    Legacy(Box<LegacyStream>),
}

/// Calls a method of whichever stream it is.
macro_rules! whichever {
    ($self:ident, $stream:ident => $call:expr) => {
        match $self.get_mut() {
            Self::Rustls(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
            #[cfg(feature = "legacy-tls")]
            Self::Legacy(stream) => {
                let $stream = Pin::new(stream.as_mut());
                $call
            }
        }
    };
}

impl AsyncRead for ClientStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        whichever!(self, stream => stream.poll_read(cx, buffer))
    }
}

impl AsyncWrite for ClientStream {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        whichever!(self, stream => stream.poll_write(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        whichever!(self, stream => stream.poll_flush(cx))
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        whichever!(self, stream => stream.poll_shutdown(cx))
    }
}
