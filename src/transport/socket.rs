//! A socket that counts what goes over it and never raises SIGPIPE.

use std::io::{self, IoSlice};
#[cfg(unix)]
use std::os::fd::AsRawFd;
#[cfg(any(target_os = "linux", target_os = "android"))]
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
#[cfg(unix)]
use tokio::net::UnixStream;

use super::socket_state::SocketState;
#[cfg(any(target_os = "linux", target_os = "android"))]
use {crate::sys, std::task::ready, tokio::io::Interest};

/// A connected TCP or unix socket. Its state outlives it, and knows when it is closed.
pub struct Socket {
    io: Io,
    state: Arc<SocketState>,
}

enum Io {
    Tcp(TcpStream),
    #[cfg(unix)]
    Unix(UnixStream),
}

impl Socket {
    /// Over TCP.
    pub fn tcp(stream: TcpStream) -> Socket {
        Socket::over(Io::Tcp(stream))
    }

    /// Over a unix socket.
    #[cfg(unix)]
    pub fn unix(stream: UnixStream) -> Socket {
        Socket::over(Io::Unix(stream))
    }

    fn over(io: Io) -> Socket {
        let state = Arc::new(SocketState::default());
        #[cfg(unix)]
        state.open(match &io {
            Io::Tcp(stream) => stream.as_raw_fd(),
            Io::Unix(stream) => stream.as_raw_fd(),
        });
        Socket { io, state }
    }

    /// What is counted here.
    pub fn state(&self) -> &Arc<SocketState> {
        &self.state
    }

    /// Sends without SIGPIPE, and remembers when there was no room.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn poll_send(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        loop {
            let sent = match &self.io {
                Io::Tcp(stream) => {
                    ready!(stream.poll_write_ready(cx))?;
                    stream.try_io(Interest::WRITABLE, || self.send(stream.as_fd(), slices))
                }
                Io::Unix(stream) => {
                    ready!(stream.poll_write_ready(cx))?;
                    stream.try_io(Interest::WRITABLE, || self.send(stream.as_fd(), slices))
                }
            };
            match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                sent => return Poll::Ready(sent),
            }
        }
    }

    #[cfg(any(target_os = "linux", target_os = "android"))]
    fn send(&self, socket: BorrowedFd<'_>, slices: &[IoSlice<'_>]) -> io::Result<usize> {
        if !self.state.begin_write() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let sent = sys::send_vectored(socket, slices).inspect(|&bytes| self.state.count_written(bytes));
        self.state.end_write();
        sent
    }

    /// Elsewhere the socket itself was told to raise no SIGPIPE, or the thread that drives blocks it (`Sigpipe::OF_ENGINE`).
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    fn poll_send(&mut self, cx: &mut Context<'_>, slices: &[IoSlice<'_>]) -> Poll<io::Result<usize>> {
        if !self.state.begin_write() {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        let sent = match &mut self.io {
            Io::Tcp(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
            #[cfg(unix)]
            Io::Unix(stream) => Pin::new(stream).poll_write_vectored(cx, slices),
        };
        if let Poll::Ready(Ok(bytes)) = &sent {
            self.state.count_written(*bytes);
        }
        self.state.end_write();
        sent
    }
}

#[cfg(unix)]
impl Drop for Socket {
    fn drop(&mut self) {
        // Before the descriptor is closed: its number may be somebody else's the moment after.
        self.state.close();
    }
}

impl AsyncRead for Socket {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        if self.state.is_over_bound() {
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, "no end of interim answers")));
        }
        let before = buf.filled().len();
        let read = match &mut self.io {
            Io::Tcp(stream) => Pin::new(stream).poll_read(cx, buf),
            #[cfg(unix)]
            Io::Unix(stream) => Pin::new(stream).poll_read(cx, buf),
        };
        if read.is_ready() {
            self.state.count_read(buf.filled().len() - before);
        }
        read
    }
}

impl AsyncWrite for Socket {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        self.poll_write_vectored(cx, &[IoSlice::new(buf)])
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.poll_send(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        true
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // A socket holds nothing back.
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.io {
            Io::Tcp(stream) => Pin::new(stream).poll_shutdown(cx),
            #[cfg(unix)]
            Io::Unix(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}
