//! One run of token streams: all of them open, then their bytes for so long. streams.h has the same in C.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use reqwest::Client;

use crate::figures::{cpu_time, resident_kb};
use crate::harness::Plan;

/// Bytes of an event; the server sends all alike.
const EVENT_BYTES: u64 = 176;
/// From the last stream's head to the first byte counted.
const SETTLE: Duration = Duration::from_millis(500);

#[derive(Default)]
struct Counts {
    heads: AtomicU64,
    bytes: AtomicU64,
}

/// Reads as planned and prints the figures. The streams have no end but the process's.
pub async fn run(plan: &Plan, client: Client) {
    let memory = resident_kb();
    let counts = Arc::new(Counts::default());
    for _ in 0..plan.threads {
        tokio::spawn(read(client.clone(), plan.url.clone(), counts.clone()));
    }
    while counts.heads.load(Relaxed) < plan.threads as u64 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    tokio::time::sleep(SETTLE).await;
    let (began, cpu, before) = (Instant::now(), cpu_time(), counts.bytes.load(Relaxed));
    tokio::time::sleep(plan.limit).await;
    let events = ((counts.bytes.load(Relaxed) - before) / EVENT_BYTES) as f64;
    println!(
        "requests={events} rps={:.1} cpu_us={:.4} kb={:.2}",
        events / began.elapsed().as_secs_f64(),
        (cpu_time() - cpu).as_secs_f64() * 1e6 / events,
        (resident_kb() - memory) / plan.threads as f64,
    );
}

async fn read(client: Client, url: String, counts: Arc<Counts>) {
    let mut response = client.get(url).send().await.expect("the server answers");
    counts.heads.fetch_add(1, Relaxed);
    while let Some(chunk) = response.chunk().await.expect("the stream goes on") {
        counts.bytes.fetch_add(chunk.len() as u64, Relaxed);
    }
}
