//! A pool's numbers: as they are now, and as a scrape sees them.

use crate::connections::ConnectionStats;
use crate::events::CloseReason;
use crate::metrics::{Counts, Family, Kind, Value};

/// A pool's numbers now.
pub struct PoolStats {
    pub sessions: u64,
    pub leased: u64,
    pub over_limit: u64,
    pub in_flight: u64,
    pub sessions_created: u64,
    pub evictions: u64,
    pub requests: u64,
    pub failures: u64,
    pub connections_opened: u64,
    pub requests_reused: u64,
    /// The engine's.
    pub connections: ConnectionStats,
}

/// Where the time went.
pub struct PoolTimes {
    pub queue: Counts,
    pub first_byte: Counts,
    pub first_token: Counts,
    pub between_tokens: Counts,
}

impl PoolStats {
    /// As Prometheus has them; names begin with `aipool_`.
    pub fn families(&self, times: &PoolTimes) -> Vec<Family> {
        let mut all = self.counts();
        all.extend(times.families());
        all
    }

    fn counts(&self) -> Vec<Family> {
        let ConnectionStats { now, opened, closed, failed, handshakes_full, handshakes_resumed, reused, .. } =
            self.connections;
        let gauge = |name, help, value: u64| Family::new(name, help, Kind::Gauge).integer(value);
        let counter = |name, help, value: u64| Family::new(name, help, Kind::Counter).integer(value);
        let state = |value: usize| Value::Integer(value as u64);
        let by_reason = CloseReason::ALL.iter().zip(closed).fold(
            Family::new("aipool_connections_closed_total", "Connections closed, by reason.", Kind::Counter),
            |family, (reason, count)| family.with(&[("reason", reason.name())], Value::Integer(count)),
        );
        vec![
            gauge("aipool_sessions", "Sessions in the pool.", self.sessions),
            gauge("aipool_sessions_leased", "Sessions held by leases.", self.leased),
            gauge("aipool_sessions_over_limit", "Sessions beyond max_size, as all are leased.", self.over_limit),
            counter("aipool_sessions_created_total", "Sessions made.", self.sessions_created),
            counter("aipool_evictions_total", "Sessions given up because the pool was full.", self.evictions),
            gauge("aipool_requests_in_flight", "Requests under way.", self.in_flight),
            counter("aipool_requests_total", "Requests begun.", self.requests),
            counter("aipool_requests_failed_total", "Requests that ended without a whole response.", self.failures),
            counter(
                "aipool_requests_reused_total",
                "Requests over a connection that was open before.",
                self.requests_reused,
            ),
            Family::new("aipool_connections", "Connections that stand, by state.", Kind::Gauge)
                .with(&[("state", "idle")], state(now.idle))
                .with(&[("state", "in_use")], state(now.in_use)),
            gauge("aipool_connections_dialing", "Connections being opened.", now.dialing as u64),
            gauge("aipool_connections_insecure", "Connections whose certificate nobody checked.", now.insecure as u64),
            gauge("aipool_requests_waiting", "Requests waiting for a connection.", now.waiting as u64),
            gauge("aipool_streams", "Requests on connections.", now.streams as u64),
            counter("aipool_connections_opened_total", "Connections opened.", opened),
            by_reason,
            counter("aipool_connects_failed_total", "Connections that could not be opened.", failed),
            Family::new("aipool_tls_handshakes_total", "TLS handshakes.", Kind::Counter)
                .with(&[("kind", "full")], Value::Integer(handshakes_full))
                .with(&[("kind", "resumed")], Value::Integer(handshakes_resumed)),
            counter("aipool_connections_reused_total", "Times a connection was taken again.", reused),
        ]
    }
}

impl PoolTimes {
    fn families(&self) -> [Family; 4] {
        let histogram =
            |name, help, counts: Counts| Family::new(name, help, Kind::Histogram).with(&[], Value::Histogram(counts));
        let PoolTimes { queue, first_byte, first_token, between_tokens } = *self;
        [
            histogram("aipool_queue_seconds", "Time requests waited for a connection.", queue),
            histogram("aipool_first_byte_seconds", "Time from a request's start to its response's head.", first_byte),
            histogram(
                "aipool_first_token_seconds",
                "Time from a call's start to the first part read of its streamed answer.",
                first_token,
            ),
            histogram(
                "aipool_between_tokens_seconds",
                "Time between two parts read of a streamed answer.",
                between_tokens,
            ),
        ]
    }
}
