//! The socket under a session, so that it can be ended from outside.

use std::io;
use std::net::Shutdown;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use socket2::{SockRef, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// A second hold on a connection. russh gives the socket to a task of its own, which a silent peer
/// keeps alive: cutting the socket is what ends it.
#[derive(Debug)]
pub(super) struct Link(Socket);

impl Link {
    /// Takes a descriptor more.
    pub(super) fn of(stream: &TcpStream) -> io::Result<Self> {
        SockRef::from(stream).try_clone().map(Self)
    }

    /// Cuts the connection, whatever is under way.
    pub(super) fn sever(&self) {
        // It may have ended by itself.
        let _ = self.0.shutdown(Shutdown::Both);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.sever();
    }
}

/// Whether a stream has ended.
#[derive(Clone, Debug)]
pub(super) struct End(Arc<watch::Sender<bool>>);

impl End {
    pub(super) fn new() -> Self {
        Self(Arc::new(watch::Sender::new(false)))
    }

    pub(super) fn note(&self) {
        self.0.send_replace(true);
    }

    pub(super) fn has_come(&self) -> bool {
        *self.0.borrow()
    }

    /// What comes of `call`, or nothing if the stream ends before. An answer that came before the
    /// end counts. Without this a request that is made while the stream is ending would wait for
    /// ever: russh-sftp forgets what is asked before it refuses to ask.
    pub(super) async fn or<T>(&self, call: impl Future<Output = T>) -> Option<T> {
        let mut ending = self.0.subscribe();
        tokio::select! {
            biased;
            result = call => Some(result),
            _ = ending.wait_for(|ended| *ended) => None,
        }
    }
}

/// A stream that tells of its end. To the user of russh-sftp the end of a stream and an answer that
/// cannot be read look the same.
pub(super) struct Watched<S> {
    stream: S,
    end: End,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, end: End) -> Self {
        Self { stream, end }
    }

    fn note<T>(&self, result: Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        if matches!(result, Poll::Ready(Err(_))) {
            self.end.note();
        }
        result
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let room = buf.remaining();
        let result = Pin::new(&mut self.stream).poll_read(cx, buf);
        if matches!(result, Poll::Ready(Ok(()))) && room > 0 && buf.filled().len() == before {
            self.end.note();
        }
        self.note(result)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let result = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.note(result)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_flush(cx);
        self.note(result)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let result = Pin::new(&mut self.stream).poll_shutdown(cx);
        self.note(result)
    }
}
