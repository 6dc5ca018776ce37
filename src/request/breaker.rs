//! A circuit breaker: after failures in a row requests fail at once, until one that is let out shows that the server is back.

use std::time::Duration;

use tokio::time::Instant;

/// How long nothing is sent at first; twice as long each further time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Counts failures in a row.
#[derive(Debug)]
pub struct Breaker {
    /// So many open it; 0 never does.
    after: u32,
    failures: u32,
    open: Option<Open>,
}

#[derive(Clone, Copy, Debug)]
struct Open {
    until: Instant,
    pause: Duration,
}

/// Whether a request may go.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    Open,
    /// As the one that tries.
    Probe,
    /// Not for so long.
    Shut(Duration),
}

impl Breaker {
    pub fn new(after: u32) -> Breaker {
        Breaker { after, failures: 0, open: None }
    }

    /// From now on so many open it; 0 never does, and closes it.
    pub fn breaks_after(&mut self, failures: u32) {
        self.after = failures;
        if failures == 0 {
            (self.failures, self.open) = (0, None);
        }
    }

    pub fn ask(&self, now: Instant) -> Gate {
        match self.open {
            None => Gate::Open,
            // One each pause: who tries may take long, and says nothing until then.
            Some(open) if open.until <= now => Gate::Probe,
            Some(open) => Gate::Shut(open.until.saturating_duration_since(now).max(Duration::from_millis(1))),
        }
    }

    /// The one that tries is on its way.
    pub fn probes(&mut self, now: Instant) {
        if let Some(open) = &mut self.open {
            open.until = now + open.pause;
        }
    }

    /// How a request ended, which was the one that tried or not.
    pub fn saw(&mut self, well: bool, probed: bool, now: Instant) {
        if well {
            // What was sent before the failures may still come well: only the probe's word counts then.
            if self.open.is_none() || probed {
                (self.failures, self.open) = (0, None);
            }
            return;
        }
        self.failures = self.failures.saturating_add(1);
        match &mut self.open {
            Some(open) if probed => {
                open.pause = (open.pause * 2).min(LONGEST_PAUSE);
                open.until = now + open.pause;
            }
            None if self.after > 0 && self.failures >= self.after => {
                self.open = Some(Open { until: now + FIRST_PAUSE, pause: FIRST_PAUSE });
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_in_a_row_open_it_and_a_probe_closes_it() {
        let now = Instant::now();
        let mut breaker = Breaker::new(3);
        for well in [false, false, true, false, false] {
            breaker.saw(well, false, now);
            assert_eq!(breaker.ask(now), Gate::Open);
        }
        breaker.saw(false, false, now);
        assert_eq!(breaker.ask(now), Gate::Shut(FIRST_PAUSE));
        let later = now + FIRST_PAUSE;
        assert_eq!(breaker.ask(later), Gate::Probe);
        breaker.probes(later);
        assert!(matches!(breaker.ask(later), Gate::Shut(_)), "one probe at a time");
        breaker.saw(false, true, later);
        assert_eq!(breaker.ask(later), Gate::Shut(FIRST_PAUSE * 2));
        breaker.saw(true, false, later);
        assert_eq!(breaker.ask(later), Gate::Shut(FIRST_PAUSE * 2), "an old request says nothing of now");
        let latest = later + FIRST_PAUSE * 2;
        breaker.probes(latest);
        assert_eq!(breaker.ask(latest + FIRST_PAUSE * 2), Gate::Probe);
        breaker.saw(true, true, latest);
        assert_eq!(breaker.ask(latest), Gate::Open);
    }

    #[test]
    fn pauses_grow_to_the_longest() {
        let mut now = Instant::now();
        let mut breaker = Breaker::new(1);
        breaker.saw(false, false, now);
        for _ in 0..10 {
            let Gate::Shut(pause) = breaker.ask(now) else { panic!() };
            now += pause;
            breaker.probes(now);
            breaker.saw(false, true, now);
        }
        assert_eq!(breaker.ask(now), Gate::Shut(LONGEST_PAUSE));
    }

    #[test]
    fn it_can_be_off() {
        let mut breaker = Breaker::new(0);
        (0..100).for_each(|_| breaker.saw(false, false, Instant::now()));
        assert_eq!(breaker.ask(Instant::now()), Gate::Open);
    }
}
