//! A response's body over the pool's own connections: received and decoded; its end gives the connection back.

use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use crate::connections::Lease;
use crate::error::{Error, Result};
use crate::events::CloseReason;
use crate::transport::decode::Decoder;
use crate::transport::http::ResponseBody;
use crate::transport::payload::SentAt;

/// As much of an answer nobody wants is read, so that its connection can be used again.
const MOST_DRAINED: usize = 64 << 10;
/// Most bytes decoded at once.
const MOST_DECODED: usize = 1 << 20;

/// The rest of a response as it comes; its connection goes back when all has been read.
pub struct EngineBody {
    body: ResponseBody,
    lease: Option<Lease>,
    keep: Option<Duration>,
    /// When the last of the request was taken; `None` where it is small.
    sent: Option<SentAt>,
    /// How many bytes are to come, where the server said so.
    pub length: Option<u64>,
    decoder: Option<Decoder>,
    /// Received and not yet decoded.
    encoded: Bytes,
    /// Decoded, looked at and put back.
    returned: Bytes,
    /// How it broke off: said again to whoever reads on. Boxed, for it is rare.
    failed: Option<Box<Error>>,
}

impl EngineBody {
    pub fn new(
        body: ResponseBody,
        lease: Lease,
        keep: Option<Duration>,
        sent: Option<SentAt>,
        decoder: Option<Decoder>,
    ) -> EngineBody {
        let mut body = EngineBody {
            length: body.length().filter(|_| decoder.is_none()),
            body,
            lease: Some(lease),
            keep,
            sent,
            decoder,
            encoded: Bytes::new(),
            returned: Bytes::new(),
            failed: None,
        };
        body.finish_at_end();
        body
    }

    /// The next bytes: `room` and one more at the most where they are decoded, else as they came. `None` at a proper end.
    pub async fn next(&mut self, room: usize) -> Result<Option<Bytes>> {
        if !self.returned.is_empty() {
            return Ok(Some(std::mem::take(&mut self.returned)));
        }
        if let Some(error) = &self.failed {
            return Err((**error).clone());
        }
        let next = self.read(room).await;
        if let Err(error) = &next {
            self.failed = Some(Box::new(error.clone()));
        }
        next
    }

    async fn read(&mut self, room: usize) -> Result<Option<Bytes>> {
        if self.decoder.is_none() {
            return self.receive().await;
        }
        loop {
            let Some(decoder) = &mut self.decoder else { return Ok(None) };
            let (mut out, mut input) = (BytesMut::new(), &self.encoded[..]);
            let most = room.saturating_add(1).min(MOST_DECODED);
            decoder.decode(&mut input, &mut out, most)?;
            let rest = input.len();
            self.encoded.advance(self.encoded.len() - rest);
            if !out.is_empty() {
                return Ok(Some(out.freeze()));
            }
            if let Some(bytes) = self.receive().await? {
                self.encoded = bytes;
            } else {
                return self.decoder.take().map_or(Ok(()), |decoder| decoder.finish()).map(|()| None);
            }
        }
    }

    /// Nobody has room for more, until `next` is called again.
    pub fn pause(&mut self) {
        // What is left to decode may be more than there is room for: the connection is another request's then.
        if self.lease.is_some() {
            self.body.pause();
        }
    }

    /// What came behind the body.
    pub fn trailers(&mut self) -> HeaderMap {
        self.body.take_trailers().unwrap_or_default()
    }

    pub fn is_http2(&self) -> bool {
        self.lease.as_ref().is_some_and(|lease| lease.connection().http2)
    }

    /// Reads a rest that nobody wants, if it is small, so that the connection can be used again. A failure here is its own,
    /// not the request's.
    pub async fn drain(&mut self) {
        let mut drained = 0;
        while drained < MOST_DRAINED {
            match self.next(MOST_DRAINED).await {
                Ok(Some(bytes)) => drained += bytes.len(),
                Ok(None) | Err(_) => return,
            }
        }
    }

    /// What was read last comes again.
    pub fn put_back(&mut self, bytes: Bytes) {
        self.returned = bytes;
    }

    async fn receive(&mut self) -> Result<Option<Bytes>> {
        if self.lease.is_none() {
            return Ok(None);
        }
        let next = self.body.next().await;
        match next {
            Ok(Some(bytes)) => {
                self.finish_at_end();
                Ok(Some(bytes))
            }
            Ok(None) => {
                self.finish();
                Ok(None)
            }
            Err(error) => {
                if let Some(lease) = self.lease.take() {
                    if !lease.connection().http2 {
                        lease.failed(CloseReason::Error);
                    }
                }
                Err(error)
            }
        }
    }

    fn finish_at_end(&mut self) {
        if self.body.is_at_end() {
            self.finish();
        }
    }

    fn finish(&mut self) {
        if let Some(lease) = self.lease.take() {
            lease.finish(self.sent.as_ref().is_none_or(|sent| sent.get().is_some()), self.keep);
        }
    }
}
