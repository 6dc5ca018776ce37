//! What came of a request: status, headers, body, and a report of how it came.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};

use crate::body::reply::Reply;
use crate::connections::Connection;
use crate::transport::link::{DialTimes, TlsFacts};

/// A whole response; its parts never change.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub report: Report,
    /// What a client read in it.
    pub reply: Option<Box<Reply>>,
}

/// How a response came.
#[derive(Clone, Debug, Default)]
pub struct Report {
    pub remote: Option<SocketAddr>,
    /// Names the connection in its pool; 0 where reqwest carried it.
    pub connection: u64,
    /// Whether the connection was open before the request.
    pub reused: bool,
    /// How often the request went out, the last time included.
    pub attempts: u32,
    pub redirects: u32,
    /// Nobody checked the server's certificate.
    pub insecure: bool,
    pub tls: Option<TlsFacts>,
    /// Waiting for a connection, dials not counted.
    pub queue: Duration,
    /// The dial that was waited for.
    pub dial: DialTimes,
    /// From the call to the head.
    pub first_byte: Duration,
    /// From the call to the end of the body.
    pub total: Duration,
}

impl Report {
    /// A wait for a connection is over: the dial's part of it, where there was one, and the rest.
    pub fn waited(&mut self, waited: Duration, dial: &DialTimes, reused: bool) {
        let dialed = if reused { Duration::ZERO } else { dial.dns + dial.connect + dial.tls };
        self.queue += waited.saturating_sub(dialed);
        if !reused {
            self.dial = *dial;
        }
    }

    pub fn over(&mut self, connection: &Connection, reused: bool) {
        self.connection = connection.id;
        self.reused = reused;
        self.tls = connection.facts.tls;
        self.insecure = connection.facts.insecure;
    }
}

impl Response {
    /// 10, 11 or 20.
    pub fn version_number(&self) -> u32 {
        match self.version {
            Version::HTTP_2 => 20,
            Version::HTTP_11 => 11,
            _ => 10,
        }
    }
}
