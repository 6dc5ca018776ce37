//! What a provider counts together, the requests of one credential to one host: they queue for a slot, a rate window, a server's return.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::Duration;

use http::{HeaderMap, StatusCode};
use lru::LruCache;
use ring::digest::{SHA256, digest};
use tokio::sync::Notify;
use tokio::time::Instant;

use super::breaker::{Breaker, Gate};
use super::pace::Pace;
use crate::config::TimeLimit;
use crate::error::{Detail, Error, Phase, Result, Status};
use crate::lock::lock;
use crate::sys;

/// Names an account, and says nothing of its credential.
pub type Fingerprint = [u8; 32];

/// The fingerprint of some texts, each of them told apart from the next.
pub fn fingerprint(texts: &[&[u8]]) -> Fingerprint {
    // With room for all of it: what grows leaves copies behind.
    let mut all = Vec::with_capacity(texts.iter().map(|text| text.len() + size_of::<u64>()).sum());
    for text in texts {
        all.extend_from_slice(&(text.len() as u64).to_le_bytes());
        all.extend_from_slice(text);
    }
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, &all).as_ref());
    zeroize::Zeroize::zeroize(&mut all);
    out
}

/// So many accounts are remembered without a client: what was learned of one outlives a client that is made for each call.
const REMEMBERED: NonZeroUsize = NonZeroUsize::new(1024).unwrap();

/// The accounts of this process.
#[derive(Default)]
struct Accounts(Mutex<Known>);

struct Known {
    live: HashMap<Fingerprint, Weak<Account>>,
    remembered: LruCache<Fingerprint, Arc<Account>>,
}

impl Default for Known {
    fn default() -> Self {
        Known { live: HashMap::new(), remembered: LruCache::new(REMEMBERED) }
    }
}

/// One account.
pub struct Account {
    /// First come, first served: who is in front waits for the state to change, the others for their turn.
    line: tokio::sync::Mutex<()>,
    state: Mutex<State>,
    changed: Notify,
}

struct State {
    /// Requests at once, to the ends of their bodies.
    most: usize,
    running: usize,
    pace: Pace,
    breaker: Breaker,
    /// Rates that were learned are kept to.
    paced: bool,
}

/// Leave to send one attempt, given back when its body has ended.
pub struct AccountPermit {
    account: Arc<Account>,
    /// It was let out to see whether the server is back, and nothing came of that yet.
    pub probes: bool,
    /// No head has come yet.
    unanswered: bool,
    /// Names the token it was signed with; 0 where that never changes.
    pub token: u64,
}

/// What keeps the first in line.
enum Hindrance {
    /// Until something changes, or this moment at the latest.
    Until(Option<Instant>),
    /// The server is down.
    Down(Duration),
}

impl Account {
    /// The account of this fingerprint. Of several limits for one account the least holds; whether it is paced, and when it breaks,
    /// says the first of the clients that live.
    pub fn get(name: Fingerprint, most: usize, breaks_after: u32, paced: bool) -> Arc<Account> {
        let mut known = lock(&sys::process_state::<Accounts>().0);
        if let Some(account) = known.live.get(&name).and_then(Weak::upgrade) {
            known.remembered.put(name, account.clone());
            let mut state = lock(&account.state);
            // Besides this one and the one that is remembered.
            if Arc::strong_count(&account) > 2 {
                state.most = state.most.min(most);
            } else {
                (state.most, state.paced) = (most, paced);
                state.breaker.breaks_after(breaks_after);
            }
            drop(state);
            return account;
        }
        let state = State { most, running: 0, pace: Pace::default(), breaker: Breaker::new(breaks_after), paced };
        let account =
            Arc::new(Account { line: tokio::sync::Mutex::default(), state: Mutex::new(state), changed: Notify::new() });
        known.live.retain(|_, account| account.strong_count() > 0);
        known.live.insert(name, Arc::downgrade(&account));
        known.remembered.put(name, account.clone());
        account
    }

    /// Waits until one more attempt may go; at once an error where that is known to take longer than `patience`.
    pub async fn admit(self: &Arc<Self>, patience: TimeLimit) -> Result<AccountPermit> {
        let begun = Instant::now();
        let _turn = self.line.lock().await;
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            let until = match self.try_admit(Instant::now()) {
                Ok(permit) => return Ok(permit),
                Err(Hindrance::Down(back)) => return Err(is_down(back)),
                Err(Hindrance::Until(until)) => until,
            };
            match until {
                // Known now: nothing is gained by waiting for it.
                Some(until) if patience.is_some_and(|patience| until > begun + patience) => {
                    return Err(has_to_wait(until - Instant::now().min(until)));
                }
                Some(until) => {
                    let _ = tokio::time::timeout_at(until, changed).await;
                }
                None => changed.await,
            }
        }
    }

    fn try_admit(self: &Arc<Self>, now: Instant) -> std::result::Result<AccountPermit, Hindrance> {
        let mut state = lock(&self.state);
        let probes = match state.breaker.ask(now) {
            Gate::Open => false,
            Gate::Probe => true,
            Gate::Shut(back) => return Err(Hindrance::Down(back)),
        };
        if state.running >= state.most {
            return Err(Hindrance::Until(None));
        }
        if state.paced {
            state.pace.ask(now).map_err(Hindrance::Until)?;
        }
        if probes {
            state.breaker.probes(now);
        }
        state.running += 1;
        state.pace.leaves(now);
        Ok(AccountPermit { account: self.clone(), probes, unanswered: true, token: 0 })
    }

    /// As `admit` would say it now, for who ran out of patience.
    pub fn occupied(&self) -> String {
        let state = lock(&self.state);
        format!("{} of {} requests under way", state.running, state.most)
    }

    /// A request ran out of time, which was the one that `probes` or not; whether the server was the slow one the limit says.
    pub fn ran_out(&self, error: &Error, probes: bool) {
        if matches!(error.detail, Detail::FirstByteLimit | Detail::ConnectLimit | Detail::FirstEventLimit) {
            self.state().breaker.saw(false, probes, Instant::now());
        }
    }

    /// How many requests are under way.
    pub fn running(&self) -> usize {
        lock(&self.state).running
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }
}

impl AccountPermit {
    /// A head came.
    pub fn answered(&mut self, status: StatusCode, headers: &HeaderMap) {
        let now = Instant::now();
        let mut state = self.account.state();
        if std::mem::take(&mut self.unanswered) {
            state.pace.lands();
        }
        state.pace.learn(headers, now);
        let down = matches!(status.as_u16(), 500 | 502 | 503 | 504 | 529);
        state.breaker.saw(!down, std::mem::take(&mut self.probes), now);
        drop(state);
        self.account.changed.notify_waiters();
    }

    /// No head came.
    pub fn failed(mut self, error: &Error) {
        if matches!(error.status, Status::Connect | Status::Reset) {
            let probes = std::mem::take(&mut self.probes);
            self.account.state().breaker.saw(false, probes, Instant::now());
        }
    }

    /// The provider said that requests come too fast, and perhaps for how long all have to wait.
    pub fn refused_for_rate(&self, advised: Option<Duration>) {
        self.account.state().pace.refused(advised, Instant::now());
    }

    /// The provider said how many it takes at once.
    pub fn at_most(&self, most: usize) {
        let mut state = self.account.state();
        state.most = state.most.min(most.max(1));
    }
}

impl Drop for AccountPermit {
    fn drop(&mut self) {
        let mut state = self.account.state();
        state.running -= 1;
        if self.unanswered {
            state.pace.lands();
        }
        drop(state);
        self.account.changed.notify_waiters();
    }
}

fn has_to_wait(wait: Duration) -> Error {
    let message = format!(
        "provider: its rate limit holds for {} ms more, which is longer than queue_timeout_ms allows; nothing was sent",
        wait.as_millis()
    );
    let error = Error::new(Status::RateLimited, message).phase(Phase::Queue).retryable();
    Error { retry_after: Some(wait), ..error }
}

fn is_down(back: Duration) -> Error {
    let message = format!(
        "provider: its last requests all failed, so none is sent for {} ms; then one tries (breaker_failures)",
        back.as_millis()
    );
    let error = Error::new(Status::Provider, message).detail(Detail::CircuitOpen).phase(Phase::Queue).retryable();
    Error { retry_after: Some(back), ..error }
}
