//! A connection lent to one request: given back when the response was read, closed or reset when it was not.

use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::sync::oneshot;

use super::connection::Connection;
use super::group::Group;
use super::waiter::WaiterState;
use crate::error::{Detail, Error, Phase, Result, Status};
use crate::events::CloseReason;
use crate::transport::http::{NoResponse, RequestSender, ResponseBody};
use crate::transport::payload::Payload;

/// How long after its response a connection may still be busy with that exchange.
const SETTLES: Duration = Duration::from_secs(1);

/// A connection for one request.
pub struct Lease {
    group: Arc<Group>,
    connection: Arc<Connection>,
    /// Taken by whoever gives the connection back: the drop, or the queue.
    sender: Option<RequestSender>,
    reused: bool,
    /// A request went in and its response has not been read to the end.
    under_way: bool,
    /// The response came before the whole request was sent.
    sends_on: bool,
}

impl Lease {
    pub fn new(group: Arc<Group>, connection: Arc<Connection>, sender: RequestSender, reused: bool) -> Self {
        Lease { group, connection, sender: Some(sender), reused, under_way: false, sends_on: false }
    }

    /// Nobody wants it: its sender, which the caller gives back.
    pub fn into_sender(mut self) -> Option<RequestSender> {
        self.sender.take()
    }

    pub fn connection(&self) -> &Arc<Connection> {
        &self.connection
    }

    /// Whether another request used the connection before.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// Sends a request and waits for its response's head. Of a request that is in its place after a failure not one byte was
    /// written.
    pub async fn send(
        &mut self,
        request: &mut Option<Request<Payload>>,
    ) -> std::result::Result<Response<ResponseBody>, NoResponse> {
        let fit = self.connection.is_fit().await;
        match &mut self.sender {
            Some(sender) if fit && !sender.is_closed() => {
                self.under_way = true;
                sender.send(request).await
            }
            _ => Err(NoResponse::dead()),
        }
    }

    /// The server closes the connection after this response.
    pub fn closes(&self) {
        self.group.retire(&self.connection, CloseReason::ServerClosed);
    }

    /// The response has been read to its end: the connection can carry another, at once where the whole request was `sent`.
    /// `keep` is how long the server said it keeps the connection.
    pub fn finish(mut self, sent: bool, keep: Option<Duration>) {
        self.under_way = false;
        self.sends_on = !sent;
        if let Some(keep) = keep {
            self.connection.keep_at_most(keep);
        }
    }

    /// The connection failed: it takes no more requests.
    pub fn failed(mut self, why: CloseReason) {
        self.under_way = false;
        self.group.retire(&self.connection, why);
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let Some(mut sender) = self.sender.take() else { return };
        sender.release();
        let Lease { group, connection, under_way, sends_on, .. } = self;
        if connection.http2 {
            drop(sender);
            group.end_stream(connection);
        } else if *under_way {
            // In the middle of an exchange nothing else can be sent on it.
            group.retire(connection, CloseReason::Cancelled);
            drop(sender);
            group.end_stream(connection);
        } else if !*sends_on {
            group.take_back(connection, sender);
        } else {
            let (settling, connection) = (group.clone(), connection.clone());
            group.spawn(async move {
                let ready = tokio::time::timeout(SETTLES, sender.ready()).await;
                if ready != Ok(true) {
                    settling.retire(&connection, CloseReason::NotReusable);
                }
                settling.take_back(&connection, sender);
            });
        }
    }
}

/// Waits for a connection in the group's queue; leaves it when dropped.
pub struct Waiting {
    group: Arc<Group>,
    state: Arc<WaiterState>,
    outcome: oneshot::Receiver<Result<Lease>>,
}

impl Waiting {
    pub fn new(group: Arc<Group>, state: Arc<WaiterState>, outcome: oneshot::Receiver<Result<Lease>>) -> Self {
        Waiting { group, state, outcome }
    }

    pub fn state(&self) -> &Arc<WaiterState> {
        &self.state
    }

    pub async fn served(&mut self) -> Result<Lease> {
        // The sender is dropped unused only with the whole pool.
        (&mut self.outcome).await.unwrap_or_else(|_| Err(Error::closed(Detail::PoolClosed)))
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.group.leave_queue(&self.state);
    }
}

/// The queue is full: how full, in numbers.
pub fn queue_full(occupancy: &str) -> Error {
    let message =
        format!("max_queue: {occupancy}; raise max_queue or max_connections_per_origin, or send less at once");
    Error::new(Status::Limit, message).detail(Detail::QueueFull).retryable()
}

/// For the time in a queue: its error.
pub fn queue_limit_ran_out(limit: Duration, occupied: &str) -> Error {
    let millis = limit.as_millis();
    let message = format!(
        "queue_timeout_ms: {millis} ms ran out: {occupied}; raise it, max_connections_per_origin or max_connections"
    );
    Error::new(Status::Timeout, message).detail(Detail::QueueLimit).phase(Phase::Queue).retryable()
}
