//! The connections of one origin and identity: which are idle, who waits, what is being dialed. One short lock.

use std::future::Future;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use super::connection::Connection;
use super::dial::{self, DialJob};
use super::group_state::{GroupState, Protocol};
use super::lease::{self, Lease, Waiting};
use super::permit::ConnectionLimit;
use super::waiter::{Dial, WaiterState};
use super::{Identity, Shared};
use crate::config::{ConnectionConfig, HttpVersion, Trust};
use crate::error::{Error, Result};
use crate::events::{self, CloseReason};
use crate::lock::lock;
use crate::stats::add_one;
use crate::transport::dial::{DialLimits, Target};
use crate::transport::http::RequestSender;
use crate::transport::link::Connect;

/// A connection used within this time is replaced before it goes.
const IN_USE: Duration = Duration::from_secs(10);
/// For how long a connection past its life goes on when its replacement could not be made.
const GRACE: Duration = Duration::from_secs(30);

/// The connections of one origin and identity.
pub struct Group {
    pub target: Target,
    pub http_version: HttpVersion,
    pub stream_window: u32,
    /// Whoever answers is trusted.
    pub insecure: bool,
    /// As events say it.
    pub host: Arc<str>,
    pub connector: Arc<dyn Connect>,
    pub shared: Arc<Shared>,
    state: Mutex<GroupState>,
}

/// How many of what there are now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Occupancy {
    pub standing: usize,
    pub idle: usize,
    pub in_use: usize,
    pub dialing: usize,
    pub waiting: usize,
    pub streams: usize,
    /// Of those that stand, with a certificate nobody checked.
    pub insecure: usize,
    /// Permits held of the caps: by dials and by what stands.
    pub permits: usize,
}

/// A connection at once, or a place in the queue.
pub enum Checkout {
    Now(Lease),
    Later(Waiting),
}

impl Group {
    pub fn new(target: Target, identity: &Identity, shared: Arc<Shared>) -> Arc<Group> {
        let ConnectionConfig { http_version, stream_window, .. } = *identity.config;
        let insecure = identity.config.tls.trust == Trust::Anybody;
        let host = target.host.as_str().into();
        let protocol = match http_version {
            HttpVersion::Http2 => Protocol::Http2,
            HttpVersion::Auto if target.https => shared.remembered(&target),
            HttpVersion::Http1 | HttpVersion::Auto => Protocol::Http1,
        };
        let state = GroupState { protocol, ..GroupState::default() };
        let connector = identity.connector.clone();
        let state = Mutex::new(state);
        Arc::new(Group { target, http_version, stream_window, insecure, host, connector, shared, state })
    }

    /// A connection that stands and has room, or a place at the end of the queue.
    pub fn checkout(self: &Arc<Self>, limits: DialLimits) -> Result<Checkout> {
        let mut state = lock(&self.state);
        let found = if state.waiters.len() == 0 { state.take(self) } else { None };
        let jobs;
        let outcome = if let Some(lease) = found {
            jobs = self.dial_ahead(&mut state);
            Ok(Checkout::Now(lease))
        } else if state.waiters.len() >= self.shared.caps.queue {
            jobs = Vec::new();
            Err(lease::queue_full(&self.occupied(&state)))
        } else {
            let shared_dial = state.shared_dial();
            let (waiter, outcome) = state.waiters.join(limits, shared_dial);
            jobs = self.wanted_dials(&mut state);
            Ok(Checkout::Later(Waiting::new(self.clone(), waiter, outcome)))
        };
        drop(state);
        self.launch(jobs);
        outcome
    }

    /// An HTTP/1.1 connection comes back from its request.
    pub fn take_back(self: &Arc<Self>, connection: &Arc<Connection>, sender: RequestSender) {
        connection.end_use();
        if sender.is_closed() {
            drop(sender);
            return self.retire(connection, CloseReason::ServerClosed);
        }
        let mut state = lock(&self.state);
        if connection.is_leaving() {
            drop(state);
            return drop(sender);
        }
        connection.put_sender(sender);
        self.offer(&mut state, connection.clone(), None);
        self.leave_line_unless_needed(&mut state);
        let unwanted = state.unwanted();
        drop(state);
        self.close_unwanted(unwanted);
    }

    /// One stream of a connection is over.
    pub fn end_stream(self: &Arc<Self>, connection: &Arc<Connection>) {
        let left = connection.end_use();
        let mut state = lock(&self.state);
        if left == 0 && connection.is_suspect() {
            state.forget(connection);
            connection.leave(CloseReason::Suspect);
        }
        self.serve_streams(&mut state);
        let jobs = self.wanted_dials(&mut state);
        let unwanted = if left == 0 { state.unwanted() } else { Vec::new() };
        drop(state);
        self.launch(jobs);
        self.close_unwanted(unwanted);
    }

    /// The peer says how many streams it takes.
    pub fn settle(self: &Arc<Self>, connection: &Arc<Connection>, streams: usize) {
        let state = lock(&self.state);
        connection.settle(streams);
        self.serve(state);
    }

    /// Something was read from a connection that was under suspicion: it takes requests again.
    pub fn cleared(self: &Arc<Self>) {
        self.serve(lock(&self.state));
    }

    /// There may be streams for those who wait.
    fn serve(self: &Arc<Self>, mut state: MutexGuard<'_, GroupState>) {
        self.serve_streams(&mut state);
        let jobs = self.wanted_dials(&mut state);
        drop(state);
        self.launch(jobs);
    }

    /// The connection takes no more requests; the first reason stays.
    pub fn retire(self: &Arc<Self>, connection: &Arc<Connection>, why: CloseReason) {
        let mut state = lock(&self.state);
        state.forget(connection);
        connection.leave(why);
        let jobs = self.wanted_dials(&mut state);
        drop(state);
        self.launch(jobs);
    }

    /// As `retire`, where it is idle; false where it no longer is.
    pub fn retire_idle(&self, connection: &Arc<Connection>, why: CloseReason) -> bool {
        let mut state = lock(&self.state);
        let idle = connection.streams() == 0 && !connection.is_leaving();
        if idle {
            state.forget(connection);
            connection.leave(why);
        }
        idle
    }

    /// Its socket is closed.
    pub fn gone(&self, connection: &Arc<Connection>) {
        let mut state = lock(&self.state);
        state.standing.retain(|other| !Arc::ptr_eq(other, connection));
        drop(state);
        self.shared.closed(connection);
    }

    /// What time does to a connection: idle ones close, old ones are replaced.
    pub fn maintain(self: &Arc<Self>, connection: &Arc<Connection>) {
        if connection.has_idled_out() {
            return self.retire(connection, CloseReason::Idle);
        }
        if !connection.has_expired() {
            return;
        }
        if connection.streams() == 0 && connection.idle_for() > IN_USE {
            return self.retire(connection, CloseReason::Lifetime);
        }
        connection.extend_life(GRACE);
        match connection.facts.remote.filter(|_| connection.extension().is_some()) {
            Some(address) => self.spawn(self.clone().extend_or_replace(connection.clone(), address.ip())),
            None => self.replace(connection),
        }
    }

    /// A connection past its life stays for one more while a new one could end at the same address.
    async fn extend_or_replace(self: Arc<Self>, connection: Arc<Connection>, address: IpAddr) {
        let leads = tokio::time::timeout(GRACE, self.connector.still_leads_to(&self.target, address)).await;
        if connection.is_leaving() {
            return;
        }
        match connection.extension().filter(|_| leads == Ok(true)) {
            Some(more) => connection.extend_life(more),
            None => self.replace(&connection),
        }
    }

    /// Made before the old one goes, so that nobody meets a cold connection.
    fn replace(self: &Arc<Self>, connection: &Arc<Connection>) {
        let mut state = lock(&self.state);
        let job = self.dial_job(&mut state, self.shared.dial_limits, Some(connection.clone()));
        drop(state);
        match job {
            Some(job) => self.launch(vec![job]),
            None => self.retire(connection, CloseReason::Lifetime),
        }
    }

    /// A dial brought a connection.
    pub fn dialed(self: &Arc<Self>, job: &DialJob, connection: Arc<Connection>, sender: RequestSender) {
        let mut state = lock(&self.state);
        state.end_dial(&job.dial);
        state.standing.push(connection.clone());
        let protocol = if connection.http2 { Protocol::Http2 } else { Protocol::Http1 };
        if state.protocol != protocol {
            state.protocol = protocol;
            self.shared.remember(&self.target, protocol);
        }
        connection.put_sender(sender);
        if connection.http2 {
            state.open.push(connection);
            self.serve_streams(&mut state);
            state.waiters.unassign(&job.dial);
        } else {
            self.offer(&mut state, connection, Some(&job.dial));
            state.waiters.unassign(&job.dial);
        }
        if let Some(old) = &job.replaces {
            state.forget(old);
            old.leave(CloseReason::Lifetime);
        }
        let unwanted = state.unwanted();
        let jobs = self.wanted_dials(&mut state);
        drop(state);
        self.launch(jobs);
        self.close_unwanted(unwanted);
    }

    /// A dial failed, and with it those it was begun for.
    pub fn dial_failed(self: &Arc<Self>, job: &DialJob, error: &Error) {
        let mut state = lock(&self.state);
        state.end_dial(&job.dial);
        state.waiters.fail(&job.dial, error);
        let jobs = self.wanted_dials(&mut state);
        drop(state);
        self.launch(jobs);
    }

    /// A request ran out of time here: nothing new goes over this connection until something is read from it again.
    pub fn suspect(&self, connection: &Arc<Connection>) {
        connection.suspect();
        events::record(self.shared.id, connection.id, events::Kind::Suspect);
    }

    pub fn leave_queue(self: &Arc<Self>, waiter: &WaiterState) {
        let mut state = lock(&self.state);
        state.waiters.leave(waiter);
        self.leave_line_unless_needed(&mut state);
    }

    pub fn add_reference(&self) {
        lock(&self.state).references += 1;
    }

    /// A session lets go; after the last, what is idle closes and the rest closes when it is.
    pub fn drop_reference(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        state.references -= 1;
        let unwanted = state.unwanted();
        drop(state);
        self.close_unwanted(unwanted);
    }

    /// Nothing new goes over the connections that stand now.
    pub fn retire_all(self: &Arc<Self>, why: CloseReason) {
        let standing = lock(&self.state).standing.clone();
        for connection in standing {
            self.retire(&connection, why);
        }
    }

    /// The connection that has been idle longest.
    pub fn longest_idle(&self) -> Option<Arc<Connection>> {
        let state = lock(&self.state);
        let unused = state.open.iter().filter(|connection| connection.streams() == 0);
        state.idle.first().into_iter().chain(unused).max_by_key(|connection| connection.idle_for()).cloned()
    }

    pub fn permit_dropped(&self) {
        lock(&self.state).permits -= 1;
    }

    /// The pool has a permit again, and this group is no longer in line for one.
    pub fn may_dial_again(self: &Arc<Self>) {
        lock(&self.state).starving = false;
        self.dial_wanted();
    }

    pub fn dial_wanted(self: &Arc<Self>) {
        let mut state = lock(&self.state);
        let jobs = self.wanted_dials(&mut state);
        drop(state);
        self.launch(jobs);
    }

    pub fn limit(&self) -> &ConnectionLimit {
        &self.shared.limit
    }

    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.shared.runtime.spawn_background(task);
    }

    pub fn occupancy(&self) -> Occupancy {
        let state = lock(&self.state);
        let free_streams = state.open.iter().filter(|connection| connection.streams() == 0).count();
        let idle = state.idle.len() + free_streams;
        Occupancy {
            standing: state.standing.len(),
            idle,
            in_use: state.standing.len().saturating_sub(idle),
            dialing: state.dials.len(),
            waiting: state.waiters.len(),
            streams: state.standing.iter().map(|connection| connection.streams()).sum(),
            insecure: state.standing.iter().filter(|connection| connection.facts.insecure).count(),
            permits: state.permits,
        }
    }

    /// For an error: how full it is.
    pub fn occupied_now(&self) -> String {
        self.occupied(&lock(&self.state))
    }

    fn occupied(&self, state: &GroupState) -> String {
        let (most, total) = (self.shared.caps.per_origin, &self.shared.limit);
        let (permits, waiting) = (state.permits, state.waiters.len());
        let all =
            if permits < most { format!(", {} of {} in the pool", total.taken(), total.most()) } else { String::new() };
        format!("{permits} of {most} connections to the origin in use{all}, {waiting} waiting")
    }

    /// To the first in the queue, or to the idle ones.
    fn offer(self: &Arc<Self>, state: &mut GroupState, connection: Arc<Connection>, dial: Option<&Arc<Dial>>) {
        if state.waiters.len() > 0 {
            if let Some(lease) = self.lease(&connection) {
                let Some(unwanted) = state.waiters.serve(lease, dial) else { return };
                let Some(sender) = unwanted.into_sender() else { return };
                connection.end_use();
                connection.put_sender(sender);
            }
        }
        state.idle.push(connection);
    }

    /// Streams for those who wait, as many as there are.
    fn serve_streams(self: &Arc<Self>, state: &mut GroupState) {
        while state.waiters.len() > 0 {
            let Some(lease) = state.stream(self) else { return };
            if let Some(unwanted) = state.waiters.serve(lease, None) {
                let connection = unwanted.connection().clone();
                drop(unwanted.into_sender());
                connection.end_use();
            }
        }
    }

    pub(super) fn lease(self: &Arc<Self>, connection: &Arc<Connection>) -> Option<Lease> {
        let sender = connection.take_sender()?;
        let first = connection.begin_use();
        if !first {
            add_one(&self.shared.counters.reused);
        }
        Some(Lease::new(self.clone(), connection.clone(), sender, !first))
    }

    /// The dials that those in the queue need, begun as far as the limits allow.
    fn wanted_dials(self: &Arc<Self>, state: &mut GroupState) -> Vec<DialJob> {
        let mut jobs = Vec::new();
        while state.permits < self.shared.caps.per_origin && state.waiters.len() > state.coming() {
            let Some(limits) = state.waiters.first_without_dial().or_else(|| state.fallback(self)) else { break };
            let Some(job) = self.dial_job(state, limits, None) else { break };
            state.waiters.assign(&job.dial, state.protocol != Protocol::Http1);
            jobs.push(job);
        }
        self.leave_line_unless_needed(state);
        jobs
    }

    /// In line for a permit no longer than it is needed.
    fn leave_line_unless_needed(self: &Arc<Self>, state: &mut GroupState) {
        if state.starving && state.waiters.len() <= state.coming() {
            state.starving = false;
            self.limit().leave_line(self);
        }
    }

    /// What came to rest, here or elsewhere, closes where no session is left for it or a group starves. Without the lock.
    fn close_unwanted(self: &Arc<Self>, unwanted: Vec<Arc<Connection>>) {
        for connection in unwanted {
            self.retire(&connection, CloseReason::NoSession);
        }
        if self.limit().anybody_starves() {
            self.shared.make_room();
        }
    }

    /// One more connection while the streams of those that stand are nearly used up.
    fn dial_ahead(self: &Arc<Self>, state: &mut GroupState) -> Vec<DialJob> {
        if !state.is_nearly_full() {
            return Vec::new();
        }
        self.dial_job(state, self.shared.dial_limits, None).into_iter().collect()
    }

    fn dial_job(
        self: &Arc<Self>,
        state: &mut GroupState,
        limits: DialLimits,
        replaces: Option<Arc<Connection>>,
    ) -> Option<DialJob> {
        if state.permits >= self.shared.caps.per_origin {
            return None;
        }
        // A connection that nobody waits for is worth no other's end.
        let starves = state.waiters.len() > 0 && !state.starving;
        let Some(permit) = self.limit().take(self, starves) else {
            if starves {
                state.starving = true;
                let group = self.clone();
                self.spawn(async move { group.shared.make_room() });
            }
            return None;
        };
        state.permits += 1;
        let dial = Dial::begin();
        state.dials.push(dial.clone());
        Some(DialJob { dial, limits, permit: Some(permit), replaces })
    }

    fn launch(self: &Arc<Self>, jobs: Vec<DialJob>) {
        for job in jobs {
            self.spawn(dial::run(self.clone(), job));
        }
    }
}
