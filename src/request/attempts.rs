//! One request with its redirects and retries, for who asked for such; `send` is below.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::time::Instant;
use url::Url;

use super::account::AccountPermit;
use super::engine_body::EngineBody;
use super::progress::Progress;
use super::provider::{Again, Provider, Refusal};
use super::redirect::Redirects;
use super::retry::{self, AttemptOutcome, Decision, Now, Retries, RetryBudget, RetryPolicy};
use super::send::{self, Incoming};
use crate::address::Address;
use crate::body::reply::Reply;
use crate::config::{Limits, Persistence};
use crate::connections::Group;
use crate::error::{Delivery, Detail, Error, Phase, Result, Status};
use crate::events;
use crate::transport::{Head, Outgoing, OutgoingBody};

/// How long the body of an answer that is not wanted may take.
const PATIENCE: Duration = Duration::from_secs(2);
/// As much of a refusal's body is read, to know what it means.
pub const MOST_REFUSAL: usize = 64 << 10;

/// Finds the connections to where a redirect leads.
pub trait RedirectResolver: Send + Sync {
    /// The address of a URL, and the connections there.
    fn resolve(&self, url: Url) -> Result<(Arc<Address>, Arc<Group>)>;
}

/// One request with all its attempts.
pub struct Attempts<'a> {
    pub limits: &'a Limits,
    pub progress: &'a Progress,
    pub resolver: &'a dyn RedirectResolver,
    pub persistence: Persistence,
    pub budget: &'a Arc<RetryBudget>,
    pub provider: Option<&'a dyn Provider>,
    /// A stream was asked for.
    pub stream: bool,
}

/// The answer to keep.
pub struct FinalResponse {
    pub incoming: Box<Incoming>,
    /// Held until the body has ended.
    pub permit: Option<AccountPermit>,
    /// What the provider's client makes of it, where it is a refusal.
    pub refusal: Option<Box<Refused>>,
}

/// What follows an answer.
enum Follows {
    /// It is kept.
    Nothing,
    Another,
    AnotherAfter(Duration, retry::Reason),
}

/// What a provider's client makes of a refusal.
pub struct Refused {
    pub error: Error,
    pub reply: Reply,
}

impl Attempts<'_> {
    /// Sends until there is an answer to keep.
    pub async fn answer(
        &self,
        mut group: Arc<Group>,
        mut address: Arc<Address>,
        outgoing: &mut Outgoing,
    ) -> Result<FinalResponse> {
        let policy = RetryPolicy { max_retries: self.persistence.retries, ..RetryPolicy::default() };
        let mut retries = (policy.max_retries > 0).then(|| Retries::begin(policy, self.budget.clone()));
        let mut renewed = false;
        loop {
            let mut permit = self.admit(outgoing).await?;
            self.progress.admitted(permit.as_ref().is_some_and(|permit| permit.probes));
            let sent = send::send(&group, &address, outgoing, self.limits, self.progress).await;
            let mut incoming = match sent {
                Ok(incoming) => incoming,
                Err(error) => {
                    if let Some((provider, permit)) = self.provider.zip(permit) {
                        provider.failed(permit, &error);
                    }
                    self.wait_after_failure(retries.as_mut(), error, outgoing, &group).await?;
                    continue;
                }
            };
            let Incoming { head, body } = &mut *incoming;
            if let Some((provider, permit)) = self.provider.zip(permit.as_mut()) {
                provider.answered(permit, head.status, &head.headers);
            }
            if let Some((next, there)) = self.redirect(&address, outgoing, head)? {
                drain(body).await;
                (address, group) = (next, there);
                continue;
            }
            let (again, refusal) = self.judge(permit.as_ref(), head, body, renewed).await?;
            let follows = match (again, &mut retries) {
                _ if !outgoing.body.is_at_its_beginning() => Follows::Nothing,
                (Again::Renewed, _) => Follows::Another,
                (Again::Never, _) | (_, None) => Follows::Nothing,
                (again, Some(retries)) => self.decide_on_answer(retries, again, head, body).await,
            };
            if matches!(follows, Follows::Nothing) {
                return Ok(FinalResponse { incoming, permit, refusal });
            }
            // Neither a slot at the provider nor a connection is held over a pause.
            drop(permit);
            drain(body).await;
            drop(incoming);
            if let (Follows::AnotherAfter(wait, reason), Some(retries)) = (follows, &retries) {
                self.pause(&group, retries, wait, reason).await;
            } else {
                renewed = true;
                self.progress.pauses();
            }
        }
    }

    /// Waits until the provider takes one more, no longer than for a connection.
    async fn admit(&self, outgoing: &mut Outgoing) -> Result<Option<AccountPermit>> {
        let Some(provider) = self.provider else { return Ok(None) };
        let admission = provider.admit(&mut outgoing.headers, self.limits.queue);
        let Some(limit) = self.limits.queue else { return admission.await.map(Some) };
        match tokio::time::timeout(limit, admission).await {
            Ok(admitted) => admitted.map(Some),
            Err(_) => Err(admission_ran_out(limit, &provider.occupied())),
        }
    }

    /// Whether an answer may be asked for again, and what the provider's client makes of it.
    async fn judge(
        &self,
        permit: Option<&AccountPermit>,
        head: &Head,
        body: &mut EngineBody,
        renewed: bool,
    ) -> Result<(Again, Option<Box<Refused>>)> {
        let Head { status, headers, .. } = head;
        let Some((provider, permit)) = self.provider.zip(permit) else {
            return Ok((if status.is_success() { Again::Never } else { Again::Perhaps(None) }, None));
        };
        if status.is_success() && (!self.stream || provider.begins_stream(headers)) {
            return Ok((Again::Never, None));
        }
        let begun = begin(body, MOST_REFUSAL).await;
        let judged = provider.judge(permit, &Refusal { status: *status, headers, body: &begun, renewed });
        body.put_back(begun);
        let delivery = Delivery::ResponseStarted;
        let error = Error { delivery, http_status: status.as_u16(), ..judged.error }.phase(Phase::Body);
        Ok((judged.again, Some(Box::new(Refused { error, reply: judged.reply }))))
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
        let replayable = send::may_repeat(outgoing);
        match retries.decide(AttemptOutcome::Failure { error: &error, replayable }, Now::get()) {
            Decision::Stop(_) => Err(error),
            Decision::After(wait, reason) => {
                self.pause(group, retries, wait, reason).await;
                Ok(())
            }
        }
    }

    /// Whether the answer is worth another attempt; where it is kept, its body is whole again.
    async fn decide_on_answer(
        &self,
        retries: &mut Retries,
        again: Again,
        head: &Head,
        body: &mut EngineBody,
    ) -> Follows {
        let begun = begin(body, retry::MOST_BODY).await;
        let outcome = AttemptOutcome::Response { status: head.status, headers: &head.headers, body: &begun, again };
        match retries.decide(outcome, Now::get()) {
            Decision::After(wait, reason) => Follows::AnotherAfter(wait, reason),
            Decision::Stop(_) => {
                body.put_back(begun);
                Follows::Nothing
            }
        }
    }

    /// No connection is held meanwhile.
    async fn pause(&self, group: &Group, retries: &Retries, wait: Duration, reason: retry::Reason) {
        let kind =
            events::Kind::Retry { reason: reason.name(), attempt: retries.made(), wait_ms: wait.as_millis() as u64 };
        let connection = self.progress.connection().map_or(0, |connection| connection.id);
        events::record(group.shared.id, connection, kind);
        self.progress.pauses();
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
        let follow = redirects.follow(self.progress.redirects(), asked, head.status, &head.headers)?;
        // What has left of an upload cannot follow: the caller gets the redirect.
        let follow = follow.filter(|follow| !follow.keep_body || outgoing.body.is_at_its_beginning());
        let Some(follow) = follow else { return Ok(None) };
        follow.strip(&mut outgoing.headers);
        if !follow.keep_body {
            outgoing.body = OutgoingBody::none();
        }
        outgoing.method = follow.method;
        self.progress.redirected();
        self.resolver.resolve(follow.url).map(Some)
    }
}

/// What the body begins with: `most` bytes, or all of it, or what comes of it in time.
pub async fn begin(body: &mut EngineBody, most: usize) -> Bytes {
    let mut begun = BytesMut::new();
    let until = Instant::now() + PATIENCE;
    while begun.len() < most {
        match tokio::time::timeout_at(until, body.next(most - begun.len())).await {
            Ok(Ok(Some(bytes))) => begun.extend_from_slice(&bytes),
            Ok(Ok(None) | Err(_)) | Err(_) => break,
        }
    }
    begun.freeze()
}

/// Reads a rest that nobody wants, as far as it comes in time.
async fn drain(body: &mut EngineBody) {
    let _ = tokio::time::timeout(PATIENCE, body.drain()).await;
}

fn admission_ran_out(limit: Duration, occupied: &str) -> Error {
    let millis = limit.as_millis();
    let message = format!("queue_timeout_ms: {millis} ms ran out while waiting for the provider: {occupied}; raise it");
    Error::new(Status::Timeout, message).detail(Detail::QueueLimit).phase(Phase::Queue).retryable()
}
