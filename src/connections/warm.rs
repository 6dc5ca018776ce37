//! Connections opened before a request needs them.

use std::sync::Arc;
use std::time::Duration;

use super::{Checkout, Group};
use crate::config::Limits;
use crate::error::{Detail, Error, Phase, Result, Status};
use crate::transport::dial::DialLimits;

impl Group {
    /// Ends when `wanted` connections stand idle or in use by this, all at once: HTTP/2 serves many with one. Says how many
    /// stand then.
    pub async fn warm(self: &Arc<Self>, wanted: usize, limits: &Limits, timeout: Duration) -> Result<usize> {
        let mut begun = Vec::new();
        for _ in 0..wanted {
            begun.push(self.checkout(DialLimits::of(limits))?);
        }
        let all = async {
            let mut held = Vec::new();
            for checkout in begun {
                held.push(match checkout {
                    Checkout::Now(lease) => lease,
                    Checkout::Later(mut waiting) => waiting.served().await?,
                });
            }
            Ok(self.occupancy().standing)
        };
        tokio::time::timeout(timeout, all).await.unwrap_or_else(|_| {
            let (standing, millis) = (self.occupancy().standing, timeout.as_millis());
            let message =
                format!("timeout_ms: {millis} ms ran out with {standing} connections; raise it or check the host");
            Err(Error::new(Status::Timeout, message).detail(Detail::TotalLimit).phase(Phase::Connect).retryable())
        })
    }
}
