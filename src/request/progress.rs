//! How far one request got over the pool's own connections: for its limits, for what a failure says, and for the response's report.

use std::sync::{Arc, Mutex};

use http::StatusCode;
use tokio::time::Instant;

use crate::body::upload::Upload;
use crate::connections::{Connection, Lease, WaiterState};
use crate::error::{Delivery, Error, Phase};
use crate::lock::lock;
use crate::response::Report;
use crate::transport::OutgoingBody;
use crate::transport::payload::SentAt;
use crate::transport::socket_state::SocketState;

/// Interim answers, the head, and what is read of the body along with it, over HTTP/1.1.
const MOST_BEFORE_HEAD: u64 = 1 << 20;

/// How far one request got. Shared by the parts of one task.
pub struct Progress {
    pub started: Instant,
    state: Mutex<State>,
}

struct State {
    phase: Phase,
    since: Instant,
    /// While it waits for a connection.
    place: Option<Arc<WaiterState>>,
    /// From the moment it was given to a connection.
    dispatched: Option<Dispatched>,
    /// When the last of a large body was taken.
    taken: Option<SentAt>,
    http_status: u16,
    /// The request's body, where its caller pushes it.
    upload: Option<Arc<Upload>>,
    /// Since when a data event is waited for; `None` where nobody counts them, or while the reader is behind.
    event_since: Option<Instant>,
    had_event: bool,
    reader_is_behind: bool,
    /// What the server may have seen of the attempts before this one.
    earlier: Delivery,
    /// The attempt was let out to see whether its provider is back, and no answer came yet.
    probes: bool,
    report: Report,
}

/// A request in a connection's hands.
struct Dispatched {
    connection: Arc<Connection>,
    /// What the socket had taken before.
    written: u64,
    read: u64,
}

impl Dispatched {
    /// Whether a byte can have left since. Asked when this request is over; over HTTP/1.1 nothing else is on the connection,
    /// so it is closed for writing first.
    fn may_have_left(&self, dead: bool) -> bool {
        let socket: &SocketState = &self.connection.socket;
        // Another stream's bytes look like this one's, and go on after us.
        let alone = dead || !self.connection.http2;
        !alone || socket.end_writing() != Some(self.written)
    }
}

impl Progress {
    pub fn begin(started: Instant) -> Progress {
        Progress {
            started,
            state: Mutex::new(State {
                phase: Phase::None,
                since: started,
                place: None,
                dispatched: None,
                taken: None,
                http_status: 0,
                upload: None,
                event_since: None,
                had_event: false,
                reader_is_behind: false,
                earlier: Delivery::NotSent,
                probes: false,
                report: Report::default(),
            }),
        }
    }

    /// The phase, and since when.
    pub fn phase(&self) -> (Phase, Instant) {
        let mut state = lock(&self.state);
        if let Some(place) = &state.place {
            return place.phase();
        }
        if state.reader_is_behind {
            return (state.phase, Instant::now());
        }
        // Lent a stream before the peer said that it takes none: it waits like those in the queue.
        let stuck = state.dispatched.as_ref().is_some_and(|sent| sent.connection.most_streams() == 0);
        if stuck && state.phase == Phase::FirstByte {
            return (Phase::Queue, state.since);
        }
        let sent = state.taken.as_ref().and_then(|taken| taken.get().copied());
        if let (Phase::Send, Some(sent)) = (state.phase, sent) {
            (state.phase, state.since) = (Phase::FirstByte, sent);
        }
        (state.phase, state.since)
    }

    pub fn enter(&self, phase: Phase) {
        let mut state = lock(&self.state);
        state.phase = phase;
        state.since = Instant::now();
    }

    /// One more attempt begins; `dispatched` of the one before is over.
    pub fn attempt(&self) {
        let mut state = lock(&self.state);
        state.report.attempts += 1;
        state.dispatched = None;
        state.http_status = 0;
    }

    /// Between two attempts, with no connection.
    pub fn pauses(&self) {
        let mut state = lock(&self.state);
        if state.dispatched.is_some() {
            state.earlier = Delivery::MaybeSent;
        }
        // A dial that failed is nothing to wait for.
        (state.dispatched, state.place) = (None, None);
        (state.phase, state.since) = (Phase::None, Instant::now());
    }

    /// The server has done its part, and what follows may go elsewhere.
    pub fn redirected(&self) {
        lock(&self.state).report.redirects += 1;
        self.pauses();
    }

    pub fn redirects(&self) -> u32 {
        lock(&self.state).report.redirects
    }

    /// The connection was found dead, the attempt was none.
    pub fn did_not_go_out(&self) {
        let mut state = lock(&self.state);
        state.report.attempts -= 1;
        state.dispatched = None;
    }

    /// Its provider lets the next attempt go, as the one that `probes` or as any.
    pub fn admitted(&self, probes: bool) {
        lock(&self.state).probes = probes;
    }

    pub fn probes(&self) -> bool {
        lock(&self.state).probes
    }

    /// It waits for a connection.
    pub fn waits(&self, place: Arc<WaiterState>) {
        lock(&self.state).place = Some(place);
    }

    /// When the wait for a connection began, where it is waiting.
    pub fn joined(&self) -> Option<Instant> {
        lock(&self.state).place.as_ref().map(|place| place.joined)
    }

    /// When the dial that is waited for began.
    pub fn dial_began(&self) -> Option<Instant> {
        lock(&self.state).place.as_ref()?.dial().map(|dial| dial.began)
    }

    /// It has a connection, and goes out now.
    pub fn goes_over(&self, lease: &Lease, taken: Option<SentAt>, body: &OutgoingBody) {
        let connection = lease.connection();
        let mut state = lock(&self.state);
        let now = Instant::now();
        if let Some(place) = state.place.take() {
            state.report.waited(now - place.joined, &connection.facts.times, lease.reused());
        }
        state.report.over(connection, lease.reused());
        state.phase = if taken.is_some() { Phase::Send } else { Phase::FirstByte };
        state.since = now;
        state.taken = taken;
        state.event_since = Some(now);
        state.upload = match body {
            OutgoingBody::Whole(_) => None,
            OutgoingBody::Upload(upload) => Some(upload.clone()),
        };
        if !connection.http2 {
            connection.socket.expect_head(MOST_BEFORE_HEAD);
        }
        let (written, read) = (connection.socket.written(), connection.socket.read());
        state.dispatched = Some(Dispatched { connection: connection.clone(), written, read });
    }

    /// Whether all that was pushed of an upload is out, and more is to come: then it is the caller who is slow.
    pub fn is_starved(&self) -> bool {
        lock(&self.state).upload.as_ref().is_some_and(|upload| upload.pipe.is_empty_for_now())
    }

    /// Since when a data event is waited for, and whether one came before.
    pub fn waits_for_event(&self) -> Option<(Instant, bool)> {
        let state = lock(&self.state);
        state.event_since.filter(|_| !state.reader_is_behind).map(|since| (since, state.had_event))
    }

    /// The body has no events that we know.
    pub fn counts_no_events(&self) {
        lock(&self.state).event_since = None;
    }

    pub fn had_event(&self) {
        let mut state = lock(&self.state);
        (state.event_since, state.had_event) = (Some(Instant::now()), true);
    }

    /// The reader is behind: no limit of the body's runs.
    pub fn pauses_reading(&self) {
        lock(&self.state).reader_is_behind = true;
    }

    pub fn reads_on(&self) {
        let mut state = lock(&self.state);
        (state.reader_is_behind, state.since) = (false, Instant::now());
        if state.event_since.is_some() {
            state.event_since = Some(state.since);
        }
    }

    /// The response's head has come.
    pub fn answered(&self, status: StatusCode) {
        let mut state = lock(&self.state);
        if let Some(sent) = state.dispatched.as_ref().filter(|sent| !sent.connection.http2) {
            sent.connection.socket.head_came();
        }
        state.http_status = status.as_u16();
        state.probes = false;
        state.phase = Phase::Body;
        state.since = Instant::now();
    }

    pub fn http_status(&self) -> u16 {
        lock(&self.state).http_status
    }

    /// Whether a byte came back since it was sent, on its connection.
    pub fn heard_back(&self) -> bool {
        let state = lock(&self.state);
        state.dispatched.as_ref().is_some_and(|sent| sent.connection.socket.read() != sent.read)
    }

    pub fn connection(&self) -> Option<Arc<Connection>> {
        lock(&self.state).dispatched.as_ref().map(|sent| sent.connection.clone())
    }

    /// What is certain of this attempt; `dead` when its connection is.
    pub fn delivery_now(&self, dead: bool) -> Delivery {
        let state = lock(&self.state);
        match &state.dispatched {
            _ if state.phase == Phase::Body => Delivery::ResponseStarted,
            Some(sent) if sent.may_have_left(dead) => Delivery::MaybeSent,
            _ => Delivery::NotSent,
        }
    }

    /// What is certain of this attempt and those before.
    pub fn delivery(&self, dead: bool) -> Delivery {
        match self.delivery_now(dead) {
            Delivery::NotSent => lock(&self.state).earlier,
            now => now,
        }
    }

    /// An attempt's failure, in the light of those before: what the server may have seen of them is not unseen.
    pub fn in_all(&self, error: Error) -> Error {
        if lock(&self.state).earlier == Delivery::NotSent || error.delivery != Delivery::NotSent {
            return error;
        }
        Error { delivery: Delivery::MaybeSent, retryable: false, ..error }
    }

    /// This attempt is over and another follows; the server may have seen it.
    pub fn may_have_been_seen(&self) {
        lock(&self.state).earlier = Delivery::MaybeSent;
    }

    pub fn report(&self) -> Report {
        lock(&self.state).report.clone()
    }
}
