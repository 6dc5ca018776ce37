//! What a caller holds after the exchange: status, headers, body, and how they came.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, StatusCode, Version};

/// A whole response; its parts never change.
#[derive(Clone, Debug)]
pub struct Response {
    pub status: StatusCode,
    pub version: Version,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub remote: Option<SocketAddr>,
    /// Whether the connection was open before the request.
    pub reused: bool,
    /// From the call to the head.
    pub first_byte: Duration,
    /// From the call to the end of the body.
    pub total: Duration,
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

    /// All headers as name NUL value NUL: neither can hold a NUL.
    pub fn packed_headers(&self) -> Vec<u8> {
        let mut packed = Vec::new();
        for (name, value) in &self.headers {
            for part in [name.as_str().as_bytes(), value.as_bytes()] {
                packed.extend_from_slice(part);
                packed.push(0);
            }
        }
        packed
    }
}
