//! One request under way, over the transport that carries it: the pool's own connections, or reqwest's.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::header::CONTENT_TYPE;
use http::{HeaderMap, HeaderValue, StatusCode};
use tokio::time::Instant;

use super::account::AccountPermit;
use super::attempts::{self, Attempts, FinalResponse, RedirectResolver, Refused};
use super::body::Body;
use super::progress::Progress;
use super::provider::Provider;
use super::pump::Pump;
use super::retry::RetryBudget;
use super::send::Incoming;
use super::{Exchange, Failure, Stream, TransportPath};
use crate::address::Address;
use crate::config::{Limits, Persistence};
use crate::connections::{Connection, Group};
use crate::error::{Delivery, Detail, Error, Phase, Status};
use crate::events;
use crate::response::{Report, Response};
use crate::transport::reqwest::{Attempt, Transport};
use crate::transport::{Head, Outgoing};

/// A request under way, over either transport.
#[expect(clippy::large_enum_variant, reason = "one a request, on its stack")]
pub enum Execution {
    Engine { progress: Progress, group: Arc<Group>, resolver: Arc<dyn RedirectResolver> },
    Reqwest { transport: Arc<Transport>, attempt: Arc<Attempt>, started: Instant },
}

/// What bounds and paces the attempts of a request.
pub struct RetryContext<'a> {
    pub persistence: Persistence,
    pub budget: &'a Arc<RetryBudget>,
    pub provider: Option<&'a dyn Provider>,
}

impl Execution {
    pub fn begin(path: &TransportPath, started: Instant) -> Self {
        match path {
            TransportPath::Engine(group, resolver) => {
                let (group, resolver) = (group.clone(), resolver.clone());
                Execution::Engine { progress: Progress::begin(started), group, resolver }
            }
            TransportPath::Reqwest(transport, attempt) => {
                Execution::Reqwest { transport: transport.clone(), attempt: attempt.clone(), started }
            }
        }
    }

    /// The whole response, however many attempts it takes.
    pub async fn whole_response(
        &self,
        address: &Arc<Address>,
        outgoing: &mut Outgoing,
        limits: &Limits,
        retry: RetryContext<'_>,
    ) -> Result<Response, Failure> {
        match self {
            Execution::Engine { progress, group, resolver } => {
                let attempts = attempts_of(limits, progress, &**resolver, &retry, false);
                let answer = pin!(attempts.answer(group.clone(), address.clone(), outgoing)).await;
                let FinalResponse { mut incoming, permit: _permit, refusal } =
                    answer.map_err(|error| progress.in_all(error))?;
                if let Some(refused) = refusal {
                    return Err(Box::pin(self.refusal(&mut incoming, *refused)).await);
                }
                let response = self.gather_incoming(&mut incoming, limits).await;
                match retry.provider {
                    Some(provider) => read(provider, response?),
                    None => response,
                }
            }
            Execution::Reqwest { transport, attempt, .. } => {
                let _under_way = attempt.under_way();
                let (mut head, body) = transport.send(&address.url, outgoing.clone(), attempt.clone()).await?;
                self.gather(&mut head, Body::Reqwest(body), limits, || {}).await
            }
        }
    }

    /// Hands the head out and moves the body into the pipe; status, report and trailers at its end.
    pub async fn stream_response(
        &self,
        exchange: Box<Exchange>,
        limits: &Limits,
        stream: &Stream,
    ) -> Result<(StatusCode, Report, HeaderMap), Failure> {
        let Execution::Engine { progress, .. } = self else { return Err(no_streams().into()) };
        // Boxed, for its room is wanted until the head alone, and a stream is long.
        let (mut incoming, _permit) = Box::pin(self.begin_stream(exchange, limits)).await?;
        let Incoming { head, body } = &mut *incoming;
        let first_byte = self.answered_at().saturating_duration_since(progress.started);
        let (status, remote) = (head.status, head.remote);
        let report = || Report { remote, first_byte, ..self.report() };
        let mut pump = Pump::new(progress, limits, stream, head.headers.get(CONTENT_TYPE));
        stream.sink.headed(head_alone(head, report()));
        let trailers = pump.run(body).await;
        let trailers = trailers.map_err(|error| Error { http_status: status.as_u16(), ..error })?;
        Ok((status, Report { total: progress.started.elapsed(), ..report() }, trailers))
    }

    /// Up to the head of a stream.
    async fn begin_stream(
        &self,
        mut exchange: Box<Exchange>,
        limits: &Limits,
    ) -> Result<(Box<Incoming>, Option<AccountPermit>), Failure> {
        let Execution::Engine { progress, group, resolver } = self else { return Err(no_streams().into()) };
        let Exchange { address, outgoing, persistence, budget, provider, .. } = &mut *exchange;
        let retry = RetryContext { persistence: *persistence, budget, provider: provider.as_deref() };
        let attempts = attempts_of(limits, progress, &**resolver, &retry, true);
        let answer = attempts.answer(group.clone(), address.clone(), outgoing).await;
        let FinalResponse { mut incoming, permit, refusal } = answer.map_err(|error| progress.in_all(error))?;
        match refusal {
            None => Ok((incoming, permit)),
            Some(refused) => Err(self.refusal(&mut incoming, *refused).await),
        }
    }

    /// A refusal with as much of its body as came: what it means is known, however the rest ends.
    async fn refusal(&self, incoming: &mut Incoming, refused: Refused) -> Failure {
        let first_byte = self.answered_at().saturating_duration_since(self.started());
        let Incoming { head, body } = incoming;
        let bytes = attempts::begin(body, attempts::MOST_REFUSAL).await;
        let Head { status, version, headers, remote } = head.take();
        let report = Report { remote, first_byte, total: self.started().elapsed(), ..self.report() };
        failure(refused, Response { status, version, headers, body: bytes, report, reply: None })
    }

    async fn gather_incoming(&self, incoming: &mut Incoming, limits: &Limits) -> Result<Response, Failure> {
        let Incoming { head, body } = incoming;
        let timed = limits.between_bytes.is_some();
        self.gather(head, Body::Engine(body), limits, || {
            if let (true, Execution::Engine { progress, .. }) = (timed, self) {
                progress.enter(Phase::Body);
            }
        })
        .await
    }

    async fn gather(
        &self,
        head: &mut Head,
        body: Body<'_>,
        limits: &Limits,
        at_piece: impl Fn(),
    ) -> Result<Response, Failure> {
        let started = self.started();
        let first_byte = self.answered_at().saturating_duration_since(started);
        let (body, end) = body.collect(limits.body, at_piece).await;
        let Head { status, version, headers, remote } = head.take();
        let report = Report { remote, first_byte, total: started.elapsed(), ..self.report() };
        let response = Response { status, version, headers, body, report, reply: None };
        let Err(error) = end else { return Ok(response) };
        let error = Error { http_status: status.as_u16(), ..error };
        let carries = matches!(error.status, Status::TooLarge | Status::Truncated);
        Err(Failure { error, response: carries.then(|| Box::new(response)) })
    }

    fn started(&self) -> Instant {
        match self {
            Execution::Engine { progress, .. } => progress.started,
            Execution::Reqwest { started, .. } => *started,
        }
    }

    /// A failure that we brought about: how far the request had got then.
    pub fn given_up(&self, error: Error) -> Error {
        let (phase, delivery, http_status) = match self {
            Execution::Engine { progress, .. } => {
                (progress.phase().0, progress.delivery(false), progress.http_status())
            }
            Execution::Reqwest { attempt, .. } => (attempt.phase(), attempt.delivery(), attempt.http_status()),
        };
        let retryable = error.status == Status::Timeout && delivery == Delivery::NotSent;
        Error { phase, delivery, http_status, retryable, ..error }
    }

    /// As `given_up`; and where the server had the request, or a part of it, its connection is under suspicion.
    pub fn timed_out(&self, error: Error) -> Error {
        let error = self.given_up(error);
        if let Execution::Engine { progress, group, .. } = self {
            let silent = match error.phase {
                Phase::Send => !progress.is_starved(),
                Phase::FirstByte => true,
                // Another limit than its own ends a body while bytes flow, or while our reader pauses.
                Phase::Body => error.detail == Detail::BetweenBytesLimit,
                _ => false,
            };
            // An HTTP/1.1 connection ends with its request anyhow.
            let shared = progress.connection().filter(|connection| silent && connection.http2);
            if let Some(connection) = shared {
                group.suspect(&connection);
            }
        }
        error
    }

    /// What the engine knows of it; reqwest tells nothing of its connections.
    fn progress(&self) -> Option<&Progress> {
        match self {
            Execution::Engine { progress, .. } => Some(progress),
            Execution::Reqwest { .. } => None,
        }
    }

    pub fn phase(&self) -> (Phase, Instant) {
        match self {
            Execution::Engine { progress, .. } => progress.phase(),
            Execution::Reqwest { attempt, started, .. } => (attempt.phase(), *started),
        }
    }

    /// Since when a data event is waited for, and whether one came before; `None` where nobody counts them, or just now.
    pub fn waits_for_event(&self) -> Option<(Instant, bool)> {
        self.progress()?.waits_for_event()
    }

    /// Whether the request's body waits for its caller.
    pub fn is_starved(&self) -> bool {
        self.progress().is_some_and(Progress::is_starved)
    }

    /// When the head came, asked when it has.
    pub fn answered_at(&self) -> Instant {
        match self {
            Execution::Engine { progress, .. } => progress.phase().1,
            Execution::Reqwest { .. } => Instant::now(),
        }
    }

    pub fn dial_began(&self) -> Option<Instant> {
        self.progress()?.dial_began()
    }

    pub fn joined(&self) -> Option<Instant> {
        self.progress()?.joined()
    }

    /// Whether it went out to see whether its provider is back, and no answer came.
    pub fn probes(&self) -> bool {
        self.progress().is_some_and(Progress::probes)
    }

    pub fn connection(&self) -> Option<Arc<Connection>> {
        self.progress()?.connection()
    }

    pub fn occupied(&self) -> String {
        match self {
            Execution::Engine { group, .. } => group.occupied_now(),
            Execution::Reqwest { .. } => String::new(),
        }
    }

    /// The request's end, for the event ring and the metrics.
    pub fn record(&self, outcome: Result<(StatusCode, &Report), &Failure>) {
        let Execution::Engine { progress, group, .. } = self else { return };
        let micros = |time: Duration| time.as_micros() as u64;
        let so_far;
        let (report, status, http_status, total) = match outcome {
            Ok((status, report)) => {
                group.shared.answered(report.first_byte);
                (report, Status::Ok, status.as_u16(), report.total)
            }
            Err(Failure { error, .. }) => {
                so_far = progress.report();
                (&so_far, error.status, error.http_status, error.elapsed)
            }
        };
        let kind = events::Kind::Request {
            host: group.host.clone(),
            status: status as i32,
            http_status,
            attempts: report.attempts,
            reused: report.reused,
            queue_us: micros(report.queue),
            first_byte_us: micros(report.first_byte),
            total_us: micros(total),
        };
        events::record(group.shared.id, report.connection, kind);
    }

    pub fn report(&self) -> Report {
        match self {
            Execution::Engine { progress, .. } => progress.report(),
            Execution::Reqwest { attempt, .. } => Report { attempts: 1, reused: attempt.reused(), ..Report::default() },
        }
    }
}

fn attempts_of<'a>(
    limits: &'a Limits,
    progress: &'a Progress,
    resolver: &'a dyn RedirectResolver,
    retry: &RetryContext<'a>,
    stream: bool,
) -> Attempts<'a> {
    let RetryContext { persistence, budget, provider } = *retry;
    Attempts { limits, progress, resolver, persistence, budget, provider, stream }
}

/// A refusal, with all the provider said.
fn failure(Refused { error, reply }: Refused, response: Response) -> Failure {
    Failure { error, response: Some(Box::new(Response { reply: Some(Box::new(reply)), ..response })) }
}

/// A whole answer, read by the provider's client.
fn read(provider: &dyn Provider, response: Response) -> Result<Response, Failure> {
    match provider.read(&response.body) {
        (reply, Ok(())) => Ok(Response { reply: Some(Box::new(reply)), ..response }),
        (reply, Err(error)) => {
            let error = Error { http_status: response.status.as_u16(), ..error };
            Err(failure(Refused { error, reply }, response))
        }
    }
}

/// What a stream's reader gets first.
fn head_alone(head: &mut Head, report: Report) -> Response {
    let Head { status, version, headers, .. } = head.take();
    Response { status, version, headers: in_room_of_their_own(headers), body: Bytes::new(), report, reply: None }
}

/// As they came, the values hold on to the connection's whole read buffer, and the map has room for the request's headers too:
/// a stream's head is kept as long as the stream.
fn in_room_of_their_own(headers: HeaderMap) -> HeaderMap {
    let mut room = BytesMut::with_capacity(headers.values().map(HeaderValue::len).sum());
    headers.values().for_each(|value| room.extend_from_slice(value.as_bytes()));
    let mut own = HeaderMap::with_capacity(headers.len());
    // A name comes with the first of its values alone.
    let mut name = None;
    for (next, value) in headers {
        name = next.or(name);
        let bytes = room.split_to(value.len()).freeze();
        if let Some(name) = &name {
            own.append(name.clone(), HeaderValue::from_maybe_shared(bytes).unwrap_or(value));
        }
    }
    own
}

fn no_streams() -> Error {
    Error::new(
        Status::Unsupported,
        "flags: AIP_REQUEST_STREAM needs the pool's own connections; choose AIP_TRANSPORT_ENGINE",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kept_head_has_room_for_its_own_headers_alone() {
        let mut came = HeaderMap::with_capacity(50);
        let buffer = Bytes::from(vec![b'v'; 8 << 10]);
        for (length, name) in ["x-one", "x-two", "x-one", "x-three", "x-one"].into_iter().enumerate() {
            came.append(name, HeaderValue::from_maybe_shared(buffer.slice(..length)).unwrap());
        }
        let kept = in_room_of_their_own(came.clone());
        assert_eq!(kept, came);
        assert_eq!(kept.get_all("x-one").iter().map(HeaderValue::len).collect::<Vec<_>>(), [0, 2, 4]);
        assert!(kept.capacity() < 16, "{}", kept.capacity());
        drop(came);
        assert!(buffer.is_unique(), "a value holds on to what it came in");
    }
}
