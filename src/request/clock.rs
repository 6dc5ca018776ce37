//! The time limits of one request: one timer, set to whatever runs out first.

use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use tokio::time::{Instant, Sleep};

use super::execution::Execution;
use crate::config::{Limits, TimeLimit};
use crate::error::{Detail, Error, Phase, Status};
use crate::transport::dial;

/// How often a slow send is looked at within its limit.
const SEND_LOOKS: u32 = 4;

/// Watches a request's limits.
pub struct Clock<'a> {
    limits: &'a Limits,
    started: Instant,
    execution: &'a Execution,
    /// What the socket had taken at the last look while sending, and when it moved last.
    sent: Option<(u64, Instant)>,
    timer: Option<Pin<Box<Sleep>>>,
    /// Whom the timer wakes.
    knows: Option<Waker>,
}

/// A limit that runs out at a time.
#[derive(Clone, Copy)]
struct Due {
    at: Instant,
    limit: Duration,
    detail: Detail,
}

impl<'a> Clock<'a> {
    pub fn new(limits: &'a Limits, started: Instant, execution: &'a Execution) -> Self {
        Clock { limits, started, execution, sent: None, timer: None, knows: None }
    }

    /// Ready when a limit has run out: which, in which phase.
    pub fn poll_ran_out(&mut self, cx: &mut Context<'_>) -> Poll<(Detail, Duration, Phase)> {
        let mut rang = false;
        loop {
            let (phase, since) = self.execution.phase();
            let due = self.next_due(phase, since);
            // Only now: the request may have moved on since the timer was set.
            if let Some(due) = due.filter(|due| rang && due.at <= Instant::now()) {
                return Poll::Ready((due.detail, due.limit, phase));
            }
            let looks = [due.map(|due| due.at), self.look_again(phase)];
            let Some(wake) = looks.into_iter().flatten().min() else { return Poll::Pending };
            let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(wake)));
            if rang || timer.deadline() > wake {
                timer.as_mut().reset(wake);
                self.knows = None;
            }
            // Polled at each wake of its task, and those are rarely the timer's.
            if !timer.is_elapsed() && self.knows.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
                return Poll::Pending;
            }
            self.knows = Some(cx.waker().clone());
            // Whatever the request itself has read in this poll: a timer that is refused its turn knows of nobody.
            ready!(pin!(tokio::task::unconstrained(timer.as_mut())).poll(cx));
            rang = true;
        }
    }

    /// What runs out first.
    fn next_due(&mut self, phase: Phase, since: Instant) -> Option<Due> {
        let Limits { total, queue, dns, connect, tls, first_byte, between_bytes, .. } = *self.limits;
        let due = |limit: TimeLimit, from: Instant, detail| limit.map(|limit| Due { at: from + limit, limit, detail });
        let joined = self.execution.joined().unwrap_or(since);
        let dialed = self.execution.dial_began().map_or(joined, |began| began.max(joined));
        let whole = due(total, self.started, Detail::TotalLimit);
        let (of_phase, dialing) = match phase {
            Phase::Queue => (due(queue, joined, Detail::QueueLimit), None),
            Phase::Dns => (due(dns, since.max(joined), Detail::DnsLimit), due(connect, dialed, Detail::ConnectLimit)),
            Phase::Connect => (None, due(connect, dialed, Detail::ConnectLimit)),
            Phase::Tls => (due(tls, since.max(joined), Detail::TlsLimit), due(connect, dialed, Detail::ConnectLimit)),
            Phase::Send => (due(self.limits.send, self.sent_last(since), Detail::SendLimit), None),
            Phase::FirstByte => (due(first_byte, since, Detail::FirstByteLimit), None),
            Phase::Body => (due(between_bytes, since, Detail::BetweenBytesLimit), None),
            Phase::None => (None, None),
        };
        let counts_events = self.limits.first_event.is_some() || self.limits.between_events.is_some();
        let event = match (phase, counts_events.then(|| self.execution.waits_for_event()).flatten()) {
            (Phase::Send | Phase::FirstByte | Phase::Body, Some((since, false))) => {
                due(self.limits.first_event, since, Detail::FirstEventLimit)
            }
            (Phase::Body, Some((since, true))) => due(self.limits.between_events, since, Detail::BetweenEventsLimit),
            _ => None,
        };
        // A tie is the nearer limit's: it says more.
        [of_phase, dialing, event, whole].into_iter().flatten().min_by_key(|due| due.at)
    }

    /// When to look again before anything runs out, or where nothing does: while others decide when a phase begins, the next may have a shorter
    /// limit.
    fn look_again(&self, phase: Phase) -> Option<Instant> {
        let Limits { queue, dns, connect, tls, send, .. } = *self.limits;
        let shortest = match phase {
            Phase::Queue | Phase::Dns | Phase::Connect | Phase::Tls => {
                [queue, dns, connect, tls].into_iter().flatten().min()
            }
            Phase::Send => send.map(|send| send / SEND_LOOKS),
            _ => None,
        };
        shortest.map(|shortest| Instant::now() + shortest)
    }

    /// When the socket took something of the request last.
    fn sent_last(&mut self, since: Instant) -> Instant {
        let Some(connection) = self.execution.connection() else { return since };
        let written = connection.socket.written();
        match self.sent {
            // While the caller is slow to push, the server owes nothing.
            Some((before, at)) if before == written && !self.execution.is_starved() => at,
            Some(_) => {
                let now = Instant::now();
                self.sent = Some((written, now));
                now
            }
            None => {
                self.sent = Some((written, since));
                since
            }
        }
    }
}

/// The error of a limit that ran out; `occupied` says how full the pool is, for the queue's.
pub fn ran_out(detail: Detail, limit: Duration, phase: Phase, occupied: impl FnOnce() -> String) -> Error {
    let doing = match phase {
        Phase::Queue => "waiting for a connection",
        Phase::Dns => "looking up the host name",
        Phase::Connect => "connecting",
        Phase::Tls => "shaking hands",
        Phase::Send => "sending",
        Phase::Body => "reading the body",
        Phase::None | Phase::FirstByte => "waiting for the response",
    };
    let millis = limit.as_millis();
    let message = match detail {
        Detail::QueueLimit => return crate::connections::queue_limit_ran_out(limit, &occupied()),
        Detail::ConnectLimit | Detail::DnsLimit | Detail::TlsLimit => return dial::ran_out(detail, limit),
        Detail::SendLimit => {
            format!(
                "send_timeout_ms: for {millis} ms the server took no byte of the request; raise it or check the server"
            )
        }
        Detail::FirstByteLimit => format!("first_byte_timeout_ms: {millis} ms ran out while {doing}; raise it"),
        Detail::BetweenBytesLimit => {
            format!(
                "between_bytes_timeout_ms: {millis} ms without a byte of the body; raise it; the answer was under way"
            )
        }
        Detail::FirstEventLimit => {
            format!(
                "first_event_timeout_ms: {millis} ms without a data event; raise it; comments and pings do not count"
            )
        }
        Detail::BetweenEventsLimit => {
            format!(
                "between_events_timeout_ms: {millis} ms without one more data event; raise it; comments and pings do not count"
            )
        }
        _ => format!("timeout_ms: {millis} ms ran out while {doing}; raise it, or AIP_OFF for none"),
    };
    Error::new(Status::Timeout, message).detail(detail)
}
