//! The wire guard: connections are counted, and one that stalls where no honest peer stalls is closed.
//!
//! Stock tonic waits for ever for an HTTP/2 preface, for the rest of a list of headers, for the rest of a frame; a few
//! thousand sockets that send one byte a minute then hold a server's memory and file descriptors (slow loris). Two
//! parts stand before it:
//!
//! - [`Incoming`]: the listener. Takes connections, without Nagle's delay, up to `server.max_connections`; over that
//!   they are accepted and closed at once. Survives what `accept` may say, such as no file descriptor left.
//! - [`Guarded`]: a connection. Walks the frame headers of the bytes that come in ([`frames`]) and fails the read with
//!   [`io::ErrorKind::TimedOut`] when the handshake takes longer than `server.handshake_timeout`, or a frame other
//!   than DATA or a list of headers longer than `server.header_timeout`; likewise when `server.max_connection_age` and
//!   its grace are over (tonic asks an old connection to leave, or closes it, but never the one after the other).
//!
//! Must never: keep or change a byte, judge the protocol (h2 does), or ask the clock while bytes flow.

mod frames;
mod incoming;
mod listen;

use std::{
    future::Future as _,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::OwnedSemaphorePermit,
    time::{Instant, Sleep},
};
use tonic::transport::server::Connected;

use self::frames::{Frames, Waiting};
pub(crate) use self::incoming::Incoming;
pub use self::listen::ListenError;

/// The two times of a connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Patience {
    /// For the preface and the first frame.
    pub handshake: Duration,
    /// For one frame other than DATA, or one list of headers.
    pub header: Duration,
    /// For all of the connection.
    pub life: Option<Duration>,
}

/// A connection that is closed when it stalls in the middle of something.
#[derive(Debug)]
pub(crate) struct Guarded<IO> {
    io: IO,
    frames: Frames,
    patience: Patience,
    /// What the alarm is set for, and how long that may take in all.
    waiting: Waiting,
    /// One per connection, set anew when needed; its memory is allocated once.
    alarm: Pin<Box<Sleep>>,
    /// When the connection ends whatever it does.
    end: Option<Pin<Box<Sleep>>>,
    /// Gives the place back when the connection ends.
    _place: Option<OwnedSemaphorePermit>,
}

impl<IO> Guarded<IO> {
    /// Guards a new connection; its handshake starts now.
    pub fn new(io: IO, patience: Patience, place: Option<OwnedSemaphorePermit>) -> Self {
        let alarm = Box::pin(tokio::time::sleep(patience.handshake));
        let end = patience.life.map(|life| Box::pin(tokio::time::sleep(life)));
        Self { io, frames: Frames::default(), patience, waiting: Waiting::Handshake, alarm, end, _place: place }
    }

    /// The peer has sent nothing new: is it within its time?
    ///
    /// Asked only here, so that bytes already in the kernel are taken before the clock is looked at, and a connection
    /// that flows costs nothing.
    fn check(&mut self, cx: &mut Context<'_>) -> io::Result<()> {
        if self.end.as_mut().is_some_and(|end| end.as_mut().poll(cx).is_ready()) {
            let what = "the connection is older than server.max_connection_age and its grace";
            return Err(io::Error::new(io::ErrorKind::TimedOut, what));
        }
        let waiting = self.frames.waiting();
        if waiting != self.waiting {
            self.waiting = waiting;
            match waiting {
                Waiting::Nothing => return Ok(()),
                // The handshake is waited for from the start only.
                Waiting::Handshake | Waiting::Rest(_) => {
                    self.alarm.as_mut().reset(Instant::now() + self.patience.header);
                }
            }
        }
        let what = match waiting {
            Waiting::Nothing => return Ok(()),
            Waiting::Handshake => "no http/2 handshake within server.handshake_timeout",
            Waiting::Rest(_) => "a frame or a list of headers did not end within server.header_timeout",
        };
        match self.alarm.as_mut().poll(cx) {
            Poll::Pending => Ok(()),
            Poll::Ready(()) => Err(io::Error::new(io::ErrorKind::TimedOut, what)),
        }
    }
}

impl<IO: AsyncRead + Unpin> AsyncRead for Guarded<IO> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        match Pin::new(&mut self.io).poll_read(cx, buffer) {
            Poll::Ready(Ok(())) => {
                self.frames.pass(&buffer.filled()[before..]);
                Poll::Ready(Ok(()))
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Pending => self.check(cx).map_or_else(|error| Poll::Ready(Err(error)), |()| Poll::Pending),
        }
    }
}

impl<IO: AsyncWrite + Unpin> AsyncWrite for Guarded<IO> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.io).poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.io.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(cx)
    }
}

impl<IO: Connected> Connected for Guarded<IO> {
    type ConnectInfo = IO::ConnectInfo;

    fn connect_info(&self) -> Self::ConnectInfo {
        self.io.connect_info()
    }
}

#[cfg(test)]
mod tests;
