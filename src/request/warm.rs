//! Connections opened before a request needs them.

use std::sync::Arc;
use std::time::Duration;

use crate::config::Limits;
use crate::connections::{Checkout, Group};
use crate::error::{Detail, Error, Phase, Result, Status};
use crate::transport::dial::DialLimits;

/// Ends when `wanted` connections stand idle or in use by this, all at once: HTTP/2 serves many with one. Says how many
/// stand then.
pub async fn warm(group: &Arc<Group>, wanted: usize, limits: &Limits, timeout: Duration) -> Result<usize> {
    let mut begun = Vec::new();
    for _ in 0..wanted {
        begun.push(group.checkout(DialLimits::of(limits))?);
    }
    let all = async {
        let mut held = Vec::new();
        for checkout in begun {
            held.push(match checkout {
                Checkout::Now(lease) => lease,
                Checkout::Later(mut waiting) => waiting.served().await?,
            });
        }
        Ok(group.occupancy().standing)
    };
    tokio::time::timeout(timeout, all).await.unwrap_or_else(|_| {
        let (standing, millis) = (group.occupancy().standing, timeout.as_millis());
        let message =
            format!("timeout_ms: {millis} ms ran out with {standing} connections; raise it or check the host");
        Err(Error::new(Status::Timeout, message).detail(Detail::TotalLimit).phase(Phase::Connect).retryable())
    })
}
