//! A request's body as HTTP takes it: whole bytes or an upload, piece by piece.

use std::pin::Pin;
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::Instant;

use super::OutgoingBody;
use crate::body::pipe::Pipe;
use crate::error::{Error, Result};

/// A body goes out in pieces of this size, so that its progress can be seen.
const PIECE: usize = 64 << 10;
/// A larger body may meet a server that does not read.
const WATCHED: usize = 16 << 10;

/// A request's body on its way out; `None` without one. Boxed, as hyper makes room for 32 requests a connection.
pub struct Payload(Option<Box<Unsent>>);

struct Unsent {
    rest: Rest,
    sent_at: Option<SentAt>,
}

enum Rest {
    Whole(Bytes),
    /// What is still to come of an upload, where its length is known.
    Upload(Arc<Pipe>, Option<u64>),
}

/// When HTTP took the last piece of a body: told by a large one alone, small ones go out in one go.
pub type SentAt = Arc<OnceLock<Instant>>;

impl Payload {
    pub fn new(body: OutgoingBody) -> Self {
        let unsent = match body {
            OutgoingBody::Whole(bytes) if bytes.is_empty() => return Payload(None),
            OutgoingBody::Whole(bytes) => {
                let sent_at = (bytes.len() > WATCHED).then(SentAt::default);
                Unsent { rest: Rest::Whole(bytes), sent_at }
            }
            OutgoingBody::Upload(upload) => {
                Unsent { rest: Rest::Upload(upload.pipe.clone(), upload.length), sent_at: Some(SentAt::default()) }
            }
        };
        Payload(Some(Box::new(unsent)))
    }

    pub fn sent_at(&self) -> Option<SentAt> {
        self.0.as_ref()?.sent_at.clone()
    }
}

impl Unsent {
    fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes>>> {
        let piece = match &mut self.rest {
            Rest::Whole(rest) if rest.is_empty() => None,
            Rest::Whole(rest) => {
                let piece = rest.len().min(PIECE);
                Some(Ok(rest.split_to(piece)))
            }
            Rest::Upload(_, Some(0)) => None,
            Rest::Upload(pipe, left) => {
                let piece = ready!(pipe.poll_pull(PIECE, cx)).transpose();
                if let (Some(left), Some(Ok(piece))) = (left, &piece) {
                    *left -= piece.len() as u64;
                }
                piece
            }
        };
        if self.is_at_end() || piece.is_none() {
            self.mark_sent();
        }
        Poll::Ready(piece)
    }

    fn is_at_end(&self) -> bool {
        match &self.rest {
            Rest::Whole(rest) => rest.is_empty(),
            Rest::Upload(_, left) => *left == Some(0),
        }
    }

    /// HTTP has taken the last of it.
    fn mark_sent(&self) {
        if let Some(sent_at) = &self.sent_at {
            let _ = sent_at.set(Instant::now());
        }
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>>>> {
        let Some(unsent) = &mut self.0 else { return Poll::Ready(None) };
        unsent.poll_piece(cx).map(|piece| piece.map(|piece| piece.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|unsent| unsent.is_at_end())
    }

    fn size_hint(&self) -> SizeHint {
        match self.0.as_ref().map(|unsent| &unsent.rest) {
            None => SizeHint::with_exact(0),
            Some(Rest::Whole(rest)) => SizeHint::with_exact(rest.len() as u64),
            Some(Rest::Upload(_, Some(left))) => SizeHint::with_exact(*left),
            Some(Rest::Upload(_, None)) => SizeHint::new(),
        }
    }
}
