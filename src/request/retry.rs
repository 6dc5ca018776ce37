//! Whether a request is sent again, and when; plain sessions retry only where they are asked to (`max_retries`).
//!
//! A server that refused a request for load (429, 503, 529) has not worked on it. Other failures of a server may have
//! cost money, so they are tried again only when the server says so itself (`x-should-retry: true`).

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use http::{HeaderMap, StatusCode};

use super::provider::Again;
use super::retry_after::Advice;
use crate::error::{Delivery, Detail, Error, Status};
use crate::lock::lock;

/// How much of a body is looked at, and given to a classifier.
pub const MOST_BODY: usize = 4096;

/// Answers to the request itself: the same request gets the same answer, whatever a header says.
const FINAL: [u16; 7] = [400, 401, 402, 403, 404, 413, 422];
/// "Not now": the request was not worked on.
const REFUSED_FOR_LOAD: [u16; 3] = [429, 503, 529];
/// Codes, as JSON strings, of a 429 that no waiting mends. Never prose: "check your plan and billing" also stands in
/// answers about requests a minute.
const QUOTA_CODES: [&str; 6] = [
    "\"insufficient_quota\"",
    "\"billing_hard_limit_reached\"",
    "\"billing_not_active\"",
    "\"credit_balance_too_low\"",
    "\"exceeded_current_quota_error\"",
    "\"insufficient_balance\"",
];

/// How often and how slowly.
#[derive(Clone, Copy, Debug)]
pub struct RetryPolicy {
    /// 0: never.
    pub max_retries: u32,
    /// The first wait is a random part of this, each further one of twice as much as before.
    pub base: Duration,
    /// But never of more than this.
    pub cap: Duration,
    /// Advice to wait longer is an answer to the caller, not a wait.
    pub longest_wait: Duration,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        RetryPolicy {
            max_retries: 0,
            base: Duration::from_millis(500),
            cap: Duration::from_secs(8),
            longest_wait: Duration::from_secs(120),
        }
    }
}

/// How an attempt ended. The body's first byte has not been given to the caller.
#[derive(Clone, Copy, Debug)]
pub enum AttemptOutcome<'a> {
    /// `body` is as much of it as came so far; more than `MOST_BODY` is not needed.
    Response { status: StatusCode, headers: &'a HeaderMap, body: &'a [u8], again: Again },
    /// `replayable`: the caller allows a request twice (its method is idempotent, or it said so).
    Failure { error: &'a Error, replayable: bool },
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// The outcome is the caller's.
    Stop(Stop),
    After(Duration, Reason),
}

/// Why a request is sent again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The server cannot have seen it.
    NotSent,
    /// The connection broke, and the caller allows a request twice.
    Reset,
    /// The server has no room: 429, 503, 529.
    Refused,
    /// The server asked for it: `x-should-retry`.
    Asked,
    /// The client knows the answer.
    Classified,
}

/// Why it is not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Nothing to gain.
    Final,
    /// `x-should-retry: false`.
    ServerSaysNo,
    /// A quota is used up; no waiting mends that.
    Quota,
    /// `max_retries`.
    UsedUp,
    /// The server wants longer than `longest_wait`: so long.
    TooLong(Duration),
    /// Too large a share of all requests are retries already.
    NoBudget,
}

impl Reason {
    /// As events and infos say it.
    pub fn name(self) -> &'static str {
        match self {
            Reason::NotSent => "not_sent",
            Reason::Reset => "reset",
            Reason::Refused => "refused",
            Reason::Asked => "asked",
            Reason::Classified => "classified",
        }
    }
}

/// The moment of a decision, by both clocks.
#[derive(Clone, Copy, Debug)]
pub struct Now {
    pub steady: Instant,
    pub wall: SystemTime,
}

impl Now {
    pub fn get() -> Self {
        Now { steady: Instant::now(), wall: SystemTime::now() }
    }
}

/// One request's retries.
#[derive(Debug)]
pub struct Retries {
    policy: RetryPolicy,
    budget: Arc<RetryBudget>,
    random: fastrand::Rng,
    made: u32,
}

impl Retries {
    /// Begins a request, which adds to the budget of all.
    pub fn begin(policy: RetryPolicy, budget: Arc<RetryBudget>) -> Self {
        Retries::seeded(policy, budget, fastrand::Rng::new())
    }

    /// As `begin`, with waits that can be foreseen.
    pub fn seeded(policy: RetryPolicy, budget: Arc<RetryBudget>, random: fastrand::Rng) -> Self {
        if policy.max_retries > 0 {
            budget.deposit();
        }
        Retries { policy, budget, random, made: 0 }
    }

    /// How many retries were decided on.
    pub fn made(&self) -> u32 {
        self.made
    }

    /// What follows from an attempt's outcome; a retry decided on is counted and paid for.
    pub fn decide(&mut self, outcome: AttemptOutcome<'_>, now: Now) -> Decision {
        match self.weigh(outcome, now) {
            Ok((wait, reason)) => {
                self.made += 1;
                Decision::After(wait, reason)
            }
            Err(stop) => Decision::Stop(stop),
        }
    }

    fn weigh(&mut self, outcome: AttemptOutcome<'_>, now: Now) -> Result<(Duration, Reason), Stop> {
        let (reason, advised) = match outcome {
            AttemptOutcome::Failure { error, replayable } => (of_failure(error, replayable)?, None),
            AttemptOutcome::Response { status, headers, body, again } => {
                let advice = Advice::of(headers, now.wall);
                let body = &body[..body.len().min(MOST_BODY)];
                match again {
                    Again::Never | Again::Renewed => return Err(Stop::Final),
                    Again::Perhaps(wait) => (of_response(status, advice, body)?, advice.wait.or(wait)),
                    Again::Surely(_) if advice.should_retry == Some(false) => return Err(Stop::ServerSaysNo),
                    Again::Surely(wait) => (Reason::Classified, advice.wait.or(wait)),
                }
            }
        };
        if self.made >= self.policy.max_retries {
            return Err(Stop::UsedUp);
        }
        let wait = match advised {
            Some(advised) if advised > self.policy.longest_wait => return Err(Stop::TooLong(advised)),
            // Never sooner than advised, and not all at the same moment.
            Some(advised) if advised > Duration::ZERO => advised + advised.mul_f64(0.1 * self.random.f64()),
            _ => self.backoff(),
        };
        if self.budget.withdraw(now.steady) { Ok((wait, reason)) } else { Err(Stop::NoBudget) }
    }

    /// Full jitter: any part of base, twice base, four times base ... up to the cap.
    fn backoff(&mut self) -> Duration {
        let RetryPolicy { base, cap, .. } = self.policy;
        base.saturating_mul(1 << self.made.min(20)).min(cap).mul_f64(self.random.f64())
    }
}

fn of_failure(error: &Error, replayable: bool) -> Result<Reason, Stop> {
    // Closed wants another session, and the whole request's time is not to be had twice.
    let here = !matches!(error.status, Status::Closed) && error.detail != Detail::TotalLimit;
    match error.delivery {
        Delivery::NotSent if error.retryable && here => Ok(Reason::NotSent),
        Delivery::MaybeSent if replayable && error.status == Status::Reset => Ok(Reason::Reset),
        _ => Err(Stop::Final),
    }
}

fn of_response(status: StatusCode, advice: Advice, body: &[u8]) -> Result<Reason, Stop> {
    let number = status.as_u16();
    if number < 400 || FINAL.contains(&number) {
        return Err(Stop::Final);
    }
    if number == 429 && says_quota(body) {
        return Err(Stop::Quota);
    }
    match advice.should_retry {
        Some(false) => Err(Stop::ServerSaysNo),
        Some(true) => Ok(Reason::Asked),
        None if REFUSED_FOR_LOAD.contains(&number) => Ok(Reason::Refused),
        None => Err(Stop::Final),
    }
}

fn says_quota(body: &[u8]) -> bool {
    let text = String::from_utf8_lossy(body);
    QUOTA_CODES.iter().any(|code| text.contains(code))
}

/// How many retries there may be among all requests of a pool, so that an outage is not amplified: one for five requests, and
/// ten a second besides.
#[derive(Debug)]
pub struct RetryBudget(Mutex<BudgetState>);

/// In fifths of a retry.
#[derive(Debug)]
struct BudgetState {
    fifths: u64,
    /// Up to when time has been paid for.
    paid: Option<Instant>,
}

impl RetryBudget {
    const RETRY: u64 = 5;
    const REQUEST: u64 = 1;
    /// Time for a fifth, at ten retries a second.
    const TICK: Duration = Duration::from_millis(20);
    /// What can be saved up: ten seconds of the minimum, and as much again.
    const MOST: u64 = 200 * Self::RETRY;
    const FIRST: u64 = 100 * Self::RETRY;

    /// A request was begun.
    pub fn deposit(&self) {
        let mut account = lock(&self.0);
        account.fifths = (account.fifths + Self::REQUEST).min(Self::MOST);
    }

    /// Pays for a retry; false when there is not enough.
    pub fn withdraw(&self, now: Instant) -> bool {
        let mut account = lock(&self.0);
        let paid = *account.paid.get_or_insert(now);
        let ticks = (now.saturating_duration_since(paid).as_micros() / Self::TICK.as_micros()) as u64;
        if ticks >= Self::MOST {
            (account.fifths, account.paid) = (Self::MOST, Some(now));
        } else {
            account.fifths = (account.fifths + ticks).min(Self::MOST);
            account.paid = Some(paid + Self::TICK * ticks as u32);
        }
        let enough = account.fifths >= Self::RETRY;
        if enough {
            account.fifths -= Self::RETRY;
        }
        enough
    }
}

impl Default for RetryBudget {
    fn default() -> Self {
        RetryBudget(Mutex::new(BudgetState { fifths: Self::FIRST, paid: None }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn policy() -> RetryPolicy {
        RetryPolicy { max_retries: 3, ..RetryPolicy::default() }
    }

    fn retries(policy: RetryPolicy) -> Retries {
        Retries::seeded(policy, Arc::default(), fastrand::Rng::with_seed(1))
    }

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn answer(retries: &mut Retries, status: u16, pairs: &[(&'static str, &str)], body: &str) -> Decision {
        let (status, headers) = (StatusCode::from_u16(status).unwrap(), headers(pairs));
        judged(retries, status, &headers, body, Again::Perhaps(None))
    }

    fn judged(retries: &mut Retries, status: StatusCode, headers: &HeaderMap, body: &str, again: Again) -> Decision {
        retries.decide(AttemptOutcome::Response { status, headers, body: body.as_bytes(), again }, Now::get())
    }

    fn failure(error: &Error, replayable: bool) -> Decision {
        retries(policy()).decide(AttemptOutcome::Failure { error, replayable }, Now::get())
    }

    fn reason(decision: Decision) -> Option<Reason> {
        match decision {
            Decision::After(_, reason) => Some(reason),
            Decision::Stop(_) => None,
        }
    }

    #[test]
    fn raw_sessions_never_retry() {
        let mut raw = retries(RetryPolicy::default());
        assert_eq!(answer(&mut raw, 503, &[("x-should-retry", "true")], ""), Decision::Stop(Stop::UsedUp));
        let error = Error::new(Status::Connect, "").retryable();
        let outcome = AttemptOutcome::Failure { error: &error, replayable: true };
        assert_eq!(raw.decide(outcome, Now::get()), Decision::Stop(Stop::UsedUp));
    }

    #[test]
    fn only_refusals_for_load_are_retried_unasked() {
        for status in 200..=599 {
            let expected = matches!(status, 429 | 503 | 529).then_some(Reason::Refused);
            assert_eq!(reason(answer(&mut retries(policy()), status, &[], "")), expected, "{status}");
        }
    }

    #[test]
    fn the_server_may_ask_for_a_retry_or_forbid_it() {
        for status in [408, 409, 429, 500, 502, 503, 504, 529] {
            let asked = answer(&mut retries(policy()), status, &[("x-should-retry", "true")], "");
            assert_eq!(reason(asked), Some(Reason::Asked), "{status}");
            let forbidden = answer(&mut retries(policy()), status, &[("x-should-retry", "false")], "");
            assert_eq!(forbidden, Decision::Stop(Stop::ServerSaysNo), "{status}");
        }
        for status in [200, 302, 400, 401, 402, 403, 404, 413, 422] {
            let asked = answer(&mut retries(policy()), status, &[("x-should-retry", "true"), ("retry-after", "1")], "");
            assert_eq!(asked, Decision::Stop(Stop::Final), "{status}");
        }
    }

    #[test]
    fn a_used_up_quota_is_final_and_a_rate_limit_is_not() {
        let quota = r#"{"error":{"message":"...","type":"insufficient_quota","code":"insufficient_quota"}}"#;
        assert_eq!(answer(&mut retries(policy()), 429, &[("retry-after", "1")], quota), Decision::Stop(Stop::Quota));
        let rate =
            r#"{"error":{"message":"You exceeded your current quota, please check your plan and billing details"}}"#;
        assert_eq!(reason(answer(&mut retries(policy()), 429, &[], rate)), Some(Reason::Refused));
        let far = format!("{}{quota}", " ".repeat(MOST_BODY));
        assert_eq!(reason(answer(&mut retries(policy()), 429, &[], &far)), Some(Reason::Refused));
    }

    #[test]
    fn advice_is_waited_for_and_never_undercut() {
        for (header, value, least) in
            [("retry-after", "3", 3000), ("retry-after-ms", "40", 40), ("retry-after", "120", 120_000)]
        {
            let Decision::After(wait, _) = answer(&mut retries(policy()), 429, &[(header, value)], "") else {
                panic!()
            };
            assert!((least..=least * 11 / 10).contains(&wait.as_millis()), "{value}: {wait:?}");
        }
        let long = answer(&mut retries(policy()), 429, &[("retry-after", "121")], "");
        assert_eq!(long, Decision::Stop(Stop::TooLong(Duration::from_secs(121))));
    }

    #[test]
    fn without_advice_waits_are_spread_and_double_up_to_the_cap() {
        let mut seen = [Duration::ZERO; 8];
        for seed in 0..200 {
            let policy = RetryPolicy { max_retries: 8, ..policy() };
            let mut retries = Retries::seeded(policy, Arc::default(), fastrand::Rng::with_seed(seed));
            for (at, longest) in [500, 1000, 2000, 4000, 8000, 8000, 8000, 8000].into_iter().enumerate() {
                let Decision::After(wait, _) = answer(&mut retries, 503, &[], "") else { panic!() };
                assert!(wait <= Duration::from_millis(longest));
                seen[at] = seen[at].max(wait);
            }
            assert_eq!((answer(&mut retries, 503, &[], ""), retries.made()), (Decision::Stop(Stop::UsedUp), 8));
        }
        assert!(seen[0] > Duration::from_millis(450) && seen[7] > Duration::from_millis(7200));
    }

    #[test]
    fn failures_are_retried_where_nothing_can_have_been_billed() {
        let connect = Error::new(Status::Connect, "").retryable();
        assert_eq!(reason(failure(&connect, false)), Some(Reason::NotSent));
        let reset = Error::new(Status::Reset, "").delivery(Delivery::MaybeSent);
        assert_eq!(failure(&reset, false), Decision::Stop(Stop::Final));
        assert_eq!(reason(failure(&reset, true)), Some(Reason::Reset));
        for never in [
            Error::new(Status::InvalidArgument, ""),
            Error::new(Status::Tls, ""),
            Error::new(Status::Cancelled, ""),
            Error::closed(Detail::Evicted),
            Error::new(Status::Timeout, "").detail(Detail::TotalLimit).retryable(),
            Error::new(Status::Timeout, "").delivery(Delivery::MaybeSent).retryable(),
            Error::new(Status::Reset, "").delivery(Delivery::ResponseStarted),
            Error::new(Status::Truncated, "").delivery(Delivery::ResponseStarted),
        ] {
            assert_eq!(failure(&never, true), Decision::Stop(Stop::Final), "{never:?}");
        }
    }

    #[test]
    fn a_client_knows_better() {
        let decide = |status, again| judged(&mut retries(policy()), status, &HeaderMap::new(), "", again);
        assert_eq!(reason(decide(StatusCode::INTERNAL_SERVER_ERROR, Again::Surely(None))), Some(Reason::Classified));
        for never in [Again::Never, Again::Renewed] {
            assert_eq!(decide(StatusCode::SERVICE_UNAVAILABLE, never), Decision::Stop(Stop::Final));
        }
        let no = headers(&[("x-should-retry", "false")]);
        let forbidden = judged(&mut retries(policy()), StatusCode::BAD_GATEWAY, &no, "", Again::Surely(None));
        assert_eq!(forbidden, Decision::Stop(Stop::ServerSaysNo));
        let told = Duration::from_secs(123);
        let long = decide(StatusCode::TOO_MANY_REQUESTS, Again::Perhaps(Some(told)));
        assert_eq!(long, Decision::Stop(Stop::TooLong(told)));
    }

    #[test]
    fn an_outage_is_not_amplified() {
        let (budget, now) = (RetryBudget::default(), Instant::now());
        let retries = |requests: usize, now| {
            let paid = |_: &usize| {
                budget.deposit();
                budget.withdraw(now)
            };
            (0..requests).filter(paid).count()
        };
        // What was saved up at first, and one for five of what fails.
        assert_eq!(retries(1000, now), 100 + 25 + 175);
        let second = Duration::from_secs(1);
        assert_eq!(retries(1000, now + second), 210);
        assert!(!budget.withdraw(now + second));
        // Never more than the most, however long it was quiet; a clock that stands still or steps back does no harm.
        let later = now + second * 86_400 * 365;
        assert_eq!((0..1000).filter(|_| budget.withdraw(later)).count(), 200);
        assert!(!budget.withdraw(now));
        let mut poor = Retries::seeded(policy(), Arc::new(budget), fastrand::Rng::with_seed(1));
        let (status, headers) = (StatusCode::SERVICE_UNAVAILABLE, HeaderMap::new());
        let outcome = AttemptOutcome::Response { status, headers: &headers, body: b"", again: Again::Perhaps(None) };
        assert_eq!(
            poor.decide(outcome, Now { steady: later, wall: SystemTime::now() }),
            Decision::Stop(Stop::NoBudget)
        );
    }
}
