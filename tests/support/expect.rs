//! What a test expects of a failure, in one line.

use std::sync::Arc;
use std::time::Duration;

use aipool::config::{HttpVersion, MaxSize, PoolConfig};
use aipool::error::{Delivery, Detail, Phase, Status};
use aipool::pool::{ConnectionPool, PoolHandle};
use aipool::request::{Failure, Request};
use aipool::session::SessionHandle;

use super::raw::RawServer;

/// The parts of a failure that a caller acts on.
pub fn verdict(failure: &Failure) -> (Status, Detail, Phase, Delivery) {
    let error = &failure.error;
    (error.status, error.detail, error.phase, error.delivery)
}

/// A pool that evicts nothing.
pub fn pool(threads: usize) -> PoolHandle {
    let config = PoolConfig { threads, max_size: MaxSize::Unlimited, ..PoolConfig::default() };
    PoolHandle::owner(ConnectionPool::new(config).unwrap())
}

/// A session of its own over TLS, with the HTTP that `version` says.
pub fn over(pool: &PoolHandle, url: &str, version: HttpVersion) -> Arc<SessionHandle> {
    let mut options = super::trusting();
    options.connection.http_version = version;
    options.partition = format!("{version:?}");
    Arc::new(pool.get_session(url, Some(options)).unwrap())
}

// The shape of `LimitOverrides`.
#[allow(clippy::option_option, clippy::unnecessary_wraps)]
pub fn millis(millis: u64) -> Option<Option<Duration>> {
    Some(Some(Duration::from_millis(millis)))
}

/// `request` under a total limit that a test which works never meets, and one that hangs meets soon.
pub fn bounded(mut request: Request) -> Request {
    request.limits.total = request.limits.total.or(millis(8000));
    request
}

/// This process's events: other tests' too.
pub fn events() -> Vec<String> {
    aipool::events::read(0, 1 << 20).lines.lines().map(str::to_owned).collect()
}

/// The event of a connection to the port of this URL; empty where there is none.
pub fn connect_event(url: &str) -> String {
    let port = url.rsplit_once(':').unwrap().1;
    let connected =
        |line: &String| line.contains("\"event\":\"connect\"") && line.contains(&format!("\"port\":{port},"));
    events().into_iter().find(connected).unwrap_or_default()
}

/// Sends `request` to a server whose first connection fails it, expects a failure, and that nothing is left of it: no request
/// under way, and an end to the script, so to the connection. The next request, over a fresh connection, succeeds.
pub fn fails_cleanly(session: &SessionHandle, pool: &PoolHandle, server: &RawServer, request: Request) -> Failure {
    let failure = match session.request(bounded(request)) {
        Err(failure) => failure,
        Ok(response) => panic!("answered {} by a server that failed it", response.status),
    };
    server.wait_ended(1);
    assert_eq!(pool.stats().in_flight, 0, "{failure:?}");
    let next = session.request(bounded(super::get("/next"))).expect("the next request is another's business");
    assert_eq!((next.status.as_u16(), next.report.reused), (200, false), "{failure:?}");
    failure
}
