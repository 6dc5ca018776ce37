//! What one listener pair has seen.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use hyper::Version;
use tokio::sync::Notify;

#[derive(Debug, Default)]
pub struct Stats {
    pub connections_opened: Counter,
    pub connections_open: Gauge,
    pub tls_handshakes: Counter,
    pub tls_resumed: Counter,
    pub requests: Counter,
    pub responses: Counter,
    pub in_flight: Gauge,
    pub http1_requests: Counter,
    pub http2_requests: Counter,
    pub chats: Counter,
    pub streams_completed: Counter,
    pub bytes_in: Counter,
    connection_closed: Notify,
}

impl Stats {
    /// Counts a connection as open until the guard is dropped.
    pub fn open_connection(self: &Arc<Self>) -> OpenConnection {
        self.connections_opened.add(1);
        self.connections_open.add(1);
        OpenConnection(Arc::clone(self))
    }

    /// Resolves once at most `max` connections are open.
    pub async fn connections_open_at_most(&self, max: u64) {
        loop {
            let mut closed = std::pin::pin!(self.connection_closed.notified());
            // Enabled before the look, so that a close in between is not missed.
            closed.as_mut().enable();
            if self.connections_open.get() <= max {
                return;
            }
            closed.await;
        }
    }
}

impl fmt::Display for Stats {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let values = [
            ("connections_opened", self.connections_opened.get()),
            ("connections_open", self.connections_open.get()),
            ("tls_handshakes", self.tls_handshakes.get()),
            ("tls_resumed", self.tls_resumed.get()),
            ("requests", self.requests.get()),
            ("responses", self.responses.get()),
            ("in_flight", self.in_flight.get()),
            ("http1_requests", self.http1_requests.get()),
            ("http2_requests", self.http2_requests.get()),
            ("chats", self.chats.get()),
            ("streams_completed", self.streams_completed.get()),
            ("bytes_in", self.bytes_in.get()),
        ];
        values.iter().try_for_each(|(key, value)| writeln!(f, "{key}={value}"))
    }
}

/// A number that only grows.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A number that grows and shrinks.
#[derive(Debug, Default)]
pub struct Gauge(AtomicU64);

impl Gauge {
    pub fn add(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }

    pub fn sub(&self, n: u64) {
        self.0.fetch_sub(n, Relaxed);
    }

    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

pub struct OpenConnection(Arc<Stats>);

impl Drop for OpenConnection {
    fn drop(&mut self) {
        self.0.connections_open.sub(1);
        self.0.connection_closed.notify_waiters();
    }
}

/// One request from its head to the last byte of its response.
pub struct Exchange {
    stats: Arc<Stats>,
    version: Version,
    finished: bool,
}

impl Exchange {
    pub fn begin(stats: Arc<Stats>, version: Version) -> Self {
        stats.requests.add(1);
        stats.in_flight.add(1);
        if version == Version::HTTP_2 {
            stats.http2_requests.add(1);
        } else {
            stats.http1_requests.add(1);
        }
        Self { stats, version, finished: false }
    }

    pub fn version(&self) -> Version {
        self.version
    }

    pub fn stats(&self) -> &Stats {
        &self.stats
    }

    /// Counts the response; called before its last bytes leave, so a client that has
    /// them finds them counted.
    pub fn finish(&mut self) {
        if !self.finished {
            self.finished = true;
            self.stats.responses.add(1);
            self.stats.in_flight.sub(1);
        }
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        if !self.finished {
            self.stats.in_flight.sub(1);
        }
    }
}
