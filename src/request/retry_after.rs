//! A server's own advice on retries, in every form that servers use.

use std::time::{Duration, SystemTime};

use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

const RETRY_AFTER_MS: &str = "retry-after-ms";
const X_MS_RETRY_AFTER_MS: &str = "x-ms-retry-after-ms";
const X_SHOULD_RETRY: &str = "x-should-retry";

/// What is longer is a slip of the pen, as is what is negative or no number.
const LONGEST_MEANT: Duration = Duration::from_secs(366 * 24 * 3600);

/// What a response's headers advise.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Advice {
    /// Whether to try again at all, where the server says so (`x-should-retry`).
    pub should_retry: Option<bool>,
    /// How long to wait first, where the server says so.
    pub wait: Option<Duration>,
}

impl Advice {
    /// The advice in `headers`: the finer forms first (`retry-after-ms`, `x-ms-retry-after-ms`), then `retry-after`, a number of
    /// seconds or a date. A date counts from the response's own date, as the two clocks need not agree; from `now` without.
    pub fn of(headers: &HeaderMap, now: SystemTime) -> Advice {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let millis = |name| text(name).and_then(|text| number(text, 0.001));
        let seconds = || text(RETRY_AFTER.as_str()).and_then(|text| number(text, 1.0));
        let until = || {
            let date = |name| text(name).and_then(|text| httpdate::parse_http_date(text).ok());
            let wait = date(RETRY_AFTER.as_str())?.duration_since(date(DATE.as_str()).unwrap_or(now));
            // A date that is over means now.
            meant(wait.unwrap_or(Duration::ZERO))
        };
        let should_retry = match text(X_SHOULD_RETRY) {
            Some(text) if text.eq_ignore_ascii_case("true") => Some(true),
            Some(text) if text.eq_ignore_ascii_case("false") => Some(false),
            _ => None,
        };
        let wait = millis(RETRY_AFTER_MS).or_else(|| millis(X_MS_RETRY_AFTER_MS)).or_else(seconds).or_else(until);
        Advice { should_retry, wait }
    }
}

fn number(text: &str, unit: f64) -> Option<Duration> {
    Duration::try_from_secs_f64(text.parse::<f64>().ok()? * unit).ok().and_then(meant)
}

fn meant(wait: Duration) -> Option<Duration> {
    (wait <= LONGEST_MEANT).then_some(wait)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn now() -> SystemTime {
        httpdate::parse_http_date("Wed, 21 Oct 2026 07:28:00 GMT").unwrap()
    }

    fn advice(headers: &[(&str, &str)]) -> Advice {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::from_bytes(name.as_bytes()).unwrap(), value.parse().unwrap());
        }
        Advice::of(&map, now())
    }

    fn wait_ms(headers: &[(&str, &str)]) -> Option<u128> {
        advice(headers).wait.map(|wait| wait.as_millis())
    }

    #[test]
    fn every_form_is_understood() {
        assert_eq!(wait_ms(&[("retry-after", "7")]), Some(7000));
        assert_eq!(wait_ms(&[("retry-after", " 0.25 ")]), Some(250));
        assert_eq!(wait_ms(&[("retry-after", "0")]), Some(0));
        assert_eq!(wait_ms(&[("retry-after-ms", "1500")]), Some(1500));
        assert_eq!(wait_ms(&[("retry-after-ms", "12.0")]), Some(12));
        assert_eq!(wait_ms(&[("x-ms-retry-after-ms", "20")]), Some(20));
        assert_eq!(wait_ms(&[("retry-after", "Wed, 21 Oct 2026 07:28:30 GMT")]), Some(30_000));
        assert_eq!(wait_ms(&[("retry-after", "Wednesday, 21-Oct-26 07:28:30 GMT")]), Some(30_000));
        assert_eq!(wait_ms(&[("retry-after", "Wed Oct 21 07:28:30 2026")]), Some(30_000));
        assert_eq!(wait_ms(&[("retry-after", "Wed, 21 Oct 2026 07:00:00 GMT")]), Some(0));
        assert_eq!(wait_ms(&[]), None);
    }

    #[test]
    fn the_finer_form_wins() {
        assert_eq!(wait_ms(&[("retry-after", "2"), ("retry-after-ms", "1700")]), Some(1700));
        assert_eq!(wait_ms(&[("retry-after", "2"), ("x-ms-retry-after-ms", "1800")]), Some(1800));
        assert_eq!(wait_ms(&[("retry-after", "2"), ("retry-after-ms", "-1")]), Some(2000));
    }

    #[test]
    fn a_date_counts_from_the_servers_clock() {
        let skewed = [("date", "Wed, 21 Oct 2026 09:00:00 GMT"), ("retry-after", "Wed, 21 Oct 2026 09:00:05 GMT")];
        assert_eq!(wait_ms(&skewed), Some(5000));
    }

    #[test]
    fn absurd_values_are_no_advice() {
        for absurd in ["-1", "NaN", "inf", "1e300", "99999999999", "soon", "", "Wed, 21 Oct 9026 07:28:30 GMT"] {
            assert_eq!(wait_ms(&[("retry-after", absurd)]), None, "{absurd}");
        }
        for absurd in ["-1", "NaN", "inf", "99999999999999", ""] {
            assert_eq!(wait_ms(&[("retry-after-ms", absurd)]), None, "{absurd}");
        }
    }

    #[test]
    fn should_retry_is_yes_no_or_unsaid() {
        assert_eq!(advice(&[("x-should-retry", "true")]).should_retry, Some(true));
        assert_eq!(advice(&[("x-should-retry", "False")]).should_retry, Some(false));
        assert_eq!(advice(&[("x-should-retry", "maybe")]).should_retry, None);
        assert_eq!(advice(&[]).should_retry, None);
    }
}
