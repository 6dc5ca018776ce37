//! So many requests per window of time, credential by credential.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use hyper::header::{HeaderName, HeaderValue};
use hyper::http::HeaderMap;

use crate::lock::lock;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit-requests");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining-requests");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset-requests");

/// A quota as it is asked for: `N/MS`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    pub limit: u64,
    pub window: Duration,
}

impl Quota {
    pub fn parse(text: &str) -> Option<Self> {
        let (limit, window) = text.split_once('/')?;
        let window = window.trim().parse().ok().filter(|ms| *ms > 0)?;
        Some(Self { limit: limit.trim().parse().ok()?, window: Duration::from_millis(window) })
    }
}

#[derive(Default)]
pub struct Quotas(Mutex<HashMap<String, Window>>);

struct Window {
    opened: Instant,
    taken: u64,
}

/// Where a credential stands after a request.
pub struct Standing {
    pub refused: bool,
    limit: u64,
    remaining: u64,
    pub reset: Duration,
}

impl Quotas {
    /// Takes one request of the window, which opens with its first request.
    pub fn take(&self, credential: &str, quota: Quota) -> Standing {
        let now = Instant::now();
        let mut windows = lock(&self.0);
        let window = windows.entry(credential.to_owned()).or_insert(Window { opened: now, taken: 0 });
        if now.duration_since(window.opened) >= quota.window {
            *window = Window { opened: now, taken: 0 };
        }
        let refused = window.taken >= quota.limit;
        window.taken += u64::from(!refused);
        Standing {
            refused,
            limit: quota.limit,
            remaining: quota.limit.saturating_sub(window.taken),
            reset: quota.window.saturating_sub(now.duration_since(window.opened)),
        }
    }

    pub fn reset(&self) {
        lock(&self.0).clear();
    }
}

impl Standing {
    pub fn tell(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, self.limit.into());
        headers.insert(REMAINING, self.remaining.into());
        // Digits and letters only, so that it is always a header's value.
        headers.insert(RESET, HeaderValue::from_str(&spell(self.reset)).unwrap_or(HeaderValue::from_static("1s")));
    }
}

/// A time as such headers spell it: `20ms`, `1.5s`, `6m0s`.
pub fn spell(time: Duration) -> String {
    let (seconds, ms) = (time.as_secs(), time.subsec_millis());
    let fraction = if ms == 0 { String::new() } else { format!(".{ms:03}").trim_end_matches('0').to_owned() };
    match seconds {
        0 => format!("{ms}ms"),
        1..60 => format!("{seconds}{fraction}s"),
        _ => format!("{}m{}{fraction}s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_spelt_as_services_do() {
        for (ms, text) in [(20, "20ms"), (1500, "1.5s"), (360_000, "6m0s"), (61_050, "1m1.05s")] {
            assert_eq!(spell(Duration::from_millis(ms)), text);
        }
    }

    #[test]
    fn a_window_takes_so_many() {
        let quotas = Quotas::default();
        let quota = Quota::parse("2/3600000").unwrap();
        let refused = |who| quotas.take(who, quota).refused;
        assert_eq!([refused("a"), refused("a"), refused("a"), refused("b")], [false, false, true, false]);
        assert_eq!(Quota::parse("2/0"), None);
    }
}
