//! Tokens that are had for a credential and run out: one request for all who wait, renewed before the end, given up when refused.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, SystemTime};

use http::HeaderValue;
use tokio::sync::watch;

use super::secret::Secret;
use crate::error::{Error, Result, Status};
use crate::lock::lock;
use crate::request::account::Fingerprint;
use crate::sys;

/// A token is renewed so long before its end.
const MARGIN: Duration = Duration::from_secs(60);
/// And kept for so long, whatever its end.
const LEAST: Duration = Duration::from_secs(10);

/// A token as a provider gave it.
#[derive(Clone, Debug)]
pub struct Granted {
    pub token: Secret,
    /// `None` never runs out.
    pub ends: Option<SystemTime>,
}

/// The tokens of one credential, for all clients of the process.
pub struct Tokens {
    /// Before the token in its header.
    scheme: &'static str,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    current: Option<Current>,
    last_number: u64,
    /// One request under way, and who waits for it.
    flight: Option<watch::Receiver<Option<Result<()>>>>,
}

struct Current {
    header: HeaderValue,
    number: u64,
    renew: Option<SystemTime>,
}

#[derive(Default)]
struct All(Mutex<HashMap<Fingerprint, Weak<Tokens>>>);

impl Tokens {
    /// Those of this fingerprint, in all the process.
    pub fn of(name: Fingerprint, scheme: &'static str) -> Arc<Tokens> {
        let mut all = lock(&sys::process_state::<All>().0);
        if let Some(tokens) = all.get(&name).and_then(Weak::upgrade) {
            return tokens;
        }
        all.retain(|_, tokens| tokens.strong_count() > 0);
        let tokens = Arc::new(Tokens { scheme, state: Mutex::default() });
        all.insert(name, Arc::downgrade(&tokens));
        tokens
    }

    /// Begins with a token that its owner brought; one that is there stays.
    pub fn begin_with(&self, token: Secret) -> Result<()> {
        let mut state = lock(&self.state);
        if state.current.is_some() {
            return Ok(());
        }
        state.keep(&Granted { token, ends: None }, self.scheme)
    }

    /// A token that is good for a while, and its number. Where there is none `fetch` is called, by one of all who ask, with what
    /// tells the others; it must see to it that somebody is at work, and not wait.
    pub async fn get(self: &Arc<Self>, fetch: impl Fn(Flight)) -> Result<(HeaderValue, u64)> {
        loop {
            let (mut told, mine) = match self.now_or_flight() {
                Ok(token) => return Ok(token),
                Err((told, None)) => (told, false),
                Err((told, Some(flight))) => {
                    fetch(flight);
                    (told, true)
                }
            };
            let lost = || Error::new(Status::Closed, "token: its request ended with its pool; ask again");
            let outcome = told.wait_for(Option::is_some).await.map_or_else(|_| None, |outcome| outcome.clone());
            match outcome.unwrap_or_else(|| Err(lost())) {
                // Another's pool has ended; this one's may fetch it.
                Err(error) if error.status == Status::Closed && !mine => {}
                outcome => outcome?,
            }
        }
    }

    /// The token, or what will tell of it, and the duty to fetch it where nobody does yet.
    #[expect(clippy::type_complexity, reason = "told apart by its one caller")]
    fn now_or_flight(
        self: &Arc<Self>,
    ) -> std::result::Result<(HeaderValue, u64), (watch::Receiver<Option<Result<()>>>, Option<Flight>)> {
        let mut state = lock(&self.state);
        let now = SystemTime::now();
        if let Some(current) = state.current.as_ref().filter(|current| current.renew.is_none_or(|renew| now < renew)) {
            return Ok((current.header.clone(), current.number));
        }
        if let Some(told) = state.flight.as_ref().filter(|told| told.has_changed().is_ok()) {
            return Err((told.clone(), None));
        }
        let (tell, told) = watch::channel(None);
        state.flight = Some(told.clone());
        Err((told, Some(Flight { tokens: self.clone(), tell })))
    }

    /// The token of this number was refused. It is given up, unless a newer one is there already.
    pub fn refused(&self, number: u64) {
        let mut state = lock(&self.state);
        if state.current.as_ref().is_some_and(|current| current.number == number) {
            state.current = None;
        }
    }
}

impl State {
    fn keep(&mut self, granted: &Granted, scheme: &str) -> Result<()> {
        let header = granted.token.header(scheme)?;
        self.last_number += 1;
        let now = SystemTime::now();
        // One that is as good as over is used all the same: the server's clock may be another, and a refusal renews it too.
        let renew = granted.ends.map(|ends| {
            let life = ends.duration_since(now).unwrap_or_default();
            now + life.saturating_sub(MARGIN.min(life / 2)).max(LEAST)
        });
        self.current = Some(Current { header, number: self.last_number, renew });
        Ok(())
    }
}

/// The duty to fetch a token, and to tell all who wait.
pub struct Flight {
    tokens: Arc<Tokens>,
    tell: watch::Sender<Option<Result<()>>>,
}

impl Flight {
    pub fn lands(self, outcome: Result<Granted>) {
        let mut state = lock(&self.tokens.state);
        let outcome = outcome.and_then(|granted| state.keep(&granted, self.tokens.scheme));
        state.flight = None;
        drop(state);
        let _ = self.tell.send(Some(outcome));
    }
}

/// When a token ends that says so in seconds or milliseconds since 1970: what is less than 1e11 cannot be milliseconds.
pub fn ends_at(number: i64) -> Option<SystemTime> {
    let number = number.max(0).unsigned_abs();
    let since = if number < 100_000_000_000 { Duration::from_secs(number) } else { Duration::from_millis(number) };
    SystemTime::UNIX_EPOCH.checked_add(since)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::request::account::fingerprint;

    fn granted(token: &str) -> Granted {
        Granted { token: Secret::of_any(token), ends: None }
    }

    async fn got(tokens: &Arc<Tokens>, next: &str) -> (HeaderValue, u64) {
        tokens.get(|flight| flight.lands(Ok(granted(next)))).await.unwrap()
    }

    #[tokio::test]
    async fn a_late_refusal_of_an_old_token_leaves_the_new_one() {
        let tokens = Tokens::of(fingerprint(&[b"a late refusal"]), "Bearer ");
        let (_, old) = got(&tokens, "old").await;
        tokens.refused(old);
        let (value, new) = got(&tokens, "new").await;
        tokens.refused(old);
        assert_eq!(got(&tokens, "unasked").await, (value, new));
        tokens.refused(new);
        assert_eq!(got(&tokens, "newest").await.0, "Bearer newest");
    }

    #[tokio::test]
    async fn a_flight_that_ends_with_another_pool_is_begun_anew() {
        let tokens = Tokens::of(fingerprint(&[b"a flight that ends"]), "");
        let mut theirs = None;
        let Err((_, Some(flight))) = tokens.now_or_flight() else { panic!() };
        theirs.replace(flight);
        let mut mine = std::pin::pin!(got(&tokens, "mine"));
        std::future::poll_fn(|cx| {
            assert!(mine.as_mut().poll(cx).is_pending());
            std::task::Poll::Ready(())
        })
        .await;
        theirs.unwrap().lands(Err(Error::new(Status::Closed, "their pool")));
        assert_eq!(mine.await.0, "mine");
    }

    #[test]
    fn ends_are_told_in_seconds_or_milliseconds() {
        assert_eq!(ends_at(1_695_128_118), ends_at(1_695_128_118_000));
    }
}
