//! A response's body: received, decoded, gathered up to its cap.

use bytes::{Bytes, BytesMut};

use super::engine_body::EngineBody;
use crate::error::{Delivery, Error, Phase, Result, Status};
use crate::transport::reqwest::ReqwestBody;

/// The rest of a response, whichever way it comes.
pub enum Body<'a> {
    Engine(&'a mut EngineBody),
    Reqwest(ReqwestBody),
}

impl Body<'_> {
    /// The next bytes, decoded; `None` at a proper end.
    async fn next(&mut self, room: usize) -> Result<Option<Bytes>> {
        match self {
            Body::Engine(body) => body.next(room).await,
            Body::Reqwest(body) => body.next().await,
        }
    }

    fn length(&self) -> Option<u64> {
        match self {
            Body::Engine(body) => body.length,
            Body::Reqwest(body) => body.length(),
        }
    }

    /// The body as far as it came, and how it ended. `heard` is told of each piece.
    pub async fn collect(mut self, cap: Option<u64>, heard: impl Fn()) -> (Bytes, Result<()>) {
        let cap = cap.map_or(usize::MAX, |cap| usize::try_from(cap).unwrap_or(usize::MAX));
        let expected = self.length().map_or(0, |length| usize::try_from(length).unwrap_or(usize::MAX));
        let mut first = Bytes::new();
        let mut rest = BytesMut::new();
        loop {
            let room = cap - first.len() - rest.len();
            let next = self.next(room).await;
            heard();
            let next = match next {
                Ok(Some(next)) => next,
                Ok(None) => return (joined(first, rest), Ok(())),
                Err(error) => return (joined(first, rest), Err(error)),
            };
            if next.len() > room {
                append(&mut first, &mut rest, next.slice(..room), expected.min(cap));
                return (joined(first, rest), Err(too_large(cap)));
            }
            append(&mut first, &mut rest, next, expected.min(cap));
        }
    }
}

/// A body of one piece is never copied.
fn append(first: &mut Bytes, rest: &mut BytesMut, next: Bytes, expected: usize) {
    const MOST_RESERVED: usize = 1 << 20;
    if first.is_empty() && rest.is_empty() {
        *first = next;
        return;
    }
    if rest.is_empty() {
        rest.reserve(expected.min(MOST_RESERVED));
        rest.extend_from_slice(first);
        *first = Bytes::new();
    }
    rest.extend_from_slice(&next);
}

fn joined(first: Bytes, rest: BytesMut) -> Bytes {
    if rest.is_empty() { first } else { rest.freeze() }
}

fn too_large(cap: usize) -> Error {
    let message = format!("max_body_bytes: the body is over {cap} bytes; raise it; the response holds what fitted");
    Error::new(Status::TooLarge, message).phase(Phase::Body).delivery(Delivery::ResponseStarted)
}
