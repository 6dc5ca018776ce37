//! One run of tasks: so many requests in flight, and another one for each that is done. What is under way when the time is
//! over is not counted. flight.h has the same in C.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::figures::{self, cpu_time};
use crate::harness::Plan;
use crate::histogram::Histogram;

/// Counts what is done, for all tasks together.
struct Meter {
    warmup: u64,
    limit: Duration,
    requests: u64,
    latencies: Histogram,
    warmed: u64,
    began: Option<(Instant, Duration)>,
    /// How long it took, and its CPU.
    ended: Option<(Duration, Duration)>,
}

impl Meter {
    /// One more is done, which began at `since`; whether to send another.
    fn done(&mut self, since: Instant) -> bool {
        let now = Instant::now();
        if self.ended.is_some() {
            return false;
        }
        let Some((began, cpu)) = self.began else {
            self.warmed += 1;
            if self.warmed >= self.warmup {
                self.began = Some((now, cpu_time()));
            }
            return true;
        };
        self.latencies.record((now - since).as_nanos() as u64);
        if now - began >= self.limit || self.latencies.total >= self.requests {
            self.ended = Some((now - began, cpu_time() - cpu));
        }
        self.ended.is_none()
    }
}

/// Runs `request` as planned and prints the figures.
pub async fn run<F: Future<Output = ()> + Send>(plan: &Plan, request: impl Fn() -> F + Clone + Send + 'static)
where
    F: 'static,
{
    let meter = Arc::new(Mutex::new(Meter {
        warmup: plan.warmup * plan.threads as u64,
        limit: plan.limit,
        requests: plan.requests,
        latencies: Histogram::new(),
        warmed: 0,
        began: None,
        ended: None,
    }));
    let task = |_| {
        let (meter, request) = (meter.clone(), request.clone());
        tokio::spawn(async move {
            let mut more = true;
            while more {
                let since = Instant::now();
                request().await;
                more = meter.lock().expect("nobody panics over the meter").done(since);
            }
        })
    };
    for task in (0..plan.threads).map(task).collect::<Vec<_>>() {
        task.await.expect("a sender panicked");
    }
    let meter = meter.lock().expect("nobody panics over the meter");
    let (elapsed, cpu) = meter.ended.expect("tasks end with it");
    figures::print(&meter.latencies, elapsed, cpu);
}
