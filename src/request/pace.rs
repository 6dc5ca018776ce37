//! A hook for whoever paces requests by what the server said of its limits.

use std::future::Future;
use std::pin::Pin;

use http::{HeaderMap, StatusCode};

use crate::error::Result;

/// What to wait for before a request may go.
pub type Admission<'a> = Pin<Box<dyn Future<Output = Result<()>> + Send + 'a>>;

/// Holds requests back, and learns from the answers for how long.
pub trait Pace: Send + Sync {
    /// Asked before each attempt: `None` lets it go at once; the future may also refuse it.
    fn admit(&self) -> Option<Admission<'_>> {
        None
    }

    /// Told of each response's head.
    fn learn(&self, _status: StatusCode, _headers: &HeaderMap) {}
}

/// Holds nothing back.
pub struct Unpaced;

impl Pace for Unpaced {}
