//! How fast requests may go, learned from what a provider says of its limits: `x-ratelimit-*` headers, 429 and `Retry-After`.

use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

/// How long all wait after a 429 that says nothing.
const SILENT_REFUSAL: Duration = Duration::from_secs(1);
/// How long the others wait for the one that went ahead.
const PROBE_PATIENCE: Duration = Duration::from_secs(1);
/// Two answers of one window say its end this far apart: the network's doing.
const SAME_WINDOW: Duration = Duration::from_millis(200);
/// A longer window is a slip of the pen, or a quota's.
const LONGEST_WINDOW: Duration = Duration::from_secs(24 * 3600);

/// One account's pace.
#[derive(Debug, Default)]
pub struct Pace {
    requests: Option<Window>,
    tokens: Option<Window>,
    /// All wait until then.
    cool_until: Option<Instant>,
    /// Sent, and not answered yet.
    in_flight: u64,
    probe: Probe,
}

/// A limit was reached and its time is over: one goes ahead to see.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Probe {
    #[default]
    None,
    Wanted,
    /// The others wait for its answer, but not for long: a refusal comes soon, and an answer can take its time.
    Out(Instant),
}

/// What is left of a rate limit until it begins anew.
#[derive(Clone, Copy, Debug)]
struct Window {
    /// The least that was told: answers may overtake each other.
    left: u64,
    ends: Instant,
}

impl Pace {
    /// Whether one more may go; else until when there is no sense in asking again, unless an answer comes first.
    pub fn ask(&mut self, now: Instant) -> Result<(), Option<Instant>> {
        if let Some(until) = self.cool_until {
            if until > now {
                return Err(Some(until));
            }
            (self.cool_until, self.probe) = (None, Probe::Wanted);
        }
        for (window, room) in [(&mut self.requests, self.in_flight), (&mut self.tokens, 0)] {
            if let Some(over) = window.take_if(|window| window.ends <= now) {
                if over.left <= room {
                    self.probe = Probe::Wanted;
                }
            }
        }
        if let Probe::Out(until) = self.probe {
            if until > now {
                return Err(Some(until));
            }
            self.probe = Probe::None;
        }
        // Those on their way may not be counted yet.
        if let Some(window) = self.requests.filter(|window| window.left <= self.in_flight) {
            return Err(Some(window.ends));
        }
        if let Some(window) = self.tokens.filter(|window| window.left == 0) {
            return Err(Some(window.ends));
        }
        Ok(())
    }

    /// A request leaves.
    pub fn leaves(&mut self, now: Instant) {
        self.in_flight += 1;
        if self.probe == Probe::Wanted {
            self.probe = Probe::Out(now + PROBE_PATIENCE);
        }
    }

    /// It is answered, or never will be.
    pub fn lands(&mut self) {
        self.in_flight -= 1;
        if matches!(self.probe, Probe::Out(_)) {
            self.probe = Probe::Wanted;
        }
    }

    /// What an answer's head says.
    pub fn learn(&mut self, headers: &HeaderMap, now: Instant) {
        self.probe = Probe::None;
        Window::learn(&mut self.requests, headers, "requests", now);
        Window::learn(&mut self.tokens, headers, "tokens", now);
    }

    /// A request was refused for its rate; how long all are to wait, where the server said so.
    pub fn refused(&mut self, advised: Option<Duration>, now: Instant) {
        let told = self.requests.map(|window| window.ends.saturating_duration_since(now));
        let wait = advised.or(told).unwrap_or(SILENT_REFUSAL).min(LONGEST_WINDOW);
        let until = now + wait;
        self.cool_until = Some(self.cool_until.map_or(until, |before| before.max(until)));
    }
}

impl Window {
    fn learn(window: &mut Option<Window>, headers: &HeaderMap, what: &str, now: Instant) {
        let text = |part: &str| headers.get(format!("x-ratelimit-{part}-{what}"))?.to_str().ok();
        let left = text("remaining").and_then(|text| text.trim().parse().ok());
        let reset = text("reset").and_then(duration).filter(|reset| *reset <= LONGEST_WINDOW);
        let (Some(left), Some(reset)) = (left, reset) else { return };
        let told = Window { left, ends: now + reset };
        *window = Some(match *window {
            // Of the window before, overtaken by an answer of this one.
            Some(known) if told.ends + SAME_WINDOW < known.ends => known,
            Some(known) if told.ends <= known.ends + SAME_WINDOW => Window { left: known.left.min(left), ..known },
            _ => told,
        });
    }
}

/// A time as OpenAI writes it: `1s`, `6m0s`, `20ms`, `1h2m3.5s`; a number alone is seconds.
fn duration(text: &str) -> Option<Duration> {
    let mut rest = text.trim();
    let mut total = Duration::ZERO;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let number: f64 = rest[..digits].parse().ok()?;
        rest = &rest[digits..];
        let unit = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let seconds = match &rest[..unit] {
            "ms" => 0.001,
            "s" | "" => 1.0,
            "m" => 60.0,
            "h" => 3600.0,
            "d" => 86_400.0,
            _ => return None,
        };
        rest = &rest[unit..];
        total = total.checked_add(Duration::try_from_secs_f64(number * seconds).ok()?)?;
    }
    Some(total)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    fn headers(left: u64, reset: &str) -> HeaderMap {
        let pairs =
            [("x-ratelimit-remaining-requests", left.to_string()), ("x-ratelimit-reset-requests", reset.into())];
        pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap())).collect()
    }

    fn answer(pace: &mut Pace, left: u64, reset: &str, now: Instant) {
        pace.lands();
        pace.learn(&headers(left, reset), now);
    }

    #[test]
    fn times_are_read_as_they_are_written() {
        for (text, millis) in [("1s", 1000), ("6m0s", 360_000), ("20ms", 20), ("1h2m3.5s", 3_723_500), ("7", 7000)] {
            assert_eq!(duration(text), Some(Duration::from_millis(millis)), "{text}");
        }
        for text in ["soon", "1x", "-1s", "1.2.3s", "99999999999999999999d"] {
            assert_eq!(duration(text), None, "{text}");
        }
    }

    #[test]
    fn nothing_is_known_at_first() {
        let mut pace = Pace::default();
        for _ in 0..1000 {
            assert_eq!(pace.ask(Instant::now()), Ok(()));
            pace.leaves(Instant::now());
        }
    }

    #[test]
    fn what_is_on_its_way_counts_until_the_server_has_counted_it() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        (0..3).for_each(|_| pace.leaves(now));
        answer(&mut pace, 3, "1s", now);
        assert_eq!(pace.ask(now), Ok(()), "3 left, 2 on their way");
        pace.leaves(now);
        assert_eq!(pace.ask(now), Err(Some(now + Duration::from_secs(1))));
        // The later answer overtakes the earlier one.
        answer(&mut pace, 1, "1s", now);
        answer(&mut pace, 2, "1s", now);
        answer(&mut pace, 0, "1s", now);
        assert!(pace.ask(now).is_err());
    }

    #[test]
    fn a_window_that_is_over_is_felt_for_by_one() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.leaves(now);
        answer(&mut pace, 0, "1s", now);
        let later = now + Duration::from_secs(1);
        assert_eq!(pace.ask(later), Ok(()));
        pace.leaves(later);
        assert_eq!(pace.ask(later), Err(Some(later + PROBE_PATIENCE)), "until it is answered");
        assert_eq!(pace.ask(later + PROBE_PATIENCE), Ok(()), "or takes its time");
        answer(&mut pace, 59, "1s", later);
        assert_eq!(pace.ask(later), Ok(()));
    }

    #[test]
    fn news_of_a_window_that_is_over_says_nothing_of_the_next() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        (0..3).for_each(|_| pace.leaves(now));
        answer(&mut pace, 59, "500ms", now);
        answer(&mut pace, 0, "1ms", now);
        assert_eq!(pace.ask(now), Ok(()), "59 are left of the window that has begun");
    }

    #[test]
    fn one_refusal_cools_all() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        (0..2).for_each(|_| pace.leaves(now));
        pace.lands();
        pace.refused(Some(Duration::from_secs(2)), now);
        let until = now + Duration::from_secs(2);
        assert_eq!(pace.ask(now), Err(Some(until)));
        assert_eq!(pace.ask(until), Ok(()), "one is still on its way, from before");
        pace.leaves(until);
        assert_eq!(pace.ask(until), Err(Some(until + PROBE_PATIENCE)));
        pace.lands();
        assert_eq!(pace.ask(until), Ok(()), "nobody knows yet");
    }

    #[test]
    fn a_window_with_room_ends_unnoticed() {
        let (mut pace, now) = (Pace::default(), Instant::now());
        pace.leaves(now);
        answer(&mut pace, 59, "20ms", now);
        let later = now + Duration::from_millis(20);
        for _ in 0..10 {
            assert_eq!(pace.ask(later), Ok(()));
            pace.leaves(later);
        }
    }
}
