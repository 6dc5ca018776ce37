//! One run: threads that send requests one after the other; one line of figures. harness.h has the same in C.

use std::sync::Barrier;
use std::time::{Duration, Instant};

use crate::figures::{self, cpu_time};
use crate::histogram::Histogram;

/// What to do, from the command line: PEER URL CA_FILE HTTP THREADS BASES WARMUP SECONDS REQUESTS.
/// Each thread sends WARMUP requests that are not counted, then stops after SECONDS or REQUESTS, whichever is first.
pub struct Plan {
    pub peer: String,
    pub url: String,
    pub ca_file: String,
    /// 1, 2, or 0: by ALPN, which has to give 2.
    pub http: u32,
    /// Or how many requests are in flight, or how many streams.
    pub threads: usize,
    /// 1: all threads use `url`; as many as threads: each a base URL of its own below it.
    bases: usize,
    pub warmup: u64,
    pub limit: Duration,
    pub requests: u64,
}

impl Plan {
    pub fn from_args() -> Option<Plan> {
        let args = std::env::args().skip(1).collect::<Vec<_>>();
        let [peer, url, ca_file, http, threads, bases, warmup, seconds, requests] = args.as_slice() else {
            return None;
        };
        Some(Plan {
            peer: peer.clone(),
            url: url.clone(),
            ca_file: ca_file.clone(),
            http: http.parse().ok()?,
            threads: threads.parse().ok()?,
            bases: bases.parse().ok()?,
            warmup: warmup.parse().ok()?,
            limit: Duration::from_secs_f64(seconds.parse().ok()?),
            requests: requests.parse().ok()?,
        })
    }

    fn url_of(&self, index: usize) -> String {
        if self.bases == 1 { self.url.clone() } else { format!("{}{}", self.url, index % self.bases) }
    }

    /// Runs `request` as planned, with each thread's URL, and prints the figures. This thread is one of the senders.
    pub fn run(&self, request: impl Fn(&str) + Sync) {
        let barrier = Barrier::new(self.threads);
        let (all, elapsed, cpu) = std::thread::scope(|scope| {
            let (barrier, request) = (&barrier, &request);
            let others = (1..self.threads).map(|index| {
                scope.spawn(move || {
                    let url = self.url_of(index);
                    self.warm_up(&url, request);
                    barrier.wait();
                    barrier.wait();
                    self.measure(&url, request)
                })
            });
            let others = others.collect::<Vec<_>>();
            let url = self.url_of(0);
            self.warm_up(&url, request);
            barrier.wait();
            let (began, cpu_before) = (Instant::now(), cpu_time());
            barrier.wait();
            let mut all = self.measure(&url, request);
            for other in others {
                all.merge(&other.join().expect("a sender panicked"));
            }
            (all, began.elapsed(), cpu_time() - cpu_before)
        });
        figures::print(&all, elapsed, cpu);
    }

    fn warm_up(&self, url: &str, request: &impl Fn(&str)) {
        for _ in 0..self.warmup {
            request(url);
        }
    }

    fn measure(&self, url: &str, request: &impl Fn(&str)) -> Histogram {
        let mut latencies = Histogram::new();
        let began = Instant::now();
        let mut last = began;
        while latencies.total < self.requests && last - began < self.limit {
            request(url);
            let now = Instant::now();
            latencies.record((now - last).as_nanos() as u64);
            last = now;
        }
        latencies
    }
}
