//! Above single attempts: redirects that are followed, answers that are asked for again. Both only for who asked for them.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use url::Url;

use super::engine::{self, Arrival, EngineBody};
use super::journey::Journey;
use super::pace::Pace;
use super::redirect::Redirects;
use super::retry::{self, Decision, Now, Outcome, Retries, RetryBudget, RetryPolicy};
use crate::address::Address;
use crate::config::{Limits, Persistence};
use crate::connections::Group;
use crate::error::{Error, Result};
use crate::events;
use crate::transport::{Head, Outgoing, OutgoingBody};

/// Where a session's requests can go besides the address it was asked for.
pub trait Elsewhere: Send + Sync {
    /// The address of a URL, and the connections there.
    fn lead_to(&self, url: Url) -> Result<(Arc<Address>, Arc<Group>)>;
}

/// One request with all its attempts.
pub struct Attempts<'a> {
    pub limits: &'a Limits,
    pub journey: &'a Journey,
    pub elsewhere: &'a dyn Elsewhere,
    pub persistence: Persistence,
    pub budget: &'a Arc<RetryBudget>,
    pub pace: &'a dyn Pace,
}

impl Attempts<'_> {
    /// Sends until there is an answer to keep.
    pub async fn answer(
        &self,
        mut group: Arc<Group>,
        mut address: Arc<Address>,
        outgoing: &mut Outgoing,
    ) -> Result<Box<Arrival>> {
        let policy = RetryPolicy { max_retries: self.persistence.retries, ..RetryPolicy::default() };
        let mut retries = (policy.max_retries > 0).then(|| Retries::begin(policy, self.budget.clone()));
        loop {
            if let Some(admission) = self.pace.admit() {
                admission.await?;
            }
            let sent = engine::send(&group, &address, outgoing, self.limits, self.journey).await;
            let mut arrival = match sent {
                Ok(arrival) => arrival,
                Err(error) => {
                    self.wait_after_failure(retries.as_mut(), error, outgoing, &group).await?;
                    continue;
                }
            };
            let Arrival { head, body } = &mut *arrival;
            self.pace.learn(head.status, &head.headers);
            if let Some((next, there)) = self.redirect(&address, outgoing, head)? {
                body.drain().await;
                (address, group) = (next, there);
                continue;
            }
            let asks_again = match &mut retries {
                Some(retries) if !head.status.is_success() && outgoing.body.is_at_its_beginning() => {
                    self.wait_after_answer(retries, head, body, &group).await?
                }
                _ => false,
            };
            if !asks_again {
                return Ok(arrival);
            }
        }
    }

    /// Waits where the request is worth another attempt; the error where it is not.
    async fn wait_after_failure(
        &self,
        retries: Option<&mut Retries>,
        error: Error,
        outgoing: &Outgoing,
        group: &Group,
    ) -> Result<()> {
        let Some(retries) = retries.filter(|_| outgoing.body.is_at_its_beginning()) else { return Err(error) };
        let replayable = engine::may_repeat(outgoing);
        match retries.decide(Outcome::Failure { error: &error, replayable }, Now::get()) {
            Decision::Stop(_) => Err(error),
            Decision::After(wait, reason) => {
                self.pause(group, retries, wait, reason).await;
                Ok(())
            }
        }
    }

    /// Waits where the answer asks for another attempt; false where it does not, and then its body is whole again.
    async fn wait_after_answer(
        &self,
        retries: &mut Retries,
        head: &Head,
        body: &mut EngineBody,
        group: &Group,
    ) -> Result<bool> {
        let mut begun = BytesMut::new();
        while begun.len() < retry::MOST_BODY {
            match body.next(retry::MOST_BODY - begun.len()).await? {
                Some(bytes) => begun.extend_from_slice(&bytes),
                None => break,
            }
        }
        let outcome = Outcome::Response { status: head.status, headers: &head.headers, body: &begun };
        match retries.decide(outcome, Now::get()) {
            Decision::After(wait, reason) => {
                body.drain().await;
                self.pause(group, retries, wait, reason).await;
                Ok(true)
            }
            Decision::Stop(_) => {
                body.put_back(begun.freeze());
                Ok(false)
            }
        }
    }

    /// No connection is held meanwhile.
    async fn pause(&self, group: &Group, retries: &Retries, wait: Duration, reason: retry::Reason) {
        let kind =
            events::Kind::Retry { reason: reason.name(), attempt: retries.made(), wait_ms: wait.as_millis() as u64 };
        let connection = self.journey.connection().map_or(0, |connection| connection.id);
        events::record(group.shared.id, connection, kind);
        self.journey.pauses();
        tokio::time::sleep(wait).await;
    }

    fn redirect(
        &self,
        address: &Address,
        outgoing: &mut Outgoing,
        head: &Head,
    ) -> Result<Option<(Arc<Address>, Arc<Group>)>> {
        if self.persistence.redirects == 0 {
            return Ok(None);
        }
        let redirects = Redirects { max: self.persistence.redirects };
        let asked = (&outgoing.method, &address.url);
        let follow = redirects.follow(self.journey.redirects(), asked, head.status, &head.headers)?;
        // What has left of an upload cannot follow: the caller gets the redirect.
        let follow = follow.filter(|follow| !follow.keep_body || outgoing.body.is_at_its_beginning());
        let Some(follow) = follow else { return Ok(None) };
        follow.strip(&mut outgoing.headers);
        if !follow.keep_body {
            outgoing.body = OutgoingBody::none();
        }
        outgoing.method = follow.method;
        self.journey.redirected();
        self.elsewhere.lead_to(follow.url).map(Some)
    }
}
