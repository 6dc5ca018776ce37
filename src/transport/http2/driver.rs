//! The driver of an HTTP/2 connection: moves it on, tells what the peer says of it, and asks by PING whether the peer is there at all.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::Connection;
use h2::{Ping, PingPong, Reason};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Instant, Sleep};

use super::{ConnectionShared, STEP, SendHandle, UNTOLD, woken_streams};
use crate::transport::http::{DriverEvent, End};
use crate::transport::link::Stream;

pub(super) const PING_EVERY: Duration = Duration::from_secs(30);
pub(super) const PING_ANSWER: Duration = Duration::from_secs(10);

/// Keeps a connection moving; polled by a task of its own until it ends.
pub struct Driver {
    connection: Connection<MeteredStream, Bytes>,
    /// Not a reference: with the last of them the connection closes.
    handle: Weak<SendHandle>,
    pings: Option<Pings>,
    shared: Arc<ConnectionShared>,
    /// How many streams the peer was last said to take.
    told: usize,
    leaving: bool,
}

impl Driver {
    pub(super) fn new(
        mut connection: Connection<MeteredStream, Bytes>,
        handle: Weak<SendHandle>,
        shared: Arc<ConnectionShared>,
    ) -> Driver {
        let pings = connection.ping_pong().map(Pings::new);
        Driver { connection, handle, pings, shared, told: UNTOLD, leaving: false }
    }

    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<DriverEvent> {
        let mut poll = woken_streams::PollGuard::begin(&self.shared);
        loop {
            let over = loop {
                let (over, more) = self.step(cx);
                if !more {
                    break over;
                }
                poll.fill();
            };
            let heard = self.shared.heard.swap(false, Ordering::Relaxed);
            if let Poll::Ready(over) = over {
                let goaway = self.handle.upgrade().and_then(|handle| handle.end()).is_some_and(|end| end.is_go_away());
                return Poll::Ready(DriverEvent::Over(match over {
                    Err(_) => End::Broken,
                    Ok(()) if goaway => End::GoAway,
                    Ok(()) => End::Closed,
                }));
            }
            // All that changes comes from the peer.
            if let Some(event) = heard.then(|| self.news()).flatten() {
                // What else this poll brought is for the next.
                self.shared.heard.store(true, Ordering::Relaxed);
                return Poll::Ready(event);
            }
            let open = self.shared.streams.load(Ordering::Relaxed) > 0;
            match self.pings.as_mut().map_or(Health::Fine, |pings| pings.poll(cx, heard, open)) {
                Health::Fine => return Poll::Pending,
                // It goes out with the connection's next move.
                Health::Asked => {}
                Health::Dead => {
                    self.shared.dead.store(true, Ordering::Relaxed);
                    return Poll::Ready(DriverEvent::Over(End::Broken));
                }
            }
        }
    }

    /// Moves the connection on by as many bytes as may be in h2; whether it wants more.
    fn step(&mut self, cx: &mut Context<'_>) -> (Poll<Result<(), h2::Error>>, bool) {
        self.shared.read_budget.store(STEP, Ordering::Relaxed);
        let over = Pin::new(&mut self.connection).poll(cx);
        let more = self.shared.over_budget.swap(false, Ordering::Relaxed) && over.is_pending();
        (over, more)
    }

    fn news(&mut self) -> Option<DriverEvent> {
        let streams = self.connection.max_concurrent_send_streams();
        if streams != self.told {
            self.told = streams;
            return Some(DriverEvent::Streams(streams));
        }
        if self.leaving {
            return None;
        }
        let end = self.handle.upgrade()?.end()?;
        self.leaving = true;
        Some(DriverEvent::Leaving(if end.reason() == Some(Reason::NO_ERROR) { End::GoAway } else { End::Broken }))
    }
}

/// Asks a silent peer whether it is there, while something is expected of it.
struct Pings {
    peer: PingPong,
    timer: Pin<Box<Sleep>>,
    state: Asking,
    heard_at: Instant,
}

enum Asking {
    Resting,
    /// The timer is set to the end of the silence that is borne.
    Listening,
    /// The timer is set to when the answer is due, or any other word.
    Asked,
}

enum Health {
    Fine,
    Asked,
    Dead,
}

impl Pings {
    fn new(peer: PingPong) -> Pings {
        let heard_at = Instant::now();
        let timer = Box::pin(tokio::time::sleep_until(heard_at + PING_EVERY));
        Pings { peer, timer, state: Asking::Resting, heard_at }
    }

    fn poll(&mut self, cx: &mut Context<'_>, heard: bool, open: bool) -> Health {
        if heard {
            self.heard_at = Instant::now();
        }
        loop {
            match self.state {
                Asking::Resting if !open => return Health::Fine,
                Asking::Resting => {
                    self.timer.as_mut().reset(self.heard_at + PING_EVERY);
                    self.state = Asking::Listening;
                }
                Asking::Listening => {
                    if self.timer.as_mut().poll(cx).is_pending() {
                        return Health::Fine;
                    }
                    let now = Instant::now();
                    self.state = Asking::Resting;
                    if !open || now < self.heard_at + PING_EVERY {
                        continue;
                    }
                    if self.peer.send_ping(Ping::opaque()).is_err() {
                        return Health::Fine;
                    }
                    self.timer.as_mut().reset(now + PING_ANSWER);
                    self.state = Asking::Asked;
                    return Health::Asked;
                }
                Asking::Asked => {
                    if self.peer.poll_pong(cx).is_ready() {
                        self.state = Asking::Resting;
                        continue;
                    }
                    // Whatever it says, it is there.
                    if heard {
                        self.timer.as_mut().reset(self.heard_at + PING_ANSWER);
                    }
                    return if self.timer.as_mut().poll(cx).is_ready() { Health::Dead } else { Health::Fine };
                }
            }
        }
    }
}

/// The bytes underneath, whether any came, and no more of them than a step may read.
pub(super) struct MeteredStream {
    stream: Box<dyn Stream>,
    shared: Arc<ConnectionShared>,
}

impl MeteredStream {
    pub(super) fn new(stream: Box<dyn Stream>, shared: Arc<ConnectionShared>) -> MeteredStream {
        MeteredStream { stream, shared }
    }
}

impl AsyncRead for MeteredStream {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read_budget = self.shared.read_budget.load(Ordering::Relaxed);
        if read_budget == 0 {
            self.shared.over_budget.store(true, Ordering::Relaxed);
            return Poll::Pending;
        }
        let before = into.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, into);
        let count = into.filled().len() - before;
        if count > 0 {
            self.shared.heard.store(true, Ordering::Relaxed);
            self.shared.read_budget.store(read_budget.saturating_sub(count), Ordering::Relaxed);
        }
        read
    }
}

impl AsyncWrite for MeteredStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write_vectored(cx, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }
}

#[cfg(test)]
mod tests {
    use std::task::Waker;

    use tokio::io::AsyncWriteExt;

    use super::super::handshake;
    use super::super::test_server::{WINDOW, drive, request};
    use super::*;

    /// h2's buffer has room for a frame and its head, and grows to the double.
    const MOST_ONE_READ: usize = 32 << 10;

    /// An HTTP/2 server that takes a request and from then on neither reads nor writes.
    async fn falls_silent(stream: tokio::io::DuplexStream) {
        let mut connection = h2::server::handshake(stream).await.unwrap();
        let _taken = connection.accept().await.unwrap().unwrap();
        std::future::pending::<()>().await;
    }

    #[tokio::test(start_paused = true)]
    async fn a_bounded_number_of_bytes_is_read_between_two_looks_at_the_streams() {
        const STREAMS: usize = 8;
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(theirs).await.unwrap();
            while let Some(Ok((_, mut respond))) = connection.accept().await {
                let mut sending = respond.send_response(http::Response::new(()), false).unwrap();
                sending.send_data(vec![b't'; WINDOW].into(), true).unwrap();
            }
        });
        let (handle, mut driver) = handshake(Box::new(ours), WINDOW as u32).await.unwrap();
        let cx = &mut Context::from_waker(Waker::noop());
        let readers: Vec<_> = (0..STREAMS).map(|_| handle.open(request("/", "")).ok().unwrap().0).collect();
        for reader in &readers {
            assert!(reader.poll_head(cx).is_pending());
        }
        // Nothing moves but the server, until its socket holds all that the windows allow.
        assert!(!driver.step(cx).1);
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut poll = woken_streams::PollGuard::begin(&driver.shared);
        let (mut before, mut steps, mut more) = (0, 0, true);
        while more {
            more = driver.step(cx).1;
            poll.fill();
            let now = readers.iter().map(|reader| reader.joined().0).sum::<usize>();
            assert!(now - before <= STEP + MOST_ONE_READ, "{}", now - before);
            (before, steps) = (now, steps + 1);
        }
        assert_eq!(before, STREAMS * WINDOW);
        assert!(steps > 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_no_ping_is_dead() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(falls_silent(theirs));
        let (handle, driver) = handshake(Box::new(ours), 1 << 16).await.unwrap();
        let moving = tokio::spawn(drive(driver));
        let begun = Instant::now();
        let mut sent = Some(request("/", ""));
        let failed = handle.send(&mut sent).await.err().unwrap();
        // The clock is the test's: it jumps to whatever is due next.
        let waited = begun.elapsed();
        assert!(waited >= PING_EVERY + PING_ANSWER && waited < PING_EVERY * 2 + PING_ANSWER, "{waited:?}");
        assert!(sent.is_none() && !failed.was_never_processed() && failed.is_broken());
        assert!(failed.error().message.contains("PING"), "{}", failed.error());
        moving.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_answers_pings_is_waited_for_and_an_idle_one_is_asked_nothing() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(theirs).await.unwrap();
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            tokio::select! {
                _ = connection.accept() => return,
                () = tokio::time::sleep(Duration::from_secs(600)) => {}
            }
            let _ = respond.send_response(http::Response::new(()), true);
            // Moves on until this is said, then falls silent for good.
            let _ = tokio::time::timeout(Duration::from_secs(1), connection.accept()).await;
            std::future::pending::<()>().await;
        });
        let (handle, driver) = handshake(Box::new(ours), 1 << 16).await.unwrap();
        tokio::spawn(drive(driver));
        assert!(handle.send(&mut Some(request("/", ""))).await.is_ok());
        tokio::time::sleep(Duration::from_secs(600)).await;
        assert!(!handle.is_closed());
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_speaks_is_alive_however_late_it_answers_a_ping() {
        const SETTINGS: [u8; 9] = [0, 0, 0, 4, 0, 0, 0, 0, 0];
        const PING: [u8; 17] = [0, 0, 8, 6, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        let (ours, mut theirs) = tokio::io::duplex(1 << 16);
        tokio::spawn(async move {
            theirs.write_all(&SETTINGS).await.unwrap();
            tokio::time::sleep(PING_EVERY + PING_ANSWER / 2).await;
            // Answers none, and is never silent for long.
            loop {
                theirs.write_all(&PING).await.unwrap();
                tokio::time::sleep(PING_ANSWER * 9 / 10).await;
            }
        });
        let (handle, driver) = handshake(Box::new(ours), 1 << 16).await.unwrap();
        tokio::spawn(drive(driver));
        let answer = tokio::time::timeout(PING_EVERY * 4, handle.send(&mut Some(request("/", "")))).await;
        assert!(answer.is_err() && !handle.is_closed(), "it was taken for dead");
    }

    #[tokio::test]
    async fn goaway_takes_nothing_new_while_its_streams_go_on() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let goes = Arc::new(tokio::sync::Notify::new());
        let going = goes.clone();
        tokio::spawn(async move {
            let mut connection = h2::server::handshake(theirs).await.unwrap();
            let (_, mut respond) = connection.accept().await.unwrap().unwrap();
            connection.graceful_shutdown();
            tokio::spawn(async move {
                going.notified().await;
                let mut sending = respond.send_response(http::Response::new(()), false).unwrap();
                sending.send_data("last".into(), true).unwrap();
            });
            while connection.accept().await.is_some() {}
        });
        let (handle, mut driver) = handshake(Box::new(ours), 1 << 16).await.unwrap();
        let under_way = handle.clone();
        let answer =
            tokio::spawn(async move { under_way.send(&mut Some(request("/", ""))).await.ok().unwrap().into_body() });
        let mut next_event = async || std::future::poll_fn(|cx| driver.poll(cx)).await;
        let left = loop {
            match next_event().await {
                DriverEvent::Streams(_) => {}
                other => break other,
            }
        };
        assert!(matches!(left, DriverEvent::Leaving(End::GoAway)));
        assert!(handle.is_closed());
        let mut back = Some(request("/", ""));
        assert!(handle.send(&mut back).await.is_err());
        assert!(back.is_some());
        drop(handle);
        goes.notify_one();
        assert!(matches!(next_event().await, DriverEvent::Over(End::Closed | End::GoAway)));
        assert_eq!(answer.await.unwrap().next().await.unwrap().unwrap(), "last");
    }
}
